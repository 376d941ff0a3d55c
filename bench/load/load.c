/* What the command does with its parts: options -> shape, work, config -> crew -> result ->
 * reports.
 *
 * Everything that can be refused is looked at before the first request is sent, and everything that
 * is asked of the gateway beside the load (calibration) is done before it begins. */
#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bench/load/config.h"
#include "bench/load/report/gates.h"
#include "bench/load/report/live.h"
#include "bench/load/report/outlet.h"
#include "bench/load/report/recorder.h"
#include "bench/load/run/crew.h"
#include "bench/load/run/machine.h"
#include "bench/load/run/shard.h"
#include "bench/load/run/watch.h"
#include "bench/load/shape/sweep.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "bindings/cli/session.h"
#include "bindings/cli/settings.h"

#define DESCRIPTORS_SPARE 64
#define STREAMS_USUAL     100 /* RFC 9113 6.5.2: a server should allow no fewer */
#define H2_CONNS_MIN      8
#define OPEN_CONNS        10000 /* of an open loop without a cap: descriptors bound it */
#define OPEN_H2_CONNS     64
#define PAUSE_MS          1000

typedef struct load {
  const cli_options *options;
  cli_settings settings;
  shape_spec shape;
  work *work;
  sweep *sweep;
  gates gates;
  recorder *recorder;
  watch *watch;
  crew_plan plan;
  result *result;
} load;

/* As many connections as may be needed, unless the user says how many. */
static void size_connections(const load *l, leat_config *config) {
  uint64_t streams = shape_streams_max(&l->shape);
  if (l->options->connections.set) return;
  uint64_t shared = streams / STREAMS_USUAL + (streams % STREAMS_USUAL > 0);
  if (shared > OPEN_H2_CONNS && l->shape.kind != RESULT_CLOSED) shared = OPEN_H2_CONNS;
  if (streams > OPEN_CONNS && l->shape.kind != RESULT_CLOSED) streams = OPEN_CONNS;
  uint64_t room = cli_session_descriptors();
  room = room > DESCRIPTORS_SPARE ? room - DESCRIPTORS_SPARE : 1;
  if (l->shape.kind != RESULT_CLOSED && streams > room) streams = room;
  config->conns_max = (int)streams;
  config->h2_conns_max = shared > H2_CONNS_MIN ? (int)shared : H2_CONNS_MIN;
}

/* False, and said, when the process may not open so many. */
static bool check_descriptors(const leat_config *config) {
  uint64_t descriptors = cli_session_descriptors();
  int conns = config->http == LEAT_HTTP_2 ? config->h2_conns_max : config->conns_max;
  if (descriptors >= (uint64_t)conns + DESCRIPTORS_SPARE) return true;
  cli_say(
      "%d connections need %d descriptors, and %llu are allowed: raise ulimit -Hn, or use fewer "
      "--connections",
      conns, conns + DESCRIPTORS_SPARE, (unsigned long long)descriptors);
  return false;
}

/* Does the gateway stamp its events, since the user has asked it to? */
static bool is_stamped(const leat_config *config) {
  for (size_t i = 0; i < config->header_count; i++)
    if (lti_slice_is_nocase(config->headers[i].name, "x-mock-stamp")) return true;
  return false;
}

static bool plan_crew(load *l) {
  const cli_load *o = &l->options->load;
  crew_plan *p = &l->plan;
  p->shape = &l->shape;
  p->work = l->work;
  p->config = &l->settings.config;
  p->threads = o->threads.set ? (int)o->threads.value : 1;
  p->rx_timestamps = !o->no_rx_timestamps;
  p->stamped = is_stamped(p->config);
  p->recorder = l->recorder;
  p->over = watch_over;
  p->user = l->watch;
  if (p->threads > 1 && p->config->conns_max < p->threads && l->options->connections.set) {
    cli_say("--threads %d: each needs a connection of its own, and --connections allows %d",
            p->threads, p->config->conns_max);
    return false;
  }
  return shard_start(o->start_at, &p->start_at_ns);
}

