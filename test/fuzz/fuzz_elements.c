/* Fuzzes the splitter of elements: what comes out must not depend on how the input was cut.
 *
 *   byte 0      bit 0: a small element limit   bit 1: the sink stops behind every element
 *   bytes 1-4   sizes of the pieces, used in turn; 0 is an empty piece
 *   the rest    the body
 *
 * The same body is fed whole, in those pieces and byte by byte, each piece in a block of exactly
 * its size that is gone when feed returns. Elements and error must be the same, no element may be
 * larger than the limit, and what ran into no limit must also be what a plain model finds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/elements.h"

#define LIMIT_SMALL 100
#define LIMIT       65536
#define BYTES_MAX   16384 /* above this, byte by byte is left out */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

typedef struct outcome {
  lti_buf text;
  size_t limit;
  bool stop;
  int rc;
} outcome;

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "breach: %s\n", what);
  abort();
}

static int on_element(void *ctx, leat_slice json) {
  outcome *o = ctx;
  require(json.size >= 2 && json.size <= o->limit && *json.data == '{', "an object in its limit");
  require(lti_buf_append(&o->text, json) == LTI_OK, "the record has room");
  require(lti_buf_byte(&o->text, '\n') == LTI_OK, "the record has room");
  return o->stop ? LTI_STOPPED : LTI_OK;
}

static int on_closed(void *ctx) {
  outcome *o = ctx;
  require(lti_buf_text(&o->text, "closed") == LTI_OK, "the record has room");
  return o->stop ? LTI_STOPPED : LTI_OK;
}

static const lti_elements_sink sink = {on_element, on_closed, LEAT_EEVENTMAX};

static int feed_piece(lti_elements *x, const uint8_t *bytes, size_t size) {
  char *copy = malloc(size ? size : 1);
  size_t at = 0, taken = 0;
  int rc;
  if (!copy) abort();
  if (size) memcpy(copy, bytes, size);
  do {
    rc = lti_elements_feed(x, lti_slice(copy + at, size - at), &taken);
    require(taken <= size - at, "no more taken than given");
    require(rc != LTI_OK || taken == size - at, "all taken");
    require(rc != LTI_STOPPED || taken > 0, "it goes on behind a stop");
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
  lti_elements x;
  lti_buf_init(&o.text, alloc, SIZE_MAX, LEAT_EBODYMAX);
  lti_elements_init(&x, alloc, o.limit, &sink, &o);
  if (whole) o.rc = feed_piece(&x, body, left);
  for (size_t i = 0; !whole && o.rc == LTI_OK && left; i++) {
    size_t piece = sizes[i % 4] < left ? sizes[i % 4] : left;
    o.rc = feed_piece(&x, body, piece);
    body += piece;
    left -= piece;
  }
  int end = lti_elements_end(&x);
  require(o.rc == LTI_OK ? end == LTI_OK || end == LEAT_EINCOMPLETE : end == o.rc, "the end");
  o.rc = end;
  lti_elements_deinit(&x);
  return o;
}

/* ---- the model: one character after the other, with the whole body at hand ------------------- */

/* The size of the object at the start of `text`; 0: it does not end. */
static size_t model_object(leat_slice text) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size; i++) {
    char c = text.data[i];
    if (quoted) {
      if (c == '\\') i++;
      quoted = c != '"';
      continue;
    }
    quoted = c == '"';
    if (c == '{' || c == '[') depth++;
    if ((c == '}' || c == ']') && --depth == 0) return i + 1;
  }
  return 0;
}

static leat_slice model_blank(leat_slice text) {
  while (text.size && strchr(" \t\r\n", *text.data) && *text.data) text = lti_slice_from(text, 1);
  return text;
}

static int model_run(leat_slice text, outcome *out) {
  bool array = false, first = true;
  text = model_blank(text);
  if (text.size == 0) return LTI_OK;
  if (*text.data == '[') {
    array = true;
    text = model_blank(lti_slice_from(text, 1));
  }
  for (;; first = false) {
    if (text.size == 0) return array ? LEAT_EINCOMPLETE : LTI_OK;
    if (array && *text.data == ']') {
      on_closed(out);
      return model_blank(lti_slice_from(text, 1)).size ? LEAT_EDECODE : LTI_OK;
    }
    if (array && !first) {
      if (*text.data != ',') return LEAT_EDECODE;
      text = model_blank(lti_slice_from(text, 1));
      if (text.size == 0) return LEAT_EINCOMPLETE;
    }
    if (*text.data != '{') return LEAT_EDECODE;
    size_t size = model_object(text);
    if (size == 0) return LEAT_EINCOMPLETE;
    on_element(out, lti_slice(text.data, size));
    text = model_blank(lti_slice_from(text, size));
  }
}

static void check_model(lti_alloc *alloc, leat_slice body, const outcome *got) {
  outcome model = {.limit = SIZE_MAX};
  lti_buf_init(&model.text, alloc, SIZE_MAX, LEAT_EBODYMAX);
  require(model_run(body, &model) == got->rc, "the model's verdict");
  require(lti_slice_equal(lti_buf_slice(&model.text), lti_buf_slice(&got->text)),
          "the model's elements");
  lti_buf_deinit(&model.text);
}

static void must_agree(const outcome *whole, outcome other) {
  require(whole->rc == other.rc, "the same error");
  require(lti_slice_equal(lti_buf_slice(&whole->text), lti_buf_slice(&other.text)),
          "the same elements");
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
  if (whole.rc != LEAT_EEVENTMAX) {
    check_model(&alloc, lti_slice((const char *)input + 5, size - 5), &whole);
  }
  lti_buf_deinit(&whole.text);
  return 0;
}
