/* The common beginning of TLS tests. */
#include "support/tls_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"

void tls_scene_init(tls_scene *scene) {
  char message[200] = "";
  lti_alloc_init(&scene->alloc, NULL);
  certs_make(&scene->ca, &(certs_spec){.cn = "Test CA", .ca = true}, NULL);
  certs_make(&scene->leaf, &(certs_spec){.cn = "leaf", .dns = {TLS_SCENE_HOST, "other.x.test"}},
             &scene->ca);
  int error = lti_tls_context_new(&scene->alloc, &(lti_tls_config){.ca_pem = certs_pem(&scene->ca)},
                                  &scene->context, message, sizeof message);
  if (error) print_error("%s\n", message);
  assert_int_equal(error, LTI_OK);
  scene->server = tls_server_new(&(tls_server_options){.leaf = &scene->leaf, .tickets = true});
}

void tls_scene_deinit(tls_scene *scene) {
  tls_server_free(scene->server);
  lti_tls_context_free(scene->context);
  certs_free(&scene->leaf);
  certs_free(&scene->ca);
}

void tls_scene_read_tickets(tls_scene *scene, tls_link *l) {
  lti_buf got;
  lti_buf_init(&got, &scene->alloc, 1, LEAT_EBODYMAX);
  assert_int_equal(tls_link_read(l, TLS_LINK_WHOLE, 1, &got), LTI_OK);
  assert_int_equal(got.size, 0);
  lti_buf_deinit(&got);
}

void tls_scene_connect(tls_scene *scene, tls_link *l, tls_server *server,
                       const lti_tls_session *session) {
  assert_int_equal(tls_link_open(l, &scene->alloc, scene->context, TLS_SCENE_HOST, session),
                   LTI_OK);
  tls_link_accept(l, server);
  int result = tls_link_handshake(l, TLS_LINK_WHOLE);
  if (result) print_error("%s\n", lti_tls_message(l->tls));
  assert_int_equal(result, LTI_OK);
  assert_true(l->peer->established);
  tls_scene_read_tickets(scene, l);
}

void tls_scene_start(tls_scene *scene, tls_link *l, tls_server *server,
                     const lti_tls_session *session) {
  leat_slice none = lti_slice(NULL, 0);
  assert_int_equal(tls_link_open(l, &scene->alloc, scene->context, TLS_SCENE_HOST, session),
                   LTI_OK);
  tls_link_accept(l, server);
  assert_int_equal(lti_tls_handshake(l->tls, &none), LTI_AGAIN);
  tls_link_flush(l, TLS_LINK_WHOLE);
  assert_true(l->peer->cipher.size > 0);
}

lti_tls_session *tls_scene_session(tls_scene *scene, tls_server *server) {
  tls_link l;
  tls_scene_connect(scene, &l, server, NULL);
  lti_tls_session *session = lti_tls_session_save(l.tls);
  tls_link_close(&l);
  return session;
}

bool tls_scene_run_as(bool tls13) {
  tls_server_speak_13(tls13);
  return !tls13 || tls_server_has_13();
}
