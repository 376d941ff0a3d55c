/* The table of tasks. A task is found by its id alone: the last digits of an id are its place in
 * the table, and the others a hash that must agree.
 *
 *   SUBMITTED -> QUEUED -> RUNNING or ODD -> SUCCESS, FAILURE, EXPIRED, CANCELLED, MODAL
 *                  \-> LOST                \-> RUNNING for ever */
#include "bench/mock/tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/text.h"

#define TABLE_FIRST  1024u
#define HASH_DIGITS  10 /* of ids that are decimal numbers */
#define PLACE_DIGITS 9
#define HASH_BELOW   10000000000u

/* What an id begins with; NULL: it is a decimal number. */
static const char *const prefixes[MOCK_FAMILY_COUNT] = {
    [MOCK_VIDEO] = "task_",    [MOCK_SORA] = "video_", [MOCK_SUNO] = "task_",
    [MOCK_PRODUCER] = "task_", [MOCK_KLING] = NULL,    [MOCK_VIDU] = NULL,
    [MOCK_ARK] = "cgt-",       [MOCK_JIMENG] = NULL,   [MOCK_MIDJOURNEY] = NULL,
};

size_t mock_task_name(const mock *m, const mock_task *t, char out[MOCK_TASK_ID_MAX]) {
  uint32_t place = (uint32_t)(t - m->tasks);
  uint64_t hash = mock_text_mix(m->config.seed ^ mock_text_mix(place));
  int n;
  if (prefixes[t->family])
    n = snprintf(out, MOCK_TASK_ID_MAX, "%s%016" PRIx64 "%08x%08x", prefixes[t->family], hash,
                 (unsigned)(mock_text_mix(hash) >> 32), place);
  else
    n = snprintf(out, MOCK_TASK_ID_MAX, "%0*" PRIu64 "%0*u", HASH_DIGITS, hash % HASH_BELOW,
                 PLACE_DIGITS, place);
  return (size_t)n;
}

/* The number that the last `digits` of the id are, in `base`. */
static bool read_place(leat_slice id, size_t digits, int base, unsigned long *place) {
  char text[16];
  if (id.size < digits) return false;
  memcpy(text, id.data + id.size - digits, digits);
  text[digits] = '\0';
  *place = strtoul(text, NULL, base);
  return true;
}

mock_task *mock_task_find(mock *m, leat_slice id) {
  char name[MOCK_TASK_ID_MAX];
  unsigned long place;
  bool decimal = id.size == HASH_DIGITS + PLACE_DIGITS;
  if (!read_place(id, decimal ? PLACE_DIGITS : 8, decimal ? 10 : 16, &place)) return NULL;
  if (place >= m->task_count) return NULL;
  mock_task *t = &m->tasks[place];
  size_t size = mock_task_name(m, t, name);
  return size == id.size && memcmp(name, id.data, size) == 0 ? t : NULL;
}

static enum mock_phase end_of(const mock_task *t) {
  switch (t->end) {
    case MOCK_END_FAILURE: return MOCK_PHASE_FAILURE;
    case MOCK_END_EXPIRED: return MOCK_PHASE_EXPIRED;
    case MOCK_END_CANCELLED: return MOCK_PHASE_CANCELLED;
    case MOCK_END_MODAL: return MOCK_PHASE_MODAL;
    case MOCK_END_STUCK: return MOCK_PHASE_RUNNING;
    default: return MOCK_PHASE_SUCCESS;
  }
}

enum mock_phase mock_task_phase(const mock_task *t, uint64_t now_ns) {
  uint64_t age = now_ns > t->created_ns ? now_ns - t->created_ns : 0;
  if (age < t->queued_ns / 2) return MOCK_PHASE_SUBMITTED;
  if (age < t->queued_ns) return MOCK_PHASE_QUEUED;
  if (t->end == MOCK_END_LOST) return MOCK_PHASE_LOST;
  if (age < t->queued_ns + t->run_ns) return t->odd ? MOCK_PHASE_ODD : MOCK_PHASE_RUNNING;
  return end_of(t);
}

/* In percent; at the end of a task that failed it is 100, too. */
unsigned mock_task_progress(const mock_task *t, uint64_t now_ns) {
  uint64_t age = now_ns > t->created_ns ? now_ns - t->created_ns : 0;
  if (age < t->queued_ns) return 0;
  uint64_t ran = age - t->queued_ns;
  if (ran >= t->run_ns) return t->end == MOCK_END_STUCK ? 99 : 100;
  return (unsigned)((double)ran / (double)t->run_ns * 100);
}

void mock_task_look(mock_task_view *view, mock_exchange *x, mock_task *t, enum mock_envelope e) {
  uint64_t now_ns = uv_hrtime();
  *view = (mock_task_view){.x = x,
                           .task = t,
                           .phase = mock_task_phase(t, now_ns),
                           .envelope = e,
                           .progress = mock_task_progress(t, now_ns)};
  mock_task_name(x->m, t, view->id);
}

mock_task *mock_task_room(mock *m) {
  if (m->task_count >= m->config.tasks_max) return NULL;
  if (m->task_count == m->task_capacity) {
    uint32_t capacity = m->task_capacity ? 2 * m->task_capacity : TABLE_FIRST;
    mock_task *grown = realloc(m->tasks, capacity * sizeof *grown);
    if (!grown) return NULL;
    m->tasks = grown;
    m->task_capacity = capacity;
  }
  return &m->tasks[m->task_count];
}

void mock_task_add(mock *m, mock_task *t) {
  m->task_count++;
  m->stats.tasks++;
  mock_ledger_submitted(m, t);
}

bool mock_task_polled(mock *m, mock_task *t, enum mock_phase phase, bool batch) {
  if (batch)
    t->batch_polls++;
  else
    t->polls++;
  if (t->polls + t->batch_polls <= t->absent || phase == MOCK_PHASE_LOST) return false;
  if (mock_phase_final(phase) && !t->seen_ns) {
    t->seen_ns = uv_hrtime();
    mock_ledger_seen(m, t);
  }
  return true;
}

void mock_tasks_free(mock *m) {
  for (uint32_t i = 0; i < m->task_count; i++) free(m->tasks[i].key);
  free(m->tasks);
}
