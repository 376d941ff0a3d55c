/* What starts something: requests, tasks, sockets, and the engine itself, from objects. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "rows.h"

#define SLOTS_MAX 4194304u /* 32 MiB of places for cells */

/* ---- slots */

static bool grow(lno_engine *e, uint32_t slot) {
  uint32_t room = e->cells_room ? e->cells_room : 64;
  while (room <= slot) room *= 2;
  lno_cell **grown = realloc(e->cells, room * sizeof *grown);
  if (!grown) return false;
  memset(grown + e->cells_room, 0, (room - e->cells_room) * sizeof *grown);
  e->cells = grown;
  e->cells_room = room;
  return true;
}

static lno_cell *new_cell(lno_engine *e, napi_value slot_value) {
  uint32_t slot = 0;
  napi_get_value_uint32(e->env, slot_value, &slot);
  if (slot == 0 || slot >= SLOTS_MAX || (slot < e->cells_room && e->cells[slot])) {
    napi_throw_range_error(e->env, "ERR_OUT_OF_RANGE", "this slot is taken, or is none");
    return NULL;
  }
  lno_cell *cell = slot < e->cells_room || grow(e, slot) ? lno_cell_new(e, slot) : NULL;
  if (!cell) lno_ending_throw(e->env, LEAT_ENOMEM, "no memory for the request");
  return cell;
}

/* The end of a submit: refused, the cell is freed and an exception pending. */
static void settle(lno_engine *e, lno_cell *cell, int r) {
  bool pending = true;
  if (r == LEAT_OK) {
    e->cells[cell->slot] = cell;
    lno_engine_hold(e);
    return;
  }
  napi_is_exception_pending(e->env, &pending);
  if (!pending) lno_ending_throw(e->env, r, leat_last_message(e->engine));
  lno_cell_free(cell);
}

/* ---- bodies that come piece by piece */

static int read_upload(void *user, char *into, size_t room, size_t *size) {
  lno_cell *cell = user;
  lno_upload *u = &cell->upload;
  int answer = lno_upload_read(u, into, room, size);
  if (u->full && u->queued <= LNO_UPLOAD_MAX / 2) {
    u->full = false;
    lno_cell_tell_room(cell);
  }
  return answer;
}

static void close_upload(void *user) {
  lno_upload_deinit(&((lno_cell *)user)->upload);
}

/* ---- methods */

typedef struct given {
  lno_engine *engine;
  lno_cell *cell;
  napi_value fields;
  lno_arena arena;
} given;

/* `this`, the slot and the fields; false with an exception pending. */
static bool take(napi_env env, napi_callback_info call, given *g) {
  napi_value arguments[2];
  size_t count = 2;
  *g = (given){.engine = lno_engine_of(env, call, &count, arguments), .arena = {env, NULL}};
  if (!g->engine || !lno_engine_open(g->engine)) return false;
  if (count < 2) {
    napi_throw_type_error(env, "ERR_MISSING_ARGS", "a slot and its fields are wanted");
    return false;
  }
  g->fields = arguments[1];
  g->cell = new_cell(g->engine, arguments[0]);
  return g->cell != NULL;
}

static napi_value finish(given *g, int r) {
  lno_arena_free(&g->arena);
  settle(g->engine, g->cell, r);
  return NULL;
}

/* 0 would give the turn a socket of its own. */
static bool find_socket(lno_engine *e, lno_request *q) {
  uint32_t slot = (uint32_t)q->socket_slot;
  if (!slot) return true;
  if (slot < e->cells_room && e->cells[slot]) {
    q->request.socket = e->cells[slot]->id;
    return true;
  }
  lno_ending_throw(e->env, LEAT_ENOTFOUND, "the socket of this turn has ended");
  return false;
}

static int submit(given *g, lno_request *fields, leat_source *source) {
  leat_request *q = &fields->request;
  /* What a row points to was zeroed: an init sets the size, as the header has it. */
  if (q->chat) ((leat_chat_request *)(uintptr_t)q->chat)->struct_size = sizeof *q->chat;
  if (!find_socket(g->engine, fields)) return LEAT_ENOTFOUND;
  if (fields->upload) {
    *source = (leat_source){
        .size = fields->upload_size, .read = read_upload, .close = close_upload, .user = g->cell};
    q->source = source;
  }
  g->cell->upload.open = fields->upload;
  g->cell->raw = q->protocol && strcmp(q->protocol, "raw") == 0;
  q->on_event = lno_cell_on_event;
  q->on_done = lno_cell_on_done;
  q->user = g->cell;
  return leat_submit(g->engine->engine, q, &g->cell->id);
}

napi_value lno_submit_request(napi_env env, napi_callback_info call) {
  given g;
  lno_request fields;
  leat_source source;
  if (!take(env, call, &g)) return NULL;
  memset(&fields, 0, sizeof fields);
  leat_request_init(&fields.request);
  int r = LEAT_EINVAL;
  if (lno_fields_fill(&fields, g.fields, lno_rows_request, &g.arena))
    r = submit(&g, &fields, &source);
  return finish(&g, r);
}

napi_value lno_submit_task(napi_env env, napi_callback_info call) {
  given g;
  leat_task task;
  if (!take(env, call, &g)) return NULL;
  leat_task_init(&task);
  int r = LEAT_EINVAL;
  if (lno_fields_fill(&task, g.fields, lno_rows_task, &g.arena)) {
    task.on_update = lno_cell_on_update;
    task.on_done = lno_cell_on_task_done;
    if (task.download && !task.file) task.on_content = lno_cell_on_content;
    task.user = g.cell;
    r = leat_task_start(g.engine->engine, &task, &g.cell->id);
  }
  return finish(&g, r);
}

napi_value lno_submit_socket(napi_env env, napi_callback_info call) {
  given g;
  leat_ws ws;
  if (!take(env, call, &g)) return NULL;
  leat_ws_init(&ws);
  int r = LEAT_EINVAL;
  if (lno_fields_fill(&ws, g.fields, lno_rows_ws, &g.arena)) {
    ws.on_event = lno_socket_on_event;
    ws.on_done = lno_socket_on_done;
    ws.user = g.cell;
    r = leat_ws_open(g.engine->engine, &ws, &g.cell->id);
  }
  return finish(&g, r);
}

/* ---- the engine */

leat_engine *lno_submit_open(napi_env env, napi_value given_config, struct uv_loop_s *loop) {
  lno_arena arena = {env, NULL};
  leat_config config;
  leat_engine *engine = NULL;
  const char *why = NULL;
  leat_config_init(&config);
  if (lno_fields_fill(&config, given_config, lno_rows_config, &arena)) {
    config.loop = loop;
    int r = leat_open(&engine, &config, &why);
    if (r != LEAT_OK) lno_ending_throw(env, r, why ? why : leat_error_text(r));
  }
  lno_arena_free(&arena);
  return engine;
}
