/* Frames of a server: the rules of RFC 6455 sections 5 to 7, each breach as raw bytes and in every
 * way of ws_ways.h, and the limits on what a server can pile up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/failing.h"
#include "support/ws_ways.h"

#define SECOND UINT64_C(1000000000)

static const ws_record plainly = {0};

static lti_alloc *open_plain(ws_record *r) {
  static lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  assert_true(ws_record_init(r, &alloc));
  return &alloc;
}

/* ---- messages -----------------------------------------------------------------------------------
 */

static void messages_come_as_views_of_what_was_fed(void **state) {
  (void)state;
  check_open(RAW("\x81\x05hello"), "Thello\n");
  check_open(RAW("\x82\x03\xff\xfe!"), "B\xff\xfe!\n");
  check_open(RAW("\x81\x00\x82\x00"), "T\nB\n");
  check_open(RAW("\x81\x01"
                 "a\x82\x01"
                 "b\x81\x01"
                 "c"),
             "Ta\nBb\nTc\n");
  /* A whole message is one piece, and so is each frame of it. */
  ws_record r = plainly;
  open_plain(&r);
  ws_feed(&r, RAW("\x81\x05hello\x01\x02he\x80\x03llo"), 1);
  assert_int_equal(r.pieces, 3);
  assert_int_equal(r.messages, 2);
  ws_record_deinit(&r);
}

static void fragments_become_one_message(void **state) {
  (void)state;
  check_open(RAW("\x01\x01"
                 "a\x00\x01"
                 "b\x80\x01"
                 "c"),
             "Tabc\n");
  check_open(RAW("\x02\x00\x00\x00\x80\x02xy"), "Bxy\n");
  check_open(RAW("\x01\x02xy\x00\x00\x80\x00"), "Txy\n");
  check_open(RAW("\x01\x00\x80\x00"), "T\n");
}

/* Lengths of 2 and 8 bytes, and payloads longer than wslay's own block of 4 KiB. */
static void long_frames_keep_their_place_in_the_stream(void **state) {
  static const size_t sizes[] = {125, 126, 127, 4095, 4096, 4097, 65535, 65536, 200000};
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    size_t size = sizes[i], head = size < 126 ? 2 : size < 65536 ? 4 : 10;
    char *raw = malloc(head + size + 4);
    assert_non_null(raw);
    raw[0] = (char)0x82;
    raw[1] = (char)(size < 126 ? size : size < 65536 ? 126 : 127);
    for (size_t b = 0; b + 2 < head; b++) raw[2 + b] = (char)(size >> 8 * (head - 3 - b));
    for (size_t b = 0; b < size; b++) raw[head + b] = (char)(b * 31 + b / 256);
    memcpy(raw + head + size, "\x81\x02ok", 4);
    ws_record r;
    ws_every_way(&r, lti_slice(raw, head + size + 4), &plainly);
    assert_int_equal(r.messages, 2);
    assert_int_equal(r.log.size, size + 6);
    assert_memory_equal(r.log.data + 1, raw + head, size);
    ws_record_deinit(&r);
    free(raw);
  }
}

/* WS-03: what came in the segment of the 101 is fed like anything else, and a Close in it too. */
static void ws_03_frames_behind_the_handshake_are_not_lost(void **state) {
  (void)state;
  ws_record r = plainly;
  open_plain(&r);
  assert_int_equal(ws_feed(&r, RAW("\x81\x02hi\x89\x01p\x88\x02\x03\xe8"), 0), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&r.log), "Thi\nPp\nC\n"));
  size_t at = 0;
  ws_sent sent;
  assert_true(ws_sent_next(&r.out, &at, &sent) && sent.opcode == 10);
  assert_true(ws_sent_next(&r.out, &at, &sent) && sent.opcode == 8);
  assert_int_equal(lti_ws_end(r.codec), LTI_OK);
  ws_record_deinit(&r);
}

/* A stopped feed says where it stopped, and an empty one goes on. */
static void a_stopped_feed_goes_on_behind_the_piece(void **state) {
  (void)state;
  ws_record r = {.stops = true};
  open_plain(&r);
  leat_slice raw = RAW("\x89\x01p\x81\x02hi\x8a\x00");
  r.piece = raw;
  size_t taken = 0;
  assert_int_equal(lti_ws_feed(r.codec, raw, 1, &taken), LTI_STOPPED);
  assert_int_equal(taken, 7);
  assert_int_equal(lti_ws_feed(r.codec, lti_slice(NULL, 0), 1, &taken), LTI_OK);
  assert_int_equal(lti_ws_feed(r.codec, lti_slice_from(raw, 7), 1, &taken), LTI_OK);
  assert_int_equal(taken, 2);
  assert_int_equal(r.pongs, 1);
  ws_record_deinit(&r);
}

