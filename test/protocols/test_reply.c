/* Typed replies of every group, in the shapes of all vendors. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocol.h"

/* ---- a reply as text */

typedef struct sheet {
  char text[8192];
  size_t size;
} sheet;

static void put(sheet *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(sheet *s, const char *format, ...) {
  va_list list;
  va_start(list, format);
  int n = vsnprintf(s->text + s->size, sizeof s->text - s->size, format, list);
  va_end(list);
  assert_true(n >= 0 && (size_t)n < sizeof s->text - s->size);
  s->size += (size_t)n;
}

static void put_text(sheet *s, const char *name, leat_slice text) {
  bool first = s->size && s->text[s->size - 1] == '{';
  if (text.size) put(s, "%s%s=%.*s", first ? "" : " ", name, (int)text.size, text.data);
}

static void put_pieces(sheet *s, const char *name, const leat_transcript_piece *p, size_t count) {
  for (size_t i = 0; i < count; i++) {
    put(s, " %s[%g-%g", name, p[i].start_s, p[i].end_s);
    put_text(s, "text", p[i].text);
    put_text(s, "by", p[i].speaker);
    put(s, "]");
  }
}

static void put_embeddings(sheet *s, const leat_reply *r) {
  for (size_t i = 0; i < r->count; i++) {
    const leat_embedding *e = &r->embeddings[i];
    assert_true((uintptr_t)e->values % 16 == 0);
    put(s, " row%u[", e->index);
    for (size_t k = 0; k < e->size; k++) put(s, "%s%.9g", k ? "," : "", (double)e->values[k]);
    put(s, "]");
  }
}

static void put_stored(sheet *s, const leat_stored *f) {
  put(s, " {%lld@%lld", (long long)f->bytes, (long long)f->created);
  put_text(s, "id", f->id);
  put_text(s, "name", f->name);
  put_text(s, "purpose", f->purpose);
  put_text(s, "status", f->status);
  put_text(s, "in", f->input_file);
  put_text(s, "out", f->output_file);
  put_text(s, "err", f->error_file);
  put(s, "}");
}

static void put_task(sheet *s, const leat_task_reply *t) {
  put(s, " state=%d", (int)t->state);
  put_text(s, "id", t->id);
  put_text(s, "status", t->status);
  if (t->progress >= 0) put(s, " %d%%", t->progress);
  if (t->not_found) put(s, " missing");
  if (t->busy) put(s, " busy");
  for (size_t i = 0; i < t->url_count; i++) put_text(s, "url", t->urls[i]);
  put_text(s, "text", t->text);
  for (size_t i = 0; i < t->stem_count; i++)
    put(s, " stem[%.*s %.*s]", (int)t->stems[i].name.size, t->stems[i].name.data,
        (int)t->stems[i].value.size, t->stems[i].value.data);
  put_pieces(s, "line", t->lines, t->line_count);
}

static void put_image(sheet *s, const leat_image *i) {
  put(s, " {");
  put_text(s, "url", i->url);
  put_text(s, "b64", i->base64);
  put_text(s, "type", i->mime_type);
  put_text(s, "prompt", i->revised_prompt);
  put(s, "}");
}

static void put_transcript(sheet *s, const leat_transcript *t) {
  put_text(s, "text", t->text);
  put_text(s, "language", t->language);
  if (t->plain.size) put(s, " plain:%zu", t->plain.size);
  if (t->duration_s >= 0) put(s, " %gs", t->duration_s);
  put_pieces(s, "segment", t->segments, t->segment_count);
  put_pieces(s, "word", t->words, t->word_count);
}

static void put_models(sheet *s, const leat_reply *r) {
  for (size_t i = 0; i < r->count; i++) {
    put(s, " {%lld", (long long)r->models[i].created);
    put_text(s, "id", r->models[i].id);
    put_text(s, "by", r->models[i].owned_by);
    put_text(s, "name", r->models[i].name);
    put(s, "}");
  }
}

static void put_moderations(sheet *s, const leat_reply *r) {
  for (size_t i = 0; i < r->count; i++) {
    const leat_moderation *m = &r->moderations[i];
    put(s, " %s{", m->flagged ? "flagged" : "fine");
    for (size_t k = 0; k < m->category_count; k++)
      put(s, "%s%.*s:%d:%g", k ? " " : "", (int)m->categories[k].name.size,
          m->categories[k].name.data, m->categories[k].flagged, m->categories[k].score);
    put(s, "}");
  }
}

static void put_error(sheet *s, const leat_reply *r) {
  if (!r->has_error) return;
  put(s, " error");
  put_text(s, "type", r->error.type);
  put_text(s, r->error.code_is_number ? "number" : "code", r->error.code);
  put_text(s, "message", r->error.message);
  put_text(s, "param", r->error.param);
  put_text(s, "request", r->error.request_id);
}

static void put_reply(sheet *s, const leat_reply *r) {
  put(s, "%zu", r->count);
  put_text(s, "id", r->id);
  put_text(s, "model", r->model);
  if (r->created) put(s, " @%lld", (long long)r->created);
  if (r->usage.input >= 0 || r->usage.total >= 0)
    put(s, " usage=%lld/%lld/%lld", (long long)r->usage.input, (long long)r->usage.output,
        (long long)r->usage.total);
  switch (r->group) {
    case LEAT_REPLY_NONE:
    case LEAT_REPLY_ERROR: break;
    case LEAT_REPLY_IMAGES:
      for (size_t i = 0; i < r->count; i++) put_image(s, &r->images[i]);
      break;
    case LEAT_REPLY_EMBEDDINGS: put_embeddings(s, r); break;
    case LEAT_REPLY_TRANSCRIPT: put_transcript(s, r->transcript); break;
    case LEAT_REPLY_MODELS: put_models(s, r); break;
    case LEAT_REPLY_MODERATION: put_moderations(s, r); break;
    case LEAT_REPLY_RERANK:
      for (size_t i = 0; i < r->count; i++)
        put(s, " %u:%g:%.*s", r->ranks[i].index, r->ranks[i].score, (int)r->ranks[i].document.size,
            r->ranks[i].document.data);
      break;
    case LEAT_REPLY_TOKENS: put(s, " tokens=%lld", (long long)r->tokens); break;
    case LEAT_REPLY_FILES:
    case LEAT_REPLY_BATCHES:
      for (size_t i = 0; i < r->count; i++) put_stored(s, &r->stored[i]);
      break;
    case LEAT_REPLY_TASK: put_task(s, r->task); break;
  }
  put_error(s, r);
}

/* Of a body in a block of its own, so that a view that is none would show. */
static const char *read_reply(enum leat_reply_group group, leat_slice body) {
  static sheet s;
  leat_reply *r;
  char *block = malloc(body.size ? body.size : 1);
  assert_non_null(block);
  if (body.size) memcpy(block, body.data, body.size);
  int rc = leat_reply_read(group, lti_slice(block, body.size), NULL, NULL, &r);
  s.size = 0;
  s.text[0] = '\0';
  if (rc == LEAT_OK) {
    assert_int_equal(r->group, group);
    assert_int_equal(r->raw.size, body.size);
    put_reply(&s, r);
    assert_true(lti_slice_is_utf8(lti_slice_of(s.text)));
  } else {
    assert_null(r);
  }
  leat_reply_free(r);
  free(block);
  return rc == LEAT_OK ? s.text : leat_error_name(rc);
}

typedef struct row {
  const char *body, *expected;
} row;

static void check(enum leat_reply_group group, const row *rows, size_t count) {
  for (size_t i = 0; i < count; i++)
    assert_string_equal(read_reply(group, lti_slice_of(rows[i].body)), rows[i].expected);
}

#define CHECK(group, rows) check(group, rows, sizeof(rows) / sizeof *(rows))

/* ---- groups */

static void test_images(void **state) {
  static const row rows[] = {
      {"{\"created\":7,\"data\":[{\"url\":\"https:\\/\\/a\",\"revised_prompt\":\"p\\u00e9\"},"
       "{\"b64_json\":\"QUJD\"}],\"output_format\":\"webp\",\"usage\":{\"input_tokens\":1,"
       "\"output_tokens\":2,\"total_tokens\":3}}",
       "2 @7 usage=1/2/3 {url=https://a type=image/webp prompt=p\xc3\xa9} "
       "{b64=QUJD type=image/webp}"},
      {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"},{\"inlineData\":{\"mimeType\":"
       "\"image/png\",\"data\":\"QUJD\"}}]}}],\"usageMetadata\":{\"promptTokenCount\":5},"
       "\"modelVersion\":\"g\",\"responseId\":\"r\"}",
       "1 id=r model=g usage=5/-1/-1 {b64=QUJD type=image/png}"},
      {"[{\"candidates\":[{\"content\":{\"parts\":[{\"inline_data\":{\"mime_type\":\"image/jpeg\","
       "\"data\":\"QQ==\"}}]}}]},{\"candidates\":[{\"content\":{\"parts\":[{\"fileData\":{"
       "\"fileUri\":\"gs://x\",\"mimeType\":\"image/png\"}}]}}]}]",
       "2 {b64=QQ== type=image/jpeg} {url=gs://x type=image/png}"},
      {"{\"predictions\":[{\"bytesBase64Encoded\":\"QQ==\",\"mimeType\":\"image/png\"}]}",
       "1 {b64=QQ== type=image/png}"},
      {"{\"generatedImages\":[{\"image\":{\"imageBytes\":\"QQ==\",\"mimeType\":\"image/png\"}}]}",
       "1 {b64=QQ== type=image/png}"},
      {"{\"choices\":[{\"message\":{\"content\":\"here\",\"images\":[{\"type\":\"image_url\","
       "\"image_url\":{\"url\":\"data:image\\/png;base64,QUJD\"}}]}}]}",
       "1 {b64=QUJD type=image/png}"},
      {"{\"output\":[{\"type\":\"reasoning\"},{\"type\":\"image_generation_call\","
       "\"result\":\"QQ==\",\"output_format\":\"png\"}]}",
       "1 {b64=QQ== type=image/png}"},
      {"{\"images\":[\"https://1\",{\"url\":\"https://2\"}]}", "2 {url=https://1} {url=https://2}"},
      {"{\"output\":\"https://1\"}", "1 {url=https://1}"},
      {"{\"type\":\"image_generation.completed\",\"b64_json\":\"QQ==\",\"output_format\":\"png\"}",
       "1 {b64=QQ== type=image/png}"},
      {"{\"data\":[]}", "0"},
      {"{\"candidates\":[{\"finishReason\":\"IMAGE_SAFETY\"}]}", "0"},
      {"{\"data\":[null,5,{},{\"url\":\"\"},{\"url\":5},{\"url\":null,\"b64_json\":\"QQ==\"}]}",
       "1 {b64=QQ==}"},
      {"{\"data\":[{\"url\":\"data:,text\"}]}", "1 {url=data:,text}"},
      {"{\"error\":{\"message\":\"m\",\"code\":\"k\"}}", "0 error code=k message=m"},
      {"{\"data\":5}", "LEAT_EDECODE"},
      {"{}", "LEAT_EDECODE"},
      {"[]", "LEAT_EDECODE"},
      {"", "LEAT_EDECODE"},
      {"<html>", "LEAT_EDECODE"},
      {"{\"data\":[{\"url\":\"u\"}]", "LEAT_EDECODE"},
  };
  (void)state;
  CHECK(LEAT_REPLY_IMAGES, rows);
}

static void test_embeddings(void **state) {
  static const row rows[] = {
      {"{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":1,\"embedding\":[0.5,"
       "-1,1e-3]},{\"index\":0,\"embedding\":[2]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":4,"
       "\"total_tokens\":4}}",
       "2 model=m usage=4/-1/4 row1[0.5,-1,0.00100000005] row0[2]"},
      {"{\"data\":[{\"embedding\":\"AAAAPwAAgL8=\"},{\"embedding\":\"AAAAP\\/\\/\\/f38=\"}]}",
       "2 row0[0.5,-1] row1[0.5,3.40282347e+38]"},
      {"{\"data\":[{\"embedding\":\"AAAAPwAAgL8=\"},{\"embedding\":\"\\/\\/9\\/fw\"}]}",
       "2 row0[0.5,-1] row1[3.40282347e+38]"},
      {"{\"embedding\":{\"values\":[1,2]}}", "1 row0[1,2]"},
      {"{\"embeddings\":[{\"values\":[1]},{\"values\":[2]}]}", "2 row0[1] row1[2]"},
      {"{\"predictions\":[{\"embeddings\":{\"values\":[1,2],\"statistics\":{}}}]}", "1 row0[1,2]"},
      {"{\"embeddings\":[[1,2],[3,4]]}", "2 row0[1,2] row1[3,4]"},
      {"{\"embeddings\":{\"float\":[[1],[2]]}}", "2 row0[1] row1[2]"},
      {"[[1,2],[3]]", "2 row0[1,2] row1[3]"},
      {"[0.25,0.5]", "1 row0[0.25,0.5]"},
      {"[{\"embedding\":[1]}]", "1 row0[1]"},
      {"{\"data\":[{\"embedding\":[]},{\"embedding\":\"\"}]}", "2 row0[] row1[]"},
      {"{\"data\":[]}", "0"},
      {"{\"data\":[{\"embedding\":[1,null]}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":[1,\"2\"]}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":[1e39]}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":[1e400]}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":[[1]]}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":\"AAA\"}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":\"AAAAPw=x\"}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":\"AAAAPw===\"}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":\"AAAAPx==\"}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":\"AAAA Pw==\"}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"embedding\":\"AAAAP\"}]}", "LEAT_EDECODE"},
      {"{\"data\":[{\"index\":-4,\"embedding\":[1]},{\"index\":5e9,\"embedding\":[1]},5,{}]}",
       "2 row0[1] row1[1]"},
      {"{\"error\":\"no\"}", "0 error message=no"},
      {"{\"embedding\":{\"values\":5}}", "LEAT_EDECODE"},
  };
  (void)state;
  CHECK(LEAT_REPLY_EMBEDDINGS, rows);
}

