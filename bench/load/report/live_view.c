/* Six lines: how far, requests, output, TTFT, gaps, and the light of the certificate. Every piece
 * counts its columns, and what does not fit is left out, so that no line ever wraps. */
#include "live_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "page.h"

#define STRIP_MAX  28
#define BAR_MAX    24
#define NAME_WIDTH 9
#define GREEN      "\x1b[32m"
#define YELLOW     "\x1b[33m"
#define RED        "\x1b[31m"
#define BLUE       "\x1b[36m"
#define DIM        "\x1b[2m"
#define BOLD       "\x1b[1m"
#define PLAIN      "\x1b[0m"
#define LEVELS     8

static const char *const blocks[] = {" ",
                                     "\xe2\x96\x81",
                                     "\xe2\x96\x82",
                                     "\xe2\x96\x83",
                                     "\xe2\x96\x84",
                                     "\xe2\x96\x85",
                                     "\xe2\x96\x86",
                                     "\xe2\x96\x87",
                                     "\xe2\x96\x88"};
static const char *const signs[] = {" ", ".", ":", "-", "=", "+", "*", "%", "#"};

/* A frame that is being drawn. */
typedef struct pen {
  const live_look *look;
  live_frame *frame;
  int column;
} pen;

static void put_raw(pen *p, const char *text, size_t size) {
  live_frame *f = p->frame;
  if (size > sizeof f->text - f->size) return;
  memcpy(f->text + f->size, text, size);
  f->size += size;
}

static void put_colour(pen *p, const char *code) {
  if (p->look->colour) put_raw(p, code, strlen(code));
}

/* The bytes of the character here; what is no UTF-8 counts as one byte. */
static size_t character(const char *text) {
  unsigned char c = (unsigned char)*text;
  size_t size = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  for (size_t i = 1; i < size; i++)
    if (((unsigned char)text[i] & 0xc0) != 0x80) return 1;
  return size;
}

/* Text that takes one column a character; where the terminal knows no UTF-8, micro becomes 'u' and
 * anything else that is not ASCII '-'. The last column stays free: some terminals wrap there. */
static void put(pen *p, const char *text) {
  while (*text && p->column + 1 < p->look->columns) {
    size_t size = character(text);
    if (size == 1 && ((unsigned char)*text >= 0x80 || (unsigned char)*text < 0x20))
      put_raw(p, "?", 1);
    else if (size == 1 || p->look->utf8)
      put_raw(p, text, size);
    else
      put_raw(p, memcmp(text, "\xc2\xb5", 2) == 0 ? "u" : "-", 1);
    p->column++;
    text += size;
  }
}

/* Up to a column. */
static void tab(pen *p, int column) {
  do put(p, " ");
  while (p->column < column && p->column + 1 < p->look->columns);
}

static void begin_line(pen *p, const char *name) {
  p->column = 0;
  put(p, " ");
  put_colour(p, DIM);
  put(p, name);
  put_colour(p, PLAIN);
  tab(p, NAME_WIDTH + 2);
}

static void end_line(pen *p) {
  live_frame *f = p->frame;
  put_colour(p, PLAIN);
  put_raw(p, "\x1b[K\n", 4);
  if (f->line_count < LIVE_VIEW_LINES) f->widths[f->line_count++] = p->column;
}

/* ---- figures */

double live_view_percentile(const uint64_t buckets[PULSE_BUCKETS], double percent) {
  uint64_t all = 0, seen = 0;
  for (unsigned i = 0; i < PULSE_BUCKETS; i++) all += buckets[i];
  if (all == 0) return (double)NAN;
  double wanted = (double)all * percent / 100;
  for (unsigned i = 0; i < PULSE_BUCKETS; i++) {
    seen += buckets[i];
    if (seen == 0 || (double)seen < wanted) continue;
    return pulse_middle(i);
  }
  return (double)pulse_value(PULSE_BUCKETS - 1);
}

static double share_done(const live_view *v) {
  double share = -1;
  if (v->length_s > 0) share = v->elapsed_s / v->length_s;
  if (v->requests > 0) share = fmax(share, (double)v->ended / (double)v->requests);
  return fmin(share, 1);
}

/* The range of buckets that are not empty. False: all are. */
static bool range_of(const uint64_t *buckets, unsigned *low, unsigned *high) {
  *low = PULSE_BUCKETS;
  *high = 0;
  for (unsigned i = 0; i < PULSE_BUCKETS; i++) {
    if (buckets[i] == 0) continue;
    if (*low == PULSE_BUCKETS) *low = i;
    *high = i;
  }
  return *low < PULSE_BUCKETS;
}

/* ---- lines */

static void put_progress(pen *p, const live_view *v) {
  double share = share_done(v);
  char text[96];
  p->column = 0;
  put(p, " ");
  put_colour(p, BOLD);
  put(p, v->label);
  put_colour(p, PLAIN);
  if (v->length_s > 0)
    snprintf(text, sizeof text, "  %.1f of %.0f s", v->elapsed_s, v->length_s);
  else
    snprintf(text, sizeof text, "  %.1f s", v->elapsed_s);
  put(p, text);
  if (share >= 0) {
    int full = (int)(share * BAR_MAX);
    put(p, "  ");
    put_colour(p, BLUE);
    for (int i = 0; i < full; i++) put(p, p->look->utf8 ? "\xe2\x94\x81" : "=");
    put_colour(p, PLAIN);
    put_colour(p, DIM);
    for (int i = full; i < BAR_MAX; i++) put(p, p->look->utf8 ? "\xe2\x94\x80" : "-");
    put_colour(p, PLAIN);
    snprintf(text, sizeof text, " %.0f %%", floor(share * 100));
    put(p, text);
  }
  end_line(p);
}

