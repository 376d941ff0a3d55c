/* The download of a task's result: see task_inside.h. What is fetched is decided here, how is
 * download.h's.
 *
 * A family that serves its results itself is asked for them, with its key: such addresses work as
 * long as the job is known. Where there is none, or it knows nothing of the job, the result's URL
 * is fetched, which may lead anywhere; and what stands in the URL itself needs no fetching. */
#include "base/error.h"
#include "core/download.h"
#include "core/task_inside.h"
#include "wire/datauri.h"

/* One fetch; made when it begins. */
struct lti_task_fetch {
  lti_download *download;
  leat_request request;
  lti_buf path;
  bool by_url;
};

static int on_bytes(void *user, uint64_t offset, leat_slice bytes);
static void on_done(void *user, int error, const leat_result *result, const char *message);

int lti_task_content_make(lti_task *t, const leat_task *q) {
  lti_alloc *alloc = &lti_task_engine(t)->alloc;
  if (!q->download) return LTI_OK;
  t->content = lti_alloc_zero(alloc, sizeof *t->content);
  if (!t->content) return LEAT_ENOMEM;
  t->content->fd_plus_one = q->fd_plus_one;
  t->content->on_content = q->on_content;
  t->content->resume_from = q->resume_from;
  if (!q->file) return LTI_OK;
  t->content->file = lti_alloc_text(alloc, lti_slice_of(q->file));
  return t->content->file ? LTI_OK : LEAT_ENOMEM;
}

static void fetch_free(lti_task *t) {
  lti_task_content *c = t->content;
  if (!c->fetch) return;
  lti_buf_deinit(&c->fetch->path);
  lti_alloc_put(&lti_task_engine(t)->alloc, c->fetch);
  c->fetch = NULL;
}

void lti_task_content_stop(lti_task *t) {
  if (!t->content || !t->content->fetch) return;
  lti_download *d = t->content->fetch->download;
  if (d) lti_download_cancel(d);
  fetch_free(t);
}

void lti_task_content_free(lti_task *t) {
  lti_task_content *c = t->content;
  if (!c) return;
  lti_task_content_stop(t);
  lti_alloc_put(&lti_task_engine(t)->alloc, c->file);
  lti_alloc_put(&lti_task_engine(t)->alloc, c);
  t->content = NULL;
}

uint64_t lti_task_content_bytes(const lti_task *t, uint64_t *total) {
  const lti_task_content *c = t->content;
  if (!c->fetch || !c->fetch->download) {
    *total = c->bytes_total;
    return c->bytes;
  }
  *total = lti_download_total(c->fetch->download);
  return lti_download_bytes(c->fetch->download) - (c->file ? 0 : c->resume_from);
}

/* ---- asking */

static int fill_path(lti_task *t, lti_task_fetch *x) {
  lti_task_holes holes = {
      .id = t->id, .params = t->kind->params, .param_count = t->kind->param_count};
  int r = lti_task_fill_path(t->kind->form.content_path, &holes, &x->path);
  if (r != LTI_OK)
    return lti_engine_fail(lti_task_engine(t), r, "the task's id cannot be part of a path");
  x->request.path = x->path.data;
  return LTI_OK;
}

/* `url`: the result's, when that is what is fetched. */
static int fetch(lti_task *t, leat_slice url) {
  leat_engine *e = lti_task_engine(t);
  lti_task_content *c = t->content;
  lti_task_fetch *x = c->fetch = lti_alloc_zero(&e->alloc, sizeof *x);
  if (!x) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  lti_buf_init(&x->path, &e->alloc, 16384, LEAT_EURL);
  lti_task_kind_request(t->kind, &x->request);
  x->by_url = url.size > 0;
  int r = x->by_url ? LTI_OK : fill_path(t, x);
  lti_download_order order = {.request = &x->request,
                              .url = url,
                              .file = c->file,
                              .fd_plus_one = c->fd_plus_one,
                              .resume_from = c->resume_from,
                              .content = c->on_content ? on_bytes : NULL,
                              .done = on_done,
                              .user = t};
  if (r == LTI_OK) r = lti_download_start(e, &order, &x->download);
  if (r != LTI_OK) fetch_free(t);
  return r;
}

/* What the family serves, unless the URL is the content. */
static int choose(lti_task *t, leat_slice url) {
  lti_datauri inline_content;
  if (t->kind->form.content_path && !lti_datauri_init(&inline_content, url))
    return fetch(t, lti_slice("", 0));
  if (url.size > 0) return fetch(t, url);
  return lti_engine_fail(lti_task_engine(t), LEAT_EINVAL,
                         "the result has no URL, and its family no path for it");
}

void lti_task_content_start(lti_task *t) {
  leat_task_update u;
  t->state = LEAT_TASK_DOWNLOADING;
  lti_task_fill_update(t, &u);
  lti_task_tell_update(t, &u);
  if (t->ended) return;
  lti_task_fill_update(t, &u); /* the callback may have moved what the first one shows */
  int r = choose(t, u.url);
  if (r != LTI_OK) lti_task_finish(t, r, leat_last_message(lti_task_engine(t)));
}

/* ---- reading */

static int on_bytes(void *user, uint64_t offset, leat_slice bytes) {
  lti_task *t = user;
  const lti_task_content *c = t->content;
  return c->on_content(lti_task_engine(t), t->item.id, offset, bytes, t->user);
}

/* ---- the end */

/* The family has no content of this job, but the job names a place. */
static bool try_url(lti_task *t, int error, const leat_result *result) {
  leat_task_update u;
  if (error != LEAT_ESTATUS || !result) return false;
  if (result->status != 404 && result->status != 405 && result->status != 501) return false;
  lti_task_fill_update(t, &u);
  return u.url.size > 0 && fetch(t, u.url) == LTI_OK;
}

static void on_done(void *user, int error, const leat_result *result, const char *message) {
  lti_task *t = user;
  lti_task_content *c = t->content;
  leat_task_update u;
  bool by_url = c->fetch->by_url;
  c->bytes = lti_task_content_bytes(t, &c->bytes_total);
  c->fetch->download = NULL;
  fetch_free(t);
  if (!by_url && try_url(t, error, result)) return;
  leat_result told = {.retry_after_ms = -1};
  if (result) told = *result;
  if (message) told.message = lti_slice_of(message);
  if (result && result->error != error && !message) told.message = lti_slice("", 0);
  told.error = error;
  if (error == LEAT_OK) t->state = LEAT_TASK_SUCCEEDED;
  lti_task_fill_update(t, &u);
  lti_task_conclude(t, error, &u, &told);
}
