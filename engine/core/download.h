/* A download: content of any size into a file, a descriptor or a callback, taken up where it was
 * cut.
 *
 * What is fetched is a path of the caller's own gateway, with its key; or an address that a gateway
 * has named: on the gateway's own origin with the key, on any other without it and without every
 * other credential, as redirects lead there; or a data: URI, which is decoded.
 *
 * Bytes are asked for behind those that are there (Range), of the same version (If-Range), and what
 * comes is looked at before it is taken: a part that begins elsewhere, or is one of something else,
 * is never glued on. A file begins anew then; a descriptor and a callback cannot, and that is
 * LEAT_EIO. A file appears when it is whole: see io/save.h, also for what a cut leaves behind. */
#ifndef LTI_DOWNLOAD_H
#define LTI_DOWNLOAD_H

#include "core/engine.h"

typedef struct lti_download lti_download;

/* Everything that is pointed to must live as long as the download, but for `url` and `file`. */
typedef struct lti_download_order {
  const leat_request *request; /* base_url, api_key, auth, headers, deadlines, retries; and for its
                                  own path: path, or endpoint with params. Callbacks are not used */
  leat_slice url;              /* http(s) or data:; empty: the request's own path */
  const char *file;            /* NULL: none */
  int fd_plus_one;             /* 0: none; as leat_task has it */
  uint64_t resume_from;        /* of a descriptor and of `content`: so much is there already */
  int (*content)(void *user, uint64_t offset, leat_slice bytes); /* NULL; nonzero: LEAT_EIO */
  /* Once, from the loop, and last: the download is gone behind it. `result` is that of the last
   * exchange, NULL: there was none. `message` NULL: the result's, or the error's own. */
  void (*done)(void *user, int error, const leat_result *result, const char *message);
  void *user;
} lti_download_order;

/* LTI_OK: `done` will come, never from inside this. Else nothing was begun, and the engine's
 * message says why: as leat_submit; LEAT_EIO, LEAT_EFDLIMIT for the file. */
int lti_download_start(leat_engine *e, const lti_download_order *order, lti_download **download);
/* `done` does not come any more. */
void lti_download_cancel(lti_download *d);
/* How much is there, of how much: 0: not told. */
uint64_t lti_download_bytes(const lti_download *d);
uint64_t lti_download_total(const lti_download *d);

#endif
