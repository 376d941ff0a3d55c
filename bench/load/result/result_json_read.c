/* Reading a document back: only "points" and what stands beside them, since all else follows.
 *
 * Documents are foreign: every list has a maximum, every number a range, every histogram is checked
 * before it is taken, and the first thing that is wrong ends the reading with its place:
 *
 *     points[2].latencies.ttft.sent: this is no HdrHistogram (byte 48213)
 *
 * What is missing keeps the value of an empty result; a member that we do not know is skipped, but
 * checked as JSON. */
#include <stdio.h>
#include <string.h>

#include "bench/load/result/hdr.h"
#include "bench/load/result/result_fields.h"
#include "bench/load/result/result_json.h"
#include "bindings/cli/program.h"

#define VERSION     1
#define PATH_MAX_   120
#define SCRATCH_MAX ((size_t)8 << 20)
#define NO_MEMORY   "there is no memory for it"

typedef struct loader {
  lti_json r;
  lti_buf scratch; /* of decoded texts */
  char path[PATH_MAX_];
  char *why;
  size_t size;
  bool failed;
  bool versioned, pointed; /* leat_load, points: were there */
} loader;

/* What a member that no table has is read by. */
typedef void (*other)(loader *x, lti_json_text key, void *of);

/* Broken JSON says so itself, in the end. */
static void fail(loader *x, const char *what) {
  if (lti_json_failed(&x->r)) return;
  if (!x->failed)
    snprintf(x->why, x->size, "%s%s%s (byte %zu)", x->path, x->path[0] ? ": " : "", what,
             lti_json_offset(&x->r));
  x->failed = true;
}

static bool going(const loader *x) {
  return !x->failed && !lti_json_failed(&x->r);
}

/* --- where we are --- */

static size_t step_key(loader *x, lti_json_text key) {
  size_t mark = strlen(x->path);
  char clean[40];
  size_t used = 0;
  for (size_t i = 0; i < key.raw.size && used + 1 < sizeof clean; i++) {
    char c = key.raw.data[i];
    clean[used++] = c > ' ' && c < 0x7f ? c : '?';
  }
  clean[used] = '\0';
  snprintf(x->path + mark, sizeof x->path - mark, "%s%s", mark ? "." : "", clean);
  return mark;
}

static size_t step_index(loader *x, size_t i) {
  size_t mark = strlen(x->path);
  snprintf(x->path + mark, sizeof x->path - mark, "[%zu]", i);
  return mark;
}

static void step_back(loader *x, size_t mark) {
  if (!x->failed) x->path[mark] = '\0';
}

/* --- shapes --- */

static void take_object(loader *x, const result_fields *fields, void *of, other rest) {
  lti_json_text key;
  if (!lti_json_enter_object(&x->r)) {
    fail(x, "an object was expected");
    return;
  }
  while (going(x) && lti_json_next_key(&x->r, &key)) {
    size_t mark = step_key(x, key);
    const result_field *field = fields ? result_fields_find(fields, key) : NULL;
    const char *what = field ? result_fields_take(field, of, &x->r, &x->scratch) : NULL;
    if (what) fail(x, what);
    if (!field && rest) rest(x, key, of);
    step_back(x, mark);
  }
}

static bool enter_array(loader *x) {
  if (lti_json_enter_array(&x->r)) return true;
  fail(x, "an array was expected");
  return false;
}

/* A list that grows up to a maximum, in memory of the result's. */
typedef struct growing {
  char *rows;
  size_t count, room, size, max;
} growing;

/* Room for one more, emptied. */
static void *grow(loader *x, growing *g) {
  if (g->count == g->max) {
    fail(x, "there are too many of these");
    return NULL;
  }
  if (g->count == g->room) {
    size_t room = g->room ? 2 * g->room : 16;
    char *rows = lti_alloc_grow(cli_program_alloc(), g->rows, g->room * g->size, room * g->size);
    if (!rows) {
      fail(x, NO_MEMORY);
      return NULL;
    }
    g->rows = rows;
    g->room = room;
  }
  void *row = g->rows + g->count * g->size;
  memset(row, 0, g->size);
  return row;
}

/* One row of values, in the order of its table. */
static void take_row(loader *x, const result_fields *fields, void *of) {
  size_t i = 0;
  if (!enter_array(x)) return;
  while (going(x) && lti_json_next_value(&x->r)) {
    const char *what = "there are too many values in this row";
    if (i < fields->count) what = result_fields_take(&fields->rows[i], of, &x->r, &x->scratch);
    if (what) fail(x, what);
    i++;
  }
  if (going(x) && i < fields->count) fail(x, "there are too few values in this row");
}

