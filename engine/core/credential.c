/* How a key travels: see credential.h. */
#include "core/credential.h"

static bool has_nocase(leat_slice name, const char *part) {
  size_t n = strlen(part);
  for (size_t i = 0; i + n <= name.size; i++)
    if (lti_slice_is_nocase(lti_slice(name.data + i, n), part)) return true;
  return false;
}

/* By what its name says: gateways have names of their own, "helicone-auth" or "mj-api-secret", and
 * one too many only stays at home. */
bool lti_credential_is(leat_slice name) {
  static const char *const parts[] = {
      "auth",     "api-key", "apikey",    "subscription-key",   "secret", "token", "cookie",
      "password", "cred",    "signature", "openai-organization"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (has_nocase(name, parts[i])) return true;
  return false;
}

const char *lti_credential_field(enum leat_auth auth) {
  switch (auth) {
    case LEAT_AUTH_DEFAULT:
    case LEAT_AUTH_BEARER:
    case LEAT_AUTH_QUERY:
    case LEAT_AUTH_NONE: return NULL;
    case LEAT_AUTH_RAW: return "Authorization";
    case LEAT_AUTH_X_API_KEY: return "x-api-key";
    case LEAT_AUTH_API_KEY: return "api-key";
    case LEAT_AUTH_X_GOOG_API_KEY: return "x-goog-api-key";
    case LEAT_AUTH_MJ_API_SECRET: return "mj-api-secret";
  }
  return NULL;
}

enum leat_auth lti_credential_style(enum leat_auth request, enum leat_auth row,
                                    enum leat_auth engine, const char *field) {
  enum leat_auth said = request ? request : row ? row : engine;
  return said || field ? said : LEAT_AUTH_BEARER;
}

bool lti_credential_style_ok(enum leat_auth auth) {
  return (int)auth >= LEAT_AUTH_DEFAULT && (int)auth <= LEAT_AUTH_NONE;
}

size_t lti_credential_scheme(const leat_header *header) {
  leat_slice value = header->value;
  const char *blank = value.size ? memchr(value.data, ' ', value.size) : NULL;
  bool scheme =
      lti_slice_starts(value, "Bearer ") || lti_slice_is_nocase(header->name, "authorization");
  return blank && scheme ? (size_t)(blank - value.data) + 1 : 0;
}

leat_slice lti_credential_secret(const leat_header *header) {
  return lti_slice_from(header->value, lti_credential_scheme(header));
}
