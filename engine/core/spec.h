/* What a request sends: the checked copy of everything the caller gave, and its target.
 *
 * Made at submit and kept for repeats and redirects. Method and headers stand in one block: those
 * that carry credentials last, so that a redirect to another origin drops them by shortening the
 * list. The body goes as soon as no repeat can need it. Requests in a row that send the same share
 * their blocks. */
#ifndef LTI_SPEC_H
#define LTI_SPEC_H

#include <stdbool.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/url.h"
#include "core/extra.h"
#include "protocol.h"
#include "wire/http.h"
#include "wire/ws.h"

typedef struct lti_spec_defaults {
  const char *base_url, *api_key, *protocol;
  const leat_header *headers;
  size_t header_count;
  const char *proxy, *no_proxy; /* NULL: none */
  enum leat_auth auth;
  bool allow_plain_key;
  bool asks_key; /* keys come by callback, where a request has none of its own */
} lti_spec_defaults;

#define LTI_SPEC_HEADERS_MAX 128

/* The newest blocks, which the next request may share: an engine has one of each. */
typedef struct lti_spec_places {
  lti_blob *head, *path, *body;
} lti_spec_places;

typedef struct lti_spec {
  lti_alloc *alloc;
  const lti_protocol *protocol; /* NULL: raw */
  lti_blob *head;               /* method and headers: see spec.c */
  lti_blob *path;
  lti_blob *body;                         /* NULL: none, or it has gone */
  lti_extra *extra;                       /* of the attempt under way, NULL: none */
  const char *key_field;                  /* for a key by callback, NULL: a bearer's */
  uint32_t choices;                       /* as lti_encoded; and so is `usage` */
  uint32_t key_at, key_size;              /* what tells tenants apart, in `head` */
  uint8_t header_count, credential_count; /* the last ones carry credentials */
  uint8_t secrets_at, secret_count;       /* where those stood at submit: not sent, but not told */
  uint8_t unsent_count; /* the last of those: a key that stands in the query, plain and encoded */
  bool has_body, stream, usage, identity, upgrade;
  bool key_in_path; /* as yet: until a redirect leads elsewhere */
  bool asks_key;    /* its key comes by callback, before each attempt ... */
  bool away;        /* ... but not since a redirect has led to another origin */
} lti_spec;

/* A WebSocket's handshake instead of a request; the request has api_key, headers, base_url and
 * path. */
typedef struct lti_spec_upgrade {
  const lti_protocol *dialect; /* NULL: bytes only */
  const char *url;             /* instead of base_url and path */
  const char *subprotocols;    /* NULL: the dialect's */
  const char *model;
  bool key_in_subprotocol;
  const lti_ws_config *ws; /* its source of random bytes */
  char *key;               /* gets LTI_WS_KEY_BYTES */
} lti_spec_upgrade;

/* A body that is no JSON of a dialect's: a form, or one that comes from elsewhere. */
typedef struct lti_spec_load {
  leat_slice bytes; /* of one that is in memory */
  leat_slice type;  /* its Content-Type, whatever the headers say; `data` NULL: they say it */
  bool streamed;    /* it is not in memory */
} lti_spec_load;

/* What a spec is made from. */
typedef struct lti_spec_input {
  lti_alloc *alloc;
  lti_spec_places *places; /* NULL: nothing is shared */
  const leat_request *request;
  const leat_endpoint *row; /* NULL: the request names none */
  const lti_spec_defaults *defaults;
  const lti_spec_load *load; /* NULL: the body is `body`, or the dialect's */
  lti_buf *message;          /* gets a line on failure */
  bool foreign;              /* its place was named by a server: no credential goes there */
  bool call;                 /* a raw request that behaves like an API call: gzip is offered */
  bool paced;                /* and that passes the gate of limits, as the caller\'s own do */
  bool turn; /* of a socket's dialect: protocol and body alone, there is no target */
  const lti_spec_upgrade *upgrade; /* NULL: none */
} lti_spec_input;

/* The name of the protocol that a request is for. */
const char *lti_spec_protocol(const leat_request *request, const lti_spec_defaults *defaults);
/* Fills `spec` and `url` (whose path is spent). */
int lti_spec_init(lti_spec *spec, const lti_spec_input *in, lti_url *url);
void lti_spec_deinit(lti_spec *spec);
void lti_spec_drop_body(lti_spec *spec);
/* Bytes of headers and body. */
size_t lti_spec_size(const lti_spec *spec);
const char *lti_spec_method(const lti_spec *spec);
leat_slice lti_spec_path(const lti_spec *spec);
leat_slice lti_spec_body(const lti_spec *spec);
/* The API key, or another credential: empty when there is none. */
leat_slice lti_spec_key(const lti_spec *spec);
/* The subprotocols that a handshake offers. */
leat_slice lti_spec_offered(const lti_spec *spec);
/* Another attempt at a handshake has another key. */
void lti_spec_rekey(lti_spec *spec, const lti_ws_config *ws, char *key);
/* Credential i as a server may echo it, without its scheme; empty: there are no more. */
leat_slice lti_spec_secret(const lti_spec *spec, size_t i);
/* Another attempt: what the last one had besides is forgotten. LEAT_ENOMEM. */
int lti_spec_attempt(lti_spec *spec);
/* A field of this attempt's alone, in place of one of the same name; a credential is left out where
 * no key goes. `exposed`: see
 * lti_spec_exposed. LEAT_EHEADER, LEAT_EPLAINKEY, LEAT_ENOMEM; `message` gets a line. */
int lti_spec_add(lti_spec *spec, const leat_header *field, bool exposed, lti_buf *message);
/* This attempt's key; an empty one is none. As above. */
int lti_spec_give_key(lti_spec *spec, leat_slice key, lti_buf *message);
/* Would a credential travel there in plain sight, and is that not permitted? */
bool lti_spec_exposed(const lti_spec_defaults *defaults, const lti_url *url);
/* Points the request elsewhere. A key in the query stays with it, or is taken out of `path`. */
int lti_spec_redirect(lti_spec *spec, leat_slice path, bool same_origin);
/* The request for the codec; `host` is the Host field, `headers` gets LTI_SPEC_HEADERS_MAX. */
void lti_spec_http(const lti_spec *spec, leat_slice host, leat_header *headers,
                   lti_http_request *request);

#endif
