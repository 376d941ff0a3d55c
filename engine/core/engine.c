/* The engine: opened, run, posted to, closed; and the turn, in which everything that is not a read
 * happens.
 *
 * A turn: clocks that have run out, requests that were resumed, dones, connections for who waits,
 * then sends. Batches are taken off their lists before anything is called, so that what a callback
 * adds waits for the next turn, which then comes without sleeping.
 *
 * Closing: OPEN -> DRAINING (until nothing lives) -> CLOSING (sockets, lookups, handles) -> GONE.
 */
#include "core/engine.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "core/config.h"
#include "core/gate.h"
#include "core/request.h"
#include "core/socket.h"
#include "core/task.h"
#include "core/upload.h"
#include "core/watch.h"

#define ALARM_BUDGET      4096
#define MESSAGE_BYTES_MAX 4096

static void on_turn(void *ctx, uint64_t now_ns);
static void on_woken(void *ctx);
static void on_slot(void *ctx, lti_origin *o);
static void on_opened(void *ctx, lti_origin *o, void *wanted_by);
static void on_failed(void *ctx, lti_origin *o, void *wanted_by, const lti_failure *failure);
static void on_wasted(void *ctx, lti_origin *o, const lti_failure *failure);
static void close_if_idle(leat_engine *e);
static void begin_closing(leat_engine *e);
static void wake(void *ctx);
static void engine_free(leat_engine *e);

static const lti_loop_sink loop_sink = {on_turn, on_woken};
static const lti_pool_sink pool_sink = {on_slot, on_opened, on_failed, on_wasted};

/* ---- opening */

/* Seeds for hashing and jitter; keys and TLS have generators of their own. */
static void seed(leat_engine *e, uint64_t seeds[2]) {
  lti_prng_seed(&e->prng, lti_loop_seed(e->loop));
  seeds[0] = lti_prng_next(&e->prng);
  seeds[1] = lti_prng_next(&e->prng);
}

static int open_pool(leat_engine *e) {
  const leat_config *c = &e->config;
  lti_pool_config config = {.conns_max = c->conns_max,
                            .h2_conns_max = c->h2_conns_max,
                            .handshakes_max = c->handshakes_max,
                            .keep_alive_ms = c->keep_alive_ms,
                            .conn_age_ms = c->conn_age_ms,
                            .ping_ms = c->ping_ms,
                            .ping_timeout_ms = c->ping_timeout_ms,
                            .header_bytes_max = (size_t)c->header_bytes_max,
                            .held_bytes_max = (uint64_t)c->held_bytes_max,
                            .tls = {.ca_file = c->ca_file,
                                    .ca_pem = c->ca_pem,
                                    .insecure = c->insecure,
                                    .cert_file = c->cert_file,
                                    .key_file = c->key_file,
                                    .cert_pem = c->cert_pem,
                                    .key_pem = c->key_pem,
                                    .tls12_only = c->tls_max == LEAT_TLS_1_2},
                            .proxy = c->proxy,
                            .no_proxy = c->no_proxy,
                            .http2 = {.header_bytes_max = (size_t)c->header_bytes_max,
                                      .stream_window = (uint32_t)c->h2_stream_window,
                                      .conn_window = (uint32_t)c->h2_conn_window,
                                      .streams_max = (uint32_t)c->h2_streams_max}};
  seed(e, config.seed);
  lti_dial_env dial = {e->loop, &e->alloc, &e->alarms, e->dns};
  lti_poller_init(&e->poller, &e->alloc, config.seed);
  return lti_pool_open(&dial, &e->stats, &config, (lti_pool_owner){&pool_sink, e}, &e->pool);
}

static void init_lists(leat_engine *e) {
  lti_alarms_init(&e->alarms, &e->alloc);
  lti_slots_init(&e->items, &e->alloc, (size_t)e->config.requests_max);
  lti_list_init(&e->finished);
  lti_list_init(&e->resumed);
  lti_list_init(&e->watched);
  lti_list_init(&e->uploads);
  lti_buf_init(&e->message, &e->alloc, MESSAGE_BYTES_MAX, LEAT_EBODYMAX);
  lti_buf_init(&e->scratch, &e->alloc, MESSAGE_BYTES_MAX, LEAT_EURL);
  lti_protocol_scratch(&e->decoded, &e->alloc);
  lti_post_init(&e->post);
  lti_endpoints_init(&e->endpoints, &e->alloc);
}

