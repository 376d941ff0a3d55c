/* The page of a result: whole, escaped, self-contained, the same each time, and small.
 *
 *   load_test_report_html           runs the tests
 *   load_test_report_html FOLDER    writes sample pages there, for eyes and for a browser's test
 */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/load/report/report.h"
#include "bindings/cli/program.h"

#define PAGE_MAX  (4u << 20)
#define USUAL_MAX (300u * 1024)
#define DEPTH_MAX 64
#define HOSTILE   "<script>alert(1)</script>\"'`&\x01\xff\xe2\x80\xae</pre></style>"
#define SECONDS   60
#define REQUESTS  2400

/* ---- a rich result, made by a small generator of its own */

static uint64_t dice = 7;

static double chance(void) {
  dice = dice * 6364136223846793005u + 1442695040888963407u;
  return (double)(dice >> 11) / 9007199254740992.0;
}

/* About log-normal: the product of a few chances. */
static double spread(double middle, double width) {
  double sum = 0;
  for (int i = 0; i < 6; i++) sum += chance() - 0.5;
  return middle * exp(sum * width);
}

static lti_hist *hist(size_t count, double middle, double width) {
  lti_hist *h = lti_hist_new(cli_program_alloc());
  assert_non_null(h);
  for (size_t i = 0; i < count; i++) {
    double value = spread(middle, width);
    lti_hist_record(h, (uint64_t)(chance() > 0.99 ? value * 3 : value));
  }
  return h;
}

static void fill_counts(result_point *p, double ttft_us, uint64_t failed) {
  p->wall_s = SECONDS;
  p->window_s = SECONDS - 2;
  p->begun_at = 1795302000;
  p->counts = (result_counts){.started = REQUESTS,
                              .completed = REQUESTS - failed,
                              .failed = failed,
                              .truncated = failed / 2,
                              .warmup = 50,
                              .in_flight_peak = 96};
  p->volume = (result_volume){.events = 244000,
                              .content_events = 240000,
                              .content_bytes = 1200000,
                              .bytes_received = 52428800,
                              .bytes_sent = 2097152,
                              .usage_answers = REQUESTS,
                              .input_tokens = 307200,
                              .output_tokens = 264000,
                              .reasoning_tokens = -1,
                              .cached_tokens = 0,
                              .usage_content_events = 240000};
  p->conns = (result_conns){.opened = 4,
                            .peak = 4,
                            .full_handshakes = 1,
                            .resumed = 3,
                            .http2 = 4,
                            .requests_http2 = REQUESTS};
  p->process.user_s = 3.21;
  p->process.system_s = 0.87;
  p->process.rss_peak_kb = 18432;
  p->lengths = (result_lengths){128, 110, 97, 161, 20, 110, 128.4, 11.2, 104.9, 17.7};
  p->goodput = (result_goodput){2, {{MEASURE_TTFT, 500, 2380}, {MEASURE_TPOT, 20, 2351}}, 2340};
  p->latencies[MEASURE_TTFT].sent = hist(REQUESTS, ttft_us, 0.5);
  p->latencies[MEASURE_TTST].sent = hist(REQUESTS, 10000, 0.2);
  p->latencies[MEASURE_ITL].sent = hist(60000, 10000, 0.2);
  p->latencies[MEASURE_TPOT].sent = hist(REQUESTS, 10050, 0.05);
  p->latencies[MEASURE_E2E].sent = hist(REQUESTS, ttft_us + 1050000, 0.1);
  p->latencies[MEASURE_QUEUE].sent = hist(REQUESTS, 30, 0.4);
  p->latencies[MEASURE_CONNECT].sent = hist(4, 180, 0.2);
  p->latencies[MEASURE_TLS].sent = hist(4, 2100, 0.4);
  p->latencies[MEASURE_HEAD].sent = hist(REQUESTS, ttft_us * 0.8, 0.5);
}

