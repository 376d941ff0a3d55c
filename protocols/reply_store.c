/* The memory of a typed reply, and the values of members.
 *
 * Lists double, so that the time is linear in what is added, and nothing is added for an element
 * that says nothing: so a body cannot make a reply that is much larger than itself. Texts that must
 * be written anew go into blocks that never move. */
#include <string.h>

#include "base/error.h"
#include "reply_read.h"

#define ROOM_FIRST  8u
#define BLOCK_BYTES ((size_t)4096)

struct lti_reply_block {
  lti_reply_block *next;
  size_t size, room;
  char bytes[];
};

void *lti_reply_add(lti_reply *r, enum lti_reply_lists list, size_t size) {
  lti_reply_list *l = &r->lists[list];
  if (l->count == l->room) {
    size_t room = l->room ? l->room * 2 : ROOM_FIRST;
    if (room > SIZE_MAX / 2 / size) return NULL;
    void *grown = lti_alloc_grow(&r->alloc, l->items, l->room * size, room * size);
    if (!grown) return NULL;
    l->items = grown;
    l->room = room;
    l->size = size;
  }
  return memset((char *)l->items + l->count++ * size, 0, size);
}

const void *lti_reply_items(const lti_reply *r, enum lti_reply_lists list, size_t *count) {
  *count = r->lists[list].count;
  return *count ? r->lists[list].items : NULL;
}

char *lti_reply_room(lti_reply *r, size_t size) {
  lti_reply_block *b = r->blocks;
  if (!b || b->room - b->size < size) {
    size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    b = lti_alloc_get(&r->alloc, sizeof *b + room);
    if (!b) return NULL;
    *b = (lti_reply_block){.next = r->blocks, .room = room};
    r->blocks = b;
  }
  b->size += size;
  return b->bytes + b->size - size;
}

int lti_reply_text(lti_reply *r, const lti_member *m, leat_slice *text) {
  *text = lti_slice("", 0);
  if (m->type == LTI_JSON_NUMBER) *text = m->text.raw;
  if (m->type != LTI_JSON_STRING) return LTI_OK;
  int rc = lti_json_decode(m->text, NULL, &r->scratch, text);
  if (rc != LTI_OK || text->size == 0 || text->data != r->scratch.data) return rc;
  char *kept = lti_reply_room(r, text->size);
  if (!kept) return LEAT_ENOMEM;
  memcpy(kept, text->data, text->size);
  text->data = kept;
  return LTI_OK;
}

void lti_reply_release(lti_reply *r) {
  while (r->blocks) {
    lti_reply_block *b = r->blocks;
    r->blocks = b->next;
    lti_alloc_put(&r->alloc, b);
  }
  for (size_t i = 0; i < LTI_REPLY_LISTS; i++) lti_alloc_put(&r->alloc, r->lists[i].items);
  lti_buf_deinit(&r->scratch);
  lti_buf_deinit(&r->error_text);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Numbers, and texts that are one: Google writes 64-bit integers so. */
static bool number_of(const lti_member *m, lti_json *r) {
  if (m->type != LTI_JSON_NUMBER && m->type != LTI_JSON_STRING) return false;
  lti_json_init(r, m->text.raw);
  return lti_json_peek(r) == LTI_JSON_NUMBER;
}

double lti_reply_number(const lti_member *m, double otherwise) {
  lti_json r;
  double value;
  return number_of(m, &r) && lti_json_double(&r, &value) && lti_json_at_end(&r) ? value : otherwise;
}

int64_t lti_reply_int(const lti_member *m, int64_t otherwise) {
  lti_json r;
  int64_t value;
  return number_of(m, &r) && lti_json_int(&r, &value) && lti_json_at_end(&r) ? value : otherwise;
}

/* Days from 1970-01-01 in the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
  static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  int64_t past = year - (month <= 2);
  int64_t leaps = past / 4 - past / 100 + past / 400 - 477;
  return (year - 1970) * 365 + leaps + before[month - 1] + day - 1;
}

/* `size` digits from `at` on, or -1. */
static int64_t digits_at(leat_slice text, size_t at, size_t size) {
  uint64_t value;
  if (text.size < at + size || !lti_slice_u64(lti_slice(text.data + at, size), &value)) return -1;
  return (int64_t)value;
}

/* "2025-02-19T01:02:03.5+08:00"; fractions are cut. */
static int64_t read_time(leat_slice text) {
  int64_t year = digits_at(text, 0, 4), month = digits_at(text, 5, 2), day = digits_at(text, 8, 2);
  int64_t hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2);
  int64_t second = digits_at(text, 17, 2), zone = 0;
  bool good = year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour >= 0 &&
              minute >= 0 && second >= 0;
  if (!good || text.data[4] != '-' || text.data[13] != ':') return 0;
  size_t at = 19;
  if (at < text.size && text.data[at] == '.')
    for (at++; at < text.size && text.data[at] >= '0' && text.data[at] <= '9';) at++;
  if (at < text.size && (text.data[at] == '+' || text.data[at] == '-')) {
    int64_t hours = digits_at(text, at + 1, 2), minutes = digits_at(text, at + 4, 2);
    if (hours < 0 || minutes < 0) return 0;
    zone = (hours * 60 + minutes) * (text.data[at] == '-' ? -60 : 60);
  }
  return days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
}

int64_t lti_reply_time(const lti_member *m) {
  int64_t value = lti_reply_int(m, -1);
  if (value >= 0) return value;
  if (m->type == LTI_JSON_NUMBER) {
    double seconds = lti_reply_number(m, 0);
    return seconds > 0 && seconds < 1e15 ? (int64_t)seconds : 0;
  }
  return m->type == LTI_JSON_STRING ? read_time(m->text.raw) : 0;
}

const lti_member *lti_reply_list_in(const lti_member *root, const enum lti_reply_root *slots) {
  for (; *slots != LTI_ROOT_SLOTS; slots++)
    if (lti_reply_is_list(&root[*slots])) return &root[*slots];
  return NULL;
}

bool lti_reply_next_object(leat_slice *rest, leat_slice *object) {
  while (lti_protocol_item(rest, object))
    if (*object->data == '{') return true;
  return false;
}
