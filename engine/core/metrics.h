/* Counters by class and histograms, kept where the config has `metrics`: see leat/watch.h for what
 * they are called outside. Whoever calls these has looked whether there are any.
 *
 * All of fixed size and without labels that a peer could choose: a row for each protocol, one for
 * raw requests and one for calls. */
#ifndef LTI_METRICS_H
#define LTI_METRICS_H

#include "base/alloc.h"
#include "io/conn.h"

typedef struct lti_request lti_request;

/* Protocols, "raw", "call". */
#define LTI_METRICS_ROWS    32
#define LTI_METRICS_CLASSES (LEAT_CLASS_TASK + 1)
#define LTI_METRICS_BOUNDS  20

/* Times in ns, or tokens. */
typedef struct lti_metrics_hist {
  uint64_t counts[LTI_METRICS_BOUNDS + 1]; /* each bucket's own; the last is above all bounds */
  uint64_t sum, sum_high;                  /* the sum is sum_high * LTI_METRICS_SUM_MAX + sum */
} lti_metrics_hist;

#define LTI_METRICS_SUM_MAX UINT64_C(1000000000000000000)

/* A kind of histogram: what is counted, and where its buckets end. */
typedef struct lti_metrics_kind {
  const char *name, *help;
  uint64_t bounds[LTI_METRICS_BOUNDS]; /* ascending; 0: there are no more */
  bool seconds;                        /* times, else plain numbers */
} lti_metrics_kind;

enum lti_metrics_which {
  METRICS_DURATION,
  METRICS_FIRST,
  METRICS_GAP,
  METRICS_INPUT,
  METRICS_OUTPUT,
  METRICS_QUEUE, /* from here on without a row for each protocol */
  METRICS_CONNECT,
  METRICS_KINDS
};
extern const lti_metrics_kind lti_metrics_kinds[METRICS_KINDS];

typedef struct lti_metrics {
  uint64_t errors[LTI_METRICS_CLASSES]; /* requests that ended, by class */
  uint64_t repeated[LTI_METRICS_CLASSES];
  uint64_t statuses[6]; /* 1xx to 5xx; [0]: any other number */
  bool used[LTI_METRICS_ROWS];
  lti_metrics_hist rows[LTI_METRICS_ROWS][METRICS_QUEUE];
  lti_metrics_hist queue, connect;
} lti_metrics;

lti_metrics *lti_metrics_new(lti_alloc *alloc);
/* NULL is fine. */
void lti_metrics_free(lti_alloc *alloc, lti_metrics *m);
void lti_metrics_record(lti_metrics_hist *h, enum lti_metrics_which which, uint64_t value);
/* The row of a request, and the name of a row, NULL: there is none. */
size_t lti_metrics_row(const lti_request *r);
const char *lti_metrics_row_name(size_t row);

/* ---- what happens to a request */

void lti_metrics_granted(const lti_request *r, const lti_conn *conn);
void lti_metrics_status(lti_metrics *m, int status);
/* A piece of content came: before its stamps are taken over. */
void lti_metrics_content(const lti_request *r, uint64_t now_ns);
void lti_metrics_usage(lti_request *r, const leat_usage *usage);
void lti_metrics_repeated(lti_metrics *m, int error);
void lti_metrics_ended(const lti_request *r);

#endif
