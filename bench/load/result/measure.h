/* What is measured, as a table: the name that stands in every report, the formula in words, what
 * other tools call it, and which forms it has. Reports, gates and comparisons go by this table, so
 * that a measure is added by a row. */
#ifndef LOAD_MEASURE_H
#define LOAD_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum measure {
  MEASURE_TTFT,    /* send to the first non-empty reasoning or content */
  MEASURE_TTFO,    /* send to the first content that is not reasoning */
  MEASURE_TTST,    /* first to second content event */
  MEASURE_ITL,     /* each gap between content events, one sample a gap */
  MEASURE_TPOT,    /* (e2e - ttft) / (output tokens - 1), one sample a request, from usage alone */
  MEASURE_E2E,     /* send to the last content; of an answer without content, to its end */
  MEASURE_QUEUE,   /* submit to a connection's place */
  MEASURE_CONNECT, /* of requests that opened a connection: place to connected */
  MEASURE_TLS,     /* of the same: connected to the end of the handshake */
  MEASURE_HEAD,    /* send to the response's header block */
  MEASURE_JOB,     /* of tasks: submit to the final status */
  MEASURE_JOB_LAG, /* of tasks whose provider says when they ended: from then to our knowing */
  MEASURE_EVENT_LAG, /* of gateways that stamp their events (x-mock-stamp): their write to our read
                      */
  MEASURE_COUNT
};

typedef struct measure_row {
  const char *name;    /* "ttft" */
  const char *title;   /* "time to first token" */
  const char *formula; /* a clause */
  const char *peers;   /* "vllm, aiperf, guidellm: TTFT"; NULL: nobody has it */
  bool intended;       /* also told from the intended start */
} measure_row;

/* The row of a measure. */
const measure_row *measure_at(enum measure m);
/* By its name, or one that another tool has for it, as that tool means it: e2el, request_latency,
 * inter_token_latency (tpot, as AIPerf has it). False: there is none of this name. */
bool measure_find(leat_slice name, enum measure *m);

#endif
