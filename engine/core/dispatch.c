/* Who gets a connection: see dispatch.h. Each origin that anybody waits for has a `line`, kept in
 * the origin's user slot and freed when it is empty. */
#include "core/dispatch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define FD_RETRY_NS (110ull * 1000 * 1000)
#define PASSED_MAX  32  /* waiting requests that are newer than what was lost */
#define STEPS_MAX   128 /* waiting requests that others may pass in one turn ... */
#define RUN_MAX     16  /* ... and of one tenant, before the next tenant's are looked at */

typedef struct line {
  lti_list dirty, starved;
  lti_origin *origin;
  lti_queue queue;
  size_t unbound; /* waiting leases that no connection is being opened for */
  uint64_t serves;
  size_t wasted; /* connections lost since it was served last that had carried nothing */
  lti_failure why_wasted;
  char words[128];
} line;

static lti_lease *lease_of(lti_queue_item *item) {
  return item ? LTI_CONTAINER_OF(item, lti_lease, item) : NULL;
}

static line *line_of(lti_origin *o) {
  return *lti_pool_origin_user(o);
}

static void on_alarm(lti_alarm *alarm, uint64_t now_ns);

int lti_dispatch_init(lti_dispatch *d, lti_alloc *alloc, lti_loop *loop, lti_alarms *alarms,
                      size_t queue_max) {
  d->alloc = alloc;
  d->loop = loop;
  d->alarms = alarms;
  d->queue_max = queue_max;
  d->waiting = 0;
  d->serving = NULL;
  d->disturbed = false;
  lti_list_init(&d->dirty);
  lti_list_init(&d->starved);
  int r = lti_alarm_join(alarms, &d->alarm, on_alarm);
  if (r != LTI_OK) d->alloc = NULL; /* nothing to deinit */
  return r;
}

void lti_dispatch_deinit(lti_dispatch *d) {
  assert(d->waiting == 0);
  lti_alarm_leave(d->alarms, &d->alarm);
}

static void mark(lti_dispatch *d, line *l) {
  if (lti_list_empty(&l->dirty)) lti_list_push(&d->dirty, &l->dirty);
}

static line *find_line(lti_dispatch *d, lti_origin *o) {
  line *l = line_of(o);
  if (l) return l;
  l = lti_alloc_zero(d->alloc, sizeof *l);
  if (!l) return NULL;
  l->origin = o;
  lti_list_init(&l->dirty);
  lti_list_init(&l->starved);
  lti_queue_init(&l->queue, d->alloc, d->queue_max);
  lti_pool_origin_keep(o);
  *lti_pool_origin_user(o) = l;
  return l;
}

static void drop_line_if_empty(lti_dispatch *d, line *l) {
  if (l->queue.size > 0 || d->serving == l) return;
  lti_list_remove(&l->dirty);
  lti_list_remove(&l->starved);
  lti_queue_deinit(&l->queue);
  *lti_pool_origin_user(l->origin) = NULL;
  lti_pool_origin_release(l->origin);
  lti_alloc_put(d->alloc, l);
}

static int stand_in_line(lti_dispatch *d, lti_lease *lease, lti_origin *origin, bool first) {
  line *l = find_line(d, origin);
  if (!l) return LEAT_ENOMEM;
  lti_queue_item_init(&lease->item);
  int r = lti_queue_push(&l->queue, &lease->item, lease->tenant, first);
  if (r != LTI_OK) {
    drop_line_if_empty(d, l);
    return r;
  }
  lease->origin = origin;
  lease->connect_ns = 0;
  lease->bound = false;
  lease->no_descriptor = false;
  lease->entered = l->serves;
  l->unbound++;
  d->waiting++;
  mark(d, l);
  return LTI_OK;
}

int lti_dispatch_want(lti_dispatch *d, lti_lease *lease, lti_origin *origin, bool first) {
  lease->home = origin;
  lease->rerouted = lease->at_home = false;
  return stand_in_line(d, lease, origin, first);
}

/* The next that has no connection of its own, behind `bound` (NULL: from the front). */
static lti_lease *next_unbound(const line *l, const lti_lease *bound) {
  if (l->unbound == 0) return NULL;
  lti_lease *lease = lease_of(lti_queue_next(&l->queue, bound ? &bound->item : NULL));
  while (lease && lease->bound) lease = lease_of(lti_queue_next(&l->queue, &lease->item));
  return lease;
}

