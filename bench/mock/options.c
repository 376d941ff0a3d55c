/* `leat mock`: options, the one ready line on stdout, and an orderly end at SIGINT or SIGTERM with
 * the counters on stderr. The table below is both the parser and the help. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/mock/gateway.h"

struct options {
  mock_config config;
  bool json, quiet, help, remove_ca;
  char ca_path[256];
};

enum option_kind {
  AS_TEXT,
  AS_FLAG,
  AS_TIME_US,
  AS_TIME_MS,
  AS_SPAN_MS, /* not 0 */
  AS_TICK,    /* in us */
  AS_COUNT,
  AS_SIZE,
  AS_PORT,
  AS_RATIO,
  AS_NUMBER,
  AS_FAULT,
  AS_ENVELOPE,
  AS_FORMS,
  AS_URLS,
  AS_ODD,
  AS_AUTH,
  AS_H2,
  AS_WINDOW,
  AS_FREEZE
};

struct option {
  const char *name, *argument;
  enum option_kind kind;
  size_t at; /* in struct options */
  const char *does;
};

#define AT(field) offsetof(struct options, field)

static const struct option options[] = {
    {"--host", "ADDR", AS_TEXT, AT(config.host), "address to listen on (127.0.0.1)"},
    {"--port", "PORT", AS_PORT, AT(config.port), "port, 0: the system picks (0)"},
    {"--plain", NULL, AS_FLAG, AT(config.plain), "plain HTTP"},
    {"--ca-out", "FILE", AS_TEXT, AT(config.ca_out),
     "write the throwaway CA there (a file in /tmp)"},
    {"--cert", "FILE", AS_TEXT, AT(config.cert), "use this certificate chain"},
    {"--key", "FILE", AS_TEXT, AT(config.key), "and this private key"},
    {"--no-tickets", NULL, AS_FLAG, AT(config.no_tickets), "no session tickets"},
    {"--no-session-cache", NULL, AS_FLAG, AT(config.no_cache), "no session cache"},
    {"--require-key", "KEY", AS_TEXT, AT(config.require_key), "answer 401 to any other key"},
    {"--auth", "any|strict", AS_AUTH, AT(config.auth_strict),
     "where a key may stand: anywhere, or where gateways look (any)"},
    {"--seed", "N", AS_SIZE, AT(config.seed), "of texts without a seed, faults and jitter (0)"},
    {"--ttft", "TIME", AS_TIME_US, AT(config.ttft_us), "before the first event (20ms)"},
    {"--gap", "TIME", AS_TIME_US, AT(config.gap_us), "between events (5ms)"},
    {"--jitter", "TIME", AS_TIME_US, AT(config.jitter_us), "added to each, at random (0)"},
    {"--tick", "TIME", AS_TICK, AT(config.tick_us),
     "round times up to multiples of this, 10us to 1s: finer is more punctual (1ms)"},
    {"--events", "N", AS_COUNT, AT(config.events), "in an answer that names no max_tokens (40)"},
    {"--bytes", "N", AS_COUNT, AT(config.bytes), "of content in each event (20 to 46)"},
    {"--gzip", NULL, AS_FLAG, AT(config.gzip), "compress what is not streamed, if accepted"},
    {"--h2", "on|off|only", AS_H2, AT(config.h2), "HTTP/2 by ALPN and by prior knowledge (on)"},
    {"--h2-streams", "N", AS_COUNT, AT(config.h2_streams), "MAX_CONCURRENT_STREAMS (250)"},
    {"--h2-window", "SIZE", AS_WINDOW, AT(config.h2_window),
     "for uploads, of a stream and of the connection (1M)"},
    {"--h2-window-delay", "TIME", AS_TIME_MS, AT(config.h2_window_delay_ms),
     "give window back so long after reading (0)"},
    {"--h2-coalesce", NULL, AS_FLAG, AT(config.h2_coalesce), "many frames in one TLS record"},
    {"--keepalive", "TIME", AS_TIME_MS, AT(config.keepalive_ms), "close idle connections (75s)"},
    {"--requests-max", "N", AS_COUNT, AT(config.requests_max), "on one connection (no limit)"},
    {"--conns-max", "N", AS_COUNT, AT(config.conns_max), "at once (descriptor limit less 64)"},
    {"--fault", "RULE", AS_FAULT, 0, "a fault for all requests; may be repeated"},
    {"--task-queued", "TIME", AS_TIME_MS, AT(config.task_queued_ms), "a task waits (100ms)"},
    {"--task-time", "TIME", AS_TIME_MS, AT(config.task_ms), "and then runs (1s)"},
    {"--task-fail", "P", AS_RATIO, AT(config.task_fail), "probability that it fails (0)"},
    {"--task-median", "TIME", AS_TIME_US, AT(config.task_median_us),
     "it runs for a lognormal time of this median instead"},
    {"--task-sigma", "S", AS_NUMBER, AT(config.task_sigma), "and of this sigma (0.8)"},
    {"--task-lost", "P", AS_RATIO, AT(config.task_lost), "probability that it is forgotten (0)"},
    {"--task-stuck", "P", AS_RATIO, AT(config.task_stuck), "probability that it never ends (0)"},
    {"--task-absent", "N", AS_COUNT, AT(config.task_absent), "first polls that do not find it (0)"},
    {"--task-status", "known|odd|unknown", AS_ODD, AT(config.task_odd),
     "the word for a task that runs (known)"},
    {"--task-forms", "usual|new-api|vendor|docs", AS_FORMS, AT(config.task_forms),
     "whose answers tasks get (usual)"},
    {"--task-urls", "usual|signed|proxy|inline", AS_URLS, AT(config.task_urls),
     "where results are (usual)"},
    {"--content-redirect", NULL, AS_FLAG, AT(config.content_redirect),
     "the proxy of contents redirects to signed urls"},
    {"--task-bytes", "SIZE", AS_SIZE, AT(config.task_bytes), "of its content (64K)"},
    {"--tasks-max", "N", AS_COUNT, AT(config.tasks_max), "kept; then submits get 429 (1000000)"},
    {"--poll-envelope", "E1|E3|E4", AS_ENVELOPE, AT(config.poll_envelope),
     "new-api's, OpenAI's or the documents' answer to polls of video (E3)"},
    {"--poll-after", "TIME", AS_TIME_MS, AT(config.poll_after_ms), "openai-poll-after-ms (none)"},
    {"--rpm", "N", AS_COUNT, AT(config.rpm), "requests a minute of a key and model (no limit)"},
    {"--tpm", "N", AS_COUNT, AT(config.tpm), "and their tokens (no limit)"},
    {"--limit-window", "TIME", AS_SPAN_MS, AT(config.limit_window_ms), "the minute's length (60s)"},
    {"--limit-burst", "N", AS_COUNT, AT(config.limit_burst), "requests at once (a minute's)"},
    {"--polls-per-second", "N", AS_COUNT, AT(config.polls_per_second), "of a key (no limit)"},
    {"--in-flight-max", "N", AS_COUNT, AT(config.in_flight_max),
     "requests under way; more get 529 (no limit)"},
    {"--rx-stamps", NULL, AS_FLAG, AT(config.rx_stamps),
     "a request came when the kernel took it in, not when it was read"},
    {"--freeze", "AT,FOR", AS_FREEZE, 0,
     "sleep for FOR (up to 60s), AT after the first request: nothing is read or written (never)"},
    {"--retry-after", NULL, AS_FLAG, AT(config.retry_after),
     "a 429 for its rate says when to come again"},
    {"--ledger", "FILE", AS_TEXT, AT(config.ledger),
     "a line of JSON for each submit and each end that was seen"},
    {"--json", NULL, AS_FLAG, AT(json), "the ready line as JSON"},
    {"--quiet", NULL, AS_FLAG, AT(quiet), "no counters at the end"},
    {"--help", NULL, AS_FLAG, AT(help), "this"},
};

