/* The limiter against servers of several kinds: rules of the caller's, limits that are learned,
 * pauses, the window; and, by seed, that a greedy client is refused once at most while it uses what
 * it is allowed. Rows RT-04 and RT-10. */
#include "plan/limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"

#define MS     1000000ull
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)

static const lti_limiter_told silent[LTI_LIMITER_METERS] = {
    {-1, -1, -1}, {-1, -1, -1}, {-1, -1, -1}, {-1, -1, -1}};

static lti_limiter learning(uint64_t now) {
  lti_limiter l;
  lti_limiter_init(&l, &(lti_limiter_rules){.learn = true, .probe = 4, .pause_max_ms = 120000},
                   now);
  return l;
}

static lti_limiter_claim one(int64_t tokens) {
  return (lti_limiter_claim){.cost = {1, tokens, tokens / 2, tokens - tokens / 2}};
}

/* How many go now; the claims are thrown away. */
static int go(lti_limiter *l, int most, uint64_t now) {
  int n = 0;
  lti_limiter_claim c = one(10);
  while (n < most && lti_limiter_when(l, &c, now) <= now) {
    lti_limiter_take(l, &c, now);
    n++;
  }
  return n;
}

static void without_rules_everything_goes(void **state) {
  lti_limiter l;
  (void)state;
  lti_limiter_init(&l, &(lti_limiter_rules){0}, 0);
  assert_int_equal(go(&l, 5000, 0), 5000);
  assert_false(lti_limiter_never(&l, INT64_MAX));
}

static void rules_hold_for_any_minute(void **state) {
  enum { RATE = 600, SECONDS = 300 };
  lti_limiter l;
  int sent[SECONDS * 10], total = 0;
  (void)state;
  lti_limiter_init(&l, &(lti_limiter_rules){.requests_per_minute = RATE}, 0);
  for (int i = 0; i < SECONDS * 10; i++) {
    sent[i] = go(&l, 10000, (uint64_t)i * 100 * MS);
    total += sent[i];
    int minute = 0;
    for (int j = i; j >= 0 && j > i - 600; j--) minute += sent[j];
    assert_true(minute <= RATE);
  }
  assert_true(total >= RATE * 5 * 95 / 100);
}

static void concurrency_is_a_rule_too(void **state) {
  lti_limiter l;
  lti_limiter_claim c = one(1);
  (void)state;
  lti_limiter_init(&l, &(lti_limiter_rules){.concurrency = 3}, 0);
  lti_limiter_take(&l, &c, 0);
  assert_int_equal(go(&l, 10, 0), 2);
  assert_true(lti_limiter_when(&l, &c, 0) == LTI_BUCKET_NEVER);
  lti_limiter_end(&l, &c, LIMITER_ANSWERED, 0);
  lti_limiter_end(&l, &c, LIMITER_ANSWERED, 0);
  assert_int_equal(go(&l, 10, 0), 1);
}

static void tokens_are_reserved_and_settled(void **state) {
  lti_limiter l;
  lti_limiter_claim c = one(600);
  (void)state;
  lti_limiter_init(&l, &(lti_limiter_rules){.tokens_per_minute = 600}, 0);
  assert_true(lti_limiter_never(&l, 601));
  assert_false(lti_limiter_never(&l, 600));
  lti_limiter_take(&l, &c, 0);
  assert_in_range(lti_limiter_when(&l, &c, 0), 55 * SECOND, 62 * SECOND);
  lti_limiter_settle(&l, &c, 100, 200, 0);
  assert_in_range(lti_limiter_when(&l, &c, 0), 25 * SECOND, 32 * SECOND);
  lti_limiter_settle(&l, &c, 0, 0, 0); /* once only */
  assert_in_range(lti_limiter_when(&l, &c, 0), 25 * SECOND, 32 * SECOND);
  lti_limiter_end(&l, &c, LIMITER_ANSWERED, 0);
}

static void what_was_not_sent_costs_nothing(void **state) {
  lti_limiter l;
  lti_limiter_claim c = one(600);
  (void)state;
  lti_limiter_init(&l, &(lti_limiter_rules){.requests_per_minute = 1, .tokens_per_minute = 600}, 0);
  lti_limiter_take(&l, &c, 0);
  assert_true(lti_limiter_when(&l, &c, 0) > 0);
  lti_limiter_end(&l, &c, LIMITER_UNSENT, 0);
  assert_int_equal(lti_limiter_when(&l, &c, 0), 0);
  lti_limiter_take(&l, &c, 0);
  lti_limiter_end(&l, &c, LIMITER_REFUSED, 0);
  assert_in_range(lti_limiter_when(&l, &c, 0), 59 * SECOND, 61 * SECOND);
}

