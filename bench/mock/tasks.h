/* What the files of tasks share: a task, where it stands, and how that is said.
 *
 *   tasks.c       the table of tasks, their ids, where they stand at a moment
 *   task_wish.c   how long one takes and how it ends: options, body, prompt, headers
 *   task_serve.c  the families and their paths: submit, poll, fetch of many, modal
 *   task_forms.c  the envelopes of answers    task_songs.c  what is inside those of music
 *   content.c     what a finished task has made    ledger.c  who submitted and who looked when
 *
 * Nothing happens between two polls: where a task stands follows from the clock alone, so that ten
 * thousand tasks cost ten thousand small structs and no timer. */
#ifndef MOCK_TASKS_H
#define MOCK_TASKS_H

#include <time.h>

#include "bench/mock/gateway.h"

#define MOCK_TASK_ID_MAX   48
#define MOCK_TASK_NAME_MAX 64  /* a model, an action: as they stand in JSON */
#define MOCK_TASK_KEY_MAX  256 /* what the client calls its job, as it stands in JSON */

enum mock_family {
  MOCK_VIDEO, /* the unified route */
  MOCK_SORA,
  MOCK_SUNO,
  MOCK_PRODUCER,
  MOCK_KLING,
  MOCK_VIDU,
  MOCK_ARK,
  MOCK_JIMENG,
  MOCK_MIDJOURNEY,
  MOCK_FAMILY_COUNT
};

/* How a task ends; the last two never do. */
enum mock_task_end {
  MOCK_END_SUCCESS,
  MOCK_END_FAILURE,
  MOCK_END_EXPIRED,
  MOCK_END_CANCELLED,
  MOCK_END_MODAL, /* it waits for another call */
  MOCK_END_LOST,  /* the gateway forgets it when it should begin to run */
  MOCK_END_STUCK  /* it runs for ever */
};

/* Where it stands. What a family says for each is in the table of words. */
enum mock_phase {
  MOCK_PHASE_SUBMITTED, /* the first half of its time in the queue */
  MOCK_PHASE_QUEUED,
  MOCK_PHASE_RUNNING,
  MOCK_PHASE_ODD, /* runs, under a name that is in no list */
  MOCK_PHASE_SUCCESS,
  MOCK_PHASE_FAILURE,
  MOCK_PHASE_EXPIRED,
  MOCK_PHASE_CANCELLED,
  MOCK_PHASE_MODAL,
  MOCK_PHASE_LOST,
  MOCK_PHASE_COUNT
};

enum mock_urls { MOCK_URLS_USUAL = 0, MOCK_URLS_SIGNED, MOCK_URLS_PROXY, MOCK_URLS_INLINE };

struct mock_task {
  uint64_t created_ns, queued_ns, run_ns;
  uint64_t seen_ns; /* when it was first polled after its end, 0: not yet */
  uint64_t bytes, seed, url_s;
  time_t created;
  uint32_t polls, batch_polls, absent, code;
  uint32_t remixed; /* the place of the one it was made from, plus 1 */
  uint8_t family, end, odd, urls;
  bool url_in_reason, raw, redirects; /* raw: its url is in the upstream's words alone */
  char model[MOCK_TASK_NAME_MAX], action[MOCK_TASK_NAME_MAX];
  char *key; /* NULL: none was sent */
};

/* A task as it is told at one moment to one client. */
typedef struct mock_task_view {
  mock_exchange *x;
  const mock_task *task;
  enum mock_phase phase;
  enum mock_envelope envelope;
  unsigned progress;
  char id[MOCK_TASK_ID_MAX];
} mock_task_view;

/* tasks.c */
/* The id of the task in this place of the table; returns its size. */
size_t mock_task_name(const mock *m, const mock_task *t, char out[MOCK_TASK_ID_MAX]);
mock_task *mock_task_find(mock *m, leat_slice id);
enum mock_phase mock_task_phase(const mock_task *t, uint64_t now_ns);
unsigned mock_task_progress(const mock_task *t, uint64_t now_ns);
static inline bool mock_phase_final(enum mock_phase phase) {
  return phase >= MOCK_PHASE_SUCCESS && phase <= MOCK_PHASE_MODAL;
}
/* Room for one more, which the caller fills and then adds; NULL: the table is full. */
mock_task *mock_task_room(mock *m);
/* The one that was filled is in the table from now on, and in the ledger. */
void mock_task_add(mock *m, mock_task *t);
void mock_task_look(mock_task_view *view, mock_exchange *x, mock_task *t, enum mock_envelope e);
/* It was told to a client; `batch`: among others. False: not this time, it does not exist yet or
 * no more. */
bool mock_task_polled(mock *m, mock_task *t, enum mock_phase phase, bool batch);

/* task_wish.c */
void mock_task_wishes(mock_task *t, const mock_exchange *x);

/* task_forms.c */
int mock_task_write_submitted(const mock_task_view *v, lti_buf *out);
int mock_task_write(const mock_task_view *v, lti_buf *out);
/* The task alone, without an envelope: an element of the answer to a fetch of many. */
int mock_task_write_element(const mock_task_view *v, lti_buf *out);
const char *mock_task_word(const mock_task_view *v);
/* Where result `index` is. */
int mock_task_write_url(const mock_task_view *v, lti_buf *out, unsigned index, const char *ending);
/* The same, the way that the task wants its urls, `usual` unless it was told. */
int mock_task_write_result(const mock_task_view *v, lti_buf *out, enum mock_urls usual);

/* task_songs.c */
/* new-api's `data.data` of music: clips, or an object. */
int mock_song_write(const mock_task_view *v, lti_buf *out);
/* The members of CCAPI's documented form (E6), behind taskId and status. */
int mock_song_write_members(const mock_task_view *v, lti_buf *out);

/* ledger.c */
int mock_ledger_open(mock *m);
void mock_ledger_close(mock *m);
void mock_ledger_submitted(mock *m, const mock_task *t);
void mock_ledger_seen(mock *m, const mock_task *t);
void mock_ledger_serve(mock_exchange *x);

#endif
