/* Single requests as bars from their intended start: the wait until the send, the way to the first
 * content, and the content with a stroke for each event. A table says the same in figures. */
#include <math.h>
#include <stdio.h>

#include "report_parts.h"

#define BAR_HEIGHT   14
#define ROW_HEIGHT   26
#define TOP          6
#define FOOT         24
#define INNER_WIDTH  4000.0
#define TICKS        5
#define WORDS_MAX    200
#define STROKES_NEAR 6 /* inner units: strokes closer than this are one */

static double end_of(const result_track *t) {
  int64_t end = t->done_us;
  if (t->last_us > end) end = t->last_us;
  if (t->first_us > end) end = t->first_us;
  if (t->sent_us > end) end = t->sent_us;
  if (t->count > 0 && (int64_t)t->steps_us[t->count - 1] > end)
    end = (int64_t)t->steps_us[t->count - 1];
  return end > 0 ? (double)end : 0;
}

static double longest(const result_point *p) {
  double end = 0;
  for (size_t i = 0; i < p->track_count; i++) end = fmax(end, end_of(&p->tracks[i]));
  return end;
}

/* One stretch of a bar; times in us, as long as `all` in all. */
typedef struct stretch {
  const char *colour, *what;
  int64_t from, to;
} stretch;

static void put_stretch(cli_out *out, const stretch *s, double y, double all) {
  if (s->from < 0 || s->to <= s->from) return;
  char text[PAGE_FIGURE_MAX];
  double left = 100 * (double)s->from / all, width = 100 * (double)(s->to - s->from) / all;
  cli_out_format(out,
                 "<rect class=\"s bar %s\" x=\"%.3f%%\" width=\"%.3f%%\" y=\"%.0f\" "
                 "height=\"%d\"><title>%s: %s</title></rect>",
                 s->colour, left, width, y, BAR_HEIGHT, s->what,
                 page_time((double)(s->to - s->from), text));
}

static int64_t reached(int64_t a, int64_t b) {
  return a >= 0 ? a : b;
}

/* What came, a stroke each; those that would lie on each other are one. */
static void put_steps(cli_out *out, const result_track *t, double y, double all) {
  long last = -1000;
  cli_out_format(out,
                 "<svg y=\"%.0f\" width=\"100%%\" height=\"%d\" viewBox=\"0 0 %.0f 10\" "
                 "preserveAspectRatio=\"none\"><path class=\"s step\" d=\"",
                 y, BAR_HEIGHT, INNER_WIDTH);
  for (size_t i = 0; i < t->count && i < RESULT_STEPS_MAX; i++) {
    long x = lround((double)t->steps_us[i] / all * INNER_WIDTH);
    if (x - last < STROKES_NEAR) continue;
    last = x;
    cli_out_format(out, "M%ld 2v6", x);
  }
  cli_out_text(out, "\"/></svg>");
}

static void put_bar(cli_out *out, const result_track *t, size_t row, double all) {
  double y = TOP + (double)row * ROW_HEIGHT;
  int64_t end = (int64_t)end_of(t), sent = reached(t->sent_us, end);
  int64_t head = reached(t->head_us, reached(t->first_us, end));
  int64_t first = reached(t->first_us, end);
  const stretch stretches[] = {{"c5", "waited before the send", 0, sent},
                               {"c4", "sent, until the response's head", sent, head},
                               {"c2", "until the first content", head, first},
                               {"c1", "content", first, reached(t->last_us, end)},
                               {"c5", "until it was done", reached(t->last_us, end), end}};
  for (size_t i = 0; i < sizeof stretches / sizeof stretches[0]; i++)
    put_stretch(out, &stretches[i], y, all);
  put_steps(out, t, y, all);
  if (t->error)
    cli_out_format(out, "<text class=\"fail\" x=\"%.3f%%\" dx=\"%d\" y=\"%.0f\">failed</text>",
                   100 * (double)end / all, (double)end > all * 0.85 ? -44 : 5, y + 11);
}

