/* Members of a JSON object by a table of names: private to protocols/, for readers that look for a
 * few facts in an object that may have anything in it. */
#ifndef LTI_MEMBER_H
#define LTI_MEMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/json.h"

/* A member as found; `type` is LTI_JSON_NONE while it is missing or null. */
typedef struct lti_member {
  enum lti_json_type type;
  lti_json_text text; /* of a string what stands between the quotes, of all others their JSON */
} lti_member;

/* Which member a name is: several names may share one slot, the last one in the text wins. */
typedef struct lti_member_name {
  const char *name;
  unsigned char size, slot;
} lti_member_name;

#define LTI_MEMBER(text, slot) \
  { (text), sizeof(text) - 1, (slot) }

/* The slot of a key, or -1. */
int lti_member_slot(lti_json_text key, const lti_member_name *names, size_t count);
/* Consumes the coming value, whatever it is. */
void lti_member_take(lti_json *r, lti_member *m);
/* Reads the coming object to its end; the members' slots must be LTI_JSON_NONE. False: it is no
 * object, which is consumed all the same, or the text is broken. */
bool lti_member_read(lti_json *r, const lti_member_name *names, size_t count, lti_member *slots);
/* The same of a value on its own. */
bool lti_member_read_text(leat_slice json, const lti_member_name *names, size_t count,
                          lti_member *slots);
/* The value at the first pointer of a list with blanks between that has one; null is none. */
bool lti_member_find(leat_slice json, const char *pointers, lti_member *m);

/* A string or a number that is not empty. */
static inline bool lti_member_says(const lti_member *m) {
  return (m->type == LTI_JSON_STRING || m->type == LTI_JSON_NUMBER) && m->text.raw.size > 0;
}
/* false, 0, "", {} and [] say that there is none. */
bool lti_member_truthy(const lti_member *m);

#endif
