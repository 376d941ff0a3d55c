/* Server hints: every row of the shared corpus, each header's own form, and texts cut or bent at
 * every place, which must never be read beyond their end. Rows RT-01 and RT-10. */
#include "plan/hint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/corpora.h"
#include "wire/json.h"

#define NOW_MS 1696004797000ll /* Fri, 29 Sep 2023 16:26:37 GMT */

/* Milliseconds, or -1 for "no usable hint". The value stands in a block of its own size, so that
 * the sanitizer sees any read beyond it. */
static int64_t hint(const char *name, const char *value) {
  size_t size = strlen(value);
  char *copy = test_malloc(size ? size : 1);
  memcpy(copy, value, size);
  int64_t ms = -7;
  bool usable = lti_hint_ms(lti_slice_of(name), lti_slice(copy, size), NOW_MS, &ms);
  test_free(copy);
  if (!usable) return -1;
  assert_in_range(ms, 0, LTI_HINT_MAX_MS);
  return ms;
}

/* ---- the corpus ------------------------------------------------------------------------------ */

/* A string member of the row, decoded into `out`, NUL-terminated. */
static void text_member(leat_slice row, const char *pointer, char *out, size_t size) {
  leat_slice value, text;
  lti_json r;
  lti_json_text raw;
  lti_alloc alloc;
  lti_buf scratch;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&scratch, &alloc, 4096, LEAT_EBODYMAX);
  assert_true(lti_json_find(row, pointer, &value));
  lti_json_init(&r, value);
  assert_true(lti_json_string(&r, &raw));
  assert_int_equal(lti_json_decode(raw, NULL, &scratch, &text), 0);
  assert_true(text.size < size);
  memcpy(out, text.data, text.size);
  out[text.size] = '\0';
  lti_buf_deinit(&scratch);
}

static double number_member(leat_slice row, const char *pointer) {
  leat_slice value;
  char text[64];
  assert_true(lti_json_find(row, pointer, &value) && value.size < sizeof text);
  memcpy(text, value.data, value.size);
  text[value.size] = '\0';
  return strtod(text, NULL);
}

static void check_row(leat_slice row) {
  char id[32], name[64], text[256];
  leat_slice expected;
  text_member(row, "/id", id, sizeof id);
  text_member(row, "/header", name, sizeof name);
  text_member(row, "/value", text, sizeof text);
  int64_t now_ms = (int64_t)number_member(row, "/now") * 1000;
  int64_t ms = -1;
  bool usable = lti_hint_ms(lti_slice_of(name), lti_slice_of(text), now_ms, &ms);
  assert_true(lti_json_find(row, "/expected_seconds", &expected));
  if (lti_slice_is(expected, "null")) {
    if (usable) fail_msg("%s: \"%s: %s\" must be ignored", id, name, text);
    return;
  }
  double seconds = number_member(row, "/expected_seconds");
  if (!usable || (double)ms != seconds * 1000)
    fail_msg("%s: \"%s: %s\" is %lld ms", id, name, text, usable ? (long long)ms : -1ll);
}

static void test_rt_01_every_row_of_the_corpus(void **state) {
  (void)state;
  corpora_require("retry-after.jsonl");
  leat_slice all = corpora_load("retry-after.jsonl"), rest = all, line;
  size_t rows = 0;
  for (; corpora_next_line(&rest, &line); rows++) check_row(line);
  corpora_free(all);
  printf("%zu rows of retry-after.jsonl\n", rows);
  assert_true(rows >= 30);
}

/* ---- our own rows ---------------------------------------------------------------------------- */

typedef struct row {
  const char *name, *value;
  int64_t ms;
} row;

static void assert_rows(const row *rows, size_t count) {
  for (size_t i = 0; i < count; i++) {
    int64_t ms = hint(rows[i].name, rows[i].value);
    if (ms != rows[i].ms)
      fail_msg("\"%s: %s\" is %lld ms instead of %lld", rows[i].name, rows[i].value, (long long)ms,
               (long long)rows[i].ms);
  }
}

#define ASSERT_ROWS(list) assert_rows(list, sizeof list / sizeof *list)

static void test_rt_01_seconds_and_milliseconds(void **state) {
  static const row rows[] = {
      {"Retry-After", "1", 1000},
      {"RETRY-AFTER", " 2 ", 2000},
      {"retry-after", "0.0019", 1},
      {"retry-after", "1.", -1},
      {"retry-after", ".5", -1},
      {"retry-after", "", -1},
      {"retry-after", "inf", -1},
      {"retry-after", "1e3", -1},
      {"retry-after", "-0", -1},
      {"retry-after", "31622400", 31622400000},
      {"retry-after", "31622401", -1},
      {"retry-after", "999999999999", -1},
      {"retry-after", "9223372036854775807", -1},
      {"Retry-After-Ms", "250", 250},
      {"retry-after-ms", "250.9", 250},
      {"retry-after-ms", "99999999999", -1},
      {"retry-after-ms", "Fri, 29 Sep 2023 16:27:37 GMT", -1},
      {"openai-poll-after-ms", "1200", 1200},
      {"x-retry-after", "5", -1},
  };
  (void)state;
  ASSERT_ROWS(rows);
}

