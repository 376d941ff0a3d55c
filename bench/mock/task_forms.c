/* The envelopes of tasks, as gateways and vendors send them. A table has the word of each envelope
 * for each phase; a function each writes the answer to a submit and to a poll.
 *
 *   E1  new-api's: {code: "success", message, data: the id, or the task}
 *   E2  a video object with task_id, what a submit of video is answered with
 *   E3  OpenAI's video object           E4  {task_id, status, url, metadata}
 *   E5  Kling's: {code: 0, message, request_id, data: {task_id, task_status, ...}}
 *   E6  CCAPI's documented form of music: {code: 0, message, data: {taskId, status, ...}}
 *   E7  Midjourney's: {code: 1, description, result}, polled bare
 *   E8  Jimeng's: {code: 10000, data: {task_id}, ...}
 *   E9  Vidu's: {task_id, state}        E10 Ark's: {id, status, content: {video_url}} */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/mock/tasks.h"

#define REASON      "the mock made this task fail"
#define INLINE_MAX  ((uint64_t)16 << 20)
#define JIMENG_FINE 10000

/* By phase. A lost task is told by nobody. */
static const char *const words[MOCK_E10 + 1][MOCK_PHASE_LOST] = {
    [MOCK_E1] = {"SUBMITTED", "QUEUED", "IN_PROGRESS", "REVIEWING", "SUCCESS", "FAILURE", "FAILURE",
                 "FAILURE", "MODAL"},
    [MOCK_E2] = {"queued", "queued", "in_progress", "reviewing", "completed", "failed", "failed",
                 "failed", "modal"},
    [MOCK_E3] = {"queued", "queued", "in_progress", "reviewing", "completed", "failed", "failed",
                 "failed", "modal"},
    [MOCK_E4] = {"queued", "queued", "in_progress", "reviewing", "succeeded", "failed", "failed",
                 "failed", "modal"},
    [MOCK_E5] = {"submitted", "submitted", "processing", "reviewing", "succeed", "failed", "failed",
                 "failed", "modal"},
    [MOCK_E6] = {"PENDING", "PENDING", "PROCESSING", "REVIEWING", "SUCCESS", "FAILED", "FAILED",
                 "FAILED", "MODAL"},
    [MOCK_E7] = {"", "SUBMITTED", "IN_PROGRESS", "REVIEWING", "SUCCESS", "FAILURE", "FAILURE",
                 "FAILURE", "MODAL"},
    [MOCK_E8] = {"in_queue", "in_queue", "generating", "reviewing", "done", "failed", "expired",
                 "not_found", "modal"},
    [MOCK_E9] = {"created", "queueing", "processing", "reviewing", "success", "failed", "failed",
                 "failed", "modal"},
    [MOCK_E10] = {"queued", "queued", "running", "reviewing", "succeeded", "failed", "expired",
                  "cancelled", "modal"},
};

/* With odd=2 the odd word is the ambiguous one. */
const char *mock_task_word(const mock_task_view *v) {
  if (v->phase == MOCK_PHASE_ODD && v->task->odd == 2)
    return v->envelope == MOCK_E1 || v->envelope == MOCK_E7 ? "UNKNOWN" : "unknown";
  return words[v->envelope][v->phase];
}

/* ---- times and places */

static long long created_s(const mock_task_view *v) {
  return (long long)v->task->created;
}

static long long started_s(const mock_task_view *v) {
  bool started = v->phase >= MOCK_PHASE_RUNNING;
  return started ? created_s(v) + (long long)(v->task->queued_ns / 1000000000u) : 0;
}

static long long finished_s(const mock_task_view *v) {
  if (!mock_phase_final(v->phase)) return 0;
  return created_s(v) + (long long)((v->task->queued_ns + v->task->run_ns) / 1000000000u);
}

static bool succeeded(const mock_task_view *v) {
  return v->phase == MOCK_PHASE_SUCCESS;
}

static bool failed(const mock_task_view *v) {
  return v->phase == MOCK_PHASE_FAILURE || v->phase == MOCK_PHASE_EXPIRED ||
         v->phase == MOCK_PHASE_CANCELLED;
}

static int write_host(const mock_task_view *v, lti_buf *out) {
  const char *host = mock_exchange_header(v->x, "host");
  return lti_buf_format(out, "%s://%.200s", v->x->m->config.plain ? "http" : "https",
                        host ? host : "localhost");
}

