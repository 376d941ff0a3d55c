/* Server-sent events: every vector of the corpus whole, byte by byte, in pieces of 2, 3 and 7, cut
 * in two everywhere, and stopped behind every event; then the rows of the fault catalogue. */
#include "wire/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/corpora.h"
#include "support/failing.h"
#include "wire/json.h"

#define EVENT_MAX (64u << 20)

/* What a run gave, as one text: "event|type|data|id|retry\n" with lengths, "stray|..." lines. */
typedef struct record {
  lti_buf text;
  bool stop;      /* answer STOPPED to every event */
  size_t strays;  /* how many */
  size_t largest; /* bytes of the largest stray */
} record;

static int put(record *r, leat_slice bytes) {
  int rc = lti_buf_format(&r->text, "%zu:", bytes.size);
  if (rc == LTI_OK) rc = lti_buf_append(&r->text, bytes);
  return rc == LTI_OK ? lti_buf_byte(&r->text, '|') : rc;
}

static int on_event(void *ctx, const lti_sse_event *event) {
  record *r = ctx;
  int rc = put(r, event->type);
  if (rc == LTI_OK) rc = put(r, event->data);
  if (rc == LTI_OK) rc = put(r, event->id);
  if (rc == LTI_OK && event->has_retry) rc = lti_buf_u64(&r->text, event->retry_ms);
  if (rc == LTI_OK) rc = lti_buf_byte(&r->text, '\n');
  return rc == LTI_OK && r->stop ? LTI_STOPPED : rc;
}

static int on_stray(void *ctx, leat_slice line) {
  record *r = ctx;
  r->strays++;
  if (line.size > r->largest) r->largest = line.size;
  return LTI_OK;
}

static const lti_sse_sink sink = {on_event, on_stray};
static lti_alloc heap;

static int feed_all(lti_sse *x, leat_slice bytes) {
  int rc;
  do {
    size_t taken = 0;
    rc = lti_sse_feed(x, bytes, &taken);
    assert_true(taken <= bytes.size);
    if (rc == LTI_OK) assert_int_equal(taken, bytes.size);
    bytes = lti_slice_from(bytes, taken);
  } while (rc == LTI_STOPPED);
  return rc;
}

/* Feeds a copy that dies when feed returns, so that a stale view is seen by the sanitizer. */
static int feed_piece(lti_sse *x, leat_slice bytes) {
  char *copy = malloc(bytes.size ? bytes.size : 1);
  assert_non_null(copy);
  if (bytes.size) memcpy(copy, bytes.data, bytes.size);
  int rc = feed_all(x, lti_slice(copy, bytes.size));
  free(copy);
  return rc;
}

static int finish(lti_sse *x, record *r) {
  int rc = lti_sse_end(x);
  if (rc == LTI_OK) rc = put(r, lti_sse_last_id(x));
  if (rc == LTI_OK && x->has_retry) rc = lti_buf_u64(&r->text, x->retry_ms);
  lti_sse_deinit(x);
  return rc;
}

/* `cut`: the size of the first piece; `step`: that of the others, 0: one piece. */
static int run(record *r, leat_slice input, size_t cut, size_t step) {
  lti_sse x;
  lti_sse_init(&x, &heap, EVENT_MAX, &sink, r);
  lti_buf_clear(&r->text);
  r->strays = r->largest = 0;
  int rc = feed_piece(&x, lti_slice(input.data, cut));
  for (size_t at = cut; rc == LTI_OK && at < input.size;) {
    size_t size = step && step < input.size - at ? step : input.size - at;
    rc = feed_piece(&x, lti_slice(input.data + at, size));
    at += size;
  }
  if (rc != LTI_OK) {
    lti_sse_deinit(&x);
    return rc;
  }
  return finish(&x, r);
}

static record fresh(void) {
  record r = {.stop = false};
  lti_buf_init(&r.text, &heap, 256u << 20, LEAT_EBODYMAX);
  return r;
}

static void assert_same(const record *want, const record *got, const char *name, size_t cut) {
  if (lti_slice_equal(lti_buf_slice(&want->text), lti_buf_slice(&got->text)) &&
      want->strays == got->strays && want->largest == got->largest) {
    return;
  }
  fail_msg("%s cut at %zu:\n%.*s\ninstead of\n%.*s", name, cut, (int)got->text.size, got->text.data,
           (int)want->text.size, want->text.data);
}

