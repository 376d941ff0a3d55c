/* The limiter: see limiter.h. */
#include "plan/limiter.h"

#define MS_NS          1000000ull
#define HOUR_US        (60 * LTI_BUCKET_MINUTE_US)
#define DAY_US         (24 * HOUR_US)
#define WINDOW_UNBOUND UINT32_MAX
#define BACKOFF_MS     500
#define BACKOFF_MS_MAX 8000
#define RESET_EXACT_MS 1000 /* servers round to seconds */
#define SECONDS_MINUTE 60
#define RATE_FINE      100000
#define EPOCH_NS       (4000 * MS_NS)

/* One second's worth at once; what that is above one comes off the rate, so that a minute that
 * begins with it has no more than was allowed. */
static void init_fixed(lti_bucket *b, int64_t per_minute, uint64_t now_ns) {
  int64_t burst = per_minute / SECONDS_MINUTE;
  if (burst < 1) burst = 1;
  lti_bucket_init(b, burst, per_minute - (burst - 1), now_ns);
}

void lti_limiter_init(lti_limiter *l, const lti_limiter_rules *rules, uint64_t now_ns) {
  *l = (lti_limiter){.rules = *rules, .window = rules->learn ? rules->probe : WINDOW_UNBOUND};
  if (rules->requests_per_minute)
    init_fixed(&l->fixed[LIMITER_REQUESTS], rules->requests_per_minute, now_ns);
  if (rules->tokens_per_minute)
    init_fixed(&l->fixed[LIMITER_TOKENS], rules->tokens_per_minute, now_ns);
}

bool lti_limiter_never(const lti_limiter *l, int64_t tokens) {
  int64_t told = l->gauges[LIMITER_TOKENS].limit;
  if (l->rules.tokens_per_minute && tokens > l->rules.tokens_per_minute) return true;
  return told && tokens > told;
}

/* ---- when the next may go */

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

/* A window that has ended has all its places again, but for those that are asked for and not
 * answered; how long the next one is, an answer tells, and until one does it is a minute's worth.
 */
static void refresh(lti_limiter *l, int meter, uint64_t now_ns) {
  lti_limiter_gauge *g = &l->gauges[meter];
  if (!g->window_end_ns || now_ns < g->window_end_ns) return;
  g->window_end_ns = 0;
  lti_bucket_set_level(&g->bucket, g->full - l->young[0][meter] - l->young[1][meter], now_ns);
  lti_bucket_set_rate(&g->bucket, g->limit, LTI_BUCKET_MINUTE_US, now_ns);
}

static uint64_t gauge_when(lti_limiter *l, int meter, int64_t cost, uint64_t now_ns) {
  lti_limiter_gauge *g = &l->gauges[meter];
  if (!g->limit || cost <= 0) return now_ns;
  refresh(l, meter, now_ns);
  uint64_t at = lti_bucket_when(&g->bucket, cost, now_ns);
  return at == LTI_BUCKET_NEVER && g->window_end_ns ? g->window_end_ns : at;
}

static bool crowded(const lti_limiter *l) {
  if (l->rules.concurrency && l->out >= l->rules.concurrency) return true;
  return l->out >= l->window;
}

uint64_t lti_limiter_when(lti_limiter *l, const lti_limiter_claim *claim, uint64_t now_ns) {
  if (crowded(l)) return LTI_BUCKET_NEVER;
  uint64_t at = later(now_ns, l->paused_until_ns);
  for (int i = 0; i < 2; i++)
    if (l->fixed[i].capacity) at = later(at, lti_bucket_when(&l->fixed[i], claim->cost[i], now_ns));
  for (int i = 0; i < LTI_LIMITER_METERS; i++)
    at = later(at, gauge_when(l, i, claim->cost[i], now_ns));
  return at;
}

/* What is older than two epochs has reached the server, or never will. */
static void age(lti_limiter *l, uint64_t now_ns) {
  uint64_t epoch = now_ns / EPOCH_NS;
  if (epoch <= l->epoch) return;
  for (int i = 0; i < LTI_LIMITER_METERS; i++) {
    l->young[1][i] = epoch == l->epoch + 1 ? l->young[0][i] : 0;
    l->young[0][i] = 0;
  }
  l->epoch = epoch;
}

