/* What the gateway's files share: the server, a connection, an exchange (one request and its
 * answer), and the table by which a version of HTTP takes requests in and gives answers out.
 *
 *   mock.c     start, accept, close          cadence.c  the heap of due times and its clock
 *   conn.c     reading, writing, endings     tls.c      TLS of a connection, sessions
 *   h1.c       HTTP/1.1 on llhttp            certs.c    the throwaway CA and certificate
 *   h2.c       HTTP/2 on nghttp2             h2_in.c    its requests, h2_fault.c its faults
 *   exchange.c a request's head, its life    ids.c      which requests were begun twice
 *   ws.c       WebSocket, ws_shake.c its handshake, ws_talk.c what is said
 *   plan.c     what the request asks for     fault.c    names of faults, rules with probability
 *   reply.c    heads, bodies, cuts           path.c     paths, patterns, queries
 *   routes.c   who answers what              keys.c     whose key it is
 *   errors.c   refusals, by whose path it is asked.c    fields of a body
 *   embeddings.c  and rerank                 images.c   generated and edited
 *   models.c   moderations.c   counting.c    script.c   short streams, written beforehand
 *   audio.c    speech to text and back       limits.c   of rate
 *   files.c    what clients have stored      batches.c  requests in a stored file
 *   chat.c, wording.c  completions           answer.c   responses and realtime
 *   gemini.c   generateContent               anthropic.c  messages
 *   stored.c   responses that are asked for again
 *   tasks.h    names the files of tasks      content.c  files on their way out
 *   upload.c   bodies that are not kept      multipart.c  their framing
 *   stats.c    counters                      ledger.c   who submitted what, and looked when
 *   timing.c   its own times, the truth      flight.c   requests under way, when they came
 *   freeze.c   a loop that sleeps
 *   options.c  the command line
 *
 * An exchange produces its answer in steps: `step` is called when the exchange is due and what it
 * said before has found its way, so that a slow reader costs at most one piece of memory. */
#ifndef MOCK_GATEWAY_H
#define MOCK_GATEWAY_H

#include <llhttp.h> /* also for the numbers of methods, whichever version brings them */
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
#define MOCK_WIRE_SIZE    (64 * 1024)
#define MOCK_HEAD_MAX     (64 * 1024)
#define MOCK_BODY_MAX     ((size_t)256 * 1024 * 1024)
#define MOCK_CONTENT_MAX  (1u << 20) /* x-mock-bytes */
#define MOCK_LOCATION_MAX 512

typedef struct mock_conn mock_conn;
typedef struct mock_exchange mock_exchange;
typedef struct mock_tls mock_tls;
typedef struct mock_task mock_task;
typedef struct mock_upload mock_upload;
typedef struct mock_limits mock_limits;
typedef struct mock_responses mock_responses;
typedef struct mock_files mock_files;
typedef struct mock_batches mock_batches;

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
  FAULT_GOAWAY,
  FAULT_REFUSED,
  FAULT_RST,
  FAULT_RST_AFTER,
  FAULT_HTTP11_REQUIRED,
  FAULT_SLOW_READER,
  FAULT_PING_FLOOD,
  FAULT_SETTINGS_FLOOD,
  FAULT_EMPTY_FRAMES,
  FAULT_MAX_STREAMS,
  FAULT_SILENT,
  FAULT_WS_CLOSE,
  FAULT_LOSE,
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
  const mock_faults *faults; /* never NULL */
} mock_plan;

/* How a connection ends once what it has to say is said. */
enum mock_ending {
  MOCK_ENDING_NONE,  /* it stays */
  MOCK_ENDING_CLEAN, /* close_notify, FIN, wait for the peer's end */
  MOCK_ENDING_FIN,   /* FIN alone: the TLS end is dirty */
  MOCK_ENDING_RESET  /* RST */
};

/* Something that becomes due, in the gateway's one heap. */
typedef struct mock_due {
  lti_heap_node node;
  void (*on_due)(struct mock_due *);
} mock_due;

