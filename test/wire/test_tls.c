/* wire/tls end to end in memory: handshakes, resumption, records in every split, closing.
 * Certificates are in test_tls_verify.c, hostile peers in test_tls_hostile.c, failing and counted
 * memory in test_tls_memory.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/certs.h"
#include "support/tls_link.h"
#include "support/tls_scene.h"
#include "support/tls_server.h"
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

/* ---- handshakes -------------------------------------------------------------------------------
 */

static void tls_full_handshake_verifies_and_carries_bytes_both_ways(void **state) {
  (void)state;
  tls_link l;
  lti_buf got;
  lti_buf_init(&got, &scene.alloc, 1 << 20, LEAT_EBODYMAX);
  tls_scene_connect(&scene, &l, scene.server, NULL);
  assert_false(lti_tls_resumed(l.tls));
  bool tls13 = tls_server_speaks_13();
  assert_string_equal(lti_tls_version(l.tls), tls13 ? "TLSv1.3" : "TLSv1.2");
  assert_string_equal(lti_tls_cipher(l.tls), tls13 ? "TLS1-3-AES-128-GCM-SHA256"
                                                   : "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256");
  assert_string_equal(lti_tls_message(l.tls), "");
  assert_string_equal(tls_server_name(scene.server), HOST);
  assert_int_equal(lti_tls_write(l.tls, lti_slice_of("GET / HTTP/1.1\r\n\r\n")), LTI_OK);
  tls_link_flush(&l, TLS_LINK_WHOLE);
  assert_true(lti_slice_is(lti_buf_slice(&l.peer->plain), "GET / HTTP/1.1\r\n\r\n"));
  tls_peer_write(l.peer, lti_slice_of("data: x\n\n"));
  assert_int_equal(tls_link_read(&l, TLS_LINK_WHOLE, 16384, &got), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&got), "data: x\n\n"));
  lti_buf_deinit(&got);
  tls_link_close(&l);
}

static void tls_max_is_kept_to(void **state) {
  (void)state;
  char message[100];
  lti_tls_context *any = scene.context, *older = NULL;
  lti_tls_config config = {.ca_pem = certs_pem(&scene.ca), .tls12_only = true};
  assert_int_equal(lti_tls_context_new(&scene.alloc, &config, &older, message, sizeof message),
                   LTI_OK);
  scene.context = older;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  for (int i = 0; i < 2; i++) {
    tls_link l;
    tls_scene_connect(&scene, &l, scene.server, i ? session : NULL);
    assert_string_equal(lti_tls_version(l.tls), "TLSv1.2");
    assert_int_equal(lti_tls_resumed(l.tls), i);
    tls_link_close(&l);
  }
  lti_tls_session_free(session);
  scene.context = any;
  lti_tls_context_free(older);
}

static void tls_handshake_in_pieces_of_every_small_size(void **state) {
  (void)state;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  static const size_t pieces[] = {1, 2, 3, 5, 7, 100};
  for (size_t i = 0; i < 2 * sizeof pieces / sizeof *pieces; i++) {
    tls_link l;
    assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, HOST, i & 1 ? session : NULL),
                     LTI_OK);
    tls_link_accept(&l, scene.server);
    assert_int_equal(tls_link_handshake(&l, pieces[i / 2]), LTI_OK);
    assert_int_equal(lti_tls_resumed(l.tls), i & 1);
    tls_link_close(&l);
  }
  lti_tls_session_free(session);
}

static void tls_21_resumed_handshake_cut_at_every_byte(void **state) {
  (void)state;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  for (size_t cut = 0;; cut++) {
    tls_link l;
    tls_scene_start(&scene, &l, scene.server, session);
    lti_buf *flight = &l.peer->cipher;
    if (cut > flight->size) cut = flight->size;
    bool last = cut == flight->size;
    leat_slice first = lti_slice(flight->data, cut);
    leat_slice rest = lti_slice_from(lti_buf_slice(flight), cut);
    int result = lti_tls_handshake(l.tls, &first);
    assert_int_equal(first.size, 0);
    assert_int_equal(result, last ? LTI_OK : LTI_AGAIN);
    if (!last) assert_false(lti_tls_resumed(l.tls));
    assert_int_equal(lti_tls_handshake(l.tls, &rest), LTI_OK);
    assert_true(lti_tls_resumed(l.tls));
    tls_link_close(&l);
    if (last) break;
  }
  lti_tls_session_free(session);
}

