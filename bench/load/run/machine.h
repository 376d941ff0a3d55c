/* What the machine says of itself: name, cores, versions, CPU steal, TCP retransmits, limits. Each
 * figure that this system does not have is left as unknown. */
#ifndef LOAD_MACHINE_H
#define LOAD_MACHINE_H

#include "bench/load/result/result.h"

/* Counters of the whole machine at one time. */
typedef struct machine_counters {
  int64_t steal_ticks, all_ticks; /* -1: not to be had */
  int64_t retransmits;
} machine_counters;

/* All but `threads`. */
void machine_describe(result_machine *m);
void machine_count(machine_counters *c);
/* What happened from one to the other, and limits of descriptors and ports, into a certificate;
 * descriptors_peak gets those that are open now. */
void machine_certify(const machine_counters *from, const machine_counters *to,
                     result_certificate *c);
/* At most so far off is the wall clock, ms (adjtimex); -1: nobody keeps it, or nothing is known. */
double machine_clock_error_ms(void);

/* The most memory that this process has had resident. (getrusage counts that of the program which
 * it was forked from, too, where the system can tell better.) */
uint64_t machine_rss_peak_kb(void);

#endif
