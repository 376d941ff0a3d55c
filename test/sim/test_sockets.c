/* Storms of turns on sockets in the simulated world, from one seed each: sockets that many share
 * and sockets of one turn, answers in both forms and every end a server can find, pauses, cancels,
 * and an engine that closes in the middle.
 *
 * Held to in every run: one done for each turn and socket; no event behind it, in a pause or after
 * a cancel; a turn's text is a prefix of its own answer, and all of it when the result is LEAT_OK;
 * no question is asked twice, nor before the one in front of it is answered; a server without
 * faults loses nothing; nothing lives on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "leat.h"
#include "sim/sim_seeds.h"
#include "sim/sim_ws.h"
#include "support/failing.h"

#define SOCKETS   6
#define TURNS     60
#define PIECES    8
#define TEXT_SIZE 256

typedef struct storm storm;

typedef struct turn {
  storm *storm;
  leat_id id;
  unsigned question, dones, pieces;
  bool accepted, cancelled, paused;
  char text[TEXT_SIZE];
  int error;
} turn;

typedef struct line {
  storm *storm;
  leat_id id;
  unsigned dones;
  bool accepted, paused;
  int error;
} line;

struct storm {
  sim *w;
  sim_ws server;
  failing memory;
  leat_engine *engine;
  turn turns[TURNS];
  line lines[SOCKETS];
  bool wild;   /* the server has faults */
  bool moody;  /* the caller pauses and cancels */
  bool closed; /* the engine is gone */
  uint64_t seed;
  unsigned faults;
};

/* Over all storms, so that a test that tests nothing shows. */
static struct { unsigned asked, whole, cancelled, failed; } totals;

__attribute__((format(printf, 2, 3))) static void fault(storm *s, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "seed %llu: ", (unsigned long long)s->seed);
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  s->faults++;
}

/* ---- the server's mood */

/* The pieces follow from the question, so that the test knows the text. */
static unsigned pieces_of(unsigned question) {
  return 1 + question % PIECES;
}

static void script(void *ctx, unsigned question, sim_ws_reply *reply) {
  storm *s = ctx;
  static const unsigned codes[] = {1000, 1001, 1008, 1011, 4001};
  reply->pieces = pieces_of(question);
  reply->messages = sim_chance(s->w, 400);
  reply->fragments = sim_chance(s->w, 300);
  reply->pace_ns = 1 + sim_below(s->w, 300 * SIM_MS);
  if (!s->wild || sim_chance(s->w, 800)) return;
  reply->end = (enum sim_ws_end)sim_below(s->w, SIM_WS_BREACH + 1);
  reply->at = (unsigned)sim_below(s->w, reply->pieces + 1);
  reply->code = codes[sim_below(s->w, 5)];
}

/* ---- the caller */

static void resume_turn(void *ctx) {
  turn *t = ctx;
  t->paused = false;
  if (!t->storm->closed) leat_resume(t->storm->engine, t->id);
}

static void resume_line(void *ctx) {
  line *l = ctx;
  l->paused = false;
  if (!l->storm->closed) leat_resume(l->storm->engine, l->id);
}

static void cancel_turn(void *ctx) {
  turn *t = ctx;
  if (t->storm->closed || t->dones) return;
  if (leat_cancel(t->storm->engine, t->id) == LEAT_OK) t->cancelled = true;
}

static int on_turn_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  turn *t = user;
  storm *s = t->storm;
  (void)e;
  if (id != t->id || t->dones) fault(s, "turn %u: an event behind done", t->question);
  if (t->cancelled || t->paused) fault(s, "turn %u: an event in a pause", t->question);
  if (event->kind == LEAT_EVENT_TEXT) {
    size_t size = strlen(t->text);
    if (size + event->text.size >= TEXT_SIZE) fault(s, "turn %u: too much text", t->question);
    if (size + event->text.size < TEXT_SIZE)
      memcpy(t->text + size, event->text.data, event->text.size);
  }
  if (s->moody && sim_chance(s->w, 50)) cancel_turn(t);
  if (!s->moody || !sim_chance(s->w, 100)) return LEAT_CONTINUE;
  if (t->cancelled) return LEAT_PAUSE;
  t->paused = true;
  sim_ours_after(s->w, sim_below(s->w, 2 * SIM_S), resume_turn, t);
  return LEAT_PAUSE;
}