/* Bytes behind the handshake, in the same read, belong to the reader. */
static void tls_bytes_behind_the_handshake_are_left(void **state) {
  (void)state;
  if (tls_server_speaks_13()) skip(); /* there the client's Finished is the last word */
  tls_link l;
  lti_buf got;
  lti_buf_init(&got, &scene.alloc, 1 << 20, LEAT_EBODYMAX);
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  tls_scene_connect(&scene, &l, scene.server, NULL);
  tls_link_close(&l);
  tls_scene_start(&scene, &l, scene.server, NULL);
  leat_slice flight = lti_buf_slice(&l.peer->cipher);
  assert_int_equal(lti_tls_handshake(l.tls, &flight), LTI_AGAIN);
  lti_buf_clear(&l.peer->cipher);
  tls_link_flush(&l, TLS_LINK_WHOLE);
  tls_peer_write(l.peer, lti_slice_of("early"));
  flight = lti_buf_slice(&l.peer->cipher);
  size_t all = flight.size;
  assert_int_equal(lti_tls_handshake(l.tls, &flight), LTI_OK);
  assert_in_range(flight.size, 5, 40);
  lti_buf_consume(&l.peer->cipher, all - flight.size);
  assert_int_equal(tls_link_read(&l, 1, 100, &got), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&got), "early"));
  lti_buf_deinit(&got);
  lti_tls_session_free(session);
  tls_link_close(&l);
}

static void tls_expensive_steps_are_those_of_a_full_handshake(void **state) {
  (void)state;
  if (tls_server_speaks_13()) skip(); /* test_tls_13.c has its own */
  tls_link l;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, HOST, NULL), LTI_OK);
  assert_false(lti_tls_step_expensive(l.tls));
  tls_link_close(&l);
  tls_scene_start(&scene, &l, scene.server, NULL);
  assert_true(lti_tls_step_expensive(l.tls));
  for (size_t i = 0; i < 100; i++) { /* ServerHello is behind us, the certificate is not */
    leat_slice byte = lti_slice(l.peer->cipher.data + i, 1);
    assert_int_equal(lti_tls_handshake(l.tls, &byte), LTI_AGAIN);
    assert_true(lti_tls_step_expensive(l.tls));
  }
  lti_buf_consume(&l.peer->cipher, 100);
  leat_slice rest = lti_buf_slice(&l.peer->cipher);
  assert_int_equal(lti_tls_handshake(l.tls, &rest), LTI_AGAIN);
  assert_false(lti_tls_step_expensive(l.tls));
  tls_link_close(&l);
  tls_scene_start(&scene, &l, scene.server, session);
  for (size_t i = 0; i < l.peer->cipher.size; i++) {
    leat_slice byte = lti_slice(l.peer->cipher.data + i, 1);
    assert_false(lti_tls_step_expensive(l.tls));
    assert_int_equal(lti_tls_handshake(l.tls, &byte),
                     i + 1 < l.peer->cipher.size ? LTI_AGAIN : LTI_OK);
  }
  assert_false(lti_tls_step_expensive(l.tls));
  lti_tls_session_free(session);
  tls_link_close(&l);
}

