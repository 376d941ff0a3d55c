/* See turn.h. */
#include "turn.h"

#include <stdlib.h>
#include <string.h>

#include "cell.h"
#include "ending.h"

#define STORE_INITIAL ((size_t)4 << 10)
#define STORE_KEPT    ((size_t)256 << 10) /* what an empty store keeps */
#define SLAB_BYTES    ((size_t)64 << 10)
#define SLAB_PIECE    ((size_t)8 << 10) /* larger ones have memory of their own */
#define JOINED_MAX \
  12 /* V8 copies a substring of up to 12 units, and keeps its parent of a longer */
#define BYTE_RECORD (LNO_WORDS * sizeof(int32_t))

void lno_turn_init(lno_turn *turn) {
  memset(turn, 0, sizeof *turn);
  turn->done_end = &turn->done_first;
}

void lno_turn_deinit(lno_turn *turn, napi_env env) {
  lno_turn_drop(turn);
  free(turn->words.bytes);
  free(turn->text.bytes);
  free(turn->bytes.bytes);
  free(turn->values.bytes);
  if (env && turn->slab) napi_delete_reference(env, turn->slab);
  if (env && turn->words_ref) napi_delete_reference(env, turn->words_ref);
  lno_turn_init(turn);
}

/* ---- appending */

static char *reserve(lno_turn *turn, lno_store *s, size_t size) {
  if (s->room - s->size < size) {
    size_t room = s->room ? s->room : STORE_INITIAL;
    while (room - s->size < size) {
      if (room > (size_t)INT32_MAX / 2) return NULL; /* places are words of 32 bits */
      room *= 2;
    }
    char *grown = realloc(s->bytes, room);
    if (!grown) return NULL;
    s->bytes = grown;
    s->room = room;
  }
  char *at = s->bytes + s->size;
  s->size += size;
  turn->held += size;
  return at;
}

static bool append(lno_turn *turn, lno_store *s, leat_slice bytes) {
  char *at = reserve(turn, s, bytes.size);
  if (!at) return false;
  if (bytes.size) memcpy(at, bytes.data, bytes.size);
  return true;
}

int32_t *lno_turn_record(lno_turn *turn, const lno_cell *cell, uint32_t kind) {
  int32_t *record = (int32_t *)(void *)reserve(turn, &turn->words, BYTE_RECORD);
  if (!record) return NULL;
  memset(record, 0, BYTE_RECORD);
  record[LNO_WORD_SLOT] = (int32_t)cell->slot;
  record[LNO_WORD_KIND] = (int32_t)kind;
  record[LNO_WORD_SIZE] = -1;
  record[LNO_WORD_EXTRA] = -1;
  record[LNO_WORD_LAG] = -1;
  return record;
}

static bool is_ascii(leat_slice text) {
  unsigned char seen = 0;
  for (size_t i = 0; i < text.size; i++) seen |= (unsigned char)text.data[i];
  return seen < 0x80;
}

bool lno_turn_put_text(lno_turn *turn, int32_t *record, leat_slice text) {
  if (text.size > JOINED_MAX) {
    bool ascii = text.size <= 64 && is_ascii(text);
    return lno_turn_put(turn, record, ascii ? LNO_VALUE_LATIN1 : LNO_VALUE_UTF8, text);
  }
  if (!is_ascii(text)) return lno_turn_put(turn, record, LNO_VALUE_UTF8, text);
  record[LNO_WORD_AT] = (int32_t)turn->text.size;
  record[LNO_WORD_SIZE] = (int32_t)text.size;
  return append(turn, &turn->text, text);
}

bool lno_turn_put_bytes(lno_turn *turn, int32_t *record, leat_slice bytes) {
  record[LNO_WORD_AT] = (int32_t)turn->bytes.size;
  record[LNO_WORD_SIZE] = (int32_t)bytes.size;
  return append(turn, &turn->bytes, bytes);
}

bool lno_turn_extend(lno_turn *turn, const lno_cell *cell, uint32_t kind, leat_slice bytes) {
  if (turn->words.size == 0) return false;
  int32_t *last = (int32_t *)(void *)(turn->words.bytes + turn->words.size - BYTE_RECORD);
  if (last[LNO_WORD_SLOT] != (int32_t)cell->slot || last[LNO_WORD_KIND] != (int32_t)kind)
    return false;
  if (!append(turn, &turn->bytes, bytes)) return false;
  last[LNO_WORD_SIZE] += (int32_t)bytes.size;
  return true;
}

bool lno_turn_put(lno_turn *turn, int32_t *record, enum lno_value_kind kind, leat_slice bytes) {
  if (record[LNO_WORD_EXTRA] < 0)
    record[LNO_WORD_EXTRA] = (int32_t)(turn->values.size / sizeof(lno_value));
  lno_value *v = (lno_value *)(void *)reserve(turn, &turn->values, sizeof *v);
  if (!v) return false;
  *v = (lno_value){kind, turn->bytes.size, bytes.size};
  return append(turn, &turn->bytes, bytes);
}