/* Every way to cut `input` gives `want`. What is large is cut at every nth place. */
static void check_every_split(const char *name, leat_slice input, const record *want) {
  static const size_t steps[] = {1, 2, 3, 7};
  size_t stride = 1 + input.size * input.size / 30000000;
  record got = fresh();
  for (int stop = 0; stop < 2; stop++) {
    got.stop = stop;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
      assert_int_equal(run(&got, input, 0, steps[i]), LTI_OK);
      assert_same(want, &got, name, steps[i]);
    }
    for (size_t cut = 0; cut <= input.size; cut += cut < 64 ? 1 : stride) {
      assert_int_equal(run(&got, input, cut, 0), LTI_OK);
      assert_same(want, &got, name, cut);
    }
  }
  lti_buf_deinit(&got.text);
}

/* ---- the corpus ------------------------------------------------------------------------------ */

static leat_slice string_at(leat_slice json, const char *pointer, lti_buf *scratch) {
  leat_slice raw, out = {NULL, 0};
  lti_json r;
  lti_json_text text;
  lti_buf_clear(scratch);
  if (!lti_json_find(json, pointer, &raw)) return out;
  lti_json_init(&r, raw);
  if (!lti_json_string(&r, &text)) return out;
  assert_int_equal(lti_json_decode(text, NULL, scratch, &out), LTI_OK);
  return out;
}

/* U+FFFD for invalid bytes, as the corpus shows its texts. */
static leat_slice readable(leat_slice bytes, lti_buf *scratch) {
  lti_json_text text = {.raw = bytes};
  leat_slice out;
  assert_int_equal(lti_json_decode(text, NULL, scratch, &out), LTI_OK);
  return out;
}

typedef struct vector {
  leat_slice json;
  char name[128];
  lti_buf want, got;
  size_t at; /* events seen */
} vector;

static void want_equal(vector *v, const char *what, leat_slice want, leat_slice got) {
  if (lti_slice_equal(want, got)) return;
  fail_msg("%s, event %zu, %s: '%.*s' instead of '%.*s'", v->name, v->at, what, (int)got.size,
           got.data, (int)want.size, want.data);
}

/* Texts that hold a backslash cannot go through `readable` and are compared byte for byte. */
static void want_text(vector *v, const char *what, const char *pointer, leat_slice bytes) {
  leat_slice want = string_at(v->json, pointer, &v->want);
  bool plain = bytes.size && memchr(bytes.data, '\\', bytes.size);
  want_equal(v, what, want, plain ? bytes : readable(bytes, &v->got));
}

static void want_number(vector *v, const char *pointer, bool has, uint64_t got) {
  leat_slice raw;
  bool wanted = lti_json_find(v->json, pointer, &raw) && !lti_slice_is(raw, "null");
  uint64_t number = UINT64_MAX;
  if (wanted != has) fail_msg("%s: retry %d instead of %d", v->name, has, wanted);
  if (!wanted) return;
  lti_slice_u64(raw, &number); /* beyond 64 bits: saturated */
  assert_true(number == got);
}

static int on_vector_event(void *ctx, const lti_sse_event *event) {
  vector *v = ctx;
  char base[48], pointer[64];
  leat_slice raw;
  snprintf(base, sizeof base, "/expected/%zu", v->at);
  if (!lti_json_find(v->json, base, &raw)) fail_msg("%s: event %zu is too many", v->name, v->at);
  snprintf(pointer, sizeof pointer, "%s/event", base);
  want_text(v, "type", pointer, event->type);
  snprintf(pointer, sizeof pointer, "%s/data", base);
  want_text(v, "data", pointer, event->data);
  snprintf(pointer, sizeof pointer, "%s/id", base);
  want_text(v, "id", pointer, event->id);
  snprintf(pointer, sizeof pointer, "%s/retry", base);
  want_number(v, pointer, event->has_retry, event->retry_ms);
  snprintf(pointer, sizeof pointer, "/expected_raw_b64/%zu", v->at);
  leat_slice text = string_at(v->json, pointer, &v->want);
  if (text.data) {
    leat_slice bytes = corpora_base64(text);
    want_equal(v, "bytes", bytes, event->data);
    corpora_free(bytes);
  }
  v->at++;
  return LTI_OK;
}