static void assign(lti_dispatch *d, line *l, lti_lease *lease) {
  if (!lease->connect_ns) lease->connect_ns = lti_loop_clock(d->loop);
  lease->bound = true;
  l->unbound--;
  lease->sink->connecting(lease);
}

/* Takes a lease out of its line. A connection being opened for it is nobody's until the line is
 * served: looking for an heir each time would make the end of thousands quadratic. */
static void take_out(lti_dispatch *d, line *l, lti_lease *lease) {
  lti_queue_remove(&l->queue, &lease->item);
  d->waiting--;
  lease->origin = NULL;
  if (!lease->bound) {
    l->unbound--;
    return;
  }
  lease->bound = false;
  lti_pool_rebind(l->origin, lease, NULL, LEAT_NONE);
}

void lti_dispatch_leave(lti_dispatch *d, lti_lease *lease) {
  if (!lease->origin) return;
  line *l = line_of(lease->origin);
  if (d->serving == l) d->disturbed = true;
  take_out(d, l, lease);
  mark(d, l);
  drop_line_if_empty(d, l);
}

/* HTTP/1.1 was only a better way: its own is still there. */
static bool go_home(lti_dispatch *d, lti_lease *lease, const lti_failure *failure) {
  if (!lease->rerouted) return false;
  if (failure->error == LEAT_ETLS || failure->error == LEAT_EHTTP)
    lti_pool_origin_only_http2(lease->home);
  lease->rerouted = false;
  lease->at_home = true;
  return stand_in_line(d, lease, lease->home, true) == LTI_OK;
}

static void tell_failed(lti_dispatch *d, line *l, lti_lease *lease, const lti_failure *failure) {
  take_out(d, l, lease);
  mark(d, l);
  if (!go_home(d, lease, failure)) lease->sink->failed(lease, failure);
}

/* Over HTTP/1.1, where a body does not share its window; unless those that are there already take
 * all connections, for each answer keeps one until its end. */
static void reroute(lti_dispatch *d, line *l, lti_lease *lease) {
  lti_origin *other;
  int r = lti_pool_origin_http1(l->origin, &other);
  size_t waiting = r == LTI_OK && line_of(other) ? line_of(other)->queue.size : 0;
  if (r == LTI_OK && !lti_pool_spare(other, waiting)) {
    lease->at_home = true; /* and is asked for again */
    lti_pool_origin_release(other);
    return;
  }
  take_out(d, l, lease);
  if (r == LTI_OK) {
    /* It was accepted already: that line is not full for it. */
    r = stand_in_line(d, lease, other, true);
    lti_pool_origin_release(other);
  }
  if (r == LTI_OK)
    lease->rerouted = true;
  else
    lease->sink->failed(lease, &(lti_failure){.error = r, .layer = LEAT_LAYER_API});
}

/* A server that picks HTTP/2 by ALPN, and nothing when only HTTP/1.1 is offered, may let the
 * handshake pass all the same: what it would make of a request is not tried out. */
static void decline(lti_dispatch *d, line *l, lti_lease *lease, lti_conn *conn) {
  lti_conn_leave(conn);
  tell_failed(d, l, lease,
              &(lti_failure){.error = LEAT_EHTTP,
                             .layer = LEAT_LAYER_TLS,
                             .message = "the server does not offer HTTP/1.1"});
}

/* Failures that every waiter would meet. */
static bool concerns_all(int error) {
  return error == LEAT_ECERT || error == LEAT_ERESOLVE || error == LEAT_ENOCA;
}

static void fail_all(lti_dispatch *d, line *l, const lti_failure *failure) {
  lti_lease *lease;
  while ((lease = lease_of(lti_queue_next(&l->queue, NULL)))) tell_failed(d, l, lease, failure);
}

static void open_for(lti_dispatch *d, line *l, lti_lease *lease) {
  const char *message;
  assign(d, l, lease);
  int r = lti_pool_dial(l->origin, lease, lease->connect_ms, &message);
  if (r == LTI_OK) return;
  enum leat_layer layer = r == LEAT_ENOMEM ? LEAT_LAYER_API : LEAT_LAYER_TLS;
  lti_failure failure = {.error = r, .layer = layer, .message = message};
  if (concerns_all(r))
    fail_all(d, l, &failure);
  else
    tell_failed(d, l, lease, &failure);
}

