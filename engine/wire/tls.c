/* TLS client sessions on mbedTLS: bytes in, bytes out, no socket.
 *
 *     slab -> bio_recv (one memcpy) -> record buffer, decrypted in place -> the caller's plain
 * bytes plain -> record buffer, encrypted in place -> bio_send -> out-queue
 *
 * Invariants: a host name, or the explicit "none" of an IP literal, is always set; the verify
 * callback is always installed, so that a finished handshake in which it did not run resumed an
 * offered session, or is refused; an error is sticky and nothing is written after it.
 * What differs between mbedTLS 2.28 and 3.6, and what is taken from inside them, is behind
 * tls_library.h; what connections share is in tls_context.c, names and words are in tls_verify.c,
 * error codes in tls_code.c, record buffers that shrink in tls_pages.c. No clock, no socket. */
#include "wire/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "wire/tls_code.h"
#include "wire/tls_context.h"
#include "wire/tls_library.h"
#include "wire/tls_pages.h"
#include "wire/tls_verify.h"

enum {
  MESSAGE_BYTES_MAX = 320,
  HOST_BYTES_MAX = 253,
  REPLIES_MAX = 16,   /* records a peer may draw from us while we only read (HelloRequests) */
  TICKETS_MAX = 1000, /* each costs some hashing and an allocation; servers send one to four */
  RECORD_HEADER_BYTES = 5
};

struct lti_tls_session {
  lti_alloc *alloc;
  uint64_t serial;
  mbedtls_ssl_session session;
  size_t size; /* of this allocation, which holds a master secret */
  enum lti_tls_alpn alpn;
  char host[];
};

struct lti_tls {
  lti_tls_library_guard guard; /* first: see there */
  mbedtls_ssl_context ssl;
  lti_tls_context *context;
  lti_outq *out;
  leat_slice *cipher; /* the caller's, during a call */
  char *message;      /* made at the first failure */
  uint64_t copied;
  int error;              /* sticky LEAT_E* */
  int native;             /* mbedTLS's code of it */
  int bio_error;          /* what a callback of ours failed with, which mbedTLS cannot carry */
  uint32_t flags;         /* BADCERT flags already in words */
  enum lti_tls_alpn alpn; /* offered */
  uint16_t tickets;
  uint8_t replies;
  uint8_t ip_size; /* 0 for a name */
  unsigned char ip[16];
  bool offered, verified, established, stopped, close_sent, reading;
  bool in_touched, out_touched; /* beyond their front since the last purge */
  char host[];                  /* lower case, without a trailing dot */
};

static int session_setup(lti_tls *tls, const lti_tls_session *resume);
static int check_certificate(void *tls, mbedtls_x509_crt *cert, int depth, uint32_t *flags);
static int bio_send(void *tls, const unsigned char *bytes, size_t size);
static int bio_recv(void *tls, unsigned char *bytes, size_t size);
static int finish_handshake(lti_tls *tls);
static int fail(lti_tls *tls, int native);
static int fail_with(lti_tls *tls, int error, const char *text);
static int fail_alert(lti_tls *tls);
static int fail_certificate(lti_tls *tls);
static int fail_record(lti_tls *tls, int native);
static char *message_start(lti_tls *tls, const char *text);
static bool offer_fits(const lti_tls *tls, const lti_tls_session *session);
static bool next_record_fits(leat_slice cipher, size_t room);
static lti_alloc *alloc_of(const lti_tls *tls);

/* ---- connections ---------------------------------------------------------------------------- */

/* mbedTLS 3.6 compares a session's host byte by byte. */
static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int lti_tls_new(lti_tls_context *context, const lti_tls_target *target,
                const lti_tls_session *resume, lti_outq *out, lti_tls **tls) {
  const char *host = target->host;
  size_t n = strlen(host);
  if (n && host[n - 1] == '.') n--;
  if (n == 0 || n > HOST_BYTES_MAX) return LEAT_EINVAL;
  lti_tls *t = lti_alloc_zero(lti_tls_context_alloc(context), sizeof *t + n + 1);
  if (!t) return LEAT_ENOMEM;
  t->context = context;
  t->out = out;
  t->alpn = target->alpn;
  for (size_t i = 0; i < n; i++) t->host[i] = lower(host[i]);
  if (inet_pton(AF_INET, t->host, t->ip) == 1) {
    t->ip_size = 4;
  } else if (inet_pton(AF_INET6, t->host, t->ip) == 1) {
    t->ip_size = 16;
  }
  mbedtls_ssl_init(&t->ssl);
  int native = session_setup(t, resume);
  if (native) {
    lti_tls_free(t);
    return lti_tls_code_is_memory(native) ? LEAT_ENOMEM : LEAT_ETLS;
  }
  *tls = t;
  return LTI_OK;
}

