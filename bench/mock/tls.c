/* The server's side of TLS: one configuration, one session cache and ticket key for the gateway,
 * one mbedTLS context a connection that reads from the shared slab and writes to its socket.
 *
 * Cheap where it matters: AES-128-GCM first, X25519 first, ECDSA P-256. Resumed handshakes are
 * counted where they are decided, in the callbacks that accept a ticket or find a session. What
 * mbedTLS 2.28 (TLS 1.2) and 3.6 (TLS 1.3 too) want otherwise stands together. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if MBEDTLS_VERSION_MAJOR > 2
#include <psa/crypto.h>
#endif

#include "bench/mock/gateway.h"

#define TICKET_SECONDS 86400
#define CACHE_ENTRIES  1000

struct mock_tls {
  mbedtls_ssl_config config;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context rng;
  mbedtls_ssl_ticket_context tickets;
  mbedtls_ssl_cache_context cache;
  mbedtls_x509_crt chain;
  mbedtls_pk_context key;
  bool accepted_session; /* set by the callbacks during one handshake step */
};

static const int suites[] = {
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
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0};
/* What ALPN offers, by enum mock_h2; the server's order decides. */
static const char *protocols[][3] = {
    [MOCK_H2_ON] = {"h2", "http/1.1", NULL},
    [MOCK_H2_OFF] = {"http/1.1", NULL},
    [MOCK_H2_ONLY] = {"h2", NULL},
};

static int parse_ticket(void *user, mbedtls_ssl_session *session, unsigned char *ticket,
                        size_t size) {
  mock_tls *t = LTI_CONTAINER_OF(user, mock_tls, tickets);
  int err = mbedtls_ssl_ticket_parse(user, session, ticket, size);
  if (err == 0) t->accepted_session = true;
  return err;
}

#if MBEDTLS_VERSION_MAJOR == 2
static int find_session(void *user, mbedtls_ssl_session *session) {
  mock_tls *t = user;
  int err = mbedtls_ssl_cache_get(&t->cache, session);
  if (err == 0) t->accepted_session = true;
  return err;
}

static int keep_session(void *user, const mbedtls_ssl_session *session) {
  mock_tls *t = user;
  return mbedtls_ssl_cache_set(&t->cache, session);
}

static int start_library(void) {
  return 0;
}

static void set_versions(mbedtls_ssl_config *config) {
  static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
  mbedtls_ssl_conf_curves(config, curves);
  mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
}

static int parse_key(mock_tls *t, const char *file) {
  return mbedtls_pk_parse_keyfile(&t->key, file, NULL);
}
#else
static int find_session(void *user, const unsigned char *id, size_t size,
                        mbedtls_ssl_session *session) {
  mock_tls *t = user;
  int err = mbedtls_ssl_cache_get(&t->cache, id, size, session);
  if (err == 0) t->accepted_session = true;
  return err;
}

static int keep_session(void *user, const unsigned char *id, size_t size,
                        const mbedtls_ssl_session *session) {
  mock_tls *t = user;
  return mbedtls_ssl_cache_set(&t->cache, id, size, session);
}