#define LEFT_COLUMNS 24
#define OPTION_COUNT (sizeof options / sizeof options[0])

static void print_help(void) {
  printf(
      "usage: leat mock [options]\n\n"
      "A loopback gateway: every endpoint of chat, images, audio, video, music, embeddings, files\n"
      "and batches, with text, cadence and faults of your choice. Prints one line when it is "
      "ready\n"
      "and runs until it is stopped. Times are seconds, or have us, ms, s, m, h; sizes take K, M,\n"
      "G.\n"
      "\n");
  for (size_t i = 0; i < OPTION_COUNT; i++) {
    char left[64];
    snprintf(left, sizeof left, "%s %s", options[i].name,
             options[i].argument ? options[i].argument : "");
    if (strlen(left) > LEFT_COLUMNS) printf("  %s\n", left);
    printf("  %-*s %s\n", LEFT_COLUMNS, strlen(left) > LEFT_COLUMNS ? "" : left, options[i].does);
  }
  printf("\n");
  mock_fault_help();
  printf(
      "\nHeaders of a request: x-mock-ttft-ms, x-mock-gap-ms, x-mock-jitter-ms, x-mock-events,\n"
      "x-mock-bytes, x-mock-seed, x-mock-reasoning, x-mock-finish, x-mock-stamp: 1, x-mock-gzip: "
      "1,\n"
      "x-mock-chunked: 1, x-mock-fault, x-mock-fault-times (with x-mock-fault-key: only so "
      "often),\n"
      "x-mock-retry-after, x-mock-request (a name that is counted, and a task's in the ledger).\n"
      "In the query: n, ms, ttft, jitter, bytes, seed, stamp.\n"
      "Of a task, as x-mock-task-NAME: N, or mock_NAME=N in the prompt, or mock_NAME in metadata\n"
      "(there with _ for -): ms, queued-ms, bytes, absent, odd, code, url-s; with 1: fail, "
      "expire,\n"
      "cancel, modal, lost, stuck; signed, proxy, inline; redirect, reason-url, raw. "
      "x-mock-envelope: "
      "E1\n"
      "to E10 is the form of a poll's answer.\n"
      "GET /stats has counters, GET /mock/timing?reset=1 the gateway's own times: lateness, first\n"
      "events, gaps, requests under way. POST /mock/arrivals?max=N logs when requests come, GET "
      "tells.\n"
      "POST /mock/freeze?ms=N&in=N stops it for a time. GET /mock/ledger?since=N has the tasks, "
      "POST\n"
      "/mock/sink takes any body and says what came.\n");
}

