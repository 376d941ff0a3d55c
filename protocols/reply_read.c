/* Typed replies: what the answer of an endpoint says, as structs.
 *
 * The body is checked once as a whole, its root is read into one table of members, and the reader
 * of the group goes on from there. What is not known is passed over; what has a wrong type was not
 * said. An error object is found whatever was expected: always where the root's `error` says
 * something, and elsewhere where the group is not to be found. Nothing recurses, every list is
 * bounded by the body, and the time is linear in it. */
#include "reply_read.h"

#include <string.h>

#include "base/error.h"
#include "gemini.h"
#include "openai.h"

#define PLAIN_ERROR_MAX 4096

static const lti_member_name names[] = {
    LTI_MEMBER("id", LTI_ROOT_ID),
    LTI_MEMBER("responseId", LTI_ROOT_ID),
    LTI_MEMBER("name", LTI_ROOT_NAME),
    LTI_MEMBER("model", LTI_ROOT_MODEL),
    LTI_MEMBER("modelVersion", LTI_ROOT_MODEL),
    LTI_MEMBER("created", LTI_ROOT_CREATED),
    LTI_MEMBER("created_at", LTI_ROOT_CREATED),
    LTI_MEMBER("createTime", LTI_ROOT_CREATED),
    LTI_MEMBER("usage", LTI_ROOT_USAGE),
    LTI_MEMBER("usageMetadata", LTI_ROOT_USAGE_GEMINI),
    LTI_MEMBER("error", LTI_ROOT_ERROR),
    LTI_MEMBER("data", LTI_ROOT_DATA),
    LTI_MEMBER("results", LTI_ROOT_RESULTS),
    LTI_MEMBER("output", LTI_ROOT_OUTPUT),
    LTI_MEMBER("images", LTI_ROOT_IMAGES),
    LTI_MEMBER("predictions", LTI_ROOT_PREDICTIONS),
    LTI_MEMBER("generatedImages", LTI_ROOT_GENERATED),
    LTI_MEMBER("generated_images", LTI_ROOT_GENERATED),
    LTI_MEMBER("candidates", LTI_ROOT_CANDIDATES),
    LTI_MEMBER("choices", LTI_ROOT_CHOICES),
    LTI_MEMBER("b64_json", LTI_ROOT_B64_JSON),
    LTI_MEMBER("url", LTI_ROOT_URL),
    LTI_MEMBER("output_format", LTI_ROOT_FORMAT),
    LTI_MEMBER("embedding", LTI_ROOT_EMBEDDING),
    LTI_MEMBER("embeddings", LTI_ROOT_EMBEDDINGS),
    LTI_MEMBER("text", LTI_ROOT_TEXT),
    LTI_MEMBER("language", LTI_ROOT_LANGUAGE),
    LTI_MEMBER("duration", LTI_ROOT_DURATION),
    LTI_MEMBER("segments", LTI_ROOT_SEGMENTS),
    LTI_MEMBER("utterances", LTI_ROOT_SEGMENTS),
    LTI_MEMBER("words", LTI_ROOT_WORDS),
    LTI_MEMBER("models", LTI_ROOT_MODELS),
    LTI_MEMBER("flagged", LTI_ROOT_FLAGGED),
    LTI_MEMBER("input_tokens", LTI_ROOT_TOKENS_INPUT),
    LTI_MEMBER("totalTokens", LTI_ROOT_TOKENS_TOTAL),
    LTI_MEMBER("total_tokens", LTI_ROOT_TOKENS_TOTAL),
    LTI_MEMBER("count", LTI_ROOT_TOKENS_COUNT),
    LTI_MEMBER("token_count", LTI_ROOT_TOKENS_COUNT),
    LTI_MEMBER("files", LTI_ROOT_FILES),
    LTI_MEMBER("file", LTI_ROOT_FILE),
    LTI_MEMBER("batches", LTI_ROOT_BATCHES),
};

enum { NAMES = sizeof names / sizeof *names };

