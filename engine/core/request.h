/* One request from submit to done: the only place that sees both of its directions.
 *
 *   QUEUED -> SENT -> READING ------> FINISHED
 *     ^         |        |
 *     |         +-> REFUSED (an error status: its body is read) -> BACKOFF or FINISHED
 *     +--- BACKOFF <-----+
 *
 * QUEUED waits for a connection, SENT for the response's head; READING decodes a success; BACKOFF
 * waits to try again; FINISHED waits for its done, in the loop's next turn, or for a paused reader
 * to have what is held. request.c has the life and the attempts, response.c what comes back,
 * deadline.c the clocks, watch.c those who look on, result.c what is told at the end. A socket's
 * handshake is a request too, whose connection the socket takes over in READING; and so is a turn
 * on a socket, which has no connection: see socket.h. */
#ifndef LTI_REQUEST_H
#define LTI_REQUEST_H

#include "core/answer.h"
#include "core/engine.h"
#include "core/hold.h"
#include "wire/inflate.h"

typedef struct lti_socket lti_socket;
typedef struct lti_watch lti_watch;
typedef struct lti_upload lti_upload;
typedef struct lti_ticket lti_ticket;
typedef struct lti_resume lti_resume;

enum lti_request_state {
  REQUEST_QUEUED,
  REQUEST_SENT,
  REQUEST_READING,
  REQUEST_REFUSED,
  REQUEST_BACKOFF,
  REQUEST_FINISHED
};

/* What an error status brought: made when one comes. */
typedef struct lti_refusal {
  lti_buf body;
  lti_buf texts;       /* the copied head */
  lti_buf error_texts; /* the provider's error, decoded */
  leat_header *headers;
  size_t header_count;
  lti_provider_error error;
} lti_refusal;

/* Words about how it went: made when there are some. */
typedef struct lti_words {
  lti_buf message;
  lti_buf masked; /* provider's words that held the key */
} lti_words;

/* What an event touches stands together, from the end of `item` to the beginning of
 * `exchange.stream`: requests are many, and each of them is cold when its next event comes. */
struct lti_request {
  lti_item item; /* first */
  leat_event_cb on_event;
  void *user;
  lti_answer *answer;
  lti_inflate *inflate;
  lti_socket *socket; /* it is that one's handshake, or a turn on it; NULL: neither */
  uint64_t last_content_ns;
  uint64_t bytes, events, records;
  enum lti_request_state state;
  uint32_t attempts;
  bool turn; /* a turn on `socket` */
  bool call; /* raw, but as an API call: retries, redirects, statuses are errors */
  bool once, want_raw, paused, delivered, content_seen;
  bool noted; /* `ticket` or `resume` hears of its events */
  lti_hold hold;
  lti_exchange exchange;
  leat_done_cb on_done;
  lti_spec spec;
  lti_origin *origin;
  union {
    lti_lease lease;    /* in line for a connection */
    lti_list turn_node; /* of a turn: in line for its socket */
  };
  lti_alarm alarm;
  const leat_deadlines *deadlines; /* the engine's, or its own */
  lti_refusal *refusal;
  lti_upload *upload; /* its body, when that is not in memory; NULL: it is */
  lti_words *words;
  lti_watch *watch;   /* NULL: nobody watches */
  lti_ticket *ticket; /* its place before the gate, NULL: it need not pass it */
  lti_resume *resume; /* NULL: when it breaks off it ends */
  char *request_id;   /* the server's, NULL: none */
  leat_times times;   /* but for last_content_ns */
  uint64_t since_ns;  /* the clocks of bytes and content count from here at least: head, resume */
  uint64_t backoff_until;
  uint64_t wait_from_ns, waited_ns; /* in the queue: since when, less and so far in all attempts */
  uint64_t excused_ns;              /* a deadline that passed while the loop was held up */
  uint64_t origin_taken;            /* lti_pool_origin_taken at the last replay */
  int64_t retry_after_ms;
  uint32_t redirects, resumed;
  int retries_done, retries_max, redirects_max;
  int replays_done, replays_idle; /* idle: those since the server took up any request */
  int error, native, status;
  signed char should_retry; /* x-should-retry: 1 true, -1 false, 0 not told */
  bool maybe_ran;           /* an attempt that was given up may have reached the model */
  bool maybe_ran_twice, retryable;
  bool resumed_tls, reused_connection, name_known;
  signed char http;    /* enum leat_http: of the last attempt's connection */
  signed char tls;     /* enum leat_tls, the same */
  signed char wanted;  /* and as it was asked for */
  unsigned char layer; /* enum leat_layer of `error` */
};

