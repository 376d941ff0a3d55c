/* As much of JSON as the calls of a bot need: looking values up where they lie, and writing a text.
 * What is read comes from outside: nothing recurses, and nothing is read twice over. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leat.h"

/* The value of a member, by the path of names to it: "message.chat.id". */
bool json_find(leat_slice json, const char *path, leat_slice *value);
/* The items of an array, and each of them in turn. */
bool json_open(leat_slice json, leat_slice *items);
bool json_next(leat_slice *items, leat_slice *item);
bool json_number(leat_slice json, int64_t *number);
/* Decodes a string, as far as there is room, and says how long it became; 0: it is none. */
size_t json_text(leat_slice json, char *out, size_t room);
/* Writes a string with its quotes; `out` has room for JSON_QUOTED(text.size). */
size_t json_quote(leat_slice text, char *out);
#define JSON_QUOTED(size) ((size)*6 + 2)

#endif
