/* The gateway of bench/mock as a child process of a test: `leat mock`, found by LEAT_PROGRAM, so
 * that what the test counts in its own process (descriptors, bytes, CPU) is the client's alone. It
 * dies with the test, whatever becomes of that. */
#ifndef TEST_GATEWAY_H
#define TEST_GATEWAY_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct gateway {
  pid_t pid;
  char url[64]; /* https://127.0.0.1:PORT, or http */
  char ca[128]; /* its CA in PEM, a file that gateway_stop removes; "" when it is plain */
} gateway;

/* `options` of `leat mock`, ended by NULL. False, and said on stderr: LEAT_PROGRAM is not set.
 * Other failures abort. */
bool gateway_start(gateway *g, const char *const *options);
void gateway_stop(gateway *g);

#endif
