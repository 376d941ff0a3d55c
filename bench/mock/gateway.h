/* What the gateway's files share: the server, a connection, an exchange (one request and its
 * answer).
 *
 *   mock.c     start, accept, close          cadence.c  the heap of due times and its clock
 *   conn.c     reading, writing, endings     tls.c      TLS of a connection, sessions
 *   http.c     llhttp -> exchange            certs.c    the throwaway CA and certificate
 *   plan.c     what the request asks for     fault.c    names of faults, rules with probability
 *   reply.c    heads, bodies, chunks, cuts   routes.c   who answers what; models; keys; 404
 *   chat.c, wording.c  completions           tasks.c    video tasks and their content
 *   stats.c    counters                      options.c  the command line
 *
 * A connection has at most one exchange; bytes of a next request wait in `early`. An exchange
 * produces its answer in steps: `step` is called when the exchange is due and its connection has
 * nothing unsent, so that a slow reader costs at most one piece of memory. */
#ifndef MOCK_GATEWAY_H
#define MOCK_GATEWAY_H

#include <llhttp.h>
#include <mbedtls/ssl.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/hist.h"
#include "base/list.h"
#include "base/prng.h"
#include "base/slice.h"
#include "bench/mock/mock.h"

#define MOCK_NEVER        UINT64_MAX
#define MOCK_PIECE_ROOM   40 /* before a body piece, for its chunk-size line and gzip's headers */
#define MOCK_PIECE_TAIL   24 /* behind it: gzip's end, CRLF, and "0 CRLF CRLF" of the last chunk */
#define MOCK_EARLY_MAX    (256 * 1024)
#define MOCK_HEAD_MAX     (64 * 1024)
#define MOCK_BODY_MAX     ((size_t)256 * 1024 * 1024)
#define MOCK_CONTENT_MAX  (1u << 20) /* x-mock-bytes */
#define MOCK_LOCATION_MAX 512

typedef struct mock_conn mock_conn;
typedef struct mock_exchange mock_exchange;
typedef struct mock_tls mock_tls;
typedef struct mock_task mock_task;

enum mock_fault {
  FAULT_STATUS,
  FAULT_BUSY,
  FAULT_REDIRECT,
  FAULT_DROP,
  FAULT_SLOW_HEAD,
  FAULT_HTML,
  FAULT_EMPTY,
  FAULT_ECHO_KEY,
  FAULT_RESET,
  FAULT_CLOSE,
  FAULT_STALL,
  FAULT_TRUNCATE,
  FAULT_COMMENTS,
  FAULT_NO_DONE,
  FAULT_NO_FINISH,
  FAULT_AFTER_DONE,
  FAULT_ERROR,
  FAULT_BARE_ERROR,
  FAULT_BIG,
  FAULT_CRLF,
  FAULT_CR,
  FAULT_BYTEWISE,
  FAULT_CHUNK_TRUNCATED,
  FAULT_GZIP,
  FAULT_JSON,
  FAULT_BLANK,
  FAULT_EOF_BODY,
  FAULT_INTERIM,
  FAULT_BIG_HEAD,
  FAULT_SURPLUS,
  FAULT_CLOSE_AFTER,
  FAULT_COUNT
};

typedef struct mock_faults {
  uint64_t set; /* a bit for each enum mock_fault */
  uint64_t arg[FAULT_COUNT];
  char location[MOCK_LOCATION_MAX];
} mock_faults;

static inline bool mock_fault_on(const mock_faults *f, enum mock_fault which) {
  return (f->set >> which) & 1u;
}

/* What one request asks of the gateway: options, then its query, then its headers. */
typedef struct mock_plan {
  uint64_t seed, ttft_us, gap_us, jitter_us;
  uint32_t events, bytes, reasoning;
  bool events_named, seed_named, cadence_in_query, stamp, gzip;
  char retry_after[64], finish[32];
  mock_faults faults;
} mock_plan;

