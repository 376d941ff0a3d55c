/* Scales, ticks and paths. The inner drawing is 2000 units wide and ten a pixel high, so that whole
 * numbers do; paths use relative steps, which keeps a cloud of thousands of dots at a few bytes a
 * dot. What lies outside the axes is clipped by the inner drawing. */
#include "chart.h"

#include <math.h>
#include <stdio.h>

#include "page.h"

#define INNER_WIDTH    2000.0
#define INNER_SCALE    10.0
#define HEIGHT_DEFAULT 180
#define BAND           18 /* above the plot, for what is pointed at */
#define FOOT           40 /* below it: ticks and the title of the axis */
#define TICKS_MAX      16
#define Y_TICKS        5
#define X_TICKS        6
#define HOVERS_MAX     40
#define LOG_FROM       40.0 /* values that differ by more than this are told on a log axis */
#define LABEL_WIDTH    13.0 /* per cent of the width that a tick's label may take */
#define READOUT_MAX    320

static const double percentile_ticks[] = {0, 50, 75, 90, 95, 99, 99.9, 99.99, 99.999};

typedef struct ticks {
  size_t count;
  double at[TICKS_MAX];
} ticks;

void chart_add(chart *c, chart_series series) {
  if (c->series_count < CHART_SERIES_MAX) c->series[c->series_count++] = series;
}

void chart_mark_at(chart *c, chart_mark mark) {
  if (c->mark_count < CHART_MARKS_MAX) c->marks[c->mark_count++] = mark;
}

static bool has_value(const chart *c, const chart_series *s) {
  for (size_t i = 0; i < c->count; i++)
    if (isfinite(s->y[i])) return true;
  return false;
}

bool chart_filled(const chart *c) {
  for (size_t i = 0; i < c->series_count; i++)
    if (has_value(c, &c->series[i])) return true;
  for (size_t i = 0; i < c->cloud_count; i++)
    if (c->clouds[i].count > 0) return true;
  return false;
}

/* Without zeros behind the point: axes are full of round figures. */
static const char *short_time(double us, char *out) {
  page_time(us, out);
  char *unit = strchr(out, ' '), *point = strchr(out, '.');
  if (!unit || !point || point > unit) return out;
  char *end = unit;
  while (end > point && (end[-1] == '0' || end[-1] == '.') && end[-1] != ' ') {
    end--;
    if (*end == '.') break;
  }
  memmove(end, unit, strlen(unit) + 1);
  return out;
}

const char *chart_figure(enum chart_unit unit, double value, char *out) {
  switch (unit) {
    case CHART_TIME_US: return value == 0 ? "0" : short_time(value, out);
    case CHART_SHARE: return page_share(value, out);
    case CHART_COUNT: return page_short(value, out);
    case CHART_PERCENT: snprintf(out, PAGE_FIGURE_MAX, "p%.10g", value); return out;
    case CHART_SECONDS: break;
  }
  if (value >= 600)
    snprintf(out, PAGE_FIGURE_MAX, "%.0f:%02.0f", floor(value / 60), floor(fmod(value, 60)));
  else
    snprintf(out, PAGE_FIGURE_MAX, "%.10g s", round(value * 100) / 100);
  return out;
}

/* ---- scales */

static double warp(enum chart_scale scale, double value) {
  switch (scale) {
    case CHART_LOG: return log10(value);
    case CHART_PERCENTILE: return -log10(1 - fmin(value, 99.9999) / 100);
    case CHART_LINEAR:
    case CHART_AUTO: break;
  }
  return value;
}

/* From 0 to 1 along the axis. */
static double along(const chart_axis *a, double value) {
  if (a->scale == CHART_LOG && value < a->from) value = a->from;
  double from = warp(a->scale, a->from), to = warp(a->scale, a->to);
  return to > from ? (warp(a->scale, value) - from) / (to - from) : 0.5;
}

/* 1, 2 or 5 times a power of ten, at least `value`. */
static double round_up(double value) {
  double power = pow(10, floor(log10(value)));
  double digit = value / power;
  return power * (digit <= 1.0001 ? 1 : digit <= 2.0001 ? 2 : digit <= 5.0001 ? 5 : 10);
}

static double round_down(double value) {
  double power = pow(10, floor(log10(value)));
  double digit = value / power;
  return power * (digit >= 4.9999 ? 5 : digit >= 1.9999 ? 2 : 1);
}

static void linear_ticks(const chart_axis *a, size_t wanted, ticks *t) {
  double step = round_up((a->to - a->from) / (double)wanted);
  double at = ceil(a->from / step - 1e-9) * step;
  for (t->count = 0; at <= a->to + step * 1e-6 && t->count < TICKS_MAX; at += step)
    t->at[t->count++] = fabs(at) < step * 1e-9 ? 0 : at;
}