/* Every bit of a float comes through base64, and numbers as JSON has them are the nearest float. */
static void test_embeddings_are_exact(void **state) {
  static const uint32_t bits[] = {0,          0x80000000, 1,          0x7f7fffff, 0xff7fffff,
                                  0x7f800000, 0x7fc00001, 0x3f800001, 0x00800000, 0x33333333};
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  enum { COUNT = sizeof bits / sizeof *bits };
  unsigned char bytes[COUNT * 4 + 2] = {0};
  char json[256] = "{\"data\":[{\"embedding\":\"";
  leat_reply *r;
  (void)state;
  for (size_t i = 0; i < COUNT * 4; i++) bytes[i] = (unsigned char)(bits[i / 4] >> i % 4 * 8);
  char *at = json + strlen(json);
  for (size_t i = 0; i < COUNT * 4; i += 3) {
    unsigned group = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
    for (int k = 18; k >= 0; k -= 6) *at++ = digits[group >> k & 63];
  }
  /* 40 bytes are 13 groups and one byte: two characters and two of padding. */
  memcpy(at - 2, "==\"}]}", 7);
  assert_int_equal(leat_reply_read(LEAT_REPLY_EMBEDDINGS, lti_slice_of(json), NULL, NULL, &r), 0);
  assert_int_equal(r->embeddings[0].size, COUNT);
  assert_memory_equal(r->embeddings[0].values, bits, sizeof bits);
  leat_reply_free(r);
  for (size_t i = 0; i < 1000; i++) {
    uint32_t word = (uint32_t)(i * 2654435761u);
    float value, back;
    memcpy(&value, &word, sizeof value);
    if (!isfinite(value)) continue;
    snprintf(json, sizeof json, "[%.9g]", (double)value);
    assert_int_equal(leat_reply_read(LEAT_REPLY_EMBEDDINGS, lti_slice_of(json), NULL, NULL, &r), 0);
    back = r->embeddings[0].values[0];
    assert_memory_equal(&back, &value, sizeof value);
    leat_reply_free(r);
  }
}

