/* The plays of h2_ways.h. Each feed is followed by a drain, as the engine does it. */
#include "support/h2_ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PIECES_MAX 21   /* bytes: two headers of frames and more */
#define SPLITS_MAX 3000 /* longer scripts are cut at so many places, evenly */

const lti_http_request h2_get = {.method = "GET",
                                 .path = {"/v1/models", 10},
                                 .host = {"api.test", 8},
                                 .credentials_from = SIZE_MAX};
const lti_http_request h2_post = {.method = "POST",
                                  .path = {"/v1/chat/completions", 20},
                                  .host = {"api.test", 8},
                                  .credentials_from = SIZE_MAX,
                                  .has_body = true};

static void open_all(h2_record *r, const h2_plan *plan) {
  lti_http_request request = plan->request ? *plan->request : h2_get;
  request.body_size = plan->body.size;
  for (size_t i = 0; i < plan->requests; i++)
    assert_int_equal(h2_record_open(r, &request, plan->body), LTI_OK);
  if (!plan->undrained) assert_int_equal(h2_record_drain(r), LTI_OK);
}

h2_record *h2_play(const h2_plan *plan, leat_slice bytes, const size_t *cuts, size_t count) {
  h2_record *r = malloc(sizeof *r);
  assert_non_null(r);
  assert_true(h2_record_init(r, plan->config, NULL));
  open_all(r, plan);
  size_t from = 0;
  for (size_t i = 0; i <= count; i++) {
    size_t to = i < count ? cuts[i] : bytes.size;
    h2_record_feed(r, lti_slice(bytes.data + from, to - from), 0);
    from = to;
  }
  h2_record_over(r, r->code ? r->code : LEAT_ERESET,
                 r->code ? lti_http2_reason(r->codec) : "the peer is gone");
  assert_int_equal(r->breaches, 0);
  return r;
}

void h2_give_back(h2_record *record) {
  h2_record_deinit(record);
  free(record);
}

static void must_agree(const h2_record *whole, h2_record *other, const char *way) {
  bool same = h2_record_equal(whole, other) &&
              strcmp(lti_http2_reason(whole->codec), lti_http2_reason(other->codec)) == 0 &&
              lti_http2_code(whole->codec) == lti_http2_code(other->codec);
  if (!same) {
    h2_record_print("whole", whole);
    h2_record_print(way, other);
  }
  assert_true(same);
  h2_give_back(other);
}

h2_record *h2_every_way(const h2_plan *plan, leat_slice bytes) {
  h2_record *whole = h2_play(plan, bytes, NULL, 0);
  if (bytes.size == 0) return whole;
  size_t *each = malloc(bytes.size * sizeof *each);
  assert_non_null(each);
  for (size_t i = 0; i < bytes.size; i++) each[i] = i + 1;
  must_agree(whole, h2_play(plan, bytes, each, bytes.size), "byte by byte");
  for (size_t piece = 2; piece <= PIECES_MAX && piece < bytes.size; piece++) {
    size_t count = 0;
    for (size_t at = piece; at < bytes.size; at += piece) each[count++] = at;
    must_agree(whole, h2_play(plan, bytes, each, count), "in pieces");
  }
  free(each);
  size_t step = 1 + bytes.size / SPLITS_MAX;
  for (size_t cut = 1; cut < bytes.size; cut += step)
    must_agree(whole, h2_play(plan, bytes, &cut, 1), "in two");
  return whole;
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* The connection failed, with a GOAWAY of `code`. */
void h2_check_ended(const h2_record *r, uint32_t code, const char *reason) {
  h2_seen frame;
  assert_int_equal(r->code, LEAT_EHTTP);
  assert_int_equal(lti_http2_code(r->codec), code);
  assert_non_null(strstr(lti_http2_reason(r->codec), reason));
  assert_true(h2_last(lti_buf_slice(&r->sent), H2_GOAWAY, 0, &frame));
  assert_int_equal(h2_number(frame.payload, 4), code);
  for (size_t i = 0; i < r->count; i++)
    assert_int_equal(r->calls[i].completes + r->calls[i].failures, 1);
}

void h2_check_failed(const h2_call *call, int error, uint32_t code, const char *reason) {
  assert_int_equal(call->failures, 1);
  assert_int_equal(call->completes, 0);
  assert_int_equal(call->failure.error, error);
  assert_int_equal(call->failure.code, code);
  assert_non_null(strstr(call->failure.reason, reason));
}

/* The first of two streams ends so, and the second completes behind it. */
static h2_record *play_broken(h2_script *script, int error, uint32_t code, const char *reason) {
  h2_ok(script, 3, 0);
  h2_text(script, 3, H2_END_STREAM, "fine");
  h2_record *r = h2_every_way(&(h2_plan){.requests = 2}, h2_script_bytes(script));
  assert_int_equal(r->code, LTI_OK);
  h2_check_failed(&r->calls[0], error, code, reason);
  assert_false(r->calls[0].failure.unprocessed);
  assert_int_equal(r->calls[1].completes, 1);
  assert_int_equal(r->calls[1].body_size, 4);
  return r;
}

/* We reset it. */
void h2_check_stream_ends(h2_script *script, int error, uint32_t code, const char *reason) {
  h2_seen frame;
  h2_record *r = play_broken(script, error, code, reason);
  assert_true(h2_last(lti_buf_slice(&r->sent), H2_RST_STREAM, 1, &frame));
  assert_int_equal(h2_number(frame.payload, 0), code);
  h2_give_back(r);
}

/* It was at its end on both sides, so that nothing is left to reset. */
void h2_check_closed_stream_ends(h2_script *script, const char *reason) {
  h2_record *r = play_broken(script, LEAT_EHTTP, H2_PROTOCOL_ERROR, reason);
  assert_int_equal(h2_count(lti_buf_slice(&r->sent), H2_RST_STREAM, 1), 0);
  h2_give_back(r);
}
