/* The JSON of completions: what was asked, and the bytes of each kind of event and of a whole
 * answer. Pure functions of (ask, event number); chat.c decides when they go out. */
#ifndef MOCK_WORDING_H
#define MOCK_WORDING_H

#include "base/buf.h"
#include "base/slice.h"

#define MOCK_CALLS_MAX   4
#define MOCK_CHOICES_MAX 128
#define MOCK_PREFIX_MAX  640

/* What an ask says in words; most of it is needed once. */
typedef struct mock_words {
  char model[256]; /* as it stood in the request, JSON escapes and all */
  char calls[MOCK_CALLS_MAX][72];
} mock_words;

typedef struct mock_ask {
  uint64_t seed, serial;
  uint32_t events;           /* of each lane */
  uint32_t bytes, reasoning; /* of each event; events of reasoning before the text */
  uint32_t choices, calls;   /* calls 0: text */
  uint32_t prompt_tokens;    /* as many as there are ids, where the prompt is token ids */
  bool legacy, stream, stream_named, usage, stamp;
  bool message; /* choices[].message instead of delta, in chunks too */
  const char *finish;
  const char *eol;   /* of the event stream */
  mock_words *words; /* never NULL before mock_ask_slim */
  char *prefix;      /* data: {"id":...,"choices":[ */
  size_t prefix_size;
} mock_ask;

/* False: not enough memory. `words` of an ask that fails are released by deinit all the same. */
bool mock_ask_init(mock_ask *ask);
void mock_ask_deinit(mock_ask *ask);

/* The request's JSON. False: it is not an object; `*offset` says where it broke. */
bool mock_ask_read(mock_ask *ask, leat_slice body, size_t *offset);
/* Once the fields are final. False: not enough memory. */
bool mock_ask_settle(mock_ask *ask);
/* Behind settle, for a stream: gives back what no event needs. */
void mock_ask_slim(mock_ask *ask);
static inline uint32_t mock_ask_lanes(const mock_ask *a) {
  return a->choices * (a->calls ? a->calls : 1);
}
static inline uint64_t mock_ask_total(const mock_ask *a) {
  return (uint64_t)a->events * mock_ask_lanes(a);
}
/* The most that any event takes. */
size_t mock_ask_event_max(const mock_ask *a);
/* Event k of [0, total) as SSE; returns its size. `now_ns` is the stamp. */
size_t mock_ask_event(const mock_ask *a, uint64_t k, uint64_t now_ns, char *out);
size_t mock_ask_finish(const mock_ask *a, uint32_t choice, char *out);
size_t mock_ask_usage(const mock_ask *a, char *out);
/* Both halves of an event whose content is written elsewhere. */
size_t mock_ask_open(const mock_ask *a, char *out);
size_t mock_ask_shut(const mock_ask *a, char *out);
/* The answer that is not streamed. */
int mock_ask_whole(const mock_ask *a, lti_buf *out);

#endif
