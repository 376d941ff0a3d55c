/* Methods of the native Engine that concern one exchange, by its slot. A slot whose exchange has
 * ended is harmless: JavaScript may not know yet. */
#include "engine.h"
#include "fields.h"

/* A call: the engine, the cell of its first argument (NULL: it has ended), and the arguments. */
typedef struct taken {
  lno_engine *engine;
  lno_cell *cell;
  size_t count;
  napi_value arguments[3];
} taken;

static bool take(napi_env env, napi_callback_info call, taken *t) {
  uint32_t slot = 0;
  t->count = 3;
  t->cell = NULL;
  t->engine = lno_engine_of(env, call, &t->count, t->arguments);
  if (!t->engine) return false;
  if (t->count > 0) napi_get_value_uint32(env, t->arguments[0], &slot);
  if (slot < t->engine->cells_room) t->cell = t->engine->cells[slot];
  return true;
}

static napi_value truth(napi_env env, bool value) {
  napi_value made = NULL;
  napi_get_boolean(env, value, &made);
  return made;
}

static napi_value on_cancel(napi_env env, napi_callback_info call) {
  taken t;
  if (take(env, call, &t) && t.cell) leat_cancel(t.engine->engine, t.cell->id);
  return NULL;
}

static napi_value on_pause(napi_env env, napi_callback_info call) {
  taken t;
  if (take(env, call, &t) && t.cell) lno_cell_stop(t.cell);
  return NULL;
}

static napi_value on_resume(napi_env env, napi_callback_info call) {
  taken t;
  if (take(env, call, &t) && t.cell) lno_cell_go_on(t.cell);
  return NULL;
}

/* ---- the body of a request */

static void wake_source(taken *t) {
  if (t->cell->upload.waiting) leat_source_ready(t->engine->engine, t->cell->id);
}

static bool add(napi_env env, taken *t, leat_slice bytes) {
  lno_upload *u = &t->cell->upload;
  if (u->queued >= LNO_UPLOAD_MAX) {
    napi_throw_range_error(env, "ERR_LEAT_WRITE",
                           "write() said that the body's queue is full: wait for room");
    return true;
  }
  if (!lno_upload_add(u, bytes)) {
    lno_ending_throw(env, LEAT_ENOMEM, "no memory for a piece of the body");
    return true;
  }
  wake_source(t);
  u->full = u->queued >= LNO_UPLOAD_MAX;
  return !u->full;
}

static napi_value on_write(napi_env env, napi_callback_info call) {
  taken t;
  leat_slice bytes;
  lno_arena arena = {env, NULL};
  if (!take(env, call, &t) || t.count < 2) return NULL;
  if (!t.cell || !t.cell->upload.open) return truth(env, true);
  bool room = true;
  if (lno_fields_slice(&bytes, t.arguments[1], "a piece of the body", &arena))
    room = add(env, &t, bytes);
  lno_arena_free(&arena);
  return truth(env, room);
}

static napi_value on_finish(napi_env env, napi_callback_info call) {
  taken t;
  if (!take(env, call, &t) || !t.cell || !t.cell->upload.open) return NULL;
  t.cell->upload.whole = true;
  wake_source(&t);
  return NULL;
}

static napi_value on_fail(napi_env env, napi_callback_info call) {
  taken t;
  if (!take(env, call, &t) || !t.cell || !t.cell->upload.open) return NULL;
  t.cell->upload.failed = true;
  wake_source(&t);
  return NULL;
}

/* ---- sockets */

static int send_message(taken *t, napi_env env, leat_slice bytes) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, t->arguments[1], &type);
  return leat_ws_send(t->engine->engine, t->cell->id,
                      type == napi_string ? LEAT_WS_TEXT : LEAT_WS_BINARY, bytes, true);
}

/* True: more may be sent at once. */
static napi_value on_send(napi_env env, napi_callback_info call) {
  taken t;
  leat_slice bytes;
  lno_arena arena = {env, NULL};
  if (!take(env, call, &t) || t.count < 2) return NULL;
  if (!t.cell) {
    lno_ending_throw(env, LEAT_ENOTFOUND, "the socket has ended");
    return NULL;
  }
  int r = 0;
  if (lno_fields_slice(&bytes, t.arguments[1], "a message", &arena)) {
    r = send_message(&t, env, bytes);
    if (r < 0) lno_ending_throw(env, r, leat_last_message(t.engine->engine));
    t.cell->choked = t.cell->choked || r == 1;
  }
  lno_arena_free(&arena);
  return truth(env, !t.cell->choked);
}

static napi_value on_send_close(napi_env env, napi_callback_info call) {
  taken t;
  uint32_t code = 0;
  leat_slice reason = {"", 0};
  lno_arena arena = {env, NULL};
  if (!take(env, call, &t) || !t.cell || t.count < 3) return NULL;
  napi_get_value_uint32(env, t.arguments[1], &code);
  if (lno_fields_slice(&reason, t.arguments[2], "the reason", &arena)) {
    int r = leat_ws_close(t.engine->engine, t.cell->id, code, reason);
    if (r < 0 && r != LEAT_ESTATE && r != LEAT_ENOTFOUND)
      lno_ending_throw(env, r, leat_last_message(t.engine->engine));
  }
  lno_arena_free(&arena);
  return NULL;
}

#define METHOD(name, function) \
  { name, NULL, function, NULL, NULL, NULL, napi_default_method, NULL }

const napi_property_descriptor lno_exchange_methods[] = {
    METHOD("cancel", on_cancel), METHOD("pause", on_pause),         METHOD("resume", on_resume),
    METHOD("write", on_write),   METHOD("finish", on_finish),       METHOD("fail", on_fail),
    METHOD("send", on_send),     METHOD("sendClose", on_send_close)};
const size_t lno_exchange_method_count =
    sizeof lno_exchange_methods / sizeof lno_exchange_methods[0];
