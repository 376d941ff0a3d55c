/* The view's place on the screen, and what it shows: sums of all threads' pulses, of which some are
 * kept for a while, so that rates and percentiles are those of the last two seconds.
 *
 * A frame is one write. The cursor rests below it and is never hidden: whoever is killed leaves a
 * terminal that is fine. A frame is taken back by counting the rows that its lines take on the
 * screen as it is now, for the window may have changed its width since. Before anything else is
 * said, the view takes itself away (cli_say_wipe), and comes back below at the next tick. */
#include "live.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench/load/result/certificate.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "live_view.h"

#define KEPT          11 /* sums */
#define TICK_NS       UINT64_C(190000000)
#define PLAIN_NS      UINT64_C(10000000000)
#define SPARE_ROWS    2
#define LINE_MAX_SIZE 512

/* Of all threads, at one time. */
typedef struct sums {
  uint64_t at_ns, started, completed, failed, events, tokens, in_flight;
  uint64_t ttft[PULSE_BUCKETS], itl[PULSE_BUCKETS], lag[PULSE_BUCKETS];
} sums;

struct live {
  bool quiet, terminal, colour, utf8;
  live_view view;
  uint64_t begin_ns, drawn_ns, said_ns;
  size_t kept; /* sums taken so far; the ring holds the last KEPT */
  sums ring[KEPT];
  live_frame frame;
  int columns; /* that the frame was drawn for */
  bool shown;  /* the frame is on the screen */
};

/* ---- the terminal */

static bool speaks_utf8(void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *value = getenv(names[i]);
    if (!value || !*value) continue;
    const char *charset = strchr(value, '.');
    return charset &&
           (strncasecmp(charset + 1, "UTF-8", 5) == 0 || strncasecmp(charset + 1, "UTF8", 4) == 0);
  }
  return false;
}

static bool moves_cursor(void) {
  const char *term = getenv("TERM");
  return cli_say_terminal() && term && *term && strcmp(term, "dumb") != 0;
}

/* False: it is too small for the view, or does not say. */
static bool screen_size(int *columns) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) return false;
  *columns = size.ws_col;
  return size.ws_col >= LIVE_VIEW_COLUMNS && size.ws_row >= LIVE_VIEW_LINES + SPARE_ROWS;
}

static void write_out(const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t n = write(STDERR_FILENO, bytes, size);
    if (n <= 0) return;
    bytes += n;
    size -= (size_t)n;
  }
}

/* Rows that the frame's lines take where a row has so many columns. */
static int rows_of(const live_frame *f, int columns) {
  int rows = 0;
  for (int i = 0; i < f->line_count; i++)
    rows += f->widths[i] > columns && columns > 0 ? (f->widths[i] + columns - 1) / columns : 1;
  return rows;
}

static void take_away(void *ctx) {
  live *l = ctx;
  char code[32];
  int columns = l->columns;
  if (!l->shown) return;
  l->shown = false;
  screen_size(&columns);
  int size = snprintf(code, sizeof code, "\x1b[%dA\r\x1b[J", rows_of(&l->frame, columns));
  if (size > 0) write_out(code, (size_t)size);
}

static void show(live *l, int columns) {
  live_look look = {columns, l->colour, l->utf8};
  char bytes[LIVE_VIEW_SIZE + 32];
  int size = 0;
  if (l->shown && columns != l->columns) take_away(l);
  if (l->shown) size = snprintf(bytes, 32, "\x1b[%dA\r", rows_of(&l->frame, columns));
  if (size < 0) return;
  live_view_draw(&l->view, &look, &l->frame);
  memcpy(bytes + size, l->frame.text, l->frame.size);
  write_out(bytes, (size_t)size + l->frame.size);
  l->columns = columns;
  l->shown = true;
}

/* ---- figures */

