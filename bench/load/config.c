/* A file becomes words of a command line, "--rate=40", and goes through the one parser; so a name
 * or a value is right in a file exactly where it is right there, and is refused in the same words,
 * with the file's name in front. Rows of the option table say the rest: what is a flag, a list, a
 * secret, and which field of cli_options to lay over which. */
#include "bench/load/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/load/run/shard.h"
#include "bindings/cli/input.h"
#include "bindings/cli/json_layout.h"
#include "bindings/cli/jsonw.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "bindings/cli/settings.h"
#include "wire/json.h"

#define SEED_USUAL 1

struct config_file {
  cli_options read; /* of the file alone; owns its lists */
  cli_options all;  /* views of `read` and of the command line's; owns nothing */
  bool parsed;
  char shard[SHARD_TEXT_MAX];
  size_t word_count;
  char *words[CONFIG_WORDS_MAX];
};

static bool read_members(config_file *c, leat_slice text, const char *path);
static void lay_over(cli_options *all, const cli_options *given);
static void put_option(cli_jsonw *w, const cli_option *row, const cli_options *options);

config_file *config_open(const cli_options *given) {
  return config_open_file(given, given->load.config);
}

config_file *config_open_file(const cli_options *given, const char *path) {
  lti_buf text;
  if (!path) return config_open_text(given, NULL, lti_slice(NULL, 0));
  lti_buf_init(&text, cli_program_alloc(), CONFIG_SIZE_MAX, LEAT_EBODYMAX);
  config_file *c =
      cli_input_read(&text, path) ? config_open_text(given, path, lti_buf_slice(&text)) : NULL;
  lti_buf_deinit(&text);
  return c;
}

static bool read_text(config_file *c, const char *name, leat_slice text) {
  if (!read_members(c, text, name)) return false;
  const char *slash = strrchr(name, '/');
  const char *command = cli_say_command(slash ? slash + 1 : name);
  c->parsed = true;
  enum cli_parsed parsed = cli_options_parse(&c->read, CLI_LOAD, (int)c->word_count, c->words);
  cli_say_command(command);
  return parsed == CLI_PARSED_OK;
}

config_file *config_open_text(const cli_options *given, const char *name, leat_slice text) {
  config_file *c = calloc(1, sizeof *c);
  if (!c) {
    cli_say("no memory");
    return NULL;
  }
  bool fine = !name || read_text(c, name, text);
  c->all = c->read;
  if (fine) lay_over(&c->all, given);
  if (fine && !c->all.load.shard) fine = shard_from_environment(c->shard, sizeof c->shard);
  if (c->shard[0]) c->all.load.shard = c->shard;
  if (fine) return c;
  config_close(c);
  return NULL;
}

const cli_options *config_options(const config_file *c) {
  return &c->all;
}

void config_close(config_file *c) {
  if (!c) return;
  if (c->parsed) cli_options_free(&c->read);
  for (size_t i = 0; i < c->word_count; i++) free(c->words[i]);
  free(c);
}

/* --- which options --- */

static const cli_option *row_of(leat_slice name) {
  const char *alias = cli_spelling_alias(name, CLI_LOAD);
  leat_slice own = alias ? lti_slice_of(alias) : name;
  for (size_t i = 0; cli_option_at(i); i++) {
    const cli_option *row = cli_option_at(i);
    if (row->commands & CLI_LOAD && lti_slice_is(own, row->name)) return row;
  }
  return NULL;
}

static bool is_among(const char *name, const char *words) {
  size_t size = strlen(name);
  for (const char *at = words; (at = strstr(at, name)); at += size) {
    bool begins = at == words || at[-1] == ' ', ends = at[size] == ' ' || at[size] == '\0';
    if (begins && ends) return true;
  }
  return false;
}

/* What a config is not about. */
static bool is_foreign(const cli_option *row) {
  return is_among(row->name, "help config print-config");
}

/* Whether a header's name says that its value is nobody's business: more than the fields that are
 * known to authenticate, since gateways invent their own. */
