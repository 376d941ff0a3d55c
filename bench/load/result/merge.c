/* First everything that speaks against it, then a sum point by point. Points grow from the first
 * shard's, which is copied with its histograms; the rest is added to that. */
#include "bench/load/result/merge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/config.h"
#include "bench/load/result/merge_point.h"
#include "bindings/cli/jsonw.h"
#include "bindings/cli/program.h"
#include "wire/json.h"

/* What shards of one load may differ in: which they are, and what lies elsewhere on each machine.
 */
static const char theirs[] = "shard start-at key-file cacert cert key";

typedef struct merger {
  result *const *shards;
  const char *const *names;
  size_t count;
  char *why;
  size_t size;
} merger;

static bool check(const merger *m);
static result *sum(const merger *m);

result *merge_shards(result *const *shards, const char *const *names, size_t count, char *why,
                     size_t size) {
  merger m = {.shards = shards, .names = names, .count = count, .why = why, .size = size};
  why[0] = '\0';
  if (count == 0 || count > MERGE_SHARDS_MAX) {
    snprintf(why, size, "%zu files: one to %d can be merged", count, MERGE_SHARDS_MAX);
    return NULL;
  }
  if (!check(&m)) return NULL;
  result *r = sum(&m);
  if (!r) snprintf(why, size, "no memory");
  return r;
}

/* --- what speaks against it --- */

static leat_slice config_of(const result *r) {
  return lti_slice_of(r->config ? r->config : "{}");
}

static bool check_shard(const merger *m, size_t i) {
  const result *first = m->shards[0], *r = m->shards[i];
  char text[400];
  bool fits = r->shards > 1 && r->shard >= 0 && r->shard < r->shards;
  if (!fits)
    snprintf(m->why, m->size,
             "%s is no shard: merge adds what --shard I/N shared out; repeats of a load are for "
             "leat compare",
             m->names[i]);
  else if (r->shards != first->shards)
    snprintf(m->why, m->size, "%s is shard %d of %d, and %s one of %d", m->names[i], r->shard,
             r->shards, m->names[0], first->shards);
  else if (config_differences(config_of(first), config_of(r), theirs, text, sizeof text) > 0)
    snprintf(m->why, m->size, "%s and %s are not of one load: %s", m->names[0], m->names[i], text);
  else
    return true;
  return false;
}

static bool check_twice(const merger *m, size_t i) {
  for (size_t k = 0; k < i; k++) {
    if (m->shards[k]->shard != m->shards[i]->shard) continue;
    snprintf(m->why, m->size, "%s and %s are both shard %d", m->names[k], m->names[i],
             m->shards[i]->shard);
    return false;
  }
  return true;
}

static bool check_points(const merger *m, size_t i) {
  const result *first = m->shards[0], *r = m->shards[i];
  if (r->point_count == 0 || r->point_count != first->point_count) {
    snprintf(m->why, m->size, "%s has %zu loads, and %s has %zu", m->names[0], first->point_count,
             m->names[i], r->point_count);
    return false;
  }
  for (size_t k = 0; k < r->point_count; k++) {
    const char *a = first->points[k].offer.label, *b = r->points[k].offer.label;
    if (strcmp(a, b) == 0) continue;
    snprintf(m->why, m->size, "load %zu of %s is %s, and of %s it is %s", k + 1, m->names[0], a,
             m->names[i], b);
    return false;
  }
  return true;
}

static bool check(const merger *m) {
  for (size_t i = 0; i < m->count; i++)
    if (!check_shard(m, i) || !check_twice(m, i) || !check_points(m, i)) return false;
  return true;
}

/* --- the sum --- */

static void sum_machines(const merger *m, result *r) {
  int64_t cores = 0, threads = 0, memory = 0;
  bool alike = true;
  for (size_t i = 0; i < m->count; i++) {
    const result_machine *one = &m->shards[i]->machine;
    cores = merge_sum(cores, one->cores > 0 ? one->cores : 0);
    threads = merge_sum(threads, one->threads > 0 ? one->threads : 0);
    memory = merge_sum(memory, one->memory_kb > 0 ? one->memory_kb : 0);
    alike = alike && strcmp(one->processor, r->machine.processor) == 0;
  }
  char processor[sizeof r->machine.processor];
  snprintf(processor, sizeof processor, "%zu shards, %s%.60s", m->count,
           alike ? "" : "the first on ", r->machine.processor);
  memcpy(r->machine.processor, processor, sizeof processor);
  r->machine.cores = cores;
  r->machine.threads = threads;
  r->machine.memory_kb = memory;
}

/* The load's config: that of a shard without what made it one. */
static bool copy_config(const result *from, result *to) {
  cli_jsonw w;
  lti_json r;
  lti_json_text key;
  leat_slice value;
  cli_jsonw_init(&w, cli_program_alloc());
  cli_jsonw_open(&w, NULL, '{');
  lti_json_init(&r, config_of(from));
  if (lti_json_enter_object(&r))
    while (lti_json_next_key(&r, &key)) {
      char name[64];
      bool its = lti_json_key_is(key, "shard") || lti_json_key_is(key, "start-at");
      if (its || key.escaped || key.raw.size >= sizeof name || !lti_json_raw(&r, &value)) continue;
      snprintf(name, sizeof name, "%.*s", (int)key.raw.size, key.raw.data);
      cli_jsonw_raw(&w, name, value);
    }
  cli_jsonw_close(&w, '}');
  if (w.error == LEAT_OK) to->config = lti_alloc_text(cli_program_alloc(), lti_buf_slice(&w.buf));
  cli_jsonw_deinit(&w);
  return to->config != NULL;
}

static bool add_parts(const merger *m, result *r) {
  r->parts = lti_alloc_zero(cli_program_alloc(), m->count * sizeof *r->parts);
  if (!r->parts) return false;
  r->part_count = m->count;
  for (size_t i = 0; i < m->count; i++) {
    const result *from = m->shards[i];
    result_part *part = &r->parts[i];
    part->shard = from->shard;
    part->begun_at = from->points[0].begun_at;
    part->clock_error_ms = from->clock_error_ms;
    memcpy(part->system, from->machine.system, sizeof part->system);
    for (size_t k = 0; k < from->point_count; k++)
      if (from->points[k].certificate.verdict > part->verdict)
        part->verdict = from->points[k].certificate.verdict;
  }
  return true;
}

/* Clocks of which nothing is known make the sum's unknown. */
static double clock_error(const merger *m) {
  double worst = 0;
  for (size_t i = 0; i < m->count; i++) {
    double one = m->shards[i]->clock_error_ms;
    if (one < 0) return -1;
    worst = fmax(worst, one);
  }
  return worst;
}

static bool sum_points(const merger *m, result *r) {
  for (size_t k = 0; k < m->shards[0]->point_count; k++) {
    result_point *p = result_add(r);
    if (!p || !merge_point(p, m->shards, m->count, k)) return false;
  }
  return true;
}

/* The members of the head that are the load's, without those that own memory. */
static void copy_head(const result *from, result *to) {
  memcpy(to->title, from->title, sizeof to->title);
  to->seed = from->seed;
  to->machine = from->machine;
  to->knee = from->knee;
}

static result *sum(const merger *m) {
  result *r = result_new();
  if (!r) return NULL;
  copy_head(m->shards[0], r);
  r->clock_error_ms = clock_error(m);
  for (size_t i = 0; i < m->count; i++) r->interrupted |= m->shards[i]->interrupted;
  sum_machines(m, r);
  if (copy_config(m->shards[0], r) && add_parts(m, r) && sum_points(m, r)) return r;
  result_free(r);
  return NULL;
}
