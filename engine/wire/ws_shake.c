/* The opening handshake (RFC 6455 section 4.1): what is asked, and whether the answer is one.
 *
 * The server proves that it understood by hashing the key with a fixed text: the key
 * "dGhlIHNhbXBsZSBub25jZQ==" must come back as "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=". A field that must
 * stand there once and stands there twice is refused: two readers could choose differently. */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "wire/digest.h"
#include "wire/ws.h"

#define GUID         "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define NONCE_BYTES  16
#define ACCEPT_BYTES 28 /* SHA-1 in base64 */

static void encode(leat_slice bytes, char *out, size_t size);
static bool accepts(leat_slice value, const char *key);
static bool lists(const lti_http_head *head, const char *name, const char *token);
static bool has_token(leat_slice list, leat_slice token, bool nocase);
static const char *check_extras(const lti_http_head *head, leat_slice offered, leat_slice *chosen);
static size_t count(const lti_http_head *head, const char *name, leat_slice *value);

size_t lti_ws_ask(char *key, leat_slice subprotocols, const lti_ws_config *config,
                  leat_header headers[5]) {
  char nonce[NONCE_BYTES];
  config->random(config->random_ctx, nonce, sizeof nonce);
  encode(lti_slice(nonce, sizeof nonce), key, LTI_WS_KEY_BYTES);
  const leat_header fields[5] = {
      {lti_slice_of("Upgrade"), lti_slice_of("websocket")},
      {lti_slice_of("Connection"), lti_slice_of("Upgrade")},
      {lti_slice_of("Sec-WebSocket-Version"), lti_slice_of("13")},
      {lti_slice_of("Sec-WebSocket-Key"), lti_slice(key, LTI_WS_KEY_BYTES)},
      {lti_slice_of("Sec-WebSocket-Protocol"), subprotocols},
  };
  size_t used = subprotocols.size ? 5 : 4;
  for (size_t i = 0; i < used; i++) headers[i] = fields[i];
  return used;
}

int lti_ws_check(const lti_http_head *head, const char *key, leat_slice subprotocols,
                 leat_slice *chosen, const char **why) {
  leat_slice value;
  *chosen = lti_slice(NULL, 0);
  *why = NULL;
  if (head->status != 101)
    *why = "the server did not switch protocols";
  else if (count(head, "upgrade", &value) != 1 || !lti_slice_is_nocase(value, "websocket"))
    *why = "the answer's Upgrade is not websocket";
  else if (!lists(head, "connection", "upgrade"))
    *why = "the answer's Connection does not say upgrade";
  else if (count(head, "sec-websocket-accept", &value) != 1 || !accepts(value, key))
    *why = "the answer's Sec-WebSocket-Accept does not fit the key";
  else
    *why = check_extras(head, subprotocols, chosen);
  if (!*why) return LTI_OK;
  *chosen = lti_slice(NULL, 0);
  return LEAT_EUPGRADE;
}

/* Nothing that was not offered: no extension at all, and a subprotocol of ours or none. */
static const char *check_extras(const lti_http_head *head, leat_slice offered, leat_slice *chosen) {
  for (size_t i = 0; i < head->header_count; i++) {
    if (!lti_slice_is_nocase(head->headers[i].name, "sec-websocket-extensions")) continue;
    if (lti_slice_trim(head->headers[i].value).size > 0)
      return "the server uses an extension that was not offered";
  }
  size_t times = count(head, "sec-websocket-protocol", chosen);
  if (times == 0) return NULL;
  if (times > 1) return "the server chose more than one subprotocol";
  for (size_t i = 0; i < chosen->size; i++)
    if (!lti_http_token_byte((unsigned char)chosen->data[i]))
      return "the server's subprotocol is not a token";
  if (chosen->size == 0 || !has_token(offered, *chosen, false))
    return "the server uses a subprotocol that was not offered";
  return NULL;
}

/* base64 into memory whose size is known: a buffer that begins with its whole capacity never asks
 * its allocator for more. */
static void encode(leat_slice bytes, char *out, size_t size) {
  lti_buf buf = {.data = out, .capacity = size, .max = size, .full_error = LEAT_EBODYMAX};
  int error = lti_digest_base64(bytes, &buf);
  assert(error == LTI_OK && buf.size == size);
  (void)error;
}

static bool accepts(leat_slice value, const char *key) {
  char text[LTI_WS_KEY_BYTES + sizeof GUID - 1], expected[ACCEPT_BYTES];
  unsigned char sum[LTI_DIGEST_SHA1_BYTES];
  memcpy(text, key, LTI_WS_KEY_BYTES);
  memcpy(text + LTI_WS_KEY_BYTES, GUID, sizeof GUID - 1);
  lti_digest_sha1(lti_slice(text, sizeof text), sum);
  encode(lti_slice((const char *)sum, sizeof sum), expected, sizeof expected);
  return lti_slice_equal(value, lti_slice(expected, sizeof expected));
}

/* How often the field stands in the head, and the last value. */
static size_t count(const lti_http_head *head, const char *name, leat_slice *value) {
  size_t times = 0;
  *value = lti_slice(NULL, 0);
  for (size_t i = 0; i < head->header_count; i++) {
    if (!lti_slice_is_nocase(head->headers[i].name, name)) continue;
    *value = lti_slice_trim(head->headers[i].value);
    times++;
  }
  return times;
}

static bool lists(const lti_http_head *head, const char *name, const char *token) {
  for (size_t i = 0; i < head->header_count; i++) {
    const leat_header *h = &head->headers[i];
    if (lti_slice_is_nocase(h->name, name) && has_token(h->value, lti_slice_of(token), true))
      return true;
  }
  return false;
}

/* Is `token` a member of the list "a, b"? */
static bool has_token(leat_slice list, leat_slice token, bool nocase) {
  for (size_t from = 0, at = 0; list.size && at <= list.size; at++) {
    if (at < list.size && list.data[at] != ',') continue;
    leat_slice one = lti_slice_trim(lti_slice(list.data + from, at - from));
    if (nocase ? lti_slice_equal_nocase(one, token) : lti_slice_equal(one, token)) return true;
    from = at + 1;
  }
  return false;
}