static void grown_up(lti_limiter *l, const lti_limiter_claim *claim, uint64_t now_ns) {
  age(l, now_ns);
  if (l->epoch - claim->epoch > 1) return;
  for (int i = 0; i < LTI_LIMITER_METERS; i++)
    l->young[l->epoch - claim->epoch][i] -= claim->cost[i];
}

void lti_limiter_take(lti_limiter *l, lti_limiter_claim *claim, uint64_t now_ns) {
  l->out++;
  claim->out = true;
  claim->heard = claim->settled = false;
  claim->at_ns = now_ns;
  claim->number = ++l->sent;
  age(l, now_ns);
  claim->epoch = l->epoch;
  for (int i = 0; i < LTI_LIMITER_METERS; i++) {
    if (i < 2 && l->fixed[i].capacity) lti_bucket_take(&l->fixed[i], claim->cost[i], now_ns);
    if (l->gauges[i].limit) lti_bucket_take(&l->gauges[i].bucket, claim->cost[i], now_ns);
    claim->open[i] = l->young[0][i] + l->young[1][i];
    claim->mark[i] = l->taken[i] += claim->cost[i];
    l->young[0][i] += claim->cost[i];
  }
}

/* ---- what answers tell */

static int64_t distance(int64_t a, int64_t b) {
  return a > b ? a - b : b - a;
}

/* How long an empty bucket of `limit` takes to fill, when `used` takes `reset_ms`: 0 when no usual
 * period fits, and it is a window. */
static uint64_t period_of(int64_t limit, int64_t used, int64_t reset_ms) {
  static const uint64_t periods[] = {LTI_BUCKET_MINUTE_US, HOUR_US, DAY_US};
  for (int i = 0; i < 3; i++) {
    double expected = (double)used / (double)limit * (double)(periods[i] / 1000);
    int64_t near = (int64_t)(expected / 8);
    if (near < RESET_EXACT_MS) near = RESET_EXACT_MS;
    if (distance((int64_t)expected, reset_ms) <= near) return periods[i];
  }
  return 0;
}

/* Large numbers a long time are as many a minute: the bucket's arithmetic bears them better. */
static void fill_steadily(lti_limiter_gauge *g, uint64_t period_us, uint64_t now_ns) {
  int64_t minutes = (int64_t)(period_us / LTI_BUCKET_MINUTE_US);
  g->windowed = false;
  g->window_end_ns = 0;
  if (g->limit / minutes >= RATE_FINE)
    lti_bucket_set_rate(&g->bucket, g->limit / minutes, LTI_BUCKET_MINUTE_US, now_ns);
  else
    lti_bucket_set_rate(&g->bucket, g->limit, period_us, now_ns);
}

static void fill_by(lti_limiter_gauge *g, const lti_limiter_told *t, uint64_t now_ns) {
  if (t->reset_ms <= 0 || t->remaining < 0 || t->remaining >= g->limit) {
    if (!g->bucket.rate && !g->windowed) fill_steadily(g, LTI_BUCKET_MINUTE_US, now_ns);
    return;
  }
  int64_t whole = g->limit;
  uint64_t period_us = period_of(g->limit, whole - t->remaining, t->reset_ms);
  if (!period_us && t->remaining < g->full) {
    whole = g->full;
    period_us = period_of(g->limit, whole - t->remaining, t->reset_ms);
  }
  /* When nearly all is used up both kinds tell the same: what it was before it still is. */
  bool unclear = g->windowed && (uint64_t)t->reset_ms >= period_us / 1000 / 8 * 7;
  if (period_us && !unclear) {
    fill_steadily(g, period_us, now_ns);
    g->bucket.capacity = whole;
    return;
  }
  g->windowed = true;
  g->bucket.capacity = g->limit;
  g->window_end_ns = now_ns + (uint64_t)t->reset_ms * MS_NS;
  lti_bucket_set_rate(&g->bucket, 0, LTI_BUCKET_MINUTE_US, now_ns);
}

