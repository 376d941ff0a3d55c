/* Embeddings, ranking, models, moderation, files, batches, Midjourney; and the sockets' dialects,
 * which leat_ws_open speaks. */
#include "endpoints.h"

#define ANTHROPIC                                                                    \
  .auth = LEAT_AUTH_X_API_KEY, .header = "anthropic-version", .value = "2023-06-01", \
  .base_url = "https://api.anthropic.com"
#define GEMINI \
  .auth = LEAT_AUTH_X_GOOG_API_KEY, .base_url = "https://generativelanguage.googleapis.com"

const leat_endpoint lti_endpoints_other[] = {
    LTI_ENDPOINT(.name = "embeddings.create", .summary = "texts as vectors", .method = "POST",
                 .path = "/v1/embeddings", .body = LEAT_BODY_JSON, .group = LEAT_REPLY_EMBEDDINGS,
                 .confirmed = true),
    LTI_ENDPOINT(.name = "rerank.create", .summary = "documents in the order of a query",
                 .method = "POST", .path = "/v1/rerank", .body = LEAT_BODY_JSON,
                 .group = LEAT_REPLY_RERANK, .confirmed = true),
    LTI_ENDPOINT(.name = "moderations.create", .summary = "whether a text is harmful",
                 .method = "POST", .path = "/v1/moderations", .body = LEAT_BODY_JSON,
                 .group = LEAT_REPLY_MODERATION, .confirmed = true),

    LTI_ENDPOINT(.name = "models.list", .summary = "the models there are", .method = "GET",
                 .path = "/v1/models", .group = LEAT_REPLY_MODELS, .confirmed = true),
    LTI_ENDPOINT(.name = "models.get", .summary = "one model", .method = "GET",
                 .path = "/v1/models/{model}", .group = LEAT_REPLY_MODELS, .confirmed = true),
    LTI_ENDPOINT(.name = "models.anthropic", .summary = "the models, in Anthropic's form",
                 .method = "GET", .path = "/v1/models", ANTHROPIC, .group = LEAT_REPLY_MODELS,
                 .confirmed = true),
    LTI_ENDPOINT(.name = "models.gemini", .summary = "the models, in Gemini's form",
                 .method = "GET", .path = "/v1beta/models", GEMINI, .group = LEAT_REPLY_MODELS,
                 .confirmed = true),

    LTI_ENDPOINT(.name = "files.upload", .summary = "a file to be used by others", .method = "POST",
                 .path = "/v1/files", .body = LEAT_BODY_MULTIPART, .group = LEAT_REPLY_FILES,
                 .confirmed = true),
    LTI_ENDPOINT(.name = "files.list", .summary = "the files there are", .method = "GET",
                 .path = "/v1/files", .group = LEAT_REPLY_FILES, .confirmed = true),
    LTI_ENDPOINT(.name = "files.get", .summary = "what is known of one", .method = "GET",
                 .path = "/v1/files/{id}", .group = LEAT_REPLY_FILES, .confirmed = true),
    LTI_ENDPOINT(.name = "files.content", .summary = "a file's bytes", .method = "GET",
                 .path = "/v1/files/{id}/content", .reply = LEAT_REPLY_KIND_BYTES,
                 .confirmed = true),
    LTI_ENDPOINT(.name = "files.delete", .summary = "forgets a file", .method = "DELETE",
                 .path = "/v1/files/{id}", .group = LEAT_REPLY_FILES, .confirmed = true),

    LTI_ENDPOINT(.name = "batches.create", .summary = "runs an uploaded file of requests",
                 .method = "POST", .path = "/v1/batches", .body = LEAT_BODY_JSON,
                 .group = LEAT_REPLY_BATCHES, .once = true, .confirmed = true),
    LTI_ENDPOINT(.name = "batches.get", .summary = "where a batch stands", .method = "GET",
                 .path = "/v1/batches/{id}", .group = LEAT_REPLY_BATCHES, .confirmed = true),
    LTI_ENDPOINT(.name = "batches.list", .summary = "the batches there are", .method = "GET",
                 .path = "/v1/batches", .group = LEAT_REPLY_BATCHES, .confirmed = true),
    LTI_ENDPOINT(.name = "batches.cancel", .summary = "ends a batch", .method = "POST",
                 .path = "/v1/batches/{id}/cancel", .group = LEAT_REPLY_BATCHES, .confirmed = true),

    LTI_ENDPOINT(.name = "midjourney.imagine", .summary = "Midjourney's image of a prompt",
                 .method = "POST", .path = "/mj/submit/imagine", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_TASK, .group = LEAT_REPLY_TASK, .task = "midjourney",
                 .once = true, .confirmed = true),
    LTI_ENDPOINT(.name = "midjourney.fetch", .summary = "where it stands", .method = "GET",
                 .path = "/mj/task/{id}/fetch", .group = LEAT_REPLY_TASK, .task = "midjourney",
                 .confirmed = true),
    LTI_ENDPOINT(.name = "midjourney.list", .summary = "where many stand", .method = "POST",
                 .path = "/mj/task/list-by-condition", .body = LEAT_BODY_JSON, .task = "midjourney",
                 .confirmed = true),
    LTI_ENDPOINT(.name = "midjourney.image", .summary = "a finished image's bytes", .method = "GET",
                 .path = "/mj/image/{id}", .auth = LEAT_AUTH_NONE, .reply = LEAT_REPLY_KIND_BYTES,
                 .confirmed = true),
    {.name = NULL},
};

const leat_endpoint lti_endpoints_sockets[] = {
    LTI_ENDPOINT(.name = "realtime.connect", .summary = "OpenAI's Realtime", .method = "GET",
                 .path = "/v1/realtime", .reply = LEAT_REPLY_KIND_WS, .protocol = "realtime",
                 .confirmed = true),
    LTI_ENDPOINT(.name = "realtime.beta", .summary = "the same with its first event names",
                 .method = "GET", .path = "/v1/realtime", .reply = LEAT_REPLY_KIND_WS,
                 .protocol = "realtime-beta", .confirmed = true),
    LTI_ENDPOINT(.name = "realtime.responses", .summary = "responses over a socket",
                 .method = "GET", .path = "/v1/responses", .reply = LEAT_REPLY_KIND_WS,
                 .protocol = "responses-ws", .confirmed = true),
    LTI_ENDPOINT(.name = "realtime.chat", .summary = "chat completions over a socket",
                 .method = "GET", .path = "/v1/chat/ws", .reply = LEAT_REPLY_KIND_WS,
                 .protocol = "chat-ws"),
    {.name = NULL},
};
