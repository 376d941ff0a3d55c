/* The head of a browser's request: as much of HTTP/1.1 as a server of three pages needs. */
#ifndef HEAD_H
#define HEAD_H

#include <stddef.h>

#define HEAD_SIZE   8192
#define PATH_SIZE   64
#define PROMPT_SIZE 4096

enum head_state {
  HEAD_MORE,     /* it is not whole yet */
  HEAD_WHOLE,    /* `head` is filled */
  HEAD_BAD,      /* it is none: 400 */
  HEAD_TOO_LONG, /* path or prompt are longer than we take: 414 */
  HEAD_METHOD    /* no GET: 405 */
};

typedef struct head {
  char path[PATH_SIZE];     /* without the query */
  char prompt[PROMPT_SIZE]; /* what ?prompt= says, decoded; empty where it is missing */
  size_t prompt_size;
} head;

/* Reads what has come so far, from its first byte. */
enum head_state head_read(const char *bytes, size_t size, head *out);

#endif
