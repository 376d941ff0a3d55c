/* strtod and strtoll do the reading, behind a check that lets only plain decimals through. */
#include "values.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_MS 3.1536e12 /* a hundred years */

/* strtod accepts white space, signs, hexadecimal and names: only plain decimals pass here. */
static bool read_decimal(const char *text, double *value, const char **rest) {
  size_t digits = strspn(text, "0123456789.");
  if (digits == 0 || strspn(text, ".") == digits) return false;
  char *end = NULL;
  errno = 0;
  *value = strtod(text, &end);
  *rest = end;
  return errno == 0 && isfinite(*value);
}

bool cli_values_duration(const char *text, int64_t *ms) {
  static const struct {
    const char *name;
    double factor;
  } units[] = {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};
  double value = 0;
  const char *rest = NULL;
  if (!read_decimal(text, &value, &rest)) return false;
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (strcmp(rest, units[i].name) != 0) continue;
    double product = value * units[i].factor;
    if (product > DURATION_MAX_MS) return false;
    *ms = product > 0 && product < 1 ? 1 : llround(product);
    return true;
  }
  return false;
}

bool cli_values_size(const char *text, int64_t *bytes) {
  double value = 0;
  const char *rest = NULL;
  if (!read_decimal(text, &value, &rest)) return false;
  static const char units[] = "KMG";
  double factor = 1;
  if (*rest) {
    const char *unit = strchr(units, *rest >= 'a' ? *rest - 'a' + 'A' : *rest);
    if (!unit || rest[1] != '\0') return false;
    factor = ldexp(1, 10 * ((int)(unit - units) + 1));
  }
  double product = value * factor;
  if (product > 9e18 || product != floor(product)) return false;
  *bytes = (int64_t)product;
  return true;
}

bool cli_values_int(const char *text, int64_t *value) {
  size_t sign = text[0] == '-' ? 1 : 0;
  size_t digits = strspn(text + sign, "0123456789");
  if (digits == 0 || text[sign + digits] != '\0') return false;
  errno = 0;
  *value = strtoll(text, NULL, 10);
  return errno == 0;
}

bool cli_values_real(const char *text, double *value) {
  const char *rest = NULL;
  if (!read_decimal(text[0] == '-' ? text + 1 : text, value, &rest) || *rest != '\0') return false;
  if (text[0] == '-') *value = -*value;
  return true;
}
