/* What the dialects of OpenAI's Responses and Realtime share, private to protocols/: one decoder,
 * since their events have one grammar (response.created, items, parts, deltas, an end that holds
 * the whole), and one writer of input items. openai_responses.c reads records, openai_item.c the
 * objects in them: items of output, and whole responses. openai_input.c is the writer.
 *
 * The decoder stands on that of completions (openai.h): an answer is one choice, 0. */
#ifndef LTI_OPENAI_RESPONSES_H
#define LTI_OPENAI_RESPONSES_H

#include "openai.h"

#define LTI_RESPONSES_ITEMS_MAX 512

/* ---- decoding -------------------------------------------------------------------------------- */

/* An item of output. What came in pieces is marked, so that the whole behind them is not told a
 * second time, and a whole without pieces is told. */
typedef struct lti_responses_item {
  uint32_t output_index;
  uint32_t call;        /* which tool call it is, counted from 0 */
  uint64_t id_hash;     /* 0: not told */
  uint64_t parts;       /* one bit a content index; the last one stands for all above it */
  uint64_t summaries;   /* the same by summary index */
  bool is_call, argued; /* argued: a piece of its arguments came */
  bool drawn;           /* its image came */
} lti_responses_item;

typedef struct lti_responses {
  lti_openai base; /* first: what only asks it may be given this */
  lti_responses_item *items;
  uint32_t item_count, item_room, call_count;
  lti_json_half transcript;
  uint64_t before,
      own;     /* hashes of the ids of the response before, and of this one; 0: not known */
  uint8_t end; /* enum lti_responses_end and one; 0: none, or another */
  bool led;    /* it is the answer to a turn of ours */
  bool strict; /* ... and what belongs to another response is none of it: Realtime */
} lti_responses;

void lti_openai_responses_init(void *decoder, lti_alloc *alloc, lti_buf *scratch);
void lti_openai_responses_deinit(void *decoder);
void lti_openai_responses_begin(void *decoder, const lti_protocol_turn *turn);
int lti_openai_responses_record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit);
/* One whole response object. */
int lti_openai_responses_body(void *decoder, leat_slice json, lti_emit *emit);
int lti_openai_responses_flush(void *decoder, lti_emit *emit);

/* The members of one record, as views: missing ones and those of a wrong type are empty. */
typedef struct lti_responses_note {
  lti_json_text type, object, delta, text, refusal, transcript, arguments, input;
  lti_json_text item_id, response_id, call_id, name, image, format;
  leat_slice item, response, error, logprobs;         /* JSON */
  int64_t output_index, content_index, summary_index; /* -1: missing, -2: none */
} lti_responses_note;

/* One record on its way to events. */
typedef struct lti_responses_step {
  lti_responses *d;
  lti_openai_out out;
  const lti_responses_note *note;
} lti_responses_step;

enum lti_responses_end {
  LTI_RESPONSES_COMPLETED,
  LTI_RESPONSES_INCOMPLETE,
  LTI_RESPONSES_FAILED,
  LTI_RESPONSES_CANCELLED,
  LTI_RESPONSES_BY_STATUS /* what the response object says */
};

/* openai_item.c: `index` is the item's output_index, -1: not told. */
int lti_openai_item_find(lti_responses_step *s, int64_t index, lti_json_text id,
                         lti_responses_item **item);
int lti_openai_item_call(lti_responses_step *s, lti_responses_item *item, lti_openai_call *c);
int lti_openai_item_image(lti_responses_step *s, lti_json_text data, lti_json_text id,
                          lti_json_text format);
/* A piece of a transcript. */
int lti_openai_item_transcript(lti_responses_step *s, lti_json_text text, lti_json_text id);
/* Was this part told piece by piece? From now on it was. */
bool lti_openai_item_seen(uint64_t *bits, int64_t index);
/* An item that begins, or with `done` one that is whole. */
int lti_openai_item_read(lti_responses_step *s, leat_slice item, int64_t index, bool done);
/* What a response object says of itself. */
int lti_openai_item_about(lti_responses_step *s, leat_slice response);
/* The response is over: what of it was not told yet, usage, and the end. LTI_STOPPED. */
int lti_openai_item_conclude(lti_responses_step *s, leat_slice response,
                             enum lti_responses_end end);
/* The error that `json` holds, or one without words of its own; then the end. LTI_STOPPED. */
int lti_openai_item_fail(lti_responses_step *s, leat_slice json, const char *otherwise);

/* ---- encoding -------------------------------------------------------------------------------- */

enum lti_responses_form { LTI_ITEMS_RESPONSES, LTI_ITEMS_REALTIME, LTI_ITEMS_REALTIME_BETA };

/* An object under construction, that knows which members it has. */
typedef struct lti_responses_object {
  lti_openai_writer w;
  const char *names[24];
  size_t count;
} lti_responses_object;

/* A member's name; its value is written next. */
void lti_openai_input_name(lti_responses_object *o, const char *name);
void lti_openai_input_text(lti_responses_object *o, const char *name, const char *text);
void lti_openai_input_int(lti_responses_object *o, const char *name, bool has, int64_t value);
/* The caller's JSON; nothing when it is empty. */
void lti_openai_input_json(lti_responses_object *o, const char *name, leat_slice json,
                           enum lti_json_type type);
/* For lti_openai_extra: `ctx` is the object. */
const char *lti_openai_input_repeats(const void *ctx, lti_json_text key);

/* One message becomes one or more items: itself, and each tool call it makes. What it had as
 * reasoning stays here: these dialects take it back by reference only. */
typedef struct lti_responses_items {
  lti_openai_writer *w;
  enum lti_responses_form form;
  void (*before)(lti_openai_writer *w); /* around each item; NULL: nothing */
  void (*behind)(lti_openai_writer *w);
} lti_responses_items;

void lti_openai_input_messages(const lti_responses_items *to, const leat_chat_request *chat);
/* Members `tools` and `tool_choice`, where there are any. */
void lti_openai_input_tools(lti_responses_object *o, const leat_chat_request *chat);
/* What contradicts itself, and the fields that neither dialect has: a message, or NULL. */
const char *lti_openai_input_contradiction(const leat_chat_request *chat);
/* The body of a request; with `event` the event that asks for a response over a socket.
 * openai_responses_write.c */
int lti_openai_responses_write(const leat_chat_request *chat, bool event, lti_buf *out,
                               lti_encoded *encoded);

/* The frames of a turn through the decoder, until it ends. frames.c */
int lti_frames_body(int (*record)(void *, leat_slice, leat_slice, lti_emit *), void *decoder,
                    leat_slice frames, lti_emit *emit);

#endif
