/* Results made up from a seed: latencies lie as those of a server that has a queue. */
#include "load/sample.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/prng.h"
#include "bench/load/result/certificate.h"
#include "bindings/cli/program.h"

#define SLOTS  60
#define TRACKS 8

/* One load as the sample knows it. */
typedef struct scene {
  lti_prng r;
  double rate, stretch; /* requests/s; how much slower than an idle server */
  uint64_t requests;
  bool open, usage;
} scene;

#define SAY(array, ...) snprintf(array, sizeof(array), __VA_ARGS__)

/* Log-normal, by the sum of twelve. */
static double spread(lti_prng *r, double median, double sigma) {
  double z = -6;
  for (int i = 0; i < 12; i++) z += lti_prng_unit(r);
  return median * exp(sigma * z);
}

static lti_hist *hist_of(scene *s, uint64_t count, double median_us, double sigma) {
  lti_hist *h = lti_hist_new(cli_program_alloc());
  for (uint64_t i = 0; h && i < count; i++)
    lti_hist_record(h, (uint64_t)spread(&s->r, median_us, sigma));
  return h;
}

static bool make_latencies(scene *s, result_point *p) {
  static const struct {
    enum measure measure;
    double median_us, sigma;
    unsigned times; /* samples a request; 0: one for each of 16 */
  } rows[] = {{MEASURE_TTFT, 52000, 0.12, 1}, {MEASURE_TTFO, 54000, 0.12, 1},
              {MEASURE_TTST, 10100, 0.05, 1}, {MEASURE_ITL, 10050, 0.06, 19},
              {MEASURE_TPOT, 10060, 0.03, 1}, {MEASURE_E2E, 243000, 0.05, 1},
              {MEASURE_QUEUE, 40, 0.8, 1},    {MEASURE_CONNECT, 310, 0.3, 0},
              {MEASURE_TLS, 2900, 0.2, 0},    {MEASURE_HEAD, 47000, 0.12, 1}};
  bool fine = true;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    enum measure m = rows[i].measure;
    bool stretched = rows[i].times == 1 && m != MEASURE_QUEUE;
    double median = rows[i].median_us * (stretched ? s->stretch : 1);
    uint64_t count = rows[i].times ? rows[i].times * s->requests : 16;
    if (m == MEASURE_TPOT && !s->usage) continue;
    p->latencies[m].sent = hist_of(s, count, median, rows[i].sigma);
    fine = fine && p->latencies[m].sent;
    if (!s->open || !measure_at(m)->intended) continue;
    p->latencies[m].intended = hist_of(s, count, median * 1.01 + 120, rows[i].sigma * 1.1);
    fine = fine && p->latencies[m].intended;
  }
  return fine;
}

static void make_counts(const scene *s, result_point *p) {
  result_volume *v = &p->volume;
  p->counts.started = p->counts.completed = s->requests;
  p->counts.warmup = 20;
  p->counts.in_flight_peak = (uint64_t)fmax(1, s->rate * 0.243 * s->stretch);
  p->counts.answering_peak = p->counts.in_flight_peak;
  v->content_events = 20 * s->requests;
  v->events = v->content_events + 3 * s->requests;
  v->content_bytes = 62 * v->content_events;
  v->bytes_received = 187 * v->events;
  v->bytes_sent = 412 * s->requests;
  if (!s->usage) return;
  v->usage_answers = s->requests;
  v->usage_content_events = v->content_events;
  v->input_tokens = (int64_t)(128 * s->requests);
  v->output_tokens = (int64_t)(24 * s->requests);
  v->reasoning_tokens = (int64_t)(4 * s->requests);
  v->cached_tokens = (int64_t)(16 * s->requests);
  p->lengths = (result_lengths){128, 24, 121, 137, 9, 31, 128.03, 2.61, 24.0, 3.125, ""};
}

static void make_costs(result_point *p) {
  p->conns = (result_conns){.opened = 16,
                            .peak = 16,
                            .full_handshakes = 1,
                            .resumed = 15,
                            .http2 = 16,
                            .requests_http2 = p->counts.started};
  p->process = (result_process){.user_s = 0.4375 * p->wall_s / 10,
                                .system_s = 0.21 * p->wall_s / 10,
                                .rss_peak_kb = 23552,
                                .copied_bytes = 4242,
                                .decrypted_bytes = p->volume.bytes_received,
                                .allocations_per_event = 0.001};
}

