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

/* One attempt, before it is sent. */
typedef struct leat_attempt {
  leat_id id;
  uint32_t number;               /* from 1 */
  leat_slice protocol, model;    /* empty: not known */
  leat_slice method, host, path; /* without the query, which may hold a key */
  uint64_t submitted_ns, now_ns;
  void *user; /* the request's own */
} leat_attempt;

/* All may be NULL. They are called from the loop, like callbacks, and may call what those may. */
typedef struct leat_observer {
  /* Before each attempt is written. Up to `room` fields may be put into `extra` (such as
   * traceparent): their number is returned, and they are copied behind the call. */
  size_t (*start)(void *user, leat_engine *engine, const leat_attempt *attempt, leat_header *extra,
                  size_t room);
  /* An attempt has failed and another will follow in `wait_ms`; `error` is why. */
  void (*retry)(void *user, leat_engine *engine, const leat_attempt *attempt, int error,
                int64_t wait_ms);
  /* Right before the request's own done. */
  void (*done)(void *user, leat_engine *engine, leat_id id, const leat_result *result);
  void *user;
} leat_observer;

/* Gives the key for an attempt: called before each one when the config has it and the request has
 * no key of its own. Fills `*key`, which is copied. Anything but LEAT_OK ends the request with that
 * error. */
typedef int (*leat_key_cb)(void *user, leat_engine *engine, const leat_attempt *attempt,
                           leat_slice *key);

/* Writes what the engine has counted as Prometheus' text format (version 0.0.4): `put` gets it in
 * pieces. LEAT_ENOMEM, or what `put` returned when that is not 0. */
LEAT_API int leat_stats_write(const leat_engine *engine, int (*put)(void *user, leat_slice text),
                              void *user);

#ifdef __cplusplus
}
#endif
#endif
