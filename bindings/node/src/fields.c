/* See fields.h. */
#include "fields.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)4096)
#define NAME_BYTES  64
#define SAFE_MAX    9007199254740991.0 /* Number.MAX_SAFE_INTEGER */

struct lno_arena_block {
  lno_arena_block *next;
  size_t size, room;
  _Alignas(16) char bytes[];
};

/* ---- the arena */

static void *no_memory(lno_arena *arena) {
  napi_throw_error(arena->env, "ERR_MEMORY_ALLOCATION_FAILED", "no memory for the request");
  return NULL;
}

void *lno_arena_get(lno_arena *arena, size_t count, size_t size) {
  if (size && count > (SIZE_MAX / 2) / size) return no_memory(arena);
  size_t need = (count * size + 15) & ~(size_t)15;
  lno_arena_block *b = arena->first;
  if (!b || b->room - b->size < need) {
    size_t room = need > BLOCK_BYTES ? need : BLOCK_BYTES;
    b = calloc(1, sizeof *b + room);
    if (!b) return no_memory(arena);
    b->room = room;
    b->next = arena->first;
    arena->first = b;
  }
  void *at = b->bytes + b->size;
  b->size += need;
  return at;
}

void lno_arena_free(lno_arena *arena) {
  while (arena->first) {
    lno_arena_block *b = arena->first;
    arena->first = b->next;
    memset(b->bytes, 0, b->size);
    __asm__ __volatile__("" : : "r"(b->bytes) : "memory"); /* the wipe is not optimised away */
    free(b);
  }
}

/* ---- texts */

static bool wrong(lno_arena *arena, const char *name, const char *what) {
  char text[160];
  snprintf(text, sizeof text, "%s must be %s", name, what);
  napi_throw_type_error(arena->env, "ERR_INVALID_ARG_TYPE", text);
  return false;
}

static bool read_string(leat_slice *to, napi_value value, lno_arena *arena) {
  size_t size, written;
  if (napi_get_value_string_utf8(arena->env, value, NULL, 0, &size) != napi_ok) return false;
  char *copy = lno_arena_get(arena, size + 1, 1);
  if (!copy || napi_get_value_string_utf8(arena->env, value, copy, size + 1, &written) != napi_ok)
    return false;
  *to = (leat_slice){copy, written};
  return true;
}

/* A view, since leat copies what it is given before the call returns. */
static bool view_bytes(leat_slice *to, napi_value value, napi_env env) {
  bool is_typed = false;
  napi_typedarray_type type;
  void *bytes;
  size_t length;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return false;
  if (napi_get_typedarray_info(env, value, &type, &length, &bytes, NULL, NULL) != napi_ok)
    return false;
  if (type != napi_uint8_array) return false;
  *to = (leat_slice){length ? bytes : "", length};
  return true;
}

bool lno_fields_slice(leat_slice *to, napi_value value, const char *name, lno_arena *arena) {
  napi_valuetype type;
  if (napi_typeof(arena->env, value, &type) != napi_ok) return false;
  if (type == napi_string) return read_string(to, value, arena);
  if (type == napi_object && view_bytes(to, value, arena->env)) return true;
  return wrong(arena, name, "a string or a Uint8Array");
}

static const char *read_text(napi_value value, const char *name, lno_arena *arena) {
  leat_slice text;
  napi_valuetype type;
  if (napi_typeof(arena->env, value, &type) != napi_ok) return NULL;
  if (type != napi_string) {
    wrong(arena, name, "a string");
    return NULL;
  }
  if (!read_string(&text, value, arena)) return NULL;
  if (!memchr(text.data, 0, text.size)) return text.data;
  wrong(arena, name, "a string without NUL");
  return NULL;
}

/* ---- numbers */

static bool read_double(double *to, napi_value value, const char *name, lno_arena *arena) {
  if (napi_get_value_double(arena->env, value, to) == napi_ok && isfinite(*to)) return true;
  return wrong(arena, name, "a number");
}

static bool read_int64(int64_t *to, napi_value value, const char *name, lno_arena *arena) {
  double wide;
  if (!read_double(&wide, value, name, arena)) return false;
  if (wide != floor(wide) || fabs(wide) > SAFE_MAX) return wrong(arena, name, "a whole number");
  *to = (int64_t)wide;
  return true;
}

static bool read_int(int *to, napi_value value, const char *name, lno_arena *arena) {
  int64_t wide;
  if (!read_int64(&wide, value, name, arena)) return false;
  if (wide < INT_MIN || wide > INT_MAX) return wrong(arena, name, "in the range of 32 bits");
  *to = (int)wide;
  return true;
}

static bool read_bool(bool *to, napi_value value, const char *name, lno_arena *arena) {
  return napi_get_value_bool(arena->env, value, to) == napi_ok || wrong(arena, name, "a boolean");
}

/* ---- lists */

static size_t element_size(const lno_field *f) {
  switch (f->kind) {
    case LNO_TEXTS: return sizeof(char *);
    case LNO_HEADERS: return sizeof(leat_header);
    case LNO_PARAMS: return sizeof(leat_param);
    default: return f->size;
  }
}

static uint32_t items_of(const lno_field *f) {
  return f->kind == LNO_HEADERS || f->kind == LNO_PARAMS ? 2 : 1;
}

