/* What the tests of scale share: a gateway in a child process, an engine on a loop of the test's
 * own whose every block is counted, and the figures that must come back to where they were.
 *
 * Sizes are those of the promises. Where a run of that size would take minutes, which is under
 * AddressSanitizer, the test divides it by scale_divisor(): 1, under the sanitizer 4, or what
 * LEAT_SCALE_DIVISOR says. A run that hangs is ended by SIGALRM. */
#ifndef TEST_SCALE_H
#define TEST_SCALE_H

#include <uv.h>

#include "leat.h"
#include "support/failing.h"
#include "support/gateway.h"

#if defined(__SANITIZE_ADDRESS__)
#define SCALE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SCALE_SANITIZED 1
#endif
#endif
#ifndef SCALE_SANITIZED
#define SCALE_SANITIZED 0
#endif

typedef struct scale {
  gateway gateway;
  uv_loop_t loop;
  failing memory;
  leat_config config; /* base_url and ca_file are set, and http to HTTP/1.1, where the number of
                         connections is known; the test adds what it needs; an allocator of its
                         own must end in `memory` */
  leat_engine *engine;
  long fds; /* before the loop and the engine were there */
} scale;

/* What must be the same before and after. */
typedef struct scale_level {
  size_t blocks, bytes; /* of the engine's allocator */
  long fds;
} scale_level;

/* Starts the gateway and the watchdog. False: LEAT_PROGRAM is not set. */
bool scale_init(scale *s, const char *const *gateway_options, unsigned seconds_max);
/* Makes the loop and the engine, with s->config. */
void scale_open(scale *s);
/* Closes both, and checks that nothing is left of them: blocks, descriptors, handles. */
void scale_close(scale *s);
/* Ends the gateway. */
void scale_deinit(scale *s);

/* Runs the loop until nothing is pending. */
void scale_run(scale *s);
/* Runs it until every idle connection has been closed too; config.keep_alive_ms is short. */
void scale_settle(scale *s);
leat_stats scale_stats(const scale *s);
scale_level scale_level_now(const scale *s);
void scale_level_check(scale_level before, scale_level after);

uint64_t scale_divisor(void);
long scale_fds(void);
long scale_rss_kb(void);

#endif
