/* The families of tasks and their paths: a row a path, and the envelopes that each family speaks in
 * each manner (--task-forms): as the gateways are known to answer, as new-api does, as the vendor
 * itself does, or as the gateways' documents print it. Paths that are guesses stand here as well,
 * so that a client that is told one of them can be tried. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/tasks.h"
#include "bench/mock/upload.h"
#include "wire/json.h"

#define IDS_MAX     10000u /* in one fetch */
#define CODE_EXISTS 21     /* Midjourney gives an id with 1, and with these two */
#define CODE_QUEUED 22

enum deed {
  DO_SLASH,
  DO_SUBMIT,
  DO_POLL,
  DO_BATCH,
  DO_REMIX,
  DO_MODAL,
  DO_JIMENG,
  DO_CONTENT,
  DO_IMAGE
};

/* `action` NULL: the path's first part says it. */
static const struct task_route {
  uint8_t method, family, deed;
  const char *pattern, *action;
} task_routes[] = {
    {HTTP_POST, MOCK_VIDEO, DO_SUBMIT, "/v1/video/generations", "generate"},
    {HTTP_GET, MOCK_VIDEO, DO_POLL, "/v1/video/generations/*", NULL},
    {HTTP_POST, MOCK_SORA, DO_SUBMIT, "/v1/videos", "generate"},
    {HTTP_GET, MOCK_SORA, DO_POLL, "/v1/videos/*", NULL},
    {HTTP_POST, MOCK_SORA, DO_REMIX, "/v1/videos/*/remix", "remix"},
    {HTTP_GET, MOCK_SORA, DO_CONTENT, "/v1/videos/*/content", NULL},
    {HTTP_POST, MOCK_SUNO, DO_SUBMIT, "/suno/submit/*", NULL},
    {HTTP_GET, MOCK_SUNO, DO_POLL, "/suno/fetch/*", NULL},
    {HTTP_POST, MOCK_SUNO, DO_BATCH, "/suno/fetch", NULL},
    {HTTP_POST, MOCK_SUNO, DO_SUBMIT, "/suno/generate", "MUSIC"},
    {HTTP_POST, MOCK_SUNO, DO_SUBMIT, "/v1/audio/suno/generations", "MUSIC"},
    {HTTP_GET, MOCK_SUNO, DO_POLL, "/v1/audio/suno/generations/*", NULL},
    {HTTP_POST, MOCK_PRODUCER, DO_SUBMIT, "/producer/submit/*", NULL},
    {HTTP_GET, MOCK_PRODUCER, DO_POLL, "/producer/fetch/*", NULL},
    {HTTP_POST, MOCK_PRODUCER, DO_BATCH, "/producer/fetch", NULL},
    {HTTP_POST, MOCK_PRODUCER, DO_SUBMIT, "/producer/generate", "MUSIC"},
    {HTTP_POST, MOCK_PRODUCER, DO_SUBMIT, "/v1/audio/producer/generations", "MUSIC"},
    {HTTP_GET, MOCK_PRODUCER, DO_POLL, "/v1/audio/producer/generations/*", NULL},
    {HTTP_POST, MOCK_KLING, DO_SUBMIT, "/kling/v1/videos/text2video", "text2video"},
    {HTTP_POST, MOCK_KLING, DO_SUBMIT, "/kling/v1/videos/image2video", "image2video"},
    {HTTP_GET, MOCK_KLING, DO_POLL, "/kling/v1/videos/text2video/*", NULL},
    {HTTP_GET, MOCK_KLING, DO_POLL, "/kling/v1/videos/image2video/*", NULL},
    {HTTP_POST, MOCK_KLING, DO_SUBMIT, "/v1/videos/text2video", "text2video"},
    {HTTP_POST, MOCK_KLING, DO_SUBMIT, "/v1/videos/image2video", "image2video"},
    {HTTP_GET, MOCK_KLING, DO_POLL, "/v1/videos/text2video/*", NULL},
    {HTTP_GET, MOCK_KLING, DO_POLL, "/v1/videos/image2video/*", NULL},
    {HTTP_POST, MOCK_VIDU, DO_SUBMIT, "/ent/v2/*", NULL},
    {HTTP_GET, MOCK_VIDU, DO_POLL, "/ent/v2/tasks/*/creations", NULL},
    {HTTP_POST, MOCK_VIDU, DO_SUBMIT, "/vidu/ent/v2/*", NULL},
    {HTTP_GET, MOCK_VIDU, DO_POLL, "/vidu/ent/v2/tasks/*/creations", NULL},
    {HTTP_POST, MOCK_ARK, DO_SUBMIT, "/api/v3/contents/generations/tasks", "generate"},
    {HTTP_GET, MOCK_ARK, DO_POLL, "/api/v3/contents/generations/tasks/*", NULL},
    {HTTP_POST, MOCK_ARK, DO_SUBMIT, "/volc/v1/contents/generations/tasks", "generate"},
    {HTTP_GET, MOCK_ARK, DO_POLL, "/volc/v1/contents/generations/tasks/*", NULL},
    {HTTP_POST, MOCK_ARK, DO_SUBMIT, "/seedance/generations", "generate"},
    {HTTP_GET, MOCK_ARK, DO_POLL, "/seedance/generations/*", NULL},
    {HTTP_POST, MOCK_JIMENG, DO_JIMENG, "/jimeng/", "generate"},
    {HTTP_POST, MOCK_JIMENG, DO_SLASH, "/jimeng", NULL},
    {HTTP_POST, MOCK_JIMENG, DO_JIMENG, "/jm", "generate"},
    {HTTP_POST, MOCK_MIDJOURNEY, DO_MODAL, "/mj/submit/modal", NULL},
    {HTTP_POST, MOCK_MIDJOURNEY, DO_SUBMIT, "/mj/submit/*", NULL},
    {HTTP_GET, MOCK_MIDJOURNEY, DO_POLL, "/mj/task/*/fetch", NULL},
    {HTTP_POST, MOCK_MIDJOURNEY, DO_BATCH, "/mj/task/list-by-condition", NULL},
    {HTTP_GET, MOCK_MIDJOURNEY, DO_IMAGE, "/mj/image/*", NULL},
};

