/* leat.Event: what a record becomes. The common one is a kind, a choice and a piece of text; all
 * others carry one object more, made by the Python layer's own classes. Attributes that an event
 * does not have are empty text or None, so that a loop needs no look at its kind. */
#include "core.h"

#include <string.h>
#include <structmember.h> /* wants what Python.h declares */

typedef struct event {
  PyObject_HEAD unsigned long long received_ns, segment_ns;
  unsigned int choice, attempt;
  int kind;
  PyObject *value; /* text, bytes, or the maker's object */
  PyObject *logprobs, *detail, *raw;
} event;

PyObject *lpy_text(leat_slice text) {
  if (text.size == 0) return Py_NewRef(lpy_state.empty);
  return PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.size, "replace");
}

static PyObject *bytes_of(leat_slice bytes) {
  return PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.size);
}

/* ---- making */

static PyObject *make(enum lpy_maker maker, PyObject *arguments) {
  if (!arguments) return NULL;
  PyObject *made = PyObject_CallObject(lpy_state.makers[maker], arguments);
  Py_DECREF(arguments);
  return made;
}

static PyObject *make_head(const lpy_record *r, uint32_t count) {
  PyObject *fields = PyList_New((Py_ssize_t)(count / 2));
  for (uint32_t i = 0; fields && i + 1 < count; i += 2) {
    leat_slice name = lpy_record_part(r, i), value = lpy_record_part(r, i + 1);
    PyObject *pair =
        Py_BuildValue("(NN)", PyUnicode_DecodeLatin1(name.data, (Py_ssize_t)name.size, NULL),
                      PyUnicode_DecodeLatin1(value.data, (Py_ssize_t)value.size, NULL));
    if (!pair || PyList_SetItem(fields, (Py_ssize_t)(i / 2), pair) != 0) Py_CLEAR(fields);
  }
  if (!fields) return NULL;
  static const char *const versions[] = {"", "1.1", "2"};
  return make(LPY_MAKE_HEAD,
              Py_BuildValue("(LNs)", (long long)r->numbers[0], fields,
                            versions[r->numbers[1] >= 0 && r->numbers[1] < 3 ? r->numbers[1] : 0]));
}

static PyObject *make_usage(const lpy_record *r) {
  enum { COUNTS = sizeof(leat_usage) / sizeof(int64_t) };
  int64_t counts[COUNTS];
  memcpy(counts, lpy_record_part(r, 0).data, sizeof counts);
  PyObject *arguments = PyTuple_New(COUNTS);
  for (int i = 0; arguments && i < COUNTS; i++) {
    PyObject *count = counts[i] < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(counts[i]);
    if (!count || PyTuple_SetItem(arguments, i, count) != 0) Py_CLEAR(arguments);
  }
  return make(LPY_MAKE_USAGE, arguments);
}

static PyObject *make_call(const lpy_record *r) {
  return make(LPY_MAKE_TOOL_CALL,
              Py_BuildValue("(LNNN)", (long long)r->numbers[0], lpy_text(lpy_record_part(r, 0)),
                            lpy_text(lpy_record_part(r, 1)), lpy_text(lpy_record_part(r, 2))));
}

static PyObject *make_media(const lpy_record *r) {
  return make(
      LPY_MAKE_MEDIA,
      Py_BuildValue("(NNNNNN)", lpy_text(lpy_record_part(r, 0)), lpy_text(lpy_record_part(r, 1)),
                    lpy_text(lpy_record_part(r, 2)), lpy_text(lpy_record_part(r, 3)),
                    lpy_text(lpy_record_part(r, 4)), PyBool_FromLong((long)r->numbers[0])));
}

static PyObject *make_update(const lpy_record *r) {
  return make(LPY_MAKE_UPDATE,
              Py_BuildValue("(LLLLNNNNNN)", (long long)r->numbers[0], (long long)r->numbers[1],
                            (long long)r->numbers[2], (long long)r->numbers[3],
                            lpy_text(lpy_record_part(r, 0)), lpy_text(lpy_record_part(r, 1)),
                            lpy_text(lpy_record_part(r, 2)), lpy_text(lpy_record_part(r, 3)),
                            lpy_text(lpy_record_part(r, 4)), bytes_of(lpy_record_part(r, 5))));
}

