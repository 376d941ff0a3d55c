/* What arrives: nghttp2's callbacks, which gather and never call out.
 *
 * nghttp2 parses frames, keeps HPACK's tables, windows and the states of streams. What a response
 * may look like is judged here (RFC 9113 8.1 to 8.3) and not by nghttp2, whose own judgement can be
 * switched off: so a malformed response ends its stream with a reason, at once, and lists of fields
 * are cut off at the limit while they are decoded. 16 KB on the wire can be 50 MB of fields.
 *
 *   stream:  (1xx head)*  head  body*  [trailers]        END_STREAM with the last of them
 *
 * A stream that overruns its window is reset by nghttp2 without a word. That is foreseen here when
 * its frame begins: `allowance` is what the window has room for at least, and is asked of nghttp2
 * again only when a frame is longer. */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/error.h"
#include "wire/http2_inside.h"

#define INTERIM_MAX    32
#define FIELD_OVERHEAD 32    /* RFC 9113 6.5.2 */
#define HEADS_KEPT     16384 /* bytes of finished heads: with more they are delivered first */

/* In front of each field's name and value in `heads`. */
typedef struct field_sizes {
  uint32_t name, value;
} field_sizes;

/* ---- the end of a stream ----------------------------------------------------------------------
 */

static lti_http2_stream *find(lti_http2 *x, int32_t id) {
  return id > 0 ? nghttp2_session_get_stream_user_data(x->session, id) : NULL;
}

/* The stream that frames of `id` are for, if they are still wanted. */
static lti_http2_stream *find_running(lti_http2 *x, int32_t id) {
  lti_http2_stream *s = find(x, id);
  return s && s->outcome == LTI_HTTP2_RUNS ? s : NULL;
}

static void set_outcome(lti_http2 *x, lti_http2_stream *s, uint8_t outcome) {
  s->outcome = outcome;
  lti_list_remove(&s->node);
  lti_list_push(&x->ended, &s->node);
}

void lti_http2_response_break(lti_http2 *x, lti_http2_stream *s, const lti_http2_failure *failure) {
  s->error = (int16_t)failure->error;
  s->code = failure->code;
  s->unprocessed = failure->unprocessed;
  s->reason = failure->reason;
  set_outcome(x, s, LTI_HTTP2_BROKEN);
}

static void malformed(lti_http2 *x, lti_http2_stream *s, const char *reason) {
  lti_http2_response_break(
      x, s, &(lti_http2_failure){LEAT_EHTTP, LTI_HTTP2_PROTOCOL_ERROR, false, false, reason});
}

/* END_STREAM. */
static void finish(lti_http2 *x, lti_http2_stream *s) {
  if (!s->answered) {
    malformed(x, s, "END_STREAM before a final response");
  } else if (s->counted && s->left > 0) {
    malformed(x, s, "body shorter than its Content-Length");
  } else {
    set_outcome(x, s, LTI_HTTP2_COMPLETE);
  }
}

/* ---- header blocks ----------------------------------------------------------------------------
 */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx) {
  (void)session;
  lti_http2 *x = ctx;
  lti_http2_stream *s = find_running(x, frame->hd.stream_id);
  x->in.heads.size = x->in.heads_size; /* what a block that came to nothing left */
  x->in.block = (lti_http2_block){.stream = s, .is_trailers = s && s->answered};
  if (s) s->started = true;
  return 0;
}

static const char *check_status(lti_http2_block *b, leat_slice name, leat_slice value) {
  if (b->is_trailers) return "a pseudo-header in trailers";
  if (!lti_slice_is(name, ":status")) return "a pseudo-header that is not for responses";
  if (b->has_regular) return ":status behind other fields";
  if (b->status) return ":status twice";
  if (value.size != 3) return "bad :status";
  for (size_t i = 0; i < 3; i++) {
    if (value.data[i] < (i ? '0' : '1') || value.data[i] > '9') return "bad :status";
    b->status = b->status * 10 + (value.data[i] - '0');
  }
  return NULL;
}

