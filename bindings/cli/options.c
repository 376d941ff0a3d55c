/* The parser: "--name value", "--name=value", "-n 5", "-n5", "-qk", and "--" before what only looks
 * like an option. Everything it knows of an option comes from its row. Of a repeated option the
 * last one counts, lists excepted. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "say.h"
#include "values.h"

#define LIST_MAX    256
#define HELP_COLUMN 30
#define HELP_WIDTH  79

typedef struct parser {
  cli_options *options;
  uint32_t command;
  char **argv;
  int argc, at;
  bool failed;
} parser;

static void parse_long(parser *p, char *text);
static void parse_letters(parser *p, char *letters);

enum cli_parsed cli_options_parse(cli_options *options, uint32_t command, int argc, char **argv) {
  memset(options, 0, sizeof *options);
  parser p = {.options = options, .command = command, .argv = argv, .argc = argc};
  options->args = calloc((size_t)argc + 1, sizeof *options->args);
  if (!options->args) {
    cli_say("no memory");
    return CLI_PARSED_WRONG;
  }
  bool only_args = false;
  while (p.at < p.argc && !p.failed) {
    char *text = p.argv[p.at++];
    if (only_args || text[0] != '-' || text[1] == '\0')
      options->args[options->arg_count++] = text;
    else if (strcmp(text, "--") == 0)
      only_args = true;
    else if (text[1] == '-')
      parse_long(&p, text + 2);
    else
      parse_letters(&p, text + 1);
  }
  if (p.failed) return CLI_PARSED_WRONG;
  return options->help ? CLI_PARSED_HELP : CLI_PARSED_OK;
}

static void *field_of(cli_options *options, const cli_option *row) {
  return (char *)options + row->field;
}

static void free_secret(char *secret) {
  if (secret) lti_wipe(secret, strlen(secret));
  free(secret);
}

static void free_list(cli_list *list, const cli_option *row) {
  for (size_t i = 0; row->value == CLI_HEADER && i < list->count; i++)
    free_secret((char *)(uintptr_t)list->items[i]);
  free(list->items);
  *list = (cli_list){NULL, 0}; /* another row may have the same field */
}

void cli_options_free(cli_options *options) {
  for (size_t i = 0; cli_option_at(i); i++) {
    const cli_option *row = cli_option_at(i);
    void *field = field_of(options, row);
    if (row->value == CLI_LIST || row->value == CLI_HEADER) free_list(field, row);
    if (row->value == CLI_SECRET || row->value == CLI_PROXY) {
      free_secret(*(char **)field);
      *(char **)field = NULL;
    }
  }
  free(options->args);
  memset(options, 0, sizeof *options);
}

/* The row of a name or, with name NULL, of a letter. */
static const cli_option *find(uint32_t command, leat_slice name, char letter) {
  for (size_t i = 0; cli_option_at(i); i++) {
    const cli_option *row = cli_option_at(i);
    if (!(row->commands & command)) continue;
    if (name.data ? lti_slice_is(name, row->name) : row->letter == letter) return row;
  }
  return NULL;
}

/* Moves a secret out of argv, where every process list shows it: all of the text, or of a URL the
 * user and the password. */
static char *take_secret(char *text, bool url) {
  size_t size = strlen(text);
  char *copy = malloc(size + 1);
  if (!copy) return NULL;
  memcpy(copy, text, size + 1);
  leat_slice secret = url ? cli_say_url_secret(copy) : lti_slice(copy, size);
  if (!url) cli_say_secret(secret);
  if (secret.size) memset(text + (secret.data - copy), '*', secret.size);
  return copy;
}

static bool add_item(cli_list *list, const char *text) {
  if (!list->items) list->items = calloc(LIST_MAX, sizeof *list->items);
  if (!list->items || list->count == LIST_MAX) return false;
  list->items[list->count++] = text;
  return true;
}

