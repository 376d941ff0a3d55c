/* See waiter.h. */
#include "waiter.h"

typedef struct waiter {
  PyObject_HEAD PyObject *loop, *callback, *context;
  bool armed, blocking, cancelled;
} waiter;

PyObject *lpy_waiter_new(PyObject *loop) {
  waiter *w = PyObject_GC_New(waiter, lpy_state.waiter_type);
  if (!w) return NULL;
  w->loop = Py_NewRef(loop);
  w->callback = w->context = NULL;
  w->armed = w->blocking = w->cancelled = false;
  PyObject_GC_Track((PyObject *)w);
  return (PyObject *)w;
}

bool lpy_waiter_arm(PyObject *self) {
  waiter *w = (waiter *)self;
  if (w->armed) {
    PyErr_SetString(PyExc_RuntimeError, "another task waits for this stream already");
    return false;
  }
  w->armed = w->blocking = true;
  w->cancelled = false;
  return true;
}

/* The loop may be closed: then nobody waits any more. */
static void schedule(waiter *w, PyObject *callback, PyObject *context) {
  PyObject *call_soon = PyObject_GetAttr(w->loop, lpy_state.call_soon_name);
  PyObject *arguments = PyTuple_Pack(2, callback, (PyObject *)w);
  PyObject *keywords = context ? PyDict_New() : NULL;
  bool ok = call_soon && arguments && (!context || keywords) &&
            (!context || PyDict_SetItem(keywords, lpy_state.context_keyword, context) == 0);
  PyObject *made = ok ? PyObject_Call(call_soon, arguments, keywords) : NULL;
  if (!made) PyErr_Clear();
  Py_XDECREF(made);
  Py_XDECREF(keywords);
  Py_XDECREF(arguments);
  Py_XDECREF(call_soon);
}

void lpy_waiter_wake(PyObject *self) {
  waiter *w = (waiter *)self;
  if (!w->armed) return;
  PyObject *callback = w->callback, *context = w->context;
  w->armed = false;
  w->callback = w->context = NULL;
  if (callback) schedule(w, callback, context);
  Py_XDECREF(callback);
  Py_XDECREF(context);
}

/* ---- what tasks call */

static PyObject *add_done_callback(PyObject *self, PyObject *arguments, PyObject *keywords) {
  static char *names[] = {"", "context", NULL};
  waiter *w = (waiter *)self;
  PyObject *callback, *context = NULL;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O", names, &callback, &context))
    return NULL;
  if (context == Py_None) context = NULL;
  if (!w->armed) {
    schedule(w, callback, context);
    Py_RETURN_NONE;
  }
  Py_INCREF(callback);
  Py_XINCREF(context);
  Py_XDECREF(w->callback);
  Py_XDECREF(w->context);
  w->callback = callback;
  w->context = context;
  Py_RETURN_NONE;
}

static PyObject *remove_done_callback(PyObject *self, PyObject *callback) {
  (void)callback;
  waiter *w = (waiter *)self;
  long had = w->callback != NULL;
  Py_CLEAR(w->callback);
  Py_CLEAR(w->context);
  return PyLong_FromLong(had);
}

static PyObject *get_loop(PyObject *self, PyObject *nothing) {
  (void)nothing;
  return Py_NewRef(((waiter *)self)->loop);
}

static PyObject *cancel(PyObject *self, PyObject *arguments, PyObject *keywords) {
  (void)arguments, (void)keywords;
  waiter *w = (waiter *)self;
  if (!w->armed) Py_RETURN_FALSE;
  w->cancelled = true;
  lpy_waiter_wake(self);
  Py_RETURN_TRUE;
}

static PyObject *cancelled(PyObject *self, PyObject *nothing) {
  (void)nothing;
  return PyBool_FromLong(((waiter *)self)->cancelled);
}

static PyObject *done(PyObject *self, PyObject *nothing) {
  (void)nothing;
  return PyBool_FromLong(!((waiter *)self)->armed);
}

static PyObject *result(PyObject *self, PyObject *nothing) {
  (void)nothing;
  if (!((waiter *)self)->cancelled) Py_RETURN_NONE;
  PyErr_SetNone(lpy_state.cancelled_error);
  return NULL;
}

static PyObject *get_blocking(PyObject *self, void *closure) {
  (void)closure;
  return PyBool_FromLong(((waiter *)self)->blocking);
}

static int set_blocking(PyObject *self, PyObject *value, void *closure) {
  (void)closure;
  int truth = value ? PyObject_IsTrue(value) : 0;
  if (truth < 0) return -1;
  ((waiter *)self)->blocking = truth == 1;
  return 0;
}

/* ---- the type */

static int waiter_traverse(PyObject *self, visitproc visit, void *arg) {
  waiter *w = (waiter *)self;
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(w->loop);
  Py_VISIT(w->callback);
  Py_VISIT(w->context);
  return 0;
}

static int waiter_clear(PyObject *self) {
  waiter *w = (waiter *)self;
  Py_CLEAR(w->callback);
  Py_CLEAR(w->context);
  return 0;
}

static void waiter_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  waiter_clear(self);
  Py_CLEAR(((waiter *)self)->loop);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

static PyMethodDef waiter_methods[] = {
    {"add_done_callback", (PyCFunction)(void (*)(void))add_done_callback,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"remove_done_callback", remove_done_callback, METH_O, NULL},
    {"get_loop", get_loop, METH_NOARGS, NULL},
    {"cancel", (PyCFunction)(void (*)(void))cancel, METH_VARARGS | METH_KEYWORDS, NULL},
    {"cancelled", cancelled, METH_NOARGS, NULL},
    {"done", done, METH_NOARGS, NULL},
    {"result", result, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef waiter_getset[] = {
    {"_asyncio_future_blocking", get_blocking, set_blocking, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot waiter_slots[] = {
    {Py_tp_dealloc, waiter_dealloc}, {Py_tp_traverse, waiter_traverse}, {Py_tp_clear, waiter_clear},
    {Py_tp_methods, waiter_methods}, {Py_tp_getset, waiter_getset},     {0, NULL}};

static PyType_Spec waiter_spec = {
    "leat._core.Waiter", sizeof(waiter), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, waiter_slots};

bool lpy_waiter_ready(void) {
  lpy_state.waiter_type = (PyTypeObject *)PyType_FromSpec(&waiter_spec);
  return lpy_state.waiter_type != NULL;
}
