/* HTTP/2 (RFC 9113) on one connection, client side, on nghttp2: requests out, responses in.
 *
 * One codec serves a connection for its whole life: `open` puts a request on a stream of its own,
 * feed takes what arrives, drain gives what is to be sent. A stream lives inside its owner, who
 * hears `head`, `body`, then one of `complete` and `failed`, which is the last.
 *
 * Sinks are called from feed and end, but never from inside nghttp2: what a call of nghttp2 found
 * is gathered and delivered behind it, many frames in one pass, as views of the bytes that were
 * fed. So a sink may call every function here but feed, end and free. What it causes leaves with
 * the next drain.
 *
 * Flow control: the connection's share of a window is given back on arrival, so that a paused
 * stream starves nobody; the stream's share when its owner has taken the bytes. A stream can hold
 * no more than stream_window bytes unread.
 *
 * Everything the peer can pile up has a budget of our own, since nghttp2 1.52 has none for most of
 * it: header lists (a stream is reset with LEAT_EHEADERSMAX, the third ends the connection), frames
 * that bring nothing forward (empty or tiny DATA, WINDOW_UPDATE, PRIORITY, PING, SETTINGS, unknown
 * ones), resets, interim responses, queued answers. Breaches end the connection with
 * ENHANCE_YOUR_CALM. Push is switched off, and PUSH_PROMISE an error.
 *
 * States: OPEN -> LEAVING (GOAWAY came or was sent, or ids are spent: streams finish, none begins)
 * -> FAILED. A failure is sticky, and nothing is fed behind it. */
#ifndef LTI_HTTP2_H
#define LTI_HTTP2_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/list.h"
#include "wire/http.h"

typedef struct lti_http2 lti_http2;

typedef struct lti_http2_config {
  size_t header_bytes_max; /* names, values and 32 bytes a field, of one response */
  uint32_t stream_window;  /* bytes a stream may have under way to us */
  uint32_t conn_window;    /* and all of them together */
  uint32_t streams_max;    /* at most so many at once, whatever the peer allows */
} lti_http2_config;

/* What an owner touches when bytes come is fetched before that, see http2_ahead.c: so many bytes in
 * front of its stream, and so many at `near`. */
#define LTI_HTTP2_FRONT_BYTES 144
#define LTI_HTTP2_NEAR_BYTES  256

/* One request and its response: embedded in its owner, zeroed before its first use, who sets `body`
 * before open. Everything else is the codec's. `body` must live until the last callback or
 * lti_http2_cancel.
 *
 * A body that is not all there at once comes in pieces: with `more`, `body` is the first of them,
 * which may be empty, and lti_http2_supply brings the next when `hungry` has asked for it. */
typedef struct lti_http2_stream {
  /* These a DATA frame touches, and but for `id`, `unread` and `near` they are the codec's alone.
   */
  uint8_t outcome; /* runs, complete or broken */
  bool answered;   /* the final response's head has come */
  bool counted;    /* `left` bytes are to come, no more and no less */
  bool closed;     /* for nghttp2 it is no more */
  int32_t id;      /* 0: not open */
  uint32_t unread; /* bytes delivered that the owner has not given back yet */
  uint32_t owed;   /* bytes the owner has given back and nghttp2 not yet */
  union {
    uint32_t allowance; /* bytes for which the stream's window has room for sure, while it runs */
    uint32_t code;      /* once it has broken, and so are the next two: as in lti_http2_failure */
  };
  int16_t error;
  bool unprocessed;
  bool more;        /* set by the owner, with `body` */
  const void *near; /* set by the owner, behind open; NULL: nothing */
  union {
    uint64_t left;      /* while it runs */
    const char *reason; /* once it has broken */
  };

  bool sent;      /* its HEADERS frame was handed out by drain */
  bool head_seen; /* the final response's head was delivered */
  bool is_head;   /* HEAD: no body follows */
  bool started;   /* a HEADERS frame, final or interim, has come */
  uint8_t interim_count;
  leat_slice body;
  size_t body_sent; /* bytes that drain has handed out */
  uint64_t behind;  /* as lti_http_piece, and so is `more` */
  lti_list node;    /* in the codec's list of open streams, in the order of their opening */
} lti_http2_stream;

/* Why a stream ended before its time. */
typedef struct lti_http2_failure {
  int error;          /* LEAT_ERESET (no answer had begun), LEAT_ETRUNCATED (one had), LEAT_EHTTP,
                         LEAT_EHEADERSMAX, LEAT_ENOMEM */
  uint32_t code;      /* RFC 9113 section 7, the peer's or ours */
  bool unprocessed;   /* the server says, or we know, that it did nothing with the request: safe to
                         send again. REFUSED_STREAM, above GOAWAY's last id, not yet drained */
  bool http1_wanted;  /* HTTP_1_1_REQUIRED: safe to send again over HTTP/1.1 */
  const char *reason; /* static text */
} lti_http2_failure;

typedef struct lti_http2_sink {
  void (*head)(void *ctx, lti_http2_stream *s, const lti_http_head *head);
  /* Returns how many bytes are done with. The rest is `unread` until lti_http2_consume; the owner
   * copies it, for the view is dead when this returns. */
  size_t (*body)(void *ctx, lti_http2_stream *s, leat_slice bytes);
  void (*complete)(void *ctx, lti_http2_stream *s);
  void (*failed)(void *ctx, lti_http2_stream *s, const lti_http2_failure *failure);
  /* SETTINGS, WINDOW_UPDATE of the connection, or GOAWAY came: the questions below may have other
   * answers. At most once a feed. */
  void (*changed)(void *ctx);
  /* All of the body's piece was handed out, and there is more to come. The one call from inside
   * drain: it notes that, and calls nothing of the codec. NULL where bodies come whole. */
  void (*hungry)(void *ctx, lti_http2_stream *s);
} lti_http2_sink;

