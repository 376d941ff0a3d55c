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
 * for http and 443 for https unless given (as curl has it); user and password are percent-decoded.
 * LEAT_EURL with a static text in `*why`, LEAT_ENOMEM. */
int lti_proxy_init(lti_proxy *proxy, lti_alloc *alloc, leat_slice text, const char **why);
void lti_proxy_deinit(lti_proxy *proxy);

/* Does NO_PROXY name this host? A list parted by commas or blanks of: "*"; a name, which names its
 * subdomains too (with or without a leading dot); an IP address; an address with a prefix length
 * (CIDR); each but "*" and CIDR with ":port" if wanted (IPv6 in brackets then). Case is ignored,
 * and a trailing dot of the host. */
bool lti_proxy_bypassed(leat_slice no_proxy, const char *host, uint16_t port);

/* "CONNECT host:port HTTP/1.1", Host and Proxy-Authorization, appended whole or not at all. The
 * port is always written, IPv6 in brackets. */
int lti_proxy_connect(const lti_proxy *proxy, const char *host, uint16_t port, lti_buf *out);

#endif
