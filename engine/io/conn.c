/* One connection: see conn.h for its states. What both HTTPs have in common stands here: life, the
 * transport's events, and the questions that the pool asks. */
#include "io/conn.h"

#include <assert.h>

#include "base/error.h"
#include "io/carrier.h"

static void on_connected(lti_link *l);
static void on_step(lti_link *l);
static void on_ready(lti_link *l);
static void on_bytes(lti_link *l, leat_slice bytes, uint64_t stamp_ns);
static void on_ended(lti_link *l, bool clean, int native);
static void on_failed(lti_link *l, const lti_failure *failure);
static int on_fill(lti_link *l);
static void on_sent(lti_link *l);
static void on_ticket(lti_link *l);
static void on_alarm(lti_alarm *alarm, uint64_t now_ns);

static const lti_link_sink link_sink = {on_connected, on_step, on_ready, on_bytes, on_ended,
                                        on_failed,    on_fill, on_sent,  on_ticket};

static lti_conn *conn_of(lti_link *l) {
  return LTI_CONTAINER_OF(l, lti_conn, link);
}

/* The one setter of the state. */
void lti_conn_state_set(lti_conn *c, enum lti_conn_state state) {
  static const unsigned char legal[] = {
      [CONN_OPENING] = 1 << CONN_READY | 1 << CONN_CLOSED,
      [CONN_READY] = 1 << CONN_BUSY | 1 << CONN_CLOSED,
      [CONN_BUSY] = 1 << CONN_READY | 1 << CONN_DRAINING | 1 << CONN_CLOSED,
      [CONN_DRAINING] = 1 << CONN_READY | 1 << CONN_CLOSED,
      [CONN_CLOSED] = 0,
  };
  assert(legal[c->state] & 1 << state);
  c->state = state;
}

/* ---- life */

int lti_conn_open(lti_conn_env *env, const lti_conn_sink *sink, void *owner,
                  const lti_conn_target *target, lti_conn **conn) {
  lti_alloc *alloc = env->link.dial.alloc;
  lti_conn *c = lti_alloc_zero(alloc, sizeof *c);
  if (!c) return LEAT_ENOMEM;
  lti_link_init(&c->link, &env->link, &link_sink, &target->link);
  c->env = env;
  c->sink = sink;
  c->owner = owner;
  c->plain = (uint8_t)target->plain;
  c->retire_ns = UINT64_MAX;
  lti_list_init(&c->node);
  lti_list_init(&c->turn);
  lti_list_init(&c->dead);
  if (lti_alarm_join(env->link.dial.alarms, &c->alarm, on_alarm) != LTI_OK) {
    lti_alloc_put(alloc, c);
    return LEAT_ENOMEM;
  }
  *conn = c;
  leat_stats *stats = env->link.stats;
  stats->conns_opened++;
  stats->conns_open++;
  if (stats->conns_open > stats->conns_peak) stats->conns_peak = stats->conns_open;
  return LTI_OK;
}

void lti_conn_dial(lti_conn *c) {
  lti_link_dial(&c->link);
}

void lti_conn_shake(lti_conn *c, const lti_tls_session *session) {
  lti_link_shake(&c->link, session);
}

void lti_conn_step(lti_conn *c) {
  lti_link_step(&c->link);
}

void lti_conn_close(lti_conn *c, const lti_failure *failure) {
  if (c->state == CONN_CLOSED) return;
  bool polite = c->state == CONN_READY;
  lti_conn_state_set(c, CONN_CLOSED);
  lti_link_close(&c->link, polite);
  lti_alarm_set(c->env->link.dial.alarms, &c->alarm, UINT64_MAX);
  lti_list_push(&c->env->dead, &c->dead);
  lti_carrier_stats(c)->conns_open--;
  if (failure) lti_carrier_stats(c)->conns_failed++;
  c->sink->closed(c, failure);
  if (c->carrier) c->carrier->closed(c, failure);
}

static void conn_free(lti_conn *c) {
  if (c->carrier) c->carrier->free(c);
  lti_list_remove(&c->node);
  lti_list_remove(&c->turn);
  lti_alarm_leave(c->env->link.dial.alarms, &c->alarm);
  lti_link_deinit(&c->link);
  lti_alloc_put(c->env->link.dial.alloc, c);
}

