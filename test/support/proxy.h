/* A CONNECT proxy that does what a test tells it, in threads of the test program: over plain TCP or
 * TLS, on loopback. Whatever host a CONNECT names, it is 127.0.0.1 here; the port counts.
 *
 * It writes down what it was asked and every byte that passed through its tunnels, so that a test
 * can say what never passed: no key, no request in clear. */
#ifndef TEST_PROXY_H
#define TEST_PROXY_H

#include "support/peer.h"

#define PROXY_REFUSES(status, body) "HTTP/1.1 " status "\r\n<<body>>" body "<<cut>>"
#define PROXY_WANTS_AUTH                                                                        \
  "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\n" \
  "<<body>>who are you<<cut>>"

typedef struct proxy proxy;

typedef struct proxy_options {
  tls_server *tls;            /* an https proxy; NULL: http */
  const char *auth;           /* what Proxy-Authorization must be, else 407; NULL: anything */
  const char *const *answers; /* to CONNECT n, with peer.h's marks, the last for all that follow;
                                 "": it connects; NULL: to all. Ends with NULL; texts must live */
  int delay_ms;               /* before it answers */
  const char *head;   /* its own 200, as it stands ["HTTP/1.1 200 Connection established"] */
  const char *behind; /* sent behind the 200 in the same segment, of the proxy's own */
  size_t cut_down;    /* tunnels are cut after so many bytes to the client; 0: not */
  bool reset;         /* and with RST */
} proxy_options;

/* Failures abort. */
proxy *proxy_start(const proxy_options *options);
void proxy_stop(proxy *p);

int proxy_port(const proxy *p);
/* "http://127.0.0.1:PORT" or https. */
const char *proxy_url(const proxy *p);
/* Connections accepted, CONNECTs read, tunnels made so far. */
unsigned proxy_conns(proxy *p);
unsigned proxy_requests(proxy *p);
unsigned proxy_tunnels(proxy *p);
/* CONNECT n as it came; NULL: not come yet. */
const char *proxy_request(proxy *p, unsigned n);
/* Bytes that passed from clients (`up`) or to them. */
size_t proxy_bytes(proxy *p, bool up);
/* The text stood in a CONNECT or passed through a tunnel. */
bool proxy_saw(proxy *p, const char *text);

#endif
