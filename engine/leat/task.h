/* leat's tasks: jobs that are submitted once, polled until they end, and whose result may be
 * downloaded. A part of leat.h, which includes it; its rules hold here. */
#ifndef LEAT_TASK_H
#define LEAT_TASK_H

#ifndef LEAT_H
#error "include leat.h, which includes this"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A job that is submitted once, polled until it ends, and whose result may be downloaded.
 *
 * Tasks are made for thousands at once. Those that are alike (endpoint, key, headers, times) are
 * asked about together where the form can do that, no oftener than `poll_ms`, and all of one
 * gateway and key no oftener than config.polls_per_second: so the time between two looks at a job
 * is the longer of the two, and jobs may be asked about with others sooner than for the first time
 * alone. What an answer about many does not tell of is asked about by itself. At most 256 submits
 * are under way at once, the keys taking turns; the others wait. */
enum leat_task_state {
  LEAT_TASK_SUBMITTING = 1,
  LEAT_TASK_RUNNING, /* accepted; every status that is not known to be final */
  LEAT_TASK_DOWNLOADING,
  LEAT_TASK_SUCCEEDED,
  LEAT_TASK_FAILED,
  LEAT_TASK_NEEDS_INPUT
};

typedef struct leat_task_update {
  enum leat_task_state state;
  leat_slice task_id;    /* the provider's */
  leat_slice status;     /* the provider's own word */
  int progress;          /* percent, -1: not told */
  leat_slice url;        /* of the result, when it is known */
  leat_slice error_code; /* the provider's, when it failed */
  leat_slice error_message;
  leat_slice raw; /* the answer that told this: a poll's, or one job's item of a batch's; empty when
                     no answer did */
  uint64_t polls;
  uint64_t bytes;       /* downloaded so far */
  uint64_t bytes_total; /* 0: not told */
  uint64_t received_ns;
  bool earlier_run; /* the journal says that it ended then, and how; nothing was asked */
} leat_task_update;

/* Comes when anything above changes. */
typedef void (*leat_task_cb)(leat_engine *engine, leat_id id, const leat_task_update *update,
                             void *user);
/* Comes once, and last. `result` is that of the exchange that decided; result->times.queued_ns is
 * the task's submit. */
typedef void (*leat_task_done_cb)(leat_engine *engine, leat_id id, const leat_task_update *last,
                                  const leat_result *result, void *user);
/* A piece of the downloaded content at `offset`. Nonzero ends the task with LEAT_EIO. */
typedef int (*leat_content_cb)(leat_engine *engine, leat_id id, uint64_t offset, leat_slice bytes,
                               void *user);

typedef struct leat_task {
  size_t struct_size;
  const char *family;       /* a task form, submitted by the first endpoint that names it ["video":
                               POST /v1/video/generations, polled there, content from
                               /v1/videos/ID/content]; or */
  const char *endpoint;     /* an endpoint ("suno.music"). One without a task form ends with the
                               answer to its call, which is `raw` of the last update */
  const leat_param *params; /* what stands for {name} in its path */
  size_t param_count;
  enum leat_auth auth;
  const char *base_url;
  const char *api_key;
  const leat_header *headers;
  size_t header_count;
  leat_deadlines deadlines; /* of each exchange; total_ms defaults to 600,000 */
  int retries; /* of the submit, as far as it is sure that it was refused, and the download; a
                  question that failed is asked again at its time */

  leat_slice body;            /* the submit's JSON, sent untouched; or */
  const char *model, *prompt; /* the two fields every job has */
  const char *task_id;        /* a job that was submitted elsewhere: only poll, and download */
  const char *custom_id;      /* what the caller calls this job, up to 512 bytes: its name in the
                                 journal, if there is one. Once in each run */
  bool resubmit;              /* submit it also when it is not known whether an earlier run did */

  int64_t poll_ms;       /* time between two polls [the family's: 15,000 for video] */
  int64_t first_poll_ms; /* from the accepted submit to the first poll [poll_ms, or sooner when
                            others are asked about with room for it] */
  int jitter_percent;    /* each wait is lengthened by up to this much [10] */
  int64_t deadline_ms;   /* the whole task [3,600,000]: LEAT_ETASKTIME */

  bool download;    /* fetch the content when the task succeeds: from its family's content path, or
                       where there is none from the result's URL, to other origins without any
                       credential; a data: URI is decoded */
  const char *file; /* write it to this file, which appears when it is whole. FILE.part stands there
                       until then, and after a cut, when the server told versions apart: the next
                       download takes it up */
  int fd_plus_one;  /* write it to this descriptor, a blocking one such as a file's; 0:
                            none. It is not closed */
  leat_content_cb on_content;
  uint64_t resume_from; /* bytes that are there already: Range resumes behind them */

  leat_task_cb on_update;    /* NULL: not told */
  leat_task_done_cb on_done; /* required */
  void *user;
} leat_task;

LEAT_API void leat_task_init(leat_task *task);

/* As leat_submit. leat_cancel ends it; what the provider runs already goes on there. */
LEAT_API int leat_task_start(leat_engine *engine, const leat_task *task, leat_id *id);

/* The job of this name has ended well, as the caller knows from elsewhere, such as from a file of
 * results that an earlier run wrote: the journal has it as done from now on. LEAT_ESTATE without a
 * journal, LEAT_EINVAL, LEAT_EJOURNAL. */
LEAT_API int leat_journal_done(leat_engine *engine, const char *custom_id);

#ifdef __cplusplus
}
#endif
#endif
