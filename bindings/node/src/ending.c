/* See ending.h. */
#include "ending.h"

#include <stdlib.h>
#include <string.h>

/* ---- texts */

static void copy_text(leat_slice *text, char **at) {
  if (text->size) memcpy(*at, text->data, text->size);
  text->data = text->size ? *at : NULL;
  *at += text->size;
}

void lno_ending_own(lno_ending *e) {
  leat_result *r = &e->result;
  leat_response *a = &e->response;
  leat_task_update *u = &e->update;
  leat_slice *texts[] = {&r->message,
                         &r->provider_type,
                         &r->provider_code,
                         &r->provider_message,
                         &r->request_id,
                         &r->body,
                         &a->id,
                         &a->model,
                         &a->system_fingerprint,
                         &a->service_tier,
                         &a->role,
                         &u->task_id,
                         &u->status,
                         &u->url,
                         &u->error_code,
                         &u->error_message,
                         &u->raw};
  size_t count = sizeof texts / sizeof texts[0], size = 1;
  r->response = NULL;
  for (size_t i = 0; i < count; i++) size += texts[i]->size;
  char *at = e->texts = malloc(size);
  for (size_t i = 0; i < count; i++) {
    if (!at)
      *texts[i] = (leat_slice){NULL, 0};
    else
      copy_text(texts[i], &at);
  }
}

void lno_ending_deinit(lno_ending *e) {
  free(e->texts);
  e->texts = NULL;
}

/* ---- the object */

typedef struct object {
  napi_env env;
  napi_value made;
} object;

static bool put(object *o, const char *name, napi_value value) {
  return napi_set_named_property(o->env, o->made, name, value) == napi_ok;
}

static bool put_slice(object *o, const char *name, leat_slice text) {
  napi_value value;
  return napi_create_string_utf8(o->env, text.size ? text.data : "", text.size, &value) ==
             napi_ok &&
         put(o, name, value);
}

static bool put_text(object *o, const char *name, const char *text) {
  return put_slice(o, name, (leat_slice){text, strlen(text)});
}

static bool put_number(object *o, const char *name, double number) {
  napi_value value;
  return napi_create_double(o->env, number, &value) == napi_ok && put(o, name, value);
}

static bool put_bool(object *o, const char *name, bool truth) {
  napi_value value;
  return napi_get_boolean(o->env, truth, &value) == napi_ok && put(o, name, value);
}

static bool put_bytes(object *o, const char *name, leat_slice bytes) {
  void *into;
  napi_value buffer, value;
  if (napi_create_arraybuffer(o->env, bytes.size, &into, &buffer) != napi_ok) return false;
  if (bytes.size) memcpy(into, bytes.data, bytes.size);
  return napi_create_typedarray(o->env, napi_uint8_array, bytes.size, buffer, 0, &value) ==
             napi_ok &&
         put(o, name, value);
}

static bool put_failure(object *o, const leat_result *r) {
  const char *text = leat_error_text(r->error);
  leat_slice message = r->message;
  if (!message.size && r->error) message = (leat_slice){text, strlen(text)};
  return put_number(o, "error", r->error) && put_text(o, "name", leat_error_name(r->error)) &&
         put_number(o, "class", (double)leat_error_class(r->error)) &&
         put_text(o, "layer", leat_layer_name(r->layer)) && put_number(o, "native", r->native) &&
         put_slice(o, "message", message) && put_slice(o, "providerType", r->provider_type) &&
         put_slice(o, "providerCode", r->provider_code) &&
         put_slice(o, "providerMessage", r->provider_message) && put_bytes(o, "body", r->body) &&
         put_bool(o, "retryable", r->retryable) &&
         put_bool(o, "maybeRanTwice", r->maybe_ran_twice) &&
         put_number(o, "retryAfterMs", (double)r->retry_after_ms);
}

static bool put_exchange(object *o, const leat_result *r) {
  return put_number(o, "status", r->status) && put_slice(o, "requestId", r->request_id) &&
         put_number(o, "attempts", r->attempts) && put_number(o, "redirects", r->redirects) &&
         put_number(o, "bytesReceived", (double)r->bytes_received) &&
         put_number(o, "events", (double)r->events) &&
         put_number(o, "limitedNs", (double)r->limited_ns) &&
         put_number(o, "http", (double)r->http) && put_number(o, "tls", (double)r->tls) &&
         put_bool(o, "reusedConnection", r->reused_connection) &&
         put_bool(o, "resumedTls", r->resumed_tls);
}

static bool put_times(object *o, const leat_times *t) {
  const struct {
    const char *name;
    uint64_t at;
  } stamps[] = {{"queuedNs", t->queued_ns},
                {"leasedNs", t->leased_ns},
                {"connectedNs", t->connected_ns},
                {"tlsNs", t->tls_ns},
                {"sentNs", t->sent_ns},
                {"headNs", t->head_ns},
                {"firstEventNs", t->first_event_ns},
                {"firstContentNs", t->first_content_ns},
                {"lastContentNs", t->last_content_ns},
                {"doneNs", t->done_ns}};
  bool ok = true;
  for (size_t i = 0; ok && i < sizeof stamps / sizeof stamps[0]; i++)
    ok = put_number(o, stamps[i].name, (double)stamps[i].at);
  return ok;
}

static bool put_response(object *o, const leat_response *a) {
  return put_slice(o, "responseId", a->id) && put_slice(o, "model", a->model) &&
         put_slice(o, "systemFingerprint", a->system_fingerprint) &&
         put_slice(o, "serviceTier", a->service_tier) &&
         put_number(o, "created", (double)a->created);
}

static bool put_task(object *o, const leat_task_update *u) {
  return put_number(o, "state", (double)u->state) && put_slice(o, "taskId", u->task_id) &&
         put_slice(o, "taskStatus", u->status) && put_slice(o, "url", u->url) &&
         put_slice(o, "errorCode", u->error_code) &&
         put_slice(o, "errorMessage", u->error_message) && put_bytes(o, "raw", u->raw) &&
         put_number(o, "progress", u->progress) && put_number(o, "polls", (double)u->polls) &&
         put_number(o, "bytes", (double)u->bytes) && put_bool(o, "earlierRun", u->earlier_run);
}

bool lno_ending_object(napi_env env, const lno_ending *e, napi_value *made) {
  object o = {env, NULL};
  if (napi_create_object(env, &o.made) != napi_ok) return false;
  *made = o.made;
  return put_failure(&o, &e->result) && put_exchange(&o, &e->result) &&
         put_times(&o, &e->result.times) && put_response(&o, &e->response) &&
         (!e->close_code || put_number(&o, "closeCode", e->close_code)) &&
         (!e->is_task || put_task(&o, &e->update));
}

void lno_ending_throw(napi_env env, int error, const char *message) {
  lno_ending e = {.result = {.error = error, .layer = LEAT_LAYER_API, .retry_after_ms = -1}};
  napi_value made;
  e.result.message = (leat_slice){message, strlen(message)};
  if (lno_ending_object(env, &e, &made)) napi_throw(env, made);
}
