/* The memo of OpenAI's decoder: when it serves, and that with it or without it a stream says the
 * same (protocols/memo_pair.h compares after each record). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/prng.h"
#include "protocols/memo_pair.h"
#include "support/corpora.h"
#include "support/failing.h"
#include "wire/sse.h"

#define ABOUT       "\"created\":7,\"model\":\"m\","
#define HEAD        "{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\"," ABOUT
#define TOKEN(text) HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}"
#define ROUNDS      30000

static leat_slice of(const char *text) {
  return lti_slice_of(text);
}

static int give(memo_pair *p, const char *record) {
  return memo_pair_record(p, of("message"), of(record));
}

/* A pair whose memo is that of TOKEN. */
static void begin(memo_pair *p) {
  memo_pair_init(p);
  give(p, TOKEN("a"));
  give(p, TOKEN("b"));
  assert_int_equal(p->served, 0);
  give(p, TOKEN("c"));
  assert_int_equal(p->served, 1);
}

static void test_the_third_of_three_like_records_is_read_by_it(void **state) {
  memo_pair p;
  (void)state;
  begin(&p);
  assert_int_equal(p.served, 1);
  memo_pair_deinit(&p);
}

/* Does the memo of TOKEN serve for `record`? Whether or not, the pair compares. */
static bool serves(const char *record) {
  memo_pair p;
  begin(&p);
  give(&p, record);
  bool served = p.served == 2;
  give(&p, TOKEN("d"));
  give(&p, TOKEN("e"));
  memo_pair_deinit(&p);
  return served;
}

static void test_any_text_of_one_string_is_served(void **state) {
  (void)state;
  assert_true(serves(TOKEN("x")));
  assert_true(serves(TOKEN("}]}{[,:")));
  assert_true(serves(TOKEN("\\n\\\"\\\\\\u00e9 a")));
  assert_true(serves(TOKEN("\\ud83d\\ude00")));
  assert_true(serves(TOKEN("\\ud83d")));
  assert_true(serves(TOKEN("\xe2\x82\xac")));
  assert_true(serves(TOKEN("\xe2\x82 \xff")));
  assert_true(serves(TOKEN("0123456789012345678901234567890123456789012345678901234567890123456")));
}

static void test_js_07_halves_of_a_surrogate_meet_across_records(void **state) {
  memo_pair p;
  (void)state;
  begin(&p);
  give(&p, TOKEN("\\ud83d"));
  give(&p, TOKEN("\\ude00!"));
  give(&p, TOKEN("\\ud83d"));
  give(&p, TOKEN("x\\ud83d"));
  assert_int_equal(p.served, 5);
  memo_pair_deinit(&p);
}

static void test_near_misses_are_read_member_by_member(void **state) {
  static const char *const records[] = {
      TOKEN(""),
      TOKEN("a\",\"content\":\"b"),
      TOKEN("a\",\"role\":\"user"),
      TOKEN("a\"}},{\"index\":1,\"delta\":{\"content\":\"b"),
      TOKEN("a\"}}],\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b"),
      TOKEN("a\"},\"finish_reason\":\"stop\",\"x\":{\"y\":\"b"),
      TOKEN("a\""),
      TOKEN("\""),
      TOKEN("\\"),
      TOKEN("a\\"),
      TOKEN("\\\\\\"),
      TOKEN("\\x"),
      TOKEN("\\u12"),
      TOKEN("\\ud83"),
      TOKEN("a\tb"),
      TOKEN("a\x01"),
      TOKEN("a") " ",
      TOKEN("a") "}",
      " " TOKEN("a\x02"),
      HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a",
      HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]",
      HEAD "\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\"}}]}",
      HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":null}}]}",
      HEAD "\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"a\"}}]}",
      HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
      HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":{}}]}",
      HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{\"x\":1}}",
      HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"error\":\"no\"}",
      "{\"id\":\"c-2\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
      "{\"id\":\"c-1\",\"created\":8,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
      "[DONE]",
      "",
      " ",
      "{}",
      "5",
      "x",
  };
  (void)state;
  for (size_t i = 0; i < sizeof records / sizeof *records; i++) assert_false(serves(records[i]));
}

