/* Forms: what stands between the contents, byte for byte, with names of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "support/failing.h"
#include "support/form_reader.h"
#include "wire/multipart.h"

#define BOUNDARY "----leat000102030405060708090a0b0c0d0e0f"

typedef struct form {
  lti_alloc alloc;
  lti_buf out;
  lti_multipart m;
} form;

static void open_form(form *f) {
  unsigned char random[LTI_MULTIPART_RANDOM];
  for (size_t i = 0; i < sizeof random; i++) random[i] = (unsigned char)i;
  lti_alloc_init(&f->alloc, NULL);
  lti_buf_init(&f->out, &f->alloc, 1 << 20, LEAT_EBODYMAX);
  lti_multipart_init(&f->m, random);
}

static void put_field(form *f, const lti_multipart_field *field, const char *content) {
  assert_int_equal(lti_multipart_field_head(&f->m, field, &f->out), LTI_OK);
  assert_int_equal(lti_buf_text(&f->out, content), LTI_OK);
}

static void check(form *f, const char *text) {
  assert_int_equal(lti_multipart_end(&f->m, &f->out), LTI_OK);
  assert_int_equal(lti_buf_byte(&f->out, '\0'), LTI_OK);
  assert_string_equal(f->out.data, text);
  lti_buf_deinit(&f->out);
}

#define NAMED(text)                   \
  &(lti_multipart_field) {            \
    .name = { text, sizeof text - 1 } \
  }

static void test_a_form_byte_by_byte(void **state) {
  (void)state;
  form f;
  char type[LTI_MULTIPART_TYPE];
  open_form(&f);
  assert_true(
      lti_slice_is(lti_multipart_type(&f.m, type), "multipart/form-data; boundary=" BOUNDARY));
  put_field(&f, NAMED("model"), "whisper-1");
  put_field(&f,
            &(lti_multipart_field){.name = lti_slice_of("file"),
                                   .filename = lti_slice_of("a.mp3"),
                                   .type = lti_slice_of("audio/mpeg")},
            "\r\n--no boundary");
  put_field(&f, NAMED("empty"), "");
  check(&f, "--" BOUNDARY
            "\r\n"
            "Content-Disposition: form-data; name=\"model\"\r\n"
            "\r\n"
            "whisper-1\r\n"
            "--" BOUNDARY
            "\r\n"
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n"
            "Content-Type: audio/mpeg\r\n"
            "\r\n"
            "\r\n--no boundary\r\n"
            "--" BOUNDARY
            "\r\n"
            "Content-Disposition: form-data; name=\"empty\"\r\n"
            "\r\n"
            "\r\n"
            "--" BOUNDARY "--\r\n");
}

static void test_a_form_without_fields(void **state) {
  (void)state;
  form f;
  open_form(&f);
  check(&f, "--" BOUNDARY "--\r\n");
}

/* As browsers do it: percent-encoded are the quote and line ends alone, and the percent sign and
 * letters of all languages stand as they are. */
static void test_names_are_escaped(void **state) {
  (void)state;
  form f;
  open_form(&f);
  put_field(&f,
            &(lti_multipart_field){.name = lti_slice_of("a\"b\r\nc%22\\"),
                                   .filename = lti_slice_of("\xc3\xbc\"\n;\t.png")},
            "x");
  check(&f, "--" BOUNDARY
            "\r\n"
            "Content-Disposition: form-data; name=\"a%22b%0D%0Ac%22\\\"; "
            "filename=\"\xc3\xbc%22%0A;\t.png\"\r\n"
            "\r\n"
            "x\r\n"
            "--" BOUNDARY "--\r\n");
}

static void test_an_empty_file_name_is_one(void **state) {
  (void)state;
  form f;
  open_form(&f);
  put_field(&f, &(lti_multipart_field){.name = lti_slice_of("f"), .filename = lti_slice("", 0)},
            "");
  check(&f, "--" BOUNDARY
            "\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n"
            "--" BOUNDARY "--\r\n");
}

