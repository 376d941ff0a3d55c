/* leat._core.Stream: the reader's side of a request, a queue of events that a drain fills.
 *
 * `async for` takes what is queued without waiting; otherwise its task waits on the stream's one
 * waiter. Who lets go of a stream, or is cancelled while it waits for it, cancels the request. The
 * bytes of events that are queued are held against the request until they are taken. */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "socket.h"
#include "upload.h"
#include "waiter.h"

#define RING_INITIAL   8u
#define TEXT_BYTES_MAX ((size_t)16 << 20)

typedef struct entry {
  PyObject *event;
  size_t bytes;
} entry;

typedef struct stream {
  PyObject_HEAD lpy_cell *cell;
  PyObject *loop, *waiter;
  PyObject *sender; /* a second waiter, for room to send */
  entry *ring;
  unsigned head, count, room; /* room: a power of two */
  bool done, closed, lost;    /* ended; by the reader; an event found no memory */
  bool unwanted;              /* nothing of the request's body is read any more */
  char *text;                 /* of choice 0, so far */
  size_t text_size, text_room;
} stream;

enum awaited { AWAITS_EVENT, AWAITS_END, AWAITS_ROOM, AWAITS_PIECE };

typedef struct next {
  PyObject_HEAD stream *of;
  enum awaited awaited;
  PyObject *fail; /* of a piece: who tells of an error, or NULL */
} next;

/* The bytes of a response, as an iterator without an event for each. */
typedef struct pieces {
  PyObject_HEAD stream *of;
  PyObject *fail;
} pieces;

/* ---- the queue */

static bool grow(stream *s) {
  unsigned room = s->room ? s->room * 2 : RING_INITIAL;
  entry *ring = calloc(room, sizeof *ring);
  if (!ring) return false;
  for (unsigned i = 0; i < s->count; i++) ring[i] = s->ring[(s->head + i) & (s->room - 1)];
  free(s->ring);
  s->ring = ring;
  s->head = 0;
  s->room = room;
  return true;
}

static bool push(stream *s, PyObject *event, size_t bytes) {
  if (s->count == s->room && !grow(s)) return false;
  s->ring[(s->head + s->count++) & (s->room - 1)] = (entry){event, bytes};
  return true;
}

static void consume(stream *s, size_t bytes) {
  if (!s->cell->gathers && lpy_cell_consume(s->cell, bytes) && !s->done)
    lpy_engine_wish(s->cell->engine, s->cell, LPY_WISH_RESUME);
}

static PyObject *pop(stream *s) {
  entry e = s->ring[s->head];
  s->head = (s->head + 1) & (s->room - 1);
  s->count--;
  consume(s, e.bytes);
  return e.event;
}

/* All bytes that are there, as one; NULL without an exception: none are. */
static PyObject *pop_bytes(stream *s) {
  PyObject *all = NULL;
  while (s->count) {
    PyObject *event = pop(s), *bytes = lpy_event_bytes(event);
    if (bytes && !all)
      all = Py_NewRef(bytes);
    else if (bytes)
      PyBytes_Concat(&all, bytes);
    Py_DECREF(event);
    if (bytes && !all) return NULL;
  }
  return all;
}

static void drop_queue(stream *s) {
  while (s->count) Py_DECREF(pop(s));
}

static void keep_text(stream *s, leat_slice text) {
  if (s->text_size + text.size > TEXT_BYTES_MAX) return;
  if (s->text_room - s->text_size < text.size) {
    size_t room = s->text_room ? s->text_room * 2 : 256;
    while (room - s->text_size < text.size) room *= 2;
    char *grown = realloc(s->text, room);
    if (!grown) return; /* it is told with an error only, and then as far as it goes */
    s->text = grown;
    s->text_room = room;
  }
  memcpy(s->text + s->text_size, text.data, text.size);
  s->text_size += text.size;
}

/* ---- what comes */

static void wake(stream *s) {
  if (s->waiter) lpy_waiter_wake(s->waiter);
}

