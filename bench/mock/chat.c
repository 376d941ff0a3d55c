/* Completions in time: head at once, the first event after ttft, the others at an absolute
 * schedule, each written on its own; then finish, usage and [DONE], or whichever fault was asked
 * for.
 *
 *   BIG -> EVENTS -> FINISH -> USAGE -> DONE -> (open: after-done)
 *     \       \-> ERROR, TRUNCATED           COMMENTS: no way out but the client's */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/gateway.h"
#include "bench/mock/text.h"
#include "bench/mock/wording.h"

#define LETTERS_PIECE (16 * 1024 - 64)
#define STEP_BUDGET   64
#define COMMENT_US    100000
#define COMMENTS_MAX  1000 /* before one event */

enum stage { STAGE_BIG, STAGE_COMMENTS, STAGE_EVENTS, STAGE_FINISH, STAGE_USAGE, STAGE_DONE };

struct chat {
  mock_ask ask;
  enum stage stage;
  uint64_t base_ns, at, total, big_at;
  uint32_t finished; /* choices whose finish was written */
};

static void step(mock_exchange *x);
static void whole_step(mock_exchange *x);
static void begin_stream(mock_exchange *x, struct chat *j);

static void reply_bad_json(mock_exchange *x, size_t offset) {
  char text[120];
  snprintf(text, sizeof text, "We could not parse the JSON body of your request (byte %zu)",
           offset);
  mock_reply_error(x, 400, "invalid_request_error", NULL, text);
}

static const char *line_end(const mock_faults *f) {
  return mock_fault_on(f, FAULT_CRLF) ? "\r\n" : mock_fault_on(f, FAULT_CR) ? "\r" : "\n";
}

/* The plan's wishes go before the body's fields where both name one. */
static bool settle(mock_exchange *x, struct chat *j) {
  mock_plan *p = &x->plan;
  mock_ask *a = &j->ask;
  if (p->seed_named) a->seed = p->seed;
  if (p->events_named) a->events = p->events;
  a->bytes = p->bytes;
  a->reasoning = p->reasoning;
  a->stamp = p->stamp;
  a->finish = p->finish;
  a->eol = line_end(p->faults);
  a->serial = x->ordinal;
  if (!a->stream_named && (p->cadence_in_query || x->socket)) a->stream = true;
  a->message = x->socket && mock_ws_wants_message(x);
  if (a->prompt_tokens == 0) a->prompt_tokens = (uint32_t)((x->body.size + 3) / 4);
  if (!a->stream || mock_fault_on(p->faults, FAULT_JSON)) a->stream = false;
  if (a->events == 0 && !p->events_named) a->events = 1;
  bool settled = mock_ask_settle(a);
  j->total = mock_ask_total(a);
  j->base_ns = uv_hrtime() + p->ttft_us * 1000;
  return settled;
}

static void release(void *job) {
  struct chat *j = job;
  mock_ask_deinit(&j->ask);
  free(j);
}

void mock_chat_serve(mock_exchange *x, bool legacy) {
  struct chat *j = calloc(1, sizeof *j);
  x->job = j;
  x->release = release;
  if (!j || !mock_ask_init(&j->ask)) {
    mock_conn_drop(x->conn);
    return;
  }
  j->ask.legacy = legacy;
  j->ask.seed = x->plan.seed;
  j->ask.events = x->plan.events;
  snprintf(j->ask.words->model, sizeof j->ask.words->model, "gpt-5");
  size_t offset = 0;
  if (x->body.size && !mock_ask_read(&j->ask, lti_buf_slice(&x->body), &offset)) {
    reply_bad_json(x, offset);
    return;
  }
  if (!settle(x, j)) {
    mock_conn_drop(x->conn);
    return;
  }
  lti_buf_deinit(&x->body);
  if (j->ask.stream) {
    begin_stream(x, j);
  } else {
    uint64_t gaps = j->total > 1 ? j->total - 1 : 0;
    x->step = whole_step;
    mock_reply_step_at(x, j->base_ns + gaps * x->plan.gap_us * 1000);
  }
}

static void write_extra(const mock_exchange *x, const struct chat *j, char *out, size_t cap) {
  bool gzip = j->ask.stream && mock_fault_on(x->plan.faults, FAULT_GZIP);
  snprintf(out, cap, "%s%sx-mock-seed: %llu\r\nx-mock-events: %u\r\n",
           j->ask.stream ? "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n" : "",
           gzip ? "Content-Encoding: gzip\r\n" : "", (unsigned long long)j->ask.seed,
           j->ask.events);
}

