/* Is a row, or a task form, fit to be used? Everything that a request would stumble over is found
 * when it is added: names, methods, templates, dialects, words that no enum has. The message begins
 * with the member that is wrong. */
#include "base/error.h"
#include "base/url.h"
#include "core/credential.h"
#include "core/endpoints.h"
#include "core/template.h"
#include "protocol.h"
#include "wire/http.h"
#include "wire/json.h"

#define BATCH_MAX   10000
#define POLL_MS_MAX 1000000000000ll

static int refuse(lti_buf *message, const char *member, const char *why) {
  lti_buf_format(message, "%s %s", member, why);
  return LEAT_EINVAL;
}

static bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* Lower-case letters, digits, '_' and '-', on both sides of `dots` dots. */
static bool name_ok(const char *name, size_t dots) {
  size_t size = strlen(name), part = 0;
  if (size > LTI_ENDPOINT_NAME_MAX) return false;
  for (size_t i = 0; i < size; i++) {
    bool dot = name[i] == '.' && part > 0 && dots > 0;
    if (!dot && !is_name_byte(name[i])) return false;
    dots -= dot;
    part = dot ? 0 : part + 1;
  }
  return part > 0 && dots == 0;
}

static bool text_ok(const char *text) {
  size_t size = text ? strlen(text) : 0;
  for (size_t i = 0; i < size; i++)
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return false;
  return size <= LTI_ENDPOINT_TEXT_MAX;
}

/* Every text that is not looked at more closely. */
static int check_texts(const char *const *names, const char *const *texts, size_t count,
                       lti_buf *message) {
  for (size_t i = 0; i < count; i++)
    if (!text_ok(texts[i]))
      return refuse(message, names[i], "is longer than 2,048 bytes or has a control byte");
  return LTI_OK;
}

/* A path from the root, whose braces are all names. */
static bool path_ok(const char *path) {
  leat_slice text, name;
  if (*path != '/' || !lti_url_path_ok(lti_slice_of(path))) return false;
  while (lti_template_next(&path, &text, &name))
    if (text.size && (memchr(text.data, '{', text.size) || memchr(text.data, '}', text.size)))
      return false;
  return true;
}

static int check_path(const char *member, const char *path, lti_buf *message) {
  if (!path || path_ok(path)) return LTI_OK;
  return refuse(message, member,
                "must begin with '/' and have no blank, '#' or brace that is not a {name}'s");
}

/* ---- rows */

static int check_words(const leat_endpoint *row, lti_buf *message) {
  if ((int)row->body < LEAT_BODY_NONE || (int)row->body > LEAT_BODY_MULTIPART)
    return refuse(message, "body", "is none of none, json and multipart");
  if (!lti_credential_style_ok(row->auth)) return refuse(message, "auth", "is no way of a key");
  if ((int)row->reply < LEAT_REPLY_KIND_JSON || (int)row->reply > LEAT_REPLY_KIND_TASK)
    return refuse(message, "reply", "is none of json, sse, array, ws, bytes and task");
  if ((int)row->group < LEAT_REPLY_NONE || (int)row->group > LEAT_REPLY_ERROR)
    return refuse(message, "group", "is no group of replies");
  return LTI_OK;
}

/* A socket's dialect is spoken over sockets alone, and bytes are not decoded. */
static int check_dialect(const leat_endpoint *row, lti_buf *message) {
  const lti_protocol *p = lti_protocol_find(row->protocol);
  bool socket = row->reply == LEAT_REPLY_KIND_WS;
  if (row->protocol && !p) return refuse(message, "protocol", "is no dialect");
  if (socket && !(p && p->socket))
    return refuse(message, "protocol", "must be a dialect of sockets, as `reply` is ws");
  if (p && p->socket && !socket)
    return refuse(message, "protocol", "is a dialect of sockets, so `reply` must be ws");
  if (p && (row->reply == LEAT_REPLY_KIND_BYTES || row->reply == LEAT_REPLY_KIND_TASK))
    return refuse(message, "protocol", "cannot read bytes or a job's id");
  return LTI_OK;
}

static int check_field(const leat_endpoint *row, lti_buf *message) {
  static const char *const own[] = {"host",   "content-length", "transfer-encoding",
                                    "te",     "upgrade",        "connection",
                                    "expect", "keep-alive"};
  leat_slice name = lti_slice_of(row->header);
  if (!row->header != !row->value)
    return refuse(message, row->header ? "value" : "header", "is missing beside the other one");
  if (!row->header) return LTI_OK;
  if (!lti_http_name_ok(name)) return refuse(message, "header", "is no name of a field");
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (lti_slice_is_nocase(name, own[i]))
      return refuse(message, "header", "is the engine's own to write");
  if (lti_credential_is(name))
    return refuse(message, "header", "is a key's: give the key instead, and `auth`");
  if (!lti_http_value_ok(lti_slice_of(row->value)))
    return refuse(message, "value", "has a byte that fields cannot have");
  return LTI_OK;
}

static int check_place(const leat_endpoint *row, lti_buf *message) {
  lti_url url;
  const char *why = NULL;
  if (!row->path) return refuse(message, "path", "is missing");
  int r = check_path("path", row->path, message);
  if (r == LTI_OK) r = check_path("stream_path", row->stream_path, message);
  if (r == LTI_OK && row->method &&
      (!lti_http_name_ok(lti_slice_of(row->method)) || strcmp(row->method, "CONNECT") == 0))
    r = refuse(message, "method", "is no method such as GET or POST");
  if (r == LTI_OK && row->base_url && lti_url_parse(&url, lti_slice_of(row->base_url), &why))
    r = refuse(message, "base_url", why);
  return r;
}

