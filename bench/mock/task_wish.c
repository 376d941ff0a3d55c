/* How long a task takes, how it ends and what it is called: first as the options say, then the
 * prompt's words NAME=N (mock_ms=100, ...), then the body's metadata (mock_ms, ...), then headers
 * (x-mock-task-ms, ...), the later winning. In a multipart body only the prompt speaks.
 *
 * With --task-median the time is lognormal: median * e^(sigma * z), z normal and made of a hash of
 * the job's own name, where it has one, so that it does not depend on the order of arrival. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/tasks.h"
#include "bench/mock/text.h"
#include "bench/mock/upload.h"
#include "wire/json.h"

#define MS_MAX  1000000000000u
#define TWO_PI  6.283185307179586
#define TWO_53  9007199254740992.0
#define RUN_MAX 1e18 /* nanoseconds */

/* The names, and what each is told with. Those from "fail" to "stuck" are ways to end, in the
 * order of enum mock_task_end. */
static const char *const settings[] = {
    "ms",       "queued_ms",  "bytes",  "absent", "odd",    "code",   "url_s",
    "redirect", "reason_url", "raw",    "fail",   "expire", "cancel", "modal",
    "lost",     "stuck",      "signed", "proxy",  "inline",
};

#define SETTING_COUNT (sizeof settings / sizeof settings[0])

enum { SETTING_FAIL = 10, SETTING_SIGNED = 16 };

static void set_number(mock_task *t, size_t which, uint64_t value) {
  if (value > MS_MAX) return;
  if (which >= SETTING_SIGNED) {
    t->urls = value ? (uint8_t)(which - SETTING_SIGNED + MOCK_URLS_SIGNED) : MOCK_URLS_USUAL;
    return;
  }
  if (which >= SETTING_FAIL) {
    t->end = value ? (uint8_t)(which - SETTING_FAIL + MOCK_END_FAILURE) : MOCK_END_SUCCESS;
    return;
  }
  switch (which) {
    case 0: t->run_ns = value * 1000000u; break;
    case 1: t->queued_ns = value * 1000000u; break;
    case 2: t->bytes = value; break;
    case 3: t->absent = (uint32_t)(value < UINT32_MAX ? value : UINT32_MAX); break;
    case 4: t->odd = value < UINT8_MAX ? (uint8_t)value : UINT8_MAX; break;
    case 5: t->code = (uint32_t)(value < UINT32_MAX ? value : UINT32_MAX); break;
    case 6: t->url_s = value; break;
    case 7: t->redirects = value != 0; break;
    case 8: t->url_in_reason = value != 0; break;
    default: t->raw = value != 0; break;
  }
}

/* ---- where they stand */

static void read_metadata(mock_task *t, leat_slice body) {
  for (size_t i = 0; i < SETTING_COUNT; i++) {
    char pointer[40];
    leat_slice value;
    uint64_t number;
    snprintf(pointer, sizeof pointer, "/metadata/mock_%s", settings[i]);
    if (!lti_json_find(body, pointer, &value)) continue;
    if (lti_slice_is(value, "true"))
      set_number(t, i, 1);
    else if (lti_slice_u64(value, &number))
      set_number(t, i, number);
  }
}

static void read_prompt(mock_task *t, leat_slice prompt) {
  if (!lti_slice_find(prompt, lti_slice_of("mock_"))) return;
  for (size_t i = 0; i < SETTING_COUNT; i++) {
    char word[24];
    uint64_t number;
    int n = snprintf(word, sizeof word, "mock_%s=", settings[i]);
    const char *at = lti_slice_find(prompt, lti_slice(word, (size_t)n));
    if (!at) continue;
    size_t left = (size_t)(prompt.data + prompt.size - at) - (size_t)n, digits = 0;
    while (digits < left && at[n + (int)digits] >= '0' && at[n + (int)digits] <= '9') digits++;
    if (lti_slice_u64(lti_slice(at + n, digits), &number)) set_number(t, i, number);
  }
}

static void read_headers(mock_task *t, const mock_exchange *x) {
  for (size_t i = 0; i < SETTING_COUNT; i++) {
    char name[40];
    uint64_t number;
    snprintf(name, sizeof name, "x-mock-task-%s", settings[i]);
    for (char *p = name; *p; p++)
      if (*p == '_') *p = '-';
    const char *text = mock_exchange_header(x, name);
    if (text && lti_slice_u64(lti_slice_of(text), &number)) set_number(t, i, number);
  }
}

/* ---- names */

/* The inside of a JSON string, or a number, as it stands. */
static bool find_text(leat_slice body, const char *pointer, leat_slice *text) {
  if (!lti_json_find(body, pointer, text) || !text->size) return false;
  if (*text->data == '{' || *text->data == '[' || *text->data == 'n') return false;
  if (*text->data == '"') *text = lti_slice(text->data + 1, text->size - 2);
  return text->size > 0;
}