static void wake_sender(stream *s) {
  if (s->sender) lpy_waiter_wake(s->sender);
}

static void lose(stream *s) {
  PyErr_Clear();
  s->lost = true;
  lpy_engine_wish(s->cell->engine, s->cell, LPY_WISH_CANCEL);
}

static void take_record(const lpy_record *record) {
  stream *s = record->cell->owner;
  if (!s || s->closed || s->lost) {
    if (!record->cell->gathers) lpy_cell_consume(record->cell, record->size);
    return;
  }
  if (record->kind == LPY_RECORD_ROOM) {
    lpy_cell_consume(record->cell, record->size);
    s->unwanted = s->unwanted || record->choice == LPY_ROOM_CLOSED;
    wake_sender(s);
    return;
  }
  PyObject *event = lpy_event_new(record);
  if (!event || !push(s, event, record->size)) {
    Py_XDECREF(event);
    lpy_cell_consume(record->cell, record->size);
    lose(s);
    return;
  }
  if (record->kind == LEAT_EVENT_TEXT && record->choice == 0)
    keep_text(s, lpy_record_part(record, 0));
  if (!s->cell->gathers) wake(s);
}

static void take_done(lpy_cell *cell) {
  stream *s = cell->owner;
  if (s) {
    s->done = true;
    wake(s);
    wake_sender(s);
  }
  lpy_cell_drop(cell);
}

int lpy_stream_drain(lpy_mailbox *mailbox) {
  lpy_batch batch;
  lpy_mailbox_take(mailbox, &batch);
  for (const lpy_record *r = NULL; (r = lpy_batch_next(&batch, r));) take_record(r);
  while (batch.done) {
    lpy_cell *cell = batch.done;
    batch.done = cell->next_done;
    take_done(cell);
  }
  lpy_batch_free(&batch, mailbox);
  return 0;
}

/* ---- binding */

lpy_cell *lpy_stream_bind(PyObject *self, lpy_mailbox *mailbox, lpy_engine *engine) {
  stream *s = (stream *)self;
  if (s->cell) {
    PyErr_SetString(PyExc_RuntimeError, "this stream has a request already");
    return NULL;
  }
  s->cell = lpy_cell_new(mailbox, engine);
  if (!s->cell) return (void)PyErr_NoMemory(), NULL;
  s->cell->owner = s;
  return s->cell;
}

/* The request was never sent off: the engine's reference is given back here. */
void lpy_stream_unbind(PyObject *self) {
  stream *s = (stream *)self;
  lpy_cell *cell = s->cell;
  s->cell = NULL;
  cell->owner = NULL;
  lpy_cell_drop(cell);
  lpy_cell_drop(cell);
}

static bool forked(stream *s) {
  return s->cell && lpy_engine_forked(s->cell->engine);
}

static void give_up(stream *s) {
  if (!s->cell || s->closed) return;
  s->closed = true;
  if (forked(s)) return;
  if (!s->done) lpy_engine_wish(s->cell->engine, s->cell, LPY_WISH_CANCEL);
  drop_queue(s);
  wake(s);
  wake_sender(s);
}

/* ---- the end: NULL with an exception set, or None when all is well */

static PyObject *end_of(stream *s) {
  if (s->lost) return PyErr_NoMemory();
  if (s->closed || !s->cell || s->cell->ending.result.error == LEAT_OK) Py_RETURN_NONE;
  PyObject *told = lpy_ending_dict(&s->cell->ending);
  PyObject *text =
      PyUnicode_DecodeUTF8(s->text ? s->text : "", (Py_ssize_t)s->text_size, "replace");
  PyObject *failure = NULL;
  if (told && text && PyDict_SetItemString(told, "text", text) == 0)
    failure = PyObject_CallFunctionObjArgs(lpy_state.makers[LPY_MAKE_ERROR], told, NULL);
  Py_XDECREF(told);
  Py_XDECREF(text);
  if (!failure) return NULL;
  PyErr_SetObject((PyObject *)Py_TYPE(failure), failure);
  Py_DECREF(failure);
  return NULL;
}