bool lno_turn_empty(const lno_turn *turn) {
  return turn->words.size == 0 && !turn->done_first;
}

/* ---- handing over: values */

static bool make_bytes(napi_env env, leat_slice bytes, napi_value *made) {
  void *into;
  napi_value buffer;
  if (napi_create_arraybuffer(env, bytes.size, &into, &buffer) != napi_ok) return false;
  if (bytes.size) memcpy(into, bytes.data, bytes.size);
  return napi_create_typedarray(env, napi_uint8_array, bytes.size, buffer, 0, made) == napi_ok;
}

static bool make_numbers(napi_env env, leat_slice bytes, napi_value *made) {
  uint32_t count = (uint32_t)(bytes.size / sizeof(int64_t));
  if (napi_create_array_with_length(env, count, made) != napi_ok) return false;
  for (uint32_t i = 0; i < count; i++) {
    int64_t number;
    napi_value one;
    memcpy(&number, bytes.data + i * sizeof number, sizeof number);
    if (napi_create_int64(env, number, &one) != napi_ok ||
        napi_set_element(env, *made, i, one) != napi_ok)
      return false;
  }
  return true;
}

static bool make_value(const lno_turn *turn, napi_env env, const lno_value *v, napi_value *made) {
  leat_slice bytes = {turn->bytes.bytes + v->at, v->size};
  switch (v->kind) {
    case LNO_VALUE_UTF8:
      return napi_create_string_utf8(env, bytes.data, bytes.size, made) == napi_ok;
    case LNO_VALUE_LATIN1:
      return napi_create_string_latin1(env, bytes.data, bytes.size, made) == napi_ok;
    case LNO_VALUE_BYTES: return make_bytes(env, bytes, made);
    case LNO_VALUE_NUMBERS: return make_numbers(env, bytes, made);
  }
  return false;
}

static bool hand_values(lno_turn *turn, napi_env env, napi_value *extras) {
  const lno_value *values = (const lno_value *)(const void *)turn->values.bytes;
  uint32_t count = (uint32_t)(turn->values.size / sizeof *values);
  if (napi_create_array_with_length(env, count, extras) != napi_ok) return false;
  for (uint32_t i = 0; i < count; i++) {
    napi_value one;
    if (!make_value(turn, env, &values[i], &one) ||
        napi_set_element(env, *extras, i, one) != napi_ok)
      return false;
  }
  return true;
}

/* ---- handing over: bytes */

static bool has_bytes(const int32_t *record) {
  switch (record[LNO_WORD_KIND] & 0xff) {
    case LEAT_EVENT_RAW:
    case LEAT_EVENT_REPLY:
    case LNO_RECORD_CONTENT: return true;
    case LNO_RECORD_MESSAGE: return record[LNO_WORD_CHOICE] == LEAT_WS_BINARY;
    default: return false;
  }
}

typedef struct slabs {
  napi_value list;
  uint32_t count;
  int32_t shared; /* where in the list the turn's present slab is, -1: not yet */
} slabs;

static bool add_slab(napi_env env, slabs *s, napi_value slab) {
  return napi_set_element(env, s->list, s->count++, slab) == napi_ok;
}

static bool new_slab(lno_turn *turn, napi_env env, napi_value *slab) {
  void *bytes;
  if (napi_create_arraybuffer(env, SLAB_BYTES, &bytes, slab) != napi_ok) return false;
  if (turn->slab) napi_delete_reference(env, turn->slab);
  turn->slab = NULL;
  turn->slab_bytes = bytes;
  turn->slab_size = 0;
  return napi_create_reference(env, *slab, 1, &turn->slab) == napi_ok;
}

static bool share_slab(lno_turn *turn, napi_env env, slabs *s, size_t size) {
  napi_value slab;
  if (!turn->slab || SLAB_BYTES - turn->slab_size < size) {
    if (!new_slab(turn, env, &slab)) return false;
  } else {
    if (s->shared >= 0) return true;
    if (napi_get_reference_value(env, turn->slab, &slab) != napi_ok) return false;
  }
  s->shared = (int32_t)s->count;
  return add_slab(env, s, slab);
}

static bool place_alone(napi_env env, slabs *s, int32_t *record, const char *bytes) {
  size_t size = (size_t)record[LNO_WORD_SIZE];
  void *into;
  napi_value own;
  if (napi_create_arraybuffer(env, size, &into, &own) != napi_ok) return false;
  memcpy(into, bytes, size);
  record[LNO_WORD_AT] = 0;
  record[LNO_WORD_EXTRA] = (int32_t)s->count;
  return add_slab(env, s, own);
}

