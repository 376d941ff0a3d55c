/* Lanes at scale, in the simulated world: thousands of chats of twenty turns each over two hundred
 * connections. The server sees that no lane is asked out of turn or twice at once, the client that
 * every answer is its own; and both measure who was served when.
 *
 * LEAT_SIM_FULL=1 runs ten thousand lanes where else it is two thousand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "leat.h"
#include "sim/sim.h"
#include "support/failing.h"

#define LANES_MAX 10000
#define TURNS     20
#define FLIGHT    200
#define THINK_NS  (20 * SIM_MS)

typedef struct town town;
typedef struct caller caller;

typedef struct chat {
  town *town;
  unsigned number, weight;
  unsigned submitted, done; /* turns, as the client sees them */
  unsigned asked;           /* and as the server does */
  bool running;
  char text[48];
  size_t text_size;
} chat;

/* What one test is about. */
struct town {
  sim *w;
  leat_engine *engine;
  failing memory;
  lti_alloc alloc; /* of the server's */
  caller *callers;
  chat *chats;
  unsigned count, turns;
  bool up_front;          /* all turns are submitted at once */
  unsigned running, most; /* at the server */
  unsigned long completed;
  unsigned slowest; /* turns of the slowest of its weight when the first ended its last */
  bool first_done;
  unsigned char *weights; /* of each completion in order */
  size_t weights_max;
  unsigned faults;
  /* A server with limits, as the providers have them: a bucket that fills steadily. */
  int64_t limit, cost; /* a minute, 0: none; and of one request */
  const char *meter;   /* requests or tokens */
  int64_t level_ns;    /* what is there, in nanoseconds of filling */
  uint64_t level_at;
  unsigned refused;
};

struct caller {
  caller *next;
  town *town;
  sim_link *link;
  lti_buf in;
  chat *chat; /* asks */
  bool refused;
  char headers[256];
};

static void fault(town *t, const char *what, const chat *c) {
  if (t->faults++ < 10)
    print_message("%s: chat %u, %u submitted, %u done, %u asked\n", what, c ? c->number : 0,
                  c ? c->submitted : 0, c ? c->done : 0, c ? c->asked : 0);
}

/* ---- the server */

static void *on_opened(void *ctx, sim_link *link) {
  town *t = ctx;
  caller *c = lti_alloc_zero(&t->alloc, sizeof *c);
  c->town = t;
  c->next = t->callers;
  t->callers = c;
  c->link = link;
  lti_buf_init(&c->in, &t->alloc, 4096, LEAT_EBODYMAX);
  return c;
}

/* Takes what one costs, or says no; and writes what is left as the providers do. */
static void meter(caller *c) {
  town *t = c->town;
  int64_t full = 60 * (int64_t)SIM_S, unit = full / (t->limit ? t->limit : 1);
  c->refused = false;
  c->headers[0] = '\0';
  if (!t->limit) return;
  t->level_ns += (int64_t)(t->w->now - t->level_at);
  t->level_at = t->w->now;
  if (t->level_ns > full) t->level_ns = full;
  c->refused = t->level_ns < unit * t->cost;
  if (!c->refused) t->level_ns -= unit * t->cost;
  t->refused += c->refused;
  snprintf(c->headers, sizeof c->headers,
           "x-ratelimit-limit-%s: %lld\r\nx-ratelimit-remaining-%s: %lld\r\n"
           "x-ratelimit-reset-%s: %lldms\r\n",
           t->meter, (long long)t->limit, t->meter, (long long)(t->level_ns / unit), t->meter,
           (long long)((full - t->level_ns) / (int64_t)SIM_MS));
}

static void refuse(caller *c) {
  char text[512];
  int n =
      snprintf(text, sizeof text, "HTTP/1.1 429 Slow\r\n%sContent-Length: 0\r\n\r\n", c->headers);
  c->chat->asked--;
  sim_link_send(c->link, lti_slice(text, (size_t)n));
}

static void answer(void *ctx) {
  caller *c = ctx;
  chat *who = c->chat;
  char body[256], text[1024];
  who->running = false;
  c->town->running--;
  if (c->refused) {
    refuse(c);
    return;
  }
  int size = snprintf(body, sizeof body,
                      "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                      "\"content\":\"%u of %u\"},\"finish_reason\":\"stop\"}]}",
                      who->asked, who->number);
  int n = snprintf(text, sizeof text,
                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%s"
                   "Content-Length: %d\r\n\r\n%s",
                   c->headers, size, body);
  sim_link_send(c->link, lti_slice(text, (size_t)n));
}

