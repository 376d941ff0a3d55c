/* Answers that are no chat: whole documents, plain text, and streams of images, sound and
 * transcripts, read whole, byte by byte and cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "core/answer.h"
#include "support/failing.h"

/* What came, as text: "reply:{..} usage:3 image:QUJD:image/png ... = LEAT_OK code/message". */
typedef struct seen {
  char text[4096];
  size_t size;
  size_t memory;
} seen;

static void say(seen *s, const char *name, leat_slice text) {
  int n = snprintf(s->text + s->size, sizeof s->text - s->size, "%s%s:%.*s", s->size ? " " : "",
                   name, (int)text.size, text.data);
  s->size += (size_t)n;
  assert_true(s->size < sizeof s->text);
}

static int on_event(void *ctx, leat_event *event) {
  seen *s = ctx;
  char number[32];
  assert_non_null(event->response);
  switch ((int)event->kind) {
    case LEAT_EVENT_REPLY: say(s, "reply", event->text); break;
    case LEAT_EVENT_TEXT:
      /* Texts of one transcript are joined, since a cut may not show. */
      say(s, "text", event->text);
      if (event->logprobs.size) say(s, "logprobs", event->logprobs);
      break;
    case LEAT_EVENT_IMAGE:
      say(s, event->media.partial ? "preview" : "image",
          event->media.data.size ? event->media.data : event->media.url);
      say(s, "as", event->media.mime_type);
      break;
    case LEAT_EVENT_AUDIO: say(s, "audio", event->media.data); break;
    case LEAT_EVENT_USAGE:
      snprintf(number, sizeof number, "%lld/%lld", (long long)event->usage.input,
               (long long)event->usage.output);
      say(s, "usage", lti_slice_of(number));
      break;
    default: fail_msg("an event of kind %d", (int)event->kind);
  }
  return LTI_OK;
}

/* Each piece in a block of its own. */
static int feed(lti_answer *a, leat_slice piece) {
  char *block = malloc(piece.size ? piece.size : 1);
  size_t taken;
  assert_non_null(block);
  if (piece.size) memcpy(block, piece.data, piece.size);
  int rc = lti_answer_feed(a, lti_slice(block, piece.size), &taken);
  free(block);
  return rc;
}

static void finish(lti_answer *a, seen *s) {
  lti_verdict v;
  int rc = lti_answer_end(a, &v);
  leat_slice code = v.provider.code, message = v.provider.message;
  say(s, "=", lti_slice_of(leat_error_name(rc)));
  if (v.provider.set)
    s->size += (size_t)snprintf(s->text + s->size, sizeof s->text - s->size, " %.*s/%.*s",
                                (int)code.size, code.data, (int)message.size, message.data);
}

static const lti_answer_limits limits = {4096, 4096, NULL, NULL};

/* Cut at `first` and then into pieces of `step`. */
static void play(const char *protocol, leat_slice body, size_t first, size_t step, seen *s) {
  lti_alloc alloc;
  lti_answer a;
  lti_alloc_init(&alloc, NULL);
  s->size = 0;
  s->text[0] = '\0';
  assert_int_equal(lti_answer_init(&a, &alloc, lti_protocol_find(protocol), &limits,
                                   (lti_answer_sink){on_event, s}),
                   LTI_OK);
  int rc = LTI_OK;
  while (rc == LTI_OK && body.size) {
    size_t size = first ? first : step;
    if (size > body.size) size = body.size;
    rc = feed(&a, lti_slice(body.data, size));
    body = lti_slice_from(body, size);
    first = 0;
  }
  finish(&a, s);
  lti_answer_deinit(&a);
}

typedef struct row {
  const char *protocol, *body, *expected;
} row;

