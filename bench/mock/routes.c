/* Who answers what. Faults that replace the whole answer come first, then the key, then the route;
 * an unknown path is answered as new-api does it. GET /stats asks for no key and knows no faults.
 */
#include <stdio.h>
#include <string.h>

#include "bench/mock/gateway.h"
#include "bench/mock/tasks.h"
#include "bench/mock/upload.h"

static void serve_unknown(mock_exchange *x, leat_slice path) {
  char text[600];
  snprintf(text, sizeof text, "Invalid URL (%s %.*s)",
           llhttp_method_name((llhttp_method_t)x->method), (int)(path.size > 500 ? 500 : path.size),
           path.data);
  mock_reply_error(x, 404, "invalid_request_error", "", text);
}

static void serve_redirect(mock_exchange *x) {
  char extra[MOCK_LOCATION_MAX + 32];
  const mock_faults *f = x->plan.faults;
  snprintf(extra, sizeof extra, "Location: %s\r\n", f->location);
  mock_reply_fixed(x, (int)(f->arg[FAULT_REDIRECT] % 1000), "text/plain", extra, lti_slice("", 0));
}

static void serve_status(mock_exchange *x, int status, uint64_t retry_ms) {
  char space[1024], text[80];
  leat_slice path = mock_path_clean(x, space, sizeof space);
  snprintf(text, sizeof text, "status %d was asked for", status);
  mock_errors_reply(x, mock_errors_manner(x, path),
                    &(mock_error){.status = status,
                                  .type = status == 429 ? "rate_limit_error" : "mock_error",
                                  .code = "mock",
                                  .message = text,
                                  .retry_ms = retry_ms});
}

bool mock_routes_fault(mock_exchange *x) {
  static const char html[] =
      "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n"
      "<body><center><h1>502 Bad Gateway</h1></center></body></html>\n";
  const mock_faults *f = x->plan.faults;
  char space[1024], key[MOCK_KEY_MAX];
  if (!f->set) return false;
  if (mock_fault_on(f, FAULT_DROP)) {
    x->cut = true;
    mock_conn_end(x->conn, MOCK_ENDING_CLEAN);
  } else if (mock_fault_on(f, FAULT_BUSY)) {
    if (!*x->plan.retry_after)
      snprintf(x->plan.retry_after, sizeof x->plan.retry_after, "%llu",
               (unsigned long long)f->arg[FAULT_BUSY]);
    serve_status(x, 429, f->arg[FAULT_BUSY] * 1000);
  } else if (mock_fault_on(f, FAULT_STATUS)) {
    serve_status(x, (int)(f->arg[FAULT_STATUS] % 1000), 0);
  } else if (mock_fault_on(f, FAULT_REDIRECT)) {
    serve_redirect(x);
  } else if (mock_fault_on(f, FAULT_ECHO_KEY)) {
    mock_keys_refuse(x, mock_path_clean(x, space, sizeof space),
                     mock_keys_find(x, key, sizeof key));
  } else if (mock_fault_on(f, FAULT_HTML)) {
    mock_reply_fixed(x, 200, "text/html; charset=utf-8", NULL, lti_slice(html, sizeof html - 1));
  } else {
    return false;
  }
  return true;
}

/* ---- the paths */

static void serve_chat(mock_exchange *x, const leat_slice *parts) {
  (void)parts;
  mock_chat_serve(x, false);
}

static void serve_completion(mock_exchange *x, const leat_slice *parts) {
  (void)parts;
  mock_chat_serve(x, true);
}

static void serve_response(mock_exchange *x, const leat_slice *parts) {
  (void)parts;
  mock_answer_serve(x, MOCK_RESPONSES);
}

static void serve_message(mock_exchange *x, const leat_slice *parts) {
  (void)parts;
  mock_anthropic_serve(x);
}

/* `timed`: the answer comes after the plan's ttft; the others see to that themselves, or are quick
 * everywhere. */
static const struct route {
  uint8_t method;
  bool timed;
  const char *pattern;
  void (*serve)(mock_exchange *x, const leat_slice *parts);
} routes[] = {
    {HTTP_POST, false, "/v1/chat/completions", serve_chat},
    {HTTP_POST, false, "/v1/completions", serve_completion},
    {HTTP_POST, false, "/v1/responses", serve_response},
    {HTTP_POST, false, "/v1/responses/compact", mock_stored_compact},
    {HTTP_POST, false, "/v1/responses/input_tokens", mock_stored_count},
    {HTTP_GET, false, "/v1/responses/*", mock_stored_get},
    {HTTP_DELETE, false, "/v1/responses/*", mock_stored_delete},
    {HTTP_POST, false, "/v1/responses/*/cancel", mock_stored_cancel},
    {HTTP_GET, false, "/v1/responses/*/input_items", mock_stored_items},
    {HTTP_POST, false, "/v1/messages", serve_message},
    {HTTP_POST, false, "/v1/messages/count_tokens", mock_counting_anthropic},
    {HTTP_POST, false, "/tokenize", mock_counting_tokenize},
    {HTTP_POST, true, "/v1/embeddings", mock_embeddings_serve},
    {HTTP_POST, true, "/v1/rerank", mock_embeddings_rerank},
    {HTTP_POST, true, "/v1/moderations", mock_moderations_serve},
    {HTTP_POST, true, "/v1/images/generations", mock_images_generate},
    {HTTP_POST, true, "/v1/images/edits", mock_images_edit},
    {HTTP_POST, true, "/v1/audio/transcriptions", mock_audio_transcribe},
    {HTTP_POST, true, "/v1/audio/translations", mock_audio_translate},
    {HTTP_POST, true, "/v1/audio/speech", mock_audio_speak},
    {HTTP_POST, false, "/v1/files", mock_files_create},
    {HTTP_GET, false, "/v1/files", mock_files_list},
    {HTTP_GET, false, "/v1/files/*", mock_files_get},
    {HTTP_GET, false, "/v1/files/*/content", mock_files_content},
    {HTTP_DELETE, false, "/v1/files/*", mock_files_delete},
    {HTTP_POST, false, "/v1/batches", mock_batches_create},
    {HTTP_GET, false, "/v1/batches", mock_batches_list},
    {HTTP_GET, false, "/v1/batches/*", mock_batches_get},
    {HTTP_POST, false, "/v1/batches/*/cancel", mock_batches_cancel},
    {HTTP_GET, false, "/v1/models", mock_models_list},
    {HTTP_GET, false, "/v1/models/*", mock_models_get},
    {HTTP_GET, false, "/v1beta/models", mock_models_list},
    {HTTP_GET, false, "/v1beta/models/*", mock_models_get},
    {HTTP_GET, false, "/files/*/*.*", mock_content_file},
};