struct mock_exchange {
  mock *m;
  mock_conn *conn;
  lti_list all; /* of its connection */
  mock_due due;
  lti_buf head, body;   /* head: "name\0value\0name\0value\0", the target as ":path" */
  char *limit_lines;    /* of the head, about limits of rate; NULL: none */
  mock_upload *upload;  /* in the place of `body`, NULL: none */
  uint64_t ordinal, id; /* id: a hash of what it calls itself, 0: nothing */
  uint8_t method;
  bool keep, too_big, planned, plan_failed;
  bool waiting; /* the step was due before there was room for what it says */
  bool served, answered;
  bool in_flight;      /* counted among those under way */
  bool socket;         /* a turn on a WebSocket */
  bool flying;         /* counted by flight.c */
  uint64_t arrived_ns; /* when its head was read, 0: not counted */
  uint64_t content_ns; /* when its last event of content was made, 0: none yet */
  /* the answer */
  mock_plan plan;
  mock_faults *faults; /* the plan's, when there are any */
  void (*step)(mock_exchange *);
  void (*release)(void *job); /* frees `job` */
  void *job;
  uint64_t due_ns; /* MOCK_NEVER: behind for the reader's sake, lateness does not count */
  bool cut, stream, gzip;
  uint32_t gzip_crc, gzip_size; /* of a streamed gzip body so far */
  uint64_t body_bytes, cut_at;
  enum mock_ending cut_ending; /* NONE: stall */
};

/* An answer's head, before it is written the way a version writes it. */
typedef struct mock_head {
  int status;
  leat_slice lines; /* "Name: value CRLF" each */
  uint64_t length;  /* MOCK_NEVER: not known */
  bool whole;       /* the answer is complete with `body` */
  leat_slice body;
} mock_head;

/* A version of HTTP: what a connection does with bytes, and how an exchange's answer goes out. */
typedef struct mock_version {
  int (*open)(mock_conn *c);
  /* Plaintext from the peer. */
  void (*input)(mock_conn *c, const char *bytes, size_t size);
  /* All that was to be sent has left. */
  void (*drained)(mock_conn *c);
  /* Long enough without a request. */
  void (*idle)(mock_conn *c);
  /* Says what waits to be said: called at the end of a turn for connections marked with
   * mock_conn_mark. */
  void (*pump)(mock_conn *c);
  /* The connection is dead: its exchanges must not be continued. */
  void (*drop)(mock_conn *c);
  void (*release)(mock_conn *c);

  void (*head)(mock_exchange *x, const mock_head *head);
  /* The first `kept` bytes of a piece whose framing says `size`; MOCK_PIECE_ROOM bytes before it
   * and MOCK_PIECE_TAIL behind it are free. `last`: the answer is complete. */
  void (*piece)(mock_exchange *x, char *piece, size_t size, size_t kept, bool last);
  /* The body ends here, before its time, in the way x->cut_ending says. */
  void (*cut)(mock_exchange *x);
  /* No room for a piece now: the step is called again when there is. */
  bool (*full)(const mock_exchange *x);
  /* The step is due. */
  void (*due)(mock_exchange *x);
} mock_version;

extern const mock_version mock_h1, mock_h2, mock_ws;
extern const mock_faults mock_faults_none;

#define MOCK_PREFACE_SIZE 24 /* of HTTP/2: RFC 9113, 3.4 */

struct mock_conn {
  mock *m;
  lti_list all, marked;
  mock_due due;                /* idle, or linger */
  const mock_version *version; /* NULL until it is known */
  void *session;               /* the version's */
  uv_poll_t poll;
  int fd, events;
  bool dead, secured, lingering, notified, resumed, lost;
  enum mock_ending ending;
  mbedtls_ssl_context *ssl; /* NULL: plain */
  lti_buf out;              /* what the socket has not taken: ciphertext, if there is TLS */
  size_t out_at;
  uint32_t stride; /* bytes a write, 0: as many as fit */
  uint32_t requests;
  unsigned preface_size;
  char preface[MOCK_PREFACE_SIZE]; /* the first bytes, while they may be HTTP/2's */
};

/* What is counted for each version. */
typedef struct mock_share {
  uint64_t conns, conns_live, requests, live, peak;
} mock_share;

