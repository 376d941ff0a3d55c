/* Counting, request by request. What becomes a picture (timeline, dots, tracks) is in
 * score_picture.c. */
#include "score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/slice.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "wire/json.h"

static bool is_content(const leat_event *event);
static void note_stamp(score *s, leat_slice raw, uint64_t received_ns);
static void note_content(score *s, score_request *r, const leat_event *event);
static void note_answer(score *s, score_request *r, const leat_result *answer);
static void note_error(score *s, int error, leat_slice message);
static void note_status(score *s, int status);
static void note_dot(score *s, const score_request *r, const leat_result *answer);
static score_slot *slot_at(score *s, uint64_t now_ns);

static lti_hist *new_hist(void) {
  return lti_hist_new(cli_program_alloc());
}

bool score_init(score *s, size_t threads, uint64_t seed) {
  memset(s, 0, sizeof *s);
  lti_prng_seed(&s->prng, seed);
  s->slot_ns = UINT64_C(100000000);
  s->slots = calloc(SCORE_SLOTS, sizeof *s->slots);
  s->dot_room = RESULT_DOTS_MAX / threads;
  s->dots = calloc(s->dot_room, sizeof *s->dots);
  s->track_room = threads < RESULT_TRACKS_MAX ? RESULT_TRACKS_MAX / threads : 1;
  s->tracks = calloc(s->track_room, sizeof *s->tracks);
  bool fine = s->slots && s->dots && s->tracks;
  s->receive_lag = new_hist();
  s->schedule_lag = new_hist();
  s->kernel_lag = new_hist();
  fine = fine && s->receive_lag && s->schedule_lag && s->kernel_lag;
  for (enum measure m = 0; m < MEASURE_COUNT; m++) {
    fine = fine && (s->latencies[m].sent = new_hist()) != NULL;
    if (measure_at(m)->intended) fine = fine && (s->latencies[m].intended = new_hist()) != NULL;
  }
  return fine;
}

static void free_hist(lti_hist *h) {
  if (h) lti_hist_free(h);
}

void score_deinit(score *s) {
  for (enum measure m = 0; m < MEASURE_COUNT; m++) {
    free_hist(s->latencies[m].sent);
    free_hist(s->latencies[m].intended);
  }
  free_hist(s->receive_lag);
  free_hist(s->schedule_lag);
  free_hist(s->kernel_lag);
  free(s->slots);
  free(s->dots);
  free(s->tracks);
}

void score_window(score *s, uint64_t now_ns) {
  s->base_ns = s->end_ns = now_ns;
}

void score_start(score *s, score_request *r, uint64_t now_ns) {
  r->submitted_ns = now_ns;
  r->first_ns = r->output_ns = r->second_ns = r->last_ns = 0;
  r->record = NULL;
  r->content_events = r->gap_max_us = 0;
  r->event_count = 0;
  r->input_tokens = r->output_tokens = r->reasoning_tokens = r->cached_tokens = -1;
  r->headed = false;
  r->track = NULL;
  s->in_flight++;
  if (s->in_flight > s->counts.in_flight_peak) s->counts.in_flight_peak = s->in_flight;
  pulse_add(&s->pulse->started, 1);
  atomic_store_explicit(&s->pulse->in_flight, s->in_flight, memory_order_relaxed);
  if (!r->measured) {
    s->counts.warmup++;
    return;
  }
  s->counts.started++;
  slot_at(s, now_ns)->started++;
  /* A sample of all requests in which each has the same chance, tracks under way excepted. */
  uint64_t place = s->tracks_seen++;
  if (place >= s->track_room) place = lti_prng_below(&s->prng, s->tracks_seen);
  if (place >= s->track_room) return;
  result_track *track = &s->tracks[place];
  if (s->track_count > place && track->done_us < 0) return;
  memset(track, 0, sizeof *track);
  track->done_us = -1;
  track->index = r->index;
  r->track = track;
  if (s->track_count <= place) s->track_count = (size_t)place + 1;
}

/* The last word counts, as far as it is one. */
static void note_usage(score_request *r, const leat_usage *usage) {
  if (usage->input >= 0) r->input_tokens = usage->input;
  if (usage->output >= 0) r->output_tokens = usage->output;
  if (usage->reasoning >= 0) r->reasoning_tokens = usage->reasoning;
  if (usage->cached >= 0) r->cached_tokens = usage->cached;
}

