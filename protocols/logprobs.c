/* Log probabilities, walked token by token in every form in which they are sent:
 *
 *     {"content":[{"token","logprob","bytes","top_logprobs":[..]}],"refusal":[..]}   chats
 *     [{"token","logprob",..}]                                 Responses, and alternatives
 *     {"tokens":[..],"token_logprobs":[..],"top_logprobs":[{..}]}          older completions
 *     {" the":-0.1," a":-2.5}                                  alternatives of those
 *
 * The walk holds views of what is left, and looks at one token at a time: nothing is allocated, and
 * the time is linear in the JSON. A token's text is a view of it, or stands in the walk where it
 * had escapes. What is no token is refused, and ends the walk. */
#include <string.h>

#include "base/error.h"
#include "member.h"
#include "protocol.h"

enum form { BROKEN, OVER, LIST, COLUMNS, MAP };

/* Which of `rest` is what: in a LIST the second is the list behind the first. */
enum column { TOKENS, LOGPROBS, TOPS };

enum slot { TOKEN, LOGPROB, BYTES, TOP, CONTENT, REFUSAL, ALL_TOKENS, ALL_LOGPROBS, SLOTS };

static const lti_member_name names[] = {
    LTI_MEMBER("token", TOKEN),       LTI_MEMBER("logprob", LOGPROB),
    LTI_MEMBER("bytes", BYTES),       LTI_MEMBER("top_logprobs", TOP),
    LTI_MEMBER("content", CONTENT),   LTI_MEMBER("refusal", REFUSAL),
    LTI_MEMBER("tokens", ALL_TOKENS), LTI_MEMBER("token_logprobs", ALL_LOGPROBS),
};

enum { NAMES = sizeof names / sizeof *names };

static bool is_list(const lti_member *m) {
  return m->type == LTI_JSON_ARRAY;
}

static void set_lists(leat_logprobs *walk, const lti_member *first, const lti_member *second) {
  walk->form = LIST;
  if (is_list(first)) walk->rest[0] = first->text.raw;
  if (is_list(second)) walk->rest[1] = second->text.raw;
}

static void init_object(leat_logprobs *walk, leat_slice json) {
  lti_member m[SLOTS];
  memset(m, 0, sizeof m);
  if (!lti_member_read_text(json, names, NAMES, m)) return;
  if (is_list(&m[ALL_TOKENS])) {
    walk->form = COLUMNS;
    walk->rest[TOKENS] = m[ALL_TOKENS].text.raw;
    if (is_list(&m[ALL_LOGPROBS])) walk->rest[LOGPROBS] = m[ALL_LOGPROBS].text.raw;
    if (is_list(&m[TOP])) walk->rest[TOPS] = m[TOP].text.raw;
  } else if (is_list(&m[CONTENT]) || is_list(&m[REFUSAL])) {
    set_lists(walk, &m[CONTENT], &m[REFUSAL]);
  } else {
    /* {"content":null,"refusal":null} has none; else tokens are the names. */
    walk->form = MAP;
    walk->rest[0] = json;
  }
}

void leat_logprobs_init(leat_logprobs *walk, leat_slice json) {
  static const lti_member none;
  lti_json r;
  lti_member m;
  memset(walk, 0, sizeof *walk);
  walk->form = BROKEN;
  if (!json.size || !lti_json_valid(json, NULL, NULL)) {
    if (!json.size) walk->form = OVER;
    return;
  }
  lti_json_init(&r, json);
  lti_member_take(&r, &m);
  if (m.type == LTI_JSON_OBJECT) init_object(walk, m.text.raw);
  if (is_list(&m)) set_lists(walk, &m, &none);
  if (m.type == LTI_JSON_NONE) walk->form = OVER;
}

/* Decoded into the walk: what does not fit is cut at a character's border. */
static void read_token(leat_logprobs *walk, lti_json_text text, leat_slice *token) {
  lti_alloc nothing = {0}; /* the buffer never grows */
  lti_buf fixed;
  lti_buf_init(&fixed, &nothing, sizeof walk->text, LEAT_EBODYMAX);
  fixed.data = walk->text;
  fixed.capacity = sizeof walk->text;
  int rc = lti_json_decode(text, NULL, &fixed, token);
  if (rc != LTI_OK) *token = lti_buf_slice(&fixed);
}

