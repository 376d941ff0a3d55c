/* Limits of rate: requests and tokens in a window for each key and model, polls a second for each
 * key. A request that goes over is refused and takes nothing; one that is admitted takes its tokens
 * at once: four bytes of body are one, and what the answer will have, which the gateway knows.
 *
 * And of load: more requests under way than there may be are answered 529.
 *
 * A level is what is left. It grows with time up to the capacity:
 *
 *     level = min(capacity, level + elapsed * limit / window) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/mock/asked.h"
#include "bench/mock/text.h"
#include "bench/mock/upload.h"
#include "wire/json.h"

#define PAIRS_MAX  65536u /* keys and models; later ones share the last bucket */
#define LINES_MAX  1200
#define POLLS_SALT 0x706f6c6cu

typedef struct level {
  double left, limit, capacity;
} level;

struct mock_limit {
  uint64_t hash, at_ns;
  level requests, tokens;
};

struct mock_limits {
  uint32_t count;
  struct mock_limit pairs[PAIRS_MAX];
};

int mock_limits_open(mock *m) {
  const mock_config *g = &m->config;
  if (!g->rpm && !g->tpm && !g->polls_per_second) return 0;
  m->limits = calloc(1, sizeof *m->limits);
  return m->limits ? 0 : UV_ENOMEM;
}

void mock_limits_close(mock *m) {
  free(m->limits);
}

/* ---- buckets */

static struct mock_limit *pair_of(mock_limits *l, uint64_t hash) {
  uint32_t at = (uint32_t)hash % PAIRS_MAX;
  if (!hash) hash = 1;
  while (l->pairs[at].hash && l->pairs[at].hash != hash) {
    if (l->count >= PAIRS_MAX / 2) return &l->pairs[PAIRS_MAX - 1];
    at = (at + 1) % PAIRS_MAX;
  }
  if (!l->pairs[at].hash) l->count++;
  l->pairs[at].hash = hash;
  return &l->pairs[at];
}

static void set(level *v, double limit, double capacity) {
  *v = (level){capacity, limit, capacity};
}

static void grow(level *v, double windows) {
  v->left = fmin(v->capacity, v->left + windows * v->limit);
}

static struct mock_limit *find(mock *m, uint64_t hash, bool polls, double window_ns) {
  const mock_config *g = &m->config;
  struct mock_limit *p = pair_of(m->limits, hash);
  uint64_t now_ns = uv_hrtime();
  if (!p->at_ns) {
    double burst = g->limit_burst ? g->limit_burst : g->rpm;
    set(&p->requests, polls ? g->polls_per_second : g->rpm, polls ? g->polls_per_second : burst);
    set(&p->tokens, g->tpm, g->tpm);
  } else {
    grow(&p->requests, (double)(now_ns - p->at_ns) / window_ns);
    grow(&p->tokens, (double)(now_ns - p->at_ns) / window_ns);
  }
  p->at_ns = now_ns;
  return p;
}

/* How long until `wanted` is there. */
static double wait_ms(const level *v, double wanted, double window_ns) {
  if (v->limit <= 0 || v->left >= wanted) return 0;
  return (wanted - v->left) / v->limit * window_ns / 1e6;
}

/* ---- what a request is */

static enum mock_traffic traffic_of(const mock_exchange *x, leat_slice path) {
  static const char *const free_of_charge[] = {"/v1/files", "/v1/batches", "/v1/responses/",
                                               "/v1/messages/count_tokens"};
  enum mock_traffic traffic = mock_tasks_traffic(x, path);
  if (traffic != MOCK_TRAFFIC_NONE || x->method != HTTP_POST) return traffic;
  for (size_t i = 0; i < sizeof free_of_charge / sizeof free_of_charge[0]; i++)
    if (lti_slice_starts(path, free_of_charge[i])) return MOCK_TRAFFIC_NONE;
  bool model = lti_slice_starts(path, "/v1/") || lti_slice_starts(path, "/v1beta/");
  return model ? MOCK_TRAFFIC_MODEL : MOCK_TRAFFIC_NONE;
}

/* As it is named in the body, else in the path: Gemini's model, or a task's family. */
static void name_model(const mock_exchange *x, leat_slice path, char *out, size_t cap) {
  leat_slice parts[MOCK_PATH_PARTS], rest = lti_slice_from(path, 1);
  if (mock_asked_word(x, "model", out, cap) || mock_asked_word(x, "model_name", out, cap)) return;
  if (mock_path_match(path, "/v1beta/models/*:*", parts) ||
      mock_path_match(path, "/v1/models/*:*", parts))
    rest = parts[0];
  const char *end = memchr(rest.data, '/', rest.size);
  size_t n = end ? (size_t)(end - rest.data) : rest.size;
  snprintf(out, cap, "%.*s", (int)(n < cap ? n : cap - 1), rest.data);
}

