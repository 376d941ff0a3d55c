/* Bodies made to fit: see amend.h. One pass over the body's members: those that are replaced are
 * left out, and written behind the others. */
#include "amend.h"

#include "wire/json.h"

typedef struct amending {
  const amend *a;
  lti_buf *out;
  const char *limit; /* the name under which the body bounds its answer, NULL: it does not */
  bool options;      /* it has stream_options of its own */
  bool comma;
  int error;
} amending;

bool amend_needed(const amend *a) {
  return a->model || a->stream != AMEND_STREAM_KEEP || a->usage || a->max_tokens >= 0 ||
         a->extra.size > 0;
}

static const char *limit_of(lti_json_text key) {
  static const char *const names[] = {"max_tokens", "max_completion_tokens", "max_output_tokens"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (lti_json_key_is(key, names[i])) return names[i];
  return NULL;
}

/* Two keys that were not decoded: as texts, where one has no escape. */
static bool is_same(lti_json_text a, lti_json_text b) {
  if (!a.escaped) return b.escaped ? lti_json_escaped_is(b, a.raw) : lti_slice_equal(a.raw, b.raw);
  return b.escaped ? lti_slice_equal(a.raw, b.raw) : lti_json_escaped_is(a, b.raw);
}

static bool is_extra(const amend *a, lti_json_text key) {
  lti_json r;
  lti_json_text other;
  if (a->extra.size == 0) return false;
  lti_json_init(&r, a->extra);
  if (!lti_json_enter_object(&r)) return false;
  while (lti_json_next_key(&r, &other)) {
    if (is_same(key, other)) return true;
    lti_json_skip(&r);
  }
  return false;
}

/* The body's member goes; what it was is noted. */
static bool is_replaced(amending *m, lti_json_text key) {
  const amend *a = m->a;
  const char *limit = limit_of(key);
  if (is_extra(a, key)) {
    if (lti_json_key_is(key, "stream_options")) m->options = true;
    return true;
  }
  if (limit && a->max_tokens >= 0) {
    m->limit = limit;
    return true;
  }
  if (lti_json_key_is(key, "model")) return a->model != NULL;
  if (lti_json_key_is(key, "stream")) return a->stream != AMEND_STREAM_KEEP;
  if (!lti_json_key_is(key, "stream_options")) return false;
  m->options = true;
  return a->stream == AMEND_STREAM_OFF; /* which may not have any */
}

static void put(amending *m, leat_slice text) {
  if (m->error == LEAT_OK) m->error = lti_buf_append(m->out, text);
}

static void put_comma(amending *m) {
  if (m->comma) put(m, lti_slice(",", 1));
  m->comma = true;
}

static void put_name(amending *m, leat_slice raw) {
  put_comma(m);
  put(m, lti_slice("\"", 1));
  put(m, raw);
  put(m, lti_slice("\":", 2));
}

static void put_member(amending *m, const char *name, const char *value) {
  put_name(m, lti_slice_of(name));
  put(m, lti_slice_of(value));
}

/* What `extra` has is said there. */
static bool says(const amend *a, const char *name) {
  return is_extra(a, (lti_json_text){.raw = lti_slice_of(name)});
}

static void put_extra(amending *m) {
  lti_json r;
  lti_json_text key;
  leat_slice value;
  lti_json_init(&r, m->a->extra);
  if (!lti_json_enter_object(&r)) return;
  while (lti_json_next_key(&r, &key) && lti_json_raw(&r, &value)) {
    put_name(m, key.raw);
    put(m, value);
  }
}

static void put_ours(amending *m) {
  const amend *a = m->a;
  if (a->model && !says(a, "model")) {
    put_name(m, lti_slice_of("model"));
    if (m->error == LEAT_OK) m->error = lti_json_write_string(m->out, lti_slice_of(a->model));
  }
  if (a->stream != AMEND_STREAM_KEEP && !says(a, "stream"))
    put_member(m, "stream", a->stream == AMEND_STREAM_ON ? "true" : "false");
  if (a->usage && !m->options && !says(a, "stream_options"))
    put_member(m, "stream_options", "{\"include_usage\":true}");
  const char *limit = m->limit ? m->limit : a->limit_name;
  if (a->max_tokens >= 0 && limit && !says(a, limit)) {
    put_name(m, lti_slice_of(limit));
    if (m->error == LEAT_OK) m->error = lti_buf_i64(m->out, a->max_tokens);
  }
  if (a->extra.size) put_extra(m);
}

int amend_write(const amend *a, leat_slice body, lti_buf *out) {
  amending m = {.a = a, .out = out};
  lti_json r;
  lti_json_text key;
  leat_slice value;
  lti_json_init(&r, body);
  if (!lti_json_enter_object(&r)) return LEAT_EINVAL;
  put(&m, lti_slice("{", 1));
  while (lti_json_next_key(&r, &key)) {
    if (is_replaced(&m, key)) {
      lti_json_skip(&r);
    } else if (lti_json_raw(&r, &value)) {
      put_name(&m, key.raw);
      put(&m, value);
    }
  }
  put_ours(&m);
  put(&m, lti_slice("}", 1));
  if (m.error == LEAT_OK && lti_json_failed(&r)) return LEAT_EINVAL;
  return m.error;
}
