/* The list of models and a model, in the shape of whoever asks, as new-api does it: Anthropic's for
 * x-api-key with anthropic-version, Gemini's for x-goog-api-key, ?key= and /v1beta, else OpenAI's,
 * where an unknown model is an error inside 200. */
#include <stdio.h>
#include <string.h>

#include "bench/mock/gateway.h"
#include "wire/json.h"

/* One has characters in its name that a path must escape. */
static const char *const models[] = {
    "gpt-5",    "gpt-4o-mini", "mock",      "mock-video",  "kling-v2",
    "org/mill", "claude-mill", "mill:free", "gemini-mill",
};

#define MODEL_COUNT (sizeof models / sizeof models[0])
#define ID_MAX      200

static enum mock_manner manner_of(const mock_exchange *x) {
  if (strncmp(mock_exchange_url(x), "/v1beta", 7) == 0 ||
      mock_exchange_header(x, "x-goog-api-key") || mock_path_query(x, "key"))
    return MOCK_MANNER_GEMINI;
  if (mock_exchange_header(x, "x-api-key") && mock_exchange_header(x, "anthropic-version"))
    return MOCK_MANNER_ANTHROPIC;
  return MOCK_MANNER_OPENAI;
}

static int write_model(lti_buf *out, enum mock_manner manner, const char *id) {
  if (manner == MOCK_MANNER_GEMINI)
    return lti_buf_format(out,
                          "{\"name\":\"models/%s\",\"version\":\"001\",\"displayName\":\"%s\","
                          "\"description\":\"a mock\",\"inputTokenLimit\":1048576,"
                          "\"outputTokenLimit\":65536,\"supportedGenerationMethods\":"
                          "[\"generateContent\",\"countTokens\"]}",
                          id, id);
  if (manner == MOCK_MANNER_ANTHROPIC)
    return lti_buf_format(out,
                          "{\"type\":\"model\",\"id\":\"%s\",\"display_name\":\"%s\","
                          "\"created_at\":\"2025-01-01T00:00:00Z\"}",
                          id, id);
  return lti_buf_format(out,
                        "{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,"
                        "\"owned_by\":\"mock\"}",
                        id);
}

static int write_list(lti_buf *out, enum mock_manner manner) {
  int err = lti_buf_text(out, manner == MOCK_MANNER_GEMINI      ? "{\"models\":["
                              : manner == MOCK_MANNER_ANTHROPIC ? "{\"data\":["
                                                                : "{\"success\":true,\"object\":"
                                                                  "\"list\",\"data\":[");
  for (size_t i = 0; i < MODEL_COUNT; i++) {
    if (i) err |= lti_buf_byte(out, ',');
    err |= write_model(out, manner, models[i]);
  }
  if (manner == MOCK_MANNER_ANTHROPIC)
    return err | lti_buf_format(out, "],\"has_more\":false,\"first_id\":\"%s\",\"last_id\":\"%s\"}",
                                models[0], models[MODEL_COUNT - 1]);
  return err | lti_buf_text(out, "]}");
}

void mock_models_list(mock_exchange *x, const leat_slice *parts) {
  lti_buf out;
  (void)parts;
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  mock_reply_json(x, write_list(&out, manner_of(x)), &out);
  lti_buf_deinit(&out);
}

void mock_models_get(mock_exchange *x, const leat_slice *parts) {
  char space[ID_MAX], text[ID_MAX + 64];
  enum mock_manner manner = manner_of(x);
  leat_slice id = mock_path_decode(parts[0], space, sizeof space);
  lti_buf out;
  for (size_t i = 0; i < MODEL_COUNT; i++) {
    if (!lti_slice_is(id, models[i])) continue;
    lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
    mock_reply_json(x, write_model(&out, manner, models[i]), &out);
    lti_buf_deinit(&out);
    return;
  }
  snprintf(text, sizeof text, "The model '%.*s' does not exist", (int)id.size, id.data);
  mock_errors_reply(x, manner,
                    &(mock_error){.status = manner == MOCK_MANNER_OPENAI ? 200 : 404,
                                  .type = "invalid_request_error",
                                  .code = "model_not_found",
                                  .message = text});
}
