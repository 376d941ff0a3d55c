/* wire/tls and what TLS 1.3 alone has: tickets that come behind the handshake and between records,
 * sessions that meet a server of the other version, and which steps of its handshake cost much.
 * Everything that both versions share is in the other test_tls files, which run once with each.
 * Skipped with mbedTLS 2.28, which has no TLS 1.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/tls_scene.h"
#include "wire/tls.h"

#define HOST TLS_SCENE_HOST

static tls_scene scene;

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

static tls_server *server_holding(int tickets) {
  return tls_server_new(&(tls_server_options){
      .leaf = &scene.leaf, .tickets = true, .ticket_count = tickets, .holds_tickets = true});
}

static lti_buf buffer(void) {
  lti_buf got;
  lti_buf_init(&got, &scene.alloc, 1 << 20, LEAT_EBODYMAX);
  return got;
}

static void check_read(tls_link *l, const char *text) {
  lti_buf got = buffer();
  assert_int_equal(tls_link_read(l, TLS_LINK_WHOLE, 16384, &got), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&got), text));
  lti_buf_deinit(&got);
}

static void check_resumes(tls_server *server, const lti_tls_session *session, bool resumes) {
  tls_link l;
  tls_scene_connect(&scene, &l, server, session);
  assert_int_equal(lti_tls_resumed(l.tls), resumes);
  tls_link_close(&l);
}

/* ---- versions ---------------------------------------------------------------------------------
 */

static void tls13_is_spoken_and_a_second_connection_resumes(void **state) {
  (void)state;
  tls_link l;
  lti_tls_session *session = NULL;
  for (int i = 0; i < 2; i++) {
    tls_scene_connect(&scene, &l, scene.server, session);
    assert_string_equal(lti_tls_version(l.tls), "TLSv1.3");
    assert_string_equal(lti_tls_cipher(l.tls), "TLS1-3-AES-128-GCM-SHA256");
    assert_int_equal(lti_tls_resumed(l.tls), i == 1);
    tls_peer_write(l.peer, lti_slice_of("data: x\n\n"));
    check_read(&l, "data: x\n\n");
    if (i == 0) session = lti_tls_session_save(l.tls);
    assert_non_null(session);
    tls_link_close(&l);
  }
  lti_tls_session_free(session);
}

/* A front may be taken back to TLS 1.2, or brought to TLS 1.3, while sessions are about. mbedTLS
 * offers a session together with its own version alone: the pool drops the session and tries again.
 */
static void tls13_a_session_meets_a_server_of_the_other_version(void **state) {
  (void)state;
  tls_link l;
  tls_server *older =
      tls_server_new(&(tls_server_options){.leaf = &scene.leaf, .tickets = true, .tls12 = true});
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, HOST, session), LTI_OK);
  tls_link_accept(&l, older);
  assert_int_equal(tls_link_handshake(&l, TLS_LINK_WHOLE), LEAT_ETLS);
  assert_non_null(strstr(lti_tls_message(l.tls), "no version"));
  tls_link_close(&l);
  check_resumes(scene.server, session, true);
  lti_tls_session_free(session);
  session = tls_scene_session(&scene, older);
  tls_scene_connect(&scene, &l, scene.server, session);
  assert_false(lti_tls_resumed(l.tls));
  assert_string_equal(lti_tls_version(l.tls), "TLSv1.2");
  tls_link_close(&l);
  lti_tls_session_free(session);
  tls_server_free(older);
}

/* ---- tickets ----------------------------------------------------------------------------------
 */

static void tls13_tickets_between_records_are_no_errors(void **state) {
  (void)state;
  tls_link l;
  tls_server *server = server_holding(3);
  tls_scene_connect(&scene, &l, server, NULL);
  assert_false(lti_tls_ticket_ready(l.tls));
  assert_null(lti_tls_session_save(l.tls));
  tls_peer_write(l.peer, lti_slice_of("one "));
  tls_peer_send_ticket(l.peer);
  tls_peer_write(l.peer, lti_slice_of("two "));
  tls_peer_send_ticket(l.peer);
  tls_peer_write(l.peer, lti_slice_of("three"));
  check_read(&l, "one two three");
  assert_true(lti_tls_ticket_ready(l.tls));
  lti_tls_session *first = lti_tls_session_save(l.tls);
  assert_non_null(first);
  assert_false(lti_tls_ticket_ready(l.tls));
  assert_null(lti_tls_session_save(l.tls)); /* mbedTLS gives each once */
  tls_peer_send_ticket(l.peer);
  check_read(&l, "");
  assert_true(lti_tls_ticket_ready(l.tls));
  lti_tls_session *second = lti_tls_session_save(l.tls);
  assert_non_null(second);
  assert_int_equal(lti_tls_write(l.tls, lti_slice_of("bye")), LTI_OK);
  tls_link_flush(&l, TLS_LINK_WHOLE);
  assert_true(lti_slice_is(lti_buf_slice(&l.peer->plain), "bye"));
  tls_link_close(&l);
  check_resumes(server, first, true);
  check_resumes(server, second, true);
  lti_tls_session_free(first);
  lti_tls_session_free(second);
  tls_server_free(server);
}