#define ROUTE_COUNT (sizeof task_routes / sizeof task_routes[0])

/* What a submit and a poll are answered with. */
static const struct {
  uint8_t submit, poll;
} forms[MOCK_FORMS_COUNT][MOCK_FAMILY_COUNT] = {
    [MOCK_FORMS_USUAL] = {{MOCK_E2, MOCK_E3},
                          {MOCK_E2, MOCK_E3},
                          {MOCK_E1, MOCK_E1},
                          {MOCK_E1, MOCK_E1},
                          {MOCK_E5, MOCK_E5},
                          {MOCK_E9, MOCK_E9},
                          {MOCK_E10, MOCK_E10},
                          {MOCK_E2, MOCK_E1},
                          {MOCK_E7, MOCK_E7}},
    [MOCK_FORMS_NEW_API] = {{MOCK_E2, MOCK_E1},
                            {MOCK_E2, MOCK_E3},
                            {MOCK_E1, MOCK_E1},
                            {MOCK_E1, MOCK_E1},
                            {MOCK_E2, MOCK_E1},
                            {MOCK_E2, MOCK_E1},
                            {MOCK_E2, MOCK_E1},
                            {MOCK_E2, MOCK_E1},
                            {MOCK_E7, MOCK_E7}},
    [MOCK_FORMS_VENDOR] = {{MOCK_E2, MOCK_E3},
                           {MOCK_E2, MOCK_E3},
                           {MOCK_E1, MOCK_E1},
                           {MOCK_E1, MOCK_E1},
                           {MOCK_E5, MOCK_E5},
                           {MOCK_E9, MOCK_E9},
                           {MOCK_E10, MOCK_E10},
                           {MOCK_E8, MOCK_E8},
                           {MOCK_E7, MOCK_E7}},
    [MOCK_FORMS_DOCS] = {{MOCK_E4, MOCK_E4},
                         {MOCK_E2, MOCK_E3},
                         {MOCK_E1, MOCK_E6},
                         {MOCK_E1, MOCK_E6},
                         {MOCK_E4, MOCK_E4},
                         {MOCK_E9, MOCK_E9},
                         {MOCK_E10, MOCK_E10},
                         {MOCK_E2, MOCK_E3},
                         {MOCK_E7, MOCK_E7}},
};

