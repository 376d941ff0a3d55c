/* The wire-neutral names of the JSON lines are those of leat.h in lower case. Texts that a provider
 * may have put a key into pass through cli_say_clean; those of the answer itself do not. */
#include "event_json.h"

#include "say.h"

static const char *kind_name(enum leat_event_kind kind) {
  switch (kind) {
    case LEAT_EVENT_HEAD: return "head";
    case LEAT_EVENT_TEXT: return "text";
    case LEAT_EVENT_REASONING: return "reasoning";
    case LEAT_EVENT_REFUSAL: return "refusal";
    case LEAT_EVENT_TOOL_CALL: return "tool_call";
    case LEAT_EVENT_IMAGE: return "image";
    case LEAT_EVENT_AUDIO: return "audio";
    case LEAT_EVENT_USAGE: return "usage";
    case LEAT_EVENT_FINISH: return "finish";
    case LEAT_EVENT_RAW: return "raw";
    case LEAT_EVENT_SIGNATURE: return "signature";
    case LEAT_EVENT_REPLY: return "reply";
  }
  return "unknown";
}

static void put_head(cli_jsonw *w, const leat_head *head) {
  cli_jsonw_int(w, "status", head->status);
  cli_jsonw_open(w, "headers", '[');
  for (size_t i = 0; i < head->header_count; i++) {
    cli_jsonw_open(w, NULL, '[');
    cli_jsonw_text(w, NULL, head->headers[i].name);
    cli_jsonw_text(w, NULL, head->headers[i].value);
    cli_jsonw_close(w, ']');
  }
  cli_jsonw_close(w, ']');
}

static void put_media(cli_jsonw *w, const leat_media *media) {
  if (media->data.size) cli_jsonw_text(w, "data", media->data);
  if (media->url.size) cli_jsonw_text(w, "url", media->url);
  if (media->mime_type.size) cli_jsonw_text(w, "mime_type", media->mime_type);
  if (media->transcript.size) cli_jsonw_text(w, "transcript", media->transcript);
  if (media->partial) cli_jsonw_bool(w, "partial", true);
  if (media->id.size) cli_jsonw_text(w, "id", media->id);
}

void cli_event_json_usage(cli_jsonw *w, const leat_usage *u) {
  const struct {
    const char *name;
    int64_t value;
  } counts[] = {{"input", u->input},
                {"output", u->output},
                {"total", u->total},
                {"reasoning", u->reasoning},
                {"cached", u->cached},
                {"cache_write", u->cache_write},
                {"input_text", u->input_text},
                {"input_audio", u->input_audio},
                {"input_image", u->input_image},
                {"output_text", u->output_text},
                {"output_audio", u->output_audio},
                {"accepted_prediction", u->accepted_prediction},
                {"rejected_prediction", u->rejected_prediction}};
  cli_jsonw_open(w, "usage", '{');
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
    if (counts[i].value >= 0) cli_jsonw_int(w, counts[i].name, counts[i].value);
  cli_jsonw_close(w, '}');
}

static void put_tool_call(cli_jsonw *w, const leat_tool_call *call) {
  cli_jsonw_uint(w, "index", call->index);
  if (call->id.size) cli_jsonw_text(w, "id", call->id);
  if (call->name.size) cli_jsonw_text(w, "name", call->name);
  cli_jsonw_text(w, "arguments", call->arguments);
}

void cli_event_json_event(cli_jsonw *w, const leat_event *event) {
  cli_jsonw_open(w, NULL, '{');
  cli_jsonw_text(w, "kind", lti_slice_of(kind_name(event->kind)));
  if (event->kind != LEAT_EVENT_HEAD && event->kind != LEAT_EVENT_USAGE)
    cli_jsonw_uint(w, "choice", event->choice);
  switch (event->kind) {
    case LEAT_EVENT_HEAD: put_head(w, &event->head); break;
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL:
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_REPLY:
    case LEAT_EVENT_RAW: cli_jsonw_text(w, "text", event->text); break;
    case LEAT_EVENT_TOOL_CALL: put_tool_call(w, &event->tool_call); break;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: put_media(w, &event->media); break;
    case LEAT_EVENT_USAGE: cli_event_json_usage(w, &event->usage); break;
    case LEAT_EVENT_FINISH: cli_jsonw_text(w, "finish_reason", event->finish_reason); break;
  }
  if (event->finish_detail.size) cli_jsonw_text(w, "finish_detail", event->finish_detail);
  if (event->logprobs.size) cli_jsonw_raw(w, "logprobs", event->logprobs);
  if (event->attempt > 1) cli_jsonw_uint(w, "attempt", event->attempt);
  cli_jsonw_uint(w, "received_ns", event->received_ns);
  cli_jsonw_close(w, '}');
}