static void test_an_event_named_error_is_never_served(void **state) {
  memo_pair p;
  (void)state;
  begin(&p);
  memo_pair_record(&p, of("error"), of(TOKEN("x")));
  assert_int_equal(p.served, 1);
  memo_pair_deinit(&p);
}

/* Records that are read twice and say the same, but not because they are alike. */
static void test_records_that_must_not_become_a_memo(void **state) {
  static const char *const records[] = {
      "{\"id\":\"a\",\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"id\":\"b\"}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\"}},{\"delta\":{\"content\":\"y\"}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"choices\":[{\"delta\":{}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\",\"refusal\":\"n\"}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\",\"reasoning\":\"n\"}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\",\"audio\":{\"data\":\"AA==\"}}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\",\"tool_calls\":[{\"index\":0,\"id\":\"i\"}]}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\",\"function_call\":{\"name\":\"f\"}}}]}",
      "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\"},\"usage\":{\"prompt_tokens\":1}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"x_groq\":{\"usage\":{\"total_tokens\":1}}}",
      "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"\"}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\"},\"logprobs\":[1]}]}",
  };
  (void)state;
  for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
    memo_pair p;
    memo_pair_init(&p);
    for (size_t n = 0; n < 5; n++) give(&p, records[i]);
    assert_int_equal(p.served, 0);
    memo_pair_deinit(&p);
  }
}

static void test_other_shapes_that_become_one(void **state) {
  static const char *const records[] = {
      "{\"choices\":[{\"text\":\"x\"}]}",
      "{\"choices\":[{\"delta\":{\"reasoning_content\":\"x\",\"content\":null}}]}",
      "{\"choices\":[{\"delta\":{\"reasoning\":\"x\",\"content\":\"\"}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":null,\"index\":4}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\",\"role\":\"assistant\"}}],\"usage\":null}",
      " {\"choices\":[null,{\"delta\":{\"c\\u006fntent\":\"w\",\"content\":\"x\"}}],\"id\":"
      "\"\\u0061\"}",
  };
  (void)state;
  for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
    memo_pair p;
    memo_pair_init(&p);
    for (size_t n = 0; n < 5; n++) give(&p, records[i]);
    assert_true(p.served >= 3);
    memo_pair_deinit(&p);
  }
}

static void test_what_comes_between_takes_it_out_of_use_once(void **state) {
  memo_pair p;
  (void)state;
  begin(&p);
  give(&p, "{\"id\":\"other\",\"model\":\"n\",\"choices\":[]}");
  give(&p, TOKEN("d")); /* puts the id back, so that it is no memo yet */
  give(&p, TOKEN("e"));
  assert_int_equal(p.served, 1);
  give(&p, TOKEN("f"));
  assert_int_equal(p.served, 2);
  memo_pair_deinit(&p);
}

static void test_a_record_above_its_limit_is_not_kept(void **state) {
  memo_pair p;
  char *record = malloc(2048);
  (void)state;
  assert_non_null(record);
  snprintf(record, 2048, "{\"x\":\"%0*d\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", 500, 0);
  memo_pair_init(&p);
  for (size_t n = 0; n < 5; n++) give(&p, record);
  assert_int_equal(p.served, 0);
  free(record);
  memo_pair_deinit(&p);
}

/* Records of all sizes before their text, so that every place in a fingerprint's words is met. */
static size_t padded(char *record, size_t room, size_t padding) {
  return (size_t)snprintf(record, room,
                          "{\"p\":\"%.*s\",\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}",
                          (int)padding, "abcdefghijklmnopqrstuvwxyz0123456789", "tok");
}

/* A pair whose memo is that of `record`, and has served once. */
static void begin_with(memo_pair *p, leat_slice record) {
  memo_pair_init(p);
  memo_pair_record(p, of("message"), record);
  memo_pair_record(p, of("message"), record);
  assert_int_equal(p->served, 1);
}

