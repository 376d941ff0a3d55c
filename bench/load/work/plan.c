/* What a work is: see work.h. The options are looked at once, in the order in which one thing
 * follows from another: where requests go, where questions come from, what carries them, how many
 * turns there are, how lengths are made right. What cannot be together is refused: an option that
 * would silently do nothing is worse than an error. */
#include <stdlib.h>

#include "bindings/cli/input.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "protocol.h"
#include "wire/json.h"
#include "work_inside.h"

#define DEFAULT_PROMPT "Say a few words about water."
#define PLACE          "@" /* stands where token ids will be */

static bool refuse(const char *what, const char *why) {
  cli_say("%s: %s", what, why);
  return false;
}

/* --- where questions come from --- */

static bool open_rows(work *w) {
  const cli_load *l = &w->options->load;
  bool routed = !l->endpoint && !w->options->protocol;
  if (!l->dataset) {
    if (l->dataset_order) return refuse("--dataset-order", "there is no --dataset");
    return true;
  }
  w->rows = dataset_open(l->dataset, routed);
  w->shuffled = l->dataset_order && strcmp(l->dataset_order, "shuffle") == 0;
  return w->rows != NULL;
}

static bool has_bodies(const work *w) {
  return w->rows && dataset_kind(w->rows) == DATASET_BODIES;
}

static stencil *open_stencil(leat_slice text, const char *name, bool json) {
  char why[STENCIL_WHY_MAX];
  stencil *s = stencil_open(text, name, json, why);
  if (!s) cli_say("%s", why);
  return s;
}

/* A template whose holes are filled anew for each request. NULL, and said. */
static stencil *open_template(const lti_buf *text, const char *name, bool json) {
  stencil *s = open_stencil(lti_buf_slice(text), name, json);
  if (s && !stencil_has_holes(s))
    cli_say("warning: %s has no {{hole}}, which --template would fill", name);
  return s;
}

static bool read_prompt_template(work *w) {
  const cli_options *o = w->options;
  if (!o->load.template || !o->prompt) return true;
  if (!cli_input_prompt(&w->prompt_text, o->prompt, NULL, 0)) return false;
  w->prompt = open_template(&w->prompt_text, "--prompt", false);
  return w->prompt != NULL;
}

/* As cli_input_body does, which wants JSON: a template is not yet. */
static bool read_body_template(work *w) {
  const char *text = w->options->body;
  if (!w->options->load.template || !text) return true;
  bool fine = text[0] == '{' || text[0] == '['
                  ? lti_buf_text(&w->body_text, text) == LEAT_OK
                  : cli_input_read(&w->body_text, text[0] == '@' ? text + 1 : text);
  if (!fine) return false;
  w->body = open_template(&w->body_text, "--body", true);
  return w->body != NULL;
}

static bool has_prompt_hole(const work *w) {
  return (w->prompt && stencil_has_prompt(w->prompt)) || (w->body && stencil_has_prompt(w->body));
}

static bool find_source(work *w) {
  const cli_options *o = w->options;
  bool lengths = o->load.input_tokens != NULL, plain = o->prompt && !w->prompt;
  bool whole = has_bodies(w) || (o->body && !(w->body && has_prompt_hole(w)));
  if (lengths && (plain || whole))
    return refuse("--input-tokens",
                  "the prompt is given already; {{prompt}} in a --template "
                  "says where a made one goes");
  if (lengths && w->rows) return refuse("--input-tokens", "the data set has the prompts");
  if (w->rows && (plain || (w->prompt && !has_prompt_hole(w))))
    return refuse("--prompt",
                  "the data set has the prompts; with --template, {{prompt}} in it "
                  "says where they go");
  if (w->rows && o->body && (has_bodies(w) || !has_prompt_hole(w)))
    return refuse("--body",
                  "the data set has the bodies or the prompts; with --template, "
                  "{{prompt}} in it says where its prompts go");
  if (o->load.shared_prefix.set && !lengths)
    return refuse("--shared-prefix-tokens", "it needs --input-tokens, whose prompts begin so");
  w->source = SOURCE_FIXED;
  if (w->rows && !has_bodies(w)) w->source = SOURCE_ROWS;
  if (lengths ||
      (w->replay && !w->rows && !plain && (has_prompt_hole(w) || (!o->body && !o->prompt))))
    w->source = SOURCE_MADE;
  return true;
}

/* --- what carries them --- */

/* What an endpoint takes when nothing more is said; NULL: that has to be said. */
static const char *usual_body(const leat_endpoint *row) {
  if (row->group == LEAT_REPLY_EMBEDDINGS && !row->protocol && strstr(row->path, "/embeddings"))
    return "{\"input\":\"{{prompt}}\"}";
  if (row->group == LEAT_REPLY_MODERATION) return "{\"input\":\"{{prompt}}\"}";
  if (row->group == LEAT_REPLY_IMAGES || row->reply == LEAT_REPLY_KIND_TASK)
    return "{\"prompt\":\"{{prompt}}\"}";
  return NULL;
}

