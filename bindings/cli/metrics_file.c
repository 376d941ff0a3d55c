/* The file of --metrics: see metrics_file.h. */
#include "metrics_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "program.h"
#include "say.h"

#define PATH_BYTES 4096

static int put(void *user, leat_slice text) {
  FILE *file = user;
  return fwrite(text.data, 1, text.size, file) == text.size ? 0 : LEAT_EIO;
}

static bool fail(const char *path) {
  cli_say("cannot write %s: %s", path, strerror(errno));
  return false;
}

bool cli_metrics_write(const leat_engine *engine, const char *path) {
  char beside[PATH_BYTES];
  int n = snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid());
  if (n < 0 || (size_t)n >= sizeof beside) {
    errno = ENAMETOOLONG;
    return fail(path);
  }
  FILE *file = fopen(beside, "w");
  if (!file) return fail(path);
  int error = leat_stats_write(engine, put, file);
  bool closed = fclose(file) == 0;
  if (error == LEAT_OK && closed && rename(beside, path) == 0) return true;
  fail(path);
  unlink(beside);
  return false;
}
