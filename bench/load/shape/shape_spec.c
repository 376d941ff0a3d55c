/* From the command line to a shape. Which option asks for the shape decides all else: two that do
 * contradict each other, and one that only another shape has would do nothing. Both are said, with
 * what to write instead, before anything runs. */
#include "shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arrivals.h"
#include "bindings/cli/say.h"
#include "bindings/cli/values.h"
#include "stages.h"
#include "sweep_list.h"
#include "traces.h"

#define NS_PER_MS 1000000

/* What was asked for. */
enum way {
  WAY_CLOSED,
  WAY_RATE,
  WAY_ALL_AT_ONCE, /* --rate inf */
  WAY_RATE_STAGES,
  WAY_STREAM_STAGES,
  WAY_BURST,
  WAY_REPLAY,
  WAY_SWEEP_RATE,
  WAY_SWEEP_STREAMS
};

#define BIT(way) (1u << (way))
#define OPEN     (BIT(WAY_RATE) | BIT(WAY_RATE_STAGES) | BIT(WAY_SWEEP_RATE))
#define SWEEPS   (BIT(WAY_SWEEP_RATE) | BIT(WAY_SWEEP_STREAMS))
#define LEVEL    (BIT(WAY_CLOSED) | BIT(WAY_RATE) | SWEEPS)
#define CAPPED   (OPEN | BIT(WAY_ALL_AT_ONCE) | BIT(WAY_BURST) | BIT(WAY_REPLAY))
#define STREAMS  (BIT(WAY_CLOSED) | BIT(WAY_STREAM_STAGES) | BIT(WAY_SWEEP_STREAMS))

/* An option in milliseconds, in nanoseconds; `none` where it is not given or off. */
static uint64_t ns_of(cli_int option, uint64_t none) {
  return option.set && option.value > 0 ? (uint64_t)option.value * NS_PER_MS : none;
}

static bool is_endless(const char *rate) {
  return strcmp(rate, "inf") == 0 || strcmp(rate, "infinity") == 0;
}

/* --- which way, and what does not go with it --- */

static bool choose_way(const cli_load *load, enum way *way) {
  const struct {
    const char *name;
    bool given;
    enum way way;
  } asks[] = {
      {"rate", load->rate != NULL, WAY_RATE},
      {"rate-stages", load->rate_stages != NULL, WAY_RATE_STAGES},
      {"concurrency-stages", load->concurrency_stages != NULL, WAY_STREAM_STAGES},
      {"burst", load->burst.set, WAY_BURST},
      {"replay", load->replay != NULL, WAY_REPLAY},
      {"sweep", load->sweep != NULL, WAY_SWEEP_RATE},
  };
  const char *chosen = NULL;
  *way = WAY_CLOSED;
  for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
    if (!asks[i].given) continue;
    if (chosen) {
      cli_say("--%s and --%s each say when requests begin: leave out one of them", chosen,
              asks[i].name);
      return false;
    }
    chosen = asks[i].name;
    *way = asks[i].way;
  }
  if (load->rate && is_endless(load->rate)) *way = WAY_ALL_AT_ONCE;
  return true;
}

