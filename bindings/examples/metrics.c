/* Being watched: an observer with a trace id for each attempt, a key that is fetched anew for each,
 * and at the end what Prometheus would be told.
 *
 * A server would serve the text of leat_stats_write at /metrics, and would begin a span in `start`
 * and end it in `retry` and `done`; here the spans are lines on standard error, and the text goes
 * to standard output. The key is read from a file before each attempt, as short-lived tokens are
 * that something else renews there.
 *
 * usage: metrics BASE_URL MODEL KEY_FILE N
 * SSL_CERT_FILE names the CA certificates to trust instead of the system's. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leat.h"

typedef struct watcher {
  const char *key_file;
  char key[4096];
  char traceparent[64]; /* of the attempt that is about to be sent: it is copied behind `start` */
  unsigned failed;
} watcher;

/* W3C Trace Context: version, trace id, span id, flags. One trace for each request, whose spans are
 * its attempts. A real one has ids from its tracer. */
static size_t on_start(void *user, leat_engine *engine, const leat_attempt *attempt,
                       leat_header *extra, size_t room) {
  watcher *w = user;
  (void)engine;
  fprintf(stderr, "start %llu.%u %.*s %.*s\n", (unsigned long long)attempt->id, attempt->number,
          (int)attempt->model.size, attempt->model.data, (int)attempt->path.size,
          attempt->path.data);
  if (room == 0) return 0;
  snprintf(w->traceparent, sizeof w->traceparent, "00-%032llx-%016llx-01",
           (unsigned long long)attempt->id,
           (unsigned long long)attempt->id << 8 | (attempt->number & 0xff));
  extra[0].name = (leat_slice){"traceparent", 11};
  extra[0].value = (leat_slice){w->traceparent, strlen(w->traceparent)};
  return 1;
}

static void on_retry(void *user, leat_engine *engine, const leat_attempt *attempt, int error,
                     int64_t wait_ms) {
  (void)user, (void)engine;
  fprintf(stderr, "retry %llu.%u %s, in %lld ms\n", (unsigned long long)attempt->id,
          attempt->number, leat_error_name(error), (long long)wait_ms);
}

static void on_end(void *user, leat_engine *engine, leat_id id, const leat_result *result) {
  (void)user, (void)engine;
  fprintf(stderr, "done %llu %s\n", (unsigned long long)id, leat_error_name(result->error));
}

/* Any error ends the request with it; what cannot be read is no key. */
static int give_key(void *user, leat_engine *engine, const leat_attempt *attempt, leat_slice *key) {
  watcher *w = user;
  (void)engine, (void)attempt;
  FILE *file = fopen(w->key_file, "r");
  if (!file) return LEAT_EIO;
  size_t size = fread(w->key, 1, sizeof w->key, file);
  fclose(file);
  while (size > 0 && (w->key[size - 1] == '\n' || w->key[size - 1] == '\r')) size--;
  *key = (leat_slice){w->key, size};
  return LEAT_OK;
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  watcher *w = user;
  (void)engine, (void)id;
  if (result->error != LEAT_OK) w->failed++;
}

static int put(void *user, leat_slice text) {
  FILE *out = user;
  return fwrite(text.data, 1, text.size, out) == text.size ? 0 : LEAT_EIO;
}

static bool submit_all(leat_engine *engine, watcher *w, const char *model, long count) {
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = model;
  chat.prompt = (leat_slice){"hi", 2};
  chat.stream = true;
  leat_request request;
  leat_request_init(&request);
  request.chat = &chat;
  request.on_done = on_done;
  request.user = w;
  for (long i = 0; i < count; i++) {
    leat_id id;
    if (leat_submit(engine, &request, &id) == LEAT_OK) continue;
    fprintf(stderr, "metrics: %s\n", leat_last_message(engine));
    return false;
  }
  return true;
}

int main(int argc, char **argv) {
  long count = argc == 5 ? strtol(argv[4], NULL, 10) : 0;
  if (count < 1) {
    fprintf(stderr, "usage: metrics BASE_URL MODEL KEY_FILE N\n");
    return 2;
  }

  watcher w = {.key_file = argv[3]};
  leat_observer observer = {on_start, on_retry, on_end, &w};
  leat_config config;
  leat_config_init(&config);
  config.base_url = argv[1];
  config.ca_file = getenv("SSL_CERT_FILE");
  config.observer = &observer;
  config.key = give_key;
  config.key_user = &w;
  config.metrics = true;
  leat_engine *engine;
  const char *message;
  if (leat_open(&engine, &config, &message) != LEAT_OK) {
    fprintf(stderr, "metrics: %s\n", message);
    return 2;
  }

  bool good = submit_all(engine, &w, argv[2], count);
  leat_run(engine); /* until nothing is pending */
  if (leat_stats_write(engine, put, stdout) != LEAT_OK) good = false;
  leat_close(engine, LEAT_CLOSE_NOW, NULL, NULL);
  leat_run(engine);
  memset(w.key, 0, sizeof w.key);
  return !good || w.failed > 0;
}
