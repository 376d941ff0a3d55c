/* The unified video family: POST /v1/video/generations, polled at the same path, content from the
 * OpenAI form /v1/videos/ID/content.
 *
 * Gateways answer in several envelopes, and submit and poll of one gateway may differ: the OpenAI
 * video object, {"code":"success","data":{...}} with the task inside, {"code":0,...}, and flat
 * errors. So a report is read by looking for each fact at every place where it has been seen,
 * nearest first. Status words are matched without case; one that is not known means that the task
 * runs. */
#include "dialects.h"
#include "protocol.h"
#include "wire/json.h"

#define POLL_MS 15000 /* gateways refresh their tasks this often */

typedef struct status_word {
  const char *word;
  enum leat_task_state state;
} status_word;

static const status_word words[] = {
    {"success", LEAT_TASK_SUCCEEDED},  {"completed", LEAT_TASK_SUCCEEDED},
    {"complete", LEAT_TASK_SUCCEEDED}, {"succeeded", LEAT_TASK_SUCCEEDED},
    {"succeed", LEAT_TASK_SUCCEEDED},  {"done", LEAT_TASK_SUCCEEDED},
    {"finished", LEAT_TASK_SUCCEEDED}, {"failure", LEAT_TASK_FAILED},
    {"failed", LEAT_TASK_FAILED},      {"fail", LEAT_TASK_FAILED},
    {"error", LEAT_TASK_FAILED},       {"cancelled", LEAT_TASK_FAILED},
    {"canceled", LEAT_TASK_FAILED},    {"expired", LEAT_TASK_FAILED},
    {"timeout", LEAT_TASK_FAILED},     {"not_found", LEAT_TASK_FAILED},
    {"modal", LEAT_TASK_NEEDS_INPUT},
};

static enum leat_task_state state_of(leat_slice word) {
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (lti_slice_is_nocase(word, words[i].word)) return words[i].state;
  return LEAT_TASK_RUNNING;
}

/* The text of a string or number at the pointer, kept in `scratch` when it had escapes. */
static bool text_at(leat_slice json, const char *pointer, lti_buf *scratch, leat_slice *text) {
  leat_slice value;
  lti_json r;
  lti_json_text raw;
  if (!lti_json_find(json, pointer, &value)) return false;
  lti_json_init(&r, value);
  enum lti_json_type type = lti_json_peek(&r);
  if (type == LTI_JSON_NUMBER) {
    *text = value;
    return true;
  }
  if (type != LTI_JSON_STRING || !lti_json_string(&r, &raw)) return false;
  if (!raw.escaped && raw.ascii) {
    *text = raw.raw;
    return true;
  }
  /* Room for the worst case first, so that earlier views into `scratch` stay where they are. */
  lti_buf one;
  leat_slice decoded;
  lti_buf_init(&one, scratch->alloc, scratch->max, scratch->full_error);
  size_t from = scratch->size;
  bool ok = lti_json_decode(raw, NULL, &one, &decoded) == LTI_OK &&
            scratch->capacity - from >= decoded.size && lti_buf_append(scratch, decoded) == LTI_OK;
  lti_buf_deinit(&one);
  if (ok) *text = lti_slice(scratch->data + from, scratch->size - from);
  return ok;
}

static bool first_text(leat_slice json, const char *const *pointers, lti_buf *scratch,
                       leat_slice *text) {
  for (; *pointers; pointers++)
    if (text_at(json, *pointers, scratch, text) && text->size > 0) return true;
  *text = lti_slice(NULL, 0);
  return false;
}

static const char *const id_places[] = {"/id",      "/task_id", "/data/task_id", "/data/taskId",
                                        "/data/id", "/data",    "/result",       NULL};
static const char *const status_places[] = {
    "/data/status", "/data/task_status", "/status", "/data/state", "/state", NULL};
