/* Calibration: a few requests of the work's own kind, with prompts of known numbers of words and
 * answers as short as can be, whose usage tells what a prompt is worth; or the same prompts given
 * to /tokenize (vLLM's form). The line through those points makes lengths in tokens; what it hits
 * is told by the usage of the run itself. */
#include "calibrate.h"

#include <math.h>
#include <stdio.h>

#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "wire/json.h"

#define PROBES          3
#define PROBE_INDEX     (UINT64_C(1) << 39) /* a number that no request of a run has */
#define PROBE_RETRIES   2
#define PROBE_TIME_MS   60000
#define WORDS_MIN       32
#define WORDS_MAX       4096
#define WORDS_UNKNOWN   1024 /* where a replay brings the lengths */
#define EACH_MIN        0.25
#define EACH_MAX        64
#define RESPONSES_LEAST 16 /* the shortest answer that OpenAI's Responses allow */

typedef struct probe {
  double words;
  int64_t tokens; /* -1: not told */
  bool beside;    /* what was found in a cache is counted beside the input */
  int error;
  char message[200];
} probe;

static const char what[] = "measuring how many tokens prompts have";

/* --- one question --- */

/* "usage" of an answer that no dialect reads, or "count" of /tokenize. */
static void read_reply(probe *p, leat_slice json) {
  static const char *const places[] = {"/count", "/usage/prompt_tokens", "/usage/input_tokens"};
  leat_slice value;
  uint64_t tokens;
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    if (p->tokens >= 0 || !lti_json_find(json, places[i], &value)) continue;
    if (lti_slice_u64(value, &tokens) && tokens <= INT32_MAX) p->tokens = (int64_t)tokens;
  }
}

/* Anthropic counts what it found in its cache beside the input, others as a part of it. */
static int64_t input_of(const leat_usage *u, bool beside) {
  int64_t input = u->input;
  if (beside && u->cached > 0) input += u->cached;
  if (beside && u->cache_write > 0) input += u->cache_write;
  return input;
}

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  probe *p = user;
  (void)engine;
  (void)id;
  if (event->kind == LEAT_EVENT_REPLY) read_reply(p, event->text);
  if (event->kind == LEAT_EVENT_USAGE && event->usage.input >= 0)
    p->tokens = input_of(&event->usage, p->beside);
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *answer, void *user) {
  probe *p = user;
  (void)engine;
  (void)id;
  p->error = answer->error;
  snprintf(p->message, sizeof p->message, "%.*s", (int)answer->message.size,
           answer->message.size ? answer->message.data : "");
}

static int submit(leat_engine *engine, leat_request *q, probe *p) {
  leat_id id;
  q->on_event = on_event;
  q->on_done = on_done;
  q->user = p;
  int r = leat_submit(engine, q, &id);
  if (r != LEAT_OK) snprintf(p->message, sizeof p->message, "%s", leat_last_message(engine));
  p->error = r;
  return r;
}

/* --- both ways of asking --- */

static int64_t answer_tokens(const work *w) {
  leat_slice value;
  leat_slice extra = w->compose.chat.extra;
  if (extra.size && lti_json_find(extra, "/min_tokens", &value)) return -1; /* as it will be */
  const char *limit = aim_words_of(w->aim.dialect).limit;
  return limit && strcmp(limit, "max_output_tokens") == 0 ? RESPONSES_LEAST : 1;
}

static int ask_usage(work_hand *h, leat_engine *engine, uint64_t i, probe *p) {
  const work *w = h->work;
  shape_start start = {.index = PROBE_INDEX + i,
                       .input_tokens = (int64_t)p->words,
                       .output_tokens = answer_tokens(w)};
  work_item item;
  int failed = LEAT_ENOMEM;
  work_talk *t = work_begin(h, start.index, &start);
  if (t && work_turn(t, &item, &failed)) {
    p->beside = w->aim.dialect && strcmp(w->aim.dialect, "anthropic") == 0;
    h->chat.no_usage = false;
    failed = submit(engine, &item.request, p);
  }
  if (t) work_end(t);
  return failed;
}

static int ask_tokenize(work_hand *h, leat_engine *engine, uint64_t i, probe *p) {
  const work *w = h->work;
  prompts_wish wish = {.index = PROBE_INDEX + i, .tokens = (int64_t)p->words};
  leat_request q;
  leat_request_init(&q);
  lti_buf_clear(&h->question);
  lti_buf_clear(&h->body);
  int r = prompts_write(&w->prompts, &wish, &h->question);
  if (r == LEAT_OK) r = lti_buf_text(&h->body, "{\"prompt\":");
  if (r == LEAT_OK) r = lti_json_write_string(&h->body, lti_buf_slice(&h->question));
  if (r == LEAT_OK && w->options->model) {
    r = lti_buf_text(&h->body, ",\"model\":");
    if (r == LEAT_OK) r = lti_json_write_string(&h->body, lti_slice_of(w->options->model));
  }
  if (r == LEAT_OK) r = lti_buf_byte(&h->body, '}');
  q.protocol = "json";
  q.path = "/tokenize";
  q.body = lti_buf_slice(&h->body);
  return r == LEAT_OK ? submit(engine, &q, p) : r;
}

/* --- the line --- */

