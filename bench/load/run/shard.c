/* RFC 3339 is read by hand: strptime knows neither fractions nor "+05:30", and asks the locale.
 *
 *     2026-11-21T23:55:00.250+01:00    2026-11-21 22:55:00Z    1795301700.25 */
#include "bench/load/run/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "bindings/cli/say.h"
#include "bindings/cli/values.h"

#define NS_PER_S      INT64_C(1000000000)
#define AHEAD_MAX_S   (7 * 24 * 3600)
#define CLOCK_TRIES   5
#define EPOCH_MAX_S   INT64_C(9000000000)
#define FRACTION_SIZE 9
#define YEAR_MAX      2200 /* 64 bits hold nanoseconds until 2262 */

static bool read_whole(const char **at, const char *end, int most, int *value) {
  char *rest = NULL;
  size_t digits = strspn(*at, "0123456789");
  if (digits == 0 || digits > 5) return false;
  long number = strtol(*at, &rest, 10);
  if (number > most || strchr(end, *rest) == NULL) return false;
  *value = (int)number;
  *at = rest;
  return true;
}

bool shard_parse(const char *text, int *shard, int *shards) {
  *shard = 0;
  *shards = 1;
  if (!text) return true;
  const char *at = text;
  bool fine = read_whole(&at, "/", SHARD_COUNT_MAX, shard) && *at++ == '/' &&
              read_whole(&at, "", SHARD_COUNT_MAX, shards) && *shards > 0;
  if (!fine) {
    cli_say("--shard %s: write it as I/N, 0/4 to 3/4 for four machines, at most %d", text,
            SHARD_COUNT_MAX);
    return false;
  }
  if (*shard < *shards) return true;
  cli_say("--shard %s: the shards of %d are counted from 0 to %d", text, *shards, *shards - 1);
  return false;
}

bool shard_from_environment(char *text, size_t size) {
  const char *index = getenv("JOB_COMPLETION_INDEX"), *count = getenv("LEAT_SHARDS");
  int shard, shards;
  text[0] = '\0';
  if (!index || !*index) return true;
  if (!count || !*count) {
    cli_say(
        "JOB_COMPLETION_INDEX is %s and LEAT_SHARDS is not set: set it to the Job's "
        "completions, or say --shard 0/1 if this load is one of its own",
        index);
    return false;
  }
  int n = snprintf(text, size, "%s/%s", index, count);
  bool fits = n > 0 && (size_t)n < size;
  if (!fits || !shard_parse(text, &shard, &shards)) {
    if (!fits) cli_say("JOB_COMPLETION_INDEX and LEAT_SHARDS are no numbers");
    text[0] = '\0';
    return false;
  }
  return true;
}

/* --- a moment --- */

typedef struct civil {
  int64_t year, month, day, hour, minute, second;
} civil;

static bool is_leap(int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 in the Gregorian calendar, for years from 1970 on. */
static int64_t days_of(const civil *c) {
  static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  int64_t y = c->year - 1;
  int64_t leaps = y / 4 - y / 100 + y / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
  int64_t days = (c->year - 1970) * 365 + leaps + before[c->month - 1] + c->day - 1;
  return days + (c->month > 2 && is_leap(c->year) ? 1 : 0);
}

static bool is_date(const civil *c) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (c->year < 1970 || c->year > YEAR_MAX || c->month < 1 || c->month > 12 || c->day < 1)
    return false;
  int leap_day = c->month == 2 && is_leap(c->year) ? 1 : 0;
  return c->day <= lengths[c->month - 1] + leap_day;
}

/* Exactly `count` digits, and `end` behind them unless that is 0. */
static bool read_digits(const char **at, int count, char end, int64_t *value) {
  *value = 0;
  for (int i = 0; i < count; i++) {
    char c = (*at)[i];
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + (c - '0');
  }
  *at += count;
  if (!end) return true;
  return *(*at)++ == end;
}

static bool read_date(const char **at, civil *c) {
  if (!read_digits(at, 4, '-', &c->year) || !read_digits(at, 2, '-', &c->month) ||
      !read_digits(at, 2, 0, &c->day) || !is_date(c))
    return false;
  char between = *(*at)++;
  return between == 'T' || between == 't' || between == ' ';
}

/* A leap second is the first of the minute after, as POSIX clocks count. */
static bool read_clock(const char **at, civil *c) {
  return read_digits(at, 2, ':', &c->hour) && read_digits(at, 2, ':', &c->minute) &&
         read_digits(at, 2, 0, &c->second) && c->hour < 24 && c->minute < 60 && c->second <= 60;
}

