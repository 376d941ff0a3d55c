/* `leat report FILE...`: from files to reports. What failed in a run failed then, and its exit code
 * said so: here only what is asked for counts, --require and --strict. */
#include <math.h>

#include "bench/load/commands/commands.h"
#include "bench/load/report/gates.h"
#include "bench/load/report/outlet.h"
#include "bench/load/result/runs.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"

static int judge(const cli_options *o, const runs *r) {
  gates g;
  int code = CLI_DONE;
  if (!gates_init(&g, o)) return CLI_WRONG;
  g.failures_are_share = false;
  g.failures_allowed = INFINITY;
  for (size_t i = 0; i < r->count; i++) {
    int one = gates_judge(&g, r->items[i]);
    if (code == CLI_DONE) code = one;
  }
  return code;
}

static bool read_all(const cli_options *o, runs *r) {
  if (o->arg_count == 0) {
    cli_say("which results? leat load --json FILE writes one: leat report FILE...");
    return false;
  }
  for (size_t i = 0; i < o->arg_count; i++)
    if (!runs_read(r, o->args[i])) return false;
  return true;
}

int report_run(const cli_options *o) {
  runs r = {0};
  gates g;
  int code = CLI_WRONG;
  if (outlet_check(o) && gates_init(&g, o) && read_all(o, &r)) {
    bool written = outlet_put(o, r.items, r.count);
    code = judge(o, &r);
    if (code == CLI_DONE && !written) code = CLI_FAILED;
  }
  runs_free(&r);
  return code;
}
