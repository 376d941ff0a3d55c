/* Video tasks: queued -> in_progress -> completed | failed, by the clock alone. Nothing happens
 * between two polls, so ten thousand tasks cost ten thousand small structs and no timer.
 *
 * A task's id is "task_" and 32 hex digits, the last eight of which are its place in the table and
 * the others a hash that must agree. Times, size and failure come from the options, the body's
 * metadata (mock_ms, mock_queued_ms, mock_bytes, mock_fail), the same words as NAME=N in the
 * prompt, or headers (x-mock-task-ms ...), the later winning. The content is mock_text_bytes of the
 * task's seed, which is the body's `seed` when there is one; x-mock-seed tells it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/mock/gateway.h"
#include "bench/mock/text.h"
#include "wire/json.h"

#define ID_SIZE       37 /* task_ and 32 digits */
#define CONTENT_PIECE (16 * 1024)
#define PIECES_A_STEP 16
#define SECONDS_MAX   1000000000u

struct mock_task {
  uint64_t created_ns, queued_ns, run_ns, bytes, seed;
  time_t created;
  bool fails;
  char model[63];
};

enum task_phase { PHASE_QUEUED, PHASE_RUNNING, PHASE_COMPLETED, PHASE_FAILED };

static const struct {
  const char *plain, *upper;
} phase_words[] = {{"queued", "QUEUED"},
                   {"in_progress", "IN_PROGRESS"},
                   {"completed", "SUCCESS"},
                   {"failed", "FAILURE"}};

static void write_id(const mock *m, uint32_t place, char *out, size_t cap) {
  uint64_t hash = mock_text_mix(m->config.seed ^ mock_text_mix(place));
  snprintf(out, cap, "task_%016" PRIx64 "%08x%08x", hash, (unsigned)(mock_text_mix(hash) >> 32),
           place);
}

static mock_task *find(mock *m, leat_slice id) {
  char text[ID_SIZE + 8];
  if (id.size != ID_SIZE) return NULL;
  memcpy(text, id.data + ID_SIZE - 8, 8);
  text[8] = '\0';
  unsigned long place = strtoul(text, NULL, 16);
  if (place >= m->task_count) return NULL;
  write_id(m, (uint32_t)place, text, sizeof text);
  return memcmp(text, id.data, ID_SIZE) == 0 ? &m->tasks[place] : NULL;
}

static enum task_phase phase_of(const mock_task *t) {
  uint64_t age = uv_hrtime() - t->created_ns;
  if (age < t->queued_ns) return PHASE_QUEUED;
  if (age < t->queued_ns + t->run_ns) return PHASE_RUNNING;
  return t->fails ? PHASE_FAILED : PHASE_COMPLETED;
}

static unsigned progress_of(const mock_task *t) {
  uint64_t age = uv_hrtime() - t->created_ns;
  if (age < t->queued_ns) return 0;
  uint64_t ran = age - t->queued_ns;
  return ran >= t->run_ns ? 100 : (unsigned)(ran * 100 / t->run_ns);
}

/* ---- submit */

static void set_number(mock_task *t, const char *name, uint64_t value) {
  if (value > (uint64_t)SECONDS_MAX * 1000) return;
  if (strcmp(name, "ms") == 0) t->run_ns = value * 1000000u;
  if (strcmp(name, "queued_ms") == 0) t->queued_ns = value * 1000000u;
  if (strcmp(name, "bytes") == 0) t->bytes = value;
  if (strcmp(name, "fail") == 0) t->fails = value != 0;
}

static const char *const settings[] = {"ms", "queued_ms", "bytes", "fail"};

#define SETTING_COUNT (sizeof settings / sizeof settings[0])

static void read_metadata(mock_task *t, leat_slice body) {
  for (size_t i = 0; i < SETTING_COUNT; i++) {
    char pointer[40];
    leat_slice value;
    uint64_t number;
    snprintf(pointer, sizeof pointer, "/metadata/mock_%s", settings[i]);
    if (!lti_json_find(body, pointer, &value)) continue;
    if (lti_slice_is(value, "true"))
      set_number(t, settings[i], 1);
    else if (lti_slice_u64(value, &number))
      set_number(t, settings[i], number);
  }
}

