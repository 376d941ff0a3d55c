/* Seeds: see sim_seeds.h. */
#include "sim/sim_seeds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t current_seed;

static uint64_t from_environment(const char *name) {
  const char *value = getenv(name);
  return value ? strtoull(value, NULL, 10) : 0;
}

static void on_abort(int number) {
  char text[64];
  int n = snprintf(text, sizeof text, "LEAT_SIM_SEED=%llu\n", (unsigned long long)current_seed);
  if (write(STDERR_FILENO, text, (size_t)n) < 0) _exit(1);
  signal(number, SIG_DFL);
  raise(number);
}

unsigned sim_seeds_run(uint64_t count, unsigned (*run)(uint64_t seed)) {
  uint64_t only = from_environment("LEAT_SIM_SEED"), last = from_environment("LEAT_SIM_SEEDS");
  unsigned failed = 0;
  signal(SIGABRT, on_abort);
  signal(SIGSEGV, on_abort);
  if (!last) last = count;
  for (uint64_t seed = only ? only : 1; seed <= (only ? only : last); seed++) {
    current_seed = seed;
    if (run(seed) == 0) continue;
    failed++;
    fprintf(stderr, "rerun with LEAT_SIM_SEED=%llu\n", (unsigned long long)seed);
  }
  return failed;
}