/* An option that only some ways have. */
static bool belongs(const cli_load *load, enum way way) {
  bool conversations = (load->turns.set && load->turns.value > 1) || load->dataset;
  const struct {
    const char *name;
    bool given;
    uint32_t ways;
    const char *advice;
  } rows[] = {
      {"arrivals", load->arrivals != NULL, OPEN,
       "is how an open loop's starts lie: give it a finite --rate, or --rate-stages"},
      {"burstiness", load->burstiness.set, OPEN,
       "is how an open loop's starts lie: give it a finite --rate, or --rate-stages"},
      {"ramp", load->ramp.set, LEVEL,
       "comes to one --rate or --concurrency: in stages write it as 0..10@30s"},
      {"burst-every", load->burst_every.set, BIT(WAY_BURST),
       "repeats a burst: say how large it is, --burst N"},
      {"replay-speed", load->replay_speed.set, BIT(WAY_REPLAY),
       "is that of a trace: say which, --replay FILE"},
      {"slo", load->slo.count > 0, SWEEPS,
       "is what --sweep searches under: for a single load write --require"},
      {"concurrency", load->concurrency.set, CAPPED | BIT(WAY_CLOSED),
       "is one level, and other options give several: leave it out"},
      {"think", load->think.set, STREAMS | (conversations ? ~0u : 0u),
       "is between the requests of a stream or the turns of a conversation, and here are neither: "
       "leave it out, or give --turns"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (!rows[i].given || (rows[i].ways & BIT(way))) continue;
    cli_say("--%s %s", rows[i].name, rows[i].advice);
    return false;
  }
  return true;
}

/* --- the ways --- */

static bool read_arrivals(shape_spec *spec, const cli_load *load) {
  const char *how = load->arrivals ? load->arrivals : load->burstiness.set ? "gamma" : "poisson";
  spec->burstiness = strcmp(how, "constant") == 0 ? INFINITY : 1;
  if (!load->burstiness.set) return true;
  if (strcmp(how, "gamma") != 0) {
    cli_say("--burstiness is that of --arrivals gamma, and --arrivals %s has none of its own", how);
    return false;
  }
  spec->burstiness = load->burstiness.value;
  if (spec->burstiness >= ARRIVALS_BURSTINESS_MIN && spec->burstiness <= ARRIVALS_BURSTINESS_MAX)
    return true;
  cli_say("--burstiness %g: it is from %g to %g; evenly spaced is --arrivals constant",
          spec->burstiness, ARRIVALS_BURSTINESS_MIN, ARRIVALS_BURSTINESS_MAX);
  return false;
}

void shape_spec_level(shape_spec *spec, double level) {
  size_t count = 0;
  if (spec->ramp_ns) spec->stages[count++] = (shape_stage){.to = level, .ns = spec->ramp_ns};
  spec->stages[count++] = (shape_stage){.from = level, .to = level, .ns = SHAPE_FOREVER};
  spec->stage_count = count;
}

/* More streams than there are requests would stand idle: there are only so many as can be used. */
static void set_closed(shape_spec *spec, const cli_load *load) {
  uint64_t streams = load->concurrency.set ? (uint64_t)load->concurrency.value : 1;
  uint64_t usable = spec->requests > spec->warmup_requests ? spec->requests : spec->warmup_requests;
  spec->kind = RESULT_CLOSED;
  if (!load->requests.set && spec->duration_ns == UINT64_MAX) spec->requests = usable = streams;
  if (spec->warmup_ns == 0 && usable < streams) streams = usable;
  shape_spec_level(spec, (double)streams);
}

static bool set_rate(shape_spec *spec, const cli_load *load) {
  double rate = 0;
  spec->kind = RESULT_OPEN;
  if (!cli_values_real(load->rate, &rate) || rate < 1e-6 || rate > SHAPE_RATE_MAX) {
    cli_say("--rate %s: it is requests a second, from 0.000001 to %.0f, or inf", load->rate,
            SHAPE_RATE_MAX);
    return false;
  }
  shape_spec_level(spec, rate);
  return true;
}

/* All at once is one burst, or, under a cap, what a closed loop does. */
static bool set_all_at_once(shape_spec *spec, const cli_load *load) {
  if (load->concurrency.set) {
    spec->cap = UINT64_MAX;
    set_closed(spec, load);
    return true;
  }
  if (!load->requests.set) {
    cli_say(
        "--rate %s begins all at once: say how many, --requests N, or how many at a time, "
        "--concurrency C",
        load->rate);
    return false;
  }
  spec->kind = RESULT_BURST;
  spec->burst = spec->requests;
  return true;
}

/* Stages, and in front of them the warm-up. */
static bool set_stages(shape_spec *spec, const cli_load *load) {
  char why[STAGES_WHY_MAX];
  bool open = load->rate_stages != NULL;
  const char *text = open ? load->rate_stages : load->concurrency_stages;
  stages_form form = {open ? SHAPE_RATE_MAX : SHAPE_STREAMS_MAX, !open};
  spec->kind = open ? RESULT_OPEN : RESULT_CLOSED;
  if (!stages_parse(text, form, spec, why)) {
    cli_say("--%s: %s", open ? "rate-stages" : "concurrency-stages", why);
    return false;
  }
  if (spec->warmup_ns == 0) return true;
  const shape_stage *first = &spec->stages[0];
  double level = first->from > 0 ? first->from : first->to;
  memmove(spec->stages + 1, spec->stages, spec->stage_count * sizeof spec->stages[0]);
  spec->stages[0] = (shape_stage){.from = level, .to = level, .ns = spec->warmup_ns};
  spec->stage_count++;
  return true;
}

static bool set_burst(shape_spec *spec, const cli_load *load) {
  spec->kind = RESULT_BURST;
  spec->burst = (uint64_t)load->burst.value;
  spec->burst_every_ns = ns_of(load->burst_every, 0);
  if (spec->burst_every_ns == 0 && load->requests.set && spec->requests != spec->burst) {
    cli_say(
        "--burst %llu is %llu requests, and --requests says %llu: leave --requests out, or add "
        "--burst-every TIME",
        (unsigned long long)spec->burst, (unsigned long long)spec->burst,
        (unsigned long long)spec->requests);
    return false;
  }
  if (spec->burst_every_ns == 0 && spec->requests == UINT64_MAX) spec->requests = spec->burst;
  return true;
}

static bool set_replay(shape_spec *spec, const cli_load *load) {
  double speed = load->replay_speed.set ? load->replay_speed.value : 1;
  spec->kind = RESULT_REPLAY;
  if (speed < 1e-3 || speed > 1e6) {
    cli_say("--replay-speed %g: it is from 0.001 to 1000000", speed);
    return false;
  }
  spec->trace = traces_open(load->replay, speed);
  return spec->trace != NULL;
}

static bool set_sweep(shape_spec *spec, const cli_load *load) {
  sweep_list list;
  if (!sweep_list_read(load->sweep, &list)) return false;
  spec->kind = list.streams ? RESULT_CLOSED : RESULT_OPEN;
  shape_spec_level(spec, list.levels[0]);
  return true;
}

static bool set_way(shape_spec *spec, const cli_load *load, enum way way) {
  switch (way) {
    case WAY_CLOSED: set_closed(spec, load); return true;
    case WAY_RATE: return set_rate(spec, load);
    case WAY_ALL_AT_ONCE: return set_all_at_once(spec, load);
    case WAY_RATE_STAGES:
    case WAY_STREAM_STAGES: return set_stages(spec, load);
    case WAY_BURST: return set_burst(spec, load);
    case WAY_REPLAY: return set_replay(spec, load);
    case WAY_SWEEP_RATE:
    case WAY_SWEEP_STREAMS: return set_sweep(spec, load);
  }
  return false;
}

/* --- what every shape has --- */

/* "50" is a number of requests, "10s" a time. */
static bool read_warmup(shape_spec *spec, const cli_load *load) {
  int64_t value = 0;
  const char *text = load->warmup;
  if (!text) return true;
  if (cli_values_int(text, &value) && value >= 0 && value <= SHAPE_STREAMS_MAX) {
    spec->warmup_requests = (uint64_t)value;
  } else if (!cli_values_int(text, &value) && cli_values_duration(text, &value)) {
    spec->warmup_ns = (uint64_t)value * NS_PER_MS;
  } else {
    cli_say("--warmup %s: it is a number of requests up to %d, as 50, or a time, as 10s", text,
            SHAPE_STREAMS_MAX);
    return false;
  }
  return true;
}

static bool read_limits(shape_spec *spec, const cli_load *load) {
  bool cut = load->end && strcmp(load->end, "cut") == 0;
  if (cut && load->drain_timeout.set) {
    cli_say("--end cut waits for nothing: leave out --drain-timeout");
    return false;
  }
  spec->seed = load->seed.set ? (uint64_t)load->seed.value : 1;
  spec->requests = load->requests.set ? (uint64_t)load->requests.value : UINT64_MAX;
  spec->duration_ns = ns_of(load->duration, UINT64_MAX);
  spec->ramp_ns = ns_of(load->ramp, 0);
  spec->think_ns = ns_of(load->think, 0);
  spec->cap = load->concurrency.set ? (uint64_t)load->concurrency.value : UINT64_MAX;
  spec->cut = cut;
  spec->drain_ns = ns_of(load->drain_timeout, UINT64_MAX);
  return read_warmup(spec, load);
}

/* Whether something ends the run; what has neither an end of its own nor one given is refused, but
 * for a closed loop at its level, where each stream sends one request. */
static bool find_end(const shape_spec *spec, const cli_load *load, enum way way) {
  if (load->requests.set || spec->duration_ns != UINT64_MAX) return true;
  if ((way == WAY_CLOSED || way == WAY_ALL_AT_ONCE) && spec->ramp_ns == 0) return true;
  bool endless = BIT(way) & LEVEL || (way == WAY_BURST && ns_of(load->burst_every, 0) > 0);
  if (!endless) return true;
  const char *what = way == WAY_BURST ? "burst-every"
                     : load->sweep    ? "sweep"
                     : spec->ramp_ns  ? "ramp"
                                      : "rate";
  cli_say("--%s goes on for ever: say until when, --duration TIME or --requests N", what);
  return false;
}

/* What goes by the clock has no place for a warm-up by number. */
static bool warmup_fits(const shape_spec *spec, enum way way) {
  bool clocked = way == WAY_RATE_STAGES || way == WAY_STREAM_STAGES || spec->kind == RESULT_BURST;
  if (!clocked || spec->warmup_requests == 0) return true;
  cli_say("--warmup %llu: %s go by the clock: give the warm-up a time, as 10s",
          (unsigned long long)spec->warmup_requests,
          spec->kind == RESULT_BURST ? "bursts" : "stages");
  return false;
}

bool shape_spec_init(shape_spec *spec, const cli_options *options) {
  const cli_load *load = &options->load;
  enum way way = WAY_CLOSED;
  memset(spec, 0, sizeof *spec);
  if (!choose_way(load, &way)) return false;
  if (way == WAY_SWEEP_RATE && strncmp(load->sweep, "concurrency", 11) == 0)
    way = WAY_SWEEP_STREAMS;
  return belongs(load, way) && read_limits(spec, load) && read_arrivals(spec, load) &&
         find_end(spec, load, way) && set_way(spec, load, way) && warmup_fits(spec, way);
}

void shape_spec_free(shape_spec *spec) {
  traces_free(spec->trace);
  spec->trace = NULL;
}