typedef struct walk {
  lti_lease *passed; /* the last that found nothing; NULL: none did */
  uint64_t refused;  /* the smallest body that did not */
  int steps, run;    /* how many were passed, and of the same tenant */
  bool waits;        /* what they wait for comes by itself */
} walk;

static void pass(walk *w, lti_lease *lease) {
  bool same = w->passed && w->passed->item.lane == lease->item.lane;
  w->run = same ? w->run + 1 : 1;
  w->passed = lease;
  w->steps++;
}

/* Hundreds of one tenant's uploads do not hide the others' small requests. */
static lti_lease *behind(const line *l, const walk *w) {
  if (!w->passed) return lease_of(lti_queue_next(&l->queue, NULL));
  return lease_of(w->run < RUN_MAX ? lti_queue_next(&l->queue, &w->passed->item)
                                   : lti_queue_next_tenant(&l->queue, &w->passed->item));
}

/* The next to ask a connection for: what is as large as one that found none finds none either. */
static lti_lease *next_to_ask(const line *l, walk *w) {
  while (w->steps < STEPS_MAX) {
    lti_lease *lease = behind(l, w);
    if (!lease || lease->body_size < w->refused ||
        lti_pool_elsewhere(l->origin, lease->body_size, lease->at_home))
      return lease;
    pass(w, lease);
  }
  return NULL;
}

/* Goes along the line, past those that what is free does not suit. True: what they wait for comes
 * by itself. */
static bool grant(lti_dispatch *d, line *l) {
  walk w = {.refused = UINT64_MAX};
  lti_lease *lease;
  while ((lease = next_to_ask(l, &w))) {
    lti_conn *conn;
    switch (lti_pool_take(l->origin, lease->body_size, lease->at_home, &conn)) {
      case LTI_POOL_TAKEN:
        if (lease->rerouted && !lti_conn_agreed(conn)) {
          decline(d, l, lease, conn);
          break;
        }
        lti_queue_serve(&l->queue, &lease->item);
        take_out(d, l, lease);
        l->wasted = 0;
        lease->sink->granted(lease, conn);
        if (d->disturbed) w = (walk){.refused = w.refused, .waits = w.waits};
        d->disturbed = false;
        break;
      case LTI_POOL_ELSEWHERE: reroute(d, l, lease); break;
      case LTI_POOL_WAIT: w.waits = true; /* fall through */
      case LTI_POOL_NONE:
        /* The smallest of requests finds nothing here either. */
        if (lease->body_size == 0) return w.waits;
        w.refused = lease->body_size;
        pass(&w, lease);
        break;
    }
  }
  return w.waits;
}

/* A connection that was lost before anybody could use it is a failed try of one that waited for it,
 * or they would go on forever. Who has come since then did not. */
static void blame_wasted(lti_dispatch *d, line *l) {
  size_t wasted = l->wasted;
  lti_failure failure = l->why_wasted;
  char words[sizeof l->words];
  memcpy(words, l->words, sizeof words);
  failure.message = words;
  l->wasted = 0;
  lti_lease *lease = next_unbound(l, NULL);
  for (int passed = 0; wasted > 0 && lease && passed < PASSED_MAX;) {
    lti_lease *next = next_unbound(l, lease);
    if (lease->entered < l->serves) {
      tell_failed(d, l, lease, &failure);
      wasted--;
    } else {
      passed++;
    }
    lease = next;
  }
}

/* For nobody, and nobody is told when it fails. */
static void open_another(const line *l) {
  const char *message;
  lti_pool_dial(l->origin, NULL, LEAT_NONE, &message);
}

/* A connection whose request has left serves the next that waits: true if there was one. */
static bool adopt(lti_dispatch *d, line *l, lti_lease *lease) {
  size_t bound = l->queue.size - l->unbound;
  if (lti_pool_opening(l->origin) <= bound) return false;
  if (!lti_pool_rebind(l->origin, NULL, lease, lease->connect_ms)) return false;
  assign(d, l, lease);
  return true;
}

/* It comes back when descriptors may be there again. The first to starve sets the time. */
static void starve(lti_dispatch *d, line *l) {
  if (lti_list_empty(&d->starved))
    lti_alarm_set(d->alarms, &d->alarm, lti_loop_clock(d->loop) + FD_RETRY_NS);
  if (lti_list_empty(&l->starved)) lti_list_push(&d->starved, &l->starved);
}

