/* wire/tls against peers that break the rules: renegotiation, floods, changed bytes, plain text,
 * old versions; and a forked child. Each ends in a named error, once and for good. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Feeds bytes to a finished handshake's reader: its result; plain bytes are thrown away. */
static int feed(tls_link *l, leat_slice cipher) {
  char plain[16384];
  size_t size;
  int result;
  do {
    result = lti_tls_read(l->tls, &cipher, plain, sizeof plain, &size);
  } while (result == LTI_AGAIN);
  return result;
}

/* ---- hostile peers ----------------------------------------------------------------------------
 */

static void tls_19_hello_request_is_refused_and_the_stream_goes_on(void **state) {
  (void)state;
  tls_link l;
  lti_buf got;
  lti_buf_init(&got, &scene.alloc, 100, LEAT_EBODYMAX);
  tls_server *server = tls_server_new(
      &(tls_server_options){.leaf = &scene.leaf, .renegotiates = true, .tls12 = true});
  tls_scene_connect(&scene, &l, server, NULL);
  tls_peer_ask_again(l.peer);
  tls_peer_write(l.peer, lti_slice_of("on"));
  assert_int_equal(tls_link_read(&l, TLS_LINK_WHOLE, 100, &got), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&got), "on"));
  assert_in_range(lti_outq_size(&l.out), 1, 40); /* the warning no_renegotiation */
  lti_buf_deinit(&got);
  tls_link_close(&l);
  tls_server_free(server);
}

static void tls_19_flood_of_hello_requests_ends_the_connection(void **state) {
  (void)state;
  tls_link l;
  tls_server *server = tls_server_new(
      &(tls_server_options){.leaf = &scene.leaf, .renegotiates = true, .tls12 = true});
  tls_scene_connect(&scene, &l, server, NULL);
  for (int i = 0; i < 1000; i++) tls_peer_ask_again(l.peer);
  assert_int_equal(feed(&l, lti_buf_slice(&l.peer->cipher)), LEAT_ETLS);
  assert_string_equal(lti_tls_message(l.tls), HOST " keeps asking for renegotiation");
  assert_in_range(lti_outq_size(&l.out), 1, 1000);
  tls_link_close(&l);
  tls_server_free(server);
}

static void tls_20_a_few_empty_records_pass_and_a_flood_does_not(void **state) {
  (void)state;
  tls_link l;
  tls_scene_connect(&scene, &l, scene.server, NULL);
  for (int i = 0; i < 3; i++) tls_peer_write(l.peer, lti_slice(NULL, 0));
  tls_peer_write(l.peer, lti_slice_of("x"));
  assert_int_equal(feed(&l, lti_buf_slice(&l.peer->cipher)), LTI_OK);
  lti_buf_clear(&l.peer->cipher);
  for (int i = 0; i < 10000; i++) tls_peer_write(l.peer, lti_slice(NULL, 0));
  assert_int_equal(feed(&l, lti_buf_slice(&l.peer->cipher)), LEAT_ETLS);
  tls_link_close(&l);
}

static void tls_20_records_of_one_byte_pass(void **state) {
  (void)state;
  tls_link l;
  lti_buf got;
  lti_buf_init(&got, &scene.alloc, 1 << 20, LEAT_EBODYMAX);
  tls_scene_connect(&scene, &l, scene.server, NULL);
  for (int i = 0; i < 5000; i++) tls_peer_write(l.peer, lti_slice("x", 1));
  assert_int_equal(tls_link_read(&l, 65536, 16384, &got), LTI_OK);
  assert_int_equal(got.size, 5000);
  lti_buf_deinit(&got);
  tls_link_close(&l);
}

static void tls_21_record_with_any_byte_changed_is_refused_for_good(void **state) {
  (void)state;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  for (size_t at = 0;; at++) {
    tls_link l;
    tls_scene_connect(&scene, &l, scene.server, session);
    tls_peer_write(l.peer, lti_slice_of("secret"));
    if (at == l.peer->cipher.size) {
      tls_link_close(&l);
      break;
    }
    l.peer->cipher.data[at] ^= 0x40;
    leat_slice cipher = lti_buf_slice(&l.peer->cipher);
    int result = feed(&l, cipher);
    if (at == 3 || at == 4) { /* a longer record: the rest of it is waited for */
      assert_int_equal(result, LTI_OK);
    } else {
      assert_int_equal(result, LEAT_ETLS);
      size_t sent = lti_outq_size(&l.out);
      assert_int_equal(feed(&l, cipher), LEAT_ETLS);
      assert_int_equal(lti_tls_write(l.tls, lti_slice_of("x")), LEAT_ETLS);
      lti_tls_close(l.tls);
      assert_int_equal(lti_outq_size(&l.out), sent); /* an alert at most, and once */
      assert_in_range(sent, 0, 40);
      assert_null(lti_tls_session_save(l.tls));
    }
    tls_link_close(&l);
  }
  lti_tls_session_free(session);
}

