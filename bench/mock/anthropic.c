/* Anthropic's Messages: server-sent events with their names, blocks that open and close, counts
 * that grow, and no end marker but message_stop; or one JSON object. The text is the gateway's
 * (text.h). The length is the plan's, or max_tokens where that is less, and then it says so. The
 * first pieces are thinking, closed by a signature, where thinking is enabled or the plan asks for
 * it; where a tool must be called a call stands in the place of the text. As there, the version's
 * header, max_tokens and messages must be given.
 *
 *   START -> (THOUGHTS -> SIGNATURE) -> TEXT or CALL -> DELTA -> STOP
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/gateway.h"
#include "bench/mock/text.h"
#include "wire/json.h"

#define STEP_BUDGET 64
#define SIGNATURE   "bW9jayBzaWduYXR1cmU="

/* One event each, but for PIECE. */
enum stage {
  STAGE_START,
  STAGE_OPEN, /* of the block that is next */
  STAGE_PING, /* once, as there, behind the first block's opening */
  STAGE_PIECE,
  STAGE_SIGNATURE,
  STAGE_SHUT,
  STAGE_DELTA,
  STAGE_STOP,
  STAGE_OVER
};

typedef struct anthropic {
  const char *finish;
  uint64_t base_ns, seed, serial;
  uint32_t events, thoughts, at, bytes, prompt_tokens, block;
  enum stage stage;
  bool stream, pinged;
  char model[128], call[128]; /* as they stand in JSON; call: of the tool that must be called */
} anthropic;

/* ---- what is said ---------------------------------------------------------------------------- */

static bool is_thinking(const anthropic *a) {
  return a->block == 0 && a->thoughts > 0;
}

/* Pieces from..to as one JSON string. */
static int write_text(const anthropic *a, lti_buf *out, uint32_t from, uint32_t to) {
  size_t room = MOCK_TEXT_JSON_MAX(a->bytes ? a->bytes : MOCK_TEXT_PIECE_MAX);
  int err = lti_buf_byte(out, '"');
  for (uint32_t i = from; i < to && !err; i++) {
    if ((err = lti_buf_reserve(out, room))) return err;
    out->size += mock_text_json(a->seed, i, a->bytes, out->data + out->size, room);
  }
  return err ? err : lti_buf_byte(out, '"');
}

static int write_usage(const anthropic *a, lti_buf *out, uint32_t said) {
  return lti_buf_format(out,
                        "\"usage\":{\"input_tokens\":%u,\"cache_creation_input_tokens\":0,"
                        "\"cache_read_input_tokens\":0,\"output_tokens\":%u",
                        a->prompt_tokens, said);
}

static int write_head(const anthropic *a, lti_buf *out) {
  return lti_buf_format(out,
                        "{\"id\":\"msg_%llu\",\"type\":\"message\",\"role\":\"assistant\","
                        "\"model\":\"%s\",",
                        (unsigned long long)a->serial, a->model);
}

static int write_start(const anthropic *a, lti_buf *out) {
  int err = lti_buf_text(out, "\"message\":") | write_head(a, out);
  err |= lti_buf_text(out, "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,");
  return err | write_usage(a, out, 1) | lti_buf_text(out, ",\"service_tier\":\"standard\"}}");
}

