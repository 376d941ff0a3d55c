/* Downloads: see download.h. Each exchange is a request of the engine's own, one at a time; one
 * that was cut is followed by the next, for the rest. */
#include "core/download.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "core/request.h"
#include "io/save.h"
#include "wire/datauri.h"
#include "wire/http.h"

#define RESUMES_MAX    5    /* exchanges in a row that bring nothing new ... */
#define PROGRESS_BYTES 1024 /* ... which is so much at least */
#define OWN_HEADERS    3    /* Accept-Encoding, Range, If-Range */
#define DECODE_BYTES   ((size_t)64 * 1024)
#define DECODE_ROUNDS  16 /* of a data: URI in one turn */

struct lti_download {
  leat_engine *engine;
  lti_download_order order;
  lti_alarm alarm;
  lti_blob *url; /* with its NUL; NULL: none */
  lti_datauri inline_content;
  lti_save *save;
  leat_header *headers;
  leat_id id; /* the exchange under way, 0: none */
  uint64_t have, total;
  uint64_t best;      /* the most that there ever was */
  int resumes, error; /* why we have ended an exchange; LTI_STOPPED: to begin anew */
  const char *why;
  bool foreign, is_inline, fits, begun;
  bool gone; /* cancelled: freed when nothing of it is under way */
  bool busy; /* decoding, from which the callback is called */
  size_t tag_size;
  char tag[LTI_SAVE_TAG_MAX];
};

static void on_alarm(lti_alarm *alarm, uint64_t now_ns);
static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user);
static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user);

/* ---- life */

static void download_free(lti_download *d) {
  leat_engine *e = d->engine;
  lti_save_close(d->save);
  lti_blob_release(d->url);
  if (d->headers) lti_alloc_put(&e->alloc, d->headers);
  lti_alarm_leave(&e->alarms, &d->alarm);
  lti_alloc_put(&e->alloc, d);
}

/* Whether an address is on the origin that the key is for. */
static bool is_own(const lti_download *d, const lti_url *url) {
  const char *base = d->order.request->base_url;
  lti_url own;
  if (!base) base = d->engine->defaults.base_url;
  return base && lti_url_parse(&own, lti_slice_of(base), NULL) == LTI_OK &&
         lti_url_same_origin(&own, url);
}

static int take_url(lti_download *d) {
  leat_engine *e = d->engine;
  leat_slice text = d->order.url;
  lti_url url;
  const char *why = NULL;
  if (text.size == 0) return LTI_OK;
  lti_buf copy;
  lti_buf_init(&copy, &e->alloc, SIZE_MAX / 2, LEAT_EURL);
  int r = lti_buf_append(&copy, text);
  if (r == LTI_OK) r = lti_buf_byte(&copy, '\0');
  if (r == LTI_OK) d->url = lti_blob_make(&e->alloc, NULL, lti_buf_slice(&copy));
  lti_buf_deinit(&copy);
  if (!d->url) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  text = lti_slice(d->url->bytes, text.size);
  d->is_inline = lti_datauri_init(&d->inline_content, text);
  if (d->is_inline) return LTI_OK;
  bool foreign_scheme = !lti_slice_starts(text, "https://") && !lti_slice_starts(text, "http://");
  if (foreign_scheme || memchr(text.data, '\0', text.size))
    r = LEAT_EURL, why = "it is neither http nor https nor data";
  else
    r = lti_url_parse(&url, text, &why);
  if (r != LTI_OK) {
    lti_buf_clear(&e->message);
    lti_buf_format(&e->message, "the result's address cannot be used: %s", why ? why : "");
    return lti_engine_fail(e, r, "");
  }
  d->foreign = !is_own(d, &url);
  return LTI_OK;
}

static int open_file(lti_download *d) {
  leat_engine *e = d->engine;
  int native = 0;
  if (!d->order.file) return LTI_OK;
  int r = lti_save_open(&e->alloc, d->order.file, &d->save, &native);
  if (r == LEAT_ENOMEM) return lti_engine_fail(e, r, NULL);
  if (r != LTI_OK) {
    lti_buf_clear(&e->message);
    lti_buf_format(&e->message, "%s.part cannot be written: %s", d->order.file,
                   native == EWOULDBLOCK ? "another download does" : strerror(native));
    return lti_engine_fail(e, r, "");
  }
  d->have = d->best = lti_save_size(d->save);
  leat_slice tag = lti_save_tag(d->save);
  d->tag_size = tag.size;
  if (tag.size) memcpy(d->tag, tag.data, tag.size);
  return LTI_OK;
}

