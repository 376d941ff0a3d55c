/* The reading side of one attempt: a body of a success status in, a dialect's events out.
 *
 * Decides by the first bytes, never by Content-Type, whether the body is an event stream or one
 * JSON document (leading white space, which gateways send as keep-alive, is skipped), splits it,
 * and drives the dialect's decoder. Where the dialect streams `elements`, JSON is a stream of
 * objects as well: those of one array, or without '[' one behind the other, and a whole answer is
 * such a stream of one. Of a dialect that is `plain` any text that is no event stream is a body,
 * collected as JSON is. A body that is neither ("<html>") is LEAT_ENOTSTREAM, with its
 * first bytes kept for the message. A dialect of NULL passes bytes through as LEAT_EVENT_RAW
 * ("raw").
 *
 * Used by core/request, by the decode command and by the fuzz targets. */
#ifndef LTI_ANSWER_H
#define LTI_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "protocol.h"
#include "wire/elements.h"
#include "wire/sse.h"

#define LTI_ANSWER_SHOWN 512 /* bytes of a foreign body kept for the message */

enum lti_answer_form {
  LTI_FORM_UNDECIDED = 0,
  LTI_FORM_SSE,
  LTI_FORM_JSON,
  LTI_FORM_ARRAY,   /* elements of a streamed array */
  LTI_FORM_OBJECTS, /* elements without one, whose first is bounded as a body is */
  LTI_FORM_RAW,
  LTI_FORM_FOREIGN /* certainly neither */
};

typedef struct lti_answer_limits {
  size_t event_bytes_max, body_bytes_max;
  lti_buf *scratch; /* of lti_protocol_scratch, for many answers; NULL: it has one of its own */
  lti_lines_spare *spare; /* likewise, for lines that are cut; NULL: none */
} lti_answer_limits;

/* Where events go. LTI_OK, or LTI_STOPPED: stop behind this record (the rest of it still comes). */
typedef struct lti_answer_sink {
  int (*event)(void *ctx, leat_event *event);
  void *ctx;
} lti_answer_sink;

/* JSON that stands outside the framing of an event stream, on several lines. */
typedef struct lti_answer_stray lti_answer_stray;

/* First bytes of a body that does not look like either form. */
typedef struct lti_answer_shown {
  size_t size;
  char bytes[LTI_ANSWER_SHOWN];
} lti_answer_shown;

/* What an event touches stands together, from the end of `sse` to the beginning of the decoder
 * behind. */
typedef struct lti_answer {
  lti_alloc *alloc;
  union {                     /* by form */
    lti_answer_limits limits; /* while undecided */
    lti_sse sse;
    lti_buf json;
    lti_elements elements;
  };
  uint64_t records;
  uint64_t copied; /* bytes gathered, or rewritten without escapes, instead of viewed */
  enum lti_answer_form form;
  int error;                    /* sticky */
  bool want_raw;                /* emit each record as LEAT_EVENT_RAW first */
  bool want_stop;               /* the sink asked */
  bool ended;                   /* the dialect's end marker came, or its array's */
  bool own_scratch;             /* behind the decoder */
  bool joined;                  /* the decoder stands right behind */
  unsigned char bom;            /* bytes of a BOM skipped while undecided; 4: there is none */
  unsigned char field, matched; /* while undecided: which field of an event stream it begins with,
                                   and how much of its name came */
  lti_answer_shown *shown;
  lti_answer_stray *stray;
  leat_slice raw; /* the record being decoded */
  lti_answer_sink sink;
  const lti_protocol *protocol;
  void *decoder;
  lti_emit emit; /* the driver's own, in front of the user's sink */
} lti_answer;

/* Where what an event touches begins. */
static inline const void *lti_answer_near(const lti_answer *a) {
  return &a->sse.lines.line_max;
}

int lti_answer_init(lti_answer *a, lti_alloc *alloc, const lti_protocol *protocol,
                    const lti_answer_limits *limits, lti_answer_sink sink);
void lti_answer_deinit(lti_answer *a);
/* The same in one block with the decoder; NULL without memory, and NULL is fine to free. */
lti_answer *lti_answer_new(lti_alloc *alloc, const lti_protocol *protocol,
                           const lti_answer_limits *limits, lti_answer_sink sink);
void lti_answer_free(lti_answer *a);
/* LTI_OK: all taken. LTI_STOPPED: the sink asked, or a->ended (nothing more is taken then);
 * `*taken` says where. Or an error, which stays. */
int lti_answer_feed(lti_answer *a, leat_slice bytes, size_t *taken);
/* The body ended, cleanly as HTTP sees it. Emits what a JSON body holds; a sink that asks to stop
 * is not heard here. Then the verdict: LEAT_OK, LEAT_EAPI, LEAT_EINCOMPLETE, LEAT_ENOTSTREAM,
 * LEAT_EDECODE; it is returned as well. */
int lti_answer_end(lti_answer *a, lti_verdict *verdict);
/* Of a socket's dialect: one whole text message, instead of lti_answer_feed. LTI_OK; LTI_AGAIN as
 * the dialect's `record`; LTI_STOPPED: the turn has ended; or an error, which stays. A sink that
 * asks to stop shows in a->want_stop. */
int lti_answer_message(lti_answer *a, leat_slice text);
/* ... and the turn was cut: what the decoder holds back is emitted. */
void lti_answer_cut(lti_answer *a);
/* The body was an array, and came to its closing bracket. */
bool lti_answer_closed(const lti_answer *a);
/* First bytes of a body that is no answer: empty when it is one. */
leat_slice lti_answer_shows(const lti_answer *a);
/* The verdict as things stand, without ending. */
void lti_answer_verdict(lti_answer *a, lti_verdict *verdict);

#endif
