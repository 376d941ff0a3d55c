/* The collector: a sorted array of choices, each with a sorted array of tool calls. Both grow one
 * by one, which is cheap for the few there are; the decoder bounds their number. */
#include "collect.h"

#include <string.h>

#include "base/error.h"
#include "base/slice.h"
#include "wire/json.h"

#define TEXT_MAX ((size_t)1 << 30)

static cli_collect_choice *find_choice(cli_collect *c, uint32_t index);
static cli_collect_tool *find_tool(cli_collect *c, cli_collect_choice *choice, uint32_t index);

static void init_text(cli_collect *c, lti_buf *text) {
  lti_buf_init(text, c->alloc, TEXT_MAX, LEAT_EBODYMAX);
}

void cli_collect_init(cli_collect *c, lti_alloc *alloc) {
  memset(c, 0, sizeof *c);
  c->alloc = alloc;
  init_text(c, &c->signature);
  init_text(c, &c->incomplete);
}

static void deinit_choice(cli_collect *c, cli_collect_choice *choice) {
  lti_buf *texts[] = {&choice->text, &choice->reasoning, &choice->refusal, &choice->finish};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) lti_buf_deinit(texts[i]);
  for (size_t i = 0; i < choice->tool_count; i++) {
    lti_buf_deinit(&choice->tools[i].id);
    lti_buf_deinit(&choice->tools[i].name);
    lti_buf_deinit(&choice->tools[i].arguments);
  }
  lti_alloc_put(c->alloc, choice->tools);
}

void cli_collect_deinit(cli_collect *c) {
  for (size_t i = 0; i < c->choice_count; i++) deinit_choice(c, &c->choices[i]);
  lti_alloc_put(c->alloc, c->choices);
  lti_buf_deinit(&c->signature);
  lti_buf_deinit(&c->incomplete);
  c->choices = NULL;
  c->choice_count = 0;
}

static int add_tool_call(cli_collect *c, cli_collect_choice *choice, const leat_tool_call *call) {
  cli_collect_tool *tool = find_tool(c, choice, call->index);
  if (!tool) return LEAT_ENOMEM;
  int rc = lti_buf_append(&tool->id, call->id);
  if (rc == LTI_OK) rc = lti_buf_append(&tool->name, call->name);
  return rc == LTI_OK ? lti_buf_append(&tool->arguments, call->arguments) : rc;
}

static int keep_finish(cli_collect *c, cli_collect_choice *choice, const leat_event *event) {
  lti_buf_clear(&choice->finish);
  lti_buf_clear(&c->incomplete);
  int rc = lti_buf_append(&choice->finish, event->finish_reason);
  if (rc != LTI_OK || !lti_slice_is(event->finish_reason, "incomplete")) return rc;
  return lti_buf_append(&c->incomplete, event->finish_detail);
}