/* ".25": digits beyond the ninth are passed over. */
static bool read_fraction(const char **at, int64_t *ns) {
  *ns = 0;
  if (**at != '.') return true;
  size_t digits = strspn(++*at, "0123456789");
  if (digits == 0) return false;
  for (size_t i = 0; i < FRACTION_SIZE; i++) *ns = *ns * 10 + (i < digits ? (*at)[i] - '0' : 0);
  *at += digits;
  return true;
}

/* "Z" or "+05:30", and nothing behind it. */
static bool read_offset(const char *at, int64_t *seconds) {
  int64_t hours = 0, minutes = 0;
  *seconds = 0;
  if ((*at == 'Z' || *at == 'z') && at[1] == '\0') return true;
  int64_t sign = *at == '+' ? 1 : *at == '-' ? -1 : 0;
  at++;
  if (sign == 0 || !read_digits(&at, 2, ':', &hours) || !read_digits(&at, 2, 0, &minutes))
    return false;
  *seconds = sign * (hours * 3600 + minutes * 60);
  return *at == '\0' && hours < 24 && minutes < 60;
}

static bool refuse(const char **why, const char *clause) {
  if (why) *why = clause;
  return false;
}

/* "1795301700.25" is split by hand, since a double holds no nanoseconds of today. */
static bool epoch_moment(const char *text, int64_t *unix_ns, const char **why) {
  int64_t seconds = 0, ns = 0;
  size_t digits = strspn(text, "0123456789");
  const char *rest = text + digits;
  if (digits > 12) return refuse(why, "these are not seconds since 1970");
  for (size_t i = 0; i < digits; i++) seconds = seconds * 10 + (text[i] - '0');
  if (!read_fraction(&rest, &ns) || *rest != '\0')
    return refuse(why, "write 2026-11-21T23:55:00Z, or seconds since 1970");
  if (seconds > EPOCH_MAX_S)
    return refuse(why, "these are milliseconds, and seconds since 1970 are meant");
  *unix_ns = seconds * NS_PER_S + ns;
  return true;
}

bool shard_moment(const char *text, int64_t *unix_ns, const char **why) {
  civil c;
  int64_t ns = 0, offset = 0;
  const char *at = text;
  size_t digits = strspn(text, "0123456789");
  if (digits > 0 && (text[digits] == '\0' || text[digits] == '.'))
    return epoch_moment(text, unix_ns, why);
  if (!read_date(&at, &c) || !read_clock(&at, &c) || !read_fraction(&at, &ns))
    return refuse(why, "write 2026-11-21T23:55:00Z, or seconds since 1970");
  if (*at == '\0')
    return refuse(why, "it lacks the offset from UTC: end it with Z, or with +01:00 or the like");
  if (!read_offset(at, &offset)) return refuse(why, "its offset is none: Z, or +01:00");
  int64_t seconds = days_of(&c) * 86400 + c.hour * 3600 + c.minute * 60 + c.second - offset;
  *unix_ns = seconds * NS_PER_S + ns;
  return true;
}

/* The wall clock's nanoseconds at a time of uv_hrtime, from the pair of readings that lay closest
 * together. */
static int64_t wall_less_monotonic(void) {
  uint64_t narrowest = UINT64_MAX;
  int64_t offset = 0;
  for (int i = 0; i < CLOCK_TRIES; i++) {
    struct timespec wall;
    uint64_t before = uv_hrtime();
    clock_gettime(CLOCK_REALTIME, &wall);
    uint64_t after = uv_hrtime();
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    offset = (int64_t)wall.tv_sec * NS_PER_S + wall.tv_nsec - (int64_t)(before + narrowest / 2);
  }
  return offset;
}

bool shard_start(const char *text, uint64_t *at_ns) {
  const char *why = NULL;
  int64_t moment = 0;
  *at_ns = 0;
  if (!text) return true;
  if (!shard_moment(text, &moment, &why)) {
    cli_say("--start-at %s: %s", text, why);
    return false;
  }
  int64_t offset = wall_less_monotonic(), now = (int64_t)uv_hrtime() + offset;
  if (moment <= now) {
    cli_say(
        "--start-at %s: that was %.1f s ago: name a time ahead, such as $(date -u -d '+30 "
        "seconds' +%%FT%%TZ)",
        text, (double)(now - moment) / 1e9);
    return false;
  }
  if (moment - now > AHEAD_MAX_S * NS_PER_S) {
    cli_say("--start-at %s: that is %.0f days ahead, and 7 are the most", text,
            (double)(moment - now) / 86400e9);
    return false;
  }
  *at_ns = (uint64_t)(moment - offset);
  return true;
}