bool calibrate_fit(const double *words, const double *tokens, size_t count, double *fixed,
                   double *each) {
  double x = 0, y = 0, xx = 0, xy = 0;
  for (size_t i = 0; i < count; i++) {
    x += words[i] / (double)count;
    y += tokens[i] / (double)count;
  }
  for (size_t i = 0; i < count; i++) {
    xx += (words[i] - x) * (words[i] - x);
    xy += (words[i] - x) * (tokens[i] - y);
  }
  if (xx <= 0) return false;
  *each = xy / xx;
  *fixed = y - *each * x;
  return *each >= EACH_MIN && *each <= EACH_MAX;
}

/* No usage at all: an error where it was asked for, else a word is taken for a token. */
static bool go_without(work *w) {
  if (w->lengths_asked) {
    cli_say("%s: the gateway did not tell it: --tokens-by words asks nobody", what);
    return false;
  }
  snprintf(w->note, sizeof w->note,
           "the gateway tells no usage: prompts have as many words as tokens were asked for");
  return true;
}

static bool use(work *w, const probe *probes) {
  double words[PROBES], tokens[PROBES], fixed, each;
  for (size_t i = 0; i < PROBES; i++) {
    if (probes[i].error) {
      cli_say("%s: %s", what,
              probes[i].message[0] ? probes[i].message : leat_error_text(probes[i].error));
      return false;
    }
    if (probes[i].tokens < 0) return go_without(w);
    words[i] = probes[i].words;
    tokens[i] = (double)probes[i].tokens;
  }
  if (!calibrate_fit(words, tokens, PROBES, &fixed, &each)) {
    cli_say(
        "%s: they do not grow with their words (%.0f words, %.0f tokens; %.0f words, %.0f "
        "tokens): --tokens-by words asks nobody",
        what, words[0], tokens[0], words[PROBES - 1], tokens[PROBES - 1]);
    return false;
  }
  w->prompts.fixed = fixed;
  w->prompts.each = each;
  bool small = w->input.mean > 0 && w->input.mean < fixed + each;
  snprintf(w->note, sizeof w->note, "prompts are words, by %s %.3f tokens each and %.1f besides%s",
           w->lengths == LENGTHS_TOKENIZE ? "/tokenize" : "the usage of 3 requests", each, fixed,
           small ? ", which is more than was asked for" : "");
  return prompts_share(&w->prompts);
}

static void plan_probes(const work *w, probe *probes) {
  double most = w->input.mean > 0 ? w->input.mean : WORDS_UNKNOWN;
  double least = (double)w->prompts.shared + WORDS_MIN;
  if (most < least) most = least;
  if (most > WORDS_MAX && WORDS_MAX >= least) most = WORDS_MAX;
  for (size_t i = 0; i < PROBES; i++)
    probes[i] = (probe){.words = floor(most / (double)(1u << (PROBES - 1 - i))), .tokens = -1};
}

/* All at once, on an engine and a loop of their own. */
static bool ask_all(work *w, leat_engine *engine, probe *probes) {
  work_hand *h = work_hand_new(w);
  bool fine = h != NULL;
  for (size_t i = 0; fine && i < PROBES; i++) {
    int r = w->lengths == LENGTHS_TOKENIZE ? ask_tokenize(h, engine, i, &probes[i])
                                           : ask_usage(h, engine, i, &probes[i]);
    fine = r == LEAT_OK;
    if (!fine)
      cli_say("%s: %s", what, probes[i].message[0] ? probes[i].message : leat_error_text(r));
  }
  if (fine) leat_run(engine);
  work_hand_free(h);
  return fine;
}

static bool ask_gateway(work *w, const leat_config *config) {
  leat_config own = *config;
  leat_engine *engine;
  const char *why = NULL;
  probe probes[PROBES];
  own.loop = NULL;
  own.retries = PROBE_RETRIES;
  own.metrics = false;
  own.journal = NULL;
  if (own.deadlines.total_ms == 0) own.deadlines.total_ms = PROBE_TIME_MS;
  int r = leat_open(&engine, &own, &why);
  if (r != LEAT_OK) {
    cli_say("%s: %s", what, why ? why : leat_error_text(r));
    return false;
  }
  plan_probes(w, probes);
  bool fine = ask_all(w, engine, probes);
  leat_close(engine, LEAT_CLOSE_NOW, NULL, NULL);
  leat_run(engine);
  return fine && use(w, probes);
}

static void note_rows(work *w) {
  uint64_t skipped = w->rows ? dataset_skipped(w->rows) : 0;
  if (skipped)
    snprintf(w->note, sizeof w->note,
             "conversations of the data set without a question, which were passed over: %llu",
             (unsigned long long)skipped);
}

bool calibrate_run(work *w, const leat_config *config) {
  note_rows(w);
  if (w->source != SOURCE_MADE) return true;
  switch (w->lengths) {
    case LENGTHS_USAGE:
    case LENGTHS_TOKENIZE: return ask_gateway(w, config);
    case LENGTHS_WORDS:
      snprintf(w->note, sizeof w->note, "prompts have as many words as tokens were asked for");
      return true;
    case LENGTHS_IDS:
      snprintf(w->note, sizeof w->note, "prompts are token ids, as many as were asked for");
      return true;
  }
  return true;
}
