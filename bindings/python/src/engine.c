/* See engine.h. The thread's loop is at the end. */
#include "engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define TEND_MS 1000 /* idle connections are looked after so often */

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static lpy_engine *all;
static atomic_int forks;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void *run_thread(void *user);

/* ---- life */

/* What the parent's threads had locked stays locked in the child, so it starts anew there. */
static void after_fork(void) {
  atomic_fetch_add(&forks, 1);
  pthread_mutex_init(&all_lock, NULL);
  all = NULL;
}

static void watch_forks(void) {
  pthread_atfork(NULL, NULL, after_fork);
}

static void link_all(lpy_engine *e) {
  pthread_mutex_lock(&all_lock);
  e->next = all;
  if (all) all->prev = e;
  all = e;
  pthread_mutex_unlock(&all_lock);
}

static void unlink_all(lpy_engine *e) {
  pthread_mutex_lock(&all_lock);
  if (e->prev)
    e->prev->next = e->next;
  else
    all = e->next;
  if (e->next) e->next->prev = e->prev;
  pthread_mutex_unlock(&all_lock);
}

static void init_condition(pthread_cond_t *condition) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

/* Signals are the interpreter's: its main thread must see them. */
static int start_thread(lpy_engine *e) {
  sigset_t blocked, before;
  pthread_t thread;
  sigfillset(&blocked);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int r = pthread_create(&thread, NULL, run_thread, e);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (r == 0) pthread_detach(thread);
  return r;
}

static void free_engine(lpy_engine *e) {
  pthread_cond_destroy(&e->woken);
  pthread_cond_destroy(&e->ended);
  pthread_mutex_destroy(&e->lock);
  lpy_mailbox_drop(e->on_gone);
  free(e);
}

lpy_engine *lpy_engine_new(leat_engine *engine, lpy_mailbox *on_gone) {
  pthread_once(&fork_once, watch_forks);
  lpy_engine *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  atomic_init(&e->refs, 2); /* the caller's and the thread's */
  e->engine = engine;
  e->end = &e->first;
  e->forks = atomic_load(&forks);
  e->on_gone = on_gone;
  lpy_mailbox_keep(on_gone);
  pthread_mutex_init(&e->lock, NULL);
  init_condition(&e->woken);
  init_condition(&e->ended);
  link_all(e);
  int r = start_thread(e);
  if (r == 0) return e;
  unlink_all(e);
  free_engine(e);
  errno = r;
  return NULL;
}

void lpy_engine_keep(lpy_engine *e) {
  atomic_fetch_add(&e->refs, 1);
}

void lpy_engine_drop(lpy_engine *e) {
  if (atomic_fetch_sub(&e->refs, 1) != 1) return;
  free_engine(e);
}

bool lpy_engine_forked(const lpy_engine *e) {
  return e->forks != atomic_load(&forks);
}

int lpy_engine_forks(void) {
  return atomic_load(&forks);
}

/* ---- commands */

static void run_commands(leat_engine *engine, void *user) {
  (void)engine;
  lpy_engine *e = user;
  pthread_mutex_lock(&e->lock);
  lpy_command *command = e->first;
  lpy_cell *wish = e->wishes;
  e->first = NULL;
  e->end = &e->first;
  e->wishes = NULL;
  e->posted = false;
  pthread_mutex_unlock(&e->lock);
  while (command) {
    lpy_command *next = command->next;
    command->run(e, command);
    command = next;
  }
  while (wish) {
    lpy_cell *next = wish->next_wish;
    pthread_mutex_lock(&e->lock);
    int wishes = wish->wishes;
    wish->wishes = 0;
    pthread_mutex_unlock(&e->lock);
    /* An id that is done already is not found, and nothing is wanted of it. */
    if (wish->id && (wishes & LPY_WISH_CANCEL))
      leat_cancel(e->engine, wish->id);
    else if (wish->id && (wishes & LPY_WISH_RESUME))
      leat_resume(e->engine, wish->id);
    lpy_cell_drop(wish);
    wish = next;
  }
}

/* Under the lock: announces what was queued, once for all that is. */
static int announce(lpy_engine *e) {
  if (e->posted) return LEAT_OK;
  int r = leat_post(e->engine, run_commands, e);
  if (r != LEAT_OK) return r;
  e->posted = true;
  pthread_cond_signal(&e->woken);
  return LEAT_OK;
}

static int push_locked(lpy_engine *e, lpy_command *command) {
  if (e->closing) return LEAT_ECLOSED;
  lpy_command **place = e->end;
  command->next = NULL;
  *place = command;
  e->end = &command->next;
  int r = announce(e);
  if (r == LEAT_OK) return r;
  *place = NULL;
  e->end = place;
  return r;
}

int lpy_engine_push(lpy_engine *e, lpy_command *command) {
  pthread_mutex_lock(&e->lock);
  int r = push_locked(e, command);
  pthread_mutex_unlock(&e->lock);
  return r;
}

void lpy_engine_wish(lpy_engine *e, lpy_cell *cell, int wish) {
  pthread_mutex_lock(&e->lock);
  bool first = cell->wishes == 0;
  if (!e->closing) {
    cell->wishes |= wish;
    if (first) {
      lpy_cell_keep(cell);
      cell->next_wish = e->wishes;
      e->wishes = cell;
    }
    announce(e); /* without memory it goes with the next one that is announced */
  }
  pthread_mutex_unlock(&e->lock);
}

