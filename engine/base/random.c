/* Random bytes from getrandom(2).
 *
 * A mask is four bytes: drawn one by one, each would cost a full call of the kernel. That the
 * process is still the one that drew the rest is asked each time (getpid, the cheapest call there
 * is) instead of through pthread_atfork, which would be a hook in the host's process and is not run
 * by clone. */
#include "random.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "alloc.h"

static void draw(unsigned char *out, size_t size);

void lti_random_init(lti_random *r) {
  memset(r, 0, sizeof *r);
}

void lti_random_deinit(lti_random *r) {
  lti_wipe(r, sizeof *r);
}

void lti_random_fill(void *random, void *out, size_t size) {
  lti_random *r = random;
  unsigned char *to = out;
  if (size > LTI_RANDOM_BYTES) {
    draw(to, size);
    return;
  }
  pid_t pid = getpid();
  if (r->pid != pid || r->left < size) {
    draw(r->bytes, LTI_RANDOM_BYTES);
    r->left = LTI_RANDOM_BYTES;
    r->pid = pid;
  }
  assert(r->left <= LTI_RANDOM_BYTES);
  if (size == 0) return;
  r->left -= size;
  memcpy(to, r->bytes + r->left, size);
  lti_wipe(r->bytes + r->left, size);
}

/* A long draw, or one before the kernel's pool was ready, may be interrupted or come in parts. */
static void draw(unsigned char *out, size_t size) {
  while (size > 0) {
    ssize_t n = getrandom(out, size, 0);
    if (n < 0 && errno != EINTR) abort();
    if (n <= 0) continue;
    out += n;
    size -= (size_t)n;
  }
}