static bool has_text(leat_slice path) {
  static const char *const endings[] = {"/completions", "/responses", "/messages",
                                        ":generateContent", ":streamGenerateContent"};
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
    if (lti_slice_ends(path, endings[i])) return true;
  return false;
}

static uint64_t tokens_of(const mock_exchange *x, leat_slice path, enum mock_traffic traffic) {
  static const char *const names[] = {"max_completion_tokens", "max_tokens", "max_output_tokens",
                                      "generationConfig/maxOutputTokens"};
  uint64_t said = x->plan.events, prompt = mock_asked_tokens(x->body.size);
  if (traffic != MOCK_TRAFFIC_MODEL || x->upload) return 0;
  if (!has_text(path)) return prompt;
  for (size_t i = 0; i < sizeof names / sizeof names[0] && !x->plan.events_named; i++)
    if (mock_asked_number(x, names[i], &said)) break;
  return prompt + said;
}

static uint64_t hash_of(const mock_exchange *x, const char *model) {
  char space[MOCK_KEY_MAX];
  const char *key = mock_keys_find(x, space, sizeof space);
  uint64_t hash = mock_asked_hash(1, lti_slice_of(key));
  return mock_asked_hash(mock_text_mix(hash), lti_slice_of(model));
}

/* ---- what is told */

/* Go's way: 12ms, 7.66s, 6m0s, 1h2m3s. */
static void write_duration(double ms, char *out, size_t cap) {
  double seconds = ms / 1000;
  unsigned hours = (unsigned)(seconds / 3600), minutes = (unsigned)(seconds / 60) % 60;
  double rest = seconds - 3600.0 * hours - 60.0 * minutes;
  if (ms < 1000)
    snprintf(out, cap, "%.0fms", ceil(ms));
  else if (hours)
    snprintf(out, cap, "%uh%um%.0fs", hours, minutes, rest);
  else if (minutes)
    snprintf(out, cap, "%um%.0fs", minutes, rest);
  else
    snprintf(out, cap, "%.3gs", rest);
}

