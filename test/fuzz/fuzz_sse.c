/* Fuzzes the line and event splitters: what comes out must not depend on how the input was cut.
 *
 *   byte 0      bit 0: a small event limit   bit 1: the sink stops behind every event
 *               bit 2: buffers are given back behind each block that was cut
 *   bytes 1-4   sizes of the pieces, used in turn; 0 is an empty piece
 *   the rest    the body
 *
 * The same body is fed whole, in those pieces and byte by byte, each piece in a block of exactly
 * its size that is gone when feed returns. Events, stray lines, last id, reconnection time and
 * error must be the same; no event may be larger than the limit, no stray line than its own. What
 * ran into no limit must also be what a plain model of the standard makes of the whole body. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/sse.h"

#define LIMIT_SMALL 300
#define LIMIT       65536
#define BYTES_MAX   16384 /* above this, byte by byte is left out */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

typedef struct outcome {
  lti_buf text;
  size_t limit;
  bool stop;
  int rc;
  size_t events;
} outcome;

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "breach: %s\n", what);
  abort();
}

static void put(outcome *o, char kind, leat_slice bytes) {
  int rc = lti_buf_format(&o->text, "%c%zu:", kind, bytes.size);
  if (rc == LTI_OK) rc = lti_buf_append(&o->text, bytes);
  require(rc == LTI_OK, "the record has room");
}

static int on_event(void *ctx, const lti_sse_event *event) {
  outcome *o = ctx;
  o->events++;
  require(event->data.size <= o->limit && event->type.size > 0, "an event within its limit");
  put(o, 't', event->type);
  put(o, 'd', event->data);
  put(o, 'i', event->id);
  if (event->has_retry) lti_buf_u64(&o->text, event->retry_ms);
  return o->stop ? LTI_STOPPED : LTI_OK;
}

static int on_stray(void *ctx, leat_slice line) {
  require(line.size > 0 && line.size <= LTI_SSE_STRAY_MAX && line.data[0] != ':', "a stray line");
  put(ctx, 's', line);
  return LTI_OK;
}

static const lti_sse_sink sink = {on_event, on_stray};

static int feed_piece(lti_sse *x, const uint8_t *bytes, size_t size) {
  char *copy = malloc(size ? size : 1);
  size_t at = 0, taken = 0;
  int rc;
  if (!copy) abort();
  if (size) memcpy(copy, bytes, size);
  do {
    const outcome *o = x->ctx;
    size_t before = o->events;
    rc = lti_sse_feed(x, lti_slice(copy + at, size - at), &taken);
    require(taken <= size - at, "no more taken than given");
    require(rc != LTI_OK || taken == size - at, "all taken");
    require(rc != LTI_STOPPED || o->events == before + 1, "stopped behind one event");
    at += taken;
  } while (rc == LTI_STOPPED);
  free(copy);
  return rc;
}

/* `sizes` are used in turn; a row of nothing but zeros feeds the body whole. */
static outcome play(lti_alloc *alloc, const uint8_t *input, size_t size, const uint8_t sizes[4]) {
  const uint8_t *body = input + 5;
  size_t left = size - 5;
  outcome o = {.limit = input[0] & 1 ? LIMIT_SMALL : LIMIT, .stop = (input[0] & 2) != 0};
  bool whole = !(sizes[0] | sizes[1] | sizes[2] | sizes[3]);
  lti_sse x;
  lti_lines_spare spare = {.count = 0};
  lti_buf_init(&o.text, alloc, SIZE_MAX, LEAT_EBODYMAX);
  lti_sse_init(&x, alloc, o.limit, &sink, &o);
  if (input[0] & 4) lti_sse_share(&x, &spare);
  if (whole) o.rc = feed_piece(&x, body, left);
  for (size_t i = 0; !whole && o.rc == LTI_OK && left; i++) {
    size_t piece = sizes[i % 4] < left ? sizes[i % 4] : left;
    o.rc = feed_piece(&x, body, piece);
    body += piece;
    left -= piece;
  }
  require(lti_sse_end(&x) == o.rc, "the end tells of the failure");
  put(&o, 'l', lti_sse_last_id(&x));
  if (x.has_retry) lti_buf_u64(&o.text, x.retry_ms);
  lti_sse_deinit(&x);
  lti_lines_spare_deinit(&spare, alloc);
  return o;
}

/* ---- the model: WHATWG HTML 9.2.6 to the letter, with the whole body at hand ------------------
 */

typedef struct model {
  outcome out;
  lti_buf data, type, id, last_id;
  bool has_retry, new_retry;
  uint64_t retry_ms;
} model;

