/* One completion, printed as it comes.
 *
 * The shortest program that does everything right: it opens an engine with a loop of its own,
 * submits one request, prints each piece of text when it arrives and, at the end, says whether the
 * answer is whole. An answer that was cut off is an error, however good it looked so far.
 *
 * usage: stream BASE_URL MODEL PROMPT
 * LEAT_API_KEY is sent as the key; SSL_CERT_FILE names the CA certificates to trust instead of the
 * system's. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leat.h"

/* What the callbacks share with main: `user` of the request points at it. */
typedef struct answer {
  int error;
  bool printed;
} answer;

/* Called for each event. Slices are not NUL-terminated, and gone when this returns. */
static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  answer *a = user;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  a->printed = true;
  fwrite(event->text.data, 1, event->text.size, stdout);
  /* Nobody reads us any more: no reason to let the model go on. */
  if (fflush(stdout) != 0) leat_cancel(engine, id);
  return LEAT_CONTINUE;
}

/* Called once for each accepted request, and last. */
static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  answer *a = user;
  a->error = result->error;
  if (a->printed) putchar('\n');
  if (result->error != LEAT_OK) {
    fprintf(stderr, "stream: %s: %s (%.*s)\n", leat_error_name(result->error),
            leat_error_text(result->error), (int)result->message.size, result->message.data);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: stream BASE_URL MODEL PROMPT\n");
    return 2;
  }

  leat_config config;
  leat_config_init(&config);
  config.base_url = argv[1];
  config.api_key = getenv("LEAT_API_KEY");
  config.ca_file = getenv("SSL_CERT_FILE");
  leat_engine *engine;
  const char *message;
  if (leat_open(&engine, &config, &message) != LEAT_OK) {
    fprintf(stderr, "stream: %s\n", message);
    return 2;
  }

  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = argv[2];
  chat.prompt = (leat_slice){argv[3], strlen(argv[3])};
  chat.stream = true;

  answer a = {LEAT_OK, false};
  leat_request request;
  leat_request_init(&request);
  request.chat = &chat;
  request.on_event = on_event;
  request.on_done = on_done;
  request.user = &a;

  leat_id id;
  int error = leat_submit(engine, &request, &id);
  if (error != LEAT_OK) fprintf(stderr, "stream: %s\n", leat_last_message(engine));

  /* "Drain" lets what was submitted run to its end; the engine is gone when leat_run returns. */
  leat_close(engine, LEAT_CLOSE_DRAIN, NULL, NULL);
  leat_run(engine);
  return error != LEAT_OK || a.error != LEAT_OK;
}
