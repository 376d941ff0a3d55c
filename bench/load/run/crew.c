/* The threads and what they share: started together, waited for together, added up. */
#include "crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/result/certificate.h"
#include "bench/load/run/machine.h"
#include "bench/load/run/runner.h"
#include "bindings/cli/failure.h"
#include "bindings/cli/say.h"

#define THREADS_MAX  256
#define HEADSTART_NS UINT64_C(2000000) /* so that all threads are there when it begins */

struct crew {
  crew_plan plan;
  runner_shared shared;
  runner *runners[THREADS_MAX];
  machine_counters counters;
  double begun_at;
};

/* What a shard has of a number that all of them keep to together. */
static uint64_t part_of(const crew_plan *plan, uint64_t all) {
  uint64_t shards = (uint64_t)plan->shards;
  return all == UINT64_MAX ? all : all / shards + (all % shards > (uint64_t)plan->shard);
}

/* How many requests this process may begin: a shard of a closed loop has its part of them, an open
 * loop's are those of its schedule. */
static uint64_t most_of(const crew_plan *plan) {
  const shape_spec *spec = plan->shape;
  if (spec->kind != RESULT_CLOSED || spec->requests == UINT64_MAX) return UINT64_MAX;
  return part_of(plan, spec->requests) + spec->warmup_requests;
}

static void free_crew(crew *c) {
  for (size_t i = 0; i < c->shared.count; i++) {
    if (!c->runners[i]) continue;
    runner_deinit(c->runners[i]);
    free(c->runners[i]);
  }
  free(c);
}

static bool make_runners(crew *c) {
  c->shared.count = (size_t)c->plan.threads;
  for (size_t i = 0; i < c->shared.count; i++) {
    c->runners[i] = calloc(1, sizeof *c->runners[i]);
    if (!c->runners[i]) {
      cli_say("no memory for %zu threads", c->shared.count);
      return false;
    }
    if (!runner_init(c->runners[i], &c->shared, i)) return false;
  }
  return true;
}

static void wait_all(crew *c) {
  for (size_t i = 0; i < c->shared.count; i++) {
    if (c->runners[i]->started) pthread_join(c->runners[i]->pthread, NULL);
    c->runners[i]->started = false;
  }
}

static bool start_all(crew *c) {
  uint64_t now_ns = uv_hrtime();
  c->shared.begin_ns = c->plan.start_at_ns > now_ns ? c->plan.start_at_ns : now_ns;
  if (c->shared.count > 1) c->shared.begin_ns += HEADSTART_NS;
  for (size_t i = 0; i < c->shared.count; i++) {
    runner *r = c->runners[i];
    int error = pthread_create(&r->pthread, NULL, runner_main, r);
    r->started = error == 0;
    if (error == 0) continue;
    cli_say("cannot start thread %zu: %s", i + 1, strerror(error));
    crew_stop(c);
    wait_all(c);
    return false;
  }
  return true;
}

crew *crew_open(const crew_plan *plan) {
  crew *c = calloc(1, sizeof *c);
  if (!c || plan->threads < 1 || plan->threads > THREADS_MAX) {
    cli_say("no memory for %d threads", plan->threads);
    free(c);
    return NULL;
  }
  c->plan = *plan;
  c->shared.plan = &c->plan;
  c->shared.runners = c->runners;
  c->shared.most = most_of(plan);
  uint64_t cap = part_of(plan, plan->shape->cap);
  atomic_store(&c->shared.room, cap > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)cap);
  machine_count(&c->counters);
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  c->begun_at = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9;
  if (make_runners(c) && start_all(c)) return c;
  free_crew(c);
  return NULL;
}

void crew_stop(crew *c) {
  atomic_store(&c->shared.stopping, true);
  for (size_t i = 0; i < c->shared.count; i++) runner_wake(c->runners[i]);
}

bool crew_over(const crew *c) {
  return atomic_load(&c->shared.over) == c->shared.count;
}

size_t crew_threads(const crew *c) {
  return c->shared.count;
}

const pulse *crew_pulse(const crew *c, size_t thread) {
  return &c->runners[thread]->pulse;
}

/* --- the sum --- */

static void add_stats(result_point *p, const runner *r) {
  const leat_stats *a = &r->before, *b = &r->after;
  p->conns.opened += b->conns_opened;
  p->conns.peak += b->conns_peak;
  p->conns.failed += b->conns_failed;
  p->conns.full_handshakes += b->handshakes_full;
  p->conns.resumed += b->handshakes_resumed;
  p->conns.http2 += b->conns_h2;
  p->volume.bytes_received += b->bytes_received - a->bytes_received;
  p->volume.bytes_sent += b->bytes_sent - a->bytes_sent;
  p->volume.content_bytes += b->content_bytes - a->content_bytes;
  p->process.copied_bytes += b->bytes_copied - a->bytes_copied;
  p->process.decrypted_bytes += b->bytes_decrypted - a->bytes_decrypted;
  p->process.user_s += r->user_s;
  p->process.system_s += r->system_s;
}

