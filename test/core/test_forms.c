/* multipart/form-data in a request: fields from memory, files, pipes and callbacks, one behind the
 * other, with a length where all sizes are known; read by a reader that knows nothing of us. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/form_reader.h"
#include "support/giver.h"
#include "support/taker.h"

static const char *const ok[] = {"200", NULL};

static taker *serve(flow *f, bool http2) {
  taker *t = taker_start(f, &(taker_plan){.answers = ok, .body = "{}", .http2 = http2});
  f->request.http = http2 ? LEAT_HTTP_2 : LEAT_HTTP_1;
  f->request.body = lti_slice(NULL, 0);
  f->request.base_url = peer_url(taker_peer(t));
  f->request.protocol = "raw";
  f->request.path = "/v1/audio/transcriptions";
  return t;
}

static taker_took *look(flow *f, taker *t) {
  taker_took *took = flow_keep(f, sizeof *took);
  taker_look(t, took);
  return took;
}

/* The value of a field of the request's head; HTTP/2 has its names in lower case. */
static leat_slice header_of(const taker_took *took, const char *name) {
  leat_slice head = lti_slice_of(took->head);
  while (head.size) {
    const char *end = lti_slice_find(head, lti_slice_of("\r\n"));
    size_t size = end ? (size_t)(end - head.data) : head.size, n = strlen(name);
    if (size > n + 2 && lti_slice_is_nocase(lti_slice(head.data, n), name) && head.data[n] == ':')
      return lti_slice(head.data + n + 2, size - n - 2);
    head = end ? lti_slice_from(head, size + 2) : lti_slice("", 0);
  }
  return lti_slice(NULL, 0);
}

static int read_form(const taker_took *took, form_part *parts, size_t max) {
  assert_true(took->body_size <= TAKER_KEPT);
  return form_read(header_of(took, "content-type"), lti_slice(took->body, (size_t)took->body_size),
                   parts, max);
}

static void check_given(leat_slice content, size_t size) {
  assert_int_equal(content.size, size);
  for (size_t i = 0; i < size; i++) assert_int_equal(content.data[i], giver_byte(i));
}

static void send_form(flow *f, const leat_form_field *fields, size_t count, flow_call **call) {
  f->request.form = fields;
  f->request.form_count = count;
  *call = flow_try(f);
}

static flow_call *send_whole(flow *f, const leat_form_field *fields, size_t count) {
  flow_call *c;
  send_form(f, fields, count, &c);
  if (c->error != LEAT_OK) fail_msg("submit: %s: %s", leat_error_name(c->error), c->message);
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  return c;
}

/* ---- */

static void check_values(flow *f, bool http2) {
  taker *t = serve(f, http2);
  const leat_form_field fields[] = {{.name = "model", .value = lti_slice_of("whisper-1")},
                                    {.name = "empty", .value = lti_slice("", 0)},
                                    {.name = "file",
                                     .value = lti_slice("RIFF\0\1", 6),
                                     .filename = "a\"b.wav",
                                     .content_type = NULL}};
  send_whole(f, fields, 3);
  form_part parts[4];
  taker_took *took = look(f, t);
  assert_int_equal(read_form(took, parts, 4), 3);
  assert_true(lti_slice_is(parts[0].name, "model"));
  assert_true(lti_slice_is(parts[0].content, "whisper-1"));
  assert_null(parts[0].type.data);
  assert_int_equal(parts[1].content.size, 0);
  assert_true(lti_slice_is(parts[2].filename, "a%22b.wav"));
  assert_true(lti_slice_is(parts[2].type, "audio/wav"));
  assert_int_equal(parts[2].content.size, 6);
  uint64_t length;
  assert_true(lti_slice_u64(header_of(took, "content-length"), &length));
  assert_int_equal(length, took->body_size);
}

static void test_values_alone(void **state) {
  check_values(*state, false);
}
static void test_values_alone_over_http2(void **state) {
  check_values(*state, true);
}

