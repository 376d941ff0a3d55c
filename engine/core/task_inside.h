/* One task, as its files see it.
 *
 *   SUBMITTING -> RUNNING (waits for a poll, or is asked about) -> DOWNLOADING -> ended
 *
 * task.c has its life and its end, task_kind.c what it shares with its like, task_submit.c the
 * submit, poll.c the questions, task_reply.c what answers say, task_content.c the download; when
 * who is asked is poller.c's. A task is small: everything that most of ten thousand do not need at
 * the same moment is made when it is needed. */
#ifndef LTI_TASK_INSIDE_H
#define LTI_TASK_INSIDE_H

#include "core/engine.h"
#include "core/poller.h"
#include "core/task.h"

#define LTI_TASK_MS_NS           1000000ull
#define LTI_TASK_REPLY_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define LTI_TASK_TEXTS_BYTES_MAX ((size_t)1024 * 1024)

typedef struct lti_poll lti_poll;

/* What like jobs share. */
struct lti_task_kind {
  leat_engine *engine;
  lti_blob *words;     /* secret: what this was made of, its key in the map, and all texts below */
  uint32_t refs;       /* tasks, and questions under way */
  leat_endpoint row;   /* the submit: name, method, path, auth */
  leat_task_form form; /* `name` NULL: a job that ends with the answer to its submit */
  const char *base_url, *api_key;
  enum leat_auth auth;
  leat_header *headers; /* with room for the download's own */
  leat_param *params;
  size_t header_count, param_count;
  leat_deadlines deadlines;
  int retries;
  uint64_t floor_ns, first_ns, deadline_ns; /* UINT64_MAX: none */
  unsigned jitter_percent;
  lti_blob *said, *bodies; /* places: the newest of each */
  /* poller.c's */
  lti_poll_key *key;
  lti_heap_node turn;
  lti_heap many, singles; /* jobs that wait, by when they were looked at */
  lti_list fresh;         /* those of `many` that were never asked about */
  size_t members;         /* there is room for so many */
  size_t open_many, open_singles, fresh_count;
  uint32_t asked_last; /* how many the question was about whose answer is read */
  uint64_t load, batch_off_until_ns;
  uint32_t batch_max; /* 1: it cannot be done */
  unsigned batch_refused, many_in_row;
};

typedef struct lti_task_fetch lti_task_fetch;

/* What is only there when a task's result is to be downloaded. */
typedef struct lti_task_content {
  char *file; /* NULL: none */
  int fd_plus_one;
  leat_content_cb on_content;
  uint64_t resume_from, bytes, bytes_total;
  lti_task_fetch *fetch; /* under way, NULL: none is */
} lti_task_content;

/* How a task ended, when that is told later. */
typedef struct lti_task_end {
  leat_result result; /* without views */
  lti_buf message;
} lti_task_end;

struct lti_task {
  lti_item item; /* first */
  lti_task_kind *kind;
  leat_task_cb on_update;
  leat_task_done_cb on_done;
  void *user;
  lti_alarm alarm;    /* the deadline of all */
  lti_heap_node turn; /* in a kind's heap: when it was looked at, as far as the cadence counts */
  lti_list line;      /* in key->submits or kind->fresh */
  lti_blob *body;     /* of the submit, until it is sent */
  lti_blob *poll_body;
  lti_blob *said;  /* the last report: see task_reply.c */
  char *id;        /* the provider's */
  char *custom_id; /* NULL: not in the journal */
  leat_id request; /* the submit or download under way, 0: none */
  lti_poll *poll;  /* the question under way, NULL: none */
  lti_buf *reply;  /* of the submit under way */
  lti_task_content *content;
  lti_task_end *end;
  uint64_t started_ns;
  uint32_t polls;
  int error;
  signed char progress;
  unsigned char state; /* enum leat_task_state */
  unsigned char not_found, lost, missed;
  unsigned char noted; /* enum lti_task_noted */
  bool submitting;     /* it has one of the places */
  bool sent, resubmit, open, alone, ended, cancelled;
};

static inline leat_engine *lti_task_engine(const lti_task *t) {
  return t->item.engine;
}

/* What the journal knows of it. */
enum lti_task_noted {
  TASK_UNKNOWN,
  TASK_ASKED, /* whether an earlier run knew it */
  TASK_INTENT,
  TASK_ACCEPTED,
  TASK_DONE
};