static void write_moment(double ms, char *out, size_t cap) {
  time_t at = time(NULL) + (time_t)ceil(ms / 1000);
  struct tm utc;
  gmtime_r(&at, &utc);
  strftime(out, cap, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static size_t write_openai(char *out, size_t cap, const char *what, const level *v, double ms) {
  char reset[48];
  write_duration(ms, reset, sizeof reset);
  int n = snprintf(out, cap,
                   "x-ratelimit-limit-%s: %.0f\r\nx-ratelimit-remaining-%s: %.0f\r\n"
                   "x-ratelimit-reset-%s: %s\r\n",
                   what, v->limit, what, floor(v->left), what, reset);
  return (size_t)n;
}

static size_t write_anthropic(char *out, size_t cap, const char *what, const level *v, double ms) {
  char reset[48];
  write_moment(ms, reset, sizeof reset);
  int n = snprintf(out, cap,
                   "anthropic-ratelimit-%s-limit: %.0f\r\nanthropic-ratelimit-%s-remaining: %.0f"
                   "\r\nanthropic-ratelimit-%s-reset: %s\r\n",
                   what, v->limit, what, floor(v->left), what, reset);
  return (size_t)n;
}

/* Behind the levels' change, on every answer from here on. */
static void tell(mock_exchange *x, leat_slice path, const struct mock_limit *p, double window_ns) {
  static const char *const counts[] = {"tokens", "input-tokens", "output-tokens"};
  bool anthropic = mock_errors_manner(x, path) == MOCK_MANNER_ANTHROPIC;
  double full_ms = wait_ms(&p->requests, p->requests.capacity, window_ns);
  double tokens_ms = wait_ms(&p->tokens, p->tokens.capacity, window_ns);
  size_t n = 0;
  if (mock_errors_manner(x, path) == MOCK_MANNER_GEMINI) return;
  if (!(x->limit_lines = malloc(LINES_MAX))) return;
  *x->limit_lines = '\0';
  if (p->requests.limit > 0)
    n += anthropic ? write_anthropic(x->limit_lines, LINES_MAX, "requests", &p->requests, full_ms)
                   : write_openai(x->limit_lines, LINES_MAX, "requests", &p->requests, full_ms);
  if (p->tokens.limit <= 0) return;
  if (!anthropic) write_openai(x->limit_lines + n, LINES_MAX - n, "tokens", &p->tokens, tokens_ms);
  for (size_t i = 0; anthropic && i < 3; i++)
    n += write_anthropic(x->limit_lines + n, LINES_MAX - n, counts[i], &p->tokens, tokens_ms);
}

static void refuse(mock_exchange *x, leat_slice path, const char *what, const level *v, double ms) {
  char text[256], again[48];
  write_duration(ms, again, sizeof again);
  snprintf(text, sizeof text,
           "Rate limit reached on %s: Limit %.0f, Used %.0f. Please try again in %s.", what,
           v->limit, v->capacity - floor(v->left), again);
  if (x->m->config.retry_after) {
    size_t n = x->limit_lines ? strlen(x->limit_lines) : 0;
    if (!x->limit_lines && (x->limit_lines = malloc(LINES_MAX))) *x->limit_lines = '\0';
    if (x->limit_lines)
      snprintf(x->limit_lines + n, LINES_MAX - n, "retry-after-ms: %.0f\r\n", ceil(ms));
    snprintf(x->plan.retry_after, sizeof x->plan.retry_after, "%.0f", ceil(ms / 1000));
  }
  mock_errors_reply(x, mock_errors_manner(x, path),
                    &(mock_error){.status = 429,
                                  .type = what,
                                  .code = "rate_limit_exceeded",
                                  .message = text,
                                  .retry_ms = (uint64_t)ceil(ms)});
}

/* ---- admission */

static bool admit_poll(mock_exchange *x, leat_slice path) {
  mock *m = x->m;
  if (!m->config.polls_per_second) return true;
  struct mock_limit *p = find(m, hash_of(x, "") ^ POLLS_SALT, true, 1e9);
  if (p->requests.left >= 1) {
    p->requests.left -= 1;
    return true;
  }
  m->stats.refused_polls++;
  refuse(x, path, "polls", &p->requests, wait_ms(&p->requests, 1, 1e9));
  return false;
}

static bool admit_model(mock_exchange *x, leat_slice path, enum mock_traffic traffic) {
  mock *m = x->m;
  char model[128];
  double window_ns = (double)m->config.limit_window_ms * 1e6;
  if (!m->config.rpm && !m->config.tpm) return true;
  name_model(x, path, model, sizeof model);
  struct mock_limit *p = find(m, hash_of(x, model), false, window_ns);
  double tokens = (double)tokens_of(x, path, traffic);
  double for_request = wait_ms(&p->requests, 1, window_ns);
  double for_tokens = wait_ms(&p->tokens, tokens, window_ns);
  if (for_request > 0 || for_tokens > 0) {
    tell(x, path, p, window_ns);
    bool requests = for_request >= for_tokens;
    *(requests ? &m->stats.refused_requests : &m->stats.refused_tokens) += 1;
    refuse(x, path, requests ? "requests" : "tokens", requests ? &p->requests : &p->tokens,
           requests ? for_request : for_tokens);
    return false;
  }
  if (m->config.rpm) p->requests.left -= 1;
  if (m->config.tpm) p->tokens.left -= tokens;
  m->stats.admitted++;
  m->stats.admitted_tokens += (uint64_t)tokens;
  tell(x, path, p, window_ns);
  return true;
}

/* Those under way are counted until their exchange is gone. */
static bool admit_load(mock_exchange *x, leat_slice path) {
  mock *m = x->m;
  if (!m->config.in_flight_max) return true;
  if (m->in_flight >= m->config.in_flight_max) {
    m->stats.refused_load++;
    mock_errors_reply(x, mock_errors_manner(x, path),
                      &(mock_error){.status = 529,
                                    .type = "overloaded_error",
                                    .code = "overloaded",
                                    .message = "Overloaded"});
    return false;
  }
  x->in_flight = true;
  if (++m->in_flight > m->stats.in_flight_peak) m->stats.in_flight_peak = m->in_flight;
  return true;
}

void mock_limits_leave(mock_exchange *x) {
  if (x->in_flight) x->m->in_flight--;
  x->in_flight = false;
}

bool mock_limits_admit(mock_exchange *x, leat_slice path) {
  const mock_config *g = &x->m->config;
  if (!x->m->limits && !g->in_flight_max) return true;
  enum mock_traffic traffic = traffic_of(x, path);
  if (traffic == MOCK_TRAFFIC_NONE) return true;
  if (traffic != MOCK_TRAFFIC_POLL && !admit_load(x, path)) return false;
  if (!x->m->limits) return true;
  return traffic == MOCK_TRAFFIC_POLL ? admit_poll(x, path) : admit_model(x, path, traffic);
}
