/* Async tasks: see task.h.
 *
 *   SUBMITTING -> RUNNING (a poll under way, or waiting for the next) -> DOWNLOADING -> ended
 *
 * Each exchange is a request of the engine's own ("raw", as a call), one at a time for each task.
 * The submit is marked `once`: it costs money, so an attempt that may have been taken is never
 * repeated. Unknown status words mean that it still runs; what is final stays final. A task that
 * the gateway does not know right after the submit is asked for a few more times. */
#include "core/task.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "core/config.h"
#include "core/request.h"
#include "plan/cadence.h"
#include "wire/http.h"
#include "wire/json.h"

#define MS_NS            1000000ull
#define DOWNLOAD_HEADERS 2 /* besides the caller's */
#define REPLY_BYTES_MAX  ((size_t)8 * 1024 * 1024)
#define TEXTS_BYTES_MAX  ((size_t)1024 * 1024)
#define NOT_FOUND_MAX    5    /* polls that may miss a task that was just submitted */
#define LOST_POLLS_MAX   20   /* polls in a row that may fail otherwise */
#define RESUMES_MAX      5    /* downloads that are taken up again without progress ... */
#define PROGRESS_BYTES   1024 /* ... which is so much at least */

struct lti_task {
  lti_item item; /* first */
  const lti_task_family *family;
  leat_task spec; /* texts in `texts` */
  lti_buf texts;  /* secret: it holds the key */
  leat_header *headers;
  lti_buf id;      /* the provider's */
  lti_buf reply;   /* of the submit or poll under way, and the last one's until the next */
  lti_buf decoded; /* texts of the report */
  lti_buf word, url, error_code, error_message; /* what the last report said */
  lti_cadence cadence;
  lti_alarm alarm;
  leat_id request; /* the exchange under way, 0: none */
  enum leat_task_state state;
  leat_result result; /* numbers of the exchange that decided; its views are dropped */
  lti_buf message;
  uint64_t started_ns, deadline_ns, polls, bytes, bytes_total;
  uint64_t bytes_before; /* what the last download that was cut had brought */
  int progress, not_found, lost, resumes, error;
  bool ended, cancelled, content_ok;
};

static void on_alarm(lti_alarm *alarm, uint64_t now_ns);
static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user);
static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user);
static void end_task(lti_task *t, int error, const char *message);
static void poll_later(lti_task *t, int64_t hint_ms);

/* ---- making */

static void task_free(lti_task *t) {
  leat_engine *e = t->item.engine;
  lti_buf *bufs[] = {&t->texts, &t->id,         &t->reply,         &t->decoded, &t->word,
                     &t->url,   &t->error_code, &t->error_message, &t->message};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) lti_buf_deinit(bufs[i]);
  lti_alloc_put(&e->alloc, t->headers);
  lti_alarm_leave(&e->alarms, &t->alarm);
  lti_alloc_put(&e->alloc, t);
}

static lti_task *task_new(leat_engine *e) {
  lti_task *t = lti_alloc_zero(&e->alloc, sizeof *t);
  if (!t) return NULL;
  if (lti_alarm_join(&e->alarms, &t->alarm, on_alarm) != LTI_OK) {
    lti_alloc_put(&e->alloc, t);
    return NULL;
  }
  t->item = (lti_item){.kind = LTI_ITEM_TASK, .engine = e};
  lti_list_init(&t->item.due);
  lti_buf *bufs[] = {&t->id,         &t->decoded,       &t->word,   &t->url,
                     &t->error_code, &t->error_message, &t->message};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
    lti_buf_init(bufs[i], &e->alloc, TEXTS_BYTES_MAX, LEAT_EBODYMAX);
  lti_buf_init(&t->texts, &e->alloc, REPLY_BYTES_MAX, LEAT_EBODYMAX);
  lti_buf_init(&t->reply, &e->alloc, REPLY_BYTES_MAX, LEAT_EBODYMAX);
  t->texts.secret = true;
  t->state = LEAT_TASK_SUBMITTING;
  t->progress = -1;
  t->result.retry_after_ms = -1;
  return t;
}