/* mbedtls_ssl_free would wipe all of them, and so bring their pages back just before they go: 4,000
 * connections closed at once would need the most memory then. Here only what was touched is wiped,
 * or everything when the system does not take the pages. */
static void discard_buffers(lti_tls *tls) {
  bool touched = tls->in_touched || tls->out_touched;
  leat_slice in = lti_tls_library_in(&tls->ssl), out = lti_tls_library_out(&tls->ssl);
  if (in.size) lti_tls_pages_wipe(in, touched);
  if (out.size) lti_tls_pages_wipe(out, touched);
  lti_tls_library_drop_buffers(&tls->ssl);
}

void lti_tls_free(lti_tls *tls) {
  if (!tls) return;
  discard_buffers(tls);
  mbedtls_ssl_free(&tls->ssl);
  lti_alloc_put(alloc_of(tls), tls->message);
  lti_alloc_wipe(alloc_of(tls), tls, sizeof *tls);
}

int lti_tls_handshake(lti_tls *tls, leat_slice *cipher) {
  if (tls->error) return tls->error;
  if (tls->established) return LTI_OK;
  int native;
  tls->cipher = cipher;
  do {
    native = lti_tls_library_step(&tls->ssl, &tls->guard);
  } while (native == 0 && lti_tls_library_stage(&tls->ssl) != LTI_TLS_STAGE_OVER);
  tls->cipher = NULL;
  if (native == MBEDTLS_ERR_SSL_WANT_READ) return LTI_AGAIN;
  if (native) return fail(tls, native);
  return finish_handshake(tls);
}

bool lti_tls_step_expensive(const lti_tls *tls) {
  if (tls->error || tls->established) return false;
  enum lti_tls_stage stage = lti_tls_library_stage(&tls->ssl);
  if (stage == LTI_TLS_STAGE_HELLO || stage == LTI_TLS_STAGE_OPEN) return !tls->offered;
  return stage == LTI_TLS_STAGE_KEYS;
}

bool lti_tls_flight_expensive(const lti_tls *tls, leat_slice cipher) {
  if (lti_tls_step_expensive(tls)) return true;
  if (tls->error || tls->established || !tls->offered) return false;
  return lti_tls_library_stage(&tls->ssl) == LTI_TLS_STAGE_HELLO &&
         lti_tls_library_refuses(&tls->ssl, cipher);
}

/* True when a call was only interrupted by a ticket, of which the server may send some: mbedTLS
 * keeps the newest. */
static bool take_ticket(lti_tls *tls, int native) {
  return lti_tls_library_is_ticket(native) && ++tls->tickets <= TICKETS_MAX;
}

/* The hot path. mbedTLS is asked once for each record: when the cipher bytes are used up and no
 * plain bytes are left over, asking again could only tell WANT_READ. */
int lti_tls_read(lti_tls *tls, leat_slice *cipher, char *plain, size_t capacity, size_t *size) {
  size_t filled = 0;
  int result = LTI_OK;
  *size = 0;
  if (tls->error) return tls->error;
  assert(tls->established);
  if (tls->stopped) {
    *cipher = lti_slice_from(*cipher, cipher->size);
    return LTI_STOPPED;
  }
  tls->cipher = cipher;
  tls->reading = true;
  while (cipher->size || lti_tls_library_pending(&tls->ssl)) {
    if (filled == capacity || (filled && !next_record_fits(*cipher, capacity - filled))) {
      result = LTI_AGAIN;
      break;
    }
    int n = mbedtls_ssl_read(&tls->ssl, (unsigned char *)plain + filled, capacity - filled);
    if (n >= 0) { /* 0 is an empty record: bio_recv never tells the end of the connection */
      filled += (size_t)n;
    } else if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
      tls->stopped = true;
      *cipher = lti_slice_from(*cipher, cipher->size);
      result = LTI_STOPPED;
      break;
    } else if (n != MBEDTLS_ERR_SSL_WANT_READ && !take_ticket(tls, n)) {
      result = fail(tls, n);
      break;
    }
  }
  tls->reading = false;
  tls->cipher = NULL;
  *size = filled;
  return result;
}

