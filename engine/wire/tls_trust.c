/* Trusted CA certificates: from memory, from a file, or from the system's places.
 *
 * Their PEM is taken apart by our own reader, since mbedTLS decodes base64 in constant time: of the
 * first TLS request of a program that was nearly half of all instructions. What has no PEM may be
 * one certificate in DER. Parsing 140 of them takes a millisecond even so: it is done once a
 * context. */
#include "wire/tls_trust.h"

#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "wire/tls.h"
#include "wire/tls_code.h"
#include "wire/tls_pem.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)

static int load_text(lti_alloc *alloc, leat_slice text, mbedtls_x509_crt *trusted);
static int load_file(lti_alloc *alloc, const char *path, mbedtls_x509_crt *trusted);

int lti_tls_trust_load(lti_alloc *alloc, const lti_tls_config *config, mbedtls_x509_crt *trusted,
                       char *message, size_t size) {
  static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt",
                                       "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
  int error = LEAT_ENOCA;
  if (config->ca_pem.size) {
    error = load_text(alloc, config->ca_pem, trusted);
    if (error == LEAT_ENOCA) {
      snprintf(message, size, "the CA certificates given hold none that can be used");
    }
    return error;
  }
  if (config->ca_file) {
    error = load_file(alloc, config->ca_file, trusted);
    if (error == LEAT_ENOCA) {
      snprintf(message, size, "CA file %s %s", config->ca_file,
               access(config->ca_file, R_OK) ? "cannot be read"
                                             : "holds no certificate that can be used");
    }
    return error;
  }
  for (size_t i = 0; i < sizeof places / sizeof *places && error == LEAT_ENOCA; i++) {
    error = load_file(alloc, places[i], trusted);
  }
  if (error == LEAT_ENOCA) {
    snprintf(message, size, "no CA certificates: looked for %s, %s and %s", places[0], places[1],
             places[2]);
  }
  return error;
}

/* Every certificate of a PEM text that can be read; those that cannot are passed over, as long as
 * there is one that can. */
static int load_pem(leat_slice text, unsigned char *der, mbedtls_x509_crt *trusted) {
  leat_slice body;
  while (lti_tls_pem_next(&text, &body)) {
    size_t size = lti_tls_pem_decode(body, der);
    int native = size ? mbedtls_x509_crt_parse_der(trusted, der, size) : -1;
    if (lti_tls_code_is_memory(native)) return LEAT_ENOMEM;
  }
  return trusted->version ? LTI_OK : LEAT_ENOCA;
}

static int load_text(lti_alloc *alloc, leat_slice text, mbedtls_x509_crt *trusted) {
  leat_slice rest = text, body;
  if (!lti_tls_pem_next(&rest, &body)) {
    int native = mbedtls_x509_crt_parse_der(trusted, (const unsigned char *)text.data, text.size);
    if (lti_tls_code_is_memory(native)) return LEAT_ENOMEM;
    return native == 0 && trusted->version ? LTI_OK : LEAT_ENOCA;
  }
  unsigned char *der = lti_alloc_get(alloc, text.size / 4 * 3 + 3);
  if (!der) return LEAT_ENOMEM;
  int error = load_pem(text, der, trusted);
  lti_alloc_put(alloc, der);
  return error;
}

/* The whole file; empty: it cannot be read, or holds nothing, or more than any bundle does. */
static int read_file(lti_alloc *alloc, const char *path, lti_buf *text) {
  char piece[8192];
  FILE *file = fopen(path, "rbe");
  int error = LTI_OK;
  lti_buf_init(text, alloc, FILE_BYTES_MAX, LEAT_ENOCA);
  if (!file) return LEAT_ENOCA;
  for (size_t n = 1; n > 0 && error == LTI_OK;) {
    n = fread(piece, 1, sizeof piece, file);
    error = lti_buf_append(text, lti_slice(piece, n));
  }
  if (error == LTI_OK && ferror(file)) error = LEAT_ENOCA;
  fclose(file);
  return error;
}

static int load_file(lti_alloc *alloc, const char *path, mbedtls_x509_crt *trusted) {
  lti_buf text;
  int error = read_file(alloc, path, &text);
  if (error == LTI_OK) error = load_text(alloc, lti_buf_slice(&text), trusted);
  lti_buf_deinit(&text);
  return error;
}