static const struct route *route_of(const mock_exchange *x, leat_slice path, leat_slice *parts) {
  uint8_t method = x->method == HTTP_HEAD ? HTTP_GET : x->method;
  for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
    if (routes[i].method == method && mock_path_match(path, routes[i].pattern, parts))
      return &routes[i];
  return NULL;
}

/* A timed route's time has come. */
static void serve_timed(mock_exchange *x) {
  char space[1024];
  leat_slice parts[MOCK_PATH_PARTS];
  route_of(x, mock_path_clean(x, space, sizeof space), parts)->serve(x, parts);
}

static bool serve_route(mock_exchange *x, leat_slice path) {
  leat_slice parts[MOCK_PATH_PARTS];
  const struct route *r = route_of(x, path, parts);
  if (r && r->timed) {
    x->step = serve_timed;
    mock_reply_step_at(x, uv_hrtime() + x->plan.ttft_us * 1000);
  } else if (r) {
    r->serve(x, parts);
  }
  return r != NULL;
}

static void serve_path(mock_exchange *x, leat_slice path) {
  if (x->method == HTTP_GET && mock_ws_serve(x, path)) return;
  if (x->method == HTTP_POST && mock_gemini_serve(x, path)) return;
  if (!serve_route(x, path) && !mock_tasks_serve(x, path)) serve_unknown(x, path);
}

static void serve_now(mock_exchange *x) {
  char space[1024];
  leat_slice path = mock_path_clean(x, space, sizeof space);
  if (!mock_routes_fault(x) && mock_keys_check(x, path) && mock_limits_admit(x, path))
    serve_path(x, path);
}

/* ---- requests */

/* What the gateway itself is asked, by those who watch: no key, no faults, no number. */
static bool serve_watcher(mock_exchange *x, leat_slice path) {
  if (lti_slice_is(path, "/stats"))
    mock_stats_serve(x);
  else if (lti_slice_is(path, "/mock/ledger"))
    mock_ledger_serve(x);
  else if (lti_slice_is(path, "/mock/timing"))
    mock_timing_serve(x);
  else if (lti_slice_is(path, "/mock/arrivals"))
    mock_flight_serve(x);
  else if (lti_slice_is(path, "/mock/freeze"))
    mock_freeze_serve(x);
  else if (lti_slice_is(path, "/mock/sink") && x->upload)
    mock_upload_serve_sink(x);
  else
    return false;
  return true;
}

void mock_routes_plan(mock_exchange *x) {
  char space[1024];
  leat_slice path = mock_path_clean(x, space, sizeof space);
  if (!lti_slice_is(path, "/stats") && !lti_slice_starts(path, "/mock/")) mock_plan_make(x);
}

static void refuse(mock_exchange *x, leat_slice path, const mock_error *e) {
  mock_errors_reply(x, mock_errors_manner(x, path), e);
}

void mock_routes_serve(mock_exchange *x) {
  char space[1024], text[160];
  leat_slice path = mock_path_clean(x, space, sizeof space);
  mock_error error = {400, "invalid_request_error", "mock", text, 0};
  const char *broken = x->upload ? mock_upload_end(x->upload) : NULL;
  if (serve_watcher(x, path)) return;
  mock_ids_begin(x);
  mock_routes_plan(x);
  if (x->too_big) {
    x->keep = false;
    error = (mock_error){413, "invalid_request_error", "body_too_big", "The body is too big", 0};
    refuse(x, path, &error);
  } else if (x->plan_failed) {
    error.message = "a value in the query or in an x-mock header cannot be read";
    refuse(x, path, &error);
  } else if (broken) {
    snprintf(text, sizeof text, "the multipart body cannot be read: %s", broken);
    error.code = "invalid_multipart";
    refuse(x, path, &error);
  } else if (mock_fault_on(x->plan.faults, FAULT_SLOW_HEAD)) {
    x->step = serve_now;
    mock_reply_step_at(x, uv_hrtime() + x->plan.faults->arg[FAULT_SLOW_HEAD] * 1000000u);
  } else {
    serve_now(x);
  }
}
