/* Batches: a stored file of requests, worked off by the clock, whose answers are a stored file,
 * too, one line each and not in the order of the questions.
 *
 *   validating -> failed (a line cannot be read)
 *        \-> in_progress -> finalizing -> completed
 *                  \-> cancelling -> cancelled
 *
 * It takes as long as a task: --task-queued, then --task-time. A request whose body has
 * metadata.mock_fail is answered 500, in the file of errors. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/asked.h"
#include "bench/mock/files.h"
#include "bench/mock/text.h"
#include "bench/mock/wording.h"
#include "wire/json.h"

#define BATCHES_MAX    10000u
#define LINES_MAX      50000u
#define METADATA_MAX   4096
#define CANCEL_NS      50000000u
#define FINAL_PERCENT  95
#define FILE_SIZE_MAX  ((size_t)64 << 20)
#define NONE           UINT32_MAX
#define EVENTS_PER_ASK 1000u

enum status { VALIDATING, FAILED, IN_PROGRESS, FINALIZING, COMPLETED, CANCELLING, CANCELLED };

static const char *const status_words[] = {"validating", "failed",     "in_progress", "finalizing",
                                           "completed",  "cancelling", "cancelled"};

static const char *const endpoints[] = {"/v1/chat/completions", "/v1/completions",
                                        "/v1/embeddings"};

#define ENDPOINT_COUNT (sizeof endpoints / sizeof endpoints[0])

typedef struct batch {
  uint64_t created_ns, queued_ns, run_ns, cancelled_ns;
  time_t created;
  uint32_t input, output, errors;   /* places of files */
  uint32_t total, failures, broken; /* broken: the line that cannot be read, 0: none */
  size_t endpoint;
  bool made;
  mock_blob *lines; /* the input, which may be deleted meanwhile */
  char *metadata;   /* an object, or null */
} batch;

struct mock_batches {
  uint32_t count;
  batch all[BATCHES_MAX];
};

void mock_batches_free(mock *m) {
  for (uint32_t i = 0; m->batches && i < m->batches->count; i++) {
    mock_blob_drop(m->batches->all[i].lines);
    free(m->batches->all[i].metadata);
  }
  free(m->batches);
}

/* ---- lines */

/* The next line of the text; false: there is none. */
static bool next_line(leat_slice *text, leat_slice *line) {
  while (text->size && (*text->data == '\n' || *text->data == '\r'))
    *text = lti_slice_from(*text, 1);
  if (!text->size) return false;
  const char *end = memchr(text->data, '\n', text->size);
  size_t n = end ? (size_t)(end - text->data) : text->size;
  *line = lti_slice(text->data, n);
  *text = lti_slice_from(*text, n);
  return true;
}

static bool is_request(leat_slice line, const char *endpoint) {
  leat_slice value;
  if (!lti_json_valid(line, NULL, NULL)) return false;
  if (!lti_json_find(line, "/custom_id", &value) || *value.data != '"') return false;
  if (!lti_json_find(line, "/method", &value) || !lti_slice_is(value, "\"POST\"")) return false;
  if (!lti_json_find(line, "/url", &value) || value.size < 2) return false;
  if (!lti_slice_is(lti_slice(value.data + 1, value.size - 2), endpoint)) return false;
  return lti_json_find(line, "/body", &value) && *value.data == '{';
}

static void count_lines(batch *b) {
  leat_slice text = lti_slice(b->lines->bytes, b->lines->size), line;
  while (!b->broken && next_line(&text, &line)) {
    b->total++;
    if (b->total > LINES_MAX || !is_request(line, endpoints[b->endpoint])) b->broken = b->total;
  }
  if (!b->total) b->broken = 1;
}

/* ---- answers */

static int write_chat(const mock *m, const batch *b, leat_slice body, lti_buf *out) {
  mock_ask ask = {.legacy = b->endpoint == 1, .events = m->config.events, .finish = "stop"};
  size_t offset;
  int err = LEAT_ENOMEM;
  if (mock_ask_init(&ask)) {
    snprintf(ask.words->model, sizeof ask.words->model, "gpt-5");
    ask.seed = mock_asked_hash(m->config.seed, body) >> 12;
    mock_ask_read(&ask, body, &offset);
    if (ask.events > EVENTS_PER_ASK) ask.events = EVENTS_PER_ASK;
    ask.stream = false;
    ask.eol = "\n";
    ask.prompt_tokens = mock_asked_tokens(body.size);
    if (mock_ask_settle(&ask)) err = mock_ask_whole(&ask, out);
  }
  mock_ask_deinit(&ask);
  return err;
}

