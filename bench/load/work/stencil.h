/* A text with holes, filled anew for each request: --template's bodies, prompts and headers.
 *
 *     {{index}}       the request's number, from 0
 *     {{turn}}        the turn of its conversation, from 0
 *     {{uuid}}        a UUID (version 4) that follows from seed, number and turn
 *     {{random A B}}  an integer from A to B, both included
 *     {{prompt}}      the prompt that would be asked: synthetic, or the data set's
 *     {{env NAME}}    a variable of the environment, read once
 *
 * A backslash in front of "{{" makes it text; "}}" is text where no hole is open. In JSON what is
 * filled in is escaped as it must be inside a string. */
#ifndef LOAD_STENCIL_H
#define LOAD_STENCIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define STENCIL_HOLES_MAX 1000
#define STENCIL_WHY_MAX   400

typedef struct stencil stencil;

typedef struct stencil_fill {
  uint64_t seed, index;
  uint32_t turn;
  leat_slice prompt;
} stencil_fill;

/* `text` must outlive it; `name` says whose it is ("--body"). NULL, and `why`, where a hole cannot
 * be read. What the environment gives is a secret from now on, as far as it is long enough. */
stencil *stencil_open(leat_slice text, const char *name, bool json, char why[STENCIL_WHY_MAX]);
void stencil_free(stencil *s);
/* It has holes at all; it has one for the prompt. */
bool stencil_has_holes(const stencil *s);
bool stencil_has_prompt(const stencil *s);
/* Appends the text with its holes filled. An error of the buffer's. */
int stencil_write(const stencil *s, const stencil_fill *fill, lti_buf *out);

#endif
