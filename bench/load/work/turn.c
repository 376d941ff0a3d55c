/* One turn as a request: see work.h. Its question is found or made, filled into a prompt's template
 * if there is one, and carried as a chat, as token ids or in a body. Everything is written into the
 * hand's buffers, which are as large as they need to be after a few requests. */
#include "wire/json.h"
#include "work_inside.h"

#define LENGTH_SPICE UINT64_C(0x4c656e67746873) /* lengths follow from other numbers than words */

/* What is drawn for a turn, in this order whatever is used of it. */
typedef struct lot {
  int64_t input, output; /* -1: not asked for */
} lot;

static lot draw(const work_talk *t) {
  const work *w = t->hand->work;
  lti_prng chance;
  lot l = {t->input_tokens, t->output_tokens};
  if (w->input.sd > 0 || w->output.sd > 0)
    lti_prng_seed(&chance, draw_mix(draw_mix(w->seed ^ LENGTH_SPICE, t->index), t->turn));
  if (w->input.mean > 0 && l.input < 0) l.input = draw_length_one(&w->input, &chance);
  if (w->output.mean > 0 && l.output < 0) l.output = draw_length_one(&w->output, &chance);
  if (l.output < 0 && w->rows) l.output = t->row.output_tokens;
  return l;
}

/* --- the question --- */

static int make_prompt(work_talk *t, int64_t tokens, lti_buf *out) {
  const work *w = t->hand->work;
  prompts_wish wish = {
      .index = t->index, .turn = t->turn, .tokens = tokens > 0 ? tokens : 1, .blocks = t->blocks};
  return prompts_write(&w->prompts, &wish, out);
}

/* Into `out`, or a view of what all have. */
static int find_question(work_talk *t, int64_t tokens, lti_buf *out, leat_slice *question) {
  work_hand *h = t->hand;
  const work *w = h->work;
  int r = LEAT_OK;
  lti_buf_clear(out);
  switch (w->source) {
    case SOURCE_FIXED: *question = lti_buf_slice(&w->compose.text); return LEAT_OK;
    case SOURCE_MADE: r = make_prompt(t, tokens, out); break;
    case SOURCE_ROWS: r = dataset_question(w->rows, &t->row, t->turn, &h->scratch, out); break;
  }
  *question = lti_buf_slice(out);
  return r;
}

static stencil_fill fill_of(const work_talk *t, leat_slice prompt) {
  return (stencil_fill){
      .seed = t->hand->work->seed, .index = t->index, .turn = t->turn, .prompt = prompt};
}

/* The question as it is asked: --prompt's template may be around it. */
static int ask(work_talk *t, int64_t tokens, leat_slice *question) {
  work_hand *h = t->hand;
  const work *w = h->work;
  if (!w->prompt) return find_question(t, tokens, &h->question, question);
  leat_slice inner = lti_slice(NULL, 0);
  int r = stencil_has_prompt(w->prompt) ? find_question(t, tokens, &h->inner, &inner) : LEAT_OK;
  stencil_fill fill = fill_of(t, inner);
  lti_buf_clear(&h->question);
  if (r == LEAT_OK) r = stencil_write(w->prompt, &fill, &h->question);
  *question = lti_buf_slice(&h->question);
  return r;
}

/* --- chats --- */

/* What the system says: an option, or the conversation itself. */
static int find_system(work_talk *t, leat_slice *system) {
  work_hand *h = t->hand;
  const char *option = h->work->options->system;
  *system = lti_slice_of(option);
  if (option || h->work->source != SOURCE_ROWS) return LEAT_OK;
  lti_buf_clear(&h->system);
  int r = dataset_system(h->work->rows, &t->row, &h->scratch, &h->system);
  *system = lti_buf_slice(&h->system);
  return r;
}

/* The system's words, all that was said, and the question. */
static int put_messages(work_talk *t, leat_slice question, leat_chat_request *chat) {
  work_hand *h = t->hand;
  leat_slice system;
  size_t n = 0;
  bool remembers = aim_remembers(h->work->aim.dialect);
  int r = find_system(t, &system);
  if (r != LEAT_OK) return r;
  if (system.size && !(remembers && t->turn > 0))
    h->messages[n++] = (leat_message){.role = "system", .text = system};
  if (t->turns > 1 && !remembers) {
    r = talk_ask(&t->history, question);
    if (r == LEAT_OK) n += talk_messages(&t->history, h->messages + n);
  } else if (n > 0) {
    h->messages[n++] = (leat_message){.role = "user", .text = question};
  }
  chat->prompt = n > 0 ? lti_slice(NULL, 0) : question;
  chat->messages = n > 0 ? h->messages : NULL;
  chat->message_count = n;
  return r;
}

/* Completions know no messages: what was said is one text. */
static int put_completion(work_talk *t, leat_slice question, leat_chat_request *chat) {
  work_hand *h = t->hand;
  chat->prompt = question;
  if (t->turns == 1) return LEAT_OK;
  int r = talk_ask(&t->history, question);
  lti_buf_clear(&h->body);
  if (r == LEAT_OK) r = talk_prompt(&t->history, &h->body);
  chat->prompt = lti_buf_slice(&h->body);
  return r;
}

