/* Google's generateContent, private to protocols/: gemini_generate.c is the dialect, gemini_read.c
 * reads answers, gemini_part.c makes events of one part of them, gemini_usage.c reads the counts;
 * gemini_write.c writes request bodies, gemini_content.c the messages in them.
 *
 * The decoder stands on that of OpenAI's completions (openai.h): a candidate is a choice. */
#ifndef LTI_GEMINI_H
#define LTI_GEMINI_H

#include "openai.h"

/* ---- decoding -------------------------------------------------------------------------------- */

/* Why a prompt was blocked. */
typedef struct lti_gemini_block {
  lti_buf text; /* the reason, and behind it the message */
  size_t reason_size;
} lti_gemini_block;

typedef struct lti_gemini {
  lti_openai base; /* first: what only asks it may be given this */
  lti_gemini_block *block;
} lti_gemini;

void lti_gemini_init(void *decoder, lti_alloc *alloc, lti_buf *scratch);
void lti_gemini_deinit(void *decoder);
int lti_gemini_record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit);
void lti_gemini_verdict(void *decoder, lti_verdict *verdict);

/* One element of `parts`. */
int lti_gemini_part(lti_openai_out *o, leat_slice part);
/* The counts of usageMetadata; false when it holds none. */
bool lti_gemini_usage(leat_slice json, leat_usage *usage);

/* ---- encoding -------------------------------------------------------------------------------- */

int lti_gemini_write(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded);
int lti_gemini_inspect(leat_slice body, lti_encoded *encoded);

/* Is there a system message, and is there any other? */
bool lti_gemini_has_system(const leat_chat_request *chat);
bool lti_gemini_has_contents(const leat_chat_request *chat);
/* Values: the object systemInstruction, the array contents. */
void lti_gemini_system(lti_openai_writer *w, const leat_chat_request *chat);
void lti_gemini_contents(lti_openai_writer *w, const leat_chat_request *chat);

#endif