static double tick_step(double all) {
  double raw = all / TICKS, power = pow(10, floor(log10(raw)));
  double digit = raw / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

static void put_scale(cli_out *out, double all, double height) {
  char text[PAGE_FIGURE_MAX];
  double step = tick_step(all);
  for (double at = 0; at <= all; at += step) {
    double x = 100 * at / all;
    cli_out_format(out, "<line class=\"grid\" x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"%.0f\"/>", x, x,
                   height);
    cli_out_format(out, "<text class=\"%s\" x=\"%.2f%%\" y=\"%.0f\">%s</text>",
                   x < 3    ? ""
                   : x > 95 ? "e"
                            : "m",
                   x, height + 15, at == 0 ? "0" : page_time(at, text));
  }
}

static void put_key(cli_out *out) {
  cli_out_text(out,
               "<ul class=\"key\"><li class=\"c5 bar\"><span>waiting, before and after</span>"
               "</li><li class=\"c4 bar\"><span>to the response's head</span></li>"
               "<li class=\"c2 bar\"><span>to the first content</span></li>"
               "<li class=\"c1 bar\"><span>content, a stroke an event</span></li></ul>\n");
}

/* Indices of the tracks by growing index of their requests. */
static void find_order(const result_point *p, size_t order[RESULT_TRACKS_MAX]) {
  for (size_t i = 0; i < p->track_count; i++) {
    size_t at = i;
    for (; at > 0 && p->tracks[order[at - 1]].index > p->tracks[i].index; at--)
      order[at] = order[at - 1];
    order[at] = i;
  }
}

static void put_picture(cli_out *out, const result_point *p, const size_t *order, double all) {
  double height = TOP + (double)p->track_count * ROW_HEIGHT;
  cli_out_text(out, "<figure class=\"chart\">");
  put_key(out);
  cli_out_format(out,
                 "<div class=\"plot tracks\"><svg width=\"100%%\" height=\"%.0f\" "
                 "aria-hidden=\"true\">",
                 height + FOOT);
  for (size_t i = 0; i < p->track_count; i++)
    cli_out_format(out, "<text class=\"e\" x=\"100%%\" dx=\"-8\" y=\"%.0f\">#%llu</text>",
                   TOP + (double)i * ROW_HEIGHT + 11,
                   (unsigned long long)p->tracks[order[i]].index);
  cli_out_format(out,
                 "</svg><svg width=\"100%%\" height=\"%.0f\" role=\"img\" aria-label=\""
                 "Bars of %zu requests from their intended start; the table below has the "
                 "figures\">",
                 height + FOOT, p->track_count);
  put_scale(out, all, height);
  for (size_t i = 0; i < p->track_count; i++) put_bar(out, &p->tracks[order[i]], i, all);
  cli_out_text(out, "</svg></div></figure>\n");
}

static void put_row(cli_out *out, const result_track *t) {
  const int64_t times[] = {t->sent_us,  t->connected_us, t->tls_us, t->head_us,
                           t->first_us, t->last_us,      t->done_us};
  char text[PAGE_FIGURE_MAX], name[PAGE_FIGURE_MAX];
  snprintf(name, sizeof name, "#%llu", (unsigned long long)t->index);
  page_row(out, name);
  for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
    page_cell(out, page_ms((double)times[i], text));
  page_cell(out, page_count((double)t->count, text));
  page_cell_words(out, t->error ? leat_error_name(t->error) : "none");
  page_row_end(out);
}

void report_tracks(const result_point *p, cli_out *out) {
  size_t order[RESULT_TRACKS_MAX];
  double all = longest(p);
  if (p->track_count == 0 || p->track_count > RESULT_TRACKS_MAX || all <= 0) return;
  find_order(p, order);
  page_section(out, "tracks", "Single requests");
  cli_out_text(out, "<p class=\"sub\">From the intended start of each.</p>\n");
  put_picture(out, p, order, all);
  cli_out_text(out, "<details><summary>The same as a table</summary>\n");
  page_table(out, "Single requests: when each milestone was reached, ms from the intended start",
             "Request|Sent|Connected|TLS|Head|First content|Last content|Done|Events|<Error");
  for (size_t i = 0; i < p->track_count; i++) put_row(out, &p->tracks[order[i]]);
  page_table_end(out);
  cli_out_text(out, "</details>\n");
  page_section_end(out);
}
