/* Many completions at once through a few connections.
 *
 * All requests are submitted at the start: the engine queues them, opens at most `conns_max`
 * connections, repeats what may be repeated, and reports each answer when it is whole. Nothing here
 * waits, and there is no thread: the callbacks come from leat_run, one at a time.
 *
 * usage: many BASE_URL MODEL COUNT CONNECTIONS
 * LEAT_API_KEY is sent as the key; SSL_CERT_FILE names the CA certificates to trust instead of the
 * system's. Prints one line an answer, in the order in which they end, and a sum. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leat.h"

#define PROMPT_SIZE 64
#define COUNT_MAX   100000

/* One request: its `user`. The engine copies what it is given, so only what our callbacks need is
 * kept here. */
typedef struct job {
  struct batch *batch;
  long number;
  size_t text_bytes;
  unsigned pieces;
} job;

typedef struct batch {
  long good, bad;
  job *jobs;
} batch;

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)engine, (void)id;
  job *j = user;
  if (event->kind == LEAT_EVENT_TEXT) {
    j->text_bytes += event->text.size;
    j->pieces++;
  }
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  job *j = user;
  if (result->error == LEAT_OK) {
    const leat_times *t = &result->times;
    j->batch->good++;
    printf("%ld: %zu bytes in %u pieces, first after %.1f ms, done after %.1f ms\n", j->number,
           j->text_bytes, j->pieces, (double)(t->first_content_ns - t->queued_ns) / 1e6,
           (double)(t->done_ns - t->queued_ns) / 1e6);
    return;
  }
  j->batch->bad++;
  printf("%ld: %s after %u attempts: %.*s\n", j->number, leat_error_name(result->error),
         result->attempts, (int)result->message.size, result->message.data);
}

/* -> LEAT_OK, or why this one was not accepted: then no callback comes for it. */
static int submit(leat_engine *engine, const char *model, job *j) {
  char prompt[PROMPT_SIZE];
  int size = snprintf(prompt, sizeof prompt, "Tell me something about the number %ld.", j->number);
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = model;
  chat.prompt = (leat_slice){prompt, (size_t)size};
  chat.stream = true;

  leat_request request;
  leat_request_init(&request);
  request.chat = &chat;
  request.on_event = on_event;
  request.on_done = on_done;
  request.user = j;
  leat_id id;
  return leat_submit(engine, &request, &id);
}

static void submit_all(leat_engine *engine, const char *model, long count, batch *b) {
  for (long i = 0; i < count; i++) {
    job *j = &b->jobs[i];
    *j = (job){.batch = b, .number = i + 1};
    if (submit(engine, model, j) != LEAT_OK) {
      fprintf(stderr, "many: %ld: %s\n", j->number, leat_last_message(engine));
      b->bad++;
    }
  }
}

/* -> the number, or 0 when the text is none from 1 to `max`. */
static long number(const char *text, long max) {
  char *end;
  long value = strtol(text, &end, 10);
  return *text && !*end && value >= 1 && value <= max ? value : 0;
}

int main(int argc, char **argv) {
  long count = argc == 5 ? number(argv[3], COUNT_MAX) : 0;
  long connections = argc == 5 ? number(argv[4], 1000) : 0;
  if (count == 0 || connections == 0) {
    fprintf(stderr, "usage: many BASE_URL MODEL COUNT CONNECTIONS\n");
    return 2;
  }

  leat_config config;
  leat_config_init(&config);
  config.base_url = argv[1];
  config.api_key = getenv("LEAT_API_KEY");
  config.ca_file = getenv("SSL_CERT_FILE");
  config.conns_max = (int)connections;
  leat_engine *engine;
  const char *message;
  if (leat_open(&engine, &config, &message) != LEAT_OK) {
    fprintf(stderr, "many: %s\n", message);
    return 2;
  }

  batch b = {.jobs = calloc((size_t)count, sizeof *b.jobs)};
  if (b.jobs) submit_all(engine, argv[2], count, &b);
  leat_run(engine); /* until nothing is pending */

  leat_stats stats;
  leat_stats_get(engine, &stats, sizeof stats);
  printf("%ld good, %ld bad, %llu connections, %llu full handshakes\n", b.good, b.bad,
         (unsigned long long)stats.conns_opened, (unsigned long long)stats.handshakes_full);
  leat_close(engine, LEAT_CLOSE_NOW, NULL, NULL);
  leat_run(engine); /* until the engine is gone */
  free(b.jobs);
  return b.good != count;
}
