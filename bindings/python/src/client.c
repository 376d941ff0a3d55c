/* leat._core.Engine and Mailbox: the interpreter's handles of a thread and of what comes from it.
 * Whatever waits for the engine's thread does so without the interpreter's lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

bool lpy_client_forked(const lpy_engine *engine) {
  if (!lpy_engine_forked(engine)) return false;
  PyErr_SetString(lpy_state.makers[LPY_MAKE_FORK_ERROR],
                  "this client was made before a fork, in the parent: make a new one here");
  return true;
}

static lpy_engine *engine_of(PyObject *self) {
  return ((lpy_engine_object *)self)->engine;
}

/* ---- mailboxes */

static PyObject *mailbox_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"held_max", NULL};
  Py_ssize_t held_max;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "n", names, &held_max)) return NULL;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  lpy_mailbox_object *m = (lpy_mailbox_object *)alloc(type, 0);
  if (!m) return NULL;
  m->forks = lpy_engine_forks();
  m->mailbox = lpy_mailbox_new((size_t)held_max);
  if (m->mailbox) return (PyObject *)m;
  Py_DECREF((PyObject *)m);
  return PyErr_SetFromErrno(PyExc_OSError);
}

static void mailbox_dealloc(PyObject *self) {
  lpy_mailbox_object *m = (lpy_mailbox_object *)self;
  PyTypeObject *type = Py_TYPE(self);
  if (m->mailbox) {
    if (m->forks == lpy_engine_forks()) lpy_mailbox_close(m->mailbox);
    lpy_mailbox_drop(m->mailbox);
  }
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

static PyObject *mailbox_fileno(PyObject *self, PyObject *nothing) {
  (void)nothing;
  return PyLong_FromLong(((lpy_mailbox_object *)self)->mailbox->read_fd);
}

static PyObject *mailbox_drain(PyObject *self, PyObject *nothing) {
  (void)nothing;
  lpy_mailbox_object *m = (lpy_mailbox_object *)self;
  if (m->forks != lpy_engine_forks()) {
    PyErr_SetString(lpy_state.makers[LPY_MAKE_FORK_ERROR], "this client was made before a fork");
    return NULL;
  }
  if (lpy_stream_drain(m->mailbox) != 0) return NULL;
  Py_RETURN_NONE;
}

static PyMethodDef mailbox_methods[] = {
    {"fileno", mailbox_fileno, METH_NOARGS, "Is readable when there is something to drain."},
    {"drain", mailbox_drain, METH_NOARGS, "Takes what has come to its streams."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot mailbox_slots[] = {{Py_tp_new, mailbox_new},
                                      {Py_tp_dealloc, mailbox_dealloc},
                                      {Py_tp_methods, mailbox_methods},
                                      {0, NULL}};

static PyType_Spec mailbox_spec = {"leat._core.Mailbox", sizeof(lpy_mailbox_object), 0,
                                   Py_TPFLAGS_DEFAULT, mailbox_slots};

/* ---- engines */

static bool load_rows(leat_engine *engine, PyObject *endpoints) {
  Py_ssize_t size;
  if (endpoints == Py_None) return true;
  const char *text = PyUnicode_AsUTF8AndSize(endpoints, &size);
  if (!text) return false;
  int r = leat_endpoint_load(engine, (leat_slice){text, (size_t)size});
  if (r != LEAT_OK) lpy_raise(r, leat_last_message(engine));
  return r == LEAT_OK;
}

static lpy_engine *start(PyObject *config, PyObject *mailbox, PyObject *endpoints) {
  leat_engine *engine = lpy_request_open(config);
  if (!engine) return NULL;
  lpy_engine *made = NULL;
  if (load_rows(engine, endpoints)) {
    made = lpy_engine_new(engine, ((lpy_mailbox_object *)mailbox)->mailbox);
    if (!made) PyErr_SetFromErrno(PyExc_OSError);
  }
  if (!made) {
    leat_close(engine, LEAT_CLOSE_NOW, NULL, NULL);
    leat_run(engine);
  }
  return made;
}

static PyObject *engine_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"config", "mailbox", "endpoints", NULL};
  PyObject *config, *mailbox, *endpoints = Py_None;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO!|O", names, &config,
                                   (PyObject *)lpy_state.mailbox_type, &mailbox, &endpoints))
    return NULL;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  lpy_engine_object *e = (lpy_engine_object *)alloc(type, 0);
  if (!e) return NULL;
  e->engine = start(config, mailbox, endpoints);
  if (e->engine) return (PyObject *)e;
  Py_DECREF((PyObject *)e);
  return NULL;
}