static void check_vector(vector *v) {
  static const lti_sse_sink vector_sink = {on_vector_event, NULL};
  lti_sse x;
  leat_slice name = string_at(v->json, "/id", &v->want), raw;
  snprintf(v->name, sizeof v->name, "%.*s", (int)name.size, name.data);
  leat_slice input = corpora_base64(string_at(v->json, "/input_b64", &v->want));
  v->at = 0;
  lti_sse_init(&x, &heap, EVENT_MAX, &vector_sink, v);
  assert_int_equal(feed_all(&x, input), LTI_OK);
  assert_int_equal(lti_sse_end(&x), LTI_OK);
  char pointer[48];
  snprintf(pointer, sizeof pointer, "/expected/%zu", v->at);
  if (lti_json_find(v->json, pointer, &raw)) fail_msg("%s: event %zu is missing", v->name, v->at);
  want_text(v, "last id", "/final/last_event_id", lti_sse_last_id(&x));
  want_number(v, "/final/reconnection_time", x.has_retry, x.retry_ms);
  lti_sse_deinit(&x);
  record whole = fresh();
  assert_int_equal(run(&whole, input, input.size, 0), LTI_OK);
  check_every_split(v->name, input, &whole);
  lti_buf_deinit(&whole.text);
  corpora_free(input);
}

static void test_sse_01_every_vector_of_the_corpus_at_every_split(void **state) {
  (void)state;
  corpora_require("sse-vectors.jsonl");
  leat_slice file = corpora_load("sse-vectors.jsonl"), rest = file;
  size_t count = 0;
  vector v = {.at = 0};
  lti_buf_init(&v.want, &heap, 1u << 20, LEAT_EBODYMAX);
  lti_buf_init(&v.got, &heap, 1u << 20, LEAT_EBODYMAX);
  while (corpora_next_line(&rest, &v.json)) {
    assert_true(lti_json_valid(v.json, NULL, NULL));
    check_vector(&v);
    count++;
  }
  printf("%zu vectors of sse-vectors.jsonl, each at every split\n", count);
  assert_true(count > 100);
  lti_buf_deinit(&v.want);
  lti_buf_deinit(&v.got);
  corpora_free(file);
}

/* ---- the rows of the catalogue --------------------------------------------------------------- */

/* `want` is the record's text; `strays` how many lines were no SSE. */
static void expect_bytes(leat_slice input, const char *want, size_t strays) {
  record got = fresh();
  assert_int_equal(run(&got, input, input.size, 0), LTI_OK);
  if (!lti_slice_is(lti_buf_slice(&got.text), want)) {
    fail_msg("'%.*s' instead of '%s'", (int)got.text.size, got.text.data, want);
  }
  assert_int_equal(got.strays, strays);
  check_every_split(want, input, &got);
  lti_buf_deinit(&got.text);
}

static void expect(const char *input, const char *want, size_t strays) {
  expect_bytes(lti_slice_of(input), want, strays);
}

static void test_sse_01_line_ends_bom_and_utf8_at_every_split(void **state) {
  (void)state;
  expect(
      "\xef\xbb\xbf"
      "data: a\xe2\x82\xac\r\ndata:b\rdata: c\n\r\n",
      "7:message|8:a\xe2\x82\xac\nb\nc|0:|\n0:|", 0);
  expect("data\r\n\r\ndata\r\rdata\n\n",
         "7:message|0:|0:|\n7:message|0:|0:|\n7:message|0:|0:|\n0:|", 0);
  expect("event: x\nid: 7\nretry: 5\ndata: y\n\ndata: z\n\n",
         "1:x|1:y|1:7|5\n7:message|1:z|1:7|\n1:7|5", 0);
}

static void test_sse_02_a_cr_at_the_end_of_the_body_ends_the_line(void **state) {
  (void)state;
  expect("data: a\r\r", "7:message|1:a|0:|\n0:|", 0);
  expect("data: a\r\n\r", "7:message|1:a|0:|\n0:|", 0);
  expect("data: a\n\r", "7:message|1:a|0:|\n0:|", 0);
}

