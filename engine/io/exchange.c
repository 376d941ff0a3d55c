/* Exchanges: see exchange.h. What their connection does for them is its carrier's; a backlog
 * without a connection is HTTP/2's. */
#include "io/exchange.h"

#include <assert.h>

#include "base/error.h"
#include "io/carrier.h"

bool lti_exchange_open(const lti_exchange *x) {
  return x->conn || x->backlog;
}

void lti_exchange_abandon(lti_exchange *x, bool drain) {
  const lti_carrier *carrier = x->conn ? x->conn->carrier : &lti_carrier_h2;
  carrier->abandon(x, drain);
}

void lti_exchange_resume(lti_exchange *x) {
  assert(x->paused);
  const lti_carrier *carrier = x->conn ? x->conn->carrier : &lti_carrier_h2;
  carrier->resume(x);
}

int lti_exchange_supply(lti_exchange *x, const lti_http_piece *piece) {
  if (!x->conn) return LTI_OK;
  lti_link_mark(&x->conn->link);
  return x->conn->carrier->supply(x, piece);
}

int lti_exchange_send(lti_exchange *x, leat_slice bytes) {
  if (!x->conn || !x->conn->h1.tunnel) return LEAT_ESTATE;
  int r = lti_link_write(&x->conn->link, bytes);
  lti_link_mark(&x->conn->link);
  return r;
}

size_t lti_exchange_queued(const lti_exchange *x) {
  return x->conn ? lti_link_queued(&x->conn->link) : 0;
}
