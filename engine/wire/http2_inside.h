/* What the files of the HTTP/2 codec share: its state, and who may call what of whom.
 *
 *   http2.c            life, feed, delivery, drain, the questions
 *   http2_request.c    a request becomes HEADERS and DATA
 *   http2_response.c   what nghttp2 found becomes entries of a batch, or the end of a stream
 *   http2_budget.c     the frames are counted before nghttp2 sees them
 *   http2_ahead.c      and their streams' memory is fetched
 *   http2_memory.c     nghttp2's memory
 *
 * What arrives is gathered while nghttp2 runs and delivered when it has returned:
 *
 *   feed -> budget -> nghttp2 -> http2_response -> batch, ended -> sinks
 *
 * A batch holds heads and slices of bodies, and lives on feed's stack. How a stream ended is kept
 * in the stream itself, on the list `ended`, so that any number of streams may end at once; since
 * that list is delivered behind the batch, a stream's end is its last event. */
#ifndef LTI_HTTP2_INSIDE_H
#define LTI_HTTP2_INSIDE_H

#include "wire/http2.h"

#define LTI_HTTP2_BATCH 128

/* The codes of RFC 9113 section 7 that this codec says or knows. */
enum {
  LTI_HTTP2_NO_ERROR = 0x0,
  LTI_HTTP2_PROTOCOL_ERROR = 0x1,
  LTI_HTTP2_INTERNAL_ERROR = 0x2,
  LTI_HTTP2_FLOW_CONTROL_ERROR = 0x3,
  LTI_HTTP2_REFUSED_STREAM = 0x7,
  LTI_HTTP2_CANCEL = 0x8,
  LTI_HTTP2_ENHANCE_YOUR_CALM = 0xb,
  LTI_HTTP2_HTTP_1_1_REQUIRED = 0xd
};

typedef enum lti_http2_state {
  LTI_HTTP2_OPEN,
  LTI_HTTP2_LEAVING,
  LTI_HTTP2_FAILED
} lti_http2_state;

/* How a stream ends; kept in lti_http2_stream.outcome. */
enum { LTI_HTTP2_RUNS, LTI_HTTP2_COMPLETE, LTI_HTTP2_BROKEN };

typedef struct lti_http2_entry {
  lti_http2_stream *stream; /* NULL: given up since */
  const char *bytes;        /* of a body; NULL: a head */
  size_t size;              /* of the body's slice, or where the head's fields begin in `heads` */
  uint32_t fields;          /* of the head, and */
  int16_t status;
  bool has_body;
} lti_http2_entry;

/* The header block that is being read. There is at most one (RFC 9113 4.3). */
typedef struct lti_http2_block {
  lti_http2_stream *stream; /* NULL: none, or it is of no interest */
  const char *fault;        /* what is wrong with it: the first thing found */
  size_t bytes;             /* names, values and 32 a field */
  uint64_t length;          /* Content-Length */
  uint32_t fields;
  int status;
  bool is_trailers, has_length, has_regular;
} lti_http2_block;

/* Where streams have their memory: see http2_ahead.c. */
typedef struct lti_http2_place {
  const lti_http2_stream *stream; /* NULL: none is known */
  const void *deep;               /* nghttp2's */
} lti_http2_place;

typedef struct lti_http2_ahead {
  lti_http2_place *places;
  uint32_t count; /* 0, or a power of two */
} lti_http2_ahead;

/* The walk over the frames that arrive, see http2_budget.c. */
typedef struct lti_http2_budget {
  const lti_http2_ahead *ahead; /* what is told of DATA frames */
  uint8_t header[9];
  uint8_t header_size; /* bytes of it that have come, when it comes in pieces */
  uint8_t continuations;
  uint8_t overlong; /* header lists above the limit */
  uint32_t payload; /* bytes still to come of the frame */
  uint32_t answers; /* acknowledgements that wait to be sent */
  int64_t points;
  uint64_t now_ns;
  bool greeted;       /* the peer's first SETTINGS have begun */
  const char *breach; /* NULL: none */
  uint32_t code;
} lti_http2_budget;

#define LTI_HTTP2_LINGERING 64

/* Streams whose answers are whole, and whose ends are still to come: see http2_linger.c. */
typedef struct lti_http2_linger {
  struct {
    int32_t id;
    uint64_t until_ns;
  } list[LTI_HTTP2_LINGERING]; /* the oldest first */
  size_t count;
} lti_http2_linger;

