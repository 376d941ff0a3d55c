/* The child writes its port to a pipe once it listens; the parent then reads the CA's file, which
 * is gone from the disk before anything else happens. */
#include "gateway_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "input.h"
#include "program.h"
#include "say.h"
#include "values.h"

#define READY_SIZE 16

static _Noreturn void serve(const mock_config *config, int ready_fd, pid_t parent) {
  uv_loop_t loop;
  mock *gateway = NULL;
  char ready[READY_SIZE];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  signal(SIGINT, SIG_IGN);
  if (uv_loop_init(&loop) != 0 || mock_start(config, &loop, &gateway) != 0) _exit(1);
  int n = snprintf(ready, sizeof ready, "%d\n", mock_port(gateway));
  if (n < 0 || write(ready_fd, ready, (size_t)n) != n) _exit(1);
  close(ready_fd);
  uv_run(&loop, UV_RUN_DEFAULT);
  _exit(0);
}

static int read_port(int fd) {
  char text[READY_SIZE] = "";
  size_t used = 0;
  while (used + 1 < sizeof text && !strchr(text, '\n')) {
    ssize_t n = read(fd, text + used, sizeof text - 1 - used);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    used += (size_t)n;
  }
  int64_t port = 0;
  text[strcspn(text, "\n")] = '\0';
  return cli_values_int(text, &port) && port > 0 && port < 65536 ? (int)port : 0;
}

static bool start(cli_gateway_child *child, mock_config *config, const char *ca_path) {
  int ends[2];
  pid_t parent = getpid();
  config->port = 0;
  config->ca_out = ca_path;
  if (pipe(ends) != 0) return false;
  child->pid = fork();
  if (child->pid == 0) {
    close(ends[0]);
    serve(config, ends[1], parent);
  }
  close(ends[1]);
  child->port = child->pid > 0 ? read_port(ends[0]) : 0;
  close(ends[0]);
  return child->port > 0;
}

bool cli_gateway_child_start(cli_gateway_child *child, mock_config *config) {
  char path[256];
  const char *folder = getenv("TMPDIR");
  memset(child, 0, sizeof *child);
  lti_buf_init(&child->ca_pem, cli_program_alloc(), CLI_INPUT_MAX, LEAT_EBODYMAX);
  snprintf(path, sizeof path, "%s/leat-ca-XXXXXX", folder && *folder ? folder : "/tmp");
  int fd = mkstemp(path);
  if (fd < 0) {
    cli_say("cannot write %s: %s", path, strerror(errno));
    return false;
  }
  close(fd);
  bool fine = start(child, config, path) && cli_input_read(&child->ca_pem, path);
  unlink(path);
  if (!fine) {
    cli_say("the gateway did not start");
    cli_gateway_child_stop(child);
  }
  return fine;
}

void cli_gateway_child_stop(cli_gateway_child *child) {
  if (child->pid > 0) {
    kill(child->pid, SIGTERM);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) continue;
  }
  child->pid = 0;
  lti_buf_deinit(&child->ca_pem);
}
