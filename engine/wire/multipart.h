/* multipart/form-data (RFC 7578): the texts between the contents of a form's fields.
 *
 *   --BOUNDARY CRLF
 *   Content-Disposition: form-data; name="file"; filename="a.png" CRLF
 *   Content-Type: image/png CRLF
 *   CRLF
 *   ...content... CRLF
 *   --BOUNDARY-- CRLF
 *
 * Only what frames the contents is written here, so that these may come from anywhere, one behind
 * the other. Names are escaped as browsers do it (WHATWG HTML, "multipart/form-data"): a quote, CR
 * and LF are percent-encoded, everything else stands as it is. */
#ifndef LTI_MULTIPART_H
#define LTI_MULTIPART_H

#include "base/buf.h"

#define LTI_MULTIPART_RANDOM   16 /* bytes that nobody can foresee */
#define LTI_MULTIPART_BOUNDARY 40 /* bytes of a boundary */
#define LTI_MULTIPART_TYPE     96 /* and of the Content-Type with it, with a NUL */

typedef struct lti_multipart {
  char boundary[LTI_MULTIPART_BOUNDARY];
  bool begun; /* a field stands before what comes next */
} lti_multipart;

/* One field: `filename.data` and `type.data` NULL where it has none. */
typedef struct lti_multipart_field {
  leat_slice name, filename, type;
} lti_multipart_field;

/* The boundary is made of random bytes, so that no content can hold it but by guessing. */
void lti_multipart_init(lti_multipart *m, const unsigned char random[LTI_MULTIPART_RANDOM]);
/* "multipart/form-data; boundary=..." */
leat_slice lti_multipart_type(const lti_multipart *m, char text[LTI_MULTIPART_TYPE]);
/* What stands before a field's content, and what ends the content before it. LEAT_EHEADER: the type
 * has a byte that header values cannot have; else as lti_buf_append. */
int lti_multipart_field_head(lti_multipart *m, const lti_multipart_field *field, lti_buf *out);
/* What stands behind the last content. */
int lti_multipart_end(lti_multipart *m, lti_buf *out);
/* The media type that a file name's ending stands for, else application/octet-stream. */
leat_slice lti_multipart_type_of(leat_slice filename);
/* The last part of a path. */
leat_slice lti_multipart_filename(leat_slice path);

#endif
