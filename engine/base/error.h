/* Codes that layers return to each other: LEAT_E* below zero, and these above it.
 *
 * leat.h declares the public table; error.c holds its one copy of names, texts and classes. */
#ifndef LTI_ERROR_H
#define LTI_ERROR_H

#include "leat.h"

enum {
  LTI_OK = 0,
  LTI_STOPPED =
      1,        /* the sink asked to stop (pause, cancel, the dialect's end); `taken` says where */
  LTI_AGAIN = 2 /* needs more input, or room in the output */
};

#endif
