/* One engine on a loop of the program's own, with its signals and an optional clock.
 *
 * SIGINT and SIGTERM ask for an end: `on_interrupt` cancels what runs, the loop then empties by
 * itself. A second signal ends the process at once. The signals and the clock never keep the loop
 * alive, so cli_session_run returns when the engine has nothing pending. With --metrics a second
 * clock writes that file, and so does the end. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <stdbool.h>
#include <uv.h>

#include "leat.h"

typedef struct cli_session {
  uv_loop_t loop;
  uv_signal_t interrupt, terminate;
  uv_timer_t clock, metrics_clock;
  leat_engine *engine;
  void *user;
  void (*on_interrupt)(struct cli_session *session);
  void (*on_clock)(struct cli_session *session);
  const char *metrics; /* the file, NULL: none */
  bool interrupted;
  int code; /* the exit code when cli_session_open failed */
} cli_session;

/* Opens the loop and the engine. False, and said, on failure; nothing is left open then. */
bool cli_session_open(cli_session *session, leat_config *config, void *user,
                      void (*on_interrupt)(cli_session *session));
/* Calls `on_clock` every `period_ms` while the session runs. */
void cli_session_clock(cli_session *session, uint64_t period_ms,
                       void (*on_clock)(cli_session *session));
/* Keeps this file of metrics (metrics_file.h); NULL: none. */
void cli_session_metrics(cli_session *session, const char *path);
void cli_session_run(cli_session *session);
/* Closes the engine with `mode`, runs to its end, closes the loop. */
void cli_session_close(cli_session *session, enum leat_close_mode mode);
/* Raises the soft limit of open descriptors to the hard one; returns what it is now. */
uint64_t cli_session_descriptors(void);

#endif
