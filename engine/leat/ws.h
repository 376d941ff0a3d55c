/* leat's WebSockets. A part of leat.h, which includes it; its rules hold here. */
#ifndef LEAT_WS_H
#define LEAT_WS_H

#ifndef LEAT_H
#error "include leat.h, which includes this"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A socket (RFC 6455). The grammar is
 *
 *     leat_ws_open() -> event* -> done
 *
 * It has an id as a request has, obeys leat_cancel and leat_resume, and takes a connection of its
 * own (HTTP/1.1, through the proxy and with the TLS settings of the engine), one of the origin's
 * conns_max for as long as it lives: further ones wait.
 *
 * There are two ways to use one, which may be mixed. As bytes: leat_ws_send, and LEAT_WS_MESSAGE in
 * pieces as they come, never put together. With a protocol, also in turns: a leat_request with
 * `socket` is a question whose answer is told as that of any other request, with a result and
 * deadlines of its own. Turns wait in line, and one at a time is asked; none is ever asked twice. A
 * turn that is cancelled or too late leaves the socket as it is: the rest of its answer is read,
 * for 30 s at most, before the next one begins. When the socket ends, so do its turns: the one
 * under way with LEAT_ETRUNCATED or what befell the socket, those that were not asked yet with an
 * error that says so and `retryable`. What comes while no turn is under way is LEAT_WS_DECODED.
 *
 * While a socket or its running turn has paused nothing is read, PINGs included: a pause should be
 * shorter than the peer's patience. PINGs are answered by themselves, of many the newest. */
enum leat_ws_type { LEAT_WS_TEXT = 1, LEAT_WS_BINARY = 2 };

enum leat_ws_event_kind {
  LEAT_WS_OPEN = 1, /* the handshake is done: head, and `bytes` is the subprotocol chosen */
  LEAT_WS_MESSAGE,  /* `bytes` is a piece of a message: `first` and `last` say where it stands */
  LEAT_WS_DECODED,  /* with a protocol: `event`, as requests have them, behind its message */
  LEAT_WS_PING,     /* `bytes`; it is answered already */
  LEAT_WS_PONG,
  LEAT_WS_SENT,   /* what was sent has left, after leat_ws_send said that more was queued than
                     queue_bytes */
  LEAT_WS_CLOSING /* the peer's Close: `code`, and `bytes` is its reason */
};

typedef struct leat_ws_event {
  enum leat_ws_event_kind kind;
  enum leat_ws_type type;
  bool first, last;
  unsigned code;
  leat_slice bytes;
  uint64_t received_ns;
  const leat_head *head;
  const leat_event *event;
} leat_ws_event;

/* Returns LEAT_CONTINUE or LEAT_PAUSE, as leat_event_cb. */
typedef int (*leat_ws_event_cb)(leat_engine *engine, leat_id id, const leat_ws_event *event,
                                void *user);
/* Once, and last. `code` is the peer's close code, 1005 when it gave none and 1006 when the
 * connection was lost without one. result->error is LEAT_OK when both sides closed and the peer's
 * code was 1000, 1001 or 1005. */
typedef void (*leat_ws_done_cb)(leat_engine *engine, leat_id id, const leat_result *result,
                                unsigned code, void *user);

typedef struct leat_ws {
  size_t struct_size;
  const char *url; /* "wss://host/path?query", ws, https or http. NULL: base_url with the protocol's
                      path */
  const char *base_url;
  const char *protocol; /* NULL: bytes only. "realtime", "chat-ws", "responses-ws": adds the path,
                           the key in its place, and LEAT_WS_DECODED events */
  const char *model;    /* realtime: becomes ?model= */
  const char *api_key;
  bool key_in_subprotocol;  /* realtime: as browsers must, instead of a header */
  const char *subprotocols; /* "a, b", what is offered [the protocol's] */
  const leat_header *headers;
  size_t header_count;
  leat_deadlines deadlines; /* dns, connect, head (the handshake), idle (between any two bytes;
                               off), queue and total (off) */
  int64_t close_ms;         /* how long a close may take before the connection is cut [5,000] */
  int64_t ping_ms;          /* a silent socket is pinged; without a byte in as long again it is lost
                               [30,000] */
  int64_t message_bytes_max; /* [64 MiB]: LEAT_EMESSAGEMAX */
  int64_t queue_bytes;       /* how much leat_ws_send may queue [1 MiB] */
  leat_ws_event_cb on_event; /* NULL: events are dropped */
  leat_ws_done_cb on_done;   /* required */
  void *user;
} leat_ws;

LEAT_API void leat_ws_init(leat_ws *ws);
/* As leat_submit; LEAT_EUPGRADE and what becomes of it later are told by done. A redirect is not
 * followed. A refused handshake's status and body are in the result. */
LEAT_API int leat_ws_open(leat_engine *engine, const leat_ws *ws, leat_id *id);
/* Sends a message, or a piece of one that goes on until `last`. May be called before LEAT_WS_OPEN:
 * it waits. Returns 1 when it was taken but queue_bytes is reached: go on at LEAT_WS_SENT.
 * LEAT_EQUEUEFULL: not taken, twice queue_bytes wait already. LEAT_EINVAL: text that is not UTF-8.
 * LEAT_ESTATE once closing; LEAT_ENOTFOUND, LEAT_ENOMEM. */
LEAT_API int leat_ws_send(leat_engine *engine, leat_id id, enum leat_ws_type type, leat_slice bytes,
                          bool last);
/* At most 125 bytes. */
LEAT_API int leat_ws_ping(leat_engine *engine, leat_id id, leat_slice payload);
/* Starts the close handshake: code 1000 to 1003, 1007 to 1011, 3000 to 4999, or 0 for none; at most
 * 123 bytes of reason. What was sent before leaves first. */
LEAT_API int leat_ws_close(leat_engine *engine, leat_id id, unsigned code, leat_slice reason);

#ifdef __cplusplus
}
#endif
#endif
