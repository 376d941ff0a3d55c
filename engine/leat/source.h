/* leat's request bodies that are not in memory: files, pipes, callbacks, and forms made of them. A
 * part of leat.h, which includes it; its rules hold here.
 *
 * A source is read piece by piece while the request travels, never more than one piece ahead of
 * what the connection takes (64 KiB), so that a body of any size costs the memory of one piece.
 * What cannot be rewound is sent once: an attempt that took from it is not repeated, and ends with
 * LEAT_EUNCERTAIN when it may have run, else with the error itself. Redirects rewind it too, or end
 * with LEAT_EREDIRECT. An answer that comes before all is sent counts as any other; behind one of
 * an error status nothing more is read. */
#ifndef LEAT_SOURCE_H
#define LEAT_SOURCE_H

#ifndef LEAT_H
#error "include leat.h, which includes this"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* One of path, fd_plus_one and read. Goes with protocol "raw" and with endpoints. */
typedef struct leat_source {
  const char *path; /* a file, opened at the submit; its size is taken then, and must not change */
  int fd_plus_one;  /* a descriptor and 1: a file from its present offset, a pipe or a socket to its
                       end. Set to non-blocking unless it is a file; not closed */
  int64_t size;     /* of `read` and of pipes: bytes in all; 0 or LEAT_NONE: not known, and
                       HTTP/1.1 sends chunks. Fewer or more is LEAT_ESOURCE */

  /* Fills up to `room` bytes of `into`, and `*size`, 0 being the end. Returns LEAT_OK; LEAT_PAUSE:
   * nothing yet, leat_source_ready will be called; anything negative ends the request with
   * LEAT_ESOURCE. Called from the loop only. May call leat_cancel, leat_post and
   * leat_source_ready. */
  int (*read)(void *user, char *into, size_t room, size_t *size);
  int (*rewind)(void *user); /* back to the start, 0 when done; NULL: it cannot */
  void (*close)(void *user); /* once, when nothing is read any more, before `done`; not when the
                                submit was refused; NULL: not needed */
  void *user;
} leat_source;

/* One field of a multipart/form-data body (RFC 7578). Its content is `value`, or else `source`. */
typedef struct leat_form_field {
  const char *name; /* quotes and line ends in it are percent-encoded, as browsers do */
  leat_slice value;
  const leat_source *source;
  const char *filename;     /* NULL: none; with a source's path, its last part */
  const char *content_type; /* NULL: none; with a file name, by its ending, else
                               application/octet-stream */
} leat_form_field;

#ifdef __cplusplus
}
#endif
#endif
