/* The endpoints and task forms that an engine knows: see endpoints.h. */
#include "core/endpoints.h"

#include <assert.h>

#include "base/error.h"
#include "core/engine.h"
#include "protocol.h"

#define BATCH_MAX_DEFAULT 100
#define POLL_MS_DEFAULT   15000

void lti_endpoints_init(lti_endpoints *e, lti_alloc *alloc) {
  *e = (lti_endpoints){.alloc = alloc};
}

static void free_list(lti_alloc *alloc, lti_endpoint_list *list) {
  for (size_t i = 0; i < list->count; i++) lti_alloc_put(alloc, list->entries[i]);
  lti_alloc_put(alloc, list->entries);
}

void lti_endpoints_deinit(lti_endpoints *e) {
  if (!e->alloc) return;
  free_list(e->alloc, &e->rows);
  free_list(e->alloc, &e->forms);
  lti_endpoints_init(e, e->alloc);
}

/* ---- looking up */

const leat_endpoint *lti_endpoints_at(const lti_endpoints *e, size_t i) {
  lti_endpoint_entry *own = e && i < e->rows.count ? e->rows.entries[i] : NULL;
  return own ? &own->row : lti_protocol_endpoint(i);
}

const leat_task_form *lti_endpoints_form_at(const lti_endpoints *e, size_t i) {
  lti_endpoint_entry *own = e && i < e->forms.count ? e->forms.entries[i] : NULL;
  return own ? &own->form : lti_protocol_task_form(i);
}

const leat_endpoint *lti_endpoints_find(const lti_endpoints *e, const char *name) {
  const leat_endpoint *row;
  for (size_t i = 0; name && (row = lti_endpoints_at(e, i)); i++)
    if (strcmp(row->name, name) == 0) return row;
  return NULL;
}

const leat_task_form *lti_endpoints_form_find(const lti_endpoints *e, const char *name) {
  const leat_task_form *form;
  for (size_t i = 0; name && (form = lti_endpoints_form_at(e, i)); i++)
    if (strcmp(form->name, name) == 0) return form;
  return NULL;
}

/* ---- copies */

/* The texts of a row or form, in the order of their fields. */
static size_t row_texts(leat_endpoint *r, const char ***texts) {
  const char **all[] = {&r->name,     &r->summary, &r->method, &r->path,  &r->stream_path,
                        &r->protocol, &r->task,    &r->header, &r->value, &r->base_url};
  memcpy(texts, all, sizeof all);
  return sizeof all / sizeof *all;
}

static size_t form_texts(leat_task_form *f, const char ***texts) {
  const char **all[] = {&f->name,       &f->poll_method,  &f->poll_path,     &f->poll_body,
                        &f->batch_path, &f->batch_body,   &f->batch_items,   &f->content_path,
                        &f->id,         &f->status,       &f->progress,      &f->urls,
                        &f->text,       &f->error_code,   &f->error_message, &f->good_codes,
                        &f->done_words, &f->failed_words, &f->input_words};
  memcpy(texts, all, sizeof all);
  return sizeof all / sizeof *all;
}

#define TEXTS_MAX 20

static size_t sum_of(const char **const *texts, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++)
    if (*texts[i]) size += strlen(*texts[i]) + 1;
  return size;
}

/* Lays the texts one behind the other and points the fields there. */
static void move_texts(const char ***texts, size_t count, char *to) {
  for (size_t i = 0; i < count; i++) {
    if (!*texts[i]) continue;
    size_t n = strlen(*texts[i]) + 1;
    memcpy(to, *texts[i], n);
    *texts[i] = to;
    to += n;
  }
}

lti_endpoint_entry *lti_endpoints_copy(lti_alloc *alloc, const leat_endpoint *row) {
  const char **texts[TEXTS_MAX];
  leat_endpoint copy = *row;
  if (!copy.method) copy.method = copy.body == LEAT_BODY_NONE ? "GET" : "POST";
  size_t count = row_texts(&copy, texts);
  lti_endpoint_entry *entry =
      lti_alloc_get(alloc, sizeof *entry + sum_of((const char **const *)texts, count));
  if (!entry) return NULL;
  entry->row = copy;
  count = row_texts(&entry->row, texts);
  move_texts(texts, count, entry->texts);
  return entry;
}

lti_endpoint_entry *lti_endpoints_form_copy(lti_alloc *alloc, const leat_task_form *form) {
  const char **texts[TEXTS_MAX];
  leat_task_form copy = *form;
  if (!copy.poll_method) copy.poll_method = copy.poll_body ? "POST" : "GET";
  if (!copy.batch_max) copy.batch_max = BATCH_MAX_DEFAULT;
  if (!copy.poll_ms) copy.poll_ms = POLL_MS_DEFAULT;
  size_t count = form_texts(&copy, texts);
  lti_endpoint_entry *entry =
      lti_alloc_get(alloc, sizeof *entry + sum_of((const char **const *)texts, count));
  if (!entry) return NULL;
  entry->form = copy;
  count = form_texts(&entry->form, texts);
  move_texts(texts, count, entry->texts);
  return entry;
}

/* ---- adding */

static size_t built_in_rows(void) {
  size_t n = 0;
  while (lti_protocol_endpoint(n)) n++;
  return n;
}

