/* Where a call of an endpoint goes: the row's path with its parameters filled in, on a base. */
#ifndef LTI_ENDPOINT_PATH_H
#define LTI_ENDPOINT_PATH_H

#include "base/buf.h"

typedef struct lti_endpoint_call {
  const leat_endpoint *row;
  const leat_request *request;
  leat_slice body; /* the JSON that will be sent, whose members may stand in the path */
  bool stream;
  lti_buf *message; /* gets a line on failure */
} lti_endpoint_call;

/* Appends the path and query. `base` is the base URL's path and query. A parameter that is not in
 * the path joins the query. LEAT_ENOENDPOINT: one is missing. */
int lti_endpoint_path(const lti_endpoint_call *call, leat_slice base, lti_buf *path);
/* Whether it streams whatever its body says. */
bool lti_endpoint_streams(const leat_endpoint *row);

#endif
