/* Random bytes that cannot be foreseen, for masks, keys and boundaries: the kernel's, a few hundred
 * at a time.
 *
 * One lives in each owner that needs many small pieces, for one thread. Bytes that were handed out
 * are overwritten. A child of fork does not use what its parent has left: the two would send the
 * same. `lti_prng` is for what may be foreseen. */
#ifndef LTI_RANDOM_H
#define LTI_RANDOM_H

#include <stddef.h>
#include <sys/types.h>

#define LTI_RANDOM_BYTES 256 /* one call of getrandom(2): up to here it gives all or nothing */

typedef struct lti_random {
  size_t left; /* at the front of `bytes` */
  pid_t pid;   /* that drew them */
  unsigned char bytes[LTI_RANDOM_BYTES];
} lti_random;

void lti_random_init(lti_random *r);
void lti_random_deinit(lti_random *r);
/* Fills `out`; `random` is a lti_random, so that this is a callback too (lti_ws_random). Never
 * fails: a process to which the kernel gives no random bytes is aborted, since whatever it would
 * send instead could be foreseen. */
void lti_random_fill(void *random, void *out, size_t size);

#endif