static bool take_usual_body(work *w) {
  const leat_endpoint *row = w->aim.row;
  const char *text = row ? usual_body(row) : NULL;
  if (!row) {
    cli_say("--protocol %s takes a --body, or a --dataset of bodies", w->options->protocol);
    return false;
  }
  if (!text) {
    cli_say("--endpoint %s: say what to send with --body or --dataset", row->name);
    return false;
  }
  if (lti_buf_text(&w->body_text, text) != LEAT_OK) return false;
  w->body = open_stencil(lti_buf_slice(&w->body_text), "--endpoint", true);
  return w->body != NULL;
}

static bool is_made_of_ids(const work *w) {
  const cli_options *o = w->options;
  bool may = w->source == SOURCE_MADE && w->aim.dialect && !w->prompt && !w->body &&
             strcmp(w->aim.dialect, "openai-completions") == 0;
  bool asked = o->load.tokens_by && strcmp(o->load.tokens_by, "ids") == 0;
  return may && (asked || (!o->load.tokens_by && !(o->load.turns.set && o->load.turns.value > 1)));
}

/* All requests are alike. */
static bool is_same(const work *w) {
  return w->source == SOURCE_FIXED && !w->prompt && w->turns == 1 && w->output.mean <= 0 &&
         !w->replay;
}

static bool find_carrier(work *w) {
  const leat_endpoint *row = w->aim.row;
  const cli_options *o = w->options;
  w->carrier = CARRIER_CHAT;
  if (w->body || has_bodies(w)) {
    w->carrier = CARRIER_BODY;
  } else if (o->body || (row && row->body == LEAT_BODY_NONE)) {
    w->carrier = CARRIER_SAME;
  } else if (!w->aim.dialect) {
    w->carrier = CARRIER_BODY;
    return take_usual_body(w);
  } else if (is_made_of_ids(w)) {
    w->carrier = CARRIER_IDS;
  }
  if (o->body && row && row->body == LEAT_BODY_NONE) {
    cli_say("--endpoint %s takes no body", row->name);
    return false;
  }
  return true;
}

static bool find_turns(work *w) {
  const cli_load *l = &w->options->load;
  bool talks = w->source == SOURCE_ROWS && dataset_kind(w->rows) == DATASET_TALKS;
  bool one = w->source == SOURCE_ROWS && !talks;
  w->turns = l->turns.set ? (uint32_t)l->turns.value : talks ? dataset_turns_max(w->rows) : 1;
  if (w->carrier != CARRIER_CHAT && !l->turns.set) w->turns = 1;
  if (w->turns > 1 && w->carrier == CARRIER_IDS)
    return refuse("--turns", "answers come as text: use --tokens-by usage instead of ids");
  if (w->turns > 1 && w->carrier != CARRIER_CHAT)
    return refuse("--turns", "a body is whole: conversations are made of prompts");
  if (w->turns > 1 && one) return refuse("--turns", "the data set has no conversations");
  if (w->carrier == CARRIER_CHAT && is_same(w)) w->carrier = CARRIER_SAME;
  w->prompts.turns = w->turns;
  return true;
}

/* --- lengths --- */

static bool find_way(work *w) {
  static const char *const words[] = {"words", "usage", "tokenize", "ids"};
  const char *asked = w->options->load.tokens_by;
  w->lengths_asked = asked != NULL;
  w->lengths = w->carrier == CARRIER_IDS ? LENGTHS_IDS : LENGTHS_USAGE;
  if (w->aim.task) w->lengths = LENGTHS_WORDS;
  for (int i = LENGTHS_WORDS; asked && i <= LENGTHS_IDS; i++)
    if (strcmp(asked, words[i]) == 0) w->lengths = (enum work_lengths)i;
  if (asked && w->source != SOURCE_MADE)
    return refuse("--tokens-by", "no prompts are made: it goes with --input-tokens or --replay");
  if (w->lengths == LENGTHS_IDS && w->carrier != CARRIER_IDS)
    return refuse("--tokens-by ids",
                  "only --protocol openai-completions takes token ids, of "
                  "prompts that are made and conversations of one turn");
  if (w->options->load.vocabulary.set && w->lengths != LENGTHS_IDS)
    return refuse("--vocabulary", "no token ids are sent: see --tokens-by ids");
  if (w->aim.task && w->lengths == LENGTHS_USAGE)
    return refuse("--tokens-by usage", "a job tells no usage: use words or tokenize");
  return true;
}

