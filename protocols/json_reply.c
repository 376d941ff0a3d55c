/* Answers of endpoints that are no chat: one JSON document each, handed out as it is in one
 * LEAT_EVENT_REPLY, with its token counts beside it.
 *
 * A success status proves nothing: gateways put errors into answers of status 200. But what is an
 * error here has to say so, since documents of all kinds pass through: an `error` member that says
 * something, unless it is that of a job with an id and a status; {"object":"error"} and
 * {"type":"error"}; "success":false; a `code` that is none of the good ones beside a message and
 * without data; or a flat object whose type ends in "_error". Such a document is LEAT_EAPI, and no
 * event.
 *
 * The document itself is the evidence that the answer is whole. So is an empty body, as of a status
 * 204; HTTP's own framing has told that nothing is missing. Where an endpoint streams after all,
 * each record is a document of its own, and "[DONE]" or a type that ends in ".completed" or ".done"
 * is the evidence. */
#include "json_reply.h"

#include <string.h>

#include "base/error.h"
#include "dialects.h"
#include "gemini.h"
#include "openai.h"

#define META_MAX 256u
#define TEXT_MAX LTI_OPENAI_TEXT_MAX

enum slot {
  ID,
  MODEL,
  CREATED,
  TYPE,
  OBJECT,
  ERROR,
  SUCCESS,
  CODE,
  MESSAGE,
  DATA,
  STATUS,
  USAGE,
  USAGE_GEMINI,
  SLOTS
};

static const lti_member_name names[] = {
    LTI_MEMBER("id", ID),
    LTI_MEMBER("responseId", ID),
    LTI_MEMBER("model", MODEL),
    LTI_MEMBER("modelVersion", MODEL),
    LTI_MEMBER("created", CREATED),
    LTI_MEMBER("created_at", CREATED),
    LTI_MEMBER("type", TYPE),
    LTI_MEMBER("object", OBJECT),
    LTI_MEMBER("error", ERROR),
    LTI_MEMBER("success", SUCCESS),
    LTI_MEMBER("code", CODE),
    LTI_MEMBER("message", MESSAGE),
    LTI_MEMBER("description", MESSAGE),
    LTI_MEMBER("msg", MESSAGE),
    LTI_MEMBER("data", DATA),
    LTI_MEMBER("status", STATUS),
    LTI_MEMBER("usage", USAGE),
    LTI_MEMBER("usageMetadata", USAGE_GEMINI),
};

enum { NAMES = sizeof names / sizeof *names };

void lti_json_reply_init(void *decoder, lti_alloc *alloc, lti_buf *scratch) {
  lti_json_reply *d = decoder;
  (void)scratch; /* it has its own, since few of these run at once */
  memset(d, 0, sizeof *d);
  d->alloc = alloc;
  lti_buf_init(&d->meta, alloc, 2 * META_MAX, LEAT_EEVENTMAX);
  lti_buf_init(&d->scratch, alloc, TEXT_MAX, LEAT_EEVENTMAX);
  lti_buf_init(&d->error_text, alloc, TEXT_MAX, LEAT_EEVENTMAX);
}

void lti_json_reply_deinit(void *decoder) {
  lti_json_reply *d = decoder;
  lti_buf_deinit(&d->meta);
  lti_buf_deinit(&d->scratch);
  lti_buf_deinit(&d->error_text);
}

int lti_json_reply_encode(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  (void)chat, (void)out;
  encoded->message = "this protocol takes `body`, not `chat`";
  return LEAT_EINVAL;
}

int lti_json_reply_inspect(leat_slice body, lti_encoded *encoded) {
  static const lti_member_name stream[] = {LTI_MEMBER("stream", 0)};
  lti_member m = {.type = LTI_JSON_NONE};
  if (!lti_json_valid(body, &encoded->offset, &encoded->message)) return LEAT_EJSON;
  lti_member_read_text(body, stream, 1, &m);
  encoded->stream = m.type == LTI_JSON_TRUE;
  return LTI_OK;
}

/* ---- documents ------------------------------------------------------------------------------- */

static bool has_error_type(const lti_member *type) {
  return type->type == LTI_JSON_STRING && lti_slice_ends(type->text.raw, "_error");
}