static PyObject *value_of(const lpy_record *r, uint32_t own) {
  switch (r->kind) {
    case LEAT_EVENT_HEAD: return make_head(r, own);
    case LEAT_EVENT_TOOL_CALL: return make_call(r);
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: return make_media(r);
    case LEAT_EVENT_USAGE: return make_usage(r);
    case LPY_RECORD_UPDATE: return make_update(r);
    case LEAT_EVENT_RAW:
    case LEAT_EVENT_REPLY:
    case LPY_RECORD_CONTENT: return bytes_of(lpy_record_part(r, 0));
    case LPY_RECORD_MESSAGE:
      if (r->choice == LEAT_WS_BINARY) return bytes_of(lpy_record_part(r, 0));
      return lpy_text(lpy_record_part(r, 0));
    default: return lpy_text(lpy_record_part(r, 0));
  }
}

PyObject *lpy_event_new(const lpy_record *r) {
  uint32_t own = r->part_count;
  leat_slice logprobs = {NULL, 0}, detail = {NULL, 0};
  event *e = PyObject_New(event, lpy_state.event_type);
  if (!e) return NULL;
  e->raw = r->flags & LPY_HAS_RAW ? bytes_of(lpy_record_part(r, --own)) : NULL;
  if (r->flags & LPY_HAS_DETAIL) detail = lpy_record_part(r, --own);
  if (r->flags & LPY_HAS_LOGPROBS) logprobs = lpy_record_part(r, --own);
  e->received_ns = r->received_ns;
  e->segment_ns = r->segment_ns;
  e->choice = r->choice;
  e->attempt = r->attempt;
  e->kind = r->kind;
  e->logprobs = logprobs.size ? lpy_text(logprobs) : NULL;
  e->detail = detail.size ? lpy_text(detail) : NULL;
  e->value = value_of(r, own);
  if (e->value && (e->logprobs || !logprobs.size) && (e->detail || !detail.size) &&
      (e->raw || !(r->flags & LPY_HAS_RAW)))
    return (PyObject *)e;
  Py_DECREF(e);
  return NULL;
}

PyObject *lpy_event_bytes(PyObject *self) {
  PyObject *value = ((event *)self)->value;
  return PyBytes_Check(value) ? value : NULL;
}

/* ---- the type */

