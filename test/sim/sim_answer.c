/* Requests and responses of the simulated server: see sim_answer.h. Sizes of chunks and of deltas
 * follow from the job's number, so that records straddle chunks in many ways. */
#include "sim/sim_answer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

/* ---- requests */

static bool field(leat_slice head, const char *name, char *out, size_t size) {
  char needle[64];
  snprintf(needle, sizeof needle, "\r\n%s: ", name);
  const char *at = lti_slice_find(head, lti_slice_of(needle));
  if (!at) return false;
  at += strlen(needle);
  leat_slice rest = lti_slice_from(head, (size_t)(at - head.data));
  const char *end = lti_slice_find(rest, lti_slice_of("\r\n"));
  if (!end || (size_t)(end - at) >= size) return false;
  memcpy(out, at, (size_t)(end - at));
  out[end - at] = '\0';
  return true;
}

static enum sim_form form_of(const sim_request *r) {
  bool post = strcmp(r->method, "POST") == 0;
  if (strstr(r->path, "/content")) return SIM_CONTENT;
  if (strstr(r->path, "/video/generations")) return post ? SIM_SUBMIT : SIM_POLL;
  return SIM_STREAM;
}

bool sim_request_read(sim_request *r, leat_slice head) {
  char text[4096], value[256], key[64];
  if (head.size >= sizeof text) return false;
  memcpy(text, head.data, head.size);
  text[head.size] = '\0';
  memset(r, 0, sizeof *r);
  if (sscanf(text, "%7s %255s HTTP/1.1\r\n", r->method, r->path) != 2) return false;
  if (!field(head, "X-Sim", value, sizeof value)) return false;
  r->job = (unsigned)strtoul(value, NULL, 10);
  /* PL-02: each job brings its own key, and none may meet another's. */
  snprintf(key, sizeof key, "Bearer sk-sim-%u", r->job);
  if (field(head, "Authorization", value, sizeof value) && strcmp(value, key) != 0) return false;
  if (!field(head, "Host", value, sizeof value)) return false;
  if (field(head, "Content-Length", value, sizeof value)) r->body_size = strtoul(value, NULL, 10);
  r->ranged = field(head, "Range", value, sizeof value);
  if (r->ranged && sscanf(value, "bytes=%lu-", &r->range_from) != 1) return false;
  r->form = form_of(r);
  return true;
}

/* ---- bodies */

void sim_answer_init(sim_answer *a, lti_alloc *alloc) {
  lti_buf_init(&a->wire, alloc, SIZE_MAX, LEAT_EBODYMAX);
  lti_buf_init(&a->body, alloc, SIZE_MAX, LEAT_EBODYMAX);
}

void sim_answer_deinit(sim_answer *a) {
  lti_buf_deinit(&a->wire);
  lti_buf_deinit(&a->body);
}

static void put_json_text(lti_buf *out, const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (c == '"' || c == '\\') lti_buf_byte(out, '\\');
    if (c == '\n')
      lti_buf_text(out, "\\n");
    else if (c == '\t')
      lti_buf_text(out, "\\u0009");
    else
      lti_buf_byte(out, c);
  }
}

/* The next delta ends where a character does. */
static size_t delta_size(const sim_job *job, size_t at, unsigned n) {
  size_t size = 1 + (job->number * 13 + n * 29) % 120;
  if (size > job->text_size - at) size = job->text_size - at;
  while (at + size < job->text_size && ((unsigned char)job->text[at + size] & 0xc0) == 0x80) size++;
  return size;
}

static void put_comment(lti_buf *out, size_t size) {
  int rc = lti_buf_reserve(out, size + 4);
  assert(rc == LTI_OK);
  lti_buf_text(out, ": ");
  memset(out->data + out->size, 'c', size);
  out->size += size;
  lti_buf_text(out, "\n\n");
}

/* Returns where the evidence ends in the body; SIZE_MAX: with the message. */
static size_t write_stream(sim_answer *a, const sim_job *job, const sim_reply *reply) {
  static const char open[] =
      "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":"
      "[{\"index\":0,\"delta\":{";
  lti_buf *out = &a->body;
  unsigned n = 0;
  for (size_t at = 0; at < job->text_size; n++) {
    size_t size = delta_size(job, at, n);
    lti_buf_text(out, open);
    lti_buf_text(out, "\"content\":\"");
    put_json_text(out, job->text + at, size);
    lti_buf_text(out, "\"},\"finish_reason\":null}]}\n\n");
    if (reply->comments && n % 3 == 0) lti_buf_text(out, ": ping\n\n");
    if (reply->comment_bytes) put_comment(out, reply->comment_bytes);
    at += size;
  }
  if (!reply->no_finish) lti_buf_format(out, "%s},\"finish_reason\":\"stop\"}]}\n\n", open);
  size_t finished = out->size;
  a->evidence_at = finished;
  if (reply->no_done) return reply->framing == SIM_UNTIL_CLOSE ? finished : SIZE_MAX;
  lti_buf_text(out, "data: [DONE]\n\n");
  return out->size;
}

static void write_json(sim_answer *a, const sim_job *job) {
  lti_buf *out = &a->body;
  lti_buf_text(out,
               "{\"id\":\"c1\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
               "\"message\":{\"role\":\"assistant\",\"content\":\"");
  put_json_text(out, job->text, job->text_size);
  lti_buf_text(out, "\"},\"finish_reason\":\"stop\"}]}");
}

