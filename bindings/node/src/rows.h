/* The tables of leat's structs: see rows.c. */
#ifndef LEAT_NODE_ROWS_H
#define LEAT_NODE_ROWS_H

#include "fields.h"

/* A request, and what of it is no member of leat's. */
typedef struct lno_request {
  leat_request request; /* first, so that rows of leat_request fit */
  bool upload;          /* its body comes piece by piece */
  int64_t upload_size;  /* 0: not known */
  int socket_slot;      /* of the socket whose next turn this is; 0: none */
} lno_request;

extern const lno_field lno_rows_request[]; /* of lno_request */
extern const lno_field lno_rows_task[];
extern const lno_field lno_rows_ws[];
extern const lno_field lno_rows_config[];

#endif