static void free_lists(leat_engine *e) {
  lti_slots_deinit(&e->items);
  lti_alarms_deinit(&e->alarms);
  lti_buf_deinit(&e->message);
  lti_buf_deinit(&e->scratch);
  lti_buf_deinit(&e->decoded);
  lti_lines_spare_deinit(&e->spare, &e->alloc);
  lti_post_deinit(&e->post);
  lti_endpoints_deinit(&e->endpoints);
  lti_metrics_free(&e->alloc, e->metrics);
  lti_config_free(e);
}

static int open_parts(leat_engine *e, const char **why) {
  const leat_config *c = &e->config;
  int r = lti_dns_open(e->loop, &e->alloc, c->resolve, c->resolve_count, &e->dns);
  if (r == LEAT_EINVAL) *why = "an entry of `resolve` is not host:port=address";
  if (r == LTI_OK && c->metrics) {
    e->metrics = lti_metrics_new(&e->alloc);
    r = e->metrics ? LTI_OK : LEAT_ENOMEM;
  }
  if (r == LTI_OK) r = open_pool(e);
  if (r == LTI_OK && c->journal) r = lti_journal_open(c->journal, wake, e, &e->journal, why);
  if (r == LTI_OK)
    r = lti_dispatch_init(&e->dispatch, &e->alloc, e->loop, &e->alarms, (size_t)c->queue_max);
  if (r == LTI_OK && !(e->gate = lti_gate_new(e))) r = LEAT_ENOMEM;
  return r;
}

int leat_open(leat_engine **engine, const leat_config *config, const char **message) {
  const char *why = NULL;
  if (message) *message = NULL;
  if (!engine) return LEAT_EINVAL;
  *engine = NULL;
  if (!lti_config_sized(config)) {
    if (message) *message = "config.struct_size is wrong: call leat_config_init";
    return LEAT_EINVAL;
  }
  lti_alloc first;
  lti_alloc_init(&first, config && config->allocator.malloc && config->allocator.realloc &&
                                 config->allocator.free
                             ? &config->allocator
                             : NULL);
  leat_engine *e = lti_alloc_zero(&first, sizeof *e);
  if (!e && message) *message = leat_error_text(LEAT_ENOMEM);
  if (!e) return LEAT_ENOMEM;
  int r = lti_config_read(e, config, &why);
  if (r != LTI_OK) {
    if (message) *message = why ? why : leat_error_text(r);
    lti_alloc_put(&first, e);
    return r;
  }
  static const leat_deadlines none;
  for (int stream = 0; stream < 2; stream++)
    lti_config_deadlines(e, &none, stream, &e->deadlines[stream]);
  init_lists(e);
  r = lti_loop_open(&e->alloc, e->config.loop, &loop_sink, e, &e->loop);
  if (r != LTI_OK) {
    engine_free(e);
  } else if ((r = open_parts(e, &why)) == LTI_OK) {
    if (e->config.coalesce) lti_loop_coalesce(e->loop);
    if (e->config.rx_timestamps) lti_loop_stamp_segments(e->loop);
    *engine = e;
  } else {
    /* Half made: closes as any other does, on a borrowed loop when that runs next. */
    bool owned = lti_loop_owned(e->loop);
    begin_closing(e);
    if (owned) {
      lti_loop_run(e->loop, LEAT_NONE);
      engine_free(e);
    }
  }
  if (r != LTI_OK && message) *message = why ? why : leat_error_text(r);
  return r;
}

static void engine_free(leat_engine *e) {
  lti_gate_free(e->gate);
  if (e->dispatch.alloc) lti_dispatch_deinit(&e->dispatch);
  if (e->poller.keys.alloc) lti_poller_deinit(&e->poller);
  if (e->pool) lti_pool_free(e->pool);
  if (e->loop) lti_loop_free(e->loop);
  free_lists(e);
  lti_alloc alloc = e->alloc;
  lti_alloc_wipe(&alloc, e, sizeof *e);
}

/* ---- running */

static int check_run(leat_engine *e) {
  if (!e) return LEAT_EINVAL;
  if (e->running || !lti_loop_owned(e->loop)) return LEAT_ESTATE;
  return LTI_OK;
}

/* Behind every run of an owned loop: the engine may be gone. */
static bool settle_run(leat_engine *e, bool alive) {
  e->running = false;
  if (e->state != ENGINE_GONE) return alive;
  engine_free(e);
  return false;
}

