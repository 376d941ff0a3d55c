/* Limits in a whole engine: learned ones and the caller's own, pauses that hold for all, what waits
 * and what does not, and what it costs without memory. Rows RT-04 and RT-10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"
#include "support/flow.h"

#define HANG CHAT_HEAD CHAT_TEXT("a") "<<silent>>"
#define USAGE(total)                                          \
  "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":" total \
  ",\"completion_tokens\":0,"                                 \
  "\"total_tokens\":" total "}}\n\n<<cut>>"
#define HEADED(lines)                                            \
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" lines \
  "Transfer-Encoding: chunked\r\n\r\n<<chunked>>" CHAT_TEXT("hello") CHAT_END

static flow_call *ask(flow *f, const peer *p, const char *model) {
  static char body[256];
  snprintf(body, sizeof body, "{\"messages\":[],\"stream\":true,\"model\":\"%s\"}", model);
  f->request.base_url = peer_url(p);
  f->request.body = lti_slice_of(body);
  return flow_submit(f);
}

static void limit(flow *f, leat_limit what) {
  leat_limit *l = flow_keep(f, sizeof *l);
  *l = what;
  f->config.limits = l;
  f->config.limit_count = 1;
}

/* ---- the caller's own */

static void test_concurrency_is_kept_to(void **state) {
  flow *f = *state;
  limit(f, (leat_limit){.concurrency = 3});
  peer *p =
      flow_peer(f, (const char *const[]){CHAT_HEAD CHAT_TEXT("a") "<<sleep 5>>" CHAT_END, NULL});
  for (int i = 0; i < 20; i++) ask(f, p, "m");
  flow_wait(f);
  assert_int_equal(flow_stats(f).requests_completed, 20);
  assert_in_range(peer_open_peak(p), 1, 3);
  assert_int_equal(flow_stats(f).requests_limited, 0);
  assert_true(flow_stats(f).limiter_waits >= 10);
}

static void test_models_are_limited_apart(void **state) {
  flow *f = *state;
  limit(f, (leat_limit){.concurrency = 1});
  peer *p = flow_peer(f, (const char *const[]){HANG, NULL});
  flow_call *a = ask(f, p, "a"), *b = ask(f, p, "b"), *again = ask(f, p, "a");
  flow_wait_events(f, a, 2);
  flow_wait_events(f, b, 2);
  flow_run(f, 30);
  assert_int_equal(again->events, 0);
  assert_int_equal(flow_stats(f).requests_limited, 1);
  assert_int_equal(flow_stats(f).requests_queued, 1);
  leat_cancel(f->engine, a->id);
  flow_wait_events(f, again, 2);
  leat_cancel(f->engine, b->id);
  leat_cancel(f->engine, again->id);
  flow_wait(f);
}

static void test_keys_are_limited_apart(void **state) {
  flow *f = *state;
  limit(f, (leat_limit){.concurrency = 1});
  peer *p = flow_peer(f, (const char *const[]){HANG, NULL});
  f->request.api_key = "sk-first";
  flow_call *a = ask(f, p, "m");
  f->request.api_key = "sk-second";
  flow_call *b = ask(f, p, "m");
  flow_wait_events(f, a, 2);
  flow_wait_events(f, b, 2);
  assert_int_equal(flow_stats(f).requests_limited, 0);
  leat_cancel(f->engine, a->id);
  leat_cancel(f->engine, b->id);
  flow_wait(f);
}

static void test_a_limit_names_its_model(void **state) {
  flow *f = *state;
  limit(f, (leat_limit){.model = "tight", .concurrency = 1});
  peer *p = flow_peer(f, (const char *const[]){HANG, NULL});
  flow_call *c[4] = {ask(f, p, "free"), ask(f, p, "free"), ask(f, p, "tight"), ask(f, p, "tight")};
  for (int i = 0; i < 3; i++) flow_wait_events(f, c[i], 2);
  flow_run(f, 20);
  assert_int_equal(c[3]->events, 0);
  for (int i = 0; i < 4; i++) leat_cancel(f->engine, c[i]->id);
  flow_wait(f);
}

