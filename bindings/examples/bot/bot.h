/* What the parts of the bot share.
 *
 * main.c fetches updates and asks; answer.c has what one message becomes, from the model's first
 * word to the last edit; json.c reads and writes what the feed speaks. */
#ifndef BOT_H
#define BOT_H

#include <stdbool.h>

#include <uv.h>

#include "leat.h"

#define PENDING_MAX 20000 /* messages that are not answered; above it no more are fetched */
#define TEXT_MAX    4096  /* bytes of one message */

typedef struct answer answer;

typedef struct bot {
  uv_loop_t loop;
  uv_timer_t timer; /* the pace of calls */
  uv_signal_t signals[2];
  leat_engine *model, *feed;
  int engines; /* how many are open */
  const char *model_name;
  uint64_t edit_ns;      /* between two edits of a message */
  double rate, budget;   /* calls in a second, and how many may be made now */
  uint64_t paced_ns;     /* when the budget was last filled */
  answer *first, **last; /* those that wait for a call, in their order */
  size_t waiting;        /* how many */
  size_t pending;        /* messages that are not answered */
  int64_t offset;        /* of the next update */
  leat_id poll;          /* the question for updates, 0: none is out */
  uint64_t poll_at_ns;   /* not before */
  bool leaving, closing;
  unsigned long answered, failed;
} bot;

/* Asks the model, in the lane of its chat. `update` is the update's number. */
void answer_open(bot *b, int64_t update, int64_t chat, int64_t question, leat_slice text);
/* Makes the calls that are due now. */
void answer_pace(bot *b);

#endif