/* Sources one behind the other, with texts between them; the length is that of all of it. */
static void check_sources(flow *f, bool http2) {
  taker *t = serve(f, http2);
  giver *g = giver_new(f, 70000);
  g->told = 70000;
  g->step = 999;
  leat_source file = {.path = giver_file(giver_new(f, 100000))};
  leat_source pipe = {.fd_plus_one = giver_pipe(giver_new(f, 30000)), .size = 30000};
  const leat_form_field fields[] = {
      {.name = "first", .source = &file},
      {.name = "prompt", .value = lti_slice_of("a cat")},
      {.name = "second", .source = giver_callback(g), .filename = "second.png"},
      {.name = "third", .source = &pipe, .content_type = "text/plain"}};
  send_whole(f, fields, 4);
  close(pipe.fd_plus_one - 1);
  form_part parts[5];
  taker_took *took = look(f, t);
  assert_int_equal(read_form(took, parts, 5), 4);
  check_given(parts[0].content, 100000);
  assert_true(lti_slice_starts(parts[0].filename, "leat_giver_"));
  assert_true(lti_slice_is(parts[0].type, "application/octet-stream"));
  assert_true(lti_slice_is(parts[1].content, "a cat"));
  check_given(parts[2].content, 70000);
  assert_true(lti_slice_is(parts[2].type, "image/png"));
  check_given(parts[3].content, 30000);
  assert_null(parts[3].filename.data);
  assert_true(lti_slice_is(parts[3].type, "text/plain"));
  uint64_t length;
  assert_true(lti_slice_u64(header_of(took, "content-length"), &length));
  assert_int_equal(length, took->body_size);
  assert_int_equal(g->closes, 1);
}

static void test_sources_one_behind_the_other(void **state) {
  check_sources(*state, false);
}
static void test_sources_one_behind_the_other_over_http2(void **state) {
  check_sources(*state, true);
}

static void check_unknown(flow *f, bool http2) {
  taker *t = serve(f, http2);
  leat_source pipe = {.fd_plus_one = giver_pipe(giver_new(f, 90000))};
  const leat_form_field fields[] = {{.name = "file", .source = &pipe, .filename = "x.mp4"},
                                    {.name = "n", .value = lti_slice_of("1")}};
  send_whole(f, fields, 2);
  close(pipe.fd_plus_one - 1);
  form_part parts[3];
  taker_took *took = look(f, t);
  assert_int_equal(read_form(took, parts, 3), 2);
  check_given(parts[0].content, 90000);
  assert_null(header_of(took, "content-length").data);
  if (!http2) assert_true(lti_slice_is(header_of(took, "transfer-encoding"), "chunked"));
}

static void test_a_size_that_is_not_known(void **state) {
  check_unknown(*state, false);
}
static void test_a_size_that_is_not_known_over_http2(void **state) {
  check_unknown(*state, true);
}

/* At every size around that of a piece, the texts between are split in every way. */
static void test_pieces_that_end_in_the_texts(void **state) {
  flow *f = *state;
  taker *t = serve(f, false);
  for (size_t size = 65536 - 420; size < 65536 + 20; size += 7) {
    giver *g = giver_new(f, size), *h = giver_new(f, 5);
    g->told = (int64_t)size;
    const leat_form_field fields[] = {{.name = "a", .source = giver_callback(g)},
                                      {.name = "b", .source = giver_callback(h)}};
    send_whole(f, fields, 2);
    form_part parts[3];
    taker_took *took = look(f, t);
    assert_int_equal(read_form(took, parts, 3), 2);
    check_given(parts[0].content, size);
    check_given(parts[1].content, 5);
  }
}