static void write_task(sim_answer *a, const sim_job *job, const sim_reply *reply) {
  if (reply->task_unknown)
    lti_buf_text(&a->body, "{\"code\":\"task_not_exist\",\"message\":\"task_not_exist\"}");
  else
    lti_buf_format(&a->body, "{\"id\":\"task %u\",\"status\":\"%s\",\"progress\":%u}", job->number,
                   reply->task_state ? reply->task_state : "in_progress", job->polls);
}

static uint64_t content_from(const sim_request *r, const sim_job *job, const sim_reply *reply) {
  if (!r->ranged || reply->no_range) return 0;
  return r->range_from < job->text_size ? r->range_from : job->text_size;
}

/* ---- the wire */

static void write_head(sim_answer *a, const sim_request *r, const sim_job *job, enum sim_form form,
                       const sim_reply *reply) {
  lti_buf *out = &a->wire;
  int status = form == SIM_REDIRECT ? 307 : reply->status;
  bool partial = form == SIM_CONTENT && status == 200 && r->ranged && !reply->no_range;
  lti_buf_format(out, "HTTP/1.1 %d Sim\r\nContent-Type: %s\r\n", partial ? 206 : status,
                 form == SIM_STREAM ? "text/event-stream" : "application/json");
  if (partial)
    lti_buf_format(out, "Content-Range: bytes %zu-%zu/%zu\r\n", (size_t)content_from(r, job, reply),
                   job->text_size - 1, job->text_size);
  if (form == SIM_REDIRECT) lti_buf_format(out, "Location: %s?moved=1\r\n", r->path);
  a->total_told = partial;
  if (reply->close_told) lti_buf_text(out, "Connection: close\r\n");
  if (reply->keep_alive_s) lti_buf_format(out, "Keep-Alive: timeout=%d\r\n", reply->keep_alive_s);
  if (reply->more) lti_buf_text(out, reply->more);
}

/* Frames the body; returns where its byte `mark` ends on the wire. */
static size_t write_chunked(sim_answer *a, size_t mark, unsigned step) {
  lti_buf *out = &a->wire;
  size_t at = 0, marked = SIZE_MAX;
  lti_buf_text(out, "Transfer-Encoding: chunked\r\n\r\n");
  while (at < a->body.size) {
    size_t size = 1 + (step = step * 1103515245u + 12345u) / 65536 % 300;
    if (size > a->body.size - at) size = a->body.size - at;
    lti_buf_format(out, "%zx\r\n", size);
    if (mark > at && mark <= at + size) marked = out->size + (mark - at);
    lti_buf_append(out, lti_slice(a->body.data + at, size));
    lti_buf_text(out, "\r\n");
    at += size;
  }
  lti_buf_text(out, "0\r\n\r\n");
  return marked;
}

static size_t write_plain(sim_answer *a, size_t mark, bool length) {
  if (length) lti_buf_format(&a->wire, "Content-Length: %zu\r\n", a->body.size);
  lti_buf_text(&a->wire, "\r\n");
  size_t from = a->wire.size;
  lti_buf_append(&a->wire, lti_buf_slice(&a->body));
  return mark == SIZE_MAX ? SIZE_MAX : from + mark;
}

static size_t write_body(sim_answer *a, const sim_request *r, const sim_job *job,
                         enum sim_form form, const sim_reply *reply) {
  switch (form) {
    case SIM_STREAM: return write_stream(a, job, reply);
    case SIM_JSON: write_json(a, job); break;
    case SIM_SUBMIT:
    case SIM_POLL: write_task(a, job, reply); break;
    case SIM_CONTENT: {
      size_t from = content_from(r, job, reply);
      lti_buf_append(&a->body, lti_slice(job->text + from, job->text_size - from));
      break;
    }
    case SIM_ERROR:
      lti_buf_format(&a->body, "{\"error\":{\"message\":\"no luck\",\"type\":\"sim\"}}");
      break;
    case SIM_REDIRECT: break;
  }
  return SIZE_MAX;
}

void sim_answer_write(sim_answer *a, const sim_request *r, const sim_job *job, enum sim_form form,
                      const sim_reply *reply) {
  lti_buf_clear(&a->wire);
  lti_buf_clear(&a->body);
  enum sim_framing framing = form == SIM_REDIRECT ? SIM_LENGTH : reply->framing;
  write_head(a, r, job, form, reply);
  size_t mark = write_body(a, r, job, form, reply);
  a->whole_at = framing == SIM_CHUNKED ? write_chunked(a, mark, job->number + job->requests)
                                       : write_plain(a, mark, framing == SIM_LENGTH);
  if (framing == SIM_UNTIL_CLOSE && form == SIM_STREAM && !reply->no_finish)
    a->evidence_at += a->wire.size - a->body.size;
  else
    a->evidence_at = SIZE_MAX;
  bool good = form != SIM_ERROR && form != SIM_REDIRECT && reply->status == 200;
  bool marked = form == SIM_STREAM && !reply->no_done;
  a->needs_fin = framing == SIM_UNTIL_CLOSE && !marked;
  if (a->whole_at == SIZE_MAX) a->whole_at = a->wire.size;
  if (!good || (form == SIM_STREAM && reply->no_finish)) a->whole_at = SIZE_MAX;
}