static void test_transcripts(void **state) {
  static const row rows[] = {
      {"{\"text\":\"Hi\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":3,\"output_tokens\":1}}",
       "1 usage=3/1/-1 text=Hi"},
      {"{\"text\":\"Hi\",\"usage\":{\"type\":\"duration\",\"seconds\":9}}", "1 text=Hi 9s"},
      {"{\"task\":\"transcribe\",\"language\":\"english\",\"duration\":2.5,\"text\":\"Hi you\","
       "\"segments\":[{\"id\":0,\"start\":0.0,\"end\":1.5,\"text\":\"Hi\"},{\"start\":1.5,"
       "\"end\":2.5,\"text\":\" "
       "you\",\"speaker\":\"A\"}],\"words\":[{\"word\":\"Hi\",\"start\":0.1,"
       "\"end\":0.5}]}",
       "1 text=Hi you language=english 2.5s segment[0-1.5 text=Hi] segment[1.5-2.5 text= you by=A] "
       "word[0.1-0.5 text=Hi]"},
      {"\n\n{\"text\":\"\"}", "1"},
      {"Just text.\n", "1 text=Just text. plain:10"},
      {"1\n00:00:01,500 --> 00:00:03,000\nFirst\nline\n\n2\r\n01:00:00,000 --> 01:00:00,250\r\n"
       "Second\r\n\r\n",
       "1 text=First\nline\nSecond plain:84 segment[1.5-3 text=First\nline] "
       "segment[3600-3600.25 text=Second]"},
      {"\xef\xbb\xbfWEBVTT - title\n\nNOTE a note\n\nid\n00:01.500 --> 00:03.000 align:start\n"
       "<v.loud Ann>Hello</v>\n",
       "1 text=Hello plain:89 segment[1.5-3 text=Hello by=Ann]"},
      {"WEBVTT", "1 plain:6"},
      {"a --> b", "1 text=a --> b plain:7"},
      {"00:00 --> ", "1 text=00:00 --> plain:9"},
      {"00:00 --> 00:01", "1 plain:15 segment[0-1]"},
      {"99999999999999999999:00 --> 1:2", "1 text=99999999999999999999:00 --> 1:2 plain:31"},
      {"\xe4\xbd\xa0", "1 text=\xe4\xbd\xa0 plain:3"},
      {"\xff", "LEAT_EDECODE"},
      {"<!DOCTYPE html><p>", "LEAT_EDECODE"},
      {"<HTML>", "LEAT_EDECODE"},
      {"", "LEAT_EDECODE"},
      {"[1]", "LEAT_EDECODE"},
      {"{\"error\":{\"message\":\"m\"}}", "0 error message=m"},
      {"{\"text\":5}", "LEAT_EDECODE"},
      {"{\"segments\":[5,{\"text\":\"a\",\"start\":\"1\"},{\"start\":1}]}",
       "1 segment[1-1 text=a]"},
  };
  (void)state;
  CHECK(LEAT_REPLY_TRANSCRIPT, rows);
}

