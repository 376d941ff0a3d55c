/* The built-in endpoints: that their table is sound, and what each of them sends, byte by byte, as
 * test/vectors/endpoints.jsonl has it, a line for each. A row without a line fails.
 *
 * In the lines {host}, {version}, {size}, {boundary} and {key} stand for what no file can know: the
 * peer's address, ours, the length of a form, its boundary, and a handshake's key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/endpoints.h"
#include "core/template.h"
#include "protocol.h"
#include "support/corpora.h"
#include "support/flow.h"
#include "wire/json.h"

#define ROWS_MIN   85
#define PARAMS_MAX 4
#define FIELDS_MAX 4
#define TEXTS_MAX  24

/* ---- the table */

static const char *const wanted[] = {"chat.completions",
                                     "chat.deepseek",
                                     "chat.minimax",
                                     "completions.create",
                                     "responses.create",
                                     "responses.get",
                                     "responses.resume",
                                     "responses.cancel",
                                     "responses.delete",
                                     "responses.input_items",
                                     "responses.compact",
                                     "messages.create",
                                     "messages.count_tokens",
                                     "gemini.generate",
                                     "gemini.stream",
                                     "gemini.count_tokens",
                                     "gemini.embed",
                                     "images.nano_banana",
                                     "images.nano_banana_pay",
                                     "images.generate",
                                     "images.edit",
                                     "images.jimeng",
                                     "video.vidu",
                                     "video.seedance",
                                     "video.generate",
                                     "video.query",
                                     "video.content",
                                     "kling.text2video",
                                     "kling.image2video",
                                     "kling.text2video_query",
                                     "kling.image2video_query",
                                     "sora.create",
                                     "sora.remix",
                                     "producer.music",
                                     "producer.fetch",
                                     "producer.fetch_batch",
                                     "producer.submit",
                                     "suno.music",
                                     "suno.stems_full",
                                     "suno.fetch",
                                     "suno.fetch_batch",
                                     "suno.submit",
                                     "unified.suno_generate",
                                     "unified.suno_fetch",
                                     "unified.producer_generate",
                                     "unified.producer_fetch",
                                     "audio.transcribe",
                                     "audio.translate",
                                     "audio.speech",
                                     "embeddings.create",
                                     "rerank.create",
                                     "models.list",
                                     "models.get",
                                     "moderations.create",
                                     "files.upload",
                                     "batches.create",
                                     "midjourney.imagine",
                                     "midjourney.fetch",
                                     "midjourney.list",
                                     "realtime.connect"};

static void test_there_are_all_rows_and_each_is_fit(void **state) {
  (void)state;
  const leat_endpoint *row;
  lti_alloc alloc;
  lti_buf why;
  size_t n = 0;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&why, &alloc, 4096, LEAT_EBODYMAX);
  for (; (row = leat_endpoint_at(NULL, n)); n++) {
    const leat_task_form *form = leat_task_form_find(NULL, row->task);
    if (lti_endpoint_check(row, form, &why) != LEAT_OK)
      fail_msg("%s: %.*s", row->name, (int)why.size, why.data);
    assert_ptr_equal(leat_endpoint_find(NULL, row->name), row); /* no name twice */
    assert_true(row->struct_size == sizeof *row && row->summary && row->method);
    assert_true((row->reply == LEAT_REPLY_KIND_TASK) <= (row->once && row->task != NULL));
  }
  assert_true(n >= ROWS_MIN);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (!leat_endpoint_find(NULL, wanted[i])) fail_msg("%s is missing", wanted[i]);
  lti_buf_deinit(&why);
}

static void test_every_form_is_fit_and_used(void **state) {
  (void)state;
  const leat_task_form *form;
  const leat_endpoint *row;
  lti_alloc alloc;
  lti_buf why;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&why, &alloc, 4096, LEAT_EBODYMAX);
  for (size_t i = 0; (form = leat_task_form_at(NULL, i)); i++) {
    bool used = false;
    if (lti_endpoint_form_check(form, &why) != LEAT_OK)
      fail_msg("%s: %.*s", form->name, (int)why.size, why.data);
    assert_true(form->poll_ms > 0 && form->struct_size == sizeof *form);
    assert_ptr_equal(leat_task_form_find(NULL, form->name), form);
    for (size_t k = 0; (row = leat_endpoint_at(NULL, k)); k++)
      used |= row->reply == LEAT_REPLY_KIND_TASK && strcmp(row->task, form->name) == 0;
    if (!used) fail_msg("no row uses %s", form->name);
  }
  lti_buf_deinit(&why);
}

static void test_what_is_likely_only_is_not_called_confirmed(void **state) {
  static const char *const guesses[] = {"suno.extend",
                                        "suno.vox",
                                        "producer.cover",
                                        "images.jimeng",
                                        "images.nano_banana_pay",
                                        "video.vidu",
                                        "video.seedance",
                                        "unified.suno_generate",
                                        "unified.producer_fetch",
                                        "realtime.chat"};
  static const char *const known[] = {"suno.music",       "suno.upsample_tags", "producer.replace",
                                      "kling.text2video", "midjourney.imagine", "video.content"};
  (void)state;
  for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++)
    assert_false(leat_endpoint_find(NULL, guesses[i])->confirmed);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    assert_true(leat_endpoint_find(NULL, known[i])->confirmed);
}

