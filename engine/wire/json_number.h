/* JSON number tokens, already checked by the reader, as integers and doubles. */
#ifndef LTI_JSON_NUMBER_H
#define LTI_JSON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* False when it is not integral or out of range; 5.0 and 50e-1 are 5, -0 is 0. */
bool lti_json_number_int(leat_slice token, int64_t *value);
/* Correctly rounded; false when it is not finite. Tiny numbers become zero. */
bool lti_json_number_double(leat_slice token, double *value);

#endif