static bool read_lengths(work *w) {
  const cli_load *l = &w->options->load;
  if (!draw_length_read(&w->input, "input-tokens", l->input_tokens) ||
      !draw_length_read(&w->output, "output-tokens", l->output_tokens))
    return false;
  if (l->output_tokens && w->options->max_tokens.set)
    return refuse("--output-tokens", "it is what --max-tokens says: give one of them");
  if (l->shared_prefix.set && (double)l->shared_prefix.value >= w->input.mean && w->input.mean > 0)
    return refuse("--shared-prefix-tokens",
                  "it must be less than --input-tokens, of which it is a "
                  "part");
  w->prompts.shared = l->shared_prefix.set ? l->shared_prefix.value : 0;
  if (l->vocabulary.set) w->prompts.vocabulary = (uint32_t)l->vocabulary.value;
  return true;
}

/* Can the answers' lengths be said at all? */
static bool check_output(const work *w) {
  const cli_options *o = w->options;
  if (!o->load.output_tokens) return true;
  if (w->carrier == CARRIER_SAME && o->body)
    return refuse("--output-tokens",
                  "--body is the whole request: say it there, or add --template");
  if (w->carrier == CARRIER_SAME ||
      (w->carrier == CARRIER_BODY && !has_bodies(w) && !w->amend.limit_name))
    return refuse("--output-tokens",
                  "this endpoint's bodies do not say it under a name that is "
                  "known: use --extra-body, or say it in the body");
  if (has_bodies(w) && w->aim.dialect && strcmp(w->aim.dialect, "gemini") == 0 &&
      w->amend.limit_name == NULL)
    return refuse("--output-tokens", "Gemini's bodies say it in generationConfig");
  return true;
}

/* --- bodies --- */

/* Fields of a chat that no body is given. */
static bool check_typed(const work *w) {
  const cli_options *o = w->options;
  const struct {
    bool given;
    const char *name;
  } typed[] = {{o->system, "--system"},
               {o->temperature.set, "--temperature"},
               {o->top_p.set, "--top-p"},
               {o->stop.count > 0, "--stop"},
               {o->reasoning_effort, "--reasoning-effort"}};
  for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++)
    if (typed[i].given)
      return refuse(typed[i].name, "bodies are sent as they are: --extra-body adds members");
  return true;
}

static void plan_amend(work *w) {
  const cli_options *o = w->options;
  aim_words words = aim_words_of(w->aim.dialect);
  bool routed = has_bodies(w) && !o->load.endpoint && !o->protocol;
  if (routed) words.stream = true; /* as far as the row's own dialect has it */
  w->amend = (amend){.model = w->aim.model_in_path ? NULL : o->model,
                     .stream = !words.stream  ? AMEND_STREAM_KEEP
                               : o->no_stream ? AMEND_STREAM_OFF
                                              : AMEND_STREAM_ON,
                     .max_tokens = o->max_tokens.set ? o->max_tokens.value : -1,
                     .limit_name = words.limit,
                     .extra = w->compose.chat.extra};
  w->amend.usage = words.usage && w->amend.stream == AMEND_STREAM_ON && !o->no_usage;
}

/* The template, filled as it will be, must be JSON: tried once, so that a run does not begin with
 * what every request would be refused for. */
static bool try_template(const work *w) {
  static const char sample[] = "water";
  stencil_fill fill = {.seed = w->seed, .prompt = lti_slice(sample, sizeof sample - 1)};
  size_t offset = 0;
  const char *why = "not enough memory";
  lti_buf out;
  if (!w->body) return true;
  lti_buf_init(&out, cli_program_alloc(), WORK_BODY_MAX, LEAT_EBODYMAX);
  bool fine = stencil_write(w->body, &fill, &out) == LEAT_OK &&
              lti_json_valid(lti_buf_slice(&out), &offset, &why);
  bool object = fine && lti_buf_slice(&out).data[strspn(out.data, " \t\r\n")] == '{';
  lti_buf_deinit(&out);
  if (!fine) cli_say("--body: with its holes filled it is no JSON, at byte %zu: %s", offset, why);
  if (fine && !object) cli_say("--body: with its holes filled it is no JSON object");
  return object;
}

/* --- headers --- */

static bool open_field(work *w, const char *text) {
  work_field *f = &w->fields[w->field_count];
  const char *colon = strchr(text, ':');
  if (!colon || !strstr(text, "{{")) return true;
  f->name = lti_slice(text, (size_t)(colon - text));
  f->value = open_stencil(lti_slice_trim(lti_slice_of(colon + 1)), "--header", false);
  if (!f->value) return false;
  w->field_count++;
  return stencil_has_prompt(f->value) ? refuse("--header", "{{prompt}} is for bodies and prompts")
                                      : true;
}

