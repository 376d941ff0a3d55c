/* Tables, and one writer and one reader for each kind of member. Numbers are written with the
 * digits that bring back the same value. */
#include "result_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(type, member, kind) \
  { #member, RESULT_FIELD_##kind, offsetof(type, member), sizeof((type *)0)->member }
#define TABLE(name)                                        \
  const result_fields result_fields_##name = {name##_rows, \
                                              sizeof name##_rows / sizeof name##_rows[0]}

static const result_field head_rows[] = {
    AT(result, title, TEXT),      AT(result, seed, I64),
    AT(result, shard, INT),       AT(result, shards, INT),
    AT(result, repeat, SIZE),     AT(result, clock_error_ms, REAL_OR_NULL),
    AT(result, interrupted, BOOL)};
TABLE(head);

static const result_field machine_rows[] = {
    AT(result_machine, system, TEXT),   AT(result_machine, processor, TEXT),
    AT(result_machine, cores, I64),     AT(result_machine, threads, I64),
    AT(result_machine, memory_kb, I64), AT(result_machine, versions, TEXT)};
TABLE(machine);

static const result_field knee_rows[] = {AT(result_knee, searched, BOOL),
                                         AT(result_knee, found, BOOL), AT(result_knee, point, SIZE),
                                         AT(result_knee, level, TEXT)};
TABLE(knee);

static const result_field point_rows[] = {
    AT(result_point, drained, BOOL), AT(result_point, wall_s, REAL),
    AT(result_point, window_s, REAL), AT(result_point, begun_at, REAL)};
TABLE(point);

static const result_field offer_rows[] = {
    AT(result_offer, shape, SHAPE),       AT(result_offer, label, TEXT),
    AT(result_offer, rate, REAL_OR_NULL), AT(result_offer, concurrency, I64_OR_NULL),
    AT(result_offer, arrivals, TEXT),     AT(result_offer, burstiness, REAL)};
TABLE(offer);

static const result_field counts_rows[] = {
    AT(result_counts, started, U64),       AT(result_counts, completed, U64),
    AT(result_counts, failed, U64),        AT(result_counts, cancelled, U64),
    AT(result_counts, cut, U64),           AT(result_counts, truncated, U64),
    AT(result_counts, retried, U64),       AT(result_counts, warmup, U64),
    AT(result_counts, late, U64),          AT(result_counts, missed, U64),
    AT(result_counts, sessions, U64),      AT(result_counts, in_flight_peak, U64),
    AT(result_counts, answering_peak, U64)};
TABLE(counts);

static const result_field volume_rows[] = {AT(result_volume, events, U64),
                                           AT(result_volume, content_events, U64),
                                           AT(result_volume, content_bytes, U64),
                                           AT(result_volume, bytes_received, U64),
                                           AT(result_volume, bytes_sent, U64),
                                           AT(result_volume, usage_answers, U64),
                                           AT(result_volume, input_tokens, I64_OR_NULL),
                                           AT(result_volume, output_tokens, I64_OR_NULL),
                                           AT(result_volume, reasoning_tokens, I64_OR_NULL),
                                           AT(result_volume, cached_tokens, I64_OR_NULL),
                                           AT(result_volume, usage_content_events, U64)};
TABLE(volume);

static const result_field conns_rows[] = {
    AT(result_conns, opened, U64),         AT(result_conns, peak, U64),
    AT(result_conns, failed, U64),         AT(result_conns, full_handshakes, U64),
    AT(result_conns, resumed, U64),        AT(result_conns, http2, U64),
    AT(result_conns, requests_http1, U64), AT(result_conns, requests_http2, U64),
    AT(result_conns, allowed, U64)};
TABLE(conns);

static const result_field process_rows[] = {
    AT(result_process, user_s, REAL),
    AT(result_process, system_s, REAL),
    AT(result_process, rss_peak_kb, U64),
    AT(result_process, copied_bytes, U64),
    AT(result_process, decrypted_bytes, U64),
    AT(result_process, allocations_per_event, REAL_OR_NULL)};
TABLE(process);

static const result_field lengths_rows[] = {AT(result_lengths, input_wanted, I64_OR_NULL),
                                            AT(result_lengths, output_wanted, I64_OR_NULL),
                                            AT(result_lengths, input_min, I64_OR_NULL),
                                            AT(result_lengths, input_max, I64_OR_NULL),
                                            AT(result_lengths, input_mean, REAL_OR_NULL),
                                            AT(result_lengths, input_sd, REAL_OR_NULL),
                                            AT(result_lengths, output_min, I64_OR_NULL),
                                            AT(result_lengths, output_max, I64_OR_NULL),
                                            AT(result_lengths, output_mean, REAL_OR_NULL),
                                            AT(result_lengths, output_sd, REAL_OR_NULL),
                                            AT(result_lengths, note, TEXT)};
TABLE(lengths);

static const result_field certificate_rows[] = {
    AT(result_certificate, verdict, VERDICT),
    AT(result_certificate, lag_valid_us, REAL_OR_NULL),
    AT(result_certificate, lag_degraded_us, REAL_OR_NULL),
    AT(result_certificate, busy_share, REAL_OR_NULL),
    AT(result_certificate, busy_valid, REAL_OR_NULL),
    AT(result_certificate, busy_degraded, REAL_OR_NULL),
    AT(result_certificate, cpu_share, REAL_OR_NULL),
    AT(result_certificate, run_delay_us, I64_OR_NULL),
    AT(result_certificate, run_delay_share, REAL_OR_NULL),
    AT(result_certificate, missed, I64_OR_NULL),
    AT(result_certificate, stalls, I64_OR_NULL),
    AT(result_certificate, stall_max_us, I64_OR_NULL),
    AT(result_certificate, steal_share, REAL_OR_NULL),
    AT(result_certificate, retransmits, I64_OR_NULL),
    AT(result_certificate, descriptors_max, I64_OR_NULL),
    AT(result_certificate, descriptors_peak, I64_OR_NULL),
    AT(result_certificate, ports_max, I64_OR_NULL),
    AT(result_certificate, clock, TEXT)};
TABLE(certificate);

static const result_field reason_rows[] = {AT(result_reason, verdict, VERDICT),
                                           AT(result_reason, text, TEXT),
                                           AT(result_reason, advice, TEXT)};
TABLE(reason);

static const result_field error_rows[] = {
    {"error", RESULT_FIELD_TEXT, offsetof(result_error, name), sizeof((result_error *)0)->name},
    AT(result_error, kind, TEXT),
    AT(result_error, count, U64),
    AT(result_error, message, TEXT)};
TABLE(error);

static const result_field status_rows[] = {AT(result_status, status, INT),
                                           AT(result_status, count, U64)};
TABLE(status);

static const result_field slo_rows[] = {AT(result_slo, measure, MEASURE),
                                        AT(result_slo, limit_ms, REAL), AT(result_slo, met, U64)};
TABLE(slo);

static const result_field slot_rows[] = {AT(result_slot, started, U32),
                                         AT(result_slot, completed, U32),
                                         AT(result_slot, failed, U32),
                                         AT(result_slot, in_flight, U32),
                                         AT(result_slot, events, U64),
                                         AT(result_slot, output_tokens, U64),
                                         AT(result_slot, ttft_p50_us, I32_OR_NULL),
                                         AT(result_slot, ttft_p99_us, I32_OR_NULL),
                                         AT(result_slot, itl_p50_us, I32_OR_NULL),
                                         AT(result_slot, itl_p99_us, I32_OR_NULL),
                                         AT(result_slot, lag_max_us, I32_OR_NULL)};
TABLE(slot);

static const result_field dot_rows[] = {
    AT(result_dot, start_s, FLOAT_OR_NULL), AT(result_dot, ttft_ms, FLOAT_OR_NULL),
    AT(result_dot, e2e_ms, FLOAT_OR_NULL), AT(result_dot, error, I32)};
TABLE(dot);

static const result_field track_rows[] = {AT(result_track, index, U64),
                                          AT(result_track, error, I32),
                                          AT(result_track, sent_us, I64_OR_NULL),
                                          AT(result_track, connected_us, I64_OR_NULL),
                                          AT(result_track, tls_us, I64_OR_NULL),
                                          AT(result_track, head_us, I64_OR_NULL),
                                          AT(result_track, first_us, I64_OR_NULL),
                                          AT(result_track, last_us, I64_OR_NULL),
                                          AT(result_track, done_us, I64_OR_NULL)};
TABLE(track);

static const result_field part_rows[] = {
    AT(result_part, shard, INT), AT(result_part, verdict, VERDICT), AT(result_part, begun_at, REAL),
    AT(result_part, clock_error_ms, REAL_OR_NULL), AT(result_part, system, TEXT)};
TABLE(part);

/* --- writing --- */

/* The text of an array of fixed size, without a character that did not fit whole. */
static leat_slice text_of(const char *text, size_t size) {
  leat_slice s = lti_slice(text, strnlen(text, size));
  for (int i = 0; i < 3 && s.size > 0 && !lti_slice_is_utf8(s); i++) s.size--;
  return lti_slice_is_utf8(s) ? s : lti_slice(text, strnlen(text, size));
}

static void put_real(cli_jsonw *w, const char *key, double value, bool or_null) {
  if (or_null && value < 0)
    cli_jsonw_null(w, key);
  else
    cli_jsonw_double(w, key, value);
}

/* The fewest digits that bring back the same float. */
static void put_float(cli_jsonw *w, const char *key, float value) {
  char text[32];
  if (!isfinite(value) || value < 0) {
    cli_jsonw_null(w, key);
    return;
  }
  for (int digits = 1; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)value);
    if ((float)strtod(text, NULL) == value) break;
  }
  cli_jsonw_raw(w, key, lti_slice_of(text));
}

