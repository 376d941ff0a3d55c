/* The events of a response: OpenAI's Responses as server-sent events or over a socket, Realtime
 * over a socket in today's names and in those of its beta. One table says which events there are,
 * in their order; the text is the gateway's (text.h), so it can be compared byte by byte, and
 * stands once more whole in the events that end it. Seed and length come from the request's `seed`
 * (or `metadata.seed`) and `max_output_tokens`, unless the plan names them.
 *
 *   created -> item added -> part added -> delta, delta ... -> text, part, item done -> completed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/answer.h"
#include "bench/mock/text.h"
#include "wire/json.h"

#define STEP_BUDGET 64
#define EVENTS_MAX  1000000u

typedef int (*writer)(const answer *a, lti_buf *out);

static int write_created(const answer *a, lti_buf *out);
static int write_item_added(const answer *a, lti_buf *out);
static int write_part_added(const answer *a, lti_buf *out);
static int write_delta(const answer *a, lti_buf *out);
static int write_text_done(const answer *a, lti_buf *out);
static int write_part_done(const answer *a, lti_buf *out);
static int write_item_done(const answer *a, lti_buf *out);
static int write_completed(const answer *a, lti_buf *out);
static int write_limits(const answer *a, lti_buf *out);

enum { STAGE_DELTA = 5, STAGE_COMPLETED = 9 };

/* By dialect; NULL: it has no such event. */
static const struct {
  const char *types[3];
  writer write;
} stages[] = {
    {{"response.created", "response.created", "response.created"}, write_created},
    {{"response.in_progress", NULL, NULL}, write_created},
    {{"response.output_item.added", "response.output_item.added", "response.output_item.added"},
     write_item_added},
    {{NULL, "conversation.item.added", "conversation.item.created"}, write_item_added},
    {{"response.content_part.added", "response.content_part.added", "response.content_part.added"},
     write_part_added},
    {{"response.output_text.delta", "response.output_text.delta", "response.text.delta"},
     write_delta},
    {{"response.output_text.done", "response.output_text.done", "response.text.done"},
     write_text_done},
    {{"response.content_part.done", "response.content_part.done", "response.content_part.done"},
     write_part_done},
    {{"response.output_item.done", "response.output_item.done", "response.output_item.done"},
     write_item_done},
    {{"response.completed", "response.done", "response.done"}, write_completed},
    {{NULL, "rate_limits.updated", "rate_limits.updated"}, write_limits},
};

#define STAGE_COUNT (sizeof stages / sizeof stages[0])

/* ---- the parts of events */

static bool is_realtime(const answer *a) {
  return a->dialect != MOCK_RESPONSES;
}

static int write_text(const answer *a, lti_buf *out, uint32_t from, uint32_t to) {
  size_t room = MOCK_TEXT_JSON_MAX(a->bytes ? a->bytes : MOCK_TEXT_PIECE_MAX);
  int err = lti_buf_byte(out, '"');
  for (uint32_t i = from; i < to && !err; i++) {
    if ((err = lti_buf_reserve(out, room))) return err;
    out->size += mock_text_json(a->seed, i, a->bytes, out->data + out->size, room);
  }
  return err ? err : lti_buf_byte(out, '"');
}

static int write_ids(const answer *a, lti_buf *out) {
  int err = 0;
  if (is_realtime(a))
    err = lti_buf_format(out, "\"response_id\":\"resp_%llu\",", (unsigned long long)a->serial);
  return err | lti_buf_text(out, "\"output_index\":0,");
}

static int write_place(const answer *a, lti_buf *out) {
  return write_ids(a, out) | lti_buf_format(out, "\"item_id\":\"msg_%llu\",\"content_index\":0,",
                                            (unsigned long long)a->serial);
}

static int write_part(const answer *a, lti_buf *out, uint32_t to) {
  const char *type = a->dialect == MOCK_REALTIME_BETA ? "text" : "output_text";
  int err = lti_buf_format(out, "{\"type\":\"%s\",\"text\":", type);
  err |= write_text(a, out, 0, to);
  if (!is_realtime(a)) err |= lti_buf_text(out, ",\"annotations\":[]");
  return err | lti_buf_byte(out, '}');
}

static int write_item(const answer *a, lti_buf *out, bool done) {
  int err = lti_buf_format(out, "{\"id\":\"msg_%llu\",%s\"type\":\"message\",\"status\":\"%s\",",
                           (unsigned long long)a->serial,
                           is_realtime(a) ? "\"object\":\"realtime.item\"," : "",
                           done ? "completed" : "in_progress");
  err |= lti_buf_text(out, "\"role\":\"assistant\",\"content\":[");
  if (done) err |= write_part(a, out, a->at);
  return err | lti_buf_text(out, "]}");
}

