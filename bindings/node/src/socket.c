/* A socket's callbacks: they put its messages together, which come in pieces. See cell.h. */
#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "engine.h"

/* The engine bounds a message by message_bytes_max. */
static bool add_piece(lno_store *s, leat_slice bytes) {
  if (s->room - s->size < bytes.size) {
    size_t room = s->room ? s->room : 4096;
    while (room - s->size < bytes.size) room *= 2;
    char *grown = realloc(s->bytes, room);
    if (!grown) return false;
    s->bytes = grown;
    s->room = room;
  }
  if (bytes.size) memcpy(s->bytes + s->size, bytes.data, bytes.size);
  s->size += bytes.size;
  return true;
}

static int tell_message(lno_cell *cell, enum leat_ws_type type, leat_slice whole) {
  if (type == LEAT_WS_BINARY)
    return lno_cell_put_bytes(cell, LNO_RECORD_MESSAGE, (uint32_t)type, whole);
  return lno_cell_put_text(cell, LNO_RECORD_MESSAGE, (uint32_t)type, whole);
}

/* A message that came whole is passed on as it is. */
static int take_piece(lno_cell *cell, const leat_ws_event *event) {
  if (event->first && event->last) return tell_message(cell, event->type, event->bytes);
  if (!add_piece(&cell->message, event->bytes)) {
    cell->starved = true;
    leat_cancel(cell->engine->engine, cell->id);
    return LEAT_CONTINUE;
  }
  if (!event->last) return LEAT_CONTINUE;
  leat_slice whole = {cell->message.bytes, cell->message.size};
  int answer = tell_message(cell, event->type, whole);
  free(cell->message.bytes);
  cell->message = (lno_store){NULL, 0, 0};
  return answer;
}

int lno_socket_on_event(leat_engine *engine, leat_id id, const leat_ws_event *event, void *user) {
  lno_cell *cell = user;
  switch (event->kind) {
    case LEAT_WS_OPEN: {
      leat_event head = {.kind = LEAT_EVENT_HEAD,
                         .attempt = 1,
                         .received_ns = event->received_ns,
                         .head = *event->head};
      return lno_cell_on_event(engine, id, &head, user);
    }
    case LEAT_WS_MESSAGE: return take_piece(cell, event);
    case LEAT_WS_DECODED: return lno_cell_on_event(engine, id, event->event, user);
    case LEAT_WS_CLOSING:
      return lno_cell_put_text(cell, LNO_RECORD_CLOSING, event->code, event->bytes);
    case LEAT_WS_SENT:
      if (cell->choked) lno_cell_tell_room(cell);
      cell->choked = false;
      return LEAT_CONTINUE;
    case LEAT_WS_PING:
    case LEAT_WS_PONG: return LEAT_CONTINUE;
  }
  return LEAT_CONTINUE;
}

void lno_socket_on_done(leat_engine *engine, leat_id id, const leat_result *result, unsigned code,
                        void *user) {
  lno_cell *cell = user;
  cell->ending.close_code = code;
  lno_cell_on_done(engine, id, result, user);
}
