/* From Python's dicts to leat's structs, by tables: one row a field, its kind and its place. All
 * that a struct points to lies in an arena, which lives as long as the struct. */
#ifndef LEAT_PYTHON_FIELDS_H
#define LEAT_PYTHON_FIELDS_H

#include "core.h"

typedef struct lpy_arena_block lpy_arena_block;
typedef struct lpy_arena {
  lpy_arena_block *first;
} lpy_arena;

/* Zeroed memory, aligned to 16; NULL with MemoryError set. */
void *lpy_arena_get(lpy_arena *arena, size_t count, size_t size);
/* Overwrites what it held, since keys may be in it. */
void lpy_arena_free(lpy_arena *arena);

enum lpy_field_kind {
  LPY_TEXT,    /* const char *: a str without NUL */
  LPY_SLICE,   /* leat_slice: str, bytes or another buffer */
  LPY_INT,     /* int, and enums */
  LPY_INT64,   /* int64_t */
  LPY_DOUBLE,  /* double */
  LPY_BOOL,    /* bool */
  LPY_TEXTS,   /* const char *const *, and a count */
  LPY_HEADERS, /* leat_header array of (name, value), and a count */
  LPY_PARAMS,  /* leat_param array of (name, value), and a count */
  LPY_LIST,    /* an array of structs made from dicts, and a count */
  LPY_STRUCT   /* a struct made from a dict, in place or pointed to */
};

typedef struct lpy_field {
  const char *name;
  enum lpy_field_kind kind;
  size_t offset;
  size_t other; /* of the count, or of the presence bit; LPY_NONE: there is none */
  const struct lpy_field *fields; /* LPY_LIST, LPY_STRUCT */
  size_t size; /* of one element; LPY_STRUCT: 0 in place, else of what is pointed to */
} lpy_field;

#define LPY_NONE ((size_t)-1)

/* Fills `to`; None counts as not given. False with an exception set, such as for a field that is
 * in no row. A table ends with a row without a name. */
bool lpy_fields_fill(void *to, PyObject *dict, const lpy_field *fields, lpy_arena *arena);

#endif
