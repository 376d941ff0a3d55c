/* A request's life: accepted, queued, sent, repeated, finished, told. See request.h.
 *
 * The way an attempt ends is always one of lti_request_settle (perhaps again) and
 * lti_request_finish (never again). Neither calls the caller: done comes from the engine's turn. */
#include "core/request.h"

#include <assert.h>

#include "base/error.h"
#include "core/config.h"
#include "core/credential.h"
#include "core/gate.h"
#include "core/metrics.h"
#include "core/resume.h"
#include "core/socket.h"
#include "core/upload.h"
#include "core/watch.h"
#include "plan/retry.h"

#define MESSAGE_BYTES_MAX 2048
#define MASKED_BYTES_MAX  ((size_t)256 * 1024)
#define MS_NS             1000000ull

static void on_granted(lti_lease *lease, lti_conn *conn);
static void on_lease_failed(lti_lease *lease, const lti_failure *failure);
static void on_connecting(lti_lease *lease);
static const lti_lease_sink lease_sink = {on_granted, on_lease_failed, on_connecting};

/* ---- accepting */

static void words_free(lti_request *r) {
  if (!r->words) return;
  lti_buf_deinit(&r->words->message);
  lti_buf_deinit(&r->words->masked);
  lti_alloc_put(&r->item.engine->alloc, r->words);
  r->words = NULL;
}

lti_words *lti_request_words(lti_request *r) {
  lti_alloc *alloc = &r->item.engine->alloc;
  if (r->words) return r->words;
  r->words = lti_alloc_zero(alloc, sizeof *r->words);
  if (!r->words) return NULL;
  lti_buf_init(&r->words->message, alloc, MESSAGE_BYTES_MAX, LEAT_EBODYMAX);
  lti_buf_init(&r->words->masked, alloc, MASKED_BYTES_MAX, LEAT_EBODYMAX);
  return r->words;
}

void lti_request_say(lti_request *r, leat_slice message) {
  lti_words *words = message.size ? lti_request_words(r) : r->words;
  if (!words) return;
  lti_buf_clear(&words->message);
  lti_buf_append(&words->message, message);
}

static bool deadlines_shared(const lti_request *r) {
  const leat_deadlines *shared = r->item.engine->deadlines;
  return !r->deadlines || r->deadlines == &shared[0] || r->deadlines == &shared[1];
}

static void deadlines_free(lti_request *r) {
  if (deadlines_shared(r)) return;
  lti_alloc_put(&r->item.engine->alloc, (void *)r->deadlines);
}

/* Most requests have the engine's. */
static int deadlines_make(lti_request *r, const leat_deadlines *wanted) {
  leat_engine *e = r->item.engine;
  leat_deadlines own;
  int rc = lti_config_deadlines(e, wanted, r->spec.stream, &own);
  if (rc != LTI_OK) return lti_engine_fail(e, rc, "a deadline is negative or absurd");
  r->deadlines = &e->deadlines[r->spec.stream];
  if (memcmp(&own, r->deadlines, sizeof own) == 0) return LTI_OK;
  leat_deadlines *copy = lti_alloc_get(&e->alloc, sizeof *copy);
  r->deadlines = copy;
  if (!copy) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  *copy = own;
  return LTI_OK;
}

static void request_free(lti_request *r) {
  leat_engine *e = r->item.engine;
  if (r->socket && !r->turn)
    lti_socket_told(r->socket);
  else if (r->socket)
    lti_socket_release(r->socket);
  lti_response_reset(r);
  lti_response_hold_clear(r);
  lti_watch_close(r);
  lti_gate_close(r);
  lti_resume_close(r);
  lti_upload_free(r->upload);
  lti_spec_deinit(&r->spec);
  words_free(r);
  deadlines_free(r);
  lti_alloc_put(&e->alloc, r->request_id);
  if (r->origin) lti_pool_origin_release(r->origin);
  lti_alarm_leave(&e->alarms, &r->alarm);
  lti_alloc_put(&e->alloc, r);
}

