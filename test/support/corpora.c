/* The corpora's files. Every failure to read what is said to be there fails the running test. */
#include "support/corpora.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

const char *corpora_path(const char *name) {
  static char path[PATH_MAX];
  const char *folder = getenv("LEAT_CORPORA"), *source = getenv("LEAT_SOURCE_DIR");
  if (folder && *folder) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
  } else {
    snprintf(path, sizeof path, "%s/../shared/corpora/%s", source && *source ? source : ".", name);
  }
  return path;
}

bool corpora_present(const char *name) {
  struct stat found;
  return stat(corpora_path(name), &found) == 0;
}

void corpora_require(const char *name) {
  if (corpora_present(name)) return;
  printf("skipped: no %s (set LEAT_CORPORA to the folder of the corpora)\n", corpora_path(name));
  skip();
}

leat_slice corpora_load(const char *name) {
  struct stat found;
  FILE *file = fopen(corpora_path(name), "rb");
  if (!file || fstat(fileno(file), &found) != 0) {
    fail_msg("cannot open %s", corpora_path(name));
  }
  size_t size = (size_t)found.st_size;
  char *bytes = malloc(size ? size : 1);
  assert_non_null(bytes);
  assert_int_equal(fread(bytes, 1, size, file), size);
  fclose(file);
  return lti_slice(bytes, size);
}

void corpora_free(leat_slice bytes) {
  free((void *)(uintptr_t)bytes.data);
}

bool corpora_next_line(leat_slice *rest, leat_slice *line) {
  while (rest->size) {
    const char *lf = memchr(rest->data, '\n', rest->size);
    size_t size = lf ? (size_t)(lf - rest->data) : rest->size;
    *line = lti_slice(rest->data, size);
    *rest = lti_slice_from(*rest, lf ? size + 1 : size);
    if (size) return true;
  }
  return false;
}

static unsigned base64_value(char c) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *found = c ? strchr(digits, c) : NULL;
  if (!found) fail_msg("byte 0x%02x is not base64", (unsigned char)c);
  return (unsigned)(found - digits);
}

leat_slice corpora_base64(leat_slice text) {
  size_t size = 0;
  unsigned bits = 0, count = 0;
  while (text.size && text.data[text.size - 1] == '=') text.size--;
  char *bytes = malloc(text.size * 3 / 4 + 1);
  assert_non_null(bytes);
  for (size_t i = 0; i < text.size; i++) {
    bits = bits << 6 | base64_value(text.data[i]);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes[size++] = (char)(bits >> count & 0xff);
  }
  char *exact = realloc(bytes, size ? size : 1);
  assert_non_null(exact);
  return lti_slice(exact, size);
}

static bool ends_in(const char *name, const char *ending) {
  size_t size = strlen(name), tail = strlen(ending);
  return size >= tail && strcmp(name + size - tail, ending) == 0;
}

size_t corpora_each(const char *folder, const char *ending, corpora_visit visit, void *ctx) {
  struct dirent **entries;
  size_t visited = 0;
  int count = scandir(corpora_path(folder), &entries, NULL, alphasort);
  if (count < 0) fail_msg("cannot list %s", corpora_path(folder));
  for (int i = 0; i < count; i++) {
    char name[512];
    snprintf(name, sizeof name, "%s/%s", folder, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && ends_in(name, ending)) {
      leat_slice bytes = corpora_load(name);
      visit(entries[i]->d_name, bytes, ctx);
      corpora_free(bytes);
      visited++;
    }
    free(entries[i]);
  }
  free(entries);
  return visited;
}
