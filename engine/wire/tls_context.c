/* TLS contexts: what connections share. One configuration of mbedTLS for each ALPN offer, because
 * that is where mbedTLS keeps the list of protocols; trusted certificates, the generator of random
 * numbers, and so everything expensive, are there once. */
#include <mbedtls/version.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/tls.h"
#include "wire/tls_code.h"
#include "wire/tls_state.h"
#include "wire/tls_trust.h"

enum { OFFERS = LTI_TLS_ALPN_HTTP2_OR_1 + 1 };

static int context_setup(lti_tls_context *c, const lti_tls_config *config, char *message,
                         size_t size);
static int configure_alpn(mbedtls_ssl_config *config, enum lti_tls_alpn offer);
static void configure(lti_tls_context *c, mbedtls_ssl_config *config);
static int random_bytes(void *context, unsigned char *out, size_t size);
static bool runtime_fits(void);

int lti_tls_context_new(lti_alloc *alloc, const lti_tls_config *config, lti_tls_context **context,
                        char *message, size_t size) {
  if (size) *message = '\0';
  if (!runtime_fits()) {
    snprintf(message, size, "libmbedtls %#x runs, and leat was built for %#x",
             mbedtls_version_get_number(), (unsigned)MBEDTLS_VERSION_NUMBER);
    return LEAT_ETLS;
  }
  lti_tls_context *c = lti_alloc_zero(alloc, sizeof *c);
  if (!c) return LEAT_ENOMEM;
  c->alloc = alloc;
  c->insecure = config->insecure;
  c->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
  mbedtls_entropy_init(&c->entropy);
  mbedtls_ctr_drbg_init(&c->random);
  mbedtls_x509_crt_init(&c->trusted);
  for (size_t i = 0; i < OFFERS; i++) mbedtls_ssl_config_init(&c->configs[i]);
  int error = context_setup(c, config, message, size);
  if (error) {
    lti_tls_context_free(c);
    return error;
  }
  *context = c;
  return LTI_OK;
}

void lti_tls_context_free(lti_tls_context *c) {
  if (!c) return;
  for (size_t i = 0; i < OFFERS; i++) mbedtls_ssl_config_free(&c->configs[i]);
  mbedtls_x509_crt_free(&c->trusted);
  mbedtls_ctr_drbg_free(&c->random);
  mbedtls_entropy_free(&c->entropy);
  lti_alloc_wipe(c->alloc, c, sizeof *c);
}

static int context_setup(lti_tls_context *c, const lti_tls_config *config, char *message,
                         size_t size) {
  static const char who[] = "leat";
  c->pid = getpid();
  int native = mbedtls_ctr_drbg_seed(&c->random, mbedtls_entropy_func, &c->entropy,
                                     (const unsigned char *)who, sizeof who - 1);
  if (native == 0) {
    native = mbedtls_ctr_drbg_random(&c->random, (unsigned char *)&c->serial, sizeof c->serial);
  }
  for (size_t i = 0; i < OFFERS && native == 0; i++) {
    native = mbedtls_ssl_config_defaults(&c->configs[i], MBEDTLS_SSL_IS_CLIENT,
                                         MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (native == 0) native = configure_alpn(&c->configs[i], (enum lti_tls_alpn)i);
  }
  if (native) {
    snprintf(message, size, "TLS cannot start: mbedTLS error -0x%04x", (unsigned)-native);
    return lti_tls_code_is_memory(native) ? LEAT_ENOMEM : LEAT_ETLS;
  }
  int error =
      c->insecure ? LTI_OK : lti_tls_trust_load(c->alloc, config, &c->trusted, message, size);
  if (error) return error;
  for (size_t i = 0; i < OFFERS; i++) configure(c, &c->configs[i]);
  return LTI_OK;
}

/* The lists are kept by reference. */
static int configure_alpn(mbedtls_ssl_config *config, enum lti_tls_alpn offer) {
  static const char *http1[] = {"http/1.1", NULL};
  static const char *http2[] = {"h2", NULL};
  static const char *http2_or_1[] = {"h2", "http/1.1", NULL};
  switch (offer) {
    case LTI_TLS_ALPN_NONE: return 0;
    case LTI_TLS_ALPN_HTTP1: return mbedtls_ssl_conf_alpn_protocols(config, http1);
    case LTI_TLS_ALPN_HTTP2: return mbedtls_ssl_conf_alpn_protocols(config, http2);
    case LTI_TLS_ALPN_HTTP2_OR_1: return mbedtls_ssl_conf_alpn_protocols(config, http2_or_1);
  }
  return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
}

/* X25519 first: mbedTLS's own order begins with its slowest curve. The list is also the whitelist
 * of curves in certificates, hence P-384 and P-521. AES first: the CPUs meant here have it in
 * hardware. */
static void configure(lti_tls_context *c, mbedtls_ssl_config *config) {
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
  static const mbedtls_x509_crt_profile profile = {
      .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
                     MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
                     MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
      .allowed_pks = 0xfffffff,
      .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |
                        MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
                        MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1),
      .rsa_min_bitlen = 2048};
  mbedtls_ssl_conf_rng(config, random_bytes, c);
  mbedtls_ssl_conf_authmode(
      config, c->insecure ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(config, &c->trusted, NULL);
  mbedtls_ssl_conf_cert_profile(config, &profile);
  mbedtls_ssl_conf_ciphersuites(config, suites);
  mbedtls_ssl_conf_curves(config, curves);
  mbedtls_ssl_conf_sig_hashes(config, hashes);
  mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
  mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
}

/* A forked child starts from its parent's generator: it mixes in fresh entropy first. */
static int random_bytes(void *context, unsigned char *out, size_t size) {
  lti_tls_context *c = context;
  pid_t pid = getpid();
  if (pid != c->pid) {
    int native = mbedtls_ctr_drbg_reseed(&c->random, (unsigned char *)&pid, sizeof pid);
    if (native) return native;
    c->pid = pid;
  }
  return mbedtls_ctr_drbg_random(&c->random, out, size);
}

/* Versions below 2.28.10 are guarded through the handshake's internals, whose layout may change
 * from one to the next: only the version that leat was built for will do. */
static bool runtime_fits(void) {
  unsigned version = mbedtls_version_get_number();
  return version == MBEDTLS_VERSION_NUMBER ||
         (version >= 0x021c0a00 && MBEDTLS_VERSION_NUMBER >= 0x021c0a00);
}
