/* The event splitter: what each line does to the block under way, and one event at its blank line.
 *
 * The usual block, `data: {...}` and an empty line in one slice, is found by two calls of memchr
 * and goes past lines.c; its data is a view of the slice. All other blocks are made of lines.
 * `data_view` and `type_view` say what the block has so far; when a slice ends within a block they
 * are moved to the buffers `beside` and `type` and are then "held". Of a data line that lines.c had
 * to gather, the whole buffer is taken over.
 *
 * The last event id becomes valid at the blank line, with or without data; the reconnection time at
 * its own line (WHATWG HTML 9.2.6). After an event everything of its block is reset before the sink
 * is called, which is the last thing done with a line. */
#include "wire/sse.h"

#include <string.h>

#include "base/error.h"

#define KEPT_BYTES 4096 /* of a buffer, between events: larger ones are given back */

enum field { FIELD_UNKNOWN, FIELD_COMMENT, FIELD_DATA, FIELD_EVENT, FIELD_ID, FIELD_RETRY };

static int on_line(void *ctx, leat_slice line);
static size_t on_keep(void *ctx, leat_slice start);
static const lti_lines_sink lines_sink = {on_line, on_keep, LEAT_EEVENTMAX};

static int feed_whole(lti_sse *x, leat_slice bytes, size_t *taken);
static int hold_views(lti_sse *x);
static void shrink(lti_sse *x);
static enum field split_field(leat_slice line, leat_slice *value);
static int add_data(lti_sse *x, leat_slice value, bool gathered);
static int set_type(lti_sse *x, leat_slice value, bool gathered);
static int set_id(lti_sse *x, leat_slice value);
static int set_retry(lti_sse *x, leat_slice value);
static int offer_stray(lti_sse *x, leat_slice line);
static int dispatch(lti_sse *x);

void lti_sse_init(lti_sse *x, lti_alloc *alloc, size_t event_bytes_max, const lti_sse_sink *sink,
                  void *ctx) {
  memset(x, 0, sizeof *x);
  x->sink = sink;
  x->ctx = ctx;
  lti_lines_init(&x->lines, alloc, event_bytes_max, &lines_sink, x);
}

/* Made at the first call; NULL without memory. */
static lti_sse_kept *keep(lti_sse *x) {
  lti_alloc *alloc = x->lines.alloc;
  if (x->kept) return x->kept;
  x->kept = lti_alloc_zero(alloc, sizeof *x->kept);
  if (!x->kept) return NULL;
  lti_buf *const all[] = {&x->kept->type, &x->kept->id, &x->kept->next_id};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    lti_buf_init(all[i], alloc, x->lines.line_max, LEAT_EEVENTMAX);
  return x->kept;
}

/* Likewise: where the data of a block is gathered. */
static lti_buf *gathering_of(lti_sse *x) {
  lti_lines_cut *cut = lti_lines_need_cut(&x->lines);
  return cut ? &cut->beside : NULL;
}

void lti_sse_deinit(lti_sse *x) {
  lti_alloc *alloc = x->lines.alloc;
  lti_lines_deinit(&x->lines);
  if (!x->kept) return;
  lti_buf_deinit(&x->kept->type);
  lti_buf_deinit(&x->kept->id);
  lti_buf_deinit(&x->kept->next_id);
  lti_alloc_put(alloc, x->kept);
  x->kept = NULL;
}

static int feed_lines(lti_sse *x, leat_slice bytes, size_t *taken) {
  int rc = lti_lines_feed(&x->lines, bytes, taken);
  int held = rc < 0 ? rc : hold_views(x);
  if (held < 0) x->lines.error = held;
  shrink(x);
  x->between = lti_lines_between(&x->lines) && !x->has_data && !x->has_type && !x->has_next_id;
  if (x->between) lti_lines_park(&x->lines);
  return held < 0 ? held : rc;
}

int lti_sse_feed(lti_sse *x, leat_slice bytes, size_t *taken) {
  size_t whole = 0;
  int rc = x->between ? feed_whole(x, bytes, &whole) : LTI_OK;
  if (rc == LTI_OK && (whole < bytes.size || !x->between)) {
    rc = feed_lines(x, lti_slice_from(bytes, whole), taken);
    *taken += whole;
    return rc;
  }
  *taken = whole;
  if (rc < 0) {
    x->lines.error = rc;
    x->between = false;
  }
  return rc;
}