/* ---- breaches -----------------------------------------------------------------------------------
 */

#define check_breach(text, log) check_broken(RAW(text), log, LEAT_EWS, 1002)

static void ws_04_masks_reserved_bits_and_lengths(void **state) {
  (void)state;
  check_breach("\x81\x85\x01\x02\x03\x04hello", "");
  check_breach("\x81\x80\x01\x02\x03\x04", "");
  check_breach("\x89\x80\x01\x02\x03\x04", "");
  check_breach("\x81\xfe\x01\x00\x01\x02\x03\x04hello", "");
  check_breach("\xc1\x01x", "");
  check_breach("\xa1\x01x", "");
  check_breach("\x91\x01x", "");
  check_breach("\xd9\x00", "");
  check_breach(
      "\x81\x01"
      "a\xc1\x00",
      "Ta\n");
  check_breach("\x81\x7e\x00\x05hello", "");
  check_breach("\x81\x7e\x00\x7d", "");
  check_breach("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05", "");
  check_breach("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "");
  check_breach("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x05", "");
}

static void ws_04_reserved_opcodes(void **state) {
  (void)state;
  for (unsigned opcode = 0; opcode < 16; opcode++) {
    if (opcode <= 2 || (opcode >= 8 && opcode <= 10)) continue;
    char raw[3] = {(char)(0x80 | opcode), 1, 'x'};
    check_broken(lti_slice(raw, 3), "", LEAT_EWS, 1002);
    raw[1] = 0;
    check_broken(lti_slice(raw, 2), "", LEAT_EWS, 1002);
  }
}

static void ws_05_long_or_fragmented_control_frames(void **state) {
  (void)state;
  check_breach("\x89\x7e\x00\x7e", "");
  check_breach("\x8a\x7f\x00\x00\x00\x00\x00\x01\x00\x00", "");
  check_breach("\x09\x00", "");
  check_breach("\x0a\x01x", "");
  check_breach("\x08\x02\x03\xe8", "");
  check_breach(
      "\x81\x01"
      "a\x09\x01x",
      "Ta\n");
}

static void ws_06_fragments_out_of_order(void **state) {
  (void)state;
  check_breach("\x80\x01x", "");
  check_breach("\x00\x00", "");
  check_breach(
      "\x81\x01"
      "a\x80\x01x",
      "Ta\n");
  check_breach(
      "\x01\x01"
      "a\x81\x01"
      "b",
      "Ta");
  check_breach("\x01\x00\x02\x00", "");
  check_breach(
      "\x02\x01"
      "a\x01\x01"
      "b",
      "Ba");
}

#define check_not_utf8(text, log) check_broken(RAW(text), log, LEAT_EWS, 1007)

/* The good bytes before the first bad one are delivered, and the failure does not wait for more. */
static void ws_07_text_that_is_not_utf8(void **state) {
  (void)state;
  check_not_utf8(
      "\x81\x03"
      "a\xff"
      "b",
      "Ta");
  check_not_utf8(
      "\x81\x7e\x40\x00"
      "ab\xff",
      "Tab");
  check_not_utf8("\x81\x02\xc0\x80", "");
  check_not_utf8("\x81\x04\xed\xa0\x80x", "T\xed");
  check_not_utf8("\x81\x05\xf4\x90\x80\x80x", "T\xf4");
  check_not_utf8("\x81\x02\xe2\x82", "T\xe2\x82");
  check_not_utf8("\x01\x02\xe2\x82\x80\x01x", "T\xe2\x82");
  check_not_utf8("\x01\x02\xe2\x82\x80\x00", "T\xe2\x82");
  check_not_utf8("\x01\x01\xe2\x00\x01\x82\x80\x01\xe2", "T\xe2\x82");
  check_open(RAW("\x01\x01\xe2\x00\x01\x82\x89\x01p\x80\x01\xac"), "T\xe2\x82\xac\n");
  check_open(RAW("\x01\x03\xf0\x9f\x98\x80\x03\x80ok"), "T\xf0\x9f\x98\x80ok\n");
  check_open(RAW("\x82\x02\xff\xfe"), "B\xff\xfe\n");
}

static void ws_08_close_payloads(void **state) {
  (void)state;
  check_closed(RAW("\x88\x00"), "C\n", 1005);
  check_closed(RAW("\x88\x02\x03\xe8"), "C\n", 1000);
  check_closed(RAW("\x88\x05\x0f\xa0"
                   "bye"),
               "Cbye\n", 4000);
  check_breach("\x88\x01\x03", "");
  check_not_utf8("\x88\x04\x03\xe8\xff\xfe", "");
  check_not_utf8("\x88\x04\x03\xe8\xe2\x82", "");
  char longest[127] = "\x88\x7d\x03\xe8", log[126];
  memset(longest + 4, 'r', 123);
  memset(log, 'r', sizeof log);
  log[0] = 'C';
  memcpy(log + 124, "\n", 2);
  check_closed(lti_slice(longest, sizeof longest), log, 1000);
}

static void ws_08_close_codes(void **state) {
  static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                  1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
  static const unsigned bad[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                 1016, 1100, 2000, 2999, 5000, 65535};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    char raw[4] = {(char)0x88, 2, (char)(good[i] >> 8), (char)(good[i] & 255)};
    check_closed(lti_slice(raw, 4), "C\n", good[i]);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char raw[4] = {(char)0x88, 2, (char)(bad[i] >> 8), (char)(bad[i] & 255)};
    check_broken(lti_slice(raw, 4), "", LEAT_EWS, 1002);
  }
}