static void test_sse_03_an_unterminated_block_is_dropped_with_its_id(void **state) {
  (void)state;
  expect("id: 1\ndata: a\n\nid: 2\ndata: b\n", "7:message|1:a|1:1|\n1:1|", 0);
  expect("data: a\n\ndata: b", "7:message|1:a|0:|\n0:|", 0);
}

static void test_sse_04_a_block_without_content_still_sets_id_and_retry(void **state) {
  (void)state;
  expect("id: 1\n\ndata: a\n\n", "7:message|1:a|1:1|\n1:1|", 0);
  expect("retry: 10\n\ndata: a\n\n", "7:message|1:a|0:|10\n0:|10", 0);
  expect("event: x\n\ndata: a\n\nretry: 3\n", "7:message|1:a|0:|\n0:|3", 0);
}

static void test_sse_05_an_empty_event_field_takes_the_type_back(void **state) {
  (void)state;
  expect("event: a\nevent:\ndata: x\n\n", "7:message|1:x|0:|\n0:|", 0);
  expect("event: a\nevent: b\ndata: x\n\ndata: y\n\n", "1:b|1:x|0:|\n7:message|1:y|0:|\n0:|", 0);
}

static void test_sse_06_only_the_first_bom_is_skipped(void **state) {
  (void)state;
  expect(
      "\xef\xbb\xbf\xef\xbb\xbf"
      "data: x\n\ndata: y\n\n",
      "7:message|1:y|0:|\n0:|", 1);
  expect(
      "data: \xef\xbb\xbf"
      "x\n\n",
      "7:message|4:\xef\xbb\xbfx|0:|\n0:|", 0);
  expect(
      "\xef\xbb"
      "data: x\n\ndata: y\n\n",
      "7:message|1:y|0:|\n0:|", 1);
  expect("\xef\xbb", "0:|", 1);
  expect("\xef\n\ndata: y\n\n", "7:message|1:y|0:|\n0:|", 1);
}

static void test_sse_07_nul_spoils_an_id_and_nothing_else(void **state) {
  (void)state;
  static const char id[] = "id: 1\n\nid: a\0b\ndata: x\n\n";
  expect_bytes(lti_slice(id, sizeof id - 1), "7:message|1:x|1:1|\n1:1|", 0);
  static const char inside[] = "data: a\0b\n\n", want[] = "7:message|3:a\0b|0:|\n0:|";
  record got = fresh();
  assert_int_equal(run(&got, lti_slice(inside, sizeof inside - 1), 4, 3), LTI_OK);
  assert_true(lti_slice_equal(lti_buf_slice(&got.text), lti_slice(want, sizeof want - 1)));
  lti_buf_deinit(&got.text);
}

static void test_sse_08_unicode_separators_end_no_line(void **state) {
  (void)state;
  expect(
      "data: a\xe2\x80\xa8"
      "b\xc2\x85"
      "c\vd\fe\x1c\n\n",
      "7:message|13:a\xe2\x80\xa8"
      "b\xc2\x85"
      "c\vd\fe\x1c|0:|\n0:|",
      0);
}

static void test_sse_09_invalid_utf8_is_passed_as_it_came(void **state) {
  (void)state;
  expect("data: a\xe2\n\ndata: \xff\xfe\r\n\r\n",
         "7:message|2:a\xe2|0:|\n7:message|2:\xff\xfe|0:|\n0:|", 0);
}

static void test_sse_12_retry_saturates_and_takes_digits_alone(void **state) {
  (void)state;
  expect("retry: 99999999999999999999\ndata: x\n\n",
         "7:message|1:x|0:|18446744073709551615\n0:|18446744073709551615", 0);
  expect("retry: 18446744073709551615\n\nretry: 18446744073709551616\nretry: 1x\nretry:\nretry\n",
         "0:|18446744073709551615", 0);
  expect("retry: 007\nretry: -1\nretry: +1\nretry:  1\n", "0:|7", 0);
}