static void on_turn_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  turn *t = user;
  (void)e;
  if (id != t->id || t->dones++) fault(t->storm, "turn %u: done again", t->question);
  t->error = result->error;
  if (!leat_error_name(result->error)) fault(t->storm, "turn %u: no such error", t->question);
}

static int on_line_event(leat_engine *e, leat_id id, const leat_ws_event *event, void *user) {
  line *l = user;
  storm *s = l->storm;
  (void)e, (void)event;
  if (id != l->id || l->dones) fault(s, "a socket's event behind its done");
  if (l->paused) fault(s, "a socket's event in a pause");
  if (!s->moody || !sim_chance(s->w, 20)) return LEAT_CONTINUE;
  l->paused = true;
  sim_ours_after(s->w, sim_below(s->w, 2 * SIM_S), resume_line, l);
  return LEAT_PAUSE;
}

static void on_line_done(leat_engine *e, leat_id id, const leat_result *result, unsigned code,
                         void *user) {
  line *l = user;
  (void)e, (void)code;
  if (id != l->id || l->dones++) fault(l->storm, "a socket's done again");
  l->error = result->error;
}

static void open_line(void *ctx) {
  line *l = ctx;
  leat_ws ws;
  leat_ws_init(&ws);
  ws.base_url = "http://127.0.0.1";
  ws.protocol = "chat-ws";
  ws.api_key = "sk-sim";
  ws.on_event = on_line_event;
  ws.on_done = on_line_done;
  ws.user = l;
  l->accepted = leat_ws_open(l->storm->engine, &ws, &l->id) == LEAT_OK;
}

/* Some on a socket of their own, the others on any that lives. */
static void submit_turn(void *ctx) {
  turn *t = ctx;
  storm *s = t->storm;
  char body[128];
  leat_request q;
  if (s->closed) return;
  leat_request_init(&q);
  snprintf(body, sizeof body,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q%u\"}],"
           "\"stream\":true}",
           t->question);
  q.protocol = "chat-ws";
  q.base_url = "http://127.0.0.1";
  q.api_key = "sk-sim";
  q.body = lti_slice_of(body);
  q.socket = t->question % 5 ? s->lines[t->question % SOCKETS].id : 0;
  q.on_event = on_turn_event;
  q.on_done = on_turn_done;
  q.user = t;
  int r = leat_submit(s->engine, &q, &t->id);
  t->accepted = r == LEAT_OK;
  bool gone = r == LEAT_ENOTFOUND || r == LEAT_ESTATE || r == LEAT_ECLOSED;
  if (!t->accepted && !(gone && (s->wild || s->engine == NULL)) && r != LEAT_ECLOSED)
    fault(s, "turn %u: submit gives %s", t->question, leat_error_name(r));
  if (s->moody && sim_chance(s->w, 100))
    sim_ours_after(s->w, sim_below(s->w, 3 * SIM_S), cancel_turn, t);
}

static void on_closed(void *user) {
  ((storm *)user)->closed = true;
}

static void drain(void *ctx) {
  storm *s = ctx;
  if (!s->closed) leat_close(s->engine, LEAT_CLOSE_DRAIN, on_closed, s);
}

static void close_now(void *ctx) {
  storm *s = ctx;
  if (!s->closed) leat_close(s->engine, LEAT_CLOSE_NOW, on_closed, s);
}

/* ---- what must hold */

