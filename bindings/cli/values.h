/* Numbers as people write them on a command line: durations, sizes, integers, reals.
 *
 * Durations are seconds, decimals allowed, or carry ms, s, m or h: "1.5", "250ms", "2m". Sizes are
 * bytes, or carry K, M or G (1024 each): "64K". Every function takes the whole text or refuses it;
 * out of range is refused, never clipped. */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* In milliseconds, rounded; above 0 it is at least 1. */
bool cli_values_duration(const char *text, int64_t *ms);
bool cli_values_size(const char *text, int64_t *bytes);
bool cli_values_int(const char *text, int64_t *value);
/* Finite decimals, an exponent allowed; no hexadecimal, no white space. */
bool cli_values_real(const char *text, double *value);

#endif
