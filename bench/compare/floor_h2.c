/* The floor of HTTP/2: what it costs to read and decrypt the connections and to have nghttp2 take
 * the frames apart, with no SSE or JSON. Many streams a connection, asked for as fast as the peer
 * allows; only the ends of events are counted, to show that all came. The windows are as large as
 * they can be, so that giving them back costs nothing.
 *
 * usage: floor_h2 PORT STREAMS [PATH [CONNECTIONS]]      [a connection for 250 streams]
 * Prints {"events":N,"records":N,"crowded":N,...}. Exit status 1 when a connection failed, 3 when a
 * stream was reset. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "floor.h"

#define STREAMS_USUAL 250
#define OUT_SIZE      16384
#define FIELDS        5

typedef struct h2_conn {
  floor_conn conn;
  nghttp2_session *session;
  size_t streams, open;
  char *last; /* byte of each stream's body, by the order of their numbers: 1, 3, 5, ... */
} h2_conn;

static char authority[32];
static floor_task task;
static size_t resets;

/* ---- callbacks */

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                    size_t size, void *user) {
  h2_conn *c = user;
  size_t index = (size_t)id / 2;
  (void)session, (void)flags;
  if (index < c->streams) floor_count(&c->last[index], (const char *)bytes, size);
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
  (void)session, (void)id;
  ((h2_conn *)user)->open--;
  if (code != NGHTTP2_NO_ERROR) resets++;
  return 0;
}

/* The request's body fits the smallest frame that a peer may ask for. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *into, size_t cap,
                         uint32_t *flags, nghttp2_data_source *source, void *user) {
  size_t size = strlen(floor_body);
  (void)session, (void)id, (void)source, (void)user;
  if (size > cap) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  memcpy(into, floor_body, size);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)size;
}

/* ---- a connection */

static bool open_session(h2_conn *c) {
  nghttp2_session_callbacks *callbacks;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return false;
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  int err = nghttp2_session_client_new(&c->session, callbacks, c);
  nghttp2_session_callbacks_del(callbacks);
  if (err) return false;
  nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX},
  };
  return nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries, 2) == 0 &&
         nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, INT32_MAX) == 0;
}

static nghttp2_nv field(const char *name, const char *value) {
  return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                      strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static bool ask(h2_conn *c) {
  const nghttp2_nv fields[FIELDS] = {field(":method", "POST"), field(":scheme", "https"),
                                     field(":authority", authority), field(":path", task.path),
                                     field("content-type", "application/json")};
  const nghttp2_data_provider body = {.read_callback = read_body};
  return nghttp2_submit_request(c->session, NULL, fields, FIELDS, &body, NULL) > 0;
}

/* Many frames leave in one record. */
static bool flush(h2_conn *c) {
  static uint8_t out[OUT_SIZE];
  size_t gathered = 0;
  const uint8_t *bytes;
  ssize_t n;
  while ((n = nghttp2_session_mem_send(c->session, &bytes)) > 0) {
    size_t size = (size_t)n;
    if (gathered + size > OUT_SIZE) {
      if (!floor_send(&c->conn, out, gathered)) return false;
      gathered = 0;
    }
    if (size > OUT_SIZE) return false;
    memcpy(out + gathered, bytes, size);
    gathered += size;
  }
  return n == 0 && floor_send(&c->conn, out, gathered);
}

static enum floor_state begin(floor_conn *conn) {
  h2_conn *c = (h2_conn *)conn;
  if (!open_session(c)) return FLOOR_BROKEN;
  for (c->open = 0; c->open < c->streams; c->open++)
    if (!ask(c)) return FLOOR_BROKEN;
  return flush(c) ? FLOOR_MORE : FLOOR_BROKEN;
}

static enum floor_state take(floor_conn *conn, const char *bytes, size_t size) {
  h2_conn *c = (h2_conn *)conn;
  if (nghttp2_session_mem_recv(c->session, (const uint8_t *)bytes, size) != (ssize_t)size)
    return FLOOR_BROKEN;
  if (c->open == 0) return FLOOR_DONE;
  if (nghttp2_session_want_write(c->session) && !flush(c)) return FLOOR_BROKEN;
  return FLOOR_MORE;
}

static const floor_way way = {
    .protocols = {"h2", NULL},
    .conn_size = sizeof(h2_conn),
    .begin = begin,
    .take = take,
};

/* ---- the program */

/* The streams, dealt out evenly. */
static bool deal(h2_conn *conns) {
  for (size_t i = 0; i < task.conns; i++) {
    conns[i].streams = task.streams / task.conns + (i < task.streams % task.conns);
    conns[i].last = calloc(conns[i].streams, 1);
    if (!conns[i].last) return false;
  }
  return true;
}

int main(int argc, char **argv) {
  if (!floor_read_task(&task, argc, argv)) return 2;
  if (task.conns == 0) task.conns = (task.streams + STREAMS_USUAL - 1) / STREAMS_USUAL;
  snprintf(authority, sizeof authority, "127.0.0.1:%u", task.port);
  h2_conn *conns = calloc(task.conns, sizeof *conns);
  if (!conns || !deal(conns)) {
    fprintf(stderr, "floor_h2: no memory\n");
    return 1;
  }
  int status = floor_main(&way, &task, &conns->conn);
  for (size_t i = 0; i < task.conns; i++) {
    nghttp2_session_del(conns[i].session);
    free(conns[i].last);
  }
  free(conns);
  if (resets > 0) fprintf(stderr, "floor_h2: %zu streams were reset\n", resets);
  return status == 0 && resets > 0 ? 3 : status;
}
