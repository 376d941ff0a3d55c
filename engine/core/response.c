/* What comes back for a request: head, body, end; decoded, delivered, or understood as a refusal.
 *
 * Everything here runs in the call stack of a read. The caller's callbacks may do anything
 * meanwhile, so after each of them the request's state is looked at again: FINISHED means that it
 * was cancelled and that its connection is gone. */
#include <assert.h>
#include <stdio.h>

#include "base/error.h"
#include "core/gate.h"
#include "core/metrics.h"
#include "core/request.h"
#include "core/resume.h"
#include "core/socket.h"
#include "core/upload.h"
#include "plan/hint.h"
#include "plan/retry.h"
#include "wire/json.h"

#define REFUSAL_BYTES_MAX ((size_t)64 * 1024)
#define TEXTS_BYTES_MAX   ((size_t)256 * 1024)
#define ID_BYTES_MAX      2048

static int on_head(lti_exchange *x, const lti_http_head *head);
static int on_body(lti_exchange *x, leat_slice bytes, size_t *taken);
static bool on_complete(lti_exchange *x);
static void on_failed(lti_exchange *x, const lti_failure *failure);
static void on_drained(lti_exchange *x);
static void on_hungry(lti_exchange *x);

const lti_exchange_sink lti_response_sink = {on_head,   on_body,    on_complete,
                                             on_failed, on_drained, on_hungry};

static lti_request *request_of(lti_exchange *x) {
  return LTI_CONTAINER_OF(x, lti_request, exchange);
}

/* ---- events to the caller */

static void stamp_content(lti_request *r, const leat_event *event) {
  uint64_t now = event->received_ns;
  bool text = event->kind == LEAT_EVENT_TEXT || event->kind == LEAT_EVENT_REASONING ||
              event->kind == LEAT_EVENT_REFUSAL || event->kind == LEAT_EVENT_RAW;
  bool other = event->kind == LEAT_EVENT_TOOL_CALL || event->kind == LEAT_EVENT_IMAGE ||
               event->kind == LEAT_EVENT_AUDIO || event->kind == LEAT_EVENT_REPLY;
  if (!(text ? event->text.size > 0 : other)) return;
  if (text && event->kind != LEAT_EVENT_RAW)
    r->item.engine->stats.content_bytes += event->text.size;
  if (r->item.engine->metrics) lti_metrics_content(r, now);
  r->last_content_ns = now;
  if (r->content_seen) return;
  r->content_seen = true;
  r->times.first_content_ns = now;
  if (r->deadlines->gap_ms >= 0) lti_deadline_arm(r);
}

/* From here on nothing can be taken back, so nothing will be sent again. */
static void stamp_first(lti_request *r, const leat_event *event) {
  r->delivered = true;
  r->times.first_event_ns = event->received_ns;
  lti_http2_stream *s = &r->exchange.stream;
  if (!r->exchange.conn || s->body_sent == s->body.size) {
    lti_spec_drop_body(&r->spec);
    s->body.size = s->body_sent = 0;
  }
}

int lti_response_emit(lti_request *r, leat_event *event) {
  leat_engine *e = r->item.engine;
  if (event->kind != LEAT_EVENT_HEAD) {
    if (!r->delivered) stamp_first(r, event);
    stamp_content(r, event);
    if (event->kind == LEAT_EVENT_USAGE && e->metrics) lti_metrics_usage(r, &event->usage);
  }
  r->events++;
  e->stats.events++;
  if (!r->on_event) return LTI_OK;
  int answer = r->on_event(e, r->item.id, event, r->user);
  bool stopped =
      r->state == REQUEST_FINISHED && (r->error == LEAT_ECANCELLED || r->error == LEAT_ESUPERSEDED);
  if (answer == LEAT_PAUSE && !stopped) r->paused = true;
  return LTI_OK;
}

