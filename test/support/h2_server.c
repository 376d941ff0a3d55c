/* The server behind h2_server.h. nghttp2 checks HTTP messaging for us here, as it stands; all of a
 * response's body that windows hold back lies in the request's own buffer. */
#include "support/h2_server.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64

typedef struct stream {
  h2_request told;
  lti_buf body;
  const char *const *trailers;
  size_t body_sent;
  bool finished, waits, announced, headed, reset;
} stream;

struct h2_server {
  nghttp2_session *session;
  h2_server_config config;
  lti_alloc alloc;
  size_t active, active_peak;
  uint64_t waiting;
  bool broken, left, blames;
};

static stream *find(h2_server *server, int32_t id) {
  return nghttp2_session_get_stream_user_data(server->session, id);
}

static stream *stream_of(h2_request *request) {
  return (stream *)(void *)request;
}

static void must(h2_server *server, int rc) {
  if (rc != 0) server->broken = true;
}

/* ---- what arrives -----------------------------------------------------------------------------
 */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx) {
  h2_server *server = ctx;
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  stream *s = calloc(1, sizeof *s);
  assert(s);
  s->told.id = frame->hd.stream_id;
  s->told.body_hash = 14695981039346656037u;
  lti_buf_init(&s->body, &server->alloc, SIZE_MAX / 4, LEAT_EBODYMAX);
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
  server->active++;
  if (server->active > server->active_peak) server->active_peak = server->active;
  return 0;
}

static void copy(char *to, size_t room, leat_slice from) {
  size_t n = from.size < room - 1 ? from.size : room - 1;
  memcpy(to, from.data, n);
  to[n] = '\0';
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *ctx) {
  (void)session;
  h2_server *server = ctx;
  stream *s = find(server, frame->hd.stream_id);
  if (!s) return 0;
  leat_slice n = lti_slice((const char *)name, name_size);
  leat_slice v = lti_slice((const char *)value, value_size);
  if (lti_slice_is(n, ":method")) copy(s->told.method, sizeof s->told.method, v);
  if (lti_slice_is(n, ":scheme")) copy(s->told.scheme, sizeof s->told.scheme, v);
  if (lti_slice_is(n, ":authority")) copy(s->told.authority, sizeof s->told.authority, v);
  if (lti_slice_is(n, ":path")) copy(s->told.path, sizeof s->told.path, v);
  bool never = (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0;
  s->told.fields += name[0] != ':';
  s->told.never_indexed += never;
  if (server->config.on.field)
    server->config.on.field(server->config.on.ctx, &s->told, n, v, never);
  return 0;
}

static void announce(h2_server *server, stream *s) {
  if (s->announced || !(s->told.whole || server->config.early)) return;
  s->announced = true;
  server->config.on.request(server->config.on.ctx, server, &s->told);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx) {
  (void)session;
  h2_server *server = ctx;
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  stream *s = find(server, frame->hd.stream_id);
  if (!s) return 0;
  if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) s->told.whole = true;
  if (!s->headed && server->config.on.head) {
    s->headed = true;
    server->config.on.head(server->config.on.ctx, server, &s->told);
  }
  announce(server, s);
  return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                    size_t size, void *ctx) {
  (void)flags;
  h2_server *server = ctx;
  stream *s = find(server, id);
  if (!s) return nghttp2_session_consume_connection(session, size);
  s->told.body_bytes += size;
  for (size_t i = 0; i < size; i++)
    s->told.body_hash = (s->told.body_hash ^ bytes[i]) * 1099511628211u;
  if (server->config.on.body)
    server->config.on.body(server->config.on.ctx, &s->told, lti_slice((const char *)bytes, size));
  if (server->config.give_back) return nghttp2_session_consume(session, id, size);
  s->told.unread += size;
  return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx) {
  (void)session;
  h2_server *server = ctx;
  stream *s = find(server, id);
  if (!s) return 0;
  if ((s->announced || s->headed) && server->config.on.closed)
    server->config.on.closed(server->config.on.ctx, server, &s->told, code);
  nghttp2_session_set_stream_user_data(session, id, NULL);
  if (s->told.unread) nghttp2_session_consume_connection(session, (size_t)s->told.unread);
  server->waiting -= s->body.size - s->body_sent;
  server->active--;
  lti_buf_deinit(&s->body);
  free(s);
  return 0;
}

