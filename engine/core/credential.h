/* How a key travels: which field has it, and which fields are credentials. */
#ifndef LTI_CREDENTIAL_H
#define LTI_CREDENTIAL_H

#include <stdbool.h>

#include "base/slice.h"

/* Judged by the name of a header field. */
bool lti_credential_is(leat_slice name);
/* The field that has the key and nothing else, NULL: none has. */
const char *lti_credential_field(enum leat_auth auth);
/* The first of these that is not the default: a bearer at last. `field` is a dialect's own, NULL: a
 * bearer. */
enum leat_auth lti_credential_style(enum leat_auth request, enum leat_auth row,
                                    enum leat_auth engine, const char *field);
bool lti_credential_style_ok(enum leat_auth auth);
/* How many bytes in front of the secret are the scheme of an Authorization, or of a bearer. */
size_t lti_credential_scheme(const leat_header *header);
/* The secret in a credential: what follows the scheme. */
leat_slice lti_credential_secret(const leat_header *header);

#endif