static void test_sse_13_the_last_id_and_retry_are_there_for_who_reconnects(void **state) {
  (void)state;
  expect("id: 5\nretry: 20\ndata: x\n\nid\n\n", "7:message|1:x|1:5|20\n0:|20", 0);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void fill(char *bytes, size_t size, const char *start, char c) {
  memset(bytes, c, size);
  memcpy(bytes, start, strlen(start));
}

/* Feeds `size` bytes of one line in pieces of 1,400 and then `tail`. */
static int feed_long(lti_sse *x, const char *start, size_t size, const char *tail) {
  char piece[1400];
  fill(piece, sizeof piece, start, 'x');
  for (size_t sent = 0; sent < size; sent += sizeof piece) {
    size_t part = size - sent < sizeof piece ? size - sent : sizeof piece;
    int rc = feed_all(x, lti_slice(piece, part));
    if (rc != LTI_OK) return rc;
    if (sent == 0) memset(piece, 'x', sizeof piece);
  }
  return feed_all(x, lti_slice_of(tail));
}

typedef struct tally {
  size_t events, bytes, strays, stray_bytes;
} tally;

static int on_tally(void *ctx, const lti_sse_event *event) {
  tally *t = ctx;
  t->events++;
  t->bytes += event->data.size;
  return LTI_OK;
}

static int on_tally_stray(void *ctx, leat_slice line) {
  tally *t = ctx;
  t->strays++;
  t->stray_bytes += line.size;
  return LTI_OK;
}

static const lti_sse_sink tally_sink = {on_tally, on_tally_stray};

static void test_sse_10_a_line_of_64_mb_is_gathered_once(void **state) {
  (void)state;
  tally t = {0};
  lti_sse x;
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  lti_sse_init(&x, &alloc, EVENT_MAX, &tally_sink, &t);
  assert_int_equal(feed_long(&x, "data: ", EVENT_MAX, "\n"), LTI_OK);
  assert_int_equal(feed_all(&x, lti_slice_of("\n")), LTI_OK);
  assert_int_equal(t.events, 1);
  assert_int_equal(t.bytes, EVENT_MAX - 6);
  assert_int_equal(lti_sse_copied(&x), EVENT_MAX); /* each byte once: not again for its block */
  assert_true(alloc.calls <= 25);                  /* doubling */
  const lti_lines_cut *cut = x.lines.cut;
  assert_true(cut->beside.capacity + cut->scratch.capacity <= 8192); /* and given back */
  assert_int_equal(feed_long(&x, "data: ", EVENT_MAX + 1, "\n"), LEAT_EEVENTMAX);
  assert_int_equal(feed_all(&x, lti_slice_of("\n")), LEAT_EEVENTMAX);
  assert_int_equal(lti_sse_end(&x), LEAT_EEVENTMAX);
  lti_sse_deinit(&x);
}

static void test_sse_10_a_comment_without_end_is_not_kept(void **state) {
  (void)state;
  tally t = {0};
  lti_sse x;
  lti_sse_init(&x, &heap, 1024, &tally_sink, &t);
  assert_int_equal(feed_long(&x, ": ", 4u << 20, "\ndata: x\n\n"), LTI_OK);
  assert_true(lti_sse_copied(&x) <= LTI_LINES_ASK);
  assert_true(x.lines.cut->scratch.capacity <= 512);
  assert_int_equal(feed_long(&x, ":", 4u << 20, ""), LTI_OK);
  assert_int_equal(lti_sse_end(&x), LTI_OK);
  assert_int_equal(t.events, 1);
  assert_int_equal(t.strays, 0);
  lti_sse_deinit(&x);
}

static void test_sse_10_an_unknown_field_is_kept_in_part(void **state) {
  (void)state;
  tally t = {0};
  lti_sse x;
  lti_sse_init(&x, &heap, 1u << 20, &tally_sink, &t);
  assert_int_equal(feed_long(&x, "error: ", 4u << 20, "\ndata: x\n\n"), LTI_OK);
  assert_int_equal(t.strays, 1);
  assert_int_equal(t.stray_bytes, LTI_SSE_STRAY_MAX);
  assert_true(x.lines.cut->scratch.capacity <= 2 * LTI_SSE_STRAY_MAX);
  assert_int_equal(feed_long(&x, "{", 4u << 20, ""), LTI_OK);
  assert_int_equal(lti_sse_end(&x), LTI_OK);
  assert_int_equal(t.strays, 2);
  assert_int_equal(t.stray_bytes, 2 * LTI_SSE_STRAY_MAX);
  assert_int_equal(t.events, 1);
  lti_sse_deinit(&x);
}

static void test_sse_10_the_limit_does_not_depend_on_the_splits(void **state) {
  (void)state;
  static const char *const starts[] = {"data: ", "event: ", "id: ", ": ", "other", "retry: "};
  char bytes[700];
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    for (size_t size = 255; size < 600; size += size < 515 && size > 508 ? 1 : 64) {
      fill(bytes, size, starts[i], '1');
      memcpy(bytes + size, "\n\n", 2);
      int want =
          size <= 512 || starts[i][0] == ':' || starts[i][0] == 'o' ? LTI_OK : LEAT_EEVENTMAX;
      for (size_t cut = 0; cut <= size + 2; cut += 3) {
        tally t = {0};
        lti_sse x;
        lti_sse_init(&x, &heap, 512, &tally_sink, &t);
        int rc = feed_piece(&x, lti_slice(bytes, cut));
        if (rc == LTI_OK) rc = feed_piece(&x, lti_slice(bytes + cut, size + 2 - cut));
        assert_int_equal(rc, want);
        if (starts[i][0] == 'o') assert_int_equal(t.stray_bytes, size < 512 ? size : 512);
        lti_sse_deinit(&x);
      }
    }
  }
}

