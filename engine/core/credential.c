/* How a key travels: see credential.h. */
#include "core/credential.h"

#define PART(text) \
  { text, sizeof text - 1 }
#define LETTER(c) (UINT32_C(1) << ((c)&31))

/* Each of lower case. */
static const struct {
  const char *text;
  size_t size;
} parts[] = {PART("auth"),
             PART("api-key"),
             PART("apikey"),
             PART("subscription-key"),
             PART("secret"),
             PART("token"),
             PART("cookie"),
             PART("password"),
             PART("cred"),
             PART("signature"),
             PART("openai-organization")};

/* The letters that one of them begins with. */
static const uint32_t firsts =
    LETTER('a') | LETTER('s') | LETTER('t') | LETTER('c') | LETTER('p') | LETTER('o');

static bool begins_with_part(leat_slice rest) {
  char first = (char)(rest.data[0] | 0x20), second = (char)(rest.data[1] | 0x20);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    leat_slice part = lti_slice(parts[i].text, parts[i].size);
    if (part.data[0] != first || part.data[1] != second || rest.size < part.size) continue;
    if (lti_slice_equal_nocase(lti_slice(rest.data, part.size), part)) return true;
  }
  return false;
}

/* By what its name says: gateways have names of their own, "helicone-auth" or "mj-api-secret", and
 * one too many only stays at home. It is asked for every header of every request, so most places
 * of a name are passed over by their first letter. */
bool lti_credential_is(leat_slice name) {
  for (size_t i = 0; i + 1 < name.size; i++)
    if ((firsts & LETTER(name.data[i])) && begins_with_part(lti_slice_from(name, i))) return true;
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