/* The boundary is ours, and so is the type that names it. */
static void test_the_type_is_the_forms_own(void **state) {
  flow *f = *state;
  taker *t = serve(f, false);
  static const leat_header wrong[] = {
      {{"Content-Type", 12}, {"multipart/form-data; boundary=x", 31}}};
  const leat_form_field fields[] = {{.name = "a", .value = lti_slice_of("1")}};
  f->request.headers = wrong;
  f->request.header_count = 1;
  send_whole(f, fields, 1);
  form_part parts[2];
  assert_int_equal(read_form(look(f, t), parts, 2), 1);
}

static void test_two_forms_have_two_boundaries(void **state) {
  flow *f = *state;
  taker *t = serve(f, false);
  const leat_form_field fields[] = {{.name = "a", .value = lti_slice_of("1")}};
  send_whole(f, fields, 1);
  leat_slice first = header_of(look(f, t), "content-type");
  send_whole(f, fields, 1);
  assert_false(lti_slice_equal(first, header_of(look(f, t), "content-type")));
}

static void test_with_an_endpoint(void **state) {
  flow *f = *state;
  taker *t = serve(f, false);
  giver *g = giver_new(f, 70000);
  const leat_form_field fields[] = {{.name = "purpose", .value = lti_slice_of("batch")},
                                    {.name = "file", .source = giver_callback(g)}};
  f->request.protocol = NULL;
  f->request.path = NULL;
  f->request.endpoint = "files.upload";
  send_whole(f, fields, 2);
  form_part parts[3];
  taker_took *took = look(f, t);
  flow_assert_has(took->head, "POST /v1/files HTTP/1.1\r\n");
  assert_int_equal(read_form(took, parts, 3), 2);
  check_given(parts[1].content, 70000);
}

/* Without sources it is a body like any other, and is sent again like one. */
static void test_a_form_in_memory_is_repeated(void **state) {
  flow *f = *state;
  taker *t = taker_start(f, &(taker_plan){.answers = ok, .early_at = 10, .early = "<<reset>>"});
  serve(f, false);
  f->request.base_url = peer_url(taker_peer(t));
  f->request.retries = 2;
  const leat_form_field fields[] = {{.name = "a", .value = lti_slice_of("0123456789")}};
  flow_call *c = send_whole(f, fields, 1);
  assert_int_equal(c->result.attempts, 2);
  assert_int_equal(look(f, t)->wholes, 1);
}

static void test_a_form_of_rewindable_sources_is_repeated(void **state) {
  flow *f = *state;
  taker *t = taker_start(f, &(taker_plan){.answers = ok, .early_at = 150000, .early = "<<reset>>"});
  serve(f, false);
  f->request.base_url = peer_url(taker_peer(t));
  f->request.retries = 2;
  giver *g = giver_new(f, 70000);
  g->rewinds = true;
  leat_source file = {.path = giver_file(giver_new(f, 100000))};
  const leat_form_field fields[] = {{.name = "a", .source = &file},
                                    {.name = "b", .source = giver_callback(g)}};
  flow_call *c = send_whole(f, fields, 2);
  assert_int_equal(c->result.attempts, 2);
  form_part parts[3];
  assert_int_equal(read_form(look(f, t), parts, 3), 2);
  check_given(parts[0].content, 100000);
  check_given(parts[1].content, 70000);
}

/* KEY-07: what a form holds may be a secret too, and no freed block has it. */
static void check_canary(flow *f, bool http2) {
  static const char secret[] = "sk-canary-in-a-form-0123456789";
  f->memory.canary = secret;
  serve(f, http2);
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  assert_int_equal(write(fds[1], secret, sizeof secret - 1), sizeof secret - 1);
  close(fds[1]);
  leat_source source = {.fd_plus_one = fds[0] + 1};
  const leat_form_field fields[] = {{.name = "key", .value = lti_slice_of(secret)},
                                    {.name = "file", .source = &source}};
  send_whole(f, fields, 2);
  send_whole(f, fields, 1);
  close(fds[0]);
}

static void test_key_07_nothing_of_a_form_stays_behind(void **state) {
  check_canary(*state, false);
}
static void test_key_07_nothing_of_a_form_stays_behind_over_http2(void **state) {
  check_canary(*state, true);
}

