/* Answers that are numbers: moderation, ranks, and how many tokens a request would be.
 *
 *     {"results":[{"flagged","categories":{"hate":false},"category_scores":{"hate":0.1}}]}
 *     {"results":[{"index","relevance_score","document":{"text"}}]}        Jina, Cohere
 *     {"data":[{"index","relevance_score"}]}, [{"index","score","text"}]   Voyage, TEI
 *     {"input_tokens":5}, {"totalTokens":5}, {"count":5}                   Anthropic, Gemini, vLLM
 *
 * Categories and their scores come in two objects, in the same order as a rule: a score is looked
 * for at its own place first, and elsewhere among the first CATEGORIES_MAX. */
#include <string.h>

#include "base/error.h"
#include "reply_read.h"

#define CATEGORIES_MAX 256u

enum slot { FLAGGED, CATEGORIES, SCORES, INDEX, SCORE, DOCUMENT, TEXT, RESULTS, SLOTS };

static const lti_member_name names[] = {
    LTI_MEMBER("flagged", FLAGGED),
    LTI_MEMBER("categories", CATEGORIES),
    LTI_MEMBER("category_scores", SCORES),
    LTI_MEMBER("index", INDEX),
    LTI_MEMBER("relevance_score", SCORE),
    LTI_MEMBER("relevanceScore", SCORE),
    LTI_MEMBER("score", SCORE),
    LTI_MEMBER("document", DOCUMENT),
    LTI_MEMBER("text", TEXT),
    LTI_MEMBER("results", RESULTS),
};

enum { NAMES = sizeof names / sizeof *names };

/* ---- moderation ------------------------------------------------------------------------------ */

/* The category of this name from `from` on, or a new one; `at` is where it is expected. */
static leat_score *find_score(lti_reply *r, leat_slice name, size_t from, size_t at) {
  lti_reply_list *l = &r->lists[LTI_REPLY_MORE];
  leat_score *scores = l->items;
  size_t last = l->count - from > CATEGORIES_MAX ? from + CATEGORIES_MAX : l->count;
  if (from + at < l->count && lti_slice_equal(scores[from + at].name, name))
    return &scores[from + at];
  for (size_t i = from; i < last; i++)
    if (lti_slice_equal(scores[i].name, name)) return &scores[i];
  leat_score *fresh = lti_reply_add(r, LTI_REPLY_MORE, sizeof *fresh);
  if (fresh) *fresh = (leat_score){.name = name, .score = -1};
  return fresh;
}

/* The members of one of the two objects. */
static int read_categories(lti_reply *r, const lti_member *m, size_t from) {
  lti_json json;
  lti_json_text key;
  size_t at = 0;
  if (m->type != LTI_JSON_OBJECT) return LTI_OK;
  lti_json_init(&json, m->text.raw);
  lti_json_enter_object(&json);
  for (; lti_json_next_key(&json, &key); at++) {
    lti_member value, named = {.type = LTI_JSON_STRING, .text = key};
    leat_slice name;
    lti_member_take(&json, &value);
    bool flag = value.type == LTI_JSON_TRUE || value.type == LTI_JSON_FALSE;
    if (!flag && value.type != LTI_JSON_NUMBER) continue;
    int rc = lti_reply_text(r, &named, &name);
    leat_score *score = rc == LTI_OK ? find_score(r, name, from, at) : NULL;
    if (!score) return LEAT_ENOMEM;
    if (flag)
      score->flagged = value.type == LTI_JSON_TRUE;
    else
      score->score = lti_reply_number(&value, -1);
  }
  return LTI_OK;
}

/* The categories of all results are one list, which moves: their places are numbers until the
 * end. */
static int read_result(lti_reply *r, leat_slice object) {
  lti_member m[SLOTS];
  memset(m, 0, sizeof m);
  lti_member_read_text(object, names, NAMES, m);
  bool flag = m[FLAGGED].type == LTI_JSON_TRUE || m[FLAGGED].type == LTI_JSON_FALSE;
  if (!flag && m[CATEGORIES].type != LTI_JSON_OBJECT && m[SCORES].type != LTI_JSON_OBJECT)
    return LTI_OK;
  size_t from = r->lists[LTI_REPLY_MORE].count;
  int rc = read_categories(r, &m[CATEGORIES], from);
  if (rc == LTI_OK) rc = read_categories(r, &m[SCORES], from);
  leat_moderation *place = rc == LTI_OK ? lti_reply_add(r, LTI_REPLY_ITEMS, sizeof *place) : NULL;
  if (!place) return LEAT_ENOMEM;
  place->flagged = m[FLAGGED].type == LTI_JSON_TRUE;
  place->category_count = r->lists[LTI_REPLY_MORE].count - from;
  return LTI_OK;
}

