/* What a dialect implements: how a request is written and how an answer is read.
 *
 * A dialect is one const struct in protocols/, listed in protocols/registry.c. It knows bytes and
 * JSON only: no sockets, no HTTP, no time. core/answer drives the decoding side, core/request the
 * encoding side. Emitted events carry views that live during the call; the fields received_ns,
 * attempt, raw and response are filled in by the driver.
 *
 * A dialect with a `socket` is spoken over WebSocket, in turns: `encode` writes the text messages
 * that ask, `record` reads the messages that answer, one whole text each. */
#ifndef LTI_PROTOCOL_H
#define LTI_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "leat.h"

/* Where a decoder's events go. The return value is LTI_OK or an error to hand on; a pause does not
 * show here: the rest of a record is always decoded. */
typedef struct lti_emit {
  int (*event)(struct lti_emit *emit, leat_event *event);
} lti_emit;

/* An error object of the provider, as found: views that the decoder keeps alive. What it did not
 * say, or said as null, has `data` NULL. */
typedef struct lti_provider_error {
  bool set;
  bool code_is_number; /* 400 and not "400": the texts are the same */
  leat_slice type, code, message, param, request_id;
} lti_provider_error;

/* What a decoder knows when asked. */
typedef struct lti_verdict {
  int error;         /* LEAT_OK: the dialect's evidence of a whole answer is there; LEAT_EAPI;
                        LEAT_EINCOMPLETE */
  const char *ended; /* how the dialect's own end is called this time, static text; NULL: by its
                        end_marker */
  bool derived; /* LEAT_EAPI, though no error object ended the answer: it says by itself that it
                   is none, such as one to a prompt that was blocked */
  lti_provider_error provider;
} lti_verdict;

/* The facts of an encoded body that the engine needs. */
typedef struct lti_encoded {
  bool stream;         /* the body asks for an event stream */
  bool usage;          /* ... and for a record with nothing but the usage at its end */
  uint32_t choices;    /* how many it asks for, 0: it does not say */
  const char *message; /* on failure: why, static text */
  size_t offset;       /* on LEAT_EJSON: where */
} lti_encoded;

/* How a dialect is spoken over WebSocket: what its handshake says. */
typedef struct lti_protocol_socket {
  const char *key_header; /* the key alone stands in this field; NULL: "Authorization: Bearer" */
  const char *key_subprotocol; /* how the key is offered as a subprotocol: this, and the key behind
                                  it; NULL: it cannot be */
  const char *subprotocols;    /* "a, b", offered in front of that one; none are without it */
  const char *model_query;     /* the model stands in the URL's query under this name; NULL: not */
  const char *header, *value;  /* one more field, NULL: none */
} lti_protocol_socket;

/* What a decoder may know of the turn that it is to read. */
typedef struct lti_protocol_turn {
  bool usage;       /* as lti_encoded */
  uint32_t choices; /* as lti_encoded */
  bool later; /* there were turns before it on this socket, and they may have left something */
  leat_slice before; /* the id of the response before; empty: not known */
} lti_protocol_turn;

/* How long the end of a turn that is whole already waits for what may follow it. */
#define LTI_PROTOCOL_LINGER_MS 1000