/* The text with a NUL behind it; NULL when it is empty. */
static const char *terminated(lti_buf *b) {
  if (b->size == 0 || lti_buf_byte(b, '\0') != LTI_OK) return NULL;
  b->size--;
  return b->data;
}

/* Room is reserved first, so that the views stay where they are. */
static const char *keep(lti_task *t, const char *text) {
  if (!text) return NULL;
  const char *at = t->texts.data + t->texts.size;
  lti_buf_append(&t->texts, lti_slice(text, strlen(text) + 1));
  return at;
}

static leat_slice keep_slice(lti_task *t, leat_slice s) {
  if (!s.data) return s;
  const char *at = t->texts.data + t->texts.size;
  lti_buf_append(&t->texts, s);
  return lti_slice(at, s.size);
}

static size_t text_size(const char *text) {
  return text ? strlen(text) + 1 : 0;
}

static int copy_spec(lti_task *t, const leat_task *from) {
  size_t size = text_size(from->base_url) + text_size(from->api_key) + 1;
  for (size_t i = 0; i < from->header_count; i++)
    size += from->headers[i].name.size + from->headers[i].value.size;
  t->spec = *from;
  t->headers = lti_alloc_get(&t->item.engine->alloc,
                             (from->header_count + DOWNLOAD_HEADERS) * sizeof *t->headers);
  int r = t->headers ? lti_buf_reserve(&t->texts, size) : LEAT_ENOMEM;
  if (r != LTI_OK) return r;
  t->spec.base_url = keep(t, from->base_url);
  t->spec.api_key = keep(t, from->api_key);
  t->spec.body = lti_slice(NULL, 0); /* the submit's request has its own copy */
  t->spec.headers = t->headers;
  for (size_t i = 0; i < from->header_count; i++)
    t->headers[i] =
        (leat_header){keep_slice(t, from->headers[i].name), keep_slice(t, from->headers[i].value)};
  t->spec.model = t->spec.prompt = t->spec.task_id = t->spec.family = NULL;
  return LTI_OK;
}

static int64_t or64(int64_t value, int64_t otherwise) {
  return value > 0 ? value : otherwise;
}

static void set_times(lti_task *t) {
  t->cadence.poll_ms = or64(t->spec.poll_ms, t->family->poll_ms);
  t->cadence.first_ms = or64(t->spec.first_poll_ms, t->cadence.poll_ms);
  t->cadence.jitter_percent = t->spec.jitter_percent == 0  ? 10
                              : t->spec.jitter_percent < 0 ? 0
                                                           : t->spec.jitter_percent;
  t->started_ns = lti_loop_clock(t->item.engine->loop);
  int64_t deadline_ms = t->spec.deadline_ms == 0 ? 3600000 : t->spec.deadline_ms;
  t->deadline_ns = deadline_ms < 0 ? UINT64_MAX : t->started_ns + (uint64_t)deadline_ms * MS_NS;
}

static int check_arguments(leat_engine *e, const leat_task *q, const leat_id *id) {
  if (!q || !id || q->struct_size != sizeof *q)
    return lti_engine_fail(e, LEAT_EINVAL, "a task needs leat_task_init, and a place for its id");
  if (!q->on_done) return lti_engine_fail(e, LEAT_EINVAL, "a task needs on_done");
  if (q->header_count && !q->headers)
    return lti_engine_fail(e, LEAT_EINVAL, "header_count without headers");
  int given = (q->body.data != NULL) + (q->prompt != NULL) + (q->task_id != NULL);
  if (given != 1)
    return lti_engine_fail(e, LEAT_EINVAL, "a task needs one of body, prompt and task_id");
  if (q->prompt && !q->model) return lti_engine_fail(e, LEAT_EINVAL, "a prompt needs a model");
  if (q->jitter_percent > 1000 || q->poll_ms > 86400000 || q->first_poll_ms > 86400000 ||
      q->deadline_ms > 31536000000ll || q->fd_plus_one < 0)
    return lti_engine_fail(e, LEAT_EINVAL, "a time of the task is absurd");
  if (q->task_id && !*q->task_id) return lti_engine_fail(e, LEAT_EINVAL, "task_id is empty");
  return LTI_OK;
}

