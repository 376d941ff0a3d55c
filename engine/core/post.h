/* Calls handed over from other threads: the one part of an engine that more than one thread
 * touches.
 *
 * Entries come from malloc, not from the engine's allocator, which need not be thread-safe. */
#ifndef LTI_POST_H
#define LTI_POST_H

#include <pthread.h>
#include <stdbool.h>

#include "leat.h"

typedef struct lti_post_entry lti_post_entry;

typedef struct lti_post {
  pthread_mutex_t lock;
  lti_post_entry *first, **end;
  bool closed;
} lti_post;

void lti_post_init(lti_post *p);
/* Must be empty. */
void lti_post_deinit(lti_post *p);
/* Any thread. LEAT_ENOMEM, LEAT_ECLOSED. `woken` is called under the lock, so that the loop cannot
 * go away between the two. */
int lti_post_push(lti_post *p, void (*run)(leat_engine *, void *), void *user,
                  void (*woken)(void *ctx), void *ctx);
/* Runs what was there when it began; what a call posts waits for the next time. */
void lti_post_run(lti_post *p, leat_engine *engine);
bool lti_post_pending(lti_post *p);
/* No more is taken. */
void lti_post_close(lti_post *p);

#endif
