/* Bodies given: see giver.h. */
#include "support/giver.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/taker.h"

static int on_read(void *user, char *into, size_t room, size_t *size);
static int on_rewind(void *user);
static void on_close(void *user);

giver *giver_new(flow *f, uint64_t size) {
  giver *g = flow_keep(f, sizeof *g);
  g->flow = f;
  g->size = size;
  g->told = LEAT_NONE;
  return g;
}

const leat_source *giver_callback(giver *g) {
  g->source = (leat_source){.size = g->told,
                            .read = on_read,
                            .rewind = g->rewinds || g->stubborn ? on_rewind : NULL,
                            .close = on_close,
                            .user = g};
  return &g->source;
}

char giver_byte(uint64_t at) {
  return (char)(at ^ at >> 8 ^ at >> 16);
}

uint64_t giver_hash(uint64_t size) {
  uint64_t hash = TAKER_HASH;
  for (uint64_t i = 0; i < size; i++) {
    char c = giver_byte(i);
    hash = taker_hash(hash, lti_slice(&c, 1));
  }
  return hash;
}

static void write_bytes(char *to, uint64_t at, size_t size) {
  for (size_t i = 0; i < size; i++) to[i] = giver_byte(at + i);
}

/* ---- callbacks */

static void say_ready(giver *g) {
  g->paused = false;
  leat_source_ready(g->flow->engine, g->call->id);
}

static void on_timer(uv_timer_t *timer) {
  giver *g = timer->data;
  if (g->paused) say_ready(g);
}

static bool pauses(giver *g) {
  if (!g->pause_each || g->reads % g->pause_each) return false;
  g->pauses++;
  g->paused = true;
  if (g->pause_ms == 0) {
    say_ready(g);
  } else {
    if (!g->timer_open) uv_timer_init(&g->flow->loop, &g->timer);
    g->timer_open = true;
    g->timer.data = g;
    uv_timer_start(&g->timer, on_timer, (uint64_t)g->pause_ms, 0);
  }
  return true;
}

static int on_read(void *user, char *into, size_t room, size_t *size) {
  giver *g = user;
  if (g->flow->calling || g->reading || g->closes) g->flow->faults++;
  g->reads++;
  if (pauses(g)) return LEAT_PAUSE;
  if (g->fail_at && g->at >= g->fail_at) return LEAT_EIO;
  if (g->cancel_at && g->at >= g->cancel_at) {
    g->reading = true;
    leat_cancel(g->flow->engine, g->call->id);
    g->reading = false;
  }
  size_t n = g->step && g->step < room ? g->step : room;
  if (n > g->size - g->at) n = (size_t)(g->size - g->at);
  write_bytes(into, g->at, n);
  g->at += n;
  g->given += n;
  *size = n;
  return LEAT_OK;
}

static int on_rewind(void *user) {
  giver *g = user;
  g->rewound++;
  if (g->stubborn) return -1;
  g->at = 0;
  return 0;
}

static void on_close(void *user) {
  giver *g = user;
  if (g->call && g->call->dones) g->flow->faults++;
  if (g->timer_open) uv_close((uv_handle_t *)&g->timer, NULL);
  g->timer_open = false;
  g->closes++;
}

/* ---- files and pipes */

static char **names;
static size_t name_count;

static void remove_files(void) {
  for (size_t i = 0; i < name_count; i++) {
    unlink(names[i]);
    free(names[i]);
  }
  free(names);
  names = NULL;
}

static void write_all(int fd, uint64_t size) {
  char bytes[32768];
  for (uint64_t at = 0; at < size;) {
    size_t n = size - at < sizeof bytes ? (size_t)(size - at) : sizeof bytes;
    write_bytes(bytes, at, n);
    for (size_t done = 0; done < n;) {
      ssize_t w = write(fd, bytes + done, n - done);
      if (w <= 0) return;
      done += (size_t)w;
    }
    at += n;
  }
}

const char *giver_file(giver *g) {
  char name[] = "/tmp/leat_giver_XXXXXX";
  int fd = mkstemp(name);
  assert(fd >= 0);
  write_all(fd, g->size);
  close(fd);
  if (!names) atexit(remove_files);
  names = realloc(names, (name_count + 1) * sizeof *names);
  assert(names);
  names[name_count] = strdup(name);
  return names[name_count++];
}

typedef struct filler {
  int fd;
  uint64_t size;
} filler;

static void *run_filler(void *arg) {
  filler *x = arg;
  write_all(x->fd, x->size);
  close(x->fd);
  free(x);
  return NULL;
}

/* Whoever reads no more lets it end by EPIPE. */
int giver_pipe(giver *g) {
  int fds[2];
  pthread_t thread;
  filler *x = malloc(sizeof *x);
  assert(x && pipe(fds) == 0);
  *x = (filler){.fd = fds[1], .size = g->size};
  assert(pthread_create(&thread, NULL, run_filler, x) == 0);
  pthread_detach(thread);
  return fds[0] + 1;
}