static void before_the_first_answer_only_the_probe_is_out(void **state) {
  lti_limiter l = learning(0);
  lti_limiter_claim c = one(10);
  lti_limiter_told told[LTI_LIMITER_METERS];
  (void)state;
  lti_limiter_take(&l, &c, 0);
  assert_int_equal(go(&l, 100, 0), 3);
  memcpy(told, silent, sizeof told);
  told[LIMITER_REQUESTS] = (lti_limiter_told){60, 50, 10000};
  lti_limiter_heard(&l, &c, told, SECOND);
  /* 50 are left, three of them are under way. */
  assert_int_equal(go(&l, 100, SECOND), 47);
  assert_int_equal(go(&l, 100, 2 * SECOND), 1);
  assert_int_equal(go(&l, 100, 7 * SECOND), 5);
}

static void a_silent_server_is_approached_by_steps(void **state) {
  lti_limiter l = learning(0);
  lti_limiter_claim c[64];
  int out = 0;
  (void)state;
  for (int round = 0; round < 4; round++) {
    while (out < 64) {
      c[out] = one(1);
      if (lti_limiter_when(&l, &c[out], 0) > 0) break;
      lti_limiter_take(&l, &c[out++], 0);
    }
    assert_int_equal(out, 4 << round);
    for (int i = 0; i < out; i++) lti_limiter_heard(&l, &c[i], silent, 0);
    for (int i = 0; i < out; i++) lti_limiter_end(&l, &c[i], LIMITER_ANSWERED, 0);
    out = 0;
  }
}

static void an_older_answer_does_not_raise_the_level(void **state) {
  lti_limiter l = learning(0);
  lti_limiter_claim a = one(1), b = one(1);
  lti_limiter_told told[LTI_LIMITER_METERS];
  (void)state;
  memcpy(told, silent, sizeof told);
  lti_limiter_take(&l, &a, 0);
  lti_limiter_take(&l, &b, 0);
  told[LIMITER_REQUESTS] = (lti_limiter_told){100, 2, 58800};
  lti_limiter_heard(&l, &b, told, 0);
  told[LIMITER_REQUESTS] = (lti_limiter_told){100, 90, 6000};
  lti_limiter_heard(&l, &a, told, 0);
  assert_int_equal(go(&l, 100, 0), 1); /* of the two that were left the other may have had one */
}

/* RT-10: what a server leaves out, or says twice. */
static void test_rt_10_half_told_limits_are_used_as_far_as_they_go(void **state) {
  static const struct {
    lti_limiter_told told;
    int now, behind; /* how many go at once, and 30 s later */
  } rows[] = {
      {{-1, 50, 1000}, 100, 100}, /* without the limit it is none */
      {{0, 0, 1000}, 100, 100},   {{60, -1, -1}, 60, 30},
      {{60, 60, 0}, 60, 30},      {{60, 10, -1}, 10, 30},
      {{60, 0, 60000}, 0, 30},    {{60, 0, 10000}, 0, 1}, /* a window that ends in 10 s */
      {{60, 70, 1000}, 60, 30},   {{200, 198, 864000}, 100, 98},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_limiter l = learning(0);
    lti_limiter_claim c = one(10);
    lti_limiter_told told[LTI_LIMITER_METERS];
    memcpy(told, silent, sizeof told);
    lti_limiter_take(&l, &c, 0);
    told[LIMITER_REQUESTS] = rows[i].told;
    lti_limiter_heard(&l, &c, told, 0);
    l.window = UINT32_MAX;
    int now = go(&l, 100, 0), behind = go(&l, 100, 30 * SECOND);
    assert_true(l.answered);
    if (now != rows[i].now || behind != rows[i].behind)
      fail_msg("row %d: %d and %d", (int)i, now, behind);
  }
}