static void settle(lti_reply *r) {
  leat_moderation *results = r->lists[LTI_REPLY_ITEMS].items;
  const leat_score *scores = r->lists[LTI_REPLY_MORE].items;
  for (size_t i = 0; i < r->lists[LTI_REPLY_ITEMS].count; i++) {
    results[i].categories = results[i].category_count ? scores : NULL;
    if (scores) scores += results[i].category_count;
  }
}

int lti_reply_moderation_read(lti_reply *r, const lti_member *root) {
  leat_slice rest = root[LTI_ROOT_RESULTS].text.raw, object;
  int rc = LTI_OK;
  if (lti_reply_is_list(&root[LTI_ROOT_RESULTS])) {
    while (rc == LTI_OK && lti_reply_next_object(&rest, &object)) rc = read_result(r, object);
  } else if (root[LTI_ROOT_FLAGGED].type != LTI_JSON_NONE) {
    rc = read_result(r, r->body);
  } else {
    return LEAT_EDECODE;
  }
  settle(r);
  return rc;
}

/* ---- ranks ----------------------------------------------------------------------------------- */

/* "document" is the text, or has it. */
static int read_document(lti_reply *r, const lti_member *m, leat_slice *text) {
  lti_member inner[SLOTS];
  if (m[DOCUMENT].type == LTI_JSON_STRING) return lti_reply_text(r, &m[DOCUMENT], text);
  if (m[DOCUMENT].type != LTI_JSON_OBJECT) return lti_reply_text(r, &m[TEXT], text);
  memset(inner, 0, sizeof inner);
  lti_member_read_text(m[DOCUMENT].text.raw, names, NAMES, inner);
  return lti_reply_text(r, &inner[TEXT], text);
}

static int read_rank(lti_reply *r, leat_slice object) {
  lti_member m[SLOTS];
  leat_rank rank;
  memset(m, 0, sizeof m);
  lti_member_read_text(object, names, NAMES, m);
  int64_t index = lti_reply_int(&m[INDEX], -1);
  if (index < 0 || index > UINT32_MAX || m[SCORE].type != LTI_JSON_NUMBER) return LTI_OK;
  rank.index = (uint32_t)index;
  rank.score = lti_reply_number(&m[SCORE], 0);
  int rc = read_document(r, m, &rank.document);
  leat_rank *place = rc == LTI_OK ? lti_reply_add(r, LTI_REPLY_ITEMS, sizeof rank) : NULL;
  if (place) *place = rank;
  return place ? LTI_OK : LEAT_ENOMEM;
}

int lti_reply_rerank_read(lti_reply *r, const lti_member *root) {
  static const enum lti_reply_root lists[] = {LTI_ROOT_RESULTS, LTI_ROOT_DATA, LTI_ROOT_SLOTS};
  const lti_member *list = lti_reply_list_in(root, lists);
  lti_member inner[SLOTS];
  leat_slice rest, object;
  int rc = LTI_OK;
  memset(inner, 0, sizeof inner);
  if (!list && root[LTI_ROOT_OUTPUT].type == LTI_JSON_OBJECT) {
    lti_member_read_text(root[LTI_ROOT_OUTPUT].text.raw, names, NAMES, inner);
    if (lti_reply_is_list(&inner[RESULTS])) list = &inner[RESULTS];
  }
  if (!list) return LEAT_EDECODE;
  rest = list->text.raw;
  while (rc == LTI_OK && lti_reply_next_object(&rest, &object)) rc = read_rank(r, object);
  return rc;
}

/* ---- counts of tokens ------------------------------------------------------------------------ */

int lti_reply_tokens_read(lti_reply *r, const lti_member *root) {
  static const enum lti_reply_root slots[] = {LTI_ROOT_TOKENS_INPUT, LTI_ROOT_TOKENS_TOTAL,
                                              LTI_ROOT_TOKENS_COUNT};
  int64_t count = -1;
  for (size_t i = 0; i < 3 && count < 0; i++) count = lti_reply_int(&root[slots[i]], -1);
  if (count < 0) count = r->told.usage.input;
  if (count < 0 || r->array) return LEAT_EDECODE;
  r->told.tokens = count;
  r->told.count = 1;
  return LTI_OK;
}
