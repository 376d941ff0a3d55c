/* What like tasks share: see task_inside.h. A kind is made from everything of a leat_task that is
 * not one job's own, and is found again by those bytes; so ten thousand jobs have one key, one set
 * of headers and one form, and the copies of row and form outlive changes of the engine's. */
#include "base/error.h"
#include "base/list.h"
#include "core/config.h"
#include "core/task_inside.h"

#define WORDS_BYTES_MAX  ((size_t)1024 * 1024)
#define FLOOR_DEFAULT_MS 15000
#define JITTER_DEFAULT   10
#define DEADLINE_DEFAULT 3600000
#define DOWNLOAD_HEADERS 2 /* besides the caller's and the row's */
#define BATCH_DEFAULT    100
#define BATCH_MOST       1000
#define FAMILY_DEFAULT   "video"

/* The texts of the two structs that are copied. */
static const size_t row_texts[] = {
    offsetof(leat_endpoint, name),  offsetof(leat_endpoint, method),
    offsetof(leat_endpoint, path),  offsetof(leat_endpoint, header),
    offsetof(leat_endpoint, value), offsetof(leat_endpoint, base_url),
    offsetof(leat_endpoint, task),
};
static const size_t form_texts[] = {
    offsetof(leat_task_form, name),
    offsetof(leat_task_form, poll_method),
    offsetof(leat_task_form, poll_path),
    offsetof(leat_task_form, poll_body),
    offsetof(leat_task_form, batch_path),
    offsetof(leat_task_form, batch_body),
    offsetof(leat_task_form, batch_items),
    offsetof(leat_task_form, content_path),
    offsetof(leat_task_form, id),
    offsetof(leat_task_form, status),
    offsetof(leat_task_form, progress),
    offsetof(leat_task_form, urls),
    offsetof(leat_task_form, text),
    offsetof(leat_task_form, error_code),
    offsetof(leat_task_form, error_message),
    offsetof(leat_task_form, good_codes),
    offsetof(leat_task_form, done_words),
    offsetof(leat_task_form, failed_words),
    offsetof(leat_task_form, input_words),
};
#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

/* The numbers, zeroed first so that they can be compared as bytes. */
typedef struct kind_numbers {
  leat_deadlines deadlines;
  int64_t poll_ms, first_poll_ms, deadline_ms;
  size_t header_count, param_count;
  int jitter_percent, retries, auth, batch_max;
  int row_auth, row_body, row_reply, row_once, has_form;
} kind_numbers;

/* ---- what a task asks for, as bytes */

static int put_text(lti_buf *out, const char *text) {
  if (!text) return lti_buf_byte(out, 0);
  int r = lti_buf_byte(out, 1);
  return r == LTI_OK ? lti_buf_append(out, lti_slice(text, strlen(text) + 1)) : r;
}

static int put_slice(lti_buf *out, leat_slice s) {
  int r = lti_buf_append(out, lti_slice((const char *)&s.size, sizeof s.size));
  return r == LTI_OK ? lti_buf_append(out, s) : r;
}

static const char *text_in(const void *base, size_t offset) {
  const char *text;
  memcpy(&text, (const char *)base + offset, sizeof text);
  return text;
}

static int put_texts(lti_buf *out, const void *base, const size_t *offsets, size_t count) {
  int r = LTI_OK;
  for (size_t i = 0; i < count && r == LTI_OK; i++) r = put_text(out, text_in(base, offsets[i]));
  return r;
}

static int put_lists(lti_buf *out, const leat_task *q) {
  int r = LTI_OK;
  for (size_t i = 0; i < q->param_count && r == LTI_OK; i++) {
    r = put_text(out, q->params[i].name);
    if (r == LTI_OK) r = put_text(out, q->params[i].value);
  }
  for (size_t i = 0; i < q->header_count && r == LTI_OK; i++) {
    r = put_slice(out, q->headers[i].name);
    if (r == LTI_OK) r = put_slice(out, q->headers[i].value);
  }
  return r;
}

