/* What tls.c asks of a context. tls.c is the only user. */
#ifndef LTI_TLS_CONTEXT_H
#define LTI_TLS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/tls.h"

struct mbedtls_ssl_config;

lti_alloc *lti_tls_context_alloc(const lti_tls_context *context);
/* Another number for every context, also of other processes. */
uint64_t lti_tls_context_serial(const lti_tls_context *context);
bool lti_tls_context_insecure(const lti_tls_context *context);
/* It has a client certificate to show. */
bool lti_tls_context_identified(const lti_tls_context *context);
const struct mbedtls_ssl_config *lti_tls_context_config(const lti_tls_context *context,
                                                        enum lti_tls_alpn offer);

#endif
