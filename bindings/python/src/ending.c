/* How a request ended, as a dict for the Python layer: that makes a result or an exception of it.
 * Nothing in it has a key: the engine masks those. */
#include <string.h>

#include "core.h"

/* Puts a new reference, or fails when it is NULL. */
static bool put(PyObject *dict, const char *name, PyObject *value) {
  if (!value) return false;
  int r = PyDict_SetItemString(dict, name, value);
  Py_DECREF(value);
  return r == 0;
}

static bool put_slice(PyObject *dict, const char *name, leat_slice text) {
  return put(dict, name, lpy_text(text));
}

static bool put_failure(PyObject *d, const leat_result *r) {
  return put(d, "error", PyLong_FromLong(r->error)) &&
         put(d, "name", PyUnicode_FromString(leat_error_name(r->error))) &&
         put(d, "class", PyLong_FromLong((long)leat_error_class(r->error))) &&
         put(d, "layer", PyUnicode_FromString(leat_layer_name(r->layer))) &&
         put(d, "native", PyLong_FromLong(r->native)) &&
         put_slice(
             d, "message",
             r->message.size || !r->error
                 ? r->message
                 : (leat_slice){leat_error_text(r->error), strlen(leat_error_text(r->error))}) &&
         put_slice(d, "provider_type", r->provider_type) &&
         put_slice(d, "provider_code", r->provider_code) &&
         put_slice(d, "provider_message", r->provider_message) &&
         put(d, "body", PyBytes_FromStringAndSize(r->body.data, (Py_ssize_t)r->body.size)) &&
         put(d, "retryable", PyBool_FromLong(r->retryable)) &&
         put(d, "maybe_ran_twice", PyBool_FromLong(r->maybe_ran_twice)) &&
         put(d, "retry_after_ms", PyLong_FromLongLong(r->retry_after_ms));
}

static bool put_exchange(PyObject *d, const leat_result *r) {
  return put(d, "status", PyLong_FromLong(r->status)) &&
         put_slice(d, "request_id", r->request_id) &&
         put(d, "attempts", PyLong_FromUnsignedLong(r->attempts)) &&
         put(d, "redirects", PyLong_FromUnsignedLong(r->redirects)) &&
         put(d, "bytes_received", PyLong_FromUnsignedLongLong(r->bytes_received)) &&
         put(d, "events", PyLong_FromUnsignedLongLong(r->events)) &&
         put(d, "limited_ns", PyLong_FromUnsignedLongLong(r->limited_ns)) &&
         put(d, "http", PyLong_FromLong((long)r->http)) &&
         put(d, "tls", PyLong_FromLong((long)r->tls)) &&
         put(d, "reused_connection", PyBool_FromLong(r->reused_connection)) &&
         put(d, "resumed_tls", PyBool_FromLong(r->resumed_tls));
}

static bool put_times(PyObject *d, const leat_times *t) {
  const struct {
    const char *name;
    uint64_t at;
  } stamps[] = {{"queued_ns", t->queued_ns},
                {"leased_ns", t->leased_ns},
                {"connected_ns", t->connected_ns},
                {"tls_ns", t->tls_ns},
                {"sent_ns", t->sent_ns},
                {"head_ns", t->head_ns},
                {"first_event_ns", t->first_event_ns},
                {"first_content_ns", t->first_content_ns},
                {"last_content_ns", t->last_content_ns},
                {"done_ns", t->done_ns}};
  bool ok = true;
  for (size_t i = 0; ok && i < sizeof stamps / sizeof stamps[0]; i++)
    ok = put(d, stamps[i].name, PyLong_FromUnsignedLongLong(stamps[i].at));
  return ok;
}

static bool put_response(PyObject *d, const leat_response *a) {
  return put_slice(d, "response_id", a->id) && put_slice(d, "model", a->model) &&
         put_slice(d, "system_fingerprint", a->system_fingerprint) &&
         put_slice(d, "service_tier", a->service_tier) &&
         put(d, "created", PyLong_FromLongLong(a->created));
}

static bool put_task(PyObject *d, const leat_task_update *u) {
  return put(d, "state", PyLong_FromLong((long)u->state)) && put_slice(d, "task_id", u->task_id) &&
         put_slice(d, "task_status", u->status) && put_slice(d, "url", u->url) &&
         put_slice(d, "error_code", u->error_code) &&
         put_slice(d, "error_message", u->error_message) &&
         put(d, "raw", PyBytes_FromStringAndSize(u->raw.data, (Py_ssize_t)u->raw.size)) &&
         put(d, "progress", PyLong_FromLong(u->progress)) &&
         put(d, "polls", PyLong_FromUnsignedLongLong(u->polls)) &&
         put(d, "bytes", PyLong_FromUnsignedLongLong(u->bytes)) &&
         put(d, "earlier_run", PyBool_FromLong(u->earlier_run));
}

PyObject *lpy_ending_dict(const lpy_ending *e) {
  PyObject *d = PyDict_New();
  if (!d) return NULL;
  if (put_failure(d, &e->result) && put_exchange(d, &e->result) && put_times(d, &e->result.times) &&
      put_response(d, &e->response) &&
      (!e->close_code || put(d, "close_code", PyLong_FromUnsignedLong(e->close_code))) &&
      (!e->is_task || put_task(d, &e->update)))
    return d;
  Py_DECREF(d);
  return NULL;
}
