/* Values one behind the other need no comma and no line end between them: each is taken whole and
 * read on its own. */
#include "bench/load/result/runs.h"

#include "base/buf.h"
#include "bench/load/result/result_json.h"
#include "bindings/cli/input.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "wire/json.h"

#define WHY_SIZE 300

typedef struct reader {
  runs *runs;
  const char *path;
  size_t found;
} reader;

bool runs_add(runs *r, result *one) {
  lti_alloc *alloc = cli_program_alloc();
  size_t size = r->count * sizeof *r->items;
  result **items = r->count < RUNS_COUNT_MAX
                       ? lti_alloc_grow(alloc, r->items, size, size + sizeof *r->items)
                       : NULL;
  if (!items) {
    result_free(one);
    return false;
  }
  r->items = items;
  r->items[r->count++] = one;
  return true;
}

void runs_free(runs *r) {
  for (size_t i = 0; i < r->count; i++) result_free(r->items[i]);
  lti_alloc_put(cli_program_alloc(), r->items);
  *r = (runs){0};
}

static bool add_text(reader *r, leat_slice text) {
  char why[WHY_SIZE];
  result *one = result_json_read(text, why, sizeof why);
  r->found++;
  if (!one) {
    cli_say("%s: run %zu: %s", r->path, r->found, why);
    return false;
  }
  if (runs_add(r->runs, one)) return true;
  cli_say("%s: more than %d runs, or no memory", r->path, RUNS_COUNT_MAX);
  return false;
}

static bool not_json(const reader *r, const lti_json *json, size_t before) {
  cli_say("%s: not JSON at byte %zu: %s", r->path, before + lti_json_offset(json),
          json->error ? json->error : "unexpected");
  return false;
}

static bool read_array(reader *r, lti_json *json, size_t before) {
  leat_slice item;
  if (!lti_json_enter_array(json)) return not_json(r, json, before);
  while (lti_json_next_value(json))
    if (lti_json_raw(json, &item) && !add_text(r, item)) return false;
  return !lti_json_failed(json) || not_json(r, json, before);
}

static leat_slice without_blanks(leat_slice text) {
  while (text.size > 0 && memchr(" \t\r\n", text.data[0], 4)) text = lti_slice_from(text, 1);
  return text;
}

static bool read_values(reader *r, leat_slice text) {
  leat_slice rest = without_blanks(text), value;
  while (rest.size > 0) {
    lti_json json;
    size_t before = text.size - rest.size;
    lti_json_init(&json, rest);
    if (lti_json_peek(&json) == LTI_JSON_ARRAY) {
      if (!read_array(r, &json, before)) return false;
    } else if (!lti_json_raw(&json, &value)) {
      return not_json(r, &json, before);
    } else if (!add_text(r, value)) {
      return false;
    }
    rest = without_blanks(lti_slice_from(rest, lti_json_offset(&json)));
  }
  if (r->found > 0) return true;
  cli_say("%s: it holds no run: write one with leat load --json FILE", r->path);
  return false;
}

bool runs_read_text(runs *out, const char *name, leat_slice text) {
  reader r = {.runs = out, .path = name};
  return read_values(&r, text);
}

bool runs_read(runs *out, const char *path) {
  lti_buf text;
  lti_buf_init(&text, cli_program_alloc(), RUNS_SIZE_MAX, LEAT_EBODYMAX);
  bool fine = cli_input_read(&text, path) && runs_read_text(out, path, lti_buf_slice(&text));
  lti_buf_deinit(&text);
  return fine;
}