static bool read_number(const char *text, double *value, const char **unit) {
  char *end;
  *value = strtod(text, &end);
  *unit = end;
  return end != text && *value >= 0 && isfinite(*value);
}

static bool read_time(const char *text, double *seconds) {
  const char *unit;
  if (!read_number(text, seconds, &unit)) return false;
  if (strcmp(unit, "ms") == 0)
    *seconds /= 1000;
  else if (strcmp(unit, "us") == 0)
    *seconds /= 1e6;
  else if (strcmp(unit, "m") == 0)
    *seconds *= 60;
  else if (strcmp(unit, "h") == 0)
    *seconds *= 3600;
  else if (*unit && strcmp(unit, "s") != 0)
    return false;
  return *seconds <= 1000000;
}

static bool read_size(const char *text, uint64_t *value) {
  char *end;
  errno = 0;
  *value = strtoull(text, &end, 10);
  if (end == text || errno || !isdigit((unsigned char)*text)) return false;
  int unit = *end ? *end++ | 0x20 : 0;
  unsigned shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
  if ((unit && !shift) || *end || *value > UINT64_MAX >> shift) return false;
  *value <<= shift;
  return true;
}

static bool add_fault(mock_config *config, const char *text) {
  if (config->fault_rule_count == MOCK_FAULT_RULES_MAX) return false;
  config->fault_rules[config->fault_rule_count++] = text;
  return true;
}

/* Which of the words, that stand with a bar between them, the text is; -1: none. */
static int read_word(const char *text, const char *words) {
  size_t size = strlen(text);
  for (int i = 0; *words; i++) {
    size_t n = strcspn(words, "|");
    if (n == size && memcmp(words, text, n) == 0) return i;
    words += n + (words[n] == '|');
  }
  return -1;
}

