/* The engine's inside: what requests and tasks share. Only core/ sees this. */
#ifndef LTI_ENGINE_H
#define LTI_ENGINE_H

#include "base/prng.h"
#include "base/slots.h"
#include "core/dispatch.h"
#include "core/endpoints.h"
#include "core/metrics.h"
#include "core/poller.h"
#include "core/post.h"
#include "core/spec.h"
#include "io/journal.h"
#include "leat.h"
#include "wire/lines.h"

/* Both live in the engine's one table of ids; this is their first member. */
enum lti_item_kind { LTI_ITEM_REQUEST, LTI_ITEM_TASK };

typedef struct lti_item {
  lti_list due; /* in engine->finished or engine->resumed */
  enum lti_item_kind kind;
  leat_id id;
  leat_engine *engine;
} lti_item;

enum lti_engine_state {
  ENGINE_OPEN,
  ENGINE_DRAINING, /* leat_close: what runs may end */
  ENGINE_CLOSING,  /* nothing is left but handles and lookups */
  ENGINE_GONE
};

typedef struct lti_gate lti_gate;

struct leat_engine {
  lti_alloc alloc;
  leat_config config; /* defaults resolved; its texts are copies in `texts` */
  char *texts;
  size_t texts_size;
  lti_spec_defaults defaults;
  lti_spec_places places;
  lti_endpoints endpoints;
  leat_deadlines deadlines[2]; /* of requests that name none: not streamed, streamed */
  lti_loop *loop;
  lti_alarms alarms;
  lti_dns *dns;
  lti_pool *pool;
  lti_gate *gate;
  lti_dispatch dispatch;
  lti_slots items;
  lti_poller poller;
  lti_journal *journal; /* NULL: none */
  lti_prng prng;
  lti_list finished; /* requests and tasks whose done is due */
  lti_list resumed;  /* requests to go on with */
  lti_list watched;  /* what of them is owed to the observer */
  leat_observer observer;
  lti_metrics *metrics; /* NULL: off */
  lti_list uploads;     /* whose connections take more of their bodies: see upload.h */
  uint64_t hidden_live; /* sockets of one turn each */
  leat_stats stats;
  lti_buf message;       /* of the last failed call */
  lti_buf scratch;       /* short texts while one call lasts */
  lti_buf decoded;       /* what decoders write anew: see lti_protocol_scratch */
  lti_lines_spare spare; /* of answers whose lines were cut */
  enum lti_engine_state state;
  bool cancel_all; /* leat_close NOW: in the next turn */
  bool drain_all;  /* leat_close DRAIN: sockets, in the next turn */
  bool running;    /* leat_run is on the stack */
  leat_close_cb on_close;
  void *on_close_user;
  lti_post post;
};

/* A turn will come without sleeping, and the loop stays alive until then. */
void lti_engine_kick(leat_engine *e);
/* True, and the message set, when the engine takes no new work. */
bool lti_engine_closed(leat_engine *e);
int lti_engine_fail(leat_engine *e, int error, const char *message);
void lti_engine_trace(leat_engine *e, leat_id id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