int lti_response_hold(lti_request *r, const leat_event *event) {
  leat_engine *e = r->item.engine;
  size_t before = lti_hold_bytes(&r->hold);
  int rc = lti_hold_push(&r->hold, &e->alloc, event);
  e->stats.held_bytes += lti_hold_bytes(&r->hold) - before;
  if (rc != LTI_OK) return rc;
  return e->stats.held_bytes > (uint64_t)e->config.held_bytes_max ? LEAT_EHELDMAX : LTI_OK;
}

void lti_response_hold_clear(lti_request *r) {
  r->item.engine->stats.held_bytes -= lti_hold_bytes(&r->hold);
  lti_hold_clear(&r->hold, &r->item.engine->alloc);
}

static void note(lti_request *r, const leat_event *event) {
  if (r->ticket && event->kind == LEAT_EVENT_USAGE) lti_gate_usage(r, &event->usage);
  if (r->resume) lti_resume_note(r->resume, event);
}

static void stamp_segment(const lti_request *r, leat_event *event) {
  if (!r->item.engine->config.rx_timestamps) return;
  const lti_loop_read *read = lti_loop_segment(r->item.engine->loop, r->exchange.received_ns);
  if (!read) return;
  event->segment_ns = read->segment_ns;
  event->segment_since_ns = read->since_ns;
  event->segment_queue_ns = read->queue_ns;
  event->segment_exact = lti_loop_segment_ends(read, event->raw);
}

int lti_response_event(void *ctx, leat_event *event) {
  lti_request *r = ctx;
  if (r->state == REQUEST_FINISHED) return LTI_STOPPED;
  event->attempt = r->attempts;
  event->received_ns = r->exchange.received_ns;
  stamp_segment(r, event);
  if (r->noted) note(r, event);
  if (r->paused || !lti_hold_empty(&r->hold)) {
    int rc = lti_response_hold(r, event);
    return rc == LTI_OK ? LTI_STOPPED : rc;
  }
  lti_response_emit(r, event);
  return r->paused || r->state == REQUEST_FINISHED ? LTI_STOPPED : LTI_OK;
}

/* ---- head */

static void read_hints(lti_request *r, const lti_http_head *head) {
  int64_t now_ms = lti_loop_wall_ms(r->item.engine->loop);
  static const char *const names[] = {"retry-after-ms", "openai-poll-after-ms", "retry-after"};
  r->retry_after_ms = -1;
  for (size_t i = 0; i < sizeof names / sizeof *names && r->retry_after_ms < 0; i++) {
    leat_slice value = lti_http_find(head->headers, head->header_count, names[i]);
    int64_t ms;
    if (lti_hint_ms(lti_slice_of(names[i]), value, now_ms, &ms)) r->retry_after_ms = ms;
  }
  leat_slice veto = lti_http_find(head->headers, head->header_count, "x-should-retry");
  r->should_retry = lti_slice_is_nocase(veto, "true")    ? 1
                    : lti_slice_is_nocase(veto, "false") ? -1
                                                         : 0;
  static const char *const ids[] = {"x-request-id", "request-id", "x-oneapi-request-id",
                                    "x-generation-id"};
  leat_slice id = lti_slice(NULL, 0);
  for (size_t i = 0; i < sizeof ids / sizeof *ids && id.size == 0; i++)
    id = lti_http_find(head->headers, head->header_count, ids[i]);
  lti_alloc *alloc = &r->item.engine->alloc;
  lti_alloc_put(alloc, r->request_id);
  r->request_id = id.size && id.size <= ID_BYTES_MAX ? lti_alloc_text(alloc, id) : NULL;
}

static void emit_head(lti_request *r, const leat_header *headers, size_t count) {
  leat_event event = {
      .kind = LEAT_EVENT_HEAD, .attempt = r->attempts, .received_ns = r->exchange.received_ns};
  stamp_segment(r, &event);
  event.head = (leat_head){.status = r->status,
                           .headers = headers,
                           .header_count = count,
                           .http = (enum leat_http)r->http};
  lti_response_emit(r, &event);
}

static int on_inflated(void *ctx, leat_slice bytes);