static void tls_22_each_of_our_suites_works(void **state) {
  (void)state;
  static const int suites[][2] = {{MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0},
                                  {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 0},
                                  {MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, 0}};
  static const int suites13[][2] = {{0x1301, 0}, {0x1302, 0}, {0x1303, 0}};
  for (size_t i = 0; i < 3; i++) {
    tls_link l;
    lti_buf got;
    lti_buf_init(&got, &scene.alloc, 100, LEAT_EBODYMAX);
    tls_server *server = tls_server_new(
        &(tls_server_options){.leaf = &scene.leaf,
                              .suites = tls_server_speaks_13() ? suites13[i] : suites[i],
                              .tickets = true});
    lti_tls_session *session = tls_scene_session(&scene, server);
    tls_scene_connect(&scene, &l, server, session);
    assert_true(lti_tls_resumed(l.tls));
    tls_peer_write(l.peer, lti_slice_of("x"));
    assert_int_equal(tls_link_read(&l, TLS_LINK_WHOLE, 100, &got), LTI_OK);
    assert_true(lti_slice_is(lti_buf_slice(&got), "x"));
    lti_buf_deinit(&got);
    tls_link_close(&l);
    lti_tls_session_free(session);
    tls_server_free(server);
  }
}

/* One look at the server's first flight tells a refused session from an accepted one. */
static void tls_expensive_flight_is_seen_in_its_first_bytes(void **state) {
  (void)state;
  if (tls_server_speaks_13()) skip(); /* test_tls_13.c has its own */
  for (int by_id = 0; by_id < 2; by_id++) {
    tls_server_options options = {.leaf = &scene.leaf, .tickets = !by_id, .cache = by_id};
    tls_server *server = tls_server_new(&options);
    lti_tls_session *session = tls_scene_session(&scene, server);
    for (int refused = 0; refused < 2; refused++) {
      tls_link l;
      if (refused) tls_server_rotate(server);
      tls_scene_start(&scene, &l, server, session);
      leat_slice flight = lti_buf_slice(&l.peer->cipher);
      assert_false(lti_tls_step_expensive(l.tls));
      for (size_t n = 0; n < 43; n++) {
        assert_false(lti_tls_flight_expensive(l.tls, lti_slice(flight.data, n)));
      }
      assert_int_equal(lti_tls_flight_expensive(l.tls, flight), refused);
      assert_int_equal(lti_tls_handshake(l.tls, &flight), refused ? LTI_AGAIN : LTI_OK);
      assert_false(lti_tls_flight_expensive(l.tls, flight));
      tls_link_close(&l);
    }
    lti_tls_session_free(session);
    tls_server_free(server);
  }
}

/* ---- resumption -------------------------------------------------------------------------------
 */

static void tls_16_ticket_resumes_many_connections(void **state) {
  (void)state;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  assert_non_null(session);
  for (int i = 0; i < 3; i++) {
    tls_link l;
    tls_scene_connect(&scene, &l, scene.server, session);
    assert_true(lti_tls_resumed(l.tls));
    assert_true(lti_tls_ticket_ready(l.tls));
    lti_tls_session *again = lti_tls_session_save(l.tls);
    assert_non_null(again);
    lti_tls_session_free(session);
    session = again;
    tls_link_close(&l);
  }
  lti_tls_session_free(session);
}

static void tls_16_session_id_resumes(void **state) {
  (void)state;
  if (tls_server_speaks_13()) skip(); /* which has tickets alone */
  tls_link l;
  tls_server *server = tls_server_new(&(tls_server_options){.leaf = &scene.leaf, .cache = true});
  lti_tls_session *session = tls_scene_session(&scene, server);
  assert_non_null(session);
  tls_scene_connect(&scene, &l, server, session);
  assert_true(lti_tls_resumed(l.tls));
  tls_link_close(&l);
  lti_tls_session_free(session);
  tls_server_free(server);
}

static void tls_16_refused_session_costs_a_full_verified_handshake(void **state) {
  (void)state;
  for (int by_id = 0; by_id < 2; by_id++) {
    tls_link l;
    tls_server *server = tls_server_new(
        &(tls_server_options){.leaf = &scene.leaf, .tickets = !by_id, .cache = by_id});
    lti_tls_session *session = tls_scene_session(&scene, server);
    tls_server_rotate(server);
    tls_scene_connect(&scene, &l, server, session);
    assert_false(lti_tls_resumed(l.tls));
    tls_link_close(&l);
    lti_tls_session_free(session);
    tls_server_free(server);
  }
}

