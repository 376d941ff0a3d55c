/* What the live view shows, and how it looks on so many columns: figures in, text out, without a
 * terminal. live.c gathers the figures and owns the place on the screen. */
#ifndef LOAD_LIVE_VIEW_H
#define LOAD_LIVE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load/run/pulse.h"

#define LIVE_VIEW_LINES   6
#define LIVE_VIEW_COLUMNS 60 /* fewer do not hold it */
#define LIVE_VIEW_SIZE    6144

typedef struct live_view {
  char label[64];
  double elapsed_s, length_s; /* length: what the run will last; below 0: not known */
  uint64_t ended, requests;   /* requests: of the run; 0: not known */
  uint64_t completed, failed, in_flight;
  double request_rate, event_rate, token_rate;             /* of the last moments, a second */
  double ttft_p50_us, ttft_p99_us, itl_p50_us, itl_p99_us; /* the same; NAN: none came */
  double lag_p99_us, lag_valid_us, lag_degraded_us;        /* the certificate's light */
  uint64_t ttft[PULSE_BUCKETS], itl[PULSE_BUCKETS];        /* of the last moments */
} live_view;

typedef struct live_look {
  int columns;
  bool colour, utf8;
} live_look;

/* One frame: lines with their widths, so that it can be taken back on a screen of another width. */
typedef struct live_frame {
  char text[LIVE_VIEW_SIZE];
  size_t size;
  int line_count;
  int widths[LIVE_VIEW_LINES];
} live_frame;

/* The p-th percentile of such buckets in us, NAN when they are empty. */
double live_view_percentile(const uint64_t buckets[PULSE_BUCKETS], double percent);
/* LIVE_VIEW_LINES lines, each ended by clearing the rest of its row and a line feed. */
void live_view_draw(const live_view *v, const live_look *look, live_frame *frame);
/* The same in one line without an end, for a log. */
void live_view_line(const live_view *v, char *out, size_t size);

#endif
