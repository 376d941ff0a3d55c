/* The failing allocator. Each block is [header][guard][payload][guard]; live blocks are in a list,
 * freed ones stay in a ring of FAILING_KEPT so that a second free or a late write is seen rather
 * than suffered. */
#include "support/failing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GUARD_SIZE 16
#define GUARD_BYTE 0xa5
#define FREED_BYTE 0xdd
#define FRESH_BYTE 0xcd
/* Larger ones are not kept, so that tests of large events stay small. */
#define KEPT_SIZE_MAX ((size_t)1 << 20)
#define MARK_LIVE     UINT64_C(0x6c6976656c697665)
#define MARK_FREED    UINT64_C(0x6672656566726565)

typedef struct failing_block {
  struct failing_block *next, *prev;
  uint64_t mark;
  size_t size;
  uint64_t call; /* which allocation made it */
  _Alignas(16) unsigned char guard[GUARD_SIZE];
} failing_block;

static unsigned char *payload(failing_block *b) {
  return (unsigned char *)(b + 1);
}

static void fault(failing *f, const char *what, const failing_block *b) {
  f->faults++;
  fprintf(stderr, "failing allocator: %s (block of call %llu, %zu bytes)\n", what,
          (unsigned long long)b->call, b->size);
}

static bool all_bytes(const unsigned char *p, size_t size, int byte) {
  return size == 0 || (p[0] == byte && memcmp(p, p + 1, size - 1) == 0);
}

static bool refused(failing *f) {
  f->calls++;
  if (f->fail_at == 0 || f->calls < f->fail_at) return false;
  if (f->calls > f->fail_at && !f->for_ever) return false;
  f->failed++;
  return true;
}

static void *block_new(failing *f, size_t size) {
  if (size > SIZE_MAX - sizeof(failing_block) - GUARD_SIZE) return NULL;
  failing_block *b = malloc(sizeof *b + size + GUARD_SIZE);
  if (!b) return NULL;
  memset(b, 0, sizeof *b);
  b->mark = MARK_LIVE;
  b->size = size;
  b->call = f->calls;
  memset(b->guard, GUARD_BYTE, GUARD_SIZE);
  memset(payload(b), FRESH_BYTE, size);
  memset(payload(b) + size, GUARD_BYTE, GUARD_SIZE);
  b->next = f->live;
  if (f->live) f->live->prev = b;
  f->live = b;
  f->live_blocks++;
  f->live_bytes += size;
  if (f->peak_bytes < f->live_bytes) f->peak_bytes = f->live_bytes;
  return payload(b);
}

static void kept_free(failing *f, size_t at) {
  failing_block *b = f->kept[at];
  if (!b) return;
  if (b->mark != MARK_FREED || !all_bytes(payload(b), b->size, FREED_BYTE)) {
    fault(f, "written to after it was freed", b);
  }
  free(b);
  f->kept[at] = NULL;
}

static void block_free(failing *f, failing_block *b) {
  if (!all_bytes(b->guard, GUARD_SIZE, GUARD_BYTE)) fault(f, "written to before its start", b);
  if (!all_bytes(payload(b) + b->size, GUARD_SIZE, GUARD_BYTE)) {
    fault(f, "written to behind its end", b);
  }
  if (f->canary && memmem(payload(b), b->size, f->canary, strlen(f->canary))) {
    fault(f, "freed with the secret in it", b);
  }
  if (b->prev) b->prev->next = b->next;
  if (b->next) b->next->prev = b->prev;
  if (f->live == b) f->live = b->next;
  f->live_blocks--;
  f->live_bytes -= b->size;
  b->mark = MARK_FREED;
  if (b->size > KEPT_SIZE_MAX) {
    free(b);
    return;
  }
  memset(payload(b), FREED_BYTE, b->size);
  kept_free(f, f->kept_next);
  f->kept[f->kept_next] = b;
  f->kept_next = (f->kept_next + 1) % FAILING_KEPT;
}

static failing_block *block_of(failing *f, void *ptr) {
  failing_block *b = (failing_block *)ptr - 1;
  if (b->mark == MARK_LIVE) return b;
  if (b->mark == MARK_FREED) {
    fault(f, "freed twice", b);
  } else {
    f->faults++;
    fprintf(stderr, "failing allocator: freed a pointer that it never gave\n");
  }
  return NULL;
}

static void *failing_malloc(void *user, size_t size) {
  failing *f = user;
  return refused(f) ? NULL : block_new(f, size);
}

static void failing_free(void *user, void *ptr) {
  failing *f = user;
  if (!ptr) {
    f->faults++;
    fprintf(stderr, "failing allocator: free was given NULL\n");
    return;
  }
  failing_block *b = block_of(f, ptr);
  if (b) block_free(f, b);
}

static void *failing_realloc(void *user, void *ptr, size_t old_size, size_t new_size) {
  failing *f = user;
  if (refused(f)) return NULL;
  if (!ptr) return block_new(f, new_size);
  failing_block *b = block_of(f, ptr);
  if (!b) return NULL;
  if (b->size != old_size) fault(f, "given back to realloc with a wrong old size", b);
  void *fresh = block_new(f, new_size);
  if (!fresh) return NULL;
  memcpy(fresh, ptr, b->size < new_size ? b->size : new_size);
  block_free(f, b);
  return fresh;
}

void failing_init(failing *f, uint64_t fail_at) {
  memset(f, 0, sizeof *f);
  f->fail_at = fail_at;
}

void failing_deinit(failing *f) {
  while (f->live) {
    failing_block *b = f->live;
    f->live = b->next;
    free(b);
  }
  for (size_t i = 0; i < FAILING_KEPT; i++) {
    free(f->kept[i]);
    f->kept[i] = NULL;
  }
}

leat_allocator failing_allocator(failing *f) {
  leat_allocator fns = {failing_malloc, failing_realloc, failing_free, f};
  return fns;
}

bool failing_clean(failing *f) {
  for (size_t i = 0; i < FAILING_KEPT; i++) kept_free(f, i);
  for (failing_block *b = f->live; b; b = b->next) {
    fprintf(stderr, "failing allocator: leaked the block of call %llu, %zu bytes\n",
            (unsigned long long)b->call, b->size);
  }
  return f->live_blocks == 0 && f->faults == 0;
}

/* True when the run saw a failure. */
static bool run_once(failing_scenario scenario, void *ctx, uint64_t n, bool for_ever,
                     uint64_t *calls) {
  failing f;
  failing_init(&f, n);
  f.for_ever = for_ever;
  leat_allocator fns = failing_allocator(&f);
  scenario(&fns, ctx);
  bool clean = failing_clean(&f);
  bool failed = f.failed > 0;
  *calls = f.calls;
  failing_deinit(&f);
  if (!clean) fail_msg("not clean when allocation %llu fails", (unsigned long long)n);
  return failed;
}

uint64_t failing_at_every_n(failing_scenario scenario, void *ctx) {
  uint64_t calls = 0;
  for (uint64_t n = 1; n <= FAILING_RUNS_MAX; n++) {
    if (!run_once(scenario, ctx, n, false, &calls)) return calls;
    run_once(scenario, ctx, n, true, &calls);
  }
  fail_msg("more than %d allocations", FAILING_RUNS_MAX);
  return 0;
}