/* How a connection ends once what it has to say is said. */
enum mock_ending {
  MOCK_ENDING_NONE,  /* it stays */
  MOCK_ENDING_CLEAN, /* close_notify, FIN, wait for the peer's end */
  MOCK_ENDING_FIN,   /* FIN alone: the TLS end is dirty */
  MOCK_ENDING_RESET  /* RST */
};

struct mock_exchange {
  mock *m;
  mock_conn *conn;
  /* the request: "url\0name\0value\0name\0value\0" */
  lti_buf head, body;
  uint8_t method;
  bool keep, too_big, waiting; /* waiting: the step was due while bytes were unsent */
  /* the answer */
  mock_plan plan;
  void (*step)(mock_exchange *);
  void (*release)(void *job); /* frees `job` */
  void *job;
  uint64_t due_ns; /* MOCK_NEVER: behind for the reader's sake, lateness does not count */
  bool chunked, cut, stream, gzip;
  uint32_t gzip_crc, gzip_size; /* of a streamed gzip body so far */
  uint64_t body_bytes, cut_at;
  enum mock_ending cut_ending; /* NONE: stall */
};

struct mock_conn {
  mock *m;
  lti_list all;
  lti_heap_node due;
  void (*on_due)(mock_conn *);
  uv_poll_t poll;
  int fd, events;
  bool dead, secured, pumping, parsed, lingering, tls_blocked, resumed;
  enum mock_ending ending;
  mbedtls_ssl_context *ssl; /* NULL: plain */
  llhttp_t parser;
  mock_exchange *exchange;
  lti_buf out, early;
  size_t out_at, in_flight; /* in_flight: size of the write that TLS wants to see again */
  uint32_t stride;          /* bytes a write, 0: as many as fit */
  uint32_t requests;
};

typedef struct mock_stats {
  uint64_t requests, streams, streams_live, streams_peak, streams_done;
  uint64_t conns, conns_live, conns_peak, refused;
  uint64_t full, resumed, handshake_failed;
  uint64_t events, bytes, late, blocked, aborted, faults;
  uint64_t tasks, polls, contents;
  uint64_t second_events, second_requests, last_events, last_requests;
  uint64_t start_ns;
  lti_hist *lateness;
} mock_stats;

typedef struct mock_rule {
  mock_faults faults;
  double probability;
} mock_rule;

#define MOCK_TALLY_SIZE 4096
/* How often a fault key was seen, so that a fault can end after k attempts. */
typedef struct mock_tally {
  uint64_t key;
  uint32_t count;
} mock_tally;

struct mock {
  uv_loop_t *loop;
  mock_config config;
  char *texts; /* the copies that config points at */
  lti_alloc alloc;
  uv_poll_t listener, clock;
  uv_timer_t second;
  int listen_fd, clock_fd;
  uint16_t port;
  uint32_t conns_max;
  bool accepting, closing, running_due;
  unsigned handles;
  void (*closed)(void *);
  void *closed_user;
  uint64_t armed_ns;
  lti_heap due;
  lti_list conns;
  mock_tls *tls;
  char *slab; /* ciphertext of one recv */
  size_t slab_at, slab_size;
  char *plain;   /* plaintext of one record */
  lti_buf piece; /* scratch for the body piece being written */
  lti_prng dice;
  mock_rule rules[MOCK_FAULT_RULES_MAX];
  mock_tally tally[MOCK_TALLY_SIZE];
  mock_task *tasks;
  uint32_t task_count, task_capacity;
  uint64_t ordinal; /* of requests, for ids */
  mock_stats stats;
};

/* mock.c */
void mock_accept_again(mock *m);
void mock_unref(mock *m); /* one handle has closed */

/* cadence.c */
int mock_cadence_init(mock *m);
void mock_cadence_close(mock *m);
/* Calls c->on_due at `due_ns` (uv_hrtime), rounded up to whole ms of that clock. */
void mock_cadence_set(mock_conn *c, uint64_t due_ns, void (*on_due)(mock_conn *));
void mock_cadence_stop(mock_conn *c);
/* Serves what is due now: called before each connection's reading, so that a handshake delays
 * others by one step at most. */
void mock_cadence_turn(mock *m);