static void put_requests(pen *p, const live_view *v) {
  char a[PAGE_FIGURE_MAX], text[128];
  begin_line(p, "requests");
  put(p, page_rate(v->request_rate, a));
  tab(p, 26);
  snprintf(text, sizeof text, "%s done", page_count((double)v->completed, a));
  put(p, text);
  tab(p, 42);
  snprintf(text, sizeof text, "%s in flight", page_count((double)v->in_flight, a));
  put(p, text);
  tab(p, 58);
  snprintf(text, sizeof text, "%s failed", page_count((double)v->failed, a));
  if (v->failed > 0) put_colour(p, RED);
  put(p, text);
  end_line(p);
}

static void put_output(pen *p, const live_view *v) {
  char a[PAGE_FIGURE_MAX], text[128];
  begin_line(p, "output");
  snprintf(text, sizeof text, "%s events", page_rate(v->event_rate, a));
  put(p, text);
  if (v->token_rate > 0) {
    tab(p, 34);
    snprintf(text, sizeof text, "%s tokens", page_rate(v->token_rate, a));
    put(p, text);
  }
  end_line(p);
}

/* The histogram from its least to its most bucket, as many to a column as must be. */
static void put_strip(pen *p, const uint64_t *buckets) {
  unsigned low, high, per;
  uint64_t columns[STRIP_MAX] = {0}, top = 0;
  char text[PAGE_FIGURE_MAX];
  if (!range_of(buckets, &low, &high)) return;
  per = (high - low) / STRIP_MAX + 1;
  unsigned width = (high - low) / per + 1;
  for (unsigned i = low; i <= high; i++) columns[(i - low) / per] += buckets[i];
  for (unsigned i = 0; i < width; i++)
    if (columns[i] > top) top = columns[i];
  tab(p, 44);
  put_colour(p, DIM);
  put(p, page_time((double)pulse_value(low), text));
  put_colour(p, PLAIN);
  put(p, " ");
  put_colour(p, BLUE);
  for (unsigned i = 0; i < width; i++) {
    uint64_t level = columns[i] == 0 ? 0 : 1 + columns[i] * (LEVELS - 1) / top;
    put(p, (p->look->utf8 ? blocks : signs)[level]);
  }
  put_colour(p, PLAIN);
  put(p, " ");
  put_colour(p, DIM);
  put(p, page_time((double)pulse_value(high), text));
}

static void put_latency(pen *p, const char *name, double p50_us, const double *p99_us,
                        const uint64_t *buckets) {
  char a[PAGE_FIGURE_MAX], text[64];
  begin_line(p, name);
  snprintf(text, sizeof text, "p50 %s", page_time(p50_us, a));
  put(p, text);
  tab(p, 26);
  snprintf(text, sizeof text, "p99 %s", page_time(*p99_us, a));
  put(p, text);
  put_strip(p, buckets);
  end_line(p);
}

static const char *light_word(const live_view *v, const char **colour) {
  *colour = DIM;
  if (isnan(v->lag_p99_us)) return "waiting";
  *colour = GREEN;
  if (v->lag_p99_us <= v->lag_valid_us) return "valid";
  *colour = YELLOW;
  if (v->lag_p99_us <= v->lag_degraded_us) return "degraded";
  *colour = RED;
  return "invalid";
}

static void put_light(pen *p, const live_view *v) {
  char a[PAGE_FIGURE_MAX], b[PAGE_FIGURE_MAX], text[160];
  const char *colour, *word = light_word(v, &colour);
  begin_line(p, "ourselves");
  put_colour(p, colour);
  put(p, p->look->utf8 ? "\xe2\x97\x8f " : "* ");
  put(p, word);
  put_colour(p, PLAIN);
  tab(p, 26);
  snprintf(text, sizeof text, "receive lag p99 %s, valid up to %s", page_time(v->lag_p99_us, a),
           page_time(v->lag_valid_us, b));
  put(p, text);
  end_line(p);
}

void live_view_draw(const live_view *v, const live_look *look, live_frame *frame) {
  pen p = {look, frame, 0};
  frame->size = 0;
  frame->line_count = 0;
  put_progress(&p, v);
  put_requests(&p, v);
  put_output(&p, v);
  put_latency(&p, "TTFT", v->ttft_p50_us, &v->ttft_p99_us, v->ttft);
  put_latency(&p, "gaps", v->itl_p50_us, &v->itl_p99_us, v->itl);
  put_light(&p, v);
}

void live_view_line(const live_view *v, char *out, size_t size) {
  char t50[PAGE_FIGURE_MAX], t99[PAGE_FIGURE_MAX], i99[PAGE_FIGURE_MAX], rate[PAGE_FIGURE_MAX];
  char lag[PAGE_FIGURE_MAX];
  const char *colour, *word = light_word(v, &colour);
  snprintf(out, size,
           "%s: %.0f s, %llu done, %llu in flight, %llu failed, %s, TTFT p50 %s p99 %s, "
           "gaps p99 %s, ourselves %s (lag p99 %s)",
           v->label, v->elapsed_s, (unsigned long long)v->completed,
           (unsigned long long)v->in_flight, (unsigned long long)v->failed,
           page_rate(v->request_rate, rate), page_time(v->ttft_p50_us, t50),
           page_time(v->ttft_p99_us, t99), page_time(v->itl_p99_us, i99), word,
           page_time(v->lag_p99_us, lag));
}