static PyObject *check(PyObject *self, PyObject *nothing) {
  (void)nothing;
  return end_of((stream *)self);
}

/* ---- awaiting the next event */

static PyObject *make_next(stream *s, enum awaited awaited, PyObject *fail) {
  next *n = PyObject_GC_New(next, lpy_state.next_type);
  if (!n) return NULL;
  n->of = (stream *)Py_NewRef((PyObject *)s);
  n->awaited = awaited;
  n->fail = fail ? Py_NewRef(fail) : NULL;
  PyObject_GC_Track((PyObject *)n);
  return (PyObject *)n;
}

/* The exception that is set goes to who raises one of its own for it. */
static void retell(PyObject *fail) {
  PyObject *type, *error, *traceback;
  PyErr_Fetch(&type, &error, &traceback);
  PyErr_NormalizeException(&type, &error, &traceback);
  PyObject *told = PyObject_CallFunctionObjArgs(fail, error, NULL);
  if (told) { /* it knows none */
    Py_DECREF(told);
    PyErr_Restore(type, error, traceback);
    return;
  }
  Py_XDECREF(type);
  Py_XDECREF(error);
  Py_XDECREF(traceback);
}

static PySendResult stop(next *n) {
  PyObject *end = end_of(n->of);
  if (end)
    PyErr_SetNone(PyExc_StopAsyncIteration);
  else if (n->fail)
    retell(n->fail);
  Py_XDECREF(end);
  return PYGEN_ERROR;
}

static PySendResult wait_on(stream *s, PyObject **place, PyObject **value) {
  if (!s->loop) {
    PyErr_SetString(PyExc_RuntimeError, "this stream is a synchronous client's");
    return PYGEN_ERROR;
  }
  if (!*place && !(*place = lpy_waiter_new(s->loop))) return PYGEN_ERROR;
  if (!lpy_waiter_arm(*place)) return PYGEN_ERROR;
  *value = Py_NewRef(*place);
  return PYGEN_NEXT;
}

static bool may_send(stream *s) {
  return s->done || s->unwanted || s->closed || !s->cell || lpy_cell_room(s->cell);
}

static PySendResult next_send(PyObject *self, PyObject *sent, PyObject **value) {
  (void)sent;
  next *n = (next *)self;
  stream *s = n->of;
  *value = NULL;
  if (s->cell && lpy_client_forked(s->cell->engine)) return PYGEN_ERROR;
  bool over = s->done || s->closed || !s->cell;
  bool reads = n->awaited == AWAITS_EVENT || n->awaited == AWAITS_PIECE;
  if (reads && s->count) {
    *value = n->awaited == AWAITS_EVENT ? pop(s) : pop_bytes(s);
    if (*value) return PYGEN_RETURN;
    if (PyErr_Occurred()) return PYGEN_ERROR;
  }
  if (reads && over) return stop(n);
  if (n->awaited == AWAITS_END ? s->done : n->awaited == AWAITS_ROOM && may_send(s)) {
    *value = Py_NewRef(Py_None);
    return PYGEN_RETURN;
  }
  return wait_on(s, n->awaited == AWAITS_ROOM ? &s->sender : &s->waiter, value);
}

static PyObject *next_iternext(PyObject *self) {
  PyObject *value;
  PySendResult r = next_send(self, Py_None, &value);
  if (r == PYGEN_RETURN) {
    PyErr_SetObject(PyExc_StopIteration, value);
    Py_CLEAR(value);
  }
  return value;
}

static PyObject *next_send_method(PyObject *self, PyObject *sent) {
  (void)sent;
  return next_iternext(self);
}

/* Whoever is cancelled while it waits for a stream is done with it. */
static PyObject *next_throw(PyObject *self, PyObject *arguments) {
  PyObject *type, *value = NULL, *traceback = NULL;
  if (!PyArg_ParseTuple(arguments, "O|OO", &type, &value, &traceback)) return NULL;
  if (((next *)self)->awaited != AWAITS_ROOM) give_up(((next *)self)->of);
  if (value == Py_None) value = NULL;
  if (traceback == Py_None) traceback = NULL;
  if (PyType_Check(type)) {
    Py_XINCREF(traceback);
    PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), traceback);
  } else {
    PyErr_SetObject((PyObject *)Py_TYPE(type), type);
  }
  return NULL;
}