static void on_asked(caller *c, unsigned number, unsigned turn) {
  town *t = c->town;
  chat *who = &t->chats[number];
  if (who->running) fault(t, "two at once", who);
  if (turn != who->asked + 1) fault(t, "out of order", who);
  who->asked = turn;
  who->running = true;
  c->chat = who;
  meter(c);
  if (++t->running > t->most) t->most = t->running;
  sim_after(t->w, THINK_NS / 2 + sim_below(t->w, THINK_NS), answer, c);
}

static void on_bytes(void *peer, leat_slice bytes) {
  caller *c = peer;
  unsigned number, turn;
  lti_buf_append(&c->in, bytes);
  lti_buf_byte(&c->in, '\0');
  c->in.size--;
  const char *at = strstr(c->in.data, "\"chat\":");
  if (!at || c->in.data[c->in.size - 1] != '}') return;
  if (sscanf(at, "\"chat\":%u,\"turn\":%u}", &number, &turn) != 2 || number >= c->town->count)
    fault(c->town, "not a request of ours", NULL);
  else
    on_asked(c, number, turn);
  lti_buf_clear(&c->in);
}

static void on_ended(void *peer) {
  caller *c = peer;
  lti_buf_clear(&c->in);
}

/* ---- the client */

static void submit(chat *c);

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  chat *c = user;
  (void)e, (void)id;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  if (c->text_size + event->text.size < sizeof c->text) {
    memcpy(c->text + c->text_size, event->text.data, event->text.size);
    c->text_size += event->text.size;
  }
  return LEAT_CONTINUE;
}

static void check_answer(chat *c, const leat_result *result) {
  char expected[48];
  c->text[c->text_size] = '\0';
  snprintf(expected, sizeof expected, "%u of %u", c->done + 1, c->number);
  if (result->error != LEAT_OK) fault(c->town, leat_error_name(result->error), c);
  if (strcmp(expected, c->text) != 0) fault(c->town, c->text, c);
  c->text_size = 0;
}

static void note_first(town *t, const chat *first) {
  t->first_done = true;
  t->slowest = UINT32_MAX;
  for (unsigned i = 0; i < t->count; i++)
    if (t->chats[i].weight == first->weight && t->chats[i].done < t->slowest)
      t->slowest = t->chats[i].done;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  chat *c = user;
  town *t = c->town;
  (void)e, (void)id;
  check_answer(c, result);
  c->done++;
  if (t->completed < t->weights_max) t->weights[t->completed] = (unsigned char)c->weight;
  t->completed++;
  if (c->done == t->turns && !t->first_done) note_first(t, c);
  bool more = t->weights_max ? t->completed + FLIGHT < t->weights_max : c->done < t->turns;
  if (!t->up_front && more) submit(c);
}

static void submit(chat *c) {
  char body[128], lane[32];
  leat_request q;
  leat_id id;
  leat_request_init(&q);
  snprintf(lane, sizeof lane, "chat %u", c->number);
  int size =
      snprintf(body, sizeof body, "{\"model\":\"m\",\"messages\":[],\"chat\":%u,\"turn\":%u}",
               c->number, ++c->submitted);
  q.body = lti_slice(body, (size_t)size);
  q.lane = lane;
  q.lane_weight = (int)c->weight;
  q.tokens = c->town->cost;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = c;
  if (leat_submit(c->town->engine, &q, &id) != LEAT_OK)
    fault(c->town, leat_last_message(c->town->engine), c);
}

/* ---- a town */

static void open_town(town *t, uint64_t seed, unsigned count) {
  memset(t, 0, sizeof *t);
  t->w = sim_new(seed);
  t->w->owned = false;
  t->w->weather.latency_ns = SIM_MS;
  t->w->host = (sim_host){on_opened, on_bytes, on_ended, t};
  t->count = count;
  t->turns = TURNS;
  t->chats = calloc(count, sizeof *t->chats);
  assert_non_null(t->chats);
  for (unsigned i = 0; i < count; i++) t->chats[i] = (chat){.town = t, .number = i, .weight = 1};
  failing_init(&t->memory, 0);
  lti_alloc_init(&t->alloc, NULL);
}

static void open_engine(town *t) {
  leat_config config;
  leat_config_init(&config);
  config.learn_limits = t->limit > 0;
  config.loop = sim_uv(t->w);
  config.allocator = failing_allocator(&t->memory);
  config.base_url = "http://127.0.0.1:8000";
  config.conns_max = FLIGHT;
  config.queue_max = 1000000;
  assert_int_equal(leat_open(&t->engine, &config, NULL), LEAT_OK);
}

static void run_town(town *t) {
  open_engine(t);
  for (unsigned i = 0; i < t->count; i++)
    for (unsigned n = 0; n < (t->up_front ? t->turns : 1); n++) submit(&t->chats[i]);
  assert_true(sim_run(t->w, 100000 * SIM_S));
}

