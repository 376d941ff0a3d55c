/* wire/tls and ALPN: what is offered, what a server may answer, and that a session stays with the
 * offer it was made under. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/failing.h"
#include "support/tls_scene.h"
#include "wire/tls.h"

#define HOST TLS_SCENE_HOST

static tls_scene scene;

static const char *const h2[] = {"h2", NULL};
static const char *const http1[] = {"http/1.1", NULL};
static const char *const both[] = {"h2", "http/1.1", NULL};
static const char *const both_reversed[] = {"http/1.1", "h2", NULL};
static const char *const other[] = {"spdy/3", NULL};

static int set_up(void **state) {
  (void)state;
  tls_scene_init(&scene);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tls_scene_deinit(&scene);
  return 0;
}

static tls_server *server_speaking(const char *const *alpn) {
  return tls_server_new(
      &(tls_server_options){.leaf = &scene.leaf, .tickets = true, .cache = true, .alpn = alpn});
}

static int connect_offering(tls_link *l, tls_server *server, enum lti_tls_alpn offer,
                            const lti_tls_session *session) {
  lti_tls_target target = {.host = HOST, .alpn = offer};
  assert_int_equal(tls_link_open_to(l, &scene.alloc, scene.context, &target, session), LTI_OK);
  tls_link_accept(l, server);
  assert_int_equal(lti_tls_alpn(l->tls), LTI_TLS_ALPN_NONE);
  return tls_link_handshake(l, TLS_LINK_WHOLE);
}

static void tls_23_the_answer_is_what_both_speak(void **state) {
  (void)state;
  static const struct {
    enum lti_tls_alpn offer;
    const char *const *server;
    enum lti_tls_alpn answer;
  } rows[] = {{LTI_TLS_ALPN_NONE, both, LTI_TLS_ALPN_NONE},
              {LTI_TLS_ALPN_NONE, NULL, LTI_TLS_ALPN_NONE},
              {LTI_TLS_ALPN_HTTP1, both, LTI_TLS_ALPN_HTTP1},
              {LTI_TLS_ALPN_HTTP1, http1, LTI_TLS_ALPN_HTTP1},
              {LTI_TLS_ALPN_HTTP1, NULL, LTI_TLS_ALPN_NONE},
              {LTI_TLS_ALPN_HTTP2, both, LTI_TLS_ALPN_HTTP2},
              {LTI_TLS_ALPN_HTTP2, h2, LTI_TLS_ALPN_HTTP2},
              {LTI_TLS_ALPN_HTTP2, NULL, LTI_TLS_ALPN_NONE},
              {LTI_TLS_ALPN_HTTP2_OR_1, both, LTI_TLS_ALPN_HTTP2},
              {LTI_TLS_ALPN_HTTP2_OR_1, both_reversed, LTI_TLS_ALPN_HTTP1},
              {LTI_TLS_ALPN_HTTP2_OR_1, h2, LTI_TLS_ALPN_HTTP2},
              {LTI_TLS_ALPN_HTTP2_OR_1, http1, LTI_TLS_ALPN_HTTP1},
              {LTI_TLS_ALPN_HTTP2_OR_1, NULL, LTI_TLS_ALPN_NONE}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tls_link l;
    tls_server *server = server_speaking(rows[i].server);
    assert_int_equal(connect_offering(&l, server, rows[i].offer, NULL), LTI_OK);
    assert_int_equal(lti_tls_alpn(l.tls), rows[i].answer);
    tls_link_close(&l);
    tls_server_free(server);
  }
}

static void tls_23_the_answer_is_the_same_in_single_bytes(void **state) {
  (void)state;
  tls_link l;
  tls_server *server = server_speaking(both);
  lti_tls_target target = {.host = HOST, .alpn = LTI_TLS_ALPN_HTTP2_OR_1};
  assert_int_equal(tls_link_open_to(&l, &scene.alloc, scene.context, &target, NULL), LTI_OK);
  tls_link_accept(&l, server);
  assert_int_equal(tls_link_handshake(&l, 1), LTI_OK);
  assert_int_equal(lti_tls_alpn(l.tls), LTI_TLS_ALPN_HTTP2);
  tls_link_close(&l);
  tls_server_free(server);
}

static void tls_23_a_protocol_that_was_not_offered_is_refused(void **state) {
  (void)state;
  static const struct {
    enum lti_tls_alpn offer;
    const char *forced;
  } rows[] = {{LTI_TLS_ALPN_HTTP1, "h2"},
              {LTI_TLS_ALPN_HTTP2, "http/1.1"},
              {LTI_TLS_ALPN_HTTP2_OR_1, "spdy/3"},
              {LTI_TLS_ALPN_HTTP2_OR_1, "h"},
              {LTI_TLS_ALPN_HTTP2_OR_1, "h2c"},
              {LTI_TLS_ALPN_HTTP2_OR_1, ""},
              {LTI_TLS_ALPN_NONE, "h2"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tls_link l;
    tls_server *server = tls_server_new(&(tls_server_options){
        .leaf = &scene.leaf, .tickets = true, .alpn = both, .alpn_forced = rows[i].forced});
    assert_int_equal(connect_offering(&l, server, rows[i].offer, NULL), LEAT_ETLS);
    assert_int_equal(lti_tls_alpn(l.tls), LTI_TLS_ALPN_NONE);
    assert_null(lti_tls_session_save(l.tls));
    assert_int_equal(lti_tls_write(l.tls, lti_slice_of("x")), LEAT_ETLS);
    tls_link_close(&l);
    tls_server_free(server);
  }
}

static void tls_23_a_server_that_speaks_none_of_the_offer_says_so(void **state) {
  (void)state;
  tls_server *server = server_speaking(other);
  for (int offer = LTI_TLS_ALPN_HTTP1; offer <= LTI_TLS_ALPN_HTTP2_OR_1; offer++) {
    tls_link l;
    assert_int_equal(connect_offering(&l, server, (enum lti_tls_alpn)offer, NULL), LEAT_ETLS);
    assert_string_equal(lti_tls_message(l.tls), HOST
                        " sent the TLS alert no_application_protocol (120): the server speaks "
                        "none of the offered protocols");
    tls_link_close(&l);
  }
  tls_server_free(server);
}

/* Every session against every offer: only the same one resumes, the others cost a full handshake;
 * and the resumed connection has the same answer as the first. */