static int ask(lti_download *d);

/* In the loop's next turn. */
static void decode_later(lti_download *d) {
  lti_alarm_set(&d->engine->alarms, &d->alarm, lti_loop_clock(d->engine->loop));
  lti_engine_kick(d->engine);
}

int lti_download_start(leat_engine *e, const lti_download_order *order, lti_download **download) {
  lti_download *d = lti_alloc_zero(&e->alloc, sizeof *d);
  if (!d) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  d->engine = e;
  if (lti_alarm_join(&e->alarms, &d->alarm, on_alarm) != LTI_OK) {
    lti_alloc_put(&e->alloc, d);
    return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  }
  d->order = *order;
  d->have = d->best = order->file ? 0 : order->resume_from;
  int r = take_url(d);
  if (r == LTI_OK) r = open_file(d);
  if (r == LTI_OK && d->is_inline)
    decode_later(d);
  else if (r == LTI_OK)
    r = ask(d);
  if (r == LTI_OK)
    *download = d;
  else
    download_free(d);
  return r;
}

void lti_download_cancel(lti_download *d) {
  d->gone = true;
  lti_alarm_set(&d->engine->alarms, &d->alarm, UINT64_MAX);
  if (d->id)
    leat_cancel(d->engine, d->id);
  else if (!d->busy)
    download_free(d);
}

uint64_t lti_download_bytes(const lti_download *d) {
  return d->have;
}

uint64_t lti_download_total(const lti_download *d) {
  return d->total;
}

/* The last that is heard of it. */
static void end(lti_download *d, int error, const leat_result *result, const char *message) {
  lti_download_order order = d->order;
  int native = 0;
  char words[160];
  if (error == LEAT_OK && d->save) {
    error = lti_save_finish(d->save, &native);
    snprintf(words, sizeof words, "the file cannot be finished: %s", strerror(native));
    if (error != LEAT_OK) message = words;
  }
  lti_save_close(d->save);
  d->save = NULL;
  order.done(order.user, error, result, message);
  download_free(d);
}

/* ---- asking */

static void put(lti_download *d, leat_request *q, const char *name, leat_slice value) {
  d->headers[q->header_count++] = (leat_header){lti_slice_of(name), value};
}

static int make_headers(lti_download *d, const leat_request *from) {
  size_t count = d->foreign ? 0 : from->header_count;
  if (d->headers) return LTI_OK;
  d->headers = lti_alloc_get(&d->engine->alloc, (count + OWN_HEADERS) * sizeof *d->headers);
  if (!d->headers) return lti_engine_fail(d->engine, LEAT_ENOMEM, NULL);
  if (count) memcpy(d->headers, from->headers, count * sizeof *d->headers);
  return LTI_OK;
}

static int ask(lti_download *d) {
  const leat_request *from = d->order.request;
  leat_request q;
  char range[64];
  int r = make_headers(d, from);
  if (r != LTI_OK) return r;
  leat_request_init(&q);
  q.protocol = "raw";
  q.base_url = d->url ? d->url->bytes : from->base_url;
  if (!d->url) {
    q.path = from->path;
    q.endpoint = from->endpoint;
    q.params = from->params;
    q.param_count = from->param_count;
  }
  q.method = "GET";
  q.api_key = d->foreign ? "" : from->api_key;
  q.auth = from->auth;
  q.deadlines = from->deadlines;
  /* Large content may take its time while it moves. */
  if (q.deadlines.total_ms == 0) q.deadlines.total_ms = LEAT_NONE;
  q.retries = from->retries;
  q.headers = d->headers;
  q.header_count = d->foreign ? 0 : from->header_count;
  /* Offsets count the content itself, not a coding of it. */
  put(d, &q, "Accept-Encoding", lti_slice_of("identity"));
  int n = snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)d->have);
  if (d->have > 0) put(d, &q, "Range", lti_slice(range, (size_t)n));
  if (d->have > 0 && d->tag_size) put(d, &q, "If-Range", lti_slice(d->tag, d->tag_size));
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = d;
  d->fits = false;
  d->error = LTI_OK;
  return d->foreign ? lti_request_fetch(d->engine, &q, &d->id)
                    : lti_request_submit(d->engine, &q, true, &d->id);
}