static int write_usage(const answer *a, lti_buf *out) {
  unsigned in = a->prompt_tokens, said = a->at;
  int err = lti_buf_format(out, "{\"total_tokens\":%u,\"input_tokens\":%u,\"output_tokens\":%u,",
                           in + said, in, said);
  if (is_realtime(a))
    return err | lti_buf_format(out,
                                "\"input_token_details\":{\"cached_tokens\":0,\"text_tokens\":%u},"
                                "\"output_token_details\":{\"text_tokens\":%u}}",
                                in, said);
  return err | lti_buf_text(out,
                            "\"input_tokens_details\":{\"cached_tokens\":0},"
                            "\"output_tokens_details\":{\"reasoning_tokens\":0}}");
}

static int write_details(const answer *a, lti_buf *out) {
  bool cut_short = strcmp(a->status, "incomplete") == 0;
  if (is_realtime(a) && strcmp(a->status, "completed") != 0)
    return lti_buf_format(out, "\"status_details\":{\"type\":\"%s\",\"reason\":\"%s\"},", a->status,
                          cut_short ? "max_output_tokens" : "client_cancelled");
  if (is_realtime(a)) return lti_buf_text(out, "\"status_details\":null,");
  return lti_buf_text(out, cut_short ? "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"
                                     : "\"incomplete_details\":null,");
}

int mock_answer_write(const answer *a, lti_buf *out, const char *word) {
  bool done = word == NULL;
  int err =
      lti_buf_format(out, "{\"id\":\"resp_%llu\",\"object\":\"%s\",\"status\":\"%s\",",
                     (unsigned long long)a->serial,
                     is_realtime(a) ? "realtime.response" : "response", done ? a->status : word);
  if (done) err |= write_details(a, out);
  if (!is_realtime(a)) {
    err |=
        lti_buf_format(out,
                       "\"created_at\":1700000000,\"model\":\"%s\",\"error\":null,"
                       "\"background\":%s,\"store\":%s,\"previous_response_id\":",
                       a->model, a->background ? "true" : "false", a->unstored ? "false" : "true");
    err |= *a->previous ? lti_buf_format(out, "\"%s\",", a->previous) : lti_buf_text(out, "null,");
  }
  err |= lti_buf_format(out, "\"metadata\":{\"seed\":\"%llu\"},\"output\":[",
                        (unsigned long long)a->seed);
  if (done) err |= write_item(a, out, true);
  err |= lti_buf_text(out, "],\"usage\":");
  err |= done ? write_usage(a, out) : lti_buf_text(out, "null");
  return err | lti_buf_byte(out, '}');
}

static int write_created(const answer *a, lti_buf *out) {
  return lti_buf_text(out, "\"response\":") | mock_answer_write(a, out, "in_progress");
}

static int write_completed(const answer *a, lti_buf *out) {
  return lti_buf_text(out, "\"response\":") | mock_answer_write(a, out, NULL);
}

static int write_item_added(const answer *a, lti_buf *out) {
  return write_ids(a, out) | lti_buf_text(out, "\"item\":") | write_item(a, out, false);
}

static int write_item_done(const answer *a, lti_buf *out) {
  return write_ids(a, out) | lti_buf_text(out, "\"item\":") | write_item(a, out, true);
}

static int write_part_added(const answer *a, lti_buf *out) {
  return write_place(a, out) | lti_buf_text(out, "\"part\":") | write_part(a, out, 0);
}

static int write_part_done(const answer *a, lti_buf *out) {
  return write_place(a, out) | lti_buf_text(out, "\"part\":") | write_part(a, out, a->at);
}

static int write_delta(const answer *a, lti_buf *out) {
  int err = write_place(a, out) | lti_buf_text(out, "\"delta\":");
  err |= write_text(a, out, a->at, a->at + 1);
  return is_realtime(a) ? err : err | lti_buf_text(out, ",\"logprobs\":[]");
}

static int write_text_done(const answer *a, lti_buf *out) {
  return write_place(a, out) | lti_buf_text(out, "\"text\":") | write_text(a, out, 0, a->at);
}

static int write_limits(const answer *a, lti_buf *out) {
  return lti_buf_format(out,
                        "\"rate_limits\":[{\"name\":\"tokens\",\"limit\":100000,"
                        "\"remaining\":%u,\"reset_seconds\":1.0}]",
                        100000 - (a->at < 100000 ? a->at : 100000));
}

/* ---- in time */

