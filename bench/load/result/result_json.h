/* A result as JSON, and back. The document stands for itself: members have plain names, every
 * measure comes with its formula, latencies in ms with mean, p50, p90, p95, p99, p99.9, max and
 * their histogram, and the certificate beside them. A document has "leat_load": 1 as its version;
 * what a reader does not know it skips. */
#ifndef LOAD_RESULT_JSON_H
#define LOAD_RESULT_JSON_H

#include "bench/load/result/result.h"
#include "bindings/cli/jsonw.h"

/* The members, into an open object. */
void result_json_write(const result *r, cli_jsonw *w);
/* NULL, and `why` a sentence with the place, when the text is none or is not whole. */
result *result_json_read(leat_slice text, char *why, size_t size);

#endif
