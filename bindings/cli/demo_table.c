/* The demo's one table, and the same figures as JSON. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "demo.h"
#include "jsonw.h"
#include "say.h"

static double wall_s(const demo *d) {
  const demo_tally *t = &d->tally;
  return t->end_ns > t->start_ns ? (double)(t->end_ns - t->start_ns) / 1e9 : 0;
}

static double per(double amount, double by) {
  return by > 0 ? amount / by : 0;
}

static double cpu_us_per_event(const demo *d) {
  return per((d->process.user_s + d->process.system_s) * 1e6, (double)d->tally.records);
}

static double copied_share(const demo *d) {
  const leat_stats *s = &d->tally.stats;
  return per((double)s->bytes_copied, (double)s->bytes_decrypted);
}

bool demo_is_verified(const demo *d) {
  /* Over HTTP/2 that all were open at once is part of what is shown. */
  bool together = d->pass->http != LEAT_HTTP_2 || d->options->connections.set ||
                  d->options->chats.set || d->gateway_peak >= d->chat_count;
  return together && d->chat_sums.verified == d->chat_count &&
         d->task_sums.verified == d->task_count && d->gateway_streams == d->chat_count &&
         d->gateway_events == d->tally.records;
}

__attribute__((format(printf, 3, 4))) static void row(cli_out *out, const char *name,
                                                      const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  bool colour = cli_say_colour(out->fd);
  cli_out_format(out, "  %s%-22s%s %s\n", colour ? "\x1b[2m" : "", name, colour ? "\x1b[0m" : "",
                 text);
}

static const char *commas(uint64_t n) {
  static char texts[4][32];
  static size_t next;
  char digits[24], *text = texts[next++ % 4];
  int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
  size_t used = 0;
  for (int i = 0; i < count; i++) {
    if (i > 0 && (count - i) % 3 == 0) text[used++] = ',';
    text[used++] = digits[i];
  }
  text[used] = '\0';
  return text;
}

/* "5,000 streaming chats and 3 video tasks over HTTP/2, through 20 connections" */
static void title(const demo *d, cli_out *out) {
  cli_out_format(out, "\nleat demo: %s streaming chats", commas(d->chat_count));
  if (d->task_count) cli_out_format(out, " and %s video tasks", commas(d->task_count));
  cli_out_format(out, " over HTTP/%s, through %d connections\n\n",
                 d->pass->http == LEAT_HTTP_2 ? "2" : "1.1", d->connections);
}

static void rows_traffic(const demo *d, cli_out *out) {
  const demo_tally *t = &d->tally;
  row(out, "done", "%s chats, %s tasks in %.1f s", commas(d->chat_sums.done),
      commas(d->task_sums.done), wall_s(d));
  row(out, "failed", "%s", commas(d->chat_sums.failed + d->task_sums.failed));
  row(out, "tokens/s", "%s (%s tokens)", commas((uint64_t)per((double)d->tokens, wall_s(d))),
      commas(d->tokens));
  row(out, "TTFT p50 / p99", "%.1f ms / %.1f ms", (double)lti_hist_percentile(t->ttft, 50) / 1e3,
      (double)lti_hist_percentile(t->ttft, 99) / 1e3);
  if (d->task_count) row(out, "polls", "%s", commas(d->task_sums.polls));
  if (d->gateway_stats.size)
    row(out, "at once", "%s answers, as the gateway counts them", commas(d->gateway_peak));
}

static void rows_client(const demo *d, cli_out *out) {
  const leat_stats *s = &d->tally.stats;
  row(out, "connections", "%s opened (at most %s at once), %s resumed", commas(s->conns_opened),
      commas(s->conns_peak), commas(s->handshakes_resumed));
  row(out, "handshakes", "%s full, %s resumed", commas(s->handshakes_full),
      commas(s->handshakes_resumed));
  row(out, "peak memory", "%.1f MB", (double)d->process.rss_peak_kb / 1024);
  row(out, "CPU per event", "%.1f us (%s events, set-up and polls included)", cpu_us_per_event(d),
      commas(d->tally.records));
  row(out, "bytes copied", "%.2f %% of %.1f MB of responses", copied_share(d) * 100,
      (double)s->bytes_decrypted / 1e6);
  if (d->gateway_stats.size)
    row(out, "events", "%s sent by the gateway, %s received", commas(d->gateway_events),
        commas(d->tally.records));
}

