/* A file is read whole, its rows are kept in 32 bytes each and their prefixes in one buffer; then
 * the text is given back. The first row that cannot be read ends it: a trace that was silently
 * thinned out would be another load than the one that was asked for. */
#include "traces.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "bindings/cli/input.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "bindings/cli/values.h"
#include "traces_csv.h"
#include "wire/json.h"

#define TIME_MAX_NS  9e18
#define ROWS_FIRST   1024
#define NAME_MAX_LEN 63

typedef struct row {
  int64_t at_ns; /* as the file counts, until traces_settle */
  uint32_t order;
  int32_t input, output; /* -1: not told */
  uint32_t prefix, prefix_size;
} row;

struct shape_trace {
  lti_alloc *alloc;
  row *rows;
  size_t count, capacity;
  lti_buf prefixes;
  char name[NAME_MAX_LEN + 1];
};

typedef struct reader {
  shape_trace *trace;
  uint64_t line;      /* of the row at hand, from 1 */
  const char *wrong;  /* NULL: fine so far */
  leat_slice culprit; /* what it is said of */
} reader;

/* --- rows --- */

static bool fail(reader *r, const char *wrong, leat_slice culprit) {
  if (!r->wrong) {
    r->wrong = wrong;
    r->culprit = culprit;
  }
  return false;
}

static row *add_row(reader *r) {
  shape_trace *t = r->trace;
  if (t->count == TRACES_ROWS_MAX) {
    fail(r, "there are more than 16,000,000 rows: cut the file", lti_slice(NULL, 0));
    return NULL;
  }
  if (t->count == t->capacity) {
    size_t capacity = t->capacity ? t->capacity * 2 : ROWS_FIRST;
    row *rows =
        lti_alloc_grow(t->alloc, t->rows, t->capacity * sizeof *rows, capacity * sizeof *rows);
    if (!rows) {
      fail(r, "memory is short", lti_slice(NULL, 0));
      return NULL;
    }
    t->rows = rows;
    t->capacity = capacity;
  }
  row *added = &t->rows[t->count];
  *added = (row){.order = (uint32_t)t->count, .input = -1, .output = -1};
  added->prefix = (uint32_t)t->prefixes.size;
  t->count++;
  return added;
}

static bool set_tokens(reader *r, double value, leat_slice text, int32_t *tokens) {
  if (!(value >= 0 && value <= INT32_MAX && value == floor(value)))
    return fail(r, "a length is a whole number of tokens from 0 on, and here is", text);
  *tokens = (int32_t)value;
  return true;
}

static bool set_time(reader *r, double ns, leat_slice text, row *at) {
  if (!(fabs(ns) < TIME_MAX_NS)) return fail(r, "a timestamp is out of range:", text);
  at->at_ns = llround(ns);
  return true;
}

static bool put_prefix(reader *r, row *at, leat_slice text) {
  if (lti_buf_append(&r->trace->prefixes, text) != LEAT_OK)
    return fail(r, "memory is short", lti_slice(NULL, 0));
  at->prefix_size += (uint32_t)text.size;
  return true;
}

static bool put_session(reader *r, row *at, leat_slice name) {
  if (name.size == 0) return true;
  return put_prefix(r, at, lti_slice_of("session ")) && put_prefix(r, at, name);
}

/* --- Mooncake --- */

/* A number of a row, as its digits stand. */
static bool json_number(reader *r, lti_json *json, double *value, leat_slice *text) {
  bool number = lti_json_peek(json) == LTI_JSON_NUMBER;
  if (!lti_json_raw(json, text)) return fail(r, json->error, lti_slice(NULL, 0));
  lti_json inner;
  lti_json_init(&inner, *text);
  if (number && lti_json_double(&inner, value)) return true;
  return fail(r, "a number belongs where is", *text);
}

static bool json_hashes(reader *r, lti_json *json, row *at) {
  if (!lti_json_enter_array(json))
    return fail(r, "hash_ids is a list of whole numbers", lti_slice(NULL, 0));
  while (lti_json_next_value(json)) {
    leat_slice text = {0};
    int64_t hash = -1;
    lti_json inner;
    if (!lti_json_raw(json, &text)) break;
    lti_json_init(&inner, text);
    if (lti_json_peek(&inner) != LTI_JSON_NUMBER || !lti_json_int(&inner, &hash) || hash < 0)
      return fail(r, "hash_ids holds whole numbers from 0 on, and here", text);
    char digits[24];
    int n = snprintf(digits, sizeof digits, at->prefix_size ? ",%lld" : "%lld", (long long)hash);
    if (!put_prefix(r, at, lti_slice(digits, (size_t)n))) return false;
  }
  return true;
}

