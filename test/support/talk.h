/* One socket in the flow fixture, and what came of it: the record that flow_call is for requests.
 *
 *   talk *t = talk_open(f, url_of_peer, NULL);     t->ws may be changed before talk_start
 *   flow_wait(f);
 *   assert_string_equal(t->kinds, "OMC");
 */
#ifndef TEST_TALK_H
#define TEST_TALK_H

#include "support/flow.h"
#include "support/ws_peer.h"

typedef struct talk talk;

struct talk {
  talk *next;
  flow *flow;
  flow_call *call; /* id, error, message ... of the result */
  leat_ws ws;
  char kinds[256]; /* O M D P(ing) p(ong) S(ent) C; the first ones */
  unsigned events;
  char *text;    /* of messages; a "|" behind each whole one */
  char *decoded; /* texts of decoded events */
  char subprotocol[128], reason[160];
  unsigned closing, code; /* of LEAT_WS_CLOSING, and of done */
  int (*on_event)(talk *t, const leat_ws_event *event);
  void *ctx;
  int number;
};

/* A peer that plays `scripts` (support/ws_peer.h), which end with NULL; one that chooses a
 * subprotocol; one on a Unix socket. */
peer *talk_peer(flow *f, const char *const *scripts);
peer *talk_peer_with(flow *f, const char *subprotocol, const char *const *scripts);
peer *talk_peer_at(flow *f, const char *unix_path, const char *const *scripts);
/* Waits until its connections have ended, fails the test if not all went as its script says, and
 * stops it. */
void talk_peer_over(flow *f, peer *p);
talk *talk_new(flow *f);
/* Opens t->ws; fails the test unless accepted. The other gives the error. */
void talk_start(talk *t);
int talk_try(talk *t);
/* Both: to a peer, with a protocol or NULL. */
talk *talk_open(flow *f, peer *p, const char *protocol);
int talk_send(talk *t, const char *text);
int talk_close(talk *t, unsigned code, const char *reason);
void talk_wait(talk *t);
void talk_wait_events(talk *t, unsigned n);
void talk_free(talk *t);

#endif
