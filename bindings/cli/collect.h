/* What an answer amounts to: events gathered into choices, and written as the one JSON object that
 * `leat decode --protocol` prints:
 *
 *   {"format","transport","choices":[{"index","text","reasoning","refusal","tool_calls":[{"index",
 *   "id","name","arguments"}],"finish_reason"}],"usage":{"input","output","total","reasoning",
 *   "cached"}|null,"error":{"type","code","message"}|null,"ended","complete"[,"signature"]
 *   [,"incomplete_reason"]}
 *
 * Texts are joined for each choice and channel, choices and tool calls stand in the order of their
 * indexes. It is the sink of an lti_answer:
 *
 *   lti_answer_sink sink = {cli_collect_event, &collect};
 *   lti_answer_init(&a, alloc, protocol, &limits, sink);
 *   ... feed ...;  lti_answer_end(&a, &verdict);  cli_collect_write(&collect, &a, &verdict, &out);
 */
#ifndef CLI_COLLECT_H
#define CLI_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/answer.h"

typedef struct cli_collect_tool {
  uint32_t index;
  lti_buf id, name, arguments;
} cli_collect_tool;

typedef struct cli_collect_choice {
  uint32_t index;
  lti_buf text, reasoning, refusal, finish;
  cli_collect_tool *tools;
  size_t tool_count;
} cli_collect_choice;

typedef struct cli_collect {
  lti_alloc *alloc;
  cli_collect_choice *choices;
  size_t choice_count;
  lti_buf signature;
  lti_buf incomplete; /* why the answer is */
  bool has_usage;
  leat_usage usage;
} cli_collect;

void cli_collect_init(cli_collect *c, lti_alloc *alloc);
void cli_collect_deinit(cli_collect *c);
/* `ctx` is the cli_collect. LTI_OK or LEAT_ENOMEM. */
int cli_collect_event(void *ctx, leat_event *event);
/* Appends the object, without a line's end. */
int cli_collect_write(const cli_collect *c, const lti_answer *answer, const lti_verdict *verdict,
                      lti_buf *out);

#endif