static int check_arguments(leat_engine *e, const leat_request *q, const leat_id *id) {
  if (!q || !id || q->struct_size != sizeof *q)
    return lti_engine_fail(e, LEAT_EINVAL,
                           "a request needs leat_request_init, and a place for its id");
  if (!q->on_done) return lti_engine_fail(e, LEAT_EINVAL, "a request needs on_done");
  if (q->header_count && !q->headers)
    return lti_engine_fail(e, LEAT_EINVAL, "header_count without headers");
  if (q->chat && q->chat->struct_size != sizeof *q->chat)
    return lti_engine_fail(e, LEAT_EINVAL, "a chat request needs leat_chat_request_init");
  if (q->retries < LEAT_NONE) return lti_engine_fail(e, LEAT_EINVAL, "retries is negative");
  if (!lti_config_http_ok(q->http))
    return lti_engine_fail(e, LEAT_EINVAL, "http is none of AUTO, 1 and 2");
  if (!lti_credential_style_ok(q->auth))
    return lti_engine_fail(e, LEAT_EINVAL, "auth is none of enum leat_auth");
  const char *why = lti_gate_refuses(q);
  return why ? lti_engine_fail(e, LEAT_EINVAL, why) : LTI_OK;
}

static const char *check_params(const leat_request *q) {
  if (q->param_count && !q->params) return "param_count without params";
  if (q->param_count && !q->endpoint) return "params stand in an endpoint's path: name one";
  for (size_t i = 0; i < q->param_count; i++)
    if (!q->params[i].name || !*q->params[i].name || !q->params[i].value)
      return "a parameter has no name or no value";
  if (q->endpoint && (q->protocol || q->path || q->method || q->socket))
    return "an endpoint stands instead of protocol, path, method and socket";
  return NULL;
}

/* The row that a request names; NULL: it names none. */
static int find_row(leat_engine *e, const leat_request *q, const leat_endpoint **row) {
  const char *why = check_params(q);
  *row = NULL;
  if (why) return lti_engine_fail(e, LEAT_EINVAL, why);
  if (!q->endpoint) return LTI_OK;
  *row = lti_endpoints_find(&e->endpoints, q->endpoint);
  lti_buf_clear(&e->message);
  if (!*row) {
    lti_buf_format(&e->message, "no endpoint is called \"%.80s\"", q->endpoint);
    return lti_engine_fail(e, LEAT_ENOENDPOINT, "");
  }
  if ((*row)->reply != LEAT_REPLY_KIND_WS) return LTI_OK;
  lti_buf_format(&e->message, "endpoint \"%s\" is a WebSocket's: leat_ws_open speaks \"%s\"",
                 (*row)->name, (*row)->protocol);
  return lti_engine_fail(e, LEAT_EINVAL, "");
}

static uint64_t tenant_of(const lti_request *r) {
  /* FNV-1a of the key: only to tell tenants apart, collisions merely share a turn. */
  uint64_t h = 1469598103934665603ull;
  leat_slice key = lti_spec_key(&r->spec);
  for (size_t i = 0; i < key.size; i++) h = (h ^ (unsigned char)key.data[i]) * 1099511628211ull;
  return h;
}

static int or_default(int value, int otherwise) {
  if (value == 0) value = otherwise;
  return value < 0 ? 0 : value;
}

/* Everything that needs the spec: where it goes, what its limits are. */
static int equip(lti_request *r, const leat_request *q, const lti_url *url) {
  leat_engine *e = r->item.engine;
  bool plain_raw = !r->spec.protocol && !r->call;
  int r1 = deadlines_make(r, &q->deadlines);
  if (r1 != LTI_OK) return r1;
  r->retries_max = or_default(q->retries, plain_raw ? LEAT_NONE : e->config.retries);
  r->redirects_max = plain_raw ? 0 : or_default(0, e->config.redirects);
  r->lease.tenant = tenant_of(r);
  r->lease.connect_ms = r->deadlines->connect_ms;
  r->lease.body_size = r->upload ? lti_upload_size(r->upload) : lti_spec_body(&r->spec).size;
  r->lease.sink = &lease_sink;
  r->exchange.sink = &lti_response_sink;
  r->wanted = (signed char)(q->http ? q->http : e->config.http);
  r1 = lti_pool_origin(e->pool, url, (enum leat_http)r->wanted, &r->origin);
  return r1 == LTI_OK ? r1 : lti_engine_fail(e, r1, NULL);
}

