/* An HTTP/2 server over a peer's link (support/peer.h), frame by frame, for tests of whole engines:
 * a test's script says what happens, this reads frames, keeps to flow control and keeps the books.
 *
 *   static void serve(h2_talk *t) {
 *     h2_ask ask;
 *     while (h2_peer_next(t, &ask)) h2_peer_answer(t, ask);
 *   }
 *
 * Prompts are numbers, which h2_peer_prompt writes into a request's body; nothing is read of header
 * blocks. Books are kept over all links: how often a prompt came whole, and how often its answer
 * began, which is what counts as run. Nothing of the code under test judges itself here. */
#ifndef TEST_H2_PEER_H
#define TEST_H2_PEER_H

#include <stdatomic.h>

#include "support/flow.h"
#include "support/h2_frames.h"

#define H2_PROMPTS_MAX 256
#define H2_STREAMS_MAX 1024 /* of one link */
#define H2_ASK_BYTES   128  /* of a request's body that are kept */

typedef struct h2_talk h2_talk;

typedef struct h2_peer {
  void (*script)(h2_talk *t);
  void *ctx;                /* the test's */
  const uint32_t *settings; /* of our greeting: identifiers and values */
  size_t setting_count;
  bool keeps_windows; /* gives nothing back of what the client sends */
  atomic_uint seen[H2_PROMPTS_MAX], runs[H2_PROMPTS_MAX];
  atomic_uint heads;  /* HEADERS of requests, over all links */
  atomic_uint resets; /* RST_STREAM of the client's */
  atomic_uint faults; /* of the client's, printed */
} h2_peer;

/* A whole request. */
typedef struct h2_ask {
  uint32_t id;
  unsigned prompt;
} h2_ask;

typedef struct h2_stream {
  char body[H2_ASK_BYTES];
  size_t body_size;
  int64_t window; /* what may still be sent on it */
  bool open, whole, reset;
} h2_stream;

/* One link. */
struct h2_talk {
  peer_link *link;
  h2_peer *peer;
  unsigned number;     /* of the link, from 0 */
  h2_script out;       /* what h2_peer_flush sends */
  uint32_t limit;      /* streams allowed at once, kept to since it was acknowledged */
  uint32_t said_limit; /* the last one said, which the next acknowledgement is for */
  unsigned heads;      /* requests whose head came */
  uint32_t last_id;    /* of them the last one's */
  uint32_t waiting;    /* settings that wait for an acknowledgement */
  unsigned active;     /* streams that neither side has ended for good */
  uint32_t client_initial;
  int64_t window;
  bool acked_ping, over;
  bool gone; /* the client has said GOAWAY: why_gone */
  uint32_t why_gone;
  h2_ask asks[H2_STREAMS_MAX]; /* whole requests that nobody has taken yet */
  size_t ask_first, ask_count;
  h2_stream streams[H2_STREAMS_MAX];
};

/* A peer that serves HTTP/2 by `script`; over TLS it needs ALPN of the flow's server. */
peer *h2_peer_start(flow *f, h2_peer *p);
/* The script of a peer whose `ctx` is an h2_peer, for those who choose the links themselves. */
void h2_peer_serve(peer_link *l, void *ctx);
/* f->request with this prompt, to its base_url. */
flow_call *h2_peer_chat(flow *f, unsigned prompt);

/* ---- for scripts: false when the link has ended */

/* The next whole request. */
bool h2_peer_next(h2_talk *t, h2_ask *ask);
/* Reads one frame and deals with it. */
bool h2_peer_step(h2_talk *t);
/* Until the client has taken all that was sent, and what it says to that has come. */
bool h2_peer_sync(h2_talk *t);
/* Sends what stands in t->out. */
bool h2_peer_flush(h2_talk *t);
/* How many streams may be open at once. */
void h2_peer_limit(h2_talk *t, uint32_t streams_max);
/* The head of an answer, which runs the prompt now; its text; its end. All go into t->out. */
void h2_peer_head(h2_talk *t, h2_ask ask);
/* One event of it: "PROMPT:TEXT ". False: a window has no room, nothing was written. */
bool h2_peer_text(h2_talk *t, h2_ask ask, const char *text);
/* Finish reason, [DONE], END_STREAM. */
void h2_peer_done(h2_talk *t, h2_ask ask);
/* All three of it, with the text "ok". */
void h2_peer_answer(h2_talk *t, h2_ask ask);
void h2_peer_reset(h2_talk *t, h2_ask ask, uint32_t code);
/* Reads on, says nothing, until the link ends. */
void h2_peer_silent(h2_talk *t);

#endif