typedef struct mock_stats {
  uint64_t requests, streams, streams_live, streams_peak, streams_done;
  uint64_t conns, conns_live, conns_peak;
  mock_share h1, h2, ws;
  uint64_t ws_received, ws_sent, ws_pongs, ws_closes;
  uint64_t refused, goaways, resets_sent, resets_received, pings;
  uint64_t ids_distinct, ids_repeated, ids_done, ids_done_again;
  uint64_t full, resumed, handshake_failed;
  uint64_t events, bytes, late, blocked, aborted, faults;
  uint64_t tasks, polls, batch_polls, batch_ids, contents, signed_with_key;
  uint64_t admitted, admitted_tokens, refused_requests, refused_tokens, refused_polls;
  uint64_t refused_load, in_flight_peak;
  uint64_t keys[10]; /* by the place where they stood, as keys.c has them */
  uint64_t second_events, second_requests, last_events, last_requests;
  uint64_t start_ns;
} mock_stats;

/* One kind of time that the gateway takes of itself. */
typedef struct mock_series {
  uint64_t count;
  double mean_us, squares; /* squares: of the distances from the mean, summed */
  lti_hist *hist;          /* us */
} mock_series;

#define MOCK_UNWRITTEN_MAX 4096
typedef struct mock_timing {
  mock_series lateness, first, gap;
  uint32_t unwritten_count;               /* events that are made and not yet given to a socket: */
  uint64_t unwritten[MOCK_UNWRITTEN_MAX]; /* when they were due */
} mock_timing;

typedef struct mock_flight {
  uint64_t live, peak, seen, seen_before;
  uint64_t *arrivals; /* NULL: nobody has asked */
  uint32_t count, capacity;
} mock_flight;

typedef struct mock_freeze {
  mock_due due;
  uint64_t for_ns;
  uint32_t count;
  uint64_t from_ns, to_ns; /* of the last one */
} mock_freeze;

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

/* Request ids that were seen, an open hash table: what the gateway did for each. */
typedef struct mock_id {
  uint64_t hash; /* 0: empty */
  uint32_t begun, done;
} mock_id;

struct mock {
  uv_loop_t *loop;
  mock_config config;
  char *texts; /* the copies that config points at */
  lti_alloc alloc;
  uv_poll_t listener;
#ifndef LEAT_PORTABLE
  uv_poll_t clock;
#else
  uv_timer_t clock;
#endif
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
  lti_list conns, marked;
  uint64_t turn;
  mock_tls *tls;
  uint64_t read_ns; /* when the last read returned; with rx_stamps: when its bytes came */
  char *slab;       /* ciphertext of one recv */
  size_t slab_at, slab_size;
  char *plain; /* plaintext of one record */
  char *wire;  /* what the corked connection says, on its way into one write */
  size_t wire_size;
  mock_conn *corked;
  lti_buf piece; /* scratch for the body piece being written */
  lti_prng dice;
  mock_rule rules[MOCK_FAULT_RULES_MAX];
  mock_tally tally[MOCK_TALLY_SIZE];
  mock_task *tasks;
  uint32_t task_count, task_capacity;
  int ledger_fd;
  uint64_t in_flight;  /* requests under way, where their number is limited */
  mock_limits *limits; /* NULL: none */
  mock_files *files;   /* NULL: none yet */
  mock_batches *batches;
  mock_responses *responses;
  mock_id *ids;
  uint32_t id_count, id_capacity;
  uint64_t ordinal; /* of requests, for ids */
  mock_stats stats;
  mock_timing timing;
  mock_flight flight;
  mock_freeze freeze;
};

/* mock.c */
void mock_accept_again(mock *m);
void mock_unref(mock *m); /* one handle has closed */

/* cadence.c */
int mock_cadence_init(mock *m);
void mock_cadence_close(mock *m);
static inline void mock_due_init(mock_due *d) {
  lti_heap_node_init(&d->node);
}
/* Calls on_due at `due_ns` (uv_hrtime), rounded up to whole ticks. False: no memory. */
bool mock_cadence_set(mock *m, mock_due *d, uint64_t due_ns, void (*on_due)(mock_due *));
void mock_cadence_stop(mock *m, mock_due *d);
/* Serves what is due now: called before each connection's reading, so that a handshake delays
 * others by one step at most. */
void mock_cadence_turn(mock *m);

/* conn.c */
void mock_conn_open(mock *m, int fd);
/* One record, or as many as it takes; on the wire at once unless the connection is corked. */
void mock_conn_send(mock_conn *c, const char *bytes, size_t size);
/* Between cork and uncork what is said gathers in the gateway's one wire buffer, so that many
 * records are one write. One connection at a time. */
