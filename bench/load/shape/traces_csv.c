/* A record at a time, in place:
 *
 *     5,ChatGPT,472,18,490,"Conversation, log"\r\n   ->  5 | ChatGPT | 472 | 18 | 490 | Conver...
 */
#include "traces_csv.h"

#include <string.h>

#include "bindings/cli/values.h"

#define NUMBER_MAX 40
#define NS_PER_S   1000000000

void traces_csv_init(traces_csv *csv, leat_slice text) {
  memset(csv, 0, sizeof *csv);
  csv->rest = text;
  csv->line = csv->next_line = 1;
}

static bool fail(traces_csv *csv, const char *wrong, leat_slice culprit) {
  csv->wrong = wrong;
  csv->culprit = culprit;
  return false;
}

/* Behind the opening quote: up to the closing one, which is not doubled. */
static bool quoted(traces_csv *csv, leat_slice *field) {
  const char *start = csv->rest.data + 1, *end = csv->rest.data + csv->rest.size;
  for (const char *at = start; at < end; at++) {
    if (*at == '\n') csv->next_line++;
    if (*at != '"') continue;
    if (at + 1 < end && at[1] == '"') {
      at++;
      continue;
    }
    *field = lti_slice(start, (size_t)(at - start));
    csv->rest = lti_slice(at + 1, (size_t)(end - at - 1));
    return true;
  }
  return fail(csv, "a quote is never closed", lti_slice(NULL, 0));
}

static void bare(traces_csv *csv, leat_slice *field) {
  size_t size = 0;
  while (size < csv->rest.size && csv->rest.data[size] != ',' && csv->rest.data[size] != '\n')
    size++;
  *field = lti_slice(csv->rest.data, size);
  csv->rest = lti_slice_from(csv->rest, size);
  if (field->size && field->data[field->size - 1] == '\r') field->size--;
  *field = lti_slice_trim(*field);
}

/* One field and what ends it; `*last` of the record. */
static bool next_field(traces_csv *csv, leat_slice *field, bool *last) {
  *last = true;
  if (csv->rest.size && csv->rest.data[0] == '"') {
    if (!quoted(csv, field)) return false;
  } else {
    bare(csv, field);
  }
  if (lti_slice_starts(csv->rest, "\r\n")) csv->rest = lti_slice_from(csv->rest, 1);
  if (csv->rest.size == 0) return true;
  char end = csv->rest.data[0];
  csv->rest = lti_slice_from(csv->rest, 1);
  if (end == '\n') csv->next_line++;
  *last = end == '\n';
  if (end == '\n' || end == ',') return true;
  return fail(csv, "behind a closing quote a comma or the line's end belongs", *field);
}

static void skip_empty_lines(traces_csv *csv) {
  while (csv->rest.size) {
    size_t size = lti_slice_starts(csv->rest, "\r\n") ? 2 : csv->rest.data[0] == '\n' ? 1 : 0;
    if (size == 0) break;
    csv->rest = lti_slice_from(csv->rest, size);
    csv->next_line++;
  }
  csv->line = csv->next_line;
}

