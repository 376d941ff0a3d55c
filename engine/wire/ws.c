/* WebSocket behind its handshake (RFC 6455), on wslay's frame layer.
 *
 *      OPEN -- our Close --> CLOSING -- theirs --> CLOSED       OPEN -- theirs, ours behind -->
 * CLOSED any but CLOSED -- a breach, no memory, the transport's end --> FAILED
 *
 * Why the frame layer: wslay's event layer copies each message into blocks of its own, answers each
 * PING without limit, takes 2 GiB and any number of empty fragments, and touches its context after
 * its callbacks. What it would have checked is checked here: masks, reserved bits, opcodes, the
 * order of fragments, UTF-8, Close.
 *
 * Why nothing is copied: wslay reads a header for real, but a payload by its length alone. When it
 * asks for the bytes behind a header, it is told how many there are and given none, so that it
 * keeps its place in the stream while the payload goes to the sink straight from the slice that was
 * fed. The first byte of a payload is counted with its header, arrived or not: only then does wslay
 * tell what the header says, and a message that is too long is refused before any of it came. (A
 * masked payload would be unmasked in wslay's own block; such a frame is a breach anyway.)
 *
 *      fed: 81 05 'H' 'e' 'l' | 'l' 'o'      wslay gets 81 05, and counts 1, then 2, then 2
 *
 * What the peer can pile up: a message's bytes and fragments are limited by the config. PING and
 * PONG use up a credit that time and data bring back. A PING's answer replaces an earlier one that
 * is still in `out`. Nothing else is kept between two calls but a control frame that was cut.
 *
 * Invariants: our Close is the last frame that is put in `out`. Sinks are called last in each step,
 * and what they changed is read again: they may send, ping and close, but not feed or free. */
#include "wire/ws.h"

#include <assert.h>
#include <string.h>
#include <sys/types.h>
#include <wslay/wslay.h>

#include "base/error.h"
#include "wire/ws_frame.h"
#include "wire/ws_utf8.h"

#define CREDIT_MAX      1000                /* control frames in a row */
#define CREDIT_COST_NS  UINT64_C(100000000) /* the time that brings one of them back */
#define CREDIT_FULL_NS  (CREDIT_MAX * CREDIT_COST_NS)
#define PONG_BEHIND_MAX 4096 /* bytes that are moved to replace an answer to PING */
/* What our messages leave free in `out`: a PONG and a Close of the greatest size. */
#define CONTROL_SPARE  (2 * (2 + LTI_WS_FRAME_MASK_BYTES + LTI_WS_FRAME_CONTROL_BYTES))
#define REASON_MAX     (LTI_WS_FRAME_CONTROL_BYTES - 2)
#define HEAD_BYTES_MIN 2

#define CODE_PROTOCOL 1002
#define CODE_NONE     1005
#define CODE_PAYLOAD  1007
#define CODE_POLICY   1008
#define CODE_TOO_BIG  1009

enum ws_state { WS_OPEN, WS_CLOSING, WS_CLOSED, WS_FAILED };
enum ws_phase { IN_HEAD, IN_MESSAGE, IN_CONTROL };

struct lti_ws {
  lti_alloc *alloc;
  lti_ws_config config;
  const lti_ws_sink *sink;
  void *ctx;
  enum ws_state state;
  bool close_sent, close_seen;
  int error;
  const char *reason;
  unsigned code;
  struct {
    wslay_frame_context_ptr frames;
    enum ws_phase phase;
    leat_slice rest;             /* of what is being fed */
    size_t head_have, head_size; /* bytes of a header that wslay has, and needs */
    uint64_t to_count;           /* payload bytes that wslay may count now */
    uint64_t counted, left;      /* of the frame's payload: counted early, still to come */
    unsigned opcode;
    bool fin;
    enum lti_ws_type type; /* of the message under way, 0: none */
    bool begun;            /* a piece of it was delivered */
    uint64_t message_bytes;
    uint32_t fragments;
    lti_ws_utf8 text; /* between two messages it is between two characters */
    uint64_t credit_ns, now_ns;
    size_t control_size;
    char control[LTI_WS_FRAME_CONTROL_BYTES]; /* a cut one */
  } in;
  struct {
    lti_buf *buf;
    uint64_t total;        /* bytes ever in `buf`: less its size, what has left */
    uint64_t pong_at;      /* where the last PONG began, counted as `total` is */
    size_t pong_size;      /* 0: none */
    enum lti_ws_type type; /* of the message under way, 0: none */
    lti_ws_utf8 text;
  } out;
};