static void test_sse_10_data_joined_of_many_lines_has_the_same_limit(void **state) {
  (void)state;
  tally t = {0};
  lti_sse x;
  lti_sse_init(&x, &heap, 300, &tally_sink, &t);
  for (int i = 0; i < 151; i++) assert_int_equal(feed_all(&x, lti_slice_of("data\n")), LTI_OK);
  for (int i = 0; i < 150; i++) assert_int_equal(feed_all(&x, lti_slice_of("data\n")), LTI_OK);
  assert_int_equal(x.lines.cut->beside.size, 300);
  assert_int_equal(feed_all(&x, lti_slice_of("data\n")), LEAT_EEVENTMAX);
  lti_sse_deinit(&x);
}

static void test_sse_11_comments_make_no_event(void **state) {
  (void)state;
  tally t = {0};
  lti_sse x;
  lti_sse_init(&x, &heap, 1024, &tally_sink, &t);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(feed_all(&x, lti_slice_of(": keep-alive\n\n")), LTI_OK);
  }
  assert_int_equal(t.events + t.strays, 0);
  assert_int_equal(lti_sse_copied(&x), 0);
  lti_sse_deinit(&x);
}

static void test_lines_outside_the_standard_are_offered_as_stray(void **state) {
  (void)state;
  expect("error: {\"message\":\"x\"}\n\n{\"error\":1}\ndatax: 1\n data: 1\n: c\n:\ndata\n\n",
         "7:message|0:|0:|\n0:|", 4);
  expect("data: a\n\n{\"error\":{}}", "7:message|1:a|0:|\n0:|", 1);
  expect("data: a\n\n: comment", "7:message|1:a|0:|\n0:|", 0);
}

static void test_whole_events_cost_no_copy_and_no_allocation(void **state) {
  (void)state;
  char slab[16384];
  size_t size = 0;
  tally t = {0};
  lti_sse x;
  lti_alloc alloc;
  while (size + 200 < sizeof slab) {
    memset(slab + size, 'x', 190);
    memcpy(slab + size, "data: ", 6);
    memcpy(slab + size + 188, "\n\n", 2);
    size += 190;
  }
  lti_alloc_init(&alloc, NULL);
  lti_sse_init(&x, &alloc, EVENT_MAX, &tally_sink, &t);
  for (int i = 0; i < 1000; i++) assert_int_equal(feed_all(&x, lti_slice(slab, size)), LTI_OK);
  assert_int_equal(t.events, 1000 * (size / 190));
  assert_int_equal(alloc.calls, 0);
  assert_int_equal(lti_sse_copied(&x), 0);
  lti_sse_deinit(&x);
}

