/* The engine as a guest on a server's own loop.
 *
 * The loop belongs to this program, which has work of its own on it: a timer, and a socket on which
 * it echoes what comes in. The engine is given the loop, adds its handles, and never runs, stops or
 * closes it. It keeps the loop alive exactly while a request is pending; when it has closed,
 * nothing of it is left, and uv_loop_close() says so.
 *
 * usage: borrowed_loop BASE_URL MODEL PROMPT
 * LEAT_API_KEY is sent as the key; SSL_CERT_FILE names the CA certificates to trust instead of the
 * system's. The answer goes to standard output, all else to standard error. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "leat.h"

#define TICK_MS 100
#define BACKLOG 16

typedef struct server {
  uv_loop_t loop;
  uv_tcp_t listener;
  uv_timer_t timer;
  leat_engine *engine;
  unsigned ticks;
  int error; /* of the chat */
} server;

/* One client of the echo service; freed by its close callback. */
typedef struct client {
  uv_tcp_t tcp;
  uv_write_t write;
  char bytes[4096];
} client;

/* ---- the server's own work: a timer and an echo socket */

static void on_tick(uv_timer_t *timer) {
  server *s = timer->data;
  s->ticks++;
}

static void on_client_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void client_close(client *c) {
  if (!uv_is_closing((uv_handle_t *)&c->tcp)) uv_close((uv_handle_t *)&c->tcp, on_client_closed);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out) {
  client *c = handle->data;
  (void)size;
  *out = uv_buf_init(c->bytes, sizeof c->bytes);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf);

static void on_written(uv_write_t *write, int status) {
  client *c = write->data;
  if (status != 0 || uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) client_close(c);
}

/* Reads again only when what was read is written: a client that does not read costs one buffer. */
static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
  client *c = stream->data;
  (void)buf;
  if (count == 0) return;
  uv_read_stop(stream);
  uv_buf_t out = uv_buf_init(c->bytes, count > 0 ? (unsigned)count : 0);
  if (count < 0 || uv_write(&c->write, stream, &out, 1, on_written) != 0) client_close(c);
}

static void on_connection(uv_stream_t *listener, int status) {
  client *c = status == 0 ? calloc(1, sizeof *c) : NULL;
  if (!c) return;
  uv_tcp_init(listener->loop, &c->tcp);
  c->tcp.data = c;
  c->write.data = c;
  if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 ||
      uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
    client_close(c);
  }
}

static int start_own_work(server *s) {
  struct sockaddr_in address;
  int size = sizeof address;
  uv_timer_init(&s->loop, &s->timer);
  uv_tcp_init(&s->loop, &s->listener);
  s->timer.data = s;
  uv_timer_start(&s->timer, on_tick, TICK_MS, TICK_MS);
  uv_ip4_addr("127.0.0.1", 0, &address);
  int error = uv_tcp_bind(&s->listener, (struct sockaddr *)&address, 0);
  if (error == 0) error = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
  if (error == 0) error = uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &size);
  if (error != 0) {
    fprintf(stderr, "borrowed_loop: echo socket: %s\n", uv_strerror(error));
    return error;
  }
  fprintf(stderr, "echo on 127.0.0.1:%d\n", ntohs(address.sin_port));
  return 0;
}

/* ---- the guest */

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)user;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  fwrite(event->text.data, 1, event->text.size, stdout);
  if (fflush(stdout) != 0) leat_cancel(engine, id);
  return LEAT_CONTINUE;
}

static void close_own(uv_handle_t *handle, void *user) {
  server *s = user;
  bool ours = handle == (uv_handle_t *)&s->timer || handle == (uv_handle_t *)&s->listener;
  if (!uv_is_closing(handle)) uv_close(handle, ours ? NULL : on_client_closed);
}

/* Runs when the engine has closed every handle of its own: what the loop still has is ours. A real
 * server would stay up; this one ends with its only chat. */
static void on_engine_closed(void *user) {
  server *s = user;
  s->engine = NULL;
  uv_walk(&s->loop, close_own, s);
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)id;
  server *s = user;
  s->error = result->error;
  putchar('\n');
  if (result->error != LEAT_OK) {
    fprintf(stderr, "borrowed_loop: %s: %.*s\n", leat_error_name(result->error),
            (int)result->message.size, result->message.data);
  }
  leat_close(engine, LEAT_CLOSE_DRAIN, on_engine_closed, s);
}

static int start_chat(server *s, char **argv) {
  leat_config config;
  leat_config_init(&config);
  config.loop = &s->loop;
  config.base_url = argv[1];
  config.api_key = getenv("LEAT_API_KEY");
  config.ca_file = getenv("SSL_CERT_FILE");
  const char *message;
  int error = leat_open(&s->engine, &config, &message);
  if (error != LEAT_OK) {
    fprintf(stderr, "borrowed_loop: %s\n", message);
    return error;
  }

  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = argv[2];
  chat.prompt = (leat_slice){argv[3], strlen(argv[3])};
  chat.stream = true;
  leat_request request;
  leat_request_init(&request);
  request.chat = &chat;
  request.on_event = on_event;
  request.on_done = on_done;
  request.user = s;
  leat_id id;
  error = leat_submit(s->engine, &request, &id);
  if (error != LEAT_OK) {
    fprintf(stderr, "borrowed_loop: %s\n", leat_last_message(s->engine));
    leat_close(s->engine, LEAT_CLOSE_NOW, on_engine_closed, s);
  }
  return error;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: borrowed_loop BASE_URL MODEL PROMPT\n");
    return 2;
  }
  server s = {.error = LEAT_OK};
  uv_loop_init(&s.loop);
  int error = start_own_work(&s);
  if (error == 0) error = start_chat(&s, argv);
  if (error != 0 && !s.engine) on_engine_closed(&s); /* nothing of the engine is left to wait for */
  uv_run(&s.loop, UV_RUN_DEFAULT);
  fprintf(stderr, "%u ticks meanwhile\n", s.ticks);
  int left = uv_loop_close(&s.loop);
  if (left != 0) fprintf(stderr, "borrowed_loop: %s\n", uv_strerror(left));
  return error != 0 || s.error != LEAT_OK || left != 0;
}
