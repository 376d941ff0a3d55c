/* From JavaScript's objects to leat's structs, by tables: one row a field, its kind and its place.
 * A row's name is the struct's ("max_tokens"), the object's member is its twin ("maxTokens"). All
 * that a struct points to lies in an arena or in the objects' own memory: it is valid until the
 * arena is freed or JavaScript runs again, whichever comes first. */
#ifndef LEAT_NODE_FIELDS_H
#define LEAT_NODE_FIELDS_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "leat.h"

typedef struct lno_arena_block lno_arena_block;
typedef struct lno_arena {
  napi_env env;
  lno_arena_block *first;
} lno_arena;

/* Zeroed memory, aligned to 16; NULL with an exception pending. */
void *lno_arena_get(lno_arena *arena, size_t count, size_t size);
/* Overwrites what it held, since keys may be in it. */
void lno_arena_free(lno_arena *arena);

enum lno_field_kind {
  LNO_TEXT,    /* const char *: a string without NUL */
  LNO_SLICE,   /* leat_slice: a string, which is copied, or a Uint8Array, which is not */
  LNO_INT,     /* int, and enums */
  LNO_INT64,   /* int64_t */
  LNO_DOUBLE,  /* double */
  LNO_BOOL,    /* bool */
  LNO_TEXTS,   /* const char *const *, and a count */
  LNO_HEADERS, /* leat_header array of name, value, name, value, and a count */
  LNO_PARAMS,  /* leat_param array, as well */
  LNO_LIST,    /* an array of structs made from objects, and a count */
  LNO_STRUCT   /* a struct made from an object, in place or pointed to */
};

typedef struct lno_field {
  const char *name;
  enum lno_field_kind kind;
  size_t offset;
  size_t other; /* of the count, or of the presence bit; LNO_NONE: there is none */
  const struct lno_field *fields; /* LNO_LIST, LNO_STRUCT */
  size_t size; /* of one element; LNO_STRUCT: 0 in place, else of what is pointed to */
} lno_field;

#define LNO_NONE ((size_t)-1)

#define LNO_PLAIN(type, field, kind) \
  { #field, kind, offsetof(type, field), LNO_NONE, NULL, 0 }
#define LNO_MAYBE(type, field, kind) \
  { #field, kind, offsetof(type, field), offsetof(type, has_##field), NULL, 0 }
#define LNO_COUNTED(type, field, count, kind) \
  { #field, kind, offsetof(type, field), offsetof(type, count), NULL, 0 }
#define LNO_LISTED(type, field, count, rows, element) \
  { #field, LNO_LIST, offsetof(type, field), offsetof(type, count), rows, sizeof(element) }
#define LNO_INSIDE(type, field, rows) \
  { #field, LNO_STRUCT, offsetof(type, field), LNO_NONE, rows, 0 }
#define LNO_POINTED(type, field, rows, element) \
  { #field, LNO_STRUCT, offsetof(type, field), LNO_NONE, rows, sizeof(element) }
#define LNO_END \
  { NULL, LNO_TEXT, 0, LNO_NONE, NULL, 0 }

/* Fills `to`; undefined and null count as not given. False with an exception pending, such as for
 * a member that is in no row. A table ends with a row without a name. */
bool lno_fields_fill(void *to, napi_value object, const lno_field *fields, lno_arena *arena);

/* A string, which is copied into the arena, or bytes, which are not. False: neither, and an
 * exception that says so of `name`. */
bool lno_fields_slice(leat_slice *to, napi_value value, const char *name, lno_arena *arena);

#endif