/* An exchange of nobody, whose body is the line's. */
static int write_embedding(mock *m, leat_slice body, lti_buf *out, bool *refused) {
  mock_exchange x = {.m = m, .body = {.data = (char *)(uintptr_t)body.data, .size = body.size}};
  int err = mock_embeddings_write(&x, out, refused);
  if (*refused) {
    lti_buf_clear(out);
    err = lti_buf_text(out,
                       "{\"error\":{\"message\":\"invalid input\",\"type\":"
                       "\"invalid_request_error\",\"param\":null,\"code\":null}}");
  }
  return err;
}

typedef struct answer {
  int status;
  lti_buf body;
} answer;

static int make_answer(mock *m, const batch *b, leat_slice body, answer *a) {
  leat_slice value;
  bool refused = false;
  int err;
  a->status = 200;
  if (lti_json_find(body, "/metadata/mock_fail", &value)) {
    a->status = 500;
    return lti_buf_text(&a->body,
                        "{\"error\":{\"message\":\"the mock made this fail\",\"type\":"
                        "\"server_error\",\"param\":null,\"code\":\"mock\"}}");
  }
  if (b->endpoint == 2)
    err = write_embedding(m, body, &a->body, &refused);
  else
    err = write_chat(m, b, body, &a->body);
  if (refused) a->status = 400;
  return err;
}

static int write_line(mock *m, batch *b, leat_slice line, lti_buf outs[2]) {
  leat_slice id = {0}, body = {0};
  answer a;
  lti_json_find(line, "/custom_id", &id);
  lti_json_find(line, "/body", &body);
  lti_buf_init(&a.body, &m->alloc, FILE_SIZE_MAX, LEAT_EBODYMAX);
  int err = make_answer(m, b, body, &a);
  lti_buf *out = &outs[a.status != 200];
  uint64_t serial = mock_asked_hash(b->created_ns, id);
  if (a.status != 200) b->failures++;
  err |= lti_buf_format(out, "{\"id\":\"batch_req_%016" PRIx64 "\",\"custom_id\":", serial);
  err |= lti_buf_append(out, id);
  err |= lti_buf_format(
      out,
      ",\"response\":{\"status_code\":%d,\"request_id\":\"req_%016" PRIx64 "\",\"body\":", a.status,
      mock_text_mix(serial));
  err |= lti_buf_append(out, lti_buf_slice(&a.body)) | lti_buf_text(out, "},\"error\":null}\n");
  lti_buf_deinit(&a.body);
  return err;
}

/* Every other line first, so that the order is not that of the questions. */
static int write_lines(mock *m, batch *b, lti_buf outs[2]) {
  int err = 0;
  for (uint32_t odd = 0; odd < 2; odd++) {
    leat_slice text = lti_slice(b->lines->bytes, b->lines->size), line;
    for (uint32_t i = 0; !err && next_line(&text, &line); i++)
      if (i % 2 != odd) err = write_line(m, b, line, outs);
  }
  return err;
}

static uint32_t store(mock *m, const lti_buf *bytes, const char *name) {
  uint32_t place = NONE;
  mock_blob *blob = bytes->size ? mock_blob_new(lti_buf_slice(bytes)) : NULL;
  mock_file *f = blob ? mock_file_add(m, blob, &place) : NULL;
  if (!f) return NONE;
  snprintf(f->name, sizeof f->name, "%s", name);
  snprintf(f->purpose, sizeof f->purpose, "batch_output");
  return place;
}

/* The files of answers are made when somebody first sees that it is completed. */
static void make_files(mock *m, batch *b) {
  lti_buf outs[2];
  if (b->made) return;
  b->made = true;
  for (size_t i = 0; i < 2; i++) lti_buf_init(&outs[i], &m->alloc, FILE_SIZE_MAX, LEAT_EBODYMAX);
  if (write_lines(m, b, outs) == 0) {
    b->output = store(m, &outs[0], "batch_output.jsonl");
    b->errors = store(m, &outs[1], "batch_errors.jsonl");
  } else {
    b->broken = 1;
  }
  for (size_t i = 0; i < 2; i++) lti_buf_deinit(&outs[i]);
}