static void whole_step(mock_exchange *x) {
  struct chat *j = x->job;
  char extra[256];
  lti_buf out;
  write_extra(x, j, extra, sizeof extra);
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (mock_ask_whole(&j->ask, &out))
    mock_reply_error(x, 500, "mock_error", "too_big", "The answer is too big");
  else
    mock_reply_fixed(x, 200, "application/json", extra, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}

static void begin_stream(mock_exchange *x, struct chat *j) {
  const mock_faults *f = x->plan.faults;
  char extra[256];
  mock_stats_stream(x);
  write_extra(x, j, extra, sizeof extra);
  if (!mock_reply_begin(x, 200, "text/event-stream", extra, MOCK_NEVER)) return;
  x->gzip = mock_fault_on(f, FAULT_GZIP) && j->ask.bytes <= 8192; /* a stored block is 64 KB */
  if (mock_fault_on(f, FAULT_EMPTY)) {
    char *piece = mock_reply_room(x, 1);
    if (piece) mock_reply_piece(x, piece, 0, true);
    return;
  }
  lti_buf_deinit(&x->head);
  mock_ask_slim(&j->ask);
  j->stage = STAGE_EVENTS;
  if (mock_fault_on(f, FAULT_BIG)) j->stage = STAGE_BIG;
  if (mock_fault_on(f, FAULT_COMMENTS) && f->arg[FAULT_COMMENTS] == MOCK_NEVER)
    j->stage = STAGE_COMMENTS;
  x->step = step;
  mock_reply_step_at(x, j->base_ns);
}

static uint64_t due_of(const mock_exchange *x, const struct chat *j) {
  const mock_plan *p = &x->plan;
  uint64_t due = j->base_ns + j->at * p->gap_us * 1000;
  if (p->jitter_us) due += mock_text_mix(j->ask.seed ^ ~j->at) % p->jitter_us * 1000;
  return due;
}

/* What a step says about the stream: go on writing, wait for a time, or leave the exchange alone.
 */
enum progress { GO_ON, WAIT, OVER };

static enum progress send_text(mock_exchange *x, const char *text, size_t size, bool last) {
  char *piece = mock_reply_room(x, size);
  if (!piece) {
    mock_conn_drop(x->conn);
    return OVER;
  }
  memcpy(piece, text, size);
  return mock_reply_piece(x, piece, size, last) ? GO_ON : OVER;
}

static enum progress send_comment(mock_exchange *x, const struct chat *j) {
  char text[32];
  int n = snprintf(text, sizeof text, ": keep-alive%s%s", j->ask.eol, j->ask.eol);
  return send_text(x, text, (size_t)n, false);
}

static enum progress step_big(mock_exchange *x, struct chat *j) {
  uint64_t size = x->plan.faults->arg[FAULT_BIG];
  char *piece = mock_reply_room(x, LETTERS_PIECE + mock_ask_event_max(&j->ask));
  if (!piece) {
    mock_conn_drop(x->conn);
    return OVER;
  }
  size_t n = j->big_at == 0 ? mock_ask_open(&j->ask, piece) : 0;
  size_t part = size - j->big_at < LETTERS_PIECE ? (size_t)(size - j->big_at) : LETTERS_PIECE;
  mock_text_letters(j->ask.seed, j->big_at, piece + n, part);
  j->big_at += part;
  n += part;
  if (j->big_at == size) {
    n += mock_ask_shut(&j->ask, piece + n);
    j->stage = STAGE_EVENTS;
    j->base_ns = uv_hrtime() + x->plan.gap_us * 1000;
    mock_stats_event(x->m, MOCK_NEVER, 0);
  }
  return mock_reply_piece(x, piece, n, false) ? GO_ON : OVER;
}

static enum progress step_comments(mock_exchange *x, struct chat *j) {
  if (send_comment(x, j) == OVER) return OVER;
  uint64_t gap = x->plan.gap_us ? x->plan.gap_us : COMMENT_US;
  mock_reply_step_at(x, uv_hrtime() + gap * 1000);
  return WAIT;
}

/* Faults that end the stream at event k. True: it has ended. */
static bool end_early(mock_exchange *x, struct chat *j) {
  static const char object[] =
      "{\"error\":{\"message\":\"The server had an error while processing your request\","
      "\"type\":\"server_error\",\"param\":null,\"code\":\"mock_stream_error\"}}";
  const mock_faults *f = x->plan.faults;
  uint64_t cut = f->arg[FAULT_CHUNK_TRUNCATED];
  char text[512];
  int n;
  if (cut == MOCK_NEVER) cut = j->total / 2;
  if (mock_fault_on(f, FAULT_CHUNK_TRUNCATED) && j->at >= cut) {
    x->cut_at = x->body_bytes + 20;
    x->cut_ending = MOCK_ENDING_CLEAN;
    return false;
  }
  if (mock_fault_on(f, FAULT_ERROR) && j->at >= f->arg[FAULT_ERROR])
    n = snprintf(text, sizeof text, "data: %s%s%s", object, j->ask.eol, j->ask.eol);
  else if (mock_fault_on(f, FAULT_BARE_ERROR) && j->at >= f->arg[FAULT_BARE_ERROR])
    n = snprintf(text, sizeof text, "%s", object);
  else
    return false;
  send_text(x, text, (size_t)n, true);
  return true;
}

static enum progress send_event(mock_exchange *x, struct chat *j) {
  const mock_faults *f = x->plan.faults;
  uint64_t comments = mock_fault_on(f, FAULT_COMMENTS) ? f->arg[FAULT_COMMENTS] : 0;
  if (comments > COMMENTS_MAX) comments = COMMENTS_MAX;
  for (uint64_t i = 0; i < comments; i++)
    if (send_comment(x, j) == OVER) return OVER;
  char *piece = mock_reply_room(x, mock_ask_event_max(&j->ask));
  if (!piece) {
    mock_conn_drop(x->conn);
    return OVER;
  }
  uint64_t now = uv_hrtime();
  size_t n = mock_ask_event(&j->ask, j->at, now, piece);
  mock_stats_event(x->m, x->due_ns, now);
  mock_timing_content(x, now);
  j->at++;
  return mock_reply_piece(x, piece, n, false) ? GO_ON : OVER;
}

static enum progress step_events(mock_exchange *x, struct chat *j) {
  if (end_early(x, j)) return OVER;
  if (j->at == j->total) {
    bool finish = !mock_fault_on(x->plan.faults, FAULT_NO_FINISH);
    j->stage = finish ? STAGE_FINISH : STAGE_USAGE;
    return GO_ON;
  }
  if (send_event(x, j) == OVER) return OVER;
  if (j->at == j->total) return GO_ON;
  uint64_t due = due_of(x, j), now = uv_hrtime();
  bool behind = x->due_ns == MOCK_NEVER || x->plan.gap_us == 0;
  if (!behind && due < x->due_ns) due = x->due_ns; /* jitter does not overtake */
  if (due <= now) {
    x->due_ns = behind ? MOCK_NEVER : due;
    return GO_ON;
  }
  mock_reply_step_at(x, due);
  return WAIT;
}

/* Finish chunks, usage and [DONE] follow the last event at once, each a write of its own. */
static enum progress step_tail(mock_exchange *x, struct chat *j) {
  const mock_faults *f = x->plan.faults;
  bool done = !mock_fault_on(f, FAULT_NO_DONE);
  char *piece = mock_reply_room(x, mock_ask_event_max(&j->ask));
  if (!piece) {
    mock_conn_drop(x->conn);
    return OVER;
  }
  size_t n = 0;
  if (j->stage == STAGE_FINISH) {
    n = mock_ask_finish(&j->ask, j->finished++, piece);
    if (j->finished == j->ask.choices) j->stage = STAGE_USAGE;
  } else if (j->stage == STAGE_USAGE) {
    j->stage = STAGE_DONE;
    if (!j->ask.usage) return GO_ON;
    n = mock_ask_usage(&j->ask, piece);
  } else {
    if (done) n = (size_t)snprintf(piece, 24, "data: [DONE]%s%s", j->ask.eol, j->ask.eol);
    if (done) mock_stats_event(x->m, MOCK_NEVER, 0);
    x->m->stats.streams_done++;
    mock_reply_piece(x, piece, n, !mock_fault_on(f, FAULT_AFTER_DONE));
    return OVER;
  }
  mock_stats_event(x->m, MOCK_NEVER, 0);
  return mock_reply_piece(x, piece, n, false) ? GO_ON : OVER;
}

static enum progress step_once(mock_exchange *x, struct chat *j) {
  switch (j->stage) {
    case STAGE_BIG: return step_big(x, j);
    case STAGE_COMMENTS: return step_comments(x, j);
    case STAGE_EVENTS: return step_events(x, j);
    case STAGE_FINISH:
    case STAGE_USAGE:
    case STAGE_DONE: return step_tail(x, j);
  }
  return OVER;
}

static void step(mock_exchange *x) {
  struct chat *j = x->job;
  for (int i = 0; i < STEP_BUDGET; i++) {
    if (step_once(x, j) != GO_ON) return;
    if (mock_reply_full(x)) {
      x->waiting = true;
      return;
    }
  }
  uint64_t due = x->due_ns;
  mock_reply_step_at(x, uv_hrtime());
  x->due_ns = due;
}