static bool json_session(reader *r, lti_json *json, row *at) {
  lti_json_text text = {0};
  leat_slice raw = {0};
  bool string = lti_json_peek(json) == LTI_JSON_STRING;
  if (string && lti_json_string(json, &text))
    raw = text.raw;
  else if (!string && !lti_json_raw(json, &raw))
    return fail(r, json->error, raw);
  return put_session(r, at, lti_slice_is(raw, "null") ? lti_slice(NULL, 0) : raw);
}

static bool json_member(reader *r, lti_json *json, lti_json_text key, row *at) {
  double value = 0;
  leat_slice text = {0};
  if (lti_json_key_is(key, "input_length"))
    return json_number(r, json, &value, &text) && set_tokens(r, value, text, &at->input);
  if (lti_json_key_is(key, "output_length"))
    return json_number(r, json, &value, &text) && set_tokens(r, value, text, &at->output);
  if (lti_json_key_is(key, "hash_ids") && at->prefix_size == 0) return json_hashes(r, json, at);
  if (lti_json_key_is(key, "session_id") && at->prefix_size == 0) return json_session(r, json, at);
  lti_json_skip(json);
  return true;
}

static bool json_row(reader *r, leat_slice line) {
  lti_json json;
  lti_json_text key;
  bool timed = false;
  row *at = add_row(r);
  if (!at) return false;
  lti_json_init(&json, line);
  if (!lti_json_enter_object(&json)) return fail(r, "it is no JSON object:", line);
  while (lti_json_next_key(&json, &key)) {
    if (lti_json_key_is(key, "timestamp")) {
      double ms = 0;
      leat_slice text = {0};
      if (!json_number(r, &json, &ms, &text) || !set_time(r, ms * 1e6, text, at)) return false;
      timed = true;
    } else if (!json_member(r, &json, key, at)) {
      return false;
    }
  }
  if (!lti_json_at_end(&json)) return fail(r, json.error, lti_slice(NULL, 0));
  return timed || fail(r, "it has no \"timestamp\", in ms", lti_slice(NULL, 0));
}

static bool read_json(reader *r, leat_slice text) {
  while (text.size) {
    const char *end = memchr(text.data, '\n', text.size);
    size_t size = end ? (size_t)(end - text.data) : text.size;
    leat_slice line = lti_slice(text.data, size);
    if (line.size && line.data[line.size - 1] == '\r') line.size--;
    line = lti_slice_trim(line);
    r->line++;
    if (line.size && !json_row(r, line)) return false;
    text = lti_slice_from(text, end ? size + 1 : size);
  }
  return true;
}

/* --- CSV --- */

static bool csv_tokens(reader *r, leat_slice field, int32_t *tokens) {
  double value = -1;
  traces_csv_number(field, &value);
  return set_tokens(r, value, field, tokens);
}

static bool csv_time(reader *r, leat_slice field, row *at) {
  double s = 0;
  if (traces_csv_date(field, &at->at_ns)) return true;
  if (traces_csv_number(field, &s)) return set_time(r, s * 1e9, field, at);
  return fail(r,
              "a timestamp is seconds, or a date with a time as 2024-05-10 00:00:00.25, and "
              "here is",
              field);
}

static bool csv_row(reader *r, const traces_csv *csv) {
  static const char missing[] = "it has fewer columns than the first line";
  row *at = add_row(r);
  if (!at) return false;
  for (size_t i = 0; i < TRACES_CSV_COLUMNS; i++)
    if (csv->column[i] >= 0 && !csv->present[i]) return fail(r, missing, lti_slice(NULL, 0));
  const leat_slice *fields = csv->fields;
  if (!csv_time(r, fields[TRACES_CSV_TIME], at)) return false;
  if (csv->column[TRACES_CSV_INPUT] >= 0 && !csv_tokens(r, fields[TRACES_CSV_INPUT], &at->input))
    return false;
  if (csv->column[TRACES_CSV_OUTPUT] >= 0 && !csv_tokens(r, fields[TRACES_CSV_OUTPUT], &at->output))
    return false;
  return put_session(r, at, fields[TRACES_CSV_SESSION]);
}

static bool read_csv(reader *r, leat_slice text) {
  traces_csv csv;
  traces_csv_init(&csv, text);
  bool fine = traces_csv_header(&csv);
  while (fine && traces_csv_next(&csv)) {
    r->line = csv.line;
    fine = csv_row(r, &csv);
  }
  if (csv.wrong) {
    r->line = csv.line;
    fail(r, csv.wrong, csv.culprit);
  }
  return r->wrong == NULL;
}

/* --- all of it --- */

