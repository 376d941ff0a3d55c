/* Placement: see place.h. */
#include "io/place.h"

/* RFC 9113 6.9.2 */
#define WINDOW_INITIAL 65535

/* A connection twice as slow to answer as another counts as fuller than one with so many streams
 * more. */
#define LATENCY_STREAMS 16

enum lti_place_verdict lti_place_judge(const lti_conn_load *load, uint64_t body_size) {
  if (load->room == 0) return LTI_PLACE_FULL;
  if (!load->settled && body_size > LTI_PLACE_SMALL) return LTI_PLACE_WAIT;
  if (body_size == 0) return LTI_PLACE_GOOD;
  return load->window >= 0 && (uint64_t)load->window >= body_size ? LTI_PLACE_GOOD
                                                                  : LTI_PLACE_STALLED;
}

bool lti_place_better(const lti_conn_load *a, const lti_conn_load *b, uint64_t body_size) {
  if (lti_place_judge(a, body_size) == LTI_PLACE_STALLED && a->window != b->window)
    return a->window > b->window;
  size_t load_a = a->active, load_b = b->active;
  if (a->latency_ns && b->latency_ns) {
    if (a->latency_ns / 2 > b->latency_ns) load_a += LATENCY_STREAMS;
    if (b->latency_ns / 2 > a->latency_ns) load_b += LATENCY_STREAMS;
  }
  return load_a < load_b;
}

bool lti_place_crawls(const lti_conn_load *load, uint64_t body_size) {
  return load->settled && load->window_peak <= WINDOW_INITIAL && body_size > WINDOW_INITIAL;
}