void demo_table(const demo *d, cli_out *out) {
  title(d, out);
  rows_traffic(d, out);
  rows_client(d, out);
  for (size_t i = 0; i < d->tally.error_count; i++)
    row(out, "error", "%s %s: %s", commas(d->tally.errors[i].count),
        leat_error_name(d->tally.errors[i].error), d->tally.errors[i].message);
  bool colour = cli_say_colour(out->fd);
  cli_out_format(out, "\n  %sverified %llu/%llu chats",
                 !colour               ? ""
                 : demo_is_verified(d) ? "\x1b[32m"
                                       : "\x1b[31m",
                 (unsigned long long)d->chat_sums.verified, (unsigned long long)d->chat_count);
  if (d->task_count)
    cli_out_format(out, " and %llu/%llu videos", (unsigned long long)d->task_sums.verified,
                   (unsigned long long)d->task_count);
  cli_out_format(out, ", byte by byte%s\n", colour ? "\x1b[0m" : "");
  if (d->session.interrupted)
    cli_out_text(out, "  interrupted: the rest was cancelled\n");
  else if (!demo_is_verified(d))
    cli_out_text(out, "  NOT everything is verified\n");
}

static double in_ms(uint64_t us) {
  return (double)us / 1e3;
}

static void put_ttft(cli_jsonw *w, const lti_hist *h) {
  cli_jsonw_open(w, "ttft", '{');
  cli_jsonw_uint(w, "count", lti_hist_count(h));
  cli_jsonw_real(w, "mean", lti_hist_mean(h) / 1e3, 3);
  cli_jsonw_real(w, "p50", in_ms(lti_hist_percentile(h, 50)), 3);
  cli_jsonw_real(w, "p90", in_ms(lti_hist_percentile(h, 90)), 3);
  cli_jsonw_real(w, "p99", in_ms(lti_hist_percentile(h, 99)), 3);
  cli_jsonw_real(w, "max", in_ms(lti_hist_max(h)), 3);
  cli_jsonw_close(w, '}');
}

static void put_sums(cli_jsonw *w, const char *key, uint64_t started, const demo_sums *sums) {
  cli_jsonw_open(w, key, '{');
  cli_jsonw_uint(w, "started", started);
  cli_jsonw_uint(w, "done", sums->done);
  cli_jsonw_uint(w, "failed", sums->failed);
  cli_jsonw_uint(w, "verified", sums->verified);
  cli_jsonw_uint(w, "bytes", sums->bytes);
  cli_jsonw_close(w, '}');
}

bool demo_json(const demo *d, cli_out *out) {
  const leat_stats *s = &d->tally.stats;
  cli_jsonw w;
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  cli_jsonw_bool(&w, "verified", demo_is_verified(d));
  cli_jsonw_text(&w, "http", lti_slice_of(d->pass->http == LEAT_HTTP_2 ? "2" : "1.1"));
  cli_jsonw_uint(&w, "at_once", d->gateway_peak);
  put_sums(&w, "chats", d->chat_count, &d->chat_sums);
  put_sums(&w, "tasks", d->task_count, &d->task_sums);
  cli_jsonw_uint(&w, "polls", d->task_sums.polls);
  cli_jsonw_real(&w, "wall_s", wall_s(d), 3);
  cli_jsonw_uint(&w, "tokens", d->tokens);
  cli_jsonw_real(&w, "tokens_per_s", per((double)d->tokens, wall_s(d)), 1);
  put_ttft(&w, d->tally.ttft);
  cli_jsonw_open(&w, "connections", '{');
  cli_jsonw_int(&w, "allowed", d->connections);
  cli_jsonw_uint(&w, "opened", s->conns_opened);
  cli_jsonw_uint(&w, "peak", s->conns_peak);
  cli_jsonw_uint(&w, "resumed", s->handshakes_resumed);
  cli_jsonw_uint(&w, "full_handshakes", s->handshakes_full);
  cli_jsonw_close(&w, '}');
  cli_jsonw_uint(&w, "events", d->tally.records);
  cli_jsonw_uint(&w, "content_events", d->tally.content_events);
  cli_jsonw_uint(&w, "gateway_events", d->gateway_events);
  cli_jsonw_real(&w, "cpu_us_per_event", cpu_us_per_event(d), 3);
  cli_jsonw_uint(&w, "max_rss_kb", d->process.rss_peak_kb);
  cli_jsonw_real(&w, "copied_share", copied_share(d), 6);
  if (d->gateway_stats.size) cli_jsonw_raw(&w, "gateway", lti_buf_slice(&d->gateway_stats));
  cli_jsonw_close(&w, '}');
  bool fine = cli_jsonw_line(&w, out);
  cli_jsonw_deinit(&w);
  return fine;
}
