/* Names of certificates against the host that was asked for (RFC 9525), and words for refusals.
 *
 * mbedTLS 2.28 ignores iPAddress and falls back to CN when there is no subjectAltName; this check
 * runs beside the library's own, and both must agree. Worked example: for host "api.x.test" the
 * names "api.x.test" and "*.x.test" match; "*.test", "*x.test", "a*.x.test", "x.test" and
 * "*.api.x.test" do not. */
#include "wire/tls_verify.h"

#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

/* Context-specific primitive tags of GeneralName (RFC 5280 section 4.2.1.6). */
enum { SAN_DNS = 0x82, SAN_IP = 0x87 };
/* At most this many names of a certificate are told in a message. */
enum { NAMES_TOLD_MAX = 4, NAME_TOLD_BYTES_MAX = 64 };

static bool dns_name_matches(leat_slice pattern, leat_slice host);
static void append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void append_printable(char *text, size_t size, leat_slice bytes);
static void append_names(char *text, size_t size, const mbedtls_x509_crt *cert);
static void append_subject(char *text, size_t size, const mbedtls_x509_crt *cert);
static void append_date(char *text, size_t size, const char *what, const mbedtls_x509_time *when);

static leat_slice san_bytes(const mbedtls_x509_sequence *name) {
  return lti_slice((const char *)name->buf.p, name->buf.len);
}

bool lti_tls_verify_name(const mbedtls_x509_crt *leaf, const lti_tls_verify_peer *peer) {
  leat_slice host = lti_slice_of(peer->host);
  leat_slice ip = lti_slice((const char *)peer->ip, peer->ip_size);
  for (const mbedtls_x509_sequence *n = &leaf->subject_alt_names; n; n = n->next) {
    if (!n->buf.p || n->buf.len == 0) continue;
    if (peer->ip_size) {
      if (n->buf.tag == SAN_IP && lti_slice_equal(san_bytes(n), ip)) return true;
    } else if (n->buf.tag == SAN_DNS && dns_name_matches(san_bytes(n), host)) {
      return true;
    }
  }
  return false;
}

void lti_tls_verify_describe(const mbedtls_x509_crt *cert, int depth, uint32_t flags, char *text,
                             size_t size) {
  static const struct {
    uint32_t flags;
    const char *text;
  } reasons[] = {
      {MBEDTLS_X509_BADCERT_REVOKED, "it is revoked"},
      {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "its issuer is not trusted"},
      {MBEDTLS_X509_BADCERT_KEY_USAGE, "its key usage does not allow this"},
      {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "it is not meant for TLS servers (no serverAuth)"},
      {MBEDTLS_X509_BADCERT_NS_CERT_TYPE, "its type does not allow this"},
      {MBEDTLS_X509_BADCERT_BAD_MD, "it is signed with a weak hash"},
      {MBEDTLS_X509_BADCERT_BAD_PK, "its signature algorithm is not accepted"},
      {MBEDTLS_X509_BADCERT_BAD_KEY, "its key is too short or of a foreign kind"},
      {MBEDTLS_X509_BADCERT_MISSING | MBEDTLS_X509_BADCERT_SKIP_VERIFY, "it is missing"},
      {MBEDTLS_X509_BADCERT_OTHER, "it failed a check"},
  };
  if (depth > 0) {
    append(text, size, "%sCA ", *text ? ", " : "");
    if (cert) append_subject(text, size, cert);
    append(text, size, ":");
  }
  const char *comma = depth > 0 ? " " : *text ? ", " : "";
  if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
    append(text, size, "%s", comma);
    if (cert) append_names(text, size, cert);
    comma = ", ";
  }
  if (flags & (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)) {
    bool expired = flags & MBEDTLS_X509_BADCERT_EXPIRED;
    append(text, size, "%s", comma);
    append_date(text, size, expired ? "expired on" : "not valid before",
                !cert     ? NULL
                : expired ? &cert->valid_to
                          : &cert->valid_from);
    comma = ", ";
  }
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
    if (!(flags & reasons[i].flags)) continue;
    append(text, size, "%s%s", comma, reasons[i].text);
    comma = ", ";
  }
}

/* RFC 9525 section 6.3: "*." at the very left stands for one whole label, which is not empty. The
 * rest must hold a dot, so that "*.test" covers no top-level domain. */
static bool dns_name_matches(leat_slice pattern, leat_slice host) {
  if (lti_slice_equal_nocase(pattern, host)) return true;
  if (!lti_slice_starts(pattern, "*.")) return false;
  const char *dot = memchr(host.data, '.', host.size);
  if (!dot || dot == host.data) return false;
  leat_slice parent = lti_slice_from(host, (size_t)(dot - host.data));
  leat_slice suffix = lti_slice_from(pattern, 1);
  if (!memchr(suffix.data + 1, '.', suffix.size - 1)) return false;
  return lti_slice_equal_nocase(suffix, parent);
}

static void append(char *text, size_t size, const char *format, ...) {
  size_t used = strlen(text);
  va_list args;
  va_start(args, format);
  vsnprintf(text + used, size - used, format, args);
  va_end(args);
}

static void append_printable(char *text, size_t size, leat_slice bytes) {
  size_t used = strlen(text), n = bytes.size;
  if (n > NAME_TOLD_BYTES_MAX) n = NAME_TOLD_BYTES_MAX;
  for (size_t i = 0; i < n && used + 1 < size; i++) {
    char c = bytes.data[i];
    text[used++] = c >= 0x20 && c < 0x7f ? c : '?';
  }
  text[used] = '\0';
}

/* "is for foo.test, bar.test": at most a few of the names, so that a long list stays readable. */
static void append_names(char *text, size_t size, const mbedtls_x509_crt *cert) {
  unsigned told = 0, found = 0;
  append(text, size, "it is for ");
  for (const mbedtls_x509_sequence *n = &cert->subject_alt_names; n; n = n->next) {
    bool dns = n->buf.tag == SAN_DNS;
    bool ip = n->buf.tag == SAN_IP && (n->buf.len == 4 || n->buf.len == 16);
    if (!n->buf.p || (!dns && !ip)) continue;
    if (++found > NAMES_TOLD_MAX) continue;
    if (told++) append(text, size, ", ");
    if (dns) {
      append_printable(text, size, san_bytes(n));
    } else {
      char literal[INET6_ADDRSTRLEN] = "";
      inet_ntop(n->buf.len == 4 ? AF_INET : AF_INET6, n->buf.p, literal, sizeof literal);
      append(text, size, "%s", literal);
    }
  }
  if (!found) append(text, size, "no host at all (no subjectAltName)");
  if (found > told) append(text, size, " and %u more", found - told);
}

static void append_subject(char *text, size_t size, const mbedtls_x509_crt *cert) {
  for (const mbedtls_x509_name *n = &cert->subject; n; n = n->next) {
    if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) != 0) continue;
    append_printable(text, size, lti_slice((const char *)n->val.p, n->val.len));
    return;
  }
}

static void append_date(char *text, size_t size, const char *what, const mbedtls_x509_time *when) {
  if (!when) {
    append(text, size, "%s an unknown date", what);
    return;
  }
  append(text, size, "%s %04d-%02d-%02d", what, when->year, when->mon, when->day);
}