static ssize_t give_frames(uint8_t *buf, size_t size, int flags, void *ctx);
static void refill(lti_ws *x, uint64_t now_ns);
static int step(lti_ws *x);
static int step_head(lti_ws *x);
static int step_message(lti_ws *x);
static int step_control(lti_ws *x);
static int check_head(lti_ws *x, const struct wslay_frame_iocb *head);
static int begin_control(lti_ws *x);
static int begin_piece(lti_ws *x, uint64_t bytes);
static int on_ping(lti_ws *x, leat_slice payload);
static int on_close(lti_ws *x, leat_slice payload);
static int send_frame(lti_ws *x, unsigned opcode, bool fin, leat_slice payload);
static int send_close(lti_ws *x, unsigned code, leat_slice reason);
static int check_closing(const lti_ws *x, unsigned code, leat_slice reason);
static int fail(lti_ws *x, int error, unsigned code, const char *reason);

/* ---- life ---------------------------------------------------------------------------------------
 */

lti_ws *lti_ws_new(lti_alloc *alloc, const lti_ws_config *config, lti_buf *out,
                   const lti_ws_sink *sink, void *ctx) {
  const struct wslay_frame_callbacks callbacks = {.recv_callback = give_frames};
  lti_ws *x = lti_alloc_zero(alloc, sizeof *x);
  if (!x) return NULL;
  if (wslay_frame_context_init(&x->in.frames, &callbacks, x) != 0) {
    lti_alloc_put(alloc, x);
    return NULL;
  }
  x->alloc = alloc;
  x->config = *config;
  x->sink = sink;
  x->ctx = ctx;
  x->reason = "";
  x->in.head_size = HEAD_BYTES_MIN;
  x->in.credit_ns = CREDIT_FULL_NS;
  x->out.buf = out;
  x->out.total = out->size;
  return x;
}

void lti_ws_free(lti_ws *x) {
  if (!x) return;
  wslay_frame_context_free(x->in.frames);
  lti_alloc_put(x->alloc, x);
}

bool lti_ws_close_sent(const lti_ws *x) {
  return x->close_sent;
}

bool lti_ws_close_seen(const lti_ws *x) {
  return x->close_seen;
}

const char *lti_ws_reason(const lti_ws *x) {
  return x->reason;
}

unsigned lti_ws_code(const lti_ws *x) {
  return x->code;
}

static void move(lti_ws *x, enum ws_state to) {
  assert(x->state < WS_CLOSED && to > x->state);
  x->state = to;
}

/* Sticky. A Close that names `code`, 0: none, is sent when none was. */
static int fail(lti_ws *x, int error, unsigned code, const char *reason) {
  assert(error < 0 && x->error == LTI_OK);
  /* Without room or memory for it the transport is cut without a word. */
  if (code && x->state == WS_OPEN && send_close(x, code, lti_slice_of(reason)) == LTI_OK)
    x->code = code;
  move(x, WS_FAILED);
  x->error = error;
  x->reason = reason;
  return error;
}

static int breach(lti_ws *x, const char *reason) {
  return fail(x, LEAT_EWS, CODE_PROTOCOL, reason);
}

/* ---- in -----------------------------------------------------------------------------------------
 */

int lti_ws_feed(lti_ws *x, leat_slice bytes, uint64_t now_ns, size_t *taken) {
  *taken = 0;
  if (x->error) return x->error;
  refill(x, now_ns);
  x->in.rest = bytes;
  int rc = LTI_OK;
  while (rc == LTI_OK && x->state < WS_CLOSED) rc = step(x);
  /* RFC 6455 5.5.1: what stands behind the peer's Close is not looked at. */
  bool over = x->state == WS_CLOSED;
  *taken = over ? bytes.size : bytes.size - x->in.rest.size;
  x->in.rest = lti_slice(NULL, 0);
  return over || rc == LTI_AGAIN ? LTI_OK : rc;
}

int lti_ws_end(lti_ws *x) {
  if (x->error || x->state == WS_CLOSED) return x->error;
  bool within = x->in.type || (x->in.head_have > 0 && x->in.opcode < LTI_WS_CLOSE);
  return fail(x, within ? LEAT_ETRUNCATED : LEAT_ERESET, 0, "the connection ended without a Close");
}