/* ---- refused */

static void check_refused(flow *f, const leat_form_field *fields, size_t count, int error) {
  flow_call *c;
  send_form(f, fields, count, &c);
  assert_int_equal(c->error, error);
  assert_true(c->message[0]);
}

static void test_fields_that_are_none(void **state) {
  flow *f = *state;
  serve(f, false);
  leat_source nowhere = {.path = "/nowhere/at/all"};
  giver *g = giver_new(f, 10);
  const leat_source *source = giver_callback(g);
  leat_slice one = lti_slice_of("1");
  check_refused(f, &(leat_form_field){.value = one}, 1, LEAT_EINVAL);
  check_refused(f, &(leat_form_field){.name = "a"}, 1, LEAT_EINVAL);
  check_refused(f, &(leat_form_field){.name = "a", .value = one, .source = source}, 1, LEAT_EINVAL);
  check_refused(f, &(leat_form_field){.name = "a", .source = &nowhere}, 1, LEAT_ESOURCE);
  check_refused(f, &(leat_form_field){.name = "a", .value = one, .content_type = "a\r\nb"}, 1,
                LEAT_EHEADER);
  check_refused(f, NULL, 1, LEAT_EINVAL);
  /* Those before a bad one are given back. */
  leat_source file = {.path = giver_file(g)};
  const leat_form_field fields[] = {
      {.name = "a", .source = &file}, {.name = "b", .source = source}, {.name = "c"}};
  check_refused(f, fields, 3, LEAT_EINVAL);
  f->request.source = source;
  check_refused(f, &(leat_form_field){.name = "a", .value = one}, 1, LEAT_EINVAL);
  assert_int_equal(g->closes, 0);
}

/* ---- no memory */

static void test_at_every_allocation(void **state) {
  flow *f = *state;
  unsigned failures = 0;
  leat_source file = {.path = giver_file(giver_new(f, 70000))};
  for (uint64_t n = 1; n < 600; n++) {
    taker *t = serve(f, false);
    giver *g = giver_new(f, 3000);
    const leat_form_field fields[] = {{.name = "a", .source = &file},
                                      {.name = "b", .source = giver_callback(g)},
                                      {.name = "c", .value = lti_slice_of("1")}};
    flow_open(f);
    f->memory.fail_at = f->memory.calls + n;
    uint64_t failed = f->memory.failed;
    flow_call *c;
    send_form(f, fields, 3, &c);
    if (!c->forgiven) flow_wait(f);
    assert_int_equal(g->closes, c->forgiven ? 0 : 1);
    if (c->error != LEAT_OK) failures++;
    f->memory.fail_at = 0;
    flow_peer_stop(f, taker_peer(t));
    if (f->memory.failed == failed) break;
  }
  assert_true(failures > 5);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_values_alone),
      FLOW_TEST(test_values_alone_over_http2),
      FLOW_TEST(test_sources_one_behind_the_other),
      FLOW_TEST(test_sources_one_behind_the_other_over_http2),
      FLOW_TEST(test_a_size_that_is_not_known),
      FLOW_TEST(test_a_size_that_is_not_known_over_http2),
      FLOW_TEST(test_pieces_that_end_in_the_texts),
      FLOW_TEST(test_the_type_is_the_forms_own),
      FLOW_TEST(test_two_forms_have_two_boundaries),
      FLOW_TEST(test_with_an_endpoint),
      FLOW_TEST(test_a_form_in_memory_is_repeated),
      FLOW_TEST(test_a_form_of_rewindable_sources_is_repeated),
      FLOW_TEST(test_key_07_nothing_of_a_form_stays_behind),
      FLOW_TEST(test_key_07_nothing_of_a_form_stays_behind_over_http2),
      FLOW_TEST(test_fields_that_are_none),
      FLOW_TEST(test_at_every_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
