/* Bodies that a dialect writes: see writing.h. */
#include "support/writing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "protocol.h"
#include "wire/json.h"

#define BEFORE     "before"
#define TEXT_BYTES 4096

/* `text` gets the body, or on failure the message. */
static int write_chat(const char *protocol, const leat_chat_request *chat, char *text) {
  const lti_protocol *dialect = lti_protocol_find(protocol);
  lti_alloc alloc;
  lti_buf out;
  lti_encoded e;
  assert_non_null(dialect);
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&out, &alloc, 1 << 20, LEAT_EBODYMAX);
  assert_int_equal(lti_buf_text(&out, BEFORE), LTI_OK);
  int rc = dialect->encode(chat, &out, &e);
  assert_true(lti_slice_starts(lti_buf_slice(&out), BEFORE));
  leat_slice body = lti_slice_from(lti_buf_slice(&out), sizeof BEFORE - 1);
  if (rc == LEAT_OK) {
    assert_true(lti_json_valid(body, NULL, NULL));
    assert_int_equal(e.stream, chat->stream);
    snprintf(text, TEXT_BYTES, "%.*s", (int)body.size, body.data);
  } else {
    assert_int_equal(body.size, 0);
    assert_non_null(e.message);
    snprintf(text, TEXT_BYTES, "%s", e.message);
  }
  lti_buf_deinit(&out);
  return rc;
}

void writing_check(const char *protocol, const leat_chat_request *chat, const char *body) {
  char text[TEXT_BYTES];
  int rc = write_chat(protocol, chat, text);
  assert_string_equal(text, body);
  assert_int_equal(rc, LEAT_OK);
}

void writing_refused(const char *protocol, const leat_chat_request *chat, int error,
                     const char *message) {
  char text[TEXT_BYTES];
  int rc = write_chat(protocol, chat, text);
  assert_string_equal(text, message);
  assert_int_equal(rc, error);
}

void writing_refused_with(const char *protocol, const leat_chat_request *chat, int error,
                          const char *part) {
  char text[TEXT_BYTES];
  assert_int_equal(write_chat(protocol, chat, text), error);
  if (!strstr(text, part)) fail_msg("\"%s\" is not in \"%s\"", part, text);
}

leat_chat_request writing_of(const leat_message *messages, size_t count) {
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.messages = messages;
  chat.message_count = count;
  return chat;
}
