/* A WebSocket server of the simulated world, which speaks chat-ws as a script has it.
 *
 * A question names itself: its content is "q7". The answer to question 7 is the text "q7.0 q7.1
 * ..." in as many pieces as the script says, or the end that it wants instead. A question that
 * comes while another is being answered on the same socket is a breach, and so is one that comes
 * twice. */
#ifndef TEST_SIM_WS_H
#define TEST_SIM_WS_H

#include "base/buf.h"
#include "sim/sim.h"

#define SIM_WS_QUESTIONS 256

enum sim_ws_end {
  SIM_WS_WHOLE, /* the answer's own end, and the socket stays */
  SIM_WS_ERROR, /* an error object, and it stays too */
  SIM_WS_CLOSE, /* Close with `code` */
  SIM_WS_RESET,
  SIM_WS_FIN,
  SIM_WS_STALL,   /* nothing is heard or said any more */
  SIM_WS_MUTE,    /* the answer does not go on, though PINGs are answered */
  SIM_WS_GARBAGE, /* a message that is no JSON */
  SIM_WS_BREACH   /* a frame that may not be */
};

typedef struct sim_ws_reply {
  unsigned pieces;
  bool messages;    /* each holds all so far */
  bool fragments;   /* each message in two frames, with a PING between */
  uint64_t pace_ns; /* the longest time before each */
  enum sim_ws_end end;
  unsigned at, code; /* it comes behind so many pieces */
} sim_ws_reply;

typedef struct sim_ws {
  sim *w;
  void (*script)(void *ctx, unsigned question, sim_ws_reply *reply);
  void *ctx;
  unsigned refuse_permille; /* handshakes that are answered 503 */
  unsigned seen[SIM_WS_QUESTIONS];
  unsigned breaches, sockets, closes;
  lti_alloc alloc;
  lti_list conns;
} sim_ws;

/* Serves all links of the world. */
void sim_ws_init(sim_ws *s, sim *w);
void sim_ws_deinit(sim_ws *s);
/* What is answered to a question: all of it, into `text`; the length. */
size_t sim_ws_text(unsigned question, unsigned pieces, char *text, size_t size);

#endif
