/* Who answers what. Faults that replace the whole answer come first, then the key, then the route;
 * an unknown path is answered as new-api does it. GET /stats asks for no key and knows no faults.
 */
#include <stdio.h>
#include <string.h>

#include "bench/mock/gateway.h"
#include "bench/mock/text.h"
#include "wire/json.h"

static const char *const models[] = {"gpt-5", "gpt-4o-mini", "mock", "mock-video", "kling-v2"};

#define KEY_MAX     512
#define MODEL_COUNT (sizeof models / sizeof models[0])

static void reply_json(mock_exchange *x, int status, const char *text) {
  mock_reply_fixed(x, status, "application/json", NULL, lti_slice_of(text));
}

static void append_model(lti_buf *out, leat_slice id) {
  lti_buf_text(out, "{\"id\":");
  lti_json_write_string(out, id);
  lti_buf_text(out, ",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"mock\"}");
}

static void serve_models(mock_exchange *x) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  lti_buf_text(&out, "{\"success\":true,\"object\":\"list\",\"data\":[");
  for (size_t i = 0; i < MODEL_COUNT; i++) {
    if (i) lti_buf_byte(&out, ',');
    append_model(&out, lti_slice_of(models[i]));
  }
  lti_buf_text(&out, "]}");
  mock_reply_fixed(x, 200, "application/json", NULL, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}

/* As new-api and one-api do it: an unknown model is an error inside 200. */
static void serve_model(mock_exchange *x, leat_slice id) {
  lti_buf out;
  for (size_t i = 0; i < MODEL_COUNT; i++) {
    if (!lti_slice_is(id, models[i])) continue;
    lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
    append_model(&out, id);
    mock_reply_fixed(x, 200, "application/json", NULL, lti_buf_slice(&out));
    lti_buf_deinit(&out);
    return;
  }
  char text[300];
  snprintf(text, sizeof text, "The model '%.*s' does not exist",
           (int)(id.size > 200 ? 200 : id.size), id.data);
  mock_reply_error(x, 200, "invalid_request_error", "model_not_found", text);
}

static void serve_unknown(mock_exchange *x, leat_slice path) {
  char text[600];
  snprintf(text, sizeof text, "Invalid URL (%s %.*s)",
           llhttp_method_name((llhttp_method_t)x->method), (int)(path.size > 500 ? 500 : path.size),
           path.data);
  mock_reply_error(x, 404, "invalid_request_error", "", text);
}

/* Browsers cannot set headers of a handshake: the key stands among the subprotocols. */
static const char *key_in_protocol(const mock_exchange *x, char *out, size_t cap) {
  static const char prefix[] = "openai-insecure-api-key.";
  const char *text = mock_exchange_header(x, "sec-websocket-protocol");
  const char *at = text ? strstr(text, prefix) : NULL;
  if (!at) return NULL;
  at += sizeof prefix - 1;
  snprintf(out, cap, "%.*s", (int)strcspn(at, ", "), at);
  return out;
}

/* The key that the request brings, in any of the usual headers, without "Bearer ". */
static const char *key_of(const mock_exchange *x, char *out, size_t cap) {
  const char *key = mock_exchange_header(x, "authorization");
  if (key && strncmp(key, "Bearer ", 7) == 0) key += 7;
  if (!key) key = mock_exchange_header(x, "x-api-key");
  if (!key) key = mock_exchange_header(x, "x-goog-api-key");
  return key ? key : key_in_protocol(x, out, cap);
}

static void refuse_key(mock_exchange *x, const char *key, bool echo) {
  char text[700];
  if (!key)
    snprintf(text, sizeof text, "You didn't provide an API key.");
  else
    snprintf(text, sizeof text, "Incorrect API key provided: %.500s.", echo ? key : "***");
  mock_reply_error(x, 401, "invalid_request_error", "invalid_api_key", text);
}

static void serve_redirect(mock_exchange *x) {
  char extra[MOCK_LOCATION_MAX + 32];
  const mock_faults *f = x->plan.faults;
  snprintf(extra, sizeof extra, "Location: %s\r\n", f->location);
  mock_reply_fixed(x, (int)(f->arg[FAULT_REDIRECT] % 1000), "text/plain", extra, lti_slice("", 0));
}

static void serve_status(mock_exchange *x, int status) {
  char text[80];
  snprintf(text, sizeof text, "status %d was asked for", status);
  mock_reply_error(x, status, status == 429 ? "rate_limit_error" : "mock_error", "mock", text);
}

