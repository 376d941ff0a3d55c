/* madvise on the inside of a buffer that malloc gave. On systems with large pages there may be no
 * whole page in it; then nothing is purged. */
#include "wire/tls_pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"

/* The whole pages behind the front, or the empty slice at the buffer's end. */
static leat_slice whole_pages(leat_slice buffer) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)buffer.data;
  uintptr_t first = (start + LTI_TLS_PAGES_KEPT + page - 1) & ~(page - 1);
  uintptr_t end = (start + buffer.size) & ~(page - 1);
  if (first >= end) return lti_slice_from(buffer, buffer.size);
  return lti_slice(buffer.data + (first - start), end - first);
}

bool lti_tls_pages_purge(leat_slice buffer) {
  leat_slice pages = whole_pages(buffer);
  return pages.size == 0 || madvise((void *)pages.data, pages.size, MADV_DONTNEED) == 0;
}

void lti_tls_pages_wipe(leat_slice buffer, bool tail) {
  leat_slice pages = whole_pages(buffer);
  if (!lti_tls_pages_purge(buffer)) lti_wipe((void *)pages.data, pages.size);
  lti_wipe((void *)buffer.data, (size_t)(pages.data - buffer.data));
  const char *end = pages.data + pages.size;
  if (tail) lti_wipe((void *)end, (size_t)(buffer.data + buffer.size - end));
}