/* ---- exchanges */

static int start_exchange(lti_task *t, leat_slice body, const char *path, uint64_t range_from,
                          bool once) {
  leat_engine *e = t->item.engine;
  leat_request q;
  char range[64];
  leat_request_init(&q);
  q.protocol = "raw";
  q.base_url = t->spec.base_url;
  q.path = path;
  q.api_key = t->spec.api_key;
  q.deadlines = t->spec.deadlines;
  if (t->state == LEAT_TASK_DOWNLOADING && q.deadlines.total_ms == 0)
    q.deadlines.total_ms = LEAT_NONE; /* large content may take its time while it moves */
  q.retries = t->spec.retries;
  q.body = body;
  q.once = once;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = t;
  q.headers = t->spec.headers;
  q.header_count = t->spec.header_count;
  if (t->state == LEAT_TASK_DOWNLOADING) {
    /* Offsets count the content itself, not a coding of it. */
    t->headers[q.header_count++] =
        (leat_header){lti_slice_of("Accept-Encoding"), lti_slice_of("identity")};
    int n = snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)range_from);
    if (range_from > 0)
      t->headers[q.header_count++] =
          (leat_header){lti_slice_of("Range"), lti_slice(range, (size_t)n)};
  } else {
    lti_buf_clear(&t->reply);
  }
  t->content_ok = false;
  lti_alarm_set(&e->alarms, &t->alarm, t->deadline_ns);
  return lti_request_submit(e, &q, true, &t->request);
}

/* The family's path with the id in its place. */
static int make_path(lti_task *t, const char *pattern, lti_buf *out) {
  const char *hole = strstr(pattern, "{id}");
  if (!hole) return lti_buf_append(out, lti_slice(pattern, strlen(pattern) + 1));
  int r = lti_buf_append(out, lti_slice(pattern, (size_t)(hole - pattern)));
  if (r == LTI_OK) r = lti_url_encode(lti_buf_slice(&t->id), out);
  if (r == LTI_OK) r = lti_buf_append(out, lti_slice(hole + 4, strlen(hole + 4) + 1));
  return r;
}

static int start_get(lti_task *t, const char *pattern, uint64_t range_from) {
  lti_buf path;
  lti_buf_init(&path, &t->item.engine->alloc, 16384, LEAT_EURL);
  int r = make_path(t, pattern, &path);
  if (r != LTI_OK)
    lti_engine_fail(t->item.engine, r, "the task's id cannot be part of a path");
  else
    r = start_exchange(t, lti_slice(NULL, 0), path.data, range_from, false);
  lti_buf_deinit(&path);
  return r;
}

static void poll_now(lti_task *t) {
  int r = start_get(t, t->family->poll_path, 0);
  if (r != LTI_OK) {
    end_task(t, r, leat_last_message(t->item.engine));
    return;
  }
  t->polls++;
  t->item.engine->stats.task_polls++;
}

static void poll_later(lti_task *t, int64_t hint_ms) {
  leat_engine *e = t->item.engine;
  int64_t wait_ms = lti_cadence_wait_ms(&t->cadence, t->polls, hint_ms, &e->prng);
  uint64_t at = lti_loop_clock(e->loop) + (uint64_t)wait_ms * MS_NS;
  lti_alarm_set(&e->alarms, &t->alarm, at < t->deadline_ns ? at : t->deadline_ns);
}

static void on_alarm(lti_alarm *alarm, uint64_t now_ns) {
  lti_task *t = LTI_CONTAINER_OF(alarm, lti_task, alarm);
  if (now_ns >= t->deadline_ns) {
    end_task(t, LEAT_ETASKTIME, NULL);
    return;
  }
  poll_now(t);
}

