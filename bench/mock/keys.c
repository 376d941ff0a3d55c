/* Whose key it is: found in any place where some client puts one. With --auth strict a key counts
 * only where the gateways look for it on that path, as new-api does; Authorization counts
 * everywhere, with Bearer before the key or without. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bench/mock/gateway.h"

enum place {
  PLACE_BEARER,
  PLACE_TOKEN,
  PLACE_RAW,
  PLACE_X_API_KEY,
  PLACE_API_KEY,
  PLACE_GOOGLE,
  PLACE_MIDJOURNEY,
  PLACE_QUERY,
  PLACE_SOCKET,
  PLACE_NONE
};

/* Browsers cannot set headers of a handshake: the key stands among the subprotocols. */
static const char *in_protocol(const mock_exchange *x, char *out, size_t cap) {
  static const char prefix[] = "openai-insecure-api-key.";
  const char *text = mock_exchange_header(x, "sec-websocket-protocol");
  const char *at = text ? strstr(text, prefix) : NULL;
  if (!at) return NULL;
  at += sizeof prefix - 1;
  snprintf(out, cap, "%.*s", (int)strcspn(at, ", "), at);
  return out;
}

static const char *in_query(const mock_exchange *x, char *out, size_t cap) {
  const char *at = mock_path_query(x, "key");
  if (!at) return NULL;
  leat_slice key = mock_path_decode(lti_slice(at, strcspn(at, "&")), out, cap - 1);
  out[key.size] = '\0';
  return out;
}

static const char *find(const mock_exchange *x, char *out, size_t cap, enum place *place) {
  static const struct {
    const char *header;
    enum place place;
  } headers[] = {{"x-api-key", PLACE_X_API_KEY},
                 {"api-key", PLACE_API_KEY},
                 {"x-goog-api-key", PLACE_GOOGLE},
                 {"mj-api-secret", PLACE_MIDJOURNEY}};
  const char *key = mock_exchange_header(x, "authorization");
  *place = PLACE_RAW;
  if (key && strncasecmp(key, "Bearer ", 7) == 0) return *place = PLACE_BEARER, key + 7;
  if (key && strncasecmp(key, "Token ", 6) == 0) return *place = PLACE_TOKEN, key + 6;
  for (size_t i = 0; !key && i < sizeof headers / sizeof headers[0]; i++)
    if ((key = mock_exchange_header(x, headers[i].header))) *place = headers[i].place;
  if (!key && (key = in_query(x, out, cap))) *place = PLACE_QUERY;
  if (!key && (key = in_protocol(x, out, cap))) *place = PLACE_SOCKET;
  if (!key) *place = PLACE_NONE;
  return key;
}

const char *mock_keys_find(const mock_exchange *x, char *out, size_t cap) {
  enum place place;
  return find(x, out, cap, &place);
}

static bool looks_there(enum place place, leat_slice path) {
  bool models = lti_slice_starts(path, "/v1/models");
  switch (place) {
    case PLACE_X_API_KEY: return models || lti_slice_starts(path, "/v1/messages");
    case PLACE_GOOGLE:
    case PLACE_QUERY: return models || lti_slice_starts(path, "/v1beta/");
    case PLACE_MIDJOURNEY: return lti_slice_starts(path, "/mj");
    case PLACE_TOKEN: return lti_slice_starts(path, "/ent/") || lti_slice_starts(path, "/vidu/");
    case PLACE_API_KEY:
    case PLACE_NONE: return false;
    case PLACE_BEARER:
    case PLACE_RAW:
    case PLACE_SOCKET: break;
  }
  return true;
}

/* Signed addresses and Midjourney's images ask for none. */
static bool is_open(leat_slice path) {
  return lti_slice_starts(path, "/files/") || lti_slice_starts(path, "/mj/image/");
}

void mock_keys_refuse(mock_exchange *x, leat_slice path, const char *key) {
  char text[MOCK_KEY_MAX + 64];
  enum mock_manner manner = mock_errors_manner(x, path);
  if (manner == MOCK_MANNER_TASK || manner == MOCK_MANNER_MIDJOURNEY) manner = MOCK_MANNER_OPENAI;
  if (!key)
    snprintf(text, sizeof text, "You didn't provide an API key.");
  else
    snprintf(text, sizeof text, "Incorrect API key provided: %.500s.", key);
  mock_errors_reply(x, manner,
                    &(mock_error){.status = 401,
                                  .type = "invalid_request_error",
                                  .code = "invalid_api_key",
                                  .message = text});
}

bool mock_keys_check(mock_exchange *x, leat_slice path) {
  char space[MOCK_KEY_MAX];
  enum place place;
  const char *required = x->m->config.require_key;
  const char *key = find(x, space, sizeof space, &place);
  x->m->stats.keys[place]++;
  if (!required || is_open(path)) return true;
  if (x->m->config.auth_strict && !looks_there(place, path)) key = NULL;
  if (key && strcmp(key, required) == 0) return true;
  mock_keys_refuse(x, path, key ? "***" : NULL);
  return false;
}
