/* Reading client certificates and keys. Files are read without stdio, whose buffers nobody wipes,
 * into one buffer of fixed size, so that no copy of a key is left behind by growing. */
#include "wire/tls_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/tls.h"
#include "wire/tls_code.h"

enum { FILE_BYTES_MAX = 256 << 10 };

/* One of the two, as it was given: bytes, or a file's name. */
struct source {
  const char *kind; /* for messages */
  const char *file;
  leat_slice pem;
};

struct loading {
  lti_alloc *alloc;
  const lti_tls_identity *identity;
  char *message;
  size_t size;
  int (*parse)(const struct loading *l, const struct source *source, leat_slice pem);
};

static int load(const struct loading *l, const struct source *source);
static int load_file(const struct loading *l, const struct source *source);
static int parse_certificate(const struct loading *l, const struct source *source, leat_slice pem);
static int parse_key(const struct loading *l, const struct source *source, leat_slice pem);
static int refuse(const struct loading *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int lti_tls_identity_load(lti_alloc *alloc, const lti_tls_config *config,
                          const lti_tls_identity *identity, char *message, size_t size) {
  struct loading l = {alloc, identity, message, size, parse_certificate};
  struct source certificate = {"certificate", config->cert_file, config->cert_pem};
  struct source key = {"key", config->key_file, config->key_pem};
  if (!certificate.file && !certificate.pem.size) {
    if (!key.file && !key.pem.size) return LTI_OK;
    return refuse(&l, "a client key was given without a certificate");
  }
  if (!key.file && !key.pem.size) {
    key.file = certificate.file;
    key.pem = certificate.pem;
  }
  int error = load(&l, &certificate);
  if (error) return error;
  l.parse = parse_key;
  error = load(&l, &key);
  if (error) return error;
  int native = lti_tls_library_check_pair(identity->certificate, identity->key, identity->random,
                                          identity->random_context);
  if (lti_tls_code_is_memory(native)) return LEAT_ENOMEM;
  if (native == 0) return LTI_OK;
  return refuse(&l, "the client key %s does not belong to the certificate %s",
                key.pem.size ? "given" : key.file,
                certificate.pem.size ? "given" : certificate.file);
}

static int load(const struct loading *l, const struct source *source) {
  if (!source->pem.size) return load_file(l, source);
  char *text = lti_alloc_text(l->alloc, source->pem);
  if (!text) return LEAT_ENOMEM;
  int error = l->parse(l, source, lti_slice(text, source->pem.size + 1));
  lti_alloc_wipe(l->alloc, text, source->pem.size + 1);
  return error;
}

/* 0 at the end, or errno; EFBIG when the room is used up. */
static int read_all(int fd, char *text, size_t room, size_t *size) {
  *size = 0;
  while (*size < room) {
    ssize_t n = read(fd, text + *size, room - *size);
    if (n == 0) return 0;
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) *size += (size_t)n;
  }
  return EFBIG;
}

static int load_file(const struct loading *l, const struct source *source) {
  size_t size = 0;
  int fd = open(source->file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return refuse(l, "client %s file %s cannot be read: %s", source->kind, source->file,
                  strerror(errno));
  }
  char *text = lti_alloc_get(l->alloc, FILE_BYTES_MAX + 1);
  if (!text) {
    close(fd);
    return LEAT_ENOMEM;
  }
  int failed = read_all(fd, text, FILE_BYTES_MAX, &size), error;
  close(fd);
  if (failed) {
    error = refuse(l, "client %s file %s cannot be read: %s", source->kind, source->file,
                   strerror(failed));
  } else {
    text[size] = '\0';
    error = l->parse(l, source, lti_slice(text, size + 1));
  }
  lti_alloc_wipe(l->alloc, text, FILE_BYTES_MAX + 1);
  return error;
}

/* A positive result counts certificates that could not be read: here each of them matters. */
static int parse_certificate(const struct loading *l, const struct source *source, leat_slice pem) {
  int native =
      mbedtls_x509_crt_parse(l->identity->certificate, (const unsigned char *)pem.data, pem.size);
  if (native == 0) return LTI_OK;
  if (lti_tls_code_is_memory(native)) return LEAT_ENOMEM;
  const char *why = native > 0 ? "holds a certificate that cannot be used"
                               : "holds no certificate that can be used";
  if (source->pem.size) return refuse(l, "the client certificate given %s", why);
  return refuse(l, "client certificate file %s %s", source->file, why);
}

static int parse_key(const struct loading *l, const struct source *source, leat_slice pem) {
  int native = lti_tls_library_parse_key(l->identity->key, pem, l->identity->random,
                                         l->identity->random_context);
  if (native == 0) return LTI_OK;
  if (lti_tls_code_is_memory(native)) return LEAT_ENOMEM;
  bool encrypted =
      native == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || native == MBEDTLS_ERR_PK_PASSWORD_MISMATCH;
  const char *why =
      encrypted ? "is encrypted; decrypt it first" : "holds no private key that can be used";
  if (source->pem.size) return refuse(l, "the client key given %s", why);
  return refuse(l, "client key file %s %s", source->file, why);
}

static int refuse(const struct loading *l, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(l->message, l->size, format, args);
  va_end(args);
  return LEAT_ECLIENTCERT;
}
