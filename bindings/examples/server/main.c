/* A server that asks a model for browsers, as a module of nginx would: one thread, one loop, which
 * is its own and which the engine borrows.
 *
 *   GET /               a page that asks and shows what comes
 *   GET /chat?prompt=   the answer as server-sent events, and `event: end` with LEAT_OK behind a
 *                       whole one
 *   GET /stats          counters
 *
 * SIGTERM or SIGINT: it takes no one new, lets answers end, and leaves; twice: at once.
 *
 * usage: server BASE_URL MODEL [PORT]
 * LEAT_API_KEY is sent as the key, and no browser ever sees it; SSL_CERT_FILE names the CA
 * certificates to trust instead of the system's. PORT is the system's choice without one. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "browser.h"

#define BACKLOG 511

static void on_connection(uv_stream_t *listener, int status) {
  if (status == 0) browser_accept(listener->data);
}

static void close_signal(uv_signal_t *signal) {
  if (!uv_is_closing((uv_handle_t *)signal)) uv_close((uv_handle_t *)signal, NULL);
}

/* The engine's last handle is closed. What is left on the loop are browsers, which end by
 * themselves. */
static void on_engine_closed(void *user) {
  server *s = user;
  s->engine = NULL;
  close_signal(&s->signals[0]);
  close_signal(&s->signals[1]);
}

static void stop(server *s, enum leat_close_mode mode) {
  if (!s->engine) return;
  if (!s->stopping) uv_close((uv_handle_t *)&s->listener, NULL);
  s->stopping = true;
  leat_close(s->engine, mode, on_engine_closed, s);
}

static void on_signal(uv_signal_t *signal, int number) {
  (void)number;
  server *s = signal->data;
  stop(s, s->stopping ? LEAT_CLOSE_NOW : LEAT_CLOSE_DRAIN);
}

static int start_listening(server *s, unsigned short port) {
  struct sockaddr_in address;
  int size = sizeof address, numbers[] = {SIGTERM, SIGINT};
  for (int i = 0; i < 2; i++) {
    uv_signal_init(&s->loop, &s->signals[i]);
    s->signals[i].data = s;
    uv_signal_start(&s->signals[i], on_signal, numbers[i]);
  }
  uv_tcp_init(&s->loop, &s->listener);
  s->listener.data = s;
  uv_ip4_addr("127.0.0.1", port, &address);
  int error = uv_tcp_bind(&s->listener, (struct sockaddr *)&address, 0);
  if (error == 0) error = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
  if (error == 0) error = uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &size);
  if (error != 0) {
    fprintf(stderr, "server: port %u: %s\n", port, uv_strerror(error));
    return error;
  }
  printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
  return fflush(stdout);
}

static int start_engine(server *s, const char *base_url) {
  leat_config config;
  leat_config_init(&config);
  config.loop = &s->loop;
  config.base_url = base_url;
  config.api_key = getenv("LEAT_API_KEY");
  config.ca_file = getenv("SSL_CERT_FILE");
  config.deadlines.first_ms = 120000;
  config.deadlines.gap_ms = 60000;
  const char *message;
  int error = leat_open(&s->engine, &config, &message);
  if (error != LEAT_OK) fprintf(stderr, "server: %s\n", message);
  return error;
}

int main(int argc, char **argv) {
  char *end = "";
  unsigned long port = argc == 4 ? strtoul(argv[3], &end, 10) : 0;
  if (argc < 3 || argc > 4 || *end || port > 65535) {
    fprintf(stderr, "usage: server BASE_URL MODEL [PORT]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  server s = {.model = argv[2]};
  uv_loop_init(&s.loop);
  if (start_engine(&s, argv[1]) != LEAT_OK) return 2;
  int error = start_listening(&s, (unsigned short)port);
  if (error != 0) stop(&s, LEAT_CLOSE_NOW);
  uv_run(&s.loop, UV_RUN_DEFAULT);
  int left = uv_loop_close(&s.loop);
  if (left != 0) fprintf(stderr, "server: %s\n", uv_strerror(left));
  return error != 0 || left != 0;
}
