/* What mbedTLS's error codes mean to us, and the names of TLS alerts.
 *
 * mbedTLS adds a low-level code (7 bits) to a high-level one (multiples of 0x80), so that one cause
 * has many numbers: -0x256a is "invalid extensions" because "ASN.1 out of memory". */
#ifndef LTI_TLS_CODE_H
#define LTI_TLS_CODE_H

#include <stdbool.h>

/* An allocation failed, at either level. */
bool lti_tls_code_is_memory(int native);
/* The certificate was refused, or cannot be read. */
bool lti_tls_code_is_certificate(int native);
/* The server speaks no version that we do. */
bool lti_tls_code_is_version(int native);
/* The name of an alert (RFC 5246 section 7.2 and later ones), or "unknown". */
const char *lti_tls_code_alert(unsigned alert);
/* What an alert from a server probably means, as the end of a sentence, or "". `identified`: the
 * client has a certificate to show. */
const char *lti_tls_code_alert_cause(unsigned alert, bool identified);

#endif
