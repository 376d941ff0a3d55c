/* What one turn of the loop gathers for JavaScript: records, and the values that belong to them.
 *
 * The engine's callbacks append; no JavaScript runs then and nothing is made of V8's. Behind the
 * sockets of the turn everything is handed over in one call, inside one callback scope: records as
 * words of 32 bits; short ASCII texts joined into one string, of which JavaScript takes its pieces;
 * bytes in slabs; all other values, and endings, in arrays. native.d.ts has the layout.
 *
 * Invariants: records of a cell stand in the order of its events; a cell's ending is handed over
 * with its last records or behind them, and frees it; what a turn may hold is bounded: cells are
 * paused when they, or all of them, have more than that, until it was handed over. */
#ifndef LEAT_NODE_TURN_H
#define LEAT_NODE_TURN_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leat.h"

struct lno_cell;

/* Kinds of records beside those of enum leat_event_kind. */
enum lno_record_kind {
  LNO_RECORD_UPDATE = 64, /* of a task */
  LNO_RECORD_CONTENT,     /* of a task's result: bytes */
  LNO_RECORD_MESSAGE,     /* of a socket, whole; `choice` is its enum leat_ws_type */
  LNO_RECORD_CLOSING,     /* the peer's Close: `choice` is its code */
  LNO_RECORD_ROOM         /* more may be written or sent */
};

/* Flags, in the word of the kind from bit 8 on: values behind the kind's own. */
enum { LNO_HAS_LOGPROBS = 1 << 8, LNO_HAS_DETAIL = 1 << 9 };

/* The words of a record. AT and SIZE are a place in the joined text or in a slab; SIZE is -1 where
 * the value is in the extras, and AT may then be a number of the kind's. */
enum lno_word {
  LNO_WORD_SLOT,
  LNO_WORD_KIND,
  LNO_WORD_CHOICE,
  LNO_WORD_AT,
  LNO_WORD_SIZE,
  LNO_WORD_EXTRA, /* the first of its values in the extras, or its slab */
  LNO_WORD_ATTEMPT,
  LNO_WORD_NS_LOW,
  LNO_WORD_NS_HIGH,
  LNO_WORD_LAG, /* received_ns - segment_ns, -1: not known */
  LNO_WORDS
};

enum lno_value_kind { LNO_VALUE_UTF8, LNO_VALUE_LATIN1, LNO_VALUE_BYTES, LNO_VALUE_NUMBERS };

typedef struct lno_value {
  enum lno_value_kind kind;
  size_t at, size; /* in `bytes` */
} lno_value;

/* A growing array of bytes. */
typedef struct lno_store {
  char *bytes;
  size_t size, room;
} lno_store;

typedef struct lno_turn {
  lno_store words, text, bytes, values; /* int32_t, ASCII, what values and slabs are made of */
  size_t held;                          /* of all together */
  struct lno_cell *done_first, **done_end;
  napi_ref slab; /* the one that small pieces of bytes go into, and how much of it is taken */
  char *slab_bytes;
  size_t slab_size;
  napi_ref words_ref; /* the Int32Array that words are handed over in */
  char *words_bytes;
  size_t words_room;
} lno_turn;

/* What is handed over: the arguments of `deliver`. */
enum { LNO_HANDED = 6 };

void lno_turn_init(lno_turn *turn);
void lno_turn_deinit(lno_turn *turn, napi_env env);

/* Appends a record with `received_ns` and all else zero; NULL: no memory. Valid until the next. */
int32_t *lno_turn_record(lno_turn *turn, const struct lno_cell *cell, uint32_t kind);
/* The kind's own text or bytes. They must be UTF-8, where they are text. False: no memory. */
bool lno_turn_put_text(lno_turn *turn, int32_t *record, leat_slice text);
bool lno_turn_put_bytes(lno_turn *turn, int32_t *record, leat_slice bytes);
/* Makes the last record's bytes longer, if it is one of this cell and kind with bytes. */
bool lno_turn_extend(lno_turn *turn, const struct lno_cell *cell, uint32_t kind, leat_slice bytes);
/* One value more in the extras, which the record points to when it is its first. */
bool lno_turn_put(lno_turn *turn, int32_t *record, enum lno_value_kind kind, leat_slice bytes);

/* Makes the arguments, which frees the cells that are done, and empties the turn. False: V8 has no
 * memory, or runs no JavaScript any more; the turn is empty then as well. */
bool lno_turn_hand(lno_turn *turn, napi_env env, napi_value *arguments);
bool lno_turn_empty(const lno_turn *turn);
/* Forgets everything: nobody is there to be told. Frees the cells that are done. */
void lno_turn_drop(lno_turn *turn);

#endif
