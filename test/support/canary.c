/* The canary. Memory is read through /proc/self/mem in pieces that overlap by a canary, so that
 * none is cut; the piece is overwritten before it is freed. */
#include "support/canary.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/prng.h"
#include "base/slice.h"

#define MASK       0x5a
#define PIECE_SIZE ((size_t)1 << 20)
/* Sanitizers reserve more than this in one region for their own books. */
#define REGION_MAX ((uintptr_t)1 << 32)

void canary_init(canary *c, uint64_t seed) {
  static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
  static const char prefix[] = "sk-canary-";
  lti_prng r;
  lti_prng_seed(&r, seed);
  for (size_t i = 0; i < CANARY_SIZE; i++) {
    char plain = i < sizeof prefix - 1 ? prefix[i] : digits[lti_prng_below(&r, 32)];
    c->masked[i] = (unsigned char)plain ^ MASK;
  }
}

void canary_text(const canary *c, char out[CANARY_SIZE + 1]) {
  for (size_t i = 0; i < CANARY_SIZE; i++) out[i] = (char)(c->masked[i] ^ MASK);
  out[CANARY_SIZE] = '\0';
}

/* Where it begins in the bytes, or their size. */
static size_t place_in(const canary *c, const unsigned char *bytes, size_t size) {
  size_t at = 0;
  while (size - at >= CANARY_SIZE) {
    const unsigned char *p = memchr(bytes + at, c->masked[0] ^ MASK, size - at - CANARY_SIZE + 1);
    if (!p) return size;
    size_t n = 0;
    while (n < CANARY_SIZE && (p[n] ^ MASK) == c->masked[n]) n++;
    at = (size_t)(p - bytes);
    if (n == CANARY_SIZE) return at;
    at++;
  }
  return size;
}

bool canary_in(const canary *c, leat_slice bytes) {
  if (bytes.size < CANARY_SIZE) return false;
  return place_in(c, (const unsigned char *)bytes.data, bytes.size) < bytes.size;
}

static uintptr_t find_between(const canary *c, int mem, unsigned char *piece, uintptr_t range[2]) {
  uintptr_t at = range[0];
  while (range[1] - at >= CANARY_SIZE) {
    size_t wanted = range[1] - at < PIECE_SIZE ? range[1] - at : PIECE_SIZE;
    ssize_t n = pread(mem, piece, wanted, (off_t)at);
    if (n < CANARY_SIZE) return 0; /* a guard page, or unmapped meanwhile */
    size_t place = place_in(c, piece, (size_t)n);
    if (place < (size_t)n) return at + place;
    at += (size_t)n - CANARY_SIZE + 1;
  }
  return 0;
}

/* True when the line of /proc/self/maps is a region to look at. */
static bool region_of(const char *line, uintptr_t range[2]) {
  unsigned long long from, to;
  char rights[8];
  if (sscanf(line, "%llx-%llx %7s", &from, &to, rights) != 3) return false;
  range[0] = (uintptr_t)from;
  range[1] = (uintptr_t)to;
  if (strncmp(rights, "rw", 2) != 0 || strstr(line, "[stack")) return false;
  return range[1] - range[0] < REGION_MAX;
}

uintptr_t canary_find(const canary *c) {
  char line[512];
  uintptr_t range[2], found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  unsigned char *piece = malloc(PIECE_SIZE);
  if (!maps || mem < 0 || !piece) fail_msg("the process's memory cannot be read");
  while (!found && fgets(line, sizeof line, maps)) {
    if (region_of(line, range)) found = find_between(c, mem, piece, range);
  }
  lti_wipe(piece, PIECE_SIZE);
  free(piece);
  close(mem);
  fclose(maps);
  return found;
}
