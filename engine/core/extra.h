/* What one attempt sends besides what its spec has: fields that the observer gave, and a fresh key.
 *
 * A spec's headers are made once, at submit, and shared by those that send the same; these belong
 * to one attempt of one request. They are copied into one block, which is overwritten before each
 * attempt and at the end, since any of them may be a secret. */
#ifndef LTI_EXTRA_H
#define LTI_EXTRA_H

#include "base/buf.h"
#include "wire/http.h"

/* The observer's, and one for the key. */
#define LTI_EXTRA_FIELDS_MAX 17

typedef struct lti_extra {
  lti_buf texts; /* a name and its value, and so on */
  struct lti_extra_field {
    uint32_t at, name, value; /* where it begins, and its sizes */
    uint32_t scheme;          /* how much of the value stands before the secret: "Bearer " */
    bool credential;
  } fields[LTI_EXTRA_FIELDS_MAX];
  size_t count;
} lti_extra;

lti_extra *lti_extra_new(lti_alloc *alloc);
/* NULL is fine. */
void lti_extra_free(lti_extra *x);
/* Before the next attempt. */
void lti_extra_clear(lti_extra *x);
/* `value` has the first `scheme` bytes of its own, which are no secret. LEAT_ENOMEM, LEAT_EHEADER
 * when there are too many. */
int lti_extra_add(lti_extra *x, const leat_header *field, size_t scheme, bool credential);
/* The i-th credential without its scheme; false behind the last. */
bool lti_extra_secret(const lti_extra *x, size_t i, leat_slice *secret);
/* Puts them into a request whose list has room for all: in place of those of the same name, else
 * before the credentials, or behind them. */
void lti_extra_join(const lti_extra *x, leat_header *headers, lti_http_request *request);

#endif