/* ---- task.c */

/* It ends; that is told in the loop's next turn. `message` NULL: the error's own text. */
void lti_task_finish(lti_task *t, int error, const char *message);
/* It ends here and now: from a callback of the loop only. `update` has what the answer brought,
 * `result` may be NULL. The task is gone afterwards. */
void lti_task_conclude(lti_task *t, int error, const leat_task_update *update,
                       const leat_result *result);
/* What is known now. */
void lti_task_fill_update(const lti_task *t, leat_task_update *update);
/* Calls on_update: from a callback of the loop only, and the callback may end the task. */
void lti_task_tell_update(lti_task *t, const leat_task_update *update);
/* The exchange under way has ended: false when the task had ended before, which is told now. */
bool lti_task_exchanged(lti_task *t);

/* ---- task_kind.c */

/* Held once more. LEAT_ENOENDPOINT, LEAT_ENOPROTOCOL, LEAT_EINVAL, LEAT_ENOMEM; the message is set.
 */
int lti_task_kind_find(leat_engine *e, const leat_task *q, lti_task_kind **kind);
void lti_task_kind_hold(lti_task_kind *kind);
void lti_task_kind_release(lti_task_kind *kind);
/* A request with what all of this kind have. */
void lti_task_kind_request(const lti_task_kind *kind, leat_request *q);

/* ---- task_fill.c */

/* What stands for the names in braces: {id}, {ids}, then a parameter, then a member of `body`. */
typedef struct lti_task_holes {
  const char *id;
  const char *const *ids;
  size_t id_count;
  const leat_param *params;
  size_t param_count;
  leat_slice body;
  bool keep_unknown; /* names that nothing stands for stay; else they are LEAT_ENOENDPOINT */
} lti_task_holes;

/* Percent-encoded, with a NUL behind it that counts. */
int lti_task_fill_path(const char *pattern, const lti_task_holes *holes, lti_buf *out);
/* As JSON values. */
int lti_task_fill_json(const char *pattern, const lti_task_holes *holes, lti_buf *out);

/* ---- task_submit.c */

/* Now, or when it is its turn. */
int lti_task_submit(lti_task *t);
/* It waits for its turn no more. */
void lti_task_unsubmit(lti_task *t);
/* The journal has answered: it may go. */
void lti_task_submit_noted(lti_task *t);
/* Its place is free: see lti_task_submit_more. */
void lti_task_give_place(lti_task *t);
/* Whoever can go now does. */
void lti_task_submit_more(leat_engine *e);

/* ---- task_journal.c */

int lti_task_journal_keep(lti_task *t, const leat_task *q);
/* True: it has to be asked first, and was, or `*error` says why not. */
bool lti_task_journal_ask(lti_task *t, int *error);
void lti_task_journal_accepted(lti_task *t);
/* Behind on_done. */
void lti_task_journal_end(lti_task *t, const leat_result *result);

/* ---- poll.c */

/* Asks about these tasks, which wait no more. */
int lti_poll_ask(lti_task_kind *kind, lti_task **tasks, uint32_t count, bool batch);
/* The question goes on without the task. */
void lti_poll_forget(lti_poll *p, lti_task *t);

/* ---- task_reply.c */

typedef struct lti_task_answer {
  lti_task_report report;
  leat_slice json;
  const leat_result *result;
} lti_task_answer;

/* What a report says of the task is kept; true when it is news. */
bool lti_task_reply_keep(lti_task *t, const lti_task_report *report);
/* Where the task goes from here. It may be gone afterwards. */
void lti_task_reply_act(lti_task *t, const lti_task_answer *answer);
void lti_task_reply_update(const lti_task *t, const lti_task_answer *answer, leat_task_update *u);
/* ---- task_content.c */

int lti_task_content_make(lti_task *t, const leat_task *q);
void lti_task_content_start(lti_task *t);
/* The download is given up; harmless when there is none. */
void lti_task_content_stop(lti_task *t);
void lti_task_content_free(lti_task *t);
/* How much of it is there, and of how much. `t` has content. */
uint64_t lti_task_content_bytes(const lti_task *t, uint64_t *total);

#endif
