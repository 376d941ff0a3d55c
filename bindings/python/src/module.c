/* The module leat._core: what is not meant to be used but through the package leat. */
#include "core.h"

#define EXIT_MS 300 /* how long the interpreter's end waits for engines */

lpy_core lpy_state;

/* configure(error, fork_error, head, tool_call, media, usage, update): once, by the package. */
static PyObject *configure(PyObject *module, PyObject *arguments) {
  (void)module;
  if (PyTuple_Size(arguments) != LPY_MAKERS) {
    PyErr_SetString(PyExc_TypeError, "configure takes all makers");
    return NULL;
  }
  for (int i = 0; i < LPY_MAKERS; i++) {
    PyObject *before = lpy_state.makers[i];
    lpy_state.makers[i] = Py_NewRef(PyTuple_GetItem(arguments, i));
    Py_XDECREF(before);
  }
  Py_RETURN_NONE;
}

static PyObject *close_all(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  Py_BEGIN_ALLOW_THREADS lpy_engine_close_all(EXIT_MS);
  Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *version(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  return PyUnicode_FromString(leat_version());
}

static PyObject *row_of(const leat_endpoint *row) {
  return Py_BuildValue("{ss ss ss ss ss sz ss ss sO}", "name", row->name, "summary",
                       row->summary ? row->summary : "", "method", row->method, "path", row->path,
                       "body", leat_body_kind_name(row->body), "protocol", row->protocol, "reply",
                       leat_reply_kind_name(row->reply), "group", leat_reply_group_name(row->group),
                       "confirmed", row->confirmed ? Py_True : Py_False);
}

static PyObject *endpoints(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  PyObject *rows = PyList_New(0);
  const leat_endpoint *row;
  for (size_t i = 0; rows && (row = leat_endpoint_at(NULL, i)); i++) {
    PyObject *dict = row_of(row);
    if (!dict || PyList_Append(rows, dict) != 0) Py_CLEAR(rows);
    Py_XDECREF(dict);
  }
  return rows;
}

static PyMethodDef methods[] = {
    {"configure", configure, METH_VARARGS, NULL},
    {"close_all", close_all, METH_NOARGS, "Closes all engines of the process."},
    {"version", version, METH_NOARGS, "The engine's version."},
    {"endpoints", endpoints, METH_NOARGS, "The built-in rows of the registry."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "leat._core", NULL, -1, methods, NULL, NULL, NULL, NULL};

static bool ready(PyObject *module) {
  lpy_state.call_soon_name = PyUnicode_InternFromString("call_soon");
  lpy_state.context_keyword = PyUnicode_InternFromString("context");
  lpy_state.empty = PyUnicode_InternFromString("");
  PyObject *exceptions = PyImport_ImportModule("asyncio.exceptions");
  if (!exceptions) return false;
  lpy_state.cancelled_error = PyObject_GetAttrString(exceptions, "CancelledError");
  Py_DECREF(exceptions);
  return lpy_state.call_soon_name && lpy_state.context_keyword && lpy_state.empty &&
         lpy_state.cancelled_error && lpy_event_ready(module) && lpy_client_ready(module) &&
         lpy_stream_ready(module);
}

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
  if (lpy_state.empty) {
    PyErr_SetString(PyExc_ImportError, "leat cannot be used in a second interpreter");
    return NULL;
  }
  PyObject *module = PyModule_Create(&definition);
  if (!module) return NULL;
  if (ready(module)) return module;
  Py_DECREF(module);
  return NULL;
}
