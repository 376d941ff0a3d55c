/* Proxies: what the settings' text means, whom it does not concern, and the CONNECT request.
 *
 * The text of a proxy is a URL with a user in it, which lti_url_parse rightly refuses; so the part
 * up to the last '@' is cut off first, and what is left is parsed as the URL of any origin. User
 * and password leave here only as base64 in buffers that are wiped, and no reason ever quotes them.
 *
 * Addresses of NO_PROXY are compared as 16 bytes, IPv4 as ::ffff:a.b.c.d, so that every spelling of
 * one address is the same. A name never stands for an address nor the other way round: nothing is
 * looked up here. */
#include "wire/proxy.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/error.h"
#include "wire/digest.h"

#define PORT_PLAIN     1080
#define PORT_TLS       443
#define USER_BYTES_MAX ((size_t)4096) /* user, colon and password, as they are written */

/* An address as 16 bytes; IPv4, and what is mapped to it, is `is_v4`. */
typedef struct address {
  unsigned char bytes[16];
  bool is_v4;
} address;

static int refuse(const char **why, const char *text);
static int set_url(lti_url *url, bool tls, leat_slice authority, const char **why);
static int set_auth(lti_proxy *proxy, leat_slice user, const char **why);
static bool entry_names(leat_slice entry, leat_slice host, const address *at, uint16_t port);
static bool read_address(leat_slice text, address *at);

/* ---- the proxy ------------------------------------------------------------------------------- */

/* The part behind "://", and whether it is https; a text without is http. */
static int take_scheme(leat_slice text, bool *tls, leat_slice *rest, const char **why) {
  const char *mark = lti_slice_find(text, lti_slice_of("://"));
  size_t size = mark ? (size_t)(mark - text.data) : 0;
  leat_slice scheme = lti_slice(text.data, size);
  *rest = mark ? lti_slice_from(text, size + 3) : text;
  *tls = lti_slice_is_nocase(scheme, "https");
  if (!mark || *tls || lti_slice_is_nocase(scheme, "http")) return LTI_OK;
  return refuse(why, "a proxy is reached by http:// or https:// only");
}

int lti_proxy_init(lti_proxy *proxy, lti_alloc *alloc, leat_slice text, const char **why) {
  leat_slice rest, user = {NULL, 0};
  bool tls;
  memset(proxy, 0, sizeof *proxy);
  lti_buf_init(&proxy->auth, alloc, USER_BYTES_MAX * 2, LEAT_EURL);
  proxy->auth.secret = true;
  int error = take_scheme(text, &tls, &rest, why);
  if (error) return error;
  size_t size = 0, at = SIZE_MAX;
  while (size < rest.size && !memchr("/?#", rest.data[size], 3)) {
    if (rest.data[size] == '@') at = size;
    size++;
  }
  leat_slice authority = lti_slice(rest.data, size), path = lti_slice_from(rest, size);
  if (path.size && !lti_slice_is(path, "/")) {
    return refuse(why,
                  "a proxy's URL has no path; a '/', '?' or '#' of a password is written %2F, "
                  "%3F, %23");
  }
  if (at != SIZE_MAX) {
    user = lti_slice(authority.data, at);
    authority = lti_slice_from(authority, at + 1);
  }
  error = set_url(&proxy->url, tls, authority, why);
  if (!error && user.size) error = set_auth(proxy, user, why);
  if (error) lti_proxy_deinit(proxy);
  return error;
}

void lti_proxy_deinit(lti_proxy *proxy) {
  lti_buf_deinit(&proxy->auth);
}

static int refuse(const char **why, const char *text) {
  if (why) *why = text;
  return LEAT_EURL;
}