void mock_conn_cork(mock_conn *c);
void mock_conn_uncork(mock_conn *c);
/* Bytes for the socket itself; false: it is lost. */
bool mock_conn_put(mock_conn *c, const char *bytes, size_t size);
static inline bool mock_conn_unsent(const mock_conn *c) {
  return c->out.size != 0;
}
/* Its version's pump is called at the end of this turn. */
void mock_conn_mark(mock_conn *c);
void mock_conn_pump_marked(mock *m);
void mock_conn_arm_idle(mock_conn *c, uint64_t idle_ms);
void mock_conn_end(mock_conn *c, enum mock_ending ending);
/* At once, whatever is unsent. */
void mock_conn_drop(mock_conn *c);

/* h1.c */
/* The answer that was sent switched protocols: the connection becomes a WebSocket at the end of the
 * turn, and bytes that came behind the request are its first. */
void mock_h1_upgrade(mock_conn *c);

/* ws_shake.c */
/* Answers a handshake for one of the sockets' paths; false: it is none. */
bool mock_ws_serve(mock_exchange *x, leat_slice path);
/* Makes the connection a socket; the exchange of the handshake is its own from then on. */
int mock_ws_open(mock_conn *c, mock_exchange *shake);

/* ws.c */
/* A turn's socket speaks in messages, not deltas. */
bool mock_ws_wants_message(const mock_exchange *x);

/* exchange.c */
void mock_exchange_init(mock_exchange *x, mock_conn *c);
/* Frees what it holds; the exchange's own memory is the version's. */
void mock_exchange_deinit(mock_exchange *x);
/* Its answer has been said: counted once. */
void mock_exchange_answered(mock_exchange *x);
int mock_exchange_add_header(mock_exchange *x, leat_slice name, leat_slice value);
const char *mock_exchange_url(const mock_exchange *x);
/* The value of the header, NULL when absent. The name in lower case. */
const char *mock_exchange_header(const mock_exchange *x, const char *name);

/* ids.c */
void mock_ids_begin(mock_exchange *x);
void mock_ids_done(mock_exchange *x);

/* tls.c */
int mock_tls_new(mock *m);
void mock_tls_free(mock *m);
int mock_tls_open(mock_conn *c);
void mock_tls_release(mock_conn *c);
/* Handshake: 1 done, 0 needs more, -1 failed. Read: bytes, 0 needs more, -1 over. Write: bytes of
 * the one record it made, -1 lost; the record goes to mock_conn_put. */
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
/* What the request asks for, and its number. Harmless when it was done before. */
void mock_plan_make(mock_exchange *x);

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
/* 200 with what was written, or the connection is dropped when writing failed. */
void mock_reply_json(mock_exchange *x, int err, const lti_buf *out);
/* OpenAI's error body: fields that are NULL are written as null. */
void mock_reply_error(mock_exchange *x, int status, const char *kind, const char *code,
                      const char *message);
/* The head of a body written in pieces. `length` MOCK_NEVER: not known. False: no body is wanted,
 * or the exchange is lost; it must not be touched again. */
bool mock_reply_begin(mock_exchange *x, int status, const char *type, const char *extra,
                      uint64_t length);
/* Room for a piece of up to `size` bytes in the shared scratch; NULL without memory. */
char *mock_reply_room(mock_exchange *x, size_t size);
/* Sends the piece that was written there; `last` ends the body. False: the exchange goes no further
 * (cut, stalled or lost) and must not be touched again. */
bool mock_reply_piece(mock_exchange *x, char *piece, size_t size, bool last);
/* Calls x->step at due_ns, or as soon as there is room for what it says. */
void mock_reply_step_at(mock_exchange *x, uint64_t due_ns);
static inline bool mock_reply_full(const mock_exchange *x) {
  return x->conn->version->full(x);
}
/* There is room again for an exchange that waits. */
void mock_reply_resume(mock_exchange *x);

/* path.c */
#define MOCK_PATH_PARTS 3
/* The target without its query and with single slashes: bases that end in one are usual. */
leat_slice mock_path_clean(const mock_exchange *x, char *out, size_t cap);
/* Does it fit, "*" standing for one segment or a part of one? What stood there goes to `parts`. */
bool mock_path_match(leat_slice path, const char *pattern, leat_slice parts[MOCK_PATH_PARTS]);
leat_slice mock_path_decode(leat_slice part, char *out, size_t cap);
/* The value behind `name=` in the query, up to the end of the target, or NULL. */
const char *mock_path_query(const mock_exchange *x, const char *name);

