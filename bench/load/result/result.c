/* The life of a result, and the figures that follow from its counts.
 *
 * What is not known is negative from the start, so that a run only fills in what it learned. */
#include "result.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "bindings/cli/program.h"
#include "wire/json.h"

result *result_new(void) {
  result *r = lti_alloc_zero(cli_program_alloc(), sizeof *r);
  if (!r) return NULL;
  r->shards = 1;
  r->clock_error_ms = -1;
  return r;
}

void result_free(result *r) {
  if (!r) return;
  for (size_t i = 0; i < r->point_count; i++) result_point_deinit(&r->points[i]);
  lti_alloc_put(cli_program_alloc(), r->points);
  lti_alloc_put(cli_program_alloc(), r->parts);
  lti_alloc_put(cli_program_alloc(), r->config);
  lti_alloc_put(cli_program_alloc(), r);
}

static void volume_init(result_volume *v) {
  v->input_tokens = v->output_tokens = v->reasoning_tokens = v->cached_tokens = -1;
}

static void lengths_init(result_lengths *l) {
  l->input_wanted = l->output_wanted = -1;
  l->input_min = l->input_max = l->output_min = l->output_max = -1;
  l->input_mean = l->input_sd = l->output_mean = l->output_sd = -1;
}

static void certificate_init(result_certificate *c) {
  c->lag_valid_us = c->lag_degraded_us = -1;
  c->busy_share = c->busy_valid = c->busy_degraded = c->cpu_share = -1;
  c->run_delay_us = -1;
  c->run_delay_share = c->steal_share = -1;
  c->stalls = c->stall_max_us = c->retransmits = -1;
  c->descriptors_max = c->descriptors_peak = c->ports_max = -1;
}

void result_point_init(result_point *p) {
  memset(p, 0, sizeof *p);
  p->offer.rate = -1;
  p->offer.concurrency = -1;
  p->drained = true;
  p->process.allocations_per_event = -1;
  volume_init(&p->volume);
  lengths_init(&p->lengths);
  certificate_init(&p->certificate);
}

result_point *result_add(result *r) {
  size_t size = r->point_count * sizeof *r->points;
  if (r->point_count == RESULT_POINTS_MAX) return NULL;
  result_point *points =
      lti_alloc_grow(cli_program_alloc(), r->points, size, size + sizeof *r->points);
  if (!points) return NULL;
  r->points = points;
  result_point *p = &points[r->point_count++];
  result_point_init(p);
  return p;
}

void result_point_deinit(result_point *p) {
  lti_alloc *alloc = cli_program_alloc();
  for (size_t i = 0; i < MEASURE_COUNT; i++) {
    lti_hist_free(p->latencies[i].sent);
    lti_hist_free(p->latencies[i].intended);
  }
  lti_hist_free(p->certificate.receive_lag);
  lti_hist_free(p->certificate.schedule_lag);
  lti_hist_free(p->certificate.kernel_lag);
  lti_alloc_put(alloc, p->timeline.slots);
  lti_alloc_put(alloc, p->dots);
  lti_alloc_put(alloc, p->tracks);
  result_point_init(p);
}

static double per_s(const result_point *p, double amount) {
  return p->wall_s > 0 ? amount / p->wall_s : 0;
}

double result_output_rate(const result_point *p) {
  return p->volume.output_tokens < 0 ? -1 : per_s(p, (double)p->volume.output_tokens);
}

double result_input_rate(const result_point *p) {
  return p->volume.input_tokens < 0 ? -1 : per_s(p, (double)p->volume.input_tokens);
}

double result_request_rate(const result_point *p) {
  return per_s(p, (double)p->counts.completed);
}

double result_event_rate(const result_point *p) {
  return per_s(p, (double)p->volume.events);
}

double result_error_rate(const result_point *p) {
  double ended = (double)p->counts.completed + (double)p->counts.failed;
  return ended > 0 ? (double)p->counts.failed / ended : 0;
}

double result_goodput_rate(const result_point *p) {
  return p->goodput.slo_count ? per_s(p, (double)p->goodput.good) : -1;
}

double result_goodput_share(const result_point *p) {
  if (!p->goodput.slo_count || !p->counts.started) return -1;
  return (double)p->goodput.good / (double)p->counts.started;
}

double result_tokens_per_event(const result_point *p) {
  const result_volume *v = &p->volume;
  if (v->output_tokens < 0 || v->usage_content_events == 0) return -1;
  return (double)v->output_tokens / (double)v->usage_content_events;
}

/* Decodes a JSON text. */
static bool text_of(leat_slice value, char *out, size_t size) {
  lti_json r;
  lti_json_text text;
  lti_buf scratch;
  leat_slice s;
  lti_json_init(&r, value);
  if (!lti_json_string(&r, &text)) return false;
  lti_buf_init(&scratch, cli_program_alloc(), value.size + 1, LEAT_EBODYMAX);
  bool fine = lti_json_decode(text, NULL, &scratch, &s) == LEAT_OK && s.size < size;
  if (fine) snprintf(out, size, "%.*s", (int)s.size, s.size ? s.data : "");
  lti_buf_deinit(&scratch);
  return fine;
}

bool result_option(const result *r, const char *name, char *out, size_t size) {
  char pointer[64];
  leat_slice value;
  snprintf(pointer, sizeof pointer, "/%s", name);
  if (!r->config || !lti_json_find(lti_slice_of(r->config), pointer, &value)) return false;
  if (value.size == 0 || lti_slice_is(value, "null")) return false;
  if (value.data[0] == '"') return text_of(value, out, size);
  if (value.size >= size) return false;
  snprintf(out, size, "%.*s", (int)value.size, value.data);
  return true;
}

const char *result_verdict_name(enum result_verdict verdict) {
  static const char *const names[] = {"valid", "degraded", "invalid"};
  assert((unsigned)verdict < sizeof names / sizeof names[0]);
  return names[verdict];
}

const char *result_shape_name(enum result_shape shape) {
  static const char *const names[] = {"closed", "open", "burst", "replay"};
  assert((unsigned)shape < sizeof names / sizeof names[0]);
  return names[shape];
}
