/* A closed loop: C streams, each of which begins its next request in the `done` of the one before,
 * so that exactly C are under way until fewer than C are left. All C begin before the loop runs.
 *
 * This is the benchmark of the engine too, so a stream costs its 24 bytes here and nothing is
 * allocated, written or formatted between two events. The steady state, for allocations an event,
 * begins when every one of the first C streams has had content and ends when the first of them says
 * that it is finishing, or is done. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#include "bindings/cli/compose.h"
#include "bindings/cli/failure.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "bindings/cli/session.h"
#include "bindings/cli/settings.h"
#include "brief.h"
#include "tally.h"

#define DESCRIPTORS_SPARE 64
#define LIVE_PERIOD_MS    200
#define STREAMS_USUAL     100 /* RFC 9113 6.5.2: a server should allow no fewer */
#define H2_CONNS_MIN      8
#define DEFAULT_PROMPT    "Say a few words about water."

typedef struct load load;

#define NO_HEAD    0ull /* the answer has not begun */
#define NO_CONTENT 1ull /* it has, and said nothing so far */

typedef struct stream {
  load *load;
  leat_id id;       /* 0: idle */
  uint64_t last_ns; /* of the last content of this answer, or one of the two below */
} stream;

struct load {
  const cli_options *options;
  cli_session session;
  leat_request request;
  stream *streams;
  uint64_t requests;
  size_t concurrency;
  size_t live_streams; /* of the first wave, with content */
  bool steady, measured, stamped;
  leat_stats steady_from, steady_to;
  tally tally;
  int refused; /* the first submit's error, 0: none */
};

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user);
static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user);

/* Begins the stream's next request, or tries to. */
static void begin(load *l, stream *s) {
  s->last_ns = NO_HEAD;
  s->id = 0;
  while (l->tally.started < l->requests && !l->session.interrupted && !l->refused) {
    l->request.user = s;
    l->tally.started++;
    int error = leat_submit(l->session.engine, &l->request, &s->id);
    if (error == LEAT_OK) return;
    s->id = 0;
    tally_refused(&l->tally, error, leat_last_message(l->session.engine));
    if (leat_error_class(error) == LEAT_CLASS_USAGE) l->refused = error;
  }
}

static void steady_begins(load *l) {
  if (l->steady || l->tally.completed + l->tally.failed + l->tally.cancelled > 0) return;
  l->steady = leat_stats_get(l->session.engine, &l->steady_from, sizeof l->steady_from) == LEAT_OK;
}

static void steady_ends(load *l) {
  if (!l->steady || l->measured) return;
  l->measured = leat_stats_get(l->session.engine, &l->steady_to, sizeof l->steady_to) == LEAT_OK;
}

static bool is_content(const leat_event *event) {
  switch (event->kind) {
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL: return event->text.size > 0;
    case LEAT_EVENT_TOOL_CALL:
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: return true;
    case LEAT_EVENT_HEAD:
    case LEAT_EVENT_USAGE:
    case LEAT_EVENT_FINISH:
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_REPLY:
    case LEAT_EVENT_RAW: break;
  }
  return false;
}

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  stream *s = user;
  load *l = s->load;
  (void)engine;
  (void)id;
  if (event->kind == LEAT_EVENT_FINISH) steady_ends(l);
  if (s->last_ns == NO_HEAD) {
    tally_head(&l->tally);
    s->last_ns = NO_CONTENT;
  }
  if (!is_content(event)) return LEAT_CONTINUE;
  if (l->stamped) tally_lag(&l->tally, event->raw, event->received_ns);
  l->tally.content_events++;
  if (s->last_ns == NO_CONTENT) {
    if (++l->live_streams == l->concurrency) steady_begins(l);
  } else {
    lti_hist_record(l->tally.gap, (event->received_ns - s->last_ns) / 1000);
  }
  s->last_ns = event->received_ns;
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  stream *s = user;
  (void)engine;
  (void)id;
  steady_ends(s->load);
  tally_done(&s->load->tally, result, s->last_ns != NO_HEAD);
  begin(s->load, s);
}

static void on_interrupt(cli_session *session) {
  load *l = session->user;
  for (size_t i = 0; i < l->concurrency; i++)
    if (l->streams[i].id) leat_cancel(session->engine, l->streams[i].id);
}

static void on_clock(cli_session *session) {
  load *l = session->user;
  const tally *t = &l->tally;
  char line[160];
  uint64_t ended = t->completed + t->failed + t->cancelled;
  double seconds = (double)(uv_hrtime() - t->start_ns) / 1e9;
  snprintf(line, sizeof line, "%llu of %llu done, %llu running, %llu failed, %.0f events/s",
           (unsigned long long)ended, (unsigned long long)l->requests,
           (unsigned long long)(t->started - ended), (unsigned long long)t->failed,
           (double)t->content_events / seconds);
  cli_say_live(line);
}

static double allocations_per_event(const load *l) {
  uint64_t records = l->steady_to.records - l->steady_from.records;
  if (!l->measured || records == 0) return -1;
  return (double)(l->steady_to.allocations - l->steady_from.allocations) / (double)records;
}

