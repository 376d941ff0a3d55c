/* TLS client sessions on mbedTLS 2.28: bytes in, bytes out, no socket.
 *
 *     slab -> bio_recv (one memcpy) -> record buffer, decrypted in place -> the caller's plain
 * bytes plain -> record buffer, encrypted in place -> bio_send -> out-queue
 *
 * Invariants: a host name, or the explicit "none" of an IP literal, is always set; the verify
 * callback is always installed, so that a finished handshake in which it did not run resumed an
 * offered session, or is refused; an error is sticky and nothing is written after it.
 * Everything that knows the insides of 2.28 (its record buffers, its kept certificate, its
 * unchecked Finished) is below the line "what depends on mbedTLS 2.28"; names and words are in
 * tls_verify.c, error codes in tls_code.c, CA files in tls_trust.c. No clock, no socket, no global
 * state. */
#include "wire/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_internal.h>
#include <mbedtls/version.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "wire/tls_code.h"
#include "wire/tls_state.h"
#include "wire/tls_verify.h"

#if MBEDTLS_VERSION_MAJOR != 2 || MBEDTLS_VERSION_MINOR != 28
#error "leat is written for mbedTLS 2.28"
#endif

enum {
  MESSAGE_BYTES_MAX = 320,
  HOST_BYTES_MAX = 253,
  REPLIES_MAX = 16, /* records a peer may draw from us while we only read (HelloRequests) */
  KEEP_BYTES = 512, /* of each record buffer: never purged, so that small records cost no fault */
  RECORD_HEADER_BYTES = 5,
  FINISHED_BYTES = 12
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
static void guard_finished(lti_tls *tls);
static void drop_peer_certificate(lti_tls *tls);
static bool refuses_session(const lti_tls *tls, leat_slice cipher);
static bool has_ticket_or_id(const lti_tls *tls);
static bool is_between_records(const lti_tls *tls);
static unsigned received_alert(const lti_tls *tls);
static leat_slice record_start(const lti_tls *tls);
static bool purge_buffer(const lti_tls *tls, unsigned char *buffer, size_t size);
static void discard_buffer(const lti_tls *tls, unsigned char **buffer, size_t size);

/* ---- connections ---------------------------------------------------------------------------- */

int lti_tls_new(lti_tls_context *context, const lti_tls_target *target,
                const lti_tls_session *resume, lti_outq *out, lti_tls **tls) {
  const char *host = target->host;
  size_t n = strlen(host);
  if (n && host[n - 1] == '.') n--;
  if (n == 0 || n > HOST_BYTES_MAX) return LEAT_EINVAL;
  lti_tls *t = lti_alloc_zero(context->alloc, sizeof *t + n + 1);
  if (!t) return LEAT_ENOMEM;
  t->context = context;
  t->out = out;
  t->alpn = target->alpn;
  memcpy(t->host, host, n);
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

void lti_tls_free(lti_tls *tls) {
  if (!tls) return;
  lti_alloc *alloc = tls->context->alloc;
  discard_buffer(tls, &tls->ssl.in_buf, MBEDTLS_SSL_IN_BUFFER_LEN);
  discard_buffer(tls, &tls->ssl.out_buf, MBEDTLS_SSL_OUT_BUFFER_LEN);
  mbedtls_ssl_free(&tls->ssl);
  lti_alloc_put(alloc, tls->message);
  lti_alloc_wipe(alloc, tls, sizeof *tls);
}

int lti_tls_handshake(lti_tls *tls, leat_slice *cipher) {
  if (tls->error) return tls->error;
  if (tls->established) return LTI_OK;
  int native;
  tls->cipher = cipher;
  do {
    guard_finished(tls);
    native = mbedtls_ssl_handshake_step(&tls->ssl);
  } while (native == 0 && tls->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER);
  tls->cipher = NULL;
  if (tls->finished_unmade) return fail(tls, MBEDTLS_ERR_SSL_ALLOC_FAILED);
  if (native == MBEDTLS_ERR_SSL_WANT_READ) return LTI_AGAIN;
  if (native) return fail(tls, native);
  return finish_handshake(tls);
}

bool lti_tls_step_expensive(const lti_tls *tls) {
  if (tls->error || tls->established) return false;
  int state = tls->ssl.state;
  if (state == MBEDTLS_SSL_SERVER_HELLO) return !tls->offered;
  return state > MBEDTLS_SSL_SERVER_HELLO && state <= MBEDTLS_SSL_CLIENT_KEY_EXCHANGE;
}

bool lti_tls_flight_expensive(const lti_tls *tls, leat_slice cipher) {
  if (lti_tls_step_expensive(tls)) return true;
  if (tls->error || tls->established || !tls->offered) return false;
  return tls->ssl.state == MBEDTLS_SSL_SERVER_HELLO && refuses_session(tls, cipher);
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
  while (cipher->size || mbedtls_ssl_get_bytes_avail(&tls->ssl)) {
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
    } else if (n != MBEDTLS_ERR_SSL_WANT_READ) {
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
    if (n <= 0) return fail(tls, n);
    plain = lti_slice_from(plain, (size_t)n);
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
  lti_tls_session *s = lti_alloc_zero(tls->context->alloc, size);
  if (!s) return NULL;
  s->alloc = tls->context->alloc;
  s->serial = tls->context->serial;
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
  return tls->established && !tls->error && has_ticket_or_id(tls);
}

void lti_tls_purge(lti_tls *tls) {
  if (tls->in_touched && is_between_records(tls)) {
    tls->in_touched = !purge_buffer(tls, tls->ssl.in_buf, MBEDTLS_SSL_IN_BUFFER_LEN);
  }
  if (tls->out_touched && tls->ssl.out_left == 0) {
    tls->out_touched = !purge_buffer(tls, tls->ssl.out_buf, MBEDTLS_SSL_OUT_BUFFER_LEN);
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

/* ---- setting up ----------------------------------------------------------------------------- */

/* For an IP literal the name is expressly none: no SNI. check_certificate looks at both kinds. */
static int session_setup(lti_tls *tls, const lti_tls_session *resume) {
  int native = mbedtls_ssl_setup(&tls->ssl, &tls->context->configs[tls->alpn]);
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
  return session->serial == tls->context->serial && session->alpn == tls->alpn &&
         lti_slice_equal_nocase(lti_slice_of(session->host), lti_slice_of(tls->host));
}

/* Called from the root down to the leaf (depth 0) of every full handshake. Adds our own check of
 * the name; puts what is wrong into words while the certificate is at hand. */
static int check_certificate(void *context, mbedtls_x509_crt *cert, int depth, uint32_t *flags) {
  lti_tls *tls = context;
  tls->verified = true;
  if (tls->context->insecure) {
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

static int bio_send(void *context, const unsigned char *bytes, size_t size) {
  lti_tls *tls = context;
  if (tls->reading && ++tls->replies > REPLIES_MAX) {
    tls->bio_error = LEAT_ETLS;
    return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
  }
  if (bytes + size > tls->ssl.out_buf + KEEP_BYTES) tls->out_touched = true;
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
  if (bytes + size > tls->ssl.in_buf + KEEP_BYTES) tls->in_touched = true;
  return (int)size;
}

/* ---- the end of a handshake, good or bad ---------------------------------------------------- */

static int finish_handshake(lti_tls *tls) {
  if (!tls->verified && !tls->offered) {
    return fail_with(tls, LEAT_ECERT, "the handshake with %s ended without a certificate");
  }
  tls->established = true;
  drop_peer_certificate(tls);
  lti_tls_purge(tls);
  return LTI_OK;
}

static int fail(lti_tls *tls, int native) {
  tls->native = native;
  if (tls->bio_error == LEAT_ETLS) {
    return fail_with(tls, LEAT_ETLS, "%s keeps asking for renegotiation");
  }
  if (tls->bio_error == LEAT_ENOMEM || lti_tls_code_is_memory(native)) {
    return fail_with(tls, LEAT_ENOMEM, "memory ran out under TLS with %s");
  }
  if (native == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) return fail_alert(tls);
  if (native == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
    return fail_with(tls, LEAT_ERESET, "%s closed the connection during the TLS handshake");
  }
  if (lti_tls_code_is_certificate(native)) return fail_certificate(tls);
  if (native == MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION) {
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
  unsigned alert = received_alert(tls);
  char text[128];
  const char *why = "";
  if (alert == MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION) why = ": it speaks no TLS 1.2";
  if (alert == MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL) {
    why = ": the server speaks none of the offered protocols";
  }
  if (alert == MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE) {
    why = ": no version, cipher suite or curve in common";
  }
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
  leat_slice start = record_start(tls);
  bool first = !tls->established && tls->ssl.state == MBEDTLS_SSL_SERVER_HELLO;
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
  tls->message = lti_alloc_get(tls->context->alloc, MESSAGE_BYTES_MAX);
  const char *host = strstr(text, "%s");
  if (!tls->message) return NULL;
  if (!host) host = text + strlen(text);
  snprintf(tls->message, MESSAGE_BYTES_MAX, "%.*s%s%s", (int)(host - text), text, tls->host,
           *host ? host + 2 : "");
  return tls->message;
}

/* The next record goes in whole, so that what it holds is not cut in two. */
static bool next_record_fits(leat_slice cipher, size_t room) {
  if (room >= MBEDTLS_SSL_MAX_CONTENT_LEN || cipher.size < RECORD_HEADER_BYTES) return true;
  const unsigned char *header = (const unsigned char *)cipher.data;
  return (size_t)(header[3] << 8 | header[4]) <= room;
}

/* ---- what depends on mbedTLS 2.28 ----------------------------------------------------------- */

#if MBEDTLS_VERSION_NUMBER < 0x021c0a00
/* CVE-2025-27810: before 2.28.10, when an allocation fails inside the pseudo-random function, the
 * digest of Finished is never written, and whatever lay on the stack is compared with the peer's.
 * So the digest is set to a mark first; if the mark is still there afterwards, none was made. */
static void make_finished(mbedtls_ssl_context *ssl, unsigned char *digest, int from) {
  static const unsigned char mark[FINISHED_BYTES] = "no finished";
  lti_tls *tls = ssl->p_bio;
  memcpy(digest, mark, FINISHED_BYTES);
  tls->calc_finished(ssl, digest, from);
  if (memcmp(digest, mark, FINISHED_BYTES) == 0) tls->finished_unmade = true;
}

/* mbedTLS chooses the function along with the cipher suite, some steps before it is needed. */
static void guard_finished(lti_tls *tls) {
  mbedtls_ssl_handshake_params *handshake = tls->ssl.handshake;
  int state = tls->ssl.state;
  if (state != MBEDTLS_SSL_CLIENT_FINISHED && state != MBEDTLS_SSL_SERVER_FINISHED) return;
  if (handshake->calc_finished == make_finished) return;
  tls->calc_finished = handshake->calc_finished;
  handshake->calc_finished = make_finished;
}
#else
static void guard_finished(lti_tls *tls) {
  (void)tls;
}
#endif

/* A server that resumes echoes the session id that ClientHello made up beside the ticket, or took
 * from the session (RFC 5246 section 7.4.1.3, RFC 5077 section 3.4):
 *
 *     16 03 03 len | 02 len(3) | 03 03 | random(32) | id length | id ...
 *
 * Of a ServerHello that has not come that far, nothing can be said. */
static bool refuses_session(const lti_tls *tls, leat_slice cipher) {
  enum { TYPE = RECORD_HEADER_BYTES, ID_SIZE = TYPE + 4 + 2 + 32, ID };
  const mbedtls_ssl_session *offered = tls->ssl.session_negotiate;
  const unsigned char *hello = (const unsigned char *)cipher.data;
  if (tls->ssl.in_left || cipher.size < ID) return false;
  if (hello[0] != MBEDTLS_SSL_MSG_HANDSHAKE || hello[TYPE] != MBEDTLS_SSL_HS_SERVER_HELLO) {
    return false;
  }
  size_t n = hello[ID_SIZE];
  if (n == 0 || n != offered->id_len) return true;
  return cipher.size >= ID + n && memcmp(hello + ID, offered->id, n) != 0;
}

/* Some 3 KB that only a renegotiation would look at again, and that would be copied into every
 * saved session. */
static void drop_peer_certificate(lti_tls *tls) {
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
  mbedtls_ssl_session *session = tls->ssl.session;
  mbedtls_x509_crt_free(session->peer_cert);
  mbedtls_free(session->peer_cert);
  session->peer_cert = NULL;
#else
  (void)tls;
#endif
}

static bool has_ticket_or_id(const lti_tls *tls) {
  return tls->ssl.session->ticket_len > 0 || tls->ssl.session->id_len > 0;
}

static bool is_between_records(const lti_tls *tls) {
  return tls->ssl.in_left == 0 && mbedtls_ssl_check_pending(&tls->ssl) == 0;
}

static unsigned received_alert(const lti_tls *tls) {
  return tls->ssl.in_msg[1];
}

static leat_slice record_start(const lti_tls *tls) {
  if (tls->ssl.in_left < RECORD_HEADER_BYTES) return lti_slice(NULL, 0);
  return lti_slice((const char *)tls->ssl.in_hdr, RECORD_HEADER_BYTES);
}

/* The whole pages of a record buffer behind its front, which begins with the record counter. On
 * systems with large pages there may be none: then the empty slice at its end. */
static leat_slice whole_pages(const lti_tls *tls, unsigned char *buffer, size_t size) {
  uintptr_t page = tls->context->page_bytes;
  uintptr_t first = ((uintptr_t)buffer + KEEP_BYTES + page - 1) & ~(page - 1);
  uintptr_t end = ((uintptr_t)buffer + size) & ~(page - 1);
  if (first >= end) return lti_slice((char *)buffer + size, 0);
  return lti_slice((char *)first, end - first);
}

/* 16.7 KB each, mostly unused. What is given back comes again as zeroes. */
static bool purge_buffer(const lti_tls *tls, unsigned char *buffer, size_t size) {
  leat_slice pages = whole_pages(tls, buffer, size);
  return pages.size == 0 || madvise((void *)pages.data, pages.size, MADV_DONTNEED) == 0;
}

/* mbedtls_ssl_free would wipe all of the buffer, and so bring its pages back just before they go:
 * 4,000 connections closed at once would need the most memory then. Here only what was touched is
 * wiped, or everything when the system does not take the pages. */
static void discard_buffer(const lti_tls *tls, unsigned char **buffer, size_t size) {
  if (!*buffer) return;
  leat_slice pages = whole_pages(tls, *buffer, size);
  unsigned char *first = (unsigned char *)pages.data, *end = first + pages.size;
  if (!purge_buffer(tls, *buffer, size)) lti_wipe(first, pages.size);
  lti_wipe(*buffer, (size_t)(first - *buffer));
  if (tls->in_touched || tls->out_touched) lti_wipe(end, (size_t)(*buffer + size - end));
  mbedtls_free(*buffer);
  *buffer = NULL;
}
