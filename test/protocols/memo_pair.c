/* See memo_pair.h. What a decoder says is written down as text, which is compared. */
#include "protocols/memo_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static void put(memo_said *s, const char *name, leat_slice text) {
  if (lti_buf_format(&s->text, "%s[%zu]=", name, text.size) != LTI_OK ||
      lti_buf_append(&s->text, text) != LTI_OK || lti_buf_byte(&s->text, '\n') != LTI_OK)
    abort();
}

static void put_number(memo_said *s, const char *name, int64_t number) {
  if (lti_buf_format(&s->text, "%s=%lld\n", name, (long long)number) != LTI_OK) abort();
}

static void put_response(memo_said *s, const leat_response *r) {
  put(s, "id", r->id);
  put(s, "model", r->model);
  put(s, "fingerprint", r->system_fingerprint);
  put(s, "tier", r->service_tier);
  put(s, "role", r->role);
  put_number(s, "created", r->created);
}

static void put_kind(memo_said *s, const leat_event *event) {
  switch (event->kind) {
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL:
      if (!lti_slice_is_utf8(event->text)) abort();
      put(s, "text", event->text);
      break;
    case LEAT_EVENT_FINISH: put(s, "finish", event->finish_reason); break;
    case LEAT_EVENT_USAGE:
      put_number(s, "input", event->usage.input);
      put_number(s, "output", event->usage.output);
      break;
    case LEAT_EVENT_TOOL_CALL:
      put_number(s, "call", event->tool_call.index);
      put(s, "call id", event->tool_call.id);
      put(s, "name", event->tool_call.name);
      put(s, "arguments", event->tool_call.arguments);
      break;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO:
      put(s, "data", event->media.data);
      put(s, "url", event->media.url);
      put(s, "transcript", event->media.transcript);
      break;
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_REPLY:
    case LEAT_EVENT_RAW:
    case LEAT_EVENT_HEAD: abort();
  }
}

static int on_event(lti_emit *emit, leat_event *event) {
  memo_said *s = LTI_CONTAINER_OF(emit, memo_said, emit);
  put_number(s, "kind", event->kind);
  put_number(s, "choice", event->choice);
  put_kind(s, event);
  put(s, "logprobs", event->logprobs);
  put_response(s, lti_openai_response(s->decoder));
  return s->fail_with;
}

static void side_init(memo_said *s, lti_openai *d, lti_alloc *alloc) {
  s->emit.event = on_event;
  s->decoder = d;
  lti_protocol_scratch(&s->scratch, alloc);
  lti_openai_init(d, alloc, &s->scratch);
  lti_buf_init(&s->text, alloc, (size_t)64 << 20, LEAT_EBODYMAX);
}

void memo_pair_init(memo_pair *p) {
  memset(p, 0, sizeof *p);
  lti_alloc_init(&p->alloc, NULL);
  side_init(&p->said, &p->with, &p->alloc);
  side_init(&p->wanted, &p->without, &p->alloc);
  p->without.varied = true;
}

static void put_state(memo_said *s, int rc) {
  lti_verdict verdict;
  lti_openai *d = s->decoder;
  lti_openai_verdict(d, &verdict);
  put_number(s, "returned", rc);
  put_number(s, "verdict", verdict.error);
  put(s, "message", verdict.provider.message);
  put_response(s, lti_openai_response(d));
  put_number(s, "choices", d->choice_count);
  put_number(s, "unfinished", d->unfinished);
  put_number(s, "half", d->choice_count ? d->first.halves[0].high : 0);
  put_number(s, "flags", d->ended | d->had_choices << 1 | d->whole << 2);
}

static void compare(memo_pair *p, leat_slice record) {
  leat_slice said = lti_buf_slice(&p->said.text), wanted = lti_buf_slice(&p->wanted.text);
  if (!lti_slice_equal(said, wanted)) {
    fprintf(stderr, "record: %.*s\nwith a memo:\n%.*s\nwithout:\n%.*s\n", (int)record.size,
            record.data, (int)said.size, said.data, (int)wanted.size, wanted.data);
    abort();
  }
  lti_buf_clear(&p->said.text);
  lti_buf_clear(&p->wanted.text);
}

int memo_pair_record(memo_pair *p, leat_slice type, leat_slice record) {
  /* Read from blocks of their own, which end where the record does. */
  char *block = malloc(record.size ? record.size : 1);
  if (!block) abort();
  if (record.size) memcpy(block, record.data, record.size);
  leat_slice copy = lti_slice(block, record.size);
  p->with.by_memo = false;
  int rc = lti_openai_record(&p->with, type, copy, &p->said.emit);
  put_state(&p->said, rc);
  p->served += p->with.by_memo;
  rc = lti_openai_record(&p->without, type, copy, &p->wanted.emit);
  put_state(&p->wanted, rc);
  free(block);
  compare(p, record);
  p->records++;
  return rc;
}

void memo_pair_lines(memo_pair *p, leat_slice lines) {
  while (lines.size) {
    const char *end = memchr(lines.data, '\n', lines.size);
    size_t size = end ? (size_t)(end - lines.data) : lines.size;
    memo_pair_record(p, lti_slice_of("message"), lti_slice(lines.data, size));
    lines = lti_slice_from(lines, end ? size + 1 : size);
  }
}

void memo_pair_deinit(memo_pair *p) {
  put_state(&p->said, lti_openai_flush(&p->with, &p->said.emit));
  put_state(&p->wanted, lti_openai_flush(&p->without, &p->wanted.emit));
  compare(p, lti_slice_of("the end"));
  lti_openai_deinit(&p->with);
  lti_openai_deinit(&p->without);
  lti_buf_deinit(&p->said.scratch);
  lti_buf_deinit(&p->wanted.scratch);
  lti_buf_deinit(&p->said.text);
  lti_buf_deinit(&p->wanted.text);
}