int mock_task_write_url(const mock_task_view *v, lti_buf *out, unsigned index, const char *ending) {
  long long until = created_s(v) + (long long)v->task->url_s;
  return write_host(v, out) | lti_buf_format(out, "/files/%s/%u.%s?expires=%lld&sig=%016" PRIx64,
                                             v->id, index, ending, until,
                                             mock_content_sign(v->task, index, until));
}

/* The whole content in base64, which is why there is a most. */
static int write_inline(const mock_task_view *v, lti_buf *out) {
  uint64_t size = v->task->bytes < INLINE_MAX ? v->task->bytes : INLINE_MAX;
  return lti_buf_text(out, "data:video/mp4;base64,") |
         mock_base64_content(out, v->task->seed, size);
}

int mock_task_write_result(const mock_task_view *v, lti_buf *out, enum mock_urls usual) {
  enum mock_urls urls = v->task->urls ? (enum mock_urls)v->task->urls : usual;
  if (urls == MOCK_URLS_INLINE) return write_inline(v, out);
  if (urls == MOCK_URLS_SIGNED) return mock_task_write_url(v, out, 0, "mp4");
  return write_host(v, out) | lti_buf_format(out, "/v1/videos/%s/content", v->id);
}

/* ---- submits */

static int write_video_submitted(const mock_task_view *v, lti_buf *out) {
  int err =
      lti_buf_format(out,
                     "{\"id\":\"%s\",\"task_id\":\"%s\",\"object\":\"video\",\"model\":\"%s\","
                     "\"status\":\"queued\",\"progress\":0,\"created_at\":%lld",
                     v->id, v->id, v->task->model, created_s(v));
  if (v->task->remixed) {
    char from[MOCK_TASK_ID_MAX];
    mock_task_name(v->x->m, &v->x->m->tasks[v->task->remixed - 1], from);
    err |= lti_buf_format(out, ",\"remixed_from_video_id\":\"%s\"", from);
  }
  return err | lti_buf_byte(out, '}');
}

static int write_kling_submitted(const mock_task_view *v, lti_buf *out) {
  const char *key = v->task->key;
  return lti_buf_format(
      out,
      "{\"code\":0,\"message\":\"SUCCEED\",\"request_id\":\"mock-%" PRIu64
      "\",\"data\":{\"task_id\":\"%s\",\"task_info\":{\"external_task_id\":\"%s\"},"
      "\"task_status\":\"submitted\",\"created_at\":%lld000,\"updated_at\":%lld000}}",
      v->x->ordinal, v->id, key ? key : "", created_s(v), created_s(v));
}

static int write_midjourney_submitted(const mock_task_view *v, lti_buf *out) {
  uint32_t code = v->task->code ? v->task->code : 1;
  const char *says = code == 22   ? "In queue, 3 tasks ahead of it"
                     : code == 21 ? "The task exists already"
                                  : "Submit success";
  return lti_buf_format(out,
                        "{\"code\":%u,\"description\":\"%s\",\"result\":\"%s\",\"properties\":"
                        "{\"discordInstanceId\":\"mock\"}}",
                        code, says, v->id);
}

int mock_task_write_submitted(const mock_task_view *v, lti_buf *out) {
  switch (v->envelope) {
    case MOCK_E1:
      return lti_buf_format(out,
                            "{\"code\":\"success\",\"message\":\"task completed successfully\","
                            "\"data\":\"%s\"}",
                            v->id);
    case MOCK_E4: return lti_buf_format(out, "{\"task_id\":\"%s\",\"status\":\"queued\"}", v->id);
    case MOCK_E5: return write_kling_submitted(v, out);
    case MOCK_E7: return write_midjourney_submitted(v, out);
    case MOCK_E8:
      return lti_buf_format(out,
                            "{\"code\":10000,\"message\":\"Success\",\"request_id\":\"mock-%" PRIu64
                            "\",\"status\":10000,\"time_elapsed\":\"1ms\",\"data\":"
                            "{\"task_id\":\"%s\"}}",
                            v->x->ordinal, v->id);
    case MOCK_E9:
      return lti_buf_format(out,
                            "{\"task_id\":\"%s\",\"state\":\"created\",\"model\":\"%s\","
                            "\"credits\":4,\"created_at\":\"2025-01-01T00:00:00.000000Z\"}",
                            v->id, v->task->model);
    case MOCK_E10: return lti_buf_format(out, "{\"id\":\"%s\"}", v->id);
    default: return write_video_submitted(v, out);
  }
}

/* ---- what the vendors say, bare or inside new-api's task */