static PyObject *next_close(PyObject *self, PyObject *nothing) {
  (void)self, (void)nothing;
  Py_RETURN_NONE;
}

static int next_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)((next *)self)->of);
  Py_VISIT(((next *)self)->fail);
  return 0;
}

static void next_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_DECREF((PyObject *)((next *)self)->of);
  Py_XDECREF(((next *)self)->fail);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyMethodDef next_methods[] = {{"send", next_send_method, METH_O, NULL},
                                     {"throw", next_throw, METH_VARARGS, NULL},
                                     {"close", next_close, METH_NOARGS, NULL},
                                     {NULL, NULL, 0, NULL}};

static PyType_Slot next_slots[] = {
    {Py_tp_dealloc, next_dealloc},    {Py_tp_traverse, next_traverse},
    {Py_tp_iter, PyObject_SelfIter},  {Py_tp_iternext, next_iternext},
    {Py_am_await, PyObject_SelfIter}, {Py_am_send, next_send},
    {Py_tp_methods, next_methods},    {0, NULL}};

static PyType_Spec next_spec = {
    "leat._core.Next", sizeof(next), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, next_slots};

/* ---- pieces */

static PyObject *pieces_anext(PyObject *self) {
  pieces *p = (pieces *)self;
  return make_next(p->of, AWAITS_PIECE, p->fail);
}

static int pieces_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT((PyObject *)((pieces *)self)->of);
  Py_VISIT(((pieces *)self)->fail);
  return 0;
}

static void pieces_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_DECREF((PyObject *)((pieces *)self)->of);
  Py_DECREF(((pieces *)self)->fail);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyType_Slot pieces_slots[] = {{Py_tp_dealloc, pieces_dealloc},
                                     {Py_tp_traverse, pieces_traverse},
                                     {Py_am_aiter, PyObject_SelfIter},
                                     {Py_am_anext, pieces_anext},
                                     {0, NULL}};

static PyType_Spec pieces_spec = {
    "leat._core.Pieces", sizeof(pieces), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, pieces_slots};

/* ---- methods */

static PyObject *make_pieces(PyObject *self, PyObject *fail) {
  pieces *p = PyObject_GC_New(pieces, lpy_state.pieces_type);
  if (!p) return NULL;
  p->of = (stream *)Py_NewRef(self);
  p->fail = Py_NewRef(fail);
  PyObject_GC_Track((PyObject *)p);
  return (PyObject *)p;
}

static PyObject *take_bytes(PyObject *self, PyObject *nothing) {
  (void)nothing;
  stream *s = (stream *)self;
  if (s->cell && lpy_client_forked(s->cell->engine)) return NULL;
  PyObject *all = pop_bytes(s);
  if (all || PyErr_Occurred()) return all;
  Py_RETURN_NONE;
}

static PyObject *stream_anext(PyObject *self) {
  return make_next((stream *)self, AWAITS_EVENT, NULL);
}

static PyObject *finished(PyObject *self, PyObject *nothing) {
  (void)nothing;
  return make_next((stream *)self, AWAITS_END, NULL);
}

static PyObject *room(PyObject *self, PyObject *nothing) {
  (void)nothing;
  return make_next((stream *)self, AWAITS_ROOM, NULL);
}

static PyObject *has_room(PyObject *self, PyObject *nothing) {
  (void)nothing;
  return PyBool_FromLong(may_send((stream *)self));
}

/* What all ways of sending have in common: the other end must be there. */
static lpy_cell *open_cell(PyObject *self) {
  stream *s = (stream *)self;
  if (!s->cell || s->done || s->closed) {
    lpy_raise(LEAT_ECLOSED, "it is closed: nothing more can be sent");
    return NULL;
  }
  return lpy_client_forked(s->cell->engine) ? NULL : s->cell;
}