/* ---- how it ends --------------------------------------------------------------------------------
 */

static void behind_a_close_nothing_is_looked_at(void **state) {
  (void)state;
  check_closed(RAW("\x88\x02\x03\xe9\x81\x01x"), "C\n", 1001);
  check_closed(RAW("\x88\x00\xff\xff\xff\xff\x88\x00"), "C\n", 1005);
  check_closed(RAW("\x01\x01x\x88\x02\x03\xe8\x80\x01y"), "TxC\n", 1000);
}

static void ws_09_the_end_without_a_close_is_no_clean_one(void **state) {
  static const struct {
    const char *raw;
    size_t size;
    int code;
  } rows[] = {
      {"", 0, LEAT_ERESET},
      {"\x81\x01x", 3, LEAT_ERESET},
      {"\x81\x02x", 3, LEAT_ETRUNCATED},
      {"\x01\x01x", 3, LEAT_ETRUNCATED},
      {"\x01\x01x\x89\x00", 5, LEAT_ETRUNCATED},
      {"\x81", 1, LEAT_ETRUNCATED},
      {"\x82\x7e\x01", 3, LEAT_ETRUNCATED},
      {"\x88", 1, LEAT_ERESET},
      {"\x89\x02p", 3, LEAT_ERESET},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    ws_record r, how = {.ends = true};
    ws_every_way(&r, lti_slice(rows[i].raw, rows[i].size), &how);
    assert_int_equal(r.code, LTI_OK);
    assert_int_equal(r.end_code, rows[i].code);
    assert_false(r.close_seen);
    assert_int_equal(r.close_code, 0);
    ws_record_deinit(&r);
  }
}

/* Our Close is out: messages go on until the server's comes, PINGs are not answered. */
static void ws_09_our_close_and_then_theirs(void **state) {
  (void)state;
  ws_record r = plainly;
  open_plain(&r);
  assert_int_equal(lti_ws_close(r.codec, 1000, lti_slice_of("done")), LTI_OK);
  assert_true(lti_ws_close_sent(r.codec) && !lti_ws_close_seen(r.codec));
  size_t size = r.out.size;
  assert_int_equal(ws_feed(&r, RAW("\x81\x01x\x89\x01p"), 1), LTI_OK);
  assert_int_equal(r.out.size, size);
  assert_int_equal(ws_feed(&r, RAW("\x88\x02\x03\xe9"), 1), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&r.log), "Tx\nPp\nC\n"));
  assert_int_equal(r.closed_code, 1001);
  assert_int_equal(r.out.size, size);
  assert_int_equal(lti_ws_end(r.codec), LTI_OK);
  assert_int_equal(ws_close_in(&r.out), 1000);
  ws_record_deinit(&r);
}

