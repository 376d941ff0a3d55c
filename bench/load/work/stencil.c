/* Texts with holes: see stencil.h. A text is taken apart once, into pieces that are each a text as
 * it is and the hole behind it; what the environment says is a text by then. */
#include "stencil.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "bindings/cli/values.h"
#include "draw.h"
#include "wire/json.h"

#define HOLE_SIZE_MAX 200
#define ENV_MAX       65536
#define SECRET_LEAST  8

enum hole { HOLE_NONE, HOLE_INDEX, HOLE_TURN, HOLE_UUID, HOLE_RANDOM, HOLE_PROMPT, HOLE_ENV };

typedef struct piece {
  leat_slice text; /* in front of the hole */
  enum hole hole;
  int64_t from, to;  /* HOLE_RANDOM */
  const char *value; /* HOLE_ENV */
} piece;

struct stencil {
  const char *name;
  char *why; /* while it is opened */
  bool json;
  size_t count;
  piece *pieces;
};

/* A text being taken apart. */
typedef struct cutting {
  stencil *s;
  leat_slice rest;
  bool braces; /* the two braces that `rest` begins with are text */
} cutting;

static bool refuse(const stencil *s, leat_slice hole, const char *why) {
  snprintf(s->why, STENCIL_WHY_MAX, "%s: {{%.*s}}: %s", s->name, (int)hole.size, hole.data, why);
  return false;
}

static void skip_blanks(leat_slice *text) {
  while (text->size && (*text->data == ' ' || *text->data == '\t'))
    *text = lti_slice_from(*text, 1);
}

/* The next word of a hole; empty: there is none. */
static leat_slice take_word(leat_slice *text) {
  size_t n = 0;
  skip_blanks(text);
  while (n < text->size && text->data[n] != ' ' && text->data[n] != '\t') n++;
  leat_slice word = lti_slice(text->data, n);
  *text = lti_slice_from(*text, n);
  return word;
}

static bool read_integer(leat_slice word, int64_t *value) {
  char copy[32];
  if (word.size == 0 || word.size >= sizeof copy) return false;
  memcpy(copy, word.data, word.size);
  copy[word.size] = '\0';
  return cli_values_int(copy, value);
}

static bool read_env(const stencil *s, leat_slice hole, leat_slice name, piece *p) {
  char copy[HOLE_SIZE_MAX + 1];
  if (name.size == 0 || name.size >= sizeof copy)
    return refuse(s, hole, "write it as {{env NAME}}");
  memcpy(copy, name.data, name.size);
  copy[name.size] = '\0';
  p->hole = HOLE_ENV;
  p->value = getenv(copy);
  if (!p->value) return refuse(s, hole, "the environment has no such variable");
  if (strlen(p->value) > ENV_MAX) return refuse(s, hole, "the variable is longer than 65536 bytes");
  cli_say_secret(lti_slice_of(p->value));
  /* Short ones are no keys; of the others none may be told by accident. */
  bool hidden = strlen(p->value) < SECRET_LEAST || cli_say_is_secret(lti_slice_of(p->value));
  return hidden ? true : refuse(s, hole, "more variables than can be kept out of reports");
}

static bool read_random(const stencil *s, leat_slice hole, leat_slice words, piece *p) {
  leat_slice from = take_word(&words), to = take_word(&words);
  p->hole = HOLE_RANDOM;
  if (!read_integer(from, &p->from) || !read_integer(to, &p->to) || take_word(&words).size)
    return refuse(s, hole, "write it as {{random A B}}, two integers");
  return p->from <= p->to ? true : refuse(s, hole, "the first must not be above the second");
}

static bool read_hole(const stencil *s, leat_slice hole, piece *p) {
  static const struct {
    const char *name;
    enum hole hole;
  } plain[] = {
      {"index", HOLE_INDEX}, {"turn", HOLE_TURN}, {"uuid", HOLE_UUID}, {"prompt", HOLE_PROMPT}};
  leat_slice words = hole, name = take_word(&words);
  skip_blanks(&words);
  if (lti_slice_is(name, "env")) return read_env(s, hole, lti_slice_trim(words), p);
  if (lti_slice_is(name, "random")) return read_random(s, hole, words, p);
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
    if (lti_slice_is(name, plain[i].name) && words.size == 0) p->hole = plain[i].hole;
  return p->hole != HOLE_NONE
             ? true
             : refuse(s, hole, "index, turn, uuid, random A B, prompt and env NAME are known");
}