static bool is_secret_header(leat_slice line) {
  static const char *const words[] = {"auth",   "key",      "token",     "secret",
                                      "cookie", "password", "credential"};
  char name[64];
  size_t size = 0;
  while (size < line.size && size + 1 < sizeof name && line.data[size] != ':') {
    char c = line.data[size];
    name[size++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  name[size] = '\0';
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strstr(name, words[i])) return true;
  return false;
}

/* --- reading --- */

typedef struct reader {
  config_file *config;
  const char *path;
  lti_json json;
  lti_buf scratch;
  const cli_option *row;
} reader;

static bool refuse(const reader *r, const char *why) {
  cli_say("%s: \"%s\": %s", r->path, r->row->name, why);
  return false;
}

static bool add_word(reader *r, leat_slice value) {
  config_file *c = r->config;
  size_t name = strlen(r->row->name), at = 2 + name;
  if (c->word_count == CONFIG_WORDS_MAX) return refuse(r, "the file says too much");
  char *word = malloc(at + value.size + 2);
  if (!word) return refuse(r, "no memory");
  memcpy(word, "--", 2);
  memcpy(word + 2, r->row->name, name);
  if (r->row->value != CLI_FLAG) word[at++] = '=';
  if (value.size) memcpy(word + at, value.data, value.size);
  word[at + value.size] = '\0';
  c->words[c->word_count++] = word;
  return true;
}

/* A URL in which somebody logs in. The path of a socket may hold an @ of its own. */
static bool has_login(leat_slice url) {
  return url.size > 0 && !lti_slice_starts(url, "unix:") && memchr(url.data, '@', url.size);
}

static bool add_value(reader *r, leat_slice value) {
  if (value.size && memchr(value.data, '\0', value.size)) return refuse(r, "it has a byte 0");
  if (r->row->value == CLI_SECRET)
    return refuse(r, "a config holds no secrets: set LEAT_API_KEY, or name a \"key-file\"");
  if (r->row->value == CLI_HEADER && is_secret_header(value))
    return refuse(r,
                  "a config holds no secrets: give this header on the command line, or the key "
                  "in LEAT_API_KEY");
  if (r->row->value == CLI_PROXY && has_login(value))
    return refuse(r, "a config holds no secrets: set HTTPS_PROXY or ALL_PROXY");
  if (strcmp(r->row->name, "base-url") == 0 && has_login(value))
    return refuse(r, "a config holds no secrets: leave who logs in out of it");
  return add_word(r, value);
}

static bool read_string(reader *r) {
  lti_json_text text;
  leat_slice value;
  if (!lti_json_string(&r->json, &text)) return true; /* the syntax is wrong: said at the end */
  if (lti_json_decode(text, NULL, &r->scratch, &value) != LEAT_OK) return refuse(r, "no memory");
  return add_value(r, value);
}

static bool read_flag(reader *r) {
  bool on = false;
  if (!lti_json_bool(&r->json, &on)) return lti_json_failed(&r->json);
  if (r->row->value != CLI_FLAG) return refuse(r, "it takes a value, not true or false");
  return !on || add_word(r, lti_slice(NULL, 0));
}

/* One value that is no array. */
static bool read_value(reader *r) {
  leat_slice raw;
  enum lti_json_type type = lti_json_peek(&r->json);
  if (type == LTI_JSON_TRUE || type == LTI_JSON_FALSE) return read_flag(r);
  if (type == LTI_JSON_NULL) {
    lti_json_skip(&r->json);
    return true;
  }
  if (r->row->value == CLI_FLAG && type != LTI_JSON_NONE) return refuse(r, "it is true or false");
  if (type == LTI_JSON_STRING) return read_string(r);
  if (type == LTI_JSON_ARRAY) return refuse(r, "it takes one value, not an array");
  if (type == LTI_JSON_OBJECT && r->row->value != CLI_TEXT)
    return refuse(r, "it takes a text or a number, not an object");
  if (!lti_json_raw(&r->json, &raw)) return true;
  return add_value(r, raw);
}

static bool read_member(reader *r) {
  bool many = r->row->value == CLI_LIST || r->row->value == CLI_HEADER;
  if (!many || lti_json_peek(&r->json) != LTI_JSON_ARRAY) return read_value(r);
  if (!lti_json_enter_array(&r->json)) return true;
  while (lti_json_next_value(&r->json))
    if (!read_value(r)) return false;
  return true;
}

static bool find_row(reader *r, lti_json_text key) {
  char word[72], advice[256];
  leat_slice name;
  if (lti_json_decode(key, NULL, &r->scratch, &name) != LEAT_OK) return false;
  r->row = row_of(name);
  if (r->row && !is_foreign(r->row)) return true;
  snprintf(word, sizeof word, "%.*s", (int)(name.size < 64 ? name.size : 64), name.data);
  if (r->row) {
    cli_say("%s: \"%s\" belongs on the command line", r->path, word);
    return false;
  }
  const char *more = cli_spelling_advice(word, CLI_LOAD, advice, sizeof advice);
  cli_say("%s: \"%s\" is no option of load%s%s", r->path, word, more ? ": " : ": see --help",
          more ? more : "");
  return false;
}

static bool read_object(reader *r) {
  lti_json_text key;
  if (lti_json_peek(&r->json) != LTI_JSON_OBJECT || !lti_json_enter_object(&r->json)) {
    cli_say("%s: a config is one JSON object of option names", r->path);
    return false;
  }
  while (lti_json_next_key(&r->json, &key))
    if (!find_row(r, key) || !read_member(r)) return false;
  if (lti_json_at_end(&r->json)) return true;
  cli_say("%s: not JSON at byte %zu: %s", r->path, lti_json_offset(&r->json), r->json.error);
  return false;
}

static bool read_members(config_file *c, leat_slice text, const char *path) {
  reader r = {.config = c, .path = path};
  lti_json_init(&r.json, text);
  lti_buf_init(&r.scratch, cli_program_alloc(), CONFIG_SIZE_MAX, LEAT_EBODYMAX);
  bool fine = read_object(&r);
  lti_buf_deinit(&r.scratch);
  return fine;
}

/* --- the command line over the file --- */

static void *at_field(cli_options *options, const cli_option *row) {
  return (char *)options + row->field;
}

static const void *in_field(const cli_options *options, const cli_option *row) {
  return (const char *)options + row->field;
}

static size_t size_of(const cli_option *row) {
  switch (row->value) {
    case CLI_FLAG: return sizeof(bool);
    case CLI_TEXT:
    case CLI_SECRET:
    case CLI_PROXY:
    case CLI_CHOICE: return sizeof(const char *);
    case CLI_LIST:
    case CLI_HEADER: return sizeof(cli_list);
    case CLI_INT:
    case CLI_SIZE:
    case CLI_DURATION: return sizeof(cli_int);
    case CLI_REAL: return sizeof(cli_real);
  }
  return 0;
}

static bool is_given(const cli_options *options, const cli_option *row) {
  const void *field = in_field(options, row);
  switch (row->value) {
    case CLI_FLAG: return *(const bool *)field;
    case CLI_TEXT:
    case CLI_SECRET:
    case CLI_PROXY:
    case CLI_CHOICE: return *(const char *const *)field != NULL;
    case CLI_LIST:
    case CLI_HEADER: return ((const cli_list *)field)->count > 0;
    case CLI_INT:
    case CLI_SIZE:
    case CLI_DURATION: return ((const cli_int *)field)->set;
    case CLI_REAL: return ((const cli_real *)field)->set;
  }
  return false;
}

static void lay_over(cli_options *all, const cli_options *given) {
  for (size_t i = 0; cli_option_at(i); i++) {
    const cli_option *row = cli_option_at(i);
    if (!(row->commands & CLI_LOAD) || !is_given(given, row)) continue;
    memcpy(at_field(all, row), in_field(given, row), size_of(row));
  }
  all->args = given->args;
  all->arg_count = given->arg_count;
}

/* --- writing --- */

static bool is_withheld(const cli_option *row, leat_slice value) {
  if (row->value == CLI_SECRET) return true;
  if (row->value == CLI_HEADER && is_secret_header(value)) return true;
  return cli_say_is_secret(value);
}

/* A URL without who logs in there. The path of a socket may hold an @ of its own. */
static void put_url(cli_jsonw *w, const char *key, const char *url) {
  char text[4096];
  const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
  const char *host = scheme ? scheme + 3 : url;
  bool plain = !at || at < host || strncmp(url, "unix:", 5) == 0;
  int n = snprintf(text, sizeof text, "%.*s%s", (int)(host - url), url, plain ? host : at + 1);
  if (n < 0 || (size_t)n >= sizeof text || cli_say_is_secret(lti_slice_of(text))) return;
  cli_jsonw_text(w, key, lti_slice_of(text));
}

static void put_list(cli_jsonw *w, const cli_option *row, const cli_list *list) {
  bool open = false;
  for (size_t i = 0; i < list->count; i++) {
    leat_slice item = lti_slice_of(list->items[i]);
    if (is_withheld(row, item)) continue;
    if (!open) cli_jsonw_open(w, row->name, '[');
    open = true;
    cli_jsonw_text(w, NULL, item);
  }
  if (open) cli_jsonw_close(w, ']');
}

static void put_number(cli_jsonw *w, const char *key, double value) {
  lti_buf text;
  lti_buf_init(&text, cli_program_alloc(), 64, LEAT_EBODYMAX);
  if (lti_json_write_double(&text, value) == LEAT_OK) cli_jsonw_raw(w, key, lti_buf_slice(&text));
  lti_buf_deinit(&text);
}

static void put_text(cli_jsonw *w, const cli_option *row, const char *text) {
  leat_slice value = lti_slice_of(text);
  bool url = row->value == CLI_PROXY || strcmp(row->name, "base-url") == 0;
  if (url)
    put_url(w, row->name, text);
  else if (!is_withheld(row, value))
    cli_jsonw_text(w, row->name, value);
}

static void put_duration(cli_jsonw *w, const char *key, int64_t ms) {
  if (ms == LEAT_NONE)
    cli_jsonw_text(w, key, lti_slice_of("off"));
  else
    put_number(w, key, (double)ms / 1e3);
}

static void put_option(cli_jsonw *w, const cli_option *row, const cli_options *options) {
  const void *field = in_field(options, row);
  if (!is_given(options, row) || is_foreign(row)) return;
  switch (row->value) {
    case CLI_FLAG: cli_jsonw_bool(w, row->name, true); return;
    case CLI_TEXT:
    case CLI_SECRET:
    case CLI_PROXY:
    case CLI_CHOICE: put_text(w, row, *(const char *const *)field); return;
    case CLI_LIST:
    case CLI_HEADER: put_list(w, row, field); return;
    case CLI_INT:
    case CLI_SIZE: cli_jsonw_int(w, row->name, ((const cli_int *)field)->value); return;
    case CLI_DURATION: put_duration(w, row->name, ((const cli_int *)field)->value); return;
    case CLI_REAL: put_number(w, row->name, ((const cli_real *)field)->value); return;
  }
}

int config_write(const cli_options *options, const char *base_url, lti_buf *out) {
  cli_options full = *options;
  cli_jsonw w;
  if (!full.base_url) full.base_url = base_url;
  if (!full.load.seed.set) full.load.seed = (cli_int){.set = true, .value = SEED_USUAL};
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  for (size_t i = 0; cli_option_at(i); i++)
    if (cli_option_at(i)->commands & CLI_LOAD) put_option(&w, cli_option_at(i), &full);
  cli_jsonw_close(&w, '}');
  int error = w.error != LEAT_OK ? w.error : lti_buf_append(out, lti_buf_slice(&w.buf));
  cli_jsonw_deinit(&w);
  return error;
}

/* Says what a config leaves out, so that nobody misses it when the run is repeated. */
static void say_withheld(const cli_options *options) {
  if (options->quiet) return;
  if (options->api_key) cli_say("the key is not in it: set LEAT_API_KEY, or use --key-file");
  for (size_t i = 0; i < options->headers.count; i++) {
    leat_slice line = lti_slice_of(options->headers.items[i]);
    if (is_secret_header(line) || cli_say_is_secret(line))
      cli_say("the header %.*s is not in it: give it on the command line",
              (int)strcspn(line.data, ": "), line.data);
  }
  if (options->proxy && has_login(lti_slice_of(options->proxy)))
    cli_say("who logs in at the proxy is not in it: set HTTPS_PROXY or ALL_PROXY");
}

int config_print(const cli_options *options) {
  static cli_out out;
  cli_settings settings;
  lti_buf text, laid;
  cli_options quiet = *options;
  quiet.trace = NULL; /* a trace would be begun, and nothing is to be done */
  lti_buf_init(&text, cli_program_alloc(), CONFIG_SIZE_MAX, LEAT_EBODYMAX);
  lti_buf_init(&laid, cli_program_alloc(), 2 * CONFIG_SIZE_MAX, LEAT_EBODYMAX);
  int code = CLI_WRONG;
  if (cli_settings_init(&settings, &quiet)) {
    say_withheld(options);
    cli_out_init(&out, STDOUT_FILENO, "standard output");
    code = CLI_FAILED;
    if (config_write(options, settings.config.base_url, &text) == LEAT_OK &&
        cli_json_layout(lti_buf_slice(&text), false, &laid) == LEAT_OK) {
      cli_out_write(&out, lti_buf_slice(&laid));
      if (!out.line_start) cli_out_text(&out, "\n");
      if (cli_out_close(&out)) code = CLI_DONE;
    }
  }
  cli_settings_free(&settings);
  lti_buf_deinit(&text);
  lti_buf_deinit(&laid);
  return code;
}
