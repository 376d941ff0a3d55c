/* Templates: texts in which {name} stands for something, such as "/v1/files/{id}/content" and
 * {"ids":{ids}}. A name is letters, digits, '_', '-' and '.'; any other brace is text. */
#ifndef LTI_TEMPLATE_H
#define LTI_TEMPLATE_H

#include <stdbool.h>

#include "base/slice.h"

/* Takes the next piece off `*rest`: text as it is, then a name without its braces, which is empty
 * where the template ends behind the text. False: nothing is left. */
bool lti_template_next(const char **rest, leat_slice *text, leat_slice *name);
bool lti_template_has(const char *template, leat_slice name);

#endif