struct lti_http2 {
  lti_alloc *alloc;
  struct nghttp2_session *session;
  lti_http2_config config;
  const lti_http2_sink *sink;
  void *ctx;
  lti_list streams; /* open, in the order of their opening */
  lti_list ended;   /* their end is known and not delivered yet */
  size_t active;    /* on both lists */
  uint64_t upload;
  const char *reason;
  int error;
  uint32_t code;
  int32_t window_peak;
  lti_http2_linger linger;
  uint8_t state;   /* of lti_http2_state */
  bool dead;       /* nghttp2 gave up, or bytes of its output are lost: it is not called any more */
  bool by_nghttp2; /* it found the failure; its GOAWAY says what it was */
  bool settled, acked, pinged, changed, takes_some;
  struct {
    lti_http2_entry *batch; /* while feed runs */
    size_t count, next;
    lti_http2_stream *stream; /* of the DATA frame under way, NULL when it was given up */
    int32_t stream_id;
    size_t arrived;    /* bytes whose share of the connection's window is to be given back */
    lti_buf heads;     /* fields of heads: those in the batch, then the block under way */
    size_t heads_size; /* of those in the batch */
    lti_http2_block block;
    lti_http2_budget budget;
    bool paused;
    lti_http2_ahead ahead;
  } in;
};

/* ---- http2.c */
/* Sticky. Says GOAWAY with `code`, unless nghttp2 is beyond that. */
void lti_http2_fail(lti_http2 *x, int error, uint32_t code, const char *reason);
/* nghttp2 said `rc`, one of its fatal errors. */
void lti_http2_fatal(lti_http2 *x, int rc);

/* ---- http2_linger.c */
/* Lets a stream's end come by itself, or resets it where that might cost too much. */
void lti_http2_linger_add(lti_http2 *x, int32_t id);
/* nghttp2 has closed it. */
void lti_http2_linger_closed(lti_http2 *x, int32_t id);
/* Resets those that have lingered long enough. */
void lti_http2_linger_sweep(lti_http2 *x);

/* ---- http2_request.c: nghttp2_submit_request with its arguments; the stream's id, 0 without
 * memory, or below 0: an error of nghttp2. */
int lti_http2_request_check(const lti_http_request *request);
int32_t lti_http2_request_submit(lti_http2 *x, lti_http2_stream *s, const lti_http_request *request,
                                 bool tls);

/* ---- http2_response.c */
/* Sets nghttp2's callbacks for what arrives. */
struct nghttp2_session_callbacks;
void lti_http2_response_callbacks(struct nghttp2_session_callbacks *callbacks);
/* Moves a stream to `ended`. `s` runs. */
void lti_http2_response_break(lti_http2 *x, lti_http2_stream *s, const lti_http2_failure *failure);
/* The fields of a head in the batch, into `fields`. */
void lti_http2_response_fields(const lti_http2 *x, const lti_http2_entry *head,
                               leat_header *fields);

/* ---- http2_ahead.c */
/* A stream from its head on; it is gone. */
void lti_http2_ahead_add(lti_http2 *x, const lti_http2_stream *s);
void lti_http2_ahead_remove(lti_http2 *x, const lti_http2_stream *s);
/* A DATA frame has come, whose header this is; its stream is found. */
void lti_http2_ahead_frame(const lti_http2_ahead *a, const uint8_t *header);
void lti_http2_ahead_owner(const lti_http2_stream *s);

/* ---- http2_budget.c */
void lti_http2_budget_init(lti_http2_budget *b, const lti_http2_ahead *ahead);
/* Counts the frames in `bytes`, and says what of them nghttp2 may have: `header` first, when that
 * is so, then `bytes` between `from` and `to`. The rest is the beginning of a frame's header, or
 * lies behind a breach, see `breach` and `code`. */
typedef struct lti_http2_passed {
  uint8_t header[9];
  bool has_header;
  size_t from, to;
} lti_http2_passed;
lti_http2_passed lti_http2_budget_walk(lti_http2_budget *b, leat_slice bytes, uint64_t now_ns);
/* A frame of ours left that may be answered by some of theirs, with `size` bytes of a body. */
void lti_http2_budget_earn(lti_http2_budget *b, size_t size);

/* ---- http2_memory.c: nghttp2_mem's four functions; `user` is the lti_alloc. */
void *lti_http2_memory_malloc(size_t size, void *user);
void *lti_http2_memory_calloc(size_t count, size_t size, void *user);
void *lti_http2_memory_realloc(void *ptr, size_t size, void *user);
void lti_http2_memory_free(void *ptr, void *user);

#endif
