/* One turn of a dialect that is spoken over a socket, written down as support/trace.h does.
 *
 * The messages stand in one text, a line each. Besides the events there is a line for what a record
 * answered when that was not "go on": "> end" for LTI_STOPPED, "> wait" for LTI_AGAIN, "> " and the
 * error's name. The verdict is the last line. */
#ifndef TEST_TURNS_H
#define TEST_TURNS_H

#include "protocol.h"
#include "support/failing.h"
#include "support/trace.h"

typedef struct turns_case {
  const char *protocol;
  const lti_protocol_turn *turn; /* NULL: nobody leads */
  unsigned code;                 /* a Close behind the messages, with `reason`; 0: none */
  const char *reason;
  const leat_allocator *allocator;
} turns_case;

/* Returns what the last record did, or the failure of decoder_init's memory. */
int turns_play(trace *t, const turns_case *c, leat_slice messages);
void turns_check(const turns_case *c, const char *messages, const char *expected);
/* Cut at every byte: never a success before `whole` bytes have come, and never a text that is not
 * UTF-8. */
void turns_check_cuts(const turns_case *c, const char *messages, size_t whole);
/* Every allocation fails once; the verdict is then `error`, or LEAT_ENOMEM was told. */
void turns_check_starved(const turns_case *c, const char *messages);

#endif