/* A type could end its line and begin another field. */
static void test_a_type_with_a_line_end_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"a\r\nX: y", "a\nb", "a\rb", "\x7f"};
  form f;
  open_form(&f);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    lti_multipart_field field = {.name = lti_slice_of("f"), .type = lti_slice_of(wrong[i])};
    assert_int_equal(lti_multipart_field_head(&f.m, &field, &f.out), LEAT_EHEADER);
  }
  assert_int_equal(f.out.size, 0);
  check(&f, "--" BOUNDARY "--\r\n");
}

static void test_types_by_their_endings(void **state) {
  static const char *const known[][2] = {{"a.png", "image/png"},
                                         {"A.JPEG", "image/jpeg"},
                                         {"x/y.tar.mp3", "audio/mpeg"},
                                         {"batch.jsonl", "application/jsonl"},
                                         {"a.webm", "video/webm"},
                                         {"noending", "application/octet-stream"},
                                         {"", "application/octet-stream"},
                                         {"a.", "application/octet-stream"},
                                         {"a.xyz", "application/octet-stream"}};
  (void)state;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    assert_true(lti_slice_is(lti_multipart_type_of(lti_slice_of(known[i][0])), known[i][1]));
}

static void test_the_last_part_of_a_path(void **state) {
  (void)state;
  assert_true(lti_slice_is(lti_multipart_filename(lti_slice_of("/tmp/a b.png")), "a b.png"));
  assert_true(lti_slice_is(lti_multipart_filename(lti_slice_of("a.png")), "a.png"));
  assert_true(lti_slice_is(lti_multipart_filename(lti_slice_of("/tmp/")), ""));
}

/* What a reader that knows nothing of the writer makes of it. */
static void test_a_reader_finds_what_was_written(void **state) {
  (void)state;
  form f;
  form_part parts[4];
  char type[LTI_MULTIPART_TYPE];
  open_form(&f);
  put_field(&f, NAMED("one"), "1\r\n");
  put_field(&f,
            &(lti_multipart_field){.name = lti_slice_of("two"),
                                   .filename = lti_slice_of("b\".bin"),
                                   .type = lti_slice_of("application/octet-stream")},
            "--\r\n--");
  assert_int_equal(lti_multipart_end(&f.m, &f.out), LTI_OK);
  assert_int_equal(form_read(lti_multipart_type(&f.m, type), lti_buf_slice(&f.out), parts, 4), 2);
  assert_true(lti_slice_is(parts[0].name, "one"));
  assert_true(lti_slice_is(parts[0].content, "1\r\n"));
  assert_null(parts[0].filename.data);
  assert_true(lti_slice_is(parts[1].filename, "b%22.bin"));
  assert_true(lti_slice_is(parts[1].type, "application/octet-stream"));
  assert_true(lti_slice_is(parts[1].content, "--\r\n--"));
  lti_buf_deinit(&f.out);
}

/* All or nothing: a head that cannot be written leaves the form as it was. */
static void scenario(const leat_allocator *fns, void *ctx) {
  (void)ctx;
  form f;
  open_form(&f);
  lti_alloc_init(&f.alloc, fns);
  for (int i = 0; i < 20; i++) {
    size_t before = f.out.size;
    int r = lti_multipart_field_head(&f.m, NAMED("a\"name\r\nthat is long"), &f.out);
    assert_true(r == LTI_OK || (r == LEAT_ENOMEM && f.out.size == before));
  }
  size_t before = f.out.size;
  if (lti_multipart_end(&f.m, &f.out) != LTI_OK) assert_int_equal(f.out.size, before);
  lti_buf_deinit(&f.out);
}

static void test_at_every_allocation(void **state) {
  (void)state;
  assert_true(failing_at_every_n(scenario, NULL) > 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_form_byte_by_byte),
      cmocka_unit_test(test_a_form_without_fields),
      cmocka_unit_test(test_names_are_escaped),
      cmocka_unit_test(test_an_empty_file_name_is_one),
      cmocka_unit_test(test_a_type_with_a_line_end_is_refused),
      cmocka_unit_test(test_types_by_their_endings),
      cmocka_unit_test(test_the_last_part_of_a_path),
      cmocka_unit_test(test_a_reader_finds_what_was_written),
      cmocka_unit_test(test_at_every_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