/* What the report says of the run as a whole. */
static bool describe(load *l, size_t repeat) {
  result *r = l->result;
  lti_buf config;
  machine_describe(&r->machine);
  r->machine.threads = l->plan.threads;
  r->clock_error_ms = machine_clock_error_ms();
  r->repeat = repeat;
  r->seed = (int64_t)l->shape.seed;
  r->shard = l->plan.shard;
  r->shards = l->plan.shards;
  if (l->options->load.title) snprintf(r->title, sizeof r->title, "%s", l->options->load.title);
  lti_buf_init(&config, cli_program_alloc(), CONFIG_SIZE_MAX, LEAT_EBODYMAX);
  bool fine = config_write(l->options, l->settings.config.base_url, &config) == LEAT_OK &&
              lti_buf_text(&config, "") == LEAT_OK;
  leat_slice text = lti_buf_slice(&config);
  r->config = fine ? lti_alloc_get(cli_program_alloc(), text.size + 1) : NULL;
  if (r->config) {
    memcpy(r->config, text.data, text.size);
    r->config[text.size] = '\0';
  }
  lti_buf_deinit(&config);
  if (!r->config) cli_say("no memory for the report");
  return r->config != NULL;
}

/* One point: a crew from its begin to its end. */
static int run_point(load *l) {
  result_offer offer;
  memset(&offer, 0, sizeof offer);
  shape_offer(&l->shape, &offer);
  result_point *point = result_add(l->result);
  if (!point) {
    cli_say("no memory for the result");
    return CLI_FAILED;
  }
  crew *c = crew_open(&l->plan);
  if (!c) return CLI_FAILED;
  live *view = live_open(&offer, &l->shape, l->options->quiet);
  watch_crew(l->watch, c, view);
  if (view) live_close(view);
  int error = crew_close(c, point);
  work_describe(l->work, &point->lengths);
  l->result->interrupted = watch_interrupted(l->watch);
  l->plan.start_at_ns = 0;
  if (!error) return CLI_DONE;
  return leat_error_class(error) == LEAT_CLASS_USAGE ? CLI_WRONG : CLI_FAILED;
}

/* The rest between two runs; off is none. */
static unsigned pause_ms(const cli_options *o) {
  if (!o->load.pause.set) return PAUSE_MS;
  return o->load.pause.value == LEAT_NONE ? 0 : (unsigned)o->load.pause.value;
}

/* The point itself, or those of a sweep, with a rest between two. */
static int run_points(load *l) {
  int code = CLI_DONE;
  if (!l->sweep) return run_point(l);
  while (code == CLI_DONE && sweep_next(l->sweep, l->result, &l->shape)) {
    size_connections(l, &l->settings.config);
    if (l->result->point_count > 0) watch_rest(l->watch, pause_ms(l->options));
    if (watch_interrupted(l->watch)) break;
    code = run_point(l);
  }
  if (code == CLI_DONE) sweep_knee(l->sweep, l->result, &l->result->knee);
  return code;
}

/* An endpoint has its own provider, whose key and address it is. */
static bool set_gateway(load *l) {
  cli_options own = *l->options;
  own.protocol = work_provider(l->options);
  own.any_base = l->options->load.endpoint != NULL;
  return cli_settings_init(&l->settings, &own);
}

/* Every shard needs a stream of a closed loop, and room under the cap of an open one. */
static bool check_shares(const load *l) {
  bool closed = l->shape.kind == RESULT_CLOSED;
  uint64_t streams = closed ? shape_streams_max(&l->shape) : l->shape.cap;
  if (streams >= (uint64_t)l->plan.shards) return true;
  cli_say(
      "--shard %d/%d: a concurrency of %llu leaves some shard without a stream: give at least %d",
      l->plan.shard, l->plan.shards, (unsigned long long)streams, l->plan.shards);
  return false;
}

static bool set_up(load *l) {
  const cli_options *o = l->options;
  if (o->arg_count > 0) {
    cli_say("%s: load takes options only; the prompt is --prompt", o->args[0]);
    return false;
  }
  if (!outlet_check(o) || !gates_init(&l->gates, o) ||
      !gates_levels(&l->plan.goodput, &o->load.goodput) || !set_gateway(l) ||
      !shape_spec_init(&l->shape, o))
    return false;
  if (!o->retries.set) l->settings.config.retries = LEAT_NONE;
  if (!shard_parse(o->load.shard, &l->plan.shard, &l->plan.shards)) return false;
  if (o->load.sweep && !(l->sweep = sweep_open(o, l->plan.shards))) return false;
  l->work = work_open(o, &l->shape);
  if (!l->work) return false;
  if (l->sweep) shape_spec_level(&l->shape, sweep_highest(l->sweep));
  if (!check_shares(l)) return false;
  size_connections(l, &l->settings.config);
  if (!check_descriptors(&l->settings.config)) return false;
  if (o->load.jsonl && !(l->recorder = recorder_open(o->load.jsonl, o->load.events, uv_hrtime())))
    return false;
  l->watch = watch_open();
  return l->watch && plan_crew(l);
}