static void event_dealloc(PyObject *self) {
  event *e = (event *)self;
  PyTypeObject *type = Py_TYPE(self);
  Py_XDECREF(e->value);
  Py_XDECREF(e->logprobs);
  Py_XDECREF(e->detail);
  Py_XDECREF(e->raw);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *get_kind(PyObject *self, void *closure) {
  (void)closure;
  return Py_NewRef(lpy_state.kind_names[((event *)self)->kind]);
}

/* The value where the event is of the closure's kind. */
static PyObject *get_text(PyObject *self, void *closure) {
  event *e = (event *)self;
  return Py_NewRef(e->kind == (int)(intptr_t)closure ? e->value : lpy_state.empty);
}

static PyObject *get_object(PyObject *self, void *closure) {
  event *e = (event *)self;
  return Py_NewRef(e->kind == (int)(intptr_t)closure ? e->value : Py_None);
}

static PyObject *get_media(PyObject *self, void *closure) {
  (void)closure;
  event *e = (event *)self;
  return Py_NewRef(e->kind == LEAT_EVENT_IMAGE || e->kind == LEAT_EVENT_AUDIO ? e->value : Py_None);
}

static PyObject *get_bytes(PyObject *self, void *closure) {
  (void)closure;
  event *e = (event *)self;
  return Py_NewRef(PyBytes_Check(e->value) ? e->value : Py_None);
}

static PyObject *get_logprobs(PyObject *self, void *closure) {
  (void)closure;
  event *e = (event *)self;
  return Py_NewRef(e->logprobs ? e->logprobs : lpy_state.empty);
}

static PyObject *get_detail(PyObject *self, void *closure) {
  (void)closure;
  event *e = (event *)self;
  return Py_NewRef(e->detail ? e->detail : lpy_state.empty);
}

static PyObject *get_raw(PyObject *self, void *closure) {
  (void)closure;
  event *e = (event *)self;
  return Py_NewRef(e->raw ? e->raw : Py_None);
}

static PyObject *event_repr(PyObject *self) {
  event *e = (event *)self;
  return PyUnicode_FromFormat("<leat.Event %U choice=%u %R>", lpy_state.kind_names[e->kind],
                              e->choice, e->value);
}

#define KIND(kind) ((void *)(intptr_t)(kind))

static PyGetSetDef event_getset[] = {
    {"kind", get_kind, NULL, "what it is", NULL},
    {"text", get_text, NULL, "a piece of the answer", KIND(LEAT_EVENT_TEXT)},
    {"reasoning", get_text, NULL, "a piece of reasoning", KIND(LEAT_EVENT_REASONING)},
    {"refusal", get_text, NULL, "a piece of a refusal", KIND(LEAT_EVENT_REFUSAL)},
    {"signature", get_text, NULL, "what proves reasoning", KIND(LEAT_EVENT_SIGNATURE)},
    {"finish_reason", get_text, NULL, "why the choice ended", KIND(LEAT_EVENT_FINISH)},
    {"finish_detail", get_detail, NULL, "more on that", NULL},
    {"tool_call", get_object, NULL, "a fragment of a call", KIND(LEAT_EVENT_TOOL_CALL)},
    {"usage", get_object, NULL, "token counts", KIND(LEAT_EVENT_USAGE)},
    {"head", get_object, NULL, "status and headers", KIND(LEAT_EVENT_HEAD)},
    {"update", get_object, NULL, "where a task stands", KIND(LPY_RECORD_UPDATE)},
    {"message", get_object, NULL, "of a socket, str or bytes", KIND(LPY_RECORD_MESSAGE)},
    {"media", get_media, NULL, "an image or sound", NULL},
    {"data", get_bytes, NULL, "bytes, of raw, reply and content", NULL},
    {"logprobs", get_logprobs, NULL, "JSON beside a text", NULL},
    {"raw", get_raw, NULL, "the provider's record, where it was asked for", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef event_members[] = {
    {"choice", T_UINT, offsetof(event, choice), READONLY, "of which choice"},
    {"attempt", T_UINT, offsetof(event, attempt), READONLY, "from 1"},
    {"received_ns", T_ULONGLONG, offsetof(event, received_ns), READONLY,
     "when it was read, by CLOCK_MONOTONIC"},
    {"segment_ns", T_ULONGLONG, offsetof(event, segment_ns), READONLY,
     "when the kernel had it, 0: not known"},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot event_slots[] = {
    {Py_tp_dealloc, event_dealloc},         {Py_tp_getset, event_getset},
    {Py_tp_members, event_members},         {Py_tp_repr, event_repr},
    {Py_tp_doc, "One event of an answer."}, {0, NULL}};

static PyType_Spec event_spec = {"leat.Event", sizeof(event), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 event_slots};

bool lpy_event_ready(PyObject *module) {
  static const struct {
    int kind;
    const char *name;
  } names[] = {{LEAT_EVENT_HEAD, "head"},           {LEAT_EVENT_TEXT, "text"},
               {LEAT_EVENT_REASONING, "reasoning"}, {LEAT_EVENT_REFUSAL, "refusal"},
               {LEAT_EVENT_TOOL_CALL, "tool_call"}, {LEAT_EVENT_IMAGE, "image"},
               {LEAT_EVENT_AUDIO, "audio"},         {LEAT_EVENT_USAGE, "usage"},
               {LEAT_EVENT_FINISH, "finish"},       {LEAT_EVENT_RAW, "raw"},
               {LEAT_EVENT_SIGNATURE, "signature"}, {LEAT_EVENT_REPLY, "reply"},
               {LPY_RECORD_UPDATE, "update"},       {LPY_RECORD_CONTENT, "content"},
               {LPY_RECORD_MESSAGE, "message"},     {LPY_RECORD_CLOSING, "closing"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (!(lpy_state.kind_names[names[i].kind] = PyUnicode_InternFromString(names[i].name)))
      return false;
  lpy_state.event_type = (PyTypeObject *)PyType_FromSpec(&event_spec);
  return lpy_state.event_type &&
         PyModule_AddObjectRef(module, "Event", (PyObject *)lpy_state.event_type) == 0;
}