static void fill_timeline(result_point *p, double ttft_us) {
  p->timeline.slot_s = 1;
  p->timeline.count = SECONDS;
  p->timeline.slots = lti_alloc_zero(cli_program_alloc(), SECONDS * sizeof(result_slot));
  for (size_t i = 0; i < SECONDS; i++) {
    double bump = i > 30 && i < 36 ? 3 : 1;
    result_slot *s = &p->timeline.slots[i];
    s->started = (uint32_t)(35 + chance() * 10);
    s->completed = i < 2 ? 0 : (uint32_t)(35 + chance() * 10);
    s->failed = i % 17 == 5;
    s->in_flight = (uint32_t)((i < 2 ? 30 : 44) * bump + chance() * 6);
    s->events = (uint64_t)(4000 + chance() * 300);
    s->output_tokens = (uint64_t)(4400 + chance() * 400);
    s->ttft_p50_us = (int32_t)(ttft_us * bump * (0.95 + chance() * 0.1));
    s->ttft_p99_us = (int32_t)(ttft_us * bump * (2 + chance()));
    s->itl_p50_us = (int32_t)(10000 + chance() * 200);
    s->itl_p99_us = (int32_t)(12500 * (bump > 1 ? 1.6 : 1) + chance() * 2000);
    s->lag_max_us = (int32_t)(60 + chance() * 300 * bump);
  }
}

static void fill_pictures(result_point *p, double ttft_us) {
  p->dot_count = REQUESTS;
  p->dots = lti_alloc_zero(cli_program_alloc(), REQUESTS * sizeof *p->dots);
  for (size_t i = 0; i < REQUESTS; i++) {
    double at = (double)i * SECONDS / REQUESTS, bump = at > 30 && at < 36 ? 3 : 1;
    double ttft = spread(ttft_us * bump, 0.5) / 1000;
    p->dots[i] = (result_dot){(float)at, (float)ttft, (float)(ttft + spread(1050, 0.05)), 0};
    if (i % 300 == 17) p->dots[i].error = LEAT_ETRUNCATED;
  }
  p->track_count = RESULT_TRACKS_MAX;
  p->tracks = lti_alloc_zero(cli_program_alloc(), RESULT_TRACKS_MAX * sizeof *p->tracks);
  for (size_t i = 0; i < RESULT_TRACKS_MAX; i++) {
    int64_t at = i < 4 ? 4000 + (int64_t)i * 300 : 20;
    result_track *t = &p->tracks[i];
    *t = (result_track){i * 200, 0, at, i < 4 ? 190 : -1, i < 4 ? 2500 : -1, 0, 0, 0, 0, 100, {0}};
    t->head_us = at + (int64_t)spread(ttft_us * 0.8, 0.3);
    t->first_us = t->head_us + (int64_t)(ttft_us * 0.3);
    t->count = i == 7 ? 31 : 100;
    int64_t step = t->first_us;
    for (size_t k = 0; k < t->count; k++) {
      t->steps_us[k] = (uint32_t)step;
      step += (int64_t)spread(10000, 0.2);
    }
    t->last_us = (int64_t)t->steps_us[t->count - 1];
    t->done_us = t->last_us + 900;
    t->error = i == 7 ? LEAT_ETRUNCATED : 0;
  }
}

static void fill_failures(result_point *p) {
  p->status_count = 3;
  p->statuses[0] = (result_status){200, REQUESTS - 6};
  p->statuses[1] = (result_status){429, 4};
  p->statuses[2] = (result_status){503, 2};
  p->error_count = 2;
  p->errors[0] = (result_error){"LEAT_ETRUNCATED", "stream", 8,
                                "the answer ended without its end marker after 31 events"};
  p->errors[1] = (result_error){"LEAT_ESTATUS", "status", 6,
                                "429: Rate limit reached for model m, please try again in 2 s"};
}