static void read_prompt(mock_task *t, leat_slice prompt) {
  for (size_t i = 0; i < SETTING_COUNT; i++) {
    char word[24];
    uint64_t number;
    int n = snprintf(word, sizeof word, "mock_%s=", settings[i]);
    const char *at = lti_slice_find(prompt, lti_slice(word, (size_t)n));
    if (!at) continue;
    size_t left = (size_t)(prompt.data + prompt.size - at) - (size_t)n, digits = 0;
    while (digits < left && at[n + (int)digits] >= '0' && at[n + (int)digits] <= '9') digits++;
    if (lti_slice_u64(lti_slice(at + n, digits), &number)) set_number(t, settings[i], number);
  }
}

static void read_headers(mock_task *t, const mock_exchange *x) {
  static const char *const names[SETTING_COUNT] = {"x-mock-task-ms", "x-mock-task-queued-ms",
                                                   "x-mock-task-bytes", "x-mock-task-fail"};
  for (size_t i = 0; i < SETTING_COUNT; i++) {
    const char *text = mock_exchange_header(x, names[i]);
    uint64_t number;
    if (text && lti_slice_u64(lti_slice_of(text), &number)) set_number(t, settings[i], number);
  }
}

/* Bodies that are not JSON (multipart with an input_reference) are taken as they are. */
static bool read_body(mock_task *t, const mock_exchange *x, size_t *offset) {
  leat_slice body = lti_buf_slice(&x->body), value;
  const char *type = mock_exchange_header(x, "content-type"), *why;
  uint64_t seed;
  if (type && strncmp(type, "multipart/", 10) == 0) return true;
  if (!lti_json_valid(body, offset, &why)) return false;
  if (lti_json_find(body, "/model", &value) && value.size > 2 && value.data[0] == '"' &&
      value.size - 2 < sizeof t->model) {
    memcpy(t->model, value.data + 1, value.size - 2);
    t->model[value.size - 2] = '\0';
  }
  if (lti_json_find(body, "/seed", &value) && lti_slice_u64(value, &seed)) t->seed = seed;
  if (lti_json_find(body, "/prompt", &value)) read_prompt(t, value);
  read_metadata(t, body);
  return true;
}

/* {"code","message","data":null}: how new-api refuses tasks. */
static void reply_task_error(mock_exchange *x, int status, const char *code, const char *message) {
  char text[300];
  int n = snprintf(text, sizeof text, "{\"code\":\"%s\",\"message\":\"%s\",\"data\":null}", code,
                   message);
  mock_reply_fixed(x, status, "application/json", NULL, lti_slice(text, (size_t)n));
}

static bool make_room(mock *m) {
  if (m->task_count < m->task_capacity) return true;
  uint32_t capacity = m->task_capacity ? 2 * m->task_capacity : 1024;
  mock_task *grown = realloc(m->tasks, capacity * sizeof *grown);
  if (!grown) return false;
  m->tasks = grown;
  m->task_capacity = capacity;
  return true;
}

void mock_tasks_submit(mock_exchange *x) {
  mock *m = x->m;
  const mock_config *g = &m->config;
  char id[ID_SIZE + 8], text[400], message[80];
  size_t offset = 0;
  if (m->task_count >= g->tasks_max || !make_room(m)) {
    reply_task_error(x, 429, "task_queue_full", "too many tasks");
    return;
  }
  mock_task *t = &m->tasks[m->task_count];
  *t = (mock_task){.created_ns = uv_hrtime(),
                   .queued_ns = (uint64_t)g->task_queued_ms * 1000000u,
                   .run_ns = (uint64_t)g->task_ms * 1000000u,
                   .bytes = g->task_bytes,
                   .seed = x->plan.seed,
                   .created = time(NULL),
                   .model = "mock-video"};
  t->fails = g->task_fail > 0 && lti_prng_unit(&m->dice) < g->task_fail;
  if (!read_body(t, x, &offset)) {
    snprintf(message, sizeof message, "invalid JSON at byte %zu", offset);
    reply_task_error(x, 400, "invalid_request", message);
    return;
  }
  if (x->plan.seed_named) t->seed = x->plan.seed;
  read_headers(t, x);
  write_id(m, m->task_count++, id, sizeof id);
  m->stats.tasks++;
  int n = snprintf(text, sizeof text,
                   "{\"id\":\"%s\",\"task_id\":\"%s\",\"object\":\"video\",\"model\":\"%s\","
                   "\"status\":\"queued\",\"progress\":0,\"created_at\":%lld}",
                   id, id, t->model, (long long)t->created);
  mock_reply_fixed(x, 200, "application/json", NULL, lti_slice(text, (size_t)n));
}

