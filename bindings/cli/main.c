/* leat: the program. Finds the command, parses its options, runs it.
 *
 * Exit codes: 0 done, 1 some request failed, 2 usage or configuration, 130 interrupted. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/load/commands/commands.h"
#include "bench/load/load.h"
#include "bench/mock/mock.h"
#include "out.h"
#include "program.h"
#include "say.h"

typedef struct command {
  const char *name;
  uint32_t bit;
  int (*run)(const cli_options *options);
  const char *usage, *summary, *more;
} command;

static int run_help(const cli_options *options);

static const command commands[] = {
    {"chat", CLI_CHAT, cli_chat_run, "[PROMPT or -]",
     "one completion, streamed to standard output as it comes",
     "--json prints one JSON line an event, and one with `done` at the end."},
    {"decode", CLI_DECODE, cli_decode_run, "--sse | --protocol NAME | --group NAME  [FILE or -]",
     "take a recorded body apart, without any network",
     "--sse prints one JSON line an event; --protocol and --group print one JSON object."},
    {"ws", CLI_WS, cli_ws_run, "[URL]",
     "a WebSocket: each line of standard input is a message, each message that comes a line",
     "--json prints one JSON line an event, and one with `done` at the end."},
    {"load", CLI_LOAD, load_run, "", "measure a gateway under load, and this client with it",
     "Exit: 0 done, 1 requests failed, 2 usage, 3 a --require is missed, 4 --strict and the\n"
     "certificate does not say valid, 130 interrupted."},
    {"compare", CLI_COMPARE, compare_run, "A.json B.json",
     "two sets of runs of load: what differs by more than from run to run",
     "A file holds the runs of --repeat. --run takes two files of --config and runs them in "
     "turns.\n"
     "Exit: 0 compared, 1 a run failed or nothing could be written, 2 usage, 130 interrupted."},
    {"report", CLI_REPORT, report_run, "FILE...", "results of load again, in any form",
     "Exit: 0 done, 1 nothing could be written, 2 usage, 3 a --require is missed, 4 --strict."},
    {"merge", CLI_MERGE, merge_run, "FILE...", "the shards of one load as one result",
     "Exit: as report; 2 also where the shards are not of one load."},
    {"task", CLI_TASK, cli_task_run,
     "run [NAME] [PROMPT or -] | submit [NAME] [PROMPT or -] | wait [NAME] ID | run --input FILE",
     "asynchronous jobs, such as videos: submit, poll, download",
     "NAME is an endpoint, such as suno.music. --input runs one job for each line of a file."},
    {"call", CLI_CALL, cli_call_run, "NAME [BODY] [PATH=TEXT | PATH:=JSON | NAME==PARAMETER]...",
     "any endpoint by its name, with a body from a file or from words",
     "JSON is printed as it comes, laid out on a terminal; --json prints it in one line."},
    {"endpoints", CLI_ENDPOINTS, cli_endpoints_run, "[GROUP or NAME]",
     "the endpoints that call knows by name",
     "--json prints an array with a row a line, which --endpoints takes as it is."},
    {"mock", CLI_MOCK, NULL, "", "a gateway on the loopback, to try things against", NULL},
    {"demo", CLI_DEMO, cli_demo_run, "",
     "mock, chats and tasks together, every byte verified, one table", NULL},
    {"help", CLI_HELP, run_help, "[COMMAND]", "what a command does and takes", NULL},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static cli_out stdout_writer;

static void put_line(void *ctx, const char *line) {
  cli_out *out = ctx;
  cli_out_text(out, line);
  cli_out_text(out, "\n");
}

static int describe_program(void) {
  cli_out *out = &stdout_writer;
  cli_out_init(out, STDOUT_FILENO, "standard output");
  cli_out_text(out, "usage: leat COMMAND [options]\n\n");
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    cli_out_format(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
  cli_out_text(out,
               "\n`leat COMMAND --help` lists a command's options; `man leat` tells everything.\n"
               "Durations are seconds, decimals allowed, or carry ms, s, m, h; sizes K, M, G.\n"
               "Exit: 0 done, 1 some request failed, 2 usage or configuration, 130 interrupted.\n");
  return cli_out_close(out) ? CLI_DONE : CLI_FAILED;
}

static int describe_command(const command *c) {
  cli_out *out = &stdout_writer;
  if (c->bit == CLI_MOCK) {
    char *argv[] = {(char[]){"mock"}, (char[]){"--help"}, NULL};
    return mock_main(2, argv);
  }
  cli_out_init(out, STDOUT_FILENO, "standard output");
  cli_out_format(out, "usage: leat %s [options] %s\n%s.\n", c->name, c->usage, c->summary);
  if (c->more) cli_out_format(out, "%s\n", c->more);
  cli_out_text(out, "\n");
  cli_options_describe(c->bit, put_line, out);
  return cli_out_close(out) ? CLI_DONE : CLI_FAILED;
}

static const command *find(const char *name) {
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

static int unknown_command(const char *name) {
  const char *names[COMMAND_COUNT];
  for (size_t i = 0; i < COMMAND_COUNT; i++) names[i] = commands[i].name;
  const char *nearest = cli_spelling_nearest(name, names, COMMAND_COUNT);
  cli_say("unknown command %s%s%s: see leat --help", name, nearest ? ": did you mean " : "",
          nearest ? nearest : "");
  return CLI_WRONG;
}

static int run_help(const cli_options *options) {
  if (options->arg_count == 0) return describe_program();
  const command *c = find(options->args[0]);
  return c ? describe_command(c) : unknown_command(options->args[0]);
}

static int run_command(const command *c, int argc, char **argv) {
  cli_options options;
  int code = CLI_WRONG;
  cli_say_command(c->name);
  if (c->bit == CLI_MOCK) return mock_main(argc, argv);
  enum cli_parsed parsed = cli_options_parse(&options, c->bit, argc - 1, argv + 1);
  if (parsed == CLI_PARSED_OK) code = c->run(&options);
  if (parsed == CLI_PARSED_HELP) code = describe_command(c);
  cli_options_free(&options);
  return code;
}

lti_alloc *cli_program_alloc(void) {
  static lti_alloc alloc;
  if (!alloc.fns.malloc) lti_alloc_init(&alloc, NULL);
  return &alloc;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc < 2) {
    cli_say("no command: see leat --help");
    return CLI_WRONG;
  }
  const char *name = argv[1];
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return describe_program();
  if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
    cli_out_init(&stdout_writer, STDOUT_FILENO, "standard output");
    cli_out_format(&stdout_writer, "leat %s\n", leat_version());
    return cli_out_close(&stdout_writer) ? CLI_DONE : CLI_FAILED;
  }
  const command *c = find(name);
  return c ? run_command(c, argc - 1, argv + 1) : unknown_command(name);
}
