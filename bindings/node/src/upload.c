/* See upload.h. */
#include "upload.h"

#include <stdlib.h>
#include <string.h>

struct lno_piece {
  lno_piece *next;
  size_t at, size;
  char bytes[];
};

void lno_upload_init(lno_upload *u) {
  memset(u, 0, sizeof *u);
  u->end = &u->first;
}

static void drop_first(lno_upload *u) {
  lno_piece *piece = u->first;
  u->first = piece->next;
  if (!u->first) u->end = &u->first;
  free(piece);
}

void lno_upload_deinit(lno_upload *u) {
  while (u->first) drop_first(u);
  lno_upload_init(u);
}

bool lno_upload_add(lno_upload *u, leat_slice bytes) {
  if (bytes.size == 0) return true;
  lno_piece *piece = malloc(sizeof *piece + bytes.size);
  if (!piece) return false;
  piece->next = NULL;
  piece->at = 0;
  piece->size = bytes.size;
  memcpy(piece->bytes, bytes.data, bytes.size);
  *u->end = piece;
  u->end = &piece->next;
  u->queued += bytes.size;
  return true;
}

int lno_upload_read(lno_upload *u, char *into, size_t room, size_t *size) {
  *size = 0;
  if (u->failed) return LEAT_ESOURCE;
  while (u->first && *size < room) {
    lno_piece *piece = u->first;
    size_t take = piece->size - piece->at, rest = room - *size;
    if (take > rest) take = rest;
    memcpy(into + *size, piece->bytes + piece->at, take);
    *size += take;
    piece->at += take;
    if (piece->at == piece->size) drop_first(u);
  }
  u->queued -= *size;
  u->waiting = *size == 0 && !u->whole;
  return u->waiting ? LEAT_PAUSE : LEAT_OK;
}