int leat_run(leat_engine *e) {
  int r = check_run(e);
  if (r != LTI_OK) return r;
  if (lti_post_pending(&e->post)) lti_engine_kick(e);
  e->running = true;
  settle_run(e, lti_loop_run(e->loop, LEAT_NONE));
  return LTI_OK;
}

int leat_run_once(leat_engine *e, int64_t timeout_ms) {
  int r = check_run(e);
  if (r != LTI_OK) return r;
  if (timeout_ms < LEAT_NONE) return lti_engine_fail(e, LEAT_EINVAL, "timeout_ms is negative");
  if (lti_post_pending(&e->post)) lti_engine_kick(e);
  e->running = true;
  bool alive = timeout_ms < 0 ? lti_loop_run_one(e->loop) : lti_loop_run(e->loop, timeout_ms);
  return settle_run(e, alive) ? 1 : 0;
}

void lti_engine_kick(leat_engine *e) {
  lti_loop_hold(e->loop, true);
  lti_loop_kick(e->loop);
}

/* ---- the turn */

static lti_item *item_of_due(lti_list *n) {
  return LTI_CONTAINER_OF(n, lti_item, due);
}

static void tell_finished(leat_engine *e) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &e->finished);
  while ((n = lti_list_pop(&batch))) {
    lti_item *item = item_of_due(n);
    if (item->kind == LTI_ITEM_TASK)
      lti_task_tell((lti_task *)item);
    else
      lti_request_tell((lti_request *)item);
  }
}

static void go_on_resumed(leat_engine *e) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &e->resumed);
  while ((n = lti_list_pop(&batch))) lti_request_go_on((lti_request *)item_of_due(n));
}

static void cancel_everything(leat_engine *e) {
  size_t cursor = 0;
  lti_item *item;
  e->cancel_all = false;
  while ((item = lti_slots_next(&e->items, &cursor))) leat_cancel(e, item->id);
}

/* Sockets end when somebody ends them. */
static void drain_sockets(leat_engine *e) {
  size_t cursor = 0;
  lti_item *item;
  e->drain_all = false;
  while ((item = lti_slots_next(&e->items, &cursor))) {
    lti_socket *s = lti_socket_find(e, item->id);
    if (s && s->state != SOCKET_OVER) lti_socket_drain(s);
  }
}

/* What is not on the disk yet keeps the loop, too. */
static bool journal_busy(leat_engine *e) {
  return e->journal && lti_journal_busy(e->journal);
}

static bool something_lives(leat_engine *e) {
  return journal_busy(e) || e->stats.requests_live > 0 || e->hidden_live > 0 ||
         e->stats.tasks_live > 0 || e->state == ENGINE_DRAINING;
}

static void on_turn(void *ctx, uint64_t now_ns) {
  leat_engine *e = ctx;
  e->stats.turns++;
  bool more = lti_alarms_run(&e->alarms, now_ns, ALARM_BUDGET);
  lti_post_run(&e->post, e);
  if (e->cancel_all) cancel_everything(e);
  if (e->drain_all) drain_sockets(e);
  go_on_resumed(e);
  lti_watch_run(e);
  if (e->journal) lti_task_journal_run(e);
  tell_finished(e);
  lti_gate_turn(e->gate);
  lti_dispatch_turn(&e->dispatch);
  lti_upload_turn(e);
  if (lti_pool_turn(e->pool)) more = true;
  if (!lti_list_empty(&e->finished) || !lti_list_empty(&e->resumed) ||
      !lti_list_empty(&e->watched) || !lti_list_empty(&e->uploads) || e->cancel_all ||
      lti_gate_due(e->gate) || lti_dispatch_due(&e->dispatch) || lti_post_pending(&e->post))
    more = true;
  close_if_idle(e);
  if (e->state >= ENGINE_CLOSING) return;
  lti_loop_hold(e->loop, more || something_lives(e));
  if (more)
    lti_loop_kick(e->loop);
  else
    lti_loop_sleep_until(e->loop, lti_alarms_next(&e->alarms));
}

static void on_woken(void *ctx) {
  lti_engine_kick(ctx);
}

static void on_slot(void *ctx, lti_origin *o) {
  leat_engine *e = ctx;
  lti_dispatch_slot(&e->dispatch, o);
}

static void on_opened(void *ctx, lti_origin *o, void *wanted_by) {
  (void)ctx;
  lti_dispatch_opened(o, wanted_by);
}

