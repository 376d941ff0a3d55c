/* Fair turns: order among equals, shares by weight, the floor of the lower priorities, what a turn
 * that did not count changes, and memory. */
#include "plan/fair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/prng.h"
#include "base/slice.h"
#include "support/failing.h"

typedef struct waiter {
  lti_fair_item item;
  int number, turns;
} waiter;

typedef struct fixture {
  lti_alloc alloc;
  lti_fair fair;
} fixture;

static void init(fixture *f) {
  lti_alloc_init(&f->alloc, NULL);
  lti_fair_init(&f->fair, &f->alloc);
}

/* It stays: it comes back behind its turns. */
static void add(fixture *f, waiter *w, int number, int priority, int weight) {
  lti_fair_item_init(&w->item, priority, weight, true);
  w->number = number;
  w->turns = 0;
  assert_int_equal(lti_fair_push(&f->fair, &w->item), LTI_OK);
}

static waiter *serve(fixture *f) {
  lti_fair_item *item = lti_fair_peek(&f->fair);
  if (!item) return NULL;
  lti_fair_serve(&f->fair, item);
  waiter *w = LTI_CONTAINER_OF(item, waiter, item);
  w->turns++;
  return w;
}

static void end(fixture *f) {
  while (serve(f)) continue;
  lti_fair_deinit(&f->fair);
}

/* Whoever is next has a turn and comes back. */
static waiter *turn(fixture *f) {
  waiter *w = serve(f);
  assert_int_equal(lti_fair_push(&f->fair, &w->item), LTI_OK);
  return w;
}

static void equals_are_served_as_they_came(void **state) {
  fixture f;
  static waiter w[1000];
  (void)state;
  init(&f);
  for (int i = 0; i < 1000; i++) add(&f, &w[i], i, 0, 1);
  for (int i = 0; i < 1000; i++) assert_int_equal(serve(&f)->number, i);
  assert_null(serve(&f));
  lti_fair_deinit(&f.fair);
}

static void what_is_out_of_range_is_moved_into_it(void **state) {
  lti_fair_item item;
  (void)state;
  lti_fair_item_init(&item, -100, -3, false);
  assert_int_equal(item.level, 0);
  assert_int_equal(item.weight, 1);
  lti_fair_item_init(&item, 100, 100000, true);
  assert_int_equal(item.level, LTI_FAIR_LEVELS - 1);
  assert_int_equal(item.weight, LTI_FAIR_WEIGHT_MAX);
}

/* Of weight 3 and of weight 1, as many of each, that always wait: of any 1,000 turns, the very
 * first among them, three quarters are those of the heavy ones. */
static void weights_are_shares_of_any_thousand_turns(void **state) {
  enum { TURNS = 20000, WINDOW = 1000, LANES = 2000 };
  fixture f;
  static waiter w[LANES];
  static char heavy[TURNS];
  (void)state;
  init(&f);
  for (int i = 0; i < LANES; i++) add(&f, &w[i], i, 0, i < LANES / 2 ? 1 : 3);
  int inside = 0;
  for (int i = 0; i < TURNS; i++) {
    inside += heavy[i] = turn(&f)->number >= LANES / 2;
    if (i >= WINDOW) inside -= heavy[i - WINDOW];
    if (i >= WINDOW - 1) assert_in_range(inside, 749, 751);
  }
  for (int i = 0; i < LANES; i++)
    assert_in_range(w[i].turns, w[i].item.weight * 5 - 1, w[i].item.weight * 5 + 1);
  end(&f);
}

/* Who has a turn is a member all the same, so that weights hold although each has but one turn at a
 * time. */
static void long_turns_do_not_cost_a_share(void **state) {
  enum { LANES = 400, OUT = 100, TURNS = 40000 };
  fixture f;
  static waiter w[LANES];
  waiter *out[OUT];
  long by_weight[2] = {0, 0};
  lti_prng prng;
  (void)state;
  init(&f);
  lti_prng_seed(&prng, 3);
  for (int i = 0; i < LANES; i++) add(&f, &w[i], i, 0, i % 2 ? 3 : 1);
  for (int i = 0; i < OUT; i++) out[i] = serve(&f);
  for (int i = 0; i < TURNS; i++) {
    size_t at = lti_prng_below(&prng, OUT);
    by_weight[out[at]->number % 2]++;
    lti_fair_push(&f.fair, &out[at]->item);
    out[at] = serve(&f);
  }
  double ratio = (double)by_weight[1] / (double)by_weight[0];
  if (ratio < 2.9 || ratio > 3.1) fail_msg("%f", ratio);
  end(&f);
}

