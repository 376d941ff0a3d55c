/* What an answer about an asynchronous job holds, private to protocols/: the facts that the engine
 * goes by (task_reply.c, declared in protocol.h), and the results, which may be many
 * (task_result.c). */
#ifndef LTI_TASK_REPLY_H
#define LTI_TASK_REPLY_H

#include "member.h"
#include "protocol.h"

/* The two objects of an answer that count: the whole, and the one that speaks of the job, which may
 * be the same. Views of the JSON. */
typedef struct lti_task_places {
  leat_slice root, job;
} lti_task_places;

/* False when there is no JSON object to be found. */
bool lti_task_places_find(leat_slice json, lti_task_places *places);

/* Where results go that lti_task_result_walk meets. Ranks say which is better: 0 is the best. */
typedef struct lti_task_sink {
  int (*url)(struct lti_task_sink *sink, lti_json_text text, unsigned rank);
  lti_json_text text;      /* lyrics, or another result that is text: the first that was met */
  bool has_text;           /* `text` holds one */
  leat_slice stems, lines; /* JSON: named URLs, timed lyrics; empty: none */
} lti_task_sink;

#define LTI_TASK_RANKS 256u /* above every rank */

/* Goes once over the JSON of a job. LTI_OK, or what `url` returned. */
int lti_task_result_walk(leat_slice job, lti_task_sink *sink);
/* "https:", "http:", "data:" or a path. */
bool lti_task_result_is_url(leat_slice text);

#endif
