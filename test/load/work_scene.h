/* A work from a command line, and the bodies that its requests would send: each is encoded as the
 * engine would encode it. */
#ifndef TEST_WORK_SCENE_H
#define TEST_WORK_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asked.h"
#include "bench/load/work/work.h"
#include "bindings/cli/program.h"
#include "protocol.h"
#include "wire/json.h"

#define SCENE_WORDS 40

/* A work from words, which may hold blanks, and one hand. */
typedef struct scene {
  char *words[SCENE_WORDS];
  int count;
  cli_options options;
  shape_spec spec;
  work *work;
  work_hand *hand;
  lti_buf body;
} scene;

static inline bool open_scene(scene *s, const char *const *words) {
  memset(s, 0, sizeof *s);
  for (; words[s->count]; s->count++) s->words[s->count] = strdup(words[s->count]);
  assert_int_equal(cli_options_parse(&s->options, CLI_LOAD, s->count, s->words), CLI_PARSED_OK);
  lti_buf_init(&s->body, cli_program_alloc(), (size_t)64 << 20, LEAT_EBODYMAX);
  s->work = work_open(&s->options, &s->spec);
  s->hand = s->work ? work_hand_new(s->work) : NULL;
  return s->work != NULL;
}

static inline void close_scene(scene *s) {
  work_hand_free(s->hand);
  work_free(s->work);
  cli_options_free(&s->options);
  lti_buf_deinit(&s->body);
  for (int i = 0; i < s->count; i++) free(s->words[i]);
}

#define SCENE(s, ...) assert_true(open_scene(s, (const char *const[]){__VA_ARGS__, NULL}))

/* The body that would be sent, with a NUL behind it. */
static inline const char *body_of(scene *s, const work_item *item) {
  const leat_request *q = &item->request;
  lti_encoded encoded;
  lti_buf_clear(&s->body);
  if (item->kind == WORK_TASK) {
    assert_int_equal(lti_buf_append(&s->body, item->task.body), LEAT_OK);
  } else if (q->chat) {
    const char *name = s->options.protocol ? s->options.protocol : "openai-chat";
    const leat_endpoint *row = q->endpoint ? leat_endpoint_find(NULL, q->endpoint) : NULL;
    const lti_protocol *p = lti_protocol_find(row ? row->protocol : name);
    int r = p->encode(q->chat, &s->body, &encoded);
    if (r != LEAT_OK) print_error("%s\n", encoded.message);
    assert_int_equal(r, LEAT_OK);
  } else {
    assert_int_equal(lti_buf_append(&s->body, q->body), LEAT_OK);
  }
  assert_int_equal(lti_buf_byte(&s->body, '\0'), LEAT_OK);
  return s->body.data;
}

/* The first turn of a conversation. */
static inline const char *first(scene *s, uint64_t index, work_item *item) {
  int failed;
  work_talk *t = work_begin(s->hand, index, NULL);
  assert_non_null(t);
  assert_true(work_turn(t, item, &failed));
  assert_int_equal(failed, LEAT_OK);
  const char *body = body_of(s, item);
  work_end(t);
  return body;
}

static inline char *text_at(const char *body, const char *pointer) {
  leat_slice value;
  if (!lti_json_find(lti_slice_of(body), pointer, &value)) return strdup("");
  return strndup(value.data, value.size);
}

static inline void check_at(const char *body, const char *pointer, const char *wanted) {
  char *text = text_at(body, pointer);
  if (strcmp(text, wanted) != 0) print_error("%s of %s\n", pointer, body);
  assert_string_equal(text, wanted);
  free(text);
}

static inline size_t words_at(const char *body, const char *pointer, char mark) {
  char *text = text_at(body, pointer);
  size_t n = *text ? 1 : 0;
  for (const char *at = text; *at; at++) n += *at == mark;
  free(text);
  return n;
}

#endif