static void test_rt_10_absurd_numbers_are_borne(void **state) {
  static const int64_t values[] = {-1, 0, 1, 999999999999, INT64_MAX / 4};
  (void)state;
  for (int i = 0; i < 125; i++) {
    lti_limiter l = learning(0);
    lti_limiter_claim c = one(INT64_MAX / 8);
    lti_limiter_told told[LTI_LIMITER_METERS];
    memcpy(told, silent, sizeof told);
    lti_limiter_take(&l, &c, 0);
    int64_t reset = values[i / 25];
    told[LIMITER_TOKENS] = (lti_limiter_told){values[i % 5], values[i / 5 % 5],
                                              reset > 31622400000 ? 31622400000 : reset};
    lti_limiter_heard(&l, &c, told, 0);
    lti_limiter_settle(&l, &c, INT64_MAX / 4, INT64_MAX / 4, MINUTE);
    lti_limiter_when(&l, &c, 2 * MINUTE);
    lti_limiter_end(&l, &c, LIMITER_UNSENT, 2 * MINUTE);
    assert_true(lti_limiter_idle(&l, 2 * MINUTE));
  }
}

static void test_rt_04_a_refusal_pauses_everything_and_halves_the_window(void **state) {
  lti_limiter l = learning(0);
  lti_limiter_claim c[100];
  (void)state;
  l.window = 100;
  l.answered = true;
  for (int i = 0; i < 100; i++) {
    c[i] = one(1);
    lti_limiter_take(&l, &c[i], (uint64_t)i);
  }
  for (int i = 0; i < 100; i++) {
    lti_limiter_refused(&l, &c[i], i == 50 ? 2000 : -1, 0.5, 10 * MS);
    lti_limiter_end(&l, &c[i], LIMITER_REFUSED, 10 * MS);
  }
  assert_int_equal(l.refusals, 1); /* one round */
  lti_limiter_claim next = one(1);
  assert_int_equal(lti_limiter_when(&l, &next, 11 * MS), 2010 * MS);
  assert_int_equal(go(&l, 1000, 2010 * MS), 50);
}

static void test_rt_04_without_a_hint_the_pause_grows_with_each_round(void **state) {
  lti_limiter l = learning(0);
  uint64_t now = 0;
  static const uint64_t least[] = {250, 500, 1000, 2000, 4000, 4000};
  (void)state;
  for (int i = 0; i < 6; i++) {
    lti_limiter_claim c = one(1);
    assert_int_equal(lti_limiter_when(&l, &c, now), now);
    lti_limiter_take(&l, &c, now);
    lti_limiter_refused(&l, &c, -1, i % 2, now);
    lti_limiter_end(&l, &c, LIMITER_REFUSED, now);
    uint64_t wait = (lti_limiter_when(&l, &c, now) - now) / MS;
    assert_in_range(wait, least[i], 2 * least[i]);
    now += wait * MS + MS;
  }
  lti_limiter_claim c = one(1);
  lti_limiter_take(&l, &c, now);
  lti_limiter_end(&l, &c, LIMITER_ANSWERED, now);
  assert_int_equal(l.refusals, 0);
}

static void a_pause_has_an_end(void **state) {
  lti_limiter l = learning(0);
  lti_limiter_claim c = one(1);
  (void)state;
  lti_limiter_take(&l, &c, 0);
  lti_limiter_refused(&l, &c, 31622400000, 0, 0);
  lti_limiter_end(&l, &c, LIMITER_REFUSED, 0);
  assert_int_equal(lti_limiter_when(&l, &c, 0), 120 * SECOND);
  assert_false(lti_limiter_idle(&l, 0));
}

static void time_outs_narrow_and_answers_widen(void **state) {
  lti_limiter l = learning(0);
  lti_limiter_claim c[40];
  (void)state;
  l.window = 40;
  l.answered = true;
  for (int i = 0; i < 40; i++) c[i] = one(1), lti_limiter_take(&l, &c[i], 0);
  lti_limiter_timed_out(&l, &c[0], SECOND);
  lti_limiter_end(&l, &c[0], LIMITER_CUT, SECOND);
  lti_limiter_timed_out(&l, &c[1], SECOND);
  assert_int_equal(l.window, 20);
  for (int i = 1; i < 40; i++) lti_limiter_end(&l, &c[i], LIMITER_ANSWERED, SECOND);
  uint32_t before = l.window;
  for (int round = 0; round < 10; round++) {
    int out = 0;
    while (out < 40 && lti_limiter_when(&l, &c[out], SECOND) <= SECOND)
      lti_limiter_take(&l, &c[out++], SECOND);
    assert_int_equal(out, l.window);
    for (int i = 0; i < out; i++) lti_limiter_end(&l, &c[i], LIMITER_ANSWERED, SECOND);
  }
  assert_in_range(l.window, before + 4, before + 10);
}

