/* Server hints about time: see hint.h. Every reader works on a cursor and must reach the end of the
 * text; anything left over makes the hint unusable. */
#include "plan/hint.h"

#include <string.h>

typedef struct cursor {
  const char *at, *end;
} cursor;

static bool eat(cursor *c, char byte) {
  if (c->at == c->end || *c->at != byte) return false;
  c->at++;
  return true;
}

static bool is_digit(const cursor *c) {
  return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

/* 1..max digits. */
static bool eat_digits(cursor *c, int max, int64_t *value) {
  int n = 0;
  for (*value = 0; is_digit(c) && n < max; n++) *value = *value * 10 + (*c->at++ - '0');
  return n > 0 && !is_digit(c);
}

/* Exactly n digits. */
static bool eat_fixed(cursor *c, int n, int64_t *value) {
  const char *from = c->at;
  return eat_digits(c, n, value) && c->at - from == n;
}

/* A decimal number in thousandths, further places dropped. */
static bool eat_decimal(cursor *c, int64_t *thousandths) {
  int64_t whole;
  if (!eat_digits(c, 12, &whole)) return false;
  int64_t part = 0, scale = 100;
  if (eat(c, '.')) {
    if (!is_digit(c)) return false;
    for (; is_digit(c); c->at++, scale /= 10) part += (*c->at - '0') * scale;
  }
  *thousandths = whole * 1000 + part;
  return true;
}

static bool eat_name(cursor *c, const char *const *names, int count, int64_t *index) {
  for (int i = 0; i < count; i++) {
    size_t n = strlen(names[i]);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, names[i], n) != 0) continue;
    c->at += n;
    *index = i;
    return true;
  }
  return false;
}

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[] = {"Sunday", "Monday",   "Tuesday", "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sun",     "Mon",       "Tue",
                                        "Wed",    "Thu",      "Fri",     "Sat"};

typedef struct civil {
  int64_t year, month, day, hour, minute, second; /* month from 1 */
} civil;

static int64_t month_days(int64_t year, int64_t month) {
  static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return days[month - 1] + (month == 2 && leap);
}

/* Seconds since 1970 of a date that exists (proleptic Gregorian, years from 1970 on). */
static bool civil_seconds(const civil *t, int64_t *seconds) {
  if (t->year < 1970 || t->year > 9999 || t->month < 1 || t->month > 12) return false;
  if (t->day < 1 || t->day > month_days(t->year, t->month)) return false;
  if (t->hour > 23 || t->minute > 59 || t->second > 60) return false;
  int64_t days = (t->year - 1970) * 365 + (t->year - 1969) / 4 - (t->year - 1901) / 100 +
                 (t->year - 1601) / 400;
  for (int64_t m = 1; m < t->month; m++) days += month_days(t->year, m);
  *seconds = (days + t->day - 1) * 86400 + t->hour * 3600 + t->minute * 60 + t->second;
  return true;
}

static bool eat_clock(cursor *c, civil *t) {
  return eat_fixed(c, 2, &t->hour) && eat(c, ':') && eat_fixed(c, 2, &t->minute) && eat(c, ':') &&
         eat_fixed(c, 2, &t->second);
}

static bool eat_month(cursor *c, civil *t) {
  int64_t index;
  if (!eat_name(c, month_names, 12, &index)) return false;
  t->month = index + 1;
  return true;
}

/* "29 Sep 2023 16:27:37 GMT" behind "Fri, " */
static bool eat_imf_date(cursor *c, civil *t) {
  return eat_fixed(c, 2, &t->day) && eat(c, ' ') && eat_month(c, t) && eat(c, ' ') &&
         eat_fixed(c, 4, &t->year) && eat(c, ' ') && eat_clock(c, t) && eat(c, ' ') &&
         eat(c, 'G') && eat(c, 'M') && eat(c, 'T');
}