/* ---- starting */

static int write_body(const leat_task *q, lti_buf *out) {
  int r = lti_buf_text(out, "{\"model\":");
  if (r == LTI_OK) r = lti_json_write_string(out, lti_slice_of(q->model));
  if (r == LTI_OK) r = lti_buf_text(out, ",\"prompt\":");
  if (r == LTI_OK) r = lti_json_write_string(out, lti_slice_of(q->prompt));
  if (r == LTI_OK) r = lti_buf_byte(out, '}');
  return r;
}

static int submit_job(lti_task *t, const leat_task *q) {
  leat_engine *e = t->item.engine;
  size_t offset;
  const char *why;
  if (q->body.data) {
    if (!lti_json_valid(q->body, &offset, &why)) {
      lti_buf_clear(&e->message);
      lti_buf_format(&e->message, "the task's body is not valid JSON: %s at offset %zu", why,
                     offset);
      return lti_engine_fail(e, LEAT_EJSON, "");
    }
    return start_exchange(t, q->body, t->family->submit_path, 0, true);
  }
  lti_buf body;
  lti_buf_init(&body, &e->alloc, REPLY_BYTES_MAX, LEAT_EBODYMAX);
  int r = write_body(q, &body);
  if (r == LTI_OK) r = start_exchange(t, lti_buf_slice(&body), t->family->submit_path, 0, true);
  lti_buf_deinit(&body);
  return r;
}

static int begin(lti_task *t, const leat_task *q) {
  leat_engine *e = t->item.engine;
  int r = copy_spec(t, q);
  if (r == LTI_OK) r = lti_slots_add(&e->items, t, &t->item.id);
  if (r != LTI_OK) return lti_engine_fail(e, r, NULL);
  set_times(t);
  if (q->task_id) {
    r = lti_buf_text(&t->id, q->task_id);
    t->state = LEAT_TASK_RUNNING;
    if (r == LTI_OK) poll_now(t);
    if (t->ended) r = t->error;
  } else {
    r = submit_job(t, q);
  }
  if (r != LTI_OK) {
    lti_list_remove(&t->item.due);
    lti_slots_remove(&e->items, t->item.id);
  }
  return r;
}

int leat_task_start(leat_engine *e, const leat_task *q, leat_id *id) {
  if (!e) return LEAT_EINVAL;
  if (lti_engine_closed(e)) return LEAT_ECLOSED;
  int r = check_arguments(e, q, id);
  if (r != LTI_OK) return r;
  const lti_task_family *family = lti_protocol_task(q->family ? q->family : "video");
  if (!family) return lti_engine_fail(e, LEAT_ENOPROTOCOL, "no task family has this name");
  lti_task *t = task_new(e);
  if (!t) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  t->family = family;
  r = begin(t, q);
  if (r != LTI_OK) {
    task_free(t);
    return r;
  }
  e->stats.tasks_started++;
  e->stats.tasks_live++;
  *id = t->item.id;
  return LTI_OK;
}

/* ---- telling */

static void fill_update(const lti_task *t, leat_task_update *u) {
  *u = (leat_task_update){.state = t->state,
                          .task_id = lti_buf_slice(&t->id),
                          .status = lti_buf_slice(&t->word),
                          .progress = t->progress,
                          .url = lti_buf_slice(&t->url),
                          .error_code = lti_buf_slice(&t->error_code),
                          .error_message = lti_buf_slice(&t->error_message),
                          .polls = t->polls,
                          .bytes = t->bytes,
                          .bytes_total = t->bytes_total,
                          .raw = lti_buf_slice(&t->reply),
                          .received_ns = lti_loop_clock(t->item.engine->loop)};
}

/* From the loop only. The callback may cancel. */
static void tell_update(lti_task *t) {
  if (!t->spec.on_update || t->cancelled) return;
  leat_task_update u;
  fill_update(t, &u);
  t->spec.on_update(t->item.engine, t->item.id, &u, t->spec.user);
}