/* A bucket that holds less than a minute's worth, as its first answer shows. */
static void a_small_bucket_is_known_by_its_resets(void **state) {
  lti_limiter l = learning(0);
  lti_limiter_claim c = one(1);
  lti_limiter_told told[LTI_LIMITER_METERS];
  (void)state;
  memcpy(told, silent, sizeof told);
  lti_limiter_take(&l, &c, 0);
  told[LIMITER_REQUESTS] = (lti_limiter_told){600, 99, 100};
  lti_limiter_heard(&l, &c, told, 0);
  assert_int_equal(go(&l, 1000, 0), 99);
  c = one(1);
  lti_limiter_take(&l, &c, 0);
  told[LIMITER_REQUESTS] = (lti_limiter_told){600, 0, 10000};
  lti_limiter_heard(&l, &c, told, 0);
  for (uint64_t i = 1; i < 5; i++) go(&l, 1000, i * SECOND);
  assert_int_equal(go(&l, 1000, 1000 * SECOND), 100);
}

/* A window, and then no word of the time any more: a minute's worth a minute. */
static void a_window_without_an_end_is_no_prison(void **state) {
  lti_limiter l = learning(0);
  lti_limiter_claim c = one(1);
  lti_limiter_told told[LTI_LIMITER_METERS];
  (void)state;
  memcpy(told, silent, sizeof told);
  lti_limiter_take(&l, &c, 0);
  told[LIMITER_REQUESTS] = (lti_limiter_told){60, 0, 5000};
  lti_limiter_heard(&l, &c, told, 0);
  assert_int_equal(go(&l, 100, 4 * SECOND), 0);
  assert_true(go(&l, 100, 5 * SECOND) > 0);
  go(&l, 100, 6 * SECOND);
  assert_in_range(go(&l, 100, 66 * SECOND), 59, 60);
}

/* ---- strict servers, by seed */

enum kind { SERVER_BUCKET, SERVER_WINDOW, SERVER_LOG, SERVER_KINDS };

typedef struct server {
  enum kind kind;
  int64_t rate;
  lti_bucket bucket;
  uint64_t window_at, used;
  uint64_t log[4096];
  size_t logged;
} server;

static int64_t left(server *s, uint64_t now) {
  switch (s->kind) {
    case SERVER_BUCKET: return lti_bucket_level(&s->bucket, now);
    case SERVER_WINDOW:
      if (now - s->window_at >= MINUTE)
        s->window_at += (now - s->window_at) / MINUTE * MINUTE, s->used = 0;
      return s->rate - (int64_t)s->used;
    case SERVER_LOG: break;
    case SERVER_KINDS: break;
  }
  int64_t n = 0;
  for (size_t i = s->logged; i > 0 && now - s->log[(i - 1) % 4096] < MINUTE; i--) n++;
  return s->rate - n;
}

static int64_t reset_ms(server *s, uint64_t now) {
  int64_t used = s->rate - left(s, now);
  if (s->kind == SERVER_BUCKET) return used * 60000 / s->rate;
  if (s->kind == SERVER_WINDOW) return (int64_t)((MINUTE - (now - s->window_at)) / MS);
  return used ? (int64_t)((s->log[(s->logged - 1) % 4096] + MINUTE - now) / MS) : 0;
}

static bool admit(server *s, uint64_t now) {
  if (left(s, now) < 1) return false;
  if (s->kind == SERVER_BUCKET) lti_bucket_take(&s->bucket, 1, now);
  if (s->kind == SERVER_WINDOW) s->used++;
  if (s->kind == SERVER_LOG) s->log[s->logged++ % 4096] = now;
  return true;
}

typedef struct flying {
  lti_limiter_claim claim;
  lti_limiter_told told;
  uint64_t arrives, heard, ends;
  bool arrived, good;
} flying;

#define FLYING_MAX 2000

