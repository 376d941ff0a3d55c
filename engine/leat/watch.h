/* leat's ways to be watched: an observer that sees every attempt, and text for Prometheus. A part
 * of leat.h, which includes it; its rules hold here. */
#ifndef LEAT_WATCH_H
#define LEAT_WATCH_H

#ifndef LEAT_H
#error "include leat.h, which includes this"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the observer -------------------------------------------------------------------------------
 */

/* One attempt, before it is sent. The slices are views, valid until the callback returns. */
typedef struct leat_attempt {
  leat_id id;      /* of the request; for a socket's handshake the socket's, or the turn's where the
                      socket is the turn's own */
  uint32_t number; /* from 1 */
  uint32_t hops;   /* redirects that were followed before it */
  leat_slice protocol, model;    /* empty: not known. "raw" is a protocol here */
  leat_slice method, host, path; /* without the query, which may hold a key. A turn's method is
                                    empty */
  uint16_t port;
  bool tls;
  bool turn; /* on a socket that is open already: no header goes with it */
  uint64_t submitted_ns, now_ns;
  void *user; /* the request's own; NULL for the exchanges of tasks */
} leat_attempt;

/* At most so many fields can be added to an attempt. */
#define LEAT_ATTEMPT_FIELDS 16

/* Sees every request: start, then perhaps retry and start again, and done at the end, in this
 * order for each id. result->attempts + result->redirects times start comes, however an attempt
 * fails; a request that ends before its first attempt has only done. Where on_truncation goes on
 * with an answer, a start follows without a retry. A socket of leat_ws_open is
 * seen as the one request that its handshake is, done when the socket is. A turn is seen as well:
 * on a socket of its own the handshake's attempts are the turn's, on an open one it has one start.
 * The submit, each poll and the download of a task are requests of their own, whose ids nobody else
 * tells.
 *
 * All functions may be NULL. They are called from the loop, like callbacks, and may call what those
 * may; cancelling the request in start or retry leads to done. The struct is copied. */
typedef struct leat_observer {
  /* An attempt is about to be written, or has failed for want of a connection, just before `retry`
   * or `done` say so. Up to `room` header fields, such as traceparent, may be put into `extra`:
   * their number is returned. Each replaces one of the same name, and goes with this attempt alone.
   * They are copied behind the call, so their texts may not be on its stack. A field that cannot be
   * sent ends the request with LEAT_EHEADER, a credential (by its name) over plain http with
   * LEAT_EPLAINKEY; where a redirect, or a URL that a server named, has led to another origin a
   * credential is left out. `room` is 0 where nothing can be added. */
  size_t (*start)(void *user, leat_engine *engine, const leat_attempt *attempt, leat_header *extra,
                  size_t room);
  /* An attempt has failed and another will follow in `wait_ms`; `error` is why. */
  void (*retry)(void *user, leat_engine *engine, const leat_attempt *attempt, int error,
                int64_t wait_ms);
  /* Right before the request's own done. */
  void (*done)(void *user, leat_engine *engine, leat_id id, const leat_result *result);
  void *user;
} leat_observer;

/* Gives the key for an attempt, behind `start`: called before each one, and before each hop of a
 * redirect within the origin, when the config has it and the request has no key of its own
 * (api_key, "" included, or the header that would have it); config.api_key does not count then.
 * Another origin gets no key, and nothing is asked any more. `*key`, empty at first, is copied
 * behind the call, so its text may not be on its stack; the copy is overwritten when the next
 * attempt has its own, and at the end. Left empty, none is sent. It cannot stand in a query
 * (LEAT_AUTH_QUERY): such a request is refused with LEAT_EINVAL. Anything but LEAT_OK ends the
 * request with that error (a positive number with LEAT_EINVAL), a key that cannot be sent with
 * LEAT_EHEADER. Not asked for turns on an open socket, for sockets without a protocol, and where
 * the key is a subprotocol. What it may call is what any callback may. */
typedef int (*leat_key_cb)(void *user, leat_engine *engine, const leat_attempt *attempt,
                           leat_slice *key);

/* ---- metrics ------------------------------------------------------------------------------------
 */

/* Writes what the engine has counted as Prometheus' text format (version 0.0.4, to be served as
 * "text/plain; version=0.0.4; charset=utf-8"): `put` gets it in pieces of whole lines. LEAT_EINVAL,
 * LEAT_ENOMEM, or what `put` returned when that is not 0, which ends it. What leat_stats has is
 * always there; histograms and counters by class are kept with config.metrics alone.
 *
 * Labels have few values: `protocol` one of ours ("call" for tasks' exchanges and for endpoints
 * without a dialect), `class` an
 * leat_class, `code` "2xx" and the like, `direction`, `handshake`. Nothing that a caller or a peer
 * said is ever a label: neither host nor model nor key.
 *
 *   OpenTelemetry                                   here
 *   gen_ai.client.operation.duration                leat_request_duration_seconds
 *   gen_ai.client.operation.time_to_first_chunk     leat_first_content_seconds
 *   gen_ai.client.operation.time_per_output_chunk   leat_content_gap_seconds
 *   gen_ai.client.token.usage                       leat_request_tokens
 *   gen_ai.token.type (input, output)               direction="input", "output"
 *   error.type                                      class of leat_request_errors_total
 *
 * leat_first_content_seconds counts from the submit, waiting and repeats included, and like
 * leat_content_gap_seconds only for answers that are streamed. */
LEAT_API int leat_stats_write(const leat_engine *engine, int (*put)(void *user, leat_slice text),
                              void *user);

#ifdef __cplusplus
}
#endif
#endif