static int describe(const leat_task *q, const leat_endpoint *row, const leat_task_form *form,
                    lti_buf *out) {
  kind_numbers n;
  memset(&n, 0, sizeof n);
  n.deadlines = q->deadlines;
  n.poll_ms = q->poll_ms > 0 ? q->poll_ms : form && form->poll_ms > 0 ? form->poll_ms : 0;
  n.first_poll_ms = q->first_poll_ms;
  n.deadline_ms = q->deadline_ms;
  n.header_count = q->header_count;
  n.param_count = q->param_count;
  n.jitter_percent = q->jitter_percent;
  n.retries = q->retries;
  n.auth = (int)q->auth;
  n.batch_max = form ? form->batch_max : 0;
  n.row_auth = (int)row->auth;
  n.row_body = (int)row->body;
  n.row_reply = (int)row->reply;
  n.row_once = row->once;
  n.has_form = form != NULL;
  int r = lti_buf_append(out, lti_slice((const char *)&n, sizeof n));
  if (r == LTI_OK) r = put_text(out, q->base_url);
  if (r == LTI_OK) r = put_text(out, q->api_key);
  if (r == LTI_OK) r = put_texts(out, row, row_texts, COUNT_OF(row_texts));
  if (r == LTI_OK && form) r = put_texts(out, form, form_texts, COUNT_OF(form_texts));
  return r == LTI_OK ? put_lists(out, q) : r;
}

/* ---- and back */

static const char *take_text(const char **at) {
  if (*(*at)++ == 0) return NULL;
  const char *text = *at;
  *at += strlen(text) + 1;
  return text;
}

static leat_slice take_slice(const char **at) {
  leat_slice s;
  memcpy(&s.size, *at, sizeof s.size);
  s.data = *at + sizeof s.size;
  *at = s.data + s.size;
  return s;
}

static void take_texts(const char **at, void *base, const size_t *offsets, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *text = take_text(at);
    memcpy((char *)base + offsets[i], &text, sizeof text);
  }
}

static uint64_t or_ns(int64_t ms, int64_t otherwise) {
  return (uint64_t)(ms > 0 ? ms : otherwise) * LTI_TASK_MS_NS;
}

static void take_numbers(lti_task_kind *k, const kind_numbers *n) {
  k->deadlines = n->deadlines;
  k->retries = n->retries;
  k->auth = n->auth ? (enum leat_auth)n->auth : (enum leat_auth)n->row_auth;
  k->floor_ns = or_ns(n->poll_ms, FLOOR_DEFAULT_MS);
  k->first_ns = n->first_poll_ms > 0 ? or_ns(n->first_poll_ms, 0) : 0;
  k->deadline_ns = n->deadline_ms < 0 ? UINT64_MAX : or_ns(n->deadline_ms, DEADLINE_DEFAULT);
  k->jitter_percent = n->jitter_percent == 0  ? JITTER_DEFAULT
                      : n->jitter_percent < 0 ? 0
                                              : (unsigned)n->jitter_percent;
  k->header_count = n->header_count;
  k->param_count = n->param_count;
  k->row = (leat_endpoint){.struct_size = sizeof k->row,
                           .auth = (enum leat_auth)n->row_auth,
                           .body = (enum leat_body_kind)n->row_body,
                           .reply = (enum leat_reply_kind)n->row_reply,
                           .once = n->row_once};
  k->form = (leat_task_form){.struct_size = sizeof k->form, .batch_max = n->batch_max};
}

/* The row's own field stands behind the caller's, unless the caller has it too. */
static void add_row_header(lti_task_kind *k) {
  leat_slice name = lti_slice_of(k->row.header);
  if (!name.size) return;
  for (size_t i = 0; i < k->header_count; i++)
    if (lti_slice_equal_nocase(k->headers[i].name, name)) return;
  k->headers[k->header_count++] = (leat_header){name, lti_slice_of(k->row.value)};
}