static uint64_t look_at(const _Atomic uint64_t *counter) {
  return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_pulse(sums *s, const pulse *p) {
  s->started += look_at(&p->started);
  s->completed += look_at(&p->completed);
  s->failed += look_at(&p->failed);
  s->events += look_at(&p->events);
  s->tokens += look_at(&p->output_tokens);
  s->in_flight += look_at(&p->in_flight);
  for (size_t i = 0; i < PULSE_BUCKETS; i++) {
    s->ttft[i] += look_at(&p->ttft[i]);
    s->itl[i] += look_at(&p->itl[i]);
    s->lag[i] += look_at(&p->lag[i]);
  }
}

static double rate_of(uint64_t from, uint64_t to, double seconds) {
  return seconds > 0 && to > from ? (double)(to - from) / seconds : 0;
}

static void between(const uint64_t *from, const uint64_t *to, uint64_t *out) {
  for (size_t i = 0; i < PULSE_BUCKETS; i++) out[i] = to[i] > from[i] ? to[i] - from[i] : 0;
}

/* The view of what happened from one to the other. */
static void compose(live *l, const sums *from, const sums *to) {
  live_view *v = &l->view;
  uint64_t lag[PULSE_BUCKETS];
  double seconds = (double)(to->at_ns - from->at_ns) / 1e9;
  v->elapsed_s = (double)(to->at_ns - l->begin_ns) / 1e9;
  v->completed = to->completed;
  v->failed = to->failed;
  v->ended = to->completed + to->failed;
  v->in_flight = to->in_flight;
  v->request_rate = rate_of(from->completed, to->completed, seconds);
  v->event_rate = rate_of(from->events, to->events, seconds);
  v->token_rate = rate_of(from->tokens, to->tokens, seconds);
  between(from->ttft, to->ttft, v->ttft);
  between(from->itl, to->itl, v->itl);
  between(from->lag, to->lag, lag);
  v->ttft_p50_us = live_view_percentile(v->ttft, 50);
  v->ttft_p99_us = live_view_percentile(v->ttft, 99);
  v->itl_p50_us = live_view_percentile(v->itl, 50);
  v->itl_p99_us = live_view_percentile(v->itl, 99);
  v->lag_p99_us = live_view_percentile(lag, 99);
  certificate_lags(live_view_percentile(to->ttft, 50), &v->lag_valid_us, &v->lag_degraded_us);
}

/* ---- its life */

live *live_open(const result_offer *offer, const shape_spec *spec, bool quiet) {
  live *l = lti_alloc_zero(cli_program_alloc(), sizeof *l);
  if (!l) return NULL;
  l->quiet = quiet;
  l->terminal = moves_cursor();
  l->colour = cli_say_colour(STDERR_FILENO);
  l->utf8 = speaks_utf8();
  cli_say_clean(lti_slice_of(offer->label), l->view.label, sizeof l->view.label);
  uint64_t length = shape_length(spec);
  if (spec->duration_ns < length) length = spec->duration_ns;
  l->view.length_s = length == UINT64_MAX ? -1 : (double)(length + spec->warmup_ns) / 1e9;
  l->view.requests = spec->requests == UINT64_MAX ? 0 : spec->requests;
  if (!quiet && l->terminal) cli_say_wipe(take_away, l);
  return l;
}

void live_tick(live *l, const crew *c, uint64_t now_ns) {
  char line[LINE_MAX_SIZE];
  int columns = 0;
  if (l->quiet || (l->kept > 0 && now_ns - l->drawn_ns < TICK_NS)) return;
  if (l->kept == 0) l->begin_ns = l->said_ns = now_ns;
  l->drawn_ns = now_ns;
  sums *to = &l->ring[l->kept % KEPT];
  memset(to, 0, sizeof *to);
  to->at_ns = now_ns;
  for (size_t i = 0; i < crew_threads(c); i++) add_pulse(to, crew_pulse(c, i));
  l->kept++;
  compose(l, &l->ring[l->kept < KEPT ? 0 : l->kept % KEPT], to);
  if (l->terminal && screen_size(&columns)) {
    show(l, columns);
    return;
  }
  take_away(l);
  if (now_ns - l->said_ns < PLAIN_NS) return;
  l->said_ns = now_ns;
  live_view_line(&l->view, line, sizeof line);
  cli_say("%s", line);
}

void live_close(live *l) {
  if (!l) return;
  take_away(l);
  if (!l->quiet && l->terminal) cli_say_wipe(NULL, NULL);
  lti_alloc_put(cli_program_alloc(), l);
}
