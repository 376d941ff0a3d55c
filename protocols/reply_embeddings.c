/* Embeddings as rows of float32:
 *
 *     {"data":[{"index","embedding":[0.5,..]}]}      OpenAI and gateways
 *     {"data":[{"embedding":"AAAAPw=="}]}            the same in base64, little-endian
 *     {"embedding":{"values":[..]}}, {"embeddings":[{"values":[..]}]}       Gemini
 *     {"predictions":[{"embeddings":{"values":[..]}}]}                      Vertex
 *     {"embeddings":[[..]]}, {"embeddings":{"float":[[..]]}}, [[..]], [..]  Cohere and others
 *
 * Base64 is taken bit by bit, NaN included; numbers are rounded to the nearest double and then to
 * the nearest float. A row of anything else, or with a number that no float32 has, is refused as a
 * whole: a vector with a hole in it is worse than none. Rows begin at multiples of 16 bytes. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "reply_read.h"

#define ROW_FLOATS 4u /* a row's beginning is a multiple of so many */

enum slot { INDEX, EMBEDDING, VALUES, EMBEDDINGS, FLOATS, SLOTS };

static const lti_member_name names[] = {
    LTI_MEMBER("index", INDEX),  LTI_MEMBER("embedding", EMBEDDING),   LTI_MEMBER("values", VALUES),
    LTI_MEMBER("value", VALUES), LTI_MEMBER("embeddings", EMBEDDINGS), LTI_MEMBER("float", FLOATS),
};

enum { NAMES = sizeof names / sizeof *names };

static int add_float(lti_reply *r, float value) {
  float *place = lti_reply_add(r, LTI_REPLY_MORE, sizeof value);
  if (!place) return LEAT_ENOMEM;
  *place = value;
  return LTI_OK;
}

static int read_numbers(lti_reply *r, leat_slice array) {
  lti_json json;
  double value;
  int rc = LTI_OK;
  lti_json_init(&json, array);
  lti_json_enter_array(&json);
  while (rc == LTI_OK && lti_json_next_value(&json)) {
    if (!lti_json_double(&json, &value) || fabs(value) > (double)FLT_MAX) return LEAT_EDECODE;
    rc = add_float(r, (float)value);
  }
  return rc;
}

/* RFC 4648 4, and 5 for those who mix them up; 64: '=', 65: neither. */
static unsigned sextet(char c) {
  if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
  if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
  if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return c == '=' ? 64 : 65;
}

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* "AAAAPw==" is 00 00 00 3f, which is 0.5. */
static int read_base64(lti_reply *r, leat_slice text) {
  uint32_t bits = 0, held = 0, word = 0;
  size_t bytes = 0, padding = 0;
  for (size_t i = 0; i < text.size; i++) {
    unsigned six = sextet(text.data[i]);
    padding += six == 64;
    if (six > 64 || padding > 2 || (padding && six != 64)) return LEAT_EDECODE;
    if (six == 64) continue;
    bits = bits << 6 | six;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    word |= (bits >> held & 0xff) << (bytes++ % 4 * 8);
    if (bytes % 4) continue;
    if (add_float(r, float_of(word)) != LTI_OK) return LEAT_ENOMEM;
    word = 0;
  }
  /* What is left over of the last character must be nothing. */
  bool whole = bytes % 4 == 0 && held < 6 && (bits & ((1u << held) - 1)) == 0;
  return whole ? LTI_OK : LEAT_EDECODE;
}

static int pad(lti_reply *r) {
  int rc = LTI_OK;
  while (rc == LTI_OK && r->lists[LTI_REPLY_MORE].count % ROW_FLOATS) rc = add_float(r, 0);
  return rc;
}

/* The floats move while they grow: where a row's are is settled at the end. */
static int add_row(lti_reply *r, const lti_member *m, uint32_t index) {
  leat_slice text;
  int rc = pad(r);
  size_t from = r->lists[LTI_REPLY_MORE].count;
  if (rc == LTI_OK && m->type == LTI_JSON_ARRAY) {
    rc = read_numbers(r, m->text.raw);
  } else if (rc == LTI_OK) {
    rc = lti_reply_text(r, m, &text);
    if (rc == LTI_OK) rc = read_base64(r, text);
  }
  leat_embedding *row = rc == LTI_OK ? lti_reply_add(r, LTI_REPLY_ITEMS, sizeof *row) : NULL;
  if (!row) return rc == LTI_OK ? LEAT_ENOMEM : rc;
  row->index = index;
  row->size = r->lists[LTI_REPLY_MORE].count - from;
  return LTI_OK;
}

