/* What requests say. A work is opened once and read by all threads; each thread has a hand, which
 * makes conversations from their number: the same number gives the same bytes whatever the thread,
 * the shard or the order. A request of its own is a conversation of one turn.
 *
 *     conversation = work_begin(hand, index, start)
 *     while (work_turn(conversation, &item))      the next request, ready to submit
 *       ... answered: work_answer(conversation, text) for each piece, where item.wants_answer
 *     work_end(conversation)
 */
#ifndef LOAD_WORK_H
#define LOAD_WORK_H

#include "bench/load/shape/shape.h"
#include "bindings/cli/options.h"
#include "leat.h"

typedef struct work work;
typedef struct work_hand work_hand;
typedef struct work_talk work_talk; /* a conversation */

enum work_kind { WORK_REQUEST, WORK_TASK };

/* One turn. Its texts live in the hand, until its next work_turn: submit it first. The callbacks
 * and user pointers are the caller's to set. */
typedef struct work_item {
  enum work_kind kind;
  leat_request request;
  leat_task task;
  bool wants_answer;                   /* the next turn needs what is answered */
  bool keeps_socket;                   /* over a WebSocket: the conversation's turns share one */
  uint32_t turn;                       /* from 0 */
  int64_t input_wanted, output_wanted; /* tokens, -1: not asked for */
} work_item;

/* Reads prompts, data sets, templates and lengths from the options; files are read whole here.
 * `spec` tells what a replay brings. NULL, and said, when something cannot be used. */
work *work_open(const cli_options *options, const shape_spec *spec);
void work_free(work *w);
/* How many conversations there are before they repeat, UINT64_MAX: they never do. */
uint64_t work_count(const work *w);

work_hand *work_hand_new(const work *w);
void work_hand_free(work_hand *h);
/* NULL: no memory. `start` (may be NULL) is the open loop's, with a replay's lengths. */
work_talk *work_begin(work_hand *h, uint64_t index, const shape_start *start);
/* False: it is over, or (`*failed`, with leat's error, else LEAT_OK) could not go on. */
bool work_turn(work_talk *talk, work_item *item, int *failed);
void work_answer(work_talk *talk, leat_slice text);
void work_end(work_talk *talk);

/* Lengths by tokens that are not exact by their nature are calibrated before the run: `calibrate`
 * asks the gateway with a few requests of its own, from a loop of its own, and stores what a token
 * is worth. True, and nothing asked, where there is nothing to calibrate; false, and said, when the
 * gateway cannot be asked. */
bool work_calibrate(work *w, const leat_config *config);
/* What was asked for, and a line on how lengths were made: after calibration, for the report. */
void work_describe(const work *w, result_lengths *lengths);
/* Whose key and base URL the environment is asked for: the protocol's, or the endpoint's; NULL: the
 * usual one's. */
const char *work_provider(const cli_options *options);

#endif
