/* Commas: `need_comma` says whether a value of the container under way stands already. Closing one
 * makes the container itself such a value, so no stack is needed. */
#include "jsonw.h"

#include <math.h>
#include <stdio.h>

#include "wire/json.h"

#define LINE_MAX_BYTES ((size_t)1 << 30)

void cli_jsonw_init(cli_jsonw *w, lti_alloc *alloc) {
  lti_buf_init(&w->buf, alloc, LINE_MAX_BYTES, LEAT_EBODYMAX);
  w->need_comma = false;
  w->error = LEAT_OK;
}

void cli_jsonw_deinit(cli_jsonw *w) {
  lti_buf_deinit(&w->buf);
}

static void keep(cli_jsonw *w, int error) {
  if (!w->error) w->error = error;
}

static void put_key(cli_jsonw *w, const char *key) {
  if (w->need_comma) keep(w, lti_buf_byte(&w->buf, ','));
  w->need_comma = true;
  if (!key) return;
  keep(w, lti_json_write_string(&w->buf, lti_slice_of(key)));
  keep(w, lti_buf_byte(&w->buf, ':'));
}

void cli_jsonw_open(cli_jsonw *w, const char *key, char bracket) {
  put_key(w, key);
  keep(w, lti_buf_byte(&w->buf, bracket));
  w->need_comma = false;
}

void cli_jsonw_close(cli_jsonw *w, char bracket) {
  keep(w, lti_buf_byte(&w->buf, bracket));
  w->need_comma = true;
}

void cli_jsonw_text(cli_jsonw *w, const char *key, leat_slice text) {
  put_key(w, key);
  keep(w, lti_json_write_string(&w->buf, text));
}

static void put_three(cli_jsonw *w, leat_slice bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *b = (const unsigned char *)bytes.data;
  uint32_t bits = (uint32_t)b[0] << 16 | (bytes.size > 1 ? (uint32_t)b[1] << 8 : 0) |
                  (bytes.size > 2 ? (uint32_t)b[2] : 0);
  char text[4] = {digits[bits >> 18], digits[bits >> 12 & 63], '=', '='};
  if (bytes.size > 1) text[2] = digits[bits >> 6 & 63];
  if (bytes.size > 2) text[3] = digits[bits & 63];
  keep(w, lti_buf_append(&w->buf, lti_slice(text, sizeof text)));
}

void cli_jsonw_base64(cli_jsonw *w, const char *key, leat_slice bytes) {
  put_key(w, key);
  keep(w, lti_buf_byte(&w->buf, '"'));
  for (; bytes.size > 3; bytes = lti_slice_from(bytes, 3)) put_three(w, bytes);
  if (bytes.size) put_three(w, bytes);
  keep(w, lti_buf_byte(&w->buf, '"'));
}

void cli_jsonw_uint(cli_jsonw *w, const char *key, uint64_t value) {
  put_key(w, key);
  keep(w, lti_buf_u64(&w->buf, value));
}

void cli_jsonw_int(cli_jsonw *w, const char *key, int64_t value) {
  put_key(w, key);
  keep(w, lti_buf_i64(&w->buf, value));
}

void cli_jsonw_real(cli_jsonw *w, const char *key, double value, int decimals) {
  char text[64];
  if (!isfinite(value) || fabs(value) > 1e15) {
    cli_jsonw_null(w, key);
    return;
  }
  int n = snprintf(text, sizeof text, "%.*f", decimals, value);
  cli_jsonw_raw(w, key, lti_slice(text, n > 0 ? (size_t)n : 0));
}

void cli_jsonw_double(cli_jsonw *w, const char *key, double value) {
  if (!isfinite(value)) {
    cli_jsonw_null(w, key);
    return;
  }
  put_key(w, key);
  keep(w, lti_json_write_double(&w->buf, value));
}

void cli_jsonw_bool(cli_jsonw *w, const char *key, bool value) {
  put_key(w, key);
  keep(w, lti_buf_text(&w->buf, value ? "true" : "false"));
}

void cli_jsonw_null(cli_jsonw *w, const char *key) {
  put_key(w, key);
  keep(w, lti_buf_text(&w->buf, "null"));
}

void cli_jsonw_raw(cli_jsonw *w, const char *key, leat_slice text) {
  put_key(w, key);
  keep(w, lti_buf_append(&w->buf, text));
}

void cli_jsonw_text_or_null(cli_jsonw *w, const char *key, leat_slice text) {
  if (text.size > 0)
    cli_jsonw_text(w, key, text);
  else
    cli_jsonw_null(w, key);
}

bool cli_jsonw_line(cli_jsonw *w, cli_out *out) {
  keep(w, lti_buf_byte(&w->buf, '\n'));
  if (!w->error) cli_out_write(out, lti_buf_slice(&w->buf));
  lti_buf_clear(&w->buf);
  lti_buf_shrink(&w->buf, CLI_OUT_SIZE);
  w->need_comma = false;
  return !w->error && !out->error;
}