void score_event(score *s, score_request *r, const leat_event *event) {
  if (!r->headed) {
    r->headed = true;
    if (++s->answering > s->counts.answering_peak) s->counts.answering_peak = s->answering;
  }
  if (event->kind == LEAT_EVENT_USAGE) {
    note_usage(r, &event->usage);
  } else if (is_content(event)) {
    note_content(s, r, event);
  }
}

static bool is_content(const leat_event *event) {
  switch (event->kind) {
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL: return event->text.size > 0;
    case LEAT_EVENT_TOOL_CALL:
      return event->tool_call.arguments.size > 0 || event->tool_call.name.size > 0;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: return true;
    case LEAT_EVENT_REPLY: /* a whole body, such as embeddings, has no first token */
    case LEAT_EVENT_HEAD:
    case LEAT_EVENT_USAGE:
    case LEAT_EVENT_FINISH:
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_RAW: break;
  }
  return false;
}

static uint64_t us_between(uint64_t from_ns, uint64_t to_ns) {
  return to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
}

static void note_gap(score *s, score_request *r, uint64_t now_ns) {
  uint64_t us = us_between(r->last_ns, now_ns);
  lti_hist_record(s->latencies[MEASURE_ITL].sent, us);
  if (us > r->gap_max_us) r->gap_max_us = us;
  pulse_record(s->pulse->itl, us);
  unsigned bucket = pulse_bucket(us);
  slot_at(s, now_ns)->itl[bucket < SCORE_BUCKETS ? bucket : SCORE_BUCKETS - 1]++;
}

static void note_content(score *s, score_request *r, const leat_event *event) {
  uint64_t now_ns = event->segment_ns ? event->segment_ns : event->received_ns;
  bool output = event->kind != LEAT_EVENT_REASONING;
  if (output && !r->output_ns) r->output_ns = now_ns;
  /* Reasoning and text, or two choices, in one record are one event. */
  if (r->record == event->raw.data && r->last_ns == now_ns && event->raw.size) return;
  r->record = event->raw.data;
  r->content_events++;
  if (r->event_count < r->event_room) r->events_ns[r->event_count++] = now_ns;
  if (r->track && r->track->count < RESULT_STEPS_MAX)
    r->track->steps_us[r->track->count++] = (uint32_t)us_between(r->intended_ns, now_ns);
  if (r->measured) {
    s->volume.content_events++;
    if (s->stamped) note_stamp(s, event->raw, now_ns);
    if (event->segment_ns)
      lti_hist_record(s->kernel_lag, us_between(event->segment_ns, event->received_ns));
    if (r->last_ns) note_gap(s, r, now_ns);
  }
  pulse_add(&s->pulse->content_events, 1);
  if (!r->first_ns)
    r->first_ns = now_ns;
  else if (!r->second_ns)
    r->second_ns = now_ns;
  r->last_ns = now_ns;
}

/* `..."mock_ns":123}`: the last member, read backwards. */
static void note_stamp(score *s, leat_slice raw, uint64_t received_ns) {
  static const char name[] = "\"mock_ns\":";
  uint64_t stamp_ns;
  size_t end = raw.size && raw.data[raw.size - 1] == '}' ? raw.size - 1 : 0, from = end;
  while (from > 0 && raw.data[from - 1] >= '0' && raw.data[from - 1] <= '9') from--;
  leat_slice digits = {raw.data + from, end - from}, before = {raw.data, from};
  if (!lti_slice_ends(before, name) || !lti_slice_u64(digits, &stamp_ns)) return;
  lti_hist_record(s->latencies[MEASURE_EVENT_LAG].sent, us_between(stamp_ns, received_ns));
}

/* In both forms, where there are two. */
static void note_latency(score *s, enum measure m, const score_request *r, uint64_t sent_ns,
                         uint64_t at_ns) {
  lti_hist_record(s->latencies[m].sent, us_between(sent_ns, at_ns));
  if (s->open_loop && s->latencies[m].intended)
    lti_hist_record(s->latencies[m].intended, us_between(r->intended_ns, at_ns));
}

static void end_track(score_request *r, const leat_result *answer) {
  result_track *track = r->track;
  const leat_times *at = &answer->times;
  const struct {
    int64_t *us;
    uint64_t ns;
  } marks[] = {{&track->sent_us, at->sent_ns},  {&track->connected_us, at->connected_ns},
               {&track->tls_us, at->tls_ns},    {&track->head_us, at->head_ns},
               {&track->first_us, r->first_ns}, {&track->last_us, r->last_ns},
               {&track->done_us, at->done_ns}};
  for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
    *marks[i].us = marks[i].ns ? (int64_t)us_between(r->intended_ns, marks[i].ns) : -1;
  if (track->done_us < 0) track->done_us = 0;
  track->error = answer->error;
  r->track = NULL;
}

