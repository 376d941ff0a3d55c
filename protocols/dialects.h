/* One const struct a dialect. */
#ifndef LTI_DIALECTS_H
#define LTI_DIALECTS_H

#include "protocol.h"

extern const lti_protocol lti_openai_chat;
extern const lti_protocol lti_openai_completions;
extern const lti_protocol lti_openai_responses;
extern const lti_protocol lti_anthropic_messages;
extern const lti_protocol lti_gemini_generate;
extern const lti_protocol lti_chat_ws;
extern const lti_protocol lti_responses_ws;
extern const lti_protocol lti_realtime;
extern const lti_protocol lti_realtime_beta;
extern const lti_protocol lti_json_document;
extern const lti_protocol lti_openai_images;
extern const lti_protocol lti_openai_speech;
extern const lti_protocol lti_openai_transcript;

#endif
