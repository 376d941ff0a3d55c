/* The loop on libuv: see loop.h.
 *
 * prepare -> turn; idle keeps the poll from sleeping after a kick; timer bounds the sleep; async is
 * the wake-up from other threads and the only handle that may be ref'd. */
#include "io/loop.h"

#include <assert.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"

#define SLAB_BYTES  (64 * 1024)
#define COALESCE_NS 1000000u
/* What may stand behind a record without being another: the ends of its lines and of a chunk. The
 * least that announces more is a frame's head, of 9 bytes. */
#define FRAMING_MAX 8

struct lti_loop {
  lti_alloc *alloc;
  uv_loop_t *uv;
  const lti_loop_sink *sink;
  void *ctx;
  void (*closed)(void *ctx);
  uv_prepare_t prepare;
  uv_idle_t idle;
  uv_timer_t timer, limit;
  uv_async_t async;
  uint64_t timer_at;  /* what the timer is set to, UINT64_MAX: stopped */
  int handles;        /* not closed yet */
  uint64_t polled_at; /* when the last poll began, a wait of ours before it excluded */
  bool owned, held, kicked, closing, coalesce;
  lti_loop_read read;
  char *slab;
};

static void gather(lti_loop *l);
static void on_prepare(uv_prepare_t *handle);
static void on_idle(uv_idle_t *handle);
static void on_timer(uv_timer_t *handle);
static void on_limit(uv_timer_t *handle);
static void on_async(uv_async_t *handle);
static void on_handle_closed(uv_handle_t *handle);

static int make_uv(lti_loop *l, uv_loop_t *borrowed) {
  l->uv = borrowed;
  l->owned = borrowed == NULL;
  if (borrowed) return LTI_OK;
  l->uv = lti_alloc_zero(l->alloc, sizeof *l->uv);
  if (!l->uv) return LEAT_ENOMEM;
  int r = uv_loop_init(l->uv);
  if (r == 0) return LTI_OK;
  lti_alloc_put(l->alloc, l->uv);
  l->uv = NULL;
  return r == UV_ENOMEM ? LEAT_ENOMEM : LEAT_EFDLIMIT;
}

static void start_handles(lti_loop *l) {
  uv_prepare_init(l->uv, &l->prepare);
  uv_idle_init(l->uv, &l->idle);
  uv_timer_init(l->uv, &l->timer);
  uv_timer_init(l->uv, &l->limit);
  l->prepare.data = l->idle.data = l->timer.data = l->limit.data = l->async.data = l;
  uv_prepare_start(&l->prepare, on_prepare);
  uv_unref((uv_handle_t *)&l->prepare);
  uv_unref((uv_handle_t *)&l->idle);
  uv_unref((uv_handle_t *)&l->timer);
  uv_unref((uv_handle_t *)&l->limit);
  uv_unref((uv_handle_t *)&l->async);
  l->handles = 5;
}

int lti_loop_open(lti_alloc *alloc, struct uv_loop_s *borrowed, const lti_loop_sink *sink,
                  void *ctx, lti_loop **loop) {
  lti_loop *l = lti_alloc_zero(alloc, sizeof *l);
  if (!l) return LEAT_ENOMEM;
  l->alloc = alloc;
  l->sink = sink;
  l->ctx = ctx;
  l->timer_at = UINT64_MAX;
  l->slab = lti_alloc_get(alloc, SLAB_BYTES);
  int r = l->slab ? make_uv(l, borrowed) : LEAT_ENOMEM;
  /* The async handle may need a descriptor: it comes first, while failing is still simple. */
  if (r == LTI_OK && uv_async_init(l->uv, &l->async, on_async) != 0) {
    r = LEAT_EFDLIMIT;
    if (l->owned) uv_loop_close(l->uv);
  }
  if (r != LTI_OK) {
    if (l->owned) lti_alloc_put(alloc, l->uv);
    lti_alloc_put(alloc, l->slab);
    lti_alloc_put(alloc, l);
    return r;
  }
  start_handles(l);
  *loop = l;
  return LTI_OK;
}

void lti_loop_close(lti_loop *l, void (*closed)(void *ctx)) {
  assert(!l->closing);
  l->closing = true;
  l->closed = closed;
  uv_close((uv_handle_t *)&l->prepare, on_handle_closed);
  uv_close((uv_handle_t *)&l->idle, on_handle_closed);
  uv_close((uv_handle_t *)&l->timer, on_handle_closed);
  uv_close((uv_handle_t *)&l->limit, on_handle_closed);
  uv_close((uv_handle_t *)&l->async, on_handle_closed);
}

void lti_loop_free(lti_loop *l) {
  lti_alloc *alloc = l->alloc;
  if (l->owned) {
    int r = uv_loop_close(l->uv);
    assert(r == 0); /* every handle and request of ours has ended */
    (void)r;
    lti_alloc_put(alloc, l->uv);
  }
  lti_alloc_put(alloc, l->slab);
  lti_alloc_put(alloc, l);
}

