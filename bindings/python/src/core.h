/* What the files of leat._core share: the module's state, its types, and the making of requests.
 * Everything here is under the interpreter's lock. Only the stable ABI of CPython 3.10 is used. */
#ifndef LEAT_PYTHON_CORE_H
#define LEAT_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "engine.h"
#include "mailbox.h"

/* Makers of the Python layer, given once by configure(): what an event's parts become. */
enum lpy_maker {
  LPY_MAKE_ERROR,
  LPY_MAKE_FORK_ERROR,
  LPY_MAKE_HEAD,
  LPY_MAKE_TOOL_CALL,
  LPY_MAKE_MEDIA,
  LPY_MAKE_USAGE,
  LPY_MAKE_UPDATE,
  LPY_MAKERS
};

typedef struct lpy_core {
  PyObject *makers[LPY_MAKERS];
  PyTypeObject *event_type, *stream_type, *next_type, *pieces_type, *waiter_type, *engine_type,
      *mailbox_type;
  PyObject *kind_names[LPY_RECORD_KINDS];
  PyObject *call_soon_name, *context_keyword, *empty, *cancelled_error;
} lpy_core;

extern lpy_core lpy_state; /* one interpreter: the module refuses a second one */

typedef struct lpy_mailbox_object {
  PyObject_HEAD lpy_mailbox *mailbox;
  int forks;
} lpy_mailbox_object;

typedef struct lpy_engine_object {
  PyObject_HEAD lpy_engine *engine;
} lpy_engine_object;

/* What a submit may ask for: nothing is told before the end; records beside their events. */
enum { LPY_WANTS_ALL = 1, LPY_WANTS_RAW = 2 };

/* event.c: NULL with an exception set. */
PyObject *lpy_event_new(const lpy_record *record);
/* Its bytes, borrowed; NULL: it has none. */
PyObject *lpy_event_bytes(PyObject *event);
bool lpy_event_ready(PyObject *module);
PyObject *lpy_text(leat_slice text);

/* stream.c */
bool lpy_stream_ready(PyObject *module);
/* Takes what the mailbox has to the streams; -1 with an exception set. */
int lpy_stream_drain(lpy_mailbox *mailbox);
/* The cell of a stream, made new; NULL with an exception set. */
lpy_cell *lpy_stream_bind(PyObject *stream, lpy_mailbox *mailbox, lpy_engine *engine);
void lpy_stream_unbind(PyObject *stream);
/* NULL: it was never sent off. */
lpy_cell *lpy_stream_cell(PyObject *stream);

/* client.c */
bool lpy_client_ready(PyObject *module);
/* Sets LeatForkError and returns true in a process that did not make this engine. */
bool lpy_client_forked(const lpy_engine *engine);

/* request.c: a command that submits what `fields` says for `cell`; NULL with an exception set. */
lpy_command *lpy_request_command(PyObject *fields, lpy_cell *cell);
lpy_command *lpy_request_task(PyObject *fields, lpy_cell *cell);
lpy_command *lpy_request_socket(PyObject *fields, lpy_cell *cell);
/* The request is a turn on this socket. */
void lpy_request_on(lpy_command *command, lpy_cell *socket);
void lpy_request_free(lpy_command *command);
/* Opens an engine; NULL with an exception set. */
leat_engine *lpy_request_open(PyObject *fields);
/* Sets an exception made of a result that never was: the call itself was refused. */
void lpy_raise(int error, const char *message);

/* ending.c: a dict of all that is known of how a request ended. */
PyObject *lpy_ending_dict(const lpy_ending *ending);

#endif
