/* Endpoints and task forms from a JSON text: all of it, or nothing.
 *
 *     {"endpoints":[{"name":"suno.music","path":"/v2/music"}],
 *      "tasks":[{"name":"mine","poll_path":"/jobs/{id}","poll_ms":5000}]}
 *
 * An array alone is that of the endpoints. Members are named as the fields of leat_endpoint and
 * leat_task_form. One that is not known is an error, since it would be a misspelt one. What has the
 * name of a known row or form begins as a copy of that. Everything is staged first, the forms
 * before the rows that name them. */
#include "base/error.h"
#include "core/endpoints.h"
#include "core/engine.h"
#include "wire/json.h"

#define STAGED_MAX (LTI_ENDPOINTS_MAX + 500) /* built-in ones may be changed besides */

enum field_kind { FIELD_TEXT, FIELD_BOOL, FIELD_INT, FIELD_MS, FIELD_WORD };

typedef const char *(*word_of)(int value);

typedef struct field {
  const char *name;
  enum field_kind kind;
  size_t offset;
  word_of word;
} field;

static const char *body_word(int value) {
  return leat_body_kind_name((enum leat_body_kind)value);
}
static const char *auth_word(int value) {
  return leat_auth_name((enum leat_auth)value);
}
static const char *reply_word(int value) {
  return leat_reply_kind_name((enum leat_reply_kind)value);
}
static const char *group_word(int value) {
  return leat_reply_group_name((enum leat_reply_group)value);
}

