/* What goes on where an answer broke off: the text so far, and the caller who is asked for a new
 * request. See leat_truncation_cb.
 *
 * The text is gathered as it is decoded, also while the reader pauses, for what is held reaches him
 * all the same. He is asked from the engine's turn, when everything has been delivered and done
 * would be told; his new request takes the place of the old one under the same id, and whoever
 * cancels in between, cancels. */
#ifndef LTI_RESUME_H
#define LTI_RESUME_H

#include "core/request.h"

typedef struct lti_resume {
  leat_truncation_cb ask;
  lti_buf text;
  int left;      /* how often it may still be asked */
  bool lost;     /* the text is not whole: too long, or no memory */
  bool finished; /* its finish reason has come: there is nothing to go on with */
} lti_resume;

/* When the request wants it. LEAT_ENOMEM. */
int lti_resume_open(lti_request *r, const leat_request *wanted);
void lti_resume_close(lti_request *r);
/* An event was decoded. */
void lti_resume_note(lti_resume *x, const leat_event *event);
/* Done is due. True: not now, it goes on, or was cancelled meanwhile. */
bool lti_resume_try(lti_request *r);

#endif