static enum mock_envelope poll_envelope(const mock_exchange *x, enum mock_family family) {
  const mock_config *g = &x->m->config;
  const char *wish = mock_exchange_header(x, "x-mock-envelope");
  uint64_t number;
  if (wish && *wish == 'E' && lti_slice_u64(lti_slice_of(wish + 1), &number) && number >= MOCK_E1 &&
      number <= MOCK_E10)
    return (enum mock_envelope)number;
  if (family == MOCK_VIDEO && g->poll_envelope) return g->poll_envelope;
  return (enum mock_envelope)forms[g->task_forms][family].poll;
}

/* ---- refusals */

/* {"code","message","data":null}: how new-api refuses tasks; and Midjourney's, with a number. */
static void refuse(mock_exchange *x, enum mock_family family, int status, const char *code,
                   const char *message) {
  char text[400];
  int n = family == MOCK_MIDJOURNEY
              ? snprintf(text, sizeof text,
                         "{\"description\":\"%s\",\"type\":\"upstream_error\",\"code\":%d}",
                         message, status == 429 ? 30 : 4)
              : snprintf(text, sizeof text, "{\"code\":\"%s\",\"message\":\"%s\",\"data\":null}",
                         code, message);
  mock_reply_fixed(x, status, "application/json", NULL, lti_slice(text, (size_t)n));
}

static void refuse_unknown(mock_exchange *x, enum mock_family family) {
  refuse(x, family, 400, "task_not_exist",
         family == MOCK_MIDJOURNEY ? "task_no_found" : "task_not_exist");
}

/* A vendor's own code inside 200: nothing was begun. False: the code is one of success. */
static bool refuse_by_code(mock_exchange *x, const mock_task *t) {
  char text[200];
  int n = 0;
  if (!t->code) return false;
  if (t->family == MOCK_MIDJOURNEY) {
    if (t->code == 1 || t->code == CODE_EXISTS || t->code == CODE_QUEUED) return false;
    n = snprintf(text, sizeof text,
                 "{\"code\":%u,\"description\":\"%s\",\"result\":null,\"properties\":{}}", t->code,
                 t->code == 23   ? "The queue is full, try again later"
                 : t->code == 24 ? "banned_prompt"
                                 : "the mock refuses this");
  } else if (t->family == MOCK_KLING || t->family == MOCK_JIMENG) {
    n = snprintf(text, sizeof text,
                 "{\"code\":%u,\"message\":\"the mock refuses this\",\"request_id\":\"mock\","
                 "\"data\":null}",
                 t->code);
  }
  if (n) mock_reply_fixed(x, 200, "application/json", NULL, lti_slice(text, (size_t)n));
  return n != 0;
}

/* ---- submit */

/* Letters, digits, - and _; in capitals where the gateway makes them so. */
static bool copy_action(mock_task *t, leat_slice action) {
  bool capitals =
      t->family == MOCK_SUNO || t->family == MOCK_PRODUCER || t->family == MOCK_MIDJOURNEY;
  if (!action.size || action.size >= sizeof t->action) return false;
  for (size_t i = 0; i < action.size; i++) {
    int c = (unsigned char)action.data[i];
    if (!isalnum(c) && c != '_' && c != '-') return false;
    t->action[i] = (char)(capitals ? toupper(c) : c);
  }
  t->action[action.size] = '\0';
  return true;
}