static void tls13_tickets_split_at_every_byte(void **state) {
  (void)state;
  tls_server *server = server_holding(2);
  for (size_t cut = 0, size = 1; cut <= size; cut++) {
    tls_link l;
    char plain[16384]; /* room for any record: it is not asked again */
    lti_buf got = buffer();
    tls_scene_connect(&scene, &l, server, NULL);
    tls_peer_write(l.peer, lti_slice_of("a"));
    tls_peer_send_ticket(l.peer);
    tls_peer_write(l.peer, lti_slice_of("bc"));
    tls_peer_send_ticket(l.peer);
    leat_slice all = lti_buf_slice(&l.peer->cipher);
    leat_slice pieces[] = {lti_slice(all.data, cut), lti_slice_from(all, cut)};
    size = all.size;
    for (int i = 0; i < 2; i++) {
      size_t n;
      assert_int_equal(lti_tls_read(l.tls, &pieces[i], plain, sizeof plain, &n), LTI_OK);
      assert_int_equal(pieces[i].size, 0);
      assert_int_equal(lti_buf_append(&got, lti_slice(plain, n)), LTI_OK);
    }
    assert_true(lti_slice_is(lti_buf_slice(&got), "abc"));
    lti_tls_session *session = lti_tls_session_save(l.tls);
    assert_non_null(session);
    if (cut % 100 == 0) check_resumes(server, session, true);
    lti_tls_session_free(session);
    lti_buf_deinit(&got);
    tls_link_close(&l);
  }
  tls_server_free(server);
}

/* With room for one byte at a time the ticket comes while a record is half delivered. */
static void tls13_tickets_in_single_bytes_into_single_bytes(void **state) {
  (void)state;
  tls_link l;
  lti_buf got = buffer();
  tls_server *server = server_holding(2);
  tls_scene_connect(&scene, &l, server, NULL);
  tls_peer_write(l.peer, lti_slice_of("abcdef"));
  tls_peer_send_ticket(l.peer);
  tls_peer_send_ticket(l.peer);
  tls_peer_write(l.peer, lti_slice_of("ghi"));
  assert_int_equal(tls_link_read(&l, 1, 1, &got), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&got), "abcdefghi"));
  lti_buf_deinit(&got);
  tls_link_close(&l);
  tls_server_free(server);
}

/* A ticket that was offered, and lies in the session of the connection that resumed, is no news. */
static void tls13_a_resumed_connection_has_a_session_when_its_own_ticket_came(void **state) {
  (void)state;
  tls_link l;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  tls_link_open(&l, &scene.alloc, scene.context, HOST, session);
  tls_link_accept(&l, scene.server);
  assert_int_equal(tls_link_handshake(&l, TLS_LINK_WHOLE), LTI_OK);
  assert_true(lti_tls_resumed(l.tls));
  assert_false(lti_tls_ticket_ready(l.tls));
  assert_null(lti_tls_session_save(l.tls));
  check_read(&l, "");
  lti_tls_session *next = lti_tls_session_save(l.tls);
  assert_non_null(next);
  tls_link_close(&l);
  check_resumes(scene.server, next, true);
  lti_tls_session_free(next);
  lti_tls_session_free(session);
}

static void tls13_a_thousand_tickets_pass_and_a_flood_does_not(void **state) {
  (void)state;
  for (int count = 1000; count <= 1001; count++) {
    tls_link l;
    lti_buf got = buffer();
    tls_server *server = tls_server_new(
        &(tls_server_options){.leaf = &scene.leaf, .tickets = true, .ticket_count = count});
    assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, HOST, NULL), LTI_OK);
    tls_link_accept(&l, server);
    assert_int_equal(tls_link_handshake(&l, TLS_LINK_WHOLE), LTI_OK);
    int result = tls_link_read(&l, TLS_LINK_WHOLE, 100, &got);
    assert_int_equal(result, count == 1000 ? LTI_OK : LEAT_ETLS);
    if (result) {
      assert_string_equal(lti_tls_message(l.tls), HOST " keeps sending session tickets");
      assert_int_equal(lti_tls_write(l.tls, lti_slice_of("x")), LEAT_ETLS);
      assert_null(lti_tls_session_save(l.tls));
    }
    lti_buf_deinit(&got);
    tls_link_close(&l);
    tls_server_free(server);
  }
}

/* ---- what a step costs ------------------------------------------------------------------------
 */

