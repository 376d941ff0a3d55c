/* An exchange: one request and its answer, whatever version of HTTP brought it. The head is one
 * block of NUL-terminated names and values, the target among them as ":path"; the body one buffer;
 * both are bounded. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/mock/gateway.h"
#include "bench/mock/upload.h"

void mock_exchange_init(mock_exchange *x, mock_conn *c) {
  x->m = c->m;
  x->conn = c;
  x->cut_at = MOCK_NEVER;
  x->plan.faults = &mock_faults_none;
  mock_due_init(&x->due);
  lti_list_init(&x->all);
  lti_buf_init(&x->head, &c->m->alloc, MOCK_HEAD_MAX, LEAT_EHEADERSMAX);
  lti_buf_init(&x->body, &c->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
}

void mock_exchange_deinit(mock_exchange *x) {
  mock_cadence_stop(x->m, &x->due);
  lti_list_remove(&x->all);
  mock_limits_leave(x);
  mock_flight_leave(x);
  if (x->job) x->release(x->job);
  mock_upload_free(x->upload);
  if (x->stream) x->m->stats.streams_live--;
  lti_buf_deinit(&x->head);
  lti_buf_deinit(&x->body);
  free(x->faults);
  free(x->limit_lines);
}

void mock_exchange_answered(mock_exchange *x) {
  if (x->answered) return;
  x->answered = true;
  mock_flight_leave(x);
  mock_ids_done(x);
}

int mock_exchange_add_header(mock_exchange *x, leat_slice name, leat_slice value) {
  int err = lti_buf_append(&x->head, name);
  if (!err) err = lti_buf_byte(&x->head, '\0');
  if (!err) err = lti_buf_append(&x->head, value);
  return err ? err : lti_buf_byte(&x->head, '\0');
}

const char *mock_exchange_url(const mock_exchange *x) {
  const char *url = mock_exchange_header(x, ":path");
  return url ? url : "";
}

const char *mock_exchange_header(const mock_exchange *x, const char *name) {
  const char *at = x->head.data, *end = x->head.data + x->head.size;
  if (!x->head.size) return NULL;
  while (at < end) {
    const char *value = at + strlen(at) + 1;
    if (value >= end) return NULL;
    if (strcasecmp(at, name) == 0) return value;
    at = value + strlen(value) + 1;
  }
  return NULL;
}