static lti_request *request_new(leat_engine *e, const leat_request *q, bool call) {
  lti_request *r = lti_alloc_zero(&e->alloc, sizeof *r);
  if (!r) return NULL;
  if (lti_alarm_join(&e->alarms, &r->alarm, lti_deadline_fire) != LTI_OK) {
    lti_alloc_put(&e->alloc, r);
    return NULL;
  }
  r->item = (lti_item){.kind = LTI_ITEM_REQUEST, .engine = e};
  lti_list_init(&r->item.due);
  lti_queue_item_init(&r->lease.item);
  r->on_event = q->on_event;
  r->on_done = q->on_done;
  r->user = q->user;
  r->call = call;
  r->once = q->once;
  r->want_raw = q->want_raw;
  r->retry_after_ms = -1;
  return r;
}

/* The socket of one turn is no request of anybody's. */
static bool is_hidden(const lti_request *r) {
  return r->socket && !r->turn && r->socket->own;
}

void lti_request_started(lti_request *r) {
  leat_engine *e = r->item.engine;
  r->times.queued_ns = r->wait_from_ns = lti_loop_clock(e->loop);
  lti_deadline_arm(r);
  lti_engine_kick(e);
  e->stats.bytes_copied_submit += lti_spec_size(&r->spec);
  if (is_hidden(r)) {
    e->hidden_live++;
    return;
  }
  e->stats.requests_started++;
  if (++e->stats.requests_live > e->stats.requests_live_peak)
    e->stats.requests_live_peak = e->stats.requests_live;
}

/* By way of the gate, where it has to pass that. */
static int want_connection(lti_request *r, bool again) {
  if (r->ticket) return lti_gate_wait(r, again);
  return lti_dispatch_want(&r->item.engine->dispatch, &r->lease, r->origin, again);
}

static int enter(leat_engine *e, lti_request *r, leat_id *id) {
  int rc = lti_slots_add(&e->items, r, &r->item.id);
  if (rc != LTI_OK) return lti_engine_fail(e, rc, NULL);
  rc = want_connection(r, false);
  if (rc != LTI_OK) {
    lti_slots_remove(&e->items, r->item.id);
    return lti_engine_fail(e, rc, NULL);
  }
  lti_request_started(r);
  *id = r->item.id;
  /* A query may hold a key. */
  leat_slice path = lti_spec_path(&r->spec);
  const char *query = memchr(path.data, '?', path.size);
  int shown = (int)(query ? (size_t)(query - path.data) : path.size);
  lti_engine_trace(e, r->item.id, "submit %s %.*s to %s", lti_spec_method(&r->spec), shown,
                   path.data, lti_pool_origin_url(r->origin)->host);
  return LTI_OK;
}

/* What a turn has of its own: no target, and no second try. */
static int equip_turn(lti_request *r, const leat_request *q) {
  r->turn = true;
  lti_list_init(&r->turn_node);
  return deadlines_make(r, &q->deadlines);
}

/* A form that is in memory is a body like any other from here on. */
static void settle_load(lti_request *r) {
  if (!r->upload || lti_upload_load(r->upload)->streamed) return;
  lti_upload_free(r->upload);
  r->upload = NULL;
}

