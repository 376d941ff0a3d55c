/* What the program says to people: single lines on standard error, "leat: chat: what: what next".
 *
 * Every line is one line whatever it quotes: control characters become '?', and the secrets that
 * were registered become "***", since a provider may echo a key in its error. A live line (progress
 * on a terminal) is wiped before anything else is said. Diagnostics are best effort: a standard
 * error that cannot be written to is not an error of its own. */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include <stdbool.h>

#include "base/slice.h"

#define CLI_LINE_MAX 2048

/* The command's name in front of every line; NULL: none. Returns the one before. */
const char *cli_say_command(const char *name);
/* Registers text that must never be shown: copied. At most 32; shorter than 4 bytes is ignored. */
void cli_say_secret(leat_slice secret);
/* Whether a registered secret is in `text`. One of less than 8 bytes ("none", "test") stands for no
 * key, and would be found in many a name. */
bool cli_say_is_secret(leat_slice text);
/* Registers the password in a URL, as it is written there and as it is meant. Returns where user
 * and password stand; empty: there are none. */
leat_slice cli_say_url_secret(const char *url);
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same without a prefix, for tables and hints. */
void cli_say_plain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Shows `text` in place of the live line before; the empty text takes it away. Only on a terminal.
 */
void cli_say_live(const char *text);
/* What takes a larger live view away before anything is said; NULL: there is none. */
void cli_say_wipe(void (*wipe)(void *ctx), void *ctx);
/* Text without secrets and control characters, NUL-terminated, into `out`. */
void cli_say_clean(leat_slice text, char *out, size_t size);
/* Standard error is a terminal. */
bool cli_say_terminal(void);
/* ... and colour is wanted: NO_COLOR and TERM=dumb are honoured. */
bool cli_say_colour(int fd);

#endif
