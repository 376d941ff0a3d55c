/* Responses that can be asked for again, as long as they are among the last ones: told, told as
 * events from any of them on, deleted; and those made in the background, which go on by the clock
 * whether somebody listens or not, and may be cancelled.
 *
 *   queued -> in_progress -> completed | incomplete | cancelled */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/answer.h"
#include "bench/mock/asked.h"
#include "wire/json.h"

#define KEPT_MAX  4096u
#define INPUT_MAX 8192u

struct mock_responses {
  uint32_t next;
  mock_stored *kept[KEPT_MAX]; /* the oldest gives way */
};

void mock_stored_drop(mock_stored *s) {
  if (s && --s->refs == 0) free(s);
}

void mock_stored_free(mock *m) {
  for (uint32_t i = 0; m->responses && i < KEPT_MAX; i++) mock_stored_drop(m->responses->kept[i]);
  free(m->responses);
}

static mock_stored **place_of(mock *m, leat_slice id) {
  char name[MOCK_RESPONSE_ID_MAX];
  for (uint32_t i = 0; m->responses && i < KEPT_MAX; i++) {
    const mock_stored *s = m->responses->kept[i];
    if (!s) continue;
    snprintf(name, sizeof name, "resp_%llu", (unsigned long long)s->said.serial);
    if (lti_slice_is(id, name)) return &m->responses->kept[i];
  }
  return NULL;
}

bool mock_stored_keep(mock_exchange *x, answer *a) {
  mock *m = x->m;
  leat_slice input = lti_slice("", 0);
  lti_json_find(lti_buf_slice(&x->body), "/input", &input);
  if (input.size > INPUT_MAX) input = lti_slice("", 0);
  if (!m->responses) m->responses = calloc(1, sizeof *m->responses);
  mock_stored *s = m->responses ? malloc(sizeof *s + input.size) : NULL;
  if (!s) return false;
  *s = (mock_stored){.refs = 2, .gap_us = x->plan.gap_us, .said = *a, .input_size = input.size};
  if (input.size) memcpy(s->input, input.data, input.size);
  mock_stored **place = &m->responses->kept[m->responses->next++ % KEPT_MAX];
  mock_stored_drop(*place);
  *place = s;
  a->record = s;
  return true;
}

bool mock_stored_check(mock_exchange *x, const answer *a) {
  char text[120];
  if (!*a->previous || place_of(x->m, lti_slice_of(a->previous))) return true;
  snprintf(text, sizeof text, "Previous response with id '%s' not found.", a->previous);
  mock_reply_error(x, 400, "invalid_request_error", "previous_response_not_found", text);
  return false;
}

/* NULL: it has been answered. */
static mock_stored **find(mock_exchange *x, leat_slice id) {
  char text[120];
  mock_stored **place = place_of(x->m, id);
  if (place) return place;
  snprintf(text, sizeof text, "Response with id '%.*s' not found.",
           (int)(id.size < 60 ? id.size : 60), id.data);
  mock_reply_error(x, 404, "invalid_request_error", NULL, text);
  return NULL;
}

/* ---- where it stands */

/* How many of its events are due by now. */
static uint32_t due_of(const mock_stored *s) {
  uint64_t now_ns = uv_hrtime();
  if (now_ns < s->said.base_ns) return 0;
  uint64_t gap_ns = s->gap_us * 1000;
  uint64_t due = gap_ns ? (now_ns - s->said.base_ns) / gap_ns + 1 : s->said.events;
  return due < s->said.events ? (uint32_t)due : s->said.events;
}

/* NULL: it has ended. */
static const char *word_of(const mock_stored *s) {
  if (!s->said.background || s->cancelled) return NULL;
  if (uv_hrtime() < s->said.base_ns) return "queued";
  return due_of(s) < s->said.events ? "in_progress" : NULL;
}

static void reply_stored(mock_exchange *x, const mock_stored *s) {
  answer a = s->said;
  lti_buf out;
  a.at = a.events;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  mock_reply_json(x, mock_answer_write(&a, &out, word_of(s)), &out);
  lti_buf_deinit(&out);
}

/* ---- calls */

static void play_again(mock_exchange *x, mock_stored *s, const char *after) {
  uint64_t from = UINT64_MAX;
  answer *a = malloc(sizeof *a);
  if (!a) {
    mock_conn_drop(x->conn);
    return;
  }
  if (after && !lti_slice_u64(lti_slice(after, strcspn(after, "&")), &from)) {
    free(a);
    mock_asked_refuse(x, "starting_after must be a number");
    return;
  }
  *a = s->said;
  a->record = s;
  s->refs++;
  x->plan.gap_us = s->gap_us;
  mock_answer_play(x, a, from);
}