/* A request that is fit to be entered. `in` says what kind of request it is. */
static int make(leat_engine *e, const leat_request *q, const lti_spec_input *in,
                lti_request **request) {
  const leat_endpoint *row;
  int rc = find_row(e, q, &row);
  if (rc != LTI_OK) return rc;
  lti_request *r = request_new(e, q, in->call || row);
  if (!r) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  lti_buf_clear(&e->message);
  lti_spec_input filled = *in;
  filled.alloc = &e->alloc;
  filled.places = &e->places;
  filled.request = q;
  filled.row = row;
  filled.defaults = &e->defaults;
  filled.message = &e->message;
  lti_url url;
  r->once |= row && row->once;
  rc = lti_upload_new(e, q, &r->upload);
  filled.load = lti_upload_load(r->upload);
  bool body = rc == LTI_OK;
  if (body) rc = lti_spec_init(&r->spec, &filled, &url);
  if (body && rc == LTI_OK) settle_load(r);
  if (rc != LTI_OK && body)
    lti_engine_fail(e, rc, e->message.size ? "" : NULL);
  else if (rc == LTI_OK)
    rc = in->turn ? equip_turn(r, q) : equip(r, q, &url);
  if (rc == LTI_OK && lti_watch_open(r, q, in->call ? NULL : q->user) != LTI_OK)
    rc = lti_engine_fail(e, LEAT_ENOMEM, NULL);
  if (rc == LTI_OK)
    *request = r;
  else
    request_free(r);
  return rc;
}

/* What the caller's own requests may have besides. */
static int equip_policy(lti_request *r, const leat_request *q) {
  int rc = lti_gate_open(r, q);
  if (rc == LTI_OK) rc = lti_resume_open(r, q);
  return rc == LTI_OK ? rc : lti_engine_fail(r->item.engine, rc, NULL);
}

static int submit(leat_engine *e, const leat_request *q, const lti_spec_input *in, leat_id *id) {
  int rc = check_arguments(e, q, id);
  if (rc != LTI_OK) return rc;
  lti_request *r;
  rc = make(e, q, in, &r);
  if (rc != LTI_OK) return rc;
  if (!in->call || in->paced) rc = equip_policy(r, q);
  if (rc == LTI_OK) rc = enter(e, r, id);
  if (rc != LTI_OK)
    request_free(r);
  else if (q->supersede && r->ticket)
    lti_gate_supersede(r);
  return rc;
}

int lti_request_submit(leat_engine *e, const leat_request *q, bool call, leat_id *id) {
  if (!call && lti_engine_closed(e)) return LEAT_ECLOSED; /* a task that drains goes on */
  return submit(e, q, &(lti_spec_input){.call = call}, id);
}

int lti_request_order(leat_engine *e, const leat_request *q, leat_id *id) {
  return submit(e, q, &(lti_spec_input){.call = true, .paced = true}, id);
}

int lti_request_fetch(leat_engine *e, const leat_request *q, leat_id *id) {
  return submit(e, q, &(lti_spec_input){.call = true, .foreign = true}, id);
}

int lti_request_draft(leat_engine *e, const leat_request *q, lti_request **draft) {
  leat_id id;
  int rc = check_arguments(e, q, &id);
  if (rc != LTI_OK) return rc;
  const lti_protocol *p = lti_protocol_find(lti_spec_protocol(q, &e->defaults));
  if (!q->endpoint && p && p->socket)
    return lti_engine_fail(e, LEAT_EINVAL, "it cannot go on over a socket");
  return make(e, q, &(lti_spec_input){.call = false}, draft);
}

int lti_request_upgrade(leat_engine *e, const leat_request *q, const lti_spec_upgrade *upgrade,
                        lti_socket *s) {
  lti_request *r;
  leat_id id;
  int rc = make(e, q, &(lti_spec_input){.call = true, .upgrade = upgrade}, &r);
  if (rc != LTI_OK) return rc;
  r->socket = s;
  rc = enter(e, r, &id);
  if (rc == LTI_OK) {
    s->request = r;
    return rc;
  }
  r->socket = NULL;
  request_free(r);
  return rc;
}

int lti_request_turn(leat_engine *e, const leat_request *q, lti_request **turn) {
  leat_id id;
  if (lti_engine_closed(e)) return LEAT_ECLOSED;
  int rc = check_arguments(e, q, &id);
  return rc == LTI_OK ? make(e, q, &(lti_spec_input){.turn = true}, turn) : rc;
}

void lti_request_drop(lti_request *r) {
  request_free(r);
}

