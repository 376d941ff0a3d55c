/* Going on where an answer broke off: see resume.h. */
#include "core/resume.h"

#include "base/error.h"
#include "core/gate.h"
#include "core/upload.h"

#define RESUMES 3

int lti_resume_open(lti_request *r, const leat_request *wanted) {
  leat_engine *e = r->item.engine;
  if (!wanted->on_truncation || wanted->resumes_max < 0) return LTI_OK;
  lti_resume *x = lti_alloc_zero(&e->alloc, sizeof *x);
  if (!x) return LEAT_ENOMEM;
  x->ask = wanted->on_truncation;
  x->left = wanted->resumes_max ? wanted->resumes_max : RESUMES;
  lti_buf_init(&x->text, &e->alloc, LEAT_RESUME_TEXT_MAX, LEAT_EBODYMAX);
  r->resume = x;
  r->noted = true;
  return LTI_OK;
}

void lti_resume_close(lti_request *r) {
  if (!r->resume) return;
  lti_buf_deinit(&r->resume->text);
  lti_alloc_put(&r->item.engine->alloc, r->resume);
  r->resume = NULL;
}

void lti_resume_note(lti_resume *x, const leat_event *event) {
  if (event->choice != 0) return;
  if (event->kind == LEAT_EVENT_FINISH) x->finished = true;
  if (event->kind != LEAT_EVENT_TEXT || x->lost) return;
  if (lti_buf_append(&x->text, event->text) == LTI_OK) return;
  x->lost = true;
  lti_buf_deinit(&x->text);
}

static bool broke_off(int error) {
  return error == LEAT_ETRUNCATED || error == LEAT_EINCOMPLETE || error == LEAT_ERESET ||
         error == LEAT_EIDLETIMEOUT || error == LEAT_EGAPTIMEOUT;
}

/* What the draft sends takes the place of what was sent; the draft is left with the rest. */
static void take_over(lti_request *r, lti_request *draft) {
  lti_spec spec = r->spec;
  lti_upload *upload = r->upload;
  lti_origin *origin = r->origin;
  lti_upload_close(upload, true); /* it was accepted, and is not read any more */
  r->spec = draft->spec;
  r->upload = draft->upload;
  r->origin = draft->origin;
  draft->spec = spec;
  draft->upload = upload;
  draft->origin = origin;
  r->lease.tenant = draft->lease.tenant;
  r->lease.body_size = draft->lease.body_size;
  r->wanted = draft->wanted;
  r->retries_max = draft->retries_max;
  r->redirects_max = draft->redirects_max;
  r->once = draft->once;
  r->retries_done = r->replays_done = r->replays_idle = 0;
  r->maybe_ran = r->delivered = r->content_seen = r->retryable = false;
}

/* LTI_OK: it goes on with `next`. */
static int go_on(lti_request *r, const leat_request *next) {
  leat_engine *e = r->item.engine;
  lti_request *draft;
  int rc = lti_request_draft(e, next, &draft);
  if (rc != LTI_OK) return rc;
  take_over(r, draft);
  if (r->ticket) rc = lti_gate_renew(r, next);
  lti_request_drop(draft);
  if (rc != LTI_OK) return lti_engine_fail(e, rc, NULL);
  r->resumed++;
  e->stats.requests_resumed++;
  lti_engine_trace(e, r->item.id, "goes on after %zu bytes of text", r->resume->text.size);
  lti_request_again(r, true);
  return LTI_OK;
}

bool lti_resume_try(lti_request *r) {
  leat_engine *e = r->item.engine;
  lti_resume *x = r->resume;
  leat_request next;
  if (!broke_off(r->error) || !r->delivered || x->left == 0 || x->lost || x->finished) return false;
  x->left--;
  leat_request_init(&next);
  next.on_event = r->on_event;
  next.on_done = r->on_done;
  next.user = r->user;
  bool again = x->ask(e, r->item.id, lti_buf_slice(&x->text), &next, r->user);
  if (!broke_off(r->error)) return true; /* it was cancelled, and is told so in the next turn */
  if (!again) return false;
  int rc = go_on(r, &next);
  if (rc == LTI_OK) return true;
  r->error = rc;
  r->layer = LEAT_LAYER_API;
  r->retryable = false;
  lti_request_say(r, lti_slice_of(leat_last_message(e)));
  return false;
}
