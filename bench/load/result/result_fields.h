/* The plain members of a result's structs as tables: the name of each in the document, what it is,
 * and where it stands. Writing and reading go by the same rows, so that neither can forget one. */
#ifndef LOAD_RESULT_FIELDS_H
#define LOAD_RESULT_FIELDS_H

#include "bench/load/result/result.h"
#include "bindings/cli/jsonw.h"
#include "wire/json.h"

enum result_kind {
  RESULT_FIELD_U64,
  RESULT_FIELD_U32,
  RESULT_FIELD_SIZE,
  RESULT_FIELD_INT,
  RESULT_FIELD_I64,
  RESULT_FIELD_I64_OR_NULL, /* negative: null; and so below */
  RESULT_FIELD_I32_OR_NULL,
  RESULT_FIELD_I32,
  RESULT_FIELD_REAL,
  RESULT_FIELD_REAL_OR_NULL,
  RESULT_FIELD_FLOAT_OR_NULL,
  RESULT_FIELD_TEXT,
  RESULT_FIELD_BOOL,
  RESULT_FIELD_SHAPE,
  RESULT_FIELD_VERDICT,
  RESULT_FIELD_MEASURE
};

typedef struct result_field {
  const char *name;
  enum result_kind kind;
  size_t offset, size;
} result_field;

typedef struct result_fields {
  const result_field *rows;
  size_t count;
} result_fields;

extern const result_fields result_fields_head, result_fields_machine, result_fields_knee,
    result_fields_point, result_fields_offer, result_fields_counts, result_fields_volume,
    result_fields_conns, result_fields_process, result_fields_lengths, result_fields_certificate,
    result_fields_reason, result_fields_error, result_fields_status, result_fields_slo,
    result_fields_slot, result_fields_dot, result_fields_track, result_fields_part;

/* Each as a member of the open object. */
void result_fields_write(const result_fields *fields, const void *of, cli_jsonw *w);
/* The values alone, as one array; and the names of its columns. */
void result_fields_row(const result_fields *fields, const void *of, cli_jsonw *w);
void result_fields_columns(const result_fields *fields, const char *key, cli_jsonw *w);

/* The row of a member's name, or NULL. */
const result_field *result_fields_find(const result_fields *fields, lti_json_text name);
/* Takes the value to come. NULL: fine; else what was expected there. `scratch` serves texts. */
const char *result_fields_take(const result_field *field, void *of, lti_json *r, lti_buf *scratch);

#endif
