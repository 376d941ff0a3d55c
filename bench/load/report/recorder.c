/* The writer's thread and the ring in front of it.
 *
 *     threads that measure: lock, copy a fixed head and its texts and times into the ring, unlock
 *     the writer: looks every 5 ms, formats what lies there without the lock, then frees the room
 *
 * The ring is memory of one size from the start; an entry lies in it in one piece, and where it
 * would not fit before the ring's end it begins at the start, with a mark where the rest was left.
 * Nothing wakes the writer: a wake is a system call, which would be paid by whoever measures. An
 * entry that finds no room is dropped and counted.
 *
 * A line: times are ms. `intended` counts from the run's begin, all others from the intended start;
 * `at` is the intended start in seconds since 1970. Null is what was not reached. */
#include "recorder.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "bindings/cli/jsonw.h"
#include "bindings/cli/out.h"
#include "bindings/cli/say.h"

#define NOWHERE   SIZE_MAX
#define RING_SIZE ((size_t)32 << 20)
#define LOOK_NS   5000000
#define TEXT_MAX  200
#define ALIGN     sizeof(uint64_t)

enum text { MESSAGE, REQUEST_ID, PROVIDER_CODE, TEXT_COUNT };

/* What of a request is kept until its line is written; texts, then times, lie behind it. */
typedef struct entry {
  uint32_t size; /* with what is behind; 0: the ring goes on at its start */
  uint32_t turn, thread, attempts;
  uint64_t index, intended_ns, submitted_ns, ttfo_ns, second_content_ns;
  leat_times times;
  int64_t input_tokens, output_tokens, reasoning_tokens;
  uint64_t content_events, records, bytes_received;
  size_t event_count;
  int error, status;
  enum leat_http http;
  bool warmup, task, reused_connection, has_events;
  uint16_t text_size[TEXT_COUNT];
} entry;

struct recorder {
  bool events, over;
  uint64_t base_ns;
  double base_at; /* of the wall clock, seconds since 1970 */
  pthread_t thread;
  pthread_mutex_t lock;
  size_t room;       /* of the ring */
  size_t head, tail; /* where the next entry goes; where the writer reads. Equal: empty */
  uint64_t dropped;
  lti_alloc alloc; /* the writer's own, since allocators count without locks */
  cli_out out;
  cli_jsonw w;
  bool broken; /* no memory to write a line */
  char *ring;
};

/* --- adding --- */

static leat_slice cut(leat_slice text) {
  return lti_slice(text.data, text.size < TEXT_MAX ? text.size : TEXT_MAX);
}

static void fill(entry *e, const recorder *r, const recorder_request *q) {
  const leat_result *a = q->result;
  memset(e, 0, sizeof *e);
  e->index = q->index;
  e->turn = q->turn;
  e->thread = q->thread;
  e->warmup = q->warmup;
  e->task = q->task;
  e->intended_ns = q->intended_ns;
  e->submitted_ns = q->submitted_ns;
  e->ttfo_ns = q->ttfo_ns;
  e->second_content_ns = q->second_content_ns;
  e->input_tokens = q->input_tokens;
  e->output_tokens = q->output_tokens;
  e->reasoning_tokens = q->reasoning_tokens;
  e->content_events = q->content_events;
  e->times = a->times;
  if (q->first_ns) e->times.first_content_ns = q->first_ns;
  if (q->last_ns) e->times.last_content_ns = q->last_ns;
  e->attempts = a->attempts;
  e->error = a->error;
  e->status = a->status;
  e->http = a->http;
  e->reused_connection = a->reused_connection;
  e->records = a->records;
  e->bytes_received = a->bytes_received;
  e->has_events = r->events;
  e->event_count = r->events && q->events_ns ? q->event_count : 0;
}

/* Where `size` bytes fit in one piece, or NOWHERE. One word stays free, so that a full ring does
 * not look empty, and another for the mark. */
static size_t place_for(const recorder *r, size_t size) {
  if (r->head < r->tail) return r->tail - r->head > size + ALIGN ? r->head : NOWHERE;
  if (r->room - r->head >= size + ALIGN) return r->head;
  return r->tail > size + ALIGN ? 0 : NOWHERE;
}

static void copy(char *to, const entry *e, const leat_slice *texts, const uint64_t *events_ns) {
  memcpy(to, e, sizeof *e);
  to += sizeof *e;
  if (e->event_count) memcpy(to, events_ns, e->event_count * sizeof *events_ns);
  to += e->event_count * sizeof *events_ns;
  for (int i = 0; i < TEXT_COUNT; i++) {
    if (e->text_size[i]) memcpy(to, texts[i].data, e->text_size[i]);
    to += e->text_size[i];
  }
}