static int write_kling(const mock_task_view *v, lti_buf *out) {
  long long end = finished_s(v) ? finished_s(v) : created_s(v);
  int err = lti_buf_format(out,
                           "{\"code\":0,\"message\":\"SUCCEED\",\"request_id\":\"mock-%" PRIu64
                           "\",\"data\":{\"task_id\":\"%s\",\"task_status\":\"%s\","
                           "\"task_status_msg\":\"%s\",\"task_info\":{\"external_task_id\":\"%s\"},"
                           "\"created_at\":%lld000,\"updated_at\":%lld000,\"task_result\":",
                           v->x->ordinal, v->id, mock_task_word(v), failed(v) ? REASON : "",
                           v->task->key ? v->task->key : "", created_s(v), end);
  if (!succeeded(v)) return err | lti_buf_text(out, "{}}}");
  err |= lti_buf_format(out, "{\"videos\":[{\"id\":\"%s-0\",\"url\":\"", v->id);
  err |= mock_task_write_result(v, out, MOCK_URLS_SIGNED);
  return err | lti_buf_text(out, "\",\"duration\":\"5.1\"}]}}}");
}

/* A failure is a code of its own; the new-api that wraps it keeps it as it is. */
static int write_jimeng(const mock_task_view *v, lti_buf *out) {
  bool broken = v->phase == MOCK_PHASE_FAILURE;
  unsigned code = broken ? 50511 : JIMENG_FINE;
  int err = lti_buf_format(out,
                           "{\"code\":%u,\"message\":\"%s\",\"request_id\":\"mock-%" PRIu64
                           "\",\"status\":%u,\"time_elapsed\":\"1ms\",\"data\":",
                           code, broken ? REASON : "Success", v->x->ordinal, code);
  if (broken) return err | lti_buf_text(out, "null}");
  err |= lti_buf_format(out,
                        "{\"status\":\"%s\",\"binary_data_base64\":[],\"image_urls\":null,"
                        "\"resp_data\":\"\",\"video_url\":\"",
                        mock_task_word(v));
  if (succeeded(v)) err |= mock_task_write_result(v, out, MOCK_URLS_SIGNED);
  return err | lti_buf_text(out, "\"}}");
}

static int write_vidu(const mock_task_view *v, lti_buf *out) {
  int err = lti_buf_format(out,
                           "{\"id\":\"%s\",\"state\":\"%s\",\"err_code\":\"%s\",\"credits\":4,"
                           "\"payload\":\"%s\",\"progress\":%u,\"creations\":[",
                           v->id, mock_task_word(v), failed(v) ? "MockFailed" : "",
                           v->task->key ? v->task->key : "", v->progress);
  if (!succeeded(v)) return err | lti_buf_text(out, "]}");
  err |= lti_buf_format(out, "{\"id\":\"%s-0\",\"url\":\"", v->id);
  err |= mock_task_write_result(v, out, MOCK_URLS_SIGNED);
  err |= lti_buf_text(out, "\",\"cover_url\":\"") | mock_task_write_url(v, out, 1, "jpg");
  return err | lti_buf_text(out, "\",\"watermarked_url\":\"\"}]}");
}

static int write_ark(const mock_task_view *v, lti_buf *out) {
  long long end = finished_s(v) ? finished_s(v) : created_s(v);
  int err = lti_buf_format(out, "{\"id\":\"%s\",\"model\":\"%s\",\"status\":\"%s\",", v->id,
                           v->task->model, mock_task_word(v));
  if (succeeded(v)) {
    err |= lti_buf_text(out, "\"content\":{\"video_url\":\"");
    err |= mock_task_write_result(v, out, MOCK_URLS_SIGNED);
    err |= lti_buf_text(out, "\",\"last_frame_url\":\"") | mock_task_write_url(v, out, 1, "png");
    err |=
        lti_buf_text(out, "\"},\"usage\":{\"completion_tokens\":108900,\"total_tokens\":108900},");
  }
  err |= failed(v)
             ? lti_buf_text(out, "\"error\":{\"code\":\"mock_failed\",\"message\":\"" REASON "\"},")
             : lti_buf_text(out, "\"error\":null,");
  return err | lti_buf_format(out,
                              "\"created_at\":%lld,\"updated_at\":%lld,\"seed\":10,"
                              "\"resolution\":\"720p\",\"ratio\":\"16:9\",\"duration\":5,"
                              "\"framespersecond\":24}",
                              created_s(v), end);
}

/* ---- polls */