static void log_ticks(const chart_axis *a, ticks *t) {
  static const double few[] = {1}, many[] = {1, 2, 5};
  bool sparse = a->to / a->from > 900;
  const double *digits = sparse ? few : many;
  size_t per = sparse ? 1 : 3;
  double power = pow(10, floor(log10(a->from) + 1e-9));
  t->count = 0;
  for (; power <= a->to * 1.0001 && t->count < TICKS_MAX; power *= 10)
    for (size_t i = 0; i < per && t->count < TICKS_MAX; i++) {
      double at = power * digits[i];
      if (at >= a->from * 0.9999 && at <= a->to * 1.0001) t->at[t->count++] = at;
    }
}

static void find_ticks(const chart_axis *a, size_t wanted, ticks *t) {
  t->count = 0;
  if (a->scale == CHART_LOG) log_ticks(a, t);
  if (a->scale == CHART_LINEAR && a->to > a->from) linear_ticks(a, wanted, t);
  if (a->scale != CHART_PERCENTILE) return;
  for (size_t i = 0; i < sizeof percentile_ticks / sizeof percentile_ticks[0]; i++)
    if (percentile_ticks[i] >= a->from && percentile_ticks[i] <= a->to)
      t->at[t->count++] = percentile_ticks[i];
}

typedef struct span {
  double low, high; /* low: above zero, for logs */
} span;

static void widen(span *s, double value) {
  if (!isfinite(value)) return;
  if (value > 0 && value < s->low) s->low = value;
  if (value > s->high) s->high = value;
}

/* What the series, dots and marks reach from and to. A far mark does not flatten the curves: it is
 * left out above ten times of what they reach. */
static span reach(const chart *c) {
  span s = {INFINITY, 0};
  for (size_t i = 0; i < c->series_count; i++)
    for (size_t k = 0; k < c->count; k++) widen(&s, c->series[i].y[k]);
  for (size_t i = 0; i < c->cloud_count; i++)
    for (size_t k = 0; k < c->clouds[i].count; k++) widen(&s, (double)c->clouds[i].y[k]);
  for (size_t i = 0; i < c->mark_count; i++)
    if (!c->marks[i].upright && (c->y.scale != CHART_LINEAR || c->marks[i].at <= s.high * 3))
      widen(&s, c->marks[i].at);
  return s;
}

static void scale_up(chart *c) {
  span s = reach(c);
  chart_axis *a = &c->y;
  if (a->to > s.high) s.high = a->to;
  if (s.high <= 0) s.high = 1;
  if (s.low > s.high) s.low = s.high;
  if (a->scale == CHART_AUTO) a->scale = s.high / s.low > LOG_FROM ? CHART_LOG : CHART_LINEAR;
  if (a->scale == CHART_LOG) {
    if (s.low < s.high / 1e6) s.low = s.high / 1e6;
    a->from = round_down(s.low);
    a->to = round_up(s.high);
    if (a->from == a->to) a->to *= 2;
    return;
  }
  double step = round_up(s.high / Y_TICKS);
  a->from = 0;
  a->to = a->unit == CHART_SHARE && s.high <= 1 && s.high > 0.8 ? 1 : ceil(s.high / step) * step;
}

/* ---- parts of the drawing */

static int plot_height(const chart *c) {
  return c->height > 0 ? c->height : HEIGHT_DEFAULT;
}

static double y_px(const chart *c, double value) {
  double up = fmin(fmax(along(&c->y, value), 0), 1);
  return BAND + (1 - up) * plot_height(c);
}

static double x_percent(const chart *c, double value) {
  return 100 * fmin(fmax(along(&c->x, value), 0), 1);
}

static void put_key(cli_out *out, const chart *c) {
  cli_out_text(out, "<ul class=\"key\">");
  for (size_t i = 0; i < c->series_count; i++) {
    const chart_series *s = &c->series[i];
    if (!*s->name || !has_value(c, s)) continue;
    cli_out_format(out, "<li class=\"%s %s\"><span>", s->colour, s->look);
    page_word(out, s->name);
    cli_out_text(out, "</span></li>");
  }
  for (size_t i = 0; i < c->cloud_count; i++) {
    if (c->clouds[i].count == 0) continue;
    cli_out_format(out, "<li class=\"%s dot\"><span>", c->clouds[i].colour);
    page_word(out, c->clouds[i].name);
    cli_out_text(out, "</span></li>");
  }
  cli_out_text(out, "</ul>\n");
}