/* conn.c */
void mock_conn_open(mock *m, int fd);
void mock_conn_send(mock_conn *c, const char *bytes, size_t size);
static inline bool mock_conn_unsent(const mock_conn *c) {
  return c->out.size != 0;
}
/* The answer is complete: the next request, or the end. */
void mock_conn_answered(mock_conn *c);
void mock_conn_end(mock_conn *c, enum mock_ending ending);
/* At once, whatever is unsent. */
void mock_conn_drop(mock_conn *c);

/* http.c */
void mock_http_init(mock_conn *c);
/* Feeds the parser; `*taken` bytes were used when a request is complete (then true). */
bool mock_http_feed(mock_conn *c, const char *bytes, size_t size, size_t *taken);
void mock_exchange_free(mock_exchange *x);
const char *mock_exchange_url(const mock_exchange *x);
/* The value of the header, NULL when absent. The name in lower case. */
const char *mock_exchange_header(const mock_exchange *x, const char *name);

/* tls.c */
int mock_tls_new(mock *m);
void mock_tls_free(mock *m);
int mock_tls_open(mock_conn *c);
void mock_tls_release(mock_conn *c);
/* Handshake: 1 done, 0 needs more, -1 failed. Read and write: bytes, 0 needs more, -1 over. */
int mock_tls_handshake(mock_conn *c);
/* What ALPN agreed on, empty when nothing. */
const char *mock_tls_protocol(const mock_conn *c);
int mock_tls_read(mock_conn *c, char *out, size_t cap);
int mock_tls_write(mock_conn *c, const char *bytes, size_t size);
void mock_tls_notify(mock_conn *c);

/* certs.c */
int mock_certs_make(mbedtls_x509_crt *chain, mbedtls_pk_context *key, const char *ca_out,
                    int (*rng)(void *, unsigned char *, size_t), void *rng_state);

/* plan.c */
int mock_plan_make(mock_exchange *x);

/* fault.c */
int mock_fault_parse(mock_faults *f, const char *text, size_t size);
int mock_fault_rules(mock *m);
void mock_fault_roll(mock *m, mock_faults *f);
/* True while the key has been seen fewer than `times` times before. */
bool mock_fault_counted(mock *m, const char *key, uint64_t times);
void mock_fault_help(void);

/* reply.c */
void mock_reply_fixed(mock_exchange *x, int status, const char *type, const char *extra,
                      leat_slice body);
/* OpenAI's error body: fields that are NULL are written as null. */
void mock_reply_error(mock_exchange *x, int status, const char *kind, const char *code,
                      const char *message);
/* The head of a body written in pieces. `length` MOCK_NEVER: chunked, or to the end. */
void mock_reply_begin(mock_exchange *x, int status, const char *type, const char *extra,
                      uint64_t length);
/* Room for a piece of up to `size` bytes in the shared scratch; NULL without memory. */
char *mock_reply_room(mock_exchange *x, size_t size);
/* Sends the piece that was written there; `last` ends the body. False: the exchange goes no further
 * (cut, stalled or lost) and must not be touched again. */
bool mock_reply_piece(mock_exchange *x, char *piece, size_t size, bool last);
/* Calls x->step at due_ns, or as soon as what is unsent has left. */
void mock_reply_step_at(mock_exchange *x, uint64_t due_ns);
void mock_reply_resume(mock_exchange *x);

/* routes.c */
void mock_routes_serve(mock_exchange *x);

/* chat.c */
void mock_chat_serve(mock_exchange *x, bool legacy);

/* tasks.c */
void mock_tasks_submit(mock_exchange *x);
void mock_tasks_poll(mock_exchange *x, leat_slice id, enum mock_envelope envelope);
void mock_tasks_content(mock_exchange *x, leat_slice id);
void mock_tasks_free(mock *m);

/* stats.c */
int mock_stats_init(mock *m);
void mock_stats_deinit(mock *m);
void mock_stats_event(mock *m, uint64_t due_ns, uint64_t now_ns);
void mock_stats_second(mock *m);
void mock_stats_serve(mock_exchange *x);

#endif