static void tls_16_a_session_stays_with_its_offer(void **state) {
  (void)state;
  tls_server *server = server_speaking(both);
  for (int made = LTI_TLS_ALPN_NONE; made <= LTI_TLS_ALPN_HTTP2_OR_1; made++) {
    tls_link l;
    assert_int_equal(connect_offering(&l, server, (enum lti_tls_alpn)made, NULL), LTI_OK);
    enum lti_tls_alpn answer = lti_tls_alpn(l.tls);
    tls_scene_read_tickets(&scene, &l);
    lti_tls_session *session = lti_tls_session_save(l.tls);
    assert_non_null(session);
    tls_link_close(&l);
    for (int offer = LTI_TLS_ALPN_NONE; offer <= LTI_TLS_ALPN_HTTP2_OR_1; offer++) {
      assert_int_equal(connect_offering(&l, server, (enum lti_tls_alpn)offer, session), LTI_OK);
      assert_int_equal(lti_tls_resumed(l.tls), offer == made);
      if (offer == made) assert_int_equal(lti_tls_alpn(l.tls), answer);
      tls_link_close(&l);
    }
    lti_tls_session_free(session);
  }
  tls_server_free(server);
}

/* A server may change its mind between two connections: the answer of the second one counts. */
static void tls_23_a_resumed_connection_takes_the_new_answer(void **state) {
  (void)state;
  const char *changing[] = {"h2", "http/1.1", NULL};
  tls_link l;
  tls_server *server = server_speaking(changing);
  assert_int_equal(connect_offering(&l, server, LTI_TLS_ALPN_HTTP2_OR_1, NULL), LTI_OK);
  assert_int_equal(lti_tls_alpn(l.tls), LTI_TLS_ALPN_HTTP2);
  tls_scene_read_tickets(&scene, &l);
  lti_tls_session *session = lti_tls_session_save(l.tls);
  assert_non_null(session);
  tls_link_close(&l);
  changing[0] = "http/1.1";
  changing[1] = NULL;
  assert_int_equal(connect_offering(&l, server, LTI_TLS_ALPN_HTTP2_OR_1, session), LTI_OK);
  assert_int_equal(lti_tls_alpn(l.tls), LTI_TLS_ALPN_HTTP1);
  tls_link_close(&l);
  lti_tls_session_free(session);
  tls_server_free(server);
}

static int read_tickets(tls_link *l, lti_alloc *alloc) {
  lti_buf got;
  lti_buf_init(&got, alloc, 1, LEAT_EBODYMAX);
  int result = tls_link_read(l, TLS_LINK_WHOLE, 1, &got);
  lti_buf_deinit(&got);
  return result;
}

/* Our own allocations with an offer, a session and a refusal. */
static void live(const leat_allocator *fns, void *unused) {
  lti_alloc alloc;
  lti_tls_context *context = NULL;
  lti_tls_session *session = NULL;
  char message[200];
  (void)unused;
  lti_alloc_init(&alloc, fns);
  lti_tls_config config = {.ca_pem = certs_pem(&scene.ca)};
  int error = lti_tls_context_new(&alloc, &config, &context, message, sizeof message);
  assert_true(error == LTI_OK || error == LEAT_ENOMEM);
  if (error) return;
  const char *const *const servers[] = {both, both, other};
  for (int i = 0; i < 3; i++) {
    tls_link l;
    tls_server *server = server_speaking(servers[i]);
    lti_tls_target target = {.host = HOST, .alpn = LTI_TLS_ALPN_HTTP2};
    error = tls_link_open_to(&l, &alloc, context, &target, session);
    tls_link_accept(&l, server);
    if (!error) error = tls_link_handshake(&l, TLS_LINK_WHOLE);
    assert_true(error == LEAT_ENOMEM || error == (i == 2 ? LEAT_ETLS : LTI_OK));
    if (!error && i == 0) error = read_tickets(&l, &alloc);
    if (!error && i == 0) session = lti_tls_session_save(l.tls);
    tls_link_close(&l);
    tls_server_free(server);
  }
  lti_tls_session_free(session);
  lti_tls_context_free(context);
}

static void tls_alpn_our_allocations_may_fail_one_by_one(void **state) {
  (void)state;
  failing_at_every_n(live, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tls_23_the_answer_is_what_both_speak),
      cmocka_unit_test(tls_23_the_answer_is_the_same_in_single_bytes),
      cmocka_unit_test(tls_23_a_protocol_that_was_not_offered_is_refused),
      cmocka_unit_test(tls_23_a_server_that_speaks_none_of_the_offer_says_so),
      cmocka_unit_test(tls_16_a_session_stays_with_its_offer),
      cmocka_unit_test(tls_23_a_resumed_connection_takes_the_new_answer),
      cmocka_unit_test(tls_alpn_our_allocations_may_fail_one_by_one),
  };
  return tls_scene_run(tests, set_up, tear_down);
}
