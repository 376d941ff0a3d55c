/* Replays a fuzz target's corpus where libFuzzer is not there: each argument is a file, or a folder
 * whose files are taken in the order of their names. Each input lies in a block of exactly its
 * size. Exit 1 when there is nothing to replay or something cannot be read: a test that silently
 * ran nothing would be worse than none. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static int replay_file(const char *path, long size) {
  FILE *file = fopen(path, "rb");
  uint8_t *input = file ? malloc(size > 0 ? (size_t)size : 1) : NULL;
  if (!input || fread(input, 1, (size_t)size, file) != (size_t)size) {
    fprintf(stderr, "replay: cannot read %s\n", path);
    exit(1);
  }
  fclose(file);
  LLVMFuzzerTestOneInput(input, (size_t)size);
  free(input);
  return 1;
}

static int not_hidden(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static int replay_path(const char *path) {
  struct stat found;
  if (stat(path, &found) != 0) {
    fprintf(stderr, "replay: no %s\n", path);
    exit(1);
  }
  if (!S_ISDIR(found.st_mode)) return replay_file(path, (long)found.st_size);
  struct dirent **entries = NULL;
  int count = scandir(path, &entries, not_hidden, alphasort), replayed = 0;
  for (int i = 0; i < count; i++) {
    char inner[4096];
    snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
    replayed += replay_path(inner);
    free(entries[i]);
  }
  free(entries);
  return replayed;
}

int main(int argc, char **argv) {
  int replayed = 0;
  for (int i = 1; i < argc; i++) replayed += replay_path(argv[i]);
  printf("%d inputs replayed\n", replayed);
  return replayed > 0 ? 0 : 1;
}
