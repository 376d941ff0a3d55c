/* An intrusive, circular, doubly linked list. A node that is in no list points at itself, so that
 * removing it twice is harmless. */
#ifndef LTI_LIST_H
#define LTI_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct lti_list {
  struct lti_list *next, *prev;
} lti_list;

static inline void lti_list_init(lti_list *l) {
  l->next = l->prev = l;
}
static inline bool lti_list_empty(const lti_list *l) {
  return l->next == l;
}

static inline void lti_list_remove(lti_list *n) {
  n->prev->next = n->next;
  n->next->prev = n->prev;
  lti_list_init(n);
}

static inline void lti_list_push(lti_list *l, lti_list *n) {
  n->prev = l->prev;
  n->next = l;
  l->prev->next = n;
  l->prev = n;
}

static inline void lti_list_push_front(lti_list *l, lti_list *n) {
  lti_list_push(l->next, n);
}

/* The first node, taken off, or NULL. */
static inline lti_list *lti_list_pop(lti_list *l) {
  lti_list *n = l->next;
  if (n == l) return NULL;
  lti_list_remove(n);
  return n;
}

/* Moves all of `from` to the end of `to`: a batch is taken off before calling out. */
static inline void lti_list_take(lti_list *to, lti_list *from) {
  if (lti_list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  lti_list_init(from);
}

#endif
