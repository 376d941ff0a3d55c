/* The client's own certificate and key, which some servers ask for.
 *
 * PEM, given as bytes or as files. The certificates that belong between it and the CA may stand
 * behind the first one. The key may stand in the certificate's file when no key is given. It must
 * belong to the certificate, and is not encrypted: a program has nobody to ask for the passphrase.
 * What held the key's text is wiped. tls_context.c is the only user. */
#ifndef LTI_TLS_IDENTITY_H
#define LTI_TLS_IDENTITY_H

#include <stddef.h>

#include "base/alloc.h"
#include "wire/tls_library.h"

struct lti_tls_config;
struct mbedtls_pk_context;
struct mbedtls_x509_crt;

/* Where it goes: both are initialised and empty. */
typedef struct lti_tls_identity {
  struct mbedtls_x509_crt *certificate;
  struct mbedtls_pk_context *key;
  lti_tls_library_random random;
  void *random_context;
} lti_tls_identity;

/* Loads nothing when the config names neither. LEAT_ECLIENTCERT with the reason in `message`, or
 * LEAT_ENOMEM. */
int lti_tls_identity_load(lti_alloc *alloc, const struct lti_tls_config *config,
                          const lti_tls_identity *identity, char *message, size_t size);

#endif
