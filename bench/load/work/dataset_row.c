/* Rows of data sets: see dataset_row.h. What is looked at is foreign: every member may be missing,
 * or of another type, and then the row is refused with a reason. */
#include "dataset_row.h"

#include <stdarg.h>
#include <stdio.h>

#include "bindings/cli/program.h"

#define TEXT_MAX   ((size_t)4096) /* of a method and a url */
#define TOKENS_MAX 1000000000

/* The members that mean something, as they stand. */
typedef struct members {
  leat_slice body, url, method, prompt, messages, conversations, output_tokens;
} members;

__attribute__((format(printf, 2, 3))) static const char *say_why(dataset_finder *f,
                                                                 const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(f->why, sizeof f->why, format, args);
  va_end(args);
  return f->why;
}

void dataset_finder_init(dataset_finder *f, bool routed) {
  *f = (dataset_finder){.routed = routed};
  lti_buf_init(&f->texts, cli_program_alloc(), 2 * TEXT_MAX, LEAT_EBODYMAX);
  lti_buf_init(&f->scratch, cli_program_alloc(), DATASET_ROW_MAX, LEAT_EBODYMAX);
}

void dataset_finder_deinit(dataset_finder *f) {
  lti_buf_deinit(&f->texts);
  lti_buf_deinit(&f->scratch);
}

static leat_slice *member_of(members *m, lti_json_text key) {
  const struct {
    const char *name;
    leat_slice *value;
  } known[] = {{"body", &m->body},
               {"url", &m->url},
               {"method", &m->method},
               {"prompt", &m->prompt},
               {"messages", &m->messages},
               {"conversations", &m->conversations},
               {"output_tokens", &m->output_tokens}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (lti_json_key_is(key, known[i].name)) return known[i].value;
  return NULL;
}

static const char *read_members(dataset_finder *f, leat_slice row, members *m) {
  lti_json r;
  lti_json_text key;
  *m = (members){.body = {NULL, 0}};
  lti_json_init(&r, row);
  if (lti_json_peek(&r) != LTI_JSON_OBJECT && !lti_json_failed(&r))
    return "not an object: a row is {\"body\"}, {\"prompt\"}, {\"messages\"} or "
           "{\"conversations\"}";
  if (lti_json_enter_object(&r)) {
    while (lti_json_next_key(&r, &key)) {
      leat_slice *value = member_of(m, key);
      if (value)
        lti_json_raw(&r, value);
      else
        lti_json_skip(&r);
    }
  }
  if (lti_json_at_end(&r)) return NULL;
  return say_why(f, "not valid JSON: %s at byte %zu of it", r.error ? r.error : "syntax error",
                 lti_json_offset(&r));
}

static bool is(leat_slice json, enum lti_json_type type) {
  lti_json r;
  lti_json_init(&r, json);
  return json.size > 0 && lti_json_peek(&r) == type;
}

/* ---- texts */

int dataset_row_text(leat_slice json, lti_buf *scratch, lti_buf *out) {
  lti_json r;
  lti_json_text text;
  leat_slice plain;
  lti_json_init(&r, json);
  if (!lti_json_string(&r, &text)) return LEAT_EINVAL;
  int e = lti_json_decode(text, NULL, scratch, &plain);
  return e == LEAT_OK ? lti_buf_append(out, plain) : e;
}

static enum dataset_speaker speaker_of(lti_json_text from) {
  static const char *const questions[] = {"human", "user", "prompter"};
  for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
    if (lti_json_key_is(from, questions[i])) return DATASET_QUESTION;
  return lti_json_key_is(from, "system") ? DATASET_SYSTEM : DATASET_ANSWER;
}

/* One turn: who says what, {"from","value"} or {"role","content"}. False: it is none. */
static bool read_turn(lti_json *r, enum dataset_speaker *speaker, leat_slice *value) {
  lti_json_text key, from;
  bool named = false;
  *value = lti_slice(NULL, 0);
  if (!lti_json_enter_object(r)) return false;
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "from") || lti_json_key_is(key, "role")) {
      named = lti_json_string(r, &from);
      if (named) *speaker = speaker_of(from);
    } else if (lti_json_key_is(key, "value") || lti_json_key_is(key, "content")) {
      lti_json_raw(r, value);
    } else {
      lti_json_skip(r);
    }
  }
  return named && is(*value, LTI_JSON_STRING);
}

int dataset_row_said(leat_slice turns, enum dataset_speaker wanted, uint32_t nth, lti_buf *scratch,
                     lti_buf *out) {
  lti_json r;
  leat_slice value;
  enum dataset_speaker speaker;
  lti_json_init(&r, turns);
  if (!lti_json_enter_array(&r)) return LEAT_EINVAL;
  while (lti_json_next_value(&r)) {
    if (!read_turn(&r, &speaker, &value)) return LEAT_EINVAL;
    if (speaker == wanted && nth-- == 0) return dataset_row_text(value, scratch, out);
  }
  return LEAT_OK;
}