/* Which column a name means; TRACES_CSV_COLUMNS: none that is needed. */
static size_t column_named(leat_slice name) {
  static const struct {
    const char *name;
    enum traces_csv_column column;
  } names[] = {
      {"timestamp", TRACES_CSV_TIME},         {"contexttokens", TRACES_CSV_INPUT},
      {"request tokens", TRACES_CSV_INPUT},   {"input_length", TRACES_CSV_INPUT},
      {"input_tokens", TRACES_CSV_INPUT},     {"generatedtokens", TRACES_CSV_OUTPUT},
      {"response tokens", TRACES_CSV_OUTPUT}, {"output_length", TRACES_CSV_OUTPUT},
      {"output_tokens", TRACES_CSV_OUTPUT},   {"session id", TRACES_CSV_SESSION},
      {"session_id", TRACES_CSV_SESSION},
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (lti_slice_is_nocase(name, names[i].name)) return names[i].column;
  return TRACES_CSV_COLUMNS;
}

bool traces_csv_header(traces_csv *csv) {
  bool last = false;
  for (size_t i = 0; i < TRACES_CSV_COLUMNS; i++) csv->column[i] = -1;
  skip_empty_lines(csv);
  for (int i = 0; !last; i++) {
    leat_slice name = {0};
    if (!next_field(csv, &name, &last)) return false;
    size_t column = column_named(lti_slice_trim(name));
    if (column < TRACES_CSV_COLUMNS && csv->column[column] < 0) csv->column[column] = i;
  }
  if (csv->column[TRACES_CSV_TIME] < 0)
    return fail(csv,
                "it is neither JSON, an object a line, nor CSV whose first line names a column "
                "Timestamp",
                lti_slice(NULL, 0));
  return true;
}

bool traces_csv_next(traces_csv *csv) {
  bool last = false;
  memset(csv->present, 0, sizeof csv->present);
  memset(csv->fields, 0, sizeof csv->fields);
  skip_empty_lines(csv);
  if (csv->rest.size == 0 || csv->wrong) return false;
  for (int i = 0; !last; i++) {
    leat_slice field = {0};
    if (!next_field(csv, &field, &last)) return false;
    for (size_t c = 0; c < TRACES_CSV_COLUMNS; c++) {
      if (csv->column[c] != i) continue;
      csv->fields[c] = lti_slice_trim(field);
      csv->present[c] = true;
    }
  }
  return true;
}

bool traces_csv_number(leat_slice field, double *value) {
  char text[NUMBER_MAX];
  if (field.size == 0 || field.size >= sizeof text) return false;
  memcpy(text, field.data, field.size);
  text[field.size] = '\0';
  return strlen(text) == field.size && cli_values_real(text, value);
}

/* --- dates --- */

/* `count` digits at the front, and `mark` behind them if it is not NUL. */
static bool take(leat_slice *rest, size_t count, char mark, int64_t *value) {
  size_t size = count + (mark ? 1 : 0);
  if (rest->size < size || (mark && rest->data[count] != mark)) return false;
  *value = 0;
  for (size_t i = 0; i < count; i++) {
    char c = rest->data[i];
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + (c - '0');
  }
  *rest = lti_slice_from(*rest, size);
  return true;
}

/* Days from 1970 of a date of the Gregorian calendar: years that begin in March put the leap day
 * last, and 400 of them are 146,097 days. */
static int64_t days_from_1970(int64_t year, int64_t month, int64_t day) {
  int64_t shifted = month > 2 ? year : year - 1;
  int64_t of_month = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
  return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + of_month + day - 1 - 719468;
}

static int64_t take_fraction(leat_slice *rest) {
  int64_t ns = 0, unit = NS_PER_S;
  if (rest->size == 0 || rest->data[0] != '.') return 0;
  *rest = lti_slice_from(*rest, 1);
  while (rest->size && rest->data[0] >= '0' && rest->data[0] <= '9') {
    unit /= 10;
    ns += unit * (rest->data[0] - '0');
    *rest = lti_slice_from(*rest, 1);
  }
  return ns;
}

/* "", "Z", "+00:00": seconds east of UTC. False: it is something else. */
static bool take_offset(leat_slice rest, int64_t *offset_s) {
  int64_t hours = 0, minutes = 0;
  *offset_s = 0;
  if (rest.size == 0 || lti_slice_is_nocase(rest, "z")) return true;
  char sign = rest.data[0];
  rest = lti_slice_from(rest, 1);
  if ((sign != '+' && sign != '-') || !take(&rest, 2, ':', &hours) || !take(&rest, 2, 0, &minutes))
    return false;
  *offset_s = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
  return rest.size == 0;
}

bool traces_csv_date(leat_slice field, int64_t *ns) {
  int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset = 0;
  if (!take(&field, 4, '-', &year) || !take(&field, 2, '-', &month) || !take(&field, 2, 0, &day))
    return false;
  if (field.size == 0 || !memchr(" tT", field.data[0], 3)) return false;
  field = lti_slice_from(field, 1);
  if (!take(&field, 2, ':', &hour) || !take(&field, 2, ':', &minute) ||
      !take(&field, 2, 0, &second))
    return false;
  bool real = year >= 1970 && year < 2200 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
              hour < 24 && minute < 60 && second <= 60;
  int64_t fraction = take_fraction(&field);
  if (!real || !take_offset(field, &offset)) return false;
  int64_t s = days_from_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
  *ns = (s - offset) * NS_PER_S + fraction;
  return true;
}