static void tls13_expensive_steps_are_those_of_a_full_handshake(void **state) {
  (void)state;
  for (int resumes = 0; resumes < 2; resumes++) {
    tls_link l;
    lti_tls_session *session = resumes ? tls_scene_session(&scene, scene.server) : NULL;
    tls_scene_start(&scene, &l, scene.server, session);
    leat_slice flight = lti_buf_slice(&l.peer->cipher);
    for (size_t i = 0; i < flight.size; i++) {
      leat_slice byte = lti_slice(flight.data + i, 1);
      /* Behind the certificate, the server's Finished costs little. */
      if (resumes || i < 200) assert_int_equal(lti_tls_step_expensive(l.tls), !resumes);
      int result = lti_tls_handshake(l.tls, &byte);
      assert_int_equal(result, i + 1 < flight.size ? LTI_AGAIN : LTI_OK);
    }
    assert_false(lti_tls_step_expensive(l.tls));
    assert_int_equal(lti_tls_resumed(l.tls), resumes);
    tls_link_close(&l);
    lti_tls_session_free(session);
  }
}

/* One look at the server's first flight tells a refused session from an accepted one: at the end of
 * ServerHello, which is a record of its own. */
static void tls13_expensive_flight_is_seen_in_its_first_record(void **state) {
  (void)state;
  tls_server *server = tls_server_new(&(tls_server_options){.leaf = &scene.leaf, .tickets = true});
  lti_tls_session *session = tls_scene_session(&scene, server);
  for (int refused = 0; refused < 2; refused++) {
    tls_link l;
    if (refused) tls_server_rotate(server);
    tls_scene_start(&scene, &l, server, session);
    leat_slice flight = lti_buf_slice(&l.peer->cipher);
    const unsigned char *header = (const unsigned char *)flight.data;
    size_t hello = 5 + (size_t)(header[3] << 8 | header[4]);
    assert_true(hello < flight.size);
    assert_false(lti_tls_step_expensive(l.tls));
    for (size_t n = 0; n < hello; n++) {
      assert_false(lti_tls_flight_expensive(l.tls, lti_slice(flight.data, n)));
    }
    assert_int_equal(lti_tls_flight_expensive(l.tls, lti_slice(flight.data, hello)), refused);
    assert_int_equal(lti_tls_flight_expensive(l.tls, flight), refused);
    assert_int_equal(lti_tls_handshake(l.tls, &flight), LTI_OK);
    assert_int_equal(lti_tls_resumed(l.tls), !refused);
    tls_link_close(&l);
  }
  lti_tls_session_free(session);
  tls_server_free(server);
}

/* ServerHello of a server that lies about the sizes of its extensions, or leaves them out. */
static void tls13_a_look_at_any_bytes_reads_none_behind_them(void **state) {
  (void)state;
  tls_link l;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  tls_scene_start(&scene, &l, scene.server, session);
  char changed[200];
  leat_slice flight = lti_buf_slice(&l.peer->cipher);
  size_t size = flight.size < sizeof changed ? flight.size : sizeof changed;
  for (size_t at = 0; at < size; at++) {
    static const char values[] = {0, 1, 43, 127, -1};
    for (size_t v = 0; v < sizeof values; v++) {
      memcpy(changed, flight.data, size);
      changed[at] = values[v];
      lti_tls_flight_expensive(l.tls, lti_slice(changed, size)); /* a sanitizer looks on */
    }
  }
  assert_false(lti_tls_step_expensive(l.tls));
  assert_int_equal(lti_tls_handshake(l.tls, &flight), LTI_OK);
  tls_link_close(&l);
  lti_tls_session_free(session);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tls13_is_spoken_and_a_second_connection_resumes),
      cmocka_unit_test(tls13_a_session_meets_a_server_of_the_other_version),
      cmocka_unit_test(tls13_tickets_between_records_are_no_errors),
      cmocka_unit_test(tls13_tickets_split_at_every_byte),
      cmocka_unit_test(tls13_tickets_in_single_bytes_into_single_bytes),
      cmocka_unit_test(tls13_a_resumed_connection_has_a_session_when_its_own_ticket_came),
      cmocka_unit_test(tls13_a_thousand_tickets_pass_and_a_flood_does_not),
      cmocka_unit_test(tls13_expensive_steps_are_those_of_a_full_handshake),
      cmocka_unit_test(tls13_expensive_flight_is_seen_in_its_first_record),
      cmocka_unit_test(tls13_a_look_at_any_bytes_reads_none_behind_them),
  };
  if (!tls_scene_run_as(true)) {
    print_message("skipped: this mbedTLS has no TLS 1.3\n");
    return 77;
  }
  return cmocka_run_group_tests_name("TLS 1.3", tests, set_up, tear_down);
}