static void who_was_away_for_long_has_no_claim_on_all_turns(void **state) {
  fixture f;
  waiter w[3];
  (void)state;
  init(&f);
  for (int i = 0; i < 3; i++) add(&f, &w[i], i, 0, i + 1);
  waiter *away = serve(&f);
  for (int i = 0; i < 1000; i++) turn(&f);
  lti_fair_push(&f.fair, &away->item);
  away->turns = 0;
  for (int i = 0; i < 600; i++) turn(&f);
  assert_in_range(away->turns, 100 * away->item.weight - 2, 100 * away->item.weight + 2);
  end(&f);
}

/* One of a weight of its own has had its turn; when hundreds of that weight join it they need not
 * wait for as long as it alone would have. */
static void a_class_that_grows_is_due_sooner(void **state) {
  enum { LANES = 2000 };
  fixture f;
  static waiter w[LANES];
  int late = 0;
  (void)state;
  init(&f);
  for (int i = 0; i < LANES / 2; i++) add(&f, &w[i], i, 0, 1);
  for (int i = 0; i < 100; i++) turn(&f);
  add(&f, &w[1000], 1000, 0, 2);
  assert_int_equal(turn(&f)->number, 1000);
  for (int i = 1001; i < LANES; i++) add(&f, &w[i], i, 0, 2);
  for (int i = 0; i < 300; i++) late += turn(&f)->number >= 1000;
  assert_in_range(late, 198, 202);
  end(&f);
}

/* The next of a lane takes the place of the one before, and the books balance. */
static void a_place_is_handed_on(void **state) {
  fixture f;
  waiter w[4];
  (void)state;
  init(&f);
  for (int i = 0; i < 3; i++) add(&f, &w[i], i, 0, 1 + (i == 2));
  waiter *x = serve(&f);
  lti_fair_item_init(&w[3].item, 0, x->item.weight, true);
  lti_fair_hand_on(&x->item, &w[3].item);
  assert_null(x->item.member_of);
  assert_non_null(w[3].item.member_of);
  lti_fair_end(&f.fair, &x->item);
  assert_int_equal(lti_fair_push(&f.fair, &w[3].item), LTI_OK);
  assert_int_equal(f.fair.size, 3);
  lti_fair_item_init(&x->item, 0, 9, true); /* of another class: nothing to hand on */
  lti_fair_hand_on(&w[3].item, &x->item);
  assert_null(x->item.member_of);
  lti_fair_end(&f.fair, &w[3].item);
  lti_fair_end(&f.fair, &w[3].item);
  assert_int_equal(f.fair.size, 2);
  end(&f);
}

static void a_turn_that_did_not_count_is_had_again(void **state) {
  fixture f;
  waiter w[5];
  (void)state;
  init(&f);
  for (int i = 0; i < 5; i++) add(&f, &w[i], i, 0, 1);
  waiter *x = serve(&f);
  assert_int_equal(x->number, 0);
  assert_int_equal(lti_fair_return(&f.fair, &x->item), LTI_OK);
  for (int i = 0; i < 5; i++) assert_int_equal(serve(&f)->number, i);
  lti_fair_deinit(&f.fair);
}

static void the_higher_priority_goes_first(void **state) {
  fixture f;
  waiter w[4];
  (void)state;
  init(&f);
  add(&f, &w[0], 0, -8, 1000);
  add(&f, &w[1], 1, 0, 1);
  add(&f, &w[2], 2, 8, 1);
  add(&f, &w[3], 3, 8, 1);
  assert_int_equal(serve(&f)->number, 2);
  assert_int_equal(serve(&f)->number, 3);
  assert_int_equal(serve(&f)->number, 1);
  assert_int_equal(serve(&f)->number, 0);
  lti_fair_deinit(&f.fair);
}

static void a_lower_priority_has_a_twentieth(void **state) {
  fixture f;
  waiter w[3];
  (void)state;
  init(&f);
  for (int i = 0; i < 3; i++) add(&f, &w[i], i, i, 1);
  for (int i = 0; i < 20000; i++) turn(&f);
  assert_in_range(w[0].turns, 999, 1001);
  assert_in_range(w[1].turns, 999, 1001);
  assert_in_range(w[2].turns, 17998, 18002);
  end(&f);
}

static void all_priorities_at_once_have_their_floor(void **state) {
  fixture f;
  waiter w[LTI_FAIR_LEVELS];
  (void)state;
  init(&f);
  for (int i = 0; i < LTI_FAIR_LEVELS; i++) add(&f, &w[i], i, i - LTI_FAIR_PRIORITY_MAX, 1);
  for (int i = 0; i < 20000; i++) turn(&f);
  for (int i = 0; i < LTI_FAIR_LEVELS; i++) assert_true(w[i].turns >= 990);
  end(&f);
}