/* `items` are one value, or a name and a value. */
static bool read_element(char *to, napi_value *items, const lno_field *f, lno_arena *arena) {
  switch (f->kind) {
    case LNO_TEXTS: {
      const char *text = read_text(items[0], f->name, arena);
      memcpy(to, &text, sizeof text);
      return text != NULL;
    }
    case LNO_HEADERS: {
      leat_header *h = (leat_header *)(void *)to;
      return lno_fields_slice(&h->name, items[0], f->name, arena) &&
             lno_fields_slice(&h->value, items[1], f->name, arena);
    }
    case LNO_PARAMS: {
      leat_param *p = (leat_param *)(void *)to;
      return (p->name = read_text(items[0], f->name, arena)) != NULL &&
             (p->value = read_text(items[1], f->name, arena)) != NULL;
    }
    default: return lno_fields_fill(to, items[0], f->fields, arena);
  }
}

static bool read_list(void *to, napi_value value, const lno_field *f, lno_arena *arena) {
  uint32_t length = 0, each = items_of(f);
  size_t size = element_size(f);
  if (napi_get_array_length(arena->env, value, &length) != napi_ok)
    return wrong(arena, f->name, "an array");
  if (length % each) return wrong(arena, f->name, "an array of names and values in turn");
  size_t count = length / each;
  char *array = lno_arena_get(arena, count + 1, size);
  if (!array) return false;
  for (uint32_t i = 0; i < length; i += each) {
    napi_value items[2] = {NULL, NULL};
    for (uint32_t j = 0; j < each; j++)
      if (napi_get_element(arena->env, value, i + j, &items[j]) != napi_ok) return false;
    if (!read_element(array + i / each * size, items, f, arena)) return false;
  }
  memcpy((char *)to + f->offset, &array, sizeof array);
  memcpy((char *)to + f->other, &count, sizeof count);
  return true;
}

static bool read_struct(void *at, napi_value value, const lno_field *f, lno_arena *arena) {
  if (!f->size) return lno_fields_fill(at, value, f->fields, arena);
  void *made = lno_arena_get(arena, 1, f->size);
  if (!made) return false;
  memcpy(at, &made, sizeof made);
  return lno_fields_fill(made, value, f->fields, arena);
}

/* ---- fields */

static bool fill_one(void *to, napi_value value, const lno_field *f, lno_arena *arena) {
  void *at = (char *)to + f->offset;
  switch (f->kind) {
    case LNO_TEXT: return (*(const char **)at = read_text(value, f->name, arena)) != NULL;
    case LNO_SLICE: return lno_fields_slice(at, value, f->name, arena);
    case LNO_INT: return read_int(at, value, f->name, arena);
    case LNO_INT64: return read_int64(at, value, f->name, arena);
    case LNO_DOUBLE: return read_double(at, value, f->name, arena);
    case LNO_BOOL: return read_bool(at, value, f->name, arena);
    case LNO_TEXTS:
    case LNO_HEADERS:
    case LNO_PARAMS:
    case LNO_LIST: return read_list(to, value, f, arena);
    case LNO_STRUCT: return read_struct(at, value, f, arena);
  }
  return false;
}

/* "maxTokens" is "max_tokens", "h2ConnsMax" is "h2_conns_max". */
static bool is_twin(const char *field, const char *member) {
  while (*field) {
    char want = *field++;
    if (want == '_' && *field) {
      want = *field++;
      if (want >= 'a' && want <= 'z') want = (char)(want - 'a' + 'A');
    }
    if (*member++ != want) return false;
  }
  return *member == '\0';
}

static const lno_field *find(const lno_field *fields, const char *member) {
  while (fields->name && !is_twin(fields->name, member)) fields++;
  return fields->name ? fields : NULL;
}

static bool unknown(lno_arena *arena, const char *name) {
  char text[NAME_BYTES + 40];
  snprintf(text, sizeof text, "there is no option %s", name);
  napi_throw_type_error(arena->env, "ERR_INVALID_ARG_VALUE", text);
  return false;
}

static bool fill_member(void *to, napi_value object, napi_value key, const lno_field *fields,
                        lno_arena *arena) {
  char name[NAME_BYTES];
  napi_value value;
  napi_valuetype type;
  if (napi_get_value_string_utf8(arena->env, key, name, sizeof name, NULL) != napi_ok ||
      napi_get_property(arena->env, object, key, &value) != napi_ok ||
      napi_typeof(arena->env, value, &type) != napi_ok)
    return false;
  if (type == napi_undefined || type == napi_null) return true;
  const lno_field *f = find(fields, name);
  if (!f) return unknown(arena, name);
  if (!fill_one(to, value, f, arena)) return false;
  if (f->other != LNO_NONE && f->kind < LNO_TEXTS) *((bool *)to + f->other) = true;
  return true;
}

bool lno_fields_fill(void *to, napi_value object, const lno_field *fields, lno_arena *arena) {
  napi_valuetype type;
  napi_value keys, key;
  uint32_t count;
  if (napi_typeof(arena->env, object, &type) != napi_ok) return false;
  if (type != napi_object) return wrong(arena, "what is given", "an object");
  if (napi_get_property_names(arena->env, object, &keys) != napi_ok ||
      napi_get_array_length(arena->env, keys, &count) != napi_ok)
    return false;
  for (uint32_t i = 0; i < count; i++)
    if (napi_get_element(arena->env, keys, i, &key) != napi_ok ||
        !fill_member(to, object, key, fields, arena))
      return false;
  return true;
}
