/* The members that records of OpenAI's completions are made of, told apart by size, first byte and
 * then all bytes, in that order; and the two ways in which most values are read. */
#include <string.h>

#include "openai.h"

/* By number, which is in the order of their sizes. */
static const char *const names[] = {
    [LTI_KEY_OTHER] = "",
    [LTI_KEY_ID] = "id",
    [LTI_KEY_MSG] = "msg",
    [LTI_KEY_URL] = "url",
    [LTI_KEY_ROLE] = "role",
    [LTI_KEY_TEXT] = "text",
    [LTI_KEY_NAME] = "name",
    [LTI_KEY_TYPE] = "type",
    [LTI_KEY_CODE] = "code",
    [LTI_KEY_DATA] = "data",
    [LTI_KEY_DELTA] = "delta",
    [LTI_KEY_INDEX] = "index",
    [LTI_KEY_MODEL] = "model",
    [LTI_KEY_USAGE] = "usage",
    [LTI_KEY_ERROR] = "error",
    [LTI_KEY_AUDIO] = "audio",
    [LTI_KEY_INPUT] = "input",
    [LTI_KEY_OBJECT] = "object",
    [LTI_KEY_CUSTOM] = "custom",
    [LTI_KEY_DETAIL] = "detail",
    [LTI_KEY_IMAGES] = "images",
    [LTI_KEY_X_GROQ] = "x_groq",
    [LTI_KEY_CHOICES] = "choices",
    [LTI_KEY_CONTENT] = "content",
    [LTI_KEY_CREATED] = "created",
    [LTI_KEY_MESSAGE] = "message",
    [LTI_KEY_REFUSAL] = "refusal",
    [LTI_KEY_SUCCESS] = "success",
    [LTI_KEY_LOGPROBS] = "logprobs",
    [LTI_KEY_FUNCTION] = "function",
    [LTI_KEY_ARGUMENTS] = "arguments",
    [LTI_KEY_REASONING] = "reasoning",
    [LTI_KEY_IMAGE_URL] = "image_url",
    [LTI_KEY_TOOL_CALLS] = "tool_calls",
    [LTI_KEY_TRANSCRIPT] = "transcript",
    [LTI_KEY_DESCRIPTION] = "description",
    [LTI_KEY_SERVICE_TIER] = "service_tier",
    [LTI_KEY_FINISH_REASON] = "finish_reason",
    [LTI_KEY_FUNCTION_CALL] = "function_call",
    [LTI_KEY_REASONING_CONTENT] = "reasoning_content",
    [LTI_KEY_SYSTEM_FINGERPRINT] = "system_fingerprint",
};

enum { NAME_MAX_SIZE = 18, KEYS = sizeof names / sizeof *names };

/* Where the names of each size begin in the table. */
static const unsigned char first_of[NAME_MAX_SIZE + 2] = {
    [0] = LTI_KEY_ID,
    [1] = LTI_KEY_ID,
    [2] = LTI_KEY_ID,
    [3] = LTI_KEY_MSG,
    [4] = LTI_KEY_ROLE,
    [5] = LTI_KEY_DELTA,
    [6] = LTI_KEY_OBJECT,
    [7] = LTI_KEY_CHOICES,
    [8] = LTI_KEY_LOGPROBS,
    [9] = LTI_KEY_ARGUMENTS,
    [10] = LTI_KEY_TOOL_CALLS,
    [11] = LTI_KEY_DESCRIPTION,
    [12] = LTI_KEY_SERVICE_TIER,
    [13] = LTI_KEY_FINISH_REASON,
    [14] = LTI_KEY_REASONING_CONTENT,
    [15] = LTI_KEY_REASONING_CONTENT,
    [16] = LTI_KEY_REASONING_CONTENT,
    [17] = LTI_KEY_REASONING_CONTENT,
    [18] = LTI_KEY_SYSTEM_FINGERPRINT,
    [NAME_MAX_SIZE + 1] = KEYS,
};

static enum lti_openai_key key_of(leat_slice name) {
  if (name.size > NAME_MAX_SIZE) return LTI_KEY_OTHER;
  for (unsigned i = first_of[name.size]; i < first_of[name.size + 1]; i++) {
    if (names[i][0] == name.data[0] && memcmp(names[i], name.data, name.size) == 0) {
      return (enum lti_openai_key)i;
    }
  }
  return LTI_KEY_OTHER;
}

bool lti_openai_key(lti_json *r, enum lti_openai_key *key) {
  lti_json_text text;
  if (!lti_json_next_key(r, &text)) return false;
  *key = LTI_KEY_OTHER;
  if (!text.escaped) {
    *key = key_of(text.raw);
    return true;
  }
  for (unsigned i = 1; i < KEYS && *key == LTI_KEY_OTHER; i++) {
    if (lti_json_key_is(text, names[i])) *key = (enum lti_openai_key)i;
  }
  return true;
}

lti_json_text lti_openai_string(lti_json *r) {
  lti_json_text text = {{NULL, 0}, false, true};
  if (!lti_json_string(r, &text)) text.raw = lti_slice(NULL, 0);
  return text;
}

leat_slice lti_openai_raw(lti_json *r) {
  leat_slice raw = {NULL, 0};
  bool null = lti_json_peek(r) == LTI_JSON_NULL;
  if (!lti_json_raw(r, &raw) || null) raw = lti_slice(NULL, 0);
  return raw;
}