static bool set_word(struct options *o, const struct option *option, const char *text) {
  static const enum mock_envelope envelopes[] = {MOCK_E1, MOCK_E3, MOCK_E4};
  mock_config *c = &o->config;
  int which = read_word(text, option->argument);
  if (which < 0) return false;
  switch (option->kind) {
    case AS_ENVELOPE: c->poll_envelope = envelopes[which]; break;
    case AS_H2: c->h2 = (enum mock_h2)which; break;
    case AS_FORMS: c->task_forms = (enum mock_forms)which; break;
    case AS_URLS: c->task_urls = (uint32_t)which; break;
    case AS_ODD: c->task_odd = (uint8_t)which; break;
    default: c->auth_strict = which == 1; break;
  }
  return true;
}

static bool read_u32(const char *text, uint64_t most, uint32_t *value) {
  uint64_t size = 0;
  if (!read_size(text, &size) || size > most) return false;
  *value = (uint32_t)size;
  return true;
}

/* AT,FOR */
static bool set_freeze(mock_config *c, const char *text) {
  char at_text[32];
  double at = 0, span = 0;
  size_t n = strcspn(text, ",");
  if (!text[n] || n >= sizeof at_text) return false;
  memcpy(at_text, text, n);
  at_text[n] = '\0';
  if (!read_time(at_text, &at) || !read_time(text + n + 1, &span)) return false;
  c->freeze_at_us = (uint64_t)llround(at * 1e6);
  c->freeze_us = (uint64_t)llround(span * 1e6);
  return span > 0 && span * 1000 <= MOCK_FREEZE_MS_MAX;
}

static bool set_option(struct options *o, const struct option *option, const char *text) {
  void *field = (char *)o + option->at;
  double number = 0;
  uint64_t size = 0;
  const char *unit = "";
  switch (option->kind) {
    case AS_FLAG: *(bool *)field = true; return true;
    case AS_TEXT: *(const char **)field = text; return true;
    case AS_FAULT: return add_fault(&o->config, text);
    case AS_FREEZE: return set_freeze(&o->config, text);
    case AS_ENVELOPE:
    case AS_FORMS:
    case AS_URLS:
    case AS_ODD:
    case AS_AUTH:
    case AS_H2: return set_word(o, option, text);
    case AS_NUMBER: return read_number(text, field, &unit) && !*unit;
    case AS_RATIO:
      if (!read_number(text, field, &unit) || *unit || *(double *)field > 1) return false;
      return true;
    case AS_TIME_US:
      if (!read_time(text, &number)) return false;
      *(uint64_t *)field = (uint64_t)llround(number * 1e6);
      return true;
    case AS_TICK:
      if (!read_time(text, &number) || number < 1e-5 || number > 1) return false;
      *(uint64_t *)field = (uint64_t)llround(number * 1e6);
      return true;
    case AS_TIME_MS:
      if (!read_time(text, &number)) return false;
      *(uint32_t *)field = (uint32_t)llround(number * 1e3);
      return true;
    case AS_SPAN_MS:
      if (!read_time(text, &number) || number < 0.001) return false;
      *(uint32_t *)field = (uint32_t)llround(number * 1e3);
      return true;
    case AS_SIZE: return read_size(text, field);
    case AS_PORT:
      if (!read_size(text, &size) || size > UINT16_MAX) return false;
      *(uint16_t *)field = (uint16_t)size;
      return true;
    case AS_COUNT: return read_u32(text, UINT32_MAX, field);
    case AS_WINDOW: return read_u32(text, INT32_MAX, field);
  }
  return false;
}

/* NAME VALUE and NAME=VALUE. */
static const struct option *find_option(const char *word, const char **value) {
  size_t n = strcspn(word, "=");
  *value = word[n] ? word + n + 1 : NULL;
  for (size_t i = 0; i < OPTION_COUNT; i++)
    if (strlen(options[i].name) == n && memcmp(options[i].name, word, n) == 0) return &options[i];
  return NULL;
}