static void put_int(cli_jsonw *w, const char *key, int64_t value, bool or_null) {
  if (or_null && value < 0)
    cli_jsonw_null(w, key);
  else
    cli_jsonw_int(w, key, value);
}

static void put_name(cli_jsonw *w, const char *key, const char *name) {
  cli_jsonw_text(w, key, lti_slice_of(name));
}

static void put(const result_field *f, const char *key, const void *of, cli_jsonw *w) {
  const void *at = (const char *)of + f->offset;
  switch (f->kind) {
    case RESULT_FIELD_U64: cli_jsonw_uint(w, key, *(const uint64_t *)at); break;
    case RESULT_FIELD_U32: cli_jsonw_uint(w, key, *(const uint32_t *)at); break;
    case RESULT_FIELD_SIZE: cli_jsonw_uint(w, key, *(const size_t *)at); break;
    case RESULT_FIELD_INT: put_int(w, key, *(const int *)at, false); break;
    case RESULT_FIELD_I64: put_int(w, key, *(const int64_t *)at, false); break;
    case RESULT_FIELD_I64_OR_NULL: put_int(w, key, *(const int64_t *)at, true); break;
    case RESULT_FIELD_I32_OR_NULL: put_int(w, key, *(const int32_t *)at, true); break;
    case RESULT_FIELD_I32: put_int(w, key, *(const int32_t *)at, false); break;
    case RESULT_FIELD_REAL: put_real(w, key, *(const double *)at, false); break;
    case RESULT_FIELD_REAL_OR_NULL: put_real(w, key, *(const double *)at, true); break;
    case RESULT_FIELD_FLOAT_OR_NULL: put_float(w, key, *(const float *)at); break;
    case RESULT_FIELD_TEXT: cli_jsonw_text(w, key, text_of(at, f->size)); break;
    case RESULT_FIELD_BOOL: cli_jsonw_bool(w, key, *(const bool *)at); break;
    case RESULT_FIELD_SHAPE:
      put_name(w, key, result_shape_name(*(const enum result_shape *)at));
      break;
    case RESULT_FIELD_VERDICT:
      put_name(w, key, result_verdict_name(*(const enum result_verdict *)at));
      break;
    case RESULT_FIELD_MEASURE: put_name(w, key, measure_at(*(const enum measure *)at)->name); break;
  }
}