static void tell_recorder(score *s, const score_request *r, const leat_result *answer) {
  recorder_request line = {.index = r->index,
                           .turn = r->turn,
                           .thread = s->thread,
                           .warmup = !r->measured,
                           .task = r->task,
                           .intended_ns = r->intended_ns,
                           .submitted_ns = r->submitted_ns,
                           .result = answer,
                           .input_tokens = r->input_tokens,
                           .output_tokens = r->output_tokens,
                           .reasoning_tokens = r->reasoning_tokens,
                           .content_events = r->content_events,
                           .first_ns = r->first_ns,
                           .last_ns = r->last_ns,
                           .ttfo_ns = r->output_ns,
                           .second_content_ns = r->second_ns,
                           .events_ns = r->events_ns,
                           .event_count = r->event_count};
  recorder_add(s->recorder, &line);
}

void score_done(score *s, score_request *r, const leat_result *answer, bool cut) {
  bool failed = answer->error && answer->error != LEAT_ECANCELLED;
  s->in_flight--;
  if (r->headed) s->answering--;
  atomic_store_explicit(&s->pulse->in_flight, s->in_flight, memory_order_relaxed);
  pulse_add(failed ? &s->pulse->failed : &s->pulse->completed, 1);
  pulse_add(&s->pulse->events, answer->records);
  if (r->track) end_track(r, answer);
  if (s->recorder) tell_recorder(s, r, answer);
  if (!r->measured) return;
  uint64_t now_ns = answer->times.done_ns;
  if (now_ns > s->end_ns) s->end_ns = now_ns;
  score_slot *slot = slot_at(s, now_ns);
  s->volume.events += answer->records;
  slot->events += answer->records;
  if (answer->attempts > 1) s->counts.retried += answer->attempts - 1;
  if (answer->http == LEAT_HTTP_2) s->conns.requests_http2++;
  if (answer->http == LEAT_HTTP_1) s->conns.requests_http1++;
  if (answer->status) note_status(s, answer->status);
  note_dot(s, r, answer);
  if (answer->error == LEAT_ECANCELLED) {
    if (cut)
      s->counts.cut++;
    else
      s->counts.cancelled++;
  } else if (failed) {
    s->counts.failed++;
    slot->failed++;
    if (leat_error_class(answer->error) == LEAT_CLASS_STREAM) s->counts.truncated++;
    note_error(s, answer->error, answer->message);
  } else {
    s->counts.completed++;
    slot->completed++;
    note_answer(s, r, answer);
  }
}

static void note_tokens(score *s, const score_request *r, score_slot *slot) {
  if (r->output_tokens < 0 && r->input_tokens < 0) return;
  result_lengths *b = &s->bounds;
  int64_t in = r->input_tokens < 0 ? 0 : r->input_tokens;
  int64_t out = r->output_tokens < 0 ? 0 : r->output_tokens;
  bool first = s->volume.usage_answers++ == 0;
  s->volume.input_tokens += in;
  s->volume.output_tokens += out;
  s->volume.usage_content_events += r->content_events;
  if (r->reasoning_tokens > 0) s->volume.reasoning_tokens += r->reasoning_tokens;
  if (r->cached_tokens > 0) s->volume.cached_tokens += r->cached_tokens;
  slot->output_tokens += (uint64_t)out;
  pulse_add(&s->pulse->output_tokens, (uint64_t)out);
  if (first || in < b->input_min) b->input_min = in;
  if (first || in > b->input_max) b->input_max = in;
  if (first || out < b->output_min) b->output_min = out;
  if (first || out > b->output_max) b->output_max = out;
  s->lengths[0] += (double)in;
  s->lengths[1] += (double)in * (double)in;
  s->lengths[2] += (double)out;
  s->lengths[3] += (double)out * (double)out;
}

/* What a request's own figure is, for the levels of goodput: ms, or -1 when it has none. */
static double own_figure(const score *s, enum measure m, const score_request *r,
                         const leat_result *answer) {
  uint64_t from = s->open_loop ? r->intended_ns : answer->times.sent_ns;
  uint64_t last = r->last_ns ? r->last_ns : answer->times.done_ns;
  switch (m) {
    case MEASURE_TTFT: return r->first_ns ? (double)us_between(from, r->first_ns) / 1e3 : -1;
    case MEASURE_TTFO: return r->output_ns ? (double)us_between(from, r->output_ns) / 1e3 : -1;
    case MEASURE_E2E: return (double)us_between(from, last) / 1e3;
    case MEASURE_TPOT:
      if (r->output_tokens < 2 || r->content_events < 2) return -1;
      return (double)us_between(r->first_ns, r->last_ns) / 1e3 / (double)(r->output_tokens - 1);
    case MEASURE_ITL: return (double)r->gap_max_us / 1e3; /* the longest */
    case MEASURE_TTST:
      return r->second_ns ? (double)us_between(r->first_ns, r->second_ns) / 1e3 : -1;
    default: return -1;
  }
}