/* Small pieces stand side by side in a slab, large ones have a buffer each. */
static bool place(lno_turn *turn, napi_env env, slabs *s, int32_t *record) {
  size_t size = (size_t)record[LNO_WORD_SIZE];
  const char *bytes = turn->bytes.bytes + record[LNO_WORD_AT];
  if (size > SLAB_PIECE) return place_alone(env, s, record, bytes);
  if (!share_slab(turn, env, s, size)) return false;
  if (size) memcpy(turn->slab_bytes + turn->slab_size, bytes, size);
  record[LNO_WORD_AT] = (int32_t)turn->slab_size;
  record[LNO_WORD_EXTRA] = s->shared;
  turn->slab_size += (size + 7) & ~(size_t)7;
  return true;
}

static bool hand_bytes(lno_turn *turn, napi_env env, napi_value *list) {
  slabs s = {NULL, 0, -1};
  if (napi_create_array(env, &s.list) != napi_ok) return false;
  *list = s.list;
  int32_t *record = (int32_t *)(void *)turn->words.bytes;
  size_t count = turn->words.size / BYTE_RECORD;
  for (size_t i = 0; i < count; i++, record += LNO_WORDS)
    if (has_bytes(record) && !place(turn, env, &s, record)) return false;
  return true;
}

/* ---- handing over: records and endings */

static bool new_words(lno_turn *turn, napi_env env, napi_value *words) {
  size_t room = turn->words.room ? turn->words.room : STORE_INITIAL;
  void *bytes;
  napi_value buffer;
  if (napi_create_arraybuffer(env, room, &bytes, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_int32_array, room / sizeof(int32_t), buffer, 0, words) !=
          napi_ok)
    return false;
  if (turn->words_ref) napi_delete_reference(env, turn->words_ref);
  turn->words_ref = NULL;
  turn->words_bytes = bytes;
  turn->words_room = room;
  return napi_create_reference(env, *words, 1, &turn->words_ref) == napi_ok;
}

static bool hand_words(lno_turn *turn, napi_env env, napi_value *words) {
  bool fits = turn->words_ref && turn->words_room >= turn->words.size;
  if (fits ? napi_get_reference_value(env, turn->words_ref, words) != napi_ok
           : !new_words(turn, env, words))
    return false;
  if (turn->words.size) memcpy(turn->words_bytes, turn->words.bytes, turn->words.size);
  return true;
}

static lno_cell *take_done(lno_turn *turn) {
  lno_cell *cell = turn->done_first;
  if (!cell) return NULL;
  turn->done_first = cell->next_done;
  if (!turn->done_first) turn->done_end = &turn->done_first;
  return cell;
}

/* Slots and their endings, in turn. */
static bool hand_endings(lno_turn *turn, napi_env env, napi_value *list) {
  bool ok = napi_create_array(env, list) == napi_ok;
  uint32_t count = 0;
  for (lno_cell *cell = take_done(turn); cell; cell = take_done(turn)) {
    napi_value slot, ending;
    ok = ok && napi_create_uint32(env, cell->slot, &slot) == napi_ok &&
         lno_ending_object(env, &cell->ending, &ending) &&
         napi_set_element(env, *list, count++, slot) == napi_ok &&
         napi_set_element(env, *list, count++, ending) == napi_ok;
    lno_cell_free(cell);
  }
  return ok;
}

static bool hand_all(lno_turn *turn, napi_env env, napi_value *arguments) {
  uint32_t count = (uint32_t)(turn->words.size / BYTE_RECORD);
  return hand_bytes(turn, env, &arguments[3]) && hand_values(turn, env, &arguments[4]) &&
         hand_words(turn, env, &arguments[1]) &&
         napi_create_uint32(env, count, &arguments[0]) == napi_ok &&
         napi_create_string_latin1(env, turn->text.size ? turn->text.bytes : "", turn->text.size,
                                   &arguments[2]) == napi_ok &&
         hand_endings(turn, env, &arguments[5]);
}

static void empty(lno_store *s) {
  s->size = 0;
  if (s->room <= STORE_KEPT) return;
  free(s->bytes);
  *s = (lno_store){NULL, 0, 0};
}

void lno_turn_drop(lno_turn *turn) {
  for (lno_cell *cell = take_done(turn); cell; cell = take_done(turn)) lno_cell_free(cell);
  empty(&turn->words);
  empty(&turn->text);
  empty(&turn->bytes);
  empty(&turn->values);
  turn->held = 0;
}

bool lno_turn_hand(lno_turn *turn, napi_env env, napi_value *arguments) {
  bool ok = hand_all(turn, env, arguments);
  lno_turn_drop(turn);
  return ok;
}
