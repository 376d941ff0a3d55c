/* The journal of jobs: what was about to be submitted, what was accepted and what is done, in an
 * SQLite file that the next run reads when this one was killed.
 *
 *   (unknown) --begin--> INTENT --accepted--> ACCEPTED --done--> DONE
 *                           \--withdraw--> (unknown)
 *
 * SQLite works on a thread of its own: whoever writes puts a note into a bounded queue and goes on;
 * the thread takes all that is there, writes it in one transaction, and answers what asked for an
 * answer. So what was answered is on the disk, and the loop never waits for one. A journal that
 * cannot be written any more stays that way: begin fails, and what runs goes on without.
 *
 * One process at a time has a journal. Memory is malloc's: the engine's allocator need not be safe
 * for a second thread. */
#ifndef LTI_JOURNAL_H
#define LTI_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define LTI_JOURNAL_NAME_MAX 512 /* bytes of a job's name, or of a provider's id */

typedef struct lti_journal lti_journal;

enum lti_journal_state {
  JOURNAL_FRESH,    /* it was unknown, and is an intent now */
  JOURNAL_INTENT,   /* an earlier run was about to submit it: nobody knows whether it did */
  JOURNAL_ACCEPTED, /* by the provider, under `task_id` */
  JOURNAL_DONE,     /* and `error` is how */
  JOURNAL_TWICE,    /* this run has it already */
  JOURNAL_BROKEN    /* lti_journal_message says why */
};

typedef struct lti_journal_answer {
  uint64_t ticket;
  enum lti_journal_state state;
  int error;
  char task_id[LTI_JOURNAL_NAME_MAX + 1];
} lti_journal_answer;

/* Opens or makes the file; this blocks. LEAT_EJOURNAL with a line in `why`, LEAT_ENOMEM. `wake` is
 * called from the thread when there is an answer, or nothing left to write. */
int lti_journal_open(const char *path, void (*wake)(void *ctx), void *ctx, lti_journal **journal,
                     const char **why);
/* What is queued is written first. NULL is fine. */
void lti_journal_close(lti_journal *j);

/* Is answered, with the ticket. `again`: an intent of an earlier run counts as unknown. */
int lti_journal_begin(lti_journal *j, leat_slice name, uint64_t ticket, bool again);
int lti_journal_accepted(lti_journal *j, leat_slice name, leat_slice task_id);
int lti_journal_done(lti_journal *j, leat_slice name, int error);
/* It was done well before this run, which may begin it all the same and is told so. */
int lti_journal_known(lti_journal *j, leat_slice name);
/* It was not submitted after all. */
int lti_journal_withdraw(lti_journal *j, leat_slice name);

/* The next answer; false: there is none. */
bool lti_journal_next(lti_journal *j, lti_journal_answer *answer);
/* Something is not written yet, or not answered. */
bool lti_journal_busy(lti_journal *j);
/* What broke it, static or the journal's own text; "" when nothing did. */
const char *lti_journal_message(lti_journal *j);

#endif