static void test_the_words_of_the_enums(void **state) {
  (void)state;
  assert_string_equal(leat_body_kind_name(LEAT_BODY_MULTIPART), "multipart");
  assert_string_equal(leat_auth_name(LEAT_AUTH_MJ_API_SECRET), "mj-api-secret");
  assert_string_equal(leat_reply_kind_name(LEAT_REPLY_KIND_ARRAY), "array");
  assert_string_equal(leat_body_kind_name((enum leat_body_kind)9), "unknown");
  assert_string_equal(leat_auth_name((enum leat_auth) - 1), "unknown");
  assert_string_equal(leat_reply_kind_name((enum leat_reply_kind)9), "unknown");
}

/* ---- what each sends */

typedef struct fixture {
  char *all; /* the file */
  leat_slice line;
  char texts[TEXTS_MAX][512];
  size_t text_count;
  leat_param params[PARAMS_MAX];
  leat_form_field fields[FIELDS_MAX];
} fixture;

static char *load_vectors(void) {
  char path[1024];
  const char *root = getenv("LEAT_SOURCE_DIR");
  snprintf(path, sizeof path, "%s/test/vectors/endpoints.jsonl", root ? root : ".");
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("%s cannot be read", path);
  char *text = calloc(1, 1 << 20);
  size_t n = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  assert_true(n > 0 && n < (1 << 20) - 1);
  return text;
}

/* Decoded, NUL-terminated, until the next line is looked at. */
static const char *decode(fixture *x, lti_json_text text) {
  lti_alloc alloc;
  lti_buf scratch;
  leat_slice out;
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&scratch, &alloc, 4096, LEAT_EBODYMAX);
  assert_true(x->text_count < TEXTS_MAX);
  char *to = x->texts[x->text_count++];
  assert_int_equal(lti_json_decode(text, NULL, &scratch, &out), 0);
  assert_true(out.size < sizeof x->texts[0]);
  memcpy(to, out.data, out.size);
  to[out.size] = '\0';
  lti_buf_deinit(&scratch);
  return to;
}

static const char *text_at(fixture *x, const char *pointer) {
  leat_slice value;
  lti_json r;
  lti_json_text text;
  if (!lti_json_find(x->line, pointer, &value)) return NULL;
  lti_json_init(&r, value);
  assert_true(lti_json_string(&r, &text));
  return decode(x, text);
}

static const char *next_text(fixture *x, lti_json *r) {
  lti_json_text text;
  if (!lti_json_next_value(r)) return NULL;
  assert_true(lti_json_string(r, &text));
  return decode(x, text);
}

static bool find_line(fixture *x, const char *name) {
  leat_slice rest = lti_slice_of(x->all);
  x->text_count = 0;
  while (corpora_next_line(&rest, &x->line)) {
    const char *found = text_at(x, "/endpoint");
    bool same = found && strcmp(found, name) == 0;
    x->text_count = 0;
    if (same) return true;
  }
  return false;
}

static void read_params(fixture *x, leat_request *q) {
  leat_slice object;
  lti_json r;
  lti_json_text key, value;
  q->params = x->params;
  q->param_count = 0;
  if (!lti_json_find(x->line, "/send/params", &object)) return;
  lti_json_init(&r, object);
  assert_true(lti_json_enter_object(&r));
  while (lti_json_next_key(&r, &key)) {
    assert_true(q->param_count < PARAMS_MAX && lti_json_string(&r, &value));
    leat_param *p = &x->params[q->param_count++];
    p->name = decode(x, key);
    p->value = decode(x, value);
  }
}

/* [name, value] or [name, content, file name, type] */
static void read_form(fixture *x, leat_request *q) {
  leat_slice array;
  lti_json r;
  q->form = NULL;
  q->form_count = 0;
  if (!lti_json_find(x->line, "/send/form", &array)) return;
  q->form = x->fields;
  lti_json_init(&r, array);
  assert_true(lti_json_enter_array(&r));
  while (lti_json_next_value(&r)) {
    assert_true(q->form_count < FIELDS_MAX && lti_json_enter_array(&r));
    leat_form_field *f = &x->fields[q->form_count++];
    *f = (leat_form_field){.name = next_text(x, &r)};
    f->value = lti_slice_of(next_text(x, &r));
    f->filename = next_text(x, &r);
    f->content_type = f->filename ? next_text(x, &r) : NULL;
    if (f->content_type) assert_false(lti_json_next_value(&r));
  }
}

static void on_ws_done(leat_engine *e, leat_id id, const leat_result *result, unsigned code,
                       void *user) {
  (void)e, (void)id, (void)result, (void)code;
  *(bool *)user = true;
}