static bool open_fields(work *w) {
  const cli_list *list = &w->options->headers;
  if (!w->options->load.template || list->count == 0) return true;
  w->fields = calloc(list->count, sizeof *w->fields);
  if (!w->fields) return false;
  for (size_t i = 0; i < list->count; i++)
    if (!open_field(w, list->items[i])) return false;
  return true;
}

/* --- what all requests are like --- */

static bool compose(work *w) {
  cli_options own = *w->options;
  if (w->carrier != CARRIER_SAME || !own.body) own.body = NULL;
  if (w->prompt || w->source != SOURCE_FIXED) own.prompt = NULL;
  if (own.body && w->aim.row && w->aim.model_in_path) own.model = NULL;
  if (!cli_compose_chat(&w->compose, &own, DEFAULT_PROMPT)) return false;
  if (w->compose.chat.has_max_tokens && w->output.mean > 0) w->compose.chat.has_max_tokens = false;
  return true;
}

static void fill_request(work *w) {
  const cli_options *o = w->options;
  const aim *a = &w->aim;
  bool body = w->carrier == CARRIER_BODY || w->carrier == CARRIER_IDS;
  w->request = w->compose.request;
  leat_task_init(&w->task);
  if (body || (a->row && a->row->body == LEAT_BODY_NONE)) w->request.chat = NULL;
  if (a->row) w->request.endpoint = w->task.endpoint = a->row->name;
  if (o->model && (a->model_in_path || body)) w->request.model = o->model;
  if (a->model_in_path) w->request.stream = !o->no_stream;
  w->request.params = w->task.params = a->params;
  w->request.param_count = w->task.param_count = a->param_count;
  w->request.auth = w->task.auth = a->auth;
  w->task.body = w->request.body;
  w->task.poll_ms = o->poll.set && o->poll.value > 0 ? o->poll.value : 0;
  w->task.deadline_ms = o->deadline.value;
}

/* {"model":..,"prompt":"@",...} around its ids: `model` comes first, whose quotes are escaped. */
static bool make_ids_body(work *w) {
  static const char mark[] = "\"prompt\":\"" PLACE "\"";
  const lti_protocol *dialect = lti_protocol_find(w->aim.dialect);
  leat_chat_request chat = w->compose.chat;
  lti_encoded encoded;
  lti_buf text;
  leat_slice value;
  chat.prompt = lti_slice_of(PLACE);
  if (w->options->system) return refuse("--system", "completions know no messages, only a prompt");
  if (w->output.mean > 0 && chat.extra.size && lti_json_find(chat.extra, "/max_tokens", &value))
    return refuse("--extra-body", "it repeats max_tokens, which --output-tokens says");
  lti_buf_init(&text, cli_program_alloc(), WORK_BODY_MAX, LEAT_EBODYMAX);
  bool fine = dialect->encode(&chat, &text, &encoded) == LEAT_OK;
  const char *at = fine ? lti_slice_find(lti_buf_slice(&text), lti_slice_of(mark)) : NULL;
  if (!fine) cli_say("the request cannot be written: %s", encoded.message ? encoded.message : "?");
  if (at) {
    size_t head = (size_t)(at - text.data) + sizeof "\"prompt\":" - 1;
    size_t tail = (size_t)(at - text.data) + sizeof mark - 1;
    fine =
        lti_buf_append(&w->ids_head, lti_slice(text.data, head)) == LEAT_OK &&
        lti_buf_append(&w->ids_tail, lti_slice(text.data + tail, text.size - tail - 1)) == LEAT_OK;
  }
  lti_buf_deinit(&text);
  return fine && at;
}

static bool check_rows(const work *w) {
  if (w->source != SOURCE_ROWS || dataset_kind(w->rows) != DATASET_MESSAGES) return true;
  if (w->options->system) return refuse("--system", "the data set has whole lists of messages");
  if (w->carrier != CARRIER_CHAT || strcmp(w->aim.dialect, "openai-completions") == 0 || w->prompt)
    return refuse("--dataset", "its lists of messages can only be asked as chats");
  return true;
}

bool plan_make(work *w) {
  const cli_options *o = w->options;
  if (o->load.template && !o->body && !o->prompt && o->headers.count == 0)
    return refuse("--template", "there is no --body, --prompt or --header to fill in");
  if (!aim_init(&w->aim, o) || !open_rows(w) || !read_prompt_template(w) ||
      !read_body_template(w) || !find_source(w) || !read_lengths(w) || !find_carrier(w) ||
      !find_turns(w) || !find_way(w) || !check_rows(w) || !compose(w))
    return false;
  plan_amend(w);
  if (w->carrier == CARRIER_BODY && !check_typed(w)) return false;
  w->prompts.ids = w->carrier == CARRIER_IDS;
  fill_request(w);
  return check_output(w) && try_template(w) && open_fields(w) &&
         (w->carrier != CARRIER_IDS || make_ids_body(w)) && prompts_share(&w->prompts);
}
