/* What crosses from the engine's thread to the interpreter's: a mailbox of records and results.
 *
 * A cell is one request as both sides know it. The engine's callbacks append records (a header,
 * then the lengths of its parts, then their bytes) to the mailbox of their cell, and put the cell
 * into the list of those that are done. The other side takes both at once by swapping buffers.
 * Nothing here knows Python, and the interpreter's lock is never taken on the engine's thread.
 *
 * Invariants: records of a cell stand in the order of its events and before its done; at most one
 * signal is in the descriptor at a time; what a reader has not consumed is counted in `held`, and
 * above `held_max` the request is paused until half of it is left. */
#ifndef LEAT_PYTHON_MAILBOX_H
#define LEAT_PYTHON_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leat.h"

struct lpy_engine;
typedef struct lpy_mailbox lpy_mailbox;
typedef struct lpy_cell lpy_cell;

/* Kinds of records beside those of enum leat_event_kind. */
enum lpy_record_kind {
  LPY_RECORD_UPDATE = 64,
  LPY_RECORD_CONTENT,
  LPY_RECORD_MESSAGE, /* of a socket, whole; `choice` is its enum leat_ws_type */
  LPY_RECORD_CLOSING, /* the peer's Close: `choice` is its code */
  LPY_RECORD_ROOM,    /* more may be sent; no event. `choice` may be LPY_ROOM_CLOSED */
  LPY_RECORD_KINDS
};

enum { LPY_ROOM_CLOSED = 1 }; /* what is sent now is dropped */

/* Flags: parts behind the kind's own, in this order. */
enum { LPY_HAS_LOGPROBS = 1, LPY_HAS_DETAIL = 2, LPY_HAS_RAW = 4 };

typedef struct lpy_record {
  uint64_t size; /* of all of it, a multiple of 8 */
  lpy_cell *cell;
  uint64_t received_ns, segment_ns;
  uint32_t choice, attempt;
  uint32_t part_count;
  uint8_t kind, flags;
  int64_t numbers[4]; /* by kind: status, http; index; partial; state, progress, polls, bytes */
} lpy_record;         /* then uint64_t lengths[part_count], then the bytes */

typedef struct lpy_records {
  char *bytes;
  size_t size, room;
} lpy_records;

/* How a request ended: the result with texts of its own. */
typedef struct lpy_ending {
  leat_result result;
  leat_response response;
  leat_task_update update; /* of a task */
  bool is_task;
  unsigned close_code; /* of a socket, 0: it is none */
  char *texts;         /* what all slices above point into */
} lpy_ending;

enum { LPY_WISH_CANCEL = 1, LPY_WISH_RESUME = 2 };

struct lpy_cell {
  atomic_int refs;
  lpy_mailbox *mailbox;
  struct lpy_engine *engine;
  leat_id id; /* the engine's thread alone */
  atomic_size_t held;
  size_t held_max;
  bool wants_raw;    /* events have the record beside them that they were decoded from */
  bool gathers;      /* nobody reads before the end: never paused, and bounded by gather_max */
  size_t gather_max; /* bytes */
  size_t gathered;
  atomic_bool paused;
  bool overflowed, starved; /* above gather_max; no memory for a record */
  void *owner;              /* the reader's object, under the interpreter's lock; NULL: gone */
  int wishes;               /* under the engine's lock */
  lpy_cell *next_wish, *next_done;
  /* of a socket */
  char *message; /* the pieces so far; the engine's thread alone, as are its sizes */
  size_t message_size, message_room;
  /* of a socket, and of a request whose body is sent piece by piece */
  struct lpy_piece *body, **body_end; /* what the engine has not taken; its thread alone */
  bool body_ended, body_failed, body_closed;
  atomic_size_t handed; /* bytes on their way to the engine */
  atomic_bool choked, room_wanted;
  lpy_ending ending;
};

struct lpy_mailbox {
  atomic_int refs;
  pthread_mutex_t lock;
  lpy_records in;
  lpy_cell *done_first, **done_end;
  bool signalled, closed;
  int read_fd, write_fd;
  atomic_size_t held; /* over all its cells */
  size_t held_max;
  bool dirty; /* the engine's thread alone: in its list */
  lpy_mailbox *next_dirty;
};

/* What a swap gives: the caller's until lpy_batch_free. */
typedef struct lpy_batch {
  lpy_records records;
  lpy_cell *done;
} lpy_batch;

/* NULL: no memory or no descriptor is left, with errno. */
lpy_mailbox *lpy_mailbox_new(size_t held_max);
void lpy_mailbox_keep(lpy_mailbox *m);
void lpy_mailbox_drop(lpy_mailbox *m);
/* Nobody will read any more: what is in it and what still comes is dropped. */
void lpy_mailbox_close(lpy_mailbox *m);
/* Clears the signal and takes all that is there. */
void lpy_mailbox_take(lpy_mailbox *m, lpy_batch *batch);
/* Frees the records, whose buffer may serve the next batch. */
void lpy_batch_free(lpy_batch *batch, lpy_mailbox *m);
/* The engine's thread: wakes the reader unless that is under way already. */
void lpy_mailbox_signal(lpy_mailbox *m);
/* The next record of a batch, starting with NULL; NULL behind the last. */
const lpy_record *lpy_batch_next(const lpy_batch *batch, const lpy_record *record);
/* The i-th part of a record. */
leat_slice lpy_record_part(const lpy_record *record, uint32_t i);

lpy_cell *lpy_cell_new(lpy_mailbox *mailbox, struct lpy_engine *engine);
void lpy_cell_keep(lpy_cell *cell);
void lpy_cell_drop(lpy_cell *cell);
/* The reader has consumed so many bytes. True: a pause has to be ended. */
bool lpy_cell_consume(lpy_cell *cell, size_t bytes);

/* The engine's callbacks, whose `user` is the cell. */
int lpy_cell_on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user);
void lpy_cell_on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user);
void lpy_cell_on_update(leat_engine *engine, leat_id id, const leat_task_update *update,
                        void *user);
void lpy_cell_on_task_done(leat_engine *engine, leat_id id, const leat_task_update *last,
                           const leat_result *result, void *user);
int lpy_cell_on_content(leat_engine *engine, leat_id id, uint64_t offset, leat_slice bytes,
                        void *user);
/* Appends a record with one part; a callback's answer. */
int lpy_cell_put(lpy_cell *cell, int kind, uint32_t choice, leat_slice part);
/* May more be handed over? Otherwise a record of kind LPY_RECORD_ROOM will say so. */
bool lpy_cell_room(lpy_cell *cell);
/* The engine's thread: says so, if it is so and someone waits for it. */
void lpy_cell_tell_room(lpy_cell *cell);
/* Ends a request that was never accepted. */
void lpy_cell_refuse(lpy_cell *cell, int error, const char *message);

#endif
