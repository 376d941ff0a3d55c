/* What a request is told at its end: numbers as they are, texts without the key.
 *
 * The message is one line that says what failed and where; the provider's own words are beside it.
 * A text of the provider's that echoes the request's key is shown with the key overwritten. */
#include "base/error.h"
#include "core/request.h"
#include "core/socket.h"

#define SHOWN_BYTES  4096
#define QUOTED_BYTES 300
/* Shorter ones are no secrets, and are found everywhere. */
#define KEY_BYTES_MIN 4

/* How many bytes at the end of `text` are the beginning of the key: where a text was cut short, the
 * key may be too. */
static size_t tail_of_key(leat_slice text, leat_slice key) {
  size_t n = key.size - 1 < text.size ? key.size - 1 : text.size;
  while (n >= KEY_BYTES_MIN && memcmp(text.data + text.size - n, key.data, n) != 0) n--;
  return n >= KEY_BYTES_MIN ? n : 0;
}

static void mask_one(char *data, size_t size, leat_slice key) {
  const char *at;
  leat_slice rest = lti_slice(data, size);
  while ((at = lti_slice_find(rest, key))) {
    memset(data + (at - data), '*', key.size);
    rest = lti_slice(at + key.size, (size_t)(data + size - at) - key.size);
  }
  size_t tail = tail_of_key(rest, key);
  memset(data + size - tail, '*', tail);
}

/* A turn's are those of its socket. */
static const lti_spec *secrets_of(const lti_request *r) {
  return r->turn && r->socket ? lti_socket_spec(r->socket) : &r->spec;
}

/* Every credential of the request, though a redirect may have left it behind. */
static void mask_in_place(const lti_request *r, char *data, size_t size) {
  leat_slice key;
  for (size_t i = 0; (key = lti_spec_secret(secrets_of(r), i)).data; i++)
    if (key.size >= KEY_BYTES_MIN && size) mask_one(data, size, key);
}

static bool has_key(const lti_request *r, leat_slice text) {
  leat_slice key;
  for (size_t i = 0; (key = lti_spec_secret(secrets_of(r), i)).data; i++)
    if (key.size >= KEY_BYTES_MIN && text.size &&
        (lti_slice_find(text, key) || tail_of_key(text, key)))
      return true;
  return false;
}

/* The text itself, or a masked copy where a key is in it. Views into r->masked would move when it
 * grows: room is reserved once, before the first. */
static leat_slice masked(lti_request *r, leat_slice text) {
  if (!has_key(r, text)) return text;
  size_t from = r->masked.size;
  if (r->masked.capacity - from < text.size) return lti_slice("***", 3);
  lti_buf_append(&r->masked, text);
  mask_in_place(r, r->masked.data + from, text.size);
  return lti_slice(r->masked.data + from, text.size);
}

static void provider_error(lti_request *r, lti_provider_error *error) {
  *error = (lti_provider_error){0};
  if (r->refusal) {
    *error = r->refusal->error;
  } else if (r->answer && r->spec.protocol) {
    lti_verdict verdict = {0};
    lti_answer_verdict(r->answer, &verdict);
    *error = verdict.provider;
  }
  lti_buf_clear(&r->masked);
  lti_buf_reserve(&r->masked, error->type.size + error->code.size + error->message.size +
                                  r->request_id.size + 2 * SHOWN_BYTES);
  error->type = masked(r, error->type);
  error->code = masked(r, error->code);
  error->message = masked(r, error->message);
}

/* One line: control bytes become blanks. */
static void quote(lti_buf *out, leat_slice text) {
  if (text.size > QUOTED_BYTES) text.size = QUOTED_BYTES;
  for (size_t i = 0; i < text.size; i++)
    lti_buf_byte(out, (unsigned char)text.data[i] < 0x20 ? ' ' : text.data[i]);
}

static void put_where(const lti_request *r, lti_buf *out) {
  const lti_url *url = lti_pool_origin_url(r->origin);
  if (url->unix_socket)
    lti_buf_format(out, " (unix:%s", url->host);
  else
    lti_buf_format(out, " (%s port %u", url->host, url->port);
  if (r->attempts > 1) lti_buf_format(out, ", attempt %u", r->attempts);
  lti_buf_byte(out, ')');
}

static void make_message(lti_request *r, const lti_provider_error *error, leat_slice body) {
  lti_buf *out = &r->message;
  bool given = out->size > 0;
  bool refused = r->error == LEAT_ESTATUS || (r->error == LEAT_EUPGRADE && r->refusal);
  if (refused)
    lti_buf_format(out, "HTTP %d: ", r->status);
  else if (!given)
    lti_buf_text(out, leat_error_text(r->error));
  if (refused || r->error == LEAT_EAPI) {
    if (r->error == LEAT_EAPI && error->message.size) lti_buf_text(out, ": ");
    quote(out, error->message.size ? error->message : refused ? body : error->message);
    if (!error->message.size && refused && !body.size)
      lti_buf_text(out, "no words of explanation came with it");
  } else if (r->error == LEAT_ENOTSTREAM && body.size) {
    lti_buf_text(out, "; it begins: ");
    quote(out, body);
  }
  bool transport = r->layer == LEAT_LAYER_DNS || r->layer == LEAT_LAYER_SOCKET ||
                   r->layer == LEAT_LAYER_TLS || leat_error_class(r->error) == LEAT_CLASS_TIMEOUT;
  if (transport && r->origin) put_where(r, out);
  mask_in_place(r, out->data, out->size);
  if (lti_buf_byte(out, '\0') != LTI_OK && out->size) out->data[out->size - 1] = '\0';
}

static leat_slice shown_body(lti_request *r) {
  leat_slice body = {NULL, 0};
  if (r->refusal)
    body = lti_buf_slice(&r->refusal->body);
  else if (r->answer)
    body = r->answer->shown;
  if (body.size > SHOWN_BYTES) body.size = SHOWN_BYTES;
  return masked(r, body);
}

void lti_result_fill(lti_request *r, leat_result *result) {
  lti_provider_error error;
  provider_error(r, &error);
  leat_slice body = shown_body(r);
  if (r->error != LEAT_OK) make_message(r, &error, body);
  static const leat_response nothing;
  const leat_response *response = &nothing;
  if (r->answer && r->spec.protocol) response = r->spec.protocol->response(r->answer->decoder);
  r->times.sent_ns = r->exchange.sent_ns;
  *result = (leat_result){.error = r->error,
                          .layer = r->layer,
                          .status = r->status,
                          .native = r->native,
                          .provider_type = error.type,
                          .provider_code = error.code,
                          .provider_message = error.message,
                          .request_id = masked(r, lti_buf_slice(&r->request_id)),
                          .body = body,
                          .response = response,
                          .attempts = r->attempts,
                          .redirects = r->redirects,
                          .bytes_received = r->bytes,
                          .events = r->events,
                          .records = r->records,
                          .times = r->times,
                          .retryable = r->error != LEAT_OK && r->retryable,
                          .maybe_ran_twice = r->maybe_ran_twice,
                          .resumed_tls = r->resumed_tls,
                          .reused_connection = r->reused_connection,
                          .http = (enum leat_http)r->http,
                          .retry_after_ms = r->retry_after_ms};
  result->message = r->error == LEAT_OK   ? lti_slice("", 0)
                    : r->message.size > 1 ? lti_slice(r->message.data, r->message.size - 1)
                                          : lti_slice_of(leat_error_text(r->error));
}