/* base64.c */
int mock_base64_write(lti_buf *out, leat_slice bytes);
/* The first `size` bytes of mock_text_bytes. */
int mock_base64_content(lti_buf *out, uint64_t seed, uint64_t size);

/* keys.c */
#define MOCK_KEY_MAX 512
/* The key that the request brings, in any of the usual places, without its scheme; NULL: none. */
const char *mock_keys_find(const mock_exchange *x, char *out, size_t cap);
/* The key is the one that is required, or none is; else the request is answered. */
bool mock_keys_check(mock_exchange *x, leat_slice path);
/* 401, which says the key. */
void mock_keys_refuse(mock_exchange *x, leat_slice path, const char *key);

/* limits.c */
int mock_limits_open(mock *m);
void mock_limits_close(mock *m);
/* True: the request may go on; else it is answered 429. */
bool mock_limits_admit(mock_exchange *x, leat_slice path);
void mock_limits_leave(mock_exchange *x);

/* errors.c */
enum mock_manner {
  MOCK_MANNER_OPENAI,
  MOCK_MANNER_ANTHROPIC,
  MOCK_MANNER_GEMINI,
  MOCK_MANNER_TASK,
  MOCK_MANNER_MIDJOURNEY
};
typedef struct mock_error {
  int status;
  const char *type, *code, *message;
  uint64_t retry_ms; /* 0: no hint */
} mock_error;
enum mock_manner mock_errors_manner(const mock_exchange *x, leat_slice path);
void mock_errors_reply(mock_exchange *x, enum mock_manner manner, const mock_error *e);

/* routes.c */
void mock_routes_plan(mock_exchange *x); /* as soon as the head is here */
void mock_routes_serve(mock_exchange *x);

/* Faults that stand in for any answer. True: one did. */
bool mock_routes_fault(mock_exchange *x);

/* answer.c */
enum mock_dialect { MOCK_RESPONSES, MOCK_REALTIME, MOCK_REALTIME_BETA };
void mock_answer_serve(mock_exchange *x, enum mock_dialect dialect);
/* The turn under way ends as cancelled. */
void mock_answer_cancel(mock_exchange *x);

/* stored.c */
void mock_stored_get(mock_exchange *x, const leat_slice *parts);
void mock_stored_delete(mock_exchange *x, const leat_slice *parts);
void mock_stored_cancel(mock_exchange *x, const leat_slice *parts);
void mock_stored_items(mock_exchange *x, const leat_slice *parts);
void mock_stored_compact(mock_exchange *x, const leat_slice *parts);
void mock_stored_count(mock_exchange *x, const leat_slice *parts);
void mock_stored_free(mock *m);

/* anthropic.c */
void mock_anthropic_serve(mock_exchange *x);

/* gemini.c */
/* Answers a POST to one of Gemini's paths; false: it is none. */
bool mock_gemini_serve(mock_exchange *x, leat_slice path);

/* embeddings.c, models.c, moderations.c, images.c, counting.c, audio.c, files.c, batches.c:
 * `parts` is what stood for the stars of the path */
/* What an embedding is answered with; `refused`: the body asks for none that there is. */
int mock_embeddings_write(mock_exchange *x, lti_buf *out, bool *refused);
void mock_embeddings_serve(mock_exchange *x, const leat_slice *parts);
void mock_embeddings_rerank(mock_exchange *x, const leat_slice *parts);
void mock_embeddings_gemini(mock_exchange *x, bool many);
void mock_models_list(mock_exchange *x, const leat_slice *parts);
void mock_models_get(mock_exchange *x, const leat_slice *parts);
void mock_moderations_serve(mock_exchange *x, const leat_slice *parts);
void mock_images_generate(mock_exchange *x, const leat_slice *parts);
void mock_images_edit(mock_exchange *x, const leat_slice *parts);
void mock_counting_anthropic(mock_exchange *x, const leat_slice *parts);
void mock_counting_gemini(mock_exchange *x);
void mock_counting_tokenize(mock_exchange *x, const leat_slice *parts);
void mock_files_create(mock_exchange *x, const leat_slice *parts);
void mock_files_list(mock_exchange *x, const leat_slice *parts);
void mock_files_get(mock_exchange *x, const leat_slice *parts);
void mock_files_content(mock_exchange *x, const leat_slice *parts);
void mock_files_delete(mock_exchange *x, const leat_slice *parts);
void mock_batches_create(mock_exchange *x, const leat_slice *parts);
void mock_batches_list(mock_exchange *x, const leat_slice *parts);
void mock_batches_get(mock_exchange *x, const leat_slice *parts);
void mock_batches_cancel(mock_exchange *x, const leat_slice *parts);
void mock_batches_free(mock *m);
void mock_audio_transcribe(mock_exchange *x, const leat_slice *parts);
void mock_audio_translate(mock_exchange *x, const leat_slice *parts);
void mock_audio_speak(mock_exchange *x, const leat_slice *parts);

