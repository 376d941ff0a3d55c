/* What a task waits on: one object a stream, used again and again, which speaks the protocol of
 * asyncio's futures (_asyncio_future_blocking) as far as a task asks for it. A future of asyncio's
 * own for each wait would cost more than the event that ends it. */
#ifndef LEAT_PYTHON_WAITER_H
#define LEAT_PYTHON_WAITER_H

#include "core.h"

/* NULL with an exception set. */
PyObject *lpy_waiter_new(PyObject *loop);
/* Begins a wait; false with RuntimeError set when a task waits already. */
bool lpy_waiter_arm(PyObject *waiter);
/* Ends the wait, if there is one: its task runs in the loop's next turn. */
void lpy_waiter_wake(PyObject *waiter);
bool lpy_waiter_ready(void);

#endif
