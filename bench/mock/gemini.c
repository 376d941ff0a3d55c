/* Gemini's generateContent and streamGenerateContent, as Google answers them: with alt=sse events
 * of CR LF lines and no end marker, without it one JSON array that grows; each record has a piece
 * of every candidate and counts that hold for the answer so far. Neither needs the body to say that
 * it streams, nor which model: both stand in the path. The text is the gateway's (text.h). Seed,
 * length and candidates come from generationConfig, unless the plan names them; a thought with its
 * signature comes first where thoughts are asked for, and where a function must be called the first
 * one is, in the place of the text. An image (x-mock-bytes of it) follows where one is asked for.
 *
 *   (thought) -> piece, piece ... -> finish */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/gateway.h"
#include "bench/mock/text.h"
#include "wire/json.h"

#define STEP_BUDGET    64
#define EVENTS_MAX     1000000u
#define CANDIDATES_MAX 8u
#define CONFIG         "/generationConfig"
#define IMAGE_USUAL    4096u

typedef struct gemini {
  const char *finish;
  uint64_t base_ns, seed, serial;
  uint32_t events, at, bytes, candidates, prompt_tokens;
  uint32_t image_bytes; /* 0: none is wanted */
  bool stream, array, thoughts, thought, begun, finished;
  char model[256], call[128]; /* as they stand in JSON */
} gemini;

/* ---- records --------------------------------------------------------------------------------- */

static int write_text(const gemini *g, lti_buf *out, uint32_t candidate, uint32_t from,
                      uint32_t to) {
  uint64_t seed = mock_text_lane(g->seed, candidate);
  size_t room = MOCK_TEXT_JSON_MAX(g->bytes ? g->bytes : MOCK_TEXT_PIECE_MAX);
  int err = lti_buf_text(out, "{\"text\":\"");
  for (uint32_t i = from; i < to && !err; i++) {
    if ((err = lti_buf_reserve(out, room))) return err;
    out->size += mock_text_json(seed, i, g->bytes, out->data + out->size, room);
  }
  return err ? err : lti_buf_text(out, "\"}");
}

static int write_thought(lti_buf *out) {
  return lti_buf_text(out,
                      "{\"text\":\"**Thinking** of {braces}\",\"thought\":true,"
                      "\"thoughtSignature\":\"bW9jaw==\"}");
}

static int write_call(const gemini *g, lti_buf *out, uint32_t candidate) {
  return lti_buf_format(out, "{\"functionCall\":{\"name\":\"%s\",\"args\":{\"n\":%u}}}", g->call,
                        candidate);
}