/* nghttp2's memory comes from `alloc` too, and is overwritten before it is freed, since keys pass
 * through it. The preface and our SETTINGS are the first that drain gives. NULL: no memory. */
lti_http2 *lti_http2_new(lti_alloc *alloc, const lti_http2_config *config,
                         const lti_http2_sink *sink, void *ctx);
/* No stream may be open. */
void lti_http2_free(lti_http2 *x);

/* Opens a stream: :method, :scheme ("https" or "http"), :authority, :path, content-length when the
 * request has a body of known size, then its headers in order, names in lower case. Headers from
 * `credentials_from` on are never indexed (RFC 7541 7.1.3), nor is any whose name is authorization,
 * cookie, x-api-key, api-key or x-goog-api-key. Connection-specific fields (RFC 9113 8.2.2) are
 * left out.
 * LEAT_ESTATE when lti_http2_slots is 0; LEAT_EHEADER as lti_http1_encode, for CONNECT and
 * upgrades, which are HTTP/1.1's, and for more than 512 KiB of headers; LEAT_ENOMEM. Nothing was
 * opened then. */
int lti_http2_open(lti_http2 *x, lti_http2_stream *s, const lti_http_request *request, bool tls);
/* The next piece of a body that had `more`, whose last one was handed out in full. Its bytes live
 * until `hungry`, or the stream's end. LEAT_ENOMEM. */
int lti_http2_supply(lti_http2 *x, lti_http2_stream *s, const lti_http_piece *piece);
/* Gives a stream up: RST_STREAM(CANCEL) unless it has ended; no callback of it comes any more. What
 * still arrives for it is counted and dropped. Harmless when it is not open. */
void lti_http2_cancel(lti_http2 *x, lti_http2_stream *s);
/* As cancel, for a stream whose answer is whole: its END_STREAM may come by itself, for a second,
 * and only then it is reset. */
void lti_http2_release(lti_http2 *x, lti_http2_stream *s);
/* The owner has taken `size` more of the bytes that `body` left unread. Also after `complete`. */
void lti_http2_consume(lti_http2 *x, lti_http2_stream *s, size_t size);

/* Takes all of `bytes`, which must stay as they are until this returns. `now_ns` is the clock of
 * the budgets. LTI_OK, or the sticky error: LEAT_EHTTP, LEAT_ENOMEM. After an error the owner
 * drains once more (GOAWAY says why), calls end, and closes. */
int lti_http2_feed(lti_http2 *x, leat_slice bytes, uint64_t now_ns);
/* Appends frames to `out` until it holds `size_max` bytes or more (by at most one frame), or
 * nothing is left to send: whether that is so is told by lti_http2_pending. LEAT_ENOMEM and the
 * buffer's full_error are sticky, and nothing more is drained behind them. LEAT_EHTTP, in the first
 * drain that finds it: what the peer sent ends the connection, which feed could not see; the GOAWAY
 * is in `out`. */
int lti_http2_drain(lti_http2 *x, lti_buf *out, size_t size_max);
bool lti_http2_pending(const lti_http2 *x);
/* The transport ended, or the owner wants it to: each open stream hears `failed` with `error` (or
 * LEAT_ETRUNCATED for LEAT_ERESET behind a head), in the order they were opened, and what it may
 * know of being unprocessed. The codec is failed then, and open fails. */
void lti_http2_end(lti_http2 *x, int error, const char *reason);
/* GOAWAY(NO_ERROR) leaves with the next drain; no stream is opened any more. */
void lti_http2_leave(lti_http2 *x);
/* PING; at most one is under way. */
void lti_http2_ping(lti_http2 *x);

/* How many streams may be opened now: 0 when the peer allows none, or when LEAVING or FAILED.
 * Before the peer's SETTINGS, 100 are taken for granted. */
size_t lti_http2_slots(const lti_http2 *x);
size_t lti_http2_active(const lti_http2 *x);
/* The peer's MAX_CONCURRENT_STREAMS, or our own limit if that is less. */
size_t lti_http2_streams_max(const lti_http2 *x);
bool lti_http2_leaving(const lti_http2 *x);
/* A GOAWAY came, and names a stream that the peer has taken up. */
bool lti_http2_takes_some(const lti_http2 *x);
/* The peer's SETTINGS have come; it has acknowledged ours. */
bool lti_http2_settled(const lti_http2 *x);
bool lti_http2_acked(const lti_http2 *x);
/* Bytes the connection's send window lets through now; the largest it ever was; what a new stream
 * may send at once; and bytes of bodies that wait to be sent. */
int32_t lti_http2_window(const lti_http2 *x);
int32_t lti_http2_window_peak(const lti_http2 *x);
int32_t lti_http2_stream_window(const lti_http2 *x);
uint64_t lti_http2_upload(const lti_http2 *x);
/* A static text on the failure; "" when there is none. */
const char *lti_http2_reason(const lti_http2 *x);
/* The code of the GOAWAY that came, or of our own failure (RFC 9113 section 7). */
uint32_t lti_http2_code(const lti_http2 *x);

#endif