/* The new certificate is looked at: a refused ticket is no way round the check. */
static void tls_16_refused_session_does_not_spare_the_certificate(void **state) {
  (void)state;
  tls_link l;
  certs_pair other;
  certs_make(&other, &(certs_spec){.cn = "x", .dns = {"evil.test"}}, &scene.ca);
  tls_server *server = tls_server_new(&(tls_server_options){.leaf = &other, .tickets = true});
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, HOST, session), LTI_OK);
  tls_link_accept(&l, server);
  assert_int_equal(tls_link_handshake(&l, TLS_LINK_WHOLE), LEAT_ECERT);
  tls_link_close(&l);
  lti_tls_session_free(session);
  tls_server_free(server);
  certs_free(&other);
}

static void tls_16_session_of_another_host_is_not_offered(void **state) {
  (void)state;
  static const struct {
    const char *host;
    bool same;
  } rows[] = {{"other.x.test", false}, {"API.X.test", true}, {HOST ".", true}};
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tls_link l;
    assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, rows[i].host, session), LTI_OK);
    tls_link_accept(&l, scene.server);
    assert_int_equal(tls_link_handshake(&l, TLS_LINK_WHOLE), LTI_OK);
    assert_int_equal(lti_tls_resumed(l.tls), rows[i].same);
    tls_link_close(&l);
  }
  lti_tls_session_free(session);
}

/* A session made without verification must not lend itself to a context that verifies. */
static void tls_17_session_of_another_context_is_not_offered(void **state) {
  (void)state;
  tls_link l;
  char message[100];
  lti_tls_context *insecure = NULL;
  assert_int_equal(lti_tls_context_new(&scene.alloc, &(lti_tls_config){.insecure = true}, &insecure,
                                       message, sizeof message),
                   LTI_OK);
  assert_int_equal(tls_link_open(&l, &scene.alloc, insecure, HOST, NULL), LTI_OK);
  tls_link_accept(&l, scene.server);
  assert_int_equal(tls_link_handshake(&l, TLS_LINK_WHOLE), LTI_OK);
  assert_false(lti_tls_resumed(l.tls));
  tls_scene_read_tickets(&scene, &l);
  lti_tls_session *session = lti_tls_session_save(l.tls);
  assert_non_null(session);
  tls_link_close(&l);
  lti_tls_context_free(insecure);
  tls_scene_connect(&scene, &l, scene.server, session);
  assert_false(lti_tls_resumed(l.tls));
  tls_link_close(&l);
  lti_tls_session_free(session);
}

static void tls_no_session_from_a_server_without_tickets_or_before_the_end(void **state) {
  (void)state;
  tls_link l;
  tls_scene_start(&scene, &l, scene.server, NULL);
  assert_false(lti_tls_ticket_ready(l.tls));
  assert_null(lti_tls_session_save(l.tls));
  tls_link_close(&l);
}

/* ---- records ----------------------------------------------------------------------------------
 */

static void fill(char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) bytes[i] = (char)(i * 7 + (i >> 8) * 13);
}

