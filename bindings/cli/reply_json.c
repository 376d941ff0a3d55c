/* Typed replies as JSON: the members are called as the fields of leat/reply.h, and the array of a
 * group as the group. */
#include "reply_json.h"

#include <math.h>
#include <stdio.h>

#include "event_json.h"

static void put_text(cli_jsonw *w, const char *key, leat_slice text) {
  if (text.size) cli_jsonw_text(w, key, text);
}

/* So many digits that it reads back the same. */
static void put_number(cli_jsonw *w, const char *key, double value, int digits) {
  char text[64];
  if (!isfinite(value)) {
    cli_jsonw_null(w, key);
    return;
  }
  int n = snprintf(text, sizeof text, "%.*g", digits, value);
  cli_jsonw_raw(w, key, lti_slice(text, n > 0 ? (size_t)n : 0));
}

static void put_image(cli_jsonw *w, const leat_image *image) {
  put_text(w, "url", image->url);
  put_text(w, "base64", image->base64);
  put_text(w, "mime_type", image->mime_type);
  put_text(w, "revised_prompt", image->revised_prompt);
}

static void put_embedding(cli_jsonw *w, const leat_embedding *e) {
  cli_jsonw_uint(w, "index", e->index);
  cli_jsonw_open(w, "values", '[');
  for (size_t i = 0; i < e->size; i++) put_number(w, NULL, (double)e->values[i], 9);
  cli_jsonw_close(w, ']');
}

static void put_model(cli_jsonw *w, const leat_model *model) {
  put_text(w, "id", model->id);
  put_text(w, "owned_by", model->owned_by);
  put_text(w, "name", model->name);
  if (model->created) cli_jsonw_int(w, "created", model->created);
}

static void put_moderation(cli_jsonw *w, const leat_moderation *m) {
  cli_jsonw_bool(w, "flagged", m->flagged);
  cli_jsonw_open(w, "categories", '[');
  for (size_t i = 0; i < m->category_count; i++) {
    cli_jsonw_open(w, NULL, '{');
    cli_jsonw_text(w, "name", m->categories[i].name);
    cli_jsonw_bool(w, "flagged", m->categories[i].flagged);
    if (m->categories[i].score >= 0) put_number(w, "score", m->categories[i].score, 17);
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, ']');
}

static void put_rank(cli_jsonw *w, const leat_rank *rank) {
  cli_jsonw_uint(w, "index", rank->index);
  put_number(w, "score", rank->score, 17);
  put_text(w, "document", rank->document);
}

static void put_stored(cli_jsonw *w, const leat_stored *s) {
  put_text(w, "id", s->id);
  put_text(w, "name", s->name);
  put_text(w, "purpose", s->purpose);
  put_text(w, "status", s->status);
  put_text(w, "input_file", s->input_file);
  put_text(w, "output_file", s->output_file);
  put_text(w, "error_file", s->error_file);
  if (s->bytes >= 0) cli_jsonw_int(w, "bytes", s->bytes);
  if (s->created) cli_jsonw_int(w, "created", s->created);
}

static void put_pieces(cli_jsonw *w, const char *key, const leat_transcript_piece *p,
                       size_t count) {
  if (count == 0) return;
  cli_jsonw_open(w, key, '[');
  for (size_t i = 0; i < count; i++) {
    cli_jsonw_open(w, NULL, '{');
    put_number(w, "start_s", p[i].start_s, 12);
    put_number(w, "end_s", p[i].end_s, 12);
    cli_jsonw_text(w, "text", p[i].text);
    put_text(w, "speaker", p[i].speaker);
    cli_jsonw_close(w, '}');
  }
  cli_jsonw_close(w, ']');
}

static void put_transcript(cli_jsonw *w, const leat_transcript *t) {
  cli_jsonw_text(w, "text", t->text);
  put_text(w, "language", t->language);
  if (t->duration_s >= 0) put_number(w, "duration_s", t->duration_s, 12);
  put_pieces(w, "segments", t->segments, t->segment_count);
  put_pieces(w, "words", t->words, t->word_count);
}

static const char *state_name(enum leat_task_state state) {
  switch (state) {
    case LEAT_TASK_SUCCEEDED: return "succeeded";
    case LEAT_TASK_FAILED: return "failed";
    case LEAT_TASK_NEEDS_INPUT: return "needs_input";
    case LEAT_TASK_SUBMITTING:
    case LEAT_TASK_RUNNING:
    case LEAT_TASK_DOWNLOADING: break;
  }
  return "running";
}