typedef struct question {
  lpy_command command;
  void (*ask)(leat_engine *engine, void *user);
  void *user;
  bool answered;
} question;

static void answer(lpy_engine *e, lpy_command *command) {
  question *q = (question *)command;
  q->ask(e->engine, q->user);
  pthread_mutex_lock(&e->lock);
  q->answered = true;
  pthread_cond_broadcast(&e->ended);
  pthread_mutex_unlock(&e->lock);
}

int lpy_engine_ask(lpy_engine *e, void (*ask)(leat_engine *engine, void *user), void *user) {
  question q = {.command = {.run = answer}, .ask = ask, .user = user};
  pthread_mutex_lock(&e->lock);
  int r = push_locked(e, &q.command);
  while (r == LEAT_OK && !q.answered) pthread_cond_wait(&e->ended, &e->lock);
  pthread_mutex_unlock(&e->lock);
  return r;
}

/* ---- the end */

typedef struct closing {
  lpy_command command;
  enum leat_close_mode mode;
} closing;

static void on_closed(void *user) {
  lpy_engine *e = user;
  e->engine = NULL;
}

static void close_now(lpy_engine *e, lpy_command *command) {
  closing *c = (closing *)command;
  enum leat_close_mode mode = c->mode;
  free(c);
  leat_close(e->engine, mode, on_closed, e);
}

void lpy_engine_close(lpy_engine *e, enum leat_close_mode mode) {
  closing *c = malloc(sizeof *c);
  if (!c) return; /* the end of the process closes it */
  *c = (closing){.command = {.run = close_now}, .mode = mode};
  pthread_mutex_lock(&e->lock);
  int r = push_locked(e, &c->command);
  if (r == LEAT_OK) e->closing = true;
  pthread_mutex_unlock(&e->lock);
  if (r != LEAT_OK) free(c);
}

static struct timespec time_after(int64_t ms) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += (time_t)(ms / 1000);
  at.tv_nsec += (long)(ms % 1000) * 1000000;
  if (at.tv_nsec >= 1000000000) {
    at.tv_sec++;
    at.tv_nsec -= 1000000000;
  }
  return at;
}

bool lpy_engine_wait(lpy_engine *e, int64_t timeout_ms) {
  struct timespec until = time_after(timeout_ms);
  pthread_mutex_lock(&e->lock);
  int r = 0;
  while (!e->gone && r != ETIMEDOUT) r = pthread_cond_timedwait(&e->ended, &e->lock, &until);
  bool gone = e->gone;
  pthread_mutex_unlock(&e->lock);
  return gone;
}

static lpy_engine *first_of_all(void) {
  pthread_mutex_lock(&all_lock);
  lpy_engine *e = all;
  if (e) lpy_engine_keep(e);
  pthread_mutex_unlock(&all_lock);
  return e;
}

void lpy_engine_close_all(int64_t timeout_ms) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  lpy_engine *e;
  while (timeout_ms > 0 && (e = first_of_all())) {
    lpy_engine_close(e, LEAT_CLOSE_NOW);
    bool gone = lpy_engine_wait(e, timeout_ms);
    lpy_engine_drop(e);
    if (!gone) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    timeout_ms -= (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
    start = now;
  }
}

/* ---- the thread */

void lpy_engine_mark(lpy_engine *e, lpy_mailbox *m) {
  if (m->dirty) return;
  m->dirty = true;
  lpy_mailbox_keep(m);
  m->next_dirty = e->dirty;
  e->dirty = m;
}

static void signal_dirty(lpy_engine *e) {
  while (e->dirty) {
    lpy_mailbox *m = e->dirty;
    e->dirty = m->next_dirty;
    m->dirty = false;
    lpy_mailbox_signal(m);
    lpy_mailbox_drop(m);
  }
}

/* Open connections need someone who sees their ends and answers their PINGs. */
static bool has_connections(lpy_engine *e) {
  leat_stats stats;
  return leat_stats_get(e->engine, &stats, sizeof stats) == LEAT_OK && stats.conns_open > 0;
}

static void sleep_until_woken(lpy_engine *e) {
  bool tends = has_connections(e);
  struct timespec until = time_after(TEND_MS);
  pthread_mutex_lock(&e->lock);
  int r = 0;
  while (!e->posted && r != ETIMEDOUT)
    r = tends ? pthread_cond_timedwait(&e->woken, &e->lock, &until)
              : pthread_cond_wait(&e->woken, &e->lock);
  if (!e->posted) announce(e); /* a turn for the connections */
  pthread_mutex_unlock(&e->lock);
}

/* `gone` is set before the last one's signal, so that whoever is woken by it sees it. */
static void end_thread(lpy_engine *e) {
  unlink_all(e);
  pthread_mutex_lock(&e->lock);
  e->gone = true;
  lpy_cell *wish = e->wishes;
  e->wishes = NULL;
  pthread_cond_broadcast(&e->ended);
  pthread_mutex_unlock(&e->lock);
  while (wish) {
    lpy_cell *next = wish->next_wish;
    lpy_cell_drop(wish);
    wish = next;
  }
  lpy_mailbox_signal(e->on_gone);
  lpy_engine_drop(e);
}

static void *run_thread(void *user) {
  lpy_engine *e = user;
  while (e->engine) {
    int alive = leat_run_once(e->engine, LEAT_NONE);
    signal_dirty(e);
    if (e->engine && alive != 1) sleep_until_woken(e);
  }
  signal_dirty(e);
  end_thread(e);
  return NULL;
}