/* wslay's read: of a header the bytes that are there and none behind it; of a payload a count. */
static ssize_t give_frames(uint8_t *buf, size_t size, int flags, void *ctx) {
  lti_ws *x = ctx;
  (void)flags;
  if (x->in.to_count > 0) {
    size_t n = x->in.to_count < size ? (size_t)x->in.to_count : size;
    x->in.to_count -= n;
    return (ssize_t)n;
  }
  if (x->in.head_have == x->in.head_size) {
    x->in.counted = 1;
    return 1;
  }
  size_t n = x->in.head_size - x->in.head_have;
  if (n > x->in.rest.size) n = x->in.rest.size;
  if (n == 0) return 0;
  assert(n <= size);
  memcpy(buf, x->in.rest.data, n);
  if (x->in.head_have == 0) x->in.opcode = buf[0] & 15u;
  x->in.head_have += n;
  x->in.rest = lti_slice_from(x->in.rest, n);
  if (x->in.head_have == HEAD_BYTES_MIN && x->in.head_size == HEAD_BYTES_MIN) {
    unsigned second = buf[n - 1], length = second & 127u;
    x->in.head_size += length == 126 ? 2 : length == 127 ? 8 : 0;
    if (second & 128u) x->in.head_size += LTI_WS_FRAME_MASK_BYTES;
  }
  return (ssize_t)n;
}

/* Takes `n` bytes off the payload, and keeps wslay's place. */
static leat_slice take_payload(lti_ws *x, size_t n) {
  leat_slice taken = lti_slice(x->in.rest.data, n);
  x->in.rest = lti_slice_from(x->in.rest, n);
  x->in.left -= n;
  if (n == 0) return taken;
  x->in.to_count = n - x->in.counted;
  x->in.counted = 0;
  while (x->in.to_count > 0) {
    struct wslay_frame_iocb ignored;
    ssize_t counted = wslay_frame_recv(x->in.frames, &ignored);
    assert(counted > 0);
    (void)counted;
  }
  return taken;
}
/* LTI_OK when there may be more to do, LTI_AGAIN when more bytes are needed. */
static int step(lti_ws *x) {
  switch (x->in.phase) {
    case IN_HEAD: return step_head(x);
    case IN_MESSAGE: return step_message(x);
    case IN_CONTROL: return step_control(x);
  }
  return LTI_AGAIN;
}

static int step_head(lti_ws *x) {
  struct wslay_frame_iocb head = {0};
  ssize_t counted = wslay_frame_recv(x->in.frames, &head);
  if (counted == WSLAY_ERR_WANT_READ) {
    assert(x->in.rest.size == 0);
    return LTI_AGAIN;
  }
  x->in.head_have = 0;
  x->in.head_size = HEAD_BYTES_MIN;
  if (counted < 0)
    return breach(x, "a long or fragmented control frame, or a length not in its shortest form");
  int error = check_head(x, &head);
  if (error) return error;
  x->in.opcode = head.opcode;
  x->in.fin = head.fin;
  x->in.left = head.payload_length;
  return head.opcode >= LTI_WS_CLOSE ? begin_control(x) : begin_piece(x, head.payload_length);
}

static int check_head(lti_ws *x, const struct wslay_frame_iocb *head) {
  if (head->rsv) return breach(x, "a reserved bit is set");
  if (head->mask) return breach(x, "the server masked a frame");
  switch (head->opcode) {
    case LTI_WS_CONTINUATION:
      return x->in.type ? LTI_OK : breach(x, "a continuation of no message");
    case LTI_WS_TEXT:
    case LTI_WS_BINARY: return x->in.type ? breach(x, "a message begins within another") : LTI_OK;
    case LTI_WS_CLOSE:
    case LTI_WS_PING:
    case LTI_WS_PONG: return LTI_OK;
    default: return breach(x, "a reserved opcode");
  }
}

static void refill(lti_ws *x, uint64_t now_ns) {
  if (now_ns <= x->in.now_ns) return;
  uint64_t elapsed = now_ns - x->in.now_ns, lacks = CREDIT_FULL_NS - x->in.credit_ns;
  x->in.credit_ns += elapsed < lacks ? elapsed : lacks;
  x->in.now_ns = now_ns;
}

static int begin_control(lti_ws *x) {
  if (x->in.credit_ns < CREDIT_COST_NS)
    return fail(x, LEAT_EWS, CODE_POLICY, "too many control frames");
  x->in.credit_ns -= CREDIT_COST_NS;
  x->in.control_size = 0;
  x->in.phase = IN_CONTROL;
  return LTI_OK;
}