static void test_more_than_the_limit_is_in_all_is_refused(void **state) {
  flow *f = *state;
  limit(f, (leat_limit){.tokens_per_minute = 500});
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  f->request.tokens = 501;
  flow_call *c = ask(f, p, "m");
  flow_wait(f);
  flow_assert_error(c, LEAT_ELIMIT);
  assert_int_equal(leat_error_class(c->error), LEAT_CLASS_LIMIT);
  assert_int_equal(c->result.attempts, 0);
  f->request.tokens = 500;
  c = ask(f, p, "m");
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

/* Each reserves a second's worth; their usage says that they cost next to nothing. */
static void test_what_was_reserved_too_much_comes_back(void **state) {
  flow *f = *state;
  limit(f, (leat_limit){.tokens_per_minute = 6000});
  peer *p =
      flow_peer(f, (const char *const[]){
                       CHAT_HEAD CHAT_TEXT("a") CHAT_STOP USAGE("1") CHAT_DONE "<<last>>", NULL});
  f->request.tokens = 1000;
  flow_call *c = NULL;
  for (int i = 0; i < 8; i++) c = ask(f, p, "m");
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(flow_took_ms(c) < 5000); /* and not the 70 s that 8,000 tokens take */
}

static void test_what_is_not_asked_for_is_estimated(void **state) {
  flow *f = *state;
  limit(f, (leat_limit){.tokens_per_minute = 6000});
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  static const char *const bodies[] = {
      "{\"model\":\"a\",\"messages\":[],\"stream\":true,\"max_tokens\":1000}",
      "{\"model\":\"b\",\"messages\":[],\"stream\":true,\"max_completion_tokens\":1000}"};
  f->request.base_url = peer_url(p);
  f->request.deadlines.queue_ms = 300;
  for (int i = 0; i < 2; i++) {
    f->request.body = lti_slice_of(bodies[i]);
    flow_call *first = flow_submit(f), *second = flow_submit(f);
    flow_wait(f);
    flow_assert_error(first, LEAT_OK);
    flow_assert_error(second, LEAT_EQUEUETIMEOUT);
    assert_true(second->result.limited_ns >= 250000000);
  }
}

static void test_who_waits_for_a_limit_can_be_cancelled_and_closed(void **state) {
  flow *f = *state;
  limit(f, (leat_limit){.requests_per_minute = 1});
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_call *c[4];
  for (int i = 0; i < 4; i++) c[i] = ask(f, p, "m");
  flow_wait_for(f, c[0]);
  flow_assert_error(c[0], LEAT_OK);
  leat_cancel(f->engine, c[1]->id);
  flow_wait_for(f, c[1]);
  flow_assert_error(c[1], LEAT_ECANCELLED);
  flow_close(f, LEAT_CLOSE_NOW);
  flow_assert_error(c[2], LEAT_ECANCELLED);
  flow_assert_error(c[3], LEAT_ECANCELLED);
}

/* ---- learned */

static void test_before_the_first_answer_only_a_few_are_out(void **state) {
  flow *f = *state;
  f->config.learn_limits = true;
  f->config.limiter_probe = 2;
  peer *p = flow_peer(f, (const char *const[]){"<<sleep 60>>" CHAT_HELLO, NULL});
  for (int i = 0; i < 12; i++) ask(f, p, "m");
  assert_true(peer_await(p, 0));
  flow_run(f, 40);
  assert_in_range(peer_requests(p), 0, 2);
  flow_wait(f);
  assert_int_equal(flow_stats(f).requests_completed, 12);
}

typedef struct strict {
  uint64_t window_ns, from_ns;
  unsigned most, used, refused, served;
  uv_mutex_t lock;
} strict;

/* A window of so many requests: false when it is used up. */
static bool admit(strict *s, unsigned *left, unsigned *reset_ms) {
  uv_mutex_lock(&s->lock);
  uint64_t now = uv_hrtime();
  if (now - s->from_ns >= s->window_ns) s->from_ns = now, s->used = 0;
  bool ok = s->used < s->most;
  if (ok)
    s->used++, s->served++;
  else
    s->refused++;
  *left = s->most - s->used;
  *reset_ms = (unsigned)((s->window_ns - (now - s->from_ns)) / 1000000) + 1;
  uv_mutex_unlock(&s->lock);
  return ok;
}

static void limiting(peer_link *l, void *ctx) {
  char text[2048];
  while (peer_read(l)) {
    unsigned left, reset_ms;
    bool ok = admit(ctx, &left, &reset_ms);
    snprintf(text, sizeof text,
             "HTTP/1.1 %s\r\nx-ratelimit-limit-requests: 30\r\n"
             "x-ratelimit-remaining-requests: %u\r\nx-ratelimit-reset-requests: %ums\r\n"
             "Content-Type: text/event-stream\r\n<<body>>%s",
             ok ? "200 OK" : "429 Slow down", left, reset_ms,
             ok ? "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},"
                  "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n<<cut>>"
                : "{\"error\":{\"message\":\"slow down\"}}<<cut>>");
    if (!peer_say(l, text)) return;
  }
}

/* Windows of a second, so that the time to their end is long beside what a busy machine adds. */
static void test_a_strict_server_is_not_asked_too_often(void **state) {
  flow *f = *state;
  strict *s = flow_keep(f, sizeof *s);
  *s = (strict){.window_ns = 1000000000, .most = 30};
  assert_int_equal(uv_mutex_init(&s->lock), 0);
  f->config.learn_limits = true;
  f->request.retries = 2;
  peer *p = flow_peer_script(f, limiting, s);
  for (int i = 0; i < 100; i++) ask(f, p, "m");
  flow_wait(f);
  assert_int_equal(flow_stats(f).requests_completed, 100);
  assert_in_range(s->refused, 0, 1);
  assert_int_equal(flow_stats(f).limit_refusals, s->refused);
  uv_mutex_destroy(&s->lock);
}

typedef struct paused {
  uint64_t refused_ns, earliest_ns;
} paused;

/* The first one is refused for 250 ms; when is the next one heard? */
static void refusing(peer_link *l, void *ctx) {
  paused *p = ctx;
  while (peer_read(l)) {
    uint64_t now = uv_hrtime();
    if (peer_link_number(l) == 0) {
      p->refused_ns = now;
      if (!peer_say(l, "HTTP/1.1 429 Slow\r\nRetry-After-Ms: 250\r\nContent-Length: 0\r\n\r\n"))
        return;
      continue;
    }
    if (!p->earliest_ns) p->earliest_ns = now;
    if (!peer_say(l, CHAT_HELLO)) return;
  }
}

static void test_rt_04_a_refusal_pauses_all_of_its_key_and_model(void **state) {
  flow *f = *state;
  paused *x = flow_keep(f, sizeof *x);
  f->config.learn_limits = true;
  f->config.limiter_probe = 1;
  f->config.conns_max = 1;
  f->request.retries = 1;
  peer *p = flow_peer_script(f, refusing, x);
  flow_call *first = ask(f, p, "m");
  for (int i = 0; i < 9; i++) ask(f, p, "m");
  flow_wait(f);
  flow_assert_error(first, LEAT_OK);
  assert_int_equal(first->result.attempts, 2);
  assert_true(x->earliest_ns - x->refused_ns >= 240000000);
  assert_int_equal(peer_requests(p), 11);
  assert_int_equal(flow_stats(f).limit_refusals, 1);
}

static void test_another_model_is_not_paused(void **state) {
  flow *f = *state;
  f->config.learn_limits = true;
  f->request.retries = LEAT_NONE;
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n",
                               CHAT_HELLO, NULL});
  flow_call *a = ask(f, p, "a");
  flow_wait(f);
  flow_assert_error(a, LEAT_ESTATUS);
  flow_call *b = ask(f, p, "b");
  flow_wait(f);
  flow_assert_error(b, LEAT_OK);
  f->request.deadlines.queue_ms = 50;
  a = ask(f, p, "a");
  flow_wait(f);
  flow_assert_error(a, LEAT_EQUEUETIMEOUT);
  assert_int_equal(peer_requests(p), 2);
}

