/* wire/tls end to end in memory: handshakes, resumption, records in every split, closing, hostile
 * peers, and memory that fails under mbedTLS. Certificates are in test_tls_verify.c.
 *
 * calloc is this program's own: mbedTLS allocates through it alone, and while a client's call runs
 * it can be made to fail at call N. */
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
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
#include "support/failing.h"
#include "support/tls_link.h"
#include "support/tls_server.h"
#include "wire/tls.h"

#define HOST "api.x.test"

static certs_pair ca, leaf;
static lti_alloc alloc;
static lti_tls_context *context;
static tls_server *ticket_server;

/* ---- memory that fails under mbedTLS ----------------------------------------------------------
 */

static struct {
  bool armed;
  unsigned long calls, fail_at;
} under;

void *calloc(size_t count, size_t size) {
  static void *(*real)(size_t, size_t);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "calloc");
  if (under.armed && ++under.calls == under.fail_at) return NULL;
  return real(count, size);
}

/* ---- scenery ----------------------------------------------------------------------------------
 */

static lti_tls_context *make_context(leat_slice pem) {
  lti_tls_context *made = NULL;
  char message[200];
  assert_int_equal(
      lti_tls_context_new(&alloc, &(lti_tls_config){.ca_pem = pem}, &made, message, sizeof message),
      LTI_OK);
  return made;
}

static int set_up(void **state) {
  (void)state;
  lti_alloc_init(&alloc, NULL);
  certs_make(&ca, &(certs_spec){.cn = "Test CA", .ca = true}, NULL);
  certs_make(&leaf, &(certs_spec){.cn = "leaf", .dns = {HOST, "other.x.test"}}, &ca);
  context = make_context(certs_pem(&ca));
  ticket_server = tls_server_new(&(tls_server_options){.leaf = &leaf, .tickets = true});
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  tls_server_free(ticket_server);
  lti_tls_context_free(context);
  certs_free(&leaf);
  certs_free(&ca);
  return 0;
}

static void connect_to(tls_link *l, tls_server *server, const lti_tls_session *resume) {
  assert_int_equal(tls_link_open(l, &alloc, context, HOST, resume), LTI_OK);
  tls_link_accept(l, server);
  int result = tls_link_handshake(l, TLS_LINK_WHOLE);
  if (result) print_error("%s\n", lti_tls_message(l->tls));
  assert_int_equal(result, LTI_OK);
  assert_true(l->peer->established);
}

static lti_tls_session *get_session(tls_server *server) {
  tls_link l;
  connect_to(&l, server, NULL);
  lti_tls_session *session = lti_tls_session_save(l.tls);
  tls_link_close(&l);
  return session;
}

static void tls_full_handshake_verifies_and_carries_bytes_both_ways(void **state) {
  (void)state;
  tls_link l;
  lti_buf got;
  lti_buf_init(&got, &alloc, 1 << 20, LEAT_EBODYMAX);
  connect_to(&l, ticket_server, NULL);
  assert_false(lti_tls_resumed(l.tls));
  assert_string_equal(lti_tls_version(l.tls), "TLSv1.2");
  assert_string_equal(lti_tls_cipher(l.tls), "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256");
  assert_string_equal(lti_tls_message(l.tls), "");
  assert_string_equal(tls_server_name(ticket_server), HOST);
  assert_int_equal(lti_tls_write(l.tls, lti_slice_of("GET / HTTP/1.1\r\n\r\n")), LTI_OK);
  tls_link_flush(&l, TLS_LINK_WHOLE);
  assert_true(lti_slice_is(lti_buf_slice(&l.peer->plain), "GET / HTTP/1.1\r\n\r\n"));
  tls_peer_write(l.peer, lti_slice_of("data: x\n\n"));
  assert_int_equal(tls_link_read(&l, TLS_LINK_WHOLE, 16384, &got), LTI_OK);
  assert_true(lti_slice_is(lti_buf_slice(&got), "data: x\n\n"));
  lti_buf_deinit(&got);
  tls_link_close(&l);
}

static void tls_ticket_resumes_many_connections(void **state) {
  (void)state;
  lti_tls_session *session = get_session(ticket_server);
  assert_non_null(session);
  for (int i = 0; i < 3; i++) {
    tls_link l;
    connect_to(&l, ticket_server, session);
    assert_true(lti_tls_resumed(l.tls));
    tls_link_close(&l);
  }
  lti_tls_session_free(session);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tls_full_handshake_verifies_and_carries_bytes_both_ways),
      cmocka_unit_test(tls_ticket_resumes_many_connections),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