/* ---- poll */

/* Where the content is, on the host that the client asked. */
static void write_url(const mock_exchange *x, leat_slice id, char *out, size_t cap) {
  const char *host = mock_exchange_header(x, "host");
  snprintf(out, cap, "%s://%.200s/v1/videos/%.*s/content", x->m->config.plain ? "http" : "https",
           host ? host : "localhost", (int)id.size, id.data);
}

static void reply_video(mock_exchange *x, const mock_task *t, leat_slice id, const char *extra) {
  enum task_phase phase = phase_of(t);
  long long done = (long long)t->created + (long long)((t->queued_ns + t->run_ns) / 1000000000u);
  char url[320], text[1200], times[80] = "\"completed_at\":null,\"expires_at\":null";
  write_url(x, id, url, sizeof url);
  if (phase >= PHASE_COMPLETED)
    snprintf(times, sizeof times, "\"completed_at\":%lld,\"expires_at\":%lld", done, done + 86400);
  int n = snprintf(text, sizeof text,
                   "{\"id\":\"%.*s\",\"task_id\":\"%.*s\",\"object\":\"video\",\"model\":\"%s\","
                   "\"status\":\"%s\",\"progress\":%u,\"created_at\":%lld,%s,\"seconds\":\"5\","
                   "\"size\":\"1280x720\",\"error\":%s,\"metadata\":{%s%s%s}}",
                   (int)id.size, id.data, (int)id.size, id.data, t->model, phase_words[phase].plain,
                   progress_of(t), (long long)t->created, times,
                   phase == PHASE_FAILED
                       ? "{\"code\":\"mock_failed\",\"message\":\"the mock made this task fail\"}"
                       : "null",
                   phase == PHASE_COMPLETED ? "\"url\":\"" : "",
                   phase == PHASE_COMPLETED ? url : "", phase == PHASE_COMPLETED ? "\"" : "");
  mock_reply_fixed(x, 200, "application/json", extra, lti_slice(text, (size_t)n));
}

static void reply_dto(mock_exchange *x, const mock_task *t, leat_slice id, const char *extra) {
  enum task_phase phase = phase_of(t);
  long long created = (long long)t->created;
  long long start = created + (long long)(t->queued_ns / 1000000000u);
  long long finish = start + (long long)(t->run_ns / 1000000000u);
  char url[320], text[1400];
  write_url(x, id, url, sizeof url);
  int n = snprintf(
      text, sizeof text,
      "{\"code\":\"success\",\"message\":\"\",\"data\":{\"id\":%u,\"created_at\":%lld,"
      "\"updated_at\":%lld,\"task_id\":\"%.*s\",\"platform\":\"mock\",\"user_id\":1,"
      "\"group\":\"default\",\"channel_id\":1,\"quota\":0,\"action\":\"generate\","
      "\"status\":\"%s\",\"fail_reason\":\"%s\",%s%s%s\"submit_time\":%lld,\"start_time\":%lld,"
      "\"finish_time\":%lld,\"progress\":\"%u%%\",\"properties\":{\"input\":\"\","
      "\"upstream_model_name\":\"%s\",\"origin_model_name\":\"%s\"},\"data\":{}}}",
      (unsigned)(t - x->m->tasks) + 1, created, created, (int)id.size, id.data,
      phase_words[phase].upper, phase == PHASE_FAILED ? "the mock made this task fail" : "",
      phase == PHASE_COMPLETED ? "\"result_url\":\"" : "", phase == PHASE_COMPLETED ? url : "",
      phase == PHASE_COMPLETED ? "\"," : "", created, phase >= PHASE_RUNNING ? start : 0,
      phase >= PHASE_COMPLETED ? finish : 0, progress_of(t), t->model, t->model);
  mock_reply_fixed(x, 200, "application/json", extra, lti_slice(text, (size_t)n));
}

void mock_tasks_poll(mock_exchange *x, leat_slice id, enum mock_envelope envelope) {
  mock *m = x->m;
  const char *wish = mock_exchange_header(x, "x-mock-envelope");
  char extra[64] = "";
  m->stats.polls++;
  mock_task *t = find(m, id);
  if (!t) {
    reply_task_error(x, 400, "task_not_exist", "task_not_exist");
    return;
  }
  if (m->config.poll_after_ms)
    snprintf(extra, sizeof extra, "openai-poll-after-ms: %u\r\n", m->config.poll_after_ms);
  if (wish) envelope = strcmp(wish, "E1") == 0 ? MOCK_ENVELOPE_E1 : MOCK_ENVELOPE_E3;
  if (envelope == MOCK_ENVELOPE_E1)
    reply_dto(x, t, id, extra);
  else
    reply_video(x, t, id, extra);
}