static void check(const row *rows, size_t count) {
  static seen s;
  for (size_t i = 0; i < count; i++) {
    leat_slice body = lti_slice_of(rows[i].body);
    play(rows[i].protocol, body, 0, SIZE_MAX, &s);
    assert_string_equal(s.text, rows[i].expected);
    play(rows[i].protocol, body, 0, 1, &s);
    assert_string_equal(s.text, rows[i].expected);
    for (size_t at = 1; at < body.size; at++) {
      play(rows[i].protocol, body, at, SIZE_MAX, &s);
      assert_string_equal(s.text, rows[i].expected);
    }
  }
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void test_a_document_is_one_reply(void **state) {
  static const row rows[] = {
      {"json", "{\"object\":\"list\",\"data\":[]}",
       "reply:{\"object\":\"list\",\"data\":[]} =:LEAT_OK"},
      {"json", "\n\n\r\n  {\"a\":1}\n \n", "reply:{\"a\":1} =:LEAT_OK"},
      {"json", "\xef\xbb\xbf[1,2]", "reply:[1,2] =:LEAT_OK"},
      {"json", "", "=:LEAT_OK"},
      {"json", "\r\n", "=:LEAT_OK"},
      {"json", "{\"data\":[],\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
       "reply:{\"data\":[],\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}} usage:8/-1 "
       "=:LEAT_OK"},
      {"openai-images", "{\"created\":1,\"data\":[{\"url\":\"u\"}]}",
       "reply:{\"created\":1,\"data\":[{\"url\":\"u\"}]} =:LEAT_OK"},
      {"openai-transcript", "{\"text\":\"hi\",\"usage\":{\"type\":\"duration\",\"seconds\":1}}",
       "reply:{\"text\":\"hi\",\"usage\":{\"type\":\"duration\",\"seconds\":1}} =:LEAT_OK"},
      {"openai-speech", "{\"url\":\"https://a\"}", "reply:{\"url\":\"https://a\"} =:LEAT_OK"},
      /* Words of errors in what is none. */
      {"json", "{\"id\":\"v\",\"status\":\"failed\",\"error\":{\"message\":\"m\"}}",
       "reply:{\"id\":\"v\",\"status\":\"failed\",\"error\":{\"message\":\"m\"}} =:LEAT_OK"},
      {"json", "{\"id\":\"m\",\"description\":\"a model\",\"code\":\"x\"}",
       "reply:{\"id\":\"m\",\"description\":\"a model\",\"code\":\"x\"} =:LEAT_OK"},
      {"json", "{\"code\":20000,\"message\":\"ok\",\"data\":{\"a\":1}}",
       "reply:{\"code\":20000,\"message\":\"ok\",\"data\":{\"a\":1}} =:LEAT_OK"},
      {"json", "{\"error\":null,\"data\":[]}", "reply:{\"error\":null,\"data\":[]} =:LEAT_OK"},
  };
  (void)state;
  CHECK(rows);
}

static void test_js_07_errors_of_status_200(void **state) {
  static const row rows[] = {
      {"json", "{\"error\":{\"message\":\"m\",\"code\":\"model_not_found\"}}",
       "=:LEAT_EAPI model_not_found/m"},
      {"json", "\n{\"error\":\"m\"}", "=:LEAT_EAPI /m"},
      {"json", "{\"success\":false,\"message\":\"m\"}", "=:LEAT_EAPI /m"},
      {"json", "{\"success\":false}", "=:LEAT_EAPI /"},
      {"json", "{\"code\":\"task_not_exist\",\"message\":\"m\",\"data\":null}",
       "=:LEAT_EAPI task_not_exist/m"},
      {"json", "{\"code\":1303,\"message\":\"m\",\"request_id\":\"r\"}", "=:LEAT_EAPI 1303/m"},
      {"json", "{\"description\":\"m\",\"type\":\"upstream_error\",\"code\":4}", "=:LEAT_EAPI 4/m"},
      {"json", "{\"code\":null,\"message\":\"m\",\"param\":\"p\",\"type\":\"new_api_error\"}",
       "=:LEAT_EAPI /m"},
      {"json", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}",
       "=:LEAT_EAPI /m"},
      {"json", "{\"object\":\"error\",\"message\":\"m\",\"code\":400}", "=:LEAT_EAPI 400/m"},
      {"json", "[{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"S\"}}]",
       "=:LEAT_EAPI 429/m"},
      {"openai-images", "{\"error\":{\"message\":\"m\"}}", "=:LEAT_EAPI /m"},
  };
  (void)state;
  CHECK(rows);
}

