/* Every way of playing frames, and the checks that the WebSocket tests share. */
#include "support/ws_ways.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TWICE_MAX 64   /* bytes up to which every two cuts are tried */
#define EACH_MAX  2048 /* bytes up to which every cut is */
#define WIDE      997

static void play_way(const ws_record *whole, leat_slice raw, const ws_record *how,
                     const size_t *cuts, size_t cut_count) {
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  ws_record r = *how;
  assert_true(ws_record_init(&r, &alloc));
  ws_play(&r, raw, cuts, cut_count);
  if (r.breaches || (whole && !ws_record_equal(&r, whole))) {
    if (whole) ws_record_print("whole", whole);
    ws_record_print("this way", &r);
    fail_msg("differs when cut %zu times, first at %zu%s", cut_count, cut_count ? cuts[0] : 0,
             how->stops ? ", stopping" : "");
  }
  ws_record_deinit(&r);
}

static void play_cuts(const ws_record *whole, leat_slice raw, const ws_record *how) {
  size_t *all = malloc((raw.size + 1) * sizeof *all), wide = 0;
  assert_non_null(all);
  for (size_t i = 0; i < raw.size; i++) all[i] = i;
  play_way(whole, raw, how, all, raw.size);
  for (size_t at = WIDE; at < raw.size; at += WIDE) all[wide++] = at;
  play_way(whole, raw, how, all, wide);
  free(all);
  for (size_t i = 0; i <= raw.size; i += raw.size <= EACH_MAX || i < 32 ? 1 : WIDE / 3)
    play_way(whole, raw, how, &i, 1);
  for (size_t i = 0; raw.size <= TWICE_MAX && i <= raw.size; i++)
    for (size_t j = i; j <= raw.size; j++) play_way(whole, raw, how, (size_t[]){i, j}, 2);
}

void ws_every_way(ws_record *whole, leat_slice raw, const ws_record *how) {
  static lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  *whole = *how;
  assert_true(ws_record_init(whole, &alloc));
  ws_play(whole, raw, NULL, 0);
  assert_int_equal(whole->breaches, 0);
  play_cuts(whole, raw, how);
  ws_record stopping = *how;
  stopping.stops = true;
  play_way(whole, raw, &stopping, NULL, 0);
  play_cuts(whole, raw, &stopping);
}

unsigned ws_close_in(lti_buf *out) {
  size_t at = 0;
  unsigned code = 0;
  while (at < out->size) {
    ws_sent sent;
    assert_int_equal(code, 0);
    assert_true(ws_sent_next(out, &at, &sent));
    if (sent.opcode != 8) continue;
    assert_int_not_equal(sent.size, 1);
    const unsigned char *p = (const unsigned char *)sent.bytes;
    code = sent.size ? (unsigned)p[0] << 8 | p[1] : 1005;
  }
  return code;
}

static void check_log(const ws_record *r, const char *log) {
  if (lti_slice_is(lti_buf_slice(&r->log), log)) return;
  fail_msg("came: %.*s instead of: %s", (int)r->log.size, r->log.data, log);
}

void check_open(leat_slice raw, const char *log) {
  ws_record r, how = {0};
  ws_every_way(&r, raw, &how);
  check_log(&r, log);
  assert_int_equal(r.code, LTI_OK);
  assert_false(r.close_sent);
  assert_int_equal(ws_close_in(&r.out), 0);
  ws_record_deinit(&r);
}

static void check_failed(ws_record *r, int code, unsigned close_code) {
  assert_int_equal(r->code, code);
  assert_int_equal(r->close_code, close_code);
  assert_int_equal(ws_close_in(&r->out), close_code);
  assert_true(r->close_sent == (close_code != 0) && !r->close_seen);
  assert_true(strlen(r->reason) > 0);
}

void check_broken(leat_slice raw, const char *log, int code, unsigned close_code) {
  ws_record r, how = {0};
  ws_every_way(&r, raw, &how);
  check_log(&r, log);
  check_failed(&r, code, close_code);
  ws_record_deinit(&r);
}

void check_broken_by(const ws_record *how, leat_slice raw, int code, unsigned close_code) {
  ws_record r;
  ws_every_way(&r, raw, how);
  check_failed(&r, code, close_code);
  ws_record_deinit(&r);
}

void check_closed(leat_slice raw, const char *log, unsigned code) {
  ws_record r, how = {.ends = true};
  ws_every_way(&r, raw, &how);
  check_log(&r, log);
  assert_int_equal(r.code, LTI_OK);
  assert_int_equal(r.end_code, LTI_OK);
  assert_int_equal(r.closes, 1);
  assert_int_equal(r.closed_code, code);
  assert_int_equal(ws_close_in(&r.out), code);
  assert_true(r.close_sent && r.close_seen);
  ws_record_deinit(&r);
}