void mock_stored_get(mock_exchange *x, const leat_slice *parts) {
  const char *stream = mock_path_query(x, "stream");
  mock_stored **s = find(x, parts[0]);
  if (!s) return;
  if (stream && strncmp(stream, "true", 4) == 0)
    play_again(x, *s, mock_path_query(x, "starting_after"));
  else
    reply_stored(x, *s);
}

void mock_stored_delete(mock_exchange *x, const leat_slice *parts) {
  char text[120];
  mock_stored **s = find(x, parts[0]);
  if (!s) return;
  int n =
      snprintf(text, sizeof text, "{\"id\":\"resp_%llu\",\"object\":\"response\",\"deleted\":true}",
               (unsigned long long)(*s)->said.serial);
  mock_stored_drop(*s);
  *s = NULL;
  mock_reply_fixed(x, 200, "application/json", NULL, lti_slice(text, (size_t)n));
}

void mock_stored_cancel(mock_exchange *x, const leat_slice *parts) {
  mock_stored **place = find(x, parts[0]);
  if (!place) return;
  mock_stored *s = *place;
  if (!s->said.background) {
    mock_asked_refuse(x, "Only responses made in the background can be cancelled.");
    return;
  }
  if (word_of(s)) { /* what was said by now is all */
    s->said.events = due_of(s);
    s->said.status = "cancelled";
    s->cancelled = true;
  }
  reply_stored(x, s);
}

/* An item with an id in front of its own members. */
static int write_item(const mock_stored *s, uint32_t index, leat_slice item, lti_buf *out) {
  int err = lti_buf_format(out, "%s{\"id\":\"msg_%llu_in_%u\"", index ? "," : "",
                           (unsigned long long)s->said.serial, index);
  if (item.size > 2 && *item.data == '{')
    return err | lti_buf_byte(out, ',') | lti_buf_append(out, lti_slice_from(item, 1));
  err |= lti_buf_text(out,
                      ",\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":"
                      "\"input_text\",\"text\":");
  return err | lti_buf_append(out, item) | lti_buf_text(out, "}]}");
}

static int write_items(const mock_stored *s, lti_buf *out) {
  leat_slice input = lti_slice(s->input, s->input_size), item;
  uint32_t count = 0;
  lti_json r;
  int err = 0;
  if (!input.size) return 0;
  lti_json_init(&r, input);
  if (!lti_json_enter_array(&r)) return write_item(s, 0, input, out);
  while (!err && lti_json_next_value(&r) && lti_json_raw(&r, &item))
    err = write_item(s, count++, item, out);
  return err;
}

void mock_stored_items(mock_exchange *x, const leat_slice *parts) {
  mock_stored **s = find(x, parts[0]);
  lti_buf out;
  if (!s) return;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_buf_text(&out, "{\"object\":\"list\",\"data\":[") | write_items(*s, &out);
  err |= lti_buf_text(&out, "],\"has_more\":false}");
  mock_reply_json(x, err, &out);
  lti_buf_deinit(&out);
}

/* ---- calls beside */

void mock_stored_compact(mock_exchange *x, const leat_slice *parts) {
  leat_slice value;
  uint32_t tokens = mock_asked_tokens(x->body.size);
  lti_buf out;
  (void)parts;
  if (!mock_asked_valid(x)) return;
  if (!lti_json_find(lti_buf_slice(&x->body), "/model", &value)) {
    mock_asked_refuse(x, "model is required");
    return;
  }
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_buf_format(&out,
                           "{\"id\":\"resp_%llu\",\"object\":\"response.compaction\","
                           "\"created_at\":1700000000,\"output\":[{\"id\":\"cmp_%llu\","
                           "\"type\":\"compaction\",\"encrypted_content\":\"",
                           (unsigned long long)x->ordinal, (unsigned long long)x->ordinal);
  err |= mock_base64_content(&out, x->plan.seed, 300);
  err |= lti_buf_format(&out,
                        "\"}],\"usage\":{\"input_tokens\":%u,\"output_tokens\":75,"
                        "\"total_tokens\":%u,\"input_tokens_details\":{\"cached_tokens\":0},"
                        "\"output_tokens_details\":{\"reasoning_tokens\":0}}}",
                        tokens, tokens + 75);
  mock_reply_json(x, err, &out);
  lti_buf_deinit(&out);
}

void mock_stored_count(mock_exchange *x, const leat_slice *parts) {
  lti_buf out;
  (void)parts;
  if (!mock_asked_valid(x)) return;
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  mock_reply_json(x,
                  lti_buf_format(&out, "{\"object\":\"response.input_tokens\",\"input_tokens\":%u}",
                                 mock_asked_tokens(x->body.size)),
                  &out);
  lti_buf_deinit(&out);
}