/* False: the file of requests is not whole, which is said. */
static bool tear_down(load *l) {
  bool whole = !l->recorder || recorder_close(l->recorder, NULL);
  watch_close(l->watch);
  sweep_free(l->sweep);
  work_free(l->work);
  shape_spec_free(&l->shape);
  cli_settings_free(&l->settings);
  return whole;
}

int load_once(const cli_options *options, size_t repeat, result **out) {
  load l;
  int code = CLI_WRONG;
  memset(&l, 0, sizeof l);
  l.options = options;
  *out = NULL;
  if (set_up(&l)) {
    code = work_calibrate(l.work, &l.settings.config) ? CLI_DONE : CLI_FAILED;
    l.result = code == CLI_DONE ? result_new() : NULL;
    if (l.result) code = describe(&l, repeat) ? run_points(&l) : CLI_FAILED;
    if (l.result && code == CLI_DONE && l.result->interrupted) code = CLI_INTERRUPTED;
  }
  if (code == CLI_DONE || code == CLI_INTERRUPTED)
    *out = l.result;
  else if (l.result)
    result_free(l.result);
  bool whole = tear_down(&l);
  return code == CLI_DONE && !whole ? CLI_FAILED : code;
}

/* What does not hold in any run; the first code counts. */
static int judge(const cli_options *o, result *const *runs, size_t count) {
  gates g;
  int code = CLI_DONE;
  if (!gates_init(&g, o)) return CLI_WRONG;
  for (size_t i = 0; i < count; i++) {
    int one = gates_judge(&g, runs[i]);
    if (code == CLI_DONE) code = one;
  }
  return code;
}

/* What only one run can have: a moment to begin at, a file of its requests. */
static bool check_repeat(const cli_load *o) {
  if (!o->repeat.set || o->repeat.value == 1 || (!o->start_at && !o->jsonl)) return true;
  cli_say("--repeat and %s do not go together: each run would %s",
          o->start_at ? "--start-at" : "--jsonl",
          o->start_at ? "need a moment of its own" : "write over the file of the one before");
  return false;
}

bool load_rest(const cli_options *o) {
  watch *w = watch_open();
  if (!w) return false;
  watch_rest(w, pause_ms(o));
  bool whole = !watch_interrupted(w);
  watch_close(w);
  return whole;
}

/* The runs of --repeat, reports, gates. */
static int run_all(const cli_options *o) {
  size_t wanted = o->load.repeat.set ? (size_t)o->load.repeat.value : 1, count = 0;
  if (!check_repeat(&o->load)) return CLI_WRONG;
  result **runs = calloc(wanted, sizeof *runs);
  int code = runs ? CLI_DONE : CLI_FAILED;
  while (count < wanted && code == CLI_DONE) {
    if (count > 0 && !load_rest(o)) {
      code = CLI_INTERRUPTED;
      break;
    }
    code = load_once(o, count, &runs[count]);
    if (!runs[count]) break;
    count++;
  }
  if (code == CLI_INTERRUPTED) cli_say("interrupted: this is what was measured until then");
  if (count > 0) {
    bool written = outlet_put(o, runs, count);
    if (code == CLI_DONE) code = judge(o, runs, count);
    if (code == CLI_DONE && !written) code = CLI_FAILED;
  }
  for (size_t i = 0; i < count; i++) result_free(runs[i]);
  free(runs);
  return code;
}

int load_run(const cli_options *given) {
  config_file *config = config_open(given);
  if (!config) return CLI_WRONG;
  const cli_options *o = config_options(config);
  int code = o->load.print_config ? config_print(o) : run_all(o);
  config_close(config);
  return code;
}