static void test_models(void **state) {
  static const row rows[] = {
      {"{\"object\":\"list\",\"success\":true,\"data\":[{\"id\":\"a/b:c\",\"object\":\"model\","
       "\"created\":1626777600,\"owned_by\":\"o\"},{\"id\":\"d\"}]}",
       "2 {1626777600 id=a/b:c by=o} {0 id=d}"},
      {"{\"data\":[{\"type\":\"model\",\"id\":\"claude\",\"display_name\":\"Claude\","
       "\"created_at\":\"2025-02-19T00:00:00Z\"}],\"has_more\":false,\"first_id\":\"claude\"}",
       "1 {1739923200 id=claude name=Claude}"},
      {"{\"models\":[{\"name\":\"models/"
       "gemini\",\"displayName\":\"Gemini\",\"description\":\"x\"}]}",
       "1 {0 id=gemini name=Gemini}"},
      {"{\"id\":\"m\",\"object\":\"model\",\"created\":5,\"owned_by\":\"o\"}",
       "1 id=m @5 {5 id=m by=o}"},
      {"{\"name\":\"models/x\"}", "1 {0 id=x}"},
      {"[\"a\",\"b\",5,\"\"]", "2 {0 id=a} {0 id=b}"},
      {"{\"data\":[{\"id\":\"a\",\"created_at\":\"2024-02-29T23:59:60.5+01:30\"},"
       "{\"id\":\"b\",\"created_at\":\"1969-01-01T00:00:00Z\"},{\"id\":\"c\",\"created_at\":"
       "\"2024-13-01T00:00:00Z\"},{\"id\":\"d\",\"created_at\":\"2024\"}]}",
       "4 {1709245800 id=a} {0 id=b} {0 id=c} {2024 id=d}"},
      {"{\"data\":[]}", "0"},
      {"{\"error\":{\"message\":\"The model 'x' does not "
       "exist\",\"type\":\"invalid_request_error\","
       "\"param\":\"model\",\"code\":\"model_not_found\"}}",
       "0 error type=invalid_request_error code=model_not_found message=The model 'x' does not "
       "exist "
       "param=model"},
      {"{\"data\":5}", "LEAT_EDECODE"},
      {"5", "LEAT_EDECODE"},
  };
  (void)state;
  CHECK(LEAT_REPLY_MODELS, rows);
}