static void end_task(lti_task *t, int error, const char *message) {
  leat_engine *e = t->item.engine;
  if (t->ended) return;
  t->ended = true;
  t->error = error;
  lti_buf_clear(&t->message);
  lti_buf_text(&t->message, message && *message ? message : leat_error_text(error));
  lti_alarm_set(&e->alarms, &t->alarm, UINT64_MAX);
  leat_id request = t->request;
  t->request = 0;
  if (request) leat_cancel(e, request); /* its done finds the task ended, and tells it */
  if (!request) {
    lti_list_push(&e->finished, &t->item.due);
    lti_engine_kick(e);
  }
}

void lti_task_cancel(lti_task *t) {
  t->cancelled = true;
  if (t->ended) {
    t->error = LEAT_ECANCELLED;
    lti_buf_clear(&t->message);
    return;
  }
  end_task(t, LEAT_ECANCELLED, NULL);
}

void lti_task_tell(lti_task *t) {
  leat_engine *e = t->item.engine;
  leat_task_update u;
  if (t->error == LEAT_ETASKFAILED) t->state = LEAT_TASK_FAILED;
  fill_update(t, &u);
  t->result.error = t->error;
  const char *message = terminated(&t->message);
  if (!message) message = leat_error_text(t->error);
  t->result.message = lti_slice_of(t->error == LEAT_OK ? "" : message);
  t->result.times.queued_ns = t->started_ns;
  t->result.times.done_ns = lti_loop_clock(e->loop);
  static const leat_response nothing;
  t->result.response = &nothing;
  if (t->error != LEAT_OK && t->result.layer == LEAT_LAYER_NONE)
    t->result.layer =
        leat_error_class(t->error) == LEAT_CLASS_TASK ? LEAT_LAYER_PROVIDER : LEAT_LAYER_API;
  lti_slots_remove(&e->items, t->item.id);
  e->stats.tasks_live--;
  e->stats.tasks_done++;
  t->spec.on_done(e, t->item.id, &u, &t->result, t->spec.user);
  task_free(t);
}

/* ---- answers */

