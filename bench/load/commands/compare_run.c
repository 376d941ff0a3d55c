/* `leat compare A B`: two files of runs; with --run two configs, each loaded --repeat times in
 * turns, so that what drifts (heat, neighbours, a server that ages) meets both alike. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load/commands/commands.h"
#include "bench/load/config.h"
#include "bench/load/load.h"
#include "bench/load/report/compare.h"
#include "bench/load/report/compare_html.h"
#include "bench/load/report/gates.h"
#include "bench/load/result/runs.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"

#define REPEAT_USUAL 5

typedef struct contest {
  const cli_options *options;
  config_file *configs[2]; /* with --run */
  runs runs[2];
  int code;
} contest;

/* --- where it goes --- */

static bool check_outputs(const cli_options *o) {
  for (size_t i = 0; i < o->load.output.count; i++) {
    leat_slice path = lti_slice_of(o->load.output.items[i]);
    if (lti_slice_ends(path, ".json") || lti_slice_ends(path, ".txt") ||
        lti_slice_ends(path, ".html"))
      continue;
    cli_say("--output %s: its ending says what is written: .html, .json or .txt",
            o->load.output.items[i]);
    return false;
  }
  return true;
}

static bool put_json(const comparison *c, const cli_options *o, cli_out *out) {
  cli_jsonw w;
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  compare_json(c, &w);
  cli_jsonw_text_or_null(&w, "title", lti_slice_of(o->load.title));
  cli_jsonw_close(&w, '}');
  bool fine = cli_jsonw_line(&w, out);
  if (w.error != LEAT_OK) cli_say("no memory for the comparison");
  cli_jsonw_deinit(&w);
  return fine;
}

static bool put_page(const comparison *c, const cli_options *o, cli_out *out) {
  if (compare_html(c, o->load.title, out)) return true;
  cli_say("no memory for the page");
  return false;
}

static bool put_file(const comparison *c, const cli_options *o, const char *path, bool json) {
  static cli_out out;
  bool fine = true;
  if (!cli_out_open(&out, path)) return false;
  if (json)
    fine = put_json(c, o, &out);
  else if (lti_slice_ends(lti_slice_of(path), ".html"))
    fine = put_page(c, o, &out);
  else
    compare_table(c, &out);
  return cli_out_close(&out) && fine;
}

static bool put_all(const comparison *c, const cli_options *o) {
  static cli_out out;
  bool fine = true, json_to_stdout = o->load.json_path && strcmp(o->load.json_path, "-") == 0;
  if (o->load.json_path) fine = put_file(c, o, o->load.json_path, true);
  for (size_t i = 0; i < o->load.output.count; i++) {
    const char *path = o->load.output.items[i];
    fine = put_file(c, o, path, lti_slice_ends(lti_slice_of(path), ".json")) && fine;
  }
  if (o->quiet) return fine;
  if (json_to_stdout)
    cli_out_init(&out, STDERR_FILENO, "standard error");
  else
    cli_out_init(&out, STDOUT_FILENO, "standard output");
  if (o->load.title) {
    cli_out_foreign(&out, lti_slice_of(o->load.title));
    cli_out_text(&out, "\n\n");
  }
  compare_table(c, &out);
  cli_out_flush(&out);
  return (json_to_stdout || cli_out_close(&out)) && fine;
}

/* --- runs in turns --- */

static bool open_configs(contest *c) {
  cli_options given = {.quiet = c->options->quiet};
  for (int i = 0; i < 2; i++) {
    c->configs[i] = config_open_file(&given, c->options->args[i]);
    if (!c->configs[i]) return false;
  }
  return true;
}

/* One run, and what its own config demands of it. False: no more of them. */
static bool run_one(contest *c, int side, size_t number) {
  const cli_options *o = config_options(c->configs[side]);
  gates g;
  result *one = NULL;
  if (!gates_init(&g, o)) {
    c->code = CLI_WRONG;
    return false;
  }
  int code = load_once(o, number, &one);
  if (one && !runs_add(&c->runs[side], one)) {
    cli_say("no memory for more runs");
    code = CLI_FAILED;
  } else if (code == CLI_DONE && gates_judge(&g, one) != CLI_DONE) {
    c->code = CLI_FAILED;
  }
  if (code != CLI_DONE) c->code = code;
  return code == CLI_DONE;
}

static void run_in_turns(contest *c) {
  const cli_load *o = &c->options->load;
  size_t repeat = o->repeat.set ? (size_t)o->repeat.value : REPEAT_USUAL;
  for (size_t i = 0; i < 2 * repeat; i++) {
    if (i > 0 && !load_rest(c->options)) c->code = CLI_INTERRUPTED;
    if (c->code == CLI_INTERRUPTED) return;
    if (!c->options->quiet)
      cli_say("run %zu of %zu: %s", i + 1, 2 * repeat, c->options->args[i % 2]);
    if (!run_one(c, (int)(i % 2), i / 2)) return;
  }
}

/* --- the command --- */

static bool check(const cli_options *o) {
  if (o->arg_count != 2) {
    cli_say(o->load.run ? "two configs are compared: leat compare --run A.json B.json"
                        : "two files of runs are compared: leat compare A.json B.json");
    return false;
  }
  if (!o->load.run && (o->load.repeat.set || o->load.pause.set)) {
    cli_say("--repeat and --pause are for runs in turns: leat compare --run A.json B.json");
    return false;
  }
  return check_outputs(o);
}

static void publish(contest *c) {
  compare_side sides[2];
  for (int i = 0; i < 2; i++)
    sides[i] = (compare_side){.name = c->options->args[i],
                              .runs = (const result *const *)c->runs[i].items,
                              .count = c->runs[i].count};
  comparison *made = compare_new(&sides[0], &sides[1]);
  if (!made) cli_say("no memory for the comparison");
  bool fine = made && put_all(made, c->options);
  if (!fine && c->code == CLI_DONE) c->code = CLI_FAILED;
  compare_free(made);
}

int compare_run(const cli_options *o) {
  contest c = {.options = o, .code = CLI_DONE};
  bool fine = check(o);
  if (fine && o->load.run) {
    fine = open_configs(&c);
    if (fine) run_in_turns(&c);
  } else if (fine) {
    fine = runs_read(&c.runs[0], o->args[0]) && runs_read(&c.runs[1], o->args[1]);
  }
  if (!fine) c.code = CLI_WRONG;
  if (c.code == CLI_INTERRUPTED) cli_say("interrupted: this is what was measured until then");
  if (fine && c.runs[0].count > 0 && c.runs[1].count > 0) publish(&c);
  for (int i = 0; i < 2; i++) {
    runs_free(&c.runs[i]);
    config_close(c.configs[i]);
  }
  return c.code;
}
