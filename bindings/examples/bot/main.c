/* A bot with many chats, after the manner of Telegram's, on one loop with two engines: one for the
 * model, which learns its limits, and one for the feed, where a question for updates may lie for
 * long and must not count among the requests that a limit lets out.
 *
 * Updates come by long polling. Each message is asked at once, in a lane of its chat: so a chat's
 * messages are answered one at a time, and chats take turns, however much one of them says. An
 * answer that takes longer is shown while it grows, by edits, at most one each EDIT_SECONDS and
 * CALLS_PER_SECOND over all chats.
 *
 * usage: bot FEED BASE_URL MODEL [EDIT_SECONDS [CALLS_PER_SECOND]]
 * FEED is https://api.telegram.org. BOT_TOKEN is the bot's, LEAT_API_KEY the model's; SSL_CERT_FILE
 * names the CA certificates to trust instead of the system's. SIGTERM or SIGINT: it hears no more,
 * and leaves when all is answered. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bot.h"
#include "json.h"

#define TICK_MS      5
#define POLL_SECONDS 25
#define SECOND_NS    UINT64_C(1000000000)

/* ---- updates */

static void hear(bot *b, leat_slice update) {
  char text[TEXT_MAX];
  int64_t number, chat, question;
  leat_slice value;
  if (!json_find(update, "update_id", &value) || !json_number(value, &number)) return;
  b->offset = number + 1;
  if (!json_find(update, "message.chat.id", &value) || !json_number(value, &chat)) return;
  if (!json_find(update, "message.message_id", &value) || !json_number(value, &question)) return;
  if (!json_find(update, "message.text", &value)) return;
  size_t size = json_text(value, text, sizeof text);
  if (size > 0) answer_open(b, number, chat, question, (leat_slice){text, size});
}

static int on_updates(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)engine, (void)id;
  leat_slice list, update;
  if (event->kind != LEAT_EVENT_REPLY || !json_find(event->text, "result", &list) ||
      !json_open(list, &list)) {
    return LEAT_CONTINUE;
  }
  while (json_next(&list, &update)) hear(user, update);
  return LEAT_CONTINUE;
}

static void on_polled(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  bot *b = user;
  b->poll = 0;
  if (result->error == LEAT_OK || b->leaving) return;
  fprintf(stderr, "bot: no updates: %.*s\n", (int)result->message.size, result->message.data);
  b->poll_at_ns = uv_hrtime() + SECOND_NS;
}

static void poll_updates(bot *b) {
  char offset[24], seconds[8];
  snprintf(offset, sizeof offset, "%" PRId64, b->offset);
  snprintf(seconds, sizeof seconds, "%d", POLL_SECONDS);
  leat_param params[] = {{"offset", offset}, {"timeout", seconds}, {"limit", "100"}};
  leat_request request;
  leat_request_init(&request);
  request.endpoint = "telegram.getupdates";
  request.params = params;
  request.param_count = 3;
  request.deadlines.total_ms = POLL_SECONDS * 2000;
  request.on_event = on_updates;
  request.on_done = on_polled;
  request.user = b;
  if (leat_submit(b->feed, &request, &b->poll) == LEAT_OK) return;
  fprintf(stderr, "bot: %s\n", leat_last_message(b->feed));
  b->poll_at_ns = uv_hrtime() + SECOND_NS;
}

/* ---- the loop */

/* Called by both. */
static void on_engine_closed(void *user) {
  bot *b = user;
  if (--b->engines > 0) return;
  uv_close((uv_handle_t *)&b->timer, NULL);
  for (int i = 0; i < 2; i++) uv_close((uv_handle_t *)&b->signals[i], NULL);
}

static void close_engines(bot *b) {
  b->closing = true;
  leat_close(b->model, LEAT_CLOSE_NOW, on_engine_closed, b);
  if (b->engines > 1) leat_close(b->feed, LEAT_CLOSE_NOW, on_engine_closed, b);
}

static void on_tick(uv_timer_t *timer) {
  bot *b = timer->data;
  if (b->closing) return;
  answer_pace(b);
  bool room = b->pending < PENDING_MAX && uv_hrtime() >= b->poll_at_ns;
  if (!b->leaving && b->poll == 0 && room) poll_updates(b);
  if (!b->leaving || b->pending > 0 || b->poll != 0) return;
  close_engines(b);
}