/* The owner's timer ran out, or the server broke the rules meanwhile: no second Close. */
static void ws_09_no_answer_to_our_close(void **state) {
  (void)state;
  ws_record r = plainly;
  open_plain(&r);
  assert_int_equal(lti_ws_close(r.codec, 0, lti_slice("", 0)), LTI_OK);
  size_t size = r.out.size;
  assert_int_equal(lti_ws_end(r.codec), LEAT_ERESET);
  assert_true(lti_ws_close_sent(r.codec) && !lti_ws_close_seen(r.codec));
  assert_int_equal(r.out.size, size);
  ws_record_deinit(&r);

  ws_record breaking = plainly;
  open_plain(&breaking);
  assert_int_equal(lti_ws_close(breaking.codec, 1000, lti_slice("", 0)), LTI_OK);
  assert_int_equal(ws_feed(&breaking, RAW("\x83\x00"), 1), LEAT_EWS);
  assert_int_equal(lti_ws_code(breaking.codec), 0);
  assert_int_equal(ws_close_in(&breaking.out), 1000);
  ws_record_deinit(&breaking);
}

/* ---- limits -------------------------------------------------------------------------------------
 */

/* 200,000 PINGs, a million times a second: one answer in `out`, the newest, until the credit ends;
 * then 1008. The codec asks for no memory of its own while it is fed. */
static void ws_10_a_flood_of_pings(void **state) {
  (void)state;
  failing f;
  failing_init(&f, 0);
  leat_allocator fns = failing_allocator(&f);
  lti_alloc alloc;
  lti_alloc_init(&alloc, &fns);
  ws_record r = plainly;
  assert_true(ws_record_init(&r, &alloc));
  assert_int_equal(ws_feed(&r,
                           RAW("\x89\x7d"
                               "0123456789012345678901234567890123456789012345678901234567890"
                               "1234567890123456789012345678901234567890123456789012345678901"
                               "234"),
                           1),
                   LTI_OK);
  size_t bytes = f.live_bytes;
  unsigned sent_pings = 1;
  int rc = LTI_OK;
  for (; rc == LTI_OK && sent_pings < 200000; sent_pings++) {
    char ping[6] = {(char)0x89, 4};
    memcpy(ping + 2, &sent_pings, 4);
    rc = ws_feed(&r, lti_slice(ping, 6), 1 + sent_pings * UINT64_C(1000));
    if (rc != LTI_OK) break;
    assert_int_equal(r.out.size, 10);
  }
  assert_int_equal(rc, LEAT_EWS);
  assert_int_equal(sent_pings, 1000);
  assert_int_equal(lti_ws_code(r.codec), 1008);
  assert_true(f.live_bytes <= bytes);
  size_t at = 0;
  ws_sent sent;
  assert_true(ws_sent_next(&r.out, &at, &sent) && sent.opcode == 10);
  unsigned newest = 999;
  assert_memory_equal(sent.bytes, &newest, 4);
  assert_int_equal(ws_close_in(&(lti_buf){.data = r.out.data + at, .size = r.out.size - at}), 1008);
  ws_record_deinit(&r);
  assert_true(failing_clean(&f));
  failing_deinit(&f);
}

/* Ten a second, and one for each frame with content, may go on for ever. */
static void ws_10_pings_that_time_and_content_pay_for(void **state) {
  (void)state;
  ws_record r = plainly;
  open_plain(&r);
  for (uint64_t i = 0; i < 20000; i++)
    assert_int_equal(ws_feed(&r, RAW("\x89\x00"), i * SECOND / 10), LTI_OK);
  for (int i = 0; i < 20000; i++)
    assert_int_equal(ws_feed(&r, RAW("\x8a\x00\x81\x01x"), 2001 * SECOND), LTI_OK);
  /* An empty message brings nothing forward. */
  int rc = LTI_OK, count = 0;
  while (rc == LTI_OK && count++ < 5000) rc = ws_feed(&r, RAW("\x8a\x00\x81\x00"), 2001 * SECOND);
  assert_int_equal(rc, LEAT_EWS);
  assert_true(count <= 1011);
  ws_record_deinit(&r);
}

