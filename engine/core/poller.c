/* Who is asked when: see poller.h.
 *
 * A job's place in its heap is when it was last looked at, and it is due one cadence in force
 * later: so when jobs end and the cadence becomes quicker, all that wait are due sooner without
 * being moved. A wait of its own (a server's wish, another try) is written as if the last look had
 * been earlier or later. Half of the jitter of a kind that asks about many is random, the other
 * half is time in which a question waits for others to join it. */
#include "core/poller.h"

#include <assert.h>

#include "base/error.h"
#include "core/task_inside.h"

#define OUT_MAX        64 /* questions of one key under way at once */
#define ASKS_A_TURN    64
#define LOST_MAX       20 /* questions in a row about a job that may fail in passing */
#define SLACK_SHARE    4  /* of the jitter: the time in which a question waits for others to join */
#define DRIFT_SHARE    2  /* and by how much those wait longer whose question had room */
#define RANDOM_PERCENT 20 /* of that, at random */
#define FRESH_SHARE    4  /* of the floor: the first look comes no sooner */
#define BATCH_STRIKES  3  /* refusals in a row ... */
#define BATCH_OFF_NS   600000000000ull /* ... and for so long jobs are asked about one by one */
#define TASKS_MOST     1000
#define MANY_IN_ROW    20 /* questions about many before one about a single job */

static void on_alarm(lti_alarm *alarm, uint64_t now_ns);

/* ---- keys */

void lti_poller_init(lti_poller *p, lti_alloc *alloc, const uint64_t seed[2]) {
  lti_map_init(&p->kinds, alloc, seed);
  lti_map_init(&p->keys, alloc, seed);
  lti_list_init(&p->submitters);
}

void lti_poller_deinit(lti_poller *p) {
  lti_map_deinit(&p->kinds);
  lti_map_deinit(&p->keys);
}

static int write_name(lti_buf *out, const char *base_url, const char *api_key) {
  int r = lti_buf_text(out, base_url ? base_url : "");
  if (r == LTI_OK) r = lti_buf_byte(out, 0);
  return r == LTI_OK ? lti_buf_text(out, api_key ? api_key : "") : r;
}

static lti_poll_key *key_new(leat_engine *e, leat_slice name) {
  lti_poll_key *key = lti_alloc_zero(&e->alloc, sizeof *key);
  if (!key) return NULL;
  *key = (lti_poll_key){.engine = e, .refs = 1};
  int limit = e->config.polls_per_second;
  lti_pace_init(&key->pace, limit > 0 ? (uint32_t)limit : 0);
  lti_heap_init(&key->kinds, &e->alloc);
  lti_list_init(&key->submits);
  lti_list_init(&key->turn);
  key->name = lti_blob_make(&e->alloc, NULL, name);
  bool joined = key->name && lti_alarm_join(&e->alarms, &key->alarm, on_alarm) == LTI_OK;
  if (joined && lti_map_add(&e->poller.keys, lti_blob_slice(key->name), key) == LTI_OK) return key;
  if (joined) lti_alarm_leave(&e->alarms, &key->alarm);
  lti_blob_release(key->name);
  lti_alloc_put(&e->alloc, key);
  return NULL;
}

lti_poll_key *lti_poller_key(leat_engine *e, const char *base_url, const char *api_key) {
  lti_buf name;
  lti_poll_key *key = NULL;
  lti_buf_init(&name, &e->alloc, LTI_TASK_TEXTS_BYTES_MAX, LEAT_EBODYMAX);
  name.secret = true;
  if (write_name(&name, base_url, api_key) == LTI_OK) {
    key = lti_map_get(&e->poller.keys, lti_buf_slice(&name));
    if (key)
      key->refs++;
    else
      key = key_new(e, lti_buf_slice(&name));
  }
  lti_buf_deinit(&name);
  return key;
}

