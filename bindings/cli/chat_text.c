/* Printing for people. Fragments of a tool call are kept apart by choice and index and found from
 * the end, where the one under way is; their number and size are bounded. */
#include "chat_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "say.h"

#define NAME_MAX_BYTES 4096

void cli_chat_text_init(cli_chat_text *t, lti_alloc *alloc, cli_out *out, bool show_reasoning) {
  memset(t, 0, sizeof *t);
  t->out = out;
  t->alloc = alloc;
  t->show_reasoning = show_reasoning;
  t->dim = cli_say_colour(STDERR_FILENO);
}

static void write_stderr(const char *text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

static void end_reasoning(cli_chat_text *t) {
  if (!t->reasoning_open) return;
  write_stderr(t->dim ? "\x1b[0m\n" : "\n");
  t->reasoning_open = false;
}

static void put_reasoning(cli_chat_text *t, leat_slice text) {
  if (!t->show_reasoning) return;
  if (!t->reasoning_open && t->dim) write_stderr("\x1b[2m");
  t->reasoning_open = true;
  while (text.size > 0) {
    char clean[CLI_LINE_MAX], line[CLI_LINE_MAX];
    leat_slice piece =
        lti_slice(text.data, text.size < CLI_LINE_MAX - 8 ? text.size : CLI_LINE_MAX - 8);
    const char *end = memchr(piece.data, '\n', piece.size);
    if (end) piece.size = (size_t)(end - piece.data);
    cli_say_clean(piece, clean, sizeof clean);
    snprintf(line, sizeof line, "%.*s%s", CLI_LINE_MAX - 8, clean, end ? "\n" : "");
    write_stderr(line);
    text = lti_slice_from(text, piece.size + (end ? 1 : 0));
  }
}

static void put_text(cli_chat_text *t, const leat_event *event) {
  end_reasoning(t);
  if (event->choice != t->choice) {
    cli_out_format(t->out, "%s[choice %u] ", t->out->line_start ? "" : "\n", event->choice);
    t->choice = event->choice;
  }
  cli_out_foreign(t->out, event->text);
  cli_out_flush(t->out);
}

static cli_tool *tool_of(cli_chat_text *t, uint32_t choice, uint32_t index) {
  for (size_t i = t->tool_count; i > 0; i--) {
    cli_tool *tool = &t->tools[i - 1];
    if (tool->choice == choice && tool->index == index) return tool;
  }
  if (!t->tools) t->tools = calloc(CLI_TOOLS_MAX, sizeof *t->tools);
  if (!t->tools || t->tool_count == CLI_TOOLS_MAX) return NULL;
  cli_tool *tool = &t->tools[t->tool_count++];
  tool->choice = choice;
  tool->index = index;
  lti_buf_init(&tool->name, t->alloc, NAME_MAX_BYTES, LEAT_EBODYMAX);
  lti_buf_init(&tool->id, t->alloc, NAME_MAX_BYTES, LEAT_EBODYMAX);
  lti_buf_init(&tool->arguments, t->alloc, (size_t)64 << 20, LEAT_EBODYMAX);
  return tool;
}

static void keep_tool(cli_chat_text *t, const leat_event *event) {
  const leat_tool_call *call = &event->tool_call;
  cli_tool *tool = tool_of(t, event->choice, call->index);
  bool kept = tool && lti_buf_append(&tool->name, call->name) == LEAT_OK &&
              lti_buf_append(&tool->id, call->id) == LEAT_OK &&
              lti_buf_append(&tool->arguments, call->arguments) == LEAT_OK;
  if (!kept) t->tools_dropped++;
}

static void put_media(cli_chat_text *t, const leat_event *event) {
  const leat_media *media = &event->media;
  if (!t->out->line_start) cli_out_text(t->out, "\n");
  cli_out_text(t->out, event->kind == LEAT_EVENT_IMAGE ? "[image " : "[audio ");
  if (media->url.size)
    cli_out_foreign(t->out, media->url);
  else
    cli_out_format(t->out, "%zu bytes of base64, --json has them", media->data.size);
  cli_out_text(t->out, "]\n");
  cli_out_flush(t->out);
}

void cli_chat_text_event(cli_chat_text *t, const leat_event *event) {
  switch (event->kind) {
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REFUSAL: put_text(t, event); break;
    case LEAT_EVENT_REASONING: put_reasoning(t, event->text); break;
    case LEAT_EVENT_TOOL_CALL: keep_tool(t, event); break;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: put_media(t, event); break;
    case LEAT_EVENT_USAGE:
      t->usage = event->usage;
      t->has_usage = true;
      break;
    case LEAT_EVENT_FINISH: cli_say_clean(event->finish_reason, t->finish, sizeof t->finish); break;
    case LEAT_EVENT_HEAD:
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_REPLY:
    case LEAT_EVENT_RAW: break;
  }
}

void cli_chat_text_end(cli_chat_text *t) {
  end_reasoning(t);
  if (!t->out->line_start) cli_out_text(t->out, "\n");
  for (size_t i = 0; i < t->tool_count; i++) {
    cli_tool *tool = &t->tools[i];
    cli_out_text(t->out, "[tool call ");
    cli_out_foreign(t->out, lti_buf_slice(&tool->name));
    cli_out_text(t->out, " ");
    cli_out_foreign(t->out, lti_buf_slice(&tool->arguments));
    cli_out_text(t->out, "]\n");
  }
  cli_out_flush(t->out);
  if (t->tools_dropped)
    cli_say("%llu fragments of tool calls were not kept: use --json",
            (unsigned long long)t->tools_dropped);
}

void cli_chat_text_deinit(cli_chat_text *t) {
  for (size_t i = 0; i < t->tool_count; i++) {
    lti_buf_deinit(&t->tools[i].name);
    lti_buf_deinit(&t->tools[i].id);
    lti_buf_deinit(&t->tools[i].arguments);
  }
  free(t->tools);
}
