/* The built-in endpoints, a table for each family of rows, and the built-in task forms.
 *
 * Tables end with a row without a name. They are what a gateway's source or documents say where
 * `confirmed` is set, and the likeliest guess elsewhere: an engine may be given other rows. */
#ifndef LTI_ENDPOINTS_H
#define LTI_ENDPOINTS_H

#include "protocol.h"

#define LTI_ENDPOINT(...) \
  { .struct_size = sizeof(leat_endpoint), __VA_ARGS__ }
#define LTI_TASK_FORM(...) \
  { .struct_size = sizeof(leat_task_form), __VA_ARGS__ }

extern const leat_endpoint lti_endpoints_text[];
extern const leat_endpoint lti_endpoints_gemini[];
extern const leat_endpoint lti_endpoints_images[];
extern const leat_endpoint lti_endpoints_video[];
extern const leat_endpoint lti_endpoints_suno[];
extern const leat_endpoint lti_endpoints_producer[];
extern const leat_endpoint lti_endpoints_audio[];
extern const leat_endpoint lti_endpoints_other[];
extern const leat_endpoint lti_endpoints_sockets[];
extern const leat_task_form lti_endpoint_forms[];

#endif