static void put_y_axis(cli_out *out, const chart *c, const ticks *t) {
  int height = plot_height(c) + BAND + FOOT;
  char text[PAGE_FIGURE_MAX];
  cli_out_format(out, "<svg width=\"52\" height=\"%d\" aria-hidden=\"true\">", height);
  for (size_t i = 0; i < t->count; i++)
    cli_out_format(out, "<text class=\"e\" x=\"46\" y=\"%.0f\">%s</text>", y_px(c, t->at[i]) + 4,
                   chart_figure(c->y.unit, t->at[i], text));
  cli_out_text(out, "</svg>");
}

static void put_grid(cli_out *out, const chart *c, const ticks *t) {
  for (size_t i = 0; i < t->count; i++) {
    double y = y_px(c, t->at[i]);
    cli_out_format(out, "<line class=\"%s\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>",
                   t->at[i] == c->y.from ? "base" : "grid", y, y);
  }
}

static void put_x_axis(cli_out *out, const chart *c) {
  ticks t;
  char text[PAGE_FIGURE_MAX];
  double last = -100, bottom = BAND + plot_height(c);
  find_ticks(&c->x, X_TICKS, &t);
  for (size_t i = 0; i < t.count; i++) {
    double x = x_percent(c, t.at[i]);
    cli_out_format(out,
                   "<line class=\"base\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%.0f\" y2=\"%.0f\"/>", x,
                   x, bottom, bottom + 4);
    if (x - last < LABEL_WIDTH) continue;
    last = x;
    cli_out_format(out, "<text class=\"%s\" x=\"%.2f%%\" y=\"%.0f\">%s</text>",
                   x < 3    ? ""
                   : x > 96 ? "e"
                            : "m",
                   x, bottom + 17, chart_figure(c->x.unit, t.at[i], text));
  }
  cli_out_format(out, "<text class=\"m\" x=\"50%%\" y=\"%.0f\">%s%s</text>", bottom + 34,
                 c->x.title, c->x.scale == CHART_LOG ? " (log)" : "");
}

typedef struct place {
  long x, y;
} place;

/* Kept near the drawing, whatever a file that was read claims. */
static place inner(const chart *c, double x, double y) {
  double across = fmin(fmax(along(&c->x, x), -1), 2);
  place p = {lround(across * INNER_WIDTH), lround((y_px(c, y) - BAND) * INNER_SCALE)};
  return p;
}

/* A gap begins a new stroke; a point between two gaps is a dot. */
static void put_curve(cli_out *out, const chart *c, const chart_series *s) {
  bool knobs = strcmp(s->look, "knob") == 0, drawn = false;
  place last = {0, 0};
  cli_out_format(out, "<path class=\"s %s %s\" d=\"", s->colour, s->look);
  for (size_t i = 0; i < c->count; i++) {
    if (!isfinite(s->y[i])) {
      drawn = false;
      continue;
    }
    place p = inner(c, c->at[i], s->y[i]);
    if (knobs || !drawn)
      cli_out_format(out, "M%ld %ldh0", p.x, p.y);
    else
      cli_out_format(out, "l%ld %ld", p.x - last.x, p.y - last.y);
    last = p;
    drawn = true;
  }
  cli_out_text(out, "\"/>");
}

static void put_area(cli_out *out, const chart *c, const chart_series *s) {
  long bottom = lround(plot_height(c) * INNER_SCALE);
  place last = {0, bottom};
  bool drawn = false;
  cli_out_format(out, "<path class=\"s %s area\" d=\"", s->colour);
  for (size_t i = 0; i < c->count; i++) {
    if (!isfinite(s->y[i])) continue;
    place p = inner(c, c->at[i], s->y[i]);
    if (drawn)
      cli_out_format(out, "L%ld %ld", p.x, p.y);
    else
      cli_out_format(out, "M%ld %ldV%ld", p.x, bottom, p.y);
    last = p;
    drawn = true;
  }
  if (drawn) cli_out_format(out, "L%ld %ldz", last.x, bottom);
  cli_out_text(out, "\"/>");
}

static void put_cloud(cli_out *out, const chart *c, const chart_cloud *cloud) {
  place last = {0, 0};
  cli_out_format(out, "<path class=\"s dot %s\" d=\"M0 0", cloud->colour);
  for (size_t i = 0; i < cloud->count; i++) {
    if (!(cloud->y[i] >= 0)) continue;
    place p = inner(c, (double)cloud->x[i], (double)cloud->y[i]);
    cli_out_format(out, "m%ld %ldh0", p.x - last.x, p.y - last.y);
    last = p;
  }
  cli_out_text(out, "\"/>");
}

