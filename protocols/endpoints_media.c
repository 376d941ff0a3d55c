/* Images, video and sound.
 *
 * Most of them are jobs. The unified video route takes any vendor's model; the vendors' own routes
 * are there as gateways mount them, unchanged or rewritten to the unified one. */
#include "endpoints.h"

#define JOB(form)                                                          \
  .method = "POST", .body = LEAT_BODY_JSON, .reply = LEAT_REPLY_KIND_TASK, \
  .group = LEAT_REPLY_TASK, .task = (form), .once = true
#define QUERY(form) .method = "GET", .group = LEAT_REPLY_TASK, .task = (form)

#define JIMENG         "/jimeng/?Action=CVSync2Async"
#define JIMENG_VERSION "&Version=2022-08-31"

const leat_endpoint lti_endpoints_images[] = {
    LTI_ENDPOINT(.name = "images.nano_banana", .summary = "nano banana, in Gemini's own form",
                 .method = "POST", .path = "/v1beta/models/{model}:generateContent",
                 .body = LEAT_BODY_JSON, .reply = LEAT_REPLY_KIND_SSE,
                 .stream_path = "/v1beta/models/{model}:streamGenerateContent?alt=sse",
                 .protocol = "gemini", .confirmed = true),
    LTI_ENDPOINT(.name = "images.nano_banana_pay", .summary = "nano banana, paid by the image",
                 .method = "POST", .path = "/v1/images/generations", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-images",
                 .group = LEAT_REPLY_IMAGES),
    LTI_ENDPOINT(.name = "images.generate", .summary = "images of a prompt", .method = "POST",
                 .path = "/v1/images/generations", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-images",
                 .group = LEAT_REPLY_IMAGES, .confirmed = true),
    LTI_ENDPOINT(.name = "images.edit", .summary = "images made of images", .method = "POST",
                 .path = "/v1/images/edits", .body = LEAT_BODY_MULTIPART,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-images",
                 .group = LEAT_REPLY_IMAGES, .confirmed = true),
    LTI_ENDPOINT(.name = "images.jimeng", .summary = "Jimeng's images", JOB("jimeng"),
                 .path = JIMENG "SubmitTask" JIMENG_VERSION),
    {.name = NULL},
};

