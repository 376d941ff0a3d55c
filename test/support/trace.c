/* Runs a body through lti_answer and writes the events down. Each piece is fed from a block of its
 * own that is overwritten afterwards, so that a view kept too long shows. */
#include "support/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void put(trace *t, leat_slice bytes) {
  size_t room = sizeof t->text - 1 - t->size;
  size_t size = bytes.size < room ? bytes.size : room;
  if (!lti_slice_is_utf8(bytes)) t->utf8 = false;
  if (size) memcpy(t->text + t->size, bytes.data, size);
  t->size += size;
  t->text[t->size] = '\0';
}

static void say(trace *t, const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  put(t, lti_slice_of(line));
}

static void put_media(trace *t, const leat_event *event) {
  const leat_media *m = &event->media;
  const leat_slice parts[] = {m->mime_type, m->url, m->data, m->transcript, m->id};
  say(t, "%c%u", event->kind == LEAT_EVENT_IMAGE ? 'I' : 'A', event->choice);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    say(t, " ");
    put(t, parts[i]);
  }
}

static void put_tool_call(trace *t, const leat_event *event) {
  const leat_tool_call *call = &event->tool_call;
  say(t, "C%u.%u ", event->choice, call->index);
  put(t, call->id);
  say(t, " ");
  put(t, call->name);
  say(t, " ");
  put(t, call->arguments);
}

int trace_event(void *ctx, leat_event *event) {
  trace *t = ctx;
  switch (event->kind) {
    case LEAT_EVENT_TEXT: say(t, "T%u ", event->choice); break;
    case LEAT_EVENT_REASONING: say(t, "R%u ", event->choice); break;
    case LEAT_EVENT_REFUSAL: say(t, "X%u ", event->choice); break;
    case LEAT_EVENT_RAW: say(t, "RAW "); break;
    case LEAT_EVENT_REPLY: say(t, "REPLY "); break;
    case LEAT_EVENT_SIGNATURE: say(t, "S%u ", event->choice); break;
    case LEAT_EVENT_FINISH:
      say(t, "F%u ", event->choice);
      put(t, event->finish_reason);
      if (event->finish_detail.size) say(t, " # ");
      put(t, event->finish_detail);
      break;
    case LEAT_EVENT_USAGE:
      say(t, "U %lld %lld %lld", (long long)event->usage.input, (long long)event->usage.output,
          (long long)event->usage.total);
      break;
    case LEAT_EVENT_TOOL_CALL: put_tool_call(t, event); break;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: put_media(t, event); break;
    case LEAT_EVENT_HEAD: fail_msg("a head out of nowhere"); break;
  }
  if (event->kind == LEAT_EVENT_TEXT || event->kind == LEAT_EVENT_REASONING ||
      event->kind == LEAT_EVENT_REFUSAL || event->kind == LEAT_EVENT_RAW ||
      event->kind == LEAT_EVENT_SIGNATURE || event->kind == LEAT_EVENT_REPLY) {
    put(t, event->text);
  }
  if (event->logprobs.size) {
    say(t, " # ");
    put(t, event->logprobs);
  }
  say(t, "\n");
  return ++t->events == t->stop_at ? LTI_STOPPED : LTI_OK;
}

static int feed_piece(lti_answer *a, leat_slice piece) {
  char *block = malloc(piece.size);
  size_t done = 0, taken;
  int rc = LTI_OK;
  assert_non_null(block);
  memcpy(block, piece.data, piece.size);
  while (done < piece.size && rc == LTI_OK) {
    rc = lti_answer_feed(a, lti_slice(block + done, piece.size - done), &taken);
    assert_true(taken <= piece.size - done);
    done += taken;
    if (rc == LTI_STOPPED && !a->ended) rc = LTI_OK;
  }
  if (rc == LTI_OK) assert_int_equal(done, piece.size);
  memset(block, '#', piece.size);
  free(block);
  return rc;
}

void trace_say(trace *t, const char *text) {
  put(t, lti_slice_of(text));
}

void trace_verdict(trace *t, const lti_verdict *verdict) {
  say(t, "= %s", leat_error_name(verdict->error));
  if (!verdict->provider.set) return;
  say(t, " ");
  put(t, verdict->provider.type);
  say(t, "/");
  put(t, verdict->provider.code);
  say(t, "/");
  put(t, verdict->provider.message);
}

int trace_body(trace *t, const char *protocol, leat_slice body, const trace_options *options) {
  lti_answer a;
  lti_alloc alloc;
  lti_verdict verdict;
  size_t event_max = options->event_bytes_max, body_max = options->body_bytes_max;
  lti_answer_limits limits = {event_max ? event_max : 1 << 20, body_max ? body_max : 1 << 20, NULL,
                              NULL};
  lti_answer_sink sink = {trace_event, t};
  size_t piece = options->piece ? options->piece : options->cut ? options->cut : SIZE_MAX;
  lti_alloc_init(&alloc, options->allocator);
  t->size = t->events = 0;
  t->utf8 = true;
  t->text[0] = '\0';
  int rc =
      lti_answer_init(&a, &alloc, protocol ? lti_protocol_find(protocol) : NULL, &limits, sink);
  if (rc != LTI_OK) return rc;
  a.want_raw = options->want_raw;
  while (rc == LTI_OK && body.size) {
    size_t size = body.size < piece ? body.size : piece;
    rc = feed_piece(&a, lti_slice(body.data, size));
    body = lti_slice_from(body, size);
    if (options->cut) piece = SIZE_MAX;
  }
  rc = lti_answer_end(&a, &verdict);
  trace_verdict(t, &verdict);
  t->copied = a.copied;
  t->form = a.form;
  t->ended = a.ended;
  lti_answer_deinit(&a);
  return rc;
}

static void check_once(trace *t, const char *protocol, leat_slice body, const char *expected,
                       const trace_options *options) {
  trace_body(t, protocol, body, options);
  if (strcmp(t->text, expected) == 0) {
    assert_true(t->utf8);
    return;
  }
  fail_msg("pieces of %zu, cut at %zu:\n%s\ninstead of\n%s", options->piece, options->cut, t->text,
           expected);
}

void trace_check(const char *protocol, leat_slice body, const char *expected) {
  trace *t = calloc(1, sizeof *t);
  trace_options options = {.piece = 0};
  assert_non_null(t);
  for (; options.piece <= 16; options.piece++) check_once(t, protocol, body, expected, &options);
  options.piece = 0;
  for (options.cut = 1; options.cut < body.size; options.cut++) {
    check_once(t, protocol, body, expected, &options);
  }
  free(t);
}

void trace_check_text(const char *protocol, const char *body, const char *expected) {
  trace_check(protocol, lti_slice_of(body), expected);
}