static int write_event(mock_exchange *x, answer *a, lti_buf *out) {
  const char *type = stages[a->stage].types[a->dialect];
  bool ends = a->stage == STAGE_COMPLETED && a->dialect == MOCK_RESPONSES;
  if (ends && strcmp(a->status, "completed") != 0) type = "response.incomplete";
  int err = lti_buf_format(out, "event: %s\ndata: {\"type\":\"%s\",", type, type);
  if (is_realtime(a))
    err |= lti_buf_format(out, "\"event_id\":\"event_%llu_%u\",", (unsigned long long)a->serial,
                          a->sequence++);
  else
    err |= lti_buf_format(out, "\"sequence_number\":%u,", a->sequence++);
  if (x->plan.stamp)
    err |= lti_buf_format(out, "\"mock_ns\":%llu,", (unsigned long long)uv_hrtime());
  err |= stages[a->stage].write(a, out);
  return err | lti_buf_text(out, "}\n\n");
}

static int write_error(const answer *a, lti_buf *out) {
  static const char inside[] =
      "\"code\":\"mock_stream_error\",\"message\":\"The server had an error while processing your "
      "request\",\"param\":null}";
  if (is_realtime(a))
    return lti_buf_format(out,
                          "event: error\ndata: {\"type\":\"error\",\"event_id\":\"event_%llu_e\","
                          "\"error\":{\"type\":\"server_error\",%s}\n\n",
                          (unsigned long long)a->serial, inside);
  return lti_buf_format(out,
                        "event: error\ndata: {\"type\":\"error\",\"sequence_number\":%u,%s\n\n",
                        a->sequence, inside);
}

/* The stage behind this one that the dialect has. */
static void advance(const mock_exchange *x, answer *a) {
  do {
    a->stage++;
    if (a->stage == STAGE_COMPLETED && mock_fault_on(x->plan.faults, FAULT_NO_FINISH))
      a->stage = STAGE_COUNT;
  } while (a->stage < STAGE_COUNT && !stages[a->stage].types[a->dialect]);
}

/* False: the exchange is over, or waits, or is lost. */
static bool send_event(mock_exchange *x, answer *a, bool error, bool last) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  bool go_on = false;
  char *piece = NULL;
  if (!(error ? write_error(a, &out) : write_event(x, a, &out)))
    piece = mock_reply_room(x, out.size);
  if (!piece) {
    mock_conn_drop(x->conn);
  } else {
    memcpy(piece, out.data, out.size);
    uint64_t now = uv_hrtime();
    mock_stats_event(x->m, a->stage == STAGE_DELTA ? x->due_ns : MOCK_NEVER, now);
    if (a->stage == STAGE_DELTA && !error) mock_timing_content(x, now);
    if (last) x->m->stats.streams_done++;
    go_on = mock_reply_piece(x, piece, out.size, last);
  }
  lti_buf_deinit(&out);
  return go_on;
}

static bool last_stage(const mock_exchange *x, const answer *a) {
  answer behind = *a;
  advance(x, &behind);
  return behind.stage >= STAGE_COUNT;
}

/* True: go on at once. */
static bool step_delta(mock_exchange *x, answer *a) {
  const mock_faults *f = x->plan.faults;
  if (mock_fault_on(f, FAULT_ERROR) && a->at >= f->arg[FAULT_ERROR]) {
    send_event(x, a, true, true);
    return false;
  }
  if (a->record && a->record->cancelled && !a->cancelled) {
    a->cancelled = true;
    a->status = "cancelled";
  }
  if (a->at == a->events || a->cancelled) {
    advance(x, a);
    return true;
  }
  uint64_t due = a->base_ns + a->at * x->plan.gap_us * 1000;
  if (due > uv_hrtime()) {
    mock_reply_step_at(x, due);
    return false;
  }
  if (!send_event(x, a, false, false)) return false;
  a->at++;
  return true;
}

static bool step_once(mock_exchange *x, answer *a) {
  if (a->stage == STAGE_DELTA) return step_delta(x, a);
  bool last = last_stage(x, a);
  if (!send_event(x, a, false, last)) return false;
  advance(x, a);
  return true;
}

static void step(mock_exchange *x) {
  answer *a = x->job;
  for (int i = 0; i < STEP_BUDGET; i++) {
    if (!step_once(x, a)) return;
    if (mock_reply_full(x)) {
      x->waiting = true;
      return;
    }
  }
  mock_reply_step_at(x, uv_hrtime());
}

static void whole_step(mock_exchange *x) {
  answer *a = x->job;
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  a->at = a->events;
  if (mock_answer_write(a, &out, NULL))
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, 200, "application/json", NULL, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}

/* ---- what was asked */

/* The field at the top or inside "response", which is where Realtime has it. */
static bool find(leat_slice body, const char *name, leat_slice *value) {
  char pointer[64];
  snprintf(pointer, sizeof pointer, "/response/%s", name);
  return lti_json_find(body, pointer + 9, value) || lti_json_find(body, pointer, value);
}