static PyObject *sent(int r) {
  if (r == LEAT_OK) Py_RETURN_NONE;
  lpy_raise(r, leat_error_text(r));
  return NULL;
}

static PyObject *send_message(PyObject *self, PyObject *arguments) {
  const char *bytes;
  Py_ssize_t size;
  PyObject *text;
  if (!PyArg_ParseTuple(arguments, "O", &text)) return NULL;
  bool is_text = PyUnicode_Check(text);
  if (!PyArg_ParseTuple(arguments, is_text ? "s#" : "y#", &bytes, &size)) return NULL;
  lpy_cell *cell = open_cell(self);
  if (!cell) return NULL;
  return sent(lpy_socket_send(cell, is_text ? LEAT_WS_TEXT : LEAT_WS_BINARY,
                              (leat_slice){bytes, (size_t)size}));
}

static PyObject *send_close(PyObject *self, PyObject *arguments) {
  const char *reason;
  Py_ssize_t size;
  unsigned code;
  if (!PyArg_ParseTuple(arguments, "Is#", &code, &reason, &size)) return NULL;
  lpy_cell *cell = open_cell(self);
  if (!cell) return NULL;
  return sent(lpy_socket_close(cell, code, (leat_slice){reason, (size_t)size}));
}

/* put_body(bytes), put_body(b"") at the end, put_body(b"", True) when there is no more to be had.
 */
static PyObject *put_body(PyObject *self, PyObject *arguments) {
  const char *bytes;
  Py_ssize_t size;
  int failed = 0;
  if (!PyArg_ParseTuple(arguments, "y#|p", &bytes, &size, &failed)) return NULL;
  lpy_cell *cell = open_cell(self);
  if (!cell) return NULL;
  return sent(lpy_upload_put(cell, (leat_slice){bytes, (size_t)size}, failed));
}

lpy_cell *lpy_stream_cell(PyObject *self) {
  return ((stream *)self)->cell;
}

static PyObject *take(PyObject *self, PyObject *nothing) {
  (void)nothing;
  stream *s = (stream *)self;
  if (s->cell && lpy_client_forked(s->cell->engine)) return NULL;
  if (s->count) return pop(s);
  Py_RETURN_NONE;
}

static PyObject *take_all(PyObject *self, PyObject *nothing) {
  (void)nothing;
  stream *s = (stream *)self;
  PyObject *all = PyList_New((Py_ssize_t)s->count);
  for (Py_ssize_t i = 0; all && s->count; i++) PyList_SetItem(all, i, pop(s));
  return all;
}

static PyObject *cancel(PyObject *self, PyObject *nothing) {
  (void)nothing;
  give_up((stream *)self);
  Py_RETURN_NONE;
}

static PyObject *get_done(PyObject *self, void *closure) {
  (void)closure;
  return PyBool_FromLong(((stream *)self)->done);
}

static PyObject *get_takes_body(PyObject *self, void *closure) {
  (void)closure;
  stream *s = (stream *)self;
  return PyBool_FromLong(!s->unwanted && !s->done && !s->closed);
}

static PyObject *get_text(PyObject *self, void *closure) {
  (void)closure;
  stream *s = (stream *)self;
  return PyUnicode_DecodeUTF8(s->text ? s->text : "", (Py_ssize_t)s->text_size, "replace");
}

static PyObject *get_queued(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromUnsignedLong(((stream *)self)->count);
}

static PyObject *get_ending(PyObject *self, void *closure) {
  (void)closure;
  stream *s = (stream *)self;
  if (!s->done) Py_RETURN_NONE;
  return lpy_ending_dict(&s->cell->ending);
}

static PyObject *get_loop(PyObject *self, void *closure) {
  (void)closure;
  stream *s = (stream *)self;
  return Py_NewRef(s->loop ? s->loop : Py_None);
}

