/* A trace as CSV (RFC 4180): the first line names the columns, and of each record the four that a
 * replay needs are picked. Fields may be quoted, and hold commas, line ends and doubled quotes
 * then; lines end with or without CR; empty lines are passed over. */
#ifndef LOAD_TRACES_CSV_H
#define LOAD_TRACES_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum traces_csv_column {
  TRACES_CSV_TIME,
  TRACES_CSV_INPUT,
  TRACES_CSV_OUTPUT,
  TRACES_CSV_SESSION,
  TRACES_CSV_COLUMNS
};

typedef struct traces_csv {
  leat_slice rest;
  uint64_t line, next_line;       /* of this record, and of what is to come; from 1 */
  int column[TRACES_CSV_COLUMNS]; /* where each stands, -1: nowhere */
  bool present[TRACES_CSV_COLUMNS];
  leat_slice fields[TRACES_CSV_COLUMNS]; /* of this record; views of the text */
  const char *wrong;                     /* NULL: fine */
  leat_slice culprit;
} traces_csv;

void traces_csv_init(traces_csv *csv, leat_slice text);
/* Reads the names. False: `wrong` says why not. */
bool traces_csv_header(traces_csv *csv);
/* The next record; false at the end, or when something is wrong. */
bool traces_csv_next(traces_csv *csv);

/* A decimal number; the whole field. */
bool traces_csv_number(leat_slice field, double *value);
/* "2023-11-16 18:17:03.9799600", "2024-05-10T00:00:00.009930+00:00": ns since 1970, an offset taken
 * off, and without one as it stands. */
bool traces_csv_date(leat_slice field, int64_t *ns);

#endif
