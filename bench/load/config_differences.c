/* Two configs beside each other, member by member, as texts: what is written in two ways and means
 * the same (10 and 10.0) is the same. Members that only say where results go are passed over. */
#include <stdio.h>

#include "bench/load/config.h"
#include "wire/json.h"

#define VALUE_SHOWN 60

/* Options that change no figure. */
static const char told[] =
    "json output jsonl metrics trace title quiet events repeat pause strict require allow-failures";

typedef struct differences {
  leat_slice a, b;
  const char *except;
  char *out;
  size_t size, used, count;
} differences;

static bool is_among(leat_slice name, const char *words) {
  while (words && *words) {
    size_t size = strcspn(words, " ");
    if (size == name.size && memcmp(words, name.data, size) == 0) return true;
    words += size + strspn(words + size, " ");
  }
  return false;
}

/* The member's value; empty: there is none. */
static leat_slice member(leat_slice object, leat_slice name) {
  lti_json r;
  lti_json_text key;
  leat_slice value = lti_slice(NULL, 0), seen;
  lti_json_init(&r, object);
  if (lti_json_peek(&r) != LTI_JSON_OBJECT || !lti_json_enter_object(&r)) return value;
  while (lti_json_next_key(&r, &key)) {
    if (!lti_slice_equal(key.raw, name)) continue;
    if (lti_json_raw(&r, &seen)) value = seen;
  }
  return value;
}

static bool is_same(leat_slice a, leat_slice b) {
  lti_json ra, rb;
  double x, y;
  if (lti_slice_equal(a, b)) return true;
  if (a.size == 0 || b.size == 0) return false;
  lti_json_init(&ra, a);
  lti_json_init(&rb, b);
  return lti_json_double(&ra, &x) && lti_json_double(&rb, &y) && x == y;
}

static void add_text(differences *d, leat_slice text, size_t most) {
  bool cut = text.size > most;
  size_t size = cut ? most : text.size;
  if (d->used + 1 >= d->size) return;
  size_t room = d->size - d->used;
  int n = snprintf(d->out + d->used, room, "%.*s%s", (int)size, text.size ? text.data : "",
                   cut ? "..." : "");
  if (n > 0) d->used += (size_t)n < room ? (size_t)n : room - 1;
}

static void add(differences *d, leat_slice name, leat_slice a, leat_slice b) {
  if (d->count++ > 0) add_text(d, lti_slice_of("; "), 2);
  add_text(d, name, VALUE_SHOWN);
  add_text(d, lti_slice_of(": "), 2);
  add_text(d, a.size ? a : lti_slice_of("none"), VALUE_SHOWN);
  add_text(d, lti_slice_of(" / "), 3);
  add_text(d, b.size ? b : lti_slice_of("none"), VALUE_SHOWN);
}

/* Members of `from`; of those that `other` has as well once is enough. */
static void walk(differences *d, leat_slice from, bool second) {
  lti_json r;
  lti_json_text key;
  lti_json_init(&r, from);
  if (lti_json_peek(&r) != LTI_JSON_OBJECT || !lti_json_enter_object(&r)) return;
  while (lti_json_next_key(&r, &key)) {
    if (is_among(key.raw, told) || is_among(key.raw, d->except)) continue;
    leat_slice a = member(d->a, key.raw), b = member(d->b, key.raw);
    if (second && a.size > 0) continue;
    if (!is_same(a, b)) add(d, key.raw, a, b);
  }
}

size_t config_differences(leat_slice a, leat_slice b, const char *except, char *out, size_t size) {
  differences d = {.a = a, .b = b, .except = except, .out = out, .size = size};
  if (size > 0) out[0] = '\0';
  walk(&d, a, false);
  walk(&d, b, true);
  return d.count;
}
