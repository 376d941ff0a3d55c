/* JSON numbers and machine numbers, exact in both directions and the same in every locale.
 *
 * A token is taken apart into its significant digits and the exponent of the last of them. What is
 * integral and small is done in integers, what fits Clinger's fast path (digits and a power of ten
 * that are both exact doubles) in one multiplication; the C library's strtod_l, under the "C"
 * locale whatever the host has set, does the rest. No text has a length that matters: digits beyond
 * those that can decide the rounding of a double (767) are folded into one.
 *
 * Example: "-12.50e3" is negative, digits "125", exponent 2. */
#include "wire/json_number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/json.h"

#define DIGITS_MAX   780
#define EXPONENT_MAX INT64_C(1000000000000000)

typedef struct decimal {
  bool negative;
  int64_t exponent; /* of the last digit */
  size_t count;
  char digits[DIGITS_MAX + 32]; /* without zeros at either end; room for one more and "e-400" */
} decimal;

static const char *read_digits(decimal *d, const char *p, const char *end);
static int64_t read_exponent(const char *p, const char *end);

static void decimal_read(decimal *d, leat_slice token) {
  const char *p = token.data, *end = p + token.size;
  d->exponent = 0;
  d->count = 0;
  d->negative = p < end && *p == '-';
  p = read_digits(d, d->negative ? p + 1 : p, end);
  if (p < end) d->exponent += read_exponent(p + 1, end);
  while (d->count && d->digits[d->count - 1] == '0') {
    d->count--;
    d->exponent++;
  }
}

/* Up to the 'e' or the end. */
static const char *read_digits(decimal *d, const char *p, const char *end) {
  bool fraction = false, beyond = false;
  for (; p < end && *p != 'e' && *p != 'E'; p++) {
    if (*p == '.') {
      fraction = true;
      continue;
    }
    bool kept = d->count < DIGITS_MAX;
    if (kept && (d->count || *p != '0')) d->digits[d->count++] = *p;
    if (!kept) beyond |= *p != '0';
    if (kept && fraction) d->exponent--;
    if (!kept && !fraction) d->exponent++;
  }
  if (beyond) {
    d->digits[d->count++] = '1';
    d->exponent--;
  }
  return p;
}

static int64_t read_exponent(const char *p, const char *end) {
  bool negative = p < end && *p == '-';
  int64_t value = 0;
  if (p < end && (*p == '-' || *p == '+')) p++;
  for (; p < end && value < EXPONENT_MAX; p++) value = value * 10 + (*p - '0');
  return negative ? -value : value;
}

/* At most 19 digits. */
static uint64_t decimal_digits(const decimal *d) {
  uint64_t value = 0;
  for (size_t i = 0; i < d->count; i++) value = value * 10 + (uint64_t)(d->digits[i] - '0');
  return value;
}

bool lti_json_number_int(leat_slice token, int64_t *value) {
  decimal d;
  decimal_read(&d, token);
  if (d.count == 0) return *value = 0, true;
  if (d.exponent < 0 || d.exponent > 19 || d.count + (uint64_t)d.exponent > 19) return false;
  uint64_t size = decimal_digits(&d);
  for (int64_t i = 0; i < d.exponent; i++) size *= 10;
  if (size > (uint64_t)INT64_MAX + d.negative) return false;
  *value = d.negative ? (int64_t)(0 - size) : (int64_t)size;
  return true;
}

/* strtod of the "C" locale. That locale is a constant of the C library: making it costs no memory
 * and cannot fail. */
static double read_plain(const char *text) {
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  double value = strtod_l(text, NULL, plain);
  freelocale(plain);
  return value;
}

static double decimal_slow(decimal *d) {
  snprintf(d->digits + d->count, sizeof d->digits - d->count, "e%lld", (long long)d->exponent);
  return read_plain(d->digits);
}

static double decimal_double(decimal *d) {
  static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  int64_t magnitude = d->exponent + (int64_t)d->count;
  if (d->count == 0 || magnitude < -400) return 0;
  if (magnitude > 400) return (double)INFINITY;
  if (FLT_EVAL_METHOD == 0 && d->count <= 15 && d->exponent >= -22 && d->exponent <= 22) {
    double digits = (double)decimal_digits(d);
    return d->exponent < 0 ? digits / tens[-d->exponent] : digits * tens[d->exponent];
  }
  return decimal_slow(d);
}

bool lti_json_number_double(leat_slice token, double *value) {
  decimal d;
  decimal_read(&d, token);
  double size = decimal_double(&d);
  if (!isfinite(size)) return false;
  *value = d.negative ? -size : size;
  return true;
}

/* Fifteen digits always survive a normal double, so that "%.15g" is the shortest form or too short;
 * a subnormal may need as little as one. */
int lti_json_write_double(lti_buf *out, double value) {
  char text[40];
  if (!isfinite(value)) return LEAT_EINVAL;
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(plain);
  int digits = fabs(value) < DBL_MIN ? 1 : 15;
  do {
    snprintf(text, sizeof text, "%.*g", digits, value);
  } while (digits++ < 17 && read_plain(text) != value);
  uselocale(before);
  freelocale(plain);
  return lti_buf_text(out, text);
}