static bool make_certificate(scene *s, result_point *p, double lag_us) {
  result_certificate *c = &p->certificate;
  c->receive_lag = hist_of(s, p->volume.events, lag_us, 0.5);
  if (s->open) c->schedule_lag = hist_of(s, s->requests, 35, 0.4);
  c->busy_share = fmin(0.995, 0.0002 * s->rate + lag_us / 3000);
  c->cpu_share = c->busy_share * 0.93;
  c->run_delay_us = (int64_t)(lag_us * 100);
  c->run_delay_share = 0.0021;
  c->missed = c->stalls = 0;
  c->stall_max_us = 0;
  c->steal_share = 0.0005;
  c->retransmits = 2;
  c->descriptors_max = 1024;
  c->descriptors_peak = 41;
  c->ports_max = 28232;
  SAY(c->clock, "tsc");
  certificate_judge(p);
  return c->receive_lag && (!s->open || c->schedule_lag);
}

static bool make_timeline(scene *s, result_point *p) {
  result_timeline *t = &p->timeline;
  t->slots = lti_alloc_zero(cli_program_alloc(), SLOTS * sizeof *t->slots);
  if (!t->slots) return false;
  t->count = SLOTS;
  t->slot_s = p->wall_s / SLOTS;
  for (size_t i = 0; i < SLOTS; i++) {
    result_slot *slot = &t->slots[i];
    uint32_t n = (uint32_t)(s->requests / SLOTS);
    bool begins = i == 0;
    slot->started = n;
    slot->completed = begins ? 0 : n;
    slot->in_flight = (uint32_t)p->counts.in_flight_peak;
    slot->events = 23 * (uint64_t)slot->completed;
    slot->output_tokens = s->usage ? 24 * (uint64_t)slot->completed : 0;
    slot->ttft_p50_us = begins ? -1 : (int32_t)spread(&s->r, 52000 * s->stretch, 0.02);
    slot->ttft_p99_us = begins ? -1 : (int32_t)spread(&s->r, 70000 * s->stretch, 0.1);
    slot->itl_p50_us = begins ? -1 : (int32_t)spread(&s->r, 10050, 0.01);
    slot->itl_p99_us = begins ? -1 : (int32_t)spread(&s->r, 11400, 0.05);
    slot->lag_max_us = begins ? -1 : (int32_t)spread(&s->r, 240, 0.4);
  }
  return true;
}

static bool make_dots(scene *s, result_point *p) {
  size_t count = s->requests < 500 ? s->requests : 500;
  p->dots = lti_alloc_zero(cli_program_alloc(), count * sizeof *p->dots);
  if (!p->dots) return false;
  p->dot_count = count;
  for (size_t i = 0; i < count; i++) {
    result_dot *d = &p->dots[i];
    d->start_s = (float)(p->wall_s * lti_prng_unit(&s->r));
    d->ttft_ms = (float)spread(&s->r, 52 * s->stretch, 0.12);
    d->e2e_ms = d->ttft_ms + (float)spread(&s->r, 191, 0.03);
    if (i % 97 != 96 || p->counts.failed == 0) continue;
    d->error = LEAT_ETRUNCATED;
    d->e2e_ms = -1;
  }
  return true;
}

static bool make_tracks(scene *s, result_point *p) {
  p->tracks = lti_alloc_zero(cli_program_alloc(), TRACKS * sizeof *p->tracks);
  if (!p->tracks) return false;
  p->track_count = TRACKS;
  for (size_t i = 0; i < TRACKS; i++) {
    result_track *t = &p->tracks[i];
    bool fails = i == TRACKS - 1 && p->counts.failed > 0, reused = i > 0;
    double at = spread(&s->r, 52000 * s->stretch, 0.1);
    t->index = i * (s->requests / TRACKS);
    t->sent_us = reused ? 30 : 3300;
    t->connected_us = reused ? -1 : 310;
    t->tls_us = reused ? -1 : 3270;
    t->head_us = (int64_t)at - 4000;
    t->first_us = (int64_t)at;
    t->count = fails ? 7 : 20;
    for (size_t k = 0; k < t->count; k++, at += spread(&s->r, 10050, 0.06))
      t->steps_us[k] = (uint32_t)at;
    t->last_us = t->steps_us[t->count - 1];
    t->done_us = t->last_us + (fails ? 2500 : 210);
    t->error = fails ? LEAT_ETRUNCATED : 0;
  }
  return true;
}