static int write_video(const mock_task_view *v, lti_buf *out) {
  long long end = finished_s(v);
  int err =
      lti_buf_format(out,
                     "{\"id\":\"%s\",\"task_id\":\"%s\",\"object\":\"video\",\"model\":"
                     "\"%s\",\"status\":\"%s\",\"progress\":%u,\"created_at\":%lld,",
                     v->id, v->id, v->task->model, mock_task_word(v), v->progress, created_s(v));
  err |= end ? lti_buf_format(out, "\"completed_at\":%lld,\"expires_at\":%lld,", end,
                              created_s(v) + (long long)v->task->url_s)
             : lti_buf_text(out, "\"completed_at\":null,\"expires_at\":null,");
  err |=
      lti_buf_format(out, "\"seconds\":\"5\",\"size\":\"1280x720\",\"error\":%s,\"metadata\":{",
                     failed(v) ? "{\"code\":\"mock_failed\",\"message\":\"" REASON "\"}" : "null");
  if (succeeded(v)) {
    err |= lti_buf_text(out, "\"url\":\"") | mock_task_write_result(v, out, MOCK_URLS_PROXY);
    err |= lti_buf_byte(out, '"');
  }
  return err | lti_buf_text(out, "}}");
}

static int write_flat(const mock_task_view *v, lti_buf *out) {
  int err = lti_buf_format(out, "{\"task_id\":\"%s\",\"status\":\"%s\"", v->id, mock_task_word(v));
  if (succeeded(v)) {
    err |= lti_buf_text(out, ",\"url\":\"") | mock_task_write_result(v, out, MOCK_URLS_PROXY);
    err |= lti_buf_text(out,
                        "\",\"format\":\"mp4\",\"metadata\":{\"duration\":5,\"fps\":24,"
                        "\"width\":1280,\"height\":720,\"seed\":0}");
  }
  if (failed(v))
    err |= lti_buf_text(out, ",\"error\":{\"code\":\"mock_failed\",\"message\":\"" REASON "\"}");
  return err | lti_buf_byte(out, '}');
}

/* Whose model stands behind the unified route. */
static enum mock_family upstream_of(const mock_task *t) {
  static const struct {
    const char *model;
    enum mock_family family;
  } models[] = {{"kling", MOCK_KLING},
                {"vidu", MOCK_VIDU},
                {"doubao-seedance", MOCK_ARK},
                {"seedance", MOCK_ARK},
                {"jimeng", MOCK_JIMENG}};
  for (size_t i = 0; t->family == MOCK_VIDEO && i < sizeof models / sizeof models[0]; i++)
    if (strncmp(t->model, models[i].model, strlen(models[i].model)) == 0) return models[i].family;
  return (enum mock_family)t->family;
}

/* What new-api got from upstream: null while there is nothing. */
static int write_upstream(const mock_task_view *v, lti_buf *out) {
  mock_task_view inner = *v;
  switch (upstream_of(v->task)) {
    case MOCK_SUNO:
    case MOCK_PRODUCER: return mock_song_write(v, out);
    case MOCK_KLING: inner.envelope = MOCK_E5; return write_kling(&inner, out);
    case MOCK_VIDU: inner.envelope = MOCK_E9; return write_vidu(&inner, out);
    case MOCK_ARK: inner.envelope = MOCK_E10; return write_ark(&inner, out);
    case MOCK_JIMENG: inner.envelope = MOCK_E8; return write_jimeng(&inner, out);
    default: return lti_buf_text(out, "{}");
  }
}

static const char *platform_of(const mock_task *t) {
  static const char *const names[MOCK_FAMILY_COUNT] = {
      [MOCK_VIDEO] = "mock", [MOCK_SORA] = "55",       [MOCK_SUNO] = "suno",
      [MOCK_KLING] = "50",   [MOCK_PRODUCER] = "mock", [MOCK_VIDU] = "52",
      [MOCK_ARK] = "54",     [MOCK_JIMENG] = "51",     [MOCK_MIDJOURNEY] = "mj",
  };
  return names[t->family];
}

/* Older versions have the url in fail_reason. */
static int write_reason(const mock_task_view *v, lti_buf *out) {
  bool music = v->task->family == MOCK_SUNO || v->task->family == MOCK_PRODUCER;
  int err = lti_buf_format(out, "\"fail_reason\":\"%s", failed(v) ? REASON : "");
  if (succeeded(v) && v->task->url_in_reason)
    err |= mock_task_write_result(v, out, MOCK_URLS_PROXY);
  err |= lti_buf_text(out, "\",");
  if (!succeeded(v) || v->task->url_in_reason || v->task->raw || music) return err;
  err |= lti_buf_text(out, "\"result_url\":\"");
  return err | mock_task_write_result(v, out, MOCK_URLS_PROXY) | lti_buf_text(out, "\",");
}

