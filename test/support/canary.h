/* A secret that can be looked for everywhere (faults.md KEY-05 and KEY-07): it is made at run time
 * and kept masked, so that the only plain copies in the process are those that the code under test
 * made, and those that the test makes and wipes again. */
#ifndef TEST_CANARY_H
#define TEST_CANARY_H

#include <stdbool.h>
#include <stdint.h>

#include "leat.h"

#define CANARY_SIZE 32

typedef struct canary {
  unsigned char masked[CANARY_SIZE];
} canary;

/* "sk-canary-" and letters and digits that follow from the seed. */
void canary_init(canary *c, uint64_t seed);
/* The plain text with a NUL. Wipe it (lti_wipe) before canary_find. */
void canary_text(const canary *c, char out[CANARY_SIZE + 1]);
bool canary_in(const canary *c, leat_slice bytes);
/* Reads the process's private writable memory, stacks excepted: the address of a plain copy, 0 when
 * there is none. Freed memory counts. Fails the cmocka test when memory cannot be read. */
uintptr_t canary_find(const canary *c);

#endif