static bool model_retry(model *m, leat_slice value) {
  unsigned __int128 ms = 0;
  for (size_t i = 0; i < value.size; i++) {
    if (value.data[i] < '0' || value.data[i] > '9') return false;
    ms = ms * 10 + (unsigned)(value.data[i] - '0');
    if (ms > UINT64_MAX) ms = UINT64_MAX;
  }
  m->retry_ms = value.size ? (uint64_t)ms : m->retry_ms;
  return value.size > 0;
}

static void model_blank(model *m) {
  lti_buf_clear(&m->last_id);
  lti_buf_append(&m->last_id, lti_buf_slice(&m->id));
  if (m->data.size) {
    m->data.size--; /* the last LF */
    put(&m->out, 't', m->type.size ? lti_buf_slice(&m->type) : lti_slice_of("message"));
    put(&m->out, 'd', lti_buf_slice(&m->data));
    put(&m->out, 'i', lti_buf_slice(&m->id));
    if (m->new_retry) lti_buf_u64(&m->out.text, m->retry_ms);
    m->new_retry = false;
  }
  lti_buf_clear(&m->data);
  lti_buf_clear(&m->type);
}

static void model_line(model *m, leat_slice line, bool ended) {
  const char *colon = line.size ? memchr(line.data, ':', line.size) : NULL;
  size_t size = colon ? (size_t)(colon - line.data) : line.size;
  leat_slice name = lti_slice(line.data, size),
             value = lti_slice_from(line, colon ? size + 1 : size);
  if (value.size && value.data[0] == ' ') value = lti_slice_from(value, 1);
  bool known = lti_slice_is(name, "data") || lti_slice_is(name, "event") ||
               lti_slice_is(name, "id") || lti_slice_is(name, "retry");
  if (line.size == 0 && ended) model_blank(m);
  if (line.size && size && !known) {
    put(&m->out, 's', lti_slice(line.data, line.size < 4096 ? line.size : 4096));
  }
  if (!ended) return;
  if (lti_slice_is(name, "data")) {
    lti_buf_append(&m->data, value);
    lti_buf_byte(&m->data, '\n');
  } else if (lti_slice_is(name, "event")) {
    lti_buf_clear(&m->type);
    lti_buf_append(&m->type, value);
  } else if (lti_slice_is(name, "id") && !(value.size && memchr(value.data, 0, value.size))) {
    lti_buf_clear(&m->id);
    lti_buf_append(&m->id, value);
  } else if (lti_slice_is(name, "retry") && model_retry(m, value)) {
    m->has_retry = m->new_retry = true;
  }
}

static void check_model(lti_alloc *alloc, leat_slice body, const outcome *got) {
  model m = {.has_retry = false};
  lti_buf *bufs[] = {&m.out.text, &m.data, &m.type, &m.id, &m.last_id};
  for (size_t i = 0; i < 5; i++) lti_buf_init(bufs[i], alloc, SIZE_MAX, LEAT_EBODYMAX);
  if (lti_slice_starts(body, "\xef\xbb\xbf")) body = lti_slice_from(body, 3);
  size_t from = 0;
  for (size_t i = 0; i < body.size; i++) {
    if (body.data[i] != '\n' && body.data[i] != '\r') continue;
    model_line(&m, lti_slice(body.data + from, i - from), true);
    if (body.data[i] == '\r' && i + 1 < body.size && body.data[i + 1] == '\n') i++;
    from = i + 1;
  }
  if (from < body.size) model_line(&m, lti_slice_from(body, from), false);
  put(&m.out, 'l', lti_buf_slice(&m.last_id));
  if (m.has_retry) lti_buf_u64(&m.out.text, m.retry_ms);
  require(lti_slice_equal(lti_buf_slice(&m.out.text), lti_buf_slice(&got->text)),
          "the model's events");
  for (size_t i = 0; i < 5; i++) lti_buf_deinit(bufs[i]);
}

static void must_agree(const outcome *whole, outcome other) {
  require(whole->rc == other.rc, "the same error");
  require(lti_slice_equal(lti_buf_slice(&whole->text), lti_buf_slice(&other.text)),
          "the same events");
  lti_buf_deinit(&other.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static const uint8_t at_once[4] = {0, 0, 0, 0}, each[4] = {1, 1, 1, 1};
  lti_alloc alloc;
  if (size < 5) return 0;
  lti_alloc_init(&alloc, NULL);
  outcome whole = play(&alloc, input, size, at_once);
  must_agree(&whole, play(&alloc, input, size, input + 1));
  if (size <= BYTES_MAX) must_agree(&whole, play(&alloc, input, size, each));
  if (whole.rc == LTI_OK && whole.limit == LIMIT) {
    check_model(&alloc, lti_slice((const char *)input + 5, size - 5), &whole);
  }
  lti_buf_deinit(&whole.text);
  return 0;
}
