/* The engine lives on a borrowed loop here, so that signals and the progress clock share it. All of
 * the program's own handles are unref'd: what keeps the loop running is the engine's work alone. */
#include "session.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "metrics_file.h"
#include "program.h"
#include "say.h"

static void on_signal(uv_signal_t *handle, int number);

bool cli_session_open(cli_session *s, leat_config *config, void *user,
                      void (*on_interrupt)(cli_session *session)) {
  memset(s, 0, sizeof *s);
  s->user = user;
  s->on_interrupt = on_interrupt;
  int error = uv_loop_init(&s->loop);
  if (error != 0) {
    cli_say("cannot make an event loop: %s", uv_strerror(error));
    s->code = CLI_FAILED;
    return false;
  }
  s->loop.data = s;
  uv_signal_init(&s->loop, &s->interrupt);
  uv_signal_init(&s->loop, &s->terminate);
  uv_timer_init(&s->loop, &s->clock);
  uv_timer_init(&s->loop, &s->metrics_clock);
  uv_signal_start(&s->interrupt, on_signal, SIGINT);
  uv_signal_start(&s->terminate, on_signal, SIGTERM);
  uv_unref((uv_handle_t *)&s->interrupt);
  uv_unref((uv_handle_t *)&s->terminate);
  uv_unref((uv_handle_t *)&s->clock);
  uv_unref((uv_handle_t *)&s->metrics_clock);
  config->loop = &s->loop;
  const char *why = NULL;
  error = leat_open(&s->engine, config, &why);
  if (error == LEAT_OK) return true;
  /* The one URL that is looked at here is the proxy's. */
  cli_say("%s%s%s%s", leat_error_text(error), why ? ": " : "", why ? why : "",
          error == LEAT_EURL ? ": check --proxy and HTTPS_PROXY" : "");
  s->code = leat_error_class(error) == LEAT_CLASS_USAGE ? CLI_WRONG : CLI_FAILED;
  cli_session_close(s, LEAT_CLOSE_NOW);
  return false;
}

static void on_signal(uv_signal_t *handle, int number) {
  cli_session *s = handle->loop->data;
  if (s->interrupted) _exit(128 + number);
  s->interrupted = true;
  s->on_interrupt(s);
}

static void on_tick(uv_timer_t *handle) {
  cli_session *s = handle->loop->data;
  s->on_clock(s);
}

void cli_session_clock(cli_session *s, uint64_t period_ms, void (*on_clock)(cli_session *session)) {
  s->on_clock = on_clock;
  uv_timer_start(&s->clock, on_tick, period_ms, period_ms);
}

/* What cannot be written once is not tried again. */
static void keep_metrics(cli_session *s) {
  if (!s->metrics || cli_metrics_write(s->engine, s->metrics)) return;
  uv_timer_stop(&s->metrics_clock);
  s->metrics = NULL;
}

static void on_metrics(uv_timer_t *handle) {
  keep_metrics(handle->loop->data);
}

void cli_session_metrics(cli_session *s, const char *path) {
  if (!path) return;
  s->metrics = path;
  uv_timer_start(&s->metrics_clock, on_metrics, CLI_METRICS_PERIOD_MS, CLI_METRICS_PERIOD_MS);
}

void cli_session_run(cli_session *s) {
  uv_run(&s->loop, UV_RUN_DEFAULT);
}

void cli_session_close(cli_session *s, enum leat_close_mode mode) {
  if (s->engine) {
    keep_metrics(s);
    s->metrics = NULL;
    leat_close(s->engine, mode, NULL, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    s->engine = NULL;
  }
  uv_close((uv_handle_t *)&s->interrupt, NULL);
  uv_close((uv_handle_t *)&s->terminate, NULL);
  uv_close((uv_handle_t *)&s->clock, NULL);
  uv_close((uv_handle_t *)&s->metrics_clock, NULL);
  uv_run(&s->loop, UV_RUN_DEFAULT);
  int busy = uv_loop_close(&s->loop);
  if (busy != 0) cli_say("the event loop was not empty at its end: %s", uv_strerror(busy));
}

uint64_t cli_session_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  }
  return limit.rlim_cur;
}