typedef struct lti_protocol {
  const char *name;        /* "openai-chat" */
  const char *base;        /* where it is spoken when nobody says; NULL: "https://api.openai.com" */
  const char *path;        /* behind the version root: "/chat/completions"; or with a version of its
                              own. "{model}" stands for the model, percent-encoded */
  const char *stream_path; /* of a request that streams; NULL: the same */
  const char *key_header;  /* the key alone stands in this field; NULL: Authorization's bearer */
  const char *header, *value; /* one more field, which the caller may replace; NULL: none */
  bool elements;              /* JSON is a stream too: each element of an array, or without one each
                                 object, is a record with an empty type */
  bool plain;             /* text that is neither JSON nor an event stream is an answer too: `body`
                             gets it */
  bool empty;             /* no body at all is a whole answer: there was nothing to say */
  const char *end_marker; /* how `ended` is called when the dialect's own end came: "done" */
  const lti_protocol_socket *socket; /* NULL: spoken over HTTP */

  /* Writes the JSON body; over a socket the text messages that begin a turn, each a JSON text, with
   * white space between them: lti_protocol_frame takes them apart. LEAT_EINVAL, LEAT_EJSON,
   * LEAT_ENOMEM or the buffer's full_error. */
  int (*encode)(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded);
  /* Looks at a body the caller brought: valid JSON, and does it ask for a stream? */
  int (*inspect)(leat_slice body, lti_encoded *encoded);

  size_t decoder_size; /* bytes of state the driver provides, zeroed */
  /* `scratch`: lti_protocol_scratch has made it, and it outlives the decoder, which shares it with
   * others: what it holds is dead behind each call of the decoder. */
  void (*decoder_init)(void *decoder, lti_alloc *alloc, lti_buf *scratch);
  void (*decoder_deinit)(void *decoder);
  /* One SSE event; or one of `elements`, or over a socket one text message, whose `type` is empty.
   * LTI_OK; LTI_STOPPED: the dialect's end marker or an error object, behind which nothing counts;
   * LTI_AGAIN, over a socket: the turn is whole, but what was asked for beside it (usage) has not
   * come: it ends with the next record that says so, or when LTI_PROTOCOL_LINGER_MS have passed;
   * LEAT_EDECODE; LEAT_ENOMEM. */
  int (*record)(void *decoder, leat_slice type, leat_slice data, lti_emit *emit);
  /* A line outside SSE's framing, or one that named an unknown field: an error may hide in it. A
   * JSON document that stands there on several lines comes as one. */
  int (*stray)(void *decoder, leat_slice text, lti_emit *emit);
  /* The whole of an answer that is JSON, streamed or not, of a success status; of a socket's
   * dialect the messages of one turn, one behind the other. NULL where there are `elements`. */
  int (*body)(void *decoder, leat_slice json, lti_emit *emit);
  /* The input ended without the end marker: hands out what is held back (half a surrogate). */
  int (*flush)(void *decoder, lti_emit *emit);
  /* What the answer amounts to if it ended here. */
  void (*verdict)(void *decoder, lti_verdict *verdict);
  /* What is known of the response as a whole: lives in the decoder. */
  const leat_response *(*response)(const void *decoder);

  /* Sockets only. What the decoder reads is the answer to a turn of ours: called behind
   * decoder_init. Without it the decoder follows a conversation that others lead: each LTI_STOPPED
   * is then the end of one response, behind which it is made anew. */
  void (*begin)(void *decoder, const lti_protocol_turn *turn);
  /* The peer's Close came instead of the end: `verdict` may know more behind it. */
  void (*closed)(void *decoder, unsigned code, leat_slice reason);
} lti_protocol;

/* For texts that are written anew, without their escapes. */
static inline void lti_protocol_scratch(lti_buf *scratch, lti_alloc *alloc) {
  lti_buf_init(scratch, alloc, (size_t)256 << 20, LEAT_EEVENTMAX);
}

/* Takes the next message off `*rest`, a view: a JSON text, or "[DONE]". What is neither is handed
 * out to the end of its line. False: nothing is left but white space. */
bool lti_protocol_frame(leat_slice *rest, leat_slice *frame);

/* What an answer to a task's submit or poll says: views that live as long as the JSON and
 * `scratch`. */
typedef struct lti_task_report {
  enum leat_task_state state; /* RUNNING, SUCCEEDED, FAILED or NEEDS_INPUT */
  leat_slice id, status, url;
  int progress;   /* percent, -1: not told */
  bool not_found; /* the gateway does not know the task */
  bool busy;      /* it takes no job just now: the submit was refused and may come again */
  lti_provider_error error;
} lti_task_report;

/* Reads the answer to a submit, to a poll, or one item of a batch's. `form` (NULL: none) has
 * pointers and words of its own, which come before the usual ones. A refusal is a report that
 * FAILED with an error. LEAT_EDECODE: not JSON, or no sign of a task in it; LEAT_ENOMEM, or
 * scratch's full_error. `scratch` is cleared first; it is used only for texts with escapes. */
int lti_protocol_report(const leat_task_form *form, leat_slice json, bool submit,
                        lti_task_report *report, lti_buf *scratch);
/* Where the items of a batch's answer are; false when there is no place for them: it is an error
 * then, or something else. Items come in any order and may be missing: their ids tell. */
bool lti_protocol_items(const leat_task_form *form, leat_slice json, leat_slice *rest);
/* Takes the next item off `*rest`; false behind the last. */
bool lti_protocol_item(leat_slice *rest, leat_slice *item);

/* NULL when there is none of this name. */
const lti_protocol *lti_protocol_find(const char *name);
/* The i-th, NULL behind the last. */
const lti_protocol *lti_protocol_at(size_t i);

/* The i-th built-in endpoint or task form, NULL behind the last. */
const leat_endpoint *lti_protocol_endpoint(size_t i);
const leat_task_form *lti_protocol_task_form(size_t i);

/* Reads any gateway's error body (OpenAI, new-api, Anthropic, Gemini, FastAPI, Midjourney
 * forms...): false when it is none. Texts are decoded into `scratch`, which the views point into.
 * Understands a JSON object, an array whose first element is one, or an event stream's first
 * record. */
bool lti_protocol_error(leat_slice json, lti_provider_error *error, lti_buf *scratch);

#endif
