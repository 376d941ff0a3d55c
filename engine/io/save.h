/* A file that is written under another name until it is whole: nobody ever sees half of it.
 *
 *   FILE.part      what has come so far; locked while it is written
 *   FILE.part.tag  which version of the content that is, when the server has said so
 *
 * At the end the bytes are brought to the disk, the name is changed in one step, and the folder is
 * brought to the disk as well. What was cut stays for another try if it has a tag, and is removed
 * if it has none, for nobody could tell then what it is a part of. Writing goes to the page cache;
 * so that the last step does not have to wait for all of it, the kernel is told every few megabytes
 * to begin. */
#ifndef LTI_SAVE_H
#define LTI_SAVE_H

#include "base/alloc.h"
#include "base/slice.h"

typedef struct lti_save lti_save;

#define LTI_SAVE_TAG_MAX 1024

/* Takes up what there is, or begins. LEAT_EIO with errno in `*native` (EWOULDBLOCK: somebody else
 * writes it), LEAT_EFDLIMIT, LEAT_ENOMEM. */
int lti_save_open(lti_alloc *alloc, const char *path, lti_save **save, int *native);
/* How much there is, and of which version; empty: not known, and then there is nothing. */
uint64_t lti_save_size(const lti_save *s);
leat_slice lti_save_tag(const lti_save *s);
/* From the first byte, of this version; "" or one that is too long: not known. LEAT_EIO. */
int lti_save_begin(lti_save *s, leat_slice tag, int *native);
int lti_save_write(lti_save *s, leat_slice bytes, int *native);
/* It is whole: gives it its name. LEAT_EIO. */
int lti_save_finish(lti_save *s, int *native);
/* NULL is fine. */
void lti_save_close(lti_save *s);

#endif