/* The most that there was at once: a bucket may hold less than a minute's worth. `cost`: what the
 * request took that is answered. */
static void note_full(lti_limiter_gauge *g, const lti_limiter_told *t, int64_t cost) {
  int64_t seen = t->remaining >= 0 ? t->remaining + cost : t->limit;
  if (t->limit != g->limit || seen > g->full) g->full = seen;
  if (g->full > t->limit) g->full = t->limit;
}

/* `open`: what the server may not have counted yet. An older answer than one that was heard already
 * does not raise the level, what it says is out of date; but of the ends of a window the last one
 * told is waited for. */
static void learn(lti_limiter_gauge *g, const lti_limiter_told *t, int64_t open, bool newest,
                  uint64_t now_ns) {
  bool first = g->limit == 0, anew = t->limit != g->limit;
  int64_t own = first ? t->limit : lti_bucket_level(&g->bucket, now_ns);
  if (anew) {
    lti_bucket_init(&g->bucket, t->limit, 0, now_ns);
    g->limit = t->limit;
    g->window_end_ns = 0;
  }
  int64_t level = own;
  if (t->remaining >= 0)
    level = t->remaining - open;
  else if (first)
    level = t->limit - open;
  if (newest || anew)
    fill_by(g, t, now_ns);
  else if (g->window_end_ns && t->reset_ms > 0)
    g->window_end_ns = later(g->window_end_ns, now_ns + (uint64_t)t->reset_ms * MS_NS);
  if (!newest && level > own) level = own;
  lti_bucket_set_level(&g->bucket, level, now_ns);
}

/* The server bears one more. */
static void widen(lti_limiter *l) {
  if (l->window == WINDOW_UNBOUND) return;
  if (l->learned && !l->narrowed) {
    l->window = WINDOW_UNBOUND;
    return;
  }
  if (l->out < l->window / 2) return; /* it was not tried */
  l->grown++;
  if (l->narrowed && l->grown < l->window) return;
  l->grown = 0;
  l->window++;
}

void lti_limiter_heard(lti_limiter *l, lti_limiter_claim *claim, const lti_limiter_told *told,
                       uint64_t now_ns) {
  if (!claim->out || claim->heard) return;
  claim->heard = true;
  grown_up(l, claim, now_ns);
  if (!l->rules.learn) return;
  bool newest = claim->number > l->newest_heard;
  if (newest) l->newest_heard = claim->number;
  for (int i = 0; i < LTI_LIMITER_METERS; i++) {
    if (told[i].limit <= 0) continue;
    l->learned = true;
    if (!newest && l->epoch - claim->epoch > 1) continue;
    int64_t open = claim->open[i] + l->taken[i] - claim->mark[i];
    refresh(l, i, now_ns);
    note_full(&l->gauges[i], &told[i], claim->cost[i]);
    learn(&l->gauges[i], &told[i], open, newest, now_ns);
  }
  if (!l->answered && l->learned) l->window = WINDOW_UNBOUND;
  if (!l->narrowed) widen(l);
  l->answered = true;
}

/* ---- what it did cost */

static void settle_one(lti_limiter *l, int meter, int64_t reserved, int64_t used, uint64_t now_ns) {
  int64_t more = used - reserved;
  if (meter < 2 && l->fixed[meter].capacity) lti_bucket_take(&l->fixed[meter], more, now_ns);
  if (more > 0 && l->gauges[meter].limit) lti_bucket_take(&l->gauges[meter].bucket, more, now_ns);
}

void lti_limiter_settle(lti_limiter *l, lti_limiter_claim *claim, int64_t input, int64_t output,
                        uint64_t now_ns) {
  if (!claim->out || claim->settled || input < 0 || output < 0) return;
  claim->settled = true;
  int64_t most = INT64_MAX / 4;
  if (input > most || output > most) return;
  settle_one(l, LIMITER_TOKENS, claim->cost[LIMITER_TOKENS], input + output, now_ns);
  settle_one(l, LIMITER_INPUT, claim->cost[LIMITER_INPUT], input, now_ns);
  settle_one(l, LIMITER_OUTPUT, claim->cost[LIMITER_OUTPUT], output, now_ns);
}

