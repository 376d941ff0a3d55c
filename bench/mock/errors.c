/* Refusals in the words of whoever a path imitates: OpenAI's object, Anthropic's, Google's with its
 * status words and the delay in its details, new-api's for tasks, Midjourney's with its number. */
#include <stdio.h>
#include <string.h>

#include "bench/mock/gateway.h"
#include "wire/json.h"

#define MIDJOURNEY_BUSY 30
#define MIDJOURNEY_FAIL 4

enum mock_manner mock_errors_manner(const mock_exchange *x, leat_slice path) {
  if (lti_slice_starts(path, "/v1/messages")) return MOCK_MANNER_ANTHROPIC;
  if (lti_slice_starts(path, "/v1beta/")) return MOCK_MANNER_GEMINI;
  if (lti_slice_starts(path, "/v1/models/") && memchr(path.data, ':', path.size))
    return MOCK_MANNER_GEMINI;
  switch (mock_tasks_traffic(x, path)) {
    case MOCK_TRAFFIC_MIDJOURNEY: return MOCK_MANNER_MIDJOURNEY;
    case MOCK_TRAFFIC_TASK: return MOCK_MANNER_TASK;
    case MOCK_TRAFFIC_POLL:
      return lti_slice_starts(path, "/mj") ? MOCK_MANNER_MIDJOURNEY : MOCK_MANNER_TASK;
    default: return MOCK_MANNER_OPENAI;
  }
}

static const struct {
  int status;
  const char *anthropic, *google;
} kinds[] = {
    {400, "invalid_request_error", "INVALID_ARGUMENT"},
    {401, "authentication_error", "UNAUTHENTICATED"},
    {402, "billing_error", "FAILED_PRECONDITION"},
    {403, "permission_error", "PERMISSION_DENIED"},
    {404, "not_found_error", "NOT_FOUND"},
    {413, "request_too_large", "INVALID_ARGUMENT"},
    {429, "rate_limit_error", "RESOURCE_EXHAUSTED"},
    {503, "api_error", "UNAVAILABLE"},
    {504, "timeout_error", "DEADLINE_EXCEEDED"},
    {529, "overloaded_error", "UNAVAILABLE"},
    {500, "api_error", "INTERNAL"}, /* the last one stands for all others */
};

static size_t kind_of(int status) {
  size_t count = sizeof kinds / sizeof kinds[0];
  for (size_t i = 0; i < count; i++)
    if (kinds[i].status == status) return i;
  return count - 1;
}

static int write_google(const mock_error *e, lti_buf *out) {
  int err = lti_buf_format(out, "{\"error\":{\"code\":%d,\"message\":", e->status);
  err |= lti_json_write_string(out, lti_slice_of(e->message));
  err |= lti_buf_format(out, ",\"status\":\"%s\",\"details\":[", kinds[kind_of(e->status)].google);
  if (e->retry_ms)
    err |= lti_buf_format(out,
                          "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
                          "\"retryDelay\":\"%llu.%03llus\"}",
                          (unsigned long long)e->retry_ms / 1000,
                          (unsigned long long)e->retry_ms % 1000);
  return err | lti_buf_text(out, "]}}");
}

static int write_openai(const mock_error *e, lti_buf *out) {
  int err = lti_buf_text(out, "{\"error\":{\"message\":");
  err |= lti_json_write_string(out, lti_slice_of(e->message));
  return err |
         lti_buf_format(out, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}", e->type, e->code);
}

static int write_error(const mock_exchange *x, enum mock_manner manner, const mock_error *e,
                       lti_buf *out) {
  leat_slice message = lti_slice_of(e->message);
  switch (manner) {
    case MOCK_MANNER_ANTHROPIC:
      return lti_buf_format(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":",
                            kinds[kind_of(e->status)].anthropic) |
             lti_json_write_string(out, message) |
             lti_buf_format(out, "},\"request_id\":\"req_%llu\"}", (unsigned long long)x->ordinal);
    case MOCK_MANNER_GEMINI: return write_google(e, out);
    case MOCK_MANNER_TASK:
      return lti_buf_format(out, "{\"code\":\"%s\",\"message\":", e->code) |
             lti_json_write_string(out, message) | lti_buf_text(out, ",\"data\":null}");
    case MOCK_MANNER_MIDJOURNEY:
      return lti_buf_text(out, "{\"description\":") | lti_json_write_string(out, message) |
             lti_buf_format(out, ",\"type\":\"upstream_error\",\"code\":%d}",
                            e->status == 429 ? MIDJOURNEY_BUSY : MIDJOURNEY_FAIL);
    case MOCK_MANNER_OPENAI: break;
  }
  return write_openai(e, out);
}

void mock_errors_reply(mock_exchange *x, enum mock_manner manner, const mock_error *e) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, 2 * MOCK_HEAD_MAX, LEAT_EBODYMAX);
  if (write_error(x, manner, e, &out))
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, e->status, "application/json", NULL, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}