/* ---- what a row is */

static const char *find_talk(dataset_finder *f, leat_slice turns, dataset_found *found) {
  lti_json r;
  leat_slice value;
  enum dataset_speaker speaker;
  *found = (dataset_found){.form = DATASET_TALKS, .content = turns, .output_tokens = -1};
  lti_json_init(&r, turns);
  if (!lti_json_enter_array(&r)) return "\"conversations\" is not an array";
  for (unsigned i = 0; lti_json_next_value(&r); i++) {
    if (!read_turn(&r, &speaker, &value))
      return say_why(f, "\"conversations\"[%u] has no \"from\" and \"value\" that are texts", i);
    if (speaker == DATASET_QUESTION && found->turns < DATASET_TURNS_MAX) found->turns++;
  }
  return NULL;
}

/* The endpoint of a method and a path, without those whose path has holes. */
static uint16_t place_of(const char *method, const char *path) {
  const leat_endpoint *e;
  for (size_t i = 0; i < UINT16_MAX - 1 && (e = leat_endpoint_at(NULL, i)); i++)
    if (strcmp(e->path, path) == 0 && strcmp(e->method, method) == 0 &&
        e->reply != LEAT_REPLY_KIND_WS && e->body == LEAT_BODY_JSON)
      return (uint16_t)(i + 1);
  return 0;
}

/* As a text with a NUL. */
static const char *text_of(dataset_finder *f, leat_slice json, const char *otherwise) {
  size_t at = f->texts.size;
  bool fine = json.size ? dataset_row_text(json, &f->scratch, &f->texts) == LEAT_OK
                        : lti_buf_text(&f->texts, otherwise) == LEAT_OK;
  return fine && lti_buf_byte(&f->texts, '\0') == LEAT_OK ? f->texts.data + at : NULL;
}

static const char *find_endpoint(dataset_finder *f, const members *m, uint16_t *endpoint) {
  *endpoint = f->endpoint;
  if (f->endpoint && lti_slice_equal(m->url, f->url) && lti_slice_equal(m->method, f->method))
    return NULL;
  lti_buf_clear(&f->texts);
  if (lti_buf_reserve(&f->texts, f->texts.max) != LEAT_OK) return "no memory";
  if (!is(m->url, LTI_JSON_STRING))
    return "it has no \"url\", and neither --endpoint nor --protocol says where it goes";
  const char *method = text_of(f, m->method, "POST"), *url = text_of(f, m->url, "");
  if (!method || !url) return "its \"method\" or \"url\" is no text, or too long";
  f->method = m->method;
  f->url = m->url;
  *endpoint = f->endpoint = place_of(method, url);
  if (f->endpoint) return NULL;
  return say_why(f,
                 "no endpoint that takes JSON is %.10s %.100s (see leat endpoints): --endpoint or "
                 "--protocol says what it is",
                 method, url);
}

static const char *find_body(dataset_finder *f, const members *m, dataset_found *found) {
  *found =
      (dataset_found){.form = DATASET_BODIES, .content = m->body, .turns = 1, .output_tokens = -1};
  if (!is(m->body, LTI_JSON_OBJECT)) return "its \"body\" is not an object";
  return f->routed ? find_endpoint(f, m, &found->endpoint) : NULL;
}

static const char *find_prompt(const members *m, dataset_found *found) {
  lti_json r;
  bool messages = m->messages.size > 0;
  *found = (dataset_found){.form = messages ? DATASET_MESSAGES : DATASET_PROMPTS,
                           .content = messages ? m->messages : m->prompt,
                           .turns = 1,
                           .output_tokens = -1};
  if (messages && !is(m->messages, LTI_JSON_ARRAY)) return "its \"messages\" is not an array";
  if (!messages && !is(m->prompt, LTI_JSON_STRING)) return "its \"prompt\" is not a text";
  if (!messages && m->prompt.size == 2) return "its \"prompt\" is empty";
  if (m->output_tokens.size == 0) return NULL;
  lti_json_init(&r, m->output_tokens);
  bool fine = lti_json_int(&r, &found->output_tokens) && found->output_tokens >= 1 &&
              found->output_tokens <= TOKENS_MAX;
  return fine ? NULL : "its \"output_tokens\" is no integer from 1 to 1,000,000,000";
}

const char *dataset_row_find(dataset_finder *f, leat_slice row, dataset_found *found) {
  members m;
  const char *why = read_members(f, row, &m);
  if (why) return why;
  if (m.body.size) return find_body(f, &m, found);
  if (m.conversations.size) return find_talk(f, m.conversations, found);
  if (m.prompt.size || m.messages.size) return find_prompt(&m, found);
  return "it has none of \"body\", \"prompt\", \"messages\" and \"conversations\"";
}
