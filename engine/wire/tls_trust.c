/* Trusted CA certificates: from memory, from a file, or from the system's places.
 *
 * The files are read through mbedTLS, whose memory is malloc's. Parsing 140 certificates takes some
 * milliseconds, so it is done once a context. */
#include "wire/tls_trust.h"

#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/tls.h"
#include "wire/tls_code.h"

static int load_pem(lti_alloc *alloc, leat_slice pem, mbedtls_x509_crt *trusted);
static int load_file(const char *path, mbedtls_x509_crt *trusted);
static int judge(int native, const mbedtls_x509_crt *trusted);

int lti_tls_trust_load(lti_alloc *alloc, const lti_tls_config *config, mbedtls_x509_crt *trusted,
                       char *message, size_t size) {
  static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt",
                                       "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
  int error = LEAT_ENOCA;
  if (config->ca_pem.size) {
    error = load_pem(alloc, config->ca_pem, trusted);
    if (error == LEAT_ENOCA) {
      snprintf(message, size, "the CA certificates given hold none that can be used");
    }
    return error;
  }
  if (config->ca_file) {
    error = load_file(config->ca_file, trusted);
    if (error == LEAT_ENOCA) {
      snprintf(message, size, "CA file %s %s", config->ca_file,
               access(config->ca_file, R_OK) ? "cannot be read"
                                             : "holds no certificate that can be used");
    }
    return error;
  }
  for (size_t i = 0; i < sizeof places / sizeof *places && error == LEAT_ENOCA; i++) {
    error = load_file(places[i], trusted);
  }
  if (error == LEAT_ENOCA) {
    snprintf(message, size, "no CA certificates: looked for %s, %s and %s", places[0], places[1],
             places[2]);
  }
  return error;
}

/* mbedTLS wants PEM to end in a NUL that counts. */
static int load_pem(lti_alloc *alloc, leat_slice pem, mbedtls_x509_crt *trusted) {
  char *text = lti_alloc_text(alloc, pem);
  if (!text) return LEAT_ENOMEM;
  int native = mbedtls_x509_crt_parse(trusted, (unsigned char *)text, pem.size + 1);
  lti_alloc_put(alloc, text);
  return judge(native, trusted);
}

static int load_file(const char *path, mbedtls_x509_crt *trusted) {
  return judge(mbedtls_x509_crt_parse_file(trusted, path), trusted);
}

/* A positive result is the number of certificates that were skipped. */
static int judge(int native, const mbedtls_x509_crt *trusted) {
  if (lti_tls_code_is_memory(native)) return LEAT_ENOMEM;
  return native >= 0 && trusted->version ? LTI_OK : LEAT_ENOCA;
}