static bool is_good(leat_slice code) {
  static const char *const good[] = {"0",  "1",  "200",     "10000",   "20000",
                                     "21", "22", "success", "SUCCESS", "ok"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (lti_slice_is(code, good[i])) return true;
  return false;
}

static bool is_refused(const lti_member *m) {
  bool job = lti_member_says(&m[ID]) && lti_member_says(&m[STATUS]);
  bool empty = m[DATA].type == LTI_JSON_NONE && !lti_member_says(&m[ID]);
  if (lti_member_truthy(&m[ERROR]) && !job) return true;
  if (m[SUCCESS].type == LTI_JSON_FALSE) return true;
  if (m[OBJECT].type == LTI_JSON_STRING && lti_slice_is(m[OBJECT].text.raw, "error")) return true;
  if (m[TYPE].type == LTI_JSON_STRING && lti_slice_is(m[TYPE].text.raw, "error")) return true;
  if (!empty || !lti_member_says(&m[MESSAGE])) return false;
  if (lti_member_says(&m[CODE])) return !is_good(m[CODE].text.raw);
  return has_error_type(&m[TYPE]);
}

/* Keeps a text that is new, as much of it as has room. */
static int keep(lti_json_reply *d, const lti_member *m, leat_slice *field) {
  leat_slice text;
  if (field->size || m->type != LTI_JSON_STRING) return LTI_OK;
  int rc = lti_json_decode(m->text, NULL, &d->scratch, &text);
  if (rc != LTI_OK) return rc;
  if (text.size > META_MAX) {
    text.size = META_MAX;
    while (text.size && ((unsigned char)text.data[text.size] & 0xc0) == 0x80) text.size--;
  }
  if (d->meta.capacity == 0) rc = lti_buf_reserve(&d->meta, d->meta.max);
  size_t at = d->meta.size;
  if (rc == LTI_OK) rc = lti_buf_append(&d->meta, text);
  if (rc == LTI_OK) *field = lti_slice(d->meta.data + at, text.size);
  return rc;
}

int lti_json_reply_head_read(lti_json_reply *d, leat_slice json, lti_json_reply_head *head) {
  lti_member m[SLOTS];
  lti_json r;
  memset(m, 0, sizeof m);
  memset(head, 0, sizeof *head);
  lti_json_init(&r, json);
  bool array = lti_json_peek(&r) == LTI_JSON_ARRAY;
  uint32_t depth = r.depth;
  if (array && lti_json_enter_array(&r)) lti_json_next_value(&r);
  if (lti_json_peek(&r) == LTI_JSON_OBJECT)
    lti_member_read(&r, names, NAMES, m);
  else if (!array)
    lti_json_skip(&r);
  lti_json_leave(&r, depth);
  if (!lti_json_at_end(&r)) return LEAT_EDECODE;
  head->type = m[TYPE];
  head->usage = m[USAGE].type ? m[USAGE] : m[USAGE_GEMINI];
  head->refused = is_refused(m);
  if (array || head->refused) return LTI_OK;
  if (!d->response.created && m[CREATED].type == LTI_JSON_NUMBER) {
    lti_json_init(&r, m[CREATED].text.raw);
    if (!lti_json_int(&r, &d->response.created)) d->response.created = 0;
  }
  int rc = keep(d, &m[ID], &d->response.id);
  return rc == LTI_OK ? keep(d, &m[MODEL], &d->response.model) : rc;
}

int lti_json_reply_refuse(lti_json_reply *d, leat_slice json, lti_emit *emit) {
  lti_protocol_error(json, &d->error, &d->error_text);
  d->error.set = true; /* however little it says */
  d->stray = false;
  d->ended = true;
  int rc = lti_json_reply_flush(d, emit);
  return rc == LTI_OK ? LTI_STOPPED : rc;
}

int lti_json_reply_usage(const lti_member *usage, lti_emit *emit) {
  leat_event event = {.kind = LEAT_EVENT_USAGE};
  if (usage->type != LTI_JSON_OBJECT) return LTI_OK;
  leat_slice json = usage->text.raw;
  if (!lti_openai_usage(json, &event.usage) && !lti_gemini_usage(json, &event.usage)) return LTI_OK;
  return emit->event(emit, &event);
}

bool lti_json_reply_is_end(leat_slice record) {
  while (record.size && (*record.data == ' ' || *record.data == '\n'))
    record = lti_slice_from(record, 1);
  return lti_slice_starts(record, "[DONE]");
}

static int hand_out(leat_slice json, const lti_json_reply_head *head, lti_emit *emit) {
  leat_event event = {.kind = LEAT_EVENT_REPLY, .text = json};
  int rc = emit->event(emit, &event);
  return rc == LTI_OK ? lti_json_reply_usage(&head->usage, emit) : rc;
}

static leat_slice trim(leat_slice text) {
  while (text.size && memchr(" \t\r\n", text.data[text.size - 1], 4)) text.size--;
  return text;
}

int lti_json_reply_body(void *decoder, leat_slice json, lti_emit *emit) {
  lti_json_reply *d = decoder;
  lti_json_reply_head head = {.refused = false};
  json = trim(json);
  bool document = json.size && (*json.data == '{' || *json.data == '[');
  int rc = LTI_OK;
  if (document) rc = lti_json_reply_head_read(d, json, &head);
  if (!document && !lti_slice_is_utf8(json)) rc = LEAT_EDECODE;
  if (rc != LTI_OK) return rc;
  if (head.refused) {
    rc = lti_json_reply_refuse(d, json, emit);
    return rc == LTI_STOPPED ? LTI_OK : rc;
  }
  d->whole = true;
  return hand_out(json, &head, emit);
}

/* A document where an event stream was expected to go on: behind pings, or for good. */
int lti_json_reply_stray(void *decoder, leat_slice text, lti_emit *emit) {
  lti_json_reply *d = decoder;
  lti_json_reply_head head;
  (void)emit;
  if (d->ended || d->error.set) return LTI_OK;
  if (lti_json_reply_head_read(d, text, &head) != LTI_OK || !head.refused) return LTI_OK;
  lti_protocol_error(text, &d->error, &d->error_text);
  d->error.set = true;
  d->stray = true;
  return LTI_OK;
}

int lti_json_reply_flush(void *decoder, lti_emit *emit) {
  lti_json_reply *d = decoder;
  leat_event event = {.kind = LEAT_EVENT_TEXT, .text = {"\xef\xbf\xbd", 3}};
  if (!d->half.high) return LTI_OK;
  d->half.high = 0;
  return emit->event(emit, &event);
}

void lti_json_reply_verdict(void *decoder, lti_verdict *verdict) {
  const lti_json_reply *d = decoder;
  bool whole = d->whole && !d->open;
  bool failed = d->error.set && !(whole && d->stray);
  memset(verdict, 0, sizeof *verdict);
  if (failed) verdict->provider = d->error;
  verdict->error = failed ? LEAT_EAPI : whole ? LEAT_OK : LEAT_EINCOMPLETE;
}

const leat_response *lti_json_reply_response(const void *decoder) {
  const lti_json_reply *d = decoder;
  return &d->response;
}

/* ---- "json" ---------------------------------------------------------------------------------- */

static int record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit) {
  lti_json_reply *d = decoder;
  lti_json_reply_head head;
  if (d->ended) return LTI_STOPPED;
  if (data.size == 0) return LTI_OK;
  if (lti_json_reply_is_end(data)) {
    d->whole = d->ended = true;
    return LTI_STOPPED;
  }
  int rc = lti_json_reply_head_read(d, data, &head);
  if (rc != LTI_OK) return rc;
  if (head.refused || lti_slice_is(type, "error")) return lti_json_reply_refuse(d, data, emit);
  leat_slice word = head.type.type == LTI_JSON_STRING ? head.type.text.raw : type;
  d->whole |= lti_slice_ends(word, ".completed") || lti_slice_ends(word, ".done");
  return hand_out(data, &head, emit);
}

const lti_protocol lti_json_document = {
    .name = "json",
    .path = "",
    .empty = true,
    .end_marker = "done",
    .encode = lti_json_reply_encode,
    .inspect = lti_json_reply_inspect,
    .decoder_size = sizeof(lti_json_reply),
    .decoder_init = lti_json_reply_init,
    .decoder_deinit = lti_json_reply_deinit,
    .record = record,
    .stray = lti_json_reply_stray,
    .body = lti_json_reply_body,
    .flush = lti_json_reply_flush,
    .verdict = lti_json_reply_verdict,
    .response = lti_json_reply_response,
};
