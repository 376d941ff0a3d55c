/* An async task: a video is ordered, its job polled until it ends, and the result saved.
 *
 * The engine does the polling (with jitter, so that many jobs do not poll in step) and the
 * download; `on_update` is told of every change, `on_done` comes once. The content goes to a file
 * descriptor of ours as it arrives, so that a large result never lies in memory.
 *
 * usage: tasks BASE_URL MODEL PROMPT FILE [POLL_SECONDS]
 * LEAT_API_KEY is sent as the key; SSL_CERT_FILE names the CA certificates to trust instead of the
 * system's. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "leat.h"

static int show(leat_slice s) {
  return (int)s.size; /* for %.*s: none of these is longer than a line */
}

static void on_update(leat_engine *engine, leat_id id, const leat_task_update *update, void *user) {
  (void)engine, (void)id, (void)user;
  fprintf(stderr, "%.*s: %.*s", show(update->task_id), update->task_id.data, show(update->status),
          update->status.data);
  if (update->progress >= 0) fprintf(stderr, " %d %%", update->progress);
  if (update->bytes > 0) fprintf(stderr, " %llu bytes", (unsigned long long)update->bytes);
  fprintf(stderr, "\n");
}

static void on_done(leat_engine *engine, leat_id id, const leat_task_update *last,
                    const leat_result *result, void *user) {
  (void)engine, (void)id;
  int *error = user;
  *error = result->error;
  if (result->error == LEAT_OK) {
    printf("%.*s done: %llu bytes after %llu polls\n", show(last->task_id), last->task_id.data,
           (unsigned long long)last->bytes, (unsigned long long)last->polls);
    return;
  }
  /* What the provider says of a job that failed is in the update, of a request in the result. */
  fprintf(stderr, "tasks: %s: %.*s %.*s\n", leat_error_name(result->error), show(result->message),
          result->message.data, show(last->error_message),
          last->error_message.data ? last->error_message.data : "");
}

static leat_engine *open_engine(const char *base_url) {
  leat_config config;
  leat_config_init(&config);
  config.base_url = base_url;
  config.api_key = getenv("LEAT_API_KEY");
  config.ca_file = getenv("SSL_CERT_FILE");
  leat_engine *engine;
  const char *message;
  if (leat_open(&engine, &config, &message) != LEAT_OK) fprintf(stderr, "tasks: %s\n", message);
  return engine;
}

int main(int argc, char **argv) {
  double poll = argc == 6 ? strtod(argv[5], NULL) : 15;
  if (argc < 5 || argc > 6 || !(poll >= 0.01 && poll <= 3600)) {
    fprintf(stderr, "usage: tasks BASE_URL MODEL PROMPT FILE [POLL_SECONDS]\n");
    return 2;
  }
  int fd = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    perror(argv[4]);
    return 2;
  }
  leat_engine *engine = open_engine(argv[1]);
  if (!engine) return 2;

  int result = LEAT_OK;
  leat_task task;
  leat_task_init(&task);
  task.model = argv[2];
  task.prompt = argv[3];
  task.poll_ms = (int64_t)(poll * 1000);
  task.download = true;
  task.fd_plus_one = fd + 1;
  task.on_update = on_update;
  task.on_done = on_done;
  task.user = &result;
  leat_id id;
  int error = leat_task_start(engine, &task, &id);
  if (error != LEAT_OK) fprintf(stderr, "tasks: %s\n", leat_last_message(engine));

  leat_close(engine, LEAT_CLOSE_DRAIN, NULL, NULL);
  leat_run(engine);
  if (close(fd) != 0) { /* a full disk may show only here */
    perror(argv[4]);
    return 1;
  }
  return error != LEAT_OK || result != LEAT_OK;
}
