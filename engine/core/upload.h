/* A request's body that is not in memory: read from its sources a piece at a time, as its
 * connection takes it.
 *
 *          begin            hungry            turn: bytes        hungry
 *   IDLE ----------> GIVEN --------> WANTED --------------> GIVEN ------> ...
 *     ^                                | turn: nothing yet
 *     | stop, from anywhere            v
 *     +-----------------            WAITING -- ready --> WANTED
 *
 * GIVEN has a piece on its way, the first being empty; WANTED is read from in the engine's next
 * turn; WAITING has found nothing and is woken by its source; ENDED (not shown) has given the last
 * piece. Sources are read from the turn alone, never inside what sends: so they may cancel.
 *
 * A form is one body of many parts: texts, which are in memory, with sources between them. */
#ifndef LTI_UPLOAD_H
#define LTI_UPLOAD_H

#include "core/engine.h"

typedef struct lti_upload lti_upload;
typedef struct lti_request lti_request;

/* The body that `request` describes by `source` or `form`. NULL when it has neither. LEAT_EINVAL,
 * LEAT_EHEADER, LEAT_ESOURCE, LEAT_EFDLIMIT, LEAT_ENOMEM, with the engine's message. */
int lti_upload_new(leat_engine *e, const leat_request *request, lti_upload **upload);
/* What the request's head says of it: see lti_spec_load. */
const lti_spec_load *lti_upload_load(const lti_upload *u);
/* Nothing is read any more: sources are closed, if the request was accepted. */
void lti_upload_close(lti_upload *u, bool accepted);
/* Closes as well. NULL is fine. */
void lti_upload_free(lti_upload *u);

/* Bytes in all; LTI_HTTP_UNSIZED where that is not known. */
uint64_t lti_upload_size(const lti_upload *u);
/* May it be sent (again)? Not once something was taken that cannot be rewound. */
bool lti_upload_repeats(const lti_upload *u);
/* When the connection last took a piece of it, 0: not yet in this attempt. */
uint64_t lti_upload_moved_ns(const lti_upload *u);

/* An attempt begins: what the exchange and the request's head need. Then reads, once the exchange
 * has started. */
void lti_upload_begin(lti_upload *u, lti_exchange *x, lti_http_request *http);
void lti_upload_go(lti_upload *u, lti_request *r);
/* The exchange is over. */
void lti_upload_stop(lti_upload *u);
/* Its server has said that it does not want the rest: nothing more is read. */
void lti_upload_cease(lti_upload *u);
/* As the exchange's `hungry`. */
void lti_upload_hungry(lti_upload *u);
/* A source has something again. */
void lti_upload_ready(lti_upload *u);
/* The engine's turn: reads from those that are WANTED. */
void lti_upload_turn(leat_engine *e);

#endif
