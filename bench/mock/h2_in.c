/* HTTP/2's way in: from nghttp2's callbacks to exchanges, and the window that is given back for
 * what was read, at once or late. Requests are served after nghttp2 has taken all of its input,
 * because nothing may be sent from within its callbacks. */
#include <stdlib.h>
#include <string.h>

#include "bench/mock/h2.h"
#include "bench/mock/upload.h"

/* Bytes that were read and whose window is due later. */
struct owed {
  mock_due due;
  lti_list all;
  h2 *owner;
  int32_t stream;
  size_t size;
};

static h2_stream *stream_of(h2 *h, int32_t id) {
  return nghttp2_session_get_stream_user_data(h->session, id);
}

void h2_stream_free(h2_stream *s) {
  lti_list_remove(&s->ready);
  lti_buf_deinit(&s->tail);
  mock_exchange_deinit(&s->x);
  free(s);
}

/* ---- a stream's life */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  h2 *h = user;
  mock_conn *c = h->conn;
  mock_share *share = &c->m->stats.h2;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  h2_stream *s = calloc(1, sizeof *s);
  if (!s) return NGHTTP2_ERR_CALLBACK_FAILURE;
  mock_exchange_init(&s->x, c);
  s->id = frame->hd.stream_id;
  lti_list_init(&s->ready);
  lti_list_push(&h->streams, &s->x.all);
  lti_buf_init(&s->tail, &c->m->alloc, MOCK_BODY_MAX + MOCK_HEAD_MAX, LEAT_EBODYMAX);
  nghttp2_session_set_stream_user_data(session, s->id, s);
  if (h->open++ == 0) mock_cadence_stop(c->m, &c->due);
  if (++share->live > share->peak) share->peak = share->live;
  uint32_t most = c->m->config.requests_max;
  if (!most || ++h->begun != most) return 0;
  h->left_out = s->id;
  nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR, NULL, 0);
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
  h2 *h = user;
  mock_conn *c = h->conn;
  h2_stream *s = stream_of(h, id);
  (void)session;
  (void)code;
  if (!s) return 0;
  c->m->stats.h2.live--;
  h->open--;
  if (s->x.served && !s->x.answered) c->m->stats.aborted++;
  uint64_t idle_ms = c->m->config.keepalive_ms;
  const mock_faults *f = s->x.plan.faults;
  bool hurry = mock_fault_on(f, FAULT_CLOSE_AFTER);
  if (hurry) idle_ms = f->arg[FAULT_CLOSE_AFTER];
  h2_fault_after(h, s);
  h2_stream_free(s);
  if ((h->open == 0 || hurry) && c->ending == MOCK_ENDING_NONE) mock_conn_arm_idle(c, idle_ms);
  return 0;
}

/* ---- heads */

static uint8_t method_of(leat_slice name) {
  static const uint8_t methods[] = {HTTP_GET,    HTTP_HEAD,    HTTP_POST, HTTP_PUT,
                                    HTTP_DELETE, HTTP_OPTIONS, HTTP_PATCH};
  for (size_t i = 0; i < sizeof methods; i++)
    if (lti_slice_is(name, llhttp_method_name((llhttp_method_t)methods[i]))) return methods[i];
  return HTTP_OPTIONS;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user) {
  h2_stream *s = stream_of(user, frame->hd.stream_id);
  leat_slice n = lti_slice((const char *)name, name_size);
  leat_slice v = lti_slice((const char *)value, value_size);
  (void)session;
  (void)flags;
  if (!s || s->head_done || lti_slice_is(n, ":scheme")) return 0;
  if (lti_slice_is(n, ":method")) {
    s->x.method = method_of(v);
    return 0;
  }
  if (lti_slice_is(n, ":authority")) n = lti_slice_of("host");
  return mock_exchange_add_header(&s->x, n, v) ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

static void request_complete(h2 *h, h2_stream *s) {
  if (!s->unwanted && lti_list_empty(&s->ready)) lti_list_push(&h->ready, &s->ready);
}

static void on_head_complete(h2 *h, h2_stream *s) {
  s->head_done = true;
  s->x.keep = true;
  mock_routes_plan(&s->x);
  s->unwanted = s->id > h->left_out || h2_fault_judge(h, s);
  if (!s->unwanted) mock_flight_enter(&s->x);
  if (!s->unwanted && !mock_upload_begin(&s->x)) s->x.too_big = true;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  h2 *h = user;
  mock_stats *stats = &h->conn->m->stats;
  (void)session;
  if (frame->hd.type == NGHTTP2_PING && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) stats->pings++;
  if (frame->hd.type == NGHTTP2_RST_STREAM) stats->resets_received++;
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  h2_stream *s = stream_of(h, frame->hd.stream_id);
  if (!s) return 0;
  if (!s->head_done) on_head_complete(h, s);
  if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) request_complete(h, s);
  return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  mock_stats *stats = &((h2 *)user)->conn->m->stats;
  (void)session;
  if (frame->hd.type == NGHTTP2_GOAWAY) stats->goaways++;
  if (frame->hd.type != NGHTTP2_RST_STREAM) return 0;
  stats->resets_sent++;
  if (frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM) stats->refused++;
  return 0;
}

void h2_in_serve(h2 *h) {
  mock_conn *c = h->conn;
  while (!c->dead && c->ending == MOCK_ENDING_NONE && !h->silent && !lti_list_empty(&h->ready)) {
    h2_stream *s = LTI_CONTAINER_OF(h->ready.next, h2_stream, ready);
    lti_list_remove(&s->ready);
    if (s->id > h->left_out) continue;
    s->x.served = true;
    c->requests++;
    c->m->stats.requests++;
    c->m->stats.h2.requests++;
    mock_routes_serve(&s->x);
  }
}

/* ---- bodies */

static void give_back(mock_due *due) {
  struct owed *o = LTI_CONTAINER_OF(due, struct owed, due);
  nghttp2_session_consume(o->owner->session, o->stream, o->size);
  mock_conn_mark(o->owner->conn);
  lti_list_remove(&o->all);
  free(o);
}

static int owe(h2 *h, int32_t stream, size_t size, uint64_t delay_ms) {
  struct owed *o = calloc(1, sizeof *o);
  if (!o) return NGHTTP2_ERR_CALLBACK_FAILURE;
  mock_due_init(&o->due);
  lti_list_init(&o->all);
  lti_list_push(&h->owed, &o->all);
  o->owner = h;
  o->stream = stream;
  o->size = size;
  bool set = mock_cadence_set(h->conn->m, &o->due, uv_hrtime() + delay_ms * 1000000u, give_back);
  return set ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

void h2_in_forget(h2 *h) {
  while (!lti_list_empty(&h->owed)) {
    struct owed *o = LTI_CONTAINER_OF(h->owed.next, struct owed, all);
    mock_cadence_stop(h->conn->m, &o->due);
    lti_list_remove(&o->all);
    free(o);
  }
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                    size_t size, void *user) {
  h2 *h = user;
  h2_stream *s = stream_of(h, id);
  uint64_t delay_ms = h->conn->m->config.h2_window_delay_ms;
  (void)flags;
  if (s && s->read_delay_ms) delay_ms = s->read_delay_ms;
  if (s && s->x.upload)
    mock_upload_feed(s->x.upload, (const char *)bytes, size);
  else if (s && !s->unwanted && !s->x.too_big &&
           lti_buf_append(&s->x.body, lti_slice((const char *)bytes, size)))
    s->x.too_big = true;
  if (delay_ms) return owe(h, id, size, delay_ms);
  return nghttp2_session_consume(session, id, size) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

void h2_in_callbacks(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