/* Gives what is free, then opens what is missing. All are bound up to `last`, which saves a cold
 * start of thousands from looking at each of them for each; a failure may queue somebody ahead. */
static void serve(lti_dispatch *d, line *l) {
  lti_lease *lease, *last = NULL;
  bool waits = grant(d, l);
  blame_wasted(d, l);
  l->serves++;
  while (!waits && (lease = next_unbound(l, last))) {
    if (!adopt(d, l, lease)) {
      if (!lti_pool_room(l->origin, l->unbound, lease->body_size)) break;
      open_for(d, l, lease);
    }
    last = lease->bound ? lease : NULL;
  }
  lease = next_unbound(l, last);
  if (!lease && lti_pool_crowded(l->origin)) open_another(l);
  if (lease && lti_pool_starved(l->origin)) starve(d, l);
}

void lti_dispatch_turn(lti_dispatch *d) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &d->dirty);
  while ((n = lti_list_pop(&batch))) {
    line *l = LTI_CONTAINER_OF(n, line, dirty);
    lti_origin *o = l->origin;
    lti_pool_origin_keep(o);
    d->serving = l;
    serve(d, l);
    d->serving = NULL;
    drop_line_if_empty(d, l);
    lti_pool_origin_release(o);
  }
}

bool lti_dispatch_due(const lti_dispatch *d) {
  return !lti_list_empty(&d->dirty);
}

void lti_dispatch_slot(lti_dispatch *d, lti_origin *o) {
  line *l = line_of(o);
  if (l) mark(d, l);
}

/* Whoever is first in turn takes it. If that is another than the one it was opened for, that one
 * queues again: the next connection, perhaps the other's own, is opened for it. */
void lti_dispatch_opened(lti_origin *o, void *wanted_by) {
  line *l = line_of(o);
  lti_lease *lease = wanted_by;
  lease->bound = false;
  lease->connect_ns = 0;
  l->unbound++;
  lease->sink->connecting(lease);
}

static void unbind(line *l, lti_lease *lease) {
  if (!lease || !lease->bound) return;
  lease->bound = false;
  l->unbound++;
}

void lti_dispatch_failed(lti_dispatch *d, lti_origin *o, void *wanted_by,
                         const lti_failure *failure) {
  line *l = line_of(o);
  lti_lease *lease = wanted_by;
  if (!l || !failure) return;
  if (failure->error == LEAT_EFDLIMIT) {
    /* It waits for a descriptor, until its connect deadline; so do those behind it. */
    if (lease) lease->no_descriptor = true;
    unbind(l, lease);
    starve(d, l);
    return;
  }
  if (failure->doubted) {
    unbind(l, lease);
    mark(d, l);
    return;
  }
  if (lti_pool_serves(o)) {
    /* It would have been one more: who waits for it has a place without it. */
    unbind(l, lease);
    starve(d, l);
    mark(d, l);
    return;
  }
  if (concerns_all(failure->error))
    fail_all(d, l, failure);
  else if (lease)
    tell_failed(d, l, lease, failure);
  mark(d, l);
}

void lti_dispatch_wasted(lti_dispatch *d, lti_origin *o, const lti_failure *failure) {
  line *l = line_of(o);
  if (!l) return;
  if (lti_pool_serves(o)) { /* as above: it would have been one more */
    starve(d, l);
    mark(d, l);
    return;
  }
  l->wasted = failure->error == LEAT_ECONNTIMEOUT ? SIZE_MAX : l->wasted + (l->wasted < SIZE_MAX);
  l->why_wasted = *failure;
  snprintf(l->words, sizeof l->words, "%s",
           failure->message ? failure->message : leat_error_text(failure->error));
  mark(d, l);
}

/* Descriptors may be there again: those that waited for one are in line once more. */
static void on_alarm(lti_alarm *alarm, uint64_t now_ns) {
  lti_dispatch *d = LTI_CONTAINER_OF(alarm, lti_dispatch, alarm);
  lti_list *n;
  (void)now_ns;
  while ((n = lti_list_pop(&d->starved))) mark(d, LTI_CONTAINER_OF(n, line, starved));
}
