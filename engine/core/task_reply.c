/* What the answers to submits and polls say of a task, and where it goes from there. What has to be
 * remembered until the next answer is one block of bytes, which jobs that were told the same share:
 * status, url, error's code and message, each behind its size. */
#include "base/error.h"
#include "core/task_inside.h"

#define SAID_PARTS 4

typedef struct said {
  leat_slice status, url, code, message;
} said;

/* ---- what was said */

static int put_part(lti_buf *out, leat_slice part) {
  uint32_t size = (uint32_t)part.size;
  int r = lti_buf_append(out, lti_slice((const char *)&size, sizeof size));
  return r == LTI_OK ? lti_buf_append(out, part) : r;
}

static leat_slice take_part(leat_slice *rest) {
  uint32_t size;
  memcpy(&size, rest->data, sizeof size);
  leat_slice part = lti_slice(rest->data + sizeof size, size);
  *rest = lti_slice_from(*rest, sizeof size + size);
  return part;
}

static said said_of(const lti_task *t) {
  said s = {0};
  leat_slice rest = lti_blob_slice(t->said);
  if (!rest.size) return s;
  s.status = take_part(&rest);
  s.url = take_part(&rest);
  s.code = take_part(&rest);
  s.message = take_part(&rest);
  return s;
}

/* Without memory the task remembers what it did before. */
static void remember(lti_task *t, const said *s) {
  lti_alloc *alloc = &lti_task_engine(t)->alloc;
  lti_buf out;
  lti_buf_init(&out, alloc, LTI_TASK_TEXTS_BYTES_MAX, LEAT_EBODYMAX);
  const leat_slice parts[SAID_PARTS] = {s->status, s->url, s->code, s->message};
  int r = LTI_OK;
  for (size_t i = 0; i < SAID_PARTS && r == LTI_OK; i++) r = put_part(&out, parts[i]);
  lti_blob *b = r == LTI_OK ? lti_blob_make(alloc, &t->kind->said, lti_buf_slice(&out)) : NULL;
  if (b) {
    lti_blob_release(t->said);
    t->said = b;
  }
  lti_buf_deinit(&out);
}

bool lti_task_reply_keep(lti_task *t, const lti_task_report *report) {
  said s = said_of(t);
  bool news = !lti_slice_equal(s.status, report->status) || t->progress != report->progress ||
              (report->url.size && !lti_slice_equal(s.url, report->url));
  t->progress = (signed char)report->progress;
  if (!news && !report->error.set) return false;
  s.status = report->status;
  if (report->url.size) s.url = report->url;
  if (report->error.set) {
    s.code = report->error.code;
    s.message = report->error.message;
  }
  remember(t, &s);
  return news;
}

void lti_task_reply_update(const lti_task *t, const lti_task_answer *answer, leat_task_update *u) {
  said s = said_of(t);
  *u = (leat_task_update){.state = (enum leat_task_state)t->state,
                          .task_id = lti_slice_of(t->id),
                          .status = s.status,
                          .progress = t->progress,
                          .url = s.url,
                          .error_code = s.code,
                          .error_message = s.message,
                          .polls = t->polls,
                          .earlier_run = t->noted == TASK_DONE,
                          .received_ns = lti_loop_clock(lti_task_engine(t)->loop)};
  if (t->content) u->bytes = lti_task_content_bytes(t, &u->bytes_total);
  if (!answer) return;
  u->raw = answer->json;
  if (!answer->report.error.set) return;
  u->error_code = answer->report.error.code;
  u->error_message = answer->report.error.message;
}

/* ---- acting */

void lti_task_reply_act(lti_task *t, const lti_task_answer *answer) {
  leat_task_update u;
  int error = LEAT_OK;
  switch (answer->report.state) {
    case LEAT_TASK_SUCCEEDED: break;
    case LEAT_TASK_FAILED: error = LEAT_ETASKFAILED; break;
    case LEAT_TASK_NEEDS_INPUT: error = LEAT_ETASKINPUT; break;
    case LEAT_TASK_SUBMITTING:
    case LEAT_TASK_RUNNING:
    case LEAT_TASK_DOWNLOADING: {
      int64_t hint_ms = answer->result->retry_after_ms;
      uint64_t wait_ns = hint_ms > 0 ? (uint64_t)hint_ms * LTI_TASK_MS_NS : 0;
      if (t->polls == 0 && wait_ns == 0)
        lti_poller_wait_fresh(t);
      else
        lti_poller_wait(t, wait_ns > t->kind->floor_ns ? wait_ns : t->kind->floor_ns);
      return;
    }
  }
  lti_poller_shut(t);
  if (error == LEAT_OK && t->content) {
    lti_task_content_start(t);
    return;
  }
  t->state = (unsigned char)answer->report.state;
  lti_task_reply_update(t, answer, &u);
  lti_task_tell_update(t, &u);
  if (!t->ended) lti_task_conclude(t, error, &u, answer->result);
}