static int write_open(const anthropic *a, lti_buf *out) {
  int err = lti_buf_format(out, "\"index\":%u,\"content_block\":", a->block);
  if (is_thinking(a))
    return err | lti_buf_text(out, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
  if (*a->call)
    return err | lti_buf_format(out,
                                "{\"type\":\"tool_use\",\"id\":\"toolu_%llu\",\"name\":\"%s\","
                                "\"input\":{}}",
                                (unsigned long long)a->serial, a->call);
  return err | lti_buf_text(out, "{\"type\":\"text\",\"text\":\"\"}");
}

/* The input of a call is {"text": and all pieces behind each other}. */
static int write_piece(const anthropic *a, lti_buf *out) {
  int err = lti_buf_format(out, "\"index\":%u,\"delta\":{\"type\":", a->block);
  if (is_thinking(a)) {
    err |= lti_buf_text(out, "\"thinking_delta\",\"thinking\":");
  } else if (*a->call) {
    return err | lti_buf_format(out, "\"input_json_delta\",\"partial_json\":\"%s%u%s\"}",
                                a->at == a->thoughts ? "{\\\"pieces\\\":[" : ",", a->at,
                                a->at + 1 == a->events ? "]}" : "");
  } else {
    err |= lti_buf_text(out, "\"text_delta\",\"text\":");
  }
  return err | write_text(a, out, a->at, a->at + 1) | lti_buf_byte(out, '}');
}

static int write_event(const mock_exchange *x, const anthropic *a, lti_buf *out) {
  static const char *const names[] = {[STAGE_START] = "message_start",
                                      [STAGE_OPEN] = "content_block_start",
                                      [STAGE_PING] = "ping",
                                      [STAGE_PIECE] = "content_block_delta",
                                      [STAGE_SIGNATURE] = "content_block_delta",
                                      [STAGE_SHUT] = "content_block_stop",
                                      [STAGE_DELTA] = "message_delta",
                                      [STAGE_STOP] = "message_stop"};
  const char *name = names[a->stage];
  bool bare = a->stage == STAGE_PING || a->stage == STAGE_STOP;
  int err = lti_buf_format(out, "event: %s\ndata: {\"type\":\"%s\"", name, name);
  if (x->plan.stamp)
    err |= lti_buf_format(out, ",\"mock_ns\":%llu", (unsigned long long)uv_hrtime());
  if (!bare) err |= lti_buf_byte(out, ',');
  switch (a->stage) {
    case STAGE_START: err |= write_start(a, out); break;
    case STAGE_OPEN: err |= write_open(a, out); break;
    case STAGE_PIECE: err |= write_piece(a, out); break;
    case STAGE_SIGNATURE:
      err |= lti_buf_format(out,
                            "\"index\":%u,\"delta\":{\"type\":\"signature_delta\","
                            "\"signature\":\"" SIGNATURE "\"}",
                            a->block);
      break;
    case STAGE_SHUT: err |= lti_buf_format(out, "\"index\":%u", a->block); break;
    case STAGE_DELTA:
      err |= lti_buf_format(out, "\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},",
                            a->finish);
      err |= write_usage(a, out, a->at) | lti_buf_byte(out, '}');
      break;
    case STAGE_PING:
    case STAGE_STOP:
    case STAGE_OVER: break;
  }
  return err | lti_buf_text(out, "}\n\n");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int write_call(const anthropic *a, lti_buf *out) {
  int err = lti_buf_format(out,
                           "{\"type\":\"tool_use\",\"id\":\"toolu_%llu\",\"name\":\"%s\","
                           "\"input\":{\"pieces\":[",
                           (unsigned long long)a->serial, a->call);
  for (uint32_t i = a->thoughts; i < a->events && !err; i++)
    err = lti_buf_format(out, i > a->thoughts ? ",%u" : "%u", i);
  return err | lti_buf_text(out, "]}}");
}

static int write_message(const mock_exchange *x, const anthropic *a, lti_buf *out) {
  bool finished = !mock_fault_on(x->plan.faults, FAULT_NO_FINISH);
  int err = write_head(a, out) | lti_buf_text(out, "\"content\":[");
  if (a->thoughts) {
    err |= lti_buf_text(out, "{\"type\":\"thinking\",\"thinking\":");
    err |= write_text(a, out, 0, a->thoughts);
    err |= lti_buf_text(out, ",\"signature\":\"" SIGNATURE "\"},");
  }
  if (*a->call) {
    err |= write_call(a, out);
  } else {
    err |= lti_buf_text(out, "{\"type\":\"text\",\"text\":");
    err |= write_text(a, out, a->thoughts, a->events) | lti_buf_byte(out, '}');
  }
  err |= lti_buf_text(out, "],\"stop_reason\":");
  err |= finished ? lti_buf_format(out, "\"%s\"", a->finish) : lti_buf_text(out, "null");
  err |= lti_buf_text(out, ",\"stop_sequence\":null,");
  return err | write_usage(a, out, a->events) | lti_buf_text(out, "}}");
}

static void whole_step(mock_exchange *x) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (write_message(x, x->job, &out))
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, 200, "application/json", NULL, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}

/* ---- in time --------------------------------------------------------------------------------- */

/* False: the exchange is over, or lost. */
static bool send_bytes(mock_exchange *x, const anthropic *a, const lti_buf *out, bool last) {
  char *piece = mock_reply_room(x, out->size);
  if (!piece) {
    mock_conn_drop(x->conn);
    return false;
  }
  if (out->size) memcpy(piece, out->data, out->size);
  uint64_t now = uv_hrtime();
  mock_stats_event(x->m, a->stage == STAGE_PIECE ? x->due_ns : MOCK_NEVER, now);
  if (a->stage == STAGE_PIECE) mock_timing_content(x, now);
  if (last) x->m->stats.streams_done++;
  return mock_reply_piece(x, piece, out->size, last) && !last;
}

static bool send_event(mock_exchange *x, const anthropic *a, bool last) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = write_event(x, a, &out);
  bool go_on = !err && send_bytes(x, a, &out, last);
  if (err) mock_conn_drop(x->conn);
  lti_buf_deinit(&out);
  return go_on;
}