/* The answers are in a buffer that nobody drains, behind and before messages of ours. */
static void ws_10_answers_wait_behind_a_full_buffer(void **state) {
  (void)state;
  ws_record r = {.out_max = 20000};
  open_plain(&r);
  char block[1000] = {0};
  int rc = LTI_OK;
  size_t messages = 0;
  for (int i = 0; i < 900; i++) {
    assert_int_equal(ws_feed(&r, RAW("\x89\x02hi"), 1), LTI_OK);
    rc = lti_ws_send(r.codec, LTI_WS_BINARY, lti_slice(block, sizeof block), true);
    messages += rc == LTI_OK;
  }
  assert_int_equal(rc, LEAT_EQUEUEFULL);
  assert_true(messages >= 18);
  assert_int_equal(lti_ws_close(r.codec, 1000, lti_slice("", 0)), LTI_OK);
  size_t pongs = 0, frames = 0, at = 0;
  ws_sent sent;
  for (; ws_sent_next(&r.out, &at, &sent); frames++) pongs += sent.opcode == 10;
  assert_int_equal(at, r.out.size);
  assert_int_equal(frames, messages + pongs + 1);
  assert_true(pongs >= 1 && pongs <= 20000 / 4096 + 1);
  ws_record_deinit(&r);
}

/* A PONG whose first byte has left stays as it is; the next one stands behind it. */
static void ws_10_an_answer_that_began_to_leave_is_not_touched(void **state) {
  (void)state;
  for (size_t left = 0; left <= 8; left++) {
    ws_record r = plainly;
    open_plain(&r);
    ws_feed(&r,
            RAW("\x89\x02"
                "ab"),
            1);
    assert_int_equal(r.out.size, 8);
    lti_buf_consume(&r.out, left);
    ws_feed(&r,
            RAW("\x89\x03"
                "cde"),
            1);
    assert_int_equal(r.out.size, left == 0 ? 9 : 8 - left + 9);
    size_t at = left ? 8 - left : 0;
    ws_sent sent;
    assert_true(ws_sent_next(&r.out, &at, &sent));
    assert_true(lti_slice_is(lti_slice(sent.bytes, sent.size), "cde"));
    ws_record_deinit(&r);
  }
}

/* Taken out of the middle: what stands behind it is moved and stays what it was. */
static void ws_10_an_answer_between_two_messages_is_replaced(void **state) {
  (void)state;
  ws_record r = plainly;
  open_plain(&r);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("one"), true), LTI_OK);
  ws_feed(&r,
          RAW("\x89\x02"
              "ab"),
          1);
  assert_int_equal(lti_ws_send(r.codec, LTI_WS_TEXT, lti_slice_of("two"), true), LTI_OK);
  lti_buf_consume(&r.out, 4);
  ws_feed(&r,
          RAW("\x89\x01"
              "c"),
          1);
  size_t at = 5;
  ws_sent sent;
  assert_true(ws_sent_next(&r.out, &at, &sent));
  assert_true(sent.opcode == 1 && lti_slice_is(lti_slice(sent.bytes, sent.size), "two"));
  assert_true(ws_sent_next(&r.out, &at, &sent));
  assert_true(sent.opcode == 10 && lti_slice_is(lti_slice(sent.bytes, sent.size), "c"));
  assert_int_equal(at, r.out.size);
  ws_record_deinit(&r);
}

