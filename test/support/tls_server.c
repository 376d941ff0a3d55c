/* The server side of in-memory TLS. Its memory is malloc's, and it aborts where that fails: what is
 * under test is the other end. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "support/tls_server.h"

#include <mbedtls/oid.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if MBEDTLS_VERSION_MAJOR > 2
#include <psa/crypto.h>
#endif

#include "base/error.h"
#include "base/slice.h"

enum { BUFFER_BYTES_MAX = 64 << 20 };

struct tls_server {
  lti_alloc alloc;
  tls_server_options options;
  mbedtls_ssl_config config;
  mbedtls_ssl_ticket_context tickets;
  mbedtls_ssl_cache_context cache;
  mbedtls_x509_crt certificates;
  char name[256];
  atomic_uint resumed;
};

/* A server's order counts. */
static const int default_suites[] = {
#if MBEDTLS_VERSION_MAJOR > 2
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    0};

static void must(int native) {
  if (native >= 0) return;
  fprintf(stderr, "tls_server: -0x%04x\n", (unsigned)-native);
  abort();
}

static bool speaks_13;

void tls_server_speak_13(bool on) {
  speaks_13 = on;
}

bool tls_server_speaks_13(void) {
  return speaks_13;
}

/* The server's order counts here too; mbedTLS's own begins with P-521. */
#if MBEDTLS_VERSION_MAJOR == 2
bool tls_server_has_13(void) {
  return false;
}

static bool is_before_ticket(const tls_peer *p) {
  (void)p;
  return false;
}

void tls_peer_send_ticket(tls_peer *p) {
  (void)p;
  abort();
}

static void configure_line(tls_server *s) {
  static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
  mbedtls_ssl_conf_curves(&s->config, curves);
}
#else
bool tls_server_has_13(void) {
  return true;
}

static bool is_before_ticket(const tls_peer *p) {
  return p->ssl.state == MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET;
}

/* mbedTLS sends its tickets in the last steps of the handshake, of which one is made up for. */
void tls_peer_send_ticket(tls_peer *p) {
  if (!p->established || p->ssl.tls_version != MBEDTLS_SSL_VERSION_TLS1_3) abort();
  p->ssl.state = MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET;
  do {
    must(mbedtls_ssl_handshake_step(&p->ssl));
  } while (p->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER && !is_before_ticket(p));
  p->ssl.state = MBEDTLS_SSL_HANDSHAKE_OVER;
}