int lti_tls_write(lti_tls *tls, leat_slice plain) {
  if (tls->error) return tls->error;
  assert(tls->established && !tls->close_sent);
  while (plain.size) {
    int n = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)plain.data, plain.size);
    if (n <= 0 && !take_ticket(tls, n)) return fail(tls, n);
    if (n > 0) plain = lti_slice_from(plain, (size_t)n);
  }
  return LTI_OK;
}

void lti_tls_close(lti_tls *tls) {
  if (tls->error || !tls->established || tls->close_sent) return;
  tls->close_sent = true;
  int native = mbedtls_ssl_close_notify(&tls->ssl);
  if (native) fail(tls, native);
}

enum lti_tls_alpn lti_tls_alpn(const lti_tls *tls) {
  const char *picked = mbedtls_ssl_get_alpn_protocol(&tls->ssl);
  if (!tls->established || !picked) return LTI_TLS_ALPN_NONE;
  return strcmp(picked, "h2") == 0 ? LTI_TLS_ALPN_HTTP2 : LTI_TLS_ALPN_HTTP1;
}

bool lti_tls_resumed(const lti_tls *tls) {
  return tls->established && !tls->verified;
}

lti_tls_session *lti_tls_session_save(lti_tls *tls) {
  if (!lti_tls_ticket_ready(tls)) return NULL;
  size_t host_size = strlen(tls->host) + 1, size = sizeof(lti_tls_session) + host_size;
  lti_tls_session *s = lti_alloc_zero(alloc_of(tls), size);
  if (!s) return NULL;
  s->alloc = alloc_of(tls);
  s->serial = lti_tls_context_serial(tls->context);
  s->size = size;
  s->alpn = tls->alpn;
  memcpy(s->host, tls->host, host_size);
  mbedtls_ssl_session_init(&s->session);
  if (mbedtls_ssl_get_session(&tls->ssl, &s->session)) {
    lti_tls_session_free(s);
    return NULL;
  }
  return s;
}

void lti_tls_session_free(lti_tls_session *session) {
  if (!session) return;
  mbedtls_ssl_session_free(&session->session);
  lti_alloc_wipe(session->alloc, session, session->size);
}

bool lti_tls_ticket_ready(const lti_tls *tls) {
  return tls->established && !tls->error && lti_tls_library_has_session(&tls->ssl);
}

void lti_tls_purge(lti_tls *tls) {
  if (tls->in_touched && lti_tls_library_in_idle(&tls->ssl)) {
    tls->in_touched = !lti_tls_pages_purge(lti_tls_library_in(&tls->ssl));
  }
  lti_tls_purge_out(tls);
}

void lti_tls_purge_out(lti_tls *tls) {
  if (tls->out_touched && lti_tls_library_out_idle(&tls->ssl)) {
    tls->out_touched = !lti_tls_pages_purge(lti_tls_library_out(&tls->ssl));
  }
}

const char *lti_tls_message(const lti_tls *tls) {
  if (tls->message) return tls->message;
  return tls->error ? leat_error_text(tls->error) : "";
}

int lti_tls_native(const lti_tls *tls) {
  return tls->native;
}

const char *lti_tls_version(const lti_tls *tls) {
  return mbedtls_ssl_get_version(&tls->ssl);
}

const char *lti_tls_cipher(const lti_tls *tls) {
  const char *name = mbedtls_ssl_get_ciphersuite(&tls->ssl);
  return name ? name : "";
}

uint64_t lti_tls_copied(const lti_tls *tls) {
  return tls->copied;
}

static lti_alloc *alloc_of(const lti_tls *tls) {
  return lti_tls_context_alloc(tls->context);
}

/* ---- setting up ----------------------------------------------------------------------------- */