static void on_signal(uv_signal_t *signal, int number) {
  (void)number;
  bot *b = signal->data;
  b->leaving = true;
  if (b->poll) leat_cancel(b->feed, b->poll);
}

/* The bot's calls as rows of the registry: so they have retries, and statuses are errors. What may
 * have been sent is not sent again. */
static int add_calls(bot *b, const char *token) {
  static const struct {
    const char *name, *method, *call;
    bool once;
  } calls[] = {{"telegram.getupdates", "GET", "getUpdates", false},
               {"telegram.sendmessage", "POST", "sendMessage", true},
               {"telegram.editmessagetext", "POST", "editMessageText", false}};
  for (size_t i = 0; i < 3; i++) {
    char path[256];
    int size = snprintf(path, sizeof path, "/bot%s/%s", token, calls[i].call);
    leat_endpoint row = {.struct_size = sizeof row,
                         .name = calls[i].name,
                         .method = calls[i].method,
                         .path = path,
                         .body = i == 0 ? LEAT_BODY_NONE : LEAT_BODY_JSON,
                         .auth = LEAT_AUTH_NONE,
                         .once = calls[i].once};
    int error = (size_t)size < sizeof path ? leat_endpoint_add(b->feed, &row) : LEAT_EINVAL;
    if (error != LEAT_OK) return error;
  }
  return LEAT_OK;
}

static int open_engine(bot *b, leat_engine **engine, const char *base_url, const char *key) {
  leat_config config;
  leat_config_init(&config);
  config.loop = &b->loop;
  config.base_url = base_url;
  config.api_key = key;
  config.ca_file = getenv("SSL_CERT_FILE");
  config.learn_limits = engine == &b->model;
  const char *message;
  int error = leat_open(engine, &config, &message);
  if (error == LEAT_OK)
    b->engines++;
  else
    fprintf(stderr, "bot: %s\n", message);
  return error;
}

static void start_own_work(bot *b) {
  int numbers[] = {SIGTERM, SIGINT};
  for (int i = 0; i < 2; i++) {
    uv_signal_init(&b->loop, &b->signals[i]);
    b->signals[i].data = b;
    uv_signal_start(&b->signals[i], on_signal, numbers[i]);
  }
  uv_timer_init(&b->loop, &b->timer);
  b->timer.data = b;
  uv_timer_start(&b->timer, on_tick, 0, TICK_MS);
}

static int start(bot *b, char **argv, const char *token) {
  int error = open_engine(b, &b->model, argv[2], getenv("LEAT_API_KEY"));
  if (error != LEAT_OK) return error;
  start_own_work(b);
  error = open_engine(b, &b->feed, argv[1], NULL);
  if (error == LEAT_OK) {
    error = add_calls(b, token);
    if (error != LEAT_OK) fprintf(stderr, "bot: BOT_TOKEN: %s\n", leat_error_text(error));
  }
  if (error != LEAT_OK) close_engines(b);
  return error;
}

static double read_number(const char *text, double from, double to) {
  char *end;
  double number = strtod(text, &end);
  return *text && !*end && number >= from && number <= to ? number : -1;
}

int main(int argc, char **argv) {
  const char *token = getenv("BOT_TOKEN");
  double edit = argc > 4 ? read_number(argv[4], 0.01, 3600) : 1;
  double rate = argc > 5 ? read_number(argv[5], 0.1, 1e6) : 30;
  if (argc < 4 || argc > 6 || edit < 0 || rate < 0 || !token) {
    fprintf(stderr,
            "usage: BOT_TOKEN=... bot FEED BASE_URL MODEL [EDIT_SECONDS "
            "[CALLS_PER_SECOND]]\n");
    return 2;
  }
  bot b = {.model_name = argv[3], .rate = rate, .paced_ns = uv_hrtime()};
  b.edit_ns = (uint64_t)(edit * 1e9);
  b.last = &b.first;
  uv_loop_init(&b.loop);
  int error = start(&b, argv, token);
  uv_run(&b.loop, UV_RUN_DEFAULT);
  uv_loop_close(&b.loop);
  if (error == LEAT_OK) printf("%lu answered, %lu failed\n", b.answered, b.failed);
  return error != LEAT_OK;
}
