/* A bot with many chats, on one engine: each chat is a lane.
 *
 * What is said in one chat is answered in order, one answer at a time, while the chats go on side
 * by side and get turns in fair shares. Whoever says something new before the last answer has ended
 * does not want the rest of that any more: `supersede` ends it, and the new one begins. Chats of
 * paying guests weigh three times as much, and `learn_limits` keeps all of them within what the
 * provider allows.
 *
 * Standard input is the chats' side, a line each: NAME: TEXT. A name in capitals pays. Prints
 * NAME: ANSWER, a line each, when an answer is whole.
 *
 * usage: lanes BASE_URL MODEL < LINES
 * LEAT_API_KEY is sent as the key; SSL_CERT_FILE names the CA certificates to trust instead of the
 * system's. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leat.h"

#define NAME_SIZE   64
#define LINE_SIZE   4096
#define ANSWER_SIZE 65536

typedef struct bot {
  const char *model;
  long answered, superseded, failed;
} bot;

/* One thing said: the `user` of its request, freed by its done. */
typedef struct said {
  bot *bot;
  char name[NAME_SIZE];
  size_t size;
  char answer[ANSWER_SIZE];
} said;

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)engine, (void)id;
  said *s = user;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  size_t room = sizeof s->answer - s->size;
  size_t size = event->text.size < room ? event->text.size : room;
  memcpy(s->answer + s->size, event->text.data, size);
  s->size += size;
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  said *s = user;
  if (result->error == LEAT_OK) {
    s->bot->answered++;
    printf("%s: %.*s\n", s->name, (int)s->size, s->answer);
  } else if (result->error == LEAT_ESUPERSEDED) {
    s->bot->superseded++; /* nobody waits for it any more */
  } else {
    s->bot->failed++;
    fprintf(stderr, "lanes: %s: %.*s\n", s->name, (int)result->message.size, result->message.data);
  }
  free(s);
}

static bool pays(const char *name) {
  for (; *name; name++)
    if (islower((unsigned char)*name)) return false;
  return true;
}

/* The engine copies all that it is given. */
static bool hear(leat_engine *engine, bot *b, const char *name, const char *text) {
  said *s = calloc(1, sizeof *s);
  if (!s) return false;
  s->bot = b;
  snprintf(s->name, sizeof s->name, "%.*s", (int)sizeof s->name - 1, name);

  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = b->model;
  chat.prompt = (leat_slice){text, strlen(text)};
  chat.stream = true;

  leat_request request;
  leat_request_init(&request);
  request.chat = &chat;
  request.lane = s->name;
  request.lane_weight = pays(name) ? 3 : 1;
  request.supersede = true;
  request.on_event = on_event;
  request.on_done = on_done;
  request.user = s;

  leat_id id;
  if (leat_submit(engine, &request, &id) == LEAT_OK) return true;
  fprintf(stderr, "lanes: %s\n", leat_last_message(engine));
  free(s);
  return false;
}

/* "NAME: TEXT"; false: it is no such line. */
static bool split(char *line, char **name, char **text) {
  char *colon = strchr(line, ':');
  if (!colon || colon == line || colon - line >= NAME_SIZE) return false;
  *colon = '\0';
  *name = line;
  *text = colon + 1;
  while (**text == ' ') (*text)++;
  (*text)[strcspn(*text, "\r\n")] = '\0';
  return **text != '\0';
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: lanes BASE_URL MODEL < LINES\n");
    return 2;
  }

  leat_config config;
  leat_config_init(&config);
  config.base_url = argv[1];
  config.api_key = getenv("LEAT_API_KEY");
  config.ca_file = getenv("SSL_CERT_FILE");
  config.learn_limits = true;
  leat_engine *engine;
  const char *message;
  if (leat_open(&engine, &config, &message) != LEAT_OK) {
    fprintf(stderr, "lanes: %s\n", message);
    return 2;
  }

  bot b = {.model = argv[2]};
  char line[LINE_SIZE], *name, *text;
  bool ok = true;
  while (fgets(line, sizeof line, stdin)) {
    if (split(line, &name, &text)) ok = hear(engine, &b, name, text) && ok;
    /* Whatever is due, without waiting: a real bot has its own loop here. */
    leat_run_once(engine, 0);
  }
  leat_close(engine, LEAT_CLOSE_DRAIN, NULL, NULL);
  leat_run(engine);
  printf("%ld answered, %ld superseded, %ld failed\n", b.answered, b.superseded, b.failed);
  return !ok || b.failed > 0;
}
