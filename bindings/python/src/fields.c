/* See fields.h. */
#include "fields.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)2048)

struct lpy_arena_block {
  lpy_arena_block *next;
  size_t size, room;
  _Alignas(16) char bytes[];
};

static bool fill_one(void *to, PyObject *value, const lpy_field *f, lpy_arena *arena);

/* ---- the arena */

void *lpy_arena_get(lpy_arena *arena, size_t count, size_t size) {
  if (size && count > (SIZE_MAX / 2) / size) {
    PyErr_NoMemory();
    return NULL;
  }
  size_t need = (count * size + 15) & ~(size_t)15;
  lpy_arena_block *b = arena->first;
  if (!b || b->room - b->size < need) {
    size_t room = need > BLOCK_BYTES ? need : BLOCK_BYTES;
    b = calloc(1, sizeof *b + room);
    if (!b) {
      PyErr_NoMemory();
      return NULL;
    }
    b->room = room;
    b->next = arena->first;
    arena->first = b;
  }
  void *at = b->bytes + b->size;
  b->size += need;
  return at;
}

void lpy_arena_free(lpy_arena *arena) {
  while (arena->first) {
    lpy_arena_block *b = arena->first;
    arena->first = b->next;
    memset(b->bytes, 0, b->size);
    __asm__ __volatile__("" : : "r"(b->bytes) : "memory"); /* the wipe is not optimised away */
    free(b);
  }
}

static const char *keep(lpy_arena *arena, const char *bytes, size_t size) {
  char *copy = lpy_arena_get(arena, size + 1, 1);
  if (copy && size) memcpy(copy, bytes, size);
  return copy;
}

/* ---- texts */

static bool read_slice(leat_slice *to, PyObject *value, const char *name, lpy_arena *arena) {
  Py_ssize_t size;
  const char *bytes;
  if (PyUnicode_Check(value)) {
    bytes = PyUnicode_AsUTF8AndSize(value, &size);
    if (!bytes) return false;
  } else if (PyBytes_Check(value)) {
    bytes = PyBytes_AsString(value);
    size = PyBytes_Size(value);
  } else {
    PyErr_Format(PyExc_TypeError, "%s must be str or bytes", name);
    return false;
  }
  to->size = (size_t)size;
  to->data = keep(arena, bytes, to->size);
  return to->data != NULL;
}

static const char *read_text(PyObject *value, const char *name, lpy_arena *arena) {
  leat_slice text;
  if (!read_slice(&text, value, name, arena)) return NULL;
  if (memchr(text.data, 0, text.size)) {
    PyErr_Format(PyExc_ValueError, "%s has a NUL", name);
    return NULL;
  }
  return text.data;
}

/* ---- numbers */

static bool read_int64(int64_t *to, PyObject *value, const char *name) {
  if (!PyLong_Check(value)) {
    PyErr_Format(PyExc_TypeError, "%s must be an int", name);
    return false;
  }
  *to = PyLong_AsLongLong(value);
  return *to != -1 || !PyErr_Occurred();
}

static bool read_int(int *to, PyObject *value, const char *name) {
  int64_t wide;
  if (!read_int64(&wide, value, name)) return false;
  if (wide < INT_MIN || wide > INT_MAX) {
    PyErr_Format(PyExc_OverflowError, "%s is out of range", name);
    return false;
  }
  *to = (int)wide;
  return true;
}

static bool read_double(double *to, PyObject *value) {
  *to = PyFloat_AsDouble(value);
  return *to != -1.0 || !PyErr_Occurred();
}

/* ---- lists: Python's sequence, and the array it becomes */

typedef struct list {
  PyObject *items; /* a tuple or a list */
  size_t count;
  char *array;
} list;

static bool open_list(list *l, PyObject *value, size_t size, lpy_arena *arena) {
  l->items = PySequence_List(value);
  if (!l->items) return false;
  l->count = (size_t)PyList_Size(l->items);
  l->array = lpy_arena_get(arena, l->count + 1, size);
  if (l->array) return true;
  Py_DECREF(l->items);
  return false;
}

static PyObject *item_of(const list *l, size_t i) {
  return PyList_GetItem(l->items, (Py_ssize_t)i);
}