static void tls_records_split_at_every_byte(void **state) {
  (void)state;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  char text[230];
  fill(text, sizeof text);
  for (size_t cut = 0;; cut++) {
    tls_link l;
    lti_buf got;
    size_t size;
    char plain[1000];
    lti_buf_init(&got, &scene.alloc, 1 << 20, LEAT_EBODYMAX);
    tls_scene_connect(&scene, &l, scene.server, session);
    tls_peer_write(l.peer, lti_slice(text, 1));
    tls_peer_write(l.peer, lti_slice(NULL, 0));
    tls_peer_write(l.peer, lti_slice(text + 1, 29));
    tls_peer_write(l.peer, lti_slice(text + 30, 200));
    leat_slice all = lti_buf_slice(&l.peer->cipher);
    leat_slice pieces[] = {lti_slice(all.data, cut), lti_slice_from(all, cut)};
    for (int i = 0; i < 2; i++) {
      assert_int_equal(lti_tls_read(l.tls, &pieces[i], plain, sizeof plain, &size), LTI_OK);
      assert_int_equal(pieces[i].size, 0);
      assert_int_equal(lti_buf_append(&got, lti_slice(plain, size)), LTI_OK);
    }
    assert_true(lti_slice_equal(lti_buf_slice(&got), lti_slice(text, sizeof text)));
    bool last = cut == all.size;
    lti_buf_deinit(&got);
    tls_link_close(&l);
    if (last) break;
  }
  lti_tls_session_free(session);
}

static void tls_records_are_not_cut_when_the_next_call_has_room(void **state) {
  (void)state;
  tls_link l;
  char text[500], plain[500];
  size_t size;
  fill(text, sizeof text);
  tls_scene_connect(&scene, &l, scene.server, NULL);
  for (int i = 0; i < 3; i++) tls_peer_write(l.peer, lti_slice(text, 200));
  tls_peer_write(l.peer, lti_slice(text, 500));
  leat_slice cipher = lti_buf_slice(&l.peer->cipher);
  assert_int_equal(lti_tls_read(l.tls, &cipher, plain, 450, &size), LTI_AGAIN);
  assert_int_equal(size, 400);
  assert_int_equal(lti_tls_read(l.tls, &cipher, plain, 450, &size), LTI_AGAIN);
  assert_int_equal(size, 200);
  assert_int_equal(lti_tls_read(l.tls, &cipher, plain, 450, &size), LTI_AGAIN);
  assert_int_equal(size, 450);
  assert_memory_equal(plain, text, 450);
  assert_int_equal(cipher.size, 0);
  assert_int_equal(lti_tls_read(l.tls, &cipher, plain, 450, &size), LTI_OK);
  assert_int_equal(size, 50);
  assert_memory_equal(plain, text + 450, 50);
  tls_link_close(&l);
}

static void tls_large_bytes_both_ways_in_many_pieces(void **state) {
  (void)state;
  enum { BYTES = 300000 };
  static const struct {
    size_t piece, room;
  } rows[] = {{TLS_LINK_WHOLE, 16384}, {1, 16384}, {TLS_LINK_WHOLE, 100}, {4093, 1000}, {29, 1}};
  char *text = malloc(BYTES);
  fill(text, BYTES);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    tls_link l;
    lti_buf got;
    lti_buf_init(&got, &scene.alloc, BYTES + 1, LEAT_EBODYMAX);
    tls_scene_connect(&scene, &l, scene.server, NULL);
    assert_int_equal(lti_tls_write(l.tls, lti_slice(text, BYTES)), LTI_OK);
    tls_link_flush(&l, rows[i].piece);
    assert_true(lti_slice_equal(lti_buf_slice(&l.peer->plain), lti_slice(text, BYTES)));
    uint64_t before = lti_tls_copied(l.tls);
    tls_peer_write(l.peer, lti_slice(text, BYTES));
    size_t cipher_size = l.peer->cipher.size;
    assert_int_equal(tls_link_read(&l, rows[i].piece, rows[i].room, &got), LTI_OK);
    assert_true(lti_slice_equal(lti_buf_slice(&got), lti_slice(text, BYTES)));
    assert_int_equal(lti_tls_copied(l.tls) - before, cipher_size);
    lti_buf_deinit(&got);
    tls_link_close(&l);
  }
  free(text);
}

/* ---- closing ----------------------------------------------------------------------------------
 */

