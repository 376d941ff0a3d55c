/* The endpoints and task forms that an engine knows: the built-in ones, and those that its owner
 * added or put in their place.
 *
 * Each of the engine's own stands in one block with its texts. Requests and tasks copy what they
 * need at their submit, so that a row that is replaced is freed at once. */
#ifndef LTI_ENDPOINTS_H
#define LTI_ENDPOINTS_H

#include "base/buf.h"

#define LTI_ENDPOINTS_MAX           1000 /* of an engine's own, rows and forms each */
#define LTI_ENDPOINT_NAME_MAX       64
#define LTI_ENDPOINT_TEXT_MAX       2048
#define LTI_ENDPOINT_JSON_BYTES_MAX ((size_t)4 << 20)

/* A copy, with the defaults filled in: a row or a form. */
typedef struct lti_endpoint_entry {
  union {
    leat_endpoint row;
    leat_task_form form;
  };
  char texts[];
} lti_endpoint_entry;

/* One place for each built-in one, empty while it holds; then the engine's own. */
typedef struct lti_endpoint_list {
  lti_endpoint_entry **entries;
  size_t count, capacity;
} lti_endpoint_list;

typedef struct lti_endpoints {
  lti_alloc *alloc;
  lti_endpoint_list rows, forms;
} lti_endpoints;

void lti_endpoints_init(lti_endpoints *e, lti_alloc *alloc);
void lti_endpoints_deinit(lti_endpoints *e);
const leat_endpoint *lti_endpoints_at(const lti_endpoints *e, size_t i);
const leat_task_form *lti_endpoints_form_at(const lti_endpoints *e, size_t i);
const leat_endpoint *lti_endpoints_find(const lti_endpoints *e, const char *name);
const leat_task_form *lti_endpoints_form_find(const lti_endpoints *e, const char *name);

/* Copies one, which is known to be fit. NULL without memory. */
lti_endpoint_entry *lti_endpoints_copy(lti_alloc *alloc, const leat_endpoint *row);
lti_endpoint_entry *lti_endpoints_form_copy(lti_alloc *alloc, const leat_task_form *form);
/* Room for `more` new ones: LEAT_ENOMEM, LEAT_EINVAL when they were too many. */
int lti_endpoints_reserve(lti_endpoints *e, size_t more_rows, size_t more_forms);
/* Takes a copy, for which there is room. */
void lti_endpoints_put(lti_endpoints *e, lti_endpoint_entry *row);
void lti_endpoints_form_put(lti_endpoints *e, lti_endpoint_entry *form);

/* What leat_endpoint_load says; `message` gets a line. */
int lti_endpoints_load(lti_endpoints *e, leat_slice json, lti_buf *message);

/* Is it fit to be one? LTI_OK, or LEAT_EINVAL and a line in `message` that begins with the member's
 * name. `form` is that of the row's task, NULL: there is none. */
int lti_endpoint_check(const leat_endpoint *row, const leat_task_form *form, lti_buf *message);
int lti_endpoint_form_check(const leat_task_form *form, lti_buf *message);

#endif