static bool value_ok(leat_slice value) {
  for (size_t i = 0; i < value.size; i++) {
    unsigned char c = (unsigned char)value.data[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return lti_slice_trim(value).size == value.size;
}

static bool is_of_connection(leat_slice name) {
  switch (name.size) {
    case 2: return lti_slice_is(name, "te");
    case 7: return lti_slice_is(name, "upgrade");
    case 10: return lti_slice_is(name, "connection") || lti_slice_is(name, "keep-alive");
    case 16: return lti_slice_is(name, "proxy-connection");
    case 17: return lti_slice_is(name, "transfer-encoding");
    default: return false;
  }
}

/* What is wrong with a field, or NULL. */
static const char *check_field(lti_http2_block *b, leat_slice name, leat_slice value) {
  if (name.size && name.data[0] == ':') return check_status(b, name, value);
  b->has_regular = true;
  if (!lti_http_name_ok(name)) return "forbidden byte in a header name";
  for (size_t i = 0; i < name.size; i++)
    if (name.data[i] >= 'A' && name.data[i] <= 'Z') return "upper case in a header name";
  if (!value_ok(value)) return "forbidden byte in a header value";
  if (is_of_connection(name)) return "a connection-specific header";
  if (b->is_trailers || !lti_slice_is(name, "content-length")) return NULL;
  if (b->has_length) return "Content-Length twice";
  b->has_length = true;
  return lti_slice_u64(value, &b->length) ? NULL : "bad Content-Length";
}

static int store(lti_http2 *x, leat_slice name, leat_slice value) {
  field_sizes sizes = {(uint32_t)name.size, (uint32_t)value.size};
  lti_buf *to = &x->in.heads;
  int rc = lti_buf_reserve(to, sizeof sizes + name.size + value.size);
  if (rc != LTI_OK) return rc;
  rc |= lti_buf_append(to, lti_slice((const char *)&sizes, sizeof sizes));
  rc |= lti_buf_append(to, name);
  rc |= lti_buf_append(to, value);
  x->in.block.fields++;
  return rc;
}

void lti_http2_response_fields(const lti_http2 *x, const lti_http2_entry *head,
                               leat_header *fields) {
  const char *at = x->in.heads.data ? x->in.heads.data + head->size : NULL;
  for (uint32_t i = 0; i < head->fields; i++) {
    field_sizes sizes;
    memcpy(&sizes, at, sizeof sizes);
    at += sizeof sizes;
    fields[i].name = lti_slice(at, sizes.name);
    fields[i].value = lti_slice(at + sizes.name, sizes.value);
    at += sizes.name + sizes.value;
  }
}

/* Ends the stream in the middle of its block: nghttp2 decodes the rest and shows it to nobody. It
 * would reset the stream with a code of its own, so that is done first. */
static int cut_off(lti_http2 *x, int error, uint32_t code, const char *reason) {
  lti_http2_stream *s = x->in.block.stream;
  x->in.block.stream = NULL;
  lti_http2_response_break(x, s, &(lti_http2_failure){error, code, false, false, reason});
  int rc = nghttp2_submit_rst_stream(x->session, NGHTTP2_FLAG_NONE, s->id, code);
  return rc == 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name_buf,
                     nghttp2_rcbuf *value_buf, uint8_t flags, void *ctx) {
  (void)session, (void)frame, (void)flags;
  lti_http2 *x = ctx;
  lti_http2_block *b = &x->in.block;
  if (!b->stream) return 0;
  nghttp2_vec n = nghttp2_rcbuf_get_buf(name_buf), v = nghttp2_rcbuf_get_buf(value_buf);
  leat_slice name = lti_slice((const char *)n.base, n.len);
  leat_slice value = lti_slice((const char *)v.base, v.len);
  b->bytes += n.len + v.len + FIELD_OVERHEAD;
  if (b->bytes > x->config.header_bytes_max) {
    x->in.budget.overlong++;
    return cut_off(x, LEAT_EHEADERSMAX, LTI_HTTP2_ENHANCE_YOUR_CALM, "header list above the limit");
  }
  if (!b->fault) b->fault = check_field(b, name, value);
  if (!b->fault && !b->is_trailers && name.data[0] != ':' && store(x, name, value) != LTI_OK)
    return cut_off(x, LEAT_ENOMEM, LTI_HTTP2_INTERNAL_ERROR, "no memory for a header block");
  /* One place in the batch is kept for this block's head. */
  x->in.paused = x->in.count + 1 >= LTI_HTTP2_BATCH || x->in.heads_size > HEADS_KEPT;
  return x->in.paused ? NGHTTP2_ERR_PAUSE : 0;
}

static void push_head(lti_http2 *x, lti_http2_stream *s, const lti_http2_block *b,
                      bool end_stream) {
  bool never = b->status == 204 || b->status == 304 || s->is_head;
  s->answered = true;
  s->counted = never || b->has_length;
  s->left = never ? 0 : b->length;
  x->in.batch[x->in.count++] =
      (lti_http2_entry){.stream = s,
                        .size = x->in.heads_size,
                        .fields = b->fields,
                        .status = (int16_t)b->status,
                        .has_body = !end_stream && (!s->counted || s->left > 0)};
  x->in.heads_size = x->in.heads.size;
}

/* A whole block has come. */
static void end_headers(lti_http2 *x, bool end_stream) {
  lti_http2_block *b = &x->in.block;
  lti_http2_stream *s = b->stream;
  b->stream = NULL;
  if (!s) return;
  if (b->fault) {
    malformed(x, s, b->fault);
  } else if (b->is_trailers) {
    if (end_stream) {
      finish(x, s);
    } else {
      malformed(x, s, "a header block in the middle of a body");
    }
  } else if (b->status == 0) {
    malformed(x, s, "no :status");
  } else if (b->status == 101) {
    malformed(x, s, "101 Switching Protocols in HTTP/2");
  } else if (b->status >= 200) {
    push_head(x, s, b, end_stream);
    if (end_stream) finish(x, s);
  } else if (end_stream) {
    finish(x, s);
  } else if (++s->interim_count > INTERIM_MAX) {
    malformed(x, s, "too many interim responses");
  }
}

/* ---- DATA -------------------------------------------------------------------------------------
 */

static bool within_window(lti_http2 *x, lti_http2_stream *s, size_t size) {
  if (size <= s->allowance) {
    s->allowance -= (uint32_t)size;
    return true;
  }
  int64_t room = nghttp2_session_get_stream_effective_local_window_size(x->session, s->id);
  room -= nghttp2_session_get_stream_effective_recv_data_length(x->session, s->id);
  if (size > 0 && (int64_t)size > room) return false;
  /* Until our SETTINGS are acknowledged the window may still shrink. */
  if (x->acked && room > (int64_t)size) s->allowance = (uint32_t)(room - (int64_t)size);
  return true;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *ctx) {
  (void)session;
  lti_http2 *x = ctx;
  if (hd->type != NGHTTP2_DATA) return 0;
  lti_http2_stream *s = find_running(x, hd->stream_id);
  x->in.stream = s;
  x->in.stream_id = hd->stream_id;
  if (s) lti_http2_ahead_owner(s);
  if (s && !within_window(x, s, hd->length))
    lti_http2_response_break(x, s,
                             &(lti_http2_failure){LEAT_EHTTP, LTI_HTTP2_FLOW_CONTROL_ERROR, false,
                                                  false, "body above the stream's window"});
  return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                    size_t size, void *ctx) {
  (void)session, (void)flags, (void)id;
  lti_http2 *x = ctx;
  x->in.arrived += size;
  lti_http2_stream *s = x->in.stream;
  if (!s || s->outcome != LTI_HTTP2_RUNS) return 0;
  if (!s->answered) {
    malformed(x, s, "body before a final response");
    return 0;
  }
  if (s->counted) {
    if (size > s->left) {
      malformed(x, s, "body longer than its Content-Length");
      return 0;
    }
    s->left -= size;
  }
  x->in.batch[x->in.count++] =
      (lti_http2_entry){.stream = s, .bytes = (const char *)bytes, .size = size};
  x->in.paused = x->in.count == LTI_HTTP2_BATCH;
  return x->in.paused ? NGHTTP2_ERR_PAUSE : 0;
}

/* ---- other frames -----------------------------------------------------------------------------
 */

static void on_reset(lti_http2 *x, const nghttp2_rst_stream *frame) {
  lti_http2_stream *s = find_running(x, frame->hd.stream_id);
  if (!s) return;
  uint32_t code = frame->error_code;
  bool refused = code == LTI_HTTP2_REFUSED_STREAM && !s->started;
  const char *reason = refused ? "the server refused the stream" : "the server reset the stream";
  if (code == NGHTTP2_HTTP_1_1_REQUIRED) reason = "the server wants HTTP/1.1 for this request";
  lti_http2_response_break(x, s, &(lti_http2_failure){LEAT_ERESET, code, refused, false, reason});
}

/* nghttp2 sends no HEADERS from now on, so what has not left is given back as well. */
static void on_goaway(lti_http2 *x, const nghttp2_goaway *frame) {
  x->changed = true;
  x->takes_some = frame->last_stream_id > 0;
  if (x->state == LTI_HTTP2_OPEN) x->state = LTI_HTTP2_LEAVING;
  if (frame->error_code != LTI_HTTP2_NO_ERROR && !x->error) x->code = frame->error_code;
  for (lti_list *node = x->streams.next, *next; node != &x->streams; node = next) {
    next = node->next;
    lti_http2_stream *s = LTI_CONTAINER_OF(node, lti_http2_stream, node);
    if (s->id <= frame->last_stream_id && s->sent) continue;
    lti_http2_response_break(
        x, s,
        &(lti_http2_failure){LEAT_ERESET, frame->error_code, !s->started, false,
                             "the server leaves and did not take the request up"});
  }
}

static void on_settings(lti_http2 *x, bool ack) {
  if (ack) {
    x->acked = true;
    return;
  }
  x->settled = true;
  x->changed = true;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx) {
  lti_http2 *x = ctx;
  bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS: end_headers(x, end_stream); break;
    case NGHTTP2_DATA:
      if (end_stream && x->in.stream && x->in.stream->outcome == LTI_HTTP2_RUNS)
        finish(x, x->in.stream);
      x->in.stream = NULL;
      break;
    case NGHTTP2_RST_STREAM: on_reset(x, &frame->rst_stream); break;
    case NGHTTP2_SETTINGS: on_settings(x, ack); break;
    case NGHTTP2_PING:
      if (ack) x->pinged = false;
      break;
    case NGHTTP2_GOAWAY: on_goaway(x, &frame->goaway); break;
    case NGHTTP2_WINDOW_UPDATE:
      if (frame->hd.stream_id) break;
      x->changed = true;
      int32_t window = nghttp2_session_get_remote_window_size(session);
      if (window > x->window_peak) x->window_peak = window;
      break;
    default: break;
  }
  return 0;
}

/* nghttp2 resets a stream whose window the peer raised above 2^31-1, and says so here. Its other
 * complaints end the connection. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *ctx) {
  (void)session;
  lti_http2 *x = ctx;
  if (frame->hd.type != NGHTTP2_WINDOW_UPDATE || error != NGHTTP2_ERR_FLOW_CONTROL) return 0;
  lti_http2_stream *s = find_running(x, frame->hd.stream_id);
  if (s)
    lti_http2_response_break(x, s,
                             &(lti_http2_failure){LEAT_EHTTP, LTI_HTTP2_FLOW_CONTROL_ERROR, false,
                                                  false, "the server raised a window too far"});
  return 0;
}

void lti_http2_response_callbacks(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
}