static void test_every_bit_around_the_text_counts(void **state) {
  char record[256];
  (void)state;
  for (size_t padding = 0; padding <= 34; padding += 5) {
    size_t size = padded(record, sizeof record, padding);
    for (size_t bit = 0; bit < size * 8; bit++) {
      if (memcmp(record + bit / 8, "tok", 3) == 0) bit += 24;
      memo_pair p;
      begin_with(&p, lti_slice(record, size));
      record[bit / 8] = (char)(record[bit / 8] ^ 1 << bit % 8);
      memo_pair_record(&p, of("message"), lti_slice(record, size));
      record[bit / 8] = (char)(record[bit / 8] ^ 1 << bit % 8);
      assert_int_equal(p.served, 1);
      memo_pair_deinit(&p);
    }
  }
}

static void test_bytes_that_change_places_are_not_taken_for_alike(void **state) {
  char record[256];
  (void)state;
  size_t size = padded(record, sizeof record, 34);
  for (size_t i = 6; i < 40; i++) {
    for (size_t j = 6; j < i; j++) {
      memo_pair p;
      begin_with(&p, lti_slice(record, size));
      char kept = record[i];
      record[i] = record[j];
      record[j] = kept;
      memo_pair_record(&p, of("message"), lti_slice(record, size));
      assert_int_equal(p.served, 1);
      memo_pair_deinit(&p);
    }
  }
}

/* What cannot help is given up. */
static void test_records_that_are_never_alike_lose_it(void **state) {
  memo_pair p;
  char record[128];
  (void)state;
  memo_pair_init(&p);
  for (int n = 0; n < 40; n++) {
    snprintf(record, sizeof record, "{\"n\":%d,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", n);
    give(&p, record);
  }
  assert_true(p.with.varied);
  for (int n = 0; n < 3; n++) give(&p, TOKEN("a"));
  assert_int_equal(p.served, 0);
  memo_pair_deinit(&p);
}

static void test_a_sink_that_fails_is_heard(void **state) {
  memo_pair p;
  (void)state;
  begin(&p);
  p.said.fail_with = p.wanted.fail_with = LEAT_EHELDMAX;
  assert_int_equal(give(&p, TOKEN("x")), LEAT_EHELDMAX);
  assert_int_equal(p.served, 2);
  memo_pair_deinit(&p);
}

/* ---- whole streams --------------------------------------------------------------------------- */

static int on_event(void *ctx, const lti_sse_event *event) {
  memo_pair_record(ctx, event->type, event->data);
  return LTI_OK;
}

typedef struct totals {
  size_t streams, records, served;
} totals;

static void replay(const char *name, leat_slice body, void *ctx) {
  static const lti_sse_sink sink = {on_event, NULL};
  totals *t = ctx;
  memo_pair p;
  lti_sse x;
  size_t taken;
  (void)name;
  memo_pair_init(&p);
  lti_sse_init(&x, &p.alloc, (size_t)64 << 20, &sink, &p);
  lti_sse_feed(&x, body, &taken);
  lti_sse_deinit(&x);
  memo_pair_deinit(&p);
  t->streams++;
  t->records += p.records;
  t->served += p.served;
}

static void test_every_stream_of_the_corpus_says_the_same(void **state) {
  totals t = {0};
  (void)state;
  corpora_require("streams");
  corpora_each("streams", ".body", replay, &t);
  printf("%zu streams, %zu of %zu records by the memo\n", t.streams, t.served, t.records);
  assert_true(t.streams >= 30 && t.served > 0);
}

/* ---- broken records -------------------------------------------------------------------------- */