void lti_poller_key_release(lti_poll_key *key) {
  leat_engine *e = key->engine;
  if (--key->refs > 0) return;
  lti_map_remove(&e->poller.keys, lti_blob_slice(key->name));
  lti_alarm_leave(&e->alarms, &key->alarm);
  lti_heap_deinit(&key->kinds);
  lti_blob_release(key->name);
  lti_alloc_put(&e->alloc, key);
}

/* ---- the cadence */

static uint64_t now_of(const lti_task_kind *k) {
  return lti_loop_clock(k->engine->loop);
}

uint32_t lti_poller_batch(const lti_task_kind *k) {
  if (k->batch_off_until_ns && now_of(k) < k->batch_off_until_ns) return 1;
  return k->batch_max;
}

uint64_t lti_poller_in_force_ns(const lti_task_kind *k) {
  int limit = k->engine->config.polls_per_second;
  return lti_cadence_in_force_ns(k->floor_ns, k->key->load, limit > 0 ? (uint32_t)limit : 0);
}

static uint64_t slack_ns(const lti_task_kind *k, uint64_t in_force_ns) {
  if (lti_poller_batch(k) == 1) return 0;
  return in_force_ns / 100 * k->jitter_percent / SLACK_SHARE;
}

/* What a wait is lengthened by. Of a kind that asks about many only a little is random: those that
 * had room in their question wait longer than those that filled theirs, and so are overtaken by
 * others round by round, and go on with them. */
static uint64_t jitter_ns(const lti_task *t, uint64_t wait_ns) {
  const lti_task_kind *k = t->kind;
  uint32_t batch = lti_poller_batch(k);
  lti_prng *prng = &k->engine->prng;
  if (batch == 1 || t->alone) return lti_cadence_jitter_ns(wait_ns, k->jitter_percent, prng);
  uint64_t part = wait_ns / 100 * k->jitter_percent / DRIFT_SHARE;
  uint64_t room = k->asked_last < batch ? batch - k->asked_last : 0;
  return part * room / batch + lti_cadence_jitter_ns(part, RANDOM_PERCENT, prng);
}

/* When the kind's first question is due, UINT64_MAX: none waits. */
static uint64_t many_due_ns(const lti_task_kind *k) {
  const lti_heap_node *n = lti_heap_min(&k->many);
  uint64_t in_force_ns = lti_poller_in_force_ns(k);
  return n ? n->key + in_force_ns + slack_ns(k, in_force_ns) : UINT64_MAX;
}

/* Those that were never asked about begin so early that the last of them is not late, when they are
 * so many that a round over them takes a while. */
static uint64_t fresh_due_ns(const lti_task_kind *k) {
  if (lti_list_empty(&k->fresh)) return UINT64_MAX;
  const lti_task *t = LTI_CONTAINER_OF(k->fresh.next, lti_task, line);
  int limit = k->engine->config.polls_per_second;
  uint64_t questions = k->fresh_count * LTI_CADENCE_QUESTION / lti_poller_batch(k);
  uint64_t round_ns = lti_cadence_in_force_ns(0, questions, limit > 0 ? (uint32_t)limit : 0);
  uint64_t wait_ns = lti_poller_in_force_ns(k), least_ns = k->floor_ns / FRESH_SHARE;
  wait_ns = wait_ns > round_ns + least_ns ? wait_ns - round_ns : least_ns;
  return t->turn.key + wait_ns;
}

static uint64_t single_due_ns(const lti_task_kind *k) {
  const lti_heap_node *n = lti_heap_min(&k->singles);
  return n ? n->key + lti_poller_in_force_ns(k) : UINT64_MAX;
}

static uint64_t due_ns(const lti_task_kind *k) {
  uint64_t many = many_due_ns(k), single = single_due_ns(k), fresh = fresh_due_ns(k);
  if (fresh < many) many = fresh;
  return many < single ? many : single;
}

/* ---- the alarm */

static lti_task_kind *first_kind(const lti_poll_key *key) {
  lti_heap_node *n = lti_heap_min(&key->kinds);
  return n ? LTI_CONTAINER_OF(n, lti_task_kind, turn) : NULL;
}