/* ---- what an answer's head says */

/* "bytes 100-199/200", "bytes *\/200": where it begins, and the total, 0: not told. */
static bool read_range(const leat_head *head, uint64_t *first, uint64_t *total) {
  leat_slice range = lti_http_find(head->headers, head->header_count, "content-range");
  if (!lti_slice_starts(range, "bytes ")) return false;
  range = lti_slice_from(range, 6);
  const char *dash = memchr(range.data, '-', range.size);
  const char *slash = memchr(range.data, '/', range.size);
  if (!slash) return false;
  leat_slice all = lti_slice_from(range, (size_t)(slash - range.data) + 1);
  if (!lti_slice_u64(all, total)) *total = 0;
  if (range.data[0] == '*') return *total > 0;
  return dash && dash < slash &&
         lti_slice_u64(lti_slice(range.data, (size_t)(dash - range.data)), first);
}

/* What tells this version from others: a strong ETag, or else when it was made. */
static leat_slice tag_of(const leat_head *head) {
  leat_slice tag = lti_http_find(head->headers, head->header_count, "etag");
  if (tag.size && tag.data[0] == '"') return tag;
  return lti_http_find(head->headers, head->header_count, "last-modified");
}

/* It says that it is another version than the one that is being taken up. */
static bool is_other(const lti_download *d, const leat_head *head) {
  leat_slice tag = lti_slice(d->tag, d->tag_size);
  leat_slice etag = lti_http_find(head->headers, head->header_count, "etag");
  return tag.size && tag.data[0] == '"' && etag.size && !lti_slice_equal(tag, etag);
}

static bool is_coded(const leat_head *head) {
  leat_slice coding = lti_http_find(head->headers, head->header_count, "content-encoding");
  return coding.size && !lti_slice_is_nocase(coding, "identity");
}

/* An answer with all of it. */
static void begin_whole(lti_download *d, const leat_head *head) {
  int native = 0;
  uint64_t total = 0;
  if (d->have > 0 && !d->save) return;
  leat_slice length = lti_http_find(head->headers, head->header_count, "content-length");
  leat_slice tag = is_coded(head) ? lti_slice("", 0) : tag_of(head);
  if (is_coded(head) || !lti_slice_u64(length, &total)) total = 0;
  d->have = 0;
  d->total = total;
  d->tag_size = tag.size < sizeof d->tag ? tag.size : 0;
  if (d->tag_size) memcpy(d->tag, tag.data, d->tag_size);
  d->fits = true;
  if (!d->save) return;
  d->error = lti_save_begin(d->save, lti_slice(d->tag, d->tag_size), &native);
  if (d->error != LTI_OK) d->why = "the file cannot be written";
}

static void begin_part(lti_download *d, const leat_head *head) {
  uint64_t first = UINT64_MAX, total = 0;
  bool same = read_range(head, &first, &total) && first == d->have && !is_other(d, head) &&
              !is_coded(head) && (!d->total || !total || total == d->total) &&
              (!total || total >= d->have);
  d->fits = same;
  if (same && total) d->total = total;
}

/* Nothing is left to send when all is there (RFC 9110 15.5.17). */
static void see_unsatisfied(lti_download *d, const leat_head *head) {
  uint64_t first = 0, total = 0;
  d->fits = d->have > 0 && read_range(head, &first, &total) && total == d->have &&
            !is_other(d, head) && (!d->total || d->total == total);
  if (d->fits) d->total = total;
}

/* What came is not what was asked for: from the beginning, where that can be. */
static void begin_anew(lti_download *d) {
  d->error = d->save && d->have > 0 ? LTI_STOPPED : LEAT_EIO;
  d->why = "the server does not resume where the content was cut";
}

static void see_head(lti_download *d, const leat_head *head) {
  if (head->status == 200)
    begin_whole(d, head);
  else if (head->status == 206)
    begin_part(d, head);
  else if (head->status == 416)
    see_unsatisfied(d, head);
  else if (head->status >= 300)
    return; /* the exchange's own error */
  if (d->fits || (head->status == 416 && !d->save)) return;
  if (d->error == LTI_OK) begin_anew(d);
}

/* ---- content */

