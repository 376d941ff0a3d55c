/* An answer written down: each event as one short line of text, so that a test can say in one
 * string what a body must become.
 *
 *   T0 hello          text of choice 0          R, X: reasoning, refusal
 *   C0.2 id name arg  tool call 2 of choice 0   F0 stop: finish
 *   U 1 2 3           input, output, total      I0, A0: image and audio: mime, url, data,
 * transcript RAW {...}         with want_raw             an event's logprobs follow it behind " # "
 *   = LEAT_EAPI type/code/message               the verdict, last
 */
#ifndef TEST_TRACE_H
#define TEST_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/answer.h"

typedef struct trace {
  char text[16384];
  size_t size;
  bool utf8;      /* every text was valid so far */
  size_t stop_at; /* the sink asks to stop at this event, from 1; 0: never */
  size_t events;
  uint64_t copied;
  enum lti_answer_form form;
  bool ended;
} trace;

typedef struct trace_options {
  size_t piece; /* bytes a feed; 0: whole */
  size_t cut;   /* or two pieces, cut here */
  bool want_raw;
  size_t event_bytes_max, body_bytes_max; /* 0: 1 MB */
  const leat_allocator *allocator;
} trace_options;

/* The sink of an answer, and what writes the last line: for those who drive a decoder themselves.
 * `ctx` is the trace, zeroed but for `utf8`. */
int trace_event(void *ctx, leat_event *event);
void trace_verdict(trace *t, const lti_verdict *verdict);
void trace_say(trace *t, const char *text);

/* `protocol` NULL: raw. The answer is what lti_answer_end said, or the failure before. */
int trace_body(trace *t, const char *protocol, leat_slice body, const trace_options *options);
/* Whole, in pieces of every size up to 16, and cut in two at every place: always `expected`. */
void trace_check(const char *protocol, leat_slice body, const char *expected);
/* The same for a body that is a text. */
void trace_check_text(const char *protocol, const char *body, const char *expected);

#endif
