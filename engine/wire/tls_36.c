/* wire/tls on mbedTLS 3.6: TLS 1.3 and 1.2.
 *
 * TLS 1.3 computes through PSA, whose state belongs to the whole process: it is started once and
 * never ended, because others may use it. Tickets come behind the handshake and interrupt calls
 * (MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET), which a client must ask for.
 * KeyUpdate (RFC 8446 section 4.6.3) it does not know: one ends the connection, with a named error.
 *
 * Looks inside the library for its record buffers, its kept certificate and what it made of a
 * session. Those fields are private by name; their places stay the same within 3.6, because
 * programs allocate the structures themselves. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <mbedtls/version.h>

#if MBEDTLS_VERSION_MAJOR == 3

#if MBEDTLS_VERSION_NUMBER < 0x03060300
#error "leat needs mbedTLS 3.6.3 or better: those before it have CVE-2025-27809 and CVE-2025-27810"
#endif

#if !defined(MBEDTLS_THREADING_C)
#error "leat needs mbedTLS 3.6 with MBEDTLS_THREADING_C: engines in several threads share its keys"
#endif

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <string.h>

#include "wire/tls_library.h"

enum {
  RECORD_HEADER_BYTES = 5,
  /* What TLS 1.2 with AEAD ciphers and TLS 1.3 may put into a record buffer; it is a little longer.
   * Counter and header, the nonce, the content, the tag. */
  AROUND_CONTENT = 13 + 16 + 16
};

bool lti_tls_library_fits(unsigned version) {
  return version >= 0x03060300 && version < 0x03070000;
}

int lti_tls_library_start(void) {
  psa_status_t status = psa_crypto_init();
  if (status == PSA_SUCCESS) return 0;
  return status == PSA_ERROR_INSUFFICIENT_MEMORY ? MBEDTLS_ERR_SSL_ALLOC_FAILED
                                                 : MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
}

/* Keys come from PSA's generator. It notices a fork from 3.6.6 on (CVE-2026-25835); before that,
 * parent and child would draw the same ones, and nothing can be done about it from here. */
int lti_tls_library_part(void) {
  return mbedtls_version_get_number() >= 0x03060600 ? 0
                                                    : MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
}

/* X25519 first: ClientHello carries a key for the first curve alone, and mbedTLS's own order begins
 * with slower ones. AES first: the CPUs meant here have it in hardware. A session is resumed
 * together with a new key exchange only, so that what it leaks does not open old records. */