static void note_goodput(score *s, const score_request *r, const leat_result *answer) {
  result_goodput *g = &s->goodput;
  bool good = true;
  for (size_t i = 0; i < g->slo_count; i++) {
    double own = own_figure(s, g->slos[i].measure, r, answer);
    bool met = own >= 0 && own <= g->slos[i].limit_ms;
    g->slos[i].met += met;
    good = good && met;
  }
  g->good += good && g->slo_count > 0;
}

static void note_first(score *s, const score_request *r, uint64_t sent_ns) {
  uint64_t us = us_between(s->open_loop ? r->intended_ns : sent_ns, r->first_ns);
  unsigned bucket = pulse_bucket(us);
  note_latency(s, MEASURE_TTFT, r, sent_ns, r->first_ns);
  pulse_record(s->pulse->ttft, us);
  slot_at(s, r->first_ns)->ttft[bucket < SCORE_BUCKETS ? bucket : SCORE_BUCKETS - 1]++;
}

static void note_answer(score *s, score_request *r, const leat_result *answer) {
  const leat_times *at = &answer->times;
  uint64_t sent_ns = at->sent_ns ? at->sent_ns : r->submitted_ns;
  uint64_t last_ns = r->last_ns ? r->last_ns : at->done_ns;
  if (s->open_loop) lti_hist_record(s->schedule_lag, us_between(r->intended_ns, sent_ns));
  if (r->first_ns) note_first(s, r, sent_ns);
  if (r->output_ns) note_latency(s, MEASURE_TTFO, r, sent_ns, r->output_ns);
  if (r->second_ns)
    lti_hist_record(s->latencies[MEASURE_TTST].sent, us_between(r->first_ns, r->second_ns));
  note_latency(s, MEASURE_E2E, r, sent_ns, last_ns);
  if (at->head_ns) note_latency(s, MEASURE_HEAD, r, sent_ns, at->head_ns);
  if (r->output_tokens > 1 && r->content_events > 1)
    lti_hist_record(s->latencies[MEASURE_TPOT].sent,
                    us_between(r->first_ns, last_ns) / (uint64_t)(r->output_tokens - 1));
  if (at->leased_ns) {
    lti_hist_record(s->latencies[MEASURE_QUEUE].sent, us_between(r->submitted_ns, at->leased_ns));
    if (!answer->reused_connection && at->connected_ns > at->leased_ns) {
      lti_hist_record(s->latencies[MEASURE_CONNECT].sent,
                      us_between(at->leased_ns, at->connected_ns));
      if (at->tls_ns > at->connected_ns)
        lti_hist_record(s->latencies[MEASURE_TLS].sent, us_between(at->connected_ns, at->tls_ns));
    }
  }
  note_tokens(s, r, slot_at(s, at->done_ns));
  note_goodput(s, r, answer);
}

/* When the provider says that the job ended, ms since 1970: its own clock, often whole seconds. -1:
 * it does not say. */
static int64_t ended_at_ms(leat_slice raw) {
  static const char *const places[] = {"/completed_at", "/data/completed_at",
                                       "/finish_time",  "/data/finish_time",
                                       "/finishTime",   "/data/finishTime"};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    leat_slice text;
    lti_json value;
    double at;
    if (!lti_json_find(raw, places[i], &text)) continue;
    lti_json_init(&value, text);
    if (!lti_json_double(&value, &at) || at < 1e9 || at > 1e14) continue;
    return (int64_t)(at < 1e11 ? at * 1000 : at);
  }
  return -1;
}

void score_task(score *s, score_request *r, const leat_task_update *last, uint64_t now_ns) {
  struct timespec wall;
  if (!r->measured || last->state != LEAT_TASK_SUCCEEDED) return;
  note_latency(s, MEASURE_JOB, r, r->submitted_ns, now_ns);
  int64_t ended_ms = ended_at_ms(last->raw);
  if (ended_ms < 0) return;
  clock_gettime(CLOCK_REALTIME, &wall);
  int64_t lag_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - ended_ms;
  lti_hist_record(s->latencies[MEASURE_JOB_LAG].sent, lag_ms > 0 ? (uint64_t)lag_ms * 1000 : 0);
}