static size_t built_in_forms(void) {
  size_t n = 0;
  while (lti_protocol_task_form(n)) n++;
  return n;
}

static int reserve(lti_alloc *alloc, lti_endpoint_list *list, size_t built_in, size_t more) {
  size_t least = list->count ? list->count : built_in;
  if (more > LTI_ENDPOINTS_MAX || least + more > built_in + LTI_ENDPOINTS_MAX) return LEAT_EINVAL;
  if (least + more > list->capacity) {
    size_t capacity = least + more + 8;
    size_t before = list->capacity * sizeof(lti_endpoint_entry *);
    void *grown =
        lti_alloc_grow(alloc, list->entries, before, capacity * sizeof(lti_endpoint_entry *));
    if (!grown) return LEAT_ENOMEM;
    list->entries = grown;
    list->capacity = capacity;
  }
  while (list->count < least) list->entries[list->count++] = NULL;
  return LTI_OK;
}

int lti_endpoints_reserve(lti_endpoints *e, size_t more_rows, size_t more_forms) {
  int r = reserve(e->alloc, &e->rows, built_in_rows(), more_rows);
  return r == LTI_OK ? reserve(e->alloc, &e->forms, built_in_forms(), more_forms) : r;
}

static void put(lti_alloc *alloc, lti_endpoint_list *list, size_t at, lti_endpoint_entry *entry) {
  assert(at <= list->count && at < list->capacity);
  if (at == list->count)
    list->count++;
  else
    lti_alloc_put(alloc, list->entries[at]);
  list->entries[at] = entry;
}

void lti_endpoints_put(lti_endpoints *e, lti_endpoint_entry *entry) {
  const leat_endpoint *row;
  size_t at = 0;
  while ((row = lti_endpoints_at(e, at)) && strcmp(row->name, entry->row.name) != 0) at++;
  put(e->alloc, &e->rows, at, entry);
}

void lti_endpoints_form_put(lti_endpoints *e, lti_endpoint_entry *entry) {
  const leat_task_form *form;
  size_t at = 0;
  while ((form = lti_endpoints_form_at(e, at)) && strcmp(form->name, entry->form.name) != 0) at++;
  put(e->alloc, &e->forms, at, entry);
}

/* ---- what leat.h has of them */

static const lti_endpoints *of(const leat_engine *engine) {
  return engine ? &engine->endpoints : NULL;
}

const leat_endpoint *leat_endpoint_at(const leat_engine *engine, size_t i) {
  return lti_endpoints_at(of(engine), i);
}

const leat_endpoint *leat_endpoint_find(const leat_engine *engine, const char *name) {
  return lti_endpoints_find(of(engine), name);
}

const leat_task_form *leat_task_form_at(const leat_engine *engine, size_t i) {
  return lti_endpoints_form_at(of(engine), i);
}

const leat_task_form *leat_task_form_find(const leat_engine *engine, const char *name) {
  return lti_endpoints_form_find(of(engine), name);
}

static int fail_reserve(leat_engine *engine, int error) {
  lti_buf_clear(&engine->message);
  if (error == LEAT_EINVAL)
    lti_buf_format(&engine->message, "an engine has at most %d endpoints and forms of its own",
                   LTI_ENDPOINTS_MAX);
  return lti_engine_fail(engine, error, error == LEAT_EINVAL ? "" : NULL);
}

int leat_endpoint_add(leat_engine *engine, const leat_endpoint *endpoint) {
  if (!engine) return LEAT_EINVAL;
  if (!endpoint || endpoint->struct_size != sizeof *endpoint)
    return lti_engine_fail(engine, LEAT_EINVAL, "struct_size is not that of leat_endpoint");
  lti_endpoints *e = &engine->endpoints;
  lti_buf_clear(&engine->message);
  int r =
      lti_endpoint_check(endpoint, lti_endpoints_form_find(e, endpoint->task), &engine->message);
  if (r != LTI_OK) return lti_engine_fail(engine, r, "");
  r = lti_endpoints_reserve(e, lti_endpoints_find(e, endpoint->name) ? 0 : 1, 0);
  if (r != LTI_OK) return fail_reserve(engine, r);
  lti_endpoint_entry *entry = lti_endpoints_copy(e->alloc, endpoint);
  if (!entry) return lti_engine_fail(engine, LEAT_ENOMEM, NULL);
  lti_endpoints_put(e, entry);
  return LTI_OK;
}

int leat_task_form_add(leat_engine *engine, const leat_task_form *form) {
  if (!engine) return LEAT_EINVAL;
  if (!form || form->struct_size != sizeof *form)
    return lti_engine_fail(engine, LEAT_EINVAL, "struct_size is not that of leat_task_form");
  lti_endpoints *e = &engine->endpoints;
  lti_buf_clear(&engine->message);
  int r = lti_endpoint_form_check(form, &engine->message);
  if (r != LTI_OK) return lti_engine_fail(engine, r, "");
  r = lti_endpoints_reserve(e, 0, lti_endpoints_form_find(e, form->name) ? 0 : 1);
  if (r != LTI_OK) return fail_reserve(engine, r);
  lti_endpoint_entry *entry = lti_endpoints_form_copy(e->alloc, form);
  if (!entry) return lti_engine_fail(engine, LEAT_ENOMEM, NULL);
  lti_endpoints_form_put(e, entry);
  return LTI_OK;
}