const char *cli_event_json_http(enum leat_http http) {
  switch (http) {
    case LEAT_HTTP_1: return "1.1";
    case LEAT_HTTP_2: return "2";
    case LEAT_HTTP_AUTO: break;
  }
  return NULL;
}

static const char *tls_version(enum leat_tls tls) {
  switch (tls) {
    case LEAT_TLS_1_2: return "1.2";
    case LEAT_TLS_1_3: return "1.3";
    case LEAT_TLS_DEFAULT: break;
  }
  return NULL;
}

/* A point in time as milliseconds behind the submit; null where it was not reached. */
static void put_time(cli_jsonw *w, const char *key, uint64_t at_ns, uint64_t from_ns) {
  if (at_ns < from_ns || at_ns == 0)
    cli_jsonw_null(w, key);
  else
    cli_jsonw_real(w, key, (double)(at_ns - from_ns) / 1e6, 3);
}

static void put_times(cli_jsonw *w, const leat_times *t) {
  cli_jsonw_open(w, "times_ms", '{');
  put_time(w, "leased", t->leased_ns, t->queued_ns);
  put_time(w, "connected", t->connected_ns, t->queued_ns);
  put_time(w, "tls", t->tls_ns, t->queued_ns);
  put_time(w, "sent", t->sent_ns, t->queued_ns);
  put_time(w, "head", t->head_ns, t->queued_ns);
  put_time(w, "first_event", t->first_event_ns, t->queued_ns);
  put_time(w, "first_content", t->first_content_ns, t->queued_ns);
  put_time(w, "last_content", t->last_content_ns, t->queued_ns);
  put_time(w, "done", t->done_ns, t->queued_ns);
  cli_jsonw_close(w, '}');
}

/* Text that a provider may have put a key into. */
static void put_clean(cli_jsonw *w, const char *key, leat_slice text) {
  char clean[CLI_LINE_MAX];
  cli_say_clean(text, clean, sizeof clean);
  cli_jsonw_text_or_null(w, key, lti_slice_of(clean));
}

static void put_error(cli_jsonw *w, const leat_result *r) {
  cli_jsonw_text(w, "error", lti_slice_of(leat_error_name(r->error)));
  cli_jsonw_text(w, "layer", lti_slice_of(leat_layer_name(r->layer)));
  put_clean(w, "message", r->message.size ? r->message : lti_slice_of(leat_error_text(r->error)));
  cli_jsonw_open(w, "provider", '{');
  put_clean(w, "type", r->provider_type);
  put_clean(w, "code", r->provider_code);
  put_clean(w, "message", r->provider_message);
  cli_jsonw_close(w, '}');
  cli_jsonw_bool(w, "retryable", r->retryable);
  if (r->native) cli_jsonw_int(w, "native", r->native);
  if (r->retry_after_ms >= 0) cli_jsonw_int(w, "retry_after_ms", r->retry_after_ms);
}

void cli_event_json_result(cli_jsonw *w, const char *key, const leat_result *r) {
  cli_jsonw_open(w, key, '{');
  if (r->error)
    put_error(w, r);
  else
    cli_jsonw_null(w, "error");
  if (r->status)
    cli_jsonw_int(w, "status", r->status);
  else
    cli_jsonw_null(w, "status");
  cli_jsonw_text_or_null(w, "request_id", r->request_id);
  if (r->response) {
    cli_jsonw_text_or_null(w, "id", r->response->id);
    cli_jsonw_text_or_null(w, "model", r->response->model);
  }
  cli_jsonw_uint(w, "attempts", r->attempts);
  cli_jsonw_uint(w, "redirects", r->redirects);
  cli_jsonw_bool(w, "maybe_ran_twice", r->maybe_ran_twice);
  cli_jsonw_bool(w, "reused_connection", r->reused_connection);
  cli_jsonw_text_or_null(w, "tls", lti_slice_of(tls_version(r->tls)));
  cli_jsonw_bool(w, "resumed_tls", r->resumed_tls);
  cli_jsonw_text_or_null(w, "http", lti_slice_of(cli_event_json_http(r->http)));
  cli_jsonw_uint(w, "bytes_received", r->bytes_received);
  cli_jsonw_uint(w, "events", r->events);
  cli_jsonw_uint(w, "records", r->records);
  put_times(w, &r->times);
  cli_jsonw_close(w, '}');
}