static const char *const progress_places[] = {"/data/progress", "/progress", NULL};
static const char *const url_places[] = {"/data/result_url",
                                         "/metadata/url",
                                         "/url",
                                         "/video_url",
                                         "/data/url",
                                         "/data/videoUrl",
                                         "/data/data/url",
                                         "/data/data/video_url",
                                         "/data/data/content/video_url",
                                         "/data/data/data/task_result/videos/0/url",
                                         "/data/data/task_result/videos/0/url",
                                         "/data/data/creations/0/url",
                                         "/data/task_result/videos/0/url",
                                         "/content/video_url",
                                         "/creations/0/url",
                                         "/data/metadata/url",
                                         NULL};
static const char *const why_places[] = {"/error/message",
                                         "/data/fail_reason",
                                         "/data/error/message",
                                         "/data/task_status_msg",
                                         "/data/errorMessage",
                                         "/fail_reason",
                                         "/failReason",
                                         "/error",
                                         "/message",
                                         NULL};
static const char *const code_places[] = {"/error/code", "/data/error/code", "/err_code", NULL};

/* "65%", "65" or 65; -1 when it is none of them. */
static int percent_of(leat_slice text) {
  uint64_t value;
  if (text.size > 0 && text.data[text.size - 1] == '%') text.size--;
  const char *dot = text.size ? memchr(text.data, '.', text.size) : NULL;
  if (dot) text.size = (size_t)(dot - text.data);
  if (!lti_slice_u64(text, &value)) return -1;
  return value > 100 ? 100 : (int)value;
}

/* The envelope's own code: "success", 0, 1 and 10000 are good, whatever type they have. */
static bool code_is_good(leat_slice code) {
  static const char *const good[] = {"success", "0", "1", "200", "10000", "SUCCESS"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (lti_slice_is(code, good[i])) return true;
  return false;
}

static void read_error(leat_slice json, lti_task_report *report, lti_buf *scratch) {
  report->error.set = true;
  first_text(json, why_places, scratch, &report->error.message);
  if (!first_text(json, code_places, scratch, &report->error.code))
    text_at(json, "/code", scratch, &report->error.code);
}

/* An envelope that refuses: {"code":"task_not_exist","message":...} or an error object. */
static bool read_refusal(leat_slice json, lti_task_report *report, lti_buf *scratch) {
  leat_slice code = {NULL, 0}, error;
  bool has_code = text_at(json, "/code", scratch, &code) && code.size > 0;
  bool has_error = lti_json_find(json, "/error", &error) && !lti_slice_is(error, "null");
  bool refused = (has_code && !code_is_good(code)) || (has_error && !report->status.size);
  if (!refused) return false;
  read_error(json, report, scratch);
  report->not_found =
      lti_slice_is(report->error.code, "task_not_exist") || lti_slice_is(code, "task_not_exist");
  return true;
}

static bool report(leat_slice json, bool submit, lti_task_report *report, lti_buf *scratch) {
  size_t offset;
  const char *why;
  leat_slice progress;
  *report = (lti_task_report){.state = LEAT_TASK_RUNNING, .progress = -1};
  if (!lti_json_valid(json, &offset, &why)) return false;
  if (lti_buf_reserve(scratch, json.size) != LTI_OK) return false;
  first_text(json, status_places, scratch, &report->status);
  if (read_refusal(json, report, scratch)) {
    report->state = LEAT_TASK_FAILED;
    return true;
  }
  bool has_id = first_text(json, id_places, scratch, &report->id);
  if (!submit && !report->status.size) return false;
  if (first_text(json, progress_places, scratch, &progress))
    report->progress = percent_of(progress);
  report->state = state_of(report->status);
  first_text(json, url_places, scratch, &report->url);
  if (report->state == LEAT_TASK_FAILED) read_error(json, report, scratch);
  /* Older gateways put the result where the reason of a failure belongs. */
  if (report->state == LEAT_TASK_SUCCEEDED && !report->url.size)
    text_at(json, "/data/fail_reason", scratch, &report->url);
  return has_id || report->status.size > 0;
}

const lti_task_family lti_video_task = {
    .name = "video",
    .submit_path = "/v1/video/generations",
    .poll_path = "/v1/video/generations/{id}",
    .content_path = "/v1/videos/{id}/content",
    .poll_ms = POLL_MS,
    .report = report,
};
