/* Between the files of a spec: what spec_target.c makes for spec.c. */
#ifndef LTI_SPEC_INSIDE_H
#define LTI_SPEC_INSIDE_H

#include "core/spec.h"

#define PATH_BYTES_MAX ((size_t)32 * 1024)

/* The dialect: of the request, of its endpoint, or the engine's. */
int lti_spec_find_protocol(lti_spec *s, const lti_spec_input *in);
int lti_spec_find_target(const lti_protocol *p, const lti_spec_input *in, lti_url *url);
/* Before the path, which whether it streams is a matter of, and whose parameters may be in it. */
int lti_spec_make_body(lti_spec *s, const lti_spec_input *in);
int lti_spec_make_path(lti_spec *s, const lti_spec_input *in, const lti_url *url);
/* Instead of the one before. */
int lti_spec_keep_path(lti_spec *s, const lti_spec_input *in, const lti_buf *path);
/* "key=KEY" behind what the query has already. */
int lti_spec_append_key(lti_buf *path, leat_slice encoded);

#endif
