/* Placement: see place.h. */
#include "io/place.h"

/* RFC 9113 6.9.2 */
#define WINDOW_INITIAL 65535

/* A connection twice as slow to answer as another counts as fuller than one with so many streams
 * more. */
#define LATENCY_STREAMS 16

/* One that has not said a word of HTTP/2 may never say one: it counts as fuller, too. */
#define SILENT_STREAMS 16

/* What an idle connection lets through at once, at the least: peers give a window back when about
 * half of it is used up. */
static uint64_t window_of_idle(int64_t window_peak) {
  return (uint64_t)(window_peak > WINDOW_INITIAL ? window_peak : WINDOW_INITIAL) / 2;
}

enum lti_place_verdict lti_place_judge(const lti_conn_load *load, uint64_t body_size) {
  if (load->room == 0) return LTI_PLACE_FULL;
  if (!load->settled && body_size > LTI_PLACE_SMALL) return LTI_PLACE_WAIT;
  uint64_t wanted = window_of_idle(load->window_peak);
  if (wanted > body_size) wanted = body_size;
  return wanted == 0 || load->window >= (int64_t)wanted ? LTI_PLACE_GOOD : LTI_PLACE_STALLED;
}

bool lti_place_fills(int64_t window_peak, uint64_t body_size) {
  return body_size > window_of_idle(window_peak);
}

bool lti_place_hauls(int64_t window_peak, uint64_t body_size) {
  return body_size > WINDOW_INITIAL && lti_place_fills(window_peak, body_size);
}

bool lti_place_better(const lti_conn_load *a, const lti_conn_load *b, uint64_t body_size) {
  if (lti_place_judge(a, body_size) == LTI_PLACE_STALLED && a->window != b->window)
    return a->window > b->window;
  size_t load_a = a->active + (a->settled ? 0 : SILENT_STREAMS);
  size_t load_b = b->active + (b->settled ? 0 : SILENT_STREAMS);
  if (a->latency_ns && b->latency_ns) {
    if (a->latency_ns / 2 > b->latency_ns) load_a += LATENCY_STREAMS;
    if (b->latency_ns / 2 > a->latency_ns) load_b += LATENCY_STREAMS;
  }
  return load_a < load_b;
}

bool lti_place_crawls(int64_t window_peak, uint64_t body_size) {
  return window_peak > 0 && window_peak <= WINDOW_INITIAL && body_size > WINDOW_INITIAL;
}