void lti_conn_reap_all(lti_conn_env *env) {
  lti_list *n;
  while ((n = lti_list_pop(&env->dead))) conn_free(LTI_CONTAINER_OF(n, lti_conn, dead));
}

void lti_conn_fail(lti_conn *c, int error, enum leat_layer layer, const char *message) {
  lti_conn_close(c, &(lti_failure){.error = error, .layer = layer, .message = message});
}

void lti_conn_leave(lti_conn *c) {
  c->leaving = true;
  if (c->state == CONN_READY) lti_conn_close(c, NULL);
}

void lti_conn_lapse(lti_conn *c, const char *message) {
  if (c->started > 0)
    lti_conn_close(c, NULL);
  else
    lti_conn_fail(c, LEAT_ERESET, LEAT_LAYER_SOCKET, message);
}

void lti_conn_rest(lti_conn *c) {
  if (c->leaving) {
    lti_conn_close(c, NULL);
    return;
  }
  lti_alarm_set(c->env->link.dial.alarms, &c->alarm, UINT64_MAX);
  lti_conn_state_set(c, CONN_READY);
  c->sink->ready(c, false);
}

/* ---- the transport's events */

static void on_connected(lti_link *l) {
  lti_conn *c = conn_of(l);
  c->sink->connected(c);
}

static void on_step(lti_link *l) {
  lti_conn *c = conn_of(l);
  c->sink->step(c);
}

/* What the server picked, or what is spoken without being asked for. */
static const lti_carrier *pick(const lti_conn *c) {
  if (!c->link.target.tls) return c->plain == CONN_PLAIN_HTTP2 ? &lti_carrier_h2 : &lti_carrier_h1;
  if (lti_tls_alpn(c->link.tls) == LTI_TLS_ALPN_HTTP2) return &lti_carrier_h2;
  return c->link.target.alpn == LTI_TLS_ALPN_HTTP2 ? NULL : &lti_carrier_h1;
}

static void on_ready(lti_link *l) {
  lti_conn *c = conn_of(l);
  const lti_carrier *carrier = pick(c);
  if (!carrier) {
    lti_conn_fail(c, LEAT_EHTTP, LEAT_LAYER_TLS, "the server does not offer HTTP/2");
    return;
  }
  int r = carrier->open(c);
  if (r != LTI_OK) {
    lti_conn_fail(c, r, LEAT_LAYER_API, NULL);
    return;
  }
  c->carrier = carrier;
  if (carrier->http == LEAT_HTTP_2) lti_carrier_stats(c)->conns_h2++;
  lti_conn_state_set(c, CONN_READY);
  c->sink->ready(c, true);
}

static void on_bytes(lti_link *l, leat_slice bytes, uint64_t stamp_ns) {
  lti_conn *c = conn_of(l);
  c->carrier->bytes(c, bytes, stamp_ns);
}

static void on_ended(lti_link *l, bool clean, int native) {
  lti_conn *c = conn_of(l);
  c->carrier->ended(c, clean, native);
}

static void on_failed(lti_link *l, const lti_failure *failure) {
  lti_conn_close(conn_of(l), failure);
}

static int on_fill(lti_link *l) {
  lti_conn *c = conn_of(l);
  return c->carrier->fill(c);
}

static void on_sent(lti_link *l) {
  lti_conn *c = conn_of(l);
  c->carrier->sent(c);
}

static void on_ticket(lti_link *l) {
  lti_conn *c = conn_of(l);
  if (c->state != CONN_CLOSED) c->sink->ticket(c);
}

static void on_alarm(lti_alarm *alarm, uint64_t now_ns) {
  lti_conn *c = LTI_CONTAINER_OF(alarm, lti_conn, alarm);
  if (c->state == CONN_BUSY || c->state == CONN_DRAINING)
    c->carrier->alarm(c, now_ns);
  else
    c->sink->alarm(c, now_ns);
}

/* ---- exchanges */

int lti_conn_start(lti_conn *c, lti_exchange *x, const lti_http_request *request) {
  assert(!x->conn && !x->backlog);
  x->sent_ns = 0;
  x->stream.body_sent = 0;
  x->paused = x->response_started = false;
  bool first = c->state == CONN_READY;
  int r = c->carrier->start(c, x, request);
  if (r != LTI_OK) return r;
  if (first) lti_conn_state_set(c, CONN_BUSY);
  if (c->started++ > 0) lti_carrier_stats(c)->conns_reused++;
  lti_link_mark(&c->link);
  return LTI_OK;
}