bool lti_loop_run(lti_loop *l, int64_t timeout_ms) {
  if (timeout_ms < 0) return uv_run(l->uv, UV_RUN_DEFAULT) != 0;
  if (timeout_ms == 0) return uv_run(l->uv, UV_RUN_NOWAIT) != 0;
  /* libuv counts from its cached time, which is as old as the last pass. It repeats, since it may
   * fire before the loop has slept. */
  uv_update_time(l->uv);
  uv_timer_start(&l->limit, on_limit, (uint64_t)timeout_ms, 1);
  bool alive = uv_run(l->uv, UV_RUN_ONCE) != 0;
  if (!l->closing) uv_timer_stop(&l->limit);
  return alive;
}

bool lti_loop_run_one(lti_loop *l) {
  return uv_run(l->uv, UV_RUN_ONCE) != 0;
}

bool lti_loop_owned(const lti_loop *l) {
  return l->owned;
}

void lti_loop_hold(lti_loop *l, bool on) {
  if (l->held == on || l->closing) return;
  l->held = on;
  if (on)
    uv_ref((uv_handle_t *)&l->async);
  else
    uv_unref((uv_handle_t *)&l->async);
}

void lti_loop_coalesce(lti_loop *l) {
  l->coalesce = true;
}

void lti_loop_stamp_segments(lti_loop *l) {
  l->read.wanted = true;
}

const lti_loop_read *lti_loop_segment(const lti_loop *l, uint64_t read_ns) {
  return l->read.read_ns == read_ns && l->read.segment_ns ? &l->read : NULL;
}

bool lti_loop_segment_ends(const lti_loop_read *read, leat_slice record) {
  const char *end = read->end;
  if (!end || record.size == 0) return false;
  return record.data + record.size <= end &&
         (size_t)(end - record.data) <= record.size + FRAMING_MAX;
}

void lti_loop_kick(lti_loop *l) {
  if (l->kicked || l->closing) return;
  l->kicked = true;
  uv_idle_start(&l->idle, on_idle);
}

void lti_loop_sleep_until(lti_loop *l, uint64_t at_ns) {
  if (l->closing || at_ns == l->timer_at) return;
  /* A timer that fires early costs one empty turn; moving it later each time would cost more. */
  if (l->timer_at < at_ns && at_ns != UINT64_MAX) return;
  l->timer_at = at_ns;
  if (at_ns == UINT64_MAX) {
    uv_timer_stop(&l->timer);
    return;
  }
  uint64_t now = uv_hrtime();
  uint64_t wait_ms = at_ns <= now ? 0 : (at_ns - now + 999999) / 1000000;
  /* libuv counts from the loop's cached time, which may lag behind the clock. */
  uv_update_time(l->uv);
  uv_timer_start(&l->timer, on_timer, wait_ms, 0);
}

void lti_loop_wake(lti_loop *l) {
  uv_async_send(&l->async);
}

uint64_t lti_loop_clock(const lti_loop *l) {
  (void)l;
  return uv_hrtime();
}

int64_t lti_loop_wall_ms(const lti_loop *l) {
  struct timespec wall;
  (void)l;
  clock_gettime(CLOCK_REALTIME, &wall);
  return (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
}

uint64_t lti_loop_seed(const lti_loop *l) {
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  return (uint64_t)wall.tv_sec * 1000000007u ^ (uint64_t)wall.tv_nsec ^ (uintptr_t)l ^
         (uint64_t)getpid() << 32;
}

char *lti_loop_slab(lti_loop *l, size_t *size) {
  *size = SLAB_BYTES;
  return l->slab;
}

lti_alloc *lti_loop_alloc(lti_loop *l) {
  return l->alloc;
}

void lti_loop_handle_opened(lti_loop *l) {
  l->handles++;
}

void lti_loop_handle_closed(lti_loop *l) {
  if (--l->handles == 0) l->closed(l->ctx);
}

lti_loop_read *lti_loop_last_read(lti_loop *l) {
  return &l->read;
}

struct uv_loop_s *lti_loop_uv(lti_loop *l) {
  return l->uv;
}

/* The time since the last poll began is what it slept and what the turn took. Little of it means
 * that bytes come faster than they are waited for. */
static void gather(lti_loop *l) {
  uint64_t now = uv_hrtime(), passed = now - l->polled_at;
  l->polled_at = now;
  if (passed >= COALESCE_NS) return;
  uint64_t wait = COALESCE_NS;
  if (l->timer_at != UINT64_MAX) {
    if (l->timer_at <= now) return;
    if (l->timer_at - now < wait) wait = l->timer_at - now;
  }
  struct timespec rest = {.tv_nsec = (long)wait};
  nanosleep(&rest, NULL); /* cut short by a signal, it has merely gathered less */
  l->polled_at = uv_hrtime();
}

static void on_prepare(uv_prepare_t *handle) {
  lti_loop *l = handle->data;
  if (l->kicked) {
    l->kicked = false;
    uv_idle_stop(&l->idle);
  }
  l->sink->turn(l->ctx, uv_hrtime());
  if (l->coalesce && !l->kicked) gather(l);
}

static void on_idle(uv_idle_t *handle) {
  (void)handle;
}

static void on_timer(uv_timer_t *handle) {
  lti_loop *l = handle->data;
  l->timer_at = UINT64_MAX; /* the turn that follows sets it anew */
}

static void on_limit(uv_timer_t *handle) {
  (void)handle;
}

static void on_async(uv_async_t *handle) {
  lti_loop *l = handle->data;
  l->sink->woken(l->ctx);
}

static void on_handle_closed(uv_handle_t *handle) {
  lti_loop_handle_closed(handle->data);
}
