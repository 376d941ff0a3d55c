/* What a request asks of the gateway beyond OpenAI's own fields: the options first, then the query
 * (n, ms, ttft, jitter, bytes, seed: the names of the yardstick's gateway; stamp), then the x-mock
 * headers. A value that cannot be read is answered 400, so that a typing error in a test does not
 * pass. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/gateway.h"
#include "bench/mock/text.h"

#define HOUR_MS 3600000.0

static bool read_ms(const char *text, uint64_t *us) {
  char *end;
  double ms = strtod(text, &end);
  if (end == text || (*end && *end != '&') || !(ms >= 0) || ms > 24 * HOUR_MS) return false;
  *us = (uint64_t)llround(ms * 1000);
  return true;
}

static bool read_count(const char *text, uint64_t most, uint64_t *value) {
  size_t n = strcspn(text, "&");
  return lti_slice_u64(lti_slice(text, n), value) && *value <= most;
}

struct wish {
  const char *query, *header;
  char unit; /* m: milliseconds, n: events, b: bytes, s: seed, r: reasoning events */
};

static const struct wish wishes[] = {
    {"ttft", "x-mock-ttft-ms", 't'},        {"ms", "x-mock-gap-ms", 'g'},
    {"jitter", "x-mock-jitter-ms", 'j'},    {"n", "x-mock-events", 'n'},
    {"bytes", "x-mock-bytes", 'b'},         {"seed", "x-mock-seed", 's'},
    {"reasoning", "x-mock-reasoning", 'r'},
};

static bool grant(mock_plan *p, char unit, const char *text) {
  uint64_t value = 0;
  bool fine = true;
  switch (unit) {
    case 't': return read_ms(text, &p->ttft_us);
    case 'g': return read_ms(text, &p->gap_us);
    case 'j': return read_ms(text, &p->jitter_us);
    case 's': p->seed_named = true; return read_count(text, UINT64_MAX, &p->seed);
    case 'n':
      fine = read_count(text, 1000000000u, &value);
      p->events = (uint32_t)value;
      p->events_named = true;
      break;
    case 'b':
      fine = read_count(text, MOCK_CONTENT_MAX, &value);
      p->bytes = (uint32_t)value;
      break;
    default:
      fine = read_count(text, 1000000000u, &value);
      p->reasoning = (uint32_t)value;
      break;
  }
  return fine;
}

static int read_wishes(mock_exchange *x) {
  for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
    const char *text = mock_path_query(x, wishes[i].query);
    if (text) {
      if (!grant(&x->plan, wishes[i].unit, text)) return -1;
      if (i < 4) x->plan.cadence_in_query = true;
    }
    text = mock_exchange_header(x, wishes[i].header);
    if (text && !grant(&x->plan, wishes[i].unit, text)) return -1;
  }
  return 0;
}

static bool wants(const mock_exchange *x, const char *header) {
  const char *value = mock_exchange_header(x, header);
  return value && strcmp(value, "1") == 0;
}

/* Most requests have none: their plan points at the empty set. */
static int keep_faults(mock_exchange *x, const mock_faults *f) {
  if (!f->set) return 0;
  if (!(x->faults = malloc(sizeof *x->faults))) return -1;
  *x->faults = *f;
  x->plan.faults = x->faults;
  x->m->stats.faults++;
  return 0;
}

static int read_faults(mock_exchange *x) {
  mock_faults asked = {0}, rolled = {0};
  const char *text = mock_exchange_header(x, "x-mock-fault");
  if (text && mock_fault_parse(&asked, text, strlen(text))) return -1;
  const char *times = mock_exchange_header(x, "x-mock-fault-times");
  const char *key = mock_exchange_header(x, "x-mock-fault-key");
  uint64_t most;
  if (times && !read_count(times, UINT64_MAX, &most)) return -1;
  mock_fault_roll(x->m, &rolled);
  bool counts = text && (!times || mock_fault_counted(x->m, key ? key : text, most));
  return keep_faults(x, counts ? &asked : &rolled);
}

/* Where the body is cut, and how. */
static void set_cut(mock_exchange *x) {
  const mock_faults *f = x->plan.faults;
  static const struct {
    enum mock_fault which;
    enum mock_ending ending;
  } cuts[] = {{FAULT_STALL, MOCK_ENDING_NONE},
              {FAULT_TRUNCATE, MOCK_ENDING_CLEAN},
              {FAULT_CLOSE, MOCK_ENDING_FIN},
              {FAULT_RESET, MOCK_ENDING_RESET}};
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    if (!mock_fault_on(f, cuts[i].which)) continue;
    x->cut_at = f->arg[cuts[i].which];
    x->cut_ending = cuts[i].ending;
  }
}

static int make(mock_exchange *x) {
  const mock_config *g = &x->m->config;
  mock_plan *p = &x->plan;
  p->ttft_us = g->ttft_us;
  p->gap_us = g->gap_us;
  p->jitter_us = g->jitter_us;
  p->events = g->events;
  p->bytes = g->bytes;
  p->seed = mock_text_mix(g->seed ^ x->ordinal) >> 12; /* exact in a double, as JSON likes it */
  if (read_wishes(x) || read_faults(x)) return -1;
  const char *stamp = mock_path_query(x, "stamp");
  p->stamp = wants(x, "x-mock-stamp") || (stamp && *stamp == '1');
  p->gzip = g->gzip || wants(x, "x-mock-gzip");
  const char *text = mock_exchange_header(x, "x-mock-retry-after");
  if (text) snprintf(p->retry_after, sizeof p->retry_after, "%s", text);
  text = mock_exchange_header(x, "x-mock-finish");
  snprintf(p->finish, sizeof p->finish, "%s", text ? text : "stop");
  if (p->finish[strspn(p->finish, "abcdefghijklmnopqrstuvwxyz_")]) return -1;
  set_cut(x);
  return 0;
}

void mock_plan_make(mock_exchange *x) {
  if (x->planned) return;
  x->planned = true;
  x->ordinal = ++x->m->ordinal;
  x->plan_failed = make(x) != 0;
  if (x->plan_failed) x->plan.faults = &mock_faults_none;
}
