/* The loop: libuv's, owned or borrowed, reduced to what the engine needs of it.
 *
 * The engine's work is done in `turn`, which runs once per iteration right before the loop would
 * sleep: whatever sockets and timers brought in since is flushed, called out and reaped there. All
 * handles are unref'd but one async handle, which is ref'd exactly while `hold` is on: so a
 * borrowed loop lives as long as something is pending, and no longer.
 *
 * test/sim links its own loop, sock and dns in place of loop.c, sock.c and dns.c. */
#ifndef LTI_LOOP_H
#define LTI_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"

struct uv_loop_s;
typedef struct lti_loop lti_loop;

typedef struct lti_loop_sink {
  void (*turn)(void *ctx, uint64_t now_ns);
  void (*woken)(void *ctx); /* lti_loop_wake was called since the last time */
} lti_loop_sink;

/* `borrowed` NULL: makes its own. LEAT_ENOMEM, LEAT_EFDLIMIT. */
int lti_loop_open(lti_alloc *alloc, struct uv_loop_s *borrowed, const lti_loop_sink *sink,
                  void *ctx, lti_loop **loop);
/* Closes the handles; `closed` comes from the loop when they are gone, and may free the loop if it
 * is borrowed. No turn comes any more. */
void lti_loop_close(lti_loop *loop, void (*closed)(void *ctx));
/* After `closed`, and for an owned loop outside of its run. Closes the owned uv loop. */
void lti_loop_free(lti_loop *loop);

/* Runs an owned loop. timeout_ms < 0: until nothing is alive; 0: one pass without sleeping; else
 * one pass that sleeps at most so long. Returns whether something is alive. */
bool lti_loop_run(lti_loop *loop, int64_t timeout_ms);
/* One pass that sleeps until something happens. */
bool lti_loop_run_one(lti_loop *loop);
bool lti_loop_owned(const lti_loop *loop);

void lti_loop_hold(lti_loop *loop, bool on);
/* Before a poll that would return at once, since the last did, waits until a millisecond has passed
 * since then, so that one wake-up serves more reads. Everything else on the loop waits as long. */
void lti_loop_coalesce(lti_loop *loop);
/* From now on sockets that are opened ask the kernel when bytes came. */
void lti_loop_stamp_segments(lti_loop *loop);
typedef struct lti_loop_read lti_loop_read;
/* What the kernel said of the read that was stamped so, which must be the last one of this loop;
 * else NULL, and where it said nothing. */
const lti_loop_read *lti_loop_segment(const lti_loop *loop, uint64_t read_ns);
/* Whether the last segment of the last read ended with `record`, a line of SSE or a body's last
 * bytes, and what frames it. */
bool lti_loop_segment_ends(const lti_loop_read *read, leat_slice record);
/* Another turn comes without sleeping. */
void lti_loop_kick(lti_loop *loop);
/* Sleep no longer than to this time; UINT64_MAX: no limit. */
void lti_loop_sleep_until(lti_loop *loop, uint64_t at_ns);
/* Any thread: has `woken` called. */
void lti_loop_wake(lti_loop *loop);

/* CLOCK_MONOTONIC in ns, read now. */
uint64_t lti_loop_clock(const lti_loop *loop);
/* Wall-clock time, ms since 1970: for dates that servers name, and nothing else. */
int64_t lti_loop_wall_ms(const lti_loop *loop);
/* A number that differs from engine to engine, for hashing and jitter; never for secrets. */
uint64_t lti_loop_seed(const lti_loop *loop);
/* The one buffer that every socket reads into; its content is dead when the read's callback
 * returns. */
char *lti_loop_slab(lti_loop *loop, size_t *size);
/* The allocator it was opened with. */
lti_alloc *lti_loop_alloc(lti_loop *loop);
/* For sock.c: a handle more, one less. `closed` waits until the last has gone. */
void lti_loop_handle_opened(lti_loop *loop);
void lti_loop_handle_closed(lti_loop *loop);
/* What sock.c knows of the last read; link.c moves `end` to where its plain bytes are. */
struct lti_loop_read {
  bool wanted;                  /* stamps are asked for */
  int64_t wall_ns;              /* wall clock less ours */
  uint64_t taken_ns;            /* when that was found out; 0: not yet */
  uint64_t read_ns, segment_ns; /* of a socket that has stamps; ours, and the kernel's or 0 */
  uint64_t since_ns;            /* its bytes came behind this (segment.h); 0: not known */
  uint64_t queue_ns;            /* the read before was full: when the first in that row was begun */
  const char *end;              /* behind the read's last byte; NULL: not known, or not come to */
};
lti_loop_read *lti_loop_last_read(lti_loop *loop);
/* For sock.c and dns.c. */
struct uv_loop_s *lti_loop_uv(lti_loop *loop);

#endif