/* For an IP literal the name is expressly none: no SNI. check_certificate looks at both kinds. */
static int session_setup(lti_tls *tls, const lti_tls_session *resume) {
  int native = mbedtls_ssl_setup(&tls->ssl, lti_tls_context_config(tls->context, tls->alpn));
  if (native) return native;
  tls->in_touched = tls->out_touched = true; /* by calloc */
  lti_tls_purge(tls);
  native = mbedtls_ssl_set_hostname(&tls->ssl, tls->ip_size ? NULL : tls->host);
  if (native) return native;
  mbedtls_ssl_set_verify(&tls->ssl, check_certificate, tls);
  mbedtls_ssl_set_bio(&tls->ssl, tls, bio_send, bio_recv, NULL);
  if (!resume || !offer_fits(tls, resume)) return 0;
  tls->offered = true;
  return mbedtls_ssl_set_session(&tls->ssl, &resume->session);
}

static bool offer_fits(const lti_tls *tls, const lti_tls_session *session) {
  return session->serial == lti_tls_context_serial(tls->context) && session->alpn == tls->alpn &&
         lti_slice_equal_nocase(lti_slice_of(session->host), lti_slice_of(tls->host));
}

/* Called from the root down to the leaf (depth 0) of every full handshake. Adds our own check of
 * the name; puts what is wrong into words while the certificate is at hand. */
static int check_certificate(void *context, mbedtls_x509_crt *cert, int depth, uint32_t *flags) {
  lti_tls *tls = context;
  tls->verified = true;
  if (lti_tls_context_insecure(tls->context)) {
    *flags = 0;
    return 0;
  }
  lti_tls_verify_peer peer = {tls->host, tls->ip, tls->ip_size};
  if (depth == 0 && !lti_tls_verify_name(cert, &peer)) *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
  if (*flags == 0) return 0;
  char *message = tls->message ? tls->message : message_start(tls, "certificate refused for %s: ");
  bool first = tls->flags == 0;
  tls->flags |= *flags;
  if (!message) return 0;
  char words[MESSAGE_BYTES_MAX] = "";
  lti_tls_verify_describe(cert, depth, *flags, words, sizeof words);
  size_t used = strlen(message);
  snprintf(message + used, MESSAGE_BYTES_MAX - used, "%s%s", first ? "" : "; ", words);
  return 0;
}

static bool is_beyond_front(leat_slice buffer, const unsigned char *end) {
  return (const char *)end > buffer.data + LTI_TLS_PAGES_KEPT;
}

static int bio_send(void *context, const unsigned char *bytes, size_t size) {
  lti_tls *tls = context;
  if (tls->reading && ++tls->replies > REPLIES_MAX) {
    tls->bio_error = LEAT_ETLS;
    return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
  }
  if (is_beyond_front(lti_tls_library_out(&tls->ssl), bytes + size)) tls->out_touched = true;
  tls->bio_error = lti_outq_append(tls->out, lti_slice((const char *)bytes, size));
  return tls->bio_error ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : (int)size;
}

