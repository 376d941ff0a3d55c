/* The command line as data: one table of options, from which parsing, --help, the suggestions for
 * misspelt names and the check of the man page and completions derive.
 *
 * An option has one row for each meaning: `--json` is a flag for most commands and takes a file for
 * load, so it has two rows. A row names the field of cli_options that it fills by offset. Values
 * that may be absent carry `set`. Texts are views of argv, secrets excepted, which are moved out of
 * argv at once (a process list shows argv) and registered with cli_say_secret. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum cli_command_bit {
  CLI_CHAT = 1u << 0,
  CLI_DECODE = 1u << 1,
  CLI_LOAD = 1u << 2,
  CLI_TASK = 1u << 3,
  CLI_DEMO = 1u << 4,
  CLI_MOCK = 1u << 5,
  CLI_HELP = 1u << 6,
  CLI_WS = 1u << 7,
  CLI_CALL = 1u << 8,
  CLI_ENDPOINTS = 1u << 9,
  CLI_COMPARE = 1u << 10,
  CLI_REPORT = 1u << 11,
  CLI_MERGE = 1u << 12
};

enum cli_value {
  CLI_FLAG,     /* bool */
  CLI_TEXT,     /* const char * */
  CLI_SECRET,   /* const char *, of our own memory */
  CLI_PROXY,    /* the same; secret is the password in it */
  CLI_LIST,     /* cli_list, repeatable */
  CLI_HEADER,   /* cli_list of our own memory, secret values moved out of argv as well */
  CLI_INT,      /* cli_int within min..max */
  CLI_SIZE,     /* cli_int, in bytes, within min..max */
  CLI_DURATION, /* cli_int, in ms; "off" and 0 are LEAT_NONE */
  CLI_REAL,     /* cli_real */
  CLI_CHOICE    /* const char *, one of the words in `choices` */
};

typedef struct cli_int {
  bool set;
  int64_t value;
} cli_int;

typedef struct cli_real {
  bool set;
  double value;
} cli_real;

typedef struct cli_list {
  const char **items;
  size_t count;
} cli_list;

/* What only the harness and its reports have. */
typedef struct cli_load {
  /* when requests begin */
  cli_int requests, concurrency, duration, ramp, burst, burst_every, think, turns, drain_timeout;
  cli_int threads;
  cli_real burstiness, replay_speed;
  const char *rate, *arrivals, *rate_stages, *concurrency_stages, *replay, *sweep, *warmup, *end;
  cli_list slo;
  /* what they say */
  const char *endpoint, *input_tokens, *output_tokens, *tokens_by, *dataset, *dataset_order;
  cli_list params;
  cli_int shared_prefix, vocabulary, seed;
  bool template;
  /* what is measured, and whether it will do */
  cli_list goodput, require;
  bool strict, rx_timestamps, no_rx_timestamps;
  const char *allow_failures;
  /* where it is told */
  const char *json_path, *format, *jsonl, *title;
  cli_list output;
  bool events;
  /* again, elsewhere, together */
  cli_int repeat, pause;
  bool run, print_config;
  const char *shard, *start_at, *config;
} cli_load;

typedef struct cli_options {
  /* positional arguments, behind the command's name */
  char **args;
  size_t arg_count;

  bool help, json, quiet;

  /* where to and how */
  const char *base_url, *api_key, *key_file, *protocol, *model, *http, *cacert, *chat_path, *trace;
  const char *metrics;
  const char *proxy, *no_proxy, *cert, *cert_key, *tls_max;
  bool allow_plain_key, insecure, coalesce, learn_limits;
  cli_list headers, resolve;
  cli_int connections, streams, retries, rpm, tpm;
  cli_int connect_timeout, head_timeout, first_timeout, gap_timeout, timeout;

  /* what to send */
  const char *prompt, *body, *system, *reasoning_effort, *extra_body;
  cli_list stop;
  cli_int max_tokens, seed;
  cli_real temperature, top_p;
  bool no_stream, no_usage, show_reasoning;

  /* call, endpoints */
  cli_list set, set_json, params, form;
  const char *endpoints, *auth;
  bool stream;
  bool any_base; /* without --base-url it is the endpoint's own */

  /* decode */
  bool sse;
  const char *group;
  cli_int split;

  /* demo */
  cli_int chats, tasks;

  cli_load load;

  /* task */
  cli_int concurrency;
  const char *family, *output, *input, *journal;
  bool resume, resubmit;
  cli_int poll, deadline, polls;

  /* ws */
  const char *subprotocols, *key_in;
  bool binary;
  cli_int ping, wait, message_max;
  bool any_server; /* it may not be a provider's: a key that was meant for one stays here */
} cli_options;

typedef struct cli_option {
  const char *name; /* without the dashes */
  char letter;      /* 0: none */
  enum cli_value value;
  const char *shown; /* the value in --help, NULL for flags */
  uint32_t commands; /* which take it */
  size_t field;
  const char *help;
  const char *choices; /* CLI_CHOICE: words between blanks */
  int64_t min, max;    /* CLI_INT, CLI_SIZE */
} cli_option;

enum cli_parsed { CLI_PARSED_OK, CLI_PARSED_HELP, CLI_PARSED_WRONG };

/* Parses what stands behind the command's name. On CLI_PARSED_WRONG the reason was said. The
 * options must be given to cli_options_free in every case. */
enum cli_parsed cli_options_parse(cli_options *options, uint32_t command, int argc, char **argv);
void cli_options_free(cli_options *options);
/* The rows of one command, as --help shows them; written with `put`. */
void cli_options_describe(uint32_t command, void (*put)(void *ctx, const char *line), void *ctx);

/* The table. NULL behind the last row. */
const cli_option *cli_option_at(size_t i);
/* Its second part, which cli_option_at puts behind the first. */
const cli_option *cli_option_load_at(size_t i);
/* The option's own name for one that other harnesses have ("num-prompts": "requests"), or NULL. */
const char *cli_spelling_alias(leat_slice name, uint32_t command);
/* What to write instead of an option that does not exist: a sentence for the error line, or NULL.
 */
const char *cli_spelling_advice(const char *name, uint32_t command, char *out, size_t size);
/* The word among `count` that `name` was probably meant to be, or NULL. */
const char *cli_spelling_nearest(const char *name, const char *const *words, size_t count);

#endif
