/* Proxies: which one a connection goes through, and the CONNECT request (RFC 9110 9.3.6) that makes
 * a tunnel of it. Every connection through a proxy is a tunnel, to plain origins as well, so that
 * no request's own fields are the proxy's to see. */
#ifndef LTI_PROXY_H
#define LTI_PROXY_H

#include "base/buf.h"
#include "base/url.h"

/* A parsed proxy: `auth` is the value of Proxy-Authorization, "Basic ...", empty: none. */
typedef struct lti_proxy {
  lti_url url;  /* http or https, path empty */
  lti_buf auth; /* secret */
} lti_proxy;

/* "http://user:password@host:port", "https://...", or "host:port", which is http. The port is 1080
 * for http and 443 for https unless given (as curl has it); user and password are percent-decoded,
 * and end at the last '@'. A path other than "/" is refused, as are control bytes, however written.
 * LEAT_EURL with a static text in `*why` (which may be NULL), LEAT_ENOMEM; nothing is left to free
 * then. */
int lti_proxy_init(lti_proxy *proxy, lti_alloc *alloc, leat_slice text, const char **why);
void lti_proxy_deinit(lti_proxy *proxy);

/* Does NO_PROXY name this host (an IPv6 address without brackets)? A list parted by commas or
 * blanks of: "*"; a name, which names its subdomains too (with or without a leading "." or "*.");
 * an IP address; an address with a prefix length (CIDR); each but "*" and CIDR with ":port" if
 * wanted (IPv6 in brackets then). Case and trailing dots are ignored, and so is an entry that is
 * none of these. Addresses are compared by value: ::ffff:10.0.0.1 is 10.0.0.1. Names are not looked
 * up. */
bool lti_proxy_bypassed(leat_slice no_proxy, const char *host, uint16_t port);

/* "CONNECT host:port HTTP/1.1", Host and Proxy-Authorization, appended whole or not at all; a
 * secret when there is the latter. The port is always written, IPv6 in brackets. LEAT_EHEADER for a
 * host that no authority can have, LEAT_ENOMEM, or the buffer's full_error. */
int lti_proxy_connect(const lti_proxy *proxy, const char *host, uint16_t port, lti_buf *out);

#endif