static int parse(struct options *o, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *value;
    const struct option *option = find_option(argv[i], &value);
    if (!option) {
      fprintf(stderr, "leat mock: no such option: %s (see leat mock --help)\n", argv[i]);
      return -1;
    }
    if (option->argument && !value) value = i + 1 < argc ? argv[++i] : NULL;
    if (option->argument ? !value : value != NULL) {
      fprintf(stderr, "leat mock: %s takes %s\n", option->name,
              option->argument ? option->argument : "no value");
      return -1;
    }
    if (!set_option(o, option, value)) {
      fprintf(stderr, "leat mock: %s: cannot use \"%s\" (it takes %s)\n", option->name, value,
              option->argument);
      return -1;
    }
  }
  if (!o->config.cert != !o->config.key) {
    fprintf(stderr, "leat mock: --cert and --key go together\n");
    return -1;
  }
  return 0;
}

/* Without --ca-out the CA goes to a file of its own, removed at the end. */
static int name_ca(struct options *o) {
  if (o->config.plain || o->config.cert || o->config.ca_out) return 0;
  const char *folder = getenv("TMPDIR");
  snprintf(o->ca_path, sizeof o->ca_path, "%s/leat-mock-ca-XXXXXX",
           folder && *folder ? folder : "/tmp");
  int fd = mkstemp(o->ca_path);
  if (fd < 0) {
    fprintf(stderr, "leat mock: cannot make %s: %s\n", o->ca_path, strerror(errno));
    return -1;
  }
  close(fd);
  o->config.ca_out = o->ca_path;
  o->remove_ca = true;
  return 0;
}

static void print_ready(const struct options *o, const mock *m) {
  const char *scheme = o->config.plain ? "http" : "https";
  const char *ca = o->config.ca_out ? o->config.ca_out : o->config.cert ? o->config.cert : "-";
  bool v6 = strchr(o->config.host, ':') != NULL;
  char url[300];
  snprintf(url, sizeof url, "%s://%s%s%s:%u", scheme, v6 ? "[" : "", o->config.host, v6 ? "]" : "",
           mock_port(m));
  fprintf(stderr, "mock: takes up to %u connections at once\n", mock_conns_max(m));
  if (o->json)
    printf("{\"url\":\"%s\",\"port\":%u,\"ca\":\"%s\",\"conns_max\":%u,\"pid\":%d}\n", url,
           mock_port(m), ca, mock_conns_max(m), (int)getpid());
  else if (o->config.plain)
    printf("listening on %s\n", url);
  else
    printf("listening on %s ca %s\n", url, ca);
  fflush(stdout);
}

struct life {
  mock *m;
  uv_signal_t interrupt, terminate;
  bool quiet;
};

static void on_signal(uv_signal_t *handle, int signum) {
  struct life *life = handle->data;
  char text[MOCK_STATS_MAX];
  (void)signum;
  if (!life->m) return;
  size_t size = mock_stats_json(life->m, text, sizeof text);
  if (!life->quiet) fprintf(stderr, "mock: %.*s\n", (int)size, text);
  mock_close(life->m, NULL, NULL);
  life->m = NULL;
  uv_close((uv_handle_t *)&life->interrupt, NULL);
  uv_close((uv_handle_t *)&life->terminate, NULL);
}

static int serve(struct options *o) {
  uv_loop_t loop;
  struct life life = {.quiet = o->quiet};
  if (uv_loop_init(&loop)) return 2;
  int err = mock_start(&o->config, &loop, &life.m);
  if (!err) {
    uv_signal_init(&loop, &life.interrupt);
    uv_signal_init(&loop, &life.terminate);
    life.interrupt.data = life.terminate.data = &life;
    uv_signal_start(&life.interrupt, on_signal, SIGINT);
    uv_signal_start(&life.terminate, on_signal, SIGTERM);
    print_ready(o, life.m);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return err ? 2 : 0;
}

int mock_main(int argc, char **argv) {
  struct options o;
  memset(&o, 0, sizeof o);
  mock_config_init(&o.config);
  if (parse(&o, argc, argv)) return 2;
  if (o.help) {
    print_help();
    return 0;
  }
  if (name_ca(&o)) return 2;
  signal(SIGPIPE, SIG_IGN);
  int status = serve(&o);
  if (o.remove_ca) unlink(o.ca_path);
  return status;
}