/* A frame of a message begins: its announced length is all that is known of it. */
static int begin_piece(lti_ws *x, uint64_t bytes) {
  if (!x->in.type) {
    x->in.type = (enum lti_ws_type)x->in.opcode;
    x->in.begun = false;
    x->in.message_bytes = 0;
    x->in.fragments = 0;
  }
  if (bytes > x->config.message_bytes_max - x->in.message_bytes)
    return fail(x, LEAT_EMESSAGEMAX, CODE_TOO_BIG, "the message is too long");
  if (x->in.fragments == x->config.fragments_max)
    return fail(x, LEAT_EWS, CODE_POLICY, "the message has too many fragments");
  x->in.message_bytes += bytes;
  x->in.fragments++;
  uint64_t lacks = CREDIT_FULL_NS - x->in.credit_ns;
  if (bytes) x->in.credit_ns += CREDIT_COST_NS < lacks ? CREDIT_COST_NS : lacks;
  x->in.phase = IN_MESSAGE;
  return LTI_OK;
}

/* Delivers what is there of a message's frame, up to the first byte that is not UTF-8: what came is
 * the same however the bytes were cut. A message whose last character is not whole gets no last
 * piece; the step behind the one that delivered its end fails. */
static int step_message(lti_ws *x) {
  size_t n = x->in.rest.size;
  if (n > x->in.left) n = (size_t)x->in.left;
  if (n == 0 && x->in.left > 0) return LTI_AGAIN;
  bool text = x->in.type == LTI_WS_TEXT;
  if (text && n > 0) {
    n = lti_ws_utf8_take(&x->in.text, lti_slice(x->in.rest.data, n));
    if (n == 0) return fail(x, LEAT_EWS, CODE_PAYLOAD, "a text is not UTF-8");
  }
  leat_slice piece = take_payload(x, n);
  bool ends = x->in.left == 0 && x->in.fin, cut = text && !lti_ws_utf8_whole(&x->in.text);
  if (ends && cut && n == 0)
    return fail(x, LEAT_EWS, CODE_PAYLOAD, "a text ends within a character");
  bool last = ends && !cut, first = !x->in.begun;
  enum lti_ws_type type = x->in.type;
  if (x->in.left == 0 && (last || !x->in.fin)) x->in.phase = IN_HEAD;
  if (last) x->in.type = 0;
  if (n == 0 && !last) return LTI_OK;
  x->in.begun = true;
  int rc = x->sink->message(x->ctx, type, piece, first, last);
  assert(rc == LTI_OK || rc == LTI_STOPPED);
  return rc;
}

/* A control frame is looked at when it is whole; what was cut is put together first. */
static int step_control(lti_ws *x) {
  size_t n = x->in.rest.size, had = x->in.control_size;
  if (n > x->in.left) n = (size_t)x->in.left;
  if (n == 0 && x->in.left > 0) return LTI_AGAIN;
  leat_slice payload = take_payload(x, n);
  if (x->in.left > 0 || had > 0) {
    memcpy(x->in.control + had, payload.data, n);
    x->in.control_size += n;
    payload = lti_slice(x->in.control, x->in.control_size);
  }
  if (x->in.left > 0) return LTI_AGAIN;
  x->in.phase = IN_HEAD;
  if (x->in.opcode == LTI_WS_CLOSE) return on_close(x, payload);
  if (x->in.opcode == LTI_WS_PING) return on_ping(x, payload);
  x->sink->pong(x->ctx, payload);
  return LTI_OK;
}

/* RFC 6455 5.5.3: of several PINGs the last alone needs an answer. One that has not begun to leave
 * makes place for the newer, unless much stands behind it: then both stay, so that the PONGs in
 * `out` are one in PONG_BEHIND_MAX bytes of ours at most, and none costs more than that to move. */
static void drop_pong(lti_ws *x) {
  lti_buf *buf = x->out.buf;
  assert(buf->size <= x->out.total);
  uint64_t left = x->out.total - buf->size;
  if (x->out.pong_size == 0 || x->out.pong_at < left) return;
  size_t at = (size_t)(x->out.pong_at - left), size = x->out.pong_size;
  size_t behind = buf->size - at - size;
  if (behind > PONG_BEHIND_MAX) return;
  memmove(buf->data + at, buf->data + at + size, behind);
  buf->size -= size;
  x->out.total -= size;
  x->out.pong_size = 0;
}

static int on_ping(lti_ws *x, leat_slice payload) {
  if (!x->close_sent) {
    drop_pong(x);
    size_t before = x->out.buf->size;
    uint64_t at = x->out.total;
    int error = send_frame(x, LTI_WS_PONG, true, payload);
    if (error) return fail(x, error, 0, "no room for the answer to a PING");
    x->out.pong_at = at;
    x->out.pong_size = x->out.buf->size - before;
  }
  x->sink->ping(x->ctx, payload);
  return LTI_OK;
}