static int write_fd(int fd, leat_slice bytes) {
  while (bytes.size > 0) {
    ssize_t n = write(fd, bytes.data, bytes.size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return LEAT_EIO;
    bytes = lti_slice_from(bytes, (size_t)n);
  }
  return LTI_OK;
}

static int take(lti_download *d, leat_slice bytes) {
  const lti_download_order *o = &d->order;
  int native = 0;
  int r = d->save ? lti_save_write(d->save, bytes, &native) : LTI_OK;
  if (r == LTI_OK && o->fd_plus_one) r = write_fd(o->fd_plus_one - 1, bytes);
  if (r == LTI_OK && o->content && o->content(o->user, d->have, bytes) != 0) r = LEAT_EIO;
  if (r == LTI_OK) d->have += bytes.size;
  if (r != LTI_OK) d->why = "writing the content failed";
  return r;
}

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  lti_download *d = user;
  if (d->gone || d->error) return LEAT_CONTINUE;
  if (event->kind == LEAT_EVENT_HEAD) see_head(d, &event->head);
  if (event->kind == LEAT_EVENT_RAW && d->fits && !d->error) d->error = take(d, event->text);
  /* The callback may have cancelled this. */
  if (d->error && !d->gone && id == d->id) leat_cancel(e, id);
  return LEAT_CONTINUE;
}

/* ---- the end of an exchange */

/* Another exchange, if the ones before brought something. */
static bool goes_on(lti_download *d) {
  if (d->have >= d->best + PROGRESS_BYTES) d->resumes = 0;
  if (d->have > d->best) d->best = d->have;
  return d->resumes++ < RESUMES_MAX;
}

static void again(lti_download *d, const leat_result *result) {
  int r = ask(d);
  if (r != LTI_OK) end(d, r, result, leat_last_message(d->engine));
}

static int outcome(const lti_download *d, const leat_result *result) {
  if (d->error < 0) return d->error;
  if (result->status == 416 && d->fits) return LEAT_OK;
  /* The end of a body that only the end delimits may come too early. */
  if (result->error == LEAT_OK && d->have < d->total) return LEAT_ETRUNCATED;
  if (result->error == LEAT_OK && d->total && d->have > d->total) return LEAT_EHTTP;
  return result->error;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  lti_download *d = user;
  (void)e, (void)id;
  d->id = 0;
  if (d->gone) {
    download_free(d);
    return;
  }
  if (d->error == LTI_STOPPED) {
    d->have = d->total = 0;
    d->tag_size = 0;
    if (goes_on(d)) {
      again(d, result);
      return;
    }
    d->error = LEAT_EIO;
  }
  int error = outcome(d, result);
  bool cut = error == LEAT_ETRUNCATED || error == LEAT_EIDLETIMEOUT;
  bool passing = cut || (error == result->error && result->retryable);
  if (error != LEAT_OK && passing && goes_on(d)) {
    again(d, result);
    return;
  }
  end(d, error, result, d->error ? d->why : NULL);
}

/* ---- data: URIs */

static void decode(lti_download *d) {
  char bytes[DECODE_BYTES];
  size_t size = 1;
  int r = LTI_OK;
  d->busy = true;
  for (int i = 0; r == LTI_OK && size > 0 && i < DECODE_ROUNDS && !d->gone; i++) {
    r = lti_datauri_read(&d->inline_content, bytes, sizeof bytes, &size);
    if (r == LTI_OK && size > 0) r = take(d, lti_slice(bytes, size));
  }
  d->busy = false;
  if (d->gone)
    download_free(d);
  else if (r == LTI_OK && size > 0)
    decode_later(d);
  else
    end(d, r, NULL, r == LEAT_EDECODE ? "the data: URI is not base64" : d->why);
}

/* Its content is all there: whatever an earlier try has left is of no use. */
static void on_alarm(lti_alarm *alarm, uint64_t now_ns) {
  lti_download *d = LTI_CONTAINER_OF(alarm, lti_download, alarm);
  int native = 0;
  (void)now_ns;
  if (!d->begun) {
    d->begun = true;
    d->have = 0;
    int r = d->save ? lti_save_begin(d->save, lti_slice("", 0), &native) : LTI_OK;
    if (r != LTI_OK) {
      end(d, r, NULL, "the file cannot be written");
      return;
    }
  }
  decode(d);
}
