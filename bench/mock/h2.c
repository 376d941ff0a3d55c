/* HTTP/2's session and its way out: heads, pieces that become DATA frames, and the pump that turns
 * what nghttp2 has to say into TLS records.
 *
 *   due -> resume -> nghttp2 pulls: read() -> the exchange's step -> piece() into the frame
 *                                     |-> nothing now: deferred until it is due again
 *
 * A stream whose next event is due already is pulled again without asking (`waiting`), so that a
 * stream without gaps costs no timer. */
#include "bench/mock/h2.h"

#include <stdlib.h>
#include <string.h>

/* DATA with its frame header fits one TLS record. */
#define FRAME_MAX   (16384 - 9)
#define RECORD_MAX  16384
#define PUMP_FRAMES 512 /* of one connection in one turn */
#define LINES_MAX   40
#define HEADERS_MAX (64u << 20)

/* Newer than the oldest nghttp2 this is built with, which distributions have given it all the same;
 * clients that cancel thousands of streams are no attack here. */
#pragma weak nghttp2_option_set_stream_reset_rate_limit

static h2_stream *stream_of(const mock_exchange *x) {
  return LTI_CONTAINER_OF(x, h2_stream, x);
}

static void again_due(mock_due *due) {
  mock_conn_mark(LTI_CONTAINER_OF(due, h2, again)->conn);
}

static int open_session(h2 *h) {
  nghttp2_session_callbacks *callbacks;
  nghttp2_option *option;
  if (nghttp2_session_callbacks_new(&callbacks)) return UV_ENOMEM;
  if (nghttp2_option_new(&option)) {
    nghttp2_session_callbacks_del(callbacks);
    return UV_ENOMEM;
  }
  h2_in_callbacks(callbacks);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_send_header_block_length(option, HEADERS_MAX);
  if (nghttp2_option_set_stream_reset_rate_limit)
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
  int err = nghttp2_session_server_new2(&h->session, callbacks, h, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return err ? UV_ENOMEM : 0;
}

static int greet(h2 *h) {
  const mock_config *g = &h->conn->m->config;
  const nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, g->h2_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, g->h2_window},
  };
  int err = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, entries, 2);
  if (!err)
    err = nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                                (int32_t)g->h2_window);
  return err ? UV_ENOMEM : 0;
}

static int h2_open(mock_conn *c) {
  h2 *h = calloc(1, sizeof *h);
  if (!h) return UV_ENOMEM;
  h->conn = c;
  h->left_out = INT32_MAX;
  lti_list_init(&h->streams);
  lti_list_init(&h->ready);
  lti_list_init(&h->owed);
  mock_due_init(&h->again);
  lti_buf_init(&h->raw, &c->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  if (open_session(h) || greet(h)) {
    nghttp2_session_del(h->session);
    free(h);
    return UV_ENOMEM;
  }
  c->session = h;
  c->m->stats.h2.conns++;
  c->m->stats.h2.conns_live++;
  mock_conn_mark(c);
  return 0;
}

static void h2_drop(mock_conn *c) {
  h2 *h = h2_of(c);
  c->m->stats.h2.conns_live--;
  mock_cadence_stop(c->m, &h->again);
  h2_in_forget(h);
  for (lti_list *at = h->streams.next; at != &h->streams; at = at->next) {
    mock_exchange *x = LTI_CONTAINER_OF(at, mock_exchange, all);
    x->cut = true;
    mock_cadence_stop(c->m, &x->due);
    if (x->served && !x->answered) c->m->stats.aborted++;
    c->m->stats.h2.live--;
  }
}

static void h2_release(mock_conn *c) {
  h2 *h = h2_of(c);
  while (!lti_list_empty(&h->streams))
    h2_stream_free(stream_of(LTI_CONTAINER_OF(h->streams.next, mock_exchange, all)));
  nghttp2_session_del(h->session);
  lti_buf_deinit(&h->raw);
  free(h);
}

static void h2_input(mock_conn *c, const char *bytes, size_t size) {
  h2 *h = h2_of(c);
  if (h->silent) return;
  ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes, size);
  if (n < 0) {
    mock_conn_end(c, MOCK_ENDING_CLEAN);
    return;
  }
  h2_in_serve(h);
  mock_conn_mark(c);
}

static void h2_drained(mock_conn *c) {
  mock_conn_mark(c);
}

static void h2_idle(mock_conn *c) {
  h2 *h = h2_of(c);
  h->closing = true;
  nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
  mock_conn_mark(c);
}

/* ---- the pump */

/* Coalesced frames gather in the scratch that is otherwise a record's plaintext on its way in. */
static void emit(mock_conn *c, const uint8_t *bytes, size_t size, size_t *gathered) {
  mock *m = c->m;
  if (!m->config.h2_coalesce) {
    mock_conn_send(c, (const char *)bytes, size);
    return;
  }
  if (*gathered + size > RECORD_MAX) {
    if (*gathered) mock_conn_send(c, m->plain, *gathered);
    *gathered = 0;
  }
  if (size > RECORD_MAX) {
    mock_conn_send(c, (const char *)bytes, size);
    return;
  }
  memcpy(m->plain + *gathered, bytes, size);
  *gathered += size;
}