static int start_library(void) {
  return psa_crypto_init() == PSA_SUCCESS ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static void set_versions(mbedtls_ssl_config *config) {
  static const uint16_t groups[] = {
      MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
  mbedtls_ssl_conf_groups(config, groups);
  mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
}

static int parse_key(mock_tls *t, const char *file) {
  return mbedtls_pk_parse_keyfile(&t->key, file, NULL, mbedtls_ctr_drbg_random, &t->rng);
}
#endif

static void configure(mock *m, mock_tls *t) {
  mbedtls_ssl_conf_rng(&t->config, mbedtls_ctr_drbg_random, &t->rng);
  mbedtls_ssl_conf_ciphersuites(&t->config, suites);
  set_versions(&t->config);
  mbedtls_ssl_conf_alpn_protocols(&t->config, protocols[m->config.h2]);
  if (!m->config.no_tickets)
    mbedtls_ssl_conf_session_tickets_cb(&t->config, mbedtls_ssl_ticket_write, parse_ticket,
                                        &t->tickets);
  if (!m->config.no_cache) {
    mbedtls_ssl_cache_set_max_entries(&t->cache, CACHE_ENTRIES);
    mbedtls_ssl_conf_session_cache(&t->config, t, find_session, keep_session);
  }
}

/* Says itself what is wrong. */
static int load_identity(mock *m, mock_tls *t) {
  int err;
  if (!m->config.cert) {
    err = mock_certs_make(&t->chain, &t->key, m->config.ca_out, mbedtls_ctr_drbg_random, &t->rng);
    if (err)
      fprintf(stderr, "mock: cannot make a certificate, or write the CA to %s\n",
              m->config.ca_out ? m->config.ca_out : "memory");
    return err;
  }
  err = mbedtls_x509_crt_parse_file(&t->chain, m->config.cert);
  if (err) {
    fprintf(stderr, "mock: cannot read the certificate %s\n", m->config.cert);
    return err;
  }
  err = parse_key(t, m->config.key ? m->config.key : m->config.cert);
  if (err) fprintf(stderr, "mock: cannot read the private key\n");
  return err;
}

int mock_tls_new(mock *m) {
  mock_tls *t = calloc(1, sizeof *t);
  if (!t) return UV_ENOMEM;
  m->tls = t;
  mbedtls_ssl_config_init(&t->config);
  mbedtls_entropy_init(&t->entropy);
  mbedtls_ctr_drbg_init(&t->rng);
  mbedtls_ssl_ticket_init(&t->tickets);
  mbedtls_ssl_cache_init(&t->cache);
  mbedtls_x509_crt_init(&t->chain);
  mbedtls_pk_init(&t->key);
  int err = start_library();
  if (!err) err = mbedtls_ctr_drbg_seed(&t->rng, mbedtls_entropy_func, &t->entropy, NULL, 0);
  if (!err && load_identity(m, t)) return UV_EINVAL;
  if (!err)
    err = mbedtls_ssl_config_defaults(&t->config, MBEDTLS_SSL_IS_SERVER,
                                      MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  if (!err)
    err = mbedtls_ssl_ticket_setup(&t->tickets, mbedtls_ctr_drbg_random, &t->rng,
                                   MBEDTLS_CIPHER_AES_256_GCM, TICKET_SECONDS);
  if (!err) configure(m, t);
  if (!err) err = mbedtls_ssl_conf_own_cert(&t->config, &t->chain, &t->key);
  if (err) fprintf(stderr, "mock: TLS cannot be set up (mbedTLS -0x%04x)\n", (unsigned)-err);
  return err ? UV_EINVAL : 0;
}

void mock_tls_free(mock *m) {
  mock_tls *t = m->tls;
  if (!t) return;
  mbedtls_ssl_config_free(&t->config);
  mbedtls_ssl_ticket_free(&t->tickets);
  mbedtls_ssl_cache_free(&t->cache);
  mbedtls_x509_crt_free(&t->chain);
  mbedtls_pk_free(&t->key);
  mbedtls_ctr_drbg_free(&t->rng);
  mbedtls_entropy_free(&t->entropy);
  free(t);
  m->tls = NULL;
}

/* A record never waits in mbedTLS: what the socket does not take, the connection keeps. */
static int bio_send(void *user, const unsigned char *bytes, size_t size) {
  return mock_conn_put(user, (const char *)bytes, size) ? (int)size
                                                        : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* From the slab that the connection's recv has just filled. */
static int bio_receive(void *user, unsigned char *out, size_t size) {
  mock *m = ((mock_conn *)user)->m;
  size_t left = m->slab_size - m->slab_at;
  if (left == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  if (size > left) size = left;
  memcpy(out, m->slab + m->slab_at, size);
  m->slab_at += size;
  return (int)size;
}

int mock_tls_open(mock_conn *c) {
  c->ssl = calloc(1, sizeof *c->ssl);
  if (!c->ssl) return UV_ENOMEM;
  mbedtls_ssl_init(c->ssl);
  if (mbedtls_ssl_setup(c->ssl, &c->m->tls->config)) return UV_ENOMEM;
  mbedtls_ssl_set_bio(c->ssl, c, bio_send, bio_receive, NULL);
  return 0;
}

void mock_tls_release(mock_conn *c) {
  if (!c->ssl) return;
  mbedtls_ssl_free(c->ssl);
  free(c->ssl);
  c->ssl = NULL;
}

static bool would_block(int r) {
  return r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE;
}

int mock_tls_handshake(mock_conn *c) {
  mock_tls *t = c->m->tls;
  t->accepted_session = false;
  int r = mbedtls_ssl_handshake(c->ssl);
  if (t->accepted_session) c->resumed = true;
  if (would_block(r)) return 0;
  if (r) {
    c->m->stats.handshake_failed++;
    return -1;
  }
  if (c->resumed)
    c->m->stats.resumed++;
  else
    c->m->stats.full++;
  return 1;
}

const char *mock_tls_protocol(const mock_conn *c) {
  const char *name = c->ssl ? mbedtls_ssl_get_alpn_protocol(c->ssl) : NULL;
  return name ? name : "";
}

int mock_tls_read(mock_conn *c, char *out, size_t cap) {
  int r = mbedtls_ssl_read(c->ssl, (unsigned char *)out, cap);
  if (r > 0) return r;
  return would_block(r) ? 0 : -1;
}

int mock_tls_write(mock_conn *c, const char *bytes, size_t size) {
  int r = mbedtls_ssl_write(c->ssl, (const unsigned char *)bytes, size);
  return r > 0 ? r : -1;
}

void mock_tls_notify(mock_conn *c) {
  if (c->secured) mbedtls_ssl_close_notify(c->ssl);
}