static void test_js_08_what_is_no_document(void **state) {
  static const row rows[] = {
      {"json",
       "<!DOCTYPE html><html><body>502 Bad Gateway and a lot more of it, so that it is "
       "clear</body>",
       "=:LEAT_ENOTSTREAM"},
      {"json", "<html>", "=:LEAT_ENOTSTREAM"},
      {"json", "upstream connect error", "=:LEAT_ENOTSTREAM"},
      {"json", "{\"a\":1", "=:LEAT_EDECODE"},
      {"json", "{\"a\":1}}", "=:LEAT_EDECODE"},
      {"json", "{\"error\":{\"message\":\"m\"}", "=:LEAT_EDECODE"},
      {"json", "[", "=:LEAT_EDECODE"},
      {"openai-transcript", "<html>", "=:LEAT_ENOTSTREAM"},
      {"openai-transcript", "\x01\x02", "=:LEAT_ENOTSTREAM"},
      {"openai-transcript", "abc\xff\xfe", "=:LEAT_EDECODE"},
      {"openai-transcript", "", "=:LEAT_EINCOMPLETE"},
      {"openai-images", "", "=:LEAT_EINCOMPLETE"},
      {"openai-images", "ID3 is sound", "=:LEAT_ENOTSTREAM"},
  };
  (void)state;
  CHECK(rows);
}

static void test_text_that_was_asked_for(void **state) {
  static const row rows[] = {
      {"openai-transcript", "Hello, world.\n", "reply:Hello, world. =:LEAT_OK"},
      {"openai-transcript", "1\n00:00:00,000 --> 00:00:01,000\nHi\n",
       "reply:1\n00:00:00,000 --> 00:00:01,000\nHi =:LEAT_OK"},
      {"openai-transcript", "\xef\xbb\xbfWEBVTT\n\n00:00.000 --> 00:01.000\ndata: x\n",
       "reply:WEBVTT\n\n00:00.000 --> 00:01.000\ndata: x =:LEAT_OK"},
      {"openai-transcript", "\xe4\xbd\xa0\xe5\xa5\xbd", "reply:\xe4\xbd\xa0\xe5\xa5\xbd =:LEAT_OK"},
      /* Beginnings of fields that are none. */
      {"openai-transcript", "d", "reply:d =:LEAT_OK"},
      {"openai-transcript", "data", "reply:data =:LEAT_OK"},
      {"openai-transcript", "dat{", "reply:dat{ =:LEAT_OK"},
      {"openai-transcript", "retry", "reply:retry =:LEAT_OK"},
      {"openai-transcript", "even so", "reply:even so =:LEAT_OK"},
      {"openai-transcript", "id\n:", "reply:id\n: =:LEAT_OK"},
      {"openai-transcript", "  i ", "reply:i =:LEAT_OK"},
  };
  (void)state;
  CHECK(rows);
}

static void test_streams_of_images(void **state) {
  static const row rows[] = {
      {"openai-images",
       "event: image_generation.partial_image\n"
       "data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"QQ==\","
       "\"partial_image_index\":0,\"output_format\":\"png\"}\n\n"
       "data: {\"type\":\"image_generation.completed\",\"b64_json\":\"QUI\\/\","
       "\"output_format\":\"webp\",\"usage\":{\"input_tokens\":5,\"output_tokens\":7}}\n\n",
       "preview:QQ== as:image/png image:QUI/ as:image/webp usage:5/7 =:LEAT_OK"},
      {"openai-images",
       "event: image_edit.completed\ndata: {\"b64_json\":\"QQ==\"}\n\ndata: [DONE]\n\n",
       "image:QQ== as: =:LEAT_OK"},
      {"openai-images",
       "data: {\"type\":\"image_edit.completed\",\"url\":\"https:\\/\\/1\"}\n\n"
       "data: {\"type\":\"image_edit.completed\",\"url\":\"https://2\"}\n\n",
       "image:https://1 as: image:https://2 as: =:LEAT_OK"},
      {"openai-images",
       "data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"QQ==\"}\n\n",
       "preview:QQ== as: =:LEAT_EINCOMPLETE"},
      {"openai-images",
       "data: {\"type\":\"image_generation.completed\",\"b64_json\":\"QQ==\"}\n\n"
       "data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"Qg==\"}\n\n",
       "image:QQ== as: preview:Qg== as: =:LEAT_EINCOMPLETE"},
      {"openai-images",
       ": PING\n\ndata: {\"type\":\"error\",\"error\":{\"message\":\"m\",\"code\":\"k\"}}\n\n",
       "=:LEAT_EAPI k/m"},
      {"openai-images", ": PING\n\n{\"error\":{\"message\":\"m\"}}\n", "=:LEAT_EAPI /m"},
      {"openai-images", "data: {\"type\":\"new.kind\",\"x\":1}\n\ndata: [DONE]\n\n",
       "=:LEAT_EINCOMPLETE"},
      {"openai-images", "data: {\"b64\n\n", "=:LEAT_EDECODE"},
  };
  (void)state;
  CHECK(rows);
}