/* How many frames were said; less than PUMP_FRAMES when there are no more, or no room for them. */
static int say_frames(h2 *h) {
  mock_conn *c = h->conn;
  size_t gathered = 0;
  int frames = 0;
  mock_conn_cork(c);
  while (frames < PUMP_FRAMES && !mock_conn_unsent(c) && !c->dead) {
    const uint8_t *bytes;
    ssize_t n = nghttp2_session_mem_send(h->session, &bytes);
    if (n < 0) h->end = MOCK_ENDING_CLEAN;
    if (n > 0) emit(c, bytes, (size_t)n, &gathered);
    if (h->raw.size) emit(c, (const uint8_t *)h->raw.data, h->raw.size, &gathered);
    lti_buf_clear(&h->raw);
    if (n <= 0) break;
    frames++;
  }
  if (gathered) mock_conn_send(c, c->m->plain, gathered);
  mock_conn_uncork(c);
  return frames;
}

static void h2_pump(mock_conn *c) {
  h2 *h = h2_of(c);
  if (c->dead || h->silent || c->ending != MOCK_ENDING_NONE) return;
  int frames = say_frames(h);
  if (c->dead) return;
  if (h->end == MOCK_ENDING_NONE && !nghttp2_session_want_read(h->session) &&
      !nghttp2_session_want_write(h->session))
    h->end = MOCK_ENDING_CLEAN;
  if (h->end != MOCK_ENDING_NONE)
    mock_conn_end(c, h->end);
  else if (frames == PUMP_FRAMES && !mock_conn_unsent(c) &&
           !mock_cadence_set(c->m, &h->again, uv_hrtime(), again_due))
    mock_conn_drop(c);
}

/* ---- answers */

/* The exchange's step, with the frame as the place where its piece goes. */
static size_t pull(h2_stream *s, char *into, size_t cap) {
  mock_exchange *x = &s->x;
  if (s->due_turn != x->m->turn && x->due_ns != MOCK_NEVER) {
    x->due_ns = MOCK_NEVER;
    x->m->stats.blocked++;
  }
  s->produces = x->waiting = false;
  s->pull_at = into;
  s->pull_cap = cap;
  s->pull_size = 0;
  x->step(x);
  size_t size = s->pull_size;
  s->pull_at = NULL;
  s->pull_size = 0;
  s->due_turn = x->m->turn;
  return size;
}

static size_t take_tail(h2_stream *s, uint8_t *into, size_t cap) {
  size_t left = s->tail.size - s->tail_at, n = left < cap ? left : cap;
  memcpy(into, s->tail.data + s->tail_at, n);
  s->tail_at += n;
  if (s->tail_at == s->tail.size) {
    lti_buf_clear(&s->tail);
    lti_buf_shrink(&s->tail, 0);
    s->tail_at = 0;
  }
  return n;
}

/* The body was cut, and what was to be said of it is said. */
static void end_cut(h2_stream *s) {
  const mock_faults *f = s->x.plan.faults;
  h2 *h = h2_of(s->x.conn);
  uint32_t code = NGHTTP2_INTERNAL_ERROR;
  if (mock_fault_on(f, FAULT_RST)) code = (uint32_t)f->arg[FAULT_RST];
  if (s->x.cut_ending == MOCK_ENDING_CLEAN) s->eof = true;
  if (s->x.cut_ending == MOCK_ENDING_RESET)
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, code);
  if (s->x.cut_ending == MOCK_ENDING_FIN) h->end = MOCK_ENDING_FIN;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *into, size_t cap,
                         uint32_t *flags, nghttp2_data_source *source, void *user) {
  h2_stream *s = source->ptr;
  mock_exchange *x = &s->x;
  size_t n = 0;
  (void)session;
  (void)id;
  (void)user;
  if (s->empties) {
    s->empties--;
    return 0;
  }
  if (cap > FRAME_MAX) cap = FRAME_MAX;
  if (mock_fault_on(x->plan.faults, FAULT_BYTEWISE)) cap = 1;
  if (s->tail.size)
    n = take_tail(s, into, cap);
  else if ((s->produces || x->waiting) && !s->eof && !x->cut)
    n = pull(s, (char *)into, cap);
  if (s->tail.size) return (ssize_t)n;
  if (x->cut && !x->conn->dead && !s->eof) end_cut(s);
  if (s->eof) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!x->cut) mock_exchange_answered(x);
    return (ssize_t)n;
  }
  return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

/* Something changed for a stream that nghttp2 may have put aside. */
static void resume(h2_stream *s) {
  mock_conn *c = s->x.conn;
  if (s->pull_at || !s->head_sent) return;
  nghttp2_session_resume_data(h2_of(c)->session, s->id);
  mock_conn_mark(c);
}

