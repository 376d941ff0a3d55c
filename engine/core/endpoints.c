/* The endpoints and task forms that an engine knows. */
#include "core/engine.h"
#include "protocol.h"

const leat_endpoint *leat_endpoint_at(const leat_engine *engine, size_t i) {
  (void)engine;
  return lti_protocol_endpoint(i);
}

const leat_endpoint *leat_endpoint_find(const leat_engine *engine, const char *name) {
  const leat_endpoint *row;
  for (size_t i = 0; name && (row = leat_endpoint_at(engine, i)); i++)
    if (strcmp(row->name, name) == 0) return row;
  return NULL;
}

const leat_task_form *leat_task_form_at(const leat_engine *engine, size_t i) {
  (void)engine;
  return lti_protocol_task_form(i);
}

const leat_task_form *leat_task_form_find(const leat_engine *engine, const char *name) {
  const leat_task_form *form;
  for (size_t i = 0; name && (form = leat_task_form_at(engine, i)); i++)
    if (strcmp(form->name, name) == 0) return form;
  return NULL;
}