/* An image model's answer: base64 of the candidate's lane, in one string. */
static int write_image(const gemini *g, lti_buf *out, uint32_t candidate) {
  return lti_buf_text(out, ",{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"") |
         mock_base64_content(out, mock_text_lane(g->seed, candidate), g->image_bytes) |
         lti_buf_text(out, "\"}}");
}

/* The parts of one candidate in one record: pieces from..to. */
static int write_parts(const gemini *g, lti_buf *out, uint32_t candidate, const uint32_t range[2]) {
  if (g->thought) return write_thought(out);
  if (*g->call && range[0] < range[1]) return write_call(g, out, candidate);
  int err = write_text(g, out, candidate, range[0], range[1]);
  bool ends = range[0] < range[1] && range[1] == g->events;
  return g->image_bytes && ends ? err | write_image(g, out, candidate) : err;
}

static int write_usage(const gemini *g, lti_buf *out, uint32_t said) {
  unsigned thoughts = g->thoughts, in = g->prompt_tokens;
  return lti_buf_format(out,
                        "\"usageMetadata\":{\"promptTokenCount\":%u,\"candidatesTokenCount\":%u,"
                        "\"totalTokenCount\":%u,\"promptTokensDetails\":[{\"modality\":\"TEXT\","
                        "\"tokenCount\":%u}],\"thoughtsTokenCount\":%u}",
                        in, said, in + said + thoughts, in, thoughts);
}

static int write_record(const mock_exchange *x, const gemini *g, lti_buf *out, uint32_t from,
                        uint32_t to) {
  const uint32_t range[2] = {from, to};
  bool finish = to == g->events && g->finished;
  int err = lti_buf_text(out, "{\"candidates\":[");
  for (uint32_t i = 0; i < g->candidates && !err; i++) {
    err = lti_buf_text(out, i ? ",{\"content\":{\"parts\":[" : "{\"content\":{\"parts\":[");
    err |= write_parts(g, out, i, range);
    err |= lti_buf_text(out, "],\"role\":\"model\"}");
    if (finish) err |= lti_buf_format(out, ",\"finishReason\":\"%s\"", g->finish);
    err |= lti_buf_format(out, ",\"index\":%u}", i);
  }
  err |= lti_buf_text(out, "],");
  err |= write_usage(g, out, to * g->candidates);
  if (x->plan.stamp)
    err |= lti_buf_format(out, ",\"mock_ns\":%llu", (unsigned long long)uv_hrtime());
  return err | lti_buf_format(out, ",\"modelVersion\":\"%s\",\"responseId\":\"mock-%llu\"}",
                              g->model, (unsigned long long)g->serial);
}

static const char error_object[] =
    "{\n  \"error\": {\n    \"code\": 500,\n    \"message\": \"An internal error has occurred.\",\n"
    "    \"status\": \"INTERNAL\"\n  }\n}\n";

/* ---- in time --------------------------------------------------------------------------------- */

/* What stands in front of a record, and behind it, in the framing that was asked for. */
static int open_record(gemini *g, lti_buf *out) {
  bool first = !g->begun;
  g->begun = true;
  return lti_buf_text(out, !g->array ? "data: " : first ? "[" : ",\r\n");
}

static int shut_record(const gemini *g, lti_buf *out, bool last) {
  return lti_buf_text(out, !g->array ? "\r\n\r\n" : last ? "\r\n]" : "");
}

/* False: the exchange is over, or lost. */
static bool send_piece(mock_exchange *x, const lti_buf *out, bool last) {
  char *piece = mock_reply_room(x, out->size);
  if (!piece) {
    mock_conn_drop(x->conn);
    return false;
  }
  memcpy(piece, out->data, out->size);
  uint64_t now = uv_hrtime();
  mock_stats_event(x->m, x->due_ns, now);
  if (!last) mock_timing_content(x, now);
  if (last) x->m->stats.streams_done++;
  return mock_reply_piece(x, piece, out->size, last) && !last;
}

static bool send_record(mock_exchange *x, gemini *g, uint32_t to, bool last) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = open_record(g, &out) | write_record(x, g, &out, g->at, to) | shut_record(g, &out, last);
  bool go_on = !err && send_piece(x, &out, last);
  if (err) mock_conn_drop(x->conn);
  lti_buf_deinit(&out);
  return go_on;
}

/* An error in the framing, or the bare object behind it. True: the stream has ended. */
static bool end_early(mock_exchange *x, gemini *g) {
  const mock_faults *f = x->plan.faults;
  bool bare = mock_fault_on(f, FAULT_BARE_ERROR) && g->at >= f->arg[FAULT_BARE_ERROR];
  bool framed = mock_fault_on(f, FAULT_ERROR) && g->at >= f->arg[FAULT_ERROR];
  lti_buf out;
  if (!bare && !framed) return false;
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  int err = bare ? 0 : open_record(g, &out);
  for (const char *at = error_object; *at && !err; at++)
    if (*at != '\n' || bare || g->array) err = lti_buf_byte(&out, *at);
  if (!bare) err |= shut_record(g, &out, true);
  if (err)
    mock_conn_drop(x->conn);
  else
    send_piece(x, &out, true);
  lti_buf_deinit(&out);
  return true;
}