static void lower(char *text, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (text[i] >= 'A' && text[i] <= 'Z') text[i] = (char)(text[i] | 0x20);
}

/* Takes the lines "Name: value CRLF" apart, in place. */
static size_t split_lines(char *at, size_t size, nghttp2_nv *out, size_t cap) {
  char *end = at + size;
  size_t count = 0;
  while (at < end && count < cap) {
    char *stop = memchr(at, '\r', (size_t)(end - at));
    char *colon = memchr(at, ':', (size_t)(end - at));
    if (!stop || !colon || colon + 2 > stop) break;
    lower(at, (size_t)(colon - at));
    out[count++] = (nghttp2_nv){(uint8_t *)at, (uint8_t *)colon + 2, (size_t)(colon - at),
                                (size_t)(stop - colon) - 2, NGHTTP2_NV_FLAG_NONE};
    at = stop + 2;
  }
  return count;
}

static nghttp2_nv status_line(int status, char *text, size_t cap) {
  int n = snprintf(text, cap, "%d", status);
  return (nghttp2_nv){(uint8_t *)(uintptr_t) ":status", (uint8_t *)text, 7, (size_t)n,
                      NGHTTP2_NV_FLAG_NONE};
}

static void submit_interims(h2_stream *s) {
  const mock_faults *f = s->x.plan.faults;
  char status[16], link[] = "link: </a>\r\n";
  nghttp2_nv fields[2] = {status_line(103, status, sizeof status)};
  if (!mock_fault_on(f, FAULT_INTERIM)) return;
  split_lines(link, sizeof link - 1, fields + 1, 1);
  for (uint64_t i = 0; i < f->arg[FAULT_INTERIM]; i++)
    nghttp2_submit_headers(h2_of(s->x.conn)->session, NGHTTP2_FLAG_NONE, s->id, NULL, fields, 2,
                           NULL);
}

static int submit_head(h2_stream *s, const mock_head *head, lti_buf *lines) {
  char status[16];
  nghttp2_nv fields[LINES_MAX + 1] = {status_line(head->status, status, sizeof status)};
  bool told = head->length != MOCK_NEVER && !mock_fault_on(s->x.plan.faults, FAULT_EOF_BODY);
  bool empty = head->whole && head->body.size == 0 && s->empties == 0;
  nghttp2_data_provider provider = {{.ptr = s}, read_body};
  int err = lti_buf_append(lines, head->lines);
  if (told)
    err |= lti_buf_format(lines, "content-length: %llu\r\n", (unsigned long long)head->length);
  if (err) return err;
  size_t count = 1 + split_lines(lines->data, lines->size, fields + 1, LINES_MAX);
  submit_interims(s);
  return nghttp2_submit_response(h2_of(s->x.conn)->session, s->id, fields, count,
                                 empty ? NULL : &provider);
}

static void h2_head(mock_exchange *x, const mock_head *head) {
  h2_stream *s = stream_of(x);
  const mock_faults *f = x->plan.faults;
  lti_buf lines;
  lti_buf_init(&lines, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (mock_fault_on(f, FAULT_EMPTY_FRAMES)) s->empties = f->arg[FAULT_EMPTY_FRAMES];
  s->eof = head->whole;
  if (lti_buf_append(&s->tail, head->body) || submit_head(s, head, &lines)) mock_conn_drop(x->conn);
  s->head_sent = true;
  if (head->whole && head->body.size == 0) mock_exchange_answered(x);
  mock_conn_mark(x->conn);
  lti_buf_deinit(&lines);
}

static void h2_piece(mock_exchange *x, char *piece, size_t size, size_t kept, bool last) {
  h2_stream *s = stream_of(x);
  (void)size;
  size_t n = 0;
  if (s->pull_at && s->pull_size == 0 && s->tail.size == 0) {
    n = kept < s->pull_cap ? kept : s->pull_cap;
    memcpy(s->pull_at, piece, n);
    s->pull_size = n;
  }
  if (n < kept && lti_buf_append(&s->tail, lti_slice(piece + n, kept - n))) {
    mock_conn_drop(x->conn);
    return;
  }
  if (last) s->eof = true;
  resume(s);
}

static void h2_cut(mock_exchange *x) {
  resume(stream_of(x));
}

static bool h2_full(const mock_exchange *x) {
  const h2_stream *s = stream_of(x);
  return s->pull_size || s->tail.size;
}

static void h2_due(mock_exchange *x) {
  h2_stream *s = stream_of(x);
  if (!s->head_sent) {
    x->step(x);
    return;
  }
  s->produces = true;
  s->due_turn = x->m->turn;
  resume(s);
}

const mock_version mock_h2 = {
    .open = h2_open,
    .input = h2_input,
    .drained = h2_drained,
    .idle = h2_idle,
    .pump = h2_pump,
    .drop = h2_drop,
    .release = h2_release,
    .head = h2_head,
    .piece = h2_piece,
    .cut = h2_cut,
    .full = h2_full,
    .due = h2_due,
};