/* Gemini tells it in the body. */
static void test_a_delay_in_the_body_pauses_too(void **state) {
  flow *f = *state;
  f->config.learn_limits = true;
  f->request.retries = LEAT_NONE;
  peer *p = flow_peer(
      f, (const char *const[]){"HTTP/1.1 429 Slow\r\n<<body>>{\"error\":{\"code\":429,\"message\":"
                               "\"slow\",\"details\":[{\"retryDelay\":\"30s\"}]}}<<cut>>",
                               CHAT_HELLO, NULL});
  flow_call *c = ask(f, p, "m");
  flow_wait(f);
  assert_int_equal(c->result.retry_after_ms, 30000);
  f->request.deadlines.queue_ms = 50;
  c = ask(f, p, "m");
  flow_wait(f);
  flow_assert_error(c, LEAT_EQUEUETIMEOUT);
}

static void test_rt_10_unusable_limits_change_nothing(void **state) {
  flow *f = *state;
  f->config.learn_limits = true;
  peer *p = flow_peer(
      f, (const char *const[]){HEADED("x-ratelimit-limit-requests: -1\r\n"
                                      "x-ratelimit-remaining-requests: -1\r\n"
                                      "x-ratelimit-reset-requests: soon\r\n"
                                      "x-ratelimit-limit-tokens: 99999999999999999999\r\n"
                                      "x-ratelimit-remaining-tokens: 0\r\n"
                                      "anthropic-ratelimit-requests-limit: x\r\n"
                                      "anthropic-ratelimit-requests-remaining: 0\r\n"
                                      "anthropic-ratelimit-requests-reset: 1970-01-01\r\n"),
                               NULL});
  for (int i = 0; i < 40; i++) ask(f, p, "m");
  flow_wait(f);
  assert_int_equal(flow_stats(f).requests_completed, 40);
}