static void check_turn(storm *s, const turn *t, bool cut) {
  char whole[TEXT_SIZE];
  if (!t->accepted) return;
  sim_ws_text(t->question, pieces_of(t->question), whole, sizeof whole);
  totals.asked += s->server.seen[t->question];
  totals.whole += t->error == LEAT_OK;
  totals.cancelled += t->cancelled;
  totals.failed += t->error != LEAT_OK && !t->cancelled;
  if (t->dones != 1) fault(s, "turn %u: %u dones", t->question, t->dones);
  if (strncmp(whole, t->text, strlen(t->text)) != 0)
    fault(s, "turn %u: \"%s\" is not its answer", t->question, t->text);
  if (t->error == LEAT_OK && strcmp(whole, t->text) != 0)
    fault(s, "turn %u: \"%s\" is called whole", t->question, t->text);
  if (t->error == LEAT_OK && !s->server.seen[t->question])
    fault(s, "turn %u: answered without having been asked", t->question);
  if (t->cancelled ? t->error != LEAT_ECANCELLED : !s->wild && !cut && t->error != LEAT_OK)
    fault(s, "turn %u: %s", t->question, leat_error_name(t->error));
}

static void check_all(storm *s, bool cut) {
  for (unsigned i = 0; i < TURNS; i++) check_turn(s, &s->turns[i], cut);
  for (unsigned i = 0; i < SOCKETS; i++) {
    const line *l = &s->lines[i];
    if (l->dones != 1) fault(s, "socket %u: %u dones", i, l->dones);
    if (!s->wild && !cut && l->error != LEAT_OK)
      fault(s, "socket %u: %s", i, leat_error_name(l->error));
  }
  if (s->server.breaches) fault(s, "%u breaches", s->server.breaches);
  if (!s->closed) fault(s, "the engine lives on");
}

static void open_engine(storm *s) {
  leat_config config;
  leat_config_init(&config);
  s->w->owned = false;
  config.loop = sim_uv(s->w);
  config.allocator = failing_allocator(&s->memory);
  config.allow_plain_key = true;
  config.conns_max = 40;
  config.retries = LEAT_NONE;
  int r = leat_open(&s->engine, &config, NULL);
  assert_int_equal(r, LEAT_OK);
}

static storm *storm_new(uint64_t seed) {
  storm *s = calloc(1, sizeof *s);
  assert_non_null(s);
  s->seed = seed;
  s->w = sim_new(seed);
  sim_ws_init(&s->server, s->w);
  s->server.script = script;
  s->server.ctx = s;
  failing_init(&s->memory, 0);
  for (unsigned i = 0; i < SOCKETS; i++) s->lines[i].storm = s;
  for (unsigned i = 0; i < TURNS; i++) s->turns[i] = (turn){.storm = s, .question = i};
  return s;
}

static unsigned storm_end(storm *s) {
  if (!failing_clean(&s->memory)) fault(s, "memory is not clean");
  unsigned faults = s->faults;
  failing_deinit(&s->memory);
  sim_ws_deinit(&s->server);
  sim_free(s->w);
  free(s);
  return faults;
}

/* Odd seeds have a server with faults; half of all a moody caller; some close in the middle. */
static unsigned run_storm(uint64_t seed) {
  storm *s = storm_new(seed);
  bool cut = seed % 7 == 0;
  s->wild = seed & 1;
  s->moody = seed & 2;
  s->server.refuse_permille = s->wild ? 100 : 0;
  s->w->weather.latency_ns = 1 + sim_below(s->w, 20 * SIM_MS);
  s->w->weather.short_send = s->wild ? 300 : 0;
  s->w->weather.read_max = seed & 4 ? 1 + (size_t)sim_below(s->w, 60) : 0;
  s->w->weather.read_random = seed & 8;
  open_engine(s);
  for (unsigned i = 0; i < SOCKETS; i++) open_line(&s->lines[i]);
  for (unsigned i = 0; i < TURNS; i++)
    sim_ours_after(s->w, sim_below(s->w, 5 * SIM_S), submit_turn, &s->turns[i]);
  if (cut)
    sim_ours_after(s->w, sim_below(s->w, 5 * SIM_S), close_now, s);
  else
    sim_ours_after(s->w, 5 * SIM_S + 1, drain, s);
  if (!sim_run(s->w, 3600 * SIM_S)) fault(s, "it does not end");
  check_all(s, cut);
  return storm_end(s);
}