#define ROW(name, kind) \
  { #name, kind, offsetof(leat_endpoint, name), NULL }
#define ROW_WORD(name) \
  { #name, FIELD_WORD, offsetof(leat_endpoint, name), name##_word }

static const field row_fields[] = {ROW(name, FIELD_TEXT),
                                   ROW(summary, FIELD_TEXT),
                                   ROW(method, FIELD_TEXT),
                                   ROW(path, FIELD_TEXT),
                                   ROW(stream_path, FIELD_TEXT),
                                   ROW_WORD(body),
                                   ROW_WORD(auth),
                                   ROW_WORD(reply),
                                   ROW_WORD(group),
                                   ROW(protocol, FIELD_TEXT),
                                   ROW(task, FIELD_TEXT),
                                   ROW(header, FIELD_TEXT),
                                   ROW(value, FIELD_TEXT),
                                   ROW(base_url, FIELD_TEXT),
                                   ROW(once, FIELD_BOOL),
                                   ROW(confirmed, FIELD_BOOL)};

#define FORM(name, kind) \
  { #name, kind, offsetof(leat_task_form, name), NULL }

static const field form_fields[] = {FORM(name, FIELD_TEXT),         FORM(poll_method, FIELD_TEXT),
                                    FORM(poll_path, FIELD_TEXT),    FORM(poll_body, FIELD_TEXT),
                                    FORM(batch_path, FIELD_TEXT),   FORM(batch_body, FIELD_TEXT),
                                    FORM(batch_items, FIELD_TEXT),  FORM(batch_max, FIELD_INT),
                                    FORM(content_path, FIELD_TEXT), FORM(id, FIELD_TEXT),
                                    FORM(status, FIELD_TEXT),       FORM(progress, FIELD_TEXT),
                                    FORM(urls, FIELD_TEXT),         FORM(text, FIELD_TEXT),
                                    FORM(error_code, FIELD_TEXT),   FORM(error_message, FIELD_TEXT),
                                    FORM(good_codes, FIELD_TEXT),   FORM(done_words, FIELD_TEXT),
                                    FORM(failed_words, FIELD_TEXT), FORM(input_words, FIELD_TEXT),
                                    FORM(poll_ms, FIELD_MS)};

#undef ROW
#undef ROW_WORD
#undef FORM

typedef struct staged {
  lti_endpoint_entry **list;
  size_t count, capacity, fresh; /* fresh: of names that are not known yet */
} staged;

typedef struct loading {
  lti_endpoints *to;
  lti_buf *message;
  lti_buf texts;   /* decoded texts of one row: reserved first, for they may not move */
  lti_buf decoded; /* one of them */
  staged rows, forms;
} loading;

/* ---- one member */

static int wrong(loading *l, const char *member, const char *what) {
  lti_buf_format(l->message, "\"%s\" must be %s", member, what);
  return LEAT_EINVAL;
}

/* The decoded text, NUL-terminated, in l->texts. */
static int keep_text(loading *l, const char *member, lti_json_text text, const char **kept) {
  leat_slice decoded;
  lti_buf_clear(&l->decoded);
  int r = lti_json_decode(text, NULL, &l->decoded, &decoded);
  if (r != LTI_OK) return r;
  if (decoded.size && memchr(decoded.data, '\0', decoded.size))
    return wrong(l, member, "a text without NUL");
  size_t from = l->texts.size;
  if (l->texts.capacity - from < decoded.size + 1) return wrong(l, member, "valid UTF-8");
  r = lti_buf_append(&l->texts, decoded);
  if (r == LTI_OK) r = lti_buf_byte(&l->texts, '\0');
  *kept = l->texts.data + from;
  return r;
}

static int read_text(loading *l, const field *f, lti_json *r, const char **to) {
  lti_json_text text;
  if (lti_json_peek(r) == LTI_JSON_NULL) {
    *to = NULL;
    lti_json_skip(r);
    return LTI_OK;
  }
  if (!lti_json_string(r, &text)) return wrong(l, f->name, "a text, or null");
  return keep_text(l, f->name, text, to);
}

static int read_word(loading *l, const field *f, lti_json *r, int *to) {
  lti_json_text text;
  bool is_text = lti_json_string(r, &text);
  for (int i = 0; is_text && strcmp(f->word(i), "unknown") != 0; i++) {
    if (!lti_json_key_is(text, f->word(i))) continue;
    *to = i;
    return LTI_OK;
  }
  lti_buf_format(l->message, "\"%s\" must be one of", f->name);
  for (int i = 0; strcmp(f->word(i), "unknown") != 0; i++)
    lti_buf_format(l->message, " %s", f->word(i));
  return LEAT_EINVAL;
}

static int read_member(loading *l, const field *f, lti_json *r, void *into) {
  char *to = (char *)into + f->offset;
  int64_t number;
  switch (f->kind) {
    case FIELD_TEXT: return read_text(l, f, r, (const char **)(void *)to);
    case FIELD_WORD: return read_word(l, f, r, (int *)(void *)to);
    case FIELD_BOOL:
      return lti_json_bool(r, (bool *)to) ? LTI_OK : wrong(l, f->name, "true or false");
    case FIELD_INT:
      if (!lti_json_int(r, &number) || number < 0 || number > INT32_MAX)
        return wrong(l, f->name, "a number, 0 or more");
      *(int *)(void *)to = (int)number;
      return LTI_OK;
    case FIELD_MS:
      if (!lti_json_int(r, (int64_t *)(void *)to))
        return wrong(l, f->name, "milliseconds, a whole number");
      return LTI_OK;
  }
  return LTI_OK;
}

static int unknown(loading *l, const field *fields, size_t count) {
  lti_buf_text(l->message, "has a member that is not known; known are");
  for (size_t i = 0; i < count; i++) lti_buf_format(l->message, " %s", fields[i].name);
  return LEAT_EINVAL;
}

static int read_members(loading *l, lti_json *r, const field *fields, size_t count, void *into) {
  lti_json_text key;
  int rc = LTI_OK;
  while (rc == LTI_OK && lti_json_next_key(r, &key)) {
    size_t i = 0;
    while (i < count && !lti_json_key_is(key, fields[i].name)) i++;
    rc = i < count ? read_member(l, &fields[i], r, into) : unknown(l, fields, count);
  }
  return rc;
}

/* ---- one row or form */

/* Its name, which is known before its other members are read; NULL: it has none. */
static int read_name(loading *l, leat_slice object, const char **name) {
  leat_slice value;
  lti_json r;
  lti_json_text text;
  *name = NULL;
  lti_buf_clear(&l->texts);
  int rc = lti_buf_reserve(&l->texts, 2 * object.size + 2);
  if (rc != LTI_OK || !lti_json_find(object, "/name", &value)) return rc;
  lti_json_init(&r, value);
  return lti_json_string(&r, &text) ? keep_text(l, "name", text, name) : LTI_OK;
}

static bool is_staged(const staged *s, const char *name, bool form) {
  for (size_t i = 0; i < s->count; i++)
    if (strcmp(form ? s->list[i]->form.name : s->list[i]->row.name, name) == 0) return true;
  return false;
}

static int stage(loading *l, staged *s, lti_endpoint_entry *entry, bool fresh) {
  lti_alloc *alloc = l->to->alloc;
  if (!entry) return LEAT_ENOMEM;
  if (s->count == s->capacity) {
    size_t capacity = s->capacity ? 2 * s->capacity : 16;
    void *list = lti_alloc_grow(alloc, s->list, s->capacity * sizeof(lti_endpoint_entry *),
                                capacity * sizeof(lti_endpoint_entry *));
    if (!list) {
      lti_alloc_put(alloc, entry);
      return LEAT_ENOMEM;
    }
    s->list = list;
    s->capacity = capacity;
  }
  s->list[s->count++] = entry;
  s->fresh += fresh;
  return LTI_OK;
}

static const leat_task_form *form_of(const loading *l, const char *name) {
  for (size_t i = 0; name && i < l->forms.count; i++)
    if (strcmp(l->forms.list[i]->form.name, name) == 0) return &l->forms.list[i]->form;
  return lti_endpoints_form_find(l->to, name);
}

static int load_row(loading *l, const char *name, lti_json *r) {
  const leat_endpoint *known = lti_endpoints_find(l->to, name);
  leat_endpoint row = {.struct_size = sizeof row};
  if (known) row = *known;
  int rc = read_members(l, r, row_fields, sizeof row_fields / sizeof *row_fields, &row);
  if (rc == LTI_OK) rc = lti_endpoint_check(&row, form_of(l, row.task), l->message);
  if (rc != LTI_OK) return rc;
  return stage(l, &l->rows, lti_endpoints_copy(l->to->alloc, &row), !known);
}

static int load_form(loading *l, const char *name, lti_json *r) {
  const leat_task_form *known = lti_endpoints_form_find(l->to, name);
  leat_task_form form = {.struct_size = sizeof form};
  if (known) form = *known;
  int rc = read_members(l, r, form_fields, sizeof form_fields / sizeof *form_fields, &form);
  if (rc == LTI_OK) rc = lti_endpoint_form_check(&form, l->message);
  if (rc != LTI_OK) return rc;
  return stage(l, &l->forms, lti_endpoints_form_copy(l->to->alloc, &form), !known);
}

static int load_one(loading *l, leat_slice object, bool form) {
  staged *s = form ? &l->forms : &l->rows;
  const char *name;
  lti_json r;
  lti_json_init(&r, object);
  if (!lti_json_enter_object(&r)) {
    lti_buf_text(l->message, "must be an object");
    return LEAT_EINVAL;
  }
  int rc = read_name(l, object, &name);
  if (rc == LTI_OK && !name) rc = wrong(l, "name", "there, a text");
  if (rc == LTI_OK && s->count >= STAGED_MAX) {
    lti_buf_format(l->message, "is one too many: %d is the most", STAGED_MAX);
    rc = LEAT_EINVAL;
  }
  if (rc == LTI_OK && is_staged(s, name, form)) {
    lti_buf_text(l->message, "stands there twice");
    rc = LEAT_EINVAL;
  }
  if (rc != LTI_OK) return rc;
  return form ? load_form(l, name, &r) : load_row(l, name, &r);
}

/* ---- the whole */

/* In front of what is wrong goes where it is: endpoints[2] "suno.music": */
static void say_where(loading *l, const char *member, size_t i, leat_slice object) {
  char why[1024];
  leat_slice name;
  size_t n = l->message->size < sizeof why ? l->message->size : sizeof why;
  if (n) memcpy(why, l->message->data, n);
  lti_buf_clear(l->message);
  lti_buf_format(l->message, "%s[%zu]", member, i);
  if (lti_json_find(object, "/name", &name) && *name.data == '"' && name.size <= 80)
    lti_buf_format(l->message, " %.*s", (int)name.size, name.data);
  lti_buf_format(l->message, ": %.*s", (int)n, why);
}

static int load_list(loading *l, leat_slice array, bool form) {
  const char *member = form ? "tasks" : "endpoints";
  lti_json r;
  leat_slice object;
  int rc = LTI_OK;
  if (!array.data) return LTI_OK;
  lti_json_init(&r, array);
  if (!lti_json_enter_array(&r)) return wrong(l, member, "an array of objects");
  for (size_t i = 0; rc == LTI_OK && lti_json_next_value(&r); i++) {
    if (!lti_json_raw(&r, &object)) break;
    rc = load_one(l, object, form);
    if (rc == LEAT_EINVAL) say_where(l, member, i, object);
  }
  return rc;
}

static int load_all(loading *l, leat_slice json) {
  leat_slice lists[2] = {{NULL, 0}, {NULL, 0}}; /* endpoints, tasks */
  lti_json_text key;
  lti_json r;
  lti_json_init(&r, json);
  bool alone = lti_json_peek(&r) == LTI_JSON_ARRAY; /* of endpoints */
  if (alone) lists[0] = json;
  if (!alone && !lti_json_enter_object(&r)) {
    lti_buf_text(l->message, "an object is wanted: {\"endpoints\":[...],\"tasks\":[...]}");
    return LEAT_EINVAL;
  }
  while (!alone && lti_json_next_key(&r, &key)) {
    bool form = lti_json_key_is(key, "tasks");
    if ((!form && !lti_json_key_is(key, "endpoints")) || lists[form].data) {
      lti_buf_text(l->message, "\"endpoints\" and \"tasks\" are all that may stand there, once");
      return LEAT_EINVAL;
    }
    lti_json_raw(&r, &lists[form]);
  }
  int rc = load_list(l, lists[1], true);
  if (rc == LTI_OK) rc = load_list(l, lists[0], false);
  if (rc == LTI_OK) rc = lti_endpoints_reserve(l->to, l->rows.fresh, l->forms.fresh);
  if (rc == LEAT_EINVAL && !l->message->size)
    lti_buf_format(l->message, "an engine has at most %d endpoints and forms of its own",
                   LTI_ENDPOINTS_MAX);
  return rc;
}

static void settle(loading *l, staged *s, bool form, bool keep) {
  for (size_t i = 0; i < s->count; i++) {
    if (!keep)
      lti_alloc_put(l->to->alloc, s->list[i]);
    else if (form)
      lti_endpoints_form_put(l->to, s->list[i]);
    else
      lti_endpoints_put(l->to, s->list[i]);
  }
  lti_alloc_put(l->to->alloc, s->list);
}

int lti_endpoints_load(lti_endpoints *to, leat_slice json, lti_buf *message) {
  loading l = {.to = to, .message = message};
  size_t offset;
  const char *why = NULL;
  if (json.size > LTI_ENDPOINT_JSON_BYTES_MAX) {
    lti_buf_text(message, "the text is longer than 4 MiB");
    return LEAT_EINVAL;
  }
  if (!lti_json_valid(json, &offset, &why)) {
    lti_buf_format(message, "not valid JSON: %s at offset %zu", why ? why : "syntax error", offset);
    return LEAT_EJSON;
  }
  lti_buf_init(&l.texts, to->alloc, 2 * LTI_ENDPOINT_JSON_BYTES_MAX + 2, LEAT_EINVAL);
  lti_buf_init(&l.decoded, to->alloc, LTI_ENDPOINT_JSON_BYTES_MAX, LEAT_EINVAL);
  int r = load_all(&l, json);
  settle(&l, &l.forms, true, r == LTI_OK);
  settle(&l, &l.rows, false, r == LTI_OK);
  lti_buf_deinit(&l.texts);
  lti_buf_deinit(&l.decoded);
  return r;
}

int leat_endpoint_load(leat_engine *engine, leat_slice json) {
  if (!engine) return LEAT_EINVAL;
  lti_buf_clear(&engine->message);
  int r = lti_endpoints_load(&engine->endpoints, json, &engine->message);
  return r == LTI_OK ? r : lti_engine_fail(engine, r, engine->message.size ? "" : NULL);
}