static void test_streams_of_sound(void **state) {
  static const row rows[] = {
      {"openai-speech",
       "data: {\"type\":\"speech.audio.delta\",\"audio\":\"QUJD\"}\n\n"
       "data: {\"type\":\"speech.audio.delta\",\"audio\":\"\"}\n\n"
       "data: {\"type\":\"speech.audio.delta\",\"audio\":5}\n\n"
       "data: "
       "{\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}\n\n"
       "data: {\"type\":\"speech.audio.delta\",\"audio\":\"REVG\"}\n\n",
       "audio:QUJD usage:1/2 =:LEAT_OK"},
      {"openai-speech", "data: {\"type\":\"speech.audio.delta\",\"audio\":\"QUJD\"}\n\n",
       "audio:QUJD =:LEAT_EINCOMPLETE"},
  };
  (void)state;
  CHECK(rows);
}

static void test_streams_of_transcripts(void **state) {
  static const row rows[] = {
      {"openai-transcript",
       "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi \\ud83d\"}\n\n"
       "data: {\"type\":\"transcript.text.delta\",\"delta\":\"\\ude00\","
       "\"logprobs\":[{\"token\":\"x\"}]}\n\n"
       "data: {\"type\":\"transcript.text.done\",\"text\":\"Hi!\",\"usage\":{\"type\":\"tokens\","
       "\"input_tokens\":3,\"output_tokens\":4}}\n\n",
       "text:Hi  text:\xf0\x9f\x98\x80 logprobs:[{\"token\":\"x\"}] usage:3/4 =:LEAT_OK"},
      {"openai-transcript",
       "data:{\"type\":\"transcript.text.segment\",\"text\":\"A.\",\"speaker\":\"A\"}\r\n\r\n"
       "data:{\"type\":\"transcript.text.done\",\"text\":\"A.\"}\r\n\r\n",
       "text:A. =:LEAT_OK"},
      {"openai-transcript", "event: transcript.text.done\ndata: {\"text\":\"all\"}\n\n",
       "text:all =:LEAT_OK"},
      {"openai-transcript", "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\\ud83d\"}\n\n",
       "text:a text:\xef\xbf\xbd =:LEAT_EINCOMPLETE"},
      {"openai-transcript",
       "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n"
       "event: error\ndata: {\"message\":\"m\",\"code\":7}\n\n",
       "text:a =:LEAT_EAPI 7/m"},
  };
  (void)state;
  CHECK(rows);
}

static void test_documents_that_stream_after_all(void **state) {
  static const row rows[] = {
      {"json", "data: {\"a\":1}\n\ndata: {\"a\":2}\n\ndata: [DONE]\n\n",
       "reply:{\"a\":1} reply:{\"a\":2} =:LEAT_OK"},
      {"json", "data: {\"a\":1}\n\n", "reply:{\"a\":1} =:LEAT_EINCOMPLETE"},
      {"json", "data: {\"type\":\"thing.completed\"}\n\n",
       "reply:{\"type\":\"thing.completed\"} =:LEAT_OK"},
      {"json", "data: {\"a\":1}\n\ndata: {\"error\":{\"message\":\"m\"}}\n\ndata: {\"a\":2}\n\n",
       "reply:{\"a\":1} =:LEAT_EAPI /m"},
  };
  (void)state;
  CHECK(rows);
}

