/* Fuzzes the file of endpoints: whatever is taken is fit to be used, and what is refused leaves
 * nothing behind and says why. */
#include <assert.h>

#include "core/endpoints.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* All that is there can be copied into another engine. */
static void check_all(const lti_endpoints *e, lti_buf *message) {
  const leat_endpoint *row;
  const leat_task_form *form;
  for (size_t i = 0; (form = lti_endpoints_form_at(e, i)); i++) {
    assert(lti_endpoint_form_check(form, message) == LEAT_OK);
    assert(lti_endpoints_form_find(e, form->name) == form);
  }
  for (size_t i = 0; (row = lti_endpoints_at(e, i)); i++) {
    assert(lti_endpoint_check(row, lti_endpoints_form_find(e, row->task), message) == LEAT_OK);
    assert(lti_endpoints_find(e, row->name) == row);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  lti_alloc alloc;
  lti_endpoints e;
  lti_buf message;
  if (size > 65536) return 0;
  lti_alloc_init(&alloc, NULL);
  lti_endpoints_init(&e, &alloc);
  lti_buf_init(&message, &alloc, 4096, LEAT_EBODYMAX);
  leat_slice json = lti_slice((const char *)input, size);
  int r = lti_endpoints_load(&e, json, &message);
  assert((r == LEAT_OK) == (message.size == 0));
  assert(r == LEAT_OK || (!e.rows.count && !e.forms.count) || r == LEAT_EINVAL);
  if (r == LEAT_OK) check_all(&e, &message);
  if (r == LEAT_OK) assert(lti_endpoints_load(&e, json, &message) == LEAT_OK);
  lti_endpoints_deinit(&e);
  lti_buf_deinit(&message);
  return 0;
}
