/* Members of a JSON object by a table of names: see member.h.
 *
 * An object is read once, whatever the number of names; what is in no table is passed over, and
 * checked on the way. A duplicate replaces the member before it, null included. */
#include "member.h"

#include <string.h>

#define POINTER_MAX 256

static int escaped_slot(lti_json_text key, const lti_member_name *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (lti_json_escaped_is(key, lti_slice(names[i].name, names[i].size))) return names[i].slot;
  return -1;
}

int lti_member_slot(lti_json_text key, const lti_member_name *names, size_t count) {
  if (key.escaped) return escaped_slot(key, names, count);
  for (size_t i = 0; i < count; i++) {
    if (key.raw.size != names[i].size) continue;
    if (memcmp(key.raw.data, names[i].name, key.raw.size) == 0) return names[i].slot;
  }
  return -1;
}

void lti_member_take(lti_json *r, lti_member *m) {
  m->type = lti_json_peek(r);
  m->text.escaped = false;
  m->text.ascii = false;
  bool good =
      m->type == LTI_JSON_STRING ? lti_json_string(r, &m->text) : lti_json_raw(r, &m->text.raw);
  if (!good || m->type == LTI_JSON_NULL) m->type = LTI_JSON_NONE;
}

bool lti_member_read(lti_json *r, const lti_member_name *names, size_t count, lti_member *slots) {
  lti_json_text key;
  if (!lti_json_enter_object(r)) return false;
  while (lti_json_next_key(r, &key)) {
    int slot = lti_member_slot(key, names, count);
    if (slot >= 0) lti_member_take(r, &slots[slot]);
  }
  return !lti_json_failed(r);
}

bool lti_member_read_text(leat_slice json, const lti_member_name *names, size_t count,
                          lti_member *slots) {
  lti_json r;
  lti_json_init(&r, json);
  return lti_member_read(&r, names, count, slots);
}

bool lti_member_find(leat_slice json, const char *pointers, lti_member *m) {
  char pointer[POINTER_MAX];
  m->type = LTI_JSON_NONE;
  while (*pointers) {
    size_t size = strcspn(pointers, " ");
    leat_slice value;
    if (size && size < sizeof pointer) {
      memcpy(pointer, pointers, size);
      pointer[size] = '\0';
      if (lti_json_find(json, pointer, &value)) {
        lti_json r;
        lti_json_init(&r, value);
        lti_member_take(&r, m);
      }
    }
    if (m->type != LTI_JSON_NONE) return true;
    pointers += size;
    pointers += *pointers == ' ';
  }
  return false;
}

bool lti_member_truthy(const lti_member *m) {
  leat_slice raw = m->text.raw;
  switch (m->type) {
    case LTI_JSON_NONE:
    case LTI_JSON_NULL:
    case LTI_JSON_FALSE: return false;
    case LTI_JSON_TRUE: return true;
    case LTI_JSON_NUMBER: return !lti_slice_is(raw, "0");
    case LTI_JSON_STRING: return raw.size > 0;
    case LTI_JSON_ARRAY:
    case LTI_JSON_OBJECT: break;
  }
  for (size_t i = 1; i + 1 < raw.size; i++) {
    if (!strchr(" \t\r\n", raw.data[i])) return true;
  }
  return false;
}
