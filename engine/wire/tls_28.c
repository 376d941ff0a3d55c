/* wire/tls on mbedTLS 2.28: TLS 1.2 alone.
 *
 * Looks inside the library for its record buffers, its kept certificate and, before 2.28.10, the
 * function that computes Finished. */
#include <mbedtls/version.h>

#if MBEDTLS_VERSION_MAJOR == 2 && MBEDTLS_VERSION_MINOR == 28

#include <mbedtls/pk.h>
#include <mbedtls/platform.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_internal.h>
#include <string.h>

#include "wire/tls_library.h"

enum { RECORD_HEADER_BYTES = 5, FINISHED_BYTES = 12, FIXED = 0x021c0a00 };

static void guard_finished(mbedtls_ssl_context *ssl, lti_tls_library_guard *guard);

/* Versions below 2.28.10 are guarded through the handshake's internals, whose layout may change
 * from one to the next: only the version that leat was built for will do. */
bool lti_tls_library_fits(unsigned version) {
  return version == MBEDTLS_VERSION_NUMBER ||
         (version >= FIXED && version < 0x03000000 && MBEDTLS_VERSION_NUMBER >= FIXED);
}

int lti_tls_library_start(void) {
  return 0;
}

/* All random numbers come from the context's own generator. */
int lti_tls_library_part(void) {
  return 0;
}

/* X25519 first: mbedTLS's own order begins with its slowest curve. The list is also the whitelist
 * of curves in certificates, hence P-384 and P-521. AES first: the CPUs meant here have it in
 * hardware. */
void lti_tls_library_configure(mbedtls_ssl_config *config, bool tls12_only) {
  static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                               MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                               MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                               MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                               MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                               MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                               0};
  static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_SECP521R1,
                                                MBEDTLS_ECP_DP_NONE};
  static const int hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512,
                               MBEDTLS_MD_NONE};
  (void)tls12_only;
  mbedtls_ssl_conf_ciphersuites(config, suites);
  mbedtls_ssl_conf_curves(config, curves);
  mbedtls_ssl_conf_sig_hashes(config, hashes);
  mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
}

int lti_tls_library_parse_key(mbedtls_pk_context *key, leat_slice pem,
                              lti_tls_library_random random, void *context) {
  (void)random;
  (void)context;
  return mbedtls_pk_parse_key(key, (const unsigned char *)pem.data, pem.size, NULL, 0);
}

int lti_tls_library_check_pair(const mbedtls_x509_crt *certificate, const mbedtls_pk_context *key,
                               lti_tls_library_random random, void *context) {
  (void)random;
  (void)context;
  return mbedtls_pk_check_pair(&certificate->pk, key);
}

int lti_tls_library_step(mbedtls_ssl_context *ssl, lti_tls_library_guard *guard) {
  guard_finished(ssl, guard);
  int native = mbedtls_ssl_handshake_step(ssl);
  return guard->unmade ? MBEDTLS_ERR_SSL_ALLOC_FAILED : native;
}

enum lti_tls_stage lti_tls_library_stage(const mbedtls_ssl_context *ssl) {
  if (ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER) return LTI_TLS_STAGE_OVER;
  if (ssl->state == MBEDTLS_SSL_SERVER_HELLO) return LTI_TLS_STAGE_HELLO;
  bool keys =
      ssl->state > MBEDTLS_SSL_SERVER_HELLO && ssl->state <= MBEDTLS_SSL_CLIENT_KEY_EXCHANGE;
  return keys ? LTI_TLS_STAGE_KEYS : LTI_TLS_STAGE_CHEAP;
}

#if MBEDTLS_VERSION_NUMBER < 0x021c0a00
/* CVE-2025-27810: before 2.28.10, when an allocation fails inside the pseudo-random function, the
 * digest of Finished is never written, and whatever lay on the stack is compared with the peer's.
 * So the digest is set to a mark first; if the mark is still there afterwards, none was made. */
static void make_finished(mbedtls_ssl_context *ssl, unsigned char *digest, int from) {
  static const unsigned char mark[FINISHED_BYTES] = "no finished";
  lti_tls_library_guard *guard = ssl->p_bio;
  memcpy(digest, mark, FINISHED_BYTES);
  guard->calc_finished(ssl, digest, from);
  if (memcmp(digest, mark, FINISHED_BYTES) == 0) guard->unmade = true;
}

