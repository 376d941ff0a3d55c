/* Anthropic's Messages, private to protocols/: the decoder of its events, which stands on that of
 * OpenAI's completions (openai.h), since an answer is one choice, 0, with the same channels; and
 * the writer of its requests. anthropic.c reads records and is the dialect, anthropic_block.c makes
 * events of content blocks; anthropic_write.c writes bodies, anthropic_message.c the messages in
 * them. */
#ifndef LTI_ANTHROPIC_H
#define LTI_ANTHROPIC_H

#include "openai.h"

#define LTI_ANTHROPIC_MAX_TOKENS 4096 /* for those who set no limit, since there must be one */

/* ---- decoding -------------------------------------------------------------------------------- */

/* A tool_use block. Other blocks leave nothing behind. */
typedef struct lti_anthropic_tool {
  uint32_t index;
  bool whole;  /* its input stood in the block itself: pieces say nothing new */
  bool argued; /* something of its input was told */
} lti_anthropic_tool;

typedef struct lti_anthropic {
  lti_openai base; /* first: what only asks it may be given this */
  lti_anthropic_tool *tools;
  uint32_t tool_count, tool_room;
  uint32_t next;    /* the index of a block that has none */
  leat_usage usage; /* all that was said so far: later counts replace earlier ones */
} lti_anthropic;

/* One record on its way to events. */
typedef struct lti_anthropic_step {
  lti_anthropic *d;
  lti_openai_out out;
} lti_anthropic_step;

/* A piece of a block's content, as it was sent. */
typedef struct lti_anthropic_delta {
  lti_json_text type, text, thinking, signature, partial_json;
} lti_anthropic_delta;

/* anthropic_block.c: `index` is -1 where it is missing. A block that begins, as JSON; with `whole`
 * it is all there. */
int lti_anthropic_block_begin(lti_anthropic_step *s, leat_slice block, int64_t index, bool whole);
int lti_anthropic_block_delta(lti_anthropic_step *s, const lti_anthropic_delta *delta,
                              int64_t index);
int lti_anthropic_block_end(lti_anthropic_step *s, int64_t index);
/* The answer stopped to have its tools called: what they were not given, they are not given. */
int lti_anthropic_block_settle(lti_anthropic_step *s);

/* ---- encoding -------------------------------------------------------------------------------- */

int lti_anthropic_write(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded);
/* Values: the text of all system messages, and the array of the others. */
bool lti_anthropic_message_is_system(const leat_message *m);
void lti_anthropic_message_system(lti_openai_writer *w, const leat_chat_request *chat);
void lti_anthropic_message_list(lti_openai_writer *w, const leat_chat_request *chat);

#endif