/* Near its end the clock begins anew, and nobody's order or share changes. */
static void the_clock_is_wound_back_unseen(void **state) {
  fixture f;
  waiter w[4];
  (void)state;
  init(&f);
  lti_fair_level *l = &f.fair.levels[LTI_FAIR_PRIORITY_MAX];
  uint64_t start = ((uint64_t)1 << 62) - ((uint64_t)1 << 42);
  l->clock = start;
  for (int i = 0; i < 4; i++) add(&f, &w[i], i, 0, i ? 1 : 3);
  for (int i = 0; i < 6000; i++) turn(&f);
  assert_true(l->clock < start);
  assert_in_range(w[0].turns, 2998, 3002);
  for (int i = 1; i < 4; i++) assert_in_range(w[i].turns, 998, 1002);
  end(&f);
}

static void without_memory_nobody_waits(void **state) {
  (void)state;
  for (uint64_t n = 1; n <= 2; n++) {
    failing memory;
    fixture f;
    waiter w;
    failing_init(&memory, n);
    leat_allocator fns = failing_allocator(&memory);
    lti_alloc_init(&f.alloc, &fns);
    lti_fair_init(&f.fair, &f.alloc);
    lti_fair_item_init(&w.item, 0, 1, false);
    assert_int_equal(lti_fair_push(&f.fair, &w.item), LEAT_ENOMEM);
    assert_null(lti_fair_peek(&f.fair));
    lti_fair_end(&f.fair, &w.item);
    assert_int_equal(lti_fair_push(&f.fair, &w.item), LTI_OK);
    lti_fair_end(&f.fair, &w.item);
    lti_fair_deinit(&f.fair);
    assert_true(failing_clean(&memory));
    failing_deinit(&memory);
  }
}

/* By seed: of those that wait all the time each has the share of its weight, to two turns. */
static void random_weights_have_their_shares(void **state) {
  enum { COUNT = 30, TURNS = 6000 };
  (void)state;
  for (uint64_t seed = 1; seed <= 50; seed++) {
    fixture f;
    waiter w[COUNT];
    lti_prng prng;
    double sum = 0;
    init(&f);
    lti_prng_seed(&prng, seed);
    for (int i = 0; i < COUNT; i++) {
      int weight = 1 + (int)lti_prng_below(&prng, 9);
      add(&f, &w[i], i, 0, weight);
      sum += weight;
    }
    for (int i = 0; i < TURNS; i++) turn(&f);
    for (int i = 0; i < COUNT; i++) {
      double due = TURNS * w[i].item.weight / sum;
      if (w[i].turns < due - 2 || w[i].turns > due + 2)
        fail_msg("seed %d: %d turns, %f due", (int)seed, w[i].turns, due);
    }
    end(&f);
  }
}

/* By seed: whoever comes, goes and returns, the size is what waits, and equals that come once are
 * served in order. */
static void random_use_keeps_the_books(void **state) {
  enum { COUNT = 3000 };
  static waiter w[COUNT];
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    fixture f;
    lti_prng prng;
    size_t inside = 0;
    int last[3] = {-1, -1, -1};
    init(&f);
    lti_prng_seed(&prng, seed);
    for (int i = 0; i < COUNT; i++) {
      lti_fair_item_init(&w[i].item, 0, 1 + i % 3, false);
      w[i].number = i;
      assert_int_equal(lti_fair_push(&f.fair, &w[i].item), LTI_OK);
      inside++;
      if (lti_prng_below(&prng, 4) == 0) {
        waiter *gone = &w[lti_prng_below(&prng, (uint64_t)i + 1)];
        inside -= gone->item.waits;
        lti_fair_end(&f.fair, &gone->item);
      }
      if (lti_prng_below(&prng, 3) == 0 && f.fair.size) {
        waiter *x = serve(&f);
        inside--;
        assert_true(x->number > last[x->number % 3]);
        last[x->number % 3] = x->number;
      }
      assert_int_equal(f.fair.size, inside);
    }
    end(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equals_are_served_as_they_came),
      cmocka_unit_test(what_is_out_of_range_is_moved_into_it),
      cmocka_unit_test(weights_are_shares_of_any_thousand_turns),
      cmocka_unit_test(long_turns_do_not_cost_a_share),
      cmocka_unit_test(who_was_away_for_long_has_no_claim_on_all_turns),
      cmocka_unit_test(a_class_that_grows_is_due_sooner),
      cmocka_unit_test(a_place_is_handed_on),
      cmocka_unit_test(a_turn_that_did_not_count_is_had_again),
      cmocka_unit_test(the_higher_priority_goes_first),
      cmocka_unit_test(a_lower_priority_has_a_twentieth),
      cmocka_unit_test(all_priorities_at_once_have_their_floor),
      cmocka_unit_test(the_clock_is_wound_back_unseen),
      cmocka_unit_test(without_memory_nobody_waits),
      cmocka_unit_test(random_weights_have_their_shares),
      cmocka_unit_test(random_use_keeps_the_books),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