/* More streams than there are spare buffers, all cut at the same moment, and then one by one. */
static void test_cut_streams_share_what_they_gather_in(void **state) {
  enum { STREAMS = LTI_LINES_SPARE_MAX + 4 };
  static const char event[] = "event: e\ndata: hello\ndata: world\n\n";
  leat_slice whole = lti_slice(event, sizeof event - 1);
  lti_lines_spare spare = {.count = 0};
  tally t = {0};
  lti_sse x[STREAMS];
  lti_alloc alloc;
  (void)state;
  lti_alloc_init(&alloc, NULL);
  for (int i = 0; i < STREAMS; i++) {
    lti_sse_init(&x[i], &alloc, 4096, &tally_sink, &t);
    lti_sse_share(&x[i], &spare);
    assert_int_equal(feed_all(&x[i], lti_slice(event, 17)), LTI_OK);
  }
  for (int i = 0; i < STREAMS; i++)
    assert_int_equal(feed_all(&x[i], lti_slice_from(whole, 17)), LTI_OK);
  assert_int_equal(t.events, STREAMS);
  assert_int_equal(t.bytes, 11 * STREAMS);
  assert_int_equal(spare.count, LTI_LINES_SPARE_MAX);
  uint64_t calls = 0;
  for (size_t i = 2; i < 2 * whole.size; i++) {
    size_t cut = i / 2;
    lti_sse *one = &x[cut % STREAMS];
    if (i == whole.size)
      calls = alloc.calls; /* by then the newest buffers are as large as needed */
    assert_int_equal(feed_all(one, lti_slice(event, cut)), LTI_OK);
    assert_int_equal(feed_all(one, lti_slice_from(whole, cut)), LTI_OK);
    assert_null(one->lines.cut);
  }
  assert_int_equal(t.bytes, 11 * (STREAMS + 2 * (whole.size - 1)));
  assert_int_equal(alloc.calls, calls);
  assert_int_equal(feed_all(&x[0], lti_slice(event, 17)), LTI_OK); /* ends in the middle */
  for (int i = 0; i < STREAMS; i++) lti_sse_deinit(&x[i]);
  lti_lines_spare_deinit(&spare, &alloc);
}

static void test_straddling_events_are_copied_once_and_allocate_only_at_first(void **state) {
  (void)state;
  static const char event[] = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
  leat_slice whole = lti_slice(event, sizeof event - 1);
  tally t = {0};
  lti_sse x;
  lti_alloc alloc;
  uint64_t calls = 0;
  lti_alloc_init(&alloc, NULL);
  lti_sse_init(&x, &alloc, EVENT_MAX, &tally_sink, &t);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(feed_all(&x, lti_slice(event, 20)), LTI_OK);
    assert_int_equal(feed_all(&x, lti_slice_from(whole, 20)), LTI_OK);
    if (i == 9) calls = alloc.calls;
  }
  assert_int_equal(t.events, 1000);
  assert_int_equal(alloc.calls, calls);
  assert_int_equal(lti_sse_copied(&x), 1000 * (whole.size - 2));
  lti_sse_deinit(&x);
}

static int on_refuse(void *ctx, const lti_sse_event *event) {
  (void)event;
  ++*(int *)ctx;
  return LEAT_EDECODE;
}

static void test_an_error_of_the_sink_is_kept(void **state) {
  (void)state;
  static const lti_sse_sink refusing = {on_refuse, NULL};
  int calls = 0;
  size_t taken = 0;
  lti_sse x;
  lti_sse_init(&x, &heap, 1024, &refusing, &calls);
  assert_int_equal(lti_sse_feed(&x, lti_slice_of("data: x\n\ndata: y\n\n"), &taken), LEAT_EDECODE);
  assert_int_equal(taken, 9);
  assert_int_equal(lti_sse_feed(&x, lti_slice_of("data: y\n\n"), &taken), LEAT_EDECODE);
  assert_int_equal(taken, 0);
  assert_int_equal(lti_sse_end(&x), LEAT_EDECODE);
  assert_int_equal(calls, 1);
  lti_sse_deinit(&x);
}