static void test_files_and_batches(void **state) {
  static const row files[] = {
      {"{\"object\":\"list\",\"data\":[{\"id\":\"f\",\"object\":\"file\",\"bytes\":12,"
       "\"created_at\":5,\"filename\":\"n\",\"purpose\":\"batch\",\"status\":\"processed\"}]}",
       "1 {12@5 id=f name=n purpose=batch status=processed}"},
      {"{\"id\":\"f\",\"object\":\"file\",\"deleted\":true}", "1 id=f {-1@0 id=f status=deleted}"},
      {"{\"file\":{\"name\":\"files/x\",\"displayName\":\"n\",\"sizeBytes\":\"99\","
       "\"createTime\":\"1970-01-02T00:00:00Z\",\"state\":\"ACTIVE\"}}",
       "1 {99@86400 id=files/x name=n status=ACTIVE}"},
      {"{\"files\":[{\"name\":\"files/x\"}]}", "1 {-1@0 id=files/x}"},
      {"{\"error\":{\"message\":\"m\"}}", "0 error message=m"},
      {"{}", "LEAT_EDECODE"},
  };
  static const row batches[] = {
      {"{\"id\":\"b\",\"object\":\"batch\",\"errors\":null,\"input_file_id\":\"i\","
       "\"output_file_id\":\"o\",\"error_file_id\":null,\"status\":\"completed\",\"created_at\":7}",
       "1 id=b @7 {-1@7 id=b status=completed in=i out=o}"},
      {"{\"data\":[{\"id\":\"msgbatch\",\"processing_status\":\"ended\",\"results_url\":\"https://"
       "r\"}],"
       "\"has_more\":false}",
       "1 {-1@0 id=msgbatch status=ended out=https://r}"},
      {"{\"id\":\"b\",\"status\":\"failed\",\"errors\":{\"data\":[{\"message\":\"m\"}]}}",
       "1 id=b {-1@0 id=b status=failed}"},
  };
  (void)state;
  CHECK(LEAT_REPLY_FILES, files);
  CHECK(LEAT_REPLY_BATCHES, batches);
}

