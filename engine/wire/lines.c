/* The line splitter: two memchr calls for a line, none for an empty one.
 *
 * Where the next LF stands is remembered within a slice, and a CR is looked for only before it, so
 * that every byte is scanned at most twice whatever the mix of line ends is. A CR ends its line at
 * once; an LF right behind it is swallowed, at the start of the next slice if need be.
 *
 * Invariants: `gathering` says that `cut` holds the start of the line under way; it is not
 * cleared when that line is handed on but when the next one is gathered, so that a gathered line
 * can be viewed until then (sse.c exchanges the buffer for its own instead of copying it). */
#include "wire/lines.h"

#include <string.h>

#include "base/error.h"

#define BOM_DECIDED 4

static const char BOM[] = "\xef\xbb\xbf";

static int skip_bom(lti_lines *x, const char **p, const char *end);
static const char *find_end(const char *p, const char *end, const char **lf);
static int gather(lti_lines *x, const char *p, const char *end);
static int finish_line(lti_lines *x, const char *p, const char *end);

void lti_lines_init(lti_lines *x, lti_alloc *alloc, size_t line_bytes_max,
                    const lti_lines_sink *sink, void *ctx) {
  memset(x, 0, sizeof *x);
  x->sink = sink;
  x->ctx = ctx;
  x->line_max = line_bytes_max > LTI_LINES_ASK ? line_bytes_max : LTI_LINES_ASK;
  x->alloc = alloc;
}

static void free_cut(lti_alloc *alloc, lti_lines_cut *c) {
  lti_buf_deinit(&c->scratch);
  lti_buf_deinit(&c->beside);
  lti_alloc_put(alloc, c);
}

void lti_lines_deinit(lti_lines *x) {
  if (x->cut) free_cut(x->alloc, x->cut);
  x->cut = NULL;
}

void lti_lines_spare_deinit(lti_lines_spare *spare, lti_alloc *alloc) {
  while (spare->count) free_cut(alloc, spare->cuts[--spare->count]);
}

void lti_lines_park(lti_lines *x) {
  lti_lines_spare *spare = x->spare;
  if (!x->cut || !spare) return;
  if (spare->count < LTI_LINES_SPARE_MAX)
    spare->cuts[spare->count++] = x->cut;
  else
    free_cut(x->alloc, x->cut);
  x->cut = NULL;
}

lti_lines_cut *lti_lines_need_cut(lti_lines *x) {
  if (x->cut) return x->cut;
  if (x->spare && x->spare->count) {
    x->cut = x->spare->cuts[--x->spare->count];
    lti_buf_clear(&x->cut->scratch);
    lti_buf_clear(&x->cut->beside);
    x->cut->scratch.max = x->cut->beside.max = x->line_max;
    return x->cut;
  }
  x->cut = lti_alloc_zero(x->alloc, sizeof *x->cut);
  if (!x->cut) return NULL;
  lti_buf_init(&x->cut->scratch, x->alloc, x->line_max, x->sink->full_error);
  lti_buf_init(&x->cut->beside, x->alloc, x->line_max, x->sink->full_error);
  return x->cut;
}

int lti_lines_feed(lti_lines *x, leat_slice bytes, size_t *taken) {
  const char *p = bytes.data, *end = bytes.size ? p + bytes.size : p, *lf = NULL;
  int rc = x->error;
  *taken = 0;
  if (rc == LTI_OK && x->bom != BOM_DECIDED) rc = skip_bom(x, &p, end);
  while (rc == LTI_OK && p < end) {
    if (x->after_cr && *p == '\n') {
      x->after_cr = false;
      p++;
      continue;
    }
    x->after_cr = false;
    const char *stop = find_end(p, end, &lf);
    if (stop == end) {
      rc = gather(x, p, end);
      p = end;
      break;
    }
    const char *from = p;
    x->after_cr = *stop == '\r';
    p = stop + 1;
    if (x->after_cr && p < end) {
      x->after_cr = false;
      if (*p == '\n') p++;
    }
    rc = finish_line(x, from, stop);
  }
  if (rc < 0) x->error = rc;
  *taken = bytes.size ? (size_t)(p - bytes.data) : 0;
  return rc;
}