static void take_rows(loader *x, const result_fields *fields, growing *g) {
  if (g->rows) {
    fail(x, "it stands here twice");
    return;
  }
  if (!enter_array(x)) return;
  while (going(x) && lti_json_next_value(&x->r)) {
    size_t mark = step_index(x, g->count);
    void *row = grow(x, g);
    if (row) {
      take_row(x, fields, row);
      g->count++;
    }
    step_back(x, mark);
  }
}

/* A list of objects in an array of fixed size. */
typedef struct fixed {
  void *rows;
  size_t size, max, *count;
} fixed;

static void take_list(loader *x, const result_fields *fields, fixed list) {
  if (!enter_array(x)) return;
  *list.count = 0;
  while (going(x) && lti_json_next_value(&x->r)) {
    size_t mark = step_index(x, *list.count);
    if (*list.count == list.max)
      fail(x, "there are too many of these");
    else
      take_object(x, fields, (char *)list.rows + (*list.count)++ * list.size, NULL);
    step_back(x, mark);
  }
}

/* --- histograms --- */

typedef struct written {
  lti_hist_exact exact;
  bool has_exact, has_text;
  lti_json_text text;
} written;

static const result_field exact_rows[] = {
    {"sum_us", RESULT_FIELD_REAL, offsetof(lti_hist_exact, sum), sizeof(double)},
    {"min_us", RESULT_FIELD_U64, offsetof(lti_hist_exact, min), sizeof(uint64_t)},
    {"max_us", RESULT_FIELD_U64, offsetof(lti_hist_exact, max), sizeof(uint64_t)},
    {"over_an_hour", RESULT_FIELD_U64, offsetof(lti_hist_exact, over), sizeof(uint64_t)}};
static const result_fields exact_fields = {exact_rows, sizeof exact_rows / sizeof exact_rows[0]};

static void take_written(loader *x, lti_json_text key, void *of) {
  written *h = of;
  if (lti_json_key_is(key, "exact")) {
    h->has_exact = true;
    take_object(x, &exact_fields, &h->exact, NULL);
  } else if (lti_json_key_is(key, "hdr")) {
    h->has_text = lti_json_string(&x->r, &h->text);
    if (!h->has_text) fail(x, "a text was expected");
  }
}

static const char *read_hist(loader *x, const written *h, lti_hist *hist) {
  leat_slice text;
  if (lti_json_decode(h->text, NULL, &x->scratch, &text) != LEAT_OK) return NO_MEMORY;
  if (!hdr_read(text, hist))
    return "this is no HdrHistogram (V2, compressed, in base64), or has values above an hour";
  if (h->has_exact && !lti_hist_restore(hist, &h->exact))
    return "sum, smallest and largest value are not those of the histogram beside them";
  return NULL;
}

/* Null is none. */
static void take_hist(loader *x, lti_hist **at) {
  written h = {.has_text = false};
  if (lti_json_peek(&x->r) == LTI_JSON_NULL) {
    lti_json_null(&x->r);
    return;
  }
  if (*at) {
    fail(x, "it stands here twice");
    return;
  }
  take_object(x, NULL, &h, take_written);
  if (!going(x)) return;
  if (!h.has_text) {
    fail(x, "its histogram (hdr) is missing");
    return;
  }
  *at = lti_hist_new(cli_program_alloc());
  const char *what = *at ? read_hist(x, &h, *at) : NO_MEMORY;
  if (what) fail(x, what);
}

static void take_form(loader *x, lti_json_text key, void *of) {
  result_latency *l = of;
  if (lti_json_key_is(key, "sent")) take_hist(x, &l->sent);
  if (lti_json_key_is(key, "intended")) take_hist(x, &l->intended);
}

static void take_latency(loader *x, lti_json_text key, void *of) {
  result_point *p = of;
  enum measure m;
  if (!key.escaped && measure_find(key.raw, &m)) take_object(x, NULL, &p->latencies[m], take_form);
}

/* --- parts of a point --- */

static void take_slots(loader *x, lti_json_text key, void *of) {
  result_timeline *t = of;
  double slot_s;
  if (lti_json_key_is(key, "slots")) {
    growing g = {(char *)t->slots, t->count, t->count, sizeof *t->slots, RESULT_SECONDS_MAX};
    take_rows(x, &result_fields_slot, &g);
    t->slots = (result_slot *)(void *)g.rows;
    t->count = g.count;
  } else if (lti_json_key_is(key, "slot_s")) {
    if (lti_json_double(&x->r, &slot_s) && slot_s >= 0)
      t->slot_s = slot_s;
    else
      fail(x, "a number of at least 0 was expected");
  }
}