void result_fields_write(const result_fields *fields, const void *of, cli_jsonw *w) {
  for (size_t i = 0; i < fields->count; i++) put(&fields->rows[i], fields->rows[i].name, of, w);
}

void result_fields_row(const result_fields *fields, const void *of, cli_jsonw *w) {
  cli_jsonw_open(w, NULL, '[');
  for (size_t i = 0; i < fields->count; i++) put(&fields->rows[i], NULL, of, w);
  cli_jsonw_close(w, ']');
}

void result_fields_columns(const result_fields *fields, const char *key, cli_jsonw *w) {
  cli_jsonw_open(w, key, '[');
  for (size_t i = 0; i < fields->count; i++)
    cli_jsonw_text(w, NULL, lti_slice_of(fields->rows[i].name));
  cli_jsonw_close(w, ']');
}

/* --- reading --- */

const result_field *result_fields_find(const result_fields *fields, lti_json_text name) {
  for (size_t i = 0; i < fields->count; i++)
    if (lti_json_key_is(name, fields->rows[i].name)) return &fields->rows[i];
  return NULL;
}

static bool take_int(lti_json *r, int64_t low, int64_t high, int64_t *value) {
  return lti_json_int(r, value) && *value >= low && *value <= high;
}

static const char *take_whole(const result_field *f, void *at, lti_json *r) {
  static const char *const whole = "a whole number was expected";
  int64_t low = 0, high = INT64_MAX, value;
  if (f->kind == RESULT_FIELD_I64) low = INT64_MIN;
  if (f->kind == RESULT_FIELD_INT || f->kind == RESULT_FIELD_I32) low = INT32_MIN;
  if (f->kind == RESULT_FIELD_U32) high = UINT32_MAX;
  if (f->size == sizeof(int32_t) && f->kind != RESULT_FIELD_U32) high = INT32_MAX;
  if (!take_int(r, low, high, &value)) return whole;
  if (f->size == sizeof(int64_t))
    memcpy(at, &value, sizeof value);
  else if (f->kind == RESULT_FIELD_U32)
    *(uint32_t *)at = (uint32_t)value;
  else
    *(int32_t *)at = (int32_t)value;
  return NULL;
}

