/* See engine.h. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "fields.h"

enum { ARGUMENTS = LNO_HANDED + 1 }; /* of deliver: also whether the engine is gone */

static void on_check(uv_check_t *handle);
static void on_idle(uv_idle_t *handle);

/* ---- the end */

static void free_if_over(lno_engine *e) {
  if (e->handles > 0 || !e->collected) return;
  lno_turn_deinit(&e->turn, NULL);
  free(e->cells);
  free(e);
}

static void on_handle_closed(uv_handle_t *handle) {
  lno_engine *e = handle->data;
  if (--e->handles > 0) return;
  if (e->hook) napi_remove_async_cleanup_hook(e->hook);
  e->hook = NULL;
  free_if_over(e);
}

/* The engine is gone, and whoever wanted to know was told. */
static void shut(lno_engine *e) {
  if (e->shut) return;
  e->shut = true;
  uv_close((uv_handle_t *)&e->check, on_handle_closed);
  uv_close((uv_handle_t *)&e->idle, on_handle_closed);
}

static void on_closed(void *user) {
  lno_engine *e = user;
  e->engine = NULL;
  if (e->torn || e->collected)
    shut(e);
  else
    lno_engine_mark(e);
}

static void close_engine(lno_engine *e, enum leat_close_mode mode) {
  e->closing = true;
  if (e->engine) leat_close(e->engine, mode, on_closed, e);
}

/* The environment ends: no JavaScript runs any more, but the loop does until the hook is removed.
 */
static void on_environment_end(napi_async_cleanup_hook_handle hook, void *user) {
  lno_engine *e = user;
  e->hook = hook;
  e->torn = true;
  if (e->engine)
    close_engine(e, LEAT_CLOSE_NOW);
  else
    shut(e);
}

static void on_collected(napi_env env, void *user, void *hint) {
  (void)hint;
  lno_engine *e = user;
  e->collected = true;
  lno_turn_deinit(&e->turn, env);
  napi_delete_reference(env, e->deliver);
  napi_delete_reference(env, e->resource);
  if (e->context) napi_async_destroy(env, e->context);
  if (e->engine) close_engine(e, LEAT_CLOSE_NOW);
  free_if_over(e);
}

/* ---- handing over */

void lno_engine_hold(lno_engine *e) {
  bool wanted = e->live > 0 || (e->closing && !e->shut);
  uint32_t count;
  if (wanted == e->held || e->torn || e->collected) return;
  e->held = wanted;
  if (wanted)
    napi_reference_ref(e->env, e->deliver, &count);
  else
    napi_reference_unref(e->env, e->deliver, &count);
}

void lno_engine_mark(lno_engine *e) {
  if (e->marked || e->shut) return;
  e->marked = true;
  uv_check_start(&e->check, on_check);
  uv_idle_start(&e->idle, on_idle);
}

static void relieve(lno_engine *e) {
  while (e->overfull) {
    lno_cell *cell = e->overfull;
    e->overfull = cell->next_overfull;
    lno_cell_relieve(cell);
  }
}

static void call(lno_engine *e) {
  napi_env env = e->env;
  napi_value arguments[ARGUMENTS], deliver, nobody, failure;
  bool pending = false;
  if (napi_get_reference_value(env, e->deliver, &deliver) == napi_ok && deliver &&
      napi_get_undefined(env, &nobody) == napi_ok &&
      napi_get_boolean(env, !e->engine, &arguments[LNO_HANDED]) == napi_ok &&
      lno_turn_hand(&e->turn, env, arguments))
    napi_call_function(env, nobody, deliver, ARGUMENTS, arguments, NULL);
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return;
  if (napi_get_and_clear_last_exception(env, &failure) == napi_ok)
    napi_fatal_exception(env, failure);
}

/* One scope a turn, at whose end what was promised runs. */
static void tell(lno_engine *e) {
  napi_env env = e->env;
  napi_handle_scope handles;
  napi_callback_scope scope;
  napi_value resource;
  if (napi_open_handle_scope(env, &handles) != napi_ok) return;
  if (napi_get_reference_value(env, e->resource, &resource) == napi_ok &&
      napi_open_callback_scope(env, resource, e->context, &scope) == napi_ok) {
    call(e);
    napi_close_callback_scope(env, scope);
  }
  napi_close_handle_scope(env, handles);
}

static void on_turn(lno_engine *e) {
  uv_check_stop(&e->check);
  uv_idle_stop(&e->idle);
  e->marked = false;
  e->turns++;
  relieve(e);
  if (!e->torn && !e->collected) tell(e);
  lno_turn_drop(&e->turn); /* what could not be told */
  if (e->shut) return;
  if (!e->engine) shut(e);
  lno_engine_hold(e);
}

static void on_check(uv_check_t *handle) {
  on_turn(handle->data);
}

static void on_idle(uv_idle_t *handle) {
  (void)handle;
}

/* ---- the object */

