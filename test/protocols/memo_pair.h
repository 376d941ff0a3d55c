/* Two decoders of OpenAI's dialects side by side, one with its memo and one without: whatever they
 * are given, both must say the same, event by event and field by field. */
#ifndef TEST_MEMO_PAIR_H
#define TEST_MEMO_PAIR_H

#include "base/buf.h"
#include "protocols/openai.h"

typedef struct memo_said {
  lti_emit emit;
  lti_openai *decoder;
  lti_buf scratch;
  lti_buf text;  /* of the record under way: its events, one line for each field */
  int fail_with; /* what the sink answers: LTI_OK, or an error */
} memo_said;

typedef struct memo_pair {
  lti_alloc alloc;
  lti_openai with, without;
  memo_said said, wanted;
  size_t records, served; /* by the memo */
} memo_pair;

void memo_pair_init(memo_pair *p);
/* Aborts, with both accounts on stderr, where they differ. */
void memo_pair_deinit(memo_pair *p);
/* One record to both; the same holds. The answer is what both returned. */
int memo_pair_record(memo_pair *p, leat_slice type, leat_slice record);
/* Each line of `lines` is a record. */
void memo_pair_lines(memo_pair *p, leat_slice lines);

#endif