/* Allocations an event, over the threads that had a steady state. */
static double allocations_of(const crew *c) {
  uint64_t records = 0, allocations = 0;
  for (size_t i = 0; i < c->shared.count; i++) {
    const runner *r = c->runners[i];
    if (!r->measured_steady) continue;
    records += r->steady_to.records - r->steady_from.records;
    allocations += r->steady_to.allocations - r->steady_from.allocations;
  }
  return records ? (double)allocations / (double)records : -1;
}

/* A share of the worst thread, a count of all. */
static void add_reading(result_certificate *c, const gauge_reading *g) {
  double busy = g->wall_s > 0 ? g->busy_s / g->wall_s : 0;
  double cpu = g->wall_s > 0 ? g->cpu_s / g->wall_s : 0;
  double delay = g->wall_s > 0 ? (double)g->run_delay_us / 1e6 / g->wall_s : 0;
  if (busy > c->busy_share) c->busy_share = busy;
  if (cpu > c->cpu_share) c->cpu_share = cpu;
  if (g->run_delay_us < 0 || c->run_delay_us < 0) {
    c->run_delay_us = -1;
    c->run_delay_share = -1;
  } else {
    c->run_delay_us += g->run_delay_us;
    if (delay > c->run_delay_share) c->run_delay_share = delay;
  }
  c->stalls += g->stalls;
  if (g->stall_max_us > c->stall_max_us) c->stall_max_us = g->stall_max_us;
}

static void measure_window(crew *c, result_point *p) {
  uint64_t from_ns = atomic_load(&c->shared.measure_ns), to_ns = from_ns, end_ns = UINT64_MAX;
  for (size_t i = 0; i < c->shared.count; i++) {
    const runner *r = c->runners[i];
    if (r->measuring && r->score.end_ns > to_ns) to_ns = r->score.end_ns;
    if (r->end_ns < end_ns) end_ns = r->end_ns;
  }
  p->wall_s = (double)(to_ns - from_ns) / 1e9;
  p->window_s = p->wall_s;
  if (end_ns > from_ns && end_ns < to_ns) p->window_s = (double)(end_ns - from_ns) / 1e9;
}

/* Unknown until a thread has told its own. */
static void begin_readings(result_certificate *c) {
  c->run_delay_us = c->stalls = c->stall_max_us = 0;
  c->run_delay_share = 0;
}

static bool add_up(crew *c, result_point *p) {
  score *scores[THREADS_MAX];
  bool fine = true;
  shape_offer(c->plan.shape, &p->offer);
  p->goodput = c->plan.goodput;
  p->begun_at = c->begun_at;
  memset(&p->volume, 0, sizeof p->volume); /* what was unknown becomes a sum */
  memset(&p->lengths, 0, sizeof p->lengths);
  p->lengths.input_wanted = p->lengths.output_wanted = -1;
  begin_readings(&p->certificate);
  for (size_t i = 0; i < c->shared.count; i++) {
    scores[i] = &c->runners[i]->score;
    fine = score_add(p, scores[i]) && fine;
    add_stats(p, c->runners[i]);
    add_reading(&p->certificate, &c->runners[i]->reading);
  }
  p->counts.in_flight_peak = atomic_load(&c->shared.in_flight_peak);
  if (p->counts.answering_peak > p->counts.in_flight_peak)
    p->counts.answering_peak = p->counts.in_flight_peak; /* the threads' peaks lie apart */
  measure_window(c, p);
  p->drained = p->counts.cut == 0;
  p->certificate.missed = (int64_t)p->counts.missed;
  p->process.allocations_per_event = allocations_of(c);
  p->process.rss_peak_kb = machine_rss_peak_kb();
  bool http1 = c->plan.config->http == LEAT_HTTP_1 || p->conns.http2 == 0;
  if (c->plan.config->http == LEAT_HTTP_2) http1 = false;
  p->conns.allowed = (uint64_t)(http1 ? c->plan.config->conns_max : c->plan.config->h2_conns_max);
  machine_counters now;
  machine_count(&now);
  machine_certify(&c->counters, &now, &p->certificate);
  if (strncmp(c->plan.config->base_url ? c->plan.config->base_url : "", "unix:", 5) == 0)
    p->certificate.ports_max = -1;
  if (p->certificate.descriptors_peak >= 0) /* the connections are closed by now */
    p->certificate.descriptors_peak += (int64_t)p->conns.peak;
  fine = score_picture(p, scores, c->shared.count) && fine;
  if (!fine) cli_say("no memory for the result");
  certificate_judge(p);
  return fine;
}

int crew_close(crew *c, result_point *point) {
  wait_all(c);
  int refused = atomic_load(&c->shared.refused);
  if (refused) {
    const char *advice = cli_failure_advice(refused, 0);
    cli_say("%s%s%s", c->shared.refusal[0] ? c->shared.refusal : leat_error_text(refused),
            advice ? ": " : "", advice ? advice : "");
  } else if (point && !add_up(c, point)) {
    refused = LEAT_ENOMEM;
  }
  free_crew(c);
  return refused;
}
