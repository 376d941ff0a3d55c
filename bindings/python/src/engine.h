/* The engine's thread: it owns a leat_engine, runs its loop while something is pending, and sleeps
 * until a command comes. It knows nothing of Python and never waits for the interpreter.
 *
 * Commands and wishes are queued under the lock; the first of a batch is announced by one
 * leat_post. The engine is closed by a command, which is the last one taken; `gone` is set when
 * nothing will touch the engine any more. A process that was forked has no such thread: there
 * nothing of this is touched (lpy_engine_forked). */
#ifndef LEAT_PYTHON_ENGINE_H
#define LEAT_PYTHON_ENGINE_H

#include "mailbox.h"

typedef struct lpy_engine lpy_engine;
typedef struct lpy_command lpy_command;

struct lpy_command {
  lpy_command *next;
  /* On the engine's thread; frees the command. */
  void (*run)(lpy_engine *engine, lpy_command *command);
};

struct lpy_engine {
  atomic_int refs;
  leat_engine *engine;
  pthread_mutex_t lock;
  pthread_cond_t woken, ended;
  lpy_command *first, **end;
  lpy_cell *wishes;
  bool posted, closing, gone;
  int forks;               /* how often the process had been forked when it was made */
  lpy_mailbox *dirty;      /* the thread's own: to be signalled at the end of the turn */
  lpy_mailbox *on_gone;    /* is signalled when the engine is gone */
  lpy_engine *next, *prev; /* of all that live, for the end of the process */
};

/* Takes `engine` and starts its thread. NULL, with errno: the engine is left as it was. */
lpy_engine *lpy_engine_new(leat_engine *engine, lpy_mailbox *on_gone);
void lpy_engine_keep(lpy_engine *e);
void lpy_engine_drop(lpy_engine *e);
/* Is this another process than that which made it? */
bool lpy_engine_forked(const lpy_engine *e);
/* How often this process was forked off since the module was loaded. */
int lpy_engine_forks(void);
/* Queues a command: LEAT_OK, LEAT_ECLOSED, LEAT_ENOMEM. */
int lpy_engine_push(lpy_engine *e, lpy_command *command);
/* Runs `ask` on the engine's thread and waits for it. LEAT_OK or LEAT_ECLOSED. */
int lpy_engine_ask(lpy_engine *e, void (*ask)(leat_engine *engine, void *user), void *user);
/* Asks for LPY_WISH_*; nothing when the request is done. */
void lpy_engine_wish(lpy_engine *e, lpy_cell *cell, int wish);
void lpy_engine_close(lpy_engine *e, enum leat_close_mode mode);
/* False: it was not gone after so long. */
bool lpy_engine_wait(lpy_engine *e, int64_t timeout_ms);
/* The thread's own: this mailbox has something new. */
void lpy_engine_mark(lpy_engine *e, lpy_mailbox *m);
/* Closes all engines of the process and waits for them, `timeout_ms` in all. */
void lpy_engine_close_all(int64_t timeout_ms);

#endif