/* An array whose elements are rows, not numbers. */
static bool has_rows(const lti_member *m) {
  lti_json r;
  if (m->type != LTI_JSON_ARRAY) return false;
  lti_json_init(&r, m->text.raw);
  if (!lti_json_enter_array(&r) || !lti_json_next_value(&r)) return true;
  return lti_json_peek(&r) != LTI_JSON_NUMBER;
}

/* The row that an object holds: its embedding, the values of that, or its own values. */
static bool find_row(leat_slice object, lti_member *m) {
  static const enum slot order[] = {EMBEDDING, EMBEDDINGS, VALUES, FLOATS};
  lti_member inner[SLOTS];
  for (int level = 0; level < 3; level++) {
    memset(inner, 0, sizeof inner);
    lti_member_read_text(object, names, NAMES, inner);
    if (level == 0) m[INDEX] = inner[INDEX];
    size_t i = 0;
    while (i < 4 && inner[order[i]].type == LTI_JSON_NONE) i++;
    if (i == 4) return false;
    m[EMBEDDING] = inner[order[i]];
    if (m[EMBEDDING].type != LTI_JSON_OBJECT) break;
    object = m[EMBEDDING].text.raw;
  }
  return m[EMBEDDING].type == LTI_JSON_ARRAY || m[EMBEDDING].type == LTI_JSON_STRING;
}

static int read_rows(lti_reply *r, const lti_member *list) {
  leat_slice rest = list->text.raw, item;
  uint32_t at = 0;
  int rc = LTI_OK;
  for (; rc == LTI_OK && lti_protocol_item(&rest, &item); at++) {
    lti_json one;
    lti_member m[SLOTS];
    memset(m, 0, sizeof m);
    lti_json_init(&one, item);
    lti_member_take(&one, &m[EMBEDDING]);
    if (m[EMBEDDING].type == LTI_JSON_OBJECT && !find_row(item, m)) continue;
    bool row = m[EMBEDDING].type == LTI_JSON_ARRAY || m[EMBEDDING].type == LTI_JSON_STRING;
    int64_t index = lti_reply_int(&m[INDEX], at);
    if (row) rc = add_row(r, &m[EMBEDDING], index < 0 || index > UINT32_MAX ? at : (uint32_t)index);
  }
  return rc;
}

/* The rows' floats stand one row behind the other, each from an aligned place on: see pad. */
static void settle(lti_reply *r) {
  leat_embedding *rows = r->lists[LTI_REPLY_ITEMS].items;
  const float *floats = r->lists[LTI_REPLY_MORE].items;
  for (size_t i = 0, at = 0; i < r->lists[LTI_REPLY_ITEMS].count; i++) {
    rows[i].values = rows[i].size ? floats + at : NULL;
    at += (rows[i].size + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS;
  }
}

static int read_any(lti_reply *r, const lti_member *root) {
  static const enum lti_reply_root lists[] = {LTI_ROOT_DATA, LTI_ROOT_EMBEDDINGS,
                                              LTI_ROOT_PREDICTIONS, LTI_ROOT_SLOTS};
  const lti_member *list = lti_reply_list_in(root, lists);
  const lti_member *one = &root[LTI_ROOT_EMBEDDING];
  lti_member m[SLOTS];
  memset(m, 0, sizeof m);
  if (!list && root[LTI_ROOT_EMBEDDINGS].type == LTI_JSON_OBJECT) {
    if (!find_row(root[LTI_ROOT_EMBEDDINGS].text.raw, m)) return LEAT_EDECODE;
    list = &m[EMBEDDING];
  }
  if (list && has_rows(list)) return read_rows(r, list);
  if (list) return add_row(r, list, 0);
  if (one->type == LTI_JSON_OBJECT && find_row(one->text.raw, m)) one = &m[EMBEDDING];
  bool row = one->type == LTI_JSON_ARRAY || one->type == LTI_JSON_STRING;
  return row ? add_row(r, one, 0) : LEAT_EDECODE;
}

int lti_reply_embeddings_read(lti_reply *r, const lti_member *root) {
  int rc = read_any(r, root);
  settle(r);
  return rc;
}
