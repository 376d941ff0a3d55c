/* A request's clocks: which deadlines run in which state, and what it means that one has passed.
 *
 * One alarm a request. Clocks that every byte re-arms (idle, gap) are stamps: the alarm fires at
 * the time that was right when it was set, looks again, and sleeps on if there was progress. */
#include "base/error.h"
#include "core/request.h"
#include "core/upload.h"
#include "core/watch.h"

#define MS_NS   1000000ull
#define LATE_NS (10 * MS_NS)

typedef struct earliest {
  uint64_t at;
  int error;
  enum leat_layer layer;
} earliest;

static void consider(earliest *x, uint64_t from_ns, int64_t ms, int error) {
  if (ms < 0 || from_ns == 0) return;
  uint64_t at = from_ns + (uint64_t)ms * MS_NS;
  if (at >= x->at) return;
  x->at = at;
  x->error = error;
}

static void consider_queue(const lti_request *r, earliest *x) {
  const leat_deadlines *d = r->deadlines;
  if (!r->lease.connect_ns) {
    x->layer = LEAT_LAYER_API;
    consider(x, r->wait_from_ns, d->queue_ms, LEAT_EQUEUETIMEOUT);
    return;
  }
  x->layer = LEAT_LAYER_SOCKET;
  consider(x, r->lease.connect_ns, d->connect_ms,
           r->lease.no_descriptor ? LEAT_EFDLIMIT : LEAT_ECONNTIMEOUT);
  if (!r->name_known) consider(x, r->lease.connect_ns, d->dns_ms, LEAT_EDNSTIMEOUT);
  if (x->error == LEAT_EDNSTIMEOUT) x->layer = LEAT_LAYER_DNS;
}

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

static void consider_reading(const lti_request *r, earliest *x) {
  const leat_deadlines *d = r->deadlines;
  /* Bytes of framing and of half a TLS record are bytes of the response too. */
  uint64_t byte_ns = later(r->since_ns, r->exchange.received_ns);
  consider(x, byte_ns, d->idle_ms, LEAT_EIDLETIMEOUT);
  if (r->content_seen)
    consider(x, later(r->since_ns, r->last_content_ns), d->gap_ms, LEAT_EGAPTIMEOUT);
  else
    consider(x, r->since_ns, d->first_ms, LEAT_EFIRSTTIMEOUT);
}

/* A body from a source may take its time while it moves. */
static void consider_head(const lti_request *r, earliest *x) {
  uint64_t from_ns = r->times.leased_ns;
  uint64_t moved_ns = r->upload ? lti_upload_moved_ns(r->upload) : 0;
  if (moved_ns > from_ns) from_ns = moved_ns;
  consider(x, from_ns, r->deadlines->head_ms, LEAT_EHEADTIMEOUT);
}

static earliest find_earliest(const lti_request *r) {
  const leat_deadlines *d = r->deadlines;
  earliest x = {.at = UINT64_MAX, .error = LEAT_OK, .layer = LEAT_LAYER_PROVIDER};
  bool waits_for_reader = r->paused || !lti_hold_empty(&r->hold);
  if (r->state == REQUEST_FINISHED && !waits_for_reader) return x;
  /* A socket is not read while one of its turns has paused. */
  if (!r->paused && !(r->socket && r->exchange.paused)) {
    switch (r->state) {
      case REQUEST_QUEUED: consider_queue(r, &x); break;
      case REQUEST_SENT: consider_head(r, &x); break;
      case REQUEST_READING: consider_reading(r, &x); break;
      case REQUEST_REFUSED:
        /* Why a request was refused is not worth a long wait. */
        consider(&x, r->times.head_ns, 5000, LEAT_ESTATUS);
        break;
      case REQUEST_BACKOFF: x.at = r->backoff_until; break;
      case REQUEST_FINISHED: break;
    }
  }
  consider(&x, r->times.queued_ns, d->total_ms, LEAT_ETOTALTIMEOUT);
  return x;
}

void lti_deadline_arm(lti_request *r) {
  lti_alarm_set(&r->item.engine->alarms, &r->alarm, find_earliest(r).at);
}

/* The total passed while a reader slept over what had come: it does not get the rest. */
static void expire_finished(lti_request *r) {
  lti_response_hold_clear(r);
  r->paused = false;
  r->error = LEAT_ETOTALTIMEOUT;
  r->layer = LEAT_LAYER_API;
  r->retryable = false;
  r->state = REQUEST_READING;
  lti_request_finish(r, &(lti_failure){.error = LEAT_ETOTALTIMEOUT, .layer = LEAT_LAYER_API});
}

static void expire(lti_request *r, const earliest *x) {
  if (x->error == LEAT_EDNSTIMEOUT &&
      !lti_pool_resolving(r->lease.origin ? r->lease.origin : r->origin, &r->lease)) {
    r->name_known = true; /* this clock has stopped: the next one counts */
    lti_deadline_arm(r);
    return;
  }
  if (x->error == LEAT_ETOTALTIMEOUT) {
    r->paused = false;
    lti_response_hold_clear(r);
  }
  if (r->state == REQUEST_QUEUED && r->lease.connect_ns) r->attempts++;
  lti_request_detach(r, false);
  if (x->error == LEAT_ESTATUS)
    lti_response_refused(r);
  else if (r->state == REQUEST_BACKOFF) /* whether to repeat was decided when it began */
    lti_request_finish(r, &(lti_failure){.error = x->error, .layer = LEAT_LAYER_API});
  else
    lti_request_settle(r, &(lti_failure){.error = x->error, .layer = x->layer});
}

/* The loop was held up, by a callback that blocked or a host that slept: what came in time may lie
 * unread in the socket. Once for each deadline, reading goes first. */
static bool excuse(lti_request *r, const earliest *x, uint64_t now_ns) {
  if (now_ns - x->at < LATE_NS || r->excused_ns == x->at) return false;
  r->excused_ns = x->at;
  lti_alarm_set(&r->item.engine->alarms, &r->alarm, now_ns + MS_NS);
  return true;
}

void lti_deadline_fire(lti_alarm *alarm, uint64_t now_ns) {
  lti_request *r = LTI_CONTAINER_OF(alarm, lti_request, alarm);
  earliest x = find_earliest(r);
  if (x.at > now_ns) {
    lti_alarm_set(&r->item.engine->alarms, &r->alarm, x.at);
    return;
  }
  if (r->state == REQUEST_FINISHED) {
    expire_finished(r);
  } else if (r->state == REQUEST_BACKOFF && x.error == LEAT_OK) {
    lti_watch_settle(r);
    if (r->state == REQUEST_BACKOFF) lti_request_again(r, true);
  } else if (!excuse(r, &x, now_ns)) {
    expire(r, &x);
  }
}
