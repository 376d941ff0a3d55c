/* Every way of cutting a script, and the comparison of what came of each. Scripts above SPLITS_MAX
 * are cut at 64 places instead of all; every pair of cuts is tried up to TWICE_MAX bytes. */
#include "support/http1_ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TWICE_MAX  110
#define SPLITS_MAX 2000

void http1_play(const record_script *script, record *r, const size_t *cuts, size_t cut_count) {
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  record_run(r, &alloc, script, cuts, cut_count);
  assert_int_equal(r->breaches, 0);
}

void http1_way(const record_script *script, const record *whole, const record *how,
               const size_t *cuts, size_t cut_count) {
  record r = *how;
  http1_play(script, &r, cuts, cut_count);
  if (!record_equal(whole, &r)) {
    record_print("whole", whole);
    record_print("cut", &r);
    fprintf(stderr, "%zu cuts, the first at %zu, in: %.*s\n", cut_count, cut_count ? cuts[0] : 0,
            (int)(script->raw.size < 300 ? script->raw.size : 300), script->raw.data);
    fail_msg("a cut made a difference");
  }
  record_deinit(&r);
}

record http1_every_way(const record_script *script) {
  static const record takes_all, one_byte = {.stop_bytes = 1, .stop_events = true};
  record whole = {0};
  http1_play(script, &whole, NULL, 0);
  size_t n = script->raw.size, step = n > SPLITS_MAX ? n / 64 : 1;
  for (size_t a = 0; a <= n; a += step) {
    http1_way(script, &whole, &takes_all, &a, 1);
    if (step == 1) http1_way(script, &whole, &one_byte, &a, 1);
  }
  for (size_t a = 0; n <= TWICE_MAX && a <= n; a++)
    for (size_t b = a; b <= n; b++) {
      size_t both[2] = {a, b};
      http1_way(script, &whole, &takes_all, both, 2);
    }
  size_t *each = malloc((n + 1) * sizeof *each);
  assert_non_null(each);
  for (size_t i = 0; i < n; i++) each[i] = i + 1;
  http1_way(script, &whole, &takes_all, each, n);
  http1_way(script, &whole, &one_byte, each, n);
  free(each);
  return whole;
}

static void check_body(const record *r, const char *body) {
  assert_int_equal(r->body_size, strlen(body));
  if (body[0]) assert_memory_equal(r->body, body, r->body_size);
}

void check_script_completes(const record_script *script, int status, const char *body,
                            bool reusable) {
  record r = http1_every_way(script);
  if (r.code != LTI_OK) record_print("unexpected", &r);
  assert_int_equal(r.code, LTI_OK);
  assert_int_equal(r.heads, 1);
  assert_int_equal(r.completes, 1);
  assert_int_equal(r.status, status);
  check_body(&r, body);
  assert_int_equal(r.reusable_at_complete, reusable);
  assert_int_equal(r.reusable, reusable && script->ending == RECORD_STAYS_OPEN);
  record_deinit(&r);
}

void check_script_breaks(const record_script *script, int code, const char *reason,
                         const char *body) {
  record r = http1_every_way(script);
  if (r.code != code || !strstr(r.reason, reason)) record_print(reason, &r);
  assert_int_equal(r.code, code);
  assert_non_null(strstr(r.reason, reason));
  assert_int_equal(r.completes, 0);
  assert_false(r.reusable);
  check_body(&r, body);
  record_deinit(&r);
}