static void test_rt_01_the_three_forms_of_a_date(void **state) {
  static const row rows[] = {
      {"retry-after", "Fri, 29 Sep 2023 16:26:38 GMT", 1000},
      {"retry-after", "Friday, 29-Sep-23 16:26:38 GMT", 1000},
      {"retry-after", "Fri Sep 29 16:26:38 2023", 1000},
      {"retry-after", "Sun Oct  1 00:00:00 2023", 113603000},
      {"retry-after", "Sun Oct 01 00:00:00 2023", 113603000},
      {"retry-after", "Thu, 29 Feb 2024 00:00:00 GMT", 13160003000},
      {"retry-after", "Wed, 29 Feb 2023 00:00:00 GMT", -1},
      {"retry-after", "Fri, 29 Sep 2023 24:00:00 GMT", -1},
      {"retry-after", "Fri, 29 Sep 2023 16:60:00 GMT", -1},
      {"retry-after", "Fri, 00 Sep 2023 16:26:38 GMT", -1},
      {"retry-after", "Fri, 29 Sep 2023 16:26:38 UTC", -1},
      {"retry-after", "Fri, 29 Sep 2023 16:26:38", -1},
      {"retry-after", "Fri, 29 Sep 2023 16:26:38 GMT+1", -1},
      {"retry-after", "fri, 29 sep 2023 16:26:38 gmt", -1},
      {"retry-after", "Thu, 01 Jan 1970 00:00:00 GMT", 0},
      {"retry-after", "Wed, 31 Dec 1969 23:59:59 GMT", -1},
      {"retry-after", "Sunday, 06-Nov-94 08:49:37 GMT", 0},
      {"retry-after", "Fri, 29 Sep 2034 16:26:38 GMT", -1}, /* eleven years are no wait */
  };
  (void)state;
  ASSERT_ROWS(rows);
}

static void test_rt_10_ratelimit_resets(void **state) {
  static const row rows[] = {
      {"x-ratelimit-reset-requests", "6m0s", 360000},
      {"x-ratelimit-reset-tokens", "1m30.951s", 90951},
      {"X-RateLimit-Reset-Requests", "8.64s", 8640},
      {"x-ratelimit-reset", "60", 60000}, /* Azure: seconds */
      {"x-ratelimit-reset", "0", 0},
      {"x-ratelimit-reset", "-1", -1},
      {"x-ratelimit-reset", "", -1},
      {"x-ratelimit-reset", "1h", 3600000},
      {"x-ratelimit-reset", "1d", -1},
      {"x-ratelimit-reset", "1h30", -1},
      {"x-ratelimit-reset", "1696004857", -1}, /* a time of day, which is no wait */
      {"x-ratelimit-reset", "9000h9000h", -1},
      {"x-ratelimit-reset", "99999999999h", -1},
      {"x-ratelimit-remaining", "5", -1},
      {"anthropic-ratelimit-requests-reset", "2023-09-29T16:26:37.500Z", 500},
      {"anthropic-ratelimit-tokens-reset", "2023-09-29t16:26:38z", 1000},
      {"anthropic-ratelimit-tokens-reset", "2023-09-29 11:26:38-05:00", 1000},
      {"anthropic-ratelimit-tokens-reset", "2023-09-29T16:26:38", -1},
      {"anthropic-ratelimit-tokens-reset", "2023-09-29T16:26:38.Z", -1},
      {"anthropic-ratelimit-tokens-reset", "2023-09-29T16:26:38+25:00", -1},
      {"anthropic-ratelimit-tokens-remaining", "5", -1},
      {"retryDelay", "46s", 46000},
      {"retryDelay", "0.5s", 500},
      {"retryDelay", "10h17m5.7s", 37025700},
      {"retryDelay", "soon", -1},
  };
  (void)state;
  ASSERT_ROWS(rows);
}

/* Whatever stands there, the reader stays inside it and what it says is a sane wait. */
static void test_rt_01_cut_and_bent_at_every_place(void **state) {
  static const char *const names[] = {"retry-after", "retry-after-ms", "x-ratelimit-reset-tokens",
                                      "anthropic-ratelimit-requests-reset", "retryDelay"};
  static const char *const texts[] = {"Fri, 29 Sep 2023 16:27:37 GMT",
                                      "Friday, 29-Sep-23 16:26:57 GMT",
                                      "Fri Sep  9 16:26:57 2023",
                                      "2023-09-29T18:27:37.25+02:00",
                                      "1h2m3.456s",
                                      "20.125"};
  static const char bytes[] = "0 9:.-+,GTZsmh\xff\x01";
  char text[64];
  size_t read = 0;
  (void)state;
  for (size_t n = 0; n < sizeof names / sizeof *names; n++)
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
      for (size_t cut = 0; cut < strlen(texts[t]); cut++) {
        snprintf(text, sizeof text, "%.*s", (int)cut, texts[t]);
        hint(names[n], text);
        read++;
        snprintf(text, sizeof text, "%s", texts[t]);
        for (size_t b = 0; b < sizeof bytes - 1; b++) text[cut] = bytes[b], hint(names[n], text);
      }
    }
  assert_true(read > 400);
}