static int unfold(lti_task_kind *k) {
  const char *at = k->words->bytes;
  kind_numbers n;
  memcpy(&n, at, sizeof n);
  at += sizeof n;
  take_numbers(k, &n);
  k->base_url = take_text(&at);
  k->api_key = take_text(&at);
  take_texts(&at, &k->row, row_texts, COUNT_OF(row_texts));
  if (n.has_form) take_texts(&at, &k->form, form_texts, COUNT_OF(form_texts));
  if (!k->base_url && !k->engine->defaults.base_url) k->base_url = k->row.base_url;
  lti_alloc *alloc = &k->engine->alloc;
  k->params = lti_alloc_get(alloc, (k->param_count + 1) * sizeof *k->params);
  k->headers = lti_alloc_get(alloc, (k->header_count + 1 + DOWNLOAD_HEADERS) * sizeof *k->headers);
  if (!k->params || !k->headers) return LEAT_ENOMEM;
  for (size_t i = 0; i < k->param_count; i++) {
    k->params[i].name = take_text(&at);
    k->params[i].value = take_text(&at);
  }
  for (size_t i = 0; i < k->header_count; i++) {
    k->headers[i].name = take_slice(&at);
    k->headers[i].value = take_slice(&at);
  }
  add_row_header(k);
  return LTI_OK;
}

/* ---- making */

static void kind_free(lti_task_kind *k) {
  lti_alloc *alloc = &k->engine->alloc;
  lti_heap_deinit(&k->many);
  lti_heap_deinit(&k->singles);
  if (k->key) lti_poller_key_release(k->key);
  lti_alloc_put(alloc, k->params);
  lti_alloc_put(alloc, k->headers);
  lti_blob_release(k->words);
  lti_alloc_put(alloc, k);
}

static uint32_t batch_of(const leat_task_form *form) {
  if (!form->name || !form->batch_path || !form->batch_body) return 1;
  int most = form->batch_max > 0 ? form->batch_max : BATCH_DEFAULT;
  return (uint32_t)(most < BATCH_MOST ? most : BATCH_MOST);
}

/* Where it is asked is where its limit is counted. */
static lti_task_kind *kind_new(leat_engine *e, leat_slice words) {
  lti_task_kind *k = lti_alloc_zero(&e->alloc, sizeof *k);
  if (!k) return NULL;
  k->engine = e;
  k->refs = 1;
  lti_heap_init(&k->many, &e->alloc);
  lti_heap_init(&k->singles, &e->alloc);
  lti_list_init(&k->fresh);
  lti_heap_node_init(&k->turn);
  k->words = lti_blob_make(&e->alloc, NULL, words);
  bool made = k->words && unfold(k) == LTI_OK;
  if (made) {
    const char *place = k->base_url ? k->base_url : e->defaults.base_url;
    k->key = lti_poller_key(e, place, k->api_key ? k->api_key : e->defaults.api_key);
    k->batch_max = batch_of(&k->form);
  }
  made = made && k->key && lti_heap_reserve(&k->key->kinds, k->key->refs) == LTI_OK &&
         lti_map_add(&e->poller.kinds, lti_blob_slice(k->words), k) == LTI_OK;
  if (made) return k;
  kind_free(k);
  return NULL;
}

void lti_task_kind_hold(lti_task_kind *k) {
  k->refs++;
}

void lti_task_kind_release(lti_task_kind *k) {
  if (--k->refs > 0) return;
  lti_map_remove(&k->engine->poller.kinds, lti_blob_slice(k->words));
  kind_free(k);
}

/* ---- finding */

/* The row that a family's jobs are submitted by: the first one that names it. */
static const leat_endpoint *row_of_family(leat_engine *e, const char *family) {
  const leat_endpoint *row;
  for (size_t i = 0; (row = leat_endpoint_at(e, i)); i++)
    if (row->task && strcmp(row->task, family) == 0 && row->reply == LEAT_REPLY_KIND_TASK)
      return row;
  return NULL;
}

