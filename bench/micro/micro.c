/* What one token event costs in the splitter and the JSON reader, without network and TLS.
 *
 *     cmake --build build/release --target micro && build/release/micro
 *
 * Each figure is the best of nine runs in nanoseconds of this thread's CPU time for one event of
 * 195 bytes: split alone; split and passed over with every byte checked; split and read down to the
 * content of its delta. Once with as many events as fit a slab of 16 KiB in each feed, once with
 * one, as when a server flushes each alone. The last lines are bytes a nanosecond of string
 * scanning with and without SSE2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "wire/json.h"
#include "wire/sse.h"

#define SLAB   16384
#define RUNS   9
#define ROUNDS 2000

enum work { SPLIT, CHECK, READ };

typedef struct bench {
  enum work work;
  size_t events, content;
} bench;

static const char EVENT[] =
    "data: {\"id\":\"chatcmpl-9xYz\",\"object\":\"chat.completion.chunk\",\"created\":1721075653,"
    "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},"
    "\"logprobs\":null,\"finish_reason\":null}]}\n\n";

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void read_delta(lti_json *r, bench *b) {
  lti_json_text key, text;
  if (!lti_json_enter_object(r)) return;
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "content") && lti_json_string(r, &text)) b->content += text.raw.size;
  }
}

static void read_choice(lti_json *r, bench *b) {
  lti_json_text key;
  int64_t index = 0;
  if (!lti_json_enter_object(r)) return;
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "delta")) {
      read_delta(r, b);
    } else if (lti_json_key_is(key, "index")) {
      lti_json_int(r, &index);
    }
  }
}

static int read_chunk(leat_slice record, bench *b) {
  lti_json r;
  lti_json_text key;
  lti_json_init(&r, record);
  if (!lti_json_enter_object(&r)) return LEAT_EDECODE;
  while (lti_json_next_key(&r, &key)) {
    if (!lti_json_key_is(key, "choices") || !lti_json_enter_array(&r)) continue;
    while (lti_json_next_value(&r)) read_choice(&r, b);
  }
  return lti_json_at_end(&r) ? LTI_OK : LEAT_EDECODE;
}

static int on_event(void *ctx, const lti_sse_event *event) {
  bench *b = ctx;
  b->events++;
  if (b->work == SPLIT) return LTI_OK;
  if (b->work == READ) return read_chunk(event->data, b);
  return lti_json_valid(event->data, NULL, NULL) ? LTI_OK : LEAT_EDECODE;
}

/* One run; `piece` bytes a feed. */
static double run(lti_sse *x, bench *b, leat_slice slab, size_t piece) {
  size_t before = b->events, taken;
  double from = now_ns();
  for (int i = 0; i < ROUNDS; i++) {
    for (size_t at = 0; at < slab.size; at += piece) {
      if (lti_sse_feed(x, lti_slice(slab.data + at, piece), &taken) != LTI_OK) abort();
    }
  }
  return (now_ns() - from) / (double)(b->events - before);
}

static void measure(const char *name, enum work work, leat_slice slab, size_t piece) {
  static const lti_sse_sink sink = {on_event, NULL};
  bench b = {.work = work};
  lti_alloc alloc;
  lti_sse x;
  double best = 1e18;
  lti_alloc_init(&alloc, NULL);
  lti_sse_init(&x, &alloc, (size_t)64 << 20, &sink, &b);
  for (int i = 0; i < RUNS; i++) {
    double ns = run(&x, &b, slab, piece);
    if (ns < best) best = ns;
  }
  printf("%-44s %7.1f ns   %llu allocations\n", name, best, (unsigned long long)alloc.calls);
  lti_sse_deinit(&x);
}

static void measure_scan(const char *name,
                         const char *(*scan)(const char *, const char *, unsigned *)) {
  static char text[1 << 20];
  unsigned high = 0;
  size_t seen = 0;
  memset(text, 'x', sizeof text);
  double from = now_ns();
  for (int i = 0; i < 200; i++) seen += (size_t)(scan(text, text + sizeof text, &high) - text);
  printf("%-44s %7.1f bytes/ns\n", name, (double)seen / (now_ns() - from));
}

int main(void) {
  static char bytes[SLAB];
  const size_t size = sizeof EVENT - 1;
  leat_slice slab = {bytes, SLAB / size * size};
  for (size_t at = 0; at < slab.size; at += size) memcpy(bytes + at, EVENT, size);
  measure("slab of events: split", SPLIT, slab, slab.size);
  measure("slab of events: split and checked", CHECK, slab, slab.size);
  measure("slab of events: split and read", READ, slab, slab.size);
  measure("one event a feed: split", SPLIT, slab, size);
  measure("one event a feed: split and read", READ, slab, size);
  measure_scan("string scan", lti_json_scan);
  measure_scan("string scan without SSE2", lti_json_scan_portable);
  return 0;
}
