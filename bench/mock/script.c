/* Events go out in pieces of a bounded size, because one of them may be an image of megabytes. */
#include "bench/mock/script.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_MAX     (16 * 1024)
#define PIECES_A_STEP 32

static void release(void *job) {
  mock_script *s = job;
  lti_buf_deinit(&s->bytes);
  free(s);
}

mock_script *mock_script_new(mock_exchange *x) {
  mock_script *s = calloc(1, sizeof *s);
  if (!s) {
    mock_conn_drop(x->conn);
    return NULL;
  }
  lti_buf_init(&s->bytes, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  x->job = s;
  x->release = release;
  return s;
}

bool mock_script_mark(mock_script *s) {
  if (s->count == MOCK_SCRIPT_EVENTS_MAX) return false;
  s->ends[s->count++] = s->bytes.size;
  return true;
}

/* The stream ends with an error in the place of event k. True: it has. */
static bool end_early(mock_exchange *x, const mock_script *s) {
  static const char text[] =
      "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"server_error\",\"code\":"
      "\"mock_stream_error\",\"message\":\"The server had an error while processing your request\","
      "\"param\":null}}\n\n";
  const mock_faults *f = x->plan.faults;
  bool between = s->at == (s->played ? s->ends[s->played - 1] : 0);
  if (!between || !mock_fault_on(f, FAULT_ERROR) || s->played < f->arg[FAULT_ERROR]) return false;
  char *piece = mock_reply_room(x, sizeof text);
  if (!piece) {
    mock_conn_drop(x->conn);
    return true;
  }
  memcpy(piece, text, sizeof text - 1);
  mock_reply_piece(x, piece, sizeof text - 1, true);
  return true;
}

/* False: the exchange is over, waits, or is lost. */
static bool say(mock_exchange *x, mock_script *s) {
  size_t left = s->ends[s->played] - s->at, n = left < PIECE_MAX ? left : PIECE_MAX;
  bool whole = n == left, last = whole && s->played + 1 == s->count;
  char *piece = mock_reply_room(x, n);
  if (!piece) {
    mock_conn_drop(x->conn);
    return false;
  }
  memcpy(piece, s->bytes.data + s->at, n);
  s->at += n;
  s->played += whole;
  if (whole) mock_stats_event(x->m, x->due_ns, uv_hrtime());
  if (last) x->m->stats.streams_done++;
  return mock_reply_piece(x, piece, n, last);
}

static void step(mock_exchange *x) {
  mock_script *s = x->job;
  for (int i = 0; i < PIECES_A_STEP; i++) {
    uint64_t due = s->base_ns + s->played * x->plan.gap_us * 1000;
    if (end_early(x, s)) return;
    if (due > uv_hrtime()) {
      mock_reply_step_at(x, due);
      return;
    }
    if (!say(x, s)) return;
    if (mock_reply_full(x)) {
      x->waiting = true;
      return;
    }
  }
  mock_reply_step_at(x, uv_hrtime());
}

void mock_script_play(mock_exchange *x, const char *type) {
  mock_script *s = x->job;
  s->base_ns = uv_hrtime() + x->plan.ttft_us * 1000;
  mock_stats_stream(x);
  if (s->count == 0) {
    mock_conn_drop(x->conn);
    return;
  }
  if (!mock_reply_begin(x, 200, type, "Cache-Control: no-cache\r\n", MOCK_NEVER)) return;
  x->step = step;
  mock_reply_step_at(x, s->base_ns);
}