static void fill_certificate(result_point *p, enum result_verdict verdict) {
  static const double lags[] = {85, 1300, 24000};
  result_certificate *c = &p->certificate;
  c->verdict = verdict;
  c->receive_lag = hist(60000, lags[verdict], 0.4);
  c->schedule_lag = hist(REQUESTS, lags[verdict] / 2, 0.4);
  c->lag_valid_us = 500;
  c->lag_degraded_us = 5000;
  c->busy_valid = 0.9;
  c->busy_degraded = 0.99;
  c->busy_share = verdict == RESULT_INVALID ? 0.997 : 0.31;
  c->cpu_share = 0.07;
  c->run_delay_us = 12500;
  c->run_delay_share = 0.0002;
  c->missed = c->stalls = 0;
  c->steal_share = 0;
  c->retransmits = 2;
  c->descriptors_max = 1048576;
  c->descriptors_peak = 12;
  c->ports_max = 28232;
  snprintf(c->clock, sizeof c->clock, "tsc");
  if (verdict == RESULT_VALID) return;
  c->stalls = 7;
  c->stall_max_us = 81000;
  c->reason_count = 2;
  c->reasons[0] = (result_reason){verdict, "receive lag p99 is above its bound: events lay unread",
                                  "give the run more threads (--threads 2), or fewer streams"};
  c->reasons[1] = (result_reason){RESULT_DEGRADED, "the loop was away 7 times, up to 81 ms",
                                  "move other work off this machine, or pin the run to a core"};
}

static result_point *add_point(result *r, double ttft_us, enum result_verdict verdict) {
  result_point *p = result_add(r);
  assert_non_null(p);
  p->offer.shape = RESULT_OPEN;
  p->offer.rate = 40;
  snprintf(p->offer.label, sizeof p->offer.label, "rate 40/s, poisson");
  snprintf(p->offer.arrivals, sizeof p->offer.arrivals, "poisson");
  fill_counts(p, ttft_us, 14);
  p->latencies[MEASURE_TTFT].intended = hist(REQUESTS, ttft_us * 1.1, 0.7);
  p->latencies[MEASURE_E2E].intended = hist(REQUESTS, ttft_us * 1.1 + 1050000, 0.12);
  fill_timeline(p, ttft_us);
  fill_pictures(p, ttft_us);
  fill_failures(p);
  fill_certificate(p, verdict);
  return p;
}

static result *new_result(const char *title) {
  result *r = result_new();
  assert_non_null(r);
  dice = 7;
  snprintf(r->title, sizeof r->title, "%s", title);
  r->seed = 1;
  r->config = lti_alloc_text(
      cli_program_alloc(),
      lti_slice_of("{\"base-url\":\"https://gateway.example/v1\",\"model\":\"m-70b\",\"rate\":"
                   "\"40\",\"duration\":\"60s\",\"input-tokens\":\"128,12\",\"output-tokens\":"
                   "\"110\",\"goodput\":[\"ttft:500\",\"tpot:20\"],\"seed\":1}"));
  snprintf(r->machine.system, sizeof r->machine.system, "Linux 6.18.0 x86_64");
  snprintf(r->machine.processor, sizeof r->machine.processor, "AMD EPYC 7B13");
  r->machine.cores = 8;
  r->machine.threads = 1;
  r->machine.memory_kb = 16 << 20;
  snprintf(r->machine.versions, sizeof r->machine.versions,
           "leat 0.1.0, libuv 1.44.2, mbedTLS 2.28.3, nghttp2 1.52.0");
  return r;
}

static result *single(enum result_verdict verdict) {
  result *r = new_result("Chat gateway, nightly");
  add_point(r, 52000, verdict);
  return r;
}

/* Without an open loop's second form, without tokens, without levels, without failures. */
static result *closed(void) {
  result *r = new_result("");
  result_point *p = add_point(r, 50000, RESULT_VALID);
  p->offer = (result_offer){RESULT_CLOSED, "concurrency 500", -1, 500, "", 0};
  lti_hist_free(p->latencies[MEASURE_TTFT].intended);
  lti_hist_free(p->latencies[MEASURE_E2E].intended);
  lti_hist_free(p->certificate.schedule_lag);
  p->latencies[MEASURE_TTFT].intended = p->latencies[MEASURE_E2E].intended = NULL;
  p->certificate.schedule_lag = NULL;
  p->volume.output_tokens = p->volume.input_tokens = p->volume.cached_tokens = -1;
  p->lengths.input_mean = p->lengths.output_mean = -1;
  p->goodput.slo_count = 0;
  p->counts.failed = p->counts.truncated = 0;
  p->error_count = 0;
  return r;
}

