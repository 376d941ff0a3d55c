/* WebSocket on the server's side (RFC 6455): what its files share.
 *
 *   ws_shake.c  the handshake, and how a connection of HTTP/1.1 becomes a socket
 *   ws.c        frames both ways, turns one after another
 *   ws_talk.c   what is said on each path: echo, chat, responses, realtime
 *   answer.c    the events of a response, over a socket or as server-sent events
 *
 * A turn is an exchange whose head is that of the handshake and whose body is the message that
 * asked for it, so that cadence, text and faults are those of the same request over HTTP. The
 * events of its answer come as pieces of an event stream, and each becomes a text message. */
#ifndef MOCK_WS_H
#define MOCK_WS_H

#include "bench/mock/gateway.h"

enum ws_path { WS_ECHO, WS_CHAT, WS_RESPONSES, WS_REALTIME };

enum ws_opcode {
  WS_CONTINUATION = 0,
  WS_TEXT = 1,
  WS_BINARY = 2,
  WS_CLOSE = 8,
  WS_PING = 9,
  WS_PONG = 10
};

/* What the query of the handshake asks of the socket itself. */
typedef struct ws_script {
  bool wrong_accept, no_accept, alien_protocol; /* of the handshake */
  bool no_close, hold;                          /* Close is not answered; TCP stays behind it */
  bool done;                                    /* chat: [DONE] ends a turn */
  bool message;                                 /* chat: choices[].message, not delta */
  uint32_t pings;                               /* sent at once */
  uint32_t fragment;                            /* bytes of a frame that echoes */
  uint32_t close, close_after;                  /* a code, and after how many messages */
} ws_script;

typedef struct ws {
  mock_conn *conn;
  mock_exchange *shake;
  enum ws_path path;
  bool beta; /* realtime: the event names of its beta */
  bool closing, closed;
  ws_script script;
  lti_list turns; /* of mock_exchange.all; the first is under way */
  uint32_t turn_count, waiting;
  uint32_t taken, serial; /* messages from the peer; events of the session */
  lti_buf in, message;
  int opcode; /* of the message that is coming in pieces, 0: none */
} ws;

typedef struct ws_turn {
  mock_exchange x; /* first */
  bool begun, over;
  bool open; /* a message has begun and goes on in the next piece */
} ws_turn;

static inline ws *ws_of(const mock_conn *c) {
  return c->session;
}

/* ws.c */
void ws_send(ws *w, enum ws_opcode opcode, const char *bytes, size_t size);
void ws_send_text(ws *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ws_send_close(ws *w, unsigned code, const char *reason);
/* The message asks for a turn; it waits for those before it. */
void ws_ask(ws *w, leat_slice message);

/* ws_shake.c */
uint32_t ws_query_number(const char *url, const char *name);

/* ws_talk.c */
void ws_talk_open(ws *w);
void ws_talk_message(ws *w, enum ws_opcode opcode, leat_slice message);
void ws_talk_begin(ws *w, ws_turn *turn);
/* An error instead of an answer: `body` is what HTTP would have answered. */
void ws_talk_error(ws *w, leat_slice body);

#endif
