/* Certificates for tests, made when they are needed with mbedTLS: a CA, what it signs, and every
 * way of being wrong. Nothing is stored in the repository.
 *
 *   certs_pair ca, leaf;
 *   certs_make(&ca, &(certs_spec){.cn = "Test CA", .ca = true}, NULL);
 *   certs_make(&leaf, &(certs_spec){.cn = "x", .dns = {"api.x.test"}}, &ca);
 *
 * Failures abort: a test that cannot make its certificates tells nothing. */
#ifndef TEST_CERTS_H
#define TEST_CERTS_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

#define CERTS_DNS_MAX 4

enum certs_key { CERTS_P256 = 0, CERTS_P384, CERTS_RSA_2048, CERTS_RSA_1024 };
/* What extendedKeyUsage says. */
enum certs_usage {
  CERTS_USAGE_SERVER = 0,
  CERTS_USAGE_CLIENT,
  CERTS_USAGE_ABSENT,
  CERTS_USAGE_CODE_SIGNING
};

typedef struct certs_spec {
  const char *cn;
  const char *dns[CERTS_DNS_MAX]; /* dNSName, until NULL */
  const char *ip;                 /* iPAddress, as a literal */
  bool ca;
  bool sha1;             /* signed with SHA-1 instead of SHA-256 */
  const char *from, *to; /* YYYYMMDDhhmmss [20200101000000, 20491231235959] */
  enum certs_key key;
  enum certs_usage usage;
} certs_spec;

typedef struct certs_pair {
  mbedtls_x509_crt certificate;
  mbedtls_pk_context key;
  char pem[4096]; /* the certificate */
  char key_pem[4096];
} certs_pair;

/* `issuer` NULL: self-signed. */
void certs_make(certs_pair *pair, const certs_spec *spec, const certs_pair *issuer);
void certs_free(certs_pair *pair);
static inline leat_slice certs_pem(const certs_pair *pair) {
  return lti_slice_of(pair->pem);
}
static inline leat_slice certs_key_pem(const certs_pair *pair) {
  return lti_slice_of(pair->key_pem);
}
/* The generator that everything here draws from, in mbedTLS's form; `context` is not used. */
int certs_random(void *context, unsigned char *out, size_t size);

#endif