int leat_submit(leat_engine *e, const leat_request *request, leat_id *id) {
  if (!e) return LEAT_EINVAL;
  if (!request || !id || request->struct_size != sizeof *request)
    return lti_request_submit(e, request, false, id);
  if (request->endpoint) return lti_request_submit(e, request, false, id);
  const lti_protocol *p = lti_protocol_find(lti_spec_protocol(request, &e->defaults));
  if (p && p->socket && (request->lane || request->on_truncation))
    return lti_engine_fail(e, LEAT_EINVAL, "lanes and on_truncation are not for sockets");
  if (p && p->socket) return lti_turn_submit(e, request, id);
  if (request->socket)
    return lti_engine_fail(e, LEAT_EINVAL, "this protocol is not spoken over a socket");
  return lti_request_submit(e, request, false, id);
}

/* ---- attempts */

static void on_connecting(lti_lease *lease) {
  lti_request *r = LTI_CONTAINER_OF(lease, lti_request, lease);
  if (lease->connect_ns)
    r->waited_ns = lease->connect_ns - r->wait_from_ns;
  else /* it queues again: connecting was no waiting */
    r->wait_from_ns = lti_loop_clock(r->item.engine->loop) - r->waited_ns;
  lti_deadline_arm(r);
}

static void stamp_lease(lti_request *r, const lti_conn *conn) {
  uint64_t now = lti_loop_clock(r->item.engine->loop);
  r->reused_connection = lti_conn_reused(conn);
  r->resumed_tls = lti_conn_resumed_tls(conn);
  r->http = (signed char)lti_conn_http(conn);
  r->tls = (signed char)lti_conn_tls_version(conn);
  uint64_t queued = r->times.queued_ns;
  r->times = (leat_times){.queued_ns = queued, .leased_ns = now};
  r->last_content_ns = 0;
  r->times.connected_ns = r->reused_connection ? now : lti_conn_connected_ns(conn);
  r->times.tls_ns = r->reused_connection ? now : lti_conn_ready_ns(conn);
}

/* Nothing was started on it. */
static void give_back(lti_conn *conn) {
  if (lti_conn_state(conn) != CONN_CLOSED) lti_pool_give(conn);
}

static void on_granted(lti_lease *lease, lti_conn *conn) {
  lti_request *r = LTI_CONTAINER_OF(lease, lti_request, lease);
  leat_engine *e = r->item.engine;
  assert(r->state == REQUEST_QUEUED);
  if (r->ticket) lti_gate_granted(r);
  if (!lease->connect_ns) r->waited_ns = lti_loop_clock(e->loop) - r->wait_from_ns;
  stamp_lease(r, conn);
  r->attempts++;
  if (e->metrics) lti_metrics_granted(r, conn);
  if (r->watch && !lti_watch_start(r)) {
    give_back(conn);
    return;
  }
  if (lti_conn_state(conn) == CONN_CLOSED) { /* by what was called meanwhile */
    lti_request_failed(r, LEAT_ERESET, LEAT_LAYER_SOCKET, NULL);
    return;
  }
  lti_http_request http;
  leat_header headers[LTI_SPEC_HEADERS_MAX];
  if (r->socket) lti_socket_ask(r->socket);
  lti_buf_clear(&e->scratch);
  int rc = lti_url_host_field(lti_pool_origin_url(r->origin), &e->scratch);
  lti_spec_http(&r->spec, lti_buf_slice(&e->scratch), headers, &http);
  r->exchange.stream.body = lti_spec_body(&r->spec);
  if (r->upload) lti_upload_begin(r->upload, &r->exchange, &http);
  if (rc == LTI_OK) rc = lti_conn_start(conn, &r->exchange, &http);
  if (rc != LTI_OK) {
    give_back(conn);
    lti_request_failed(r, rc, LEAT_LAYER_API, NULL);
    return;
  }
  r->state = REQUEST_SENT;
  if (r->upload) lti_upload_go(r->upload, r);
  r->maybe_ran_twice = r->maybe_ran;
  lti_engine_trace(e, r->item.id, "attempt %u on a %s connection", r->attempts,
                   r->reused_connection ? "reused" : "fresh");
  lti_deadline_arm(r);
}

