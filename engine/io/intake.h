/* Where bytes of a request's body come from: a file, or a pipe, a terminal or a socket of the
 * caller's.
 *
 * Files are read where they lie, a piece at a time, in the loop's own thread: a piece of 64 KB
 * comes from the page cache in some ten microseconds, and from a disk in a fraction of a
 * millisecond, which is less than a hand-over to a thread and back would cost in sum. They are read
 * by offset, so that the position which the descriptor shares with its owner stays where it is, and
 * rewinding is for free. A pipe is read when the loop says that it can be. */
#ifndef LTI_INTAKE_H
#define LTI_INTAKE_H

#include "io/sock.h"

typedef struct lti_intake lti_intake;

/* Whom it wakes when there is something to read again. */
typedef struct lti_intake_owner {
  void (*ready)(void *ctx);
  void *ctx;
} lti_intake_owner;

/* A file by its name. LEAT_ESOURCE with errno in `*native`, which is 0 where the name is no file's;
 * LEAT_EFDLIMIT; LEAT_ENOMEM. */
int lti_intake_open(lti_loop *loop, const char *path, lti_intake_owner owner, lti_intake **intake,
                    int *native);
/* A descriptor, which is duplicated: its owner may close it at once. A file is read from where it
 * stands; anything else is set to non-blocking until lti_intake_close. */
int lti_intake_join(lti_loop *loop, int fd, lti_intake_owner owner, lti_intake **intake,
                    int *native);
void lti_intake_close(lti_intake *in);
/* Bytes in all, -1 where that is not known. */
int64_t lti_intake_size(const lti_intake *in);
/* LTI_OK with `*size` bytes, 0 being the end; LTI_AGAIN: nothing for now, `ready` will come;
 * LEAT_ESOURCE with errno in `*native`. */
int lti_intake_read(lti_intake *in, char *into, size_t room, size_t *size, int *native);
/* Only files can be rewound. */
bool lti_intake_rewinds(const lti_intake *in);
void lti_intake_rewind(lti_intake *in);

#endif
