/* What a request is told at its end: numbers as they are, texts without the key.
 *
 * The message is one line that says what failed and where; the provider's own words are beside it.
 * A text of the provider's that echoes the request's key is shown with the key overwritten. */
#include "base/error.h"
#include "core/gate.h"
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

/* Every text of the provider's that is told. */
typedef struct provider_texts {
  leat_slice type, code, message, request_id, body;
} provider_texts;

/* Replaces those texts by masked copies that have a key in them. */
static void mask_all(lti_request *r, provider_texts *t) {
  leat_slice *texts[] = {&t->type, &t->code, &t->message, &t->request_id, &t->body};
  bool holds[sizeof texts / sizeof *texts];
  size_t count = sizeof texts / sizeof *texts, size = 0;
  for (size_t i = 0; i < count; i++) {
    holds[i] = has_key(r, *texts[i]);
    if (holds[i]) size += texts[i]->size;
  }
  if (size == 0) return;
  lti_words *words = lti_request_words(r);
  lti_buf *copies = words ? &words->masked : NULL;
  if (copies) lti_buf_clear(copies);
  /* Views would move when it grows. */
  bool room = copies && lti_buf_reserve(copies, size) == LTI_OK;
  for (size_t i = 0; i < count; i++) {
    if (!holds[i]) continue;
    if (room) {
      size_t from = copies->size;
      lti_buf_append(copies, *texts[i]);
      *texts[i] = lti_slice(copies->data + from, texts[i]->size);
      mask_in_place(r, copies->data + from, texts[i]->size);
    } else {
      *texts[i] = lti_slice("***", 3);
    }
  }
}

static lti_provider_error provider_error(const lti_request *r) {
  lti_verdict verdict = {0};
  if (r->refusal) return r->refusal->error;
  if (r->answer && r->spec.protocol) lti_answer_verdict(r->answer, &verdict);
  return verdict.provider;
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

static void make_message(lti_request *r, const provider_texts *told) {
  lti_words *words = lti_request_words(r);
  if (!words) return;
  lti_buf *out = &words->message;
  leat_slice why = told->message, body = told->body;
  bool given = out->size > 0;
  bool refused = r->error == LEAT_ESTATUS || (r->error == LEAT_EUPGRADE && r->refusal);
  if (refused)
    lti_buf_format(out, "HTTP %d: ", r->status);
  else if (!given)
    lti_buf_text(out, leat_error_text(r->error));
  if (refused || r->error == LEAT_EAPI) {
    if (r->error == LEAT_EAPI && why.size) lti_buf_text(out, ": ");
    quote(out, why.size || !refused ? why : body);
    if (!why.size && refused && !body.size)
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

static leat_slice shown_body(const lti_request *r) {
  leat_slice body = {NULL, 0};
  if (r->refusal)
    body = lti_buf_slice(&r->refusal->body);
  else if (r->answer)
    body = lti_answer_shows(r->answer);
  if (body.size > SHOWN_BYTES) body.size = SHOWN_BYTES;
  return body;
}

static leat_slice message_of(const lti_request *r) {
  if (r->error == LEAT_OK) return lti_slice("", 0);
  if (!r->words || r->words->message.size <= 1) return lti_slice_of(leat_error_text(r->error));
  return lti_slice(r->words->message.data, r->words->message.size - 1);
}

void lti_result_fill(lti_request *r, leat_result *result) {
  lti_provider_error error = provider_error(r);
  provider_texts told = {error.type, error.code, error.message, lti_slice_of(r->request_id),
                         shown_body(r)};
  mask_all(r, &told);
  if (r->error != LEAT_OK) make_message(r, &told);
  static const leat_response nothing;
  const leat_response *response = &nothing;
  if (r->answer && r->spec.protocol) response = r->spec.protocol->response(r->answer->decoder);
  r->times.sent_ns = r->exchange.sent_ns;
  r->times.last_content_ns = r->last_content_ns;
  *result = (leat_result){.error = r->error,
                          .layer = r->layer,
                          .status = r->status,
                          .native = r->native,
                          .provider_type = told.type,
                          .provider_code = told.code,
                          .provider_message = told.message,
                          .request_id = told.request_id,
                          .body = told.body,
                          .response = response,
                          .attempts = r->attempts,
                          .redirects = r->redirects,
                          .resumed = r->resumed,
                          .limited_ns = r->ticket ? lti_gate_limited_ns(r) : 0,
                          .bytes_received = r->bytes,
                          .events = r->events,
                          .records = r->records,
                          .times = r->times,
                          .retryable = r->error != LEAT_OK && r->retryable,
                          .maybe_ran_twice = r->maybe_ran_twice,
                          .resumed_tls = r->resumed_tls,
                          .reused_connection = r->reused_connection,
                          .http = (enum leat_http)r->http,
                          .tls = (enum leat_tls)r->tls,
                          .retry_after_ms = r->retry_after_ms};
  result->message = message_of(r);
}
