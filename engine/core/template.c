/* Templates: see template.h. */
#include "core/template.h"

static bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

/* The name that stands at `at`, or the empty slice. */
static leat_slice name_at(const char *at) {
  size_t n = 0;
  if (*at != '{') return lti_slice(NULL, 0);
  while (is_name_byte(at[1 + n])) n++;
  return at[1 + n] == '}' ? lti_slice(at + 1, n) : lti_slice(NULL, 0);
}

bool lti_template_next(const char **rest, leat_slice *text, leat_slice *name) {
  const char *at = *rest;
  *name = lti_slice(NULL, 0);
  if (!*at) return false;
  while (*at && !(*name = name_at(at)).size) at++;
  *text = lti_slice(*rest, (size_t)(at - *rest));
  *rest = name->size ? at + name->size + 2 : at;
  return true;
}

bool lti_template_has(const char *template, leat_slice wanted) {
  leat_slice text, name;
  while (lti_template_next(&template, &text, &name))
    if (name.size && lti_slice_equal(name, wanted)) return true;
  return false;
}