const leat_endpoint lti_endpoints_video[] = {
    LTI_ENDPOINT(.name = "video.generate", .summary = "a video by any model", JOB("video"),
                 .path = "/v1/video/generations", .confirmed = true),
    LTI_ENDPOINT(.name = "video.query", .summary = "where a video stands", QUERY("video"),
                 .path = "/v1/video/generations/{id}", .confirmed = true),
    LTI_ENDPOINT(.name = "video.content", .summary = "a finished video's bytes", .method = "GET",
                 .path = "/v1/videos/{id}/content", .reply = LEAT_REPLY_KIND_BYTES,
                 .confirmed = true),
    LTI_ENDPOINT(.name = "video.vidu", .summary = "Vidu's videos on the unified route",
                 JOB("video"), .path = "/v1/video/generations"),
    LTI_ENDPOINT(.name = "video.seedance", .summary = "Seedance's videos on the unified route",
                 JOB("video"), .path = "/v1/video/generations"),

    LTI_ENDPOINT(.name = "sora.create", .summary = "a video, in OpenAI's form", JOB("sora"),
                 .path = "/v1/videos", .confirmed = true),
    LTI_ENDPOINT(.name = "sora.get", .summary = "where such a video stands", QUERY("sora"),
                 .path = "/v1/videos/{id}", .confirmed = true),
    LTI_ENDPOINT(.name = "sora.remix", .summary = "a finished video, changed", JOB("sora"),
                 .path = "/v1/videos/{id}/remix", .confirmed = true),
    LTI_ENDPOINT(.name = "sora.content", .summary = "such a video's bytes", .method = "GET",
                 .path = "/v1/videos/{id}/content", .reply = LEAT_REPLY_KIND_BYTES,
                 .confirmed = true),

    LTI_ENDPOINT(.name = "kling.text2video", .summary = "Kling's video of a text",
                 JOB("kling_text2video"), .path = "/kling/v1/videos/text2video", .confirmed = true),
    LTI_ENDPOINT(.name = "kling.text2video_query", .summary = "where it stands",
                 QUERY("kling_text2video"), .path = "/kling/v1/videos/text2video/{id}",
                 .confirmed = true),
    LTI_ENDPOINT(.name = "kling.image2video", .summary = "Kling's video of an image",
                 JOB("kling_image2video"), .path = "/kling/v1/videos/image2video",
                 .confirmed = true),
    LTI_ENDPOINT(.name = "kling.image2video_query", .summary = "where it stands",
                 QUERY("kling_image2video"), .path = "/kling/v1/videos/image2video/{id}",
                 .confirmed = true),

    LTI_ENDPOINT(.name = "jimeng.submit", .summary = "any of Jimeng's jobs", JOB("jimeng"),
                 .path = JIMENG "SubmitTask" JIMENG_VERSION, .confirmed = true),
    LTI_ENDPOINT(.name = "jimeng.query", .summary = "where it stands", .method = "POST",
                 .path = JIMENG "GetResult" JIMENG_VERSION, .body = LEAT_BODY_JSON,
                 .group = LEAT_REPLY_TASK, .task = "jimeng", .confirmed = true),

    LTI_ENDPOINT(.name = "vidu.text2video", .summary = "Vidu's own form: a text", JOB("vidu"),
                 .path = "/ent/v2/text2video", .confirmed = true),
    LTI_ENDPOINT(.name = "vidu.img2video", .summary = "Vidu's own form: an image", JOB("vidu"),
                 .path = "/ent/v2/img2video", .confirmed = true),
    LTI_ENDPOINT(.name = "vidu.start_end2video", .summary = "Vidu's own form: two images",
                 JOB("vidu"), .path = "/ent/v2/start-end2video", .confirmed = true),
    LTI_ENDPOINT(.name = "vidu.reference2video", .summary = "Vidu's own form: what it shall show",
                 JOB("vidu"), .path = "/ent/v2/reference2video", .confirmed = true),
    LTI_ENDPOINT(.name = "vidu.query", .summary = "where it stands", QUERY("vidu"),
                 .path = "/ent/v2/tasks/{id}/creations", .confirmed = true),

    LTI_ENDPOINT(.name = "seedance.create", .summary = "Ark's own form", JOB("seedance"),
                 .path = "/api/v3/contents/generations/tasks", .confirmed = true),
    LTI_ENDPOINT(.name = "seedance.query", .summary = "where it stands", QUERY("seedance"),
                 .path = "/api/v3/contents/generations/tasks/{id}", .confirmed = true),
    {.name = NULL},
};

const leat_endpoint lti_endpoints_audio[] = {
    LTI_ENDPOINT(.name = "audio.transcribe", .summary = "speech as text", .method = "POST",
                 .path = "/v1/audio/transcriptions", .body = LEAT_BODY_MULTIPART,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-transcript",
                 .group = LEAT_REPLY_TRANSCRIPT, .confirmed = true),
    LTI_ENDPOINT(.name = "audio.translate", .summary = "speech as English text", .method = "POST",
                 .path = "/v1/audio/translations", .body = LEAT_BODY_MULTIPART,
                 .protocol = "openai-transcript", .group = LEAT_REPLY_TRANSCRIPT,
                 .confirmed = true),
    LTI_ENDPOINT(.name = "audio.speech", .summary = "text as sound", .method = "POST",
                 .path = "/v1/audio/speech", .body = LEAT_BODY_JSON, .reply = LEAT_REPLY_KIND_BYTES,
                 .confirmed = true),
    LTI_ENDPOINT(.name = "audio.speech_stream", .summary = "text as sound, in events",
                 .method = "POST", .path = "/v1/audio/speech", .body = LEAT_BODY_JSON,
                 .reply = LEAT_REPLY_KIND_SSE, .protocol = "openai-speech", .confirmed = true),
    {.name = NULL},
};
