/* Runs a scenario for seed after seed. LEAT_SIM_SEED=n runs one seed, LEAT_SIM_SEEDS=n runs 1..n; a
 * seed that fails, or that ends the program, is printed. */
#ifndef TEST_SIM_SEEDS_H
#define TEST_SIM_SEEDS_H

#include <stdint.h>

/* `run` returns the faults it found. How many seeds had some. */
unsigned sim_seeds_run(uint64_t count, unsigned (*run)(uint64_t seed));

#endif
