/* Writes JSON texts, one a line: commas and escapes are its business, the order is the caller's.
 *
 * A key of NULL stands for an element of an array. The first failure (no memory) sticks and is
 * reported by cli_jsonw_line. Invalid UTF-8 in a text becomes U+FFFD. */
#ifndef CLI_JSONW_H
#define CLI_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "out.h"

typedef struct cli_jsonw {
  lti_buf buf;
  bool need_comma;
  int error;
} cli_jsonw;

void cli_jsonw_init(cli_jsonw *w, lti_alloc *alloc);
void cli_jsonw_deinit(cli_jsonw *w);
void cli_jsonw_open(cli_jsonw *w, const char *key, char bracket);
void cli_jsonw_close(cli_jsonw *w, char bracket);
void cli_jsonw_text(cli_jsonw *w, const char *key, leat_slice text);
void cli_jsonw_uint(cli_jsonw *w, const char *key, uint64_t value);
void cli_jsonw_int(cli_jsonw *w, const char *key, int64_t value);
/* Rounded to `decimals`; null for what is no number. */
void cli_jsonw_real(cli_jsonw *w, const char *key, double value, int decimals);
/* With as many digits as bring back the same; null for what is no number. */
void cli_jsonw_double(cli_jsonw *w, const char *key, double value);
void cli_jsonw_bool(cli_jsonw *w, const char *key, bool value);
void cli_jsonw_null(cli_jsonw *w, const char *key);
/* `text` is JSON already. */
void cli_jsonw_raw(cli_jsonw *w, const char *key, leat_slice text);
/* Bytes as a text in base64. */
void cli_jsonw_base64(cli_jsonw *w, const char *key, leat_slice bytes);
/* The text or, where it is empty, null. */
void cli_jsonw_text_or_null(cli_jsonw *w, const char *key, leat_slice text);
/* Ends the line, writes it, and starts anew. False: no memory, or out->error. */
bool cli_jsonw_line(cli_jsonw *w, cli_out *out);

#endif
