/* What a server's certificate must satisfy beyond its chain: the name; and words for refusals.
 *
 * Only subjectAltName counts: dNSName for names (a wildcard stands for exactly one leftmost label),
 * iPAddress for literals. The subject's CN is never looked at. Texts are made of bytes that the
 * peer chose, so everything unprintable becomes '?' and every text has a bound.
 * tls.c is the only user. */
#ifndef LTI_TLS_VERIFY_H
#define LTI_TLS_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mbedtls_x509_crt;

/* Whom a connection is meant for. `host` has no trailing dot; `ip_size` is 0, 4 or 16. */
typedef struct lti_tls_verify_peer {
  const char *host;
  const unsigned char *ip;
  size_t ip_size;
} lti_tls_verify_peer;

/* True when one of the leaf's alternative names matches. */
bool lti_tls_verify_name(const struct mbedtls_x509_crt *leaf, const lti_tls_verify_peer *peer);
/* Appends what `flags` (MBEDTLS_X509_BADCERT_*) hold against `cert` to the NUL-terminated text;
 * depth 0 is the leaf. `cert` may be NULL when it is no longer at hand. */
void lti_tls_verify_describe(const struct mbedtls_x509_crt *cert, int depth, uint32_t flags,
                             char *text, size_t size);

#endif