static int set_loop(PyObject *self, PyObject *loop, void *closure) {
  (void)closure;
  stream *s = (stream *)self;
  PyObject *before = s->loop;
  s->loop = loop && loop != Py_None ? Py_NewRef(loop) : NULL;
  Py_XDECREF(before);
  return 0;
}

/* ---- the type */

static PyObject *stream_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  (void)arguments, (void)keywords;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  return alloc(type, 0); /* zeroed */
}

static int stream_traverse(PyObject *self, visitproc visit, void *arg) {
  stream *s = (stream *)self;
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(s->loop);
  Py_VISIT(s->waiter);
  Py_VISIT(s->sender);
  return 0;
}

static int stream_clear(PyObject *self) {
  stream *s = (stream *)self;
  Py_CLEAR(s->waiter);
  Py_CLEAR(s->sender);
  Py_CLEAR(s->loop);
  return 0;
}

static void stream_dealloc(PyObject *self) {
  stream *s = (stream *)self;
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (s->cell) {
    give_up(s);
    s->cell->owner = NULL;
    lpy_cell_drop(s->cell);
  }
  for (unsigned i = 0; i < s->count; i++) Py_DECREF(s->ring[(s->head + i) & (s->room - 1)].event);
  free(s->ring);
  free(s->text);
  stream_clear(self);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

static PyMethodDef stream_methods[] = {
    {"take", take, METH_NOARGS, "The next event that is there, or None."},
    {"take_all", take_all, METH_NOARGS, "All events that are there."},
    {"take_bytes", take_bytes, METH_NOARGS, "All bytes that are there, or None."},
    {"pieces", make_pieces, METH_O, "Its bytes as they come; errors go to the function given."},
    {"check", check, METH_NOARGS, "Raises the error that it ended with, if any."},
    {"cancel", cancel, METH_NOARGS, "Ends the request; nothing more comes of it."},
    {"finished", finished, METH_NOARGS, "To be awaited: the end, whatever it is."},
    {"room", room, METH_NOARGS, "To be awaited: room to send more."},
    {"has_room", has_room, METH_NOARGS, "May more be sent?"},
    {"send_message", send_message, METH_VARARGS, "Sends text or bytes over a socket."},
    {"put_body", put_body, METH_VARARGS, "A piece of the request's body; none: its end."},
    {"send_close", send_close, METH_VARARGS, "Starts a socket's close handshake."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef stream_getset[] = {
    {"done", get_done, NULL, "has it ended?", NULL},
    {"text", get_text, NULL, "the text of choice 0 that has come so far", NULL},
    {"takes_body", get_takes_body, NULL, "is more of the request's body wanted?", NULL},
    {"queued", get_queued, NULL, "events that are there", NULL},
    {"ending", get_ending, NULL, "how it ended, a dict; None before", NULL},
    {"_loop", get_loop, set_loop, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot stream_slots[] = {{Py_tp_new, stream_new},
                                     {Py_tp_dealloc, stream_dealloc},
                                     {Py_tp_traverse, stream_traverse},
                                     {Py_tp_clear, stream_clear},
                                     {Py_am_aiter, PyObject_SelfIter},
                                     {Py_am_anext, stream_anext},
                                     {Py_tp_methods, stream_methods},
                                     {Py_tp_getset, stream_getset},
                                     {0, NULL}};

static PyType_Spec stream_spec = {"leat._core.Stream", sizeof(stream), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
                                  stream_slots};

bool lpy_stream_ready(PyObject *module) {
  if (!lpy_waiter_ready()) return false;
  lpy_state.next_type = (PyTypeObject *)PyType_FromSpec(&next_spec);
  lpy_state.pieces_type = (PyTypeObject *)PyType_FromSpec(&pieces_spec);
  lpy_state.stream_type = (PyTypeObject *)PyType_FromSpec(&stream_spec);
  return lpy_state.next_type && lpy_state.pieces_type && lpy_state.stream_type &&
         PyModule_AddObjectRef(module, "Stream", (PyObject *)lpy_state.stream_type) == 0;
}
