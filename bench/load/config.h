/* The options of a run as a JSON object of their names, which --config reads and --print-config
 * writes, and which every result carries:
 *
 *     {"base-url": "http://127.0.0.1:8080", "model": "m", "rate": 40, "duration": "1m",
 *      "arrivals": "gamma", "burstiness": 0.5, "strict": true, "goodput": ["ttft:500"],
 *      "extra-body": {"ignore_eos": true}}
 *
 * Flags are true or false, lists are arrays, numbers and durations are numbers or the texts that
 * the command line takes, and an object stands for its own text. Other harnesses' names are taken
 * as on the command line, and so is nothing that does not exist. What the command line says wins; a
 * list of it takes the place of the file's. Files that are named are not in it, only their names,
 * which are from the folder that leat is started in.
 *
 * A config never holds a secret: keys, headers that authenticate and a proxy's password are refused
 * when one is read (the environment and --key-file are for them) and left out when one is written.
 */
#ifndef LOAD_CONFIG_H
#define LOAD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "bindings/cli/options.h"

#define CONFIG_SIZE_MAX  ((size_t)4 << 20)
#define CONFIG_WORDS_MAX 4096

typedef struct config_file config_file;

/* The options of the command line with those of its --config file, where it names one, behind them,
 * and the shard that the environment tells. NULL, and said, when the file cannot be used. `given`
 * must outlive it. */
config_file *config_open(const cli_options *given);
/* The same, of this file. */
config_file *config_open_file(const cli_options *given, const char *path);
/* The same, of this text; `name` is what it is called where something is wrong. */
config_file *config_open_text(const cli_options *given, const char *name, leat_slice text);
const cli_options *config_options(const config_file *c);
void config_close(config_file *c);

/* Appends the object that --config would need to do the same, its secrets excepted. `base_url`
 * (NULL: the options') is where the requests go when only the environment says so. LEAT_ENOMEM. */
int config_write(const cli_options *options, const char *base_url, lti_buf *out);
/* --print-config: writes it, laid out, to standard output, and says what is not in it. To the exit
 * code. */
int config_print(const cli_options *options);

/* In what two configs differ that may matter to what is measured (where it is told does not), as
 * "rate: 10 / 20; model: none / \"x\"", cut to `size` where need be. The count of options that
 * differ. `except`: names between blanks that do not count. */
size_t config_differences(leat_slice a, leat_slice b, const char *except, char *out, size_t size);

#endif