/* "29-Sep-23 16:27:37 GMT" behind "Friday, "; two-digit years are of 1970 to 2069. */
static bool eat_rfc850_date(cursor *c, civil *t) {
  if (!(eat_fixed(c, 2, &t->day) && eat(c, '-') && eat_month(c, t) && eat(c, '-') &&
        eat_fixed(c, 2, &t->year) && eat(c, ' ') && eat_clock(c, t) && eat(c, ' ') && eat(c, 'G') &&
        eat(c, 'M') && eat(c, 'T')))
    return false;
  t->year += t->year < 70 ? 2000 : 1900;
  return true;
}

/* "Sep 29 16:27:37 2023" behind "Fri " (asctime) */
static bool eat_asctime_date(cursor *c, civil *t) {
  if (!eat_month(c, t) || !eat(c, ' ')) return false;
  bool padded = eat(c, ' ');
  return eat_fixed(c, padded ? 1 : 2, &t->day) && eat(c, ' ') && eat_clock(c, t) && eat(c, ' ') &&
         eat_fixed(c, 4, &t->year);
}

static bool http_date(leat_slice value, int64_t *seconds) {
  cursor c = {value.data, value.data + value.size};
  civil t = {0};
  int64_t day;
  if (!eat_name(&c, day_names, 14, &day)) return false;
  bool ok;
  if (eat(&c, ','))
    ok = eat(&c, ' ') && (day < 7 ? eat_rfc850_date(&c, &t) : eat_imf_date(&c, &t));
  else
    ok = eat(&c, ' ') && eat_asctime_date(&c, &t);
  return ok && c.at == c.end && civil_seconds(&t, seconds);
}

/* RFC 3339: "2023-09-29T18:27:37.5+02:00" */
static bool internet_date(leat_slice value, int64_t *ms) {
  cursor c = {value.data, value.data + value.size};
  civil t = {0};
  int64_t seconds, fraction = 0, hours = 0, minutes = 0;
  if (!(eat_fixed(&c, 4, &t.year) && eat(&c, '-') && eat_fixed(&c, 2, &t.month) && eat(&c, '-') &&
        eat_fixed(&c, 2, &t.day) && (eat(&c, 'T') || eat(&c, 't') || eat(&c, ' ')) &&
        eat_clock(&c, &t)))
    return false;
  if (eat(&c, '.')) {
    if (!is_digit(&c)) return false;
    for (int64_t scale = 100; is_digit(&c); c.at++, scale /= 10) fraction += (*c.at - '0') * scale;
  }
  int64_t sign = 0;
  if (!eat(&c, 'Z') && !eat(&c, 'z')) {
    sign = eat(&c, '+') ? 1 : eat(&c, '-') ? -1 : 0;
    if (sign == 0 || !eat_fixed(&c, 2, &hours) || !eat(&c, ':') || !eat_fixed(&c, 2, &minutes))
      return false;
  }
  if (c.at != c.end || hours > 23 || minutes > 59 || !civil_seconds(&t, &seconds)) return false;
  *ms = (seconds - sign * (hours * 3600 + minutes * 60)) * 1000 + fraction;
  return true;
}

/* Go's time.Duration: "1h2m3.5s", "12ms"; a bare number is seconds (Azure). */
static bool go_duration(leat_slice value, int64_t *ms) {
  cursor c = {value.data, value.data + value.size};
  int64_t sum = 0, number;
  if (!eat_decimal(&c, &number)) return false;
  if (c.at == c.end) {
    *ms = number;
    return true;
  }
  for (;;) {
    int64_t unit_ms;
    if (eat(&c, 'h'))
      unit_ms = 3600000;
    else if (eat(&c, 's'))
      unit_ms = 1000;
    else if (eat(&c, 'm'))
      unit_ms = eat(&c, 's') ? 1 : 60000;
    else
      return false;
    if (number > LTI_HINT_MAX_MS) return false;
    sum += number / 1000 * unit_ms + number % 1000 * unit_ms / 1000;
    if (sum > LTI_HINT_MAX_MS) return false;
    if (c.at == c.end) break;
    if (!eat_decimal(&c, &number)) return false;
  }
  *ms = sum;
  return true;
}

static bool decimal_ms(leat_slice value, int64_t unit_ms, int64_t *ms) {
  cursor c = {value.data, value.data + value.size};
  int64_t thousandths;
  if (!eat_decimal(&c, &thousandths) || c.at != c.end) return false;
  *ms = unit_ms == 1000 ? thousandths : thousandths / 1000;
  return true;
}