static void copy(leat_slice text, char *out, size_t room) {
  if (text.size >= room) return;
  memcpy(out, text.data, text.size);
  out[text.size] = '\0';
}

/* Where clients put a name of their own for a job. */
static const char *const key_places[] = {
    "/custom_id",
    "/external_task_id",
    "/metadata/custom_id",
    "/metadata/external_task_id",
    "/client_tag",
    "/metadata/client_tag",
    "/metadata/tag",
    "/metadata",
    "/state",
    "/payload",
};

/* It is written into JSON as it is. */
static bool is_plain(leat_slice text) {
  for (size_t i = 0; i < text.size; i++)
    if ((unsigned char)text.data[i] < ' ' || text.data[i] == '"' || text.data[i] == '\\')
      return false;
  return lti_slice_is_utf8(text);
}

static void read_key(mock_task *t, const mock_exchange *x, leat_slice body) {
  leat_slice key = lti_slice_of(mock_exchange_header(x, "x-mock-request"));
  if (!is_plain(key)) key.size = 0;
  for (size_t i = 0; !key.size && i < sizeof key_places / sizeof key_places[0]; i++)
    if (!find_text(body, key_places[i], &key)) key = lti_slice("", 0);
  if (!key.size || key.size >= MOCK_TASK_KEY_MAX || !(t->key = malloc(key.size + 1))) return;
  copy(key, t->key, key.size + 1);
}

static void read_model(mock_task *t, leat_slice body) {
  static const char *const places[] = {"/model", "/model_name", "/mv", "/req_key", "/botType"};
  leat_slice model;
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    if (!find_text(body, places[i], &model)) continue;
    copy(model, t->model, sizeof t->model);
    return;
  }
}

/* What it is called and what it is made of: the options' dice are thrown with the key. */
static void read_names(mock_task *t, const mock_exchange *x) {
  leat_slice body = lti_buf_slice(&x->body), value;
  uint64_t seed;
  if (!x->upload) {
    read_model(t, body);
    if (find_text(body, "/seed", &value) && lti_slice_u64(value, &seed)) t->seed = seed;
  } else if (mock_upload_field(x->upload, "model", &value) && is_plain(value)) {
    copy(value, t->model, sizeof t->model);
  }
  read_key(t, x, body);
  if (x->plan.seed_named) t->seed = x->plan.seed;
}

static void read_settings(mock_task *t, const mock_exchange *x) {
  static const char *const places[] = {"/prompt", "/gpt_description_prompt", "/content/0/text"};
  leat_slice body = lti_buf_slice(&x->body), value;
  if (x->upload && mock_upload_field(x->upload, "prompt", &value)) read_prompt(t, value);
  if (!x->upload) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
      if (find_text(body, places[i], &value)) read_prompt(t, value);
    read_metadata(t, body);
  }
  read_headers(t, x);
}

/* ---- the options */

static uint64_t hash_of(const mock *m, const mock_task *t) {
  uint64_t hash = mock_text_mix(m->config.seed ^ 0x64757261u);
  if (!t->key) return mock_text_mix(hash ^ m->task_count);
  for (const char *p = t->key; *p; p++) hash = mock_text_mix(hash ^ (unsigned char)*p);
  return hash;
}

static double unit_of(uint64_t hash) {
  return ((double)(hash >> 11) + 0.5) / TWO_53;
}

static uint64_t lognormal_ns(const mock_config *g, uint64_t hash) {
  double u = unit_of(mock_text_mix(hash ^ 1)), v = unit_of(mock_text_mix(hash ^ 2));
  double z = sqrt(-2 * log(u)) * cos(TWO_PI * v);
  double ns = (double)g->task_median_us * 1000 * exp(g->task_sigma * z);
  return ns < RUN_MAX ? (uint64_t)ns : (uint64_t)RUN_MAX;
}

static void take_options(mock_task *t, mock *m) {
  const mock_config *g = &m->config;
  uint64_t hash = hash_of(m, t);
  double dice = unit_of(mock_text_mix(hash ^ 3));
  t->queued_ns = (uint64_t)g->task_queued_ms * 1000000u;
  t->run_ns = g->task_median_us ? lognormal_ns(g, hash) : (uint64_t)g->task_ms * 1000000u;
  t->bytes = g->task_bytes;
  t->absent = g->task_absent;
  t->odd = g->task_odd;
  t->urls = (uint8_t)g->task_urls;
  t->redirects = g->content_redirect;
  t->url_s = 86400;
  if (g->task_lost > 0 && dice < g->task_lost)
    t->end = MOCK_END_LOST;
  else if (g->task_stuck > 0 && dice < g->task_lost + g->task_stuck)
    t->end = MOCK_END_STUCK;
  else if (g->task_fail > 0 && lti_prng_unit(&m->dice) < g->task_fail)
    t->end = MOCK_END_FAILURE;
}

void mock_task_wishes(mock_task *t, const mock_exchange *x) {
  read_names(t, x);
  take_options(t, x->m);
  read_settings(t, x);
}