/* Not before the pace and a pause allow. */
static uint64_t not_before_ns(const lti_poll_key *key) {
  return key->pace.next_ns > key->paused_until_ns ? key->pace.next_ns : key->paused_until_ns;
}

static void arm(lti_poll_key *key) {
  const lti_task_kind *k = first_kind(key);
  uint64_t at = k && key->out < OUT_MAX ? due_ns(k) : UINT64_MAX;
  uint64_t earliest = not_before_ns(key);
  lti_alarm_set(&key->engine->alarms, &key->alarm, at < earliest ? earliest : at);
}

/* Kinds take their turns by when their first job was looked at and their floor; the part of the
 * cadence that the limit adds is the same for all of a key. */
static void place(lti_task_kind *k) {
  const lti_heap_node *many = lti_heap_min(&k->many), *single = lti_heap_min(&k->singles);
  if (!many && !single) {
    lti_heap_remove(&k->key->kinds, &k->turn);
  } else {
    uint64_t looked = many ? many->key : single->key;
    int r = lti_heap_set(&k->key->kinds, &k->turn, looked + k->floor_ns);
    assert(r == LTI_OK);
    (void)r;
  }
  arm(k->key);
}

static void count_load(lti_task_kind *k) {
  uint64_t load = (k->open_many * LTI_CADENCE_QUESTION) / lti_poller_batch(k);
  k->key->load += load - k->load;
  k->load = load;
  arm(k->key);
}

/* ---- waiting */

static lti_task *take(lti_heap *from, lti_heap_node *n) {
  lti_task *t = LTI_CONTAINER_OF(n, lti_task, turn);
  lti_heap_remove(from, n);
  if (!lti_list_empty(&t->line)) t->kind->fresh_count--;
  lti_list_remove(&t->line);
  return t;
}

int lti_poller_join(lti_task_kind *k) {
  int r = lti_heap_reserve(&k->many, k->members + 1);
  if (r != LTI_OK) return r;
  k->members++;
  return LTI_OK;
}

void lti_poller_part(lti_task_kind *k) {
  assert(k->members > 0);
  k->members--;
}

void lti_poller_wait(lti_task *t, uint64_t wait_ns) {
  lti_task_kind *k = t->kind;
  uint64_t added_ns = lti_poller_in_force_ns(k) - k->floor_ns;
  uint64_t at = now_of(k) + wait_ns + (wait_ns ? jitter_ns(t, wait_ns + added_ns) : 0);
  uint64_t looked = at > k->floor_ns ? at - k->floor_ns : 0;
  if (t->ended) return;
  int r = lti_heap_set(t->alone ? &k->singles : &k->many, &t->turn, looked);
  if (r == LTI_OK) {
    place(k);
    return;
  }
  lti_task_finish(t, r, NULL); /* one that is asked about alone has no room of its own */
}

void lti_poller_wait_fresh(lti_task *t) {
  lti_task_kind *k = t->kind;
  if (k->first_ns == 0) {
    lti_list_push(&k->fresh, &t->line);
    k->fresh_count++;
  }
  lti_poller_wait(t, k->first_ns ? k->first_ns : k->floor_ns);
}

void lti_poller_leave(lti_task *t) {
  lti_task_kind *k = t->kind;
  if (t->state == LEAT_TASK_SUBMITTING || !lti_heap_node_in(&t->turn)) return;
  take(t->alone ? &k->singles : &k->many, &t->turn);
  place(k);
}

void lti_poller_open(lti_task *t) {
  t->open = true;
  t->kind->open_many++;
  count_load(t->kind);
}

void lti_poller_shut(lti_task *t) {
  if (!t->open) return;
  t->open = false;
  if (t->alone)
    t->kind->open_singles--;
  else
    t->kind->open_many--;
  count_load(t->kind);
}

void lti_poller_single_out(lti_task *t) {
  assert(!lti_heap_node_in(&t->turn));
  if (!t->open || t->alone) return;
  t->alone = true;
  t->kind->open_many--;
  t->kind->open_singles++;
  count_load(t->kind);
}