/* ---- where it stands */

static uint64_t age_of(const batch *b) {
  return uv_hrtime() - b->created_ns;
}

static enum status status_of(const batch *b) {
  uint64_t age = age_of(b);
  if (b->cancelled_ns) return uv_hrtime() - b->cancelled_ns < CANCEL_NS ? CANCELLING : CANCELLED;
  if (age < b->queued_ns) return VALIDATING;
  if (b->broken) return FAILED;
  if (age >= b->queued_ns + b->run_ns) return COMPLETED;
  return (age - b->queued_ns) * 100 >= b->run_ns * FINAL_PERCENT ? FINALIZING : IN_PROGRESS;
}

static uint32_t completed_of(const batch *b, enum status status) {
  if (status == COMPLETED) return b->total - b->failures;
  if (status != IN_PROGRESS && status != FINALIZING) return 0;
  return (uint32_t)((double)b->total * (double)(age_of(b) - b->queued_ns) / (double)b->run_ns);
}

static void batch_id(const mock *m, uint32_t place, char out[48]) {
  uint64_t hash = mock_text_mix(m->config.seed ^ mock_text_mix(0x62617463u + place));
  snprintf(out, 48, "batch_%016" PRIx64 "%08x", hash, place);
}

static int write_file_id(const mock *m, uint32_t place, const char *name, lti_buf *out) {
  char id[MOCK_FILE_ID_MAX];
  if (place == NONE) return lti_buf_format(out, "\"%s\":null,", name);
  mock_file_id(m, place, id);
  return lti_buf_format(out, "\"%s\":\"%s\",", name, id);
}

static int write_errors(const batch *b, enum status status, lti_buf *out) {
  if (status != FAILED) return lti_buf_text(out, "\"errors\":null,");
  return lti_buf_format(out,
                        "\"errors\":{\"object\":\"list\",\"data\":[{\"code\":\"invalid_json_line\","
                        "\"message\":\"This line is not a request of this batch\",\"param\":null,"
                        "\"line\":%u}]},",
                        b->broken);
}

static int write_moment(const batch *b, const char *name, bool reached, uint64_t after_ns,
                        lti_buf *out) {
  if (!reached) return lti_buf_format(out, "\"%s\":null,", name);
  return lti_buf_format(out, "\"%s\":%lld,", name,
                        (long long)b->created + (long long)(after_ns / 1000000000u));
}

static int write_batch(mock *m, batch *b, lti_buf *out) {
  char id[48];
  uint64_t end = b->queued_ns + b->run_ns;
  enum status status = status_of(b);
  if (status == COMPLETED) make_files(m, b);
  status = status_of(b);
  batch_id(m, (uint32_t)(b - m->batches->all), id);
  int err = lti_buf_format(out,
                           "{\"id\":\"%s\",\"object\":\"batch\",\"endpoint\":\"%s\",\"status\":"
                           "\"%s\",\"completion_window\":\"24h\",\"created_at\":%lld,"
                           "\"expires_at\":%lld,",
                           id, endpoints[b->endpoint], status_words[status], (long long)b->created,
                           (long long)b->created + 86400);
  err |= write_errors(b, status, out);
  err |= write_file_id(m, b->input, "input_file_id", out);
  err |= write_file_id(m, status == COMPLETED ? b->output : NONE, "output_file_id", out);
  err |= write_file_id(m, status == COMPLETED ? b->errors : NONE, "error_file_id", out);
  err |= write_moment(b, "in_progress_at", status >= IN_PROGRESS, b->queued_ns, out);
  err |= write_moment(b, "finalizing_at", status == FINALIZING || status == COMPLETED, end, out);
  err |= write_moment(b, "completed_at", status == COMPLETED, end, out);
  err |= write_moment(b, "failed_at", status == FAILED, b->queued_ns, out);
  err |= write_moment(b, "cancelled_at", status == CANCELLED, end, out);
  return err | lti_buf_format(out,
                              "\"expired_at\":null,\"request_counts\":{\"total\":%u,\"completed\":"
                              "%u,\"failed\":%u},\"metadata\":%s}",
                              status == VALIDATING ? 0 : b->total, completed_of(b, status),
                              status == COMPLETED ? b->failures : 0, b->metadata);
}

