/* What requests say: see work.h. A work is read-only once it is open, so that threads share it
 * without a lock; what changes from turn to turn lives in the hand of a thread.
 *
 * A conversation is a few words of memory that the hand lends and takes back, so that nothing is
 * allocated once as many are under way as ever will be. */
#include "bench/load/work/work.h"

#include <stdlib.h>

#include "bindings/cli/compose.h"

#define DEFAULT_PROMPT "Say a few words about water."

struct work {
  const cli_options *options;
  cli_compose compose; /* the request that all are alike to */
};

struct work_talk {
  work_hand *hand;
  work_talk *next; /* of those that nobody has */
  uint64_t index;
  uint32_t turn;
};

struct work_hand {
  const work *work;
  work_talk *idle;
};

work *work_open(const cli_options *options, const shape_spec *spec) {
  work *w = calloc(1, sizeof *w);
  (void)spec;
  if (!w) return NULL;
  w->options = options;
  if (cli_compose_chat(&w->compose, options, DEFAULT_PROMPT)) return w;
  work_free(w);
  return NULL;
}

void work_free(work *w) {
  if (!w) return;
  cli_compose_free(&w->compose);
  free(w);
}

uint64_t work_count(const work *w) {
  (void)w;
  return UINT64_MAX;
}

work_hand *work_hand_new(const work *w) {
  work_hand *h = calloc(1, sizeof *h);
  if (h) h->work = w;
  return h;
}

void work_hand_free(work_hand *h) {
  if (!h) return;
  for (work_talk *t = h->idle; t;) {
    work_talk *next = t->next;
    free(t);
    t = next;
  }
  free(h);
}

work_talk *work_begin(work_hand *h, uint64_t index, const shape_start *start) {
  work_talk *t = h->idle;
  (void)start;
  if (t)
    h->idle = t->next;
  else
    t = malloc(sizeof *t);
  if (t) *t = (work_talk){.hand = h, .index = index};
  return t;
}

bool work_turn(work_talk *t, work_item *item, int *failed) {
  *failed = LEAT_OK;
  if (t->turn > 0) return false;
  *item = (work_item){.kind = WORK_REQUEST, .input_wanted = -1, .output_wanted = -1};
  item->request = t->hand->work->compose.request;
  item->turn = t->turn++;
  return true;
}

void work_answer(work_talk *t, leat_slice text) {
  (void)t;
  (void)text;
}

void work_end(work_talk *t) {
  t->next = t->hand->idle;
  t->hand->idle = t;
}

bool work_calibrate(work *w, const leat_config *config) {
  (void)w;
  (void)config;
  return true;
}

const char *work_note(const work *w) {
  (void)w;
  return NULL;
}