/* js_12: a body above its limit has an error of its own. */
static void test_js_12_a_body_that_is_too_large(void **state) {
  static const char *const protocols[] = {"json", "openai-images", "openai-transcript"};
  static char body[8192];
  static seen s;
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    memset(body, ' ', sizeof body);
    body[0] = i == 2 ? 'x' : '{';
    play(protocols[i], lti_slice(body, sizeof body), 0, 100, &s);
    assert_string_equal(s.text, "=:LEAT_EBODYMAX");
  }
  memset(body, 'x', sizeof body);
  memcpy(body, "data: ", 6);
  play("openai-images", lti_slice(body, sizeof body), 0, 100, &s);
  assert_string_equal(s.text, "=:LEAT_EEVENTMAX");
}

static void test_a_chat_is_refused_and_a_body_inspected(void **state) {
  leat_chat_request chat;
  lti_encoded e = {0};
  lti_alloc alloc;
  lti_buf out;
  (void)state;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 100, LEAT_EBODYMAX);
  memset(&chat, 0, sizeof chat);
  const lti_protocol *p = lti_protocol_find("openai-images");
  assert_int_equal(p->encode(&chat, &out, &e), LEAT_EINVAL);
  assert_non_null(e.message);
  assert_int_equal(p->inspect(lti_slice_of("{\"stream\":true}"), &e), LTI_OK);
  assert_true(e.stream);
  assert_int_equal(p->inspect(lti_slice_of("{\"stream\":1}"), &e), LTI_OK);
  assert_false(e.stream);
  assert_int_equal(p->inspect(lti_slice_of("[1]"), &e), LTI_OK);
  assert_int_equal(p->inspect(lti_slice_of("{\"stream\":true"), &e), LEAT_EJSON);
  lti_buf_deinit(&out);
}

static int count_event(void *ctx, leat_event *event) {
  (void)event;
  ++*(size_t *)ctx;
  return LTI_OK;
}

static void under_failure(const leat_allocator *fns, void *ctx) {
  static const char *const bodies[][2] = {
      {"json", "{\"id\":\"\\u0061\",\"model\":\"m\",\"usage\":{\"total_tokens\":1}}"},
      {"json", "{\"error\":{\"message\":\"\\u00e9\"}}"},
      {"openai-transcript",
       "data: {\"type\":\"transcript.text.delta\",\"delta\":\"\\u0061\"}\n\n"
       "data: {\"type\":\"transcript.text.done\"}\n\n"},
      {"openai-transcript", "dat plain"},
      {"openai-images", "\xef\xbb\xbf{\"error\":5}"},
  };
  (void)ctx;
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    lti_alloc alloc;
    lti_verdict v;
    size_t events = 0, taken;
    lti_alloc_init(&alloc, fns);
    leat_slice body = lti_slice_of(bodies[i][1]);
    lti_answer *a = lti_answer_new(&alloc, lti_protocol_find(bodies[i][0]), &limits,
                                   (lti_answer_sink){count_event, &events});
    if (!a) continue;
    int rc = lti_answer_feed(a, lti_slice(body.data, 3), &taken);
    if (rc == LTI_OK) rc = lti_answer_feed(a, lti_slice_from(body, 3), &taken);
    assert_true(rc == LTI_OK || rc == LTI_STOPPED || rc == LEAT_ENOMEM);
    rc = lti_answer_end(a, &v);
    assert_true(rc == LEAT_OK || rc == LEAT_ENOMEM || rc == LEAT_EAPI);
    lti_answer_free(a);
  }
}

static void test_every_failed_allocation(void **state) {
  (void)state;
  assert_true(failing_at_every_n(under_failure, NULL) >= 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_document_is_one_reply),
      cmocka_unit_test(test_js_07_errors_of_status_200),
      cmocka_unit_test(test_js_08_what_is_no_document),
      cmocka_unit_test(test_text_that_was_asked_for),
      cmocka_unit_test(test_streams_of_images),
      cmocka_unit_test(test_streams_of_sound),
      cmocka_unit_test(test_streams_of_transcripts),
      cmocka_unit_test(test_documents_that_stream_after_all),
      cmocka_unit_test(test_js_12_a_body_that_is_too_large),
      cmocka_unit_test(test_a_chat_is_refused_and_a_body_inspected),
      cmocka_unit_test(test_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
