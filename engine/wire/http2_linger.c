/* Streams whose answer is whole before their stream has ended.
 *
 * An event stream says [DONE], and END_STREAM comes in a frame of its own a moment later: resetting
 * every such stream would look to the server like an attack by rapid resets (CVE-2023-44487), which
 * proxies answer with GOAWAY. So its end is awaited for a while, by nobody: its frames are dropped,
 * at most a window of them, for the stream's share is not given back. A stream that lingers counts
 * among those the server allows at once, so they may have half of these. */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/error.h"
#include "wire/http2.h"
#include "wire/http2_inside.h"

#define LINGER_NS 1000000000ull

static void reset(lti_http2 *x, int32_t id) {
  if (x->dead || x->error) return;
  int rc = nghttp2_submit_rst_stream(x->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  if (nghttp2_is_fatal(rc)) lti_http2_fatal(x, rc);
}

static void drop(lti_http2 *x, size_t i) {
  lti_http2_linger *l = &x->linger;
  l->count--;
  memmove(&l->list[i], &l->list[i + 1], (l->count - i) * sizeof *l->list);
}

static void reset_oldest(lti_http2 *x) {
  int32_t id = x->linger.list[0].id;
  drop(x, 0);
  reset(x, id);
}

void lti_http2_linger_add(lti_http2 *x, int32_t id) {
  lti_http2_linger *l = &x->linger;
  size_t most = lti_http2_streams_max(x) / 2;
  if (most > LTI_HTTP2_LINGERING) most = LTI_HTTP2_LINGERING;
  if (most == 0) {
    reset(x, id);
    return;
  }
  while (l->count >= most) reset_oldest(x);
  l->list[l->count].id = id;
  l->list[l->count++].until_ns = x->in.budget.now_ns + LINGER_NS;
}

void lti_http2_linger_closed(lti_http2 *x, int32_t id) {
  for (size_t i = 0; i < x->linger.count; i++) {
    if (x->linger.list[i].id != id) continue;
    drop(x, i);
    return;
  }
}

void lti_http2_linger_sweep(lti_http2 *x) {
  while (x->linger.count && x->linger.list[0].until_ns <= x->in.budget.now_ns) reset_oldest(x);
}
