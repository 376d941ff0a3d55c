/* Request bodies that come piece by piece, from an iterator of the program's.
 *
 * A piece crosses by a command, waits in the cell's list on the engine's thread, and is copied from
 * there when the connection takes it. What is under way is counted in `handed`, as a socket's
 * messages are, so that whoever sends waits for room: a body of any length costs the memory of
 * HANDED_MAX and a piece. Such a body cannot be rewound, and is sent once. */
#include "upload.h"

#include <stdlib.h>
#include <string.h>

typedef struct lpy_piece piece;

struct lpy_piece {
  lpy_command command;
  piece *next;
  lpy_cell *cell;
  bool failed;
  size_t size, taken;
  char bytes[];
};

/* ---- the engine's thread */

static void free_first(lpy_cell *cell) {
  piece *first = cell->body;
  cell->body = first->next;
  if (!cell->body) cell->body_end = &cell->body;
  atomic_fetch_sub(&cell->handed, first->size);
  free(first);
}

static int read_body(void *user, char *into, size_t room, size_t *size) {
  lpy_cell *cell = user;
  piece *first = cell->body;
  *size = 0;
  if (!first && cell->body_failed) return LEAT_ESOURCE;
  if (!first) return cell->body_ended ? LEAT_OK : LEAT_PAUSE;
  size_t left = first->size - first->taken;
  *size = left < room ? left : room;
  memcpy(into, first->bytes + first->taken, *size);
  first->taken += *size;
  if (first->taken == first->size) free_first(cell);
  lpy_cell_tell_room(cell);
  return LEAT_OK;
}

/* Nothing is read any more, such as behind a refusal: whoever sends is told to leave it. */
static void close_body(void *user) {
  lpy_cell *cell = user;
  cell->body_closed = true;
  while (cell->body) free_first(cell);
  lpy_cell_put(cell, LPY_RECORD_ROOM, LPY_ROOM_CLOSED, (leat_slice){NULL, 0});
}

void lpy_upload_source(lpy_cell *cell, leat_source *source) {
  cell->body_end = &cell->body;
  source->read = read_body;
  source->close = close_body;
  source->user = cell;
}

static void run_piece(lpy_engine *e, lpy_command *command) {
  piece *p = (piece *)command;
  lpy_cell *cell = p->cell;
  if (cell->body_closed || !cell->id || p->size == 0) {
    cell->body_ended = cell->body_ended || (p->size == 0 && !p->failed);
    cell->body_failed = cell->body_failed || p->failed;
    atomic_fetch_sub(&cell->handed, p->size);
    lpy_cell_tell_room(cell);
    free(p);
  } else {
    *cell->body_end = p;
    cell->body_end = &p->next;
  }
  if (cell->id) leat_source_ready(e->engine, cell->id);
  lpy_cell_drop(cell);
}

/* ---- the interpreter's side */

int lpy_upload_put(lpy_cell *cell, leat_slice bytes, bool failed) {
  piece *p = calloc(1, sizeof *p + bytes.size);
  if (!p) return LEAT_ENOMEM;
  p->command.run = run_piece;
  p->cell = cell;
  p->failed = failed;
  p->size = bytes.size;
  if (bytes.size) memcpy(p->bytes, bytes.data, bytes.size);
  lpy_cell_keep(cell);
  atomic_fetch_add(&cell->handed, p->size);
  int r = lpy_engine_push(cell->engine, &p->command);
  if (r == LEAT_OK) return r;
  atomic_fetch_sub(&cell->handed, p->size);
  lpy_cell_drop(cell);
  free(p);
  return r;
}