void lti_tls_library_configure(mbedtls_ssl_config *config, bool tls12_only) {
  static const int suites[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                               MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                               MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                               MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                               MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                               MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                               MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                               MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                               MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                               0};
  static const uint16_t groups[] = {
      MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
      MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
  static const uint16_t signatures[] = {
      MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
      MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,       MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
      MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
      MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
      MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,       MBEDTLS_TLS1_3_SIG_NONE};
  mbedtls_ssl_conf_ciphersuites(config, suites);
  mbedtls_ssl_conf_groups(config, groups);
  mbedtls_ssl_conf_sig_algs(config, signatures);
  mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
  if (tls12_only) mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
  mbedtls_ssl_conf_tls13_key_exchange_modes(config,
                                            MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);
  mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
      config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
}

int lti_tls_library_parse_key(mbedtls_pk_context *key, leat_slice pem,
                              lti_tls_library_random random, void *context) {
  return mbedtls_pk_parse_key(key, (const unsigned char *)pem.data, pem.size, NULL, 0, random,
                              context);
}

int lti_tls_library_check_pair(const mbedtls_x509_crt *certificate, const mbedtls_pk_context *key,
                               lti_tls_library_random random, void *context) {
  return mbedtls_pk_check_pair(&certificate->pk, key, random, context);
}

#if defined(MBEDTLS_SSL_RENEGOTIATION)
/* TLS 1.2 alone: when an allocation fails inside the pseudo-random function, mbedTLS up to 3.6.6
 * goes on, and sends as our Finished what lay in the record buffer. So a mark is laid there first,
 * over all places where the digest may begin; mbedTLS keeps a copy of the digest that it sent, and
 * if that is the mark, none was made. (Of the server's Finished the same failure ends the
 * handshake: the digest that it is compared with is not the one either.) */
enum { MARK = 0xa5, MARK_BYTES = 64, COUNTER_BYTES = 8, FINISHED_BYTES = 12 };

static int step(mbedtls_ssl_context *ssl, lti_tls_library_guard *guard) {
  static const unsigned char mark[FINISHED_BYTES] = {MARK, MARK, MARK, MARK, MARK, MARK,
                                                     MARK, MARK, MARK, MARK, MARK, MARK};
  bool finishing = ssl->state == MBEDTLS_SSL_CLIENT_FINISHED &&
                   ssl->tls_version == MBEDTLS_SSL_VERSION_TLS1_2 && ssl->out_left == 0;
  if (finishing) memset(ssl->out_buf + COUNTER_BYTES, MARK, MARK_BYTES);
  int native = mbedtls_ssl_handshake_step(ssl);
  guard->unmade = finishing && memcmp(ssl->own_verify_data, mark, sizeof mark) == 0;
  return guard->unmade ? MBEDTLS_ERR_SSL_ALLOC_FAILED : native;
}
#else
static int step(mbedtls_ssl_context *ssl, lti_tls_library_guard *guard) {
  (void)guard;
  return mbedtls_ssl_handshake_step(ssl);
}
#endif

/* Memory that runs out inside PSA comes as PSA's own number. */
int lti_tls_library_step(mbedtls_ssl_context *ssl, lti_tls_library_guard *guard) {
  int native = step(ssl, guard);
  return native == PSA_ERROR_INSUFFICIENT_MEMORY ? MBEDTLS_ERR_SSL_ALLOC_FAILED : native;
}

/* TLS 1.3 numbers its own states behind those of TLS 1.2, and shares the ones about certificates.
 * Behind EncryptedExtensions comes a certificate, unless a session is resumed. */
enum lti_tls_stage lti_tls_library_stage(const mbedtls_ssl_context *ssl) {
  if (ssl->state >= MBEDTLS_SSL_HANDSHAKE_OVER) return LTI_TLS_STAGE_OVER;
  if (ssl->state == MBEDTLS_SSL_SERVER_HELLO) return LTI_TLS_STAGE_HELLO;
  if (ssl->state == MBEDTLS_SSL_ENCRYPTED_EXTENSIONS) return LTI_TLS_STAGE_OPEN;
  if (ssl->tls_version == MBEDTLS_SSL_VERSION_TLS1_3) {
    bool keys = ssl->state == MBEDTLS_SSL_CERTIFICATE_REQUEST ||
                ssl->state == MBEDTLS_SSL_SERVER_CERTIFICATE ||
                ssl->state == MBEDTLS_SSL_CERTIFICATE_VERIFY;
    return keys ? LTI_TLS_STAGE_KEYS : LTI_TLS_STAGE_CHEAP;
  }
  bool keys =
      ssl->state > MBEDTLS_SSL_SERVER_HELLO && ssl->state <= MBEDTLS_SSL_CLIENT_KEY_EXCHANGE;
  return keys ? LTI_TLS_STAGE_KEYS : LTI_TLS_STAGE_CHEAP;
}

static size_t two_bytes(const unsigned char *at) {
  return (size_t)(at[0] << 8 | at[1]);
}

/* True when `extensions`, whole or cut, hold `number`. */
static bool has_extension(leat_slice extensions, size_t number) {
  while (extensions.size >= 4) {
    const unsigned char *at = (const unsigned char *)extensions.data;
    size_t size = 4 + two_bytes(at + 2);
    if (two_bytes(at) == number) return true;
    if (size > extensions.size) return false;
    extensions = lti_slice_from(extensions, size);
  }
  return false;
}

/* Under TLS 1.2 a server that resumes echoes the session id that ClientHello made up beside the
 * ticket, or took from the session (RFC 5246 section 7.4.1.3, RFC 5077 section 3.4). Under TLS 1.3
 * every server echoes it, and one that resumes answers pre_shared_key (RFC 8446 section 4.1.3):
 *
 *     16 03 03 len | 02 len(3) | 03 03 | random(32) | id length | id | suite(2) 00 | len |
 * extensions
 *
 * Of a ServerHello that has not come that far, nothing can be said. */
bool lti_tls_library_refuses(const mbedtls_ssl_context *ssl, leat_slice cipher) {
  enum { TYPE = RECORD_HEADER_BYTES, ID_SIZE = TYPE + 4 + 2 + 32, ID };
  enum { PRE_SHARED_KEY = 41, SUPPORTED_VERSIONS = 43 };
  const mbedtls_ssl_session *offered = ssl->session_negotiate;
  const unsigned char *hello = (const unsigned char *)cipher.data;
  if (ssl->in_left || cipher.size < ID) return false;
  if (hello[0] != MBEDTLS_SSL_MSG_HANDSHAKE || hello[TYPE] != MBEDTLS_SSL_HS_SERVER_HELLO) {
    return false;
  }
  size_t n = hello[ID_SIZE], start = ID + n + 5, end = RECORD_HEADER_BYTES + two_bytes(hello + 3);
  if (n == 0 || n != offered->id_len) return true;
  if (cipher.size >= ID + n && memcmp(hello + ID, offered->id, n) != 0) return true;
  if (end > cipher.size || start > end) return false;
  leat_slice extensions = lti_slice(cipher.data + start, end - start);
  return has_extension(extensions, SUPPORTED_VERSIONS) &&
         !has_extension(extensions, PRE_SHARED_KEY);
}

/* The certificate is some 3 KB that nobody looks at again, and that would be copied into every
 * saved session. Of TLS 1.3 only tickets of this very connection are news, not the one that was
 * offered and is still in the session. */
void lti_tls_library_settle(mbedtls_ssl_context *ssl) {
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
  mbedtls_x509_crt_free(ssl->session->peer_cert);
  mbedtls_free(ssl->session->peer_cert);
  ssl->session->peer_cert = NULL;
#endif
  if (ssl->tls_version == MBEDTLS_SSL_VERSION_TLS1_3) ssl->session->exported = 1;
}

/* A ticket is held back for the next call after the one that met it. */
bool lti_tls_library_pending(const mbedtls_ssl_context *ssl) {
  return mbedtls_ssl_check_pending(ssl) != 0;
}

bool lti_tls_library_is_ticket(int native) {
  return native == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

bool lti_tls_library_has_session(const mbedtls_ssl_context *ssl) {
  const mbedtls_ssl_session *session = ssl->session;
  if (session->exported) return false;
  if (ssl->tls_version == MBEDTLS_SSL_VERSION_TLS1_3) return session->ticket_len > 0;
  return session->ticket_len > 0 || session->id_len > 0;
}

unsigned lti_tls_library_alert(const mbedtls_ssl_context *ssl) {
  return ssl->in_msg[1];
}

leat_slice lti_tls_library_record(const mbedtls_ssl_context *ssl) {
  if (ssl->in_left < RECORD_HEADER_BYTES) return lti_slice(NULL, 0);
  return lti_slice((const char *)ssl->in_hdr, RECORD_HEADER_BYTES);
}

leat_slice lti_tls_library_in(const mbedtls_ssl_context *ssl) {
#if defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH)
  return lti_slice((const char *)ssl->in_buf, ssl->in_buf ? ssl->in_buf_len : 0);
#else
  return lti_slice((const char *)ssl->in_buf,
                   ssl->in_buf ? MBEDTLS_SSL_IN_CONTENT_LEN + AROUND_CONTENT : 0);
#endif
}

leat_slice lti_tls_library_out(const mbedtls_ssl_context *ssl) {
#if defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH)
  return lti_slice((const char *)ssl->out_buf, ssl->out_buf ? ssl->out_buf_len : 0);
#else
  return lti_slice((const char *)ssl->out_buf,
                   ssl->out_buf ? MBEDTLS_SSL_OUT_CONTENT_LEN + AROUND_CONTENT : 0);
#endif
}

/* The third is a handshake message that came in several records and is not whole yet. */
bool lti_tls_library_in_idle(const mbedtls_ssl_context *ssl) {
  return ssl->in_left == 0 && mbedtls_ssl_check_pending(ssl) == 0 &&
         ssl->badmac_seen_or_in_hsfraglen == 0;
}

bool lti_tls_library_out_idle(const mbedtls_ssl_context *ssl) {
  return ssl->out_left == 0;
}

void lti_tls_library_drop_buffers(mbedtls_ssl_context *ssl) {
  mbedtls_free(ssl->in_buf);
  mbedtls_free(ssl->out_buf);
  ssl->in_buf = ssl->out_buf = NULL;
}

#endif