bool mock_routes_fault(mock_exchange *x) {
  static const char html[] =
      "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n"
      "<body><center><h1>502 Bad Gateway</h1></center></body></html>\n";
  const mock_faults *f = x->plan.faults;
  char space[KEY_MAX];
  if (!f->set) return false;
  if (mock_fault_on(f, FAULT_DROP)) {
    x->cut = true;
    mock_conn_end(x->conn, MOCK_ENDING_CLEAN);
  } else if (mock_fault_on(f, FAULT_BUSY)) {
    if (!*x->plan.retry_after)
      snprintf(x->plan.retry_after, sizeof x->plan.retry_after, "%llu",
               (unsigned long long)f->arg[FAULT_BUSY]);
    serve_status(x, 429);
  } else if (mock_fault_on(f, FAULT_STATUS)) {
    serve_status(x, (int)(f->arg[FAULT_STATUS] % 1000));
  } else if (mock_fault_on(f, FAULT_REDIRECT)) {
    serve_redirect(x);
  } else if (mock_fault_on(f, FAULT_ECHO_KEY)) {
    refuse_key(x, key_of(x, space, sizeof space), true);
  } else if (mock_fault_on(f, FAULT_HTML)) {
    mock_reply_fixed(x, 200, "text/html; charset=utf-8", NULL, lti_slice(html, sizeof html - 1));
  } else {
    return false;
  }
  return true;
}

static bool match(mock_exchange *x, uint8_t method, leat_slice path, const char *route) {
  return lti_slice_is(path, route) && x->method == method;
}

/* The id in /v1/NAME/{id}, empty when the path is another. */
static leat_slice id_behind(leat_slice path, const char *prefix) {
  if (!lti_slice_starts(path, prefix)) return lti_slice("", 0);
  return lti_slice_from(path, strlen(prefix));
}

static bool serve_get(mock_exchange *x, leat_slice path) {
  static const char content[] = "/content";
  leat_slice id;
  if (lti_slice_is(path, "/v1/models")) {
    serve_models(x);
  } else if ((id = id_behind(path, "/v1/models/")).size) {
    serve_model(x, id);
  } else if ((id = id_behind(path, "/v1/video/generations/")).size) {
    mock_tasks_poll(x, id, x->m->config.poll_envelope);
  } else if ((id = id_behind(path, "/v1/videos/")).size) {
    size_t tail = sizeof content - 1;
    if (id.size > tail && memcmp(id.data + id.size - tail, content, tail) == 0)
      mock_tasks_content(x, lti_slice(id.data, id.size - tail));
    else
      mock_tasks_poll(x, id, MOCK_ENVELOPE_E3);
  } else {
    return false;
  }
  return true;
}

static void serve_path(mock_exchange *x, leat_slice path) {
  if (x->method == HTTP_GET && mock_ws_serve(x, path)) return;
  if ((x->method == HTTP_GET || x->method == HTTP_HEAD) && serve_get(x, path)) return;
  if (x->method == HTTP_POST && mock_gemini_serve(x, path)) return;
  if (match(x, HTTP_POST, path, "/v1/chat/completions"))
    mock_chat_serve(x, false);
  else if (match(x, HTTP_POST, path, "/v1/completions"))
    mock_chat_serve(x, true);
  else if (match(x, HTTP_POST, path, "/v1/responses"))
    mock_answer_serve(x, MOCK_RESPONSES);
  else if (match(x, HTTP_POST, path, "/v1/messages"))
    mock_anthropic_serve(x);
  else if (match(x, HTTP_POST, path, "/v1/video/generations") ||
           match(x, HTTP_POST, path, "/v1/videos"))
    mock_tasks_submit(x);
  else
    serve_unknown(x, path);
}

/* The target without its query and with single slashes: bases that end in one are usual. */
static leat_slice clean_path(const mock_exchange *x, char *out, size_t cap) {
  const char *url = mock_exchange_url(x);
  size_t n = 0;
  for (; *url && *url != '?' && n < cap; url++)
    if (*url != '/' || n == 0 || out[n - 1] != '/') out[n++] = *url;
  return lti_slice(out, n);
}

static void serve_now(mock_exchange *x) {
  char space[1024], key_space[KEY_MAX];
  leat_slice path = clean_path(x, space, sizeof space);
  if (mock_routes_fault(x)) return;
  const char *required = x->m->config.require_key;
  const char *key = key_of(x, key_space, sizeof key_space);
  if (required && (!key || strcmp(key, required) != 0)) {
    refuse_key(x, key, false);
    return;
  }
  serve_path(x, path);
}

/* The counters are there for those who watch: they roll no dice and take no number. */
void mock_routes_plan(mock_exchange *x) {
  char space[1024];
  if (!lti_slice_is(clean_path(x, space, sizeof space), "/stats")) mock_plan_make(x);
}

void mock_routes_serve(mock_exchange *x) {
  char space[1024];
  leat_slice path = clean_path(x, space, sizeof space);
  if (lti_slice_is(path, "/stats")) {
    mock_stats_serve(x);
    return;
  }
  mock_ids_begin(x);
  mock_routes_plan(x);
  if (x->too_big) {
    x->keep = false;
    mock_reply_error(x, 413, "invalid_request_error", "body_too_big", "The body is too big");
  } else if (x->plan_failed) {
    reply_json(x, 400,
               "{\"error\":{\"message\":\"a value in the query or in an x-mock header cannot be "
               "read\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"mock\"}}");
  } else if (mock_fault_on(x->plan.faults, FAULT_SLOW_HEAD)) {
    x->step = serve_now;
    mock_reply_step_at(x, uv_hrtime() + x->plan.faults->arg[FAULT_SLOW_HEAD] * 1000000u);
  } else {
    serve_now(x);
  }
}