static void configure_line(tls_server *s) {
  static const uint16_t groups[] = {
      MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
  mbedtls_ssl_conf_groups(&s->config, groups);
  if (psa_crypto_init() != PSA_SUCCESS) abort();
  mbedtls_ssl_conf_max_tls_version(&s->config, speaks_13 && !s->options.tls12
                                                   ? MBEDTLS_SSL_VERSION_TLS1_3
                                                   : MBEDTLS_SSL_VERSION_TLS1_2);
  if (s->options.ticket_count) {
    mbedtls_ssl_conf_new_session_tickets(&s->config, (uint16_t)s->options.ticket_count);
  }
}
#endif

static int parse_ticket(void *context, mbedtls_ssl_session *session, unsigned char *ticket,
                        size_t size) {
  tls_server *s = LTI_CONTAINER_OF(context, tls_server, tickets);
  int native = mbedtls_ssl_ticket_parse(context, session, ticket, size);
  if (native == 0) s->resumed++;
  return native;
}

static void start_resumption(tls_server *s) {
  mbedtls_ssl_ticket_init(&s->tickets);
  mbedtls_ssl_cache_init(&s->cache);
  if (s->options.tickets) {
    must(mbedtls_ssl_ticket_setup(&s->tickets, certs_random, NULL, MBEDTLS_CIPHER_AES_256_GCM,
                                  86400));
    mbedtls_ssl_conf_session_tickets_cb(&s->config, mbedtls_ssl_ticket_write, parse_ticket,
                                        &s->tickets);
  }
  if (s->options.cache) {
    mbedtls_ssl_conf_session_cache(&s->config, &s->cache, mbedtls_ssl_cache_get,
                                   mbedtls_ssl_cache_set);
  }
}

static int note_name(void *context, mbedtls_ssl_context *ssl, const unsigned char *name, size_t n) {
  tls_server *s = context;
  (void)ssl;
  if (n >= sizeof s->name) n = sizeof s->name - 1;
  memcpy(s->name, name, n);
  s->name[n] = '\0';
  return 0;
}

tls_server *tls_server_new(const tls_server_options *options) {
  tls_server *s = calloc(1, sizeof *s);
  if (!s) abort();
  lti_alloc_init(&s->alloc, NULL);
  s->options = *options;
  mbedtls_ssl_config_init(&s->config);
  must(mbedtls_ssl_config_defaults(&s->config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                   MBEDTLS_SSL_PRESET_DEFAULT));
  mbedtls_ssl_conf_rng(&s->config, certs_random, NULL);
  configure_line(s);
  /* mbedTLS only reads the list. */
  if (options->alpn) must(mbedtls_ssl_conf_alpn_protocols(&s->config, (void *)options->alpn));
  mbedtls_ssl_conf_sni(&s->config, note_name, s);
  mbedtls_ssl_conf_ciphersuites(&s->config, options->suites ? options->suites : default_suites);
  if (options->renegotiates) {
    mbedtls_ssl_conf_renegotiation(&s->config, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
  }
  mbedtls_x509_crt_init(&s->certificates);
  must(mbedtls_x509_crt_parse_der(&s->certificates, options->leaf->certificate.raw.p,
                                  options->leaf->certificate.raw.len));
  if (options->chain) {
    must(mbedtls_x509_crt_parse_der(&s->certificates, options->chain->certificate.raw.p,
                                    options->chain->certificate.raw.len));
  }
  /* So that the server uses a certificate which is not meant for servers: it looks only here. */
  s->certificates.ext_types &= ~MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE;
  must(mbedtls_ssl_conf_own_cert(&s->config, &s->certificates, &options->leaf->key));
  if (options->client_ca) {
    mbedtls_ssl_conf_authmode(&s->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&s->config, &options->client_ca->certificate, NULL);
  }
  start_resumption(s);
  return s;
}

void tls_server_free(tls_server *s) {
  if (!s) return;
  mbedtls_ssl_ticket_free(&s->tickets);
  mbedtls_ssl_cache_free(&s->cache);
  mbedtls_ssl_config_free(&s->config);
  mbedtls_x509_crt_free(&s->certificates);
  free(s);
}

void tls_server_rotate(tls_server *s) {
  mbedtls_ssl_ticket_free(&s->tickets);
  mbedtls_ssl_cache_free(&s->cache);
  start_resumption(s);
}

unsigned tls_server_resumed(tls_server *s) {
  return atomic_load(&s->resumed);
}

const char *tls_server_name(const tls_server *s) {
  return s->name;
}

static int peer_send(void *context, const unsigned char *bytes, size_t size) {
  tls_peer *p = context;
  if (lti_buf_append(&p->cipher, lti_slice((const char *)bytes, size))) abort();
  return (int)size;
}

static int peer_recv(void *context, unsigned char *bytes, size_t size) {
  tls_peer *p = context;
  if (p->input.size == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  if (size > p->input.size) size = p->input.size;
  memcpy(bytes, p->input.data, size);
  p->input = lti_slice_from(p->input, size);
  return (int)size;
}

tls_peer *tls_peer_new(tls_server *server) {
  tls_peer *p = calloc(1, sizeof *p);
  if (!p) abort();
  p->server = server;
  server->name[0] = '\0';
  lti_buf_init(&p->cipher, &server->alloc, BUFFER_BYTES_MAX, LEAT_EBODYMAX);
  lti_buf_init(&p->plain, &server->alloc, BUFFER_BYTES_MAX, LEAT_EBODYMAX);
  mbedtls_ssl_init(&p->ssl);
  must(mbedtls_ssl_setup(&p->ssl, &server->config));
  mbedtls_ssl_set_bio(&p->ssl, p, peer_send, peer_recv, NULL);
  return p;
}

void tls_peer_free(tls_peer *p) {
  if (!p) return;
  mbedtls_ssl_free(&p->ssl);
  lti_buf_deinit(&p->cipher);
  lti_buf_deinit(&p->plain);
  free(p);
}

static int shake_hands(tls_peer *p) {
  int native = 0;
  while (native == 0 && p->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER) {
    const tls_server_options *options = &p->server->options;
    const char *picked = p->ssl.alpn_chosen, *untold = options->alpn_untold;
    if (untold && picked && strcmp(picked, untold) == 0) p->ssl.alpn_chosen = NULL;
    if (options->alpn_forced) p->ssl.alpn_chosen = options->alpn_forced;
    native = mbedtls_ssl_handshake_step(&p->ssl);
    if (p->server->options.holds_tickets && is_before_ticket(p)) {
      p->ssl.state = MBEDTLS_SSL_HANDSHAKE_OVER;
    }
  }
  /* mbedTLS ends the handshake without a word here; other servers tell why. */
  if (native == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE) {
    must(mbedtls_ssl_send_alert_message(&p->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                        MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE));
  }
  return native;
}

int tls_peer_feed(tls_peer *p, leat_slice cipher) {
  char plain[4096];
  int native = 0;
  if (p->error) return p->error;
  p->input = cipher;
  if (!p->established) {
    native = shake_hands(p);
    p->established = native == 0;
  }
  while (native >= 0 && p->input.size + mbedtls_ssl_get_bytes_avail(&p->ssl) > 0) {
    native = mbedtls_ssl_read(&p->ssl, (unsigned char *)plain, sizeof plain);
    if (native > 0 && lti_buf_append(&p->plain, lti_slice(plain, (size_t)native))) abort();
  }
  if (native < 0 && native != MBEDTLS_ERR_SSL_WANT_READ) p->error = native;
  return p->error;
}

void tls_peer_write(tls_peer *p, leat_slice plain) {
  do {
    int native = mbedtls_ssl_write(&p->ssl, (const unsigned char *)plain.data, plain.size);
    must(native);
    plain = lti_slice_from(plain, (size_t)native);
  } while (plain.size);
}

void tls_peer_subject(const tls_peer *p, char *text, size_t size) {
  const mbedtls_x509_crt *shown = mbedtls_ssl_get_peer_cert(&p->ssl);
  *text = '\0';
  if (shown) must(mbedtls_x509_dn_gets(text, size, &shown->subject));
}

void tls_peer_close(tls_peer *p) {
  must(mbedtls_ssl_close_notify(&p->ssl));
}

void tls_peer_ask_again(tls_peer *p) {
  must(mbedtls_ssl_renegotiate(&p->ssl));
}