void mock_tasks_free(mock *m) {
  free(m->tasks);
}

/* ---- content */

struct content {
  uint64_t seed, at, end;
};

/* One range: a-b, a- or -n (RFC 9110, 14.1.2). 0: none, or not understood: the whole; 1: this
 * range; -1: none of it exists. */
static int read_range(const char *text, uint64_t size, uint64_t *from, uint64_t *to) {
  *from = 0;
  *to = size;
  if (!text || strncmp(text, "bytes=", 6) != 0 || strchr(text, ',')) return 0;
  const char *dash = strchr(text += 6, '-');
  if (!dash) return 0;
  uint64_t a = 0, b = 0;
  bool has_a = dash > text, has_b = dash[1] != '\0';
  if (has_a && !lti_slice_u64(lti_slice(text, (size_t)(dash - text)), &a)) return 0;
  if (has_b && !lti_slice_u64(lti_slice_of(dash + 1), &b)) return 0;
  if (!has_a && !has_b) return 0;
  if (!has_a) {
    if (b == 0 || size == 0) return -1;
    *from = b < size ? size - b : 0;
    return 1;
  }
  if (has_b && b < a) return 0;
  if (a >= size) return -1;
  *from = a;
  if (has_b && b < size - 1) *to = b + 1;
  return 1;
}

static void content_step(mock_exchange *x) {
  struct content *j = x->job;
  for (int i = 0; i < PIECES_A_STEP; i++) {
    size_t n = j->end - j->at < CONTENT_PIECE ? (size_t)(j->end - j->at) : CONTENT_PIECE;
    char *piece = mock_reply_room(x, n);
    if (!piece) {
      mock_conn_drop(x->conn);
      return;
    }
    mock_text_bytes(j->seed, j->at, piece, n);
    j->at += n;
    if (!mock_reply_piece(x, piece, n, j->at == j->end)) return;
    if (mock_reply_full(x)) {
      x->waiting = true;
      return;
    }
  }
  mock_reply_step_at(x, uv_hrtime());
}

static void begin_content(mock_exchange *x, const mock_task *t, leat_slice id) {
  struct content *j = calloc(1, sizeof *j);
  char extra[400], etag[ID_SIZE + 4], range[96] = "";
  if (!j) {
    mock_conn_drop(x->conn);
    return;
  }
  x->job = j;
  x->release = free;
  j->seed = t->seed;
  snprintf(etag, sizeof etag, "\"%.*s\"", (int)id.size, id.data);
  const char *condition = mock_exchange_header(x, "if-range");
  const char *wish =
      condition && strcmp(condition, etag) != 0 ? NULL : mock_exchange_header(x, "range");
  int ranged = read_range(wish, t->bytes, &j->at, &j->end);
  if (ranged < 0) {
    snprintf(range, sizeof range, "Content-Range: bytes */%" PRIu64 "\r\n", t->bytes);
    mock_reply_fixed(x, 416, "text/plain", range, lti_slice("", 0));
    return;
  }
  if (ranged)
    snprintf(range, sizeof range, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
             j->at, j->end - 1, t->bytes);
  snprintf(extra, sizeof extra,
           "%sAccept-Ranges: bytes\r\nETag: %s\r\nCache-Control: public, max-age=86400\r\n"
           "x-mock-seed: %" PRIu64 "\r\n",
           range, etag, t->seed);
  if (!mock_reply_begin(x, ranged ? 206 : 200, "video/mp4", extra, j->end - j->at)) return;
  x->step = content_step;
  mock_reply_step_at(x, uv_hrtime());
}

void mock_tasks_content(mock_exchange *x, leat_slice id) {
  mock_task *t = find(x->m, id);
  x->m->stats.contents++;
  if (!t)
    mock_reply_error(x, 404, "invalid_request_error", NULL, "Task not found");
  else if (phase_of(t) != PHASE_COMPLETED)
    mock_reply_error(x, 400, "invalid_request_error", NULL, "Task is not completed yet");
  else
    begin_content(x, t, id);
}
