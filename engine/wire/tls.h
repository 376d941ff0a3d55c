/* TLS client sessions on mbedTLS, without a socket: cipher bytes in, plain bytes out, and back.
 *
 * The differences between mbedTLS 2.28 and 3.6 live behind tls_library.h alone. A context holds
 * what connections share: trusted certificates, random numbers, ciphers (ECDHE with AES-GCM first,
 * TLS 1.2 or better). Certificate and host name are always checked unless `insecure`; for an IP
 * literal no SNI is sent and only an iPAddress subjectAltName matches; the certificate's CN is
 * never looked at. RSA keys below 2048 bits and SHA-1 are refused.
 *
 * A session saved from one connection lets others resume: it is tied to the host name, and carries
 * no peer certificate. A refused ticket costs a full handshake, never an error. A handshake during
 * which an allocation failed under mbedTLS is never used: its error codes are looked at, and where
 * 2.28.3 has none, in the computation of Finished (CVE-2025-27810), a mark in the result tells.
 * Errors are sticky, and no bytes are written after one. mbedTLS itself allocates from malloc. */
#ifndef LTI_TLS_H
#define LTI_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/outq.h"
#include "base/slice.h"

typedef struct lti_tls_context lti_tls_context;
typedef struct lti_tls_session lti_tls_session;
typedef struct lti_tls lti_tls;

typedef struct lti_tls_config {
  const char *ca_file; /* NULL and no ca_pem: the system's places */
  leat_slice ca_pem;   /* goes before ca_file */
  bool insecure;       /* nothing is checked, and no CA is needed */
  /* The client's own, PEM; NULL: none. The key is not encrypted, and may stand in the certificate's
   * file or bytes when no key is given. */
  const char *cert_file, *key_file;
  leat_slice cert_pem, key_pem; /* go before the files */
  bool tls12_only;              /* TLS 1.3 is not offered where the library has it */
} lti_tls_config;

/* What is offered by ALPN (RFC 7301), and what the server may pick. */
enum lti_tls_alpn {
  LTI_TLS_ALPN_NONE,      /* nothing is offered; as an answer: nothing was picked */
  LTI_TLS_ALPN_HTTP1,     /* http/1.1 */
  LTI_TLS_ALPN_HTTP2,     /* h2 */
  LTI_TLS_ALPN_HTTP2_OR_1 /* h2, http/1.1; never an answer */
};

/* Whom a session talks to. `host`: the name or IP literal to check, NUL-terminated; one trailing
 * dot is dropped. */
typedef struct lti_tls_target {
  const char *host;
  enum lti_tls_alpn alpn;
} lti_tls_target;

/* LEAT_ENOCA (why in `message`, which gets at most `size` bytes), LEAT_ECLIENTCERT (a client
 * certificate or key that cannot be read, or that do not belong together), LEAT_ENOMEM, LEAT_ETLS.
 * Expensive: parses the CA file; made once, at the first TLS origin. */
int lti_tls_context_new(lti_alloc *alloc, const lti_tls_config *config, lti_tls_context **context,
                        char *message, size_t size);
void lti_tls_context_free(lti_tls_context *context);

/* `resume` may be NULL, and is left aside when it belongs to another context, host or ALPN offer.
 * `out` gets the cipher bytes and must outlive the session. LEAT_EINVAL for an empty or overlong
 * host, LEAT_ENOMEM. */
int lti_tls_new(lti_tls_context *context, const lti_tls_target *target,
                const lti_tls_session *resume, lti_outq *out, lti_tls **tls);
void lti_tls_free(lti_tls *tls);

/* One step of the handshake with the cipher bytes at hand; `*cipher` is advanced past what was
 * used. LTI_OK: finished, what is left of `*cipher` belongs to read. LTI_AGAIN: needs more bytes.
 * Or LEAT_ECERT, LEAT_ETLS, LEAT_ERESET, LEAT_ENOMEM. The first call, with no bytes, sends
 * ClientHello. */
int lti_tls_handshake(lti_tls *tls, leat_slice *cipher);
/* True while the next bytes from the server may cost a full key exchange (milliseconds): the steps
 * from ServerHello to ServerHelloDone, unless a session was offered whose answer is still open.
 * The caller asks before it feeds bytes: when true, the feeding may wait for a later turn, either
 * with the bytes left in the kernel or kept by the caller; nothing is lost by feeding them later.
 */
bool lti_tls_step_expensive(const lti_tls *tls);
/* The same question with the bytes at hand that would be fed next: it also sees that the server
 * refuses the session that was offered, which costs a full key exchange after all. */
bool lti_tls_flight_expensive(const lti_tls *tls, leat_slice cipher);

/* Decrypts into plain[0..capacity): as many whole records as fit; a record larger than the capacity
 * comes in pieces. `*size` says how many bytes were written, whatever is returned. LTI_OK: the
 * cipher bytes are used up. LTI_AGAIN: no room is left in `plain`; call again. LTI_STOPPED:
 * close_notify came; nothing follows. LEAT_ETLS: a bad record. */
int lti_tls_read(lti_tls *tls, leat_slice *cipher, char *plain, size_t capacity, size_t *size);
/* Encrypts all of `plain` into the out-queue: one record for each 16 KB, so join small pieces
 * before. After an error here the queue may hold part of a message: close the connection. */
int lti_tls_write(lti_tls *tls, leat_slice plain);
/* Queues close_notify; harmless before the handshake ended. */
void lti_tls_close(lti_tls *tls);

/* After the handshake: what the server picked. A protocol that was not offered fails the handshake
 * with LEAT_ETLS. */
enum lti_tls_alpn lti_tls_alpn(const lti_tls *tls);
/* After the handshake. A resumed one is told by the verify callback not having run. */
bool lti_tls_resumed(const lti_tls *tls);
/* The session to resume from, to be freed by the caller; NULL when the server gave no ticket. With
 * TLS 1.3 tickets come behind the handshake, one or several, and lti_tls_read or lti_tls_write
 * meets them: lti_tls_ticket_ready says when one came that was not saved yet. mbedTLS 3.6 gives
 * each session once. */
lti_tls_session *lti_tls_session_save(lti_tls *tls);
void lti_tls_session_free(lti_tls_session *session);
bool lti_tls_ticket_ready(const lti_tls *tls);
/* Gives unused whole pages inside the library's record buffers back to the system. Does nothing
 * unless records above some 1 KB went through since the last time or while a record is half read,
 * so it may be called at every idle moment; when it does something it costs a system call, and the
 * next large record a page fault for each 4 KB. The end of a handshake does it by itself. */
void lti_tls_purge(lti_tls *tls);
/* The same for what was sent alone: of a connection that many read from. */
void lti_tls_purge_out(lti_tls *tls);

/* The last failure in words, such as "certificate refused for api.test: expired". */
const char *lti_tls_message(const lti_tls *tls);
int lti_tls_native(const lti_tls *tls);
/* "TLSv1.2" or "TLSv1.3", and the cipher suite's name. */
const char *lti_tls_version(const lti_tls *tls);
const char *lti_tls_cipher(const lti_tls *tls);
/* Cipher bytes handed to the library so far (the BIO's copy). */
uint64_t lti_tls_copied(const lti_tls *tls);

#endif