bool lti_lines_between(const lti_lines *x) {
  return x->bom == BOM_DECIDED && !x->after_cr && !x->gathering && x->error == LTI_OK;
}

int lti_lines_end(lti_lines *x, leat_slice *rest) {
  *rest = lti_slice(BOM, x->bom < BOM_DECIDED ? x->bom : 0);
  if (x->gathering) *rest = lti_buf_slice(&x->cut->scratch);
  if (x->gathering && x->asked && rest->size > x->cut->wanted) rest->size = x->cut->wanted;
  return x->error;
}

/* A start that is no BOM after all becomes the start of the first line. */
static int skip_bom(lti_lines *x, const char **p, const char *end) {
  while (x->bom < 3 && *p < end && **p == BOM[x->bom]) {
    x->bom++;
    ++*p;
  }
  if (x->bom < 3 && *p == end) return LTI_OK;
  unsigned seen = x->bom;
  x->bom = BOM_DECIDED;
  return seen == 1 || seen == 2 ? gather(x, BOM, BOM + seen) : LTI_OK;
}

/* The line's end, or `end`. `*lf` is the next LF, kept from call to call; NULL: not known. */
static const char *find_end(const char *p, const char *end, const char **lf) {
  if (*p == '\n') return p;
  if (!*lf || *lf < p) {
    const char *found = memchr(p, '\n', (size_t)(end - p));
    *lf = found ? found : end;
  }
  const char *cr = memchr(p, '\r', (size_t)(*lf - p));
  return cr ? cr : *lf;
}

static size_t ask(lti_lines *x, leat_slice start) {
  return x->sink->keep ? x->sink->keep(x->ctx, start) : LTI_LINES_ALL;
}

static int append(lti_lines *x, const char *p, size_t size) {
  int rc = lti_buf_append(&x->cut->scratch, lti_slice(p, size));
  if (rc == LTI_OK) x->copied += size;
  return rc;
}

/* A line begins that is to be gathered. False: no memory. */
static bool begin(lti_lines *x) {
  if (!lti_lines_need_cut(x)) return false;
  lti_buf_clear(&x->cut->scratch);
  x->cut->wanted = LTI_LINES_ALL;
  x->gathering = true;
  x->asked = false;
  return true;
}

static int gather(lti_lines *x, const char *p, const char *end) {
  size_t size = (size_t)(end - p);
  if (!x->gathering && !begin(x)) return LEAT_ENOMEM;
  lti_lines_cut *c = x->cut;
  if (!x->asked && size > LTI_LINES_ASK - c->scratch.size) {
    size_t part = LTI_LINES_ASK - c->scratch.size;
    int rc = append(x, p, part);
    if (rc != LTI_OK) return rc;
    p += part;
    size -= part;
    x->asked = true;
    c->wanted = ask(x, lti_buf_slice(&c->scratch));
  }
  size_t room = c->wanted > c->scratch.size ? c->wanted - c->scratch.size : 0;
  return append(x, p, size < room ? size : room);
}

/* Hands on the line that ends at `end`; `p` is its start, or goes on with what was gathered. */
static int finish_line(lti_lines *x, const char *p, const char *end) {
  leat_slice line = lti_slice(p, (size_t)(end - p));
  size_t wanted = LTI_LINES_ALL;
  if (x->gathering) {
    int rc = gather(x, p, end);
    if (rc != LTI_OK) return rc;
    x->gathering = false;
    wanted = x->cut->wanted;
    line = lti_buf_slice(&x->cut->scratch);
  } else if (line.size > x->line_max) {
    wanted = ask(x, lti_slice(p, LTI_LINES_ASK));
    if (wanted > x->line_max) return x->sink->full_error;
  }
  if (wanted == 0) return LTI_OK;
  if (line.size > wanted) line.size = wanted;
  return x->sink->line(x->ctx, line);
}
