/* WebSockets: the callbacks that put a socket's messages together on the engine's thread, and the
 * commands that open it, send and close. A sender is told to wait by what is still under way to
 * the engine (`handed`) and by the engine's own queue (`choked`), and is woken by a record. */
#include "socket.h"

#include <stdlib.h>
#include <string.h>

#include "fields.h"

/* ---- the engine's thread: what comes */

static void add_piece(lpy_cell *cell, leat_slice bytes) {
  if (cell->message_room - cell->message_size < bytes.size) {
    size_t room = cell->message_room ? cell->message_room : 4096;
    while (room - cell->message_size < bytes.size) room *= 2;
    char *grown = realloc(cell->message, room);
    if (!grown) {
      cell->starved = true;
      leat_cancel(cell->engine->engine, cell->id);
      return;
    }
    cell->message = grown;
    cell->message_room = room;
  }
  if (bytes.size) memcpy(cell->message + cell->message_size, bytes.data, bytes.size);
  cell->message_size += bytes.size;
}

/* A message that came whole is passed on as it is; the engine bounds what is put together. */
static int take_piece(lpy_cell *cell, const leat_ws_event *event) {
  leat_slice whole = event->bytes;
  if (!event->first || !event->last) add_piece(cell, event->bytes);
  if (!event->last || cell->starved) return LEAT_CONTINUE;
  if (!event->first) whole = (leat_slice){cell->message, cell->message_size};
  int answer = lpy_cell_put(cell, LPY_RECORD_MESSAGE, (uint32_t)event->type, whole);
  cell->message_size = 0;
  return answer;
}

int lpy_socket_on_event(leat_engine *engine, leat_id id, const leat_ws_event *event, void *user) {
  lpy_cell *cell = user;
  switch (event->kind) {
    case LEAT_WS_OPEN: {
      leat_event head = {.kind = LEAT_EVENT_HEAD,
                         .attempt = 1,
                         .received_ns = event->received_ns,
                         .head = *event->head};
      return lpy_cell_on_event(engine, id, &head, user);
    }
    case LEAT_WS_MESSAGE: return take_piece(cell, event);
    case LEAT_WS_DECODED: return lpy_cell_on_event(engine, id, event->event, user);
    case LEAT_WS_CLOSING: return lpy_cell_put(cell, LPY_RECORD_CLOSING, event->code, event->bytes);
    case LEAT_WS_SENT:
      atomic_store(&cell->choked, false);
      lpy_cell_tell_room(cell);
      return LEAT_CONTINUE;
    case LEAT_WS_PING:
    case LEAT_WS_PONG: return LEAT_CONTINUE;
  }
  return LEAT_CONTINUE;
}

void lpy_socket_on_done(leat_engine *engine, leat_id id, const leat_result *result, unsigned code,
                        void *user) {
  lpy_cell *cell = user;
  cell->ending.close_code = code;
  lpy_cell_on_done(engine, id, result, user);
}

/* ---- commands */

typedef struct message {
  lpy_command command;
  lpy_cell *cell;
  enum leat_ws_type type;
  bool closes;
  unsigned code;
  size_t size;
  char bytes[];
} message;

static void run_message(lpy_engine *e, lpy_command *command) {
  message *m = (message *)command;
  lpy_cell *cell = m->cell;
  leat_slice bytes = {m->bytes, m->size};
  /* A socket that ends does not take it, and says so by its done. */
  if (cell->id && m->closes)
    leat_ws_close(e->engine, cell->id, m->code, bytes);
  else if (cell->id && leat_ws_send(e->engine, cell->id, m->type, bytes, true) == 1)
    atomic_store(&cell->choked, true);
  atomic_fetch_sub(&cell->handed, m->size);
  lpy_cell_tell_room(cell);
  lpy_cell_drop(cell);
  free(m);
}

static int push_message(lpy_cell *cell, const message *kind, leat_slice bytes) {
  message *m = malloc(sizeof *m + bytes.size);
  if (!m) return LEAT_ENOMEM;
  *m = *kind;
  m->command.run = run_message;
  m->cell = cell;
  m->size = bytes.size;
  if (bytes.size) memcpy(m->bytes, bytes.data, bytes.size);
  lpy_cell_keep(cell);
  atomic_fetch_add(&cell->handed, m->size);
  int r = lpy_engine_push(cell->engine, &m->command);
  if (r == LEAT_OK) return r;
  atomic_fetch_sub(&cell->handed, m->size);
  lpy_cell_drop(cell);
  free(m);
  return r;
}

int lpy_socket_send(lpy_cell *cell, enum leat_ws_type type, leat_slice bytes) {
  return push_message(cell, &(message){.type = type}, bytes);
}

int lpy_socket_close(lpy_cell *cell, unsigned code, leat_slice reason) {
  return push_message(cell, &(message){.closes = true, .code = code}, reason);
}