/* Which content-coding the body has: only gzip, and only where it was offered, is undone. */
static int start_coding(lti_request *r, const lti_http_head *head) {
  leat_slice coding = lti_http_find(head->headers, head->header_count, "content-encoding");
  if (coding.size == 0 || lti_slice_is_nocase(coding, "identity")) return LTI_OK;
  if (!r->spec.protocol && !r->call) return LTI_OK;
  bool gzip = lti_slice_is_nocase(coding, "gzip") || lti_slice_is_nocase(coding, "x-gzip");
  if (!gzip || r->spec.identity) return LEAT_EENCODING;
  leat_engine *e = r->item.engine;
  r->inflate = lti_inflate_new(&e->alloc, (uint64_t)e->config.body_bytes_max, on_inflated, r);
  return r->inflate ? LTI_OK : LEAT_ENOMEM;
}

int lti_response_begin(lti_request *r) {
  leat_engine *e = r->item.engine;
  lti_answer_limits limits = {.event_bytes_max = (size_t)e->config.event_bytes_max,
                              .body_bytes_max = (size_t)e->config.body_bytes_max,
                              .scratch = &e->decoded,
                              .spare = &e->spare};
  r->answer = lti_answer_new(&e->alloc, r->spec.protocol, &limits,
                             (lti_answer_sink){lti_response_event, r});
  if (!r->answer) return LEAT_ENOMEM;
  r->answer->want_raw = r->want_raw;
  r->exchange.stream.near = lti_answer_near(r->answer);
  return LTI_OK;
}

static int begin_reading(lti_request *r, const lti_http_head *head) {
  r->state = REQUEST_READING;
  int rc = start_coding(r, head);
  if (rc == LTI_OK) rc = lti_response_begin(r);
  if (rc != LTI_OK) {
    lti_request_detach(r, false);
    lti_request_failed(r, rc, LEAT_LAYER_HTTP, NULL);
    return LTI_OK;
  }
  lti_deadline_arm(r);
  emit_head(r, head->headers, head->header_count);
  if (!r->paused || !lti_exchange_open(&r->exchange)) return LTI_OK;
  r->exchange.paused = true;
  return LTI_STOPPED;
}

/* Headers outlive their read: they are delivered once it is clear that no repeat follows. */
static int copy_head(lti_request *r, const lti_http_head *head) {
  leat_engine *e = r->item.engine;
  lti_refusal *f = r->refusal;
  size_t size = 0;
  for (size_t i = 0; i < head->header_count; i++)
    size += head->headers[i].name.size + head->headers[i].value.size;
  f->headers = lti_alloc_get(&e->alloc, (head->header_count + 1) * sizeof *f->headers);
  if (!f->headers || lti_buf_reserve(&f->texts, size + 1) != LTI_OK) return LEAT_ENOMEM;
  for (size_t i = 0; i < head->header_count; i++) {
    const leat_header *h = &head->headers[i];
    leat_header *to = &f->headers[f->header_count++];
    to->name = lti_slice(f->texts.data + f->texts.size, h->name.size);
    lti_buf_append(&f->texts, h->name);
    to->value = lti_slice(f->texts.data + f->texts.size, h->value.size);
    lti_buf_append(&f->texts, h->value);
  }
  return LTI_OK;
}

static int begin_refusal(lti_request *r, const lti_http_head *head) {
  leat_engine *e = r->item.engine;
  r->state = REQUEST_REFUSED;
  if (r->upload) lti_upload_cease(r->upload);
  r->refusal = lti_alloc_zero(&e->alloc, sizeof *r->refusal);
  int rc = r->refusal ? LTI_OK : LEAT_ENOMEM;
  if (rc == LTI_OK) {
    lti_buf_init(&r->refusal->body, &e->alloc, REFUSAL_BYTES_MAX, LEAT_EBODYMAX);
    lti_buf_init(&r->refusal->error_texts, &e->alloc, TEXTS_BYTES_MAX, LEAT_EBODYMAX);
    lti_buf_init(&r->refusal->texts, &e->alloc, TEXTS_BYTES_MAX, LEAT_EHEADERSMAX);
    rc = copy_head(r, head);
  }
  /* A coding that cannot be undone only costs the provider's words. */
  if (rc == LTI_OK && start_coding(r, head) == LEAT_ENOMEM) rc = LEAT_ENOMEM;
  if (rc != LTI_OK) {
    r->state = REQUEST_READING; /* there is no refusal that could be told */
    lti_request_detach(r, false);
    lti_request_failed(r, rc, LEAT_LAYER_API, NULL);
    return LTI_OK;
  }
  lti_deadline_arm(r);
  return LTI_OK;
}