static void on_failed(void *ctx, lti_origin *o, void *wanted_by, const lti_failure *failure) {
  leat_engine *e = ctx;
  lti_dispatch_failed(&e->dispatch, o, wanted_by, failure);
}

static void on_wasted(void *ctx, lti_origin *o, const lti_failure *failure) {
  leat_engine *e = ctx;
  lti_dispatch_wasted(&e->dispatch, o, failure);
}

/* ---- posting and cancelling */

static void wake(void *ctx) {
  leat_engine *e = ctx;
  lti_loop_wake(e->loop);
}

int leat_post(leat_engine *e, void (*run)(leat_engine *engine, void *user), void *user) {
  if (!e || !run) return LEAT_EINVAL;
  return lti_post_push(&e->post, run, user, wake, e);
}

int leat_cancel(leat_engine *e, leat_id id) {
  if (!e) return LEAT_EINVAL;
  lti_item *item = lti_slots_get(&e->items, id);
  if (!item) return LEAT_ENOTFOUND;
  if (item->kind == LTI_ITEM_TASK)
    lti_task_cancel((lti_task *)item);
  else
    lti_request_cancel((lti_request *)item);
  return LTI_OK;
}

int leat_resume(leat_engine *e, leat_id id) {
  if (!e) return LEAT_EINVAL;
  lti_item *item = lti_slots_get(&e->items, id);
  if (!item || item->kind != LTI_ITEM_REQUEST) return LEAT_ENOTFOUND;
  lti_request_resume((lti_request *)item);
  return LTI_OK;
}

/* ---- closing */

int leat_close(leat_engine *e, enum leat_close_mode mode, leat_close_cb on_close, void *user) {
  if (!e) return LEAT_EINVAL;
  if (e->state >= ENGINE_CLOSING) return LEAT_ECLOSED;
  if (e->state == ENGINE_OPEN) {
    e->on_close = on_close;
    e->on_close_user = user;
  }
  e->state = ENGINE_DRAINING;
  lti_post_close(&e->post);
  if (mode == LEAT_CLOSE_NOW)
    e->cancel_all = true;
  else
    e->drain_all = true;
  lti_engine_kick(e);
  return LTI_OK;
}

static void on_loop_closed(void *ctx) {
  leat_engine *e = ctx;
  bool owned = lti_loop_owned(e->loop);
  e->state = ENGINE_GONE;
  if (e->on_close) e->on_close(e->on_close_user);
  if (!owned) engine_free(e);
}

static void on_dns_closed(void *ctx) {
  leat_engine *e = ctx;
  e->dns = NULL;
  lti_loop_close(e->loop, on_loop_closed);
}

static void begin_closing(leat_engine *e) {
  e->state = ENGINE_CLOSING;
  if (e->pool) lti_pool_close(e->pool);
  lti_journal_close(e->journal);
  e->journal = NULL;
  if (e->dns)
    lti_dns_close(e->dns, on_dns_closed, e);
  else
    on_dns_closed(e);
}

static void close_if_idle(leat_engine *e) {
  if (e->state != ENGINE_DRAINING) return;
  if (journal_busy(e)) return;
  if (e->stats.requests_live || e->hidden_live || e->stats.tasks_live || lti_post_pending(&e->post))
    return;
  begin_closing(e);
}

/* ---- messages */

bool lti_engine_closed(leat_engine *e) {
  if (e->state == ENGINE_OPEN) return false;
  lti_engine_fail(e, LEAT_ECLOSED, NULL);
  return true;
}

/* NULL: the error's own text; "": the message is there already. */
int lti_engine_fail(leat_engine *e, int error, const char *message) {
  if (!message || *message) {
    lti_buf_clear(&e->message);
    lti_buf_text(&e->message, message ? message : leat_error_text(error));
  }
  if (lti_buf_byte(&e->message, '\0') == LTI_OK)
    e->message.size--;
  else if (e->message.size)
    e->message.data[--e->message.size] = '\0';
  return error;
}

const char *leat_last_message(const leat_engine *e) {
  return e && e->message.data ? e->message.data : "";
}

void lti_engine_trace(leat_engine *e, leat_id id, const char *format, ...) {
  if (!e->config.trace) return;
  char line[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n < 0) return;
  size_t size = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
  e->config.trace(e->config.trace_user, lti_loop_clock(e->loop), id, lti_slice(line, size));
}
