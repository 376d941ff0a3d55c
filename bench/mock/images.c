/* Images: generated, or edited from what a form brings. Image k of an answer is the bytes of lane k
 * of the answer's seed, at a signed address or in base64; a request may say how many bytes
 * ("mock_bytes=N" in the prompt). With stream, partial images come first, each lane 100 + k of the
 * seed. The answer to an edit says what came: fields, and the files with their digests. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/mock/asked.h"
#include "bench/mock/script.h"
#include "bench/mock/text.h"
#include "bench/mock/upload.h"

#define BYTES_USUAL  4096u
#define BYTES_MAX    (48u << 20)
#define IMAGES_MAX   10u
#define PARTIALS_MAX 3u
#define LANE_PARTIAL 100u
#define URL_SECONDS  3600

typedef struct image_ask {
  bool edit, inlined, stream;
  uint64_t seed, bytes, count, partials;
  uint32_t tokens;
  char model[128], size[32];
} image_ask;

/* ---- what was asked */

static void read_prompt(const mock_exchange *x, image_ask *a) {
  lti_buf prompt;
  lti_buf_init(&prompt, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (mock_asked_text(x, "prompt", &prompt)) {
    mock_asked_within(lti_buf_slice(&prompt), "bytes", &a->bytes);
    a->tokens = mock_asked_tokens(prompt.size);
  }
  lti_buf_deinit(&prompt);
}

/* NULL, or what is wrong. */
static const char *read_ask(const mock_exchange *x, image_ask *a) {
  char form[16] = "";
  uint64_t seed;
  a->count = 1;
  a->bytes = x->plan.bytes ? x->plan.bytes : BYTES_USUAL;
  a->seed = x->plan.seed;
  snprintf(a->model, sizeof a->model, "gpt-image-1");
  snprintf(a->size, sizeof a->size, "1024x1024");
  mock_asked_word(x, "model", a->model, sizeof a->model);
  mock_asked_word(x, "size", a->size, sizeof a->size);
  mock_asked_word(x, "response_format", form, sizeof form);
  if (!x->plan.seed_named && mock_asked_number(x, "seed", &seed)) a->seed = seed;
  mock_asked_number(x, "n", &a->count);
  mock_asked_number(x, "partial_images", &a->partials);
  read_prompt(x, a);
  a->stream = mock_asked_flag(x, "stream") && !mock_fault_on(x->plan.faults, FAULT_JSON);
  a->inlined = a->stream || strcmp(form, "b64_json") == 0;
  if (!a->tokens) return "prompt is required";
  if (a->count < 1 || a->count > IMAGES_MAX) return "n must be between 1 and 10";
  if (a->partials > PARTIALS_MAX) return "partial_images must be between 0 and 3";
  if (a->bytes > BYTES_MAX) return "mock_bytes is too much";
  if (a->edit && x->upload && !mock_upload_file(x->upload, NULL)) return "image is required";
  return NULL;
}

/* ---- what is said */

static int write_url(const mock_exchange *x, lti_buf *out, uint64_t seed, uint64_t size) {
  const char *host = mock_exchange_header(x, "host");
  long long until = (long long)time(NULL) + URL_SECONDS;
  return lti_buf_format(
      out, "%s://%.200s/files/img_%016" PRIx64 "_%" PRIx64 "/0.png?expires=%lld&sig=%016" PRIx64,
      x->m->config.plain ? "http" : "https", host ? host : "localhost", seed, size, until,
      mock_content_sign_bytes(seed, size, until));
}

static int write_image(const mock_exchange *x, const image_ask *a, uint32_t index, lti_buf *out) {
  uint64_t seed = mock_text_lane(a->seed, index);
  int err = lti_buf_format(out, "%s{\"%s\":\"", index ? "," : "", a->inlined ? "b64_json" : "url");
  err |= a->inlined ? mock_base64_content(out, seed, a->bytes) : write_url(x, out, seed, a->bytes);
  return err | lti_buf_text(out, "\",\"revised_prompt\":\"a mill by the water\"}");
}

static int write_usage(const image_ask *a, lti_buf *out) {
  unsigned images = (unsigned)a->count * 272;
  return lti_buf_format(out,
                        "\"usage\":{\"total_tokens\":%u,\"input_tokens\":%u,\"output_tokens\":%u,"
                        "\"input_tokens_details\":{\"text_tokens\":%u,\"image_tokens\":0}}",
                        a->tokens + images, a->tokens, images, a->tokens);
}

static void reply_whole(mock_exchange *x, const image_ask *a) {
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_buf_format(&out, "{\"created\":%lld,\"data\":[", (long long)time(NULL));
  for (uint32_t i = 0; i < a->count && !err; i++) err = write_image(x, a, i, &out);
  err |= lti_buf_text(&out, "],") | write_usage(a, &out);
  if (x->upload) {
    err |= lti_buf_text(&out, ",\"mock\":") | mock_upload_write_report(x->upload, &out);
  }
  err |= lti_buf_byte(&out, '}');
  mock_reply_json(x, err, &out);
  lti_buf_deinit(&out);
}

static bool write_event(mock_script *s, const image_ask *a, const char *what, uint32_t partial) {
  const char *noun = a->edit ? "image_edit" : "image_generation";
  bool last = partial == UINT32_MAX;
  uint64_t seed = last ? a->seed : mock_text_lane(a->seed, LANE_PARTIAL + partial);
  int err = lti_buf_format(&s->bytes,
                           "event: %s.%s\ndata: {\"type\":\"%s.%s\",\"created_at\":%lld,"
                           "\"size\":\"%s\",\"quality\":\"high\",\"background\":\"opaque\","
                           "\"output_format\":\"png\",",
                           noun, what, noun, what, (long long)time(NULL), a->size);
  if (!last) err |= lti_buf_format(&s->bytes, "\"partial_image_index\":%u,", partial);
  err |=
      lti_buf_text(&s->bytes, "\"b64_json\":\"") | mock_base64_content(&s->bytes, seed, a->bytes);
  err |= lti_buf_byte(&s->bytes, '"');
  if (last) err |= lti_buf_byte(&s->bytes, ',') | write_usage(a, &s->bytes);
  return (err | lti_buf_text(&s->bytes, "}\n\n")) == 0 && mock_script_mark(s);
}

static void reply_stream(mock_exchange *x, const image_ask *a) {
  mock_script *s = mock_script_new(x);
  bool fine = s != NULL;
  for (uint32_t i = 0; i < a->partials && fine; i++) fine = write_event(s, a, "partial_image", i);
  if (fine) fine = write_event(s, a, "completed", UINT32_MAX);
  if (fine)
    mock_script_play(x, "text/event-stream");
  else
    mock_conn_drop(x->conn);
}

static void serve(mock_exchange *x, bool edit) {
  image_ask a = {.edit = edit};
  if (!mock_asked_valid(x)) return;
  const char *why = read_ask(x, &a);
  if (why)
    mock_asked_refuse(x, why);
  else if (a.stream)
    reply_stream(x, &a);
  else
    reply_whole(x, &a);
}

void mock_images_generate(mock_exchange *x, const leat_slice *parts) {
  (void)parts;
  serve(x, false);
}

void mock_images_edit(mock_exchange *x, const leat_slice *parts) {
  (void)parts;
  serve(x, true);
}