/* An error in the framing, or the bare object behind it. True: the stream has ended. */
static bool end_early(mock_exchange *x, const anthropic *a) {
  static const char object[] =
      "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}";
  const mock_faults *f = x->plan.faults;
  bool bare = mock_fault_on(f, FAULT_BARE_ERROR) && a->at >= f->arg[FAULT_BARE_ERROR];
  bool framed = mock_fault_on(f, FAULT_ERROR) && a->at >= f->arg[FAULT_ERROR];
  lti_buf out;
  if (a->stage != STAGE_PIECE || (!bare && !framed)) return false;
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  int err = bare ? lti_buf_text(&out, object)
                 : lti_buf_format(&out, "event: error\ndata: %s\n\n", object);
  if (err)
    mock_conn_drop(x->conn);
  else
    send_bytes(x, a, &out, true);
  lti_buf_deinit(&out);
  return true;
}

/* The last piece of the block that is open. */
static uint32_t pieces_to(const anthropic *a) {
  return is_thinking(a) ? a->thoughts : a->events;
}

static enum stage behind(const mock_exchange *x, anthropic *a) {
  const mock_faults *f = x->plan.faults;
  switch (a->stage) {
    case STAGE_START: return STAGE_OPEN;
    case STAGE_OPEN:
      if (!a->pinged) return a->pinged = true, STAGE_PING;
      return a->at < pieces_to(a) ? STAGE_PIECE : STAGE_SHUT;
    case STAGE_PING: return a->at < pieces_to(a) ? STAGE_PIECE : STAGE_SHUT;
    case STAGE_PIECE:
      a->at++;
      if (a->at < pieces_to(a)) return STAGE_PIECE;
      return is_thinking(a) ? STAGE_SIGNATURE : STAGE_SHUT;
    case STAGE_SIGNATURE: return STAGE_SHUT;
    case STAGE_SHUT:
      if (a->block++ == 0 && a->thoughts) return STAGE_OPEN;
      if (!mock_fault_on(f, FAULT_NO_FINISH)) return STAGE_DELTA;
      return mock_fault_on(f, FAULT_NO_DONE) ? STAGE_OVER : STAGE_STOP;
    case STAGE_DELTA: return mock_fault_on(f, FAULT_NO_DONE) ? STAGE_OVER : STAGE_STOP;
    case STAGE_STOP:
    case STAGE_OVER: break;
  }
  return STAGE_OVER;
}

/* True: go on at once. */
static bool step_once(mock_exchange *x, anthropic *a) {
  anthropic next = *a;
  if (end_early(x, a)) return false;
  if (a->stage == STAGE_PIECE) {
    uint64_t due = a->base_ns + a->at * x->plan.gap_us * 1000;
    if (due > uv_hrtime()) {
      mock_reply_step_at(x, due);
      return false;
    }
  }
  next.stage = behind(x, &next);
  if (!send_event(x, a, next.stage == STAGE_OVER)) return false;
  *a = next;
  return true;
}

static void step(mock_exchange *x) {
  for (int i = 0; i < STEP_BUDGET; i++) {
    if (!step_once(x, x->job)) return;
    if (mock_reply_full(x)) {
      x->waiting = true;
      return;
    }
  }
  mock_reply_step_at(x, uv_hrtime());
}