static void test_moderation(void **state) {
  static const row rows[] = {
      {"{\"id\":\"modr\",\"model\":\"m\",\"results\":[{\"flagged\":true,\"categories\":{\"hate\":"
       "false,\"violence\":true},\"category_scores\":{\"hate\":0.25,\"violence\":0.5},"
       "\"category_applied_input_types\":{\"hate\":[\"text\"]}},{\"flagged\":false}]}",
       "2 id=modr model=m flagged{hate:0:0.25 violence:1:0.5} fine{}"},
      {"{\"results\":[{\"category_scores\":{\"a\":1,\"b\":2},\"categories\":{\"b\":true,\"c\":true}"
       "},"
       "{\"categories\":{\"a\":true}}]}",
       "2 fine{b:1:2 c:1:-1 a:0:1} fine{a:1:-1}"},
      {"{\"flagged\":true,\"categories\":{\"x\":null,\"y\":\"no\"}}", "1 flagged{}"},
      {"{\"results\":[]}", "0"},
      {"{\"results\":[5,{}]}", "0"},
      {"{\"results\":5}", "LEAT_EDECODE"},
      {"{\"error\":{\"message\":\"m\"}}", "0 error message=m"},
  };
  (void)state;
  CHECK(LEAT_REPLY_MODERATION, rows);
}

static void test_ranks_and_counts(void **state) {
  static const row ranks[] = {
      {"{\"id\":\"r\",\"results\":[{\"index\":2,\"relevance_score\":0.75,\"document\":{\"text\":"
       "\"t\"}},{\"index\":0,\"relevance_score\":0.5,\"document\":\"u\"},{\"index\":1,"
       "\"relevance_score\":-1}],\"usage\":{\"total_tokens\":9}}",
       "3 id=r usage=-1/-1/9 2:0.75:t 0:0.5:u 1:-1:"},
      {"{\"data\":[{\"index\":0,\"relevance_score\":1}]}", "1 0:1:"},
      {"[{\"index\":1,\"score\":0.5,\"text\":\"x\"}]", "1 1:0.5:x"},
      {"{\"output\":{\"results\":[{\"index\":3,\"relevance_score\":0.5}]}}", "1 3:0.5:"},
      {"{\"results\":[{\"index\":-1,\"score\":1},{\"score\":1},{\"index\":1},{\"index\":5e9,"
       "\"score\":1}]}",
       "0"},
      {"{\"output\":5}", "LEAT_EDECODE"},
  };
  static const row counts[] = {
      {"{\"input_tokens\":14}", "1 tokens=14"},
      {"{\"totalTokens\":31,\"totalBillableCharacters\":96}", "1 tokens=31"},
      {"{\"object\":\"response.input_tokens\",\"input_tokens\":0}", "1 tokens=0"},
      {"{\"count\":5,\"max_model_len\":10,\"tokens\":[1,2]}", "1 tokens=5"},
      {"{\"usage\":{\"prompt_tokens\":6}}", "1 usage=6/-1/-1 tokens=6"},
      {"{\"input_tokens\":-1}", "LEAT_EDECODE"},
      {"{\"error\":{\"message\":\"m\"}}", "0 tokens=0 error message=m"},
  };
  (void)state;
  CHECK(LEAT_REPLY_RERANK, ranks);
  CHECK(LEAT_REPLY_TOKENS, counts);
}

