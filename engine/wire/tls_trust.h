/* Where trusted CA certificates come from.
 *
 * Bytes given in the config, else a file given there, else the first of the system's places that
 * holds any. Bundles hold exotic certificates that mbedTLS cannot parse: one that parses is enough.
 * tls.c is the only user. */
#ifndef LTI_TLS_TRUST_H
#define LTI_TLS_TRUST_H

#include <stddef.h>

#include "base/alloc.h"

struct lti_tls_config;
struct mbedtls_x509_crt;

/* Into `trusted`, which is initialised and empty. LEAT_ENOCA with the reason in `message`, or
 * LEAT_ENOMEM. */
int lti_tls_trust_load(lti_alloc *alloc, const struct lti_tls_config *config,
                       struct mbedtls_x509_crt *trusted, char *message, size_t size);

#endif