static int by_time(const void *a, const void *b) {
  const row *x = a, *y = b;
  if (x->at_ns != y->at_ns) return x->at_ns < y->at_ns ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

/* Order, zero and speed. */
static bool settle(reader *r, double speed) {
  shape_trace *t = r->trace;
  bool sorted = true;
  if (t->count == 0) return fail(r, "there are no rows", lti_slice(NULL, 0));
  for (size_t i = 1; i < t->count && sorted; i++) sorted = t->rows[i - 1].at_ns <= t->rows[i].at_ns;
  if (!sorted) qsort(t->rows, t->count, sizeof *t->rows, by_time);
  int64_t zero = t->rows[0].at_ns;
  for (size_t i = 0; i < t->count; i++) {
    double ns = ((double)t->rows[i].at_ns - (double)zero) / speed;
    if (fabs(ns) < 4e15) ns = (double)(t->rows[i].at_ns - zero) / speed;
    if (!(ns < TIME_MAX_NS)) return fail(r, "its times are too far apart", lti_slice(NULL, 0));
    t->rows[i].at_ns = llround(ns);
    if (t->rows[i].output == 0) t->rows[i].output = 1;
  }
  return true;
}

static leat_slice without_mark(leat_slice text) {
  return lti_slice_starts(text, "\xef\xbb\xbf") ? lti_slice_from(text, 3) : text;
}

static void put_why(const reader *r, char *why) {
  size_t shown = r->culprit.size > 40 ? 40 : r->culprit.size;
  int n = 0;
  if (r->line) n = snprintf(why, TRACES_WHY_MAX, "line %llu: ", (unsigned long long)r->line);
  n += snprintf(why + n, TRACES_WHY_MAX - (size_t)n, "%s", r->wrong);
  if (shown && n < TRACES_WHY_MAX)
    snprintf(why + n, TRACES_WHY_MAX - (size_t)n, " \"%.*s\"", (int)shown, r->culprit.data);
}

shape_trace *traces_parse(lti_alloc *alloc, leat_slice text, double speed, char *why) {
  shape_trace *t = lti_alloc_zero(alloc, sizeof *t);
  if (!t) {
    snprintf(why, TRACES_WHY_MAX, "memory is short");
    return NULL;
  }
  t->alloc = alloc;
  lti_buf_init(&t->prefixes, alloc, TRACES_BYTES_MAX, LEAT_EBODYMAX);
  reader r = {.trace = t};
  text = without_mark(text);
  leat_slice trimmed = lti_slice(text.data, text.size);
  while (trimmed.size && memchr(" \t\r\n", trimmed.data[0], 4))
    trimmed = lti_slice_from(trimmed, 1);
  bool json = trimmed.size && trimmed.data[0] == '{';
  if ((json ? read_json(&r, text) : read_csv(&r, text))) {
    r.line = 0;
    if (settle(&r, speed)) return t;
  }
  put_why(&r, why);
  traces_free(t);
  return NULL;
}

shape_trace *traces_open(const char *path, double speed) {
  lti_buf text;
  char why[TRACES_WHY_MAX];
  shape_trace *t = NULL;
  lti_buf_init(&text, cli_program_alloc(), TRACES_BYTES_MAX, LEAT_EBODYMAX);
  if (cli_input_read(&text, path)) {
    t = traces_parse(cli_program_alloc(), lti_buf_slice(&text), speed, why);
    if (!t) cli_say("--replay %s: %s", path, why);
  }
  lti_buf_deinit(&text);
  const char *slash = strrchr(path, '/');
  if (t) snprintf(t->name, sizeof t->name, "%s", slash ? slash + 1 : path);
  return t;
}

void traces_free(shape_trace *trace) {
  if (!trace) return;
  lti_buf_deinit(&trace->prefixes);
  lti_alloc_put(trace->alloc, trace->rows);
  lti_alloc_put(trace->alloc, trace);
}

bool traces_row(const shape_trace *trace, uint64_t index, shape_start *start) {
  if (index >= trace->count) return false;
  const row *at = &trace->rows[index];
  start->at_ns = (uint64_t)at->at_ns;
  start->input_tokens = at->input;
  start->output_tokens = at->output;
  if (at->prefix_size)
    start->prefix = lti_slice(trace->prefixes.data + at->prefix, at->prefix_size);
  return true;
}

uint64_t traces_count(const shape_trace *trace) {
  return trace->count;
}

uint64_t traces_last(const shape_trace *trace) {
  return (uint64_t)trace->rows[trace->count - 1].at_ns;
}

double traces_rate(const shape_trace *trace) {
  uint64_t length = traces_last(trace);
  return length ? (double)(trace->count - 1) / ((double)length / 1e9) : -1;
}

const char *traces_name(const shape_trace *trace) {
  return trace->name;
}
