/* What most TLS tests begin with: a CA, a server certificate for TLS_SCENE_HOST, a context that
 * trusts the CA, a server that gives tickets, and connections between them. Failures are cmocka's.
 */
#ifndef TEST_TLS_SCENE_H
#define TEST_TLS_SCENE_H

#include "support/tls_link.h"

#define TLS_SCENE_HOST "api.x.test"

typedef struct tls_scene {
  certs_pair ca, leaf; /* the leaf is for other.x.test too */
  lti_alloc alloc;
  lti_tls_context *context;
  tls_server *server;
} tls_scene;

void tls_scene_init(tls_scene *scene);
void tls_scene_deinit(tls_scene *scene);
/* A finished handshake, with or without a session to resume; tickets that came behind it are read.
 */
void tls_scene_connect(tls_scene *scene, tls_link *l, tls_server *server,
                       const lti_tls_session *session);
/* Reads the tickets that came behind a handshake, and nothing else. */
void tls_scene_read_tickets(tls_scene *scene, tls_link *l);
/* As far as the server's first flight, which lies in l->peer->cipher. */
void tls_scene_start(tls_scene *scene, tls_link *l, tls_server *server,
                     const lti_tls_session *session);
/* The session of a full handshake, or NULL. */
lti_tls_session *tls_scene_session(tls_scene *scene, tls_server *server);

/* Runs the tests once with servers of TLS 1.2 and, where mbedTLS has it, once with servers of TLS
 * 1.3: how many failed. */
#define tls_scene_run(tests, set_up, tear_down)                                                   \
  (tls_scene_run_as(false),                                                                       \
   cmocka_run_group_tests_name("TLS 1.2", tests, set_up, tear_down) +                             \
       (tls_scene_run_as(true) ? cmocka_run_group_tests_name("TLS 1.3", tests, set_up, tear_down) \
                               : 0))
/* False when there is no TLS 1.3 to run with. */
bool tls_scene_run_as(bool tls13);

#endif