bool recorder_add(recorder *r, const recorder_request *request) {
  entry e;
  const leat_result *a = request->result;
  leat_slice texts[TEXT_COUNT] = {cut(a->error ? a->message : lti_slice_of("")), cut(a->request_id),
                                  cut(a->provider_code)};
  fill(&e, r, request);
  uint64_t size = sizeof e + (uint64_t)e.event_count * sizeof(uint64_t);
  for (int i = 0; i < TEXT_COUNT; i++) {
    e.text_size[i] = (uint16_t)texts[i].size;
    size += texts[i].size;
  }
  size = (size + ALIGN - 1) / ALIGN * ALIGN;
  pthread_mutex_lock(&r->lock);
  if (r->head == r->tail) r->head = r->tail = 0; /* the same few pages, while the writer keeps up */
  size_t at = size <= r->room / 4 ? place_for(r, (size_t)size) : NOWHERE;
  if (at == NOWHERE) {
    r->dropped++;
    pthread_mutex_unlock(&r->lock);
    return false;
  }
  e.size = (uint32_t)size;
  if (at != r->head) memset(r->ring + r->head, 0, ALIGN);
  copy(r->ring + at, &e, texts, request->events_ns);
  r->head = at + (size_t)size;
  pthread_mutex_unlock(&r->lock);
  return true;
}

/* --- writing --- */

/* From the intended start, in ms; null for what was not reached. */
static void put_time(cli_jsonw *w, const char *key, const entry *e, uint64_t ns) {
  if (ns == 0)
    cli_jsonw_null(w, key);
  else
    cli_jsonw_real(w, key, (double)(int64_t)(ns - e->intended_ns) / 1e6, 4);
}

static void put_span(cli_jsonw *w, const char *key, uint64_t from, uint64_t to) {
  if (from == 0 || to < from)
    cli_jsonw_null(w, key);
  else
    cli_jsonw_real(w, key, (double)(to - from) / 1e6, 4);
}

static void put_tokens(cli_jsonw *w, const char *key, int64_t n) {
  if (n < 0)
    cli_jsonw_null(w, key);
  else
    cli_jsonw_int(w, key, n);
}

static void put_text(cli_jsonw *w, const char *key, const char **at, size_t size) {
  char clean[2 * TEXT_MAX];
  cli_say_clean(lti_slice(*at, size), clean, sizeof clean);
  cli_jsonw_text_or_null(w, key, lti_slice_of(clean));
  *at += size;
}

static void put_times(cli_jsonw *w, const entry *e) {
  const leat_times *t = &e->times;
  put_time(w, "submitted_ms", e, e->submitted_ns);
  put_time(w, "leased_ms", e, t->leased_ns);
  put_time(w, "connected_ms", e, e->reused_connection ? 0 : t->connected_ns);
  put_time(w, "tls_ms", e, e->reused_connection || t->tls_ns == t->connected_ns ? 0 : t->tls_ns);
  put_time(w, "sent_ms", e, t->sent_ns);
  put_time(w, "head_ms", e, t->head_ns);
  put_time(w, "first_content_ms", e, t->first_content_ns);
  put_time(w, "first_output_ms", e, e->ttfo_ns);
  put_time(w, "second_content_ms", e, e->second_content_ns);
  put_time(w, "last_content_ms", e, t->last_content_ns);
  put_time(w, "done_ms", e, t->done_ns);
  put_span(w, "ttft_ms", t->first_content_ns ? t->sent_ns : 0, t->first_content_ns);
  put_span(w, "e2e_ms", t->sent_ns, t->last_content_ns ? t->last_content_ns : t->done_ns);
}

static void put_who(const recorder *r, const entry *e, cli_jsonw *w) {
  static const char *const versions[] = {
      [LEAT_HTTP_AUTO] = "", [LEAT_HTTP_1] = "1.1", [LEAT_HTTP_2] = "2"};
  double intended_s = (double)(int64_t)(e->intended_ns - r->base_ns) / 1e9;
  cli_jsonw_uint(w, "index", e->index);
  cli_jsonw_uint(w, "turn", e->turn);
  cli_jsonw_uint(w, "thread", e->thread);
  cli_jsonw_text(w, "kind", lti_slice_of(e->task ? "task" : "request"));
  cli_jsonw_bool(w, "warmup", e->warmup);
  cli_jsonw_real(w, "at", r->base_at + intended_s, 6);
  cli_jsonw_real(w, "intended_ms", intended_s * 1e3, 4);
  cli_jsonw_text_or_null(w, "error", lti_slice_of(e->error ? leat_error_name(e->error) : ""));
  put_tokens(w, "status", e->status ? e->status : -1);
  cli_jsonw_text_or_null(w, "http", lti_slice_of(versions[e->http]));
  cli_jsonw_bool(w, "reused", e->reused_connection);
  cli_jsonw_uint(w, "attempts", e->attempts);
}

static void put_volume(const entry *e, cli_jsonw *w) {
  cli_jsonw_uint(w, "events", e->records);
  cli_jsonw_uint(w, "content_events", e->content_events);
  cli_jsonw_uint(w, "bytes", e->bytes_received);
  put_tokens(w, "input_tokens", e->input_tokens);
  put_tokens(w, "output_tokens", e->output_tokens);
  put_tokens(w, "reasoning_tokens", e->reasoning_tokens);
}

