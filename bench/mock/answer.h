/* A response that is being said, and its record, from which it can be said again. */
#ifndef MOCK_ANSWER_H
#define MOCK_ANSWER_H

#include "bench/mock/gateway.h"

#define MOCK_RESPONSE_ID_MAX 40

typedef struct mock_stored mock_stored;

typedef struct answer {
  enum mock_dialect dialect;
  const char *status; /* how it ends */
  uint64_t base_ns, seed, serial;
  uint32_t events, at, bytes, sequence, prompt_tokens;
  size_t stage;
  bool stream, cancelled, background, unstored;
  char model[128], previous[MOCK_RESPONSE_ID_MAX];
  mock_stored *record; /* NULL: it is not stored */
} answer;

struct mock_stored {
  uint32_t refs;
  bool cancelled;
  uint64_t gap_us;
  answer said; /* at its beginning */
  size_t input_size;
  char input[]; /* as it stood in the request */
};

/* answer.c */
/* The response itself. `word`: its status; NULL: whole, with its own. */
int mock_answer_write(const answer *a, lti_buf *out, const char *word);
/* Says it as events on this exchange, whose job it becomes: those whose sequence number is above
 * `after`, all of them for UINT64_MAX. */
void mock_answer_play(mock_exchange *x, answer *a, uint64_t after);

/* stored.c */
/* The record of an answer that was asked for; it belongs to the answer. False: no memory. */
bool mock_stored_keep(mock_exchange *x, answer *a);
void mock_stored_drop(mock_stored *s);
/* False: it was answered, because what the request builds on is not there. */
bool mock_stored_check(mock_exchange *x, const answer *a);

#endif
