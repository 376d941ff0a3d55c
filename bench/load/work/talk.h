/* What was said in a conversation so far: questions and answers, in turn, in one buffer. */
#ifndef LOAD_TALK_H
#define LOAD_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define TALK_BYTES_MAX ((size_t)16 << 20)

typedef struct talk_history {
  lti_buf said;
  size_t *ends; /* of each piece: question, answer, question ... */
  uint32_t room, count;
  int failed; /* an answer found no room: the conversation cannot go on */
} talk_history;

void talk_init(talk_history *h);
void talk_deinit(talk_history *h);
/* Forgets what was said, and gives large buffers back. Room for `turns`; false: no memory. */
bool talk_reset(talk_history *h, uint32_t turns);
/* The next question, behind the answer to the one before. An error of the buffer's, or `failed`. */
int talk_ask(talk_history *h, leat_slice question);
void talk_answer(talk_history *h, leat_slice piece);
/* Messages of all that was said, the new question last: at most two for each turn. Answers that
 * said nothing are left out. */
size_t talk_messages(const talk_history *h, leat_message *messages);
/* The same as one text, for completions. */
int talk_prompt(const talk_history *h, lti_buf *out);

#endif