/* Refused on the announced length alone, before a byte of it came or any was asked for. */
static void ws_11_a_message_that_is_too_long(void **state) {
  ws_record how = {.config = {.message_bytes_max = 10}};
  (void)state;
  check_broken_by(&how, RAW("\x82\x7f\x00\x00\x00\x00\x80\x00\x00\x00"), LEAT_EMESSAGEMAX, 1009);
  check_broken_by(&how, RAW("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), LEAT_EMESSAGEMAX, 1009);
  check_broken_by(&how, RAW("\x81\x0b"), LEAT_EMESSAGEMAX, 1009);
  check_broken_by(&how, RAW("\x01\x06sechs!\x80\x05"), LEAT_EMESSAGEMAX, 1009);
  ws_record r;
  ws_every_way(&r,
               RAW("\x01\x06sechs!\x80\x04vier\x82\x0a"
                   "0123456789"),
               &how);
  assert_int_equal(r.code, LTI_OK);
  assert_int_equal(r.messages, 2);
  ws_record_deinit(&r);
  ws_record widest = {.config = {.message_bytes_max = UINT64_MAX}};
  ws_every_way(&r, RAW("\x02\x7f\x7f\xff\xff\xff\xff\xff\xff\xffx"), &widest);
  assert_int_equal(r.code, LTI_OK);
  ws_record_deinit(&r);
}

static void ws_11_endless_fragments(void **state) {
  ws_record how = {.config = {.fragments_max = 3}};
  (void)state;
  check_broken_by(&how, RAW("\x01\x01x\x00\x00\x00\x00\x00\x00"), LEAT_EWS, 1008);
  check_broken_by(&how, RAW("\x02\x00\x00\x00\x00\x00\x80\x00"), LEAT_EWS, 1008);
  ws_record r;
  ws_every_way(&r, RAW("\x01\x01x\x00\x00\x80\x00\x01\x01x\x00\x00\x80\x00"), &how);
  assert_int_equal(r.code, LTI_OK);
  assert_int_equal(r.messages, 2);
  ws_record_deinit(&r);
}

/* ---- from within the sink -----------------------------------------------------------------------
 */

static void the_sink_may_send_and_ping(void **state) {
  (void)state;
  ws_record r, how = {.echoes = true};
  ws_every_way(&r,
               RAW("\x81\x02hi\x89\x01p\x01\x01"
                   "a\x80\x01"
                   "b"),
               &how);
  size_t at = 0, frames = 0;
  ws_sent sent;
  static const unsigned opcodes[] = {1, 10, 9, 1};
  for (; ws_sent_next(&r.out, &at, &sent); frames++) assert_int_equal(sent.opcode, opcodes[frames]);
  assert_int_equal(at, r.out.size);
  assert_int_equal(frames, 4);
  ws_record_deinit(&r);
}

static int close_at_once(void *ctx, enum lti_ws_type type, leat_slice bytes, bool first,
                         bool last) {
  ws_record *r = ctx;
  (void)type;
  (void)bytes;
  (void)first;
  (void)last;
  r->pieces++;
  int rc = lti_ws_close(r->codec, 4001, lti_slice_of("enough"));
  assert_int_equal(rc, r->pieces == 1 ? LTI_OK : LEAT_ESTATE);
  return LTI_OK;
}

static void the_sink_may_close(void **state) {
  (void)state;
  ws_record r = plainly;
  lti_alloc *alloc = open_plain(&r);
  lti_ws_free(r.codec);
  const lti_ws_sink closing = {close_at_once, ws_ping, ws_pong, ws_closed};
  r.codec = lti_ws_new(alloc, &r.config, &r.out, &closing, &r);
  assert_non_null(r.codec);
  assert_int_equal(ws_feed(&r,
                           RAW("\x81\x01"
                               "a\x81\x01"
                               "b\x88\x02\x0f\xa1"),
                           1),
                   LTI_OK);
  assert_int_equal(r.pieces, 2);
  assert_int_equal(r.closed_code, 4001);
  assert_int_equal(ws_close_in(&r.out), 4001);
  ws_record_deinit(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_come_as_views_of_what_was_fed),
      cmocka_unit_test(fragments_become_one_message),
      cmocka_unit_test(long_frames_keep_their_place_in_the_stream),
      cmocka_unit_test(ws_03_frames_behind_the_handshake_are_not_lost),
      cmocka_unit_test(a_stopped_feed_goes_on_behind_the_piece),
      cmocka_unit_test(ws_04_masks_reserved_bits_and_lengths),
      cmocka_unit_test(ws_04_reserved_opcodes),
      cmocka_unit_test(ws_05_long_or_fragmented_control_frames),
      cmocka_unit_test(ws_06_fragments_out_of_order),
      cmocka_unit_test(ws_07_text_that_is_not_utf8),
      cmocka_unit_test(ws_08_close_payloads),
      cmocka_unit_test(ws_08_close_codes),
      cmocka_unit_test(behind_a_close_nothing_is_looked_at),
      cmocka_unit_test(ws_09_the_end_without_a_close_is_no_clean_one),
      cmocka_unit_test(ws_09_our_close_and_then_theirs),
      cmocka_unit_test(ws_09_no_answer_to_our_close),
      cmocka_unit_test(ws_10_a_flood_of_pings),
      cmocka_unit_test(ws_10_pings_that_time_and_content_pay_for),
      cmocka_unit_test(ws_10_answers_wait_behind_a_full_buffer),
      cmocka_unit_test(ws_10_an_answer_that_began_to_leave_is_not_touched),
      cmocka_unit_test(ws_10_an_answer_between_two_messages_is_replaced),
      cmocka_unit_test(ws_11_a_message_that_is_too_long),
      cmocka_unit_test(ws_11_endless_fragments),
      cmocka_unit_test(the_sink_may_send_and_ping),
      cmocka_unit_test(the_sink_may_close),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