static void engine_dealloc(PyObject *self) {
  lpy_engine *e = engine_of(self);
  PyTypeObject *type = Py_TYPE(self);
  if (e) {
    if (!lpy_engine_forked(e)) lpy_engine_close(e, LEAT_CLOSE_NOW);
    lpy_engine_drop(e);
  }
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

typedef lpy_command *(*command_maker)(PyObject *fields, lpy_cell *cell);

static PyObject *send_off(PyObject *self, PyObject *arguments, command_maker make) {
  PyObject *stream, *mailbox, *fields, *socket = NULL;
  int wishes;
  lpy_engine *e = engine_of(self);
  if (!PyArg_ParseTuple(arguments, "O!O!Oi|O!", (PyObject *)lpy_state.stream_type, &stream,
                        (PyObject *)lpy_state.mailbox_type, &mailbox, &fields, &wishes,
                        (PyObject *)lpy_state.stream_type, &socket))
    return NULL;
  if (lpy_client_forked(e)) return NULL;
  lpy_cell *at = socket ? lpy_stream_cell(socket) : NULL;
  if (socket && (!at || at->engine != e)) {
    PyErr_SetString(PyExc_ValueError, "this is no socket of this client");
    return NULL;
  }
  lpy_cell *cell = lpy_stream_bind(stream, ((lpy_mailbox_object *)mailbox)->mailbox, e);
  if (!cell) return NULL;
  cell->gathers = wishes & LPY_WANTS_ALL;
  cell->wants_raw = wishes & LPY_WANTS_RAW;
  lpy_command *command = make(fields, cell);
  if (!command) return lpy_stream_unbind(stream), NULL;
  if (at) lpy_request_on(command, at);
  int r = lpy_engine_push(e, command);
  if (r == LEAT_OK) Py_RETURN_NONE;
  lpy_request_free(command);
  lpy_stream_unbind(stream);
  lpy_raise(r, r == LEAT_ECLOSED ? "the client is closed" : leat_error_text(r));
  return NULL;
}

static PyObject *engine_submit(PyObject *self, PyObject *arguments) {
  return send_off(self, arguments, lpy_request_command);
}

static PyObject *engine_task(PyObject *self, PyObject *arguments) {
  return send_off(self, arguments, lpy_request_task);
}

static PyObject *engine_socket(PyObject *self, PyObject *arguments) {
  return send_off(self, arguments, lpy_request_socket);
}

/* Waits for the engine's thread without the interpreter's lock. */
static bool ask(PyObject *self, void (*question)(leat_engine *, void *), void *user) {
  lpy_engine *e = engine_of(self);
  int r;
  if (lpy_client_forked(e)) return false;
  Py_BEGIN_ALLOW_THREADS r = lpy_engine_ask(e, question, user);
  Py_END_ALLOW_THREADS if (r != LEAT_OK)
      lpy_raise(r, r == LEAT_ECLOSED ? "the client is closed" : leat_error_text(r));
  return r == LEAT_OK;
}

static void ask_stats(leat_engine *engine, void *user) {
  leat_stats_get(engine, user, sizeof(leat_stats));
}

static PyObject *engine_stats(PyObject *self, PyObject *nothing) {
  (void)nothing;
  leat_stats stats = {0};
  if (!ask(self, ask_stats, &stats)) return NULL;
#define ROW(field) \
  { #field, stats.field }
  const struct {
    const char *name;
    uint64_t count;
  } rows[] = {ROW(requests_started),
              ROW(requests_completed),
              ROW(requests_failed),
              ROW(requests_cancelled),
              ROW(requests_retried),
              ROW(requests_live),
              ROW(requests_queued),
              ROW(requests_live_peak),
              ROW(tasks_started),
              ROW(tasks_live),
              ROW(tasks_done),
              ROW(task_polls),
              ROW(records),
              ROW(events),
              ROW(content_bytes),
              ROW(bytes_received),
              ROW(bytes_decrypted),
              ROW(bytes_sent),
              ROW(bytes_copied),
              ROW(conns_opened),
              ROW(conns_open),
              ROW(conns_peak),
              ROW(conns_failed),
              ROW(conns_reused),
              ROW(conns_h2),
              ROW(requests_replayed),
              ROW(handshakes_full),
              ROW(handshakes_resumed),
              ROW(allocations),
              ROW(held_bytes),
              ROW(turns),
              ROW(reads),
              ROW(requests_superseded),
              ROW(requests_resumed),
              ROW(requests_limited),
              ROW(lanes_live),
              ROW(limiter_waits),
              ROW(limit_refusals),
              ROW(budget_refusals),
              ROW(circuits_opened),
              ROW(circuits_open)};
#undef ROW
  PyObject *dict = PyDict_New();
  for (size_t i = 0; dict && i < sizeof rows / sizeof rows[0]; i++) {
    PyObject *count = PyLong_FromUnsignedLongLong(rows[i].count);
    if (!count || PyDict_SetItemString(dict, rows[i].name, count) != 0) Py_CLEAR(dict);
    Py_XDECREF(count);
  }
  return dict;
}

typedef struct page {
  char *text;
  size_t size;
  int error;
} page;

static int put_page(void *user, leat_slice text) {
  page *p = user;
  char *grown = realloc(p->text, p->size + text.size + 1);
  if (!grown) return LEAT_ENOMEM;
  memcpy(grown + p->size, text.data, text.size);
  p->text = grown;
  p->size += text.size;
  return 0;
}

static void ask_metrics(leat_engine *engine, void *user) {
  page *p = user;
  p->error = leat_stats_write(engine, put_page, p);
}

static PyObject *engine_metrics(PyObject *self, PyObject *nothing) {
  (void)nothing;
  page p = {NULL, 0, LEAT_OK};
  PyObject *text = NULL;
  if (ask(self, ask_metrics, &p)) {
    if (p.error != LEAT_OK)
      lpy_raise(p.error, leat_error_text(p.error));
    else
      text = PyUnicode_DecodeUTF8(p.text, (Py_ssize_t)p.size, NULL);
  }
  free(p.text);
  return text;
}

static PyObject *engine_close(PyObject *self, PyObject *nothing) {
  (void)nothing;
  lpy_engine *e = engine_of(self);
  if (!lpy_engine_forked(e)) lpy_engine_close(e, LEAT_CLOSE_NOW);
  Py_RETURN_NONE;
}

static PyObject *engine_wait(PyObject *self, PyObject *timeout_ms) {
  lpy_engine *e = engine_of(self);
  long long ms = PyLong_AsLongLong(timeout_ms);
  bool gone;
  if (ms == -1 && PyErr_Occurred()) return NULL;
  if (lpy_engine_forked(e)) Py_RETURN_TRUE;
  Py_BEGIN_ALLOW_THREADS gone = lpy_engine_wait(e, ms);
  Py_END_ALLOW_THREADS return PyBool_FromLong(gone);
}

static PyObject *get_forked(PyObject *self, void *closure) {
  (void)closure;
  return PyBool_FromLong(lpy_engine_forked(engine_of(self)));
}

static PyMethodDef engine_methods[] = {
    {"submit", engine_submit, METH_VARARGS, "submit(stream, mailbox, fields, wishes)"},
    {"socket", engine_socket, METH_VARARGS, "socket(stream, mailbox, fields, wishes)"},
    {"task", engine_task, METH_VARARGS, "task(stream, mailbox, fields, wishes)"},
    {"stats", engine_stats, METH_NOARGS, "The engine's counters, a dict."},
    {"metrics", engine_metrics, METH_NOARGS, "Prometheus' text."},
    {"close", engine_close, METH_NOARGS, "Cancels what runs and ends the thread, in a while."},
    {"wait", engine_wait, METH_O, "Is it gone, after so many milliseconds at most?"},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef engine_getset[] = {
    {"forked", get_forked, NULL, "is this another process than that which made it?", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot engine_slots[] = {{Py_tp_new, engine_new},
                                     {Py_tp_dealloc, engine_dealloc},
                                     {Py_tp_methods, engine_methods},
                                     {Py_tp_getset, engine_getset},
                                     {0, NULL}};

static PyType_Spec engine_spec = {"leat._core.Engine", sizeof(lpy_engine_object), 0,
                                  Py_TPFLAGS_DEFAULT, engine_slots};

bool lpy_client_ready(PyObject *module) {
  lpy_state.mailbox_type = (PyTypeObject *)PyType_FromSpec(&mailbox_spec);
  lpy_state.engine_type = (PyTypeObject *)PyType_FromSpec(&engine_spec);
  return lpy_state.mailbox_type && lpy_state.engine_type &&
         PyModule_AddObjectRef(module, "Mailbox", (PyObject *)lpy_state.mailbox_type) == 0 &&
         PyModule_AddObjectRef(module, "Engine", (PyObject *)lpy_state.engine_type) == 0;
}