/* A header is copied; the value of one that authenticates is a secret like the key's. */
static bool add_header(cli_list *list, char *text) {
  static const char *const secret_names[] = {
      "authorization", "proxy-authorization", "cookie",         "x-api-key",
      "api-key",       "mj-api-secret",       "x-goog-api-key", "x-auth-token"};
  char *copy = malloc(strlen(text) + 1);
  if (!copy) return false;
  memcpy(copy, text, strlen(text) + 1);
  if (!add_item(list, copy)) {
    free(copy);
    return false;
  }
  size_t name_size = strcspn(copy, ": ");
  for (size_t i = 0; i < sizeof secret_names / sizeof secret_names[0]; i++) {
    if (!lti_slice_is_nocase(lti_slice(copy, name_size), secret_names[i])) continue;
    leat_slice value =
        lti_slice_trim(lti_slice_of(copy + name_size + strspn(copy + name_size, ":")));
    const char *blank = memchr(value.data, ' ', value.size);
    cli_say_secret(blank ? lti_slice_from(value, (size_t)(blank + 1 - value.data)) : value);
    memset(text + name_size, '*', strlen(text + name_size));
    break;
  }
  return true;
}

static bool set_number(cli_int *number, const cli_option *row, const char *text) {
  bool fine = false;
  if (row->value == CLI_DURATION) {
    fine = cli_values_duration(text, &number->value);
    if (strcmp(text, "off") == 0 || (fine && number->value == 0)) {
      number->value = LEAT_NONE;
      fine = true;
    }
  } else {
    fine = row->value == CLI_SIZE ? cli_values_size(text, &number->value)
                                  : cli_values_int(text, &number->value);
    fine = fine && number->value >= row->min && number->value <= row->max;
  }
  number->set = fine;
  return fine;
}

static bool is_choice(const char *choices, const char *text) {
  size_t size = strlen(text);
  while (*choices) {
    size_t word = strcspn(choices, " ");
    if (word && word == size && memcmp(choices, text, size) == 0) return true;
    choices += word + strspn(choices + word, " ");
  }
  return false;
}

static void wrong_value(parser *p, const cli_option *row, const char *text) {
  p->failed = true;
  switch (row->value) {
    case CLI_DURATION:
      cli_say("--%s %s: not a duration: write seconds, or a number with ms, s, m or h, or off",
              row->name, text);
      return;
    case CLI_SIZE:
      cli_say("--%s %s: not a size from %lld to %lld: write bytes, or a number with K, M or G",
              row->name, text, (long long)row->min, (long long)row->max);
      return;
    case CLI_INT:
      cli_say("--%s %s: not a whole number from %lld to %lld", row->name, text, (long long)row->min,
              (long long)row->max);
      return;
    case CLI_REAL: cli_say("--%s %s: not a number", row->name, text); return;
    case CLI_CHOICE: cli_say("--%s %s: it is one of: %s", row->name, text, row->choices); return;
    case CLI_LIST:
    case CLI_HEADER: cli_say("--%s: given more than %d times", row->name, LIST_MAX); return;
    case CLI_SECRET:
    case CLI_PROXY: cli_say("no memory"); return;
    case CLI_FLAG:
    case CLI_TEXT: return;
  }
}

static void set_value(parser *p, const cli_option *row, char *text) {
  void *field = field_of(p->options, row);
  bool fine = true;
  switch (row->value) {
    case CLI_FLAG: *(bool *)field = true; break;
    case CLI_TEXT: *(const char **)field = text; break;
    case CLI_SECRET:
    case CLI_PROXY:
      free_secret(*(char **)field);
      *(char **)field = take_secret(text, row->value == CLI_PROXY);
      fine = *(char **)field != NULL;
      break;
    case CLI_LIST: fine = add_item(field, text); break;
    case CLI_HEADER: fine = add_header(field, text); break;
    case CLI_INT:
    case CLI_SIZE:
    case CLI_DURATION: fine = set_number(field, row, text); break;
    case CLI_REAL:
      fine = ((cli_real *)field)->set = cli_values_real(text, &((cli_real *)field)->value);
      break;
    case CLI_CHOICE:
      fine = is_choice(row->choices, text);
      *(const char **)field = text;
      break;
  }
  if (!fine) wrong_value(p, row, text);
}