static void put_task(cli_jsonw *w, const leat_task_reply *t) {
  cli_jsonw_text(w, "state", lti_slice_of(state_name(t->state)));
  put_text(w, "id", t->id);
  put_text(w, "status", t->status);
  if (t->progress >= 0) cli_jsonw_int(w, "progress", t->progress);
  if (t->not_found) cli_jsonw_bool(w, "not_found", true);
  if (t->busy) cli_jsonw_bool(w, "busy", true);
  cli_jsonw_open(w, "urls", '[');
  for (size_t i = 0; i < t->url_count; i++) cli_jsonw_text(w, NULL, t->urls[i]);
  cli_jsonw_close(w, ']');
  put_text(w, "text", t->text);
  if (t->stem_count) cli_jsonw_open(w, "stems", '[');
  for (size_t i = 0; i < t->stem_count; i++) {
    cli_jsonw_open(w, NULL, '{');
    cli_jsonw_text(w, "name", t->stems[i].name);
    cli_jsonw_text(w, "url", t->stems[i].value);
    cli_jsonw_close(w, '}');
  }
  if (t->stem_count) cli_jsonw_close(w, ']');
  put_pieces(w, "lines", t->lines, t->line_count);
}

static void put_item(cli_jsonw *w, const leat_reply *r, size_t i) {
  cli_jsonw_open(w, NULL, '{');
  switch (r->group) {
    case LEAT_REPLY_IMAGES: put_image(w, &r->images[i]); break;
    case LEAT_REPLY_EMBEDDINGS: put_embedding(w, &r->embeddings[i]); break;
    case LEAT_REPLY_MODELS: put_model(w, &r->models[i]); break;
    case LEAT_REPLY_MODERATION: put_moderation(w, &r->moderations[i]); break;
    case LEAT_REPLY_RERANK: put_rank(w, &r->ranks[i]); break;
    case LEAT_REPLY_FILES:
    case LEAT_REPLY_BATCHES: put_stored(w, &r->stored[i]); break;
    case LEAT_REPLY_NONE:
    case LEAT_REPLY_TRANSCRIPT:
    case LEAT_REPLY_TOKENS:
    case LEAT_REPLY_TASK:
    case LEAT_REPLY_ERROR: break;
  }
  cli_jsonw_close(w, '}');
}

static void put_group(cli_jsonw *w, const leat_reply *r) {
  const char *name = leat_reply_group_name(r->group);
  bool one = r->group == LEAT_REPLY_TRANSCRIPT || r->group == LEAT_REPLY_TASK;
  if (r->group == LEAT_REPLY_NONE || r->group == LEAT_REPLY_ERROR) return;
  if (r->group == LEAT_REPLY_TOKENS) {
    if (r->count) cli_jsonw_int(w, name, r->tokens);
    return;
  }
  if (one && r->count == 0) return;
  cli_jsonw_open(w, name, one ? '{' : '[');
  if (r->group == LEAT_REPLY_TRANSCRIPT) put_transcript(w, r->transcript);
  if (r->group == LEAT_REPLY_TASK) put_task(w, r->task);
  for (size_t i = 0; i < r->count && !one; i++) put_item(w, r, i);
  cli_jsonw_close(w, one ? '}' : ']');
}

static void put_error(cli_jsonw *w, const leat_reply *r) {
  const leat_error_reply *e = &r->error;
  if (!r->has_error) return;
  cli_jsonw_open(w, "error", '{');
  put_text(w, "type", e->type);
  if (e->code_is_number)
    cli_jsonw_raw(w, "code", e->code);
  else
    put_text(w, "code", e->code);
  put_text(w, "message", e->message);
  put_text(w, "param", e->param);
  put_text(w, "request_id", e->request_id);
  cli_jsonw_close(w, '}');
}

void cli_reply_json(cli_jsonw *w, const leat_reply *reply) {
  const leat_usage *u = &reply->usage;
  cli_jsonw_open(w, NULL, '{');
  cli_jsonw_text(w, "group", lti_slice_of(leat_reply_group_name(reply->group)));
  put_text(w, "id", reply->id);
  put_text(w, "model", reply->model);
  if (reply->created) cli_jsonw_int(w, "created", reply->created);
  if (u->input >= 0 || u->output >= 0 || u->total >= 0) cli_event_json_usage(w, u);
  put_group(w, reply);
  put_error(w, reply);
  cli_jsonw_close(w, '}');
}