static result *sweep(size_t count, size_t knee) {
  result *r = new_result("Where is the knee?");
  for (size_t i = 0; i < count; i++) {
    double rate = 10 * pow(1.6, (double)i), load = rate / 400;
    double ttft = 45000 * (1 + load / fmax(1.05 - load, 0.02));
    result_point *p =
        add_point(r, ttft, i + 1 == count && count > 2 ? RESULT_DEGRADED : RESULT_VALID);
    p->offer.rate = rate;
    p->counts.completed = (uint64_t)(fmin(rate, 400) * SECONDS);
    p->volume.output_tokens = (int64_t)(fmin(rate, 400) * SECONDS * 110);
    snprintf(p->offer.label, sizeof p->offer.label, "rate %.0f/s", rate);
  }
  r->knee.searched = true;
  r->knee.found = knee < count;
  r->knee.point = knee;
  snprintf(r->knee.level, sizeof r->knee.level, "ttft.p99<500ms");
  return r;
}

/* Everything that came from elsewhere tries to be markup. */
static result *hostile(void) {
  result *r = single(RESULT_INVALID);
  result_point *p = &r->points[0];
  result_certificate *c = &p->certificate;
  lti_alloc_put(cli_program_alloc(), r->config);
  r->config = lti_alloc_text(cli_program_alloc(),
                             lti_slice_of("{\"model\":\"" HOSTILE "\",\"x\":[]]]]}}}"));
  snprintf(r->title, sizeof r->title, "%s", HOSTILE);
  snprintf(r->machine.system, sizeof r->machine.system, "%s", HOSTILE);
  snprintf(r->machine.processor, sizeof r->machine.processor, "%s", HOSTILE);
  snprintf(r->machine.versions, sizeof r->machine.versions, "%s", HOSTILE);
  snprintf(r->knee.level, sizeof r->knee.level, "%s", HOSTILE);
  snprintf(p->offer.label, sizeof p->offer.label, "%s", HOSTILE);
  snprintf(c->clock, sizeof c->clock, "<script>");
  snprintf(c->reasons[0].text, RESULT_TEXT_MAX, "%s", HOSTILE);
  snprintf(c->reasons[0].advice, RESULT_TEXT_MAX, "%s", HOSTILE);
  snprintf(p->errors[0].name, sizeof p->errors[0].name, "\"><script>x</script>");
  snprintf(p->errors[0].kind, sizeof p->errors[0].kind, "<script>");
  snprintf(p->errors[0].message, RESULT_TEXT_MAX, "%s", HOSTILE);
  return r;
}

/* ---- the page as a text */

typedef struct page {
  char *text;
  size_t size;
} page;

static page read_page(FILE *file) {
  page got = {malloc(PAGE_MAX), 0};
  assert_non_null(got.text);
  rewind(file);
  got.size = fread(got.text, 1, PAGE_MAX - 1, file);
  got.text[got.size] = '\0';
  fclose(file);
  return got;
}

static page page_of(const result *r) {
  FILE *file = tmpfile();
  cli_out *out = malloc(sizeof *out);
  assert_true(file && out);
  cli_out_init(out, fileno(file), "page");
  assert_true(report_html(r, out));
  cli_out_flush(out);
  assert_int_equal(out->error, 0);
  free(out);
  return read_page(file);
}

/* ---- a small parser: tags balance, attributes are quoted, nothing is left open */

