/* The key figures of a load, a card each. */
#include <math.h>
#include <stdio.h>

#include "report_parts.h"

#define CARDS_MAX 12
#define NOTE_MAX  120

/* Cards with room for their texts. */
typedef struct hand {
  size_t count;
  page_card cards[CARDS_MAX];
  char labels[CARDS_MAX][NOTE_MAX], values[CARDS_MAX][PAGE_FIGURE_MAX], notes[CARDS_MAX][NOTE_MAX];
} hand;

/* The next card; the last one is overwritten when there are too many. */
static page_card *deal(hand *h, const char *label) {
  size_t i = h->count < CARDS_MAX ? h->count++ : CARDS_MAX - 1;
  page_card *card = &h->cards[i];
  snprintf(h->labels[i], NOTE_MAX, "%s", label);
  h->values[i][0] = h->notes[i][0] = '\0';
  card->label = h->labels[i];
  card->value = h->values[i];
  card->note = h->notes[i];
  card->tone = PAGE_PLAIN;
  return card;
}

static char *value_of(hand *h) {
  return h->values[h->count - 1];
}

static char *note_of(hand *h) {
  return h->notes[h->count - 1];
}

/* Of a run that is not valid each latency says how much of it may be this program's. */
static void note_bound(hand *h, const result_certificate *c) {
  char bound[PAGE_FIGURE_MAX];
  double p99 = report_parts_percentile(c->receive_lag, 99);
  size_t used = strlen(note_of(h));
  if (c->verdict == RESULT_VALID || !isfinite(p99)) return;
  snprintf(note_of(h) + used, NOTE_MAX - used, "; up to %s of it ours", page_time(p99, bound));
}

static void deal_latency(hand *h, const char *name, enum measure m, const result_point *p) {
  const result_latency *latency = &p->latencies[m];
  char label[NOTE_MAX], p99[PAGE_FIGURE_MAX];
  const lti_hist *felt = report_parts_felt(latency);
  if (!felt || lti_hist_count(felt) == 0) return;
  snprintf(label, sizeof label, "%s, median", name);
  deal(h, label);
  page_time(report_parts_percentile(felt, 50), value_of(h));
  snprintf(note_of(h), NOTE_MAX, "p99 %s%s", page_time(report_parts_percentile(felt, 99), p99),
           felt == latency->intended ? ", from the intended start" : "");
  note_bound(h, &p->certificate);
}

static void deal_requests(hand *h, const result_point *p) {
  char rate[PAGE_FIGURE_MAX];
  deal(h, "Requests");
  page_rate(result_request_rate(p), value_of(h));
  if (p->offer.rate > 0)
    snprintf(note_of(h), NOTE_MAX, "%s offered", page_rate(p->offer.rate, rate));
  else if (p->offer.concurrency > 0)
    snprintf(note_of(h), NOTE_MAX, "with %s at once",
             page_count((double)p->offer.concurrency, rate));
}

static void deal_output(hand *h, const result_point *p) {
  char figure[PAGE_FIGURE_MAX];
  double tokens = result_output_rate(p);
  if (tokens >= 0) {
    deal(h, "Output tokens");
    page_rate(tokens, value_of(h));
    double batching = result_tokens_per_event(p);
    if (batching > 0) snprintf(note_of(h), NOTE_MAX, "%.2f tokens an event", batching);
    return;
  }
  deal(h, "Events");
  page_rate(result_event_rate(p), value_of(h));
  snprintf(note_of(h), NOTE_MAX, "%s of content; tokens were not told",
           page_count((double)p->volume.content_events, figure));
}

static void deal_goodput(hand *h, const result_point *p) {
  char rate[PAGE_FIGURE_MAX];
  if (p->goodput.slo_count == 0) return;
  deal(h, "Goodput");
  page_share(result_goodput_share(p), value_of(h));
  snprintf(note_of(h), NOTE_MAX, "%s met all levels", page_rate(result_goodput_rate(p), rate));
}

static void deal_failures(hand *h, const result_point *p) {
  char done[PAGE_FIGURE_MAX], cut[PAGE_FIGURE_MAX];
  page_card *card = deal(h, "Failed");
  card->tone = p->counts.failed > 0 ? PAGE_BAD : PAGE_PLAIN;
  page_count((double)p->counts.failed, value_of(h));
  int used =
      snprintf(note_of(h), NOTE_MAX, "%s completed", page_count((double)p->counts.completed, done));
  if (p->counts.cut > 0 && used > 0)
    snprintf(note_of(h) + used, NOTE_MAX - (size_t)used, ", %s cut at the end",
             page_count((double)p->counts.cut, cut));
}

static void deal_flight(hand *h, const result_point *p) {
  char wall[PAGE_FIGURE_MAX];
  deal(h, "In flight, at most");
  page_count((double)p->counts.in_flight_peak, value_of(h));
  snprintf(note_of(h), NOTE_MAX, "in %s%s", page_time(p->wall_s * 1e6, wall),
           p->drained ? ", drained" : ", cut at the end");
}

static void deal_lag(hand *h, const result_point *p) {
  const result_certificate *c = &p->certificate;
  char limit[PAGE_FIGURE_MAX];
  page_card *card = deal(h, "Our own lateness, p99");
  double p99 = report_parts_percentile(c->receive_lag, 99);
  if (isfinite(p99))
    card->tone = p99 <= c->lag_valid_us      ? PAGE_GOOD
                 : p99 <= c->lag_degraded_us ? PAGE_WARN
                                             : PAGE_BAD;
  page_time(p99, value_of(h));
  snprintf(note_of(h), NOTE_MAX, "valid up to %s", page_time(c->lag_valid_us, limit));
}

void report_cards(const result_point *p, cli_out *out) {
  hand h = {.count = 0};
  deal_latency(&h, "TTFT", MEASURE_TTFT, p);
  deal_latency(&h, "Inter-token gap", MEASURE_ITL, p);
  deal_latency(&h, "End to end", MEASURE_E2E, p);
  deal_latency(&h, "Jobs", MEASURE_JOB, p);
  deal_requests(&h, p);
  deal_output(&h, p);
  deal_goodput(&h, p);
  deal_failures(&h, p);
  deal_flight(&h, p);
  deal_lag(&h, p);
  page_cards(out, h.cards, h.count);
}
