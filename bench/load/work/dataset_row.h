/* One row of a data set: what it is, and where in it lies what is sent. */
#ifndef LOAD_DATASET_ROW_H
#define LOAD_DATASET_ROW_H

#include "dataset.h"
#include "wire/json.h"

typedef struct dataset_found {
  enum dataset_form form;
  leat_slice content;
  uint16_t endpoint;     /* its place in the registry, and 1; 0: none */
  uint32_t turns;        /* questions; 0: a conversation without one */
  int64_t output_tokens; /* -1: not said */
} dataset_found;

/* Who finds remembers the last endpoint, since a file has few. */
typedef struct dataset_finder {
  bool routed;
  leat_slice method, url; /* of the row before, as it has them, and */
  uint16_t endpoint;      /* what that was; 0: there was none */
  lti_buf texts, scratch;
  char why[240];
} dataset_finder;

void dataset_finder_init(dataset_finder *f, bool routed);
void dataset_finder_deinit(dataset_finder *f);
/* NULL; else why the row cannot be used, a clause that lives until the next one. */
const char *dataset_row_find(dataset_finder *f, leat_slice row, dataset_found *found);

enum dataset_speaker { DATASET_ANSWER = 0, DATASET_QUESTION, DATASET_SYSTEM };

/* A JSON string's characters, appended. */
int dataset_row_text(leat_slice json, lti_buf *scratch, lti_buf *out);
/* What this speaker says for the `nth` time in an array of turns, appended; nothing where he does
 * not. */
int dataset_row_said(leat_slice turns, enum dataset_speaker speaker, uint32_t nth, lti_buf *scratch,
                     lti_buf *out);

#endif
