/* Seeded chance: lengths that are distributed as asked, and orders in which nothing is twice. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asked.h"
#include "bench/load/work/draw.h"

static void lengths_have_the_mean_and_deviation_that_were_asked_for(void **state) {
  static const draw_length cases[] = {{100, 0}, {100, 10}, {4000, 800}, {550, 150}};
  const int n = 20000;
  (void)state;
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    lti_prng chance;
    double sum = 0, squares = 0;
    lti_prng_seed(&chance, 7 + c);
    for (int i = 0; i < n; i++) {
      double x = (double)draw_length_one(&cases[c], &chance);
      sum += x;
      squares += x * x;
    }
    double mean = sum / n, sd = sqrt(fmax(0, squares / n - mean * mean));
    /* Five standard errors of each. */
    assert_true(fabs(mean - cases[c].mean) <= 5 * cases[c].sd / sqrt(n) + 1e-9);
    assert_true(fabs(sd - cases[c].sd) <= 5 * cases[c].sd / sqrt(2.0 * n) + 0.05);
  }
}

static void no_length_is_below_one_or_above_the_most(void **state) {
  static const draw_length low = {2, 50}, high = {DRAW_TOKENS_MAX, DRAW_TOKENS_MAX};
  lti_prng chance;
  int64_t least = INT64_MAX, most = 0;
  (void)state;
  lti_prng_seed(&chance, 1);
  for (int i = 0; i < 10000; i++) {
    int64_t a = draw_length_one(&low, &chance), b = draw_length_one(&high, &chance);
    least = a < least ? a : least;
    most = b > most ? b : most;
  }
  assert_int_equal(least, 1);
  assert_int_equal(most, DRAW_TOKENS_MAX);
}

static void lengths_are_read_or_refused_by_name(void **state) {
  static const char *const wrong[] = {"",      "x",    "0",      "-5",    "10,", ",3",
                                      "10,-1", "10,x", "1,2,3x", "1e12",  "nan", "10 ,3",
                                      "10;3",  "0.5",  "inf",    "10,inf"};
  draw_length l;
  (void)state;
  assert_true(draw_length_read(&l, "input-tokens", NULL));
  assert_true(l.mean == 0 && l.sd == 0);
  assert_true(draw_length_read(&l, "input-tokens", "512"));
  assert_true(l.mean == 512 && l.sd == 0);
  assert_true(draw_length_read(&l, "input-tokens", "512,64.5"));
  assert_true(l.mean == 512 && l.sd == 64.5);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    char said[512];
    asked_ear ear;
    asked_listen(&ear);
    bool taken = draw_length_read(&l, "input-tokens", wrong[i]);
    asked_said(&ear, said, sizeof said);
    assert_false(taken);
    assert_non_null(strstr(said, "--input-tokens"));
    assert_non_null(strstr(said, "write it as M or M,SD"));
  }
}

/* Marks each number of a space once. */
static void check_all_different(uint64_t (*place)(uint64_t, uint64_t, uint64_t), uint64_t space,
                                uint64_t from) {
  unsigned char *seen = calloc((size_t)space, 1);
  assert_non_null(seen);
  for (uint64_t i = 0; i < space; i++) {
    uint64_t at = place(42, from + i, space);
    assert_true(at < space);
    assert_int_equal(seen[at]++, 0);
  }
  free(seen);
}

static void numbers_of_a_space_are_all_different(void **state) {
  static const uint64_t spaces[] = {1, 2, 3, 5, 16, 17, 256, 1000, 65536, 99999};
  (void)state;
  for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
    check_all_different(draw_distinct, spaces[i], 0);
    check_all_different(draw_shuffled, spaces[i], 0);
    check_all_different(draw_shuffled, spaces[i], 3 * spaces[i]); /* the fourth time round */
  }
}

static void a_list_is_shuffled_anew_each_time_round_and_by_the_seed(void **state) {
  int same_again = 0, same_seed = 0, in_place = 0;
  (void)state;
  for (uint64_t i = 0; i < 1000; i++) {
    uint64_t at = draw_shuffled(1, i, 1000);
    same_again += at == draw_shuffled(1, 1000 + i, 1000);
    same_seed += at == draw_shuffled(2, i, 1000);
    in_place += at == i;
    assert_int_equal(at, draw_shuffled(1, i, 1000));
  }
  assert_true(same_again < 20 && same_seed < 20 && in_place < 20);
}

static void large_spaces_have_places_as_well(void **state) {
  uint64_t space = UINT64_C(1) << 56;
  (void)state;
  for (uint64_t i = 0; i < 1000; i++) {
    assert_true(draw_distinct(3, i, space) < space);
    assert_true(draw_distinct(3, i, space) != draw_distinct(3, i + 1, space));
    assert_true(draw_distinct(3, i, space - 12345) < space - 12345);
  }
}

static void mixing_is_the_same_for_ever(void **state) {
  (void)state;
  /* Runs are repeated by their seeds: these numbers must not change. */
  assert_true(draw_mix(1, 2) != draw_mix(2, 1));
  assert_int_equal(draw_mix(1, 2), draw_mix(1, 2));
  assert_true(draw_hash(1, lti_slice("ab", 2)) != draw_hash(1, lti_slice("ba", 2)));
  assert_true(draw_hash(1, lti_slice("ab", 2)) != draw_hash(2, lti_slice("ab", 2)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lengths_have_the_mean_and_deviation_that_were_asked_for),
      cmocka_unit_test(no_length_is_below_one_or_above_the_most),
      cmocka_unit_test(lengths_are_read_or_refused_by_name),
      cmocka_unit_test(numbers_of_a_space_are_all_different),
      cmocka_unit_test(a_list_is_shuffled_anew_each_time_round_and_by_the_seed),
      cmocka_unit_test(large_spaces_have_places_as_well),
      cmocka_unit_test(mixing_is_the_same_for_ever),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
