/* The dialects, in the order in which they are listed to people. */
#include <string.h>

#include "dialects.h"
#include "protocol.h"

static const lti_protocol *const dialects[] = {
    &lti_openai_chat,        &lti_openai_completions, &lti_openai_responses,
    &lti_anthropic_messages, &lti_gemini_generate,    &lti_chat_ws,
    &lti_responses_ws,       &lti_realtime,           &lti_realtime_beta,
    &lti_json_document,      &lti_openai_images,      &lti_openai_speech,
    &lti_openai_transcript,
};

enum { DIALECTS = sizeof dialects / sizeof *dialects };

const lti_protocol *lti_protocol_at(size_t i) {
  return i < DIALECTS ? dialects[i] : NULL;
}

const lti_protocol *lti_protocol_find(const char *name) {
  for (size_t i = 0; name && i < DIALECTS; i++) {
    if (strcmp(dialects[i]->name, name) == 0) return dialects[i];
  }
  return NULL;
}