static leat_stats close_town(town *t) {
  leat_stats stats;
  assert_int_equal(leat_stats_get(t->engine, &stats, sizeof stats), LEAT_OK);
  leat_close(t->engine, LEAT_CLOSE_DRAIN, NULL, NULL);
  assert_true(sim_run(t->w, 1000 * SIM_S));
  for (unsigned i = 0; i < t->count; i++)
    if (!t->weights_max && t->chats[i].done != t->turns) fault(t, "not all", &t->chats[i]);
  assert_int_equal(t->faults, 0);
  sim_free(t->w);
  for (caller *c = t->callers, *next; c; c = next) {
    next = c->next;
    lti_buf_deinit(&c->in);
    lti_alloc_put(&t->alloc, c);
  }
  free(t->chats);
  free(t->weights);
  assert_true(failing_clean(&t->memory));
  failing_deinit(&t->memory);
  return stats;
}

static unsigned lanes(void) {
  return getenv("LEAT_SIM_FULL") ? LANES_MAX : 2000;
}

static void test_twenty_turns_of_each_in_order_and_side_by_side(void **state) {
  (void)state;
  for (int up_front = 0; up_front < 2; up_front++) {
    town t;
    open_town(&t, 1, lanes());
    t.up_front = up_front;
    run_town(&t);
    print_message(
        "%u lanes, %s: the slowest at turn %u when the first ended its %uth; %u at once\n", t.count,
        up_front ? "all turns at once" : "each behind the last", t.slowest, t.turns, t.most);
    assert_true(t.slowest >= t.turns - 2);
    assert_int_equal(t.completed, (unsigned long)t.count * t.turns);
    assert_in_range(t.most, FLIGHT - 10, FLIGHT);
    leat_stats stats = close_town(&t);
    assert_int_equal(stats.lanes_live, 0);
    assert_int_equal(stats.requests_queued, 0);
  }
}

/* Chats that always want another turn: of any thousand completions three quarters are heavy ones',
 * from the first to the last. */
static void test_weights_of_one_and_three_are_served_so(void **state) {
  enum { WINDOW = 1000 };
  town t;
  (void)state;
  open_town(&t, 2, lanes());
  t.weights_max = (size_t)t.count * 8;
  t.weights = calloc(t.weights_max, 1);
  assert_non_null(t.weights);
  for (unsigned i = 0; i < t.count; i++) t.chats[i].weight = i % 2 ? 3 : 1;
  run_town(&t);
  unsigned heavy = 0, least = WINDOW, most = 0;
  size_t last = t.weights_max - (size_t)t.count * 2;
  for (size_t i = 0; i < last; i++) {
    heavy += t.weights[i] == 3;
    if (i >= WINDOW) heavy -= t.weights[i - WINDOW] == 3;
    if (i < WINDOW - 1) continue;
    if (heavy < least) least = heavy;
    if (heavy > most) most = heavy;
  }
  print_message("of any %d completions %u to %u are those of weight 3\n", WINDOW, least, most);
  assert_in_range(least, 730, 750);
  assert_in_range(most, 750, 767);
  close_town(&t);
}

/* Four minutes' worth of turns before a server that refuses whoever comes too early: one refusal at
 * most, and 95 % of what it allows is used. */
static double a_strict_server(const char *meter_name, int64_t limit, int64_t cost) {
  town t;
  open_town(&t, 3, 400);
  t.limit = limit;
  t.cost = cost;
  t.meter = meter_name;
  t.turns = (unsigned)(limit / cost * 4) / t.count;
  t.level_ns = 60 * (int64_t)SIM_S;
  t.level_at = t.w->now;
  uint64_t from = t.w->now;
  run_town(&t);
  double minutes = (double)(t.w->now - from) / (double)SIM_S / 60,
         allowed = (double)limit * (minutes + 1);
  double used = (double)t.completed * (double)cost / allowed;
  print_message("%lld %s a minute: %.1f %% used, %u refused\n", (long long)limit, meter_name,
                used * 100, t.refused);
  assert_in_range(t.refused, 0, 1);
  leat_stats stats = close_town(&t);
  assert_int_equal(stats.limit_refusals, t.refused);
  return used;
}

static void test_limits_of_requests_are_used_up_and_not_broken(void **state) {
  (void)state;
  assert_true(a_strict_server("requests", 3000, 1) >= 0.95);
}

static void test_limits_of_tokens_are_used_up_and_not_broken(void **state) {
  (void)state;
  assert_true(a_strict_server("tokens", 600000, 200) >= 0.95);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_twenty_turns_of_each_in_order_and_side_by_side),
      cmocka_unit_test(test_weights_of_one_and_three_are_served_so),
      cmocka_unit_test(test_limits_of_requests_are_used_up_and_not_broken),
      cmocka_unit_test(test_limits_of_tokens_are_used_up_and_not_broken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
