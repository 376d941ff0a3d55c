/* Drives a decoder as the engine's sockets do: each message in a block of its own, that is
 * overwritten before the next one comes. */
#include "support/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

typedef struct sink {
  lti_emit emit;
  trace *t;
  bool over;
} sink;

static int on_event(lti_emit *emit, leat_event *event) {
  sink *s = LTI_CONTAINER_OF(emit, sink, emit);
  assert_false(s->over);
  return trace_event(s->t, event);
}

static int play_one(const lti_protocol *p, void *decoder, leat_slice message, sink *s) {
  char *block = malloc(message.size + 1);
  assert_non_null(block);
  memcpy(block, message.data, message.size);
  int rc = p->record(decoder, lti_slice(NULL, 0), lti_slice(block, message.size), &s->emit);
  memset(block, '#', message.size);
  free(block);
  if (rc == LTI_STOPPED) s->over = true;
  if (rc != LTI_OK) {
    trace_say(s->t, rc == LTI_STOPPED ? "> end\n" : rc == LTI_AGAIN ? "> wait\n" : "> ");
    if (rc < 0) trace_say(s->t, leat_error_name(rc)), trace_say(s->t, "\n");
  }
  return rc;
}

static bool next_line(leat_slice *rest, leat_slice *line) {
  if (rest->size == 0) return false;
  const char *end = memchr(rest->data, '\n', rest->size);
  *line = lti_slice(rest->data, end ? (size_t)(end - rest->data) : rest->size);
  *rest = lti_slice_from(*rest, line->size + (end ? 1 : 0));
  return true;
}

int turns_play(trace *t, const turns_case *c, leat_slice messages) {
  const lti_protocol *p = lti_protocol_find(c->protocol);
  sink s = {.emit = {on_event}, .t = t};
  lti_alloc alloc;
  lti_verdict verdict;
  leat_slice line;
  int rc = LTI_OK;
  assert_non_null(p);
  lti_alloc_init(&alloc, c->allocator);
  memset(t, 0, sizeof *t);
  t->utf8 = true;
  void *decoder = lti_alloc_zero(&alloc, p->decoder_size);
  if (!decoder) return LEAT_ENOMEM;
  lti_buf scratch;
  lti_protocol_scratch(&scratch, &alloc);
  p->decoder_init(decoder, &alloc, &scratch);
  if (c->turn) p->begin(decoder, c->turn);
  while ((rc == LTI_OK || rc == LTI_AGAIN) && next_line(&messages, &line)) {
    rc = play_one(p, decoder, line, &s);
  }
  if (c->code && p->closed) p->closed(decoder, c->code, lti_slice_of(c->reason));
  p->verdict(decoder, &verdict);
  trace_verdict(t, &verdict);
  p->decoder_deinit(decoder);
  lti_buf_deinit(&scratch);
  lti_alloc_put(&alloc, decoder);
  return rc < 0 ? rc : verdict.error;
}

void turns_check(const turns_case *c, const char *messages, const char *expected) {
  trace *t = malloc(sizeof *t);
  assert_non_null(t);
  turns_play(t, c, lti_slice_of(messages));
  if (strcmp(t->text, expected) != 0) fail_msg("%s\ninstead of\n%s", t->text, expected);
  assert_true(t->utf8);
  free(t);
}

void turns_check_cuts(const turns_case *c, const char *messages, size_t whole) {
  trace *t = malloc(sizeof *t);
  size_t size = strlen(messages);
  assert_non_null(t);
  for (size_t cut = 0; cut <= size; cut++) {
    int rc = turns_play(t, c, lti_slice(messages, cut));
    assert_true(t->utf8);
    if ((rc == LEAT_OK) != (cut >= whole)) fail_msg("cut at %zu: %s", cut, t->text);
  }
  free(t);
}

typedef struct starving {
  turns_case c;
  leat_slice messages;
  trace *t;
  int fed;
} starving;

static void play_starving(const leat_allocator *fns, void *ctx) {
  starving *s = ctx;
  s->c.allocator = fns;
  int rc = turns_play(s->t, &s->c, s->messages);
  assert_true(rc == s->fed || rc == LEAT_ENOMEM);
}

void turns_check_starved(const turns_case *c, const char *messages) {
  starving s = {.c = *c, .messages = lti_slice_of(messages), .t = malloc(sizeof(trace))};
  assert_non_null(s.t);
  s.fed = turns_play(s.t, c, s.messages);
  assert_true(failing_at_every_n(play_starving, &s) >= 2);
  free(s.t);
}
