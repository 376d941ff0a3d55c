/* Async tasks: submit once, poll until final, download. Built on requests. */
#ifndef LTI_TASK_H
#define LTI_TASK_H

#include "core/engine.h"

typedef struct lti_task lti_task;

void lti_task_cancel(lti_task *t);
/* From the turn: tells and frees a task that is due. */
void lti_task_tell(lti_task *t);
/* From the turn: what the journal has answered. */
void lti_task_journal_run(leat_engine *e);

#endif