static int write_fd(int fd, leat_slice bytes) {
  while (bytes.size > 0) {
    ssize_t n = write(fd, bytes.data, bytes.size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return LEAT_EIO;
    bytes = lti_slice_from(bytes, (size_t)n);
  }
  return LTI_OK;
}

static int take_content(lti_task *t, leat_slice bytes) {
  int r = t->spec.fd_plus_one ? write_fd(t->spec.fd_plus_one - 1, bytes) : LTI_OK;
  if (r == LTI_OK && t->spec.on_content &&
      t->spec.on_content(t->item.engine, t->item.id, t->spec.resume_from + t->bytes, bytes,
                         t->spec.user) != 0)
    r = LEAT_EIO;
  if (r == LTI_OK) t->bytes += bytes.size;
  return r;
}

/* "bytes 100-199/200": the total, when the range begins where it was asked to. */
static bool range_fits(const leat_head *head, uint64_t from, uint64_t *total) {
  leat_slice range = lti_http_find(head->headers, head->header_count, "content-range");
  uint64_t first;
  if (!lti_slice_starts(range, "bytes ")) return false;
  range = lti_slice_from(range, 6);
  const char *dash = memchr(range.data, '-', range.size);
  const char *slash = memchr(range.data, '/', range.size);
  if (!dash || !slash) return false;
  if (!lti_slice_u64(lti_slice(range.data, (size_t)(dash - range.data)), &first)) return false;
  leat_slice all = lti_slice(slash + 1, (size_t)(range.data + range.size - slash - 1));
  if (!lti_slice_u64(all, total)) *total = 0;
  return first == from;
}

static void see_content_head(lti_task *t, const leat_head *head) {
  uint64_t have = t->spec.resume_from + t->bytes, total = 0;
  if (head->status == 206) {
    t->content_ok = range_fits(head, have, &total);
    if (t->content_ok) t->bytes_total = total;
  } else if (head->status == 200) {
    /* A server that ignores the range would send everything anew. */
    t->content_ok = have == 0;
    leat_slice length = lti_http_find(head->headers, head->header_count, "content-length");
    if (t->content_ok && lti_slice_u64(length, &total)) t->bytes_total = total;
  } else if (head->status == 416 && have > 0) {
    /* Nothing is left to send when all is there (RFC 9110 15.5.17). */
    leat_slice range = lti_http_find(head->headers, head->header_count, "content-range");
    t->content_ok = lti_slice_starts(range, "bytes */") &&
                    lti_slice_u64(lti_slice_from(range, 8), &total) && total == have;
    if (t->content_ok) t->bytes_total = total;
  }
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  lti_task *t = user;
  (void)e, (void)id;
  if (t->ended) return LEAT_CONTINUE;
  if (event->kind == LEAT_EVENT_HEAD && t->state == LEAT_TASK_DOWNLOADING) {
    see_content_head(t, &event->head);
    if (event->head.status < 300 && !t->content_ok)
      end_task(t, LEAT_EIO, "the server does not resume where the content was cut");
  }
  if (event->kind != LEAT_EVENT_RAW) return LEAT_CONTINUE;
  if (t->state == LEAT_TASK_DOWNLOADING) {
    if (take_content(t, event->text) != LTI_OK) end_task(t, LEAT_EIO, "writing the content failed");
    return LEAT_CONTINUE;
  }
  int r = lti_buf_append(&t->reply, event->text);
  if (r != LTI_OK) end_task(t, r, NULL);
  return LEAT_CONTINUE;
}

static void keep_text(lti_buf *to, leat_slice text) {
  lti_buf_clear(to);
  lti_buf_append(to, text);
}

static bool changed(const lti_task *t, const lti_task_report *r) {
  return !lti_slice_equal(lti_buf_slice(&t->word), r->status) || t->progress != r->progress ||
         (r->url.size && !lti_slice_equal(lti_buf_slice(&t->url), r->url));
}

static void take_report(lti_task *t, const lti_task_report *r) {
  keep_text(&t->word, r->status);
  if (r->url.size) keep_text(&t->url, r->url);
  if (r->error.set) {
    keep_text(&t->error_code, r->error.code);
    keep_text(&t->error_message, r->error.message);
  }
  t->progress = r->progress;
}

static void start_download(lti_task *t) {
  t->state = LEAT_TASK_DOWNLOADING;
  tell_update(t);
  if (t->ended) return;
  int r = start_get(t, t->family->content_path, t->spec.resume_from + t->bytes);
  if (r != LTI_OK) end_task(t, r, leat_last_message(t->item.engine));
}

static void act_on(lti_task *t, const lti_task_report *report) {
  switch (report->state) {
    case LEAT_TASK_SUCCEEDED:
      if (t->spec.download) {
        start_download(t);
        return;
      }
      t->state = LEAT_TASK_SUCCEEDED;
      tell_update(t);
      end_task(t, LEAT_OK, NULL);
      return;
    case LEAT_TASK_FAILED:
      t->state = LEAT_TASK_FAILED;
      tell_update(t);
      end_task(t, LEAT_ETASKFAILED, terminated(&t->error_message));
      return;
    case LEAT_TASK_NEEDS_INPUT:
      t->state = LEAT_TASK_NEEDS_INPUT;
      tell_update(t);
      end_task(t, LEAT_ETASKINPUT, NULL);
      return;
    default: break;
  }
  poll_later(t, t->result.retry_after_ms);
}

static void submit_done(lti_task *t, const leat_result *result, const lti_task_report *report,
                        bool understood) {
  if (result->error != LEAT_OK) {
    end_task(t, result->error, result->message.data);
    return;
  }
  if (!understood || (report->id.size == 0 && !report->error.set)) {
    end_task(t, LEAT_EDECODE, "the answer to the submit names no task");
    return;
  }
  if (report->id.size == 0) {
    keep_text(&t->error_message, report->error.message);
    end_task(t, LEAT_EAPI, terminated(&t->error_message));
    return;
  }
  t->state = LEAT_TASK_RUNNING;
  keep_text(&t->id, report->id);
  if (t->id.size == 0) {
    end_task(t, LEAT_ENOMEM, NULL);
    return;
  }
  take_report(t, report);
  tell_update(t);
  if (!t->ended) act_on(t, report);
}

static void poll_done(lti_task *t, const leat_result *result, const lti_task_report *report,
                      bool understood) {
  bool not_found = result->status == 404 || (understood && report->not_found);
  if (not_found && ++t->not_found <= NOT_FOUND_MAX) {
    poll_later(t, result->retry_after_ms);
    return;
  }
  if (result->error != LEAT_OK || !understood) {
    bool passing = result->error == LEAT_OK || result->retryable ||
                   result->error == LEAT_ETRUNCATED ||
                   leat_error_class(result->error) == LEAT_CLASS_TIMEOUT;
    if (passing && !not_found && ++t->lost <= LOST_POLLS_MAX)
      poll_later(t, result->retry_after_ms);
    else
      end_task(t, result->error != LEAT_OK ? result->error : LEAT_EDECODE, result->message.data);
    return;
  }
  t->lost = 0;
  bool news = changed(t, report);
  take_report(t, report);
  if (news && report->state == LEAT_TASK_RUNNING) tell_update(t);
  if (!t->ended) act_on(t, report);
}

static void download_done(lti_task *t, const leat_result *result) {
  int error = result->error;
  if (result->status == 416 && t->content_ok) error = LEAT_OK;
  /* The end of a body that only the end delimits may come too early. */
  if (error == LEAT_OK && t->spec.resume_from + t->bytes < t->bytes_total) error = LEAT_ETRUNCATED;
  if (error == LEAT_OK) {
    t->state = LEAT_TASK_SUCCEEDED;
    end_task(t, LEAT_OK, NULL);
    return;
  }
  bool cut = error == LEAT_ETRUNCATED || error == LEAT_EIDLETIMEOUT;
  if (t->bytes - t->bytes_before >= PROGRESS_BYTES) t->resumes = 0;
  t->bytes_before = t->bytes;
  if ((cut || result->retryable) && t->resumes++ < RESUMES_MAX) {
    start_download(t);
    return;
  }
  end_task(t, error, result->error == error ? result->message.data : NULL);
}

/* A copy without the views, which die with the exchange. */
static void keep_result(lti_task *t, const leat_result *result) {
  t->result = *result;
  t->result.message = t->result.provider_type = t->result.provider_code = (leat_slice){NULL, 0};
  t->result.provider_message = t->result.request_id = t->result.body = (leat_slice){NULL, 0};
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  lti_task *t = user;
  (void)id;
  t->request = 0;
  if (t->ended) {
    lti_list_push(&e->finished, &t->item.due);
    lti_engine_kick(e);
    return;
  }
  keep_result(t, result);
  if (t->state == LEAT_TASK_DOWNLOADING) {
    download_done(t, result);
    return;
  }
  lti_task_report report = {.progress = -1};
  leat_slice reply = t->reply.size ? lti_buf_slice(&t->reply) : result->body;
  lti_buf_clear(&t->decoded);
  int r = lti_buf_reserve(&t->decoded, reply.size); /* all that a report needs */
  if (r != LTI_OK) {
    end_task(t, r, NULL);
    return;
  }
  bool understood =
      t->family->report(reply, t->state == LEAT_TASK_SUBMITTING, &report, &t->decoded);
  if (t->state == LEAT_TASK_SUBMITTING)
    submit_done(t, result, &report, understood);
  else
    poll_done(t, result, &report, understood);
}