typedef struct world {
  lti_prng prng;
  lti_limiter limiter;
  server server;
  flying fly[FLYING_MAX];
  size_t size;
  int refused, served;
} world;

static void advance(world *w, flying *x, uint64_t now) {
  lti_limiter_told told[LTI_LIMITER_METERS];
  if (!x->arrived && now >= x->arrives) {
    x->arrived = true;
    x->good = admit(&w->server, now);
    w->refused += !x->good;
    w->served += x->good;
    x->told = (lti_limiter_told){w->server.rate, left(&w->server, now), reset_ms(&w->server, now)};
  }
  if (!x->claim.heard && now >= x->heard) {
    memcpy(told, silent, sizeof told);
    told[LIMITER_REQUESTS] = x->told;
    lti_limiter_heard(&w->limiter, &x->claim, told, now);
    if (!x->good) lti_limiter_refused(&w->limiter, &x->claim, -1, 0.5, now);
    if (!x->good) x->ends = now;
  }
}

/* One millisecond: what is under way, then whoever may go. */
static void step(world *w, uint64_t now) {
  for (size_t i = 0; i < w->size;) {
    flying *x = &w->fly[i];
    advance(w, x, now);
    if (now < x->ends || !x->claim.heard) {
      i++;
      continue;
    }
    lti_limiter_end(&w->limiter, &x->claim, x->good ? LIMITER_ANSWERED : LIMITER_REFUSED, now);
    *x = w->fly[--w->size];
  }
  while (w->size < FLYING_MAX) {
    flying *x = &w->fly[w->size];
    *x = (flying){.claim = one(100)};
    if (lti_limiter_when(&w->limiter, &x->claim, now) > now) break;
    lti_limiter_take(&w->limiter, &x->claim, now);
    x->arrives = now + MS + lti_prng_below(&w->prng, 3 * MS);
    x->heard = x->arrives + MS + lti_prng_below(&w->prng, 200 * MS);
    x->ends = x->heard + lti_prng_below(&w->prng, 2000 * MS);
    w->size++;
  }
}

static void a_strict_server_refuses_once_at_most(void **state) {
  enum { MINUTES = 6 };
  static world w;
  (void)state;
  for (uint64_t seed = 1; seed <= 12; seed++) {
    w.size = 0;
    w.refused = w.served = 0;
    lti_prng_seed(&w.prng, seed);
    w.limiter = learning(0);
    int64_t rate = 60 + (int64_t)lti_prng_below(&w.prng, 1000);
    w.server = (server){.kind = (enum kind)(seed % SERVER_KINDS), .rate = rate};
    lti_bucket_init(&w.server.bucket, rate, rate, 0);
    for (uint64_t ms = 1; ms <= MINUTES * 60000; ms++) step(&w, ms * MS);
    int allowed = (int)rate * MINUTES;
    if (w.refused > 1 || w.served * 100 < allowed * 95)
      fail_msg("seed %d, kind %d, rate %d: %d refused, %d served of %d", (int)seed,
               (int)(seed % SERVER_KINDS), (int)rate, w.refused, w.served, allowed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_rules_everything_goes),
      cmocka_unit_test(rules_hold_for_any_minute),
      cmocka_unit_test(concurrency_is_a_rule_too),
      cmocka_unit_test(tokens_are_reserved_and_settled),
      cmocka_unit_test(what_was_not_sent_costs_nothing),
      cmocka_unit_test(before_the_first_answer_only_the_probe_is_out),
      cmocka_unit_test(a_silent_server_is_approached_by_steps),
      cmocka_unit_test(an_older_answer_does_not_raise_the_level),
      cmocka_unit_test(test_rt_10_half_told_limits_are_used_as_far_as_they_go),
      cmocka_unit_test(test_rt_10_absurd_numbers_are_borne),
      cmocka_unit_test(test_rt_04_a_refusal_pauses_everything_and_halves_the_window),
      cmocka_unit_test(test_rt_04_without_a_hint_the_pause_grows_with_each_round),
      cmocka_unit_test(a_pause_has_an_end),
      cmocka_unit_test(time_outs_narrow_and_answers_widen),
      cmocka_unit_test(a_small_bucket_is_known_by_its_resets),
      cmocka_unit_test(a_window_without_an_end_is_no_prison),
      cmocka_unit_test(a_strict_server_refuses_once_at_most),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