/* mbedTLS chooses the function along with the cipher suite, some steps before it is needed. */
static void guard_finished(mbedtls_ssl_context *ssl, lti_tls_library_guard *guard) {
  mbedtls_ssl_handshake_params *handshake = ssl->handshake;
  if (ssl->state != MBEDTLS_SSL_CLIENT_FINISHED && ssl->state != MBEDTLS_SSL_SERVER_FINISHED) {
    return;
  }
  if (handshake->calc_finished == make_finished) return;
  guard->calc_finished = handshake->calc_finished;
  handshake->calc_finished = make_finished;
}
#else
static void guard_finished(mbedtls_ssl_context *ssl, lti_tls_library_guard *guard) {
  (void)ssl;
  (void)guard;
}
#endif

/* A server that resumes echoes the session id that ClientHello made up beside the ticket, or took
 * from the session (RFC 5246 section 7.4.1.3, RFC 5077 section 3.4):
 *
 *     16 03 03 len | 02 len(3) | 03 03 | random(32) | id length | id ...
 *
 * Of a ServerHello that has not come that far, nothing can be said. */
bool lti_tls_library_refuses(const mbedtls_ssl_context *ssl, leat_slice cipher) {
  enum { TYPE = RECORD_HEADER_BYTES, ID_SIZE = TYPE + 4 + 2 + 32, ID };
  const mbedtls_ssl_session *offered = ssl->session_negotiate;
  const unsigned char *hello = (const unsigned char *)cipher.data;
  if (ssl->in_left || cipher.size < ID) return false;
  if (hello[0] != MBEDTLS_SSL_MSG_HANDSHAKE || hello[TYPE] != MBEDTLS_SSL_HS_SERVER_HELLO) {
    return false;
  }
  size_t n = hello[ID_SIZE];
  if (n == 0 || n != offered->id_len) return true;
  return cipher.size >= ID + n && memcmp(hello + ID, offered->id, n) != 0;
}

/* Some 3 KB that only a renegotiation would look at again, and that would be copied into every
 * saved session. */
void lti_tls_library_settle(mbedtls_ssl_context *ssl) {
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
  mbedtls_x509_crt_free(ssl->session->peer_cert);
  mbedtls_free(ssl->session->peer_cert);
  ssl->session->peer_cert = NULL;
#else
  (void)ssl;
#endif
}

bool lti_tls_library_pending(const mbedtls_ssl_context *ssl) {
  return mbedtls_ssl_get_bytes_avail(ssl) > 0;
}

bool lti_tls_library_is_ticket(int native) {
  (void)native;
  return false;
}

bool lti_tls_library_has_session(const mbedtls_ssl_context *ssl) {
  return ssl->session->ticket_len > 0 || ssl->session->id_len > 0;
}

unsigned lti_tls_library_alert(const mbedtls_ssl_context *ssl) {
  return ssl->in_msg[1];
}

leat_slice lti_tls_library_record(const mbedtls_ssl_context *ssl) {
  if (ssl->in_left < RECORD_HEADER_BYTES) return lti_slice(NULL, 0);
  return lti_slice((const char *)ssl->in_hdr, RECORD_HEADER_BYTES);
}

leat_slice lti_tls_library_in(const mbedtls_ssl_context *ssl) {
  return lti_slice((const char *)ssl->in_buf, ssl->in_buf ? MBEDTLS_SSL_IN_BUFFER_LEN : 0);
}

leat_slice lti_tls_library_out(const mbedtls_ssl_context *ssl) {
  return lti_slice((const char *)ssl->out_buf, ssl->out_buf ? MBEDTLS_SSL_OUT_BUFFER_LEN : 0);
}

bool lti_tls_library_in_idle(const mbedtls_ssl_context *ssl) {
  return ssl->in_left == 0 && mbedtls_ssl_check_pending(ssl) == 0;
}

bool lti_tls_library_out_idle(const mbedtls_ssl_context *ssl) {
  return ssl->out_left == 0;
}

void lti_tls_library_drop_buffers(mbedtls_ssl_context *ssl) {
  mbedtls_free(ssl->in_buf);
  mbedtls_free(ssl->out_buf);
  ssl->in_buf = ssl->out_buf = NULL;
}

#elif MBEDTLS_VERSION_MAJOR != 3
#error "leat is written for mbedTLS 2.28 and 3.6"
#endif
