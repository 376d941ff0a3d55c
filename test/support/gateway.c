/* The child writes its ready line to a pipe: "listening on URL ca FILE". */
#include "support/gateway.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_MAX 16

static void must(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "gateway: %s: %s\n", what, strerror(errno));
  abort();
}

static _Noreturn void become(const char *program, const char *const *options, int out, pid_t test) {
  char words[OPTIONS_MAX + 2][256];
  char *argv[OPTIONS_MAX + 3];
  size_t n = 0;
  snprintf(words[n++], sizeof words[0], "leat");
  snprintf(words[n++], sizeof words[0], "mock");
  for (; *options && n < OPTIONS_MAX + 2; options++)
    snprintf(words[n++], sizeof words[0], "%s", *options);
  for (size_t i = 0; i < n; i++) argv[i] = words[i];
  argv[n] = NULL;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != test) _exit(1);
  dup2(out, STDOUT_FILENO);
  execv(program, argv);
  _exit(127);
}

/* Its first line; it says no other on stdout. */
static void read_line(int fd, char *line, size_t size) {
  size_t used = 0;
  while (used + 1 < size && !memchr(line, '\n', used)) {
    ssize_t n = read(fd, line + used, size - 1 - used);
    if (n < 0 && errno == EINTR) continue;
    must(n > 0, "no ready line");
    used += (size_t)n;
  }
  line[used] = '\0';
}

bool gateway_start(gateway *g, const char *const *options) {
  const char *program = getenv("LEAT_PROGRAM");
  int ends[2];
  char line[512];
  memset(g, 0, sizeof *g);
  if (!program || !*program) {
    fprintf(stderr, "skipped: LEAT_PROGRAM does not name the program, whose gateway is needed\n");
    return false;
  }
  pid_t test = getpid();
  must(pipe(ends) == 0, "pipe");
  fflush(NULL);
  g->pid = fork();
  must(g->pid >= 0, "fork");
  if (g->pid == 0) become(program, options, ends[1], test);
  close(ends[1]);
  read_line(ends[0], line, sizeof line);
  close(ends[0]);
  must(sscanf(line, "listening on %63s ca %127s", g->url, g->ca) >= 1, "odd ready line");
  return true;
}

void gateway_stop(gateway *g) {
  int status;
  if (g->pid <= 0) return;
  kill(g->pid, SIGTERM);
  while (waitpid(g->pid, &status, 0) < 0 && errno == EINTR) continue;
  g->pid = 0;
}
