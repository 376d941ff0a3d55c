/* `leat merge FILE...`: one result a file, each a shard, to one result. What is known of the
 * shards' clocks is said for each, since rates hang on the window that their clocks agree on. */
#include <math.h>
#include <stdio.h>

#include "bench/load/commands/commands.h"
#include "bench/load/report/gates.h"
#include "bench/load/report/outlet.h"
#include "bench/load/result/merge.h"
#include "bench/load/result/runs.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"

#define WHY_SIZE 600

static bool read_shards(const cli_options *o, runs *r) {
  if (o->arg_count == 0) {
    cli_say("which shards? leat load --shard I/N --json FILE writes one: leat merge FILE...");
    return false;
  }
  for (size_t i = 0; i < o->arg_count; i++) {
    if (!runs_read(r, o->args[i])) return false;
    if (r->count == i + 1) continue;
    cli_say("%s: it holds %zu runs, and a shard is one: leat compare takes repeats", o->args[i],
            r->count - i);
    return false;
  }
  return true;
}

static double first_begin(const runs *r) {
  double first = INFINITY;
  for (size_t i = 0; i < r->count; i++) first = fmin(first, r->items[i]->points[0].begun_at);
  return first;
}

static void say_shards(const cli_options *o, const runs *r) {
  double first = first_begin(r);
  if (o->quiet) return;
  for (size_t i = 0; i < r->count; i++) {
    const result *one = r->items[i];
    char clock[48] = "nothing is known of its clock's error";
    if (one->clock_error_ms >= 0)
      snprintf(clock, sizeof clock, "clock error at most %.3f ms", one->clock_error_ms);
    cli_say("shard %d of %d, %s: began %.3f s behind the first, %s, %s", one->shard, one->shards,
            o->args[i], one->points[0].begun_at - first, clock, one->machine.system);
  }
}

static int publish(const cli_options *o, result *merged) {
  gates g;
  if (!gates_init(&g, o)) return CLI_WRONG;
  g.failures_are_share = false;
  g.failures_allowed = INFINITY;
  if (o->load.title) snprintf(merged->title, sizeof merged->title, "%s", o->load.title);
  bool written = outlet_put(o, &merged, 1);
  int code = gates_judge(&g, merged);
  return code == CLI_DONE && !written ? CLI_FAILED : code;
}

int merge_run(const cli_options *o) {
  char why[WHY_SIZE];
  runs r = {0};
  gates g;
  int code = CLI_WRONG;
  if (outlet_check(o) && gates_init(&g, o) && read_shards(o, &r)) {
    result *merged = merge_shards(r.items, (const char *const *)o->args, r.count, why, sizeof why);
    if (merged) {
      say_shards(o, &r);
      code = publish(o, merged);
    } else {
      cli_say("%s", why);
    }
    result_free(merged);
  }
  runs_free(&r);
  return code;
}