lno_engine *lno_engine_of(napi_env env, napi_callback_info info, size_t *count,
                          napi_value *arguments) {
  napi_value self;
  void *found = NULL;
  if (napi_get_cb_info(env, info, count, arguments, &self, NULL) != napi_ok) return NULL;
  if (napi_unwrap(env, self, &found) != napi_ok || !found) {
    napi_throw_type_error(env, "ERR_INVALID_THIS", "this is no engine");
    return NULL;
  }
  return found;
}

bool lno_engine_open(const lno_engine *e) {
  if (e->engine) return true;
  lno_ending_throw(e->env, LEAT_ECLOSED, "the engine is closed");
  return false;
}

static bool load_endpoints(lno_engine *e, napi_value endpoints) {
  lno_arena arena = {e->env, NULL};
  napi_valuetype type;
  leat_slice text;
  if (napi_typeof(e->env, endpoints, &type) != napi_ok) return false;
  if (type == napi_undefined || type == napi_null) return true;
  bool ok = lno_fields_slice(&text, endpoints, "endpoints", &arena);
  int r = ok ? leat_endpoint_load(e->engine, text) : LEAT_OK;
  if (r != LEAT_OK) lno_ending_throw(e->env, r, leat_last_message(e->engine));
  lno_arena_free(&arena);
  return ok && r == LEAT_OK;
}

/* All that Node knows of it. */
static bool enroll(lno_engine *e, napi_value self, napi_value deliver) {
  napi_env env = e->env;
  napi_value name;
  return napi_create_string_utf8(env, "leat.Engine", NAPI_AUTO_LENGTH, &name) == napi_ok &&
         napi_create_reference(env, deliver, 0, &e->deliver) == napi_ok &&
         napi_create_object(env, &self) == napi_ok &&
         napi_create_reference(env, self, 1, &e->resource) == napi_ok &&
         napi_async_init(env, self, name, &e->context) == napi_ok &&
         napi_add_async_cleanup_hook(env, on_environment_end, e, &e->hook) == napi_ok;
}

static void start_handles(lno_engine *e, uv_loop_t *loop) {
  uv_check_init(loop, &e->check);
  uv_idle_init(loop, &e->idle);
  e->check.data = e->idle.data = e;
  e->handles = 2;
}

static lno_engine *make(napi_env env, napi_value config, uv_loop_t *loop) {
  lno_engine *e = calloc(1, sizeof *e);
  if (!e) {
    lno_ending_throw(env, LEAT_ENOMEM, "no memory for an engine");
    return NULL;
  }
  e->env = env;
  lno_turn_init(&e->turn);
  e->engine = lno_submit_open(env, config, loop);
  if (!e->engine) {
    free(e);
    return NULL;
  }
  start_handles(e, loop);
  return e;
}

static napi_value construct(napi_env env, napi_callback_info info) {
  napi_value self, arguments[3];
  size_t count = 3;
  uv_loop_t *loop;
  if (napi_get_cb_info(env, info, &count, arguments, &self, NULL) != napi_ok ||
      napi_get_uv_event_loop(env, &loop) != napi_ok)
    return NULL;
  lno_engine *e = make(env, arguments[0], loop);
  if (!e) return NULL;
  if (!enroll(e, self, arguments[1]) || !load_endpoints(e, arguments[2]) ||
      napi_wrap(env, self, e, on_collected, NULL, NULL) != napi_ok) {
    on_collected(env, e, NULL);
    return NULL;
  }
  return self;
}

/* ---- methods of the whole */

static napi_value close_method(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  size_t count = 1;
  bool now = true;
  lno_engine *e = lno_engine_of(env, info, &count, arguments);
  if (!e) return NULL;
  napi_get_value_bool(env, arguments[0], &now);
  close_engine(e, now ? LEAT_CLOSE_NOW : LEAT_CLOSE_DRAIN);
  lno_engine_hold(e);
  return NULL;
}

static napi_value stats_method(napi_env env, napi_callback_info info) {
  size_t count = 0;
  lno_engine *e = lno_engine_of(env, info, &count, NULL);
  return e && lno_engine_open(e) ? lno_counters_object(env, e->engine) : NULL;
}

static napi_value metrics_method(napi_env env, napi_callback_info info) {
  size_t count = 0;
  lno_engine *e = lno_engine_of(env, info, &count, NULL);
  return e && lno_engine_open(e) ? lno_counters_text(env, e->engine) : NULL;
}

#define METHOD(name, function) \
  { name, NULL, function, NULL, NULL, NULL, napi_default_method, NULL }

bool lno_engine_define(napi_env env, napi_value exports) {
  enum { OWN = 6, ROOM = 32 };
  napi_property_descriptor methods[ROOM] = {
      METHOD("submit", lno_submit_request), METHOD("task", lno_submit_task),
      METHOD("socket", lno_submit_socket),  METHOD("stats", stats_method),
      METHOD("metrics", metrics_method),    METHOD("close", close_method)};
  size_t count = OWN;
  for (size_t i = 0; i < lno_exchange_method_count && count < ROOM; i++)
    methods[count++] = lno_exchange_methods[i];
  napi_value made;
  return napi_define_class(env, "Engine", NAPI_AUTO_LENGTH, construct, NULL, count, methods,
                           &made) == napi_ok &&
         napi_set_named_property(env, exports, "Engine", made) == napi_ok;
}