/* Null is -1. */
static void put_unknown(const result_field *f, void *at) {
  if (f->kind == RESULT_FIELD_I64_OR_NULL) *(int64_t *)at = -1;
  if (f->kind == RESULT_FIELD_I32_OR_NULL) *(int32_t *)at = -1;
  if (f->kind == RESULT_FIELD_REAL_OR_NULL) *(double *)at = -1;
  if (f->kind == RESULT_FIELD_FLOAT_OR_NULL) *(float *)at = -1;
}

static bool may_be_null(enum result_kind kind) {
  return kind == RESULT_FIELD_I64_OR_NULL || kind == RESULT_FIELD_I32_OR_NULL ||
         kind == RESULT_FIELD_REAL_OR_NULL || kind == RESULT_FIELD_FLOAT_OR_NULL;
}

static const char *take_real(const result_field *f, void *at, lti_json *r) {
  double value;
  if (!lti_json_double(r, &value)) return "a number was expected";
  if (f->kind == RESULT_FIELD_FLOAT_OR_NULL) {
    if (fabs(value) > 3e38) return "the number is too large";
    *(float *)at = (float)value;
  } else if (f->kind == RESULT_FIELD_REAL_OR_NULL && value < 0) {
    return "a number of at least 0, or null, was expected";
  } else {
    *(double *)at = value;
  }
  return NULL;
}

static const char *take_text(void *at, size_t size, lti_json *r, lti_buf *scratch) {
  lti_json_text text;
  leat_slice s;
  char *out = at;
  if (!lti_json_string(r, &text)) return "a text was expected";
  if (lti_json_decode(text, NULL, scratch, &s) != LEAT_OK) return "there is no memory for it";
  if (s.size && memchr(s.data, '\0', s.size)) return "a text without NUL was expected";
  if (s.size >= size) {
    s.size = size - 1;
    s = text_of(s.data, s.size);
  }
  if (s.size) memcpy(out, s.data, s.size);
  out[s.size] = '\0';
  return NULL;
}

static const char *take_bool(void *at, lti_json *r) {
  bool value;
  if (!lti_json_bool(r, &value)) return "true or false was expected";
  *(bool *)at = value;
  return NULL;
}

static const char *take_named(const result_field *f, void *at, lti_json *r) {
  lti_json_text text;
  enum measure measure;
  if (!lti_json_string(r, &text)) return "a name was expected";
  if (f->kind == RESULT_FIELD_MEASURE) {
    if (text.escaped || !measure_find(text.raw, &measure)) return "there is no such measure";
    *(enum measure *)at = measure;
    return NULL;
  }
  for (int i = 0; f->kind == RESULT_FIELD_SHAPE && i <= RESULT_REPLAY; i++) {
    if (!lti_json_key_is(text, result_shape_name((enum result_shape)i))) continue;
    *(enum result_shape *)at = (enum result_shape)i;
    return NULL;
  }
  for (int i = 0; f->kind == RESULT_FIELD_VERDICT && i <= RESULT_INVALID; i++) {
    if (!lti_json_key_is(text, result_verdict_name((enum result_verdict)i))) continue;
    *(enum result_verdict *)at = (enum result_verdict)i;
    return NULL;
  }
  return f->kind == RESULT_FIELD_SHAPE ? "closed, open, burst or replay was expected"
                                       : "valid, degraded or invalid was expected";
}

const char *result_fields_take(const result_field *f, void *of, lti_json *r, lti_buf *scratch) {
  void *at = (char *)of + f->offset;
  if (may_be_null(f->kind) && lti_json_peek(r) == LTI_JSON_NULL) {
    lti_json_null(r);
    put_unknown(f, at);
    return NULL;
  }
  switch (f->kind) {
    case RESULT_FIELD_U64:
    case RESULT_FIELD_U32:
    case RESULT_FIELD_SIZE:
    case RESULT_FIELD_INT:
    case RESULT_FIELD_I64:
    case RESULT_FIELD_I64_OR_NULL:
    case RESULT_FIELD_I32_OR_NULL:
    case RESULT_FIELD_I32: return take_whole(f, at, r);
    case RESULT_FIELD_REAL:
    case RESULT_FIELD_REAL_OR_NULL:
    case RESULT_FIELD_FLOAT_OR_NULL: return take_real(f, at, r);
    case RESULT_FIELD_TEXT: return take_text(at, f->size, r, scratch);
    case RESULT_FIELD_BOOL: return take_bool(at, r);
    case RESULT_FIELD_SHAPE:
    case RESULT_FIELD_VERDICT:
    case RESULT_FIELD_MEASURE: break;
  }
  return take_named(f, at, r);
}