static void send_handshake(flow *f, fixture *x, const leat_endpoint *row, peer *p) {
  leat_ws ws;
  leat_id id;
  bool done = false;
  leat_ws_init(&ws);
  ws.base_url = peer_url(p);
  ws.protocol = row->protocol;
  ws.model = text_at(x, "/send/model");
  ws.api_key = "sk-fixture";
  ws.on_done = on_ws_done;
  ws.user = &done;
  int r = leat_ws_open(flow_open(f), &ws, &id);
  if (r != LEAT_OK) fail_msg("%s: %s", row->name, leat_last_message(f->engine));
  while (!done) flow_run(f, 5);
}

static void send_row(flow *f, fixture *x, const leat_endpoint *row, peer *p) {
  leat_request *q = &f->request;
  leat_slice flag;
  leat_request_init(q);
  q->base_url = peer_url(p);
  q->api_key = "sk-fixture";
  q->endpoint = row->name;
  q->body = lti_slice_of(text_at(x, "/send/body"));
  q->model = text_at(x, "/send/model");
  q->stream = lti_json_find(x->line, "/send/stream", &flag);
  read_params(x, q);
  read_form(x, q);
  flow_call *c = flow_try(f);
  if (c->error != LEAT_OK) fail_msg("%s: %s", row->name, c->message);
  flow_wait(f);
}

/* What stands between `before` and the end of its line, or "". */
static void value_of(const char *request, const char *before, char *out, size_t size) {
  const char *at = strstr(request, before);
  size_t n = at ? strcspn(at + strlen(before), "\r") : 0;
  snprintf(out, size, "%.*s", (int)n, at ? at + strlen(before) : "");
}

static void append_filled(char *out, size_t size, const char *template, const char *got) {
  static const char *const befores[] = {"Host: ", "leat/",
                                        "Content-Length: ", "boundary=", "Sec-WebSocket-Key: "};
  static const char *const names[] = {"host", "version", "size", "boundary", "key"};
  leat_slice text, name;
  char value[128];
  size_t n = strlen(out);
  while (lti_template_next(&template, &text, &name)) {
    n += (size_t)snprintf(out + n, size - n, "%.*s", (int)text.size, text.data);
    if (!name.size) continue;
    size_t i = 0;
    while (i < 5 && !lti_slice_is(name, names[i])) i++;
    assert_true(i < 5);
    value_of(got, befores[i], value, sizeof value);
    n += (size_t)snprintf(out + n, size - n, "%s", value);
  }
}

static void check_request(fixture *x, const leat_endpoint *row, const char *got) {
  static char expected[16384];
  leat_slice lines;
  lti_json r;
  const char *line;
  x->text_count = 0;
  expected[0] = '\0';
  assert_true(lti_json_find(x->line, "/head", &lines));
  lti_json_init(&r, lines);
  assert_true(lti_json_enter_array(&r));
  while ((line = next_text(x, &r))) {
    append_filled(expected, sizeof expected, line, got);
    append_filled(expected, sizeof expected, "\r\n", got);
  }
  append_filled(expected, sizeof expected, "\r\n", got);
  append_filled(expected, sizeof expected, text_at(x, "/body"), got);
  if (strcmp(expected, got) != 0) fail_msg("%s sends\n%s\nand not\n%s", row->name, got, expected);
}

static void test_every_row_sends_what_its_fixture_says(void **state) {
  flow *f = *state;
  fixture *x = calloc(1, sizeof *x);
  const leat_endpoint *row;
  unsigned n = 0;
  x->all = load_vectors();
  peer *p = flow_peer(f, (const char *const[]){REFUSED("400 No", "c"), NULL});
  for (; (row = leat_endpoint_at(NULL, n)); n++) {
    if (!find_line(x, row->name)) fail_msg("%s has no line", row->name);
    if (row->reply == LEAT_REPLY_KIND_WS)
      send_handshake(f, x, row, p);
    else
      send_row(f, x, row, p);
    assert_true(peer_await(p, n + 1));
    check_request(x, row, peer_request(p, n));
  }
  free(x->all);
  free(x);
}

static void test_every_line_of_the_fixture_is_a_row(void **state) {
  (void)state;
  fixture *x = calloc(1, sizeof *x);
  leat_slice rest;
  size_t lines = 0, rows = 0;
  x->all = load_vectors();
  rest = lti_slice_of(x->all);
  for (; corpora_next_line(&rest, &x->line); lines++) {
    const char *name = text_at(x, "/endpoint");
    if (!leat_endpoint_find(NULL, name)) fail_msg("%s is no row", name);
    x->text_count = 0;
  }
  while (leat_endpoint_at(NULL, rows)) rows++;
  assert_int_equal(lines, rows);
  free(x->all);
  free(x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_there_are_all_rows_and_each_is_fit),
      cmocka_unit_test(test_every_form_is_fit_and_used),
      cmocka_unit_test(test_what_is_likely_only_is_not_called_confirmed),
      cmocka_unit_test(test_the_words_of_the_enums),
      FLOW_TEST(test_every_row_sends_what_its_fixture_says),
      cmocka_unit_test(test_every_line_of_the_fixture_is_a_row),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
