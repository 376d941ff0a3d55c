/* Moderation: a category is flagged where its name stands in the input, so that a client knows what
 * it must get. A list of texts has a result each; a text, and a list of parts, have one. */
#include <stdio.h>
#include <string.h>

#include "bench/mock/asked.h"
#include "wire/json.h"

#define INPUTS_MAX 2048u

static const char *const categories[] = {
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
};

#define CATEGORY_COUNT (sizeof categories / sizeof categories[0])

/* What stands behind each category's name: a word, a number, a list. */
static int write_each(lti_buf *out, const char *member, leat_slice text,
                      const char *const says[2]) {
  int err = lti_buf_format(out, "\"%s\":{", member);
  for (size_t i = 0; i < CATEGORY_COUNT; i++) {
    bool flagged = lti_slice_find(text, lti_slice_of(categories[i])) != NULL;
    err |= lti_buf_format(out, "%s\"%s\":%s", i ? "," : "", categories[i], says[flagged]);
  }
  return err | lti_buf_byte(out, '}');
}

static int write_result(lti_buf *out, leat_slice text, bool image) {
  static const char *const flags[2] = {"false", "true"}, *const scores[2] = {"0.0001", "0.98"};
  const char *const types[2] = {image ? "[\"text\",\"image\"]" : "[\"text\"]",
                                image ? "[\"text\",\"image\"]" : "[\"text\"]"};
  bool flagged = false;
  for (size_t i = 0; i < CATEGORY_COUNT; i++)
    if (lti_slice_find(text, lti_slice_of(categories[i]))) flagged = true;
  int err = lti_buf_format(out, "{\"flagged\":%s,", flags[flagged]);
  err |= write_each(out, "categories", text, flags) | lti_buf_byte(out, ',');
  err |= write_each(out, "category_scores", text, scores) | lti_buf_byte(out, ',');
  return err | write_each(out, "category_applied_input_types", text, types) |
         lti_buf_byte(out, '}');
}

/* False: the input is none. */
static bool write_results(lti_buf *out, leat_slice input) {
  lti_json r;
  leat_slice value;
  uint32_t count = 0;
  lti_json_init(&r, input);
  if (lti_json_peek(&r) == LTI_JSON_STRING) return write_result(out, input, false) == 0;
  if (!lti_json_enter_array(&r) || !lti_json_next_value(&r)) return false;
  if (lti_json_peek(&r) == LTI_JSON_OBJECT)
    return write_result(out, input, lti_slice_find(input, lti_slice_of("image_url")) != NULL) == 0;
  do {
    if (lti_json_peek(&r) != LTI_JSON_STRING || !lti_json_raw(&r, &value)) return false;
    if (count == INPUTS_MAX || (count++ && lti_buf_byte(out, ','))) return false;
    if (write_result(out, value, false)) return false;
  } while (lti_json_next_value(&r));
  return true;
}

void mock_moderations_serve(mock_exchange *x, const leat_slice *parts) {
  char model[128] = "text-moderation-stable";
  leat_slice input;
  lti_buf out;
  (void)parts;
  if (!mock_asked_valid(x)) return;
  mock_asked_word(x, "model", model, sizeof model);
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_buf_format(&out, "{\"id\":\"modr-%llu\",\"model\":\"%s\",\"results\":[",
                           (unsigned long long)x->ordinal, model);
  bool fine =
      lti_json_find(lti_buf_slice(&x->body), "/input", &input) && write_results(&out, input);
  err |= lti_buf_text(&out, "]}");
  if (fine)
    mock_reply_json(x, err, &out);
  else
    mock_asked_refuse(x, "'input' must be a string, strings or parts");
  lti_buf_deinit(&out);
}