/* chat.c */
void mock_chat_serve(mock_exchange *x, bool legacy);

/* task_serve.c, tasks.c */
/* Answers a request to one of the tasks' paths; false: it is none. */
bool mock_tasks_serve(mock_exchange *x, leat_slice path);
/* What kind of request it is, for limits and errors. */
enum mock_traffic {
  MOCK_TRAFFIC_NONE, /* neither counted nor limited */
  MOCK_TRAFFIC_MODEL,
  MOCK_TRAFFIC_TASK,
  MOCK_TRAFFIC_MIDJOURNEY,
  MOCK_TRAFFIC_POLL
};
enum mock_traffic mock_tasks_traffic(const mock_exchange *x, leat_slice path);
void mock_tasks_free(mock *m);

/* content.c */
typedef struct mock_blob {
  uint32_t refs;
  size_t size;
  char bytes[];
} mock_blob;
typedef struct mock_content {
  mock_blob *blob; /* NULL: the bytes follow from the seed */
  uint64_t seed, size;
  const char *type;
  char etag[80];
  bool endless; /* its length is not told, and no range of it is given */
} mock_content;
mock_blob *mock_blob_new(leat_slice bytes);
void mock_blob_drop(mock_blob *b);
/* The whole, or the range that the request asks for. */
void mock_content_send(mock_exchange *x, const mock_content *c);
uint64_t mock_content_sign(const mock_task *t, unsigned index, long long until);
uint64_t mock_content_sign_bytes(uint64_t seed, uint64_t size, long long until);
void mock_content_file(mock_exchange *x, const leat_slice *parts);
void mock_content_proxy(mock_exchange *x, const leat_slice *parts);
void mock_content_image(mock_exchange *x, const leat_slice *parts);

/* stats.c */
int mock_stats_init(mock *m);
void mock_stats_deinit(mock *m);
/* The exchange's answer is a stream from now on. */
void mock_stats_stream(mock_exchange *x);
/* An event is made and about to be sent; MOCK_NEVER: it was not due at a time. */
void mock_stats_event(mock *m, uint64_t due_ns, uint64_t now_ns);
void mock_stats_second(mock *m);
void mock_stats_serve(mock_exchange *x);

/* timing.c */
int mock_timing_init(mock *m);
void mock_timing_deinit(mock *m);
void mock_timing_event(mock *m, uint64_t due_ns, uint64_t now_ns);
/* An event of content, stamped so. */
void mock_timing_content(mock_exchange *x, uint64_t now_ns);
/* What was made is being given to a socket. */
void mock_timing_written(mock *m);
void mock_timing_serve(mock_exchange *x);

/* flight.c */
/* A recv that notes when: m->read_ns. */
ssize_t mock_flight_read(mock *m, int fd, char *out, size_t cap);
/* With rx_stamps: has the kernel stamp what its connections will bring. False: it cannot. */
bool mock_flight_stamp(const mock *m, int listener);
/* Its head has been read. Harmless when it was done before. */
void mock_flight_enter(mock_exchange *x);
/* Its answer's last byte has gone, or it will have none. */
void mock_flight_leave(mock_exchange *x);
void mock_flight_serve(mock_exchange *x);
void mock_flight_free(mock *m);

/* freeze.c */
#define MOCK_FREEZE_MS_MAX 60000u
/* The first request is here: --freeze counts from now. */
void mock_freeze_plan(mock *m);
void mock_freeze_serve(mock_exchange *x);

#endif