static void put_inner(cli_out *out, const chart *c) {
  int height = plot_height(c);
  cli_out_format(out,
                 "<svg y=\"%d\" width=\"100%%\" height=\"%d\" viewBox=\"0 0 %.0f %.0f\" "
                 "preserveAspectRatio=\"none\">",
                 BAND, height, INNER_WIDTH, height * INNER_SCALE);
  for (size_t i = 0; i < c->cloud_count; i++)
    if (c->clouds[i].count > 0) put_cloud(out, c, &c->clouds[i]);
  for (size_t i = 0; i < c->series_count; i++) {
    const chart_series *s = &c->series[i];
    if (!has_value(c, s)) continue;
    if (strcmp(s->look, "area") == 0)
      put_area(out, c, s);
    else
      put_curve(out, c, s);
  }
  cli_out_text(out, "</svg>");
}

static void put_upright(cli_out *out, const chart *c, const chart_mark *m) {
  double x = x_percent(c, m->at), bottom = BAND + plot_height(c);
  cli_out_format(out,
                 "<g class=\"%s\"><line class=\"mk\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" "
                 "y2=\"%.0f\"/><text class=\"ml %s\" x=\"%.2f%%\" dx=\"%d\" y=\"%d\">",
                 m->colour, x, x, BAND, bottom, x > 60 ? "e" : "", x, x > 60 ? -5 : 5, BAND + 12);
  page_word(out, m->words);
  cli_out_text(out, "</text></g>");
}

static void put_level(cli_out *out, const chart *c, const chart_mark *m) {
  double up = along(&c->y, m->at), y = y_px(c, m->at);
  if (up > 1 || up < 0) return;
  cli_out_format(out,
                 "<g class=\"%s\"><line class=\"mk\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>"
                 "<text class=\"ml\" x=\"4\" y=\"%.1f\">",
                 m->colour, y, y, y < BAND + 16 ? y + 13 : y - 4);
  page_word(out, m->words);
  cli_out_text(out, "</text></g>");
}

/* ---- what is pointed at */

static void readout(const chart *c, size_t column, char *out) {
  char figure[PAGE_FIGURE_MAX];
  int used = snprintf(out, READOUT_MAX, "%s", chart_figure(c->x.unit, c->at[column], figure));
  for (size_t i = 0; i < c->series_count && used > 0 && used < READOUT_MAX - 80; i++) {
    const chart_series *s = &c->series[i];
    if (!*s->name || !isfinite(s->y[column])) continue;
    used += snprintf(out + used, READOUT_MAX - (size_t)used, " \xc2\xb7 %.40s %s", s->name,
                     chart_figure(c->y.unit, s->y[column], figure));
  }
}

/* Columns that react to the pointer: at most HOVERS_MAX, each as wide as half the way to its
 * neighbours. */
static void put_hovers(cli_out *out, const chart *c) {
  size_t step = (c->count + HOVERS_MAX - 1) / HOVERS_MAX;
  char text[READOUT_MAX];
  for (size_t i = 0; i < c->count; i += step) {
    double here = x_percent(c, c->at[i]);
    double left = i >= step ? (here + x_percent(c, c->at[i - step])) / 2 : 0;
    double right = i + step < c->count ? (here + x_percent(c, c->at[i + step])) / 2 : 100;
    readout(c, i, text);
    cli_out_format(out,
                   "<g class=\"h\"><rect x=\"%.1f%%\" width=\"%.1f%%\" y=\"%d\" height=\"%d\"/>"
                   "<text class=\"e\" x=\"100%%\" y=\"11\">",
                   left, fmax(right - left, 0.1), BAND, plot_height(c));
    page_word(out, text);
    cli_out_text(out, "</text></g>");
  }
}

void chart_write(cli_out *out, chart *c) {
  ticks t;
  scale_up(c);
  find_ticks(&c->y, Y_TICKS, &t);
  cli_out_format(out, "<figure class=\"chart%s\"><figcaption>%s%s", c->wide ? " wide" : "",
                 c->title, c->y.scale == CHART_LOG ? ", log scale" : "");
  if (c->note) cli_out_format(out, "<small>%s</small>", c->note);
  cli_out_text(out, "</figcaption>");
  put_key(out, c);
  cli_out_text(out, "<div class=\"plot\">");
  put_y_axis(out, c, &t);
  cli_out_format(out, "<svg width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"",
                 plot_height(c) + BAND + FOOT);
  page_word(out, c->summary ? c->summary : c->title);
  cli_out_text(out, "\">");
  put_grid(out, c, &t);
  put_x_axis(out, c);
  put_inner(out, c);
  for (size_t i = 0; i < c->mark_count; i++)
    if (!c->marks[i].upright) put_level(out, c, &c->marks[i]);
  put_hovers(out, c);
  for (size_t i = 0; i < c->mark_count; i++)
    if (c->marks[i].upright) put_upright(out, c, &c->marks[i]);
  cli_out_text(out, "</svg></div></figure>\n");
}
