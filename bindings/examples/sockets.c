/* Many WebSockets at once, each a conversation with an echo.
 *
 * All sockets are opened first, and when the last one stands they begin to talk: each sends a
 * message, compares what comes back byte by byte, and sends the next. A message may come in pieces;
 * these are compared as they come, and nothing is kept. Whoever has said everything closes.
 *
 * usage: sockets URL COUNT MESSAGES
 * LEAT_API_KEY is sent as the key; SSL_CERT_FILE names the CA certificates to trust instead of the
 * system's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leat.h"

#define COUNT_MAX    100000
#define MESSAGE_SIZE 20000

/* One socket: its `user`. */
typedef struct talk {
  struct crowd *crowd;
  leat_id id;
  long number, said;
  size_t seen; /* bytes of the echo under way */
} talk;

typedef struct crowd {
  talk *talks;
  long count, messages;
  long open, echoed, wrong, failed;
} crowd;

static int usage(void) {
  fprintf(stderr, "usage: sockets URL COUNT MESSAGES\n");
  return 2;
}

/* What socket `number` says as its message `said`: of a length that varies. */
static size_t compose(const talk *t, char text[MESSAGE_SIZE]) {
  int head = snprintf(text, MESSAGE_SIZE, "socket %ld, message %ld: ", t->number, t->said);
  size_t size = (size_t)head + (size_t)((t->number * 31 + t->said * 977) % (MESSAGE_SIZE - 100));
  for (size_t i = (size_t)head; i < size; i++)
    text[i] = (char)('a' + (i + (size_t)t->number + (size_t)t->said) % 26);
  return size;
}

static void fail(leat_engine *engine, talk *t, const char *what) {
  fprintf(stderr, "sockets: socket %ld, message %ld: %s\n", t->number, t->said, what);
  t->crowd->wrong++;
  leat_cancel(engine, t->id);
}

/* Says the next message, or goodbye. */
static void go_on(leat_engine *engine, talk *t) {
  char text[MESSAGE_SIZE];
  int error;
  t->seen = 0;
  if (t->said == t->crowd->messages)
    error = leat_ws_close(engine, t->id, 1000, (leat_slice){NULL, 0});
  else
    error = leat_ws_send(engine, t->id, LEAT_WS_TEXT, (leat_slice){text, compose(t, text)}, true);
  /* 1 says that it was taken and that the queue is full now: whoever sends without waiting for
   * answers goes on at LEAT_WS_SENT. */
  if (error < 0) fail(engine, t, leat_last_message(engine));
}

static void compare(leat_engine *engine, talk *t, const leat_ws_event *event) {
  char text[MESSAGE_SIZE];
  size_t size = compose(t, text), piece = event->bytes.size;
  bool same = event->type == LEAT_WS_TEXT && piece <= size - t->seen &&
              (piece == 0 || memcmp(text + t->seen, event->bytes.data, piece) == 0);
  t->seen += piece;
  if (!same || (event->last && t->seen != size)) {
    fail(engine, t, "the echo is another");
  } else if (event->last) {
    t->crowd->echoed++;
    t->said++;
    go_on(engine, t);
  }
}

static int on_event(leat_engine *engine, leat_id id, const leat_ws_event *event, void *user) {
  (void)id;
  talk *t = user;
  crowd *c = t->crowd;
  if (event->kind == LEAT_WS_OPEN && ++c->open == c->count)
    for (long i = 0; i < c->count; i++) go_on(engine, &c->talks[i]);
  if (event->kind == LEAT_WS_MESSAGE) compare(engine, t, event);
  return LEAT_CONTINUE;
}

/* To cancel what has ended is harmless. */
static void give_up(leat_engine *engine, crowd *c) {
  for (long i = 0; i < c->count; i++) leat_cancel(engine, c->talks[i].id);
}

/* Called once for each socket that was accepted, and last. */
static void on_done(leat_engine *engine, leat_id id, const leat_result *result, unsigned code,
                    void *user) {
  (void)id;
  talk *t = user;
  crowd *c = t->crowd;
  if (result->error == LEAT_OK && t->said == c->messages) return;
  c->failed++;
  if (result->error != LEAT_ECANCELLED)
    fprintf(stderr, "sockets: socket %ld: closed with %u after %ld messages: %.*s\n", t->number,
            code, t->said, (int)result->message.size, result->message.data);
  /* The others wait for all to stand, which will not be. */
  if (c->failed == 1 && c->open < c->count) give_up(engine, c);
}

/* False: not all were accepted. */
static bool open_all(leat_engine *engine, const char *url, crowd *c) {
  leat_ws ws;
  leat_ws_init(&ws);
  ws.url = url;
  ws.api_key = getenv("LEAT_API_KEY");
  ws.on_event = on_event;
  ws.on_done = on_done;
  ws.deadlines.connect_ms = 60000; /* the last of thousands of handshakes may be late */
  for (long i = 0; i < c->count; i++) {
    talk *t = &c->talks[i];
    *t = (talk){.crowd = c, .number = i};
    ws.user = t;
    if (leat_ws_open(engine, &ws, &t->id) == LEAT_OK) continue;
    fprintf(stderr, "sockets: %s\n", leat_last_message(engine));
    return false;
  }
  return true;
}

int main(int argc, char **argv) {
  crowd c = {0};
  if (argc != 4) return usage();
  c.count = strtol(argv[2], NULL, 10);
  c.messages = strtol(argv[3], NULL, 10);
  if (c.count < 1 || c.count > COUNT_MAX || c.messages < 1) return usage();
  c.talks = calloc((size_t)c.count, sizeof *c.talks);
  if (!c.talks) return 1;

  leat_config config;
  leat_config_init(&config);
  config.ca_file = getenv("SSL_CERT_FILE");
  config.conns_max = (int)c.count; /* each socket has a connection of its own */
  leat_engine *engine;
  const char *message;
  if (leat_open(&engine, &config, &message) != LEAT_OK) {
    fprintf(stderr, "sockets: %s\n", message);
    free(c.talks);
    return 2;
  }
  bool accepted = open_all(engine, argv[1], &c);
  if (!accepted) give_up(engine, &c);
  leat_run(engine); /* until nothing is pending */
  leat_close(engine, LEAT_CLOSE_NOW, NULL, NULL);
  leat_run(engine); /* until the engine is gone */
  printf("%ld sockets open at once, %ld messages echoed, %ld wrong, %ld sockets failed\n", c.open,
         c.echoed, c.wrong, c.failed);
  free(c.talks);
  return accepted && c.echoed == c.count * c.messages && c.failed == 0 ? 0 : 1;
}
