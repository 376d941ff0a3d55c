/* A chart as inline SVG, drawn here and not by a script. It is as wide as its column while letters
 * and lines keep their size: places across are percentages, and curves lie in an inner drawing that
 * is stretched without its strokes. Pointing at a column shows its figures, by CSS alone.
 *
 * All series of a chart share their places across; clouds of dots bring their own. A value that is
 * NAN is a gap. */
#ifndef LOAD_CHART_H
#define LOAD_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include "bindings/cli/out.h"

#define CHART_COLUMNS_MAX 400
#define CHART_SERIES_MAX  8
#define CHART_MARKS_MAX   4

enum chart_scale {
  CHART_LINEAR,    /* from zero */
  CHART_LOG,       /* also chosen by CHART_AUTO */
  CHART_AUTO,      /* linear, or log where values differ by far */
  CHART_PERCENTILE /* across: 50, 90, 99, 99.9 are equally far apart */
};

enum chart_unit { CHART_TIME_US, CHART_SECONDS, CHART_COUNT, CHART_SHARE, CHART_PERCENT };

typedef struct chart_axis {
  const char *title; /* a constant */
  enum chart_scale scale;
  enum chart_unit unit;
  double from, to; /* across: set by the caller; up: found by chart_write, at least these */
} chart_axis;

/* Classes of the style sheet: colours c1 to c5, cg, cw, cb. */
typedef struct chart_series {
  const char *name, *colour;
  const char *look; /* "", "dash", "thin", "area", "knob" (dots on a curve's points) */
  const double *y;
} chart_series;

/* A line across or up, with words at it. */
typedef struct chart_mark {
  bool upright;
  double at;
  const char *words, *colour; /* words are escaped */
} chart_mark;

/* Dots of one colour. */
typedef struct chart_cloud {
  const char *name, *colour;
  const float *x, *y; /* y below 0 is left out */
  size_t count;
} chart_cloud;

typedef struct chart {
  const char *title, *note; /* constants; note may be NULL */
  const char *summary;      /* what a screen reader says of it: escaped; NULL: the title */
  int height;               /* px of the plot; 0: 180 */
  bool wide;                /* over all columns of its row */
  chart_axis x, y;
  size_t count;
  const double *at; /* across, `count` of them, growing */
  size_t series_count, mark_count, cloud_count;
  chart_series series[CHART_SERIES_MAX];
  chart_mark marks[CHART_MARKS_MAX];
  chart_cloud clouds[2];
} chart;

/* One more series; those beyond the maximum are left out. */
void chart_add(chart *c, chart_series series);
void chart_mark_at(chart *c, chart_mark mark);
/* Whether anything can be drawn. */
bool chart_filled(const chart *c);
void chart_write(cli_out *out, chart *c);
/* The figure of an axis as its ticks say it. At least PAGE_FIGURE_MAX bytes. */
const char *chart_figure(enum chart_unit unit, double value, char *out);

#endif