static void reply_batch(mock_exchange *x, batch *b) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  mock_reply_json(x, write_batch(x->m, b, &out), &out);
  lti_buf_deinit(&out);
}

/* ---- calls */

static char *copy_metadata(leat_slice body) {
  leat_slice value;
  bool found =
      lti_json_find(body, "/metadata", &value) && *value.data == '{' && value.size < METADATA_MAX;
  return strndup(found ? value.data : "null", found ? value.size : 4);
}

static bool find_endpoint(leat_slice body, size_t *endpoint) {
  leat_slice value;
  if (!lti_json_find(body, "/endpoint", &value) || value.size < 2) return false;
  value = lti_slice(value.data + 1, value.size - 2);
  for (*endpoint = 0; *endpoint < ENDPOINT_COUNT; ++*endpoint)
    if (lti_slice_is(value, endpoints[*endpoint])) return true;
  return false;
}

void mock_batches_create(mock_exchange *x, const leat_slice *parts) {
  mock *m = x->m;
  leat_slice body = lti_buf_slice(&x->body), id;
  size_t endpoint;
  uint32_t place = 0;
  (void)parts;
  if (!mock_asked_valid(x)) return;
  mock_file *input = NULL;
  if (lti_json_find(body, "/input_file_id", &id) && id.size > 2)
    input = mock_file_find(m, lti_slice(id.data + 1, id.size - 2), &place);
  if (!input || !input->blob || !find_endpoint(body, &endpoint)) {
    mock_asked_refuse(x, "input_file_id and an endpoint that batches have are required");
    return;
  }
  if (!m->batches) m->batches = calloc(1, sizeof *m->batches);
  char *metadata = copy_metadata(body);
  if (!m->batches || m->batches->count == BATCHES_MAX || !metadata) {
    free(metadata);
    mock_reply_error(x, 429, "requests", "too_many_batches", "There are too many batches");
    return;
  }
  batch *b = &m->batches->all[m->batches->count++];
  *b = (batch){.created_ns = uv_hrtime(),
               .queued_ns = (uint64_t)m->config.task_queued_ms * 1000000u,
               .run_ns = (uint64_t)m->config.task_ms * 1000000u,
               .created = time(NULL),
               .input = place,
               .output = NONE,
               .errors = NONE,
               .endpoint = endpoint,
               .lines = input->blob,
               .metadata = metadata};
  input->blob->refs++;
  count_lines(b);
  reply_batch(x, b);
}

static batch *find(mock_exchange *x, leat_slice id) {
  char name[48];
  for (uint32_t i = 0; x->m->batches && i < x->m->batches->count; i++) {
    batch_id(x->m, i, name);
    if (lti_slice_is(id, name)) return &x->m->batches->all[i];
  }
  mock_reply_error(x, 404, "invalid_request_error", NULL, "No batch found with that id");
  return NULL;
}

void mock_batches_get(mock_exchange *x, const leat_slice *parts) {
  batch *b = find(x, parts[0]);
  if (b) reply_batch(x, b);
}

void mock_batches_cancel(mock_exchange *x, const leat_slice *parts) {
  batch *b = find(x, parts[0]);
  if (!b) return;
  enum status status = status_of(b);
  if (status == COMPLETED || status == FAILED || status == CANCELLED) {
    mock_reply_error(x, 409, "invalid_request_error", NULL, "The batch has ended already");
    return;
  }
  if (!b->cancelled_ns) b->cancelled_ns = uv_hrtime();
  reply_batch(x, b);
}

void mock_batches_list(mock_exchange *x, const leat_slice *parts) {
  mock *m = x->m;
  const char *limit = mock_path_query(x, "limit");
  uint64_t most = 20, shown = 0;
  uint32_t from = m->batches ? m->batches->count : 0;
  lti_buf out;
  (void)parts;
  if (limit) lti_slice_u64(lti_slice(limit, strcspn(limit, "&")), &most);
  lti_buf_init(&out, &m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_buf_text(&out, "{\"object\":\"list\",\"data\":[");
  while (from > 0 && shown < most && !err) {
    if (shown++) err = lti_buf_byte(&out, ',');
    err |= write_batch(m, &m->batches->all[--from], &out);
  }
  err |= lti_buf_format(&out, "],\"has_more\":%s}", from > 0 ? "true" : "false");
  mock_reply_json(x, err, &out);
  lti_buf_deinit(&out);
}
