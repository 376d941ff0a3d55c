/* `leat endpoints`: what `leat call` and `leat task run` know by name: a table for people, or with
 * --json an array with a row a line, which --endpoints takes as it is. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "endpoint_file.h"
#include "jsonw.h"
#include "program.h"
#include "say.h"

enum { NAME, METHOD, PATH, BODY, REPLY, TASK, COLUMNS };

typedef struct listing {
  const cli_options *options;
  const leat_engine *engine; /* NULL: the built-in ones are all */
  const char *group;         /* NULL: all */
  cli_out out;
  size_t widths[COLUMNS];
} listing;

/* "suno" is all of its rows, "suno.music" one. */
static bool is_listed(const listing *l, const leat_endpoint *row) {
  size_t n = l->group ? strlen(l->group) : 0;
  return !l->group ||
         (strncmp(row->name, l->group, n) == 0 && (row->name[n] == '.' || row->name[n] == '\0'));
}

static const char *cell(const leat_endpoint *row, int column) {
  switch (column) {
    case NAME: return row->name;
    case METHOD: return row->method;
    case PATH: return row->path;
    case BODY: return row->body == LEAT_BODY_NONE ? "-" : leat_body_kind_name(row->body);
    case REPLY: return leat_reply_kind_name(row->reply);
    default: return row->reply == LEAT_REPLY_KIND_TASK ? row->task : "-";
  }
}

static void put_line(listing *l, const char *const *cells, const char *last) {
  for (int i = 0; i < COLUMNS; i++) cli_out_format(&l->out, "%-*s  ", (int)l->widths[i], cells[i]);
  cli_out_format(&l->out, "%s\n", last);
}

static void put_table(listing *l) {
  static const char *const titles[COLUMNS] = {"NAME", "METHOD", "PATH", "BODY", "REPLY", "TASK"};
  const leat_endpoint *row;
  for (int k = 0; k < COLUMNS; k++) l->widths[k] = strlen(titles[k]);
  for (size_t i = 0; (row = leat_endpoint_at(l->engine, i)); i++)
    for (int k = 0; is_listed(l, row) && k < COLUMNS; k++)
      if (strlen(cell(row, k)) > l->widths[k]) l->widths[k] = strlen(cell(row, k));
  if (!l->options->quiet) put_line(l, titles, "CONFIRMED");
  for (size_t i = 0; (row = leat_endpoint_at(l->engine, i)); i++) {
    const char *cells[COLUMNS];
    for (int k = 0; k < COLUMNS; k++) cells[k] = cell(row, k);
    if (is_listed(l, row)) put_line(l, cells, row->confirmed ? "yes" : "no");
  }
}

static void put_text(cli_jsonw *w, const char *key, const char *text) {
  if (text)
    cli_jsonw_text(w, key, lti_slice_of(text));
  else
    cli_jsonw_null(w, key);
}

/* Named as the members of a file of endpoints are. */
static void put_row(cli_jsonw *w, const leat_endpoint *row) {
  cli_jsonw_open(w, NULL, '{');
  put_text(w, "name", row->name);
  put_text(w, "summary", row->summary);
  put_text(w, "method", row->method);
  put_text(w, "path", row->path);
  put_text(w, "stream_path", row->stream_path);
  put_text(w, "body", leat_body_kind_name(row->body));
  put_text(w, "auth", leat_auth_name(row->auth));
  put_text(w, "reply", leat_reply_kind_name(row->reply));
  put_text(w, "group", leat_reply_group_name(row->group));
  put_text(w, "protocol", row->protocol);
  put_text(w, "task", row->task);
  put_text(w, "header", row->header);
  put_text(w, "value", row->value);
  put_text(w, "base_url", row->base_url);
  cli_jsonw_bool(w, "once", row->once);
  cli_jsonw_bool(w, "confirmed", row->confirmed);
  cli_jsonw_close(w, '}');
}

static bool put_json(listing *l) {
  const leat_endpoint *row;
  cli_jsonw w;
  const char *before = "[";
  bool fine = true;
  cli_jsonw_init(&w, cli_program_alloc());
  for (size_t i = 0; fine && (row = leat_endpoint_at(l->engine, i)); i++) {
    if (!is_listed(l, row)) continue;
    cli_out_text(&l->out, before);
    put_row(&w, row);
    fine = w.error == LEAT_OK;
    cli_out_write(&l->out, lti_buf_slice(&w.buf));
    lti_buf_clear(&w.buf);
    w.need_comma = false;
    before = ",\n";
  }
  cli_out_text(&l->out, "]\n");
  cli_jsonw_deinit(&w);
  return fine;
}

static bool has_group(const listing *l) {
  const leat_endpoint *row;
  for (size_t i = 0; (row = leat_endpoint_at(l->engine, i)); i++)
    if (is_listed(l, row)) return true;
  return false;
}

static int list(listing *l) {
  if (!has_group(l)) {
    cli_say("no endpoint is called %s, nor is a group: see leat endpoints", l->group);
    return CLI_WRONG;
  }
  bool fine = true;
  cli_out_init(&l->out, STDOUT_FILENO, "standard output");
  if (l->options->json)
    fine = put_json(l);
  else
    put_table(l);
  return cli_out_close(&l->out) && fine ? CLI_DONE : CLI_FAILED;
}

int cli_endpoints_run(const cli_options *options) {
  listing l = {.options = options};
  leat_engine *engine = NULL;
  if (options->arg_count > 1) {
    cli_say("one group or one name only");
    return CLI_WRONG;
  }
  l.group = options->arg_count ? options->args[0] : NULL;
  if (!options->endpoints) return list(&l);
  if (leat_open(&engine, NULL, NULL) != LEAT_OK) {
    cli_say("memory is short, or descriptors are");
    return CLI_FAILED;
  }
  l.engine = engine;
  int code = cli_endpoint_file(engine, options->endpoints) ? list(&l) : CLI_WRONG;
  leat_close(engine, LEAT_CLOSE_NOW, NULL, NULL);
  leat_run(engine);
  return code;
}
