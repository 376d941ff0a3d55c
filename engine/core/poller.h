/* Who is asked when: the polls of all tasks of an engine, and their submits' line.
 *
 * Jobs that are alike (same form, key, place and times) share one lti_task_kind, in which they wait
 * ordered by when they were last looked at. Kinds of one key and place share one lti_poll_key,
 * whose pace is the limit of polls a second, and which has the one alarm. So the engine's heap of
 * deadlines holds one entry a key, and whoever is due is found in two steps:
 *
 *   alarm -> lti_poll_key (pace, pause) -> the kind whose turn it is -> the jobs that are due
 *
 * Where the form can ask about many at once, a question takes along all that is due, those that
 * were never asked about, and those whose last look is older than the family's floor: joining costs
 * nothing, and whoever was asked together stays together. */
#ifndef LTI_POLLER_H
#define LTI_POLLER_H

#include "base/blob.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "io/alarm.h"
#include "leat.h"
#include "plan/cadence.h"
#include "plan/pace.h"

typedef struct lti_task lti_task;
typedef struct lti_task_kind lti_task_kind;

/* A gateway and a key: what its limits are counted for. */
typedef struct lti_poll_key {
  leat_engine *engine;
  lti_blob *name; /* secret; its key in the map */
  uint32_t refs;  /* its kinds */
  lti_pace pace;
  lti_heap kinds; /* those with jobs that wait, by when the first of them may be due */
  lti_alarm alarm;
  uint64_t load; /* questions that a round takes, in LTI_CADENCE_QUESTION */
  uint64_t paused_until_ns;
  unsigned out;     /* questions under way */
  lti_list submits; /* tasks that wait to be submitted */
  lti_list turn;    /* in the poller's line of keys with such */
} lti_poll_key;

typedef struct lti_poller {
  lti_map kinds, keys;
  lti_list submitters; /* keys, in turn */
  unsigned submitting; /* submits under way */
} lti_poller;

void lti_poller_init(lti_poller *p, lti_alloc *alloc, const uint64_t seed[2]);
/* All tasks are gone. */
void lti_poller_deinit(lti_poller *p);

/* The key of these two, held once more; NULL without memory. */
lti_poll_key *lti_poller_key(leat_engine *e, const char *base_url, const char *api_key);
void lti_poller_key_release(lti_poll_key *key);

/* The job is to be asked about `wait_ns` from now, as far as the cadence allows. There is room for
 * it: lti_poller_join. */
void lti_poller_wait(lti_task *t, uint64_t wait_ns);
/* As that, right behind its submit: where others are asked about, it may join them sooner. */
void lti_poller_wait_fresh(lti_task *t);
/* It waits no more; harmless when it does not. */
void lti_poller_leave(lti_task *t);
/* Room for one more job of this kind: LEAT_ENOMEM. Every join needs a part. */
int lti_poller_join(lti_task_kind *kind);
void lti_poller_part(lti_task_kind *kind);
/* It is open (accepted, not ended) from now on, or no more; or is asked about alone from now on. */
void lti_poller_open(lti_task *t);
void lti_poller_shut(lti_task *t);
void lti_poller_single_out(lti_task *t);
/* A question of this kind has its answer. */
void lti_poller_answered(lti_task_kind *kind);
/* The gateway wants no question of this key for so long. */
void lti_poller_pause(lti_poll_key *key, uint64_t ms);
/* How many are asked about at once now: 1 where it cannot be done. */
uint32_t lti_poller_batch(const lti_task_kind *kind);
/* What the answers say of asking about many at once: `fine`, or that it was refused. */
void lti_poller_batch_told(lti_task_kind *kind, bool fine);
/* The answer was too long: fewer at once. */
void lti_poller_batch_less(lti_task_kind *kind);
/* The wait between two looks that holds now. */
uint64_t lti_poller_in_force_ns(const lti_task_kind *kind);

#endif