static int make_chat(work_talk *t, const lot *l, work_item *item) {
  work_hand *h = t->hand;
  const work *w = h->work;
  leat_slice question;
  int r = LEAT_OK;
  h->chat = w->compose.chat;
  h->chat.messages = NULL;
  h->chat.message_count = 0;
  if (l->output > 0) {
    h->chat.has_max_tokens = true;
    h->chat.max_tokens = l->output;
  }
  if (w->source == SOURCE_ROWS && dataset_kind(w->rows) == DATASET_MESSAGES) {
    h->chat.prompt = lti_slice(NULL, 0);
    h->chat.messages_json = t->row.content;
  } else {
    r = ask(t, l->input, &question);
    if (r == LEAT_OK)
      r = strcmp(w->aim.dialect, "openai-completions") == 0 ? put_completion(t, question, &h->chat)
                                                            : put_messages(t, question, &h->chat);
  }
  item->request.chat = &h->chat;
  item->wants_answer = t->turn + 1 < t->turns && !aim_remembers(w->aim.dialect);
  item->keeps_socket = t->turns > 1 && aim_is_socket(w->aim.dialect);
  return r;
}

/* --- bodies --- */

static int make_ids(work_talk *t, const lot *l, work_item *item) {
  work_hand *h = t->hand;
  const work *w = h->work;
  lti_buf_clear(&h->body);
  int r = lti_buf_append(&h->body, lti_buf_slice(&w->ids_head));
  if (r == LEAT_OK) r = make_prompt(t, l->input, &h->body);
  if (r == LEAT_OK) r = lti_buf_append(&h->body, lti_buf_slice(&w->ids_tail));
  if (r == LEAT_OK && l->output > 0) r = lti_buf_text(&h->body, ",\"max_tokens\":");
  if (r == LEAT_OK && l->output > 0) r = lti_buf_i64(&h->body, l->output);
  if (r == LEAT_OK) r = lti_buf_byte(&h->body, '}');
  item->request.body = lti_buf_slice(&h->body);
  return r;
}

/* A row that named its endpoint goes there, and what is amended is as that endpoint's dialect says
 * it. */
static void aim_row(const work_talk *t, work_item *item, amend *a) {
  const work *w = t->hand->work;
  const leat_endpoint *row = t->row.endpoint;
  if (!row) return;
  aim_words words = aim_words_of(row->protocol);
  if (!words.stream) a->stream = AMEND_STREAM_KEEP;
  a->usage = words.usage && a->stream == AMEND_STREAM_ON && !w->options->no_usage;
  a->limit_name = words.limit;
  item->kind = aim_is_task(row) ? WORK_TASK : WORK_REQUEST;
  item->request.endpoint = item->task.endpoint = row->name;
}

static int fill_body(work_talk *t, const lot *l, leat_slice *body) {
  work_hand *h = t->hand;
  const work *w = h->work;
  leat_slice question = lti_slice(NULL, 0);
  if (!w->body) {
    *body = t->row.content;
    return LEAT_OK;
  }
  int r = stencil_has_prompt(w->body) ? ask(t, l->input, &question) : LEAT_OK;
  stencil_fill fill = fill_of(t, question);
  lti_buf_clear(&h->body);
  if (r == LEAT_OK) r = stencil_write(w->body, &fill, &h->body);
  *body = lti_buf_slice(&h->body);
  return r;
}

static int make_body(work_talk *t, const lot *l, work_item *item) {
  work_hand *h = t->hand;
  amend a = h->work->amend;
  leat_slice body;
  int r = fill_body(t, l, &body);
  aim_row(t, item, &a);
  if (l->output > 0) a.max_tokens = l->output;
  if (r == LEAT_OK && amend_needed(&a)) {
    lti_buf_clear(&h->amended);
    r = amend_write(&a, body, &h->amended);
    body = lti_buf_slice(&h->amended);
  }
  item->request.body = item->task.body = body;
  return r;
}

/* --- the whole --- */

static int put_headers(work_talk *t, work_item *item) {
  work_hand *h = t->hand;
  const work *w = h->work;
  stencil_fill fill = fill_of(t, lti_slice(NULL, 0));
  size_t from = 0;
  int r = LEAT_OK;
  lti_buf_clear(&h->field_text);
  for (size_t i = 0; r == LEAT_OK && i < w->field_count; i++) {
    r = stencil_write(w->fields[i].value, &fill, &h->field_text);
    h->headers[i] = (leat_header){w->fields[i].name, {NULL, h->field_text.size - from}};
    from = h->field_text.size;
  }
  /* The buffer stays where it is only now. */
  for (size_t i = 0, at = 0; r == LEAT_OK && i < w->field_count; i++) {
    h->headers[i].value.data = h->field_text.data + at;
    at += h->headers[i].value.size;
  }
  item->request.headers = item->task.headers = h->headers;
  item->request.header_count = item->task.header_count = w->field_count;
  return r;
}

int turn_make(work_talk *t, work_item *item) {
  const work *w = t->hand->work;
  lot l = draw(t);
  int r = LEAT_OK;
  *item = (work_item){.kind = w->aim.task ? WORK_TASK : WORK_REQUEST,
                      .request = w->request,
                      .task = w->task,
                      .turn = t->turn,
                      .input_wanted = -1,
                      .output_wanted = l.output};
  if (w->source == SOURCE_MADE && t->turn == 0 && !w->prompt) item->input_wanted = l.input;
  switch (w->carrier) {
    case CARRIER_SAME: break;
    case CARRIER_CHAT: r = make_chat(t, &l, item); break;
    case CARRIER_IDS: r = make_ids(t, &l, item); break;
    case CARRIER_BODY: r = make_body(t, &l, item); break;
  }
  if (r == LEAT_OK && w->field_count) r = put_headers(t, item);
  return r;
}