static const char *complaint(const mock_exchange *x, const mock_task *t) {
  leat_slice body = lti_buf_slice(&x->body), value;
  if (x->upload) return NULL;
  if (t->family == MOCK_SUNO && strcmp(t->action, "LYRICS") == 0 &&
      !lti_json_find(body, "/prompt", &value))
    return "prompt is empty";
  if (t->family == MOCK_SUNO && lti_json_find(body, "/continue_clip_id", &value) &&
      !lti_slice_is(value, "\"\"") && !lti_json_find(body, "/task_id", &value))
    return "task id is empty";
  if (t->family == MOCK_MIDJOURNEY && strcmp(t->action, "IMAGINE") == 0 &&
      !lti_json_find(body, "/prompt", &value))
    return "prompt_is_required";
  return NULL;
}

static void reply_view(mock_exchange *x, const mock_task_view *view, const char *extra,
                       int (*write)(const mock_task_view *, lti_buf *)) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (write(view, &out))
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, 200, "application/json", extra, lti_buf_slice(&out));
  lti_buf_deinit(&out);
}

/* It is in the table; whether the client hears of it is another matter. */
static void take(mock_exchange *x, mock_task *t) {
  mock_task_view view;
  mock_task_add(x->m, t);
  if (mock_fault_on(x->plan.faults, FAULT_LOSE)) {
    x->cut = true;
    mock_conn_end(x->conn, MOCK_ENDING_CLEAN);
    return;
  }
  mock_task_look(&view, x, t, (enum mock_envelope)forms[x->m->config.task_forms][t->family].submit);
  reply_view(x, &view, NULL, mock_task_write_submitted);
}

static void submit(mock_exchange *x, enum mock_family family, leat_slice action, uint32_t remixed) {
  mock *m = x->m;
  char message[80];
  size_t offset = 0;
  mock_task *t = mock_task_room(m);
  if (!t) {
    refuse(x, family, 429, "task_queue_full", "too many tasks");
    return;
  }
  if (!x->upload && !lti_json_valid(lti_buf_slice(&x->body), &offset, NULL)) {
    snprintf(message, sizeof message, "invalid JSON at byte %zu", offset);
    refuse(x, family, 400, "invalid_request", message);
    return;
  }
  *t = (mock_task){.created_ns = uv_hrtime(),
                   .seed = x->plan.seed,
                   .created = time(NULL),
                   .family = (uint8_t)family,
                   .remixed = remixed};
  snprintf(t->model, sizeof t->model, "%s", family == MOCK_SUNO ? "chirp-v3-0" : "mock-video");
  bool known = copy_action(t, action);
  mock_task_wishes(t, x);
  const char *why = known ? complaint(x, t) : "invalid action";
  bool refused = why != NULL;
  if (why)
    refuse(x, family, 400, known ? "invalid_request" : "invalid_action", why);
  else
    refused = refuse_by_code(x, t);
  if (refused)
    free(t->key);
  else
    take(x, t);
}

static void remix(mock_exchange *x, leat_slice id) {
  mock_task *from = mock_task_find(x->m, id);
  if (!from)
    refuse_unknown(x, MOCK_SORA);
  else
    submit(x, MOCK_SORA, lti_slice_of("remix"), (uint32_t)(from - x->m->tasks) + 1);
}

/* ---- poll */

static void write_extra(const mock_exchange *x, char *out, size_t cap) {
  *out = '\0';
  if (x->m->config.poll_after_ms)
    snprintf(out, cap, "openai-poll-after-ms: %u\r\n", x->m->config.poll_after_ms);
}

static void poll(mock_exchange *x, enum mock_family family, leat_slice id) {
  char space[MOCK_TASK_ID_MAX * 2], extra[64];
  mock_task_view view;
  mock_task *t = mock_task_find(x->m, mock_path_decode(id, space, sizeof space));
  x->m->stats.polls++;
  if (t) mock_task_look(&view, x, t, poll_envelope(x, family));
  if (!t || !mock_task_polled(x->m, t, view.phase, false)) {
    refuse_unknown(x, family);
    return;
  }
  write_extra(x, extra, sizeof extra);
  reply_view(x, &view, extra, mock_task_write);
}