int lti_conn_hold(lti_conn_env *env, lti_buf *held, leat_slice bytes) {
  leat_stats *stats = env->link.stats;
  if (stats->held_bytes + bytes.size > env->link.held_bytes_max) return LEAT_EHELDMAX;
  int r = lti_buf_append(held, bytes);
  if (r == LTI_OK) stats->held_bytes += bytes.size;
  return r;
}

void lti_conn_hold_drop(lti_conn_env *env, lti_buf *held) {
  env->link.stats->held_bytes -= held->size;
  lti_buf_clear(held);
}

/* ---- questions */

void lti_conn_load_get(const lti_conn *c, lti_conn_load *load) {
  *load = (lti_conn_load){0};
  if (c->carrier && c->state != CONN_CLOSED) c->carrier->load(c, load);
  if (c->leaving) load->room = 0;
}

void lti_conn_alarm_set(lti_conn *c, uint64_t at_ns) {
  lti_alarm_set(c->env->link.dial.alarms, &c->alarm, at_ns);
}

uint64_t lti_conn_alarm_at(const lti_conn *c) {
  return lti_alarm_at(&c->alarm);
}

enum lti_conn_state lti_conn_state(const lti_conn *c) {
  return c->state;
}
enum leat_http lti_conn_http(const lti_conn *c) {
  return c->carrier ? c->carrier->http : LEAT_HTTP_AUTO;
}
void *lti_conn_owner(const lti_conn *c) {
  return c->owner;
}
lti_list *lti_conn_node(lti_conn *c) {
  return &c->node;
}
lti_conn *lti_conn_of(lti_list *node) {
  return LTI_CONTAINER_OF(node, lti_conn, node);
}
lti_list *lti_conn_turn(lti_conn *c) {
  return &c->turn;
}
lti_conn *lti_conn_of_turn(lti_list *turn) {
  return LTI_CONTAINER_OF(turn, lti_conn, turn);
}
void lti_conn_want(lti_conn *c, void *wanted_by) {
  c->wanted_by = wanted_by;
}
void *lti_conn_wanted_by(const lti_conn *c) {
  return c->wanted_by;
}
uint64_t *lti_conn_limit(lti_conn *c) {
  return &c->limit_ns;
}
uint64_t *lti_conn_retire(lti_conn *c) {
  return &c->retire_ns;
}
bool lti_conn_waits(const lti_conn *c) {
  return c->link.state == LINK_CONNECTED;
}
bool lti_conn_shook(const lti_conn *c) {
  return c->link.shook;
}
bool lti_conn_offered(const lti_conn *c) {
  return c->link.offered;
}
bool lti_conn_resolving(const lti_conn *c) {
  return lti_link_resolving(&c->link);
}
bool lti_conn_resumed_tls(const lti_conn *c) {
  return c->link.tls && lti_tls_resumed(c->link.tls);
}
enum leat_tls lti_conn_tls_version(const lti_conn *c) {
  if (!c->link.tls) return LEAT_TLS_DEFAULT;
  return strcmp(lti_tls_version(c->link.tls), "TLSv1.3") == 0 ? LEAT_TLS_1_3 : LEAT_TLS_1_2;
}
bool lti_conn_reused(const lti_conn *c) {
  return c->started > 0;
}
int64_t lti_conn_keep_alive_ms(const lti_conn *c) {
  return c->carrier == &lti_carrier_h1 ? lti_http1_keep_alive_ms(c->h1.codec) : -1;
}
lti_tls *lti_conn_tls(const lti_conn *c) {
  return c->link.tls;
}
bool lti_conn_agreed(const lti_conn *c) {
  return !c->link.tls || lti_tls_alpn(c->link.tls) != LTI_TLS_ALPN_NONE;
}
uint64_t lti_conn_dialed_ns(const lti_conn *c) {
  return c->link.dialed_ns;
}
uint64_t lti_conn_connected_ns(const lti_conn *c) {
  return c->link.connected_ns;
}
uint64_t lti_conn_ready_ns(const lti_conn *c) {
  return c->link.ready_ns;
}
