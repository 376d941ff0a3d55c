/* A server that does what a test tells it, in threads of the test program: blocking sockets on
 * loopback, the port chosen by the system, plain or TLS, a thread for each connection. Every wait
 * is bounded and ends when the peer is stopped.
 *
 * What it says is a text with marks in << >>, sent as it stands but for them:
 *
 *   <<sleep N>>  waits N ms             <<reset>>   closes with RST
 *   <<fin>>      half-closes            <<close>>   closes; over TLS without close_notify
 *   <<bye>>      close_notify, closes   <<silent>>  says nothing until the other side closes
 *   <<chunked>>  from here each run of text between marks is one chunk, until
 *   <<last>>     the last chunk         <<cut>>     only parts two runs
 *   <<body>>     a Content-Length of the text that follows, and the end of the head
 *   <<fill N>>   N times 'x'            <<drip>>    from here each byte is sent alone
 *   <<hello>>    over TLS: HelloRequest <<notify>>  over TLS: close_notify alone
 *   <<ticket>>   over TLS 1.3: one of those that the server held back
 *
 * Text between two waits leaves in one piece, so that an answer without waits is whole when its
 * first byte is read, and its connection free again when its request is done.
 *
 * With `answers`, request n over all connections is answered by text n, the last one for all that
 * follow. `greets` is the same by connection, said before anything is read: NULL or "" is nothing.
 * With `script`, a function serves each connection instead. */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "leat.h"
#include "support/tls_server.h"

typedef struct peer peer;
typedef struct peer_link peer_link;
typedef void (*peer_script)(peer_link *link, void *ctx);

typedef struct peer_options {
  const char *const *answers; /* ends with NULL; its texts must outlive the peer */
  const char *const *greets;
  peer_script script;
  void *ctx;
  tls_server *tls;       /* NULL: plain */
  int port;              /* [the system's choice] */
  bool ipv6;             /* on ::1 */
  const char *unix_path; /* on this Unix socket instead, which the peer makes and removes */
  bool deaf;             /* listens with a full queue: a SYN gets no answer */
} peer_options;

/* Failures abort. */
peer *peer_start(const peer_options *options);
/* Ends every link, waits for the threads. */
void peer_stop(peer *p);

int peer_port(const peer *p);
/* "http://127.0.0.1:PORT" or https, or [::1], or "unix:PATH". */
const char *peer_url(const peer *p);
/* That of its options. */
void *peer_ctx(const peer *p);
/* Connections accepted, and requests read, so far. */
unsigned peer_conns(peer *p);
unsigned peer_requests(peer *p);
/* How many links are open now, and the most there ever were. */
unsigned peer_open(peer *p);
unsigned peer_open_peak(peer *p);
/* Request n as it came, NUL-terminated; NULL: not come yet. Lives as long as the peer. */
const char *peer_request(peer *p, unsigned n);
/* Waits until at least n requests were read; false after 5 s. */
bool peer_await(peer *p, unsigned n);
/* TLS: nothing resumes any more. */
void peer_rotate(peer *p);

/* ---- for scripts */

/* A request with its body. False: the link ended. */
bool peer_read(peer_link *l);
/* The last request that peer_read took; its number over all links. */
const char *peer_link_text(const peer_link *l);
unsigned peer_link_number(const peer_link *l);
/* The connection's number, from 0. */
unsigned peer_link_index(const peer_link *l);
/* Plays a text with marks. False: the link ended, by the text or by the other side. */
bool peer_say(peer_link *l, const char *text);
bool peer_send(peer_link *l, leat_slice bytes);
/* Exactly so many bytes of what the other side says next. False: the link ended. */
bool peer_take(peer_link *l, void *bytes, size_t size);
/* What the other side says next, `room` bytes at most; 0: the link ended. */
size_t peer_take_some(peer_link *l, void *bytes, size_t room);
/* Below TLS, if there is any. */
bool peer_send_raw(peer_link *l, leat_slice bytes);
/* False: the peer is being stopped. */
bool peer_sleep(peer_link *l, int ms);
/* Says no more; with RST when its thread ends, or as any end. */
void peer_hang_up(peer_link *l, bool reset);
/* Hears what passes; false cuts the tunnel before the bytes go on. */
typedef bool (*peer_tap)(void *ctx, bool up, leat_slice bytes);
/* Joins the link with a connected socket until both sides have ended, and closes that. */
void peer_relay(peer_link *l, int fd, peer_tap tap, void *ctx);

/* ---- texts */

#define ANSWER(status, type, body) \
  "HTTP/1.1 " status "\r\nContent-Type: " type "\r\n<<body>>" body "<<cut>>"
#define ANSWER_JSON(status, body) ANSWER(status, "application/json", body)
#define CHAT_HEAD                                          \
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" \
  "Transfer-Encoding: chunked\r\n\r\n<<chunked>>"
#define CHAT_TEXT(text) \
  "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n<<cut>>"
#define CHAT_STOP \
  "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n<<cut>>"
#define CHAT_DONE  "data: [DONE]\n\n<<cut>>"
#define CHAT_END   CHAT_STOP CHAT_DONE "<<last>>"
#define CHAT_HELLO CHAT_HEAD CHAT_TEXT("hello") CHAT_END
#define CHAT_JSON                                                                                  \
  ANSWER_JSON("200 OK",                                                                            \
              "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hello" \
              "\"},\"finish_reason\":\"stop\"}]}")
#define REFUSED(status, code) \
  ANSWER_JSON(status, "{\"error\":{\"message\":\"no\",\"type\":\"t\",\"code\":\"" code "\"}}")

#endif
