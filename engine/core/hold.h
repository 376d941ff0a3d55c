/* Events that wait for a paused request: deep copies, in order.
 *
 * Only what one record (or one JSON answer) still held when the pause came ends up here; the bytes
 * behind it wait in the connection. Each copy is one allocation. */
#ifndef LTI_HOLD_H
#define LTI_HOLD_H

#include <stdbool.h>

#include "base/alloc.h"
#include "leat.h"

typedef struct lti_hold_entry lti_hold_entry;

/* Nearly always empty, and one in each request. */
typedef struct lti_hold {
  lti_hold_entry *last; /* which knows the first; NULL: there is none */
} lti_hold;

/* LEAT_ENOMEM leaves the hold as it was. */
int lti_hold_push(lti_hold *h, lti_alloc *alloc, const leat_event *event);
static inline bool lti_hold_empty(const lti_hold *h) {
  return h->last == NULL;
}
/* Of all that wait. */
size_t lti_hold_bytes(const lti_hold *h);
/* The first, taken out; it must be there. Its event lives until lti_hold_free. */
lti_hold_entry *lti_hold_pop(lti_hold *h);
leat_event *lti_hold_event(lti_hold_entry *entry);
void lti_hold_free(lti_hold_entry *entry, lti_alloc *alloc);
void lti_hold_clear(lti_hold *h, lti_alloc *alloc);

#endif
