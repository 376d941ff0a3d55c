/* Tasks and the journal: what is noted when, and what is made of what an earlier run noted. See
 * io/journal.h and task_inside.h.
 *
 * An intent is on the disk before the submit is sent. A job whose submit was lost without an answer
 * stays an intent, so that the next run knows that nobody knows; one that was never sent, or surely
 * refused but for now, is taken back; everything else that is told is done. */
#include "base/error.h"
#include "core/task_inside.h"

int lti_task_journal_keep(lti_task *t, const leat_task *q) {
  leat_engine *e = lti_task_engine(t);
  if (!q->custom_id || !e->journal) return LTI_OK;
  size_t size = strlen(q->custom_id);
  if (size == 0 || size > LTI_JOURNAL_NAME_MAX || q->task_id)
    return lti_engine_fail(e, LEAT_EINVAL,
                           "custom_id is 1 to 512 bytes, and only for jobs that are submitted");
  t->custom_id = lti_alloc_text(&e->alloc, lti_slice(q->custom_id, size));
  t->resubmit = q->resubmit;
  return t->custom_id ? LTI_OK : LEAT_ENOMEM;
}

/* A call that may be repeated after any loss may be repeated after this one. */
bool lti_task_journal_ask(lti_task *t, int *error) {
  leat_engine *e = lti_task_engine(t);
  if (!t->custom_id || t->noted != TASK_UNKNOWN) return false;
  bool again = t->resubmit || (!t->kind->form.name && !t->kind->row.once);
  *error = lti_journal_begin(e->journal, lti_slice_of(t->custom_id), t->item.id, again);
  if (*error == LTI_OK)
    t->noted = TASK_ASKED;
  else
    lti_engine_fail(e, *error, *error == LEAT_EJOURNAL ? lti_journal_message(e->journal) : NULL);
  return true;
}

void lti_task_journal_accepted(lti_task *t) {
  if (t->noted != TASK_INTENT) return;
  t->noted = TASK_ACCEPTED;
  lti_journal_accepted(lti_task_engine(t)->journal, lti_slice_of(t->custom_id),
                       lti_slice_of(t->id));
}

/* ---- what it answers */

static void go_on_waiting(lti_task *t, const lti_journal_answer *answer) {
  t->noted = TASK_ACCEPTED;
  t->id = lti_alloc_text(&lti_task_engine(t)->alloc, lti_slice_of(answer->task_id));
  lti_task_give_place(t);
  lti_blob_release(t->body);
  t->body = NULL;
  if (!t->id) {
    lti_task_finish(t, LEAT_ENOMEM, NULL);
    return;
  }
  t->state = LEAT_TASK_RUNNING;
  lti_poller_open(t);
  lti_poller_wait(t, 0);
}

static void told_before(lti_task *t, const lti_journal_answer *answer) {
  t->noted = TASK_DONE;
  if (answer->task_id[0])
    t->id = lti_alloc_text(&lti_task_engine(t)->alloc, lti_slice_of(answer->task_id));
  lti_task_finish(t, answer->error, NULL);
  t->state = answer->error == LEAT_OK ? LEAT_TASK_SUCCEEDED : LEAT_TASK_FAILED;
}

static void take_answer(lti_task *t, const lti_journal_answer *answer) {
  switch (answer->state) {
    case JOURNAL_FRESH:
      t->noted = TASK_INTENT;
      lti_task_submit_noted(t);
      return;
    case JOURNAL_ACCEPTED: go_on_waiting(t, answer); return;
    case JOURNAL_DONE: told_before(t, answer); return;
    case JOURNAL_INTENT:
      t->noted = TASK_UNKNOWN;
      lti_task_finish(t, LEAT_EUNCERTAIN, "an earlier run was cut off while it submitted this job");
      return;
    case JOURNAL_TWICE:
      t->noted = TASK_UNKNOWN;
      lti_task_finish(t, LEAT_EINVAL, "another job of this run has the same custom_id");
      return;
    case JOURNAL_BROKEN:
      t->noted = TASK_UNKNOWN;
      lti_task_finish(t, LEAT_EJOURNAL, lti_journal_message(lti_task_engine(t)->journal));
      return;
  }
}

void lti_task_journal_run(leat_engine *e) {
  lti_journal_answer answer;
  bool any = false;
  while (lti_journal_next(e->journal, &answer)) {
    lti_item *item = lti_slots_get(&e->items, answer.ticket);
    any = true;
    if (!item || item->kind != LTI_ITEM_TASK) continue;
    lti_task *t = (lti_task *)item;
    if (!t->ended && t->noted == TASK_ASKED) take_answer(t, &answer);
  }
  if (any) lti_task_submit_more(e);
}

/* ---- the end */

static bool is_verdict(const lti_task *t, const leat_result *result) {
  switch (t->error) {
    case LEAT_OK:
    case LEAT_ETASKFAILED:
    case LEAT_ETASKINPUT: return true;
    case LEAT_EAPI: return !result->retryable;
    case LEAT_ESTATUS: return t->sent && t->id ? result->status == 404 : !result->retryable;
    default: return false;
  }
}

/* A submit that was sent and whose fate is not known. */
static bool is_uncertain(const lti_task *t) {
  switch (t->error) {
    case LEAT_EUNCERTAIN:
    case LEAT_EDECODE:
    case LEAT_ENOMEM:
    case LEAT_EBODYMAX:
    case LEAT_ECANCELLED:
    case LEAT_ETASKTIME: return t->sent;
    default: return false;
  }
}

void lti_task_journal_end(lti_task *t, const leat_result *result) {
  lti_journal *journal = lti_task_engine(t)->journal;
  leat_slice name = lti_slice_of(t->custom_id);
  if (t->noted == TASK_UNKNOWN || t->noted == TASK_DONE || !journal) return;
  if (is_verdict(t, result))
    lti_journal_done(journal, name, t->error);
  else if (t->noted != TASK_ACCEPTED && !is_uncertain(t))
    lti_journal_withdraw(journal, name);
}

int leat_journal_done(leat_engine *e, const char *custom_id) {
  if (!e) return LEAT_EINVAL;
  if (!e->journal) return lti_engine_fail(e, LEAT_ESTATE, "the engine has no journal");
  size_t size = custom_id ? strlen(custom_id) : 0;
  if (size == 0 || size > LTI_JOURNAL_NAME_MAX)
    return lti_engine_fail(e, LEAT_EINVAL, "custom_id is 1 to 512 bytes");
  int r = lti_journal_known(e->journal, lti_slice(custom_id, size));
  if (r == LTI_OK) lti_engine_kick(e);
  return r == LTI_OK
             ? r
             : lti_engine_fail(e, r, r == LEAT_EJOURNAL ? lti_journal_message(e->journal) : NULL);
}
