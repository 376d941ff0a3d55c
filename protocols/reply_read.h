/* What the readers of typed replies share, private to protocols/: the reply under construction, its
 * memory, and the members that the roots of all answers are looked through for. reply_read.c has
 * the life of a reply and what all groups have, reply_store.c its memory; the groups are in
 * reply_*.c. */
#ifndef LTI_REPLY_READ_H
#define LTI_REPLY_READ_H

#include "base/buf.h"
#include "member.h"
#include "protocol.h"

/* Items of one size that grow in number: they move when they do. */
typedef struct lti_reply_list {
  void *items;
  size_t count, room, size; /* of one item, in bytes */
} lti_reply_list;

/* What the reply is made of, and what its items are made of. */
enum lti_reply_lists {
  LTI_REPLY_ITEMS,
  LTI_REPLY_MORE,
  LTI_REPLY_THIRD,
  LTI_REPLY_LINES,
  LTI_REPLY_LISTS
};

typedef struct lti_reply_block lti_reply_block;

typedef struct lti_reply {
  leat_reply told; /* first: what the caller sees */
  lti_alloc alloc;
  leat_slice body;         /* without blanks and a BOM around it */
  lti_buf scratch;         /* of the text under way */
  lti_buf error_text;      /* what the views of `error` point into */
  lti_reply_block *blocks; /* texts that are no view of the body */
  lti_reply_list lists[LTI_REPLY_LISTS];
  leat_transcript transcript;
  leat_task_reply task;
  bool array; /* the body is one, and stands in for the root's `data` */
} lti_reply;

/* The members of a root that any group may look at. */
enum lti_reply_root {
  LTI_ROOT_ID,
  LTI_ROOT_NAME,
  LTI_ROOT_MODEL,
  LTI_ROOT_CREATED,
  LTI_ROOT_USAGE,
  LTI_ROOT_USAGE_GEMINI,
  LTI_ROOT_ERROR,
  LTI_ROOT_DATA,
  LTI_ROOT_RESULTS,
  LTI_ROOT_OUTPUT,
  LTI_ROOT_IMAGES,
  LTI_ROOT_PREDICTIONS,
  LTI_ROOT_GENERATED,
  LTI_ROOT_CANDIDATES,
  LTI_ROOT_CHOICES,
  LTI_ROOT_B64_JSON,
  LTI_ROOT_URL,
  LTI_ROOT_FORMAT,
  LTI_ROOT_EMBEDDING,
  LTI_ROOT_EMBEDDINGS,
  LTI_ROOT_TEXT,
  LTI_ROOT_LANGUAGE,
  LTI_ROOT_DURATION,
  LTI_ROOT_SEGMENTS,
  LTI_ROOT_WORDS,
  LTI_ROOT_MODELS,
  LTI_ROOT_FLAGGED,
  LTI_ROOT_TOKENS_INPUT,
  LTI_ROOT_TOKENS_TOTAL,
  LTI_ROOT_TOKENS_COUNT,
  LTI_ROOT_FILES,
  LTI_ROOT_FILE,
  LTI_ROOT_BATCHES,
  LTI_ROOT_SLOTS
};

/* ---- memory: reply_store.c */

/* A zeroed item at the end of a list of items of this size, NULL without memory. Pointers into the
 * list are good until the next one is added. */
void *lti_reply_add(lti_reply *r, enum lti_reply_lists list, size_t size);
/* The items, when all are there; NULL where there are none. */
const void *lti_reply_items(const lti_reply *r, enum lti_reply_lists list, size_t *count);
/* A member's text: a view of the body, or ours where it had escapes or was no UTF-8. A number's is
 * as it was written, and everything else's empty. LTI_OK or LEAT_ENOMEM. */
int lti_reply_text(lti_reply *r, const lti_member *m, leat_slice *text);
/* Room for a text, which lives as long as the reply; NULL without memory. */
char *lti_reply_room(lti_reply *r, size_t size);
void lti_reply_release(lti_reply *r);

/* ---- values: reply_store.c. What has another type is what was not told */

double lti_reply_number(const lti_member *m, double otherwise);
int64_t lti_reply_int(const lti_member *m, int64_t otherwise);
/* Unix seconds of a number, or of a text such as "2025-02-19T00:00:00Z" (RFC 3339); 0: neither. */
int64_t lti_reply_time(const lti_member *m);
static inline bool lti_reply_is_list(const lti_member *m) {
  return m->type == LTI_JSON_ARRAY;
}
/* The first of the slots that is an array, ended by LTI_ROOT_SLOTS; NULL: none is. */
const lti_member *lti_reply_list_in(const lti_member *root, const enum lti_reply_root *slots);
/* Takes the next object off an array. Other elements are passed over. */
bool lti_reply_next_object(leat_slice *rest, leat_slice *object);

/* ---- groups: LTI_OK; LEAT_EDECODE, it is none; LEAT_ENOMEM */

int lti_reply_images_read(lti_reply *r, const lti_member *root);
int lti_reply_embeddings_read(lti_reply *r, const lti_member *root);
int lti_reply_transcript_read(lti_reply *r, const lti_member *root);
int lti_reply_models_read(lti_reply *r, const lti_member *root);
int lti_reply_stored_read(lti_reply *r, const lti_member *root);
int lti_reply_moderation_read(lti_reply *r, const lti_member *root);
int lti_reply_rerank_read(lti_reply *r, const lti_member *root);
int lti_reply_tokens_read(lti_reply *r, const lti_member *root);
/* The body is no JSON. */
int lti_reply_captions_read(lti_reply *r);
int lti_reply_task_read(lti_reply *r, const leat_task_form *form);

/* Reads one element of a walk over the members of several roots. */
void lti_reply_root_read(leat_slice object, lti_member *root);

#endif
