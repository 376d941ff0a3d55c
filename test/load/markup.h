/* What tests ask of a page of ours. */
#ifndef TEST_LOAD_MARKUP_H
#define TEST_LOAD_MARKUP_H

#include <stddef.h>
#include <stdio.h>

typedef struct markup {
  char *text; /* malloc's */
  size_t size;
} markup;

/* All that the file has; closes it. */
markup markup_read(FILE *file);
/* Fails the test where the page is not sound. */
void markup_check(const markup *p);

#endif