static void test_tasks(void **state) {
  static const row rows[] = {
      {"{\"code\":\"success\",\"data\":\"task_x\"}", "1 state=2 id=task_x"},
      {"{\"code\":23,\"description\":\"full\"}", "1 state=5 busy error number=23 message=full"},
      {"{\"code\":\"task_not_exist\",\"message\":\"m\",\"data\":null}",
       "1 state=5 missing error code=task_not_exist message=m"},
      {"{\"code\":\"success\",\"data\":{\"task_id\":\"t\",\"status\":\"SUCCESS\",\"progress\":"
       "\"100%\",\"data\":[{\"image_url\":\"i1\",\"audio_url\":\"a1\",\"video_url\":\"\","
       "\"metadata\":"
       "{\"prompt\":\"x\"}},{\"audio_url\":\"a2\",\"video_url\":\"v2\"}]}}",
       "1 state=4 id=t status=SUCCESS 100% url=a1 url=a2 url=v2 url=i1"},
      {"{\"code\":\"success\",\"data\":{\"task_id\":\"t\",\"status\":\"SUCCESS\",\"data\":{\"id\":"
       "\"c\",\"title\":\"T\",\"text\":\"la \\u266a\",\"status\":\"complete\"}}}",
       "1 state=4 id=t status=SUCCESS text=la \xe2\x99\xaa"},
      {"{\"code\":0,\"data\":{\"taskId\":\"t\",\"status\":\"SUCCESS\",\"audioUrl\":\"a\","
       "\"stems\":{\"vocalsUrl\":\"v\",\"drums_url\":\"d\",\"bass\":null},\"lyrics\":\"la\","
       "\"alignedLyrics\":[{\"time\":1.5,\"text\":\"l\"},{\"word\":\"a\",\"start_s\":2,\"end_s\":3}"
       ",5]}}",
       "1 state=4 id=t status=SUCCESS url=a text=la stem[vocals v] stem[drums d] "
       "line[1.5-1.5 text=l] line[2-3 text=a]"},
      {"{\"id\":\"t\",\"status\":\"done\",\"stems\":[{\"name\":\"bass\",\"url\":\"b\"}]}",
       "1 id=t state=4 id=t status=done stem[bass b]"},
      {"{\"code\":\"success\",\"data\":{\"task_id\":\"t\",\"status\":\"SUCCESS\",\"fail_reason\":"
       "\"https://u\"}}",
       "1 state=4 id=t status=SUCCESS url=https://u"},
      {"{\"id\":\"t\",\"status\":\"completed\",\"url\":\"u\",\"videos\":[{\"url\":\"u\"},"
       "{\"url\":\"w\"}]}",
       "1 id=t state=4 id=t status=completed url=u url=w"},
      {"{\"id\":\"t\",\"status\":\"MODAL\"}", "1 id=t state=6 id=t status=MODAL"},
      {"{\"model\":\"m\"}", "LEAT_EDECODE"},
      {"", "LEAT_EDECODE"},
  };
  (void)state;
  CHECK(LEAT_REPLY_TASK, rows);
}