/* What nothing protects in a plain record: its version, of which mbedTLS 3.6 reads neither byte. */
static bool is_record_version(leat_slice flight, size_t at) {
  while (flight.size > 5 && at >= 5) {
    const unsigned char *header = (const unsigned char *)flight.data;
    size_t size = 5 + (size_t)(header[3] << 8 | header[4]);
    if (at < size || size > flight.size) return false;
    flight = lti_slice_from(flight, size);
    at -= size;
  }
  return at == 1 || at == 2;
}

static void tls_21_handshake_with_any_byte_changed_never_passes_as_another(void **state) {
  (void)state;
  lti_tls_session *session = tls_scene_session(&scene, scene.server);
  for (size_t at = 0;; at++) {
    tls_link l;
    tls_scene_start(&scene, &l, scene.server, session);
    if (at >= l.peer->cipher.size) {
      tls_link_close(&l);
      break;
    }
    l.peer->cipher.data[at] ^= 0x01;
    leat_slice flight = lti_buf_slice(&l.peer->cipher);
    int result = lti_tls_handshake(l.tls, &flight);
    if (result == LTI_OK) {
      assert_true(is_record_version(lti_buf_slice(&l.peer->cipher), at));
    } else if (result != LTI_AGAIN) {
      assert_true(result == LEAT_ETLS || result == LEAT_ECERT || result == LEAT_ERESET);
    }
    tls_link_close(&l);
  }
  for (size_t at = 0;; at += 41) {
    tls_link l;
    tls_scene_start(&scene, &l, scene.server, NULL);
    bool end = at >= l.peer->cipher.size;
    if (!end) {
      l.peer->cipher.data[at] ^= 0x10;
      leat_slice flight = lti_buf_slice(&l.peer->cipher);
      int result = lti_tls_handshake(l.tls, &flight);
      if (result == LTI_AGAIN) { /* no key exchange was signed for this: the server must refuse */
        tls_link_flush(&l, TLS_LINK_WHOLE);
        assert_false(l.peer->established);
      } else {
        assert_in_range(result, LEAT_ECERT, LEAT_ERESET);
      }
    }
    tls_link_close(&l);
    if (end) break;
  }
  lti_tls_session_free(session);
}

static void tls_21_what_is_no_tls_is_told(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
    const char *words;
  } rows[] = {
      {"HTTP/1.1 400 Bad Request\r\n\r\n", 28, HOST " answered with plain HTTP instead of TLS"},
      {"SSH-2.0-OpenSSH_9.2\r\n", 21, HOST " does not speak TLS on this port"},
      {"220 mail ESMTP\r\n", 16, HOST " does not speak TLS on this port"},
      {"\x15\x03\x03\x00\x02\x02\x28", 7,
       HOST " sent the TLS alert handshake_failure (40): no version, cipher suite or curve in "
            "common, or it wants a client certificate"},
      {"\x15\x03\x03\x00\x02\x02\x70", 7, HOST " sent the TLS alert unrecognized_name (112)"},
      {"\x15\x03\x03\x00\x02\x02\x46", 7,
       HOST " sent the TLS alert protocol_version (70): it speaks no TLS 1.2"},
      {"\x15\x03\x03\x00\x02\x02\xfe", 7, HOST " sent the TLS alert unknown (254)"},
      {"\x15\x03\x03\x00\x02\x01\x00", 7, HOST " closed the connection during the TLS handshake"},
      {"\x16\x03\x03\x48\x01", 5, "TLS with " HOST " failed: "},
      {"\x16\x05\x03\x00\x01", 5, "TLS with " HOST " failed: "},
      {"\x17\x03\x03\x00\x01x", 6, "TLS with " HOST " failed: "},
      {"\x14\x03\x03\x00\x01\x01", 6, "TLS with " HOST " failed: "},
  };
  /* The last is ChangeCipherSpec, which TLS 1.3 wants dropped at this place (RFC 8446 section 5).
   */
  const size_t count = sizeof rows / sizeof *rows - tls_server_has_13();
  for (size_t i = 0; i < count; i++) {
    for (size_t piece = 1; piece < 30; piece += 28) {
      tls_link l;
      tls_scene_start(&scene, &l, scene.server, NULL);
      int result = LTI_AGAIN;
      for (size_t at = 0; at < rows[i].size && result == LTI_AGAIN; at += piece) {
        size_t n = rows[i].size - at < piece ? rows[i].size - at : piece;
        leat_slice bytes = lti_slice(rows[i].bytes + at, n);
        result = lti_tls_handshake(l.tls, &bytes);
      }
      bool closed = strstr(rows[i].words, "closed");
      if (!strstr(lti_tls_message(l.tls), rows[i].words)) {
        print_error("%zu: %s\n", i, lti_tls_message(l.tls));
      }
      assert_int_equal(result, closed ? LEAT_ERESET : LEAT_ETLS);
      assert_non_null(strstr(lti_tls_message(l.tls), rows[i].words));
      assert_int_not_equal(lti_tls_native(l.tls), 0);
      tls_link_close(&l);
    }
  }
}