/* As leat_submit. `call`: see above; protocol "raw" only. */
int lti_request_submit(leat_engine *e, const leat_request *request, bool call, leat_id *id);
/* A call that is work for the provider, and so is paced by its limits: a task's submit. */
int lti_request_order(leat_engine *e, const leat_request *request, leat_id *id);
/* The same as a call, to a place that somebody else has named: no credential goes there. */
int lti_request_fetch(leat_engine *e, const leat_request *request, leat_id *id);
/* A socket's handshake: `upgrade` says how. The request is in s->request then. */
int lti_request_upgrade(leat_engine *e, const leat_request *request,
                        const lti_spec_upgrade *upgrade, lti_socket *s);
/* A turn, made but not entered anywhere: lti_request_drop frees it, lti_request_started counts it.
 */
int lti_request_turn(leat_engine *e, const leat_request *request, lti_request **turn);
/* Another request that is to take this one's place under its id: as above. */
int lti_request_draft(leat_engine *e, const leat_request *request, lti_request **draft);
void lti_request_drop(lti_request *r);
void lti_request_started(lti_request *r);
void lti_request_cancel(lti_request *r);
/* As a cancel, with LEAT_ESUPERSEDED; but what has ended already and only waits to be told is. */
void lti_request_supersede(lti_request *r);
void lti_request_resume(lti_request *r);
/* From the turn: goes on with one that was resumed; tells and frees one that is finished. */
void lti_request_go_on(lti_request *r);
void lti_request_tell(lti_request *r);

/* ---- between the files of a request */

/* Made at the first call, NULL without memory. */
lti_words *lti_request_words(lti_request *r);
/* Replaces the message. */
void lti_request_say(lti_request *r, leat_slice message);

/* An attempt has failed: repeats it or finishes. */
void lti_request_settle(lti_request *r, const lti_failure *failure);
void lti_request_finish(lti_request *r, const lti_failure *failure);
/* Next attempt, elsewhere. */
void lti_request_redirected(lti_request *r, lti_origin *origin);
void lti_request_failed(lti_request *r, int error, enum leat_layer layer, const char *message);
/* Into the queue once more, ahead of the others if it has waited already. */
void lti_request_again(lti_request *r, bool first);
/* Takes the request off its connection, if it has one. */
void lti_request_detach(lti_request *r, bool drain);

extern const lti_exchange_sink lti_response_sink;
/* Forgets what an attempt brought. */
void lti_response_reset(lti_request *r);
/* Delivers one event, whether paused or not; and keeps one for later. */
int lti_response_emit(lti_request *r, leat_event *event);
int lti_response_hold(lti_request *r, const leat_event *event);
/* A decoder's sink, whose `ctx` is the request: delivers, or holds while paused. */
int lti_response_event(void *ctx, leat_event *event);
/* A turn: its decoder is made; and is given a message, as lti_answer_message. */
int lti_response_begin(lti_request *r);
int lti_response_message(lti_request *r, leat_slice text);
void lti_response_hold_clear(lti_request *r);
/* The refusal is read as far as it goes: repeats or finishes. */
void lti_response_refused(lti_request *r);
/* Its head is delivered once no repeat follows. */
void lti_response_emit_refusal(lti_request *r);

/* Sets the alarm to the next deadline. */
void lti_deadline_arm(lti_request *r);
void lti_deadline_fire(lti_alarm *alarm, uint64_t now_ns);

/* Fills the result; its views live as long as the request. */
void lti_result_fill(lti_request *r, leat_result *result);

#endif