static void test_without_learning_headers_mean_nothing(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){HEADED("x-ratelimit-limit-requests: 1\r\n"
                                                      "x-ratelimit-remaining-requests: 0\r\n"
                                                      "x-ratelimit-reset-requests: 60s\r\n"),
                                               NULL});
  for (int i = 0; i < 5; i++) ask(f, p, "m");
  flow_wait(f);
  assert_int_equal(flow_stats(f).requests_completed, 5);
}

static void test_limits_without_memory(void **state) {
  flow *f = *state;
  f->config.learn_limits = true;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  ask(f, p, "warm");
  flow_wait(f);
  unsigned refused = 0, served = 0;
  for (uint64_t n = 1; n <= 40; n++) {
    static char body[64];
    snprintf(body, sizeof body, "{\"messages\":[],\"stream\":true,\"model\":\"%u\"}", (unsigned)n);
    f->request.body = lti_slice_of(body);
    f->memory.fail_at = f->memory.calls + n;
    flow_call *c = flow_try(f);
    flow_wait(f);
    f->memory.fail_at = 0;
    refused += c->error == LEAT_ENOMEM;
    served += c->error == LEAT_OK;
    assert_int_equal(flow_stats(f).requests_queued, 0);
  }
  assert_true(refused > 8 && served > 8);
}

static void test_pacing_that_contradicts_itself_is_refused(void **state) {
  static const leat_limit bad = {.requests_per_minute = -1};
  static const leat_config configs[] = {{.limiter_probe = -2},
                                        {.retry_budget = 101},
                                        {.retry_budget = -2},
                                        {.circuit_failures = -2},
                                        {.circuit_ms = -1},
                                        {.limit_count = 1},
                                        {.limits = &bad, .limit_count = 1}};
  (void)state;
  for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
    leat_config config = configs[i];
    leat_engine *engine;
    const char *why = NULL;
    config.struct_size = sizeof config;
    assert_int_equal(leat_open(&engine, &config, &why), LEAT_EINVAL);
    assert_non_null(why);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_concurrency_is_kept_to),
      FLOW_TEST(test_models_are_limited_apart),
      FLOW_TEST(test_keys_are_limited_apart),
      FLOW_TEST(test_a_limit_names_its_model),
      FLOW_TEST(test_more_than_the_limit_is_in_all_is_refused),
      FLOW_TEST(test_what_was_reserved_too_much_comes_back),
      FLOW_TEST(test_what_is_not_asked_for_is_estimated),
      FLOW_TEST(test_who_waits_for_a_limit_can_be_cancelled_and_closed),
      FLOW_TEST(test_before_the_first_answer_only_a_few_are_out),
      FLOW_TEST(test_a_strict_server_is_not_asked_too_often),
      FLOW_TEST(test_rt_04_a_refusal_pauses_all_of_its_key_and_model),
      FLOW_TEST(test_another_model_is_not_paused),
      FLOW_TEST(test_a_delay_in_the_body_pauses_too),
      FLOW_TEST(test_rt_10_unusable_limits_change_nothing),
      FLOW_TEST(test_without_learning_headers_mean_nothing),
      FLOW_TEST(test_limits_without_memory),
      cmocka_unit_test(test_pacing_that_contradicts_itself_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