/* RT-10: only what is meant is taken, and Azure's -1 is not. */
static void test_rt_10_limits_are_read_from_headers_of_both_families(void **state) {
  static const struct {
    const char *name, *value;
    int meter;  /* -1: not taken */
    char field; /* l, r or t */
    int64_t number;
  } rows[] = {
      {"x-ratelimit-limit-requests", "60", HINT_REQUESTS, 'l', 60},
      {"X-RateLimit-Limit-Tokens", " 150000 ", HINT_TOKENS, 'l', 150000},
      {"x-ratelimit-remaining-requests", "0", HINT_REQUESTS, 'r', 0},
      {"x-ratelimit-remaining-tokens", "149984", HINT_TOKENS, 'r', 149984},
      {"x-ratelimit-reset-requests", "6m0s", HINT_REQUESTS, 't', 360000},
      {"x-ratelimit-reset-tokens", "7.66s", HINT_TOKENS, 't', 7660},
      {"x-ratelimit-reset-tokens", "12ms", HINT_TOKENS, 't', 12},
      {"x-ratelimit-reset-requests", "27", HINT_REQUESTS, 't', 27000},
      {"anthropic-ratelimit-requests-limit", "50", HINT_REQUESTS, 'l', 50},
      {"anthropic-ratelimit-tokens-remaining", "7", HINT_TOKENS, 'r', 7},
      {"anthropic-ratelimit-input-tokens-limit", "20000", HINT_INPUT, 'l', 20000},
      {"anthropic-ratelimit-output-tokens-remaining", "8000", HINT_OUTPUT, 'r', 8000},
      {"anthropic-ratelimit-output-tokens-reset", "2023-09-29T16:27:40Z", HINT_OUTPUT, 't', 3000},
      {"x-ratelimit-limit-requests", "-1", -1, 'l', 0},
      {"x-ratelimit-remaining-tokens", "-1", -1, 'r', 0},
      {"x-ratelimit-limit-requests", "", -1, 'l', 0},
      {"x-ratelimit-limit-requests", "60 ", HINT_REQUESTS, 'l', 60},
      {"x-ratelimit-limit-requests", "60, 60;w=60", -1, 'l', 0},
      {"x-ratelimit-limit-requests", "1e9", -1, 'l', 0},
      {"x-ratelimit-limit-requests", "9999999999999", -1, 'l', 0},
      {"x-ratelimit-reset-requests", "-1", -1, 't', 0},
      {"x-ratelimit-reset-requests", "soon", -1, 't', 0},
      {"x-ratelimit-limit", "60", -1, 'l', 0},
      {"x-ratelimit-limit-input-tokens", "60", -1, 'l', 0},
      {"x-ratelimit-limit-requests-limit", "60", -1, 'l', 0},
      {"anthropic-ratelimit-requests", "60", -1, 'l', 0},
      {"anthropic-ratelimit-limit-requests", "60", -1, 'l', 0},
      {"ratelimit-limit-requests", "60", -1, 'l', 0},
      {"", "60", -1, 'l', 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lti_hint_limits l;
    lti_hint_limits_init(&l);
    /* 2023-09-29T16:27:37Z */
    bool taken =
        lti_hint_limit(lti_slice_of(rows[i].name), lti_slice_of(rows[i].value), 1696004857000, &l);
    if (taken != (rows[i].meter >= 0)) fail_msg("%s: %s", rows[i].name, rows[i].value);
    for (int m = 0; m < LTI_HINT_METERS; m++) {
      bool here = m == rows[i].meter;
      assert_int_equal(l.limit[m], here && rows[i].field == 'l' ? rows[i].number : -1);
      assert_int_equal(l.remaining[m], here && rows[i].field == 'r' ? rows[i].number : -1);
      assert_int_equal(l.reset_ms[m], here && rows[i].field == 't' ? rows[i].number : -1);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rt_01_every_row_of_the_corpus),
      cmocka_unit_test(test_rt_01_seconds_and_milliseconds),
      cmocka_unit_test(test_rt_01_the_three_forms_of_a_date),
      cmocka_unit_test(test_rt_10_ratelimit_resets),
      cmocka_unit_test(test_rt_01_cut_and_bent_at_every_place),
      cmocka_unit_test(test_rt_10_limits_are_read_from_headers_of_both_families),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
