/* URLs: parsed strictly, written back, joined and resolved. Text comes from the caller's
 * configuration or from a peer's Location field, so whatever two readers could read differently is
 * refused instead of repaired: userinfo, backslashes in the authority, numbers that are hosts
 * ("0x7f.1", "127.1", "2130706433"), ports with a sign, bytes outside printable ASCII.
 *
 * An IPv6 literal is written in its one canonical form, so that equal origins are equal texts.
 * Names are never looked up here, and percent-escapes in paths stay as they are. */
#include "url.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

static int refuse(const char **why, const char *text) {
  if (why) *why = text;
  return LEAT_EURL;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The part of `s` before the first byte of `stops`; the rest, that byte first, goes to *rest. */
static leat_slice until(leat_slice s, const char *stops, leat_slice *rest) {
  size_t n = 0;
  while (n < s.size && !memchr(stops, s.data[n], strlen(stops))) n++;
  *rest = lti_slice_from(s, n);
  return lti_slice(s.data, n);
}

static bool is_printable(leat_slice s) {
  for (size_t i = 0; i < s.size; i++) {
    if (s.data[i] <= 0x20 || s.data[i] > 0x7e) return false;
  }
  return true;
}

bool lti_url_path_ok(leat_slice path) {
  return is_printable(path) && (path.size == 0 || !memchr(path.data, '#', path.size));
}

/* ---- host and port */

static bool label_ok(leat_slice label) {
  if (label.size < 1 || label.size > 63) return false;
  if (label.data[0] == '-' || label.data[label.size - 1] == '-') return false;
  for (size_t i = 0; i < label.size; i++) {
    char c = label.data[i];
    if (!is_digit(c) && !is_alpha(c) && c != '-') return false;
  }
  return true;
}

/* A last label of digits, or of 0x and hexadecimal digits, makes some resolvers read the whole host
 * as an IPv4 number. */
static bool looks_numeric(leat_slice label) {
  size_t from = lti_slice_starts(label, "0x") ? 2 : 0;
  for (size_t i = from; i < label.size; i++) {
    char c = label.data[i];
    if (!is_digit(c) && !(from && c >= 'a' && c <= 'f')) return false;
  }
  return true;
}

static bool name_ok(leat_slice name) {
  leat_slice label, rest = name;
  for (;;) {
    label = until(rest, ".", &rest);
    if (!label_ok(label)) return false;
    if (rest.size <= 1) return !looks_numeric(label); /* at the end, or at its dot */
    rest = lti_slice_from(rest, 1);
  }
}

static bool is_localhost(leat_slice name) {
  static const char suffix[] = ".localhost";
  const size_t n = sizeof suffix - 1;
  if (name.size && name.data[name.size - 1] == '.') name.size--;
  if (lti_slice_is(name, suffix + 1)) return true;
  return name.size > n && lti_slice_is(lti_slice_from(name, name.size - n), suffix);
}

static int set_host(lti_url *url, leat_slice host, const char **why) {
  unsigned char address[16];
  if (host.size == 0) return refuse(why, "the URL has no host");
  if (host.size > LTI_URL_HOST_MAX) return refuse(why, "the host is longer than 253 bytes");
  for (size_t i = 0; i < host.size; i++) {
    char c = host.data[i];
    url->host[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
  }
  url->host[host.size] = '\0';
  if (strlen(url->host) == host.size && inet_pton(AF_INET, url->host, address) == 1) {
    url->literal = true;
    url->loopback = address[0] == 127;
    return LEAT_OK;
  }
  host = lti_slice(url->host, host.size);
  if (!name_ok(host)) {
    return refuse(why, "the host is neither a name of letters, digits, '-' and '.' nor an address");
  }
  url->loopback = is_localhost(host);
  return LEAT_OK;
}

static int set_ipv6_host(lti_url *url, leat_slice host, const char **why) {
  static const unsigned char loopback[16] = {[15] = 1};
  char text[INET6_ADDRSTRLEN];
  unsigned char address[16];
  bool fits = host.size > 0 && host.size < sizeof text && !memchr(host.data, '\0', host.size);
  if (fits) {
    memcpy(text, host.data, host.size);
    text[host.size] = '\0';
  }
  if (!fits || inet_pton(AF_INET6, text, address) != 1) {
    return refuse(why, "the brackets of the URL hold no IPv6 address");
  }
  inet_ntop(AF_INET6, address, url->host, sizeof url->host);
  url->literal = true;
  url->loopback = memcmp(address, loopback, sizeof address) == 0;
  return LEAT_OK;
}

/* `text` is empty or begins with ':'. ":" alone is the default port (RFC 3986 section 3.2.3). */
static int set_port(lti_url *url, leat_slice text, const char **why) {
  uint64_t port;
  url->port = url->tls ? 443 : 80;
  if (text.size == 0) return LEAT_OK;
  if (text.data[0] != ':') return refuse(why, "there is text between the host and the port");
  if (text.size == 1) return LEAT_OK;
  if (!lti_slice_u64(lti_slice_from(text, 1), &port) || port < 1 || port > 65535) {
    return refuse(why, "the port is not a number from 1 to 65535");
  }
  url->port = (uint16_t)port;
  return LEAT_OK;
}

static int set_authority(lti_url *url, leat_slice text, const char **why) {
  leat_slice port;
  url->literal = url->loopback = false;
  if (text.size && memchr(text.data, '@', text.size)) {
    return refuse(why, "a user name or password in a URL is not allowed");
  }
  int error;
  if (lti_slice_starts(text, "[")) {
    leat_slice host = until(lti_slice_from(text, 1), "]", &port);
    if (port.size == 0) return refuse(why, "the brackets of the URL are not closed");
    port = lti_slice_from(port, 1);
    error = set_ipv6_host(url, host, why);
  } else {
    leat_slice host = until(text, ":", &port);
    error = set_host(url, host, why);
  }
  return error ? error : set_port(url, port, why);
}

/* Path, query and fragment; the last is not kept. */
static int set_path(lti_url *url, leat_slice text, const char **why) {
  leat_slice rest;
  url->path = until(text, "#", &rest);
  if (!is_printable(url->path) || !is_printable(rest)) {
    return refuse(why, "the URL holds a blank, a control byte or a byte that is not ASCII");
  }
  return LEAT_OK;
}

/* ---- Unix sockets */

/* "/run/x.sock" or "/run/x.sock:/path?query#fragment". */
static int set_unix(lti_url *url, leat_slice text, const char **why) {
  leat_slice rest;
  if (lti_slice_starts(text, "//")) text = lti_slice_from(text, 2);
  if (!lti_slice_starts(text, "/") || lti_slice_starts(text, "//")) {
    return refuse(why, "what follows \"unix:\" is not the absolute path of a socket");
  }
  leat_slice socket = until(text, ":?#", &rest);
  if (socket.size > LTI_URL_UNIX_MAX) {
    return refuse(why, "the path of the Unix socket is longer than 107 bytes");
  }
  for (size_t i = 0; i < socket.size; i++) {
    unsigned char c = (unsigned char)socket.data[i];
    if (c < 0x20 || c == 0x7f) {
      return refuse(why, "the path of the Unix socket holds a control byte");
    }
  }
  if (rest.size && !lti_slice_starts(rest, ":/")) {
    return refuse(why, "the path behind a Unix socket is not set off by \":/\"");
  }
  memcpy(url->host, socket.data, socket.size);
  url->unix_socket = url->loopback = true;
  url->port = 80;
  return set_path(url, lti_slice_from(rest, rest.size ? 1 : 0), why);
}

/* ---- whole URLs */

/* True when `text` begins with `scheme`, in any case; `rest` is what follows. */
static bool take_text(leat_slice text, const char *scheme, leat_slice *rest) {
  size_t n = strlen(scheme);
  if (text.size < n || !lti_slice_is_nocase(lti_slice(text.data, n), scheme)) return false;
  *rest = lti_slice_from(text, n);
  return true;
}

/* True when `text` begins with http:// or https://; `rest` is what follows. */
static bool take_scheme(lti_url *url, leat_slice text, leat_slice *rest) {
  url->tls = take_text(text, "https://", rest);
  return url->tls || take_text(text, "http://", rest);
}

/* What follows the "//": authority, path and query, fragment. */
static int set_rest(lti_url *url, leat_slice text, const char **why) {
  leat_slice rest;
  leat_slice authority = until(text, "/?#", &rest);
  int error = set_authority(url, authority, why);
  return error ? error : set_path(url, rest, why);
}

int lti_url_parse(lti_url *url, leat_slice text, const char **why) {
  leat_slice rest;
  memset(url, 0, sizeof *url);
  if (take_text(text, "unix:", &rest)) return set_unix(url, rest, why);
  if (!take_scheme(url, text, &rest)) {
    return refuse(why, "the URL does not begin with https://, http:// or unix:/");
  }
  return set_rest(url, rest, why);
}

int lti_url_parse_ws(lti_url *url, leat_slice text, const char **why) {
  leat_slice rest;
  bool secure = take_text(text, "wss://", &rest);
  if (!secure && !take_text(text, "ws://", &rest)) {
    bool other = take_scheme(url, text, &rest) || take_text(text, "unix:", &rest);
    if (other) return lti_url_parse(url, text, why);
    return refuse(why, "the URL does not begin with wss://, ws://, https://, http:// or unix:/");
  }
  memset(url, 0, sizeof *url);
  url->tls = secure;
  return set_rest(url, rest, why);
}

/* The host as a URL or a Host field has it, then the port unless it is the default. */
static int append_host(const lti_url *url, leat_slice host, lti_buf *out) {
  bool brackets = host.size && memchr(host.data, ':', host.size);
  size_t before = out->size;
  int error = brackets ? lti_buf_byte(out, '[') : LEAT_OK;
  if (!error) error = lti_buf_append(out, host);
  if (!error && brackets) error = lti_buf_byte(out, ']');
  if (!error && url->port != (url->tls ? 443 : 80)) {
    error = lti_buf_byte(out, ':');
    if (!error) error = lti_buf_u64(out, url->port);
  }
  if (error) out->size = before;
  return error;
}

int lti_url_origin(const lti_url *url, lti_buf *out) {
  size_t before = out->size;
  leat_slice host = lti_slice_of(url->host);
  int error = lti_buf_text(out, url->unix_socket ? "unix:" : url->tls ? "https://" : "http://");
  if (!error) error = url->unix_socket ? lti_buf_append(out, host) : append_host(url, host, out);
  if (error) out->size = before;
  return error;
}

int lti_url_host_field(const lti_url *url, lti_buf *out) {
  if (url->unix_socket) return lti_buf_text(out, "localhost");
  leat_slice host = lti_slice_of(url->host);
  if (host.size && host.data[host.size - 1] == '.') host.size--;
  return append_host(url, host, out);
}

bool lti_url_same_origin(const lti_url *a, const lti_url *b) {
  return a->tls == b->tls && a->unix_socket == b->unix_socket && a->port == b->port &&
         strcmp(a->host, b->host) == 0;
}

/* ---- endpoints */

/* "v1", "v1beta", "v2alpha": v, a digit, then letters and digits. */
static bool is_version(leat_slice segment) {
  if (segment.size < 2 || segment.data[0] != 'v' || !is_digit(segment.data[1])) return false;
  for (size_t i = 2; i < segment.size; i++) {
    if (!is_digit(segment.data[i]) && !is_alpha(segment.data[i])) return false;
  }
  return true;
}

/* Gateways mount both side by side, whichever of them their base URL was given with. */
static bool is_usual(leat_slice version) {
  return lti_slice_is(version, "v1") || lti_slice_is(version, "v1beta");
}

/* Cuts what the joint would have twice from the base's path: slashes at its end, and a version
 * segment that `tail`, which has no slash in front, begins with, or has its own of. */
static leat_slice base_before(leat_slice path, leat_slice tail) {
  leat_slice rest;
  leat_slice first = until(tail, "/", &rest);
  while (path.size && path.data[path.size - 1] == '/') path.size--;
  if (path.size == 0) return is_version(first) ? path : lti_slice_of("/v1");
  size_t at = path.size;
  while (at > 0 && path.data[at - 1] != '/') at--;
  leat_slice last = lti_slice_from(path, at);
  bool twice = is_version(first) && lti_slice_equal(last, first);
  if (at == 0 || !(twice || (is_usual(last) && is_usual(first)))) return path;
  path.size = at;
  while (path.size && path.data[path.size - 1] == '/') path.size--;
  return path;
}

/* Path and query of both, the base's first; `tail` has no slash in front. */
static int append_joined(leat_slice base, leat_slice tail, leat_slice base_query,
                         leat_slice tail_query, lti_buf *out) {
  size_t before = out->size;
  int error = lti_buf_append(out, base);
  if (!error) error = lti_buf_byte(out, '/');
  if (!error) error = lti_buf_append(out, tail);
  if (!error) error = lti_buf_append(out, base_query);
  if (!error && base_query.size && tail_query.size) {
    error = lti_buf_byte(out, '&');
    tail_query = lti_slice_from(tail_query, 1);
  }
  if (!error) error = lti_buf_append(out, tail_query);
  if (error) out->size = before;
  return error;
}

static leat_slice without_slashes(leat_slice path) {
  while (path.size && path.data[0] == '/') path = lti_slice_from(path, 1);
  return path;
}

int lti_url_join(leat_slice base, const char *tail, lti_buf *out) {
  leat_slice base_query, tail_query;
  leat_slice base_path = until(base, "?", &base_query);
  leat_slice tail_path = without_slashes(until(lti_slice_of(tail), "?", &tail_query));
  return append_joined(base_before(base_path, tail_path), tail_path, base_query, tail_query, out);
}

static bool has_version(leat_slice path) {
  leat_slice rest = path;
  while (rest.size) {
    if (is_version(until(without_slashes(rest), "/", &rest))) return true;
  }
  return false;
}

static leat_slice trim_end(leat_slice path, size_t size) {
  path.size = size;
  while (path.size && path.data[path.size - 1] == '/') path.size--;
  return path;
}

/* The base without what its end and the tail's beginning have in common, a version among it. */
static bool cut_overlap(leat_slice *base, leat_slice tail) {
  for (size_t at = 0; at < base->size; at++) {
    leat_slice end = lti_slice_from(*base, at + 1);
    bool whole = end.size == tail.size || (end.size < tail.size && tail.data[end.size] == '/');
    if (base->data[at] != '/' || !end.size || !whole || !has_version(end)) continue;
    if (memcmp(tail.data, end.data, end.size) != 0) continue;
    *base = trim_end(*base, at);
    return true;
  }
  return false;
}

/* What becomes of the versions where base and tail have none in common. */
static void settle_versions(leat_slice *base, leat_slice *tail, bool stays) {
  leat_slice rest, first = until(*tail, "/", &rest);
  size_t at = base->size;
  while (at > 0 && base->data[at - 1] != '/') at--;
  leat_slice last = lti_slice_from(*base, at);
  bool versioned = is_version(first);
  if (is_usual(last) && (!versioned || is_usual(first)))
    *base = trim_end(*base, at);
  else if (versioned && (is_version(last) || (last.size && !stays && lti_slice_is(first, "v1"))))
    *tail = without_slashes(rest);
}

int lti_url_join_root(leat_slice base, const char *tail, bool stays, lti_buf *out) {
  leat_slice base_query, tail_query;
  leat_slice path = until(base, "?", &base_query);
  leat_slice end = without_slashes(until(lti_slice_of(tail), "?", &tail_query));
  path = trim_end(path, path.size);
  if (!cut_overlap(&path, end)) settle_versions(&path, &end, stays);
  return append_joined(path, end, base_query, tail_query, out);
}

int lti_url_encode(leat_slice segment, lti_buf *out) {
  static const char digits[] = "0123456789ABCDEF";
  size_t before = out->size;
  int error = LEAT_OK;
  if (lti_slice_is(segment, ".") || lti_slice_is(segment, "..")) return LEAT_EURL;
  for (size_t i = 0; i < segment.size && !error; i++) {
    unsigned char c = (unsigned char)segment.data[i];
    bool plain = is_alpha((char)c) || is_digit((char)c) || (c && strchr("-._~", c));
    char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
    error = plain ? lti_buf_byte(out, (char)c) : lti_buf_append(out, lti_slice(escaped, 3));
  }
  if (error) out->size = before;
  return error;
}

/* ---- redirects */

/* RFC 3986 section 3.1: ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) ":" */
static bool has_scheme(leat_slice text) {
  for (size_t i = 0; i < text.size; i++) {
    char c = text.data[i];
    if (c == ':') return i > 0;
    if (!is_alpha(c) && (i == 0 || (!is_digit(c) && c != '+' && c != '-' && c != '.')))
      return false;
  }
  return false;
}

/* RFC 3986 section 5.2.4, in place: "/a/b/../c/." becomes "/a/c/". A ".." takes the last segment
 * off what was written so far, so that each byte is written and taken off at most once. */
static void remove_dot_segments(lti_buf *path) {
  char *p = path->data;
  size_t in = 0, out = 0;
  assert(path->size > 0 && p[0] == '/');
  while (in < path->size) {
    size_t end = in + 1;
    while (end < path->size && p[end] != '/') end++;
    leat_slice segment = lti_slice(p + in + 1, end - in - 1);
    bool up = lti_slice_is(segment, "..");
    if (up || lti_slice_is(segment, ".")) {
      while (up && out > 0 && p[--out] != '/') continue;
      if (end == path->size) p[out++] = '/';
    } else {
      memmove(p + out, p + in, end - in);
      out += end - in;
    }
    in = end;
  }
  path->size = out;
}

/* Section 5.2.3: the reference stands in place of what follows the base path's last slash. */
static leat_slice directory_of(leat_slice path) {
  while (path.size && path.data[path.size - 1] != '/') path.size--;
  return path;
}

static int write_path(leat_slice directory, leat_slice path, leat_slice query, lti_buf *out) {
  lti_buf_clear(out);
  leat_slice first = directory.size ? directory : path;
  int error = lti_slice_starts(first, "/") ? LEAT_OK : lti_buf_byte(out, '/');
  if (!error) error = lti_buf_append(out, directory);
  if (!error) error = lti_buf_append(out, path);
  if (error) return error;
  remove_dot_segments(out);
  return lti_buf_append(out, query);
}

/* Section 5.2.2 for a reference without scheme and authority. */
static int write_relative(const lti_url *from, leat_slice reference, lti_buf *out) {
  leat_slice query, from_query, rest;
  leat_slice from_path = until(from->path, "?", &from_query);
  leat_slice path = until(until(reference, "#", &rest), "?", &query);
  const leat_slice none = {NULL, 0};
  if (path.size == 0) return write_path(none, from_path, query.size ? query : from_query, out);
  if (path.data[0] == '/') return write_path(none, path, query, out);
  return write_path(directory_of(from_path), path, query, out);
}

static int resolve_origin(const lti_url *from, leat_slice location, lti_url *next,
                          const char **why) {
  leat_slice rest;
  if (location.size == 0) return refuse(why, "the redirect has no target");
  if (!is_printable(location)) {
    return refuse(why, "the redirect's target holds a blank, a control byte or is not ASCII");
  }
  bool relative = !has_scheme(location) && !lti_slice_starts(location, "//");
  if (from->unix_socket && !relative) {
    return refuse(why, "the redirect leads from a Unix socket to another origin");
  }
  if (lti_slice_starts(location, "//")) {
    return set_rest(next, lti_slice_from(location, 2), why);
  }
  if (relative) return LEAT_OK;
  if (!take_scheme(next, location, &rest)) {
    return refuse(why, "the redirect's target is neither http:// nor https://");
  }
  if (from->tls && !next->tls) return refuse(why, "the redirect leads from https to plain http");
  return set_rest(next, rest, why);
}

int lti_url_redirect(const lti_url *from, leat_slice location, lti_url *to, lti_buf *path_out,
                     const char **why) {
  lti_url next = *from;
  leat_slice query;
  const leat_slice none = {NULL, 0};
  assert(from->path.size == 0 || from->path.data != path_out->data);
  next.path = none;
  if (resolve_origin(from, location, &next, why)) return LEAT_EREDIRECT;
  bool relative = !has_scheme(location) && !lti_slice_starts(location, "//");
  leat_slice path = until(next.path, "?", &query);
  int error =
      relative ? write_relative(from, location, path_out) : write_path(none, path, query, path_out);
  if (error) return error;
  next.path = lti_buf_slice(path_out);
  *to = next;
  return LEAT_OK;
}