static void put_line(recorder *r, const char *at) {
  cli_jsonw *w = &r->w;
  entry e;
  memcpy(&e, at, sizeof e);
  const char *events = at + sizeof e, *text = events + e.event_count * sizeof(uint64_t);
  cli_jsonw_open(w, NULL, '{');
  put_who(r, &e, w);
  put_text(w, "message", &text, e.text_size[MESSAGE]);
  put_text(w, "request_id", &text, e.text_size[REQUEST_ID]);
  put_text(w, "provider_code", &text, e.text_size[PROVIDER_CODE]);
  put_times(w, &e);
  put_volume(&e, w);
  if (e.has_events) {
    cli_jsonw_open(w, "content_ms", '[');
    for (size_t i = 0; i < e.event_count; i++) {
      uint64_t ns;
      memcpy(&ns, events + i * sizeof ns, sizeof ns);
      put_time(w, NULL, &e, ns);
    }
    cli_jsonw_close(w, ']');
  }
  cli_jsonw_close(w, '}');
  if (!cli_jsonw_line(w, &r->out) && r->w.error) r->broken = true;
}

/* Writes what lay there when it was looked. True: there was something. */
static bool write_some(recorder *r) {
  pthread_mutex_lock(&r->lock);
  size_t head = r->head, at = r->tail;
  pthread_mutex_unlock(&r->lock);
  bool some = at != head;
  while (at != head) {
    uint32_t size;
    memcpy(&size, r->ring + at, sizeof size);
    if (size == 0) {
      at = 0;
    } else {
      put_line(r, r->ring + at);
      at += size;
    }
    pthread_mutex_lock(&r->lock);
    r->tail = at;
    pthread_mutex_unlock(&r->lock);
  }
  return some;
}

static void *run(void *ctx) {
  recorder *r = ctx;
  const struct timespec pause = {0, LOOK_NS};
  bool over = false;
  while (!over) {
    pthread_mutex_lock(&r->lock);
    over = r->over;
    pthread_mutex_unlock(&r->lock);
    if (!write_some(r) && !over) nanosleep(&pause, NULL);
  }
  return NULL;
}

/* --- life --- */

/* When `base_ns` of the monotonic clock was, by the wall clock as it goes now. */
static double wall_at(uint64_t base_ns) {
  struct timespec wall, monotonic;
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  clock_gettime(CLOCK_REALTIME, &wall);
  double now = (double)monotonic.tv_sec + (double)monotonic.tv_nsec / 1e9;
  return (double)wall.tv_sec + (double)wall.tv_nsec / 1e9 - (now - (double)base_ns / 1e9);
}

static void discard(recorder *r) {
  cli_jsonw_deinit(&r->w);
  lti_alloc alloc = r->alloc;
  lti_alloc_put(&alloc, r->ring);
  lti_alloc_put(&alloc, r);
}

recorder *recorder_open(const char *path, bool events, uint64_t base_ns) {
  return recorder_open_sized(path, events, base_ns, RING_SIZE);
}

recorder *recorder_open_sized(const char *path, bool events, uint64_t base_ns, size_t queue_bytes) {
  lti_alloc alloc;
  lti_alloc_init(&alloc, NULL);
  recorder *r = lti_alloc_zero(&alloc, sizeof *r);
  if (!r) {
    cli_say("%s: there is no memory to record requests with", path);
    return NULL;
  }
  r->alloc = alloc;
  r->events = events;
  r->base_ns = base_ns;
  r->base_at = wall_at(base_ns);
  cli_jsonw_init(&r->w, &r->alloc);
  r->room = queue_bytes;
  r->ring = lti_alloc_get(&r->alloc, queue_bytes);
  if (!r->ring || !cli_out_open(&r->out, path)) {
    if (!r->ring) cli_say("%s: there is no memory to record requests with", path);
    discard(r);
    return NULL;
  }
  pthread_mutex_init(&r->lock, NULL);
  if (pthread_create(&r->thread, NULL, run, r) == 0) return r;
  cli_say("%s: no thread can be had to record requests with", path);
  cli_out_close(&r->out);
  pthread_mutex_destroy(&r->lock);
  discard(r);
  return NULL;
}

bool recorder_events(const recorder *r) {
  return r->events;
}

bool recorder_close(recorder *r, uint64_t *dropped) {
  pthread_mutex_lock(&r->lock);
  r->over = true;
  pthread_mutex_unlock(&r->lock);
  pthread_join(r->thread, NULL);
  pthread_mutex_destroy(&r->lock);
  bool fine = cli_out_close(&r->out);
  if (r->broken) cli_say("there was no memory for some of the recorded requests");
  if (r->dropped)
    cli_say(
        "%llu requests are not among the recorded: they ended faster than they could be "
        "written",
        (unsigned long long)r->dropped);
  if (dropped) *dropped = r->dropped;
  fine = fine && !r->broken && r->dropped == 0;
  discard(r);
  return fine;
}