static void add_failures(result_point *p) {
  result_counts *n = &p->counts;
  n->failed = 6;
  n->truncated = 4;
  n->retried = 3;
  n->completed = n->started - n->failed;
  p->error_count = 2;
  SAY(p->errors[0].name, "LEAT_ETRUNCATED");
  SAY(p->errors[0].kind, "stream");
  SAY(p->errors[0].message, "the connection ended before the answer did: 7 of its events had come");
  p->errors[0].count = 4;
  SAY(p->errors[1].name, "LEAT_ESTATUS");
  SAY(p->errors[1].kind, "status");
  SAY(p->errors[1].message,
      "HTTP 503, \"over\" capacity, try again <later> & \xc3\xa9\xe2\x82\xac");
  p->errors[1].count = 2;
  p->status_count = 2;
  p->statuses[0] = (result_status){200, n->started - 2};
  p->statuses[1] = (result_status){503, 2};
}

static void add_levels(result_point *p) {
  p->goodput.slo_count = 2;
  p->goodput.slos[0] = (result_slo){MEASURE_TTFT, 80, p->counts.completed - 3};
  p->goodput.slos[1] = (result_slo){MEASURE_E2E, 300, p->counts.completed - 9};
  p->goodput.good = p->counts.completed - 11;
}

static void make_offer(const scene *s, result_point *p) {
  result_offer *o = &p->offer;
  o->shape = s->open ? RESULT_OPEN : RESULT_CLOSED;
  o->burstiness = 1;
  if (s->open) {
    o->rate = s->rate;
    SAY(o->label, "rate %g/s", s->rate);
    SAY(o->arrivals, "poisson");
  } else {
    o->concurrency = 100;
    SAY(o->label, "concurrency 100");
  }
}

static result_point *add_point(result *r, scene *s, double lag_us) {
  result_point *p = result_add(r);
  if (!p) return NULL;
  s->requests = (uint64_t)(s->rate * 10);
  p->window_s = 10;
  p->wall_s = 10.25;
  p->begun_at = 1767323045.125 + 20 * (double)(r->point_count - 1);
  make_offer(s, p);
  make_counts(s, p);
  make_costs(p);
  p->status_count = 1;
  p->statuses[0] = (result_status){200, s->requests};
  bool fine = make_latencies(s, p) && make_timeline(s, p) && make_dots(s, p) && make_tracks(s, p);
  return make_certificate(s, p, lag_us) && fine ? p : NULL;
}

static bool make_points(result *r, enum sample_kind kind, scene *s) {
  static const double rates[] = {10, 20, 40, 80, 160, 320};
  static const double stretches[] = {1, 1.01, 1.04, 1.15, 1.8, 7};
  result_point *p;
  switch (kind) {
    case SAMPLE_CLOSED: s->rate = 80; return add_point(r, s, 40) != NULL;
    case SAMPLE_NO_USAGE:
      s->rate = 80;
      s->usage = false;
      p = add_point(r, s, 40);
      if (p) p->certificate.ports_max = -1;
      return p != NULL;
    case SAMPLE_OPEN:
      s->rate = 40;
      s->open = true;
      p = add_point(r, s, 450);
      if (!p) return false;
      add_failures(p);
      add_levels(p);
      return true;
    case SAMPLE_SWEEP:
      s->open = true;
      for (size_t i = 0; i < 6; i++) {
        s->rate = rates[i];
        s->stretch = stretches[i];
        if (!add_point(r, s, i == 5 ? 14000 : 30)) return false;
      }
      r->knee = (result_knee){.searched = true, .found = true, .point = 3};
      SAY(r->knee.level, "ttft.p99<90ms");
      return true;
    case SAMPLE_EMPTY: break;
  }
  r->interrupted = true;
  p = result_add(r);
  if (p) certificate_judge(p);
  return p != NULL;
}

result *sample_make(enum sample_kind kind, uint64_t seed) {
  scene s = {.stretch = 1, .usage = true};
  result *r = result_new();
  if (!r) return NULL;
  lti_prng_seed(&s.r, seed);
  s.stretch = 1 + 0.004 * (double)(seed % 7);
  r->seed = (int64_t)seed;
  r->repeat = 0;
  r->machine.cores = 4;
  r->machine.threads = 1;
  r->machine.memory_kb = 8130432;
  SAY(r->title, "%s", kind == SAMPLE_SWEEP ? "A sweep over rates" : "");
  SAY(r->machine.system, "Linux 6.1.0 x86_64");
  SAY(r->machine.processor, "A processor at 3.00GHz");
  SAY(r->machine.versions, "leat 0.1.0, libuv 1.44.2, mbedTLS 2.28.3, nghttp2 1.52.0");
  r->config = lti_alloc_text(cli_program_alloc(),
                             lti_slice_of("{\"base-url\":\"https://gateway.example/v1\","
                                          "\"protocol\":\"openai-chat\",\"model\":\"m-1\","
                                          "\"connections\":16,\"seed\":1}"));
  if (r->config && make_points(r, kind, &s)) return r;
  result_free(r);
  return NULL;
}