static bool find_number(leat_slice body, const char *name, uint64_t *value) {
  leat_slice text;
  if (!find(body, name, &text)) return false;
  if (text.size > 2 && text.data[0] == '"') text = lti_slice(text.data + 1, text.size - 2);
  return lti_slice_u64(text, value);
}

static void read_body(mock_exchange *x, answer *a) {
  leat_slice body = lti_buf_slice(&x->body), value;
  uint64_t number;
  if (!x->plan.seed_named &&
      (find_number(body, "seed", &number) || find_number(body, "metadata/seed", &number)))
    a->seed = number;
  if (!x->plan.events_named && find_number(body, "max_output_tokens", &number))
    a->events = number > EVENTS_MAX ? EVENTS_MAX : (uint32_t)number;
  if (find(body, "model", &value) && value.size > 2 && value.size - 2 < sizeof a->model) {
    memcpy(a->model, value.data + 1, value.size - 2);
    a->model[value.size - 2] = '\0';
  }
  if (find(body, "background", &value)) a->background = lti_slice_is(value, "true");
  if (find(body, "store", &value)) a->unstored = lti_slice_is(value, "false");
  if (find(body, "previous_response_id", &value) && value.size > 2 &&
      value.size - 2 < sizeof a->previous)
    snprintf(a->previous, sizeof a->previous, "%.*s", (int)value.size - 2, value.data + 1);
  if (find(body, "stream", &value)) a->stream = lti_slice_is(value, "true") || x->socket;
  a->prompt_tokens = (uint32_t)((x->body.size + 3) / 4);
}

void mock_answer_cancel(mock_exchange *x) {
  answer *a = x->job;
  if (!a || x->step != step || a->stage > STAGE_DELTA) return;
  a->cancelled = true;
  a->status = "cancelled";
  mock_reply_step_at(x, uv_hrtime());
}

static void release(void *job) {
  answer *a = job;
  mock_stored_drop(a->record);
  free(a);
}

/* Moves on as if events had been said. */
static void skip(const mock_exchange *x, answer *a, uint64_t after) {
  while (a->stage < STAGE_COUNT && a->sequence <= after) {
    bool delta = a->stage == STAGE_DELTA && a->at < a->events;
    if (delta || a->stage != STAGE_DELTA) a->sequence++;
    if (delta)
      a->at++;
    else
      advance(x, a);
  }
}

void mock_answer_play(mock_exchange *x, answer *a, uint64_t after) {
  x->job = a;
  x->release = release;
  if (after != UINT64_MAX) skip(x, a, after);
  x->step = step;
  mock_stats_stream(x);
  if (!mock_reply_begin(x, 200, "text/event-stream", "Cache-Control: no-cache\r\n", MOCK_NEVER))
    return;
  char *piece = a->stage >= STAGE_COUNT ? mock_reply_room(x, 0) : NULL;
  if (piece)
    mock_reply_piece(x, piece, 0, true); /* there is nothing left to say */
  else
    mock_reply_step_at(x, uv_hrtime());
}

/* It will be made without anybody listening. */
static void reply_queued(mock_exchange *x, const answer *a) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  mock_reply_json(x, mock_answer_write(a, &out, "queued"), &out);
  lti_buf_deinit(&out);
}

static void begin(mock_exchange *x, answer *a) {
  a->base_ns = uv_hrtime() + x->plan.ttft_us * 1000;
  if (a->dialect == MOCK_RESPONSES && !a->unstored && !mock_stored_keep(x, a)) {
    mock_conn_drop(x->conn);
    return;
  }
  lti_buf_deinit(&x->body);
  if (a->stream) {
    mock_answer_play(x, a, UINT64_MAX);
  } else if (a->background && !a->unstored) {
    reply_queued(x, a);
  } else {
    x->step = whole_step;
    mock_reply_step_at(x, a->base_ns + (a->events ? a->events - 1 : 0) * x->plan.gap_us * 1000);
  }
}

void mock_answer_serve(mock_exchange *x, enum mock_dialect dialect) {
  size_t offset;
  const char *why;
  answer *a = calloc(1, sizeof *a);
  if (!a) {
    mock_conn_drop(x->conn);
    return;
  }
  x->job = a;
  x->release = release;
  *a = (answer){.dialect = dialect,
                .status = strcmp(x->plan.finish, "length") == 0 ? "incomplete" : "completed",
                .seed = x->plan.seed,
                .serial = x->ordinal,
                .events = x->plan.events,
                .bytes = x->plan.bytes,
                .stream = x->socket,
                .model = "gpt-5"};
  if (!lti_json_valid(lti_buf_slice(&x->body), &offset, &why)) {
    mock_reply_error(x, 400, "invalid_request_error", NULL, "The body is not valid JSON");
    return;
  }
  read_body(x, a);
  if (mock_stored_check(x, a)) begin(x, a);
}
