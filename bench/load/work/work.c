/* What requests say: see work.h. A work is read-only once it is open, so that threads share it
 * without a lock; what changes from turn to turn lives in the hand of a thread. What it is follows
 * from the options in plan.c, what a turn says in turn.c.
 *
 * A conversation is a few words of memory that the hand lends and takes back, so that nothing is
 * allocated once as many are under way as ever will be. */
#include "bench/load/work/work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "calibrate.h"
#include "work_inside.h"

#define SEED_DEFAULT  1
#define TEMPLATE_MAX  ((size_t)64 << 20)
#define SHARED_ROOM   2 /* messages beside those of turns: the system's, and one to spare */
#define SHUFFLE_SPICE UINT64_C(0x53687566666c65)

static void init_buf(lti_buf *b, size_t most) {
  lti_buf_init(b, cli_program_alloc(), most, LEAT_EBODYMAX);
}

work *work_open(const cli_options *options, const shape_spec *spec) {
  work *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  w->options = options;
  w->seed = options->load.seed.set ? (uint64_t)options->load.seed.value : SEED_DEFAULT;
  w->replay = spec && spec->kind == RESULT_REPLAY;
  prompts_init(&w->prompts, w->seed);
  init_buf(&w->body_text, TEMPLATE_MAX);
  init_buf(&w->prompt_text, TEMPLATE_MAX);
  init_buf(&w->ids_head, WORK_BODY_MAX);
  init_buf(&w->ids_tail, WORK_BODY_MAX);
  if (plan_make(w)) return w;
  work_free(w);
  return NULL;
}

void work_free(work *w) {
  if (!w) return;
  for (size_t i = 0; i < w->field_count; i++) stencil_free(w->fields[i].value);
  free(w->fields);
  stencil_free(w->body);
  stencil_free(w->prompt);
  lti_buf_deinit(&w->body_text);
  lti_buf_deinit(&w->prompt_text);
  lti_buf_deinit(&w->ids_head);
  lti_buf_deinit(&w->ids_tail);
  dataset_close(w->rows);
  prompts_deinit(&w->prompts);
  aim_deinit(&w->aim);
  cli_compose_free(&w->compose);
  free(w);
}

uint64_t work_count(const work *w) {
  return w->rows ? dataset_count(w->rows) : UINT64_MAX;
}

bool work_calibrate(work *w, const leat_config *config) {
  return calibrate_run(w, config);
}

void work_describe(const work *w, result_lengths *lengths) {
  if (w->source == SOURCE_MADE && w->turns == 1 && w->input.mean > 0)
    lengths->input_wanted = llround(w->input.mean);
  if (w->output.mean > 0) lengths->output_wanted = llround(w->output.mean);
  snprintf(lengths->note, sizeof lengths->note, "%s", w->note);
}

const char *work_provider(const cli_options *options) {
  return aim_provider(options);
}

/* --- hands --- */

static lti_buf *hand_buf(work_hand *h, size_t i) {
  lti_buf *all[] = {&h->inner,   &h->question,   &h->body,  &h->amended,
                    &h->scratch, &h->field_text, &h->system};
  return i < sizeof all / sizeof all[0] ? all[i] : NULL;
}

work_hand *work_hand_new(const work *w) {
  work_hand *h = calloc(1, sizeof *h);
  if (!h) return NULL;
  h->work = w;
  for (size_t i = 0; hand_buf(h, i); i++) init_buf(hand_buf(h, i), WORK_BODY_MAX);
  h->messages = calloc(2 * (size_t)w->turns + SHARED_ROOM, sizeof *h->messages);
  h->headers = calloc(w->field_count + 1, sizeof *h->headers);
  if (h->messages && h->headers) return h;
  work_hand_free(h);
  return NULL;
}

void work_hand_free(work_hand *h) {
  if (!h) return;
  for (work_talk *t = h->idle; t;) {
    work_talk *next = t->next;
    talk_deinit(&t->history);
    free(t);
    t = next;
  }
  for (size_t i = 0; hand_buf(h, i); i++) lti_buf_deinit(hand_buf(h, i));
  free(h->messages);
  free(h->headers);
  free(h);
}

/* --- conversations --- */

static work_talk *lend(work_hand *h) {
  work_talk *t = h->idle;
  if (t) {
    h->idle = t->next;
    return t;
  }
  t = calloc(1, sizeof *t);
  if (t) talk_init(&t->history);
  return t;
}

static void find_row(work_talk *t) {
  const work *w = t->hand->work;
  uint64_t count = dataset_count(w->rows);
  uint64_t seed = draw_mix(w->seed, SHUFFLE_SPICE);
  dataset_read(w->rows, w->shuffled ? draw_shuffled(seed, t->index, count) : t->index % count,
               &t->row);
  if (t->row.turns < t->turns) t->turns = t->row.turns;
}

work_talk *work_begin(work_hand *h, uint64_t index, const shape_start *start) {
  work_talk *t = lend(h);
  if (!t) return NULL;
  t->hand = h;
  t->next = NULL;
  t->index = index;
  t->turn = 0;
  t->turns = h->work->turns;
  t->input_tokens = start ? start->input_tokens : -1;
  t->output_tokens = start ? start->output_tokens : -1;
  t->blocks = start ? start->prefix : lti_slice(NULL, 0);
  if (h->work->rows) find_row(t);
  if (t->turns == 1 || talk_reset(&t->history, t->turns)) return t;
  work_end(t);
  return NULL;
}

bool work_turn(work_talk *t, work_item *item, int *failed) {
  *failed = LEAT_OK;
  if (t->turn >= t->turns) return false;
  *failed = turn_make(t, item);
  if (*failed == LEAT_OK) t->turn++;
  return *failed == LEAT_OK;
}

void work_answer(work_talk *t, leat_slice text) {
  if (t->turns > 1) talk_answer(&t->history, text);
}

void work_end(work_talk *t) {
  t->next = t->hand->idle;
  t->hand->idle = t;
}
