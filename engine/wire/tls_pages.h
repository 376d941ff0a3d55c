/* Memory of which mostly nothing is used, such as the 16.7 KB record buffers of mbedTLS: giving
 * its whole pages back to the system, and wiping it without bringing them back first.
 *
 * What is given back comes again as zeroes. The front is always kept, so that small records cost no
 * page fault. tls.c is the only user. */
#ifndef LTI_TLS_PAGES_H
#define LTI_TLS_PAGES_H

#include <stdbool.h>

#include "base/slice.h"

/* Of each buffer: never given back. */
#define LTI_TLS_PAGES_KEPT 512

/* False when the system does not take them: all is as before. */
bool lti_tls_pages_purge(leat_slice buffer);
/* All of it becomes zeroes. `tail` false: what lies behind the whole pages was never touched. */
void lti_tls_pages_wipe(leat_slice buffer, bool tail);

#endif
