/* Turns in the flow fixture: see asking.h. */
#include "support/asking.h"

#include "base/slice.h"

flow_call *ask(flow *f, peer *server, leat_id socket, const char *body) {
  if (!f->request.protocol) f->request.protocol = "chat-ws";
  f->request.base_url = peer_url(server);
  f->request.socket = socket;
  f->request.body = lti_slice_of(body);
  return flow_submit(f);
}