/* "host:port" without a user. */
static int set_url(lti_url *url, bool tls, leat_slice authority, const char **why) {
  char text[LTI_URL_HOST_MAX + 32];
  const char *scheme = tls ? "https://" : "http://";
  size_t size = strlen(scheme);
  if (authority.size > sizeof text - size) {
    return refuse(why, "the proxy's host is longer than 253 bytes");
  }
  memcpy(text, scheme, size);
  if (authority.size) memcpy(text + size, authority.data, authority.size);
  int error = lti_url_parse(url, lti_slice(text, size + authority.size), why);
  if (error) return error;
  url->path = lti_slice(NULL, 0);
  /* A port stands behind the last colon, but for the colons within an IPv6 address. */
  size_t end = authority.size;
  while (end && authority.data[end - 1] >= '0' && authority.data[end - 1] <= '9') end--;
  bool given = end && end < authority.size && authority.data[end - 1] == ':';
  if (!given) url->port = tls ? PORT_TLS : PORT_PLAIN;
  return LTI_OK;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends user or password without its percent-escapes. RFC 7617 section 2 has no control bytes in
 * either, and no colon in the user, where it would begin the password. */
static int append_decoded(lti_buf *out, leat_slice text, bool is_user, const char **why) {
  for (size_t i = 0; i < text.size; i++) {
    int c = (unsigned char)text.data[i];
    if (c == '%') {
      int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
      int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
      if (low < 0)
        return refuse(why, "a '%' of the proxy's user or password is no escape: use %25");
      c = high << 4 | low;
      i += 2;
    }
    if (c < 0x20 || c == 0x7f) {
      return refuse(why, "the proxy's user or password holds a control byte");
    }
    if (is_user && c == ':') return refuse(why, "the proxy's user holds a colon");
    int error = lti_buf_byte(out, (char)c);
    if (error) return error;
  }
  return LTI_OK;
}

/* "Basic " and the base64 of "user:password". */
static int set_auth(lti_proxy *proxy, leat_slice user, const char **why) {
  const char *colon = memchr(user.data, ':', user.size);
  leat_slice password = {NULL, 0};
  lti_buf decoded;
  if (user.size > USER_BYTES_MAX) {
    return refuse(why, "the proxy's user and password are longer than 4,096 bytes");
  }
  if (colon) {
    password = lti_slice_from(user, (size_t)(colon - user.data) + 1);
    user.size = (size_t)(colon - user.data);
  }
  lti_buf_init(&decoded, proxy->auth.alloc, USER_BYTES_MAX + 1, LEAT_EURL);
  decoded.secret = true;
  int error = append_decoded(&decoded, user, true, why);
  if (!error) error = lti_buf_byte(&decoded, ':');
  if (!error) error = append_decoded(&decoded, password, false, why);
  if (!error) error = lti_buf_text(&proxy->auth, "Basic ");
  if (!error) error = lti_digest_base64(lti_buf_slice(&decoded), &proxy->auth);
  lti_buf_deinit(&decoded);
  return error;
}

/* ---- CONNECT --------------------------------------------------------------------------------- */

/* "host:port", of bytes that a request line may have. */
static int append_authority(const char *host, uint16_t port, lti_buf *out) {
  size_t size = strlen(host);
  bool brackets = strchr(host, ':') != NULL;
  if (size == 0 || size > LTI_URL_HOST_MAX) return LEAT_EHEADER;
  for (size_t i = 0; i < size; i++)
    if (host[i] <= 0x20 || host[i] >= 0x7f || strchr("/?#@[]\\", host[i])) return LEAT_EHEADER;
  int error = lti_buf_text(out, brackets ? "[" : "");
  if (!error) error = lti_buf_text(out, host);
  if (!error) error = lti_buf_text(out, brackets ? "]:" : ":");
  if (!error) error = lti_buf_u64(out, port);
  return error;
}

int lti_proxy_connect(const lti_proxy *proxy, const char *host, uint16_t port, lti_buf *out) {
  size_t before = out->size;
  int error = lti_buf_reserve(out, 2 * strlen(host) + proxy->auth.size + 100);
  if (!error) error = lti_buf_text(out, "CONNECT ");
  if (!error) error = append_authority(host, port, out);
  if (!error) error = lti_buf_text(out, " HTTP/1.1\r\nHost: ");
  if (!error) error = append_authority(host, port, out);
  if (!error && proxy->auth.size) {
    error = lti_buf_text(out, "\r\nProxy-Authorization: ");
    if (!error) error = lti_buf_append(out, lti_buf_slice(&proxy->auth));
  }
  if (!error) error = lti_buf_text(out, "\r\n\r\n");
  if (error) out->size = before;
  return error;
}

/* ---- NO_PROXY -------------------------------------------------------------------------------- */

static bool is_gap(char c) {
  return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static leat_slice without_dot(leat_slice name) {
  if (name.size && name.data[name.size - 1] == '.') name.size--;
  return name;
}

bool lti_proxy_bypassed(leat_slice no_proxy, const char *host, uint16_t port) {
  leat_slice name = without_dot(lti_slice_of(host));
  address own;
  bool literal = read_address(name, &own);
  size_t i = 0;
  while (i < no_proxy.size) {
    size_t from = i;
    while (i < no_proxy.size && !is_gap(no_proxy.data[i])) i++;
    leat_slice entry = lti_slice(no_proxy.data + from, i - from);
    if (entry.size && entry_names(entry, name, literal ? &own : NULL, port)) return true;
    i++;
  }
  return false;
}

/* IPv6 without brackets. */
static bool read_address(leat_slice text, address *at) {
  static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
  char copy[INET6_ADDRSTRLEN];
  if (text.size == 0 || text.size >= sizeof copy || memchr(text.data, '\0', text.size))
    return false;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  memcpy(at->bytes, mapped, sizeof mapped);
  at->is_v4 = inet_pton(AF_INET, copy, at->bytes + 12) == 1;
  if (at->is_v4) return true;
  if (inet_pton(AF_INET6, copy, at->bytes) != 1) return false;
  at->is_v4 = memcmp(at->bytes, mapped, sizeof mapped) == 0;
  return true;
}

static bool same_bits(const address *a, const address *b, size_t bits) {
  if (memcmp(a->bytes, b->bytes, bits / 8) != 0) return false;
  unsigned left = bits % 8;
  return left == 0 || (a->bytes[bits / 8] ^ b->bytes[bits / 8]) >> (8 - left) == 0;
}

/* "10.0.0.0/8", "fd00::/8". A prefix that takes in more than what is mapped to IPv4 is IPv6's. */
static bool block_has(leat_slice base, leat_slice digits, const address *at) {
  address block;
  uint64_t bits;
  if (!at || !read_address(base, &block) || !lti_slice_u64(digits, &bits)) return false;
  if (!memchr(base.data, ':', base.size)) {
    if (bits > 32) return false;
    bits += 96;
  }
  if (bits > 128) return false;
  return at->is_v4 == (block.is_v4 && bits >= 96) && same_bits(&block, at, (size_t)bits);
}

/* Cuts ":port" off, and the brackets of an IPv6 address. False: what stands there is no port, or
 * not this one, or the brackets hold something else. */
static bool cut_port(leat_slice *entry, uint16_t port) {
  leat_slice host = *entry, behind = {NULL, 0};
  address whole;
  uint64_t wanted;
  bool brackets = host.data[0] == '[';
  const char *end = memchr(host.data, brackets ? ']' : ':', host.size);
  if (brackets && !end) return false;
  if (end && (brackets || !read_address(host, &whole))) {
    size_t size = (size_t)(end - host.data);
    behind = lti_slice_from(host, brackets ? size + 1 : size);
    *entry = brackets ? lti_slice(host.data + 1, size - 1) : lti_slice(host.data, size);
  }
  if (brackets && (!read_address(*entry, &whole) || !memchr(entry->data, ':', entry->size)))
    return false;
  if (behind.size == 0) return true;
  return behind.data[0] == ':' && lti_slice_u64(lti_slice_from(behind, 1), &wanted) &&
         wanted == port;
}

/* The host itself, or a name under it: "x.test" names "api.x.test", and not "ax.test". */
static bool name_fits(leat_slice entry, leat_slice host) {
  if (lti_slice_starts(entry, "*.")) entry = lti_slice_from(entry, 1);
  if (lti_slice_starts(entry, ".")) entry = lti_slice_from(entry, 1);
  entry = without_dot(entry);
  if (entry.size == 0 || host.size < entry.size) return false;
  size_t before = host.size - entry.size;
  return lti_slice_equal_nocase(lti_slice_from(host, before), entry) &&
         (before == 0 || host.data[before - 1] == '.');
}

/* `at` is the host's address, NULL when it is a name. */
static bool entry_names(leat_slice entry, leat_slice host, const address *at, uint16_t port) {
  address named;
  if (lti_slice_is(entry, "*")) return true;
  const char *slash = memchr(entry.data, '/', entry.size);
  if (slash) {
    size_t size = (size_t)(slash - entry.data);
    return block_has(lti_slice(entry.data, size), lti_slice_from(entry, size + 1), at);
  }
  if (!cut_port(&entry, port)) return false;
  if (!at) return name_fits(entry, host);
  return read_address(without_dot(entry), &named) && same_bits(&named, at, 128);
}