static void tls_13_close_notify_is_told_and_its_lack_too(void **state) {
  (void)state;
  for (int clean = 0; clean < 2; clean++) {
    tls_link l;
    char plain[100];
    size_t size;
    tls_scene_connect(&scene, &l, scene.server, NULL);
    tls_peer_write(l.peer, lti_slice_of("end"));
    if (clean) tls_peer_close(l.peer);
    leat_slice cipher = lti_buf_slice(&l.peer->cipher);
    assert_int_equal(lti_tls_read(l.tls, &cipher, plain, sizeof plain, &size),
                     clean ? LTI_STOPPED : LTI_OK);
    assert_int_equal(size, 3);
    tls_link_close(&l);
  }
}

static void tls_15_bytes_behind_close_notify_are_ignored(void **state) {
  (void)state;
  tls_link l;
  char plain[100];
  size_t size;
  tls_scene_connect(&scene, &l, scene.server, NULL);
  tls_peer_close(l.peer);
  assert_int_equal(lti_buf_text(&l.peer->cipher, "\x17\x03\x03 surplus"), LTI_OK);
  leat_slice cipher = lti_buf_slice(&l.peer->cipher);
  assert_int_equal(lti_tls_read(l.tls, &cipher, plain, sizeof plain, &size), LTI_STOPPED);
  assert_int_equal(cipher.size, 0);
  cipher = lti_slice_of("and more");
  assert_int_equal(lti_tls_read(l.tls, &cipher, plain, sizeof plain, &size), LTI_STOPPED);
  assert_int_equal(size, 0);
  assert_int_equal(cipher.size, 0);
  tls_link_close(&l);
}

static void tls_close_sends_one_close_notify(void **state) {
  (void)state;
  tls_link l;
  assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, HOST, NULL), LTI_OK);
  lti_tls_close(l.tls);
  assert_int_equal(lti_outq_size(&l.out), 0);
  tls_link_accept(&l, scene.server);
  assert_int_equal(tls_link_handshake(&l, TLS_LINK_WHOLE), LTI_OK);
  lti_tls_close(l.tls);
  size_t size = lti_outq_size(&l.out);
  lti_tls_close(l.tls);
  assert_int_equal(lti_outq_size(&l.out), size);
  tls_link_flush(&l, TLS_LINK_WHOLE);
  assert_int_equal(l.peer->error, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
  tls_link_close(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tls_full_handshake_verifies_and_carries_bytes_both_ways),
      cmocka_unit_test(tls_max_is_kept_to),
      cmocka_unit_test(tls_handshake_in_pieces_of_every_small_size),
      cmocka_unit_test(tls_21_resumed_handshake_cut_at_every_byte),
      cmocka_unit_test(tls_bytes_behind_the_handshake_are_left),
      cmocka_unit_test(tls_expensive_steps_are_those_of_a_full_handshake),
      cmocka_unit_test(tls_expensive_flight_is_seen_in_its_first_bytes),
      cmocka_unit_test(tls_22_each_of_our_suites_works),
      cmocka_unit_test(tls_16_ticket_resumes_many_connections),
      cmocka_unit_test(tls_16_session_id_resumes),
      cmocka_unit_test(tls_16_refused_session_costs_a_full_verified_handshake),
      cmocka_unit_test(tls_16_refused_session_does_not_spare_the_certificate),
      cmocka_unit_test(tls_16_session_of_another_host_is_not_offered),
      cmocka_unit_test(tls_17_session_of_another_context_is_not_offered),
      cmocka_unit_test(tls_no_session_from_a_server_without_tickets_or_before_the_end),
      cmocka_unit_test(tls_records_split_at_every_byte),
      cmocka_unit_test(tls_records_are_not_cut_when_the_next_call_has_room),
      cmocka_unit_test(tls_large_bytes_both_ways_in_many_pieces),
      cmocka_unit_test(tls_13_close_notify_is_told_and_its_lack_too),
      cmocka_unit_test(tls_15_bytes_behind_close_notify_are_ignored),
      cmocka_unit_test(tls_close_sends_one_close_notify),
  };
  return tls_scene_run(tests, set_up, tear_down);
}