static void take_dots(loader *x, lti_json_text key, void *of) {
  result_point *p = of;
  if (!lti_json_key_is(key, "rows")) return;
  growing g = {(char *)p->dots, p->dot_count, p->dot_count, sizeof *p->dots, RESULT_DOTS_MAX};
  take_rows(x, &result_fields_dot, &g);
  p->dots = (result_dot *)(void *)g.rows;
  p->dot_count = g.count;
}

static void take_steps(loader *x, lti_json_text key, void *of) {
  result_track *t = of;
  if (!lti_json_key_is(key, "steps_us") || !enter_array(x)) return;
  t->count = 0;
  while (going(x) && lti_json_next_value(&x->r)) {
    int64_t us;
    if (t->count == RESULT_STEPS_MAX)
      fail(x, "there are too many of these");
    else if (!lti_json_int(&x->r, &us) || us < 0 || us > (int64_t)UINT32_MAX)
      fail(x, "a whole number was expected");
    else
      t->steps_us[t->count++] = (uint32_t)us;
  }
}

static void take_tracks(loader *x, result_point *p) {
  growing g = {(char *)p->tracks, p->track_count, p->track_count, sizeof *p->tracks,
               RESULT_TRACKS_MAX};
  if (p->tracks) {
    fail(x, "it stands here twice");
    return;
  }
  if (!enter_array(x)) return;
  while (going(x) && lti_json_next_value(&x->r)) {
    size_t mark = step_index(x, g.count);
    result_track *t = grow(x, &g);
    if (t) {
      g.count++;
      take_object(x, &result_fields_track, t, take_steps);
    }
    step_back(x, mark);
  }
  p->tracks = (result_track *)(void *)g.rows;
  p->track_count = g.count;
}

static void take_slos(loader *x, lti_json_text key, void *of) {
  result_goodput *g = of;
  int64_t good;
  if (lti_json_key_is(key, "slos")) {
    fixed slos = {g->slos, sizeof g->slos[0], sizeof g->slos / sizeof g->slos[0], &g->slo_count};
    take_list(x, &result_fields_slo, slos);
  } else if (lti_json_key_is(key, "good")) {
    if (lti_json_int(&x->r, &good) && good >= 0)
      g->good = (uint64_t)good;
    else
      fail(x, "a whole number was expected");
  }
}

static void take_reasons(loader *x, lti_json_text key, void *of) {
  result_certificate *c = of;
  fixed reasons = {c->reasons, sizeof c->reasons[0], RESULT_REASONS_MAX, &c->reason_count};
  if (lti_json_key_is(key, "receive_lag")) take_hist(x, &c->receive_lag);
  if (lti_json_key_is(key, "schedule_lag")) take_hist(x, &c->schedule_lag);
  if (lti_json_key_is(key, "kernel_lag")) take_hist(x, &c->kernel_lag);
  if (lti_json_key_is(key, "reasons")) take_list(x, &result_fields_reason, reasons);
}

/* The members that are objects of plain members alone. */
static bool take_plain(loader *x, lti_json_text key, result_point *p) {
  const struct {
    const char *name;
    const result_fields *fields;
    void *of;
  } parts[] = {{"offer", &result_fields_offer, &p->offer},
               {"counts", &result_fields_counts, &p->counts},
               {"volume", &result_fields_volume, &p->volume},
               {"lengths", &result_fields_lengths, &p->lengths},
               {"connections", &result_fields_conns, &p->conns},
               {"process", &result_fields_process, &p->process}};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (!lti_json_key_is(key, parts[i].name)) continue;
    take_object(x, parts[i].fields, parts[i].of, NULL);
    return true;
  }
  return false;
}

static bool take_null(loader *x) {
  if (lti_json_peek(&x->r) != LTI_JSON_NULL) return false;
  return lti_json_null(&x->r);
}

static void take_part(loader *x, lti_json_text key, void *of) {
  result_point *p = of;
  fixed errors = {p->errors, sizeof p->errors[0], RESULT_ERRORS_MAX, &p->error_count};
  fixed statuses = {p->statuses, sizeof p->statuses[0], RESULT_STATUS_MAX, &p->status_count};
  if (take_plain(x, key, p)) return;
  if (lti_json_key_is(key, "certificate")) {
    take_object(x, &result_fields_certificate, &p->certificate, take_reasons);
  } else if (lti_json_key_is(key, "latencies")) {
    take_object(x, NULL, p, take_latency);
  } else if (lti_json_key_is(key, "goodput")) {
    if (!take_null(x)) take_object(x, NULL, &p->goodput, take_slos);
  } else if (lti_json_key_is(key, "errors")) {
    take_list(x, &result_fields_error, errors);
  } else if (lti_json_key_is(key, "statuses")) {
    take_list(x, &result_fields_status, statuses);
  } else if (lti_json_key_is(key, "timeline")) {
    take_object(x, NULL, &p->timeline, take_slots);
  } else if (lti_json_key_is(key, "dots")) {
    take_object(x, NULL, p, take_dots);
  } else if (lti_json_key_is(key, "tracks")) {
    take_tracks(x, p);
  }
}