int lti_sse_end(lti_sse *x) {
  leat_slice rest, value;
  int rc = lti_lines_end(&x->lines, &rest);
  if (rc != LTI_OK || rest.size == 0 || split_field(rest, &value) != FIELD_UNKNOWN) return rc;
  x->lines.error = offer_stray(x, rest);
  return x->lines.error;
}

size_t lti_sse_copied(const lti_sse *x) {
  return x->lines.copied;
}

leat_slice lti_sse_last_id(const lti_sse *x) {
  return x->kept ? lti_buf_slice(&x->kept->id) : lti_slice(NULL, 0);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static int on_line(void *ctx, leat_slice line) {
  lti_sse *x = ctx;
  leat_slice value;
  if (line.size == 0) return dispatch(x);
  bool gathered = x->lines.cut && line.data == x->lines.cut->scratch.data;
  switch (split_field(line, &value)) {
    case FIELD_DATA: return add_data(x, value, gathered);
    case FIELD_EVENT: return set_type(x, value, gathered);
    case FIELD_ID: return set_id(x, value);
    case FIELD_RETRY: return set_retry(x, value);
    case FIELD_COMMENT: return LTI_OK;
    case FIELD_UNKNOWN: break;
  }
  return offer_stray(x, line);
}

static size_t stray_max(const lti_sse *x) {
  return x->lines.line_max < LTI_SSE_STRAY_MAX ? x->lines.line_max : LTI_SSE_STRAY_MAX;
}

static size_t on_keep(void *ctx, leat_slice start) {
  const lti_sse *x = ctx;
  leat_slice value;
  enum field field = split_field(start, &value);
  if (field == FIELD_COMMENT) return 0;
  if (field == FIELD_UNKNOWN) return x->sink->stray ? stray_max(x) : 0;
  return LTI_LINES_ALL;
}

/* "data", "data:x" and "data: x" are a field; "datax" and " data" are not. */
static enum field split_field(leat_slice line, leat_slice *value) {
  static const struct {
    const char *name;
    size_t size;
  } names[] = {[FIELD_DATA] = {"data", 4},
               [FIELD_EVENT] = {"event", 5},
               [FIELD_ID] = {"id", 2},
               [FIELD_RETRY] = {"retry", 5}};
  enum field field;
  switch (line.data[0]) {
    case ':': return FIELD_COMMENT;
    case 'd': field = FIELD_DATA; break;
    case 'e': field = FIELD_EVENT; break;
    case 'i': field = FIELD_ID; break;
    case 'r': field = FIELD_RETRY; break;
    default: return FIELD_UNKNOWN;
  }
  size_t size = names[field].size;
  if (line.size < size || memcmp(line.data, names[field].name, size) != 0) return FIELD_UNKNOWN;
  *value = lti_slice_from(line, size);
  if (value->size == 0) return field;
  if (value->data[0] != ':') return FIELD_UNKNOWN;
  *value = lti_slice_from(*value, value->size > 1 && value->data[1] == ' ' ? 2 : 1);
  return field;
}

static int offer_stray(lti_sse *x, leat_slice line) {
  if (!x->sink->stray) return LTI_OK;
  if (line.size > stray_max(x)) line.size = stray_max(x);
  return x->sink->stray(x->ctx, line);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static int copy(lti_sse *x, lti_buf *to, leat_slice bytes) {
  int rc = lti_buf_append(to, bytes);
  if (rc == LTI_OK) x->lines.copied += bytes.size;
  return rc;
}

static void exchange(lti_buf *a, lti_buf *b) {
  lti_buf kept = *a;
  *a = *b;
  *b = kept;
}

/* Makes the data so far the whole content of the buffer `data`. */
static int hold_data(lti_sse *x) {
  lti_buf *data = gathering_of(x);
  int rc = LTI_OK;
  if (!data) return LEAT_ENOMEM;
  if (x->data_held) {
    lti_buf_consume(data, (size_t)(x->data_view.data - data->data));
  } else {
    lti_buf_clear(data);
    rc = copy(x, data, x->data_view);
  }
  x->data_held = true;
  x->data_view = lti_buf_slice(data);
  return rc;
}

static int add_data(lti_sse *x, leat_slice value, bool gathered) {
  if (!x->has_data) {
    if (gathered) exchange(&x->lines.cut->beside, &x->lines.cut->scratch);
    x->data_view = value;
    x->data_held = gathered;
    x->has_data = true;
    return LTI_OK;
  }
  int rc = hold_data(x);
  if (rc != LTI_OK) return rc;
  lti_buf *data = gathering_of(x);
  rc = lti_buf_byte(data, '\n');
  if (rc == LTI_OK) rc = copy(x, data, value);
  x->data_view = lti_buf_slice(data);
  return rc;
}

static int hold_type(lti_sse *x) {
  lti_sse_kept *kept = keep(x);
  if (!kept) return LEAT_ENOMEM;
  lti_buf_clear(&kept->type);
  int rc = copy(x, &kept->type, x->type_view);
  x->type_view = lti_buf_slice(&kept->type);
  x->type_held = true;
  return rc;
}

static int set_type(lti_sse *x, leat_slice value, bool gathered) {
  x->has_type = value.size > 0;
  x->type_view = value;
  x->type_held = false;
  return gathered && x->has_type ? hold_type(x) : LTI_OK;
}

static int set_id(lti_sse *x, leat_slice value) {
  if (value.size && memchr(value.data, '\0', value.size)) return LTI_OK;
  lti_sse_kept *kept = keep(x);
  if (!kept) return LEAT_ENOMEM;
  lti_buf_clear(&kept->next_id);
  x->has_next_id = true;
  return copy(x, &kept->next_id, value);
}

static int set_retry(lti_sse *x, leat_slice value) {
  uint64_t ms = 0;
  for (size_t i = 0; i < value.size; i++) {
    if (value.data[i] < '0' || value.data[i] > '9') return LTI_OK;
    uint64_t digit = (uint64_t)(value.data[i] - '0');
    ms = ms > (UINT64_MAX - digit) / 10 ? UINT64_MAX : ms * 10 + digit;
  }
  if (value.size == 0) return LTI_OK;
  x->retry_ms = ms;
  x->has_retry = true;
  x->has_new_retry = true;
  return LTI_OK;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The events at the start of `bytes` that are one data line, LF and an empty one: `*taken` says
 * where the first block begins that is not. */
static int feed_whole(lti_sse *x, leat_slice bytes, size_t *taken) {
  leat_slice rest = bytes;
  int rc = LTI_OK;
  while (rc == LTI_OK && lti_slice_starts(rest, "data:")) {
    const char *line = rest.data, *end = line + rest.size, *value = line + 5;
    const char *lf = memchr(value, '\n', (size_t)(end - value));
    if (!lf || end - lf < 2 || lf[1] != '\n') break;
    if (memchr(value, '\r', (size_t)(lf - value)) || (size_t)(lf - line) > x->lines.line_max) break;
    value += *value == ' ';
    x->data_view = lti_slice(value, (size_t)(lf - value));
    x->has_data = true;
    rest = lti_slice(lf + 2, (size_t)(end - lf) - 2);
    *taken = bytes.size - rest.size;
    rc = dispatch(x);
  }
  return rc;
}

static int hold_views(lti_sse *x) {
  int rc = LTI_OK;
  if (x->has_data && !x->data_held) rc = hold_data(x);
  if (rc == LTI_OK && x->has_type && !x->type_held) rc = hold_type(x);
  return rc;
}

static void give_back(lti_buf *b, bool in_use) {
  if (in_use || b->capacity <= KEPT_BYTES) return;
  lti_buf_clear(b);
  lti_buf_shrink(b, KEPT_BYTES);
}

static void shrink(lti_sse *x) {
  if (x->lines.cut) give_back(&x->lines.cut->scratch, x->lines.gathering);
  if (x->lines.cut) give_back(&x->lines.cut->beside, x->has_data);
  if (!x->kept) return;
  give_back(&x->kept->type, x->has_type);
  give_back(&x->kept->next_id, x->has_next_id);
}

static int dispatch(lti_sse *x) {
  bool has_data = x->has_data;
  lti_sse_event event = {.data = x->data_view, .has_retry = x->has_new_retry};
  event.type = x->has_type ? x->type_view : lti_slice("message", 7);
  if (x->has_next_id) exchange(&x->kept->id, &x->kept->next_id);
  event.id = lti_sse_last_id(x);
  event.retry_ms = x->retry_ms;
  x->has_data = x->data_held = x->has_type = x->type_held = false;
  x->has_next_id = false;
  if (!has_data) return LTI_OK;
  x->has_new_retry = false;
  return x->sink->event(x->ctx, &event);
}
