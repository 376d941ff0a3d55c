/* How the jobs of each family are asked about. Pointers and words are the usual ones, which know
 * every envelope that was seen, except where a family means something else by them.
 *
 * Gateways look at their upstream every 15 seconds: asking oftener only reads what they know. */
#include "endpoints.h"

#define POLL_MS 15000

#define JIMENG_RESULT "/jimeng/?Action=CVSync2AsyncGetResult&Version=2022-08-31"

const leat_task_form lti_endpoint_forms[] = {
    LTI_TASK_FORM(.name = "video", .poll_method = "GET", .poll_path = "/v1/video/generations/{id}",
                  .content_path = "/v1/videos/{id}/content", .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "sora", .poll_method = "GET", .poll_path = "/v1/videos/{id}",
                  .content_path = "/v1/videos/{id}/content", .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "kling_text2video", .poll_method = "GET",
                  .poll_path = "/kling/v1/videos/text2video/{id}", .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "kling_image2video", .poll_method = "GET",
                  .poll_path = "/kling/v1/videos/image2video/{id}", .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "jimeng", .poll_method = "POST", .poll_path = JIMENG_RESULT,
                  .poll_body = "{\"req_key\":{req_key},\"task_id\":{id}}", .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "vidu", .poll_method = "GET", .poll_path = "/ent/v2/tasks/{id}/creations",
                  .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "seedance", .poll_method = "GET",
                  .poll_path = "/api/v3/contents/generations/tasks/{id}", .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "suno", .poll_method = "GET", .poll_path = "/suno/fetch/{id}",
                  .batch_path = "/suno/fetch", .batch_body = "{\"ids\":{ids}}", .batch_max = 100,
                  .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "producer", .poll_method = "GET", .poll_path = "/producer/fetch/{id}",
                  .batch_path = "/producer/fetch", .batch_body = "{\"ids\":{ids}}",
                  .batch_max = 100, .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "unified_suno", .poll_method = "GET", .poll_path = "/suno/fetch/{id}",
                  .batch_path = "/suno/fetch", .batch_body = "{\"ids\":{ids}}", .batch_max = 100,
                  .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "unified_producer", .poll_method = "GET",
                  .poll_path = "/producer/fetch/{id}", .batch_path = "/producer/fetch",
                  .batch_body = "{\"ids\":{ids}}", .batch_max = 100, .poll_ms = POLL_MS),
    LTI_TASK_FORM(.name = "midjourney", .poll_method = "GET", .poll_path = "/mj/task/{id}/fetch",
                  .batch_path = "/mj/task/list-by-condition", .batch_body = "{\"ids\":{ids}}",
                  .batch_max = 100, .good_codes = "1 21 22", .poll_ms = POLL_MS),
    {.name = NULL},
};
