/* The observer of the simulated world: see sim_watch.h. */
#include "sim/sim_watch.h"

#include <stdio.h>
#include <string.h>

#include "base/slice.h"

static sim_watched *find(sim_watch *x, leat_id id) {
  for (size_t i = 0; i < x->count; i++)
    if (x->seen[i].id == id) return &x->seen[i];
  return NULL;
}

static void drop(sim_watch *x, sim_watched *w) {
  *w = x->seen[--x->count];
}

static void look(sim_watch *x, const char *what) {
  if (x->client->inside) sim_client_fault(x->client, "%s comes inside a call", what);
}

static void make_mischief(sim_watch *x, const leat_attempt *attempt) {
  sim_client *c = x->client;
  if (c->mischief && attempt->user) c->mischief(c, attempt->user);
}

static size_t on_start(void *user, leat_engine *e, const leat_attempt *a, leat_header *extra,
                       size_t room) {
  sim_watch *x = user;
  sim_watched *w = find(x, a->id);
  (void)e;
  look(x, "a start");
  if (!w && x->count == SIM_WATCHED_MAX) {
    sim_client_fault(x->client, "too many requests are watched");
    return 0;
  }
  if (!w) {
    w = &x->seen[x->count++];
    *w = (sim_watched){.id = a->id, .last = 'R'};
  }
  if (w->last == 'S' && a->hops == w->hops)
    sim_client_fault(x->client, "two starts of attempt %u", a->number);
  w->starts++;
  w->hops = a->hops;
  w->last = 'S';
  if (w->starts != a->number + a->hops)
    sim_client_fault(x->client, "start %u is of attempt %u and hop %u", w->starts, a->number,
                     a->hops);
  snprintf(x->trace, sizeof x->trace, "00-%u", w->starts);
  if (room > 0) extra[0] = (leat_header){{"traceparent", 11}, lti_slice_of(x->trace)};
  make_mischief(x, a);
  return room > 0;
}

static void on_retry(void *user, leat_engine *e, const leat_attempt *a, int error,
                     int64_t wait_ms) {
  sim_watch *x = user;
  sim_watched *w = find(x, a->id);
  (void)e;
  look(x, "a retry");
  if (!w || w->last != 'S') sim_client_fault(x->client, "a retry without a start");
  if (error >= 0 || wait_ms < 0) sim_client_fault(x->client, "a retry without a reason");
  if (w) w->last = 'R';
  make_mischief(x, a);
}

static void on_done(void *user, leat_engine *e, leat_id id, const leat_result *result) {
  sim_watch *x = user;
  sim_watched *w = find(x, id);
  (void)e;
  look(x, "a done");
  unsigned starts = w ? w->starts : 0;
  if (starts != result->attempts + result->redirects)
    sim_client_fault(x->client, "%u starts of %u attempts and %u redirects", starts,
                     result->attempts, result->redirects);
  if (w) drop(x, w);
}

static int give_key(void *user, leat_engine *e, const leat_attempt *a, leat_slice *key) {
  sim_watch *x = user;
  const sim_watched *w = find(x, a->id);
  (void)e;
  look(x, "a key");
  if (!w || w->last != 'S') sim_client_fault(x->client, "a key is asked for before its start");
  snprintf(x->key, sizeof x->key, "sk-sim-%u", ++x->keys);
  *key = lti_slice_of(x->key);
  make_mischief(x, a);
  return LEAT_OK;
}

void sim_watch_client(sim_watch *x, sim_client *c) {
  memset(x, 0, sizeof *x);
  x->client = c;
  x->observer = (leat_observer){on_start, on_retry, on_done, x};
  c->config.observer = &x->observer;
  c->config.key = give_key;
  c->config.key_user = x;
  c->config.metrics = true;
}

void sim_watch_check(const sim_watch *x) {
  if (x->count) sim_client_fault(x->client, "%zu requests were started and are not done", x->count);
}