static int write_dto(const mock_task_view *v, lti_buf *out) {
  const mock_task *t = v->task;
  long long end = finished_s(v);
  int err = lti_buf_format(
      out,
      "{\"id\":%u,\"created_at\":%lld,\"updated_at\":%lld,\"task_id\":\"%s\",\"platform\":\"%s\","
      "\"user_id\":1,\"group\":\"default\",\"channel_id\":1,\"quota\":0,\"action\":\"%s\","
      "\"status\":\"%s\",",
      (unsigned)(t - v->x->m->tasks) + 1, created_s(v), end ? end : created_s(v), v->id,
      platform_of(t), t->action, mock_task_word(v));
  err |= write_reason(v, out);
  err |= lti_buf_format(out,
                        "\"submit_time\":%lld,\"start_time\":%lld,\"finish_time\":%lld,"
                        "\"progress\":\"%u%%\",\"properties\":{\"input\":\"\","
                        "\"upstream_model_name\":\"%s\",\"origin_model_name\":\"%s\"},\"data\":",
                        created_s(v), started_s(v), end, v->progress, t->model, t->model);
  return err | write_upstream(v, out) | lti_buf_byte(out, '}');
}

static int write_documented_song(const mock_task_view *v, lti_buf *out) {
  int err = lti_buf_format(out,
                           "{\"code\":0,\"message\":\"success\",\"data\":{\"taskId\":\"%s\","
                           "\"status\":\"%s\",\"action\":\"%s\"",
                           v->id, mock_task_word(v), v->task->action);
  err |= mock_song_write_members(v, out);
  return err | lti_buf_format(out, ",\"errorMessage\":\"%s\"}}", failed(v) ? REASON : "");
}

/* imageUrl may be there before the end: a preview. */
static int write_image_url(const mock_task_view *v, lti_buf *out) {
  bool preview = v->phase == MOCK_PHASE_RUNNING && v->progress >= 25;
  if (!preview && !succeeded(v)) return lti_buf_text(out, "\"imageUrl\":\"\",");
  int err = lti_buf_text(out, "\"imageUrl\":\"") | write_host(v, out);
  err |= lti_buf_format(out, "/mj/image/%s", v->id);
  if (preview) err |= lti_buf_format(out, "?rand=%u", v->progress);
  return err | lti_buf_text(out, "\",");
}

static int write_midjourney(const mock_task_view *v, lti_buf *out) {
  int err = lti_buf_format(out,
                           "{\"id\":\"%s\",\"action\":\"%s\",\"status\":\"%s\",\"progress\":\"%u%%"
                           "\",\"prompt\":\"\",\"promptEn\":\"\",\"description\":\"\",\"state\":"
                           "\"%s\",\"submitTime\":%lld,\"startTime\":%lld,\"finishTime\":"
                           "%lld,\"videoUrl\":\"\",\"videoUrls\":[],\"failReason\":\"%s\",",
                           v->id, v->task->action, mock_task_word(v), v->progress,
                           v->task->key ? v->task->key : "", 1000 * created_s(v),
                           1000 * started_s(v), 1000 * finished_s(v), failed(v) ? REASON : "");
  err |= write_image_url(v, out);
  err |= lti_buf_text(out, "\"buttons\":[");
  if (succeeded(v))
    err |= lti_buf_format(out,
                          "{\"customId\":\"MJ::JOB::upsample::1::%s\",\"emoji\":\"\",\"label\":"
                          "\"U1\",\"type\":2,\"style\":2}",
                          v->id);
  return err | lti_buf_text(out, "],\"properties\":{\"finalPrompt\":\"\"}}");
}

int mock_task_write_element(const mock_task_view *v, lti_buf *out) {
  switch (v->envelope) {
    case MOCK_E1: return write_dto(v, out);
    case MOCK_E4: return write_flat(v, out);
    case MOCK_E5: return write_kling(v, out);
    case MOCK_E6: return write_documented_song(v, out);
    case MOCK_E7: return write_midjourney(v, out);
    case MOCK_E8: return write_jimeng(v, out);
    case MOCK_E9: return write_vidu(v, out);
    case MOCK_E10: return write_ark(v, out);
    default: return write_video(v, out);
  }
}

int mock_task_write(const mock_task_view *v, lti_buf *out) {
  if (v->envelope != MOCK_E1) return mock_task_write_element(v, out);
  return lti_buf_text(out, "{\"code\":\"success\",\"message\":\"\",\"data\":") | write_dto(v, out) |
         lti_buf_byte(out, '}');
}
