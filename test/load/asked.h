/* A command line as a text, and what is said of it: for tests of parts that read options. */
#ifndef TEST_ASKED_H
#define TEST_ASKED_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bindings/cli/options.h"

#define ASKED_WORDS 32

typedef struct asked {
  char text[1024];
  char *words[ASKED_WORDS];
  cli_options options;
} asked;

/* Options between blanks; asked_free is due. */
static inline const cli_options *asked_parse(asked *a, const char *line) {
  int count = 0;
  char *rest = NULL;
  snprintf(a->text, sizeof a->text, "%s", line);
  for (char *word = strtok_r(a->text, " ", &rest); word && count < ASKED_WORDS;
       word = strtok_r(NULL, " ", &rest))
    a->words[count++] = word;
  if (cli_options_parse(&a->options, CLI_LOAD, count, a->words) != CLI_PARSED_OK) return NULL;
  return &a->options;
}

static inline void asked_free(asked *a) {
  cli_options_free(&a->options);
}

/* Standard error goes to a file until asked_said, which gives what came. */
typedef struct asked_ear {
  int kept;
  FILE *file;
} asked_ear;

static inline void asked_listen(asked_ear *ear) {
  fflush(stderr);
  ear->kept = dup(STDERR_FILENO);
  ear->file = tmpfile();
  if (ear->file) dup2(fileno(ear->file), STDERR_FILENO);
}

static inline void asked_said(asked_ear *ear, char *text, size_t size) {
  fflush(stderr);
  dup2(ear->kept, STDERR_FILENO);
  close(ear->kept);
  text[0] = '\0';
  if (!ear->file) return;
  rewind(ear->file);
  size_t n = fread(text, 1, size - 1, ear->file);
  text[n] = '\0';
  fclose(ear->file);
}

#endif