/* Writes what was asked for, where it was asked for. */
static bool put_report(const brief *r) {
  const cli_options *o = r->options;
  static cli_out out;
  bool fine = true;
  bool json_to_stdout = o->load.json_path && strcmp(o->load.json_path, "-") == 0;
  if (o->load.json_path) {
    cli_jsonw w;
    if (!cli_out_open(&out, o->load.json_path)) return false;
    cli_jsonw_init(&w, cli_program_alloc());
    cli_jsonw_open(&w, NULL, '{');
    brief_json(r, &w);
    cli_jsonw_close(&w, '}');
    fine = cli_jsonw_line(&w, &out);
    cli_jsonw_deinit(&w);
    fine = cli_out_close(&out) && fine;
  }
  if (o->quiet) return fine;
  if (json_to_stdout)
    cli_out_init(&out, STDERR_FILENO, "standard error");
  else
    cli_out_init(&out, STDOUT_FILENO, "standard output");
  brief_table(r, &out);
  cli_out_flush(&out);
  return (json_to_stdout || cli_out_close(&out)) && fine;
}

static int verdict(const load *l, bool reported) {
  if (l->session.interrupted) return CLI_INTERRUPTED;
  if (l->tally.failed > 0 || !reported) return CLI_FAILED;
  return CLI_DONE;
}

static int run(load *l, cli_settings *settings) {
  leat_config *config = &settings->config;
  if (!cli_session_open(&l->session, config, l, on_interrupt)) return l->session.code;
  cli_session_metrics(&l->session, l->options->metrics);
  if (!l->options->quiet && cli_say_terminal())
    cli_session_clock(&l->session, LIVE_PERIOD_MS, on_clock);
  l->tally.start_ns = uv_hrtime();
  for (size_t i = 0; i < l->concurrency; i++) {
    l->streams[i].load = l;
    begin(l, &l->streams[i]);
  }
  if (l->refused) {
    int code = cli_failure_refused(l->session.engine, l->refused);
    cli_session_close(&l->session, LEAT_CLOSE_NOW);
    return code;
  }
  cli_session_run(&l->session);
  cli_say_live("");
  if (l->session.interrupted) cli_say("interrupted: this is what was measured until then");
  leat_stats_get(l->session.engine, &l->tally.stats, sizeof l->tally.stats);
  brief r = {.tally = &l->tally,
             .options = l->options,
             .base_url = config->base_url,
             .requests = (int64_t)l->requests,
             .concurrency = (int64_t)l->concurrency,
             .connections = config->http == LEAT_HTTP_2 ? config->h2_conns_max : config->conns_max,
             .retries = config->retries < 0 ? 0 : config->retries,
             .allocations_per_event = allocations_per_event(l)};
  tally_process_now(&r.process);
  bool reported = put_report(&r);
  int code = verdict(l, reported);
  cli_session_close(&l->session, LEAT_CLOSE_NOW);
  return code;
}

/* As many as exactly C requests at once may need, unless the user says how many. */
static void size_connections(const load *l, leat_config *config) {
  if (l->options->connections.set) return;
  size_t shared = (l->concurrency + STREAMS_USUAL - 1) / STREAMS_USUAL;
  config->conns_max = (int)l->concurrency;
  config->h2_conns_max = shared > H2_CONNS_MIN ? (int)shared : H2_CONNS_MIN;
}

/* Does the gateway stamp its events, since the user has asked it to? */
static bool is_stamped(const leat_config *config) {
  for (size_t i = 0; i < config->header_count; i++)
    if (lti_slice_is_nocase(config->headers[i].name, "x-mock-stamp")) return true;
  return false;
}

/* Sizes the run and its connections. False, and said, when the process may not open so many. */
static bool size_run(load *l, leat_config *config) {
  const cli_options *o = l->options;
  l->concurrency = o->load.concurrency.set ? (size_t)o->load.concurrency.value : 1;
  l->requests = o->load.requests.set ? (uint64_t)o->load.requests.value : l->concurrency;
  if (l->requests < l->concurrency) l->concurrency = (size_t)l->requests;
  size_connections(l, config);
  if (!o->retries.set) config->retries = LEAT_NONE;
  uint64_t descriptors = cli_session_descriptors();
  int conns = config->http == LEAT_HTTP_2 ? config->h2_conns_max : config->conns_max;
  uint64_t needed = (uint64_t)conns + DESCRIPTORS_SPARE;
  if (descriptors < needed) {
    cli_say(
        "%d connections need %llu descriptors, and %llu are allowed: raise ulimit -Hn, or use "
        "fewer --connections",
        conns, (unsigned long long)needed, (unsigned long long)descriptors);
    return false;
  }
  l->streams = calloc(l->concurrency, sizeof *l->streams);
  return l->streams != NULL;
}

int load_run(const cli_options *options) {
  load l = {.options = options};
  cli_settings settings;
  cli_compose compose;
  memset(&compose, 0, sizeof compose);
  int code = CLI_WRONG;
  if (options->arg_count > 0) {
    cli_say("%s: load takes options only; the prompt is --prompt", options->args[0]);
    return code;
  }
  if (cli_settings_init(&settings, options) &&
      cli_compose_chat(&compose, options, DEFAULT_PROMPT) && tally_init(&l.tally) &&
      size_run(&l, &settings.config)) {
    l.request = compose.request;
    l.request.on_event = on_event;
    l.stamped = is_stamped(&settings.config);
    l.request.on_done = on_done;
    code = run(&l, &settings);
  }
  tally_deinit(&l.tally);
  free(l.streams);
  cli_compose_free(&compose);
  cli_settings_free(&settings);
  return code;
}