int lti_endpoint_check(const leat_endpoint *row, const leat_task_form *form, lti_buf *message) {
  static const char *const names[] = {"summary",     "method", "path",
                                      "stream_path", "value",  "base_url"};
  const char *texts[] = {row->summary,     row->method, row->path,
                         row->stream_path, row->value,  row->base_url};
  if (!row->name || !name_ok(row->name, 1))
    return refuse(message, "name",
                  "must be group.action: lower-case letters, digits, '_' and '-', 64 bytes at "
                  "most");
  int r = check_texts(names, texts, sizeof texts / sizeof *texts, message);
  if (r == LTI_OK) r = check_words(row, message);
  if (r == LTI_OK) r = check_place(row, message);
  if (r == LTI_OK) r = check_dialect(row, message);
  if (r == LTI_OK) r = check_field(row, message);
  if (r == LTI_OK && row->task && !form) r = refuse(message, "task", "is no task form");
  if (r == LTI_OK && row->reply == LEAT_REPLY_KIND_TASK && !row->task)
    r = refuse(message, "task", "is missing, as `reply` is task");
  return r;
}

/* ---- task forms */

/* Pointers begin with '/', "" alone being the whole. */
static int check_pointers(const char *member, const char *list, lti_buf *message) {
  for (const char *at = list; at && *at;) {
    size_t n = strcspn(at, " ");
    if (n && *at != '/')
      return refuse(message, member, "must be JSON pointers, each of which begins with '/'");
    at += n + (at[n] == ' ');
  }
  return LTI_OK;
}

/* JSON once each name is a value. */
static int check_body(const char *member, const char *template, lti_buf *message) {
  leat_slice text, name;
  size_t offset;
  lti_buf filled;
  if (!template) return LTI_OK;
  lti_buf_init(&filled, message->alloc, LTI_ENDPOINT_TEXT_MAX + 1, LEAT_EINVAL);
  int r = LTI_OK;
  while (r == LTI_OK && lti_template_next(&template, &text, &name)) {
    r = lti_buf_append(&filled, text);
    if (r == LTI_OK && name.size) r = lti_buf_byte(&filled, '0');
  }
  if (r == LTI_OK && !lti_json_valid(lti_buf_slice(&filled), &offset, NULL))
    r = refuse(message, member, "is not JSON once its {names} are values");
  lti_buf_deinit(&filled);
  return r;
}

static bool has(const char *template, const char *name) {
  return template && lti_template_has(template, lti_slice_of(name));
}

static int check_batch(const leat_task_form *f, lti_buf *message) {
  if (!f->batch_path != !f->batch_body)
    return refuse(message, f->batch_path ? "batch_body" : "batch_path",
                  "is missing beside the other one");
  if (f->batch_body && !has(f->batch_body, "ids"))
    return refuse(message, "batch_body", "has no {ids}");
  if (f->batch_max < 0 || f->batch_max > BATCH_MAX)
    return refuse(message, "batch_max", "must be 1 to 10,000");
  int r = check_path("batch_path", f->batch_path, message);
  return r == LTI_OK ? check_body("batch_body", f->batch_body, message) : r;
}

static int check_poll(const leat_task_form *f, lti_buf *message) {
  if (!f->poll_path) return refuse(message, "poll_path", "is missing");
  int r = check_path("poll_path", f->poll_path, message);
  if (r == LTI_OK) r = check_path("content_path", f->content_path, message);
  if (r != LTI_OK) return r;
  if (!has(f->poll_path, "id") && !has(f->poll_body, "id"))
    return refuse(message, "poll_path", "has no {id}, and neither has poll_body");
  if (f->content_path && !has(f->content_path, "id"))
    return refuse(message, "content_path", "has no {id}");
  if (f->poll_method &&
      (!lti_http_name_ok(lti_slice_of(f->poll_method)) || strcmp(f->poll_method, "CONNECT") == 0))
    return refuse(message, "poll_method", "is no method such as GET or POST");
  if (f->poll_ms < 0 || f->poll_ms > POLL_MS_MAX)
    return refuse(message, "poll_ms", "must be milliseconds");
  return check_body("poll_body", f->poll_body, message);
}

static int check_places(const leat_task_form *f, lti_buf *message) {
  static const char *const names[] = {"id",   "status",     "progress",      "urls",
                                      "text", "error_code", "error_message", "batch_items"};
  const char *lists[] = {f->id,   f->status,     f->progress,      f->urls,
                         f->text, f->error_code, f->error_message, f->batch_items};
  int r = LTI_OK;
  for (size_t i = 0; r == LTI_OK && i < sizeof lists / sizeof *lists; i++)
    r = check_pointers(names[i], lists[i], message);
  return r;
}

int lti_endpoint_form_check(const leat_task_form *f, lti_buf *message) {
  static const char *const names[] = {
      "poll_path",  "poll_body",  "batch_path",    "batch_body",   "batch_items", "content_path",
      "id",         "status",     "progress",      "urls",         "text",        "error_code",
      "good_codes", "done_words", "error_message", "failed_words", "input_words", "poll_method"};
  const char *texts[] = {
      f->poll_path,    f->poll_body,   f->batch_path, f->batch_body, f->batch_items,
      f->content_path, f->id,          f->status,     f->progress,   f->urls,
      f->text,         f->error_code,  f->good_codes, f->done_words, f->error_message,
      f->failed_words, f->input_words, f->poll_method};
  if (!f->name || !name_ok(f->name, 0))
    return refuse(message, "name",
                  "must be lower-case letters, digits, '_' and '-', 64 bytes at most");
  int r = check_texts(names, texts, sizeof texts / sizeof *texts, message);
  if (r == LTI_OK) r = check_poll(f, message);
  if (r == LTI_OK) r = check_batch(f, message);
  return r == LTI_OK ? check_places(f, message) : r;
}