/* ---- asking */

/* Those that are due, then whoever may join them. */
static uint32_t collect(lti_task_kind *k, uint64_t now_ns, lti_task **tasks, uint32_t most) {
  uint32_t count = 0;
  lti_heap_node *n;
  if (many_due_ns(k) <= now_ns) tasks[count++] = take(&k->many, lti_heap_min(&k->many));
  while (count < most && (n = lti_heap_min(&k->many)) && n->key + k->floor_ns <= now_ns)
    tasks[count++] = take(&k->many, n);
  while (count < most && !lti_list_empty(&k->fresh)) {
    lti_task *t = LTI_CONTAINER_OF(k->fresh.next, lti_task, line);
    tasks[count++] = take(&k->many, &t->turn);
  }
  return count;
}

/* Where there is no room for the question now, there may be later. */
static void ask_later(lti_task *t, int error) {
  bool passing = error == LEAT_ENOMEM || error == LEAT_EQUEUEFULL;
  if (passing && ++t->lost <= LOST_MAX)
    lti_poller_wait(t, t->kind->floor_ns);
  else
    lti_task_finish(t, error, leat_last_message(lti_task_engine(t)));
}

/* A question about one job costs the pace as much as one about a hundred: jobs that are asked about
 * alone have what is left, and a small share in any case. */
static bool many_first(lti_task_kind *k, uint64_t now_ns) {
  bool many = many_due_ns(k) <= now_ns || fresh_due_ns(k) <= now_ns;
  bool single = single_due_ns(k) <= now_ns;
  if (many && single && ++k->many_in_row > MANY_IN_ROW) many = false;
  if (!many) k->many_in_row = 0;
  return many;
}

static void ask(lti_task_kind *k, uint64_t now_ns) {
  lti_task *tasks[TASKS_MOST];
  uint32_t count = 1, most = lti_poller_batch(k);
  if (many_first(k, now_ns))
    count = collect(k, now_ns, tasks, most < TASKS_MOST ? most : TASKS_MOST);
  else
    tasks[0] = take(&k->singles, lti_heap_min(&k->singles));
  lti_pace_take(&k->key->pace, now_ns);
  k->key->out++;
  int r = lti_poll_ask(k, tasks, count, count > 1);
  if (r != LTI_OK) {
    k->key->out--;
    for (uint32_t i = 0; i < count; i++) ask_later(tasks[i], r);
  }
  place(k);
}

static void on_alarm(lti_alarm *alarm, uint64_t now_ns) {
  lti_poll_key *key = LTI_CONTAINER_OF(alarm, lti_poll_key, alarm);
  lti_task_kind *k;
  for (int i = 0; i < ASKS_A_TURN && key->out < OUT_MAX; i++) {
    k = first_kind(key);
    if (!k || due_ns(k) > now_ns || not_before_ns(key) > now_ns) break;
    ask(k, now_ns);
  }
  arm(key);
}

/* ---- being answered */

void lti_poller_answered(lti_task_kind *k) {
  assert(k->key->out > 0);
  k->key->out--;
  arm(k->key);
}

void lti_poller_pause(lti_poll_key *key, uint64_t ms) {
  uint64_t until = lti_loop_clock(key->engine->loop) + ms * LTI_TASK_MS_NS;
  if (until > key->paused_until_ns) key->paused_until_ns = until;
  arm(key);
}

void lti_poller_batch_told(lti_task_kind *k, bool fine) {
  if (fine) {
    k->batch_refused = 0;
  } else if (++k->batch_refused >= BATCH_STRIKES) {
    k->batch_refused = 0;
    k->batch_off_until_ns = now_of(k) + BATCH_OFF_NS;
    count_load(k);
  }
}

void lti_poller_batch_less(lti_task_kind *k) {
  if (k->batch_max > 1) k->batch_max /= 2;
  count_load(k);
}