/* ---- redirects */

static bool redirectable(const lti_request *r, int status) {
  if (status == 307 || status == 308) return true;
  bool moved = status == 301 || status == 302 || status == 303;
  return moved && strcmp(lti_spec_method(&r->spec), "GET") == 0;
}

static int follow(lti_request *r, leat_slice location, const char **why) {
  leat_engine *e = r->item.engine;
  lti_url from = *lti_pool_origin_url(r->origin), to;
  from.path = lti_spec_path(&r->spec);
  lti_buf path;
  lti_buf_init(&path, &e->alloc, 32 * 1024, LEAT_EREDIRECT);
  lti_origin *origin = NULL;
  int rc = lti_url_redirect(&from, location, &to, &path, why);
  if (rc == LTI_OK) rc = lti_pool_origin(e->pool, &to, (enum leat_http)r->wanted, &origin);
  if (rc == LTI_OK)
    rc = lti_spec_redirect(&r->spec, lti_buf_slice(&path), lti_url_same_origin(&from, &to));
  lti_buf_deinit(&path);
  if (rc != LTI_OK) {
    if (origin) lti_pool_origin_release(origin);
    return rc;
  }
  lti_engine_trace(e, r->item.id, "redirected to %s", to.host);
  lti_request_detach(r, true);
  lti_request_redirected(r, origin);
  return LTI_OK;
}

static int redirect(lti_request *r, const lti_http_head *head) {
  const char *why = NULL;
  leat_slice location = lti_http_find(head->headers, head->header_count, "location");
  int rc = LEAT_EREDIRECT;
  if (!redirectable(r, r->status))
    why = "this method is not repeated at a new place for this status";
  else if (location.size == 0)
    why = "the redirect has no Location";
  else if (r->redirects >= (uint32_t)r->redirects_max)
    why = r->redirects_max ? "too many redirects" : "redirects are off";
  else if (r->upload && !lti_upload_repeats(r->upload))
    why = "the body's source cannot be rewound, and so not be sent to the new place";
  else
    rc = follow(r, location, &why);
  if (rc == LTI_OK) return LTI_OK;
  emit_head(r, head->headers, head->header_count);
  if (r->state == REQUEST_FINISHED) return LTI_OK;
  lti_request_detach(r, true);
  lti_request_finish(r, &(lti_failure){.error = rc, .layer = LEAT_LAYER_HTTP, .message = why});
  return LTI_OK;
}

/* Anything but 101 is a refusal, and no redirect is followed. */
static int on_upgrade(lti_request *r, const lti_http_head *head) {
  if (head->status != 101) return begin_refusal(r, head);
  r->state = REQUEST_READING;
  lti_deadline_arm(r);
  return lti_socket_begin(r->socket, head);
}

static int on_head(lti_exchange *x, const lti_http_head *head) {
  lti_request *r = request_of(x);
  r->status = head->status;
  r->times.head_ns = r->since_ns = x->received_ns;
  lti_pool_origin_took(r->origin);
  read_hints(r, head);
  lti_engine_trace(r->item.engine, r->item.id, "status %d", head->status);
  if (r->item.engine->metrics) lti_metrics_status(r->item.engine->metrics, head->status);
  if (lti_gate_refusal(r->status)) r->item.engine->stats.limit_refusals++;
  if (r->ticket) lti_gate_heard(r, head);
  if (r->socket) return on_upgrade(r, head);
  bool plain_raw = !r->spec.protocol && !r->call;
  if (plain_raw || (head->status >= 200 && head->status < 300)) return begin_reading(r, head);
  if (head->status >= 300 && head->status < 400 && head->status != 304) return redirect(r, head);
  return begin_refusal(r, head);
}

