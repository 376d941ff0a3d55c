/* The rows of --replay: when each request begins, and how long its prompt and answer are. Three
 * forms are read, told apart by what they look like:
 *
 *   Mooncake   a JSON object a line: {"timestamp": 27482, "input_length": 6955, "output_length":
 * 52, "hash_ids": [46, 47]}, timestamps in ms BurstGPT   CSV: Timestamp,Model,Request
 * tokens,Response tokens,Total tokens,Log Type, and in later files Session ID; timestamps in s
 *   Azure      CSV: TIMESTAMP,ContextTokens,GeneratedTokens, timestamps as dates with a time, with
 *              or without an offset from UTC
 *
 * The earliest row is at 0, rows are in the order of their times (those of equal times as in the
 * file), and a speed divides the times. A row that asks for no output is held to ask for one token,
 * since a request cannot ask for none. */
#ifndef LOAD_TRACES_H
#define LOAD_TRACES_H

#include "base/alloc.h"
#include "bench/load/shape/shape.h"

#define TRACES_BYTES_MAX ((size_t)512 << 20)
#define TRACES_ROWS_MAX  16000000
#define TRACES_WHY_MAX   200

/* NULL, and said with the line's number, when the file cannot be used. */
shape_trace *traces_open(const char *path, double speed);
/* The same of a text in memory; `why` gets what is wrong. */
shape_trace *traces_parse(lti_alloc *alloc, leat_slice text, double speed, char *why);
void traces_free(shape_trace *trace);

/* Row `index` of the sorted ones: time, lengths and prefix. False: there are no more. */
bool traces_row(const shape_trace *trace, uint64_t index, shape_start *start);
uint64_t traces_count(const shape_trace *trace);
/* The last row's time. */
uint64_t traces_last(const shape_trace *trace);
/* Rows a second, the mean; -1 of a single instant. */
double traces_rate(const shape_trace *trace);
/* The file's name without its folders. */
const char *traces_name(const shape_trace *trace);

#endif