static void begin(mock_exchange *x, anthropic *a) {
  uint64_t gaps = a->events > 1 ? a->events - 1 : 0;
  if (mock_fault_on(x->plan.faults, FAULT_JSON)) a->stream = false;
  a->base_ns = uv_hrtime() + x->plan.ttft_us * 1000;
  x->step = a->stream ? step : whole_step;
  if (!a->stream) {
    mock_reply_step_at(x, a->base_ns + gaps * x->plan.gap_us * 1000);
    return;
  }
  mock_stats_stream(x);
  if (mock_reply_begin(x, 200, "text/event-stream; charset=utf-8", "Cache-Control: no-cache\r\n",
                       MOCK_NEVER))
    mock_reply_step_at(x, a->base_ns);
}

/* ---- what was asked -------------------------------------------------------------------------- */

/* A string's inside, escapes and all. */
static bool find_text(leat_slice body, const char *pointer, char *out, size_t room) {
  leat_slice value;
  if (!lti_json_find(body, pointer, &value) || value.size < 2 || *value.data != '"') return false;
  snprintf(out, room, "%.*s", (int)(value.size - 2 < room ? value.size - 2 : 0), value.data + 1);
  return true;
}

static void read_body(mock_exchange *x, anthropic *a, uint64_t limit) {
  leat_slice body = lti_buf_slice(&x->body), value;
  char choice[32] = "", thinking[32] = "";
  find_text(body, "/model", a->model, sizeof a->model);
  a->stream = lti_json_find(body, "/stream", &value) && lti_slice_is(value, "true");
  if (limit < a->events) {
    a->events = (uint32_t)limit;
    a->finish = "max_tokens";
  }
  find_text(body, "/thinking/type", thinking, sizeof thinking);
  if (!a->thoughts && strcmp(thinking, "enabled") == 0) a->thoughts = 1;
  if (a->thoughts > a->events) a->thoughts = a->events;
  find_text(body, "/tool_choice/type", choice, sizeof choice);
  if (strcmp(choice, "tool") == 0) find_text(body, "/tool_choice/name", a->call, sizeof a->call);
  if (strcmp(choice, "any") == 0) find_text(body, "/tools/0/name", a->call, sizeof a->call);
  if (*a->call && strcmp(a->finish, "end_turn") == 0) a->finish = "tool_use";
  a->prompt_tokens = (uint32_t)((x->body.size + 3) / 4);
}

static void refuse(mock_exchange *x, const char *message) {
  char text[300];
  int n = snprintf(text, sizeof text,
                   "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                   "\"message\":\"%s\"},\"request_id\":\"req_%llu\"}",
                   message, (unsigned long long)x->ordinal);
  mock_reply_fixed(x, 400, "application/json", NULL, lti_slice(text, (size_t)n));
}

static const char *complaint(const mock_exchange *x, uint64_t *limit) {
  leat_slice body = lti_buf_slice(&x->body), value;
  if (!mock_exchange_header(x, "anthropic-version")) return "anthropic-version: header is required";
  if (!lti_json_valid(body, NULL, NULL)) return "The request body is not valid JSON";
  if (!lti_json_find(body, "/model", &value)) return "model: Field required";
  if (!lti_json_find(body, "/messages", &value)) return "messages: Field required";
  if (!lti_json_find(body, "/max_tokens", &value)) return "max_tokens: Field required";
  if (!lti_slice_u64(value, limit) || !*limit)
    return "max_tokens: Input should be greater than or equal to 1";
  return NULL;
}

void mock_anthropic_serve(mock_exchange *x) {
  uint64_t limit = 0;
  const char *why = complaint(x, &limit);
  anthropic *a = calloc(1, sizeof *a);
  if (!a) {
    mock_conn_drop(x->conn);
    return;
  }
  x->job = a;
  x->release = free;
  *a = (anthropic){.finish = strcmp(x->plan.finish, "length") == 0 ? "max_tokens" : "end_turn",
                   .seed = x->plan.seed,
                   .serial = x->ordinal,
                   .events = x->plan.events,
                   .thoughts = x->plan.reasoning,
                   .bytes = x->plan.bytes};
  if (why) {
    refuse(x, why);
    return;
  }
  read_body(x, a, limit);
  lti_buf_deinit(&x->body);
  begin(x, a);
}
