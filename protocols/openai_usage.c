/* Token counts of OpenAI's completions and of those who imitate them.
 *
 * Each count has one row for every place where someone writes it, the best first: DeepSeek counts
 * cache hits beside the prompt, TracePort as Anthropic does, new-api repeats the prompt's count as
 * `input_tokens` (often 0) beside the true one; Responses has `input_tokens_details` and Realtime
 * `input_token_details` where completions have `prompt_tokens_details`. Counts that are no integer,
 * or negative, were not said. */
#include <string.h>

#include "openai.h"

enum place { ROOT, PROMPT, COMPLETION, INPUT, OUTPUT };

static const struct {
  enum place place;
  const char *name;
  size_t offset;
} rows[] = {
    {ROOT, "prompt_tokens", offsetof(leat_usage, input)},
    {ROOT, "completion_tokens", offsetof(leat_usage, output)},
    {ROOT, "total_tokens", offsetof(leat_usage, total)},
    {PROMPT, "cached_tokens", offsetof(leat_usage, cached)},
    {PROMPT, "text_tokens", offsetof(leat_usage, input_text)},
    {PROMPT, "audio_tokens", offsetof(leat_usage, input_audio)},
    {PROMPT, "image_tokens", offsetof(leat_usage, input_image)},
    {PROMPT, "cache_write_tokens", offsetof(leat_usage, cache_write)},
    {COMPLETION, "reasoning_tokens", offsetof(leat_usage, reasoning)},
    {COMPLETION, "text_tokens", offsetof(leat_usage, output_text)},
    {COMPLETION, "audio_tokens", offsetof(leat_usage, output_audio)},
    {COMPLETION, "accepted_prediction_tokens", offsetof(leat_usage, accepted_prediction)},
    {COMPLETION, "rejected_prediction_tokens", offsetof(leat_usage, rejected_prediction)},
    {ROOT, "prompt_cache_hit_tokens", offsetof(leat_usage, cached)},
    {ROOT, "cache_read_input_tokens", offsetof(leat_usage, cached)},
    {ROOT, "cached_tokens", offsetof(leat_usage, cached)},
    {ROOT, "cache_creation_input_tokens", offsetof(leat_usage, cache_write)},
    {PROMPT, "cached_creation_tokens", offsetof(leat_usage, cache_write)},
    {ROOT, "reasoning_tokens", offsetof(leat_usage, reasoning)},
    {ROOT, "input_tokens", offsetof(leat_usage, input)},
    {ROOT, "output_tokens", offsetof(leat_usage, output)},
    {INPUT, "cached_tokens", offsetof(leat_usage, cached)},
    {INPUT, "cache_write_tokens", offsetof(leat_usage, cache_write)},
    {INPUT, "text_tokens", offsetof(leat_usage, input_text)},
    {INPUT, "audio_tokens", offsetof(leat_usage, input_audio)},
    {INPUT, "image_tokens", offsetof(leat_usage, input_image)},
    {OUTPUT, "reasoning_tokens", offsetof(leat_usage, reasoning)},
    {OUTPUT, "thinking_tokens", offsetof(leat_usage, reasoning)},
    {OUTPUT, "text_tokens", offsetof(leat_usage, output_text)},
    {OUTPUT, "audio_tokens", offsetof(leat_usage, output_audio)},
};

enum { ROWS = sizeof rows / sizeof *rows };

static const struct {
  const char *name;
  enum place place;
} details[] = {
    {"prompt_tokens_details", PROMPT}, {"completion_tokens_details", COMPLETION},
    {"input_tokens_details", INPUT},   {"output_tokens_details", OUTPUT},
    {"input_token_details", INPUT},    {"output_token_details", OUTPUT},
};

static void read_count(lti_json *r, lti_json_text key, enum place place, int64_t counts[ROWS]) {
  for (size_t i = 0; i < ROWS; i++) {
    int64_t count;
    if (rows[i].place != place || !lti_json_key_is(key, rows[i].name)) continue;
    counts[i] = lti_json_int(r, &count) && count >= 0 ? count : -1;
    return;
  }
  lti_json_skip(r);
}

/* ROOT: no object of details. */
static enum place place_of(lti_json_text key) {
  for (size_t i = 0; i < sizeof details / sizeof *details; i++)
    if (lti_json_key_is(key, details[i].name)) return details[i].place;
  return ROOT;
}

static void read_details(lti_json *r, enum place place, int64_t counts[ROWS]) {
  lti_json_text key;
  if (!lti_json_enter_object(r)) return;
  while (lti_json_next_key(r, &key)) read_count(r, key, place, counts);
}

bool lti_openai_usage(leat_slice json, leat_usage *usage) {
  lti_json r;
  lti_json_text key;
  int64_t counts[ROWS];
  bool any = false;
  memset(counts, 0xff, sizeof counts);
  memset(usage, 0xff, sizeof *usage);
  lti_json_init(&r, json);
  if (json.size == 0 || !lti_json_enter_object(&r)) return false;
  while (lti_json_next_key(&r, &key)) {
    enum place place = place_of(key);
    if (place != ROOT) {
      read_details(&r, place, counts);
    } else {
      read_count(&r, key, ROOT, counts);
    }
  }
  for (size_t i = 0; i < ROWS; i++) {
    int64_t *count = (int64_t *)(void *)((char *)usage + rows[i].offset);
    if (*count < 0) *count = counts[i];
    any |= counts[i] >= 0;
  }
  return any;
}
