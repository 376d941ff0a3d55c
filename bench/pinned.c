/* Runs one command pinned to a core and writes what the kernel says it used.
 *
 * A process's peak memory counts from before its exec, so whoever starts it must be small: this
 * program is, an interpreter is not. The soft descriptor limit is raised to the hard one, for the
 * command to inherit.
 *
 * usage: pinned CORE REPORT COMMAND [ARGUMENT...]
 * REPORT gets one line: CPU_SECONDS PEAK_KB EXIT_STATUS EXEC_NS, the last of CLOCK_MONOTONIC right
 * before the exec. The exit status is the command's. */
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t) {
  return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int write_report(const char *path, const struct rusage *used, int status, uint64_t exec_ns) {
  FILE *file = fopen(path, "w");
  if (!file) return -1;
  fprintf(file, "%.6f %ld %d %llu\n", seconds(used->ru_utime) + seconds(used->ru_stime),
          used->ru_maxrss, status, (unsigned long long)exec_ns);
  return fclose(file);
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: pinned CORE REPORT COMMAND [ARGUMENT...]\n");
    return 2;
  }
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET((unsigned)strtoul(argv[1], NULL, 10), &cores);
  if (sched_setaffinity(0, sizeof cores, &cores) != 0) perror("pinned: sched_setaffinity");
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }

  /* The child's word to its parent, which the exec does not take away. */
  uint64_t *exec_ns =
      mmap(NULL, sizeof *exec_ns, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (exec_ns == MAP_FAILED) {
    perror("pinned");
    return 126;
  }
  pid_t child = fork();
  if (child == 0) {
    *exec_ns = now_ns();
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    _exit(127);
  }
  int status = 0;
  struct rusage used;
  pid_t ended;
  do {
    ended = wait4(child, &status, 0, &used);
  } while (ended < 0 && errno == EINTR);
  if (child < 0 || ended < 0) {
    perror("pinned");
    return 126;
  }
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (write_report(argv[2], &used, code, *exec_ns) != 0) {
    perror(argv[2]);
    return 126;
  }
  return code;
}
