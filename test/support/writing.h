/* Bodies that a dialect writes, compared byte for byte, and what it refuses. Behind each call it is
 * checked that the body is JSON, that what stood before it in the buffer still does, and that a
 * refusal leaves nothing there and has words. Failures are the cmocka test's. */
#ifndef TEST_WRITING_H
#define TEST_WRITING_H

#include "leat.h"

void writing_check(const char *protocol, const leat_chat_request *chat, const char *body);
/* With exactly this message; or one in which `part` is. */
void writing_refused(const char *protocol, const leat_chat_request *chat, int error,
                     const char *message);
void writing_refused_with(const char *protocol, const leat_chat_request *chat, int error,
                          const char *part);
/* A chat of these messages and nothing else. */
leat_chat_request writing_of(const leat_message *messages, size_t count);

#endif