/* ---- how it ended */

/* True: the first to say so of those that went since it was narrowed last. */
static bool narrow(lti_limiter *l, const lti_limiter_claim *claim, uint64_t now_ns) {
  if (!l->rules.learn || (l->narrowed && claim->at_ns < l->narrowed_ns)) return false;
  uint32_t half = l->out / 2;
  l->window = half ? half : 1;
  l->grown = 0;
  l->narrowed = true;
  l->narrowed_ns = now_ns + 1;
  return true;
}

static int64_t backoff_ms(unsigned refusals, double jitter) {
  int64_t ms = BACKOFF_MS;
  for (unsigned i = 0; i < refusals && ms < BACKOFF_MS_MAX; i++) ms *= 2;
  return ms / 2 + (int64_t)((double)(ms / 2) * jitter);
}

/* The server counts otherwise than we do: what we thought was left is not. */
static void empty(lti_limiter *l, uint64_t now_ns) {
  for (int i = 0; i < 2; i++)
    if (l->fixed[i].capacity && lti_bucket_level(&l->fixed[i], now_ns) > 0)
      lti_bucket_set_level(&l->fixed[i], 0, now_ns);
  lti_limiter_gauge *g = &l->gauges[LIMITER_REQUESTS];
  if (g->limit && !g->window_end_ns && lti_bucket_level(&g->bucket, now_ns) > 0)
    lti_bucket_set_level(&g->bucket, 0, now_ns);
}

void lti_limiter_refused(lti_limiter *l, const lti_limiter_claim *claim, int64_t hint_ms,
                         double jitter, uint64_t now_ns) {
  if (!l->rules.learn || !claim->out) return;
  bool first = narrow(l, claim, now_ns);
  if (hint_ms < 0 && !first) return;
  int64_t ms = hint_ms >= 0 ? hint_ms : backoff_ms(l->refusals, jitter);
  if (ms > l->rules.pause_max_ms) ms = l->rules.pause_max_ms;
  if (first) {
    l->refusals++;
    empty(l, now_ns);
  }
  l->paused_until_ns = later(l->paused_until_ns, now_ns + (uint64_t)ms * MS_NS);
}

void lti_limiter_timed_out(lti_limiter *l, const lti_limiter_claim *claim, uint64_t now_ns) {
  if (claim->out) narrow(l, claim, now_ns);
}

/* What was not spent comes back; of a request that reached the server only its tokens. */
static void give_back(lti_limiter *l, const lti_limiter_claim *claim, bool all, uint64_t now_ns) {
  for (int i = 0; i < LTI_LIMITER_METERS; i++) {
    bool spent = i == LIMITER_REQUESTS && !all;
    if (spent || (claim->settled && i != LIMITER_REQUESTS)) continue;
    if (i < 2 && l->fixed[i].capacity) lti_bucket_take(&l->fixed[i], -claim->cost[i], now_ns);
    if (all && l->gauges[i].limit) lti_bucket_take(&l->gauges[i].bucket, -claim->cost[i], now_ns);
  }
}

void lti_limiter_end(lti_limiter *l, lti_limiter_claim *claim, enum lti_limiter_end how,
                     uint64_t now_ns) {
  if (!claim->out) return;
  switch (how) {
    case LIMITER_ANSWERED:
      l->refusals = 0;
      if (l->narrowed) widen(l);
      break;
    case LIMITER_CUT: break;
    case LIMITER_REFUSED: give_back(l, claim, false, now_ns); break;
    case LIMITER_UNSENT: give_back(l, claim, true, now_ns); break;
  }
  if (!claim->heard) grown_up(l, claim, now_ns);
  claim->out = false;
  l->out--;
}

bool lti_limiter_idle(const lti_limiter *l, uint64_t now_ns) {
  return l->out == 0 && now_ns >= l->paused_until_ns;
}