static void on_lease_failed(lti_lease *lease, const lti_failure *failure) {
  lti_request *r = LTI_CONTAINER_OF(lease, lti_request, lease);
  r->attempts++;
  lti_request_settle(r, failure);
}

void lti_request_again(lti_request *r, bool first) {
  leat_engine *e = r->item.engine;
  lti_response_reset(r);
  r->state = REQUEST_QUEUED;
  r->name_known = false;
  r->error = LEAT_OK;
  r->status = r->native = 0;
  r->bytes = 0;
  r->retry_after_ms = -1;
  r->should_retry = 0;
  lti_alloc_put(&e->alloc, r->request_id);
  r->request_id = NULL;
  r->exchange.sent_ns = 0;
  r->exchange.response_started = r->exchange.reused = false;
  r->times = (leat_times){.queued_ns = r->times.queued_ns};
  r->last_content_ns = 0;
  lti_request_say(r, lti_slice("", 0));
  int rc = want_connection(r, first);
  if (rc != LTI_OK) {
    lti_request_finish(r, &(lti_failure){.error = rc, .layer = LEAT_LAYER_API});
    return;
  }
  r->wait_from_ns = lti_loop_clock(e->loop) - r->waited_ns;
  lti_deadline_arm(r);
  lti_engine_kick(e);
}

void lti_request_redirected(lti_request *r, lti_origin *origin) {
  lti_pool_origin_release(r->origin);
  r->origin = origin;
  r->redirects++;
  r->attempts--; /* a hop, not a try */
  lti_request_again(r, true);
}

void lti_request_detach(lti_request *r, bool drain) {
  if (r->turn) {
    lti_turn_leave(r);
    return;
  }
  if (r->ticket) lti_gate_leave(r);
  if (lti_exchange_open(&r->exchange)) lti_exchange_abandon(&r->exchange, drain);
  if (r->upload) lti_upload_stop(r->upload);
  lti_dispatch_leave(&r->item.engine->dispatch, &r->lease);
}

void lti_request_failed(lti_request *r, int error, enum leat_layer layer, const char *message) {
  lti_request_settle(r, &(lti_failure){.error = error, .layer = layer, .message = message});
}

static void plan_repeat(const lti_request *r, const lti_failure *failure, lti_retry_plan *plan) {
  const char *veto = r->should_retry > 0 ? "true" : r->should_retry < 0 ? "false" : NULL;
  bool untouched = failure->unprocessed || failure->http1_wanted; /* by the server */
  lti_retry_case c = {.error = failure->error,
                      .status = r->state == REQUEST_REFUSED ? r->status : 0,
                      .should_retry = lti_slice_of(veto),
                      .hint_ms = r->retry_after_ms,
                      .leased = r->times.leased_ns != 0,
                      .sent_any = r->exchange.sent_ns != 0 && !untouched,
                      .response_started = r->exchange.response_started || r->times.head_ns != 0,
                      .reused = r->exchange.reused,
                      .shared = failure->shared,
                      .once = r->once,
                      .spent = r->upload && !lti_upload_repeats(r->upload),
                      .delivered = r->delivered,
                      .retries_done = r->retries_done,
                      .retries_max = r->retries_max,
                      .replays_done = r->replays_done,
                      .replays_idle = r->replays_idle,
                      .hint_max_ms = r->item.engine->config.retry_after_max_ms};
  if (r->refusal) c.code = r->refusal->error.code;
  lti_retry_decide(&c, &r->item.engine->prng, plan);
}

/* Does the server take up anything at all, on this connection or on others? */
static void note_progress(lti_request *r, const lti_failure *failure) {
  if (!r->origin) return; /* a turn of a socket: nobody repeats it */
  uint64_t taken = lti_pool_origin_taken(r->origin);
  if (failure->serves || taken != r->origin_taken) r->replays_idle = 0;
  r->origin_taken = taken;
}

/* The same place, spoken to differently; when there is no memory for that, the same way again. */
static void over_http1(lti_request *r) {
  lti_origin *other;
  if (r->wanted == LEAT_HTTP_2 || lti_pool_origin_http1(r->origin, &other) != LTI_OK) return;
  lti_pool_origin_release(r->origin);
  r->origin = other;
}

