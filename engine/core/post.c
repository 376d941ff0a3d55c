/* Calls from other threads: see post.h. */
#include "core/post.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

struct lti_post_entry {
  lti_post_entry *next;
  void (*run)(leat_engine *engine, void *user);
  void *user;
};

void lti_post_init(lti_post *p) {
  pthread_mutex_init(&p->lock, NULL);
  p->first = NULL;
  p->end = &p->first;
  p->closed = false;
}

void lti_post_deinit(lti_post *p) {
  assert(p->first == NULL);
  pthread_mutex_destroy(&p->lock);
}

int lti_post_push(lti_post *p, void (*run)(leat_engine *, void *), void *user,
                  void (*woken)(void *ctx), void *ctx) {
  lti_post_entry *e = malloc(sizeof *e);
  if (!e) return LEAT_ENOMEM;
  *e = (lti_post_entry){.run = run, .user = user};
  pthread_mutex_lock(&p->lock);
  bool closed = p->closed;
  if (!closed) {
    *p->end = e;
    p->end = &e->next;
    woken(ctx);
  }
  pthread_mutex_unlock(&p->lock);
  if (!closed) return LTI_OK;
  free(e);
  return LEAT_ECLOSED;
}

void lti_post_run(lti_post *p, leat_engine *engine) {
  pthread_mutex_lock(&p->lock);
  lti_post_entry *e = p->first;
  p->first = NULL;
  p->end = &p->first;
  pthread_mutex_unlock(&p->lock);
  while (e) {
    lti_post_entry *next = e->next;
    e->run(engine, e->user);
    free(e);
    e = next;
  }
}

bool lti_post_pending(lti_post *p) {
  pthread_mutex_lock(&p->lock);
  bool any = p->first != NULL;
  pthread_mutex_unlock(&p->lock);
  return any;
}

void lti_post_close(lti_post *p) {
  pthread_mutex_lock(&p->lock);
  p->closed = true;
  pthread_mutex_unlock(&p->lock);
}