/* RFC 6455 7.4: the codes that may stand in a Close, those registered since (1012 to 1014)
 * included. */
static bool code_valid(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

static int on_close(lti_ws *x, leat_slice payload) {
  unsigned code = CODE_NONE;
  leat_slice reason = lti_slice("", 0);
  if (payload.size == 1) return breach(x, "a Close with half a code");
  if (payload.size >= 2) {
    code = (unsigned)(unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1];
    reason = lti_slice_from(payload, 2);
    if (!code_valid(code)) return breach(x, "a Close with a code that is none");
    if (!lti_slice_is_utf8(reason))
      return fail(x, LEAT_EWS, CODE_PAYLOAD, "a Close whose reason is not UTF-8");
  }
  if (!x->close_sent) {
    int error = send_close(x, code == CODE_NONE ? 0 : code, lti_slice("", 0));
    if (error) return fail(x, error, 0, "no room for the answer to a Close");
  }
  x->close_seen = true;
  move(x, WS_CLOSED);
  x->sink->closed(x->ctx, code, reason);
  return LTI_OK;
}

/* ---- out ----------------------------------------------------------------------------------------
 */

int lti_ws_send(lti_ws *x, enum lti_ws_type type, leat_slice bytes, bool last) {
  assert(type == LTI_WS_TEXT || type == LTI_WS_BINARY);
  if (x->state != WS_OPEN || (x->out.type && x->out.type != type)) return LEAT_ESTATE;
  lti_ws_utf8 text = x->out.text;
  if (type == LTI_WS_TEXT) {
    if (lti_ws_utf8_take(&text, bytes) < bytes.size) return LEAT_EINVAL;
    if (last && !lti_ws_utf8_whole(&text)) return LEAT_EINVAL;
  }
  int error = send_frame(x, x->out.type ? LTI_WS_CONTINUATION : (unsigned)type, last, bytes);
  if (error) return error;
  x->out.type = last ? 0 : type;
  x->out.text = text;
  return LTI_OK;
}

int lti_ws_ping(lti_ws *x, leat_slice payload) {
  if (x->state != WS_OPEN) return LEAT_ESTATE;
  if (payload.size > LTI_WS_FRAME_CONTROL_BYTES) return LEAT_EINVAL;
  return send_frame(x, LTI_WS_PING, true, payload);
}

int lti_ws_close(lti_ws *x, unsigned code, leat_slice reason) {
  int error = check_closing(x, code, reason);
  if (!error) error = send_close(x, code, reason);
  if (!error) move(x, WS_CLOSING);
  return error;
}

static int check_closing(const lti_ws *x, unsigned code, leat_slice reason) {
  if (x->state != WS_OPEN) return LEAT_ESTATE;
  if (code == 0) return reason.size ? LEAT_EINVAL : LTI_OK;
  if (!code_valid(code) || (code >= 1012 && code <= 1014)) return LEAT_EINVAL;
  return reason.size <= REASON_MAX && lti_slice_is_utf8(reason) ? LTI_OK : LEAT_EINVAL;
}

static int send_close(lti_ws *x, unsigned code, leat_slice reason) {
  char payload[LTI_WS_FRAME_CONTROL_BYTES] = {(char)(code >> 8), (char)(code & 255)};
  assert(reason.size <= REASON_MAX);
  if (reason.size) memcpy(payload + 2, reason.data, reason.size);
  size_t size = code ? 2 + reason.size : 0;
  int error = send_frame(x, LTI_WS_CLOSE, true, lti_slice(payload, size));
  if (!error) x->close_sent = true;
  return error;
}

/* Each with a mask of its own. Answers and Close may use what others leave free. */
static int send_frame(lti_ws *x, unsigned opcode, bool fin, leat_slice payload) {
  assert(!x->close_sent);
  bool owed = opcode == LTI_WS_PONG || opcode == LTI_WS_CLOSE;
  lti_ws_frame frame = {.opcode = opcode, .fin = fin, .payload = payload};
  x->config.random(x->config.random_ctx, frame.mask, sizeof frame.mask);
  size_t before = x->out.buf->size;
  int error = lti_ws_frame_append(x->out.buf, &frame, owed ? 0 : CONTROL_SPARE);
  x->out.total += x->out.buf->size - before;
  return error;
}