void lti_request_settle(lti_request *r, const lti_failure *failure) {
  leat_engine *e = r->item.engine;
  lti_retry_plan plan;
  if (r->state == REQUEST_FINISHED) return;
  lti_failure why = *failure;
  /* What only HTTP/1.1 could serve, and the caller has ruled out, no repeat will. */
  if (why.http1_wanted && r->wanted == LEAT_HTTP_2) why.error = LEAT_EHTTP;
  failure = &why;
  note_progress(r, failure);
  plan_repeat(r, failure, &plan);
  if (r->turn) plan.action = LTI_RETRY_NO, plan.uncertain = false;
  if (r->ticket && plan.action == LTI_RETRY_WAIT && !lti_gate_repeats(r))
    plan.action = LTI_RETRY_NO;
  if (plan.action == LTI_RETRY_NO) {
    r->retryable = plan.retryable; /* of what it ends with: an attempt before says nothing of it */
    if (r->state == REQUEST_REFUSED) lti_response_emit_refusal(r);
    lti_failure told = *failure;
    bool answered = told.error == LEAT_ESTATUS || told.error == LEAT_EHTTP;
    if (r->socket && r->state != REQUEST_READING && answered) told.error = LEAT_EUPGRADE;
    if (plan.uncertain) told.error = LEAT_EUNCERTAIN;
    lti_request_finish(r, &told);
    return;
  }
  if (r->ticket) lti_gate_ended(r, failure->error);
  lti_request_detach(r, false);
  if (plan.maybe_ran) r->maybe_ran = true;
  e->stats.requests_retried++;
  if (e->metrics) lti_metrics_repeated(e->metrics, failure->error);
  lti_engine_trace(e, r->item.id, "%s, again in %lld ms", leat_error_name(failure->error),
                   (long long)plan.wait_ms);
  if (failure->http1_wanted) over_http1(r);
  if (plan.action == LTI_RETRY_FREE) {
    r->replays_done++, r->replays_idle++;
    e->stats.requests_replayed++;
  } else {
    r->retries_done++;
  }
  bool owed = lti_watch_repeat(r, failure->error, plan.wait_ms);
  if (plan.action == LTI_RETRY_FREE && plan.wait_ms == 0 && !owed) {
    lti_request_again(r, true);
    return;
  }
  r->state = REQUEST_BACKOFF;
  uint64_t now = lti_loop_clock(e->loop);
  if (r->ticket && lti_gate_paces(r, failure->error)) plan.wait_ms = 0; /* the gate waits */
  r->backoff_until = now + (uint64_t)plan.wait_ms * MS_NS;
  lti_deadline_arm(r);
}

/* ---- the end */

static void fall_due(lti_request *r) {
  leat_engine *e = r->item.engine;
  lti_list_remove(&r->item.due);
  lti_list_push(&e->finished, &r->item.due);
  lti_engine_kick(e);
}

/* The engine's own limits are met anywhere, and lie in no layer below. */
static enum leat_layer layer_of(const lti_failure *failure) {
  switch (failure->error) {
    case LEAT_OK: return LEAT_LAYER_NONE;
    case LEAT_ENOMEM:
    case LEAT_EHELDMAX:
    case LEAT_EEVENTMAX:
    case LEAT_EBODYMAX: return LEAT_LAYER_API;
    default: return failure->layer;
  }
}

void lti_request_finish(lti_request *r, const lti_failure *failure) {
  if (r->state == REQUEST_FINISHED) return;
  r->state = REQUEST_FINISHED;
  r->error = failure->error;
  r->native = failure->native;
  r->layer = (unsigned char)layer_of(failure);
  if (r->ticket) lti_gate_ended(r, failure->error);
  lti_request_say(r, lti_slice_of(failure->message));
  if (failure->error == LEAT_EHELDMAX) {
    /* What is held is what there is too much of: it does not wait for its reader. */
    lti_response_hold_clear(r);
    r->paused = false;
  }
  if (r->socket && !r->turn) lti_socket_over(r->socket);
  lti_request_detach(r, failure->error == LEAT_OK);
  r->times.done_ns = lti_loop_clock(r->item.engine->loop);
  lti_deadline_arm(r);
  /* What a paused reader has not had yet comes before done. */
  if (!r->paused && lti_hold_empty(&r->hold)) fall_due(r);
}