/* The next piece, which reaches to a hole, to a backslash that is left out, or to the end. */
static bool cut(cutting *c, piece *p) {
  leat_slice behind = lti_slice_from(c->rest, c->braces ? 2 : 0);
  const char *at = lti_slice_find(behind, lti_slice("{{", 2));
  *p = (piece){.text = c->rest};
  if (!at) {
    c->rest = lti_slice(NULL, 0);
    return true;
  }
  size_t size = (size_t)(at - c->rest.data);
  c->braces = at > behind.data && at[-1] == '\\';
  p->text.size = c->braces ? size - 1 : size;
  c->rest = lti_slice_from(c->rest, size);
  if (c->braces) return true;
  c->rest = lti_slice_from(c->rest, 2);
  const char *end = lti_slice_find(c->rest, lti_slice("}}", 2));
  size_t inside = end ? (size_t)(end - c->rest.data) : 0;
  if (!end || inside > HOLE_SIZE_MAX) {
    snprintf(c->s->why, STENCIL_WHY_MAX,
             "%s: {{%.*s is not closed by }}; \\{{ is two braces as they are", c->s->name,
             (int)(c->rest.size < 20 ? c->rest.size : 20), c->rest.data);
    return false;
  }
  leat_slice hole = lti_slice(c->rest.data, inside);
  c->rest = lti_slice_from(c->rest, inside + 2);
  return read_hole(c->s, hole, p);
}

/* No more pieces than there are pairs of braces, and one. */
static size_t count_pieces(leat_slice text) {
  size_t count = 1;
  for (const char *at; (at = lti_slice_find(text, lti_slice("{{", 2))); count++)
    text = lti_slice_from(text, (size_t)(at - text.data) + 2);
  return count;
}

stencil *stencil_open(leat_slice text, const char *name, bool json, char why[STENCIL_WHY_MAX]) {
  size_t room = count_pieces(text);
  if (room > STENCIL_HOLES_MAX) {
    snprintf(why, STENCIL_WHY_MAX, "%s: more than %d holes", name, STENCIL_HOLES_MAX);
    return NULL;
  }
  snprintf(why, STENCIL_WHY_MAX, "%s: no memory", name);
  stencil *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  *s = (stencil){.name = name, .why = why, .json = json, .pieces = calloc(room, sizeof(piece))};
  cutting c = {.s = s, .rest = text};
  bool fine = s->pieces != NULL;
  while (fine && c.rest.size > 0) fine = s->count < room && cut(&c, &s->pieces[s->count++]);
  s->why = NULL;
  if (fine) return s;
  stencil_free(s);
  return NULL;
}

void stencil_free(stencil *s) {
  if (!s) return;
  free(s->pieces);
  free(s);
}

static bool has(const stencil *s, enum hole hole) {
  for (size_t i = 0; i < s->count; i++)
    if (hole == HOLE_NONE ? s->pieces[i].hole != HOLE_NONE : s->pieces[i].hole == hole) return true;
  return false;
}

bool stencil_has_holes(const stencil *s) {
  return has(s, HOLE_NONE);
}

bool stencil_has_prompt(const stencil *s) {
  return has(s, HOLE_PROMPT);
}

/* ---- filling */

static int write_uuid(lti_prng *chance, lti_buf *out) {
  uint64_t high = lti_prng_next(chance), low = lti_prng_next(chance);
  char text[40];
  high = (high & ~UINT64_C(0xf000)) | 0x4000; /* version 4, RFC 9562 5.4 */
  low = (low >> 2) | UINT64_C(0x8000000000000000);
  int n = snprintf(
      text, sizeof text, "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
      high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & UINT64_C(0xffffffffffff));
  return lti_buf_append(out, lti_slice(text, (size_t)n));
}

/* As it is, or as it stands in a JSON string: without the quotes around it. */
static int write_text(const stencil *s, leat_slice text, lti_buf *out) {
  size_t before = out->size;
  if (!s->json) return lti_buf_append(out, text);
  int r = lti_json_write_string(out, text);
  if (r != LEAT_OK) return r;
  memmove(out->data + before, out->data + before + 1, out->size - before - 1);
  out->size -= 2;
  return LEAT_OK;
}

static int write_random(const piece *p, lti_prng *chance, lti_buf *out) {
  uint64_t range = (uint64_t)p->to - (uint64_t)p->from + 1; /* 0: all 64 bits */
  uint64_t x = range ? lti_prng_below(chance, range) : lti_prng_next(chance);
  return lti_buf_i64(out, (int64_t)((uint64_t)p->from + x));
}

static int write_piece(const stencil *s, const piece *p, const stencil_fill *fill, lti_prng *chance,
                       lti_buf *out) {
  int r = lti_buf_append(out, p->text);
  if (r != LEAT_OK) return r;
  switch (p->hole) {
    case HOLE_NONE: break;
    case HOLE_INDEX: return lti_buf_u64(out, fill->index);
    case HOLE_TURN: return lti_buf_u64(out, fill->turn);
    case HOLE_UUID: return write_uuid(chance, out);
    case HOLE_RANDOM: return write_random(p, chance, out);
    case HOLE_PROMPT: return write_text(s, fill->prompt, out);
    case HOLE_ENV: return write_text(s, lti_slice_of(p->value), out);
  }
  return LEAT_OK;
}

int stencil_write(const stencil *s, const stencil_fill *fill, lti_buf *out) {
  lti_prng chance;
  uint64_t name = draw_hash(fill->seed, lti_slice_of(s->name));
  lti_prng_seed(&chance, draw_mix(draw_mix(name, fill->index), fill->turn));
  for (size_t i = 0; i < s->count; i++) {
    int r = write_piece(s, &s->pieces[i], fill, &chance, out);
    if (r != LEAT_OK) return r;
  }
  return LEAT_OK;
}