static void test_a_tasks_form_is_used(void **state) {
  static const leat_task_form form = {
      .name = "own", .status = "/phase", .urls = "/files", .text = "/words", .done_words = "over"};
  static const char json[] =
      "{\"id\":\"t\",\"phase\":\"over\",\"words\":\"w\","
      "\"files\":[\"https://1\",\"https://2\"],\"url\":\"u\"}";
  static sheet s;
  leat_reply *r;
  (void)state;
  assert_int_equal(leat_reply_read(LEAT_REPLY_TASK, lti_slice_of(json), &form, NULL, &r), LEAT_OK);
  put_reply(&s, r);
  assert_string_equal(s.text,
                      "1 id=t state=4 id=t status=over url=u url=https://1 url=https://2 text=w");
  leat_reply_free(r);
}

static void test_js_07_errors_of_every_origin(void **state) {
  static const row rows[] = {
      {"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":\"p\",\"code\":\"c\"}}",
       "0 error type=t code=c message=m param=p"},
      {"{\"error\":{\"message\":\"m (request id: X9)\",\"type\":\"new_api_error\",\"code\":429}}",
       "0 error type=new_api_error number=429 message=m (request id: X9) request=X9"},
      {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"},"
       "\"request_id\":\"req_1\"}",
       "0 error type=overloaded_error message=m request=req_1"},
      {"{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
       "0 error type=RESOURCE_EXHAUSTED number=429 message=m"},
      {"[{\"error\":{\"code\":400,\"message\":\"m\"}}]", "0 error number=400 message=m"},
      {"{\"code\":\"task_not_exist\",\"message\":\"m\",\"data\":null}",
       "0 error code=task_not_exist message=m"},
      {"{\"description\":\"d\",\"type\":\"upstream_error\",\"code\":4}",
       "0 error type=upstream_error number=4 message=d"},
      {"{\"code\":null,\"message\":\"m\",\"param\":\"p\",\"type\":\"t\"}",
       "0 error type=t message=m param=p"},
      {"{\"success\":false,\"message\":\"m\"}", "0 error message=m"},
      {"<html>502</html>", "0 error message=<html>502</html>"},
      {"upstream connect error\n", "0 error message=upstream connect error"},
      {"\xff", "0 error message=\xef\xbf\xbd"},
      {"{\"id\":\"x\"}", "LEAT_EDECODE"},
      {"", "LEAT_EDECODE"},
  };
  (void)state;
  CHECK(LEAT_REPLY_ERROR, rows);
}

static void test_any_json_is_a_reply_without_a_group(void **state) {
  static const row rows[] = {
      {"", "0"},
      {"5", "0"},
      {"\"x\"", "0"},
      {"{\"id\":\"i\",\"model\":\"m\",\"created_at\":9.5}", "0 id=i model=m @9"},
      {"{\"error\":{\"message\":\"m\"},\"id\":5}", "0 id=5 error message=m"},
      {"x", "LEAT_EDECODE"},
      {"{", "LEAT_EDECODE"},
  };
  (void)state;
  CHECK(LEAT_REPLY_NONE, rows);
}

static void test_names_and_arguments(void **state) {
  leat_reply *r = NULL;
  (void)state;
  assert_string_equal(leat_reply_group_name(LEAT_REPLY_NONE), "none");
  assert_string_equal(leat_reply_group_name(LEAT_REPLY_TRANSCRIPT), "transcript");
  assert_string_equal(leat_reply_group_name(LEAT_REPLY_ERROR), "error");
  assert_string_equal(leat_reply_group_name((enum leat_reply_group)99), "unknown");
  assert_int_equal(leat_reply_read((enum leat_reply_group)99, lti_slice_of("{}"), NULL, NULL, &r),
                   LEAT_EINVAL);
  assert_null(r);
  assert_int_equal(leat_reply_read(LEAT_REPLY_NONE, lti_slice_of("{}"), NULL, NULL, NULL),
                   LEAT_EINVAL);
  leat_reply_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_images),
      cmocka_unit_test(test_embeddings),
      cmocka_unit_test(test_embeddings_are_exact),
      cmocka_unit_test(test_transcripts),
      cmocka_unit_test(test_models),
      cmocka_unit_test(test_files_and_batches),
      cmocka_unit_test(test_moderation),
      cmocka_unit_test(test_ranks_and_counts),
      cmocka_unit_test(test_tasks),
      cmocka_unit_test(test_a_tasks_form_is_used),
      cmocka_unit_test(test_js_07_errors_of_every_origin),
      cmocka_unit_test(test_any_json_is_a_reply_without_a_group),
      cmocka_unit_test(test_names_and_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