/* The places of the tasks named in "ids"; those that are unknown are left out. False: the body is
 * none, or names too many. */
static bool read_ids(mock_exchange *x, uint32_t *places, size_t *count) {
  leat_slice ids, value;
  lti_json r;
  size_t asked = 0;
  *count = 0;
  if (!lti_json_valid(lti_buf_slice(&x->body), NULL, NULL) ||
      !lti_json_find(lti_buf_slice(&x->body), "/ids", &ids))
    return false;
  lti_json_init(&r, ids);
  if (!lti_json_enter_array(&r)) return false;
  while (lti_json_next_value(&r)) {
    if (++asked > IDS_MAX || !lti_json_raw(&r, &value)) return false;
    if (value.size > 2 && *value.data == '"') value = lti_slice(value.data + 1, value.size - 2);
    mock_task *t = mock_task_find(x->m, value);
    if (t) places[(*count)++] = (uint32_t)(t - x->m->tasks);
  }
  x->m->stats.batch_ids += asked;
  return true;
}

/* The latest first: the order is the database's, not that of the question. */
static int by_place(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x < y) - (x > y);
}

static int write_batch(mock_exchange *x, enum mock_family family, uint32_t *places, size_t count,
                       lti_buf *out) {
  enum mock_envelope envelope = poll_envelope(x, family);
  bool bare = envelope == MOCK_E6 || envelope == MOCK_E7;
  bool first = true;
  int err = bare ? 0 : lti_buf_text(out, "{\"code\":\"success\",\"message\":\"\",\"data\":");
  err |= lti_buf_byte(out, '[');
  for (size_t i = 0; i < count && !err; i++) {
    mock_task_view view;
    mock_task *t = &x->m->tasks[places[i]];
    if (i && places[i] == places[i - 1]) continue;
    mock_task_look(&view, x, t, envelope);
    if (!mock_task_polled(x->m, t, view.phase, true)) continue;
    if (!first) err |= lti_buf_byte(out, ',');
    first = false;
    err |= mock_task_write_element(&view, out);
  }
  return err | lti_buf_text(out, bare ? "]" : "]}");
}

static void batch(mock_exchange *x, enum mock_family family) {
  uint32_t *places = malloc(IDS_MAX * sizeof *places);
  char extra[64];
  size_t count;
  lti_buf out;
  x->m->stats.polls++;
  x->m->stats.batch_polls++;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  write_extra(x, extra, sizeof extra);
  if (!places) {
    mock_conn_drop(x->conn);
  } else if (!read_ids(x, places, &count)) {
    refuse(x, family, 400, "invalid_request", "ids must be an array of at most 10000 ids");
  } else {
    qsort(places, count, sizeof *places, by_place);
    if (write_batch(x, family, places, count, &out))
      mock_conn_drop(x->conn);
    else
      mock_reply_fixed(x, 200, "application/json", extra, lti_buf_slice(&out));
  }
  lti_buf_deinit(&out);
  free(places);
}

/* ---- families with ways of their own */

/* Midjourney's second call for a task that asked for it: it runs again, under its id. */
static void modal(mock_exchange *x) {
  leat_slice id;
  mock_task_view view;
  mock_task *t = NULL;
  if (lti_json_find(lti_buf_slice(&x->body), "/taskId", &id) && id.size > 2)
    t = mock_task_find(x->m, lti_slice(id.data + 1, id.size - 2));
  if (!t || mock_task_phase(t, uv_hrtime()) != MOCK_PHASE_MODAL) {
    refuse_unknown(x, MOCK_MIDJOURNEY);
    return;
  }
  t->end = MOCK_END_SUCCESS;
  t->created_ns = uv_hrtime();
  t->queued_ns = t->seen_ns = 0;
  mock_task_look(&view, x, t, MOCK_E7);
  reply_view(x, &view, NULL, mock_task_write_submitted);
}