/* ---- what leaves ------------------------------------------------------------------------------
 */

/* Errors that nghttp2 says by itself are the client's doing; REFUSED_STREAM is not, nor is what
 * crosses an end of ours on the way. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx) {
  (void)session;
  h2_server *server = ctx;
  if (frame->hd.type == NGHTTP2_GOAWAY)
    server->blames |= frame->goaway.error_code != NGHTTP2_NO_ERROR && !server->left;
  if (frame->hd.type != NGHTTP2_RST_STREAM) return 0;
  stream *s = find(server, frame->hd.stream_id);
  uint32_t code = frame->rst_stream.error_code;
  server->blames |= s && !s->reset && code != NGHTTP2_NO_ERROR && code != NGHTTP2_REFUSED_STREAM;
  return 0;
}

static size_t to_fields(nghttp2_nv *to, const char *const *fields) {
  size_t n = 0;
  for (; fields && fields[2 * n]; n++) {
    assert(n < FIELDS_MAX);
    union {
      const char *text;
      uint8_t *bytes;
    } name = {fields[2 * n]}, value = {fields[2 * n + 1]};
    to[n] = (nghttp2_nv){name.bytes, value.bytes, strlen(fields[2 * n]), strlen(fields[2 * n + 1]),
                         NGHTTP2_NV_FLAG_NONE};
  }
  return n;
}

static ssize_t body_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx) {
  (void)source;
  h2_server *server = ctx;
  stream *s = find(server, id);
  if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  size_t left = s->body.size - s->body_sent, n = left < length ? left : length;
  if (n == 0 && !s->finished) {
    s->waits = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  if (n) memcpy(to, s->body.data + s->body_sent, n);
  s->body_sent += n;
  server->waiting -= n;
  if (s->body_sent == s->body.size) {
    lti_buf_clear(&s->body);
    s->body_sent = 0;
  }
  if (n < left || !s->finished) return (ssize_t)n;
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (s->trailers) {
    nghttp2_nv fields[FIELDS_MAX];
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    must(server, nghttp2_submit_trailer(session, id, fields, to_fields(fields, s->trailers)));
  }
  return (ssize_t)n;
}

static void wake(h2_server *server, stream *s) {
  if (!s->waits) return;
  s->waits = false;
  must(server, nghttp2_session_resume_data(server->session, s->told.id));
}

void h2_server_head(h2_server *server, h2_request *request, int status, const char *const *fields,
                    bool end) {
  nghttp2_nv all[FIELDS_MAX + 1];
  char text[8];
  snprintf(text, sizeof text, "%03d", status);
  const char *first[] = {":status", text, NULL};
  size_t n = to_fields(all, first);
  n += to_fields(all + 1, fields);
  if (status < 200) {
    int rc =
        nghttp2_submit_headers(server->session, NGHTTP2_FLAG_NONE, request->id, NULL, all, n, NULL);
    must(server, rc);
    return;
  }
  nghttp2_data_provider body = {.source = {.ptr = NULL}, .read_callback = body_read};
  must(server, nghttp2_submit_response(server->session, request->id, all, n, end ? NULL : &body));
}

void h2_server_body(h2_server *server, h2_request *request, leat_slice bytes) {
  stream *s = stream_of(request);
  must(server, lti_buf_append(&s->body, bytes));
  server->waiting += bytes.size;
  wake(server, s);
}

void h2_server_finish(h2_server *server, h2_request *request, const char *const *trailers) {
  stream *s = stream_of(request);
  s->finished = true;
  s->trailers = trailers;
  wake(server, s);
}

void h2_server_reset(h2_server *server, h2_request *request, uint32_t code) {
  stream_of(request)->reset = true;
  must(server, nghttp2_submit_rst_stream(server->session, NGHTTP2_FLAG_NONE, request->id, code));
}

void h2_server_give_back(h2_server *server, h2_request *request, size_t size) {
  assert(size <= request->unread);
  request->unread -= size;
  must(server, nghttp2_session_consume(server->session, request->id, size));
}

void h2_server_goaway(h2_server *server, int32_t last, uint32_t code) {
  server->left |= code != NGHTTP2_NO_ERROR;
  if (last == INT32_MAX && code == NGHTTP2_NO_ERROR) {
    must(server, nghttp2_submit_shutdown_notice(server->session));
    return;
  }
  must(server, nghttp2_submit_goaway(server->session, NGHTTP2_FLAG_NONE, last, code, NULL, 0));
}

void h2_server_setting(h2_server *server, uint16_t id, uint32_t value) {
  nghttp2_settings_entry entry = {id, value};
  must(server, nghttp2_submit_settings(server->session, NGHTTP2_FLAG_NONE, &entry, 1));
}

/* ---- life -------------------------------------------------------------------------------------
 */