/* The next argument, as the value of `row`. One that looks like an option is probably one. */
static char *next_value(parser *p, const cli_option *row) {
  char *text = p->at < p->argc ? p->argv[p->at] : NULL;
  if (text && strncmp(text, "--", 2) == 0 && find(p->command, lti_slice_of(text + 2), 0)) {
    cli_say("--%s needs a value, and %s is an option (--%s=%s if it is meant)", row->name, text,
            row->name, text);
    p->failed = true;
    return NULL;
  }
  if (!text) {
    cli_say("--%s needs a value: %s", row->name, row->shown);
    p->failed = true;
    return NULL;
  }
  p->at++;
  return text;
}

static void unknown(parser *p, const char *shown, leat_slice name) {
  char word[64], advice[256];
  snprintf(word, sizeof word, "%.*s", (int)(name.size < 60 ? name.size : 60), name.data);
  const char *more = cli_spelling_advice(word, p->command, advice, sizeof advice);
  cli_say("unknown option %s%s%s", shown, more ? ": " : "", more ? more : ": see --help");
  p->failed = true;
}

static void parse_long(parser *p, char *text) {
  char *equals = strchr(text, '=');
  leat_slice name = lti_slice(text, equals ? (size_t)(equals - text) : strlen(text));
  const char *alias = cli_spelling_alias(name, p->command);
  const cli_option *row = find(p->command, alias ? lti_slice_of(alias) : name, 0);
  if (!row) {
    char shown[72];
    snprintf(shown, sizeof shown, "--%.*s", (int)(name.size < 60 ? name.size : 60), name.data);
    unknown(p, shown, name);
  } else if (row->value == CLI_FLAG && equals) {
    cli_say("--%s takes no value", row->name);
    p->failed = true;
  } else if (row->value == CLI_FLAG) {
    set_value(p, row, NULL);
  } else {
    char *value = equals ? equals + 1 : next_value(p, row);
    if (value) set_value(p, row, value);
  }
}

/* "-qk", "-n5", "-n 5". */
static void parse_letters(parser *p, char *letters) {
  for (; *letters && !p->failed; letters++) {
    const cli_option *row = find(p->command, lti_slice(NULL, 0), *letters);
    if (!row) {
      char shown[3] = {'-', *letters, '\0'};
      unknown(p, shown, lti_slice(letters, 1));
    } else if (row->value == CLI_FLAG) {
      set_value(p, row, NULL);
    } else {
      char *value = letters[1] ? letters + 1 : next_value(p, row);
      if (value) set_value(p, row, value);
      return;
    }
  }
}

/* One row of --help: the help text wrapped behind its column. */
static void describe_row(const cli_option *row, void (*put)(void *ctx, const char *line),
                         void *ctx) {
  char line[HELP_WIDTH + 64];
  char letter[8] = "    ";
  if (row->letter) snprintf(letter, sizeof letter, "-%c, ", row->letter);
  int n = snprintf(line, sizeof line, "  %s--%s%s%s", letter, row->name, row->shown ? " " : "",
                   row->shown ? row->shown : "");
  if (n >= HELP_COLUMN - 1) {
    put(ctx, line);
    n = 0;
  }
  const char *text = row->help;
  while (*text) {
    size_t room = HELP_WIDTH - HELP_COLUMN, size = strlen(text), cut = size;
    if (size > room)
      for (cut = room; cut > 0 && text[cut] != ' ';) cut--;
    snprintf(line + n, sizeof line - (size_t)n, "%*s%.*s", HELP_COLUMN - n, "", (int)cut, text);
    put(ctx, line);
    n = 0;
    text += cut + (text[cut] == ' ');
  }
}

void cli_options_describe(uint32_t command, void (*put)(void *ctx, const char *line), void *ctx) {
  for (size_t i = 0; cli_option_at(i); i++)
    if (cli_option_at(i)->commands & command) describe_row(cli_option_at(i), put, ctx);
}
