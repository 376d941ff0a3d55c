/* One line of results: {"custom_id", "response": {"status_code", "request_id", "body"}, "error"}.
 *
 * `response` is null when there was none, or nothing that tells of the job's end; `error` is null
 * when the job ended well, or when the response says itself what was wrong. */
#include "batch.h"
#include "program.h"
#include "wire/json.h"

/* JSON on one line: line ends stand only between its values. */
static void write_json(cli_jsonw *w, leat_slice json) {
  lti_buf flat;
  lti_buf_init(&flat, cli_program_alloc(), SIZE_MAX / 4, LEAT_EBODYMAX);
  if (lti_buf_append(&flat, json) != LEAT_OK) w->error = LEAT_ENOMEM;
  for (size_t i = 0; i < flat.size; i++)
    if (flat.data[i] == '\n' || flat.data[i] == '\r') flat.data[i] = ' ';
  cli_jsonw_raw(w, "body", lti_slice_trim(lti_buf_slice(&flat)));
  lti_buf_deinit(&flat);
}

static void write_body(cli_jsonw *w, leat_slice body) {
  size_t offset;
  const char *why;
  if (lti_json_valid(body, &offset, &why)) {
    write_json(w, body);
  } else if (lti_slice_is_utf8(body)) {
    cli_jsonw_text_or_null(w, "body", body);
  } else {
    cli_jsonw_open(w, "body", '{');
    cli_jsonw_base64(w, "base64", body);
    cli_jsonw_close(w, '}');
  }
}

/* The provider's own words tell what was wrong. */
static bool says_itself(const cli_batch_end *end) {
  return end->result->error == LEAT_OK || end->result->error == LEAT_ESTATUS;
}

static void write_response(cli_jsonw *w, const cli_batch_end *end) {
  const leat_result *r = end->result;
  leat_slice body = end->raw.size ? end->raw : r->error == LEAT_ESTATUS ? r->body : end->raw;
  if (!body.size && !says_itself(end)) {
    cli_jsonw_null(w, "response");
    return;
  }
  cli_jsonw_open(w, "response", '{');
  cli_jsonw_int(w, "status_code", r->status);
  cli_jsonw_text_or_null(w, "request_id", r->request_id);
  write_body(w, body);
  cli_jsonw_close(w, '}');
}

void cli_batch_result_write(cli_jsonw *w, const cli_batch_end *end) {
  const leat_result *r = end->result;
  cli_jsonw_open(w, NULL, '{');
  cli_jsonw_text(w, "custom_id", lti_slice_of(end->custom_id));
  write_response(w, end);
  if (says_itself(end)) {
    cli_jsonw_null(w, "error");
  } else {
    cli_jsonw_open(w, "error", '{');
    cli_jsonw_text(w, "code", lti_slice_of(leat_error_name(r->error)));
    cli_jsonw_text(w, "message", r->message);
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, '}');
}