static bool read_number(const lti_member *m, double *value) {
  lti_json r;
  if (m->type != LTI_JSON_NUMBER) return false;
  lti_json_init(&r, m->text.raw);
  return lti_json_double(&r, value);
}

/* {"token","logprob","bytes","top_logprobs"} */
static int read_object(leat_logprobs *walk, leat_slice object, leat_logprob *one) {
  lti_member m[SLOTS];
  memset(m, 0, sizeof m);
  if (!lti_member_read_text(object, names, NAMES, m) || m[TOKEN].type != LTI_JSON_STRING ||
      !read_number(&m[LOGPROB], &one->logprob))
    return LEAT_EDECODE;
  if (is_list(&m[BYTES])) one->bytes = m[BYTES].text.raw;
  if (is_list(&m[TOP])) one->top = m[TOP].text.raw;
  read_token(walk, m[TOKEN].text, &one->token);
  return 1;
}

static int next_of_list(leat_logprobs *walk, leat_logprob *one) {
  leat_slice item;
  while (!lti_protocol_item(&walk->rest[0], &item)) {
    if (walk->rest[1].size == 0) return 0;
    walk->rest[0] = walk->rest[1];
    walk->rest[1] = lti_slice(NULL, 0);
  }
  return read_object(walk, item, one);
}

static bool take(leat_slice *rest, lti_member *m) {
  leat_slice item;
  lti_json r;
  m->type = LTI_JSON_NONE;
  if (!lti_protocol_item(rest, &item)) return false;
  lti_json_init(&r, item);
  lti_member_take(&r, m);
  return true;
}

/* The first token of a prompt has a null instead of a probability, which is told as 0. */
static int next_of_columns(leat_logprobs *walk, leat_logprob *one) {
  lti_member token, logprob, top;
  if (!take(&walk->rest[TOKENS], &token)) return 0;
  take(&walk->rest[LOGPROBS], &logprob);
  take(&walk->rest[TOPS], &top);
  if (token.type != LTI_JSON_STRING) return LEAT_EDECODE;
  if (logprob.type != LTI_JSON_NONE && !read_number(&logprob, &one->logprob)) return LEAT_EDECODE;
  if (top.type == LTI_JSON_OBJECT || is_list(&top)) one->top = top.text.raw;
  read_token(walk, token.text, &one->token);
  return 1;
}

/* The rest of an object begins with its bracket, later with the comma behind a member: read as an
 * object that begins there. */
static int next_of_map(leat_logprobs *walk, leat_logprob *one) {
  leat_slice rest = walk->rest[0];
  lti_json r;
  lti_json_text key;
  lti_member value;
  do {
    while (rest.size && memchr(" \t\r\n{,", *rest.data, 6)) rest = lti_slice_from(rest, 1);
    lti_json_init(&r, rest);
    if (!rest.size || *rest.data != '"' || !lti_json_string(&r, &key)) return 0;
    rest = lti_slice_from(rest, lti_json_offset(&r));
    while (rest.size && memchr(" \t\r\n:", *rest.data, 5)) rest = lti_slice_from(rest, 1);
    lti_json_init(&r, rest);
    lti_member_take(&r, &value);
    rest = lti_slice_from(rest, lti_json_offset(&r));
    walk->rest[0] = rest;
  } while (value.type == LTI_JSON_NONE && rest.size);
  if (!read_number(&value, &one->logprob)) return LEAT_EDECODE;
  read_token(walk, key, &one->token);
  return 1;
}

int leat_logprobs_next(leat_logprobs *walk, leat_logprob *one) {
  int rc = LEAT_EDECODE;
  memset(one, 0, sizeof *one);
  switch ((enum form)walk->form) {
    case BROKEN: break;
    case OVER: rc = 0; break;
    case LIST: rc = next_of_list(walk, one); break;
    case COLUMNS: rc = next_of_columns(walk, one); break;
    case MAP: rc = next_of_map(walk, one); break;
  }
  if (rc <= 0) walk->form = rc == 0 ? OVER : BROKEN;
  walk->index += rc == 1;
  return rc;
}