static size_t edit(lti_prng *r, char *record, size_t size, size_t room) {
  static const char bytes[] = "\"\\{}[]:,0au \n\x01\xff\xe2";
  for (uint64_t n = lti_prng_below(r, 3) + 1; n > 0 && size > 0; n--) {
    size_t at = (size_t)lti_prng_below(r, size);
    char c = bytes[lti_prng_below(r, sizeof bytes - 1)];
    switch (lti_prng_below(r, 4)) {
      case 0: record[at] = c; break;
      case 1: memmove(record + at, record + at + 1, --size - at); break;
      case 2:
        if (size == room) break;
        memmove(record + at + 1, record + at, size++ - at);
        record[at] = c;
        break;
      default: size = at; break;
    }
  }
  return size;
}

static void test_records_edited_at_random_say_the_same(void **state) {
  static const char *const seeds[] = {
      TOKEN("word"), TOKEN("\\ud83d\\ude00 \\n"),
      HEAD "\"choices\":[{\"delta\":{\"reasoning\":\"why\",\"content\":null},\"index\":2}]}",
      "{\"choices\":[{\"text\":\"x\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}],\"id\":"
      "\"a\"}"};
  lti_prng r;
  size_t served = 0;
  (void)state;
  lti_prng_seed(&r, 42);
  for (int i = 0; i < ROUNDS; i++) {
    memo_pair p;
    char record[512];
    leat_slice seed = of(seeds[lti_prng_below(&r, 4)]);
    memo_pair_init(&p);
    for (int n = 0; n < 3; n++) memo_pair_record(&p, of("message"), seed);
    memcpy(record, seed.data, seed.size);
    size_t size = edit(&r, record, seed.size, sizeof record);
    for (int n = 0; n < 3; n++) memo_pair_record(&p, of("message"), lti_slice(record, size));
    memo_pair_record(&p, of("message"), seed);
    served += p.served;
    memo_pair_deinit(&p);
  }
  printf("%zu of %d records by the memo\n", served, ROUNDS * 7);
  assert_true(served > ROUNDS);
}

static int ignore(lti_emit *emit, leat_event *event) {
  (void)emit;
  (void)event;
  return LTI_OK;
}

static void read_tokens(const leat_allocator *fns, void *ctx) {
  lti_emit emit = {ignore};
  lti_alloc alloc;
  lti_openai d;
  int rc = LTI_OK;
  (void)ctx;
  lti_alloc_init(&alloc, fns);
  lti_buf scratch;
  lti_protocol_scratch(&scratch, &alloc);
  lti_openai_init(&d, &alloc, &scratch);
  for (int n = 0; n < 40 && rc == LTI_OK; n++)
    rc = lti_openai_record(&d, of("message"), of(n % 2 ? TOKEN("a") : TOKEN("\\n")), &emit);
  assert_true(rc == LTI_OK || rc == LEAT_ENOMEM);
  lti_openai_deinit(&d);
  lti_buf_deinit(&scratch);
}

static void test_memory_that_ends_costs_the_memo_and_not_the_stream(void **state) {
  (void)state;
  assert_true(failing_at_every_n(read_tokens, NULL) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_third_of_three_like_records_is_read_by_it),
      cmocka_unit_test(test_every_bit_around_the_text_counts),
      cmocka_unit_test(test_bytes_that_change_places_are_not_taken_for_alike),
      cmocka_unit_test(test_any_text_of_one_string_is_served),
      cmocka_unit_test(test_js_07_halves_of_a_surrogate_meet_across_records),
      cmocka_unit_test(test_near_misses_are_read_member_by_member),
      cmocka_unit_test(test_an_event_named_error_is_never_served),
      cmocka_unit_test(test_records_that_must_not_become_a_memo),
      cmocka_unit_test(test_other_shapes_that_become_one),
      cmocka_unit_test(test_what_comes_between_takes_it_out_of_use_once),
      cmocka_unit_test(test_a_record_above_its_limit_is_not_kept),
      cmocka_unit_test(test_records_that_are_never_alike_lose_it),
      cmocka_unit_test(test_a_sink_that_fails_is_heard),
      cmocka_unit_test(test_every_stream_of_the_corpus_says_the_same),
      cmocka_unit_test(test_records_edited_at_random_say_the_same),
      cmocka_unit_test(test_memory_that_ends_costs_the_memo_and_not_the_stream),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