static void test_stopping_says_where(void **state) {
  (void)state;
  record r = fresh();
  lti_sse x;
  size_t taken = 0;
  r.stop = true;
  lti_sse_init(&x, &heap, 1024, &sink, &r);
  assert_int_equal(lti_sse_feed(&x, lti_slice_of("data: x\n\ndata: y\r\n\r\nda"), &taken),
                   LTI_STOPPED);
  assert_int_equal(taken, 9);
  assert_int_equal(lti_sse_feed(&x, lti_slice_of("data: y\r\n\r\nda"), &taken), LTI_STOPPED);
  assert_int_equal(taken, 11);
  assert_int_equal(lti_sse_feed(&x, lti_slice_of("da"), &taken), LTI_OK);
  assert_int_equal(taken, 2);
  assert_int_equal(lti_sse_feed(&x, lti_slice(NULL, 0), &taken), LTI_OK);
  assert_int_equal(lti_sse_feed(&x, lti_slice_of("ta: z\r\r"), &taken), LTI_STOPPED);
  assert_int_equal(taken, 7);
  assert_int_equal(lti_sse_feed(&x, lti_slice_of("\n"), &taken), LTI_OK);
  lti_sse_deinit(&x);
  lti_buf_deinit(&r.text);
}

/* ---- memory that runs out -------------------------------------------------------------------- */

static void starved(const leat_allocator *fns, void *ctx) {
  static const char input[] =
      "\xef\xbb"
      "x\nid: 12\nevent: some_type\ndata: first\ndata: second line\n\nerror: {}\ndata: x\n\n";
  size_t step = *(size_t *)ctx;
  tally t = {0};
  lti_alloc alloc;
  lti_sse x;
  int rc = LTI_OK;
  lti_alloc_init(&alloc, fns);
  lti_sse_init(&x, &alloc, 4096, &tally_sink, &t);
  for (size_t at = 0; rc == LTI_OK && at < sizeof input - 1; at += step) {
    size_t left = sizeof input - 1 - at, taken;
    rc = lti_sse_feed(&x, lti_slice(input + at, left < step ? left : step), &taken);
  }
  assert_true(rc == LEAT_ENOMEM || (rc == LTI_OK && t.events == 2 && t.strays == 2));
  assert_int_equal(lti_sse_end(&x), rc);
  lti_sse_deinit(&x);
}

static void test_every_failed_allocation_ends_in_one_error(void **state) {
  (void)state;
  static const size_t steps[] = {1, 2, 5, 20, 33, 1000};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    size_t step = steps[i];
    assert_true(failing_at_every_n(starved, &step) > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sse_01_every_vector_of_the_corpus_at_every_split),
      cmocka_unit_test(test_sse_01_line_ends_bom_and_utf8_at_every_split),
      cmocka_unit_test(test_sse_02_a_cr_at_the_end_of_the_body_ends_the_line),
      cmocka_unit_test(test_sse_03_an_unterminated_block_is_dropped_with_its_id),
      cmocka_unit_test(test_sse_04_a_block_without_content_still_sets_id_and_retry),
      cmocka_unit_test(test_sse_05_an_empty_event_field_takes_the_type_back),
      cmocka_unit_test(test_sse_06_only_the_first_bom_is_skipped),
      cmocka_unit_test(test_sse_07_nul_spoils_an_id_and_nothing_else),
      cmocka_unit_test(test_sse_08_unicode_separators_end_no_line),
      cmocka_unit_test(test_sse_09_invalid_utf8_is_passed_as_it_came),
      cmocka_unit_test(test_sse_10_a_line_of_64_mb_is_gathered_once),
      cmocka_unit_test(test_sse_10_a_comment_without_end_is_not_kept),
      cmocka_unit_test(test_sse_10_an_unknown_field_is_kept_in_part),
      cmocka_unit_test(test_sse_10_the_limit_does_not_depend_on_the_splits),
      cmocka_unit_test(test_sse_10_data_joined_of_many_lines_has_the_same_limit),
      cmocka_unit_test(test_sse_11_comments_make_no_event),
      cmocka_unit_test(test_sse_12_retry_saturates_and_takes_digits_alone),
      cmocka_unit_test(test_sse_13_the_last_id_and_retry_are_there_for_who_reconnects),
      cmocka_unit_test(test_lines_outside_the_standard_are_offered_as_stray),
      cmocka_unit_test(test_whole_events_cost_no_copy_and_no_allocation),
      cmocka_unit_test(test_cut_streams_share_what_they_gather_in),
      cmocka_unit_test(test_straddling_events_are_copied_once_and_allocate_only_at_first),
      cmocka_unit_test(test_an_error_of_the_sink_is_kept),
      cmocka_unit_test(test_stopping_says_where),
      cmocka_unit_test(test_every_failed_allocation_ends_in_one_error),
  };
  lti_alloc_init(&heap, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
