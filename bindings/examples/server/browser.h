/* One browser's connection: a request, and an answer that is streamed to it as server-sent events
 * while the model says it.
 *
 *     HEAD ---> ASKING ---> LINGERING ---> CLOSING
 *       \__________\____________\___________^         (the browser has gone, or is too slow)
 *
 * It is freed when its two handles have closed and its request, if it asked one, is done. */
#ifndef BROWSER_H
#define BROWSER_H

#include <stdbool.h>

#include <uv.h>

#include "leat.h"

#include "head.h"

#define BROWSERS_MAX 10000

/* What all browsers share; owned by main. */
typedef struct server {
  uv_loop_t loop;
  uv_tcp_t listener;
  uv_signal_t signals[2];
  leat_engine *engine; /* NULL: it has closed */
  const char *model;
  bool stopping;
  unsigned browsers, paused;                    /* now */
  unsigned long answered, gone, failed, pauses; /* since the start */
} server;

enum browser_state { BROWSER_HEAD, BROWSER_ASKING, BROWSER_LINGERING, BROWSER_CLOSING };

typedef struct browser {
  enum browser_state state;
  server *server;
  uv_tcp_t tcp;
  uv_timer_t timer;
  uv_shutdown_t shutdown;
  unsigned owners; /* handles that are open, and a request that is not done */
  leat_id id;      /* while asking */
  bool started;    /* the answer's head has been written */
  bool paused;
  size_t size;
  char bytes[HEAD_SIZE];
} browser;

/* Takes the connection that waits at the listener. */
void browser_accept(server *s);

#endif