/* ---- body */

/* Takes the decoder's account of what it did with the bytes. */
static int feed_answer(lti_request *r, leat_slice bytes, size_t *taken) {
  lti_answer *a = r->answer;
  leat_stats *stats = &r->item.engine->stats;
  uint64_t records = a->records, copied = a->copied;
  int rc = lti_answer_feed(a, bytes, taken);
  r->records += a->records - records;
  stats->records += a->records - records;
  stats->bytes_copied += a->copied - copied;
  return rc;
}

int lti_response_message(lti_request *r, leat_slice text) {
  lti_answer *a = r->answer; /* a cancel takes it away from the request */
  uint64_t copied = a->copied;
  r->records++;
  int rc = lti_answer_message(a, text);
  r->item.engine->stats.bytes_copied += a->copied - copied;
  return rc;
}

static int on_inflated(void *ctx, leat_slice bytes) {
  lti_request *r = ctx;
  if (r->state == REQUEST_REFUSED) return lti_buf_append(&r->refusal->body, bytes);
  /* A pause in here is served by the hold: the events of these bytes wait there. */
  while (bytes.size > 0 && r->state == REQUEST_READING && !r->answer->ended) {
    size_t taken = 0;
    int rc = feed_answer(r, bytes, &taken);
    if (rc < 0) return rc;
    bytes = lti_slice_from(bytes, taken);
  }
  return LTI_OK;
}

static void conclude(lti_request *r, int error) {
  lti_failure end = {.error = error, .layer = LEAT_LAYER_PROVIDER};
  if (r->exchange.conn) lti_request_detach(r, error == LEAT_OK || r->answer->ended);
  lti_request_finish(r, &end);
}

static int read_body(lti_request *r, leat_slice bytes, size_t *taken) {
  int rc = r->inflate ? lti_inflate_feed(r->inflate, bytes, taken) : feed_answer(r, bytes, taken);
  if (r->state == REQUEST_FINISHED) return LTI_STOPPED;
  if (rc < 0) {
    lti_request_detach(r, false);
    lti_request_failed(r, rc, LEAT_LAYER_PROVIDER, NULL);
    return LTI_STOPPED;
  }
  if (r->answer->ended) {
    lti_verdict verdict;
    lti_answer_verdict(r->answer, &verdict);
    conclude(r, verdict.error);
    return LTI_OK;
  }
  if (!r->paused) return LTI_OK;
  r->exchange.paused = true;
  return LTI_STOPPED;
}

/* Reads why the server refused; what is above the limit is not worth more of anybody's time. */
static int read_refusal(lti_request *r, leat_slice bytes) {
  lti_refusal *f = r->refusal;
  int rc;
  size_t taken;
  if (r->inflate) {
    rc = lti_inflate_feed(r->inflate, bytes, &taken);
  } else {
    size_t room = f->body.max - f->body.size;
    if (bytes.size > room) bytes.size = room;
    rc = lti_buf_append(&f->body, bytes);
    if (rc == LTI_OK && f->body.size == f->body.max) rc = LEAT_EBODYMAX;
  }
  if (rc == LTI_OK) return LTI_OK;
  lti_request_detach(r, true);
  lti_response_refused(r);
  return LTI_OK;
}

static int on_body(lti_exchange *x, leat_slice bytes, size_t *taken) {
  lti_request *r = request_of(x);
  *taken = bytes.size;
  __builtin_prefetch(r->user, 1); /* a callback begins there */
  int rc = r->state == REQUEST_REFUSED ? read_refusal(r, bytes)
           : r->socket                 ? lti_socket_bytes(r->socket, bytes, taken)
                                       : read_body(r, bytes, taken);
  r->bytes += *taken;
  return rc;
}

/* ---- the end of an attempt */