/* True: go on at once. */
static bool step_once(mock_exchange *x, gemini *g) {
  bool unfinished = mock_fault_on(x->plan.faults, FAULT_NO_FINISH);
  if (end_early(x, g)) return false;
  if (g->thought) {
    if (!send_record(x, g, 0, false)) return false;
    g->thought = false;
    return true;
  }
  if (g->at == g->events) {
    g->finished = !unfinished;
    return send_record(x, g, g->at, true);
  }
  uint64_t due = g->base_ns + g->at * x->plan.gap_us * 1000;
  if (due > uv_hrtime()) {
    mock_reply_step_at(x, due);
    return false;
  }
  if (!send_record(x, g, g->at + 1, false)) return false;
  g->at++;
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

static void whole_step(mock_exchange *x) {
  gemini *g = x->job;
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  g->finished = !mock_fault_on(x->plan.faults, FAULT_NO_FINISH);
  g->thought = false;
  if (write_record(x, g, &out, 0, g->events))
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, 200, "application/json; charset=UTF-8", NULL, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}

/* ---- what was asked -------------------------------------------------------------------------- */

static bool find_number(leat_slice body, const char *pointer, uint32_t max, uint32_t *number) {
  leat_slice text;
  uint64_t value;
  if (!lti_json_find(body, pointer, &text) || !lti_slice_u64(text, &value)) return false;
  *number = value > max ? max : (uint32_t)value;
  return true;
}

/* A string's inside, escapes and all. */
static void find_text(leat_slice body, const char *pointer, char *out, size_t room) {
  leat_slice value;
  if (!lti_json_find(body, pointer, &value) || value.size < 2 || *value.data != '"') return;
  snprintf(out, room, "%.*s", (int)(value.size - 2 < room ? value.size - 2 : 0), value.data + 1);
}

static void read_body(mock_exchange *x, gemini *g) {
  leat_slice body = lti_buf_slice(&x->body), value;
  uint32_t seed;
  if (!x->plan.seed_named && find_number(body, CONFIG "/seed", UINT32_MAX, &seed)) g->seed = seed;
  if (!x->plan.events_named) find_number(body, CONFIG "/maxOutputTokens", EVENTS_MAX, &g->events);
  find_number(body, CONFIG "/candidateCount", CANDIDATES_MAX, &g->candidates);
  g->thoughts = lti_json_find(body, CONFIG "/thinkingConfig/includeThoughts", &value) &&
                lti_slice_is(value, "true");
  g->thought = g->thoughts;
  if (lti_json_find(body, "/toolConfig/functionCallingConfig/mode", &value) &&
      lti_slice_is(value, "\"ANY\"")) {
    find_text(body, "/tools/0/functionDeclarations/0/name", g->call, sizeof g->call);
    if (*g->call) g->events = 1;
  }
  if (lti_json_find(body, CONFIG "/responseModalities", &value) &&
      lti_slice_find(value, lti_slice_of("\"IMAGE\"")))
    g->image_bytes = x->plan.bytes ? x->plan.bytes : IMAGE_USUAL;
  g->prompt_tokens = (uint32_t)((x->body.size + 3) / 4);
}

static int nibble(char c) {
  const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
  return at ? (int)(at - digits) : -1;
}

/* The model of the path, percent-decoded, as the inside of a JSON string. */
static bool read_model(mock_exchange *x, gemini *g, leat_slice path) {
  lti_buf plain, json;
  lti_buf_init(&plain, &x->m->alloc, sizeof g->model, LEAT_EBODYMAX);
  lti_buf_init(&json, &x->m->alloc, sizeof g->model, LEAT_EBODYMAX);
  int err = path.size ? 0 : LEAT_EINVAL;
  for (size_t i = 0; i < path.size && !err; i++) {
    char c = path.data[i];
    bool coded = c == '%' && i + 2 < path.size && nibble(path.data[i + 1]) >= 0 &&
                 nibble(path.data[i + 2]) >= 0;
    if (coded) c = (char)(nibble(path.data[i + 1]) * 16 + nibble(path.data[i + 2]));
    i += coded ? 2 : 0;
    err = lti_buf_byte(&plain, c);
  }
  if (!err) err = lti_json_write_string(&json, lti_buf_slice(&plain));
  if (!err) snprintf(g->model, sizeof g->model, "%.*s", (int)json.size - 2, json.data + 1);
  lti_buf_deinit(&plain);
  lti_buf_deinit(&json);
  return !err;
}

static void reply_bad(mock_exchange *x, const char *message) {
  char text[300];
  int n = snprintf(text, sizeof text,
                   "{\"error\":{\"code\":400,\"message\":\"%s\",\"status\":\"INVALID_ARGUMENT\"}}",
                   message);
  mock_reply_fixed(x, 400, "application/json; charset=UTF-8", NULL, lti_slice(text, (size_t)n));
}

static void begin(mock_exchange *x, gemini *g) {
  const char *query = strchr(mock_exchange_url(x), '?');
  bool events = query && strstr(query, "alt=sse");
  g->base_ns = uv_hrtime() + x->plan.ttft_us * 1000;
  x->step = g->stream ? step : whole_step;
  if (!g->stream) {
    uint64_t gaps = g->events > 1 ? g->events - 1 : 0;
    mock_reply_step_at(x, g->base_ns + gaps * x->plan.gap_us * 1000);
    return;
  }
  g->array = !events;
  mock_stats_stream(x);
  if (mock_reply_begin(x, 200, events ? "text/event-stream" : "application/json; charset=UTF-8",
                       NULL, MOCK_NEVER))
    mock_reply_step_at(x, g->base_ns);
}

static void serve(mock_exchange *x, leat_slice model, bool stream) {
  gemini *g = calloc(1, sizeof *g);
  if (!g) {
    mock_conn_drop(x->conn);
    return;
  }
  x->job = g;
  x->release = free;
  *g = (gemini){.finish = strcmp(x->plan.finish, "length") == 0 ? "MAX_TOKENS" : "STOP",
                .seed = x->plan.seed,
                .serial = x->ordinal,
                .events = x->plan.events,
                .bytes = x->plan.bytes,
                .candidates = 1,
                .stream = stream};
  leat_slice contents;
  if (!read_model(x, g, model)) {
    reply_bad(x, "* GenerateContentRequest.model: unexpected model name format");
  } else if (!lti_json_valid(lti_buf_slice(&x->body), NULL, NULL)) {
    reply_bad(x, "Invalid JSON payload received.");
  } else if (!lti_json_find(lti_buf_slice(&x->body), "/contents", &contents)) {
    reply_bad(x, "* GenerateContentRequest.contents: contents is not specified");
  } else {
    read_body(x, g);
    lti_buf_deinit(&x->body);
    begin(x, g);
  }
}

bool mock_gemini_serve(mock_exchange *x, leat_slice path) {
  static const char *const roots[] = {"/v1beta/models/", "/v1/models/"};
  static const char *const actions[] = {":generateContent", ":streamGenerateContent",
                                        ":countTokens", ":embedContent", ":batchEmbedContents"};
  for (size_t r = 0; r < 2; r++) {
    if (!lti_slice_starts(path, roots[r])) continue;
    leat_slice rest = lti_slice_from(path, strlen(roots[r]));
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
      if (!lti_slice_ends(rest, actions[i])) continue;
      if (i < 2)
        serve(x, lti_slice(rest.data, rest.size - strlen(actions[i])), i == 1);
      else if (i == 2)
        mock_counting_gemini(x);
      else
        mock_embeddings_gemini(x, i == 4);
      return true;
    }
  }
  return false;
}
