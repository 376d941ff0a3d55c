/* mbedTLS's error codes sorted by what they mean for a connection, and the names of TLS alerts.
 *
 * The numbers come from mbedTLS's headers; a code is split as -(high + low), low < 0x80. X.509's
 * high-level codes lie between -0x2080 and -0x3000. */
#include "wire/tls_code.h"

#include <mbedtls/asn1.h>
#include <mbedtls/bignum.h>
#include <mbedtls/cipher.h>
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509.h>
#include <stddef.h>

/* The two lines have each their name for these. */
#if MBEDTLS_VERSION_MAJOR == 2
enum {
  BAD_CERTIFICATE = MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE,
  BAD_VERSION = MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
};
#else
enum {
  BAD_CERTIFICATE = MBEDTLS_ERR_SSL_BAD_CERTIFICATE,
  BAD_VERSION = MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION
};
#endif
/* RFC 8446 section 6.2; mbedTLS 2.28 has no name for it. */
enum { CERTIFICATE_REQUIRED = 116 };

bool lti_tls_code_is_memory(int native) {
  static const int high[] = {MBEDTLS_ERR_SSL_ALLOC_FAILED,    MBEDTLS_ERR_X509_ALLOC_FAILED,
                             MBEDTLS_ERR_PK_ALLOC_FAILED,     MBEDTLS_ERR_MD_ALLOC_FAILED,
                             MBEDTLS_ERR_CIPHER_ALLOC_FAILED, MBEDTLS_ERR_ECP_ALLOC_FAILED,
                             MBEDTLS_ERR_PEM_ALLOC_FAILED};
  if (native >= 0) return false;
  int low = -(-native & 0x7f);
  if (low == MBEDTLS_ERR_ASN1_ALLOC_FAILED || low == MBEDTLS_ERR_MPI_ALLOC_FAILED) return true;
  for (size_t i = 0; i < sizeof high / sizeof *high; i++) {
    if (native - low == high[i]) return true;
  }
  return false;
}

bool lti_tls_code_is_certificate(int native) {
  return native == BAD_CERTIFICATE ||
         (native <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE && native > MBEDTLS_ERR_X509_FATAL_ERROR);
}

bool lti_tls_code_is_version(int native) {
  return native == BAD_VERSION;
}

const char *lti_tls_code_alert(unsigned alert) {
  static const struct {
    unsigned number;
    const char *name;
  } alerts[] = {
      {0, "close_notify"},
      {10, "unexpected_message"},
      {20, "bad_record_mac"},
      {22, "record_overflow"},
      {40, "handshake_failure"},
      {42, "bad_certificate"},
      {43, "unsupported_certificate"},
      {44, "certificate_revoked"},
      {45, "certificate_expired"},
      {46, "certificate_unknown"},
      {47, "illegal_parameter"},
      {48, "unknown_ca"},
      {49, "access_denied"},
      {50, "decode_error"},
      {51, "decrypt_error"},
      {70, "protocol_version"},
      {71, "insufficient_security"},
      {80, "internal_error"},
      {86, "inappropriate_fallback"},
      {90, "user_canceled"},
      {100, "no_renegotiation"},
      {109, "missing_extension"},
      {110, "unsupported_extension"},
      {112, "unrecognized_name"},
      {116, "certificate_required"},
      {120, "no_application_protocol"},
  };
  for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++) {
    if (alerts[i].number == alert) return alerts[i].name;
  }
  return "unknown";
}

const char *lti_tls_code_alert_cause(unsigned alert, bool identified) {
  switch (alert) {
    case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION: return ": it speaks no TLS 1.2";
    case MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL:
      return ": the server speaks none of the offered protocols";
    case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE:
      return identified ? ": no version, cipher suite or curve in common, or it refuses the client "
                          "certificate"
                        : ": no version, cipher suite or curve in common, or it wants a client "
                          "certificate";
    case CERTIFICATE_REQUIRED:
      return identified ? ": it did not get the client certificate it wants"
                        : ": it wants a client certificate";
    case MBEDTLS_SSL_ALERT_MSG_BAD_CERT:
    case MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT:
    case MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED:
    case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED:
    case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN:
    case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA:
    case MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED:
      return identified ? ": it refuses the client certificate" : ": it wants a client certificate";
    default: return "";
  }
}
