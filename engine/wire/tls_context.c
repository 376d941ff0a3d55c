/* TLS contexts: what connections share. One configuration of mbedTLS for each ALPN offer, because
 * that is where mbedTLS keeps the list of protocols; trusted certificates, the client's own one and
 * the generator of random numbers, and so everything expensive, are there once. */
#include "wire/tls_context.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/tls.h"
#include "wire/tls_code.h"
#include "wire/tls_identity.h"
#include "wire/tls_library.h"
#include "wire/tls_trust.h"

enum { OFFERS = LTI_TLS_ALPN_HTTP2_OR_1 + 1 };

struct lti_tls_context {
  lti_alloc *alloc;
  uint64_t serial; /* sessions of another context are not offered */
  pid_t pid;       /* whose random numbers these are */
  bool insecure, identified;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_x509_crt trusted, own;
  mbedtls_pk_context key;
  mbedtls_ssl_config configs[OFFERS];
};

static int start(lti_tls_context *c);
static int load(lti_tls_context *c, const lti_tls_config *config, char *message, size_t size);
static int configure(lti_tls_context *c, enum lti_tls_alpn offer, bool tls12_only);
static int configure_alpn(mbedtls_ssl_config *config, enum lti_tls_alpn offer);
static int random_bytes(void *context, unsigned char *out, size_t size);

int lti_tls_context_new(lti_alloc *alloc, const lti_tls_config *config, lti_tls_context **context,
                        char *message, size_t size) {
  if (size) *message = '\0';
  if (!lti_tls_library_fits(mbedtls_version_get_number())) {
    snprintf(message, size, "libmbedtls %#x runs, and leat was built for %#x",
             mbedtls_version_get_number(), (unsigned)MBEDTLS_VERSION_NUMBER);
    return LEAT_ETLS;
  }
  lti_tls_context *c = lti_alloc_zero(alloc, sizeof *c);
  if (!c) return LEAT_ENOMEM;
  c->alloc = alloc;
  c->insecure = config->insecure;
  mbedtls_entropy_init(&c->entropy);
  mbedtls_ctr_drbg_init(&c->random);
  mbedtls_x509_crt_init(&c->trusted);
  mbedtls_x509_crt_init(&c->own);
  mbedtls_pk_init(&c->key);
  for (size_t i = 0; i < OFFERS; i++) mbedtls_ssl_config_init(&c->configs[i]);
  int native = start(c), error = LTI_OK;
  if (native == 0) error = load(c, config, message, size);
  for (int i = 0; i < OFFERS && native == 0 && error == LTI_OK; i++) {
    native = configure(c, (enum lti_tls_alpn)i, config->tls12_only);
  }
  if (native) {
    snprintf(message, size, "TLS cannot start: mbedTLS error -0x%04x", (unsigned)-native);
    error = lti_tls_code_is_memory(native) ? LEAT_ENOMEM : LEAT_ETLS;
  }
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
  mbedtls_pk_free(&c->key);
  mbedtls_x509_crt_free(&c->own);
  mbedtls_x509_crt_free(&c->trusted);
  mbedtls_ctr_drbg_free(&c->random);
  mbedtls_entropy_free(&c->entropy);
  lti_alloc_wipe(c->alloc, c, sizeof *c);
}

lti_alloc *lti_tls_context_alloc(const lti_tls_context *context) {
  return context->alloc;
}

uint64_t lti_tls_context_serial(const lti_tls_context *context) {
  return context->serial;
}

bool lti_tls_context_insecure(const lti_tls_context *context) {
  return context->insecure;
}

bool lti_tls_context_identified(const lti_tls_context *context) {
  return context->identified;
}

const mbedtls_ssl_config *lti_tls_context_config(const lti_tls_context *context,
                                                 enum lti_tls_alpn offer) {
  return &context->configs[offer];
}

static int start(lti_tls_context *c) {
  static const char who[] = "leat";
  int native = lti_tls_library_start();
  if (native) return native;
  c->pid = getpid();
  native = mbedtls_ctr_drbg_seed(&c->random, mbedtls_entropy_func, &c->entropy,
                                 (const unsigned char *)who, sizeof who - 1);
  if (native) return native;
  return mbedtls_ctr_drbg_random(&c->random, (unsigned char *)&c->serial, sizeof c->serial);
}

static int load(lti_tls_context *c, const lti_tls_config *config, char *message, size_t size) {
  if (!c->insecure) {
    int error = lti_tls_trust_load(c->alloc, config, &c->trusted, message, size);
    if (error) return error;
  }
  lti_tls_identity identity = {&c->own, &c->key, random_bytes, c};
  int error = lti_tls_identity_load(c->alloc, config, &identity, message, size);
  c->identified = c->own.version != 0;
  return error;
}

static int configure(lti_tls_context *c, enum lti_tls_alpn offer, bool tls12_only) {
  static const mbedtls_x509_crt_profile profile = {
      .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
                     MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
                     MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
      .allowed_pks = 0xfffffff,
      .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |
                        MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
                        MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1),
      .rsa_min_bitlen = 2048};
  mbedtls_ssl_config *config = &c->configs[offer];
  int native = mbedtls_ssl_config_defaults(
      config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  if (native) return native;
  mbedtls_ssl_conf_rng(config, random_bytes, c);
  mbedtls_ssl_conf_authmode(
      config, c->insecure ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(config, &c->trusted, NULL);
  mbedtls_ssl_conf_cert_profile(config, &profile);
  mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
  mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
  lti_tls_library_configure(config, tls12_only);
  if (c->identified) native = mbedtls_ssl_conf_own_cert(config, &c->own, &c->key);
  return native ? native : configure_alpn(config, offer);
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

/* A forked child starts from its parent's generator: it mixes in fresh entropy first. */
static int random_bytes(void *context, unsigned char *out, size_t size) {
  lti_tls_context *c = context;
  pid_t pid = getpid();
  if (pid != c->pid) {
    int native = lti_tls_library_part();
    if (native) return native;
    native = mbedtls_ctr_drbg_reseed(&c->random, (unsigned char *)&pid, sizeof pid);
    if (native) return native;
    c->pid = pid;
  }
  return mbedtls_ctr_drbg_random(&c->random, out, size);
}
