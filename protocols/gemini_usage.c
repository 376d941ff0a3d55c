/* Token counts of usageMetadata, which are those of the whole answer so far. Details come as an
 * array of one object a modality. What is no integer, or negative, was not said. */
#include <string.h>

#include "gemini.h"

#define AT(member) offsetof(leat_usage, member)

static const struct {
  const char *name;
  size_t offset;
} rows[] = {
    {"promptTokenCount", AT(input)},         {"candidatesTokenCount", AT(output)},
    {"totalTokenCount", AT(total)},          {"thoughtsTokenCount", AT(reasoning)},
    {"cachedContentTokenCount", AT(cached)},
};

static const struct {
  const char *list, *modality;
  size_t offset;
} details[] = {
    {"promptTokensDetails", "TEXT", AT(input_text)},
    {"promptTokensDetails", "AUDIO", AT(input_audio)},
    {"promptTokensDetails", "IMAGE", AT(input_image)},
    {"candidatesTokensDetails", "TEXT", AT(output_text)},
    {"candidatesTokensDetails", "AUDIO", AT(output_audio)},
};

enum { ROWS = sizeof rows / sizeof *rows, DETAILS = sizeof details / sizeof *details };

static bool read_count(lti_json *r, leat_usage *usage, size_t offset) {
  int64_t count;
  if (!lti_json_int(r, &count) || count < 0) return false;
  memcpy((char *)usage + offset, &count, sizeof count);
  return true;
}

/* {"modality":"TEXT","tokenCount":38} */
static void read_detail(lti_json *r, lti_json_text list, leat_usage *usage) {
  lti_json_text key, modality = {{NULL, 0}, false, true};
  int64_t count = -1;
  if (!lti_json_enter_object(r)) return;
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "modality")) {
      modality = lti_openai_string(r);
    } else if (lti_json_key_is(key, "tokenCount") && !lti_json_int(r, &count)) {
      count = -1;
    }
  }
  for (size_t i = 0; i < DETAILS && count >= 0; i++) {
    if (!lti_json_key_is(list, details[i].list)) continue;
    if (!lti_json_key_is(modality, details[i].modality)) continue;
    memcpy((char *)usage + details[i].offset, &count, sizeof count);
  }
}

static bool read_member(lti_json *r, lti_json_text key, leat_usage *usage) {
  for (size_t i = 0; i < ROWS; i++) {
    if (lti_json_key_is(key, rows[i].name)) return read_count(r, usage, rows[i].offset);
  }
  if (!lti_json_enter_array(r)) return false;
  while (lti_json_next_value(r)) read_detail(r, key, usage);
  return false;
}

bool lti_gemini_usage(leat_slice json, leat_usage *usage) {
  lti_json r;
  lti_json_text key;
  bool said = false;
  memset(usage, 0xff, sizeof *usage); /* -1 in every member */
  lti_json_init(&r, json);
  if (json.size == 0 || !lti_json_enter_object(&r)) return false;
  while (lti_json_next_key(&r, &key)) said |= read_member(&r, key, usage);
  return said;
}
