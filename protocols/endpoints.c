/* The built-in rows as one list, found by place or by name, and the words of their enums. */
#include "endpoints.h"

#include <string.h>

static const leat_endpoint *const tables[] = {
    lti_endpoints_text,  lti_endpoints_gemini, lti_endpoints_images,
    lti_endpoints_video, lti_endpoints_suno,   lti_endpoints_producer,
    lti_endpoints_audio, lti_endpoints_other,  lti_endpoints_sockets,
};

enum { TABLES = sizeof tables / sizeof *tables };

const leat_endpoint *lti_protocol_endpoint(size_t i) {
  for (size_t t = 0; t < TABLES; t++)
    for (const leat_endpoint *row = tables[t]; row->name; row++)
      if (i-- == 0) return row;
  return NULL;
}

const leat_task_form *lti_protocol_task_form(size_t i) {
  for (const leat_task_form *form = lti_endpoint_forms; form->name; form++)
    if (i-- == 0) return form;
  return NULL;
}

const char *leat_body_kind_name(enum leat_body_kind kind) {
  switch (kind) {
    case LEAT_BODY_NONE: return "none";
    case LEAT_BODY_JSON: return "json";
    case LEAT_BODY_MULTIPART: return "multipart";
  }
  return "unknown";
}

const char *leat_auth_name(enum leat_auth auth) {
  switch (auth) {
    case LEAT_AUTH_DEFAULT: return "default";
    case LEAT_AUTH_BEARER: return "bearer";
    case LEAT_AUTH_RAW: return "raw";
    case LEAT_AUTH_X_API_KEY: return "x-api-key";
    case LEAT_AUTH_API_KEY: return "api-key";
    case LEAT_AUTH_X_GOOG_API_KEY: return "x-goog-api-key";
    case LEAT_AUTH_QUERY: return "query";
    case LEAT_AUTH_MJ_API_SECRET: return "mj-api-secret";
    case LEAT_AUTH_NONE: return "none";
  }
  return "unknown";
}

const char *leat_reply_kind_name(enum leat_reply_kind kind) {
  switch (kind) {
    case LEAT_REPLY_KIND_JSON: return "json";
    case LEAT_REPLY_KIND_SSE: return "sse";
    case LEAT_REPLY_KIND_ARRAY: return "array";
    case LEAT_REPLY_KIND_WS: return "ws";
    case LEAT_REPLY_KIND_BYTES: return "bytes";
    case LEAT_REPLY_KIND_TASK: return "task";
  }
  return "unknown";
}