int cli_collect_event(void *ctx, leat_event *event) {
  cli_collect *c = ctx;
  if (event->kind == LEAT_EVENT_USAGE) {
    c->usage = event->usage;
    c->has_usage = true;
  }
  if (event->kind == LEAT_EVENT_USAGE || event->kind == LEAT_EVENT_RAW ||
      event->kind == LEAT_EVENT_HEAD || event->kind == LEAT_EVENT_REPLY) {
    return LTI_OK;
  }
  cli_collect_choice *choice = find_choice(c, event->choice);
  if (!choice) return LEAT_ENOMEM;
  switch (event->kind) {
    case LEAT_EVENT_TEXT: return lti_buf_append(&choice->text, event->text);
    case LEAT_EVENT_REASONING: return lti_buf_append(&choice->reasoning, event->text);
    case LEAT_EVENT_REFUSAL: return lti_buf_append(&choice->refusal, event->text);
    case LEAT_EVENT_TOOL_CALL: return add_tool_call(c, choice, &event->tool_call);
    case LEAT_EVENT_SIGNATURE: return lti_buf_append(&c->signature, event->text);
    case LEAT_EVENT_FINISH: return keep_finish(c, choice, event);
    case LEAT_EVENT_HEAD:
    case LEAT_EVENT_USAGE:
    case LEAT_EVENT_RAW:
    case LEAT_EVENT_REPLY:
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: break;
  }
  return LTI_OK;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Room for one more at `place` of an array of `count`; NULL without memory. */
static void *insert(cli_collect *c, void *array, size_t count, size_t size, size_t place) {
  char *fresh = lti_alloc_grow(c->alloc, array, count * size, (count + 1) * size);
  if (!fresh) return NULL;
  memmove(fresh + (place + 1) * size, fresh + place * size, (count - place) * size);
  memset(fresh + place * size, 0, size);
  return fresh;
}

static cli_collect_choice *find_choice(cli_collect *c, uint32_t index) {
  size_t place = 0;
  while (place < c->choice_count && c->choices[place].index < index) place++;
  if (place < c->choice_count && c->choices[place].index == index) return &c->choices[place];
  cli_collect_choice *fresh = insert(c, c->choices, c->choice_count, sizeof *fresh, place);
  if (!fresh) return NULL;
  c->choices = fresh;
  c->choice_count++;
  fresh += place;
  fresh->index = index;
  init_text(c, &fresh->text);
  init_text(c, &fresh->reasoning);
  init_text(c, &fresh->refusal);
  init_text(c, &fresh->finish);
  return fresh;
}

static cli_collect_tool *find_tool(cli_collect *c, cli_collect_choice *choice, uint32_t index) {
  size_t place = 0;
  while (place < choice->tool_count && choice->tools[place].index < index) place++;
  if (place < choice->tool_count && choice->tools[place].index == index) {
    return &choice->tools[place];
  }
  cli_collect_tool *fresh = insert(c, choice->tools, choice->tool_count, sizeof *fresh, place);
  if (!fresh) return NULL;
  choice->tools = fresh;
  choice->tool_count++;
  fresh += place;
  fresh->index = index;
  init_text(c, &fresh->id);
  init_text(c, &fresh->name);
  init_text(c, &fresh->arguments);
  return fresh;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A text to be written; the first failure stays. */
typedef struct writer {
  lti_buf *out;
  int error;
} writer;

static void put(writer *w, const char *text) {
  if (!w->error) w->error = lti_buf_text(w->out, text);
}

static void put_string(writer *w, const char *key, leat_slice text) {
  put(w, key);
  if (!w->error) w->error = lti_json_write_string(w->out, text);
}

static void put_number(writer *w, const char *key, int64_t number) {
  put(w, key);
  if (number < 0) {
    put(w, "null");
  } else if (!w->error) {
    w->error = lti_buf_i64(w->out, number);
  }
}

static void put_buf(writer *w, const char *key, const lti_buf *text) {
  put_string(w, key, lti_buf_slice(text));
}

/* Null where nothing was said. */
static void put_said(writer *w, const char *key, leat_slice text) {
  if (text.data) {
    put_string(w, key, text);
  } else {
    put(w, key);
    put(w, "null");
  }
}

static void put_choice(writer *w, const cli_collect_choice *choice) {
  put_number(w, "{\"index\":", choice->index);
  put_buf(w, ",\"text\":", &choice->text);
  put_buf(w, ",\"reasoning\":", &choice->reasoning);
  put_buf(w, ",\"refusal\":", &choice->refusal);
  put(w, ",\"tool_calls\":[");
  for (size_t i = 0; i < choice->tool_count; i++) {
    const cli_collect_tool *tool = &choice->tools[i];
    put_number(w, i ? ",{\"index\":" : "{\"index\":", tool->index);
    put_said(w, ",\"id\":", tool->id.size ? lti_buf_slice(&tool->id) : lti_slice(NULL, 0));
    put_buf(w, ",\"name\":", &tool->name);
    put_buf(w, ",\"arguments\":", &tool->arguments);
    put(w, "}");
  }
  put_said(w, "],\"finish_reason\":", lti_buf_slice(&choice->finish));
  put(w, "}");
}

static void put_usage(writer *w, const cli_collect *c) {
  if (!c->has_usage) {
    put(w, ",\"usage\":null");
    return;
  }
  put_number(w, ",\"usage\":{\"input\":", c->usage.input);
  put_number(w, ",\"output\":", c->usage.output);
  put_number(w, ",\"total\":", c->usage.total);
  put_number(w, ",\"reasoning\":", c->usage.reasoning);
  put_number(w, ",\"cached\":", c->usage.cached);
  put(w, "}");
}

/* The provider's, or ours when the body could not be read. */
static void put_error(writer *w, const lti_verdict *verdict) {
  lti_provider_error said = verdict->provider;
  if (!said.set) {
    if (verdict->error == LEAT_OK || verdict->error == LEAT_EINCOMPLETE) {
      put(w, ",\"error\":null");
      return;
    }
    said.type = lti_slice_of("protocol");
    said.message = lti_slice_of(leat_error_text(verdict->error));
  }
  put_said(w, ",\"error\":{\"type\":", said.type);
  if (said.code_is_number) {
    put(w, ",\"code\":");
    if (!w->error) w->error = lti_buf_append(w->out, said.code);
  } else {
    put_said(w, ",\"code\":", said.code);
  }
  put_said(w, ",\"message\":", said.message);
  put(w, "}");
}

static const char *ending(const lti_answer *answer, const lti_verdict *verdict) {
  bool failed = verdict->error != LEAT_OK && verdict->error != LEAT_EINCOMPLETE;
  if (lti_answer_closed(answer)) return "array_close";
  if (failed && !verdict->derived) return "error";
  if (!answer->ended) return "eof";
  return verdict->ended ? verdict->ended : answer->protocol->end_marker;
}

/* One object is a whole answer; several are lines of a stream. */
static const char *transport(const lti_answer *answer) {
  switch (answer->form) {
    case LTI_FORM_JSON: return "json";
    case LTI_FORM_ARRAY: return "json-array";
    case LTI_FORM_OBJECTS: return answer->records > 1 ? "json-lines" : "json";
    case LTI_FORM_UNDECIDED:
    case LTI_FORM_SSE:
    case LTI_FORM_RAW:
    case LTI_FORM_FOREIGN: break;
  }
  return "sse";
}

int cli_collect_write(const cli_collect *c, const lti_answer *answer, const lti_verdict *verdict,
                      lti_buf *out) {
  writer w = {out, LTI_OK};
  put_string(&w, "{\"format\":", lti_slice_of(answer->protocol->name));
  put_string(&w, ",\"transport\":", lti_slice_of(transport(answer)));
  put(&w, ",\"choices\":[");
  for (size_t i = 0; i < c->choice_count; i++) {
    put(&w, i ? "," : "");
    put_choice(&w, &c->choices[i]);
  }
  put(&w, "]");
  put_usage(&w, c);
  put_error(&w, verdict);
  put_string(&w, ",\"ended\":", lti_slice_of(ending(answer, verdict)));
  put(&w, ",\"complete\":");
  put(&w, verdict->error == LEAT_OK ? "true" : "false");
  if (c->signature.size) put_string(&w, ",\"signature\":", lti_buf_slice(&c->signature));
  if (c->incomplete.size) put_buf(&w, ",\"incomplete_reason\":", &c->incomplete);
  put(&w, "}");
  return w.error;
}