static void stop(lti_request *r, int error) {
  lti_failure stopped = {.error = error, .layer = LEAT_LAYER_API};
  lti_response_hold_clear(r);
  r->paused = false;
  if (r->state == REQUEST_FINISHED) {
    r->error = error;
    r->layer = LEAT_LAYER_API;
    r->retryable = false;
    lti_request_say(r, lti_slice("", 0));
    fall_due(r);
  } else {
    lti_request_finish(r, &stopped);
  }
}

void lti_request_cancel(lti_request *r) {
  stop(r, LEAT_ECANCELLED);
}

void lti_request_supersede(lti_request *r) {
  bool over = r->state == REQUEST_FINISHED && !r->paused && lti_hold_empty(&r->hold);
  if (!over) stop(r, LEAT_ESUPERSEDED);
}

/* No clock but the total counts a pause. */
static void restart_clocks(lti_request *r) {
  r->since_ns = lti_loop_clock(r->item.engine->loop);
  lti_deadline_arm(r);
}

void lti_request_resume(lti_request *r) {
  if (!r->paused) return;
  leat_engine *e = r->item.engine;
  r->paused = false;
  restart_clocks(r); /* or one that ran out in the pause would fire before anything is delivered */
  lti_list_remove(&r->item.due);
  lti_list_push(&e->resumed, &r->item.due);
  lti_engine_kick(e);
}

void lti_request_go_on(lti_request *r) {
  leat_engine *e = r->item.engine;
  /* Each is taken out first: its callback may cancel, which clears the hold. */
  while (!r->paused && !lti_hold_empty(&r->hold)) {
    size_t before = lti_hold_bytes(&r->hold);
    lti_hold_entry *entry = lti_hold_pop(&r->hold);
    e->stats.held_bytes -= before - lti_hold_bytes(&r->hold);
    lti_response_emit(r, lti_hold_event(entry));
    lti_hold_free(entry, &e->alloc);
  }
  if (r->paused) return;
  if (r->state == REQUEST_FINISHED) {
    fall_due(r);
    return;
  }
  restart_clocks(r);
  if (r->turn) {
    if (r->socket->request) lti_socket_wake(r->socket);
    return;
  }
  if (r->socket && !lti_socket_resumes(r->socket)) return;
  if (lti_exchange_open(&r->exchange) && r->exchange.paused) lti_exchange_resume(&r->exchange);
}

static void count_end(const lti_request *r) {
  leat_engine *e = r->item.engine;
  int error = r->error;
  if (is_hidden(r)) {
    e->hidden_live--;
    return;
  }
  e->stats.requests_live--;
  if (e->metrics) lti_metrics_ended(r);
  if (error == LEAT_ESUPERSEDED) e->stats.requests_superseded++;
  if (error == LEAT_OK)
    e->stats.requests_completed++;
  else if (error == LEAT_ECANCELLED || error == LEAT_ESUPERSEDED)
    e->stats.requests_cancelled++;
  else
    e->stats.requests_failed++;
}

void lti_request_tell(lti_request *r) {
  leat_engine *e = r->item.engine;
  if (r->watch && !lti_watch_settle(r)) return;
  if (r->resume && lti_resume_try(r)) return;
  leat_result result;
  lti_upload_close(r->upload, true);
  lti_result_fill(r, &result);
  lti_slots_remove(&e->items, r->item.id);
  count_end(r);
  lti_engine_trace(e, r->item.id, "done %s", leat_error_name(r->error));
  if (r->watch) lti_watch_done(r, &result);
  r->on_done(e, r->item.id, &result, r->user);
  request_free(r);
  /* An engine at rest holds nothing that its next answer can make again. */
  if (!e->stats.requests_live && !e->hidden_live) lti_lines_spare_deinit(&e->spare, &e->alloc);
}
