/* An alarm with a precision far below libuv's millisecond: a timerfd that the loop polls, or, built
 * with LEAT_PORTABLE or where there is none, libuv's timer up to 2 ms before and then a busy wait
 * that goes on reading. It keeps the loop alive while it is set. */
#ifndef LOAD_PACER_H
#define LOAD_PACER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef struct pacer pacer;

/* `due` comes from the loop when the time has come. NULL: no memory. */
pacer *pacer_open(uv_loop_t *loop, void (*due)(void *ctx, uint64_t now_ns), void *ctx);
/* Once, at this time of uv_hrtime; the past is now. UINT64_MAX: not at all. */
void pacer_at(pacer *p, uint64_t at_ns);
/* Closes its handles; call uv_run until they are gone, then pacer_free. */
void pacer_close(pacer *p);
void pacer_free(pacer *p);

#endif
