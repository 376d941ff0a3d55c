/* The report of a run: a table for people, one JSON object for programs. */
#ifndef LOAD_BRIEF_H
#define LOAD_BRIEF_H

#include "bindings/cli/jsonw.h"
#include "bindings/cli/options.h"
#include "tally.h"

typedef struct brief {
  const tally *tally;
  const cli_options *options;
  const char *base_url;
  int64_t requests, concurrency, connections, retries;
  tally_process process;
  double allocations_per_event; /* in steady state; negative: there was none to measure */
} brief;

/* The members of the report, into an open object. */
void brief_json(const brief *r, cli_jsonw *w);
void brief_table(const brief *r, cli_out *out);

/* One latency's member {"count","mean","p50","p90","p99","max"} in ms. */
void brief_latency_json(cli_jsonw *w, const char *key, const lti_hist *h);
/* "12,345". At least 32 bytes. */
const char *brief_thousands(uint64_t n, char *out, size_t size);

#endif