static void tls_21_oversized_record_is_refused(void **state) {
  (void)state;
  tls_link l;
  tls_scene_connect(&scene, &l, scene.server, NULL);
  assert_int_equal(feed(&l, lti_slice("\x17\x03\x03\x48\x01", 5)), LEAT_ETLS);
  tls_link_close(&l);
}

static void tls_22_foreign_suites_are_refused(void **state) {
  (void)state;
  static const int cbc[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, 0};
  tls_link l;
  tls_server *server = tls_server_new(&(tls_server_options){.leaf = &scene.leaf, .suites = cbc});
  assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, HOST, NULL), LTI_OK);
  tls_link_accept(&l, server);
  assert_int_equal(tls_link_handshake(&l, TLS_LINK_WHOLE), LEAT_ETLS);
  assert_non_null(strstr(lti_tls_message(l.tls), HOST));
  tls_link_close(&l);
  tls_server_free(server);
}

/* A ServerHello that answers with version 3.`minor`, and a suite that goes with it. */
static void tls_22_old_versions_are_refused(void **state) {
  (void)state;
  for (char minor = 0; minor < 3; minor++) {
    tls_link l;
    char hello[47] = {0x16, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor};
    memset(hello + 11, 'r', 32);
    hello[44] = (char)0xc0; /* no session id; ECDHE-ECDSA with AES-128-CBC */
    hello[45] = 0x09;
    tls_scene_start(&scene, &l, scene.server, NULL);
    leat_slice bytes = lti_slice(hello, sizeof hello);
    assert_int_equal(lti_tls_handshake(l.tls, &bytes), LEAT_ETLS);
    assert_string_equal(lti_tls_message(l.tls), HOST " speaks no TLS 1.2");
    tls_link_close(&l);
  }
}

/* ---- forks ------------------------------------------------------------------------------------
 */

/* ClientHello's 32 random bytes lie behind two headers and the version. */
static void client_random(char random[32]) {
  tls_link l;
  char hello[2048];
  leat_slice none = lti_slice(NULL, 0);
  struct iovec front;
  assert_int_equal(tls_link_open(&l, &scene.alloc, scene.context, HOST, NULL), LTI_OK);
  assert_int_equal(lti_tls_handshake(l.tls, &none), LTI_AGAIN);
  assert_int_equal(lti_outq_peek(&l.out, &front, 1), 1);
  assert_in_range(front.iov_len, 43, sizeof hello);
  memcpy(random, (char *)front.iov_base + 11, 32);
  tls_link_close(&l);
}

static void tls_25_forked_child_draws_other_random_bytes(void **state) {
  (void)state;
  int ends[2], status;
  char ours[32], theirs[32];
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    client_random(theirs);
    _exit(write(ends[1], theirs, sizeof theirs) == sizeof theirs ? 0 : 1);
  }
  client_random(ours);
  close(ends[1]);
  assert_int_equal(read(ends[0], theirs, sizeof theirs), sizeof theirs);
  close(ends[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  assert_memory_not_equal(ours + 4, theirs + 4, 28); /* the first four are the time */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tls_19_hello_request_is_refused_and_the_stream_goes_on),
      cmocka_unit_test(tls_19_flood_of_hello_requests_ends_the_connection),
      cmocka_unit_test(tls_20_a_few_empty_records_pass_and_a_flood_does_not),
      cmocka_unit_test(tls_20_records_of_one_byte_pass),
      cmocka_unit_test(tls_21_record_with_any_byte_changed_is_refused_for_good),
      cmocka_unit_test(tls_21_handshake_with_any_byte_changed_never_passes_as_another),
      cmocka_unit_test(tls_21_what_is_no_tls_is_told),
      cmocka_unit_test(tls_21_oversized_record_is_refused),
      cmocka_unit_test(tls_22_foreign_suites_are_refused),
      cmocka_unit_test(tls_22_old_versions_are_refused),
      cmocka_unit_test(tls_25_forked_child_draws_other_random_bytes),
  };
  return tls_scene_run(tests, set_up, tear_down);
}