static int bio_recv(void *context, unsigned char *bytes, size_t size) {
  lti_tls *tls = context;
  leat_slice *cipher = tls->cipher;
  if (!cipher || cipher->size == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  if (size > cipher->size) size = cipher->size;
  memcpy(bytes, cipher->data, size);
  *cipher = lti_slice_from(*cipher, size);
  tls->copied += size;
  if (is_beyond_front(lti_tls_library_in(&tls->ssl), bytes + size)) tls->in_touched = true;
  return (int)size;
}

/* ---- the end of a handshake, good or bad ---------------------------------------------------- */

static int finish_handshake(lti_tls *tls) {
  if (!tls->verified && !tls->offered) {
    return fail_with(tls, LEAT_ECERT, "the handshake with %s ended without a certificate");
  }
  tls->established = true;
  lti_tls_library_settle(&tls->ssl);
  lti_tls_purge(tls);
  return LTI_OK;
}

static int fail(lti_tls *tls, int native) {
  tls->native = native;
  if (tls->bio_error == LEAT_ETLS) {
    return fail_with(tls, LEAT_ETLS, "%s keeps asking for renegotiation");
  }
  if (lti_tls_library_is_ticket(native)) {
    return fail_with(tls, LEAT_ETLS, "%s keeps sending session tickets");
  }
  if (tls->bio_error == LEAT_ENOMEM || lti_tls_code_is_memory(native)) {
    return fail_with(tls, LEAT_ENOMEM, "memory ran out under TLS with %s");
  }
  if (native == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) return fail_alert(tls);
  if (native == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
    return fail_with(tls, LEAT_ERESET, "%s closed the connection during the TLS handshake");
  }
  if (lti_tls_code_is_certificate(native)) return fail_certificate(tls);
  if (lti_tls_code_is_version(native)) {
    return fail_with(tls, LEAT_ETLS, "%s speaks no TLS 1.2");
  }
  return fail_record(tls, native);
}

/* `text` as for message_start. A message made before is kept: it is nearer to the cause. */
static int fail_with(lti_tls *tls, int error, const char *text) {
  tls->error = error;
  if (!tls->message) message_start(tls, text);
  return error;
}

static int fail_alert(lti_tls *tls) {
  unsigned alert = lti_tls_library_alert(&tls->ssl);
  char text[160];
  bool identified = lti_tls_context_identified(tls->context);
  const char *why = lti_tls_code_alert_cause(alert, identified);
  snprintf(text, sizeof text, "%%s sent the TLS alert %s (%u)%s", lti_tls_code_alert(alert), alert,
           why);
  return fail_with(tls, LEAT_ETLS, text);
}

/* Flags that mbedTLS set after the callback, such as that of a missing serverAuth, get their words
 * here. */
static int fail_certificate(lti_tls *tls) {
  uint32_t result = mbedtls_ssl_get_verify_result(&tls->ssl);
  uint32_t rest = result == UINT32_MAX ? 0 : result & ~tls->flags;
  bool unread = tls->flags == 0 && rest == 0;
  fail_with(tls, LEAT_ECERT, "certificate refused for %s: ");
  if (!tls->message) return LEAT_ECERT;
  char words[MESSAGE_BYTES_MAX] = "";
  lti_tls_verify_describe(NULL, 0, rest, words, sizeof words);
  size_t used = strlen(tls->message);
  snprintf(tls->message + used, MESSAGE_BYTES_MAX - used, "%s%s", rest && tls->flags ? ", " : "",
           unread ? "it cannot be read" : words);
  return LEAT_ECERT;
}

/* What is no TLS at all is told from the five bytes where a record header should be. */
static int fail_record(lti_tls *tls, int native) {
  leat_slice start = lti_tls_library_record(&tls->ssl);
  bool first = lti_tls_library_stage(&tls->ssl) == LTI_TLS_STAGE_HELLO;
  if (first && lti_slice_starts(start, "HTTP/")) {
    return fail_with(tls, LEAT_ETLS, "%s answered with plain HTTP instead of TLS");
  }
  if (first && start.size && ((unsigned char)*start.data < 20 || (unsigned char)*start.data > 23)) {
    return fail_with(tls, LEAT_ETLS, "%s does not speak TLS on this port");
  }
  if (native == MBEDTLS_ERR_SSL_INVALID_MAC) {
    return fail_with(tls, LEAT_ETLS,
                     "a TLS record of %s was damaged or forged, or is one of too "
                     "many empty ones");
  }
  char reason[100], text[160];
  mbedtls_strerror(native, reason, sizeof reason);
  snprintf(text, sizeof text, "TLS with %%s failed: %s (-0x%04x)", reason, (unsigned)-native);
  return fail_with(tls, LEAT_ETLS, text);
}

/* NULL when there is no memory for words. `text` is no format: its first %s becomes the host. */
static char *message_start(lti_tls *tls, const char *text) {
  tls->message = lti_alloc_get(alloc_of(tls), MESSAGE_BYTES_MAX);
  const char *host = strstr(text, "%s");
  if (!tls->message) return NULL;
  if (!host) host = text + strlen(text);
  snprintf(tls->message, MESSAGE_BYTES_MAX, "%.*s%s%s", (int)(host - text), text, tls->host,
           *host ? host + 2 : "");
  return tls->message;
}

/* The next record goes in whole, so that what it holds is not cut in two. */
static bool next_record_fits(leat_slice cipher, size_t room) {
  if (room >= MBEDTLS_SSL_IN_CONTENT_LEN || cipher.size < RECORD_HEADER_BYTES) return true;
  const unsigned char *header = (const unsigned char *)cipher.data;
  return (size_t)(header[3] << 8 | header[4]) <= room;
}
