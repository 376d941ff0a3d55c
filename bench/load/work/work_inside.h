/* What the files of a work have of each other. */
#ifndef LOAD_WORK_INSIDE_H
#define LOAD_WORK_INSIDE_H

#include "aim.h"
#include "amend.h"
#include "bench/load/work/work.h"
#include "bindings/cli/compose.h"
#include "dataset.h"
#include "draw.h"
#include "prompts.h"
#include "stencil.h"
#include "talk.h"

#define WORK_BODY_MAX ((size_t)128 << 20)

/* What carries the words. */
enum work_carrier {
  CARRIER_SAME, /* one request, which all are like */
  CARRIER_CHAT, /* a chat in fields, which the dialect encodes */
  CARRIER_IDS,  /* a body whose prompt is token ids */
  CARRIER_BODY  /* a body from a template or a data set */
};

/* Where a question comes from. */
enum work_source { SOURCE_FIXED, SOURCE_MADE, SOURCE_ROWS };

enum work_lengths { LENGTHS_WORDS, LENGTHS_USAGE, LENGTHS_TOKENIZE, LENGTHS_IDS };

typedef struct work_field {
  leat_slice name;
  stencil *value;
} work_field;

struct work {
  const cli_options *options;
  uint64_t seed;
  bool replay; /* starts bring lengths */
  aim aim;
  enum work_carrier carrier;
  enum work_source source;
  enum work_lengths lengths; /* how those of made prompts are made right */
  bool lengths_asked;        /* by --tokens-by */
  uint32_t turns;            /* of a conversation at most */
  cli_compose compose;       /* typed fields, the prompt or the body */
  leat_request request;      /* what all requests are like */
  leat_task task;
  draw_length input, output;
  prompts prompts;
  dataset *rows;
  bool shuffled;
  amend amend;         /* what becomes of bodies; a row's own endpoint may say otherwise */
  lti_buf body_text;   /* a body's template: the user's, or what an endpoint usually takes */
  lti_buf prompt_text; /* a prompt's template */
  stencil *body, *prompt;
  work_field *fields; /* headers with holes */
  size_t field_count;
  lti_buf ids_head, ids_tail; /* a body around its token ids, without the last brace */
  char note[RESULT_TEXT_MAX];
};

struct work_hand {
  const work *work;
  work_talk *idle;
  lti_buf inner, question, body, amended, scratch, field_text, system;
  leat_chat_request chat;
  leat_message *messages; /* room for the longest conversation and a system's */
  leat_header *headers;
};

struct work_talk {
  work_hand *hand;
  work_talk *next; /* of those that nobody has */
  uint64_t index;
  uint32_t turn, turns;
  int64_t input_tokens, output_tokens; /* of a replay; -1: not told */
  leat_slice blocks;                   /* of a replay */
  dataset_row row;
  talk_history history;
};

/* Decides from the options what the work is, and opens what it needs. False, and said. */
bool plan_make(work *w);
/* Makes a turn's request. An error of the buffers'. */
int turn_make(work_talk *t, work_item *item);

#endif