/* Google says in the error's details when to come again, not in a header. */
static int64_t read_delay(leat_slice body) {
  static const char member[] = "retryDelay";
  enum { DETAILS_MAX = 16 };
  for (int i = 0; i < 2 * DETAILS_MAX; i++) {
    char pointer[64];
    lti_json r;
    lti_json_text text;
    leat_slice value;
    int64_t ms;
    snprintf(pointer, sizeof pointer, "%s/error/details/%d/%s", i % 2 ? "/0" : "", i / 2, member);
    if (!lti_json_find(body, pointer, &value)) continue;
    lti_json_init(&r, value);
    if (lti_json_string(&r, &text) && lti_hint_ms(lti_slice_of(member), text.raw, 0, &ms))
      return ms;
  }
  return -1;
}

void lti_response_refused(lti_request *r) {
  lti_refusal *f = r->refusal;
  if (r->retry_after_ms < 0 && lti_slice_find(lti_buf_slice(&f->body), lti_slice_of("retryDelay")))
    r->retry_after_ms = read_delay(lti_buf_slice(&f->body));
  lti_protocol_error(lti_buf_slice(&f->body), &f->error, &f->error_texts);
  lti_request_failed(r, LEAT_ESTATUS, LEAT_LAYER_PROVIDER, NULL);
}

void lti_response_emit_refusal(lti_request *r) {
  if (!r->refusal) return; /* there was no memory for it */
  r->exchange.received_ns = r->times.head_ns;
  emit_head(r, r->refusal->headers, r->refusal->header_count);
}

/* Is it an answer at all, good or bad? */
static bool sound(int error) {
  return error != LEAT_ENOTSTREAM && error != LEAT_EDECODE && error != LEAT_EENCODING;
}

static bool on_complete(lti_exchange *x) {
  lti_request *r = request_of(x);
  if (r->state == REQUEST_REFUSED) lti_response_refused(r);
  if (r->state != REQUEST_READING) return true;
  if (r->socket) {
    lti_socket_lost(r->socket, NULL);
    return true;
  }
  int rc = r->inflate ? lti_inflate_end(r->inflate) : LTI_OK;
  lti_verdict verdict = {0};
  if (rc == LTI_OK && r->answer->ended)
    lti_answer_verdict(r->answer, &verdict), rc = verdict.error;
  else if (rc == LTI_OK)
    rc = lti_answer_end(r->answer, &verdict);
  if (r->state != REQUEST_FINISHED) conclude(r, rc);
  return sound(rc);
}

static void on_failed(lti_exchange *x, const lti_failure *failure) {
  lti_request *r = request_of(x);
  lti_failure told =
      failure ? *failure : (lti_failure){.error = LEAT_ERESET, .layer = LEAT_LAYER_SOCKET};
  if (r->state == REQUEST_REFUSED) {
    lti_response_refused(r); /* the status decides, however little came of the body */
    return;
  }
  if (r->state == REQUEST_READING && r->socket) {
    lti_socket_lost(r->socket, failure);
    return;
  }
  if (r->state == REQUEST_READING && told.error == LEAT_ERESET) told.error = LEAT_ETRUNCATED;
  lti_request_settle(r, &told);
}

static void on_drained(lti_exchange *x) {
  lti_request *r = request_of(x);
  if (r->socket) lti_socket_drained(r->socket);
}

static void on_hungry(lti_exchange *x) {
  lti_request *r = request_of(x);
  if (r->upload) lti_upload_hungry(r->upload);
}

void lti_response_reset(lti_request *r) {
  lti_alloc *alloc = &r->item.engine->alloc;
  lti_answer_free(r->answer);
  lti_inflate_free(r->inflate);
  if (r->refusal) {
    lti_buf_deinit(&r->refusal->body);
    lti_buf_deinit(&r->refusal->texts);
    lti_buf_deinit(&r->refusal->error_texts);
    lti_alloc_put(alloc, r->refusal->headers);
    lti_alloc_put(alloc, r->refusal);
  }
  r->answer = NULL;
  r->exchange.stream.near = NULL;
  r->inflate = NULL;
  r->refusal = NULL;
  r->times.head_ns = 0;
}