static bool read_pair(PyObject *pair, PyObject **name, PyObject **value) {
  if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
    PyErr_SetString(PyExc_TypeError, "expected pairs of a name and a value");
    return false;
  }
  *name = PyTuple_GetItem(pair, 0);
  *value = PyTuple_GetItem(pair, 1);
  return true;
}

static bool read_element(char *to, PyObject *item, const lpy_field *f, lpy_arena *arena) {
  PyObject *name, *value;
  switch (f->kind) {
    case LPY_TEXTS: {
      const char *text = read_text(item, f->name, arena);
      memcpy(to, &text, sizeof text);
      return text != NULL;
    }
    case LPY_HEADERS: {
      leat_header *h = (leat_header *)(void *)to;
      return read_pair(item, &name, &value) && read_slice(&h->name, name, f->name, arena) &&
             read_slice(&h->value, value, f->name, arena);
    }
    case LPY_PARAMS: {
      leat_param *p = (leat_param *)(void *)to;
      return read_pair(item, &name, &value) &&
             (p->name = read_text(name, f->name, arena)) != NULL &&
             (p->value = read_text(value, f->name, arena)) != NULL;
    }
    default: return lpy_fields_fill(to, item, f->fields, arena);
  }
}

static size_t element_size(const lpy_field *f) {
  switch (f->kind) {
    case LPY_TEXTS: return sizeof(char *);
    case LPY_HEADERS: return sizeof(leat_header);
    case LPY_PARAMS: return sizeof(leat_param);
    default: return f->size;
  }
}

static bool read_list(void *to, PyObject *value, const lpy_field *f, lpy_arena *arena) {
  list l;
  size_t size = element_size(f);
  if (!open_list(&l, value, size, arena)) return false;
  bool ok = true;
  for (size_t i = 0; ok && i < l.count; i++)
    ok = read_element(l.array + i * size, item_of(&l, i), f, arena);
  memcpy((char *)to + f->offset, &l.array, sizeof l.array);
  memcpy((char *)to + f->other, &l.count, sizeof l.count);
  Py_DECREF(l.items);
  return ok;
}

static bool read_struct(void *at, PyObject *value, const lpy_field *f, lpy_arena *arena) {
  if (!f->size) return lpy_fields_fill(at, value, f->fields, arena);
  void *made = lpy_arena_get(arena, 1, f->size);
  if (!made) return false;
  memcpy(at, &made, sizeof made);
  return lpy_fields_fill(made, value, f->fields, arena);
}

/* ---- fields */

static bool fill_one(void *to, PyObject *value, const lpy_field *f, lpy_arena *arena) {
  void *at = (char *)to + f->offset;
  switch (f->kind) {
    case LPY_TEXT: return (*(const char **)at = read_text(value, f->name, arena)) != NULL;
    case LPY_SLICE: return read_slice(at, value, f->name, arena);
    case LPY_INT: return read_int(at, value, f->name);
    case LPY_INT64: return read_int64(at, value, f->name);
    case LPY_DOUBLE: return read_double(at, value);
    case LPY_BOOL: {
      int truth = PyObject_IsTrue(value);
      *(bool *)at = truth == 1;
      return truth >= 0;
    }
    case LPY_TEXTS:
    case LPY_HEADERS:
    case LPY_PARAMS:
    case LPY_LIST: return read_list(to, value, f, arena);
    case LPY_STRUCT: return read_struct(at, value, f, arena);
  }
  return false;
}

static bool counts(enum lpy_field_kind kind) {
  return kind >= LPY_TEXTS;
}

bool lpy_fields_fill(void *to, PyObject *dict, const lpy_field *fields, lpy_arena *arena) {
  PyObject *key, *value;
  Py_ssize_t at = 0;
  if (!PyDict_Check(dict)) {
    PyErr_SetString(PyExc_TypeError, "expected a dict");
    return false;
  }
  while (PyDict_Next(dict, &at, &key, &value)) {
    if (value == Py_None) continue;
    const char *name = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, NULL) : NULL;
    const lpy_field *f = fields;
    while (name && f->name && strcmp(f->name, name) != 0) f++;
    if (!name || !f->name) {
      if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "there is no field %R", key);
      return false;
    }
    if (!fill_one(to, value, f, arena)) return false;
    if (f->other != LPY_NONE && !counts(f->kind)) *((bool *)to + f->other) = true;
  }
  return true;
}
