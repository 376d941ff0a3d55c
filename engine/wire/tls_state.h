/* What the files of wire/tls share among themselves: contexts, sessions and connections as they are
 * in memory. tls.c owns connections and sessions, tls_context.c contexts. */
#ifndef LTI_TLS_STATE_H
#define LTI_TLS_STATE_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/tls.h"

struct lti_tls_context {
  lti_alloc *alloc;
  uint64_t serial; /* sessions of another context are not offered */
  pid_t pid;       /* whose random numbers these are */
  bool insecure;
  size_t page_bytes;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_x509_crt trusted;
  mbedtls_ssl_config configs[LTI_TLS_ALPN_HTTP2_OR_1 + 1]; /* one for each offer */
};

struct lti_tls_session {
  lti_alloc *alloc;
  uint64_t serial;
  mbedtls_ssl_session session;
  size_t size; /* of this allocation, which holds a master secret */
  enum lti_tls_alpn alpn;
  char host[];
};

struct lti_tls {
  mbedtls_ssl_context ssl;
  lti_tls_context *context;
  lti_outq *out;
  leat_slice *cipher; /* the caller's, during a call */
  void (*calc_finished)(mbedtls_ssl_context *ssl, unsigned char *digest, int from);
  char *message; /* made at the first failure */
  uint64_t copied;
  int error;              /* sticky LEAT_E* */
  int native;             /* mbedTLS's code of it */
  int bio_error;          /* what a callback of ours failed with, which mbedTLS cannot carry */
  uint32_t flags;         /* BADCERT flags already in words */
  enum lti_tls_alpn alpn; /* offered */
  uint8_t replies;
  uint8_t ip_size; /* 0 for a name */
  unsigned char ip[16];
  bool offered, verified, finished_unmade, established, stopped, close_sent, reading;
  bool in_touched, out_touched; /* beyond KEEP_BYTES since the last purge */
  char host[];                  /* without a trailing dot */
};

#endif
