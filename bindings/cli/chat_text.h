/* A completion as a person reads it: text as it comes, tool calls as lines when they are whole.
 *
 * Text and refusals go to the output. Reasoning goes to standard error, dimmed on a terminal, and
 * only when it is wanted. Fragments of tool calls may come interleaved, so they are gathered by
 * choice and index, at most CLI_TOOLS_MAX of them, and printed by cli_chat_text_end. Where a second
 * choice speaks, each change of speaker begins a line that names it. */
#ifndef CLI_CHAT_TEXT_H
#define CLI_CHAT_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "out.h"

#define CLI_TOOLS_MAX 128

typedef struct cli_tool {
  uint32_t choice, index;
  lti_buf name, id, arguments;
} cli_tool;

typedef struct cli_chat_text {
  cli_out *out;
  lti_alloc *alloc;
  bool show_reasoning, dim, reasoning_open;
  uint32_t choice;
  cli_tool *tools;
  size_t tool_count;
  uint64_t tools_dropped;
  char finish[64];
  bool has_usage;
  leat_usage usage;
} cli_chat_text;

void cli_chat_text_init(cli_chat_text *text, lti_alloc *alloc, cli_out *out, bool show_reasoning);
void cli_chat_text_event(cli_chat_text *text, const leat_event *event);
/* Prints what was gathered and ends the last line. */
void cli_chat_text_end(cli_chat_text *text);
void cli_chat_text_deinit(cli_chat_text *text);

#endif
