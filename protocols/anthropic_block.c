/* Content blocks of Anthropic's Messages: text, thinking and its signature, tool calls.
 *
 * A tool call is known by the index of its block, which is the index of the event, too. Its input
 * comes in pieces of JSON text, or, from some gateways and in whole answers, as an object in the
 * block; one that has none at all is told as "{}" when its block ends. Tools that the provider runs
 * itself (server_tool_use and its results), redacted thinking, citations and whatever else there
 * may be are no content: with want_raw they can be seen, and redacted thinking can be sent back as
 * a raw part. */
#include "anthropic.h"

#include <string.h>

/* A block as it was sent. */
typedef struct block {
  lti_json_text type, text, thinking, signature;
  lti_openai_call call;
} block;

static bool read_block(leat_slice json, block *b);
static int begin_tool(lti_anthropic_step *s, block *b, int64_t index, bool whole);

static int tell_signature(lti_anthropic_step *s, lti_json_text text) {
  leat_event event = {.kind = LEAT_EVENT_SIGNATURE};
  int rc = lti_json_decode(text, NULL, s->out.d->scratch, &event.text);
  return rc == LTI_OK && event.text.size ? lti_openai_out_event(&s->out, &event) : rc;
}

int lti_anthropic_block_begin(lti_anthropic_step *s, leat_slice json, int64_t index, bool whole) {
  block b;
  if (index < 0) index = s->d->next;
  if (index < UINT32_MAX) s->d->next = (uint32_t)index + 1;
  if (!read_block(json, &b)) return LTI_OK;
  if (lti_json_key_is(b.type, "text")) {
    return lti_openai_piece_text(&s->out, LTI_OPENAI_TEXT, b.text);
  }
  if (lti_json_key_is(b.type, "thinking")) {
    int rc = lti_openai_piece_text(&s->out, LTI_OPENAI_REASONING, b.thinking);
    return rc == LTI_OK ? tell_signature(s, b.signature) : rc;
  }
  return lti_json_key_is(b.type, "tool_use") ? begin_tool(s, &b, index, whole) : LTI_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_empty_object(leat_slice json) {
  lti_json r;
  lti_json_text key;
  lti_json_init(&r, json);
  return lti_json_enter_object(&r) && !lti_json_next_key(&r, &key);
}

/* An object, or JSON text in a string. */
static lti_json_text read_input(lti_json *r) {
  lti_json_text input = {.ascii = true};
  if (lti_json_peek(r) == LTI_JSON_STRING) return lti_openai_string(r);
  if (lti_json_peek(r) != LTI_JSON_OBJECT) return lti_json_skip(r), input;
  leat_slice raw = lti_openai_raw(r);
  if (!is_empty_object(raw)) input = (lti_json_text){.raw = raw};
  return input;
}

static bool read_block(leat_slice json, block *b) {
  static const struct {
    const char *name;
    size_t offset;
  } texts[] = {{"type", offsetof(block, type)},         {"text", offsetof(block, text)},
               {"thinking", offsetof(block, thinking)}, {"signature", offsetof(block, signature)},
               {"id", offsetof(block, call.id)},        {"name", offsetof(block, call.name)}};
  enum { COUNT = sizeof texts / sizeof *texts };
  lti_json r;
  lti_json_text key;
  memset(b, 0, sizeof *b);
  lti_json_init(&r, json);
  if (json.size == 0 || !lti_json_enter_object(&r)) return false;
  while (lti_json_next_key(&r, &key)) {
    size_t i = 0;
    while (i < COUNT && !lti_json_key_is(key, texts[i].name)) i++;
    if (i < COUNT) {
      *(lti_json_text *)(void *)((char *)b + texts[i].offset) = lti_openai_string(&r);
    } else if (lti_json_key_is(key, "input")) {
      b->call.arguments = read_input(&r);
    } else {
      lti_json_skip(&r);
    }
  }
  return true;
}

/* ---- tools ----------------------------------------------------------------------------------- */

/* Without an index the last one is meant. NULL: none. */
static lti_anthropic_tool *find_tool(lti_anthropic *d, int64_t index) {
  for (uint32_t i = d->tool_count; i-- > 0;) {
    if (index < 0 || d->tools[i].index == index) return &d->tools[i];
  }
  return NULL;
}

static int open_tool(lti_anthropic *d, uint32_t index, lti_anthropic_tool **tool) {
  *tool = find_tool(d, index);
  if (*tool) return LTI_OK;
  if (d->tool_count == d->tool_room) {
    if (d->tool_room >= LTI_OPENAI_TOOLS_MAX) return LEAT_EDECODE;
    uint32_t room = d->tool_room ? d->tool_room * 2 : 2;
    lti_anthropic_tool *fresh =
        lti_alloc_grow(d->base.alloc, d->tools, d->tool_room * sizeof *fresh, room * sizeof *fresh);
    if (!fresh) return LEAT_ENOMEM;
    d->tools = fresh;
    d->tool_room = room;
  }
  *tool = &d->tools[d->tool_count++];
  **tool = (lti_anthropic_tool){.index = index};
  return LTI_OK;
}

static int tell_input(lti_anthropic_step *s, lti_anthropic_tool *tool, lti_json_text input) {
  lti_openai_call c = {.index = tool->index, .arguments = input};
  if (input.raw.size == 0) return LTI_OK;
  tool->argued = true;
  return lti_openai_call_emit(&s->out, &c);
}

static int tell_no_input(lti_anthropic_step *s, lti_anthropic_tool *tool) {
  static const lti_json_text nothing = {.raw = {"{}", 2}, .ascii = true};
  return tool->argued ? LTI_OK : tell_input(s, tool, nothing);
}

static int begin_tool(lti_anthropic_step *s, block *b, int64_t index, bool whole) {
  lti_anthropic_tool *tool;
  int rc = open_tool(s->d, (uint32_t)index, &tool);
  if (rc != LTI_OK) return rc;
  tool->whole |= whole || b->call.arguments.raw.size > 0;
  if (tool->argued) b->call.arguments.raw.size = 0;
  tool->argued |= b->call.arguments.raw.size > 0;
  b->call.index = index;
  rc = lti_openai_call_emit(&s->out, &b->call);
  return rc == LTI_OK && whole ? tell_no_input(s, tool) : rc;
}

int lti_anthropic_block_delta(lti_anthropic_step *s, const lti_anthropic_delta *delta,
                              int64_t index) {
  lti_anthropic_tool *tool;
  if (lti_json_key_is(delta->type, "text_delta")) {
    return lti_openai_piece_text(&s->out, LTI_OPENAI_TEXT, delta->text);
  }
  if (lti_json_key_is(delta->type, "thinking_delta")) {
    return lti_openai_piece_text(&s->out, LTI_OPENAI_REASONING, delta->thinking);
  }
  if (lti_json_key_is(delta->type, "signature_delta")) return tell_signature(s, delta->signature);
  if (!lti_json_key_is(delta->type, "input_json_delta")) return LTI_OK;
  tool = find_tool(s->d, index);
  return tool && !tool->whole ? tell_input(s, tool, delta->partial_json) : LTI_OK;
}

int lti_anthropic_block_end(lti_anthropic_step *s, int64_t index) {
  lti_anthropic_tool *tool = find_tool(s->d, index);
  return tool ? tell_no_input(s, tool) : LTI_OK;
}

int lti_anthropic_block_settle(lti_anthropic_step *s) {
  int rc = LTI_OK;
  for (uint32_t i = 0; rc == LTI_OK && i < s->d->tool_count; i++) {
    rc = tell_no_input(s, &s->d->tools[i]);
  }
  return rc;
}
