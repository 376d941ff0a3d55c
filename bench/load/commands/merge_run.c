/* `leat merge FILE...`: one result a file, each a shard, to one result, which says of each shard
 * what is known of its clock, since rates hang on the window that the clocks agree on. */
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
      code = publish(o, merged);
    } else {
      cli_say("%s", why);
    }
    result_free(merged);
  }
  runs_free(&r);
  return code;
}