/* Both calls are POSTs to one path; the query says which. */
static void jimeng(mock_exchange *x) {
  const char *action = mock_path_query(x, "Action");
  leat_slice id;
  if (action && strncmp(action, "CVSync2AsyncSubmitTask", 22) == 0) {
    submit(x, MOCK_JIMENG, lti_slice_of("generate"), 0);
  } else if (!action || strncmp(action, "CVSync2AsyncGetResult", 21) != 0) {
    refuse(x, MOCK_JIMENG, 400, "invalid_request", "Action query parameter is required");
  } else if (!lti_json_valid(lti_buf_slice(&x->body), NULL, NULL) ||
             !lti_json_find(lti_buf_slice(&x->body), "/task_id", &id) || id.size < 2) {
    refuse(x, MOCK_JIMENG, 400, "invalid_request", "task_id is required");
  } else {
    poll(x, MOCK_JIMENG, lti_slice(id.data + 1, id.size - 2));
  }
}

/* As new-api's router does it where the slash before the query is missing. */
static void add_slash(mock_exchange *x) {
  const char *query = strchr(mock_exchange_url(x), '?');
  char extra[1024];
  snprintf(extra, sizeof extra, "Location: /jimeng/%.900s\r\n", query ? query : "");
  mock_reply_fixed(x, 307, "text/plain", extra, lti_slice("", 0));
}

/* /mj-fast/mj/... and the like are /mj/... in another mode. */
static leat_slice without_mode(leat_slice path) {
  if (!lti_slice_starts(path, "/mj-")) return path;
  const char *at = lti_slice_find(path, lti_slice_of("/mj/"));
  return at ? lti_slice(at, path.size - (size_t)(at - path.data)) : path;
}

static void do_route(mock_exchange *x, const struct task_route *r, const leat_slice *parts) {
  enum mock_family family = (enum mock_family)r->family;
  switch ((enum deed)r->deed) {
    case DO_SLASH: add_slash(x); return;
    case DO_SUBMIT: submit(x, family, r->action ? lti_slice_of(r->action) : parts[0], 0); return;
    case DO_POLL: poll(x, family, parts[0]); return;
    case DO_BATCH: batch(x, family); return;
    case DO_REMIX: remix(x, parts[0]); return;
    case DO_MODAL: modal(x); return;
    case DO_JIMENG: jimeng(x); return;
    case DO_CONTENT: mock_content_proxy(x, parts); return;
    case DO_IMAGE: mock_content_image(x, parts); return;
  }
}

static const struct task_route *route_of(uint8_t method, leat_slice path, leat_slice *parts) {
  path = without_mode(path);
  if (method == HTTP_HEAD) method = HTTP_GET;
  for (size_t i = 0; i < ROUTE_COUNT; i++)
    if (task_routes[i].method == method && mock_path_match(path, task_routes[i].pattern, parts))
      return &task_routes[i];
  return NULL;
}

bool mock_tasks_serve(mock_exchange *x, leat_slice path) {
  leat_slice parts[MOCK_PATH_PARTS];
  const struct task_route *r = route_of(x->method, path, parts);
  if (r) do_route(x, r, parts);
  return r != NULL;
}

/* Jimeng's poll is a POST like its submit. */
enum mock_traffic mock_tasks_traffic(const mock_exchange *x, leat_slice path) {
  leat_slice parts[MOCK_PATH_PARTS];
  const struct task_route *r = route_of(x->method, path, parts);
  if (!r) return MOCK_TRAFFIC_NONE;
  const char *action = r->deed == DO_JIMENG ? mock_path_query(x, "Action") : NULL;
  if (action && strncmp(action, "CVSync2AsyncGetResult", 21) == 0) return MOCK_TRAFFIC_POLL;
  if (r->deed == DO_POLL || r->deed == DO_BATCH) return MOCK_TRAFFIC_POLL;
  if (r->deed == DO_SLASH || r->deed == DO_CONTENT || r->deed == DO_IMAGE) return MOCK_TRAFFIC_NONE;
  return r->family == MOCK_MIDJOURNEY ? MOCK_TRAFFIC_MIDJOURNEY : MOCK_TRAFFIC_TASK;
}
