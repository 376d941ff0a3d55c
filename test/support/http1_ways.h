/* Plays one HTTP/1.1 script in every way that must make no difference: whole, byte by byte, cut at
 * every place, when short at every two places, and with a sink that stops at every body byte. */
#ifndef TEST_HTTP1_WAYS_H
#define TEST_HTTP1_WAYS_H

#include "support/http1_record.h"

#define HTTP1_LIMIT 65536

#define OK      "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

/* A literal, which may hold NUL. */
#define RAW(text)                   lti_slice(text, sizeof(text) - 1)
#define SCRIPT(method, raw, ending) (&(record_script){method, raw, ending, HTTP1_LIMIT})

/* Plays it once; `r` says how. The caller calls record_deinit. */
void http1_play(const record_script *script, record *r, const size_t *cuts, size_t cut_count);
/* Plays it as `how` says and with these cuts, and fails the test when it differs from `whole`. */
void http1_way(const record_script *script, const record *whole, const record *how,
               const size_t *cuts, size_t cut_count);
/* All ways; returns the whole run's record. The caller calls record_deinit. */
record http1_every_way(const record_script *script);

/* The answer is whole; `reusable` tells what the connection is by the answer alone. */
void check_script_completes(const record_script *script, int status, const char *body,
                            bool reusable);
/* It fails with `code` and a reason in which `reason` occurs, after delivering `body`. */
void check_script_breaks(const record_script *script, int code, const char *reason,
                         const char *body);

#define check_completes(text, status, body, reusable) \
  check_script_completes(SCRIPT("POST", RAW(text), RECORD_STAYS_OPEN), status, body, reusable)
#define check_refused_after(text, body, reason) \
  check_script_breaks(SCRIPT("POST", RAW(text), RECORD_STAYS_OPEN), LEAT_EHTTP, reason, body)
#define check_refused(text, reason) check_refused_after(text, "", reason)

#endif
