/* The unified video family: POST /v1/video/generations, polled at the same path, content from the
 * OpenAI form /v1/videos/ID/content. Its answers are read as those of every other family are. */
#include "base/error.h"
#include "dialects.h"
#include "protocol.h"

#define POLL_MS 15000 /* gateways refresh their tasks this often */

static bool report(leat_slice json, bool submit, lti_task_report *report, lti_buf *scratch) {
  return lti_protocol_report(NULL, json, submit, report, scratch) == LTI_OK;
}

const lti_task_family lti_video_task = {
    .name = "video",
    .submit_path = "/v1/video/generations",
    .poll_path = "/v1/video/generations/{id}",
    .content_path = "/v1/videos/{id}/content",
    .poll_ms = POLL_MS,
    .report = report,
};