static void test_storms_of_turns(void **state) {
  (void)state;
  assert_int_equal(sim_seeds_run(400, run_storm), 0);
  printf("%u questions asked: %u answered, %u turns cancelled, %u failed\n", totals.asked,
         totals.whole, totals.cancelled, totals.failed);
  assert_true(totals.whole > 0 && totals.asked >= totals.whole);
}

/* ---- clocks */

static void stall(void *ctx, unsigned question, sim_ws_reply *reply) {
  (void)ctx, (void)question;
  reply->end = SIM_WS_STALL;
  reply->at = 1;
}

static void mute(void *ctx, unsigned question, sim_ws_reply *reply) {
  (void)ctx, (void)question;
  reply->end = SIM_WS_MUTE;
  reply->at = 1;
}

/* Turns 1 and 7 are of the same socket. */
static storm *two_turns(void (*answer)(void *ctx, unsigned question, sim_ws_reply *reply)) {
  storm *s = storm_new(1);
  s->wild = true;
  s->server.script = answer;
  open_engine(s);
  open_line(&s->lines[1]);
  submit_turn(&s->turns[1]);
  submit_turn(&s->turns[7]);
  return s;
}

static double run_out(storm *s) {
  uint64_t from = s->w->now;
  while (s->turns[7].dones == 0 && sim_pass(s->w)) continue;
  double seconds = (double)(s->w->now - from) / 1e9;
  close_now(s);
  assert_true(sim_run(s->w, 3600 * SIM_S));
  assert_int_equal(s->turns[1].dones + s->turns[7].dones, 2);
  return seconds;
}

static void test_a_server_that_does_not_answer_a_ping_is_lost_in_a_minute(void **state) {
  (void)state;
  storm *s = two_turns(stall);
  double seconds = run_out(s);
  assert_true(seconds > 59.9 && seconds < 61);
  assert_int_equal(s->turns[1].error, LEAT_EIDLETIMEOUT);
  assert_int_equal(s->turns[7].error, LEAT_EIDLETIMEOUT);
  assert_int_equal(storm_end(s), 0);
}

static void test_the_rest_of_a_cancelled_answer_is_waited_for_half_a_minute(void **state) {
  (void)state;
  storm *s = two_turns(mute);
  sim_ours_after(s->w, SIM_S, cancel_turn, &s->turns[1]);
  double seconds = run_out(s);
  assert_true(seconds > 30.9 && seconds < 32);
  assert_int_equal(s->turns[1].error, LEAT_ECANCELLED);
  assert_int_equal(s->turns[7].error, LEAT_EIDLETIMEOUT);
  assert_int_equal(s->server.seen[7], 0);
  assert_int_equal(storm_end(s), 0);
}

static void test_a_turn_that_falls_silent_has_the_usual_deadline(void **state) {
  (void)state;
  storm *s = two_turns(mute);
  double seconds = run_out(s);
  assert_true(seconds > 600);
  assert_int_equal(s->turns[1].error, LEAT_EIDLETIMEOUT);
  assert_int_equal(storm_end(s), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_storms_of_turns),
      cmocka_unit_test(test_a_server_that_does_not_answer_a_ping_is_lost_in_a_minute),
      cmocka_unit_test(test_the_rest_of_a_cancelled_answer_is_waited_for_half_a_minute),
      cmocka_unit_test(test_a_turn_that_falls_silent_has_the_usual_deadline),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
