/* The download of a task's result: to a callback or a descriptor, taken up where it was cut. See
 * task_inside.h. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "core/request.h"
#include "core/task_inside.h"
#include "wire/http.h"

#define RESUMES_MAX    5    /* downloads that are taken up again without progress ... */
#define PROGRESS_BYTES 1024 /* ... which is so much at least */

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user);
static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user);

int lti_task_content_make(lti_task *t, const leat_task *q) {
  if (!q->download) return LTI_OK;
  t->content = lti_alloc_zero(&lti_task_engine(t)->alloc, sizeof *t->content);
  if (!t->content) return LEAT_ENOMEM;
  t->content->fd_plus_one = q->fd_plus_one;
  t->content->on_content = q->on_content;
  t->content->resume_from = q->resume_from;
  return LTI_OK;
}

/* ---- asking */

static int send_request(lti_task *t, const char *path) {
  const lti_task_content *c = t->content;
  uint64_t from = c->resume_from + c->bytes;
  char range[64];
  leat_request q;
  lti_task_kind_request(t->kind, &q);
  q.path = path;
  q.method = "GET";
  /* Large content may take its time while it moves. */
  if (q.deadlines.total_ms == 0) q.deadlines.total_ms = LEAT_NONE;
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = t;
  /* Offsets count the content itself, not a coding of it. The kind has room for these two. */
  leat_header *more = t->kind->headers + q.header_count;
  more[0] = (leat_header){lti_slice_of("Accept-Encoding"), lti_slice_of("identity")};
  q.header_count++;
  int n = snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)from);
  if (from > 0) {
    more[1] = (leat_header){lti_slice_of("Range"), lti_slice(range, (size_t)n)};
    q.header_count++;
  }
  return lti_request_submit(lti_task_engine(t), &q, true, &t->request);
}

static int ask(lti_task *t) {
  leat_engine *e = lti_task_engine(t);
  lti_buf path;
  lti_task_holes holes = {
      .id = t->id, .params = t->kind->params, .param_count = t->kind->param_count};
  if (!t->kind->form.content_path)
    return lti_engine_fail(e, LEAT_EINVAL, "this family's results have no path of their own");
  lti_buf_init(&path, &e->alloc, 16384, LEAT_EURL);
  int r = lti_task_fill_path(t->kind->form.content_path, &holes, &path);
  r = r == LTI_OK ? send_request(t, path.data)
                  : lti_engine_fail(e, r, "the task's id cannot be part of a path");
  lti_buf_deinit(&path);
  return r;
}

void lti_task_content_start(lti_task *t) {
  leat_task_update u;
  t->state = LEAT_TASK_DOWNLOADING;
  t->content->fits = false;
  lti_task_fill_update(t, &u);
  lti_task_tell_update(t, &u);
  if (t->ended) return;
  int r = ask(t);
  if (r != LTI_OK) lti_task_finish(t, r, leat_last_message(lti_task_engine(t)));
}

/* ---- reading */

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
  lti_task_content *c = t->content;
  int r = c->fd_plus_one ? write_fd(c->fd_plus_one - 1, bytes) : LTI_OK;
  if (r == LTI_OK && c->on_content &&
      c->on_content(lti_task_engine(t), t->item.id, c->resume_from + c->bytes, bytes, t->user) != 0)
    r = LEAT_EIO;
  if (r == LTI_OK) c->bytes += bytes.size;
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

static void see_head(lti_task_content *c, const leat_head *head) {
  uint64_t have = c->resume_from + c->bytes, total = 0;
  if (head->status == 206) {
    c->fits = range_fits(head, have, &total);
    if (c->fits) c->bytes_total = total;
  } else if (head->status == 200) {
    /* A server that ignores the range would send everything anew. */
    c->fits = have == 0;
    leat_slice length = lti_http_find(head->headers, head->header_count, "content-length");
    if (c->fits && lti_slice_u64(length, &total)) c->bytes_total = total;
  } else if (head->status == 416 && have > 0) {
    /* Nothing is left to send when all is there (RFC 9110 15.5.17). */
    leat_slice range = lti_http_find(head->headers, head->header_count, "content-range");
    c->fits = lti_slice_starts(range, "bytes */") &&
              lti_slice_u64(lti_slice_from(range, 8), &total) && total == have;
    if (c->fits) c->bytes_total = total;
  }
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  lti_task *t = user;
  (void)e, (void)id;
  if (t->ended) return LEAT_CONTINUE;
  if (event->kind == LEAT_EVENT_HEAD) {
    see_head(t->content, &event->head);
    if (event->head.status < 300 && !t->content->fits)
      lti_task_finish(t, LEAT_EIO, "the server does not resume where the content was cut");
  } else if (event->kind == LEAT_EVENT_RAW && take_content(t, event->text) != LTI_OK) {
    lti_task_finish(t, LEAT_EIO, "writing the content failed");
  }
  return LEAT_CONTINUE;
}

/* ---- the end */

static void content_done(lti_task *t, const leat_result *result) {
  lti_task_content *c = t->content;
  leat_task_update u;
  int error = result->error;
  if (result->status == 416 && c->fits) error = LEAT_OK;
  /* The end of a body that only the end delimits may come too early. */
  if (error == LEAT_OK && c->resume_from + c->bytes < c->bytes_total) error = LEAT_ETRUNCATED;
  bool cut = error == LEAT_ETRUNCATED || error == LEAT_EIDLETIMEOUT;
  if (c->bytes - c->bytes_before >= PROGRESS_BYTES) c->resumes = 0;
  c->bytes_before = c->bytes;
  if (error != LEAT_OK && (cut || result->retryable) && c->resumes++ < RESUMES_MAX) {
    lti_task_content_start(t);
    return;
  }
  if (error == LEAT_OK) t->state = LEAT_TASK_SUCCEEDED;
  lti_task_fill_update(t, &u);
  lti_task_conclude(t, error, &u, result);
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  lti_task *t = user;
  (void)e, (void)id;
  if (lti_task_exchanged(t)) content_done(t, result);
}