void score_refused(score *s, score_request *r, int error, leat_slice message) {
  s->in_flight--;
  pulse_add(&s->pulse->failed, 1);
  if (r->track) r->track->done_us = 0;
  r->track = NULL;
  if (!r->measured) return;
  s->counts.failed++;
  note_error(s, error, message);
}

void score_lag_peak(score *s, uint64_t now_ns, uint64_t lag_us) {
  score_slot *slot = slot_at(s, now_ns);
  if (lag_us > slot->lag_max_us)
    slot->lag_max_us = (uint32_t)(lag_us < 1u << 31 ? lag_us : 1u << 31);
}

static const char *kind_of(int error) {
  switch (leat_error_class(error)) {
    case LEAT_CLASS_OK: return "ok";
    case LEAT_CLASS_USAGE: return "usage";
    case LEAT_CLASS_CANCELLED: return "cancelled";
    case LEAT_CLASS_SUPERSEDED: return "superseded";
    case LEAT_CLASS_LIMIT: return "limit";
    case LEAT_CLASS_RESOLVE: return "resolve";
    case LEAT_CLASS_CONNECT: return "connect";
    case LEAT_CLASS_TLS: return "tls";
    case LEAT_CLASS_HTTP: return "http";
    case LEAT_CLASS_TIMEOUT: return "timeout";
    case LEAT_CLASS_STATUS: return "status";
    case LEAT_CLASS_STREAM: return "stream";
    case LEAT_CLASS_TASK: return "task";
  }
  return "unknown";
}

static void note_error(score *s, int error, leat_slice message) {
  const char *name = leat_error_name(error);
  size_t i = 0;
  while (i < s->error_count && strcmp(s->errors[i].name, name) != 0) i++;
  if (i == RESULT_ERRORS_MAX) i = RESULT_ERRORS_MAX - 1;
  result_error *kind = &s->errors[i];
  if (kind->count++ > 0) return;
  snprintf(kind->name, sizeof kind->name, "%s", name);
  snprintf(kind->kind, sizeof kind->kind, "%s", kind_of(error));
  cli_say_clean(message.size ? message : lti_slice_of(leat_error_text(error)), kind->message,
                sizeof kind->message);
  s->error_count = i + 1;
}

static void note_status(score *s, int status) {
  size_t i = 0;
  while (i < s->status_count && s->statuses[i].status != status) i++;
  if (i == RESULT_STATUS_MAX) i = RESULT_STATUS_MAX - 1;
  if (i == s->status_count) s->statuses[s->status_count++].status = status;
  s->statuses[i].count++;
}

/* A sample of all requests in which each has the same chance. */
static void note_dot(score *s, const score_request *r, const leat_result *answer) {
  uint64_t place = s->dots_seen++;
  if (place >= s->dot_room) place = lti_prng_below(&s->prng, s->dots_seen);
  if (place >= s->dot_room) return;
  uint64_t from = s->open_loop ? r->intended_ns : answer->times.sent_ns;
  uint64_t last = r->last_ns ? r->last_ns : answer->times.done_ns;
  result_dot *dot = &s->dots[place];
  dot->start_s = (float)((double)us_between(s->base_ns, r->intended_ns) / 1e6);
  dot->ttft_ms = r->first_ns ? (float)((double)us_between(from, r->first_ns) / 1e3) : -1.0f;
  dot->e2e_ms = answer->error ? -1.0f : (float)((double)us_between(from, last) / 1e3);
  dot->error = answer->error;
  if (s->dot_count <= place) s->dot_count = (size_t)place + 1;
}

static score_slot *slot_at(score *s, uint64_t now_ns) {
  if (!s->slot || now_ns - s->slot_from_ns >= s->slot_ns) {
    uint64_t since = now_ns > s->base_ns ? now_ns - s->base_ns : 0;
    while (since / s->slot_ns >= SCORE_SLOTS) score_fold(s);
    s->slot = &s->slots[since / s->slot_ns];
    s->slot_from_ns = s->base_ns + since / s->slot_ns * s->slot_ns;
    s->slot->touched = true;
  }
  if (now_ns >= s->seen_ns) { /* what is told of a time that has passed says nothing of it */
    s->seen_ns = now_ns;
    s->slot->in_flight = (uint32_t)s->in_flight;
    s->slot->timed = true;
  }
  return s->slot;
}