static int find_row(leat_engine *e, const leat_task *q, const leat_endpoint **row,
                    const leat_task_form **form) {
  if (q->endpoint && q->family)
    return lti_engine_fail(e, LEAT_EINVAL, "endpoint and family are alternatives");
  const char *family = q->family ? q->family : FAMILY_DEFAULT;
  *row = q->endpoint ? leat_endpoint_find(e, q->endpoint) : row_of_family(e, family);
  if (!*row && q->endpoint)
    return lti_engine_fail(e, LEAT_ENOENDPOINT, "no endpoint has this name");
  if (!*row) return lti_engine_fail(e, LEAT_ENOPROTOCOL, "no task family has this name");
  bool job = (*row)->task && (*row)->reply == LEAT_REPLY_KIND_TASK;
  *form = job ? leat_task_form_find(e, (*row)->task) : NULL;
  if (job && (!*form || !(*form)->poll_path))
    return lti_engine_fail(e, LEAT_ENOENDPOINT, "the endpoint names a task form that is not there");
  if ((*row)->reply == LEAT_REPLY_KIND_WS || (*row)->body == LEAT_BODY_MULTIPART)
    return lti_engine_fail(e, LEAT_EINVAL,
                           "this endpoint's body is a form, or it is spoken over a WebSocket: "
                           "neither is a task");
  return LTI_OK;
}

static int check(leat_engine *e, const leat_task *q, const leat_endpoint *row) {
  leat_deadlines out;
  bool has_body = q->body.data || q->prompt;
  if (lti_config_deadlines(e, &q->deadlines, false, &out) != LTI_OK)
    return lti_engine_fail(e, LEAT_EINVAL, "a deadline is negative or absurd");
  if (!q->task_id && !has_body && row->body != LEAT_BODY_NONE)
    return lti_engine_fail(e, LEAT_EINVAL, "a task needs one of body, prompt and task_id");
  if (q->task_id && (!row->task || row->reply != LEAT_REPLY_KIND_TASK))
    return lti_engine_fail(e, LEAT_EINVAL, "this endpoint's calls are no jobs with an id");
  for (size_t i = 0; i < q->param_count; i++)
    if (!q->params[i].name || !q->params[i].value)
      return lti_engine_fail(e, LEAT_EINVAL, "a parameter needs a name and a value");
  return LTI_OK;
}

int lti_task_kind_find(leat_engine *e, const leat_task *q, lti_task_kind **kind) {
  const leat_endpoint *row = NULL;
  const leat_task_form *form = NULL;
  int r = find_row(e, q, &row, &form);
  if (r == LTI_OK) r = check(e, q, row);
  if (r != LTI_OK) return r;
  lti_buf words;
  lti_buf_init(&words, &e->alloc, WORDS_BYTES_MAX, LEAT_EHEADER);
  words.secret = true;
  r = describe(q, row, form, &words);
  if (r == LTI_OK) {
    *kind = lti_map_get(&e->poller.kinds, lti_buf_slice(&words));
    if (*kind) (*kind)->refs++;
    if (!*kind) *kind = kind_new(e, lti_buf_slice(&words));
    if (!*kind) r = LEAT_ENOMEM;
  }
  lti_buf_deinit(&words);
  return r == LTI_OK ? r : lti_engine_fail(e, r, NULL);
}

void lti_task_kind_request(const lti_task_kind *k, leat_request *q) {
  leat_request_init(q);
  q->protocol = "raw";
  q->base_url = k->base_url;
  q->api_key = k->api_key;
  q->auth = k->auth;
  q->headers = k->headers;
  q->header_count = k->header_count;
  q->deadlines = k->deadlines;
  q->retries = k->retries;
}
