/* The native Engine: leat's engine on the loop of a Node environment, and JavaScript's handle of
 * it.
 *
 *     open -> (closing) -> gone: `deliver` is told -> its libuv handles close -> freed
 *
 * It is freed when its handles are closed and V8 has collected the handle, whichever is last. It
 * is closed by `close`, by the collection of its handle, and by the end of its environment. V8
 * holds `deliver`, and with it all that JavaScript knows of the engine, only while something is
 * pending: a client that was let go of ends by itself. */
#ifndef LEAT_NODE_ENGINE_H
#define LEAT_NODE_ENGINE_H

#include <node_api.h>
#include <uv.h>

#include "cell.h"
#include "leat.h"
#include "turn.h"

typedef struct lno_engine {
  napi_env env;
  leat_engine *engine; /* NULL: gone */
  uv_check_t check;    /* behind the sockets of a turn: hands over */
  uv_idle_t idle;      /* keeps the loop from sleeping before it has */
  lno_turn turn;
  uint64_t turns;
  bool marked; /* both handles run */
  bool closing, shut, torn, collected;
  int handles; /* of libuv, not closed yet */
  lno_cell **cells, *overfull;
  uint32_t cells_room;
  size_t live; /* cells */
  napi_ref deliver, resource;
  bool held; /* `deliver` is */
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
} lno_engine;

/* Defines the class. False: an exception is pending. */
bool lno_engine_define(napi_env env, napi_value exports);
/* Something was appended: it is handed over behind the sockets of this turn. */
void lno_engine_mark(lno_engine *e);
/* Is leat's engine still there? False: an exception says so. */
bool lno_engine_open(const lno_engine *e);
/* The engine of `this`, with up to `*count` arguments; NULL with an exception pending. */
lno_engine *lno_engine_of(napi_env env, napi_callback_info call, size_t *count,
                          napi_value *arguments);
/* Holds on to `deliver` as long as something is pending, and lets go of it. */
void lno_engine_hold(lno_engine *e);

/* Methods that start something: see submit.c. */
napi_value lno_submit_request(napi_env env, napi_callback_info call);
napi_value lno_submit_task(napi_env env, napi_callback_info call);
napi_value lno_submit_socket(napi_env env, napi_callback_info call);
/* Opens leat's engine; NULL with an exception pending. */
leat_engine *lno_submit_open(napi_env env, napi_value config, struct uv_loop_s *loop);
/* Methods of what was started: see exchange.c. */
extern const napi_property_descriptor lno_exchange_methods[];
extern const size_t lno_exchange_method_count;

#endif