/* --- the document --- */

static void take_points(loader *x, result *r) {
  if (x->pointed) {
    fail(x, "it stands here twice");
    return;
  }
  x->pointed = true;
  if (!enter_array(x)) return;
  while (going(x) && lti_json_next_value(&x->r)) {
    size_t mark = step_index(x, r->point_count);
    if (r->point_count == RESULT_POINTS_MAX) {
      fail(x, "there are too many points");
    } else {
      result_point *p = result_add(r);
      if (p)
        take_object(x, &result_fields_point, p, take_part);
      else
        fail(x, NO_MEMORY);
    }
    step_back(x, mark);
  }
}

static void take_version(loader *x) {
  int64_t version;
  if (!lti_json_int(&x->r, &version) || version < 1)
    fail(x, "a version was expected");
  else if (version > VERSION)
    fail(x, "a newer version of the program wrote this");
  x->versioned = true;
}

static void take_config(loader *x, result *r) {
  leat_slice raw;
  if (take_null(x)) return;
  if (lti_json_peek(&x->r) != LTI_JSON_OBJECT) {
    fail(x, "an object was expected");
  } else if (r->config) {
    fail(x, "it stands here twice");
  } else if (lti_json_raw(&x->r, &raw)) {
    r->config = lti_alloc_text(cli_program_alloc(), raw);
    if (!r->config) fail(x, NO_MEMORY);
  }
}

static void take_parts(loader *x, result *r) {
  growing g = {(char *)r->parts, r->part_count, r->part_count, sizeof *r->parts, RESULT_PARTS_MAX};
  if (r->parts) {
    fail(x, "it stands here twice");
    return;
  }
  if (!enter_array(x)) return;
  while (going(x) && lti_json_next_value(&x->r)) {
    size_t mark = step_index(x, g.count);
    result_part *part = grow(x, &g);
    if (part) {
      g.count++;
      take_object(x, &result_fields_part, part, NULL);
    }
    step_back(x, mark);
  }
  r->parts = (result_part *)(void *)g.rows;
  r->part_count = g.count;
}

static void take_top(loader *x, lti_json_text key, void *of) {
  result *r = of;
  if (lti_json_key_is(key, "leat_load")) take_version(x);
  if (lti_json_key_is(key, "config")) take_config(x, r);
  if (lti_json_key_is(key, "points")) take_points(x, r);
  if (lti_json_key_is(key, "parts")) take_parts(x, r);
  if (lti_json_key_is(key, "machine")) take_object(x, &result_fields_machine, &r->machine, NULL);
  if (lti_json_key_is(key, "knee")) take_object(x, &result_fields_knee, &r->knee, NULL);
}

/* What must hold between the parts. */
static void check(loader *x, const result *r) {
  if (!going(x)) return;
  if (!x->versioned)
    fail(x, "this is no result of leat load: leat_load is missing");
  else if (!x->pointed)
    fail(x, "it is not whole: points is missing");
  else if (r->shards < 1 || r->shard < 0 || r->shard >= r->shards)
    fail(x, "shard: there is no such shard");
  else if (r->knee.found && r->knee.point >= r->point_count)
    fail(x, "knee.point: there is no such point");
}

result *result_json_read(leat_slice text, char *why, size_t size) {
  loader x = {.why = why, .size = size};
  if (size) why[0] = '\0';
  result *r = result_new();
  if (!r) {
    snprintf(why, size, "there is no memory to read it");
    return NULL;
  }
  lti_json_init(&x.r, text);
  lti_buf_init(&x.scratch, cli_program_alloc(), SCRATCH_MAX, LEAT_EBODYMAX);
  if (lti_json_peek(&x.r) == LTI_JSON_OBJECT)
    take_object(&x, &result_fields_head, r, take_top);
  else
    fail(&x, "a JSON object was expected");
  if (going(&x)) lti_json_at_end(&x.r);
  if (!x.failed && lti_json_failed(&x.r))
    snprintf(why, size, "byte %zu: %s", lti_json_offset(&x.r), x.r.error);
  check(&x, r);
  lti_buf_deinit(&x.scratch);
  if (going(&x)) return r;
  result_free(r);
  return NULL;
}
