/* Text: chat completions, legacy completions, OpenAI's Responses, Anthropic's Messages, Gemini.
 *
 * Rows with a dialect are streamed and decoded by it. What only asks about a stored response, or
 * counts, is JSON as it is. */
#include "endpoints.h"

/* Without a dialect that knows where it is. */
#define ANTHROPIC                                                                    \
  .auth = LEAT_AUTH_X_API_KEY, .header = "anthropic-version", .value = "2023-06-01", \
  .base_url = "https://api.anthropic.com"

const leat_endpoint lti_endpoints_text[] = {
    LTI_ENDPOINT(.name = "chat.completions", .summary = "a chat completion, streamed or whole",
                 .method = "POST", .path = "/v1/chat/completions", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-chat", .confirmed = true),
    LTI_ENDPOINT(.name = "chat.deepseek", .summary = "DeepSeek's models, with reasoning_content",
                 .method = "POST", .path = "/v1/chat/completions", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-chat", .confirmed = true),
    LTI_ENDPOINT(.name = "chat.minimax", .summary = "MiniMax's models", .method = "POST",
                 .path = "/v1/chat/completions", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-chat", .confirmed = true),
    LTI_ENDPOINT(.name = "completions.create", .summary = "a legacy completion of a prompt",
                 .method = "POST", .path = "/v1/completions", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-completions", .confirmed = true),

    LTI_ENDPOINT(.name = "responses.create", .summary = "a response, streamed or whole",
                 .method = "POST", .path = "/v1/responses", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-responses", .confirmed = true),
    LTI_ENDPOINT(.name = "responses.get", .summary = "a stored response", .method = "GET",
                 .path = "/v1/responses/{id}", .confirmed = true),
    LTI_ENDPOINT(.name = "responses.resume",
                 .summary = "a background response's stream, behind an event of it",
                 .method = "GET",
                 .path = "/v1/responses/{id}?stream=true&starting_after={starting_after}",
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-responses", .confirmed = true),
    LTI_ENDPOINT(.name = "responses.cancel", .summary = "ends a background response",
                 .method = "POST", .path = "/v1/responses/{id}/cancel", .confirmed = true),
    LTI_ENDPOINT(.name = "responses.delete", .summary = "forgets a stored response",
                 .method = "DELETE", .path = "/v1/responses/{id}", .confirmed = true),
    LTI_ENDPOINT(.name = "responses.input_items", .summary = "what a stored response was asked",
                 .method = "GET", .path = "/v1/responses/{id}/input_items", .confirmed = true),
    LTI_ENDPOINT(.name = "responses.compact", .summary = "a conversation made shorter",
                 .method = "POST", .path = "/v1/responses/compact", .body = LEAT_BODY_JSON,
                 .confirmed = true),

    LTI_ENDPOINT(.name = "messages.create", .summary = "Anthropic's messages, streamed or whole",
                 .method = "POST", .path = "/v1/messages", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "anthropic", .confirmed = true),
    LTI_ENDPOINT(.name = "messages.count_tokens", .summary = "how many tokens messages would be",
                 .method = "POST", .path = "/v1/messages/count_tokens", .body = LEAT_BODY_JSON,
                 ANTHROPIC, .group = LEAT_REPLY_TOKENS, .confirmed = true),
    {.name = NULL},
};

/* The model stands in the path: a parameter, or the request's model. */
#define GEMINI        "/v1beta/models/{model}"
#define GEMINI_STREAM GEMINI ":streamGenerateContent?alt=sse"
#define GEMINI_ITSELF \
  .auth = LEAT_AUTH_X_GOOG_API_KEY, .base_url = "https://generativelanguage.googleapis.com"

const leat_endpoint lti_endpoints_gemini[] = {
    LTI_ENDPOINT(.name = "gemini.generate", .summary = "Gemini's content, streamed or whole",
                 .method = "POST", .path = GEMINI ":generateContent", .stream_path = GEMINI_STREAM,
                 .body = LEAT_BODY_JSON, .reply = LEAT_REPLY_KIND_SSE, .protocol = "gemini",
                 .confirmed = true),
    LTI_ENDPOINT(.name = "gemini.stream", .summary = "Gemini's content as an event stream",
                 .method = "POST", .path = GEMINI_STREAM, .stream_path = GEMINI_STREAM,
                 .body = LEAT_BODY_JSON, .reply = LEAT_REPLY_KIND_SSE, .protocol = "gemini",
                 .confirmed = true),
    LTI_ENDPOINT(.name = "gemini.stream_array",
                 .summary = "Gemini's content as a JSON array, element by element",
                 .method = "POST", .path = GEMINI ":streamGenerateContent", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_ARRAY, .protocol = "gemini", .confirmed = true),
    LTI_ENDPOINT(.name = "gemini.count_tokens", .summary = "how many tokens a content would be",
                 .method = "POST", .path = GEMINI ":countTokens", .body = LEAT_BODY_JSON,
                 GEMINI_ITSELF, .group = LEAT_REPLY_TOKENS, .confirmed = true),
    LTI_ENDPOINT(.name = "gemini.embed", .summary = "one content as a vector", .method = "POST",
                 .path = GEMINI ":embedContent", .body = LEAT_BODY_JSON, GEMINI_ITSELF,
                 .group = LEAT_REPLY_EMBEDDINGS, .confirmed = true),
    LTI_ENDPOINT(.name = "gemini.embed_batch", .summary = "many contents as vectors",
                 .method = "POST", .path = GEMINI ":batchEmbedContents", .body = LEAT_BODY_JSON,
                 GEMINI_ITSELF, .group = LEAT_REPLY_EMBEDDINGS, .confirmed = true),
    {.name = NULL},
};
