/* What goes wrong on purpose in HTTP/2, decided when a request's head is there: streams that are
 * refused or reset, GOAWAYs, floods, and connections that fall silent. What happens inside an
 * answer is the answer's (h2.c). */
#include <string.h>

#include "bench/mock/h2.h"

#define FLOOD_MAX 1000000u

static uint64_t bounded(const mock_faults *f, enum mock_fault which, uint64_t most) {
  return f->arg[which] < most ? f->arg[which] : most;
}

static void flood(h2 *h, const mock_faults *f) {
  if (mock_fault_on(f, FAULT_PING_FLOOD))
    for (uint64_t i = bounded(f, FAULT_PING_FLOOD, FLOOD_MAX); i > 0; i--)
      nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
  if (mock_fault_on(f, FAULT_SETTINGS_FLOOD))
    for (uint64_t i = bounded(f, FAULT_SETTINGS_FLOOD, FLOOD_MAX); i > 0; i--)
      nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

/* The request and all behind it are left out, truthfully: none of them has been begun. */
static void go_away(h2 *h, const h2_stream *s, uint32_t code) {
  if (h->left_out != INT32_MAX) return;
  h->left_out = s->id - 2 > 0 ? s->id - 2 : 0;
  nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, h->left_out, code, NULL, 0);
}

bool h2_fault_judge(h2 *h, h2_stream *s) {
  const mock_faults *f = s->x.plan.faults;
  if (!f->set) return false;
  flood(h, f);
  if (mock_fault_on(f, FAULT_MAX_STREAMS)) {
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                    (uint32_t)bounded(f, FAULT_MAX_STREAMS, UINT32_MAX)};
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, &entry, 1);
  }
  if (mock_fault_on(f, FAULT_SLOW_READER))
    s->read_delay_ms = (uint32_t)bounded(f, FAULT_SLOW_READER, 3600000);
  if (mock_fault_on(f, FAULT_SILENT)) {
    h->silent = true;
    return true;
  }
  if (mock_fault_on(f, FAULT_GOAWAY)) {
    go_away(h, s, (uint32_t)bounded(f, FAULT_GOAWAY, UINT32_MAX));
    return true;
  }
  uint32_t code = NGHTTP2_NO_ERROR;
  if (mock_fault_on(f, FAULT_RST) && !mock_fault_on(f, FAULT_RESET))
    code = (uint32_t)bounded(f, FAULT_RST, UINT32_MAX);
  if (mock_fault_on(f, FAULT_HTTP11_REQUIRED)) code = NGHTTP2_HTTP_1_1_REQUIRED;
  if (mock_fault_on(f, FAULT_REFUSED)) code = NGHTTP2_REFUSED_STREAM;
  if (code == NGHTTP2_NO_ERROR) return false;
  nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, code);
  return true;
}

/* RST_STREAM for a stream that is over: nghttp2 would not send it, so it is made by hand. */
void h2_fault_after(h2 *h, const h2_stream *s) {
  const mock_faults *f = s->x.plan.faults;
  if (!mock_fault_on(f, FAULT_RST_AFTER) || !s->x.answered) return;
  uint32_t id = (uint32_t)s->id, code = (uint32_t)bounded(f, FAULT_RST_AFTER, UINT32_MAX);
  const unsigned char frame[13] = {
      0,
      0,
      4,
      NGHTTP2_RST_STREAM,
      0,
      (unsigned char)(id >> 24),
      (unsigned char)(id >> 16),
      (unsigned char)(id >> 8),
      (unsigned char)id,
      (unsigned char)(code >> 24),
      (unsigned char)(code >> 16),
      (unsigned char)(code >> 8),
      (unsigned char)code,
  };
  lti_buf_append(&h->raw, lti_slice((const char *)frame, sizeof frame));
}
