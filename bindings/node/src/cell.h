/* A cell: one request, task or socket, as the engine's callbacks know it. It is made by a submit,
 * appends what it is told to the turn of its engine, and is freed when its ending was handed over.
 *
 * JavaScript knows it by its slot, a small number that it chose and may choose again once it has
 * been told the ending. */
#ifndef LEAT_NODE_CELL_H
#define LEAT_NODE_CELL_H

#include "ending.h"
#include "leat.h"
#include "turn.h"
#include "upload.h"

struct lno_engine;

typedef struct lno_cell {
  struct lno_engine *engine;
  uint32_t slot;
  leat_id id;
  uint64_t turn; /* in which it appended last, and how many bytes in it */
  size_t turn_bytes;
  bool raw;          /* bytes of a body, which may be put together */
  bool stopped;      /* JavaScript wants a pause */
  bool paused;       /* the engine was told to */
  bool overfull;     /* until the turn is handed over; in the engine's list */
  bool starved;      /* no memory for a record: the ending says so */
  lno_upload upload; /* a request's body that comes piece by piece */
  lno_store message; /* a socket's message so far */
  bool choked;       /* a socket that has enough to send */
  struct lno_cell *next_overfull, *next_done;
  lno_ending ending;
} lno_cell;

/* NULL: no memory. */
lno_cell *lno_cell_new(struct lno_engine *engine, uint32_t slot);
void lno_cell_free(lno_cell *cell);

/* JavaScript's wishes. */
void lno_cell_stop(lno_cell *cell);
void lno_cell_go_on(lno_cell *cell);
/* The turn is about to be handed over: the end of a pause that was for its sake. */
void lno_cell_relieve(lno_cell *cell);
/* The body's queue has room again, or the socket's. */
void lno_cell_tell_room(lno_cell *cell);

/* The engine's callbacks, whose `user` is the cell. */
int lno_cell_on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user);
void lno_cell_on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user);
void lno_cell_on_update(leat_engine *engine, leat_id id, const leat_task_update *update,
                        void *user);
void lno_cell_on_task_done(leat_engine *engine, leat_id id, const leat_task_update *last,
                           const leat_result *result, void *user);
int lno_cell_on_content(leat_engine *engine, leat_id id, uint64_t offset, leat_slice bytes,
                        void *user);
/* A socket's; see socket.c. */
int lno_socket_on_event(leat_engine *engine, leat_id id, const leat_ws_event *event, void *user);
void lno_socket_on_done(leat_engine *engine, leat_id id, const leat_result *result, unsigned code,
                        void *user);
/* Appends a record whose text or bytes these are; a callback's answer. */
int lno_cell_put_text(lno_cell *cell, uint32_t kind, uint32_t choice, leat_slice text);
int lno_cell_put_bytes(lno_cell *cell, uint32_t kind, uint32_t choice, leat_slice bytes);

#endif