static bool is_void(leat_slice name) {
  static const char *const names[] = {"meta", "input", "br", "!DOCTYPE"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (lti_slice_is(name, names[i])) return true;
  return false;
}

/* The end of a tag that begins at `at`, with quotes seen; attributes must be quoted. */
static const char *tag_end(const char *at) {
  bool quoted = false;
  for (; *at && (quoted || *at != '>'); at++) {
    if (*at == '"') quoted = !quoted;
    if (!quoted) assert_int_not_equal(*at, '<');
    if (!quoted && *at == '=') assert_int_equal(at[1], '"');
  }
  assert_int_equal(*at, '>');
  return at;
}

static void assert_balanced(const page *p) {
  leat_slice open[DEPTH_MAX];
  size_t depth = 0;
  for (const char *at = strchr(p->text, '<'); at; at = strchr(at, '<')) {
    const char *end = tag_end(at + 1);
    bool closes = at[1] == '/';
    const char *name = at + 1 + closes;
    leat_slice tag = lti_slice(name, strcspn(name, " >/\n"));
    if (closes) {
      assert_true(depth > 0);
      depth--;
      if (!lti_slice_equal(open[depth], tag))
        fail_msg("</%.*s> closes <%.*s>", (int)tag.size, tag.data, (int)open[depth].size,
                 open[depth].data);
    } else if (end[-1] != '/' && !is_void(tag)) {
      assert_true(depth < DEPTH_MAX);
      open[depth++] = tag;
    }
    at = end;
  }
  assert_int_equal(depth, 0);
}

/* Ids are there once, and what refers to one finds it. */
static void assert_ids(const page *p) {
  char wanted[80];
  for (const char *at = strstr(p->text, " id=\""); at; at = strstr(at + 1, " id=\"")) {
    int size = (int)strcspn(at + 5, "\"");
    snprintf(wanted, sizeof wanted, " id=\"%.*s\"", size, at + 5);
    assert_null(strstr(at + 1, wanted));
  }
  const char *label = " aria-labelledby=\"";
  for (const char *at = strstr(p->text, label); at; at = strstr(at + 1, label)) {
    int size = (int)strcspn(at + strlen(label), "\"");
    snprintf(wanted, sizeof wanted, " id=\"%.*s\"", size, at + strlen(label));
    assert_non_null(strstr(p->text, wanted));
  }
}

static void assert_sound(const page *p) {
  static const char *const never[] = {"<script", "javascript:", " style=", " onload", " onclick",
                                      "url(",    "@import",     " src=",   " href=",  "<iframe",
                                      "nan%",    "inf%",        "nan ",    "(null)"};
  assert_true(lti_slice_is_utf8(lti_slice(p->text, p->size)));
  for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
    if (strstr(p->text, never[i])) fail_msg("the page has %s", never[i]);
  assert_non_null(strstr(p->text, "default-src 'none'; style-src 'sha256-"));
  assert_balanced(p);
  assert_ids(p);
}

/* Whether an outside address stands anywhere but in the text of the page. */
static void assert_no_loads(const page *p) {
  bool text = false;
  for (const char *at = p->text; *at; at++) {
    if (*at == '>') text = true;
    if (*at == '<') text = false;
    if (!text && (strncmp(at, "http://", 7) == 0 || strncmp(at, "https://", 8) == 0))
      fail_msg("an address in markup: %.60s", at);
  }
}

static void check(result *r, size_t size_max) {
  page p = page_of(r);
  assert_sound(&p);
  assert_no_loads(&p);
  if (p.size > size_max) fail_msg("%zu bytes, more than %zu", p.size, size_max);
  free(p.text);
  result_free(r);
}

static void test_pages_are_whole_small_and_load_nothing(void **state) {
  (void)state;
  check(single(RESULT_VALID), USUAL_MAX);
  check(single(RESULT_DEGRADED), USUAL_MAX);
  check(single(RESULT_INVALID), USUAL_MAX);
  check(closed(), USUAL_MAX);
  check(sweep(8, 5), 2 * USUAL_MAX);
}

static void test_what_came_from_elsewhere_is_text(void **state) {
  (void)state;
  result *r = hostile();
  page p = page_of(r);
  assert_sound(&p);
  assert_null(strstr(p.text, "alert(1)</"));
  assert_null(strstr(p.text, "\xe2\x80\xae"));
  assert_null(strchr(p.text, '\x01'));
  assert_null(strchr(p.text, '`'));
  const char *escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&#96;&amp;";
  size_t found = 0;
  for (const char *at = strstr(p.text, escaped); at; at = strstr(at + 1, escaped)) found++;
  assert_true(found >= 9);
  free(p.text);
  result_free(r);
}

static void test_the_same_result_is_the_same_page(void **state) {
  (void)state;
  result *a = single(RESULT_VALID), *b = single(RESULT_VALID);
  page first = page_of(a), again = page_of(a), other = page_of(b);
  assert_string_equal(first.text, again.text);
  assert_string_equal(first.text, other.text);
  free(first.text);
  free(again.text);
  free(other.text);
  result_free(a);
  result_free(b);
}

static void expect(result *r, const char *const *words, size_t count) {
  page p = page_of(r);
  const char *at = p.text;
  for (size_t i = 0; i < count; i++) {
    const char *found = strstr(at, words[i]);
    if (!found) fail_msg("not there, or not in this order: %s", words[i]);
    at = found;
  }
  free(p.text);
  result_free(r);
}

static void test_the_verdict_comes_first(void **state) {
  (void)state;
  static const char *const invalid[] = {"<h1>",
                                        "verdict bad",
                                        "Invalid: do not use",
                                        "receive lag p99 is above its bound",
                                        "--threads 2",
                                        "Receive lag, p99",
                                        "500 \xc2\xb5s",
                                        "class=\"cards\"",
                                        "Latency by percentile"};
  static const char *const valid[] = {"<h1>", "verdict good", "Valid:", "class=\"cards\""};
  expect(single(RESULT_INVALID), invalid, sizeof invalid / sizeof invalid[0]);
  expect(single(RESULT_VALID), valid, sizeof valid / sizeof valid[0]);
}

static void test_a_closed_loop_says_that_both_forms_are_one(void **state) {
  (void)state;
  static const char *const words[] = {"Load test", "A closed loop: a request begins when",
                                      "No request failed", "never guessed from events"};
  expect(closed(), words, sizeof words / sizeof words[0]);
}

static void test_a_sweep_marks_its_knee_and_its_level(void **state) {
  (void)state;
  static const char *const words[] = {"Of 8 loads 7 are valid, 1 degraded",
                                      "The knee under",
                                      "ttft.p99&lt;500ms",
                                      "rate 105/s",
                                      "Time to first token against load",
                                      "class=\"mk\"",
                                      "ttft.p99&lt;500ms</text>",
                                      ">knee</text>",
                                      "(knee)"};
  static const char *const none[] = {"No load of these met", "ttft.p99&lt;500ms"};
  expect(sweep(8, 5), words, sizeof words / sizeof words[0]);
  expect(sweep(3, 9), none, sizeof none / sizeof none[0]);
}

static void test_a_result_with_nothing_in_it_is_a_page(void **state) {
  (void)state;
  result *none = result_new(), *empty = result_new();
  assert_true(none && empty && result_add(empty));
  check(none, USUAL_MAX);
  check(empty, USUAL_MAX);
}

static void test_the_largest_sweep_stays_bounded(void **state) {
  (void)state;
  result *r = new_result("large");
  for (size_t i = 0; i < RESULT_POINTS_MAX; i++) {
    result_point *p = result_add(r);
    assert_non_null(p);
    p->offer.concurrency = (int64_t)i + 1;
    snprintf(p->offer.label, sizeof p->offer.label, "concurrency %zu", i + 1);
    p->latencies[MEASURE_TTFT].sent = hist(50, 50000 + (double)i * 1000, 0.2);
    fill_timeline(p, 50000);
  }
  check(r, 1u << 20);
}

/* ---- sample pages for a browser */

static int write_page(const char *folder, const char *name, result *r) {
  char path[512];
  cli_out *out = malloc(sizeof *out);
  snprintf(path, sizeof path, "%s/%s.html", folder, name);
  bool fine = out && cli_out_open(out, path) && report_html(r, out);
  fine = fine && cli_out_close(out);
  free(out);
  result_free(r);
  return fine ? 0 : 1;
}

static int write_samples(const char *folder) {
  return write_page(folder, "single", single(RESULT_VALID)) |
         write_page(folder, "closed", closed()) |
         write_page(folder, "degraded", single(RESULT_DEGRADED)) |
         write_page(folder, "invalid", single(RESULT_INVALID)) |
         write_page(folder, "sweep", sweep(8, 5)) | write_page(folder, "hostile", hostile());
}

int main(int argc, char **argv) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pages_are_whole_small_and_load_nothing),
      cmocka_unit_test(test_what_came_from_elsewhere_is_text),
      cmocka_unit_test(test_the_same_result_is_the_same_page),
      cmocka_unit_test(test_the_verdict_comes_first),
      cmocka_unit_test(test_a_closed_loop_says_that_both_forms_are_one),
      cmocka_unit_test(test_a_sweep_marks_its_knee_and_its_level),
      cmocka_unit_test(test_a_result_with_nothing_in_it_is_a_page),
      cmocka_unit_test(test_the_largest_sweep_stays_bounded),
  };
  if (argc > 1) return write_samples(argv[1]);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