void lti_reply_root_read(leat_slice object, lti_member *root) {
  memset(root, 0, LTI_ROOT_SLOTS * sizeof *root);
  lti_member_read_text(object, names, NAMES, root);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static leat_slice trim(leat_slice text) {
  if (lti_slice_starts(text, "\xef\xbb\xbf")) text = lti_slice_from(text, 3);
  while (text.size && memchr(" \t\r\n", *text.data, 4)) text = lti_slice_from(text, 1);
  while (text.size && memchr(" \t\r\n", text.data[text.size - 1], 4)) text.size--;
  return text;
}

static bool is_document(leat_slice body) {
  return body.size && (*body.data == '{' || *body.data == '[');
}

/* ---- what all groups have -------------------------------------------------------------------- */

static int read_shared(lti_reply *r, const lti_member *root) {
  leat_reply *told = &r->told;
  const lti_member *usage = &root[LTI_ROOT_USAGE], *gemini = &root[LTI_ROOT_USAGE_GEMINI];
  bool said = usage->type == LTI_JSON_OBJECT && lti_openai_usage(usage->text.raw, &told->usage);
  if (!said) said = gemini->type && lti_gemini_usage(gemini->text.raw, &told->usage);
  if (!said) memset(&told->usage, 0xff, sizeof told->usage); /* -1 in every member */
  told->created = lti_reply_time(&root[LTI_ROOT_CREATED]);
  int rc = lti_reply_text(r, &root[LTI_ROOT_ID], &told->id);
  return rc == LTI_OK ? lti_reply_text(r, &root[LTI_ROOT_MODEL], &told->model) : rc;
}

static bool find_error(lti_reply *r, leat_slice json) {
  lti_provider_error e;
  if (!lti_protocol_error(json, &e, &r->error_text)) return false;
  r->told.has_error = true;
  r->told.error = (leat_error_reply){.type = e.type,
                                     .code = e.code,
                                     .message = e.message,
                                     .param = e.param,
                                     .request_id = e.request_id,
                                     .code_is_number = e.code_is_number};
  return true;
}

/* A page, or a proxy's one line: its first bytes are the message. */
static int read_plain_error(lti_reply *r) {
  lti_json_text text = {.raw = r->body};
  lti_member m = {.type = LTI_JSON_STRING};
  if (text.raw.size == 0) return LEAT_EDECODE;
  if (text.raw.size > PLAIN_ERROR_MAX) {
    text.raw.size = PLAIN_ERROR_MAX;
    while (((unsigned char)text.raw.data[text.raw.size] & 0xc0) == 0x80) text.raw.size--;
  }
  m.text = text;
  r->told.has_error = true;
  return lti_reply_text(r, &m, &r->told.error.message);
}

static int read_group(lti_reply *r, const lti_member *root, const leat_task_form *form) {
  switch (r->told.group) {
    case LEAT_REPLY_NONE: return LTI_OK;
    case LEAT_REPLY_IMAGES: return lti_reply_images_read(r, root);
    case LEAT_REPLY_EMBEDDINGS: return lti_reply_embeddings_read(r, root);
    case LEAT_REPLY_TRANSCRIPT: return lti_reply_transcript_read(r, root);
    case LEAT_REPLY_MODELS: return lti_reply_models_read(r, root);
    case LEAT_REPLY_MODERATION: return lti_reply_moderation_read(r, root);
    case LEAT_REPLY_RERANK: return lti_reply_rerank_read(r, root);
    case LEAT_REPLY_TOKENS: return lti_reply_tokens_read(r, root);
    case LEAT_REPLY_FILES:
    case LEAT_REPLY_BATCHES: return lti_reply_stored_read(r, root);
    case LEAT_REPLY_TASK: return lti_reply_task_read(r, form);
    case LEAT_REPLY_ERROR: return find_error(r, r->body) ? LTI_OK : LEAT_EDECODE;
  }
  return LEAT_EINVAL;
}

static int read_document(lti_reply *r, const leat_task_form *form) {
  lti_member root[LTI_ROOT_SLOTS];
  if (!lti_json_valid(r->body, NULL, NULL)) return LEAT_EDECODE;
  lti_reply_root_read(r->body, root);
  r->array = *r->body.data == '[';
  if (r->array) root[LTI_ROOT_DATA] = (lti_member){.type = LTI_JSON_ARRAY, .text.raw = r->body};
  int rc = read_shared(r, root);
  if (rc == LTI_OK) rc = read_group(r, root, form);
  bool sought = r->told.group == LEAT_REPLY_TASK || r->told.group == LEAT_REPLY_ERROR;
  bool said = lti_member_truthy(&root[LTI_ROOT_ERROR]) && !sought;
  if ((rc == LTI_OK && said) || rc == LEAT_EDECODE) rc = find_error(r, r->body) ? LTI_OK : rc;
  return rc;
}

static int read_body(lti_reply *r, const leat_task_form *form) {
  enum leat_reply_group group = r->told.group;
  memset(&r->told.usage, 0xff, sizeof r->told.usage);
  if (r->body.size == 0 && group == LEAT_REPLY_NONE) return LTI_OK;
  if (is_document(r->body)) return read_document(r, form);
  if (group == LEAT_REPLY_ERROR) return read_plain_error(r);
  if (group == LEAT_REPLY_TRANSCRIPT) return lti_reply_captions_read(r);
  bool value = group == LEAT_REPLY_NONE && lti_json_valid(r->body, NULL, NULL);
  return value ? LTI_OK : LEAT_EDECODE;
}

/* ---- public ---------------------------------------------------------------------------------- */

/* What the readers gathered, where the caller looks. */
static void show(lti_reply *r) {
  leat_reply *told = &r->told;
  switch (told->group) {
    case LEAT_REPLY_TRANSCRIPT:
      told->transcript = &r->transcript;
      told->count = told->has_error && !r->transcript.text.size ? 0 : 1;
      break;
    case LEAT_REPLY_TASK:
      told->task = &r->task;
      told->count = 1;
      break;
    case LEAT_REPLY_TOKENS: break;
    default: told->images = lti_reply_items(r, LTI_REPLY_ITEMS, &told->count); break;
  }
}

int leat_reply_read(enum leat_reply_group group, leat_slice body, const struct leat_task_form *form,
                    const leat_allocator *allocator, leat_reply **reply) {
  lti_alloc alloc;
  if (!reply) return LEAT_EINVAL;
  *reply = NULL;
  lti_alloc_init(&alloc, allocator);
  lti_reply *r = lti_alloc_zero(&alloc, sizeof *r);
  if (!r) return LEAT_ENOMEM;
  r->alloc = alloc;
  r->told.group = group;
  r->told.raw = body;
  r->body = trim(body);
  r->transcript.duration_s = -1;
  r->task = (leat_task_reply){.state = LEAT_TASK_RUNNING, .progress = -1};
  lti_buf_init(&r->scratch, &r->alloc, LTI_OPENAI_TEXT_MAX * 4, LEAT_ENOMEM);
  lti_buf_init(&r->error_text, &r->alloc, LTI_OPENAI_TEXT_MAX, LEAT_ENOMEM);
  int rc = read_body(r, form);
  if (rc != LTI_OK) {
    leat_reply_free(&r->told);
    return rc;
  }
  show(r);
  *reply = &r->told;
  return LEAT_OK;
}

void leat_reply_free(leat_reply *reply) {
  if (!reply) return;
  lti_reply *r = LTI_CONTAINER_OF(reply, lti_reply, told);
  lti_alloc alloc = r->alloc;
  lti_reply_release(r);
  lti_alloc_put(&alloc, r);
}

const char *leat_reply_group_name(enum leat_reply_group group) {
  switch (group) {
    case LEAT_REPLY_NONE: return "none";
    case LEAT_REPLY_IMAGES: return "images";
    case LEAT_REPLY_EMBEDDINGS: return "embeddings";
    case LEAT_REPLY_TRANSCRIPT: return "transcript";
    case LEAT_REPLY_MODELS: return "models";
    case LEAT_REPLY_MODERATION: return "moderation";
    case LEAT_REPLY_RERANK: return "rerank";
    case LEAT_REPLY_TOKENS: return "tokens";
    case LEAT_REPLY_FILES: return "files";
    case LEAT_REPLY_BATCHES: return "batches";
    case LEAT_REPLY_TASK: return "task";
    case LEAT_REPLY_ERROR: return "error";
  }
  return "unknown";
}