static bool ends_with(leat_slice s, const char *text) {
  size_t n = strlen(text);
  return s.size >= n && lti_slice_is_nocase(lti_slice(s.data + s.size - n, n), text);
}

static bool starts_with(leat_slice s, const char *text) {
  size_t n = strlen(text);
  return s.size >= n && lti_slice_is_nocase(lti_slice(s.data, n), text);
}

static bool until(int64_t at_ms, int64_t now_ms, int64_t *ms) {
  *ms = at_ms > now_ms ? at_ms - now_ms : 0;
  return true;
}

bool lti_hint_ms(leat_slice name, leat_slice value, int64_t now_unix_ms, int64_t *ms) {
  value = lti_slice_trim(value);
  int64_t at = 0;
  bool ok = false;
  if (value.size == 0) return false;
  if (lti_slice_is_nocase(name, "retry-after-ms") ||
      lti_slice_is_nocase(name, "openai-poll-after-ms"))
    ok = decimal_ms(value, 1, ms);
  else if (lti_slice_is(name, "retryDelay"))
    ok = go_duration(value, ms);
  else if (lti_slice_is_nocase(name, "retry-after"))
    ok =
        decimal_ms(value, 1000, ms) || (http_date(value, &at) && until(at * 1000, now_unix_ms, ms));
  else if (starts_with(name, "x-ratelimit-reset"))
    ok = go_duration(value, ms);
  else if (starts_with(name, "anthropic-ratelimit-") && ends_with(name, "-reset"))
    ok = internet_date(value, &at) && until(at, now_unix_ms, ms);
  return ok && *ms <= LTI_HINT_MAX_MS;
}

/* ---- limits */

void lti_hint_limits_init(lti_hint_limits *l) {
  for (int i = 0; i < LTI_HINT_METERS; i++) l->limit[i] = l->remaining[i] = l->reset_ms[i] = -1;
}

/* Takes `text` off the front, or off the end, of a name. */
static bool cut_front(leat_slice *name, const char *text) {
  if (!starts_with(*name, text)) return false;
  *name = lti_slice_from(*name, strlen(text));
  return true;
}

static bool cut_end(leat_slice *name, const char *text) {
  if (!ends_with(*name, text)) return false;
  name->size -= strlen(text);
  return true;
}

static bool whole_number(leat_slice value, int64_t *number) {
  cursor c = {value.data, value.data + value.size};
  return eat_digits(&c, 12, number) && c.at == c.end;
}

/* The part of the name that says what is limited; -1: something else. */
static int meter_of(leat_slice name) {
  static const char *const names[] = {"requests", "tokens", "input-tokens", "output-tokens"};
  for (int i = 0; i < LTI_HINT_METERS; i++)
    if (lti_slice_is_nocase(name, names[i])) return i;
  return -1;
}

bool lti_hint_limit(leat_slice name, leat_slice value, int64_t now_unix_ms, lti_hint_limits *l) {
  leat_slice rest = name;
  bool openai = cut_front(&rest, "x-ratelimit-");
  if (!openai && !cut_front(&rest, "anthropic-ratelimit-")) return false;
  bool limit = openai ? cut_front(&rest, "limit-") : cut_end(&rest, "-limit");
  bool left = !limit && (openai ? cut_front(&rest, "remaining-") : cut_end(&rest, "-remaining"));
  bool reset = !limit && !left && (openai ? cut_front(&rest, "reset-") : cut_end(&rest, "-reset"));
  int meter = meter_of(rest);
  int64_t number;
  if (meter < 0 || (openai && meter > HINT_TOKENS) || !(limit || left || reset)) return false;
  if (reset) {
    if (!lti_hint_ms(name, value, now_unix_ms, &number)) return false;
    l->reset_ms[meter] = number;
    return true;
  }
  if (!whole_number(lti_slice_trim(value), &number)) return false;
  (limit ? l->limit : l->remaining)[meter] = number;
  return true;
}