static nghttp2_session *session_new(h2_server *server) {
  nghttp2_session_callbacks *callbacks;
  nghttp2_option *option;
  nghttp2_session *session = NULL;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) abort();
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
  nghttp2_option_set_no_auto_window_update(option, 1);
  if (nghttp2_session_server_new2(&session, callbacks, server, option) != 0) abort();
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

h2_server *h2_server_new(const h2_server_config *config) {
  h2_server *server = calloc(1, sizeof *server);
  assert(server && config->on.request);
  server->config = *config;
  lti_alloc_init(&server->alloc, NULL);
  server->session = session_new(server);
  nghttp2_settings_entry entries[2];
  size_t n = 0;
  if (config->streams_max)
    entries[n++] =
        (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, config->streams_max};
  if (config->stream_window)
    entries[n++] =
        (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, config->stream_window};
  must(server, nghttp2_submit_settings(server->session, NGHTTP2_FLAG_NONE, entries, n));
  if (config->conn_window)
    must(server, nghttp2_session_set_local_window_size(server->session, NGHTTP2_FLAG_NONE, 0,
                                                       (int32_t)config->conn_window));
  return server;
}

void h2_server_free(h2_server *server) {
  if (!server) return;
  for (int32_t id = 1; server->active; id += 2) {
    stream *s = find(server, id);
    if (!s) continue;
    lti_buf_deinit(&s->body);
    free(s);
    server->active--;
  }
  nghttp2_session_del(server->session);
  free(server);
}

bool h2_server_feed(h2_server *server, leat_slice bytes) {
  ssize_t n = nghttp2_session_mem_recv(server->session, (const uint8_t *)bytes.data, bytes.size);
  if (n != (ssize_t)bytes.size) server->broken = true;
  return !server->broken && nghttp2_session_want_read(server->session);
}

bool h2_server_blames(const h2_server *server) {
  return server->blames;
}

bool h2_server_drain(h2_server *server, lti_buf *out, size_t size_max) {
  bool any = false;
  size_t end = out->size + size_max;
  while (out->size < end) {
    const uint8_t *bytes;
    ssize_t n = nghttp2_session_mem_send(server->session, &bytes);
    if (n <= 0) break;
    if (lti_buf_append(out, lti_slice((const char *)bytes, (size_t)n)) != 0) abort();
    any = true;
  }
  return any;
}

h2_request *h2_server_find(h2_server *server, int32_t id) {
  stream *s = find(server, id);
  return s ? &s->told : NULL;
}

size_t h2_server_active(const h2_server *server) {
  return server->active;
}

size_t h2_server_active_peak(const h2_server *server) {
  return server->active_peak;
}

uint64_t h2_server_waiting(const h2_server *server) {
  return server->waiting;
}
