/* The splitter of elements: where each byte stands, and one element at its last brace.
 *
 *     START --'['--> FIRST --{..}--> BEHIND --','--> NEXT --{..}--> BEHIND --']'--> CLOSED
 *                    FIRST --']'--> CLOSED
 *     START --{..}--> BARE --{..}--> BARE
 *
 * Within an element only the depth is counted, over objects and arrays alike, and strings are
 * passed with memchr, since an image is one string of megabytes. A slice that ends within an
 * element leaves what it had of it in `held`; the memory of a large one is given back. */
#include "wire/elements.h"

#include <string.h>

#include "base/error.h"

#define KEPT_BYTES 4096 /* of `held`, between elements */

enum place { PLACE_START, PLACE_FIRST, PLACE_NEXT, PLACE_BEHIND, PLACE_BARE, PLACE_CLOSED };

/* A slice on its way: how far it was read, and where the element under way begins in it. */
typedef struct walk {
  leat_slice bytes;
  size_t at, start;
} walk;

static int step_between(lti_elements *x, walk *w);
static int step_element(lti_elements *x, walk *w);

void lti_elements_init(lti_elements *x, lti_alloc *alloc, size_t element_bytes_max,
                       const lti_elements_sink *sink, void *ctx) {
  memset(x, 0, sizeof *x);
  x->sink = sink;
  x->ctx = ctx;
  lti_buf_init(&x->held, alloc, element_bytes_max, sink->full_error);
}

void lti_elements_deinit(lti_elements *x) {
  lti_buf_deinit(&x->held);
}

int lti_elements_feed(lti_elements *x, leat_slice bytes, size_t *taken) {
  walk w = {.bytes = bytes};
  int rc = x->error;
  while (rc == LTI_OK && w.at < bytes.size) {
    rc = x->depth ? step_element(x, &w) : step_between(x, &w);
  }
  *taken = w.at;
  if (x->depth == 0 && x->held.capacity > KEPT_BYTES) lti_buf_shrink(&x->held, KEPT_BYTES);
  if (rc < 0) x->error = rc;
  return rc;
}

int lti_elements_end(const lti_elements *x) {
  if (x->error) return x->error;
  bool clean = x->depth == 0 &&
               (x->place == PLACE_START || x->place == PLACE_BARE || x->place == PLACE_CLOSED);
  return clean ? LTI_OK : LEAT_EINCOMPLETE;
}

bool lti_elements_closed(const lti_elements *x) {
  return x->place == PLACE_CLOSED;
}

/* ---- between elements ------------------------------------------------------------------------ */

/* Goes on at once, since the brace may be the last byte of its slice. */
static int open_element(lti_elements *x, walk *w) {
  if (w->bytes.data[w->start] != '{') return LEAT_EDECODE;
  x->depth = 1;
  return step_element(x, w);
}

static int close_array(lti_elements *x) {
  x->place = PLACE_CLOSED;
  return x->sink->closed ? x->sink->closed(x->ctx) : LTI_OK;
}

static int step_between(lti_elements *x, walk *w) {
  char c = w->bytes.data[w->at];
  w->start = w->at++;
  if (c == ' ' || c == '\n' || c == '\r' || c == '\t') return LTI_OK;
  switch ((enum place)x->place) {
    case PLACE_START:
      x->bare = c != '[';
      if (x->bare) return open_element(x, w);
      x->place = PLACE_FIRST;
      return LTI_OK;
    case PLACE_FIRST: return c == ']' ? close_array(x) : open_element(x, w);
    case PLACE_BEHIND:
      if (c == ']') return close_array(x);
      x->place = PLACE_NEXT;
      return c == ',' ? LTI_OK : LEAT_EDECODE;
    case PLACE_NEXT:
    case PLACE_BARE: return open_element(x, w);
    case PLACE_CLOSED: break;
  }
  return LEAT_EDECODE;
}

/* ---- elements -------------------------------------------------------------------------------- */

/* Behind the string that `at` is in, or `end` when it goes on. */
static const char *pass_string(lti_elements *x, const char *at, const char *end) {
  if (x->escaped) at++;
  x->escaped = false;
  while (at < end) {
    const char *quote = memchr(at, '"', (size_t)(end - at));
    const char *stop = quote ? quote : end, *slash;
    while (at < stop && (slash = memchr(at, '\\', (size_t)(stop - at)))) {
      x->escaped = slash + 1 == end;
      if (x->escaped) return end;
      at = slash + 2;
    }
    if (!quote) return end;
    if (at > quote) continue; /* it was escaped */
    x->in_string = false;
    return quote + 1;
  }
  return end;
}

/* True: the element ended right before w->at. */
static bool pass_element(lti_elements *x, walk *w) {
  const char *at = w->bytes.data + w->at, *end = w->bytes.data + w->bytes.size;
  while (at < end && x->depth) {
    if (x->in_string) {
      at = pass_string(x, at, end);
      continue;
    }
    char c = *at++;
    if (c == '"') {
      x->in_string = true;
    } else if (c == '{' || c == '[') {
      x->depth++;
    } else if (c == '}' || c == ']') {
      x->depth--;
    }
  }
  w->at = (size_t)(at - w->bytes.data);
  return x->depth == 0;
}

static int step_element(lti_elements *x, walk *w) {
  bool whole = pass_element(x, w);
  leat_slice json = lti_slice(w->bytes.data + w->start, w->at - w->start);
  if (!whole || x->held.size) {
    int rc = lti_buf_append(&x->held, json);
    if (rc != LTI_OK) return rc;
    x->copied += json.size;
    json = lti_buf_slice(&x->held);
  }
  if (!whole) return LTI_OK;
  if (json.size > x->held.max) return x->sink->full_error;
  x->place = x->bare ? PLACE_BARE : PLACE_BEHIND;
  x->count++;
  int rc = x->sink->element(x->ctx, json);
  lti_buf_clear(&x->held);
  return rc;
}
