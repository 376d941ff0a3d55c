/* An engine and its caller in the simulated world: submits, pauses, cancels and closes as a test
 * wants, and holds the engine to its contract at every callback.
 *
 * Watched all the time: exactly one done for each accepted submit, none and no event inside a call;
 * no event after cancel, after done or in a pause; text that is a prefix of what the server sends,
 * and all of it when the result is LEAT_OK; LEAT_OK only for what the server completed; no run
 * twice that the result does not admit, none at all with `once`; deadlines that fire in time; no
 * more connections than allowed; numbers that add up. What is broken is printed with the seed and
 * counted in `faults`. */
#ifndef TEST_SIM_CLIENT_H
#define TEST_SIM_CLIENT_H

#include "leat.h"
#include "sim/sim_server.h"
#include "support/failing.h"

#define SIM_JOBS_MAX 128

/* One request or task. Zero: a streamed chat to 127.0.0.1, with the engine's defaults. */
typedef struct sim_want {
  const char *origin;
  bool json, once, task, download;
  size_t text_size; /* of the answer [400] */
  size_t body_pad;  /* bytes that make the request longer */
  leat_deadlines deadlines;
  int retries;
  unsigned pause_permille; /* chance of a pause at each event */
  uint64_t pause_ns;       /* longest one; 0: until the test resumes it */
  unsigned cancel_at;      /* cancelled inside its n-th event */
  int64_t poll_ms, deadline_ms;
} sim_want;

typedef struct sim_record {
  struct sim_client *client;
  sim_want want;
  sim_job *job;
  leat_id id;
  bool accepted, cancelled, paused, ever_paused, timed_resume;
  unsigned dones, events, heads;
  char text[6000];
  size_t text_size;
  char *body;
  leat_result result; /* without its views */
  enum leat_task_state task_state;
  uint64_t submitted_ns, done_ns;
} sim_record;

typedef struct sim_client {
  sim *w;
  sim_server *server;
  leat_engine *engine;
  failing memory;
  leat_config config;
  sim_job jobs[SIM_JOBS_MAX];
  sim_record records[SIM_JOBS_MAX];
  size_t count;
  unsigned posts, posts_run;
  unsigned faults, inside, done_count;
  bool closing, closed;
  bool rude;        /* the server may break the rules of HTTP: such errors have their reason */
  leat_stats stats; /* at the last done */
  /* Called at the end of each event and done: the test may do anything. May be NULL. */
  void (*mischief)(struct sim_client *c, sim_record *r);
  void *ctx;
} sim_client;

/* A world, a server with this script, and a config to change before sim_client_open. */
sim_client *sim_client_new(uint64_t seed,
                           void (*script)(void *ctx, sim_job *job, enum sim_form *form,
                                          sim_reply *reply),
                           void *ctx);
int sim_client_open(sim_client *c);
/* The record, or NULL and the error in `*error`. */
sim_record *sim_client_submit(sim_client *c, const sim_want *want, int *error);
void sim_client_cancel(sim_record *r);
void sim_client_resume(sim_record *r);
void sim_client_post(sim_client *c);
void sim_client_close(sim_client *c, enum leat_close_mode mode);
/* Runs until nothing is alive; false when that takes longer than `ns`, or never comes. */
bool sim_client_run(sim_client *c, uint64_t ns);
/* What must hold when nothing is alive: also while the engine is open. */
void sim_client_check(sim_client *c);
/* Closes if that is still to be done, runs out, checks memory, frees. Returns the faults. */
unsigned sim_client_end(sim_client *c);
void sim_client_fault(sim_client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
