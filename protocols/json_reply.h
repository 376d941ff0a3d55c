/* The decoder of answers that are no chat, private to protocols/: one JSON document, or an event
 * stream of images, sound or a transcript. json_reply.c has its life, whole answers and the dialect
 * "json"; media_stream.c reads the streams. */
#ifndef LTI_JSON_REPLY_H
#define LTI_JSON_REPLY_H

#include "member.h"
#include "protocol.h"

#define LTI_JSON_REPLY_KEPT 4096 /* bytes of scratch kept from record to record */

typedef struct lti_json_reply {
  lti_alloc *alloc;
  leat_response response;
  lti_buf meta;    /* what its slices view */
  lti_buf scratch; /* the text of the event under way where it had escapes */
  lti_buf error_text;
  lti_provider_error error;
  lti_json_half half; /* of a transcript's text */
  bool stray;         /* the error stood outside the framing: it counts when nothing better came */
  bool whole;         /* the evidence came */
  bool open;          /* ... and after it something began that has not ended */
  bool said;          /* text came */
  bool ended;
} lti_json_reply;

void lti_json_reply_init(void *decoder, lti_alloc *alloc, lti_buf *scratch);
void lti_json_reply_deinit(void *decoder);
int lti_json_reply_encode(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded);
int lti_json_reply_inspect(leat_slice body, lti_encoded *encoded);
int lti_json_reply_stray(void *decoder, leat_slice text, lti_emit *emit);
int lti_json_reply_body(void *decoder, leat_slice json, lti_emit *emit);
int lti_json_reply_flush(void *decoder, lti_emit *emit);
void lti_json_reply_verdict(void *decoder, lti_verdict *verdict);
const leat_response *lti_json_reply_response(const void *decoder);

/* What the head of a document says: is it an error, and what do all documents tell. */
typedef struct lti_json_reply_head {
  lti_member type, usage;
  bool refused;
} lti_json_reply_head;

/* Reads the members that all documents share, and keeps what `response` shows. LEAT_EDECODE when it
 * is not JSON. */
int lti_json_reply_head_read(lti_json_reply *d, leat_slice json, lti_json_reply_head *head);
/* The document is an error: nothing counts behind it. LTI_STOPPED, or an error of ours. */
int lti_json_reply_refuse(lti_json_reply *d, leat_slice json, lti_emit *emit);
int lti_json_reply_usage(const lti_member *usage, lti_emit *emit);
/* A record that is the end marker, "[DONE]". */
bool lti_json_reply_is_end(leat_slice record);

#endif
