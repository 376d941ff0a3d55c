/* How many tokens a request would be: Anthropic's count_tokens, Gemini's countTokens and vLLM's
 * tokenize. As the gateway's own usage has it, four bytes of body are one; to tokenize it is four
 * bytes of the prompt, whose tokens are those numbers. */
#include <string.h>

#include "bench/mock/asked.h"
#include "wire/json.h"

void mock_counting_anthropic(mock_exchange *x, const leat_slice *parts) {
  leat_slice value, body = lti_buf_slice(&x->body);
  lti_buf out;
  (void)parts;
  const char *why = !mock_exchange_header(x, "anthropic-version")
                        ? "anthropic-version: header is required"
                    : !lti_json_valid(body, NULL, NULL)      ? "The request body is not valid JSON"
                    : !lti_json_find(body, "/model", &value) ? "model: Field required"
                    : !lti_json_find(body, "/messages", &value) ? "messages: Field required"
                                                                : NULL;
  if (why) {
    mock_errors_reply(x, MOCK_MANNER_ANTHROPIC, &(mock_error){.status = 400, .message = why});
    return;
  }
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  mock_reply_json(x, lti_buf_format(&out, "{\"input_tokens\":%u}", mock_asked_tokens(x->body.size)),
                  &out);
  lti_buf_deinit(&out);
}

/* {"prompt"} gives {"count","max_model_len","tokens"}. */
void mock_counting_tokenize(mock_exchange *x, const leat_slice *parts) {
  lti_buf prompt, out;
  (void)parts;
  lti_buf_init(&prompt, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (!mock_asked_valid(x)) {
    /* it was answered */
  } else if (!mock_asked_text(x, "prompt", &prompt)) {
    mock_asked_refuse(x, "prompt: Field required");
  } else {
    unsigned count = mock_asked_tokens(prompt.size);
    int err = lti_buf_format(&out, "{\"count\":%u,\"max_model_len\":131072,\"tokens\":[", count);
    for (unsigned i = 0; i < count && !err; i++) {
      char bytes[4] = {0};
      size_t left = prompt.size - (size_t)4 * i;
      memcpy(bytes, prompt.data + (size_t)4 * i, left < 4 ? left : 4);
      err = lti_buf_format(&out, "%s%u", i ? "," : "",
                           (unsigned)(mock_asked_hash(0, lti_slice(bytes, 4)) % 100000));
    }
    mock_reply_json(x, err | lti_buf_text(&out, "]}"), &out);
  }
  lti_buf_deinit(&prompt);
  lti_buf_deinit(&out);
}

void mock_counting_gemini(mock_exchange *x) {
  leat_slice value, body = lti_buf_slice(&x->body);
  unsigned tokens = mock_asked_tokens(body.size);
  lti_buf out;
  if (!lti_json_valid(body, NULL, NULL) ||
      (!lti_json_find(body, "/contents", &value) &&
       !lti_json_find(body, "/generateContentRequest", &value))) {
    mock_errors_reply(x, MOCK_MANNER_GEMINI,
                      &(mock_error){.status = 400, .message = "contents is not specified"});
    return;
  }
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  int err = lti_buf_format(&out,
                           "{\"totalTokens\":%u,\"promptTokensDetails\":[{\"modality\":\"TEXT\","
                           "\"tokenCount\":%u}]}",
                           tokens, tokens);
  mock_reply_json(x, err, &out);
  lti_buf_deinit(&out);
}
