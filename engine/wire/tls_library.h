/* Where mbedTLS 2.28 and 3.6 differ, and what is taken from inside them.
 *
 * tls_28.c and tls_36.c each answer all of this for their own line, and are empty under the other.
 * Nothing here knows a connection of ours: it is all about mbedTLS's own types. */
#ifndef LTI_TLS_LIBRARY_H
#define LTI_TLS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct mbedtls_pk_context;
struct mbedtls_ssl_config;
struct mbedtls_ssl_context;
struct mbedtls_x509_crt;

typedef int (*lti_tls_library_random)(void *context, unsigned char *out, size_t size);

/* How far a handshake is. */
enum lti_tls_stage {
  LTI_TLS_STAGE_CHEAP, /* before the server's answer, or behind the key exchange */
  LTI_TLS_STAGE_HELLO, /* ServerHello is waited for: it decides what comes */
  LTI_TLS_STAGE_OPEN,  /* keys follow, unless a session is resumed */
  LTI_TLS_STAGE_KEYS,  /* certificates and a key exchange: milliseconds */
  LTI_TLS_STAGE_OVER
};

/* What watches over one handshake. A connection's structure, which is what it gives to
 * mbedtls_ssl_set_bio, must begin with it. All zero at first. */
typedef struct lti_tls_library_guard {
  void (*calc_finished)(struct mbedtls_ssl_context *ssl, unsigned char *digest, int from);
  bool unmade; /* Finished was not computed, because memory ran out */
} lti_tls_library_guard;

/* A line of versions in which this one, found at run time, may be used. */
bool lti_tls_library_fits(unsigned version);
/* Once a context, before anything else. 0, or mbedTLS's error. */
int lti_tls_library_start(void);
/* In a forked child, before its first random numbers. An error when the library cannot part the
 * child's numbers from the parent's. */
int lti_tls_library_part(void);

/* Versions, suites, curves, signatures and tickets. */
void lti_tls_library_configure(struct mbedtls_ssl_config *config, bool tls12_only);
/* `pem` ends in a NUL that counts. */
int lti_tls_library_parse_key(struct mbedtls_pk_context *key, leat_slice pem,
                              lti_tls_library_random random, void *context);
int lti_tls_library_check_pair(const struct mbedtls_x509_crt *certificate,
                               const struct mbedtls_pk_context *key, lti_tls_library_random random,
                               void *context);

/* One step of the handshake. */
int lti_tls_library_step(struct mbedtls_ssl_context *ssl, lti_tls_library_guard *guard);
enum lti_tls_stage lti_tls_library_stage(const struct mbedtls_ssl_context *ssl);
/* True when the bytes show a ServerHello that refuses the session that was offered; false while
 * they do not show it yet. */
bool lti_tls_library_refuses(const struct mbedtls_ssl_context *ssl, leat_slice cipher);
/* At the end of a handshake: gives up what nobody will look at again. */
void lti_tls_library_settle(struct mbedtls_ssl_context *ssl);

/* Asking for plain bytes again is worth it though no more cipher bytes are there. */
bool lti_tls_library_pending(const struct mbedtls_ssl_context *ssl);
/* Not an error of a call, but the news that a ticket came (TLS 1.3); call again. */
bool lti_tls_library_is_ticket(int native);
/* A session is there that was not copied yet. */
bool lti_tls_library_has_session(const struct mbedtls_ssl_context *ssl);
/* The alert that a call failed with. */
unsigned lti_tls_library_alert(const struct mbedtls_ssl_context *ssl);
/* The header of the record that is being read, once it is there. */
leat_slice lti_tls_library_record(const struct mbedtls_ssl_context *ssl);

/* The record buffers, as much of them as a record may touch. Idle: behind the record counter and
 * some bytes at the front, what is in it is of no use any more. */
leat_slice lti_tls_library_in(const struct mbedtls_ssl_context *ssl);
leat_slice lti_tls_library_out(const struct mbedtls_ssl_context *ssl);
bool lti_tls_library_in_idle(const struct mbedtls_ssl_context *ssl);
bool lti_tls_library_out_idle(const struct mbedtls_ssl_context *ssl);
/* Frees both, which the caller has wiped, so that mbedtls_ssl_free need not. */
void lti_tls_library_drop_buffers(struct mbedtls_ssl_context *ssl);

#endif
