/* Request bodies of OpenAI's completions.
 *
 * Members come in the order of the table below, and only those that were asked for. Text is escaped
 * and made valid UTF-8; JSON that the caller brings is checked and then sent byte for byte. `extra`
 * joins last; it may not repeat a member that is there, nor "stream", on which the way of reading
 * the answer depends. On failure the buffer is as it was, and `encoded` says why. */
#include <string.h>

#include "openai.h"

/* The members that we write, in this order. */
enum member {
  M_model,
  M_messages,
  M_prompt,
  M_suffix,
  M_stream,
  M_stream_options,
  M_max_tokens,
  M_max_completion_tokens,
  M_temperature,
  M_top_p,
  M_top_k,
  M_n,
  M_stop,
  M_frequency_penalty,
  M_presence_penalty,
  M_seed,
  M_logprobs,
  M_top_logprobs,
  M_tools,
  M_tool_choice,
  M_parallel_tool_calls,
  M_response_format,
  M_reasoning_effort,
  M_service_tier,
  M_user,
  M_store,
  M_metadata,
  M_logit_bias,
  M_best_of,
  M_echo,
  MEMBER_COUNT
};

/* What is said of each is static text, so that it outlives the call. */
#define ROW(name)                                                                 \
  [M_##name] = {#name,                                                            \
                {#name " is not valid JSON", #name " is JSON of the wrong type"}, \
                "extra repeats the member \"" #name "\"",                         \
                #name " is not a finite number"}
static const struct {
  const char *name;
  const char *json[2];
  const char *repeated, *infinite;
} members[] = {
    ROW(model),
    ROW(messages),
    ROW(prompt),
    ROW(suffix),
    ROW(stream),
    ROW(stream_options),
    ROW(max_tokens),
    ROW(max_completion_tokens),
    ROW(temperature),
    ROW(top_p),
    ROW(top_k),
    ROW(n),
    ROW(stop),
    ROW(frequency_penalty),
    ROW(presence_penalty),
    ROW(seed),
    ROW(logprobs),
    ROW(top_logprobs),
    ROW(tools),
    ROW(tool_choice),
    ROW(parallel_tool_calls),
    ROW(response_format),
    ROW(reasoning_effort),
    ROW(service_tier),
    ROW(user),
    ROW(store),
    ROW(metadata),
    ROW(logit_bias),
    ROW(best_of),
    ROW(echo),
};

typedef struct body {
  lti_openai_writer w;
  const leat_chat_request *chat;
  uint64_t written; /* one bit a member */
} body;

static const char *contradiction(const leat_chat_request *chat, bool text_only);
static void write_input(body *b, bool text_only);
static void write_stream(body *b);
static void write_sampling(body *b);
static void write_logprobs(body *b, bool text_only);
static void write_tools(body *b);
static void write_rest(body *b);
static const char *repeats(const void *ctx, lti_json_text key);
static bool asks_usage(leat_slice options);

int lti_openai_write(const leat_chat_request *chat, bool text_only, lti_buf *out,
                     lti_encoded *encoded) {
  body b = {.w = {.out = out, .encoded = encoded}, .chat = chat};
  size_t before = out->size;
  memset(encoded, 0, sizeof *encoded);
  const char *why = contradiction(chat, text_only);
  if (why) {
    encoded->message = why;
    return LEAT_EINVAL;
  }
  lti_openai_open(&b.w, '{');
  write_input(&b, text_only);
  write_stream(&b);
  write_sampling(&b);
  write_logprobs(&b, text_only);
  write_tools(&b);
  write_rest(&b);
  lti_openai_extra(&b.w, chat->extra, repeats, &b);
  lti_openai_close(&b.w, '}');
  if (b.w.error) out->size = before;
  encoded->stream = chat->stream;
  encoded->usage = chat->stream &&
                   (chat->stream_options.size ? asks_usage(chat->stream_options) : !chat->no_usage);
  if (chat->has_n && chat->n > 0 && chat->n <= UINT32_MAX) encoded->choices = (uint32_t)chat->n;
  return b.w.error;
}

/* {"include_usage":true} */
static bool asks_usage(leat_slice options) {
  leat_slice value;
  return lti_json_find(options, "/include_usage", &value) && lti_slice_is(value, "true");
}

int lti_openai_inspect(leat_slice text, lti_encoded *encoded) {
  lti_json r;
  lti_json_text key;
  int64_t count = 0;
  leat_slice options = {NULL, 0};
  memset(encoded, 0, sizeof *encoded);
  if (!lti_json_valid(text, &encoded->offset, &encoded->message)) return LEAT_EJSON;
  lti_json_init(&r, text);
  if (lti_json_peek(&r) != LTI_JSON_OBJECT || !lti_json_enter_object(&r)) {
    encoded->offset = lti_json_offset(&r);
    encoded->message = "the body must be a JSON object";
    return LEAT_EJSON;
  }
  while (lti_json_next_key(&r, &key)) {
    if (lti_json_key_is(key, "stream")) {
      if (!lti_json_bool(&r, &encoded->stream)) encoded->stream = false;
    } else if (lti_json_key_is(key, "stream_options")) {
      lti_json_raw(&r, &options);
    } else if (lti_json_key_is(key, "n")) {
      if (!lti_json_int(&r, &count)) count = 0;
    } else {
      lti_json_skip(&r);
    }
  }
  encoded->usage = encoded->stream && asks_usage(options);
  if (count > 0 && count <= UINT32_MAX) encoded->choices = (uint32_t)count;
  return LTI_OK;
}

/* ---- the writer ------------------------------------------------------------------------------ */

void lti_openai_fail(lti_openai_writer *w, int error, const char *message) {
  if (w->error) return;
  w->error = error;
  w->encoded->message = message;
}

/* The buffer's own failures. */
static void keep(lti_openai_writer *w, int rc) {
  if (rc == LTI_OK) return;
  lti_openai_fail(w, rc, rc == LEAT_ENOMEM ? "no memory for the body" : "the body is too large");
}

static void comma(lti_openai_writer *w) {
  if (w->comma && !w->error) keep(w, lti_buf_byte(w->out, ','));
  w->comma = true;
}

void lti_openai_open(lti_openai_writer *w, char bracket) {
  comma(w);
  if (!w->error) keep(w, lti_buf_byte(w->out, bracket));
  w->comma = false;
}

void lti_openai_close(lti_openai_writer *w, char bracket) {
  if (!w->error) keep(w, lti_buf_byte(w->out, bracket));
  w->comma = true;
}

void lti_openai_name(lti_openai_writer *w, const char *name) {
  comma(w);
  if (!w->error) keep(w, lti_json_write_string(w->out, lti_slice_of(name)));
  if (!w->error) keep(w, lti_buf_byte(w->out, ':'));
  w->comma = false;
}

void lti_openai_literal(lti_openai_writer *w, const char *text) {
  comma(w);
  if (!w->error) keep(w, lti_buf_text(w->out, text));
}

void lti_openai_text(lti_openai_writer *w, leat_slice text) {
  comma(w);
  if (!w->error) keep(w, lti_json_write_string(w->out, text));
}

void lti_openai_member(lti_openai_writer *w, const char *name, const char *text) {
  if (!text) return;
  lti_openai_name(w, name);
  lti_openai_text(w, lti_slice_of(text));
}

void lti_openai_json(lti_openai_writer *w, leat_slice json, enum lti_json_type type,
                     const char *const messages[2]) {
  lti_json r;
  if (w->error) return;
  if (!lti_json_valid(json, &w->encoded->offset, NULL)) {
    lti_openai_fail(w, LEAT_EJSON, messages[0]);
    return;
  }
  lti_json_init(&r, json);
  if (type != LTI_JSON_NONE && lti_json_peek(&r) != type) {
    lti_openai_fail(w, LEAT_EINVAL, messages[1]);
    return;
  }
  comma(w);
  if (!w->error) keep(w, lti_buf_append(w->out, json));
}

void lti_openai_int(lti_openai_writer *w, int64_t value) {
  comma(w);
  if (!w->error) keep(w, lti_buf_i64(w->out, value));
}

void lti_openai_double(lti_openai_writer *w, double value, const char *infinite) {
  comma(w);
  if (w->error) return;
  int rc = lti_json_write_double(w->out, value);
  if (rc == LEAT_EINVAL) lti_openai_fail(w, rc, infinite);
  keep(w, rc);
}

void lti_openai_extra(lti_openai_writer *w, leat_slice extra,
                      const char *(*refuse)(const void *ctx, lti_json_text key), const void *ctx) {
  lti_json r;
  lti_json_text key;
  size_t offset, count = 0;
  if (extra.size == 0 || w->error) return;
  lti_json_init(&r, extra);
  if (!lti_json_valid(extra, &offset, NULL)) {
    w->encoded->offset = offset;
    lti_openai_fail(w, LEAT_EJSON, "extra is not valid JSON");
  } else if (lti_json_peek(&r) != LTI_JSON_OBJECT || !lti_json_enter_object(&r)) {
    lti_openai_fail(w, LEAT_EINVAL, "extra must be a JSON object");
  }
  while (!w->error && lti_json_next_key(&r, &key)) {
    const char *message = refuse(ctx, key);
    if (message) lti_openai_fail(w, LEAT_EINVAL, message);
    lti_json_skip(&r);
    count++;
  }
  if (w->error || count == 0) return;
  /* The members between the braces, as they were written. */
  leat_slice inner = extra;
  while (*inner.data != '{') inner = lti_slice_from(inner, 1);
  inner = lti_slice_from(inner, 1);
  while (inner.data[inner.size - 1] != '}') inner.size--;
  inner.size--;
  comma(w);
  if (!w->error) keep(w, lti_buf_append(w->out, inner));
}

/* ---- members --------------------------------------------------------------------------------- */

static void begin(body *b, enum member m) {
  b->written |= (uint64_t)1 << m;
  lti_openai_name(&b->w, members[m].name);
}

static void write_text(body *b, enum member m, const char *text) {
  if (!text) return;
  begin(b, m);
  lti_openai_text(&b->w, lti_slice_of(text));
}

static void write_bool(body *b, enum member m, bool has, bool value) {
  if (!has) return;
  begin(b, m);
  lti_openai_literal(&b->w, value ? "true" : "false");
}

static void write_int(body *b, enum member m, bool has, int64_t value) {
  if (!has) return;
  begin(b, m);
  lti_openai_int(&b->w, value);
}

static void write_double(body *b, enum member m, bool has, double value) {
  if (!has) return;
  begin(b, m);
  lti_openai_double(&b->w, value, members[m].infinite);
}

static void write_json(body *b, enum member m, leat_slice json, enum lti_json_type type) {
  if (json.size == 0) return;
  begin(b, m);
  lti_openai_json(&b->w, json, type, members[m].json);
}

/* ---- the body -------------------------------------------------------------------------------- */

static const char *contradiction(const leat_chat_request *chat, bool text_only) {
  bool typed = chat->message_count > 0, json = chat->messages_json.size > 0;
  bool prompt = chat->prompt.size > 0, tools = chat->tool_count > 0 || chat->tools_json.size > 0;
  if (text_only && (typed || json)) return "completions take a prompt instead of messages";
  if (text_only && tools) return "completions take no tools";
  if (text_only && !chat->prompt.data) return "the prompt is missing";
  if (!text_only && typed + json + prompt == 0) return "messages are missing";
  if (typed + json + prompt > 1)
    return "only one of messages, messages_json and prompt may be given";
  if (!text_only && chat->suffix.size) return "suffix belongs to completions";
  if (chat->has_reasoning_tokens) return "this dialect has no reasoning_tokens";
  if (chat->tool_count && chat->tools_json.size) return "both tools and tools_json are given";
  if (chat->tool_choice && chat->tool_choice_json.size) {
    return "both tool_choice and tool_choice_json are given";
  }
  return NULL;
}

static void write_input(body *b, bool text_only) {
  const leat_chat_request *chat = b->chat;
  write_text(b, M_model, chat->model);
  if (text_only) {
    begin(b, M_prompt);
    lti_openai_text(&b->w, chat->prompt);
    if (chat->suffix.size == 0) return;
    begin(b, M_suffix);
    lti_openai_text(&b->w, chat->suffix);
  } else if (chat->messages_json.size) {
    write_json(b, M_messages, chat->messages_json, LTI_JSON_ARRAY);
  } else {
    begin(b, M_messages);
    lti_openai_messages(&b->w, chat);
  }
}

static void write_stream(body *b) {
  const leat_chat_request *chat = b->chat;
  write_bool(b, M_stream, chat->stream, true);
  if (chat->stream_options.size) {
    write_json(b, M_stream_options, chat->stream_options, LTI_JSON_OBJECT);
  } else if (chat->stream && !chat->no_usage) {
    begin(b, M_stream_options);
    lti_openai_literal(&b->w, "{\"include_usage\":true}");
  }
}

static void write_sampling(body *b) {
  const leat_chat_request *c = b->chat;
  write_int(b, M_max_tokens, c->has_max_tokens, c->max_tokens);
  write_int(b, M_max_completion_tokens, c->has_max_completion_tokens, c->max_completion_tokens);
  write_double(b, M_temperature, c->has_temperature, c->temperature);
  write_double(b, M_top_p, c->has_top_p, c->top_p);
  write_int(b, M_top_k, c->has_top_k, c->top_k);
  write_int(b, M_n, c->has_n, c->n);
  if (c->stop_count) {
    begin(b, M_stop);
    lti_openai_open(&b->w, '[');
    for (size_t i = 0; i < c->stop_count; i++) {
      if (!c->stop[i]) lti_openai_fail(&b->w, LEAT_EINVAL, "an element of stop is NULL");
      lti_openai_text(&b->w, lti_slice_of(c->stop[i]));
    }
    lti_openai_close(&b->w, ']');
  }
  write_double(b, M_frequency_penalty, c->has_frequency_penalty, c->frequency_penalty);
  write_double(b, M_presence_penalty, c->has_presence_penalty, c->presence_penalty);
  write_int(b, M_seed, c->has_seed, c->seed);
}

/* The older completions have one number: how many alternatives beside the chosen token. */
static void write_logprobs(body *b, bool text_only) {
  const leat_chat_request *chat = b->chat;
  if (!text_only) {
    write_bool(b, M_logprobs, chat->has_logprobs, chat->logprobs);
    write_int(b, M_top_logprobs, chat->has_top_logprobs, chat->top_logprobs);
    return;
  }
  bool wanted = chat->has_top_logprobs || (chat->has_logprobs && chat->logprobs);
  write_int(b, M_logprobs, wanted, chat->has_top_logprobs ? chat->top_logprobs : 0);
}

static bool is_mode(const char *choice) {
  return strcmp(choice, "none") == 0 || strcmp(choice, "auto") == 0 ||
         strcmp(choice, "required") == 0;
}

static void write_tools(body *b) {
  const leat_chat_request *chat = b->chat;
  if (chat->tool_count) {
    begin(b, M_tools);
    lti_openai_tools(&b->w, chat);
  }
  write_json(b, M_tools, chat->tools_json, LTI_JSON_ARRAY);
  write_json(b, M_tool_choice, chat->tool_choice_json, LTI_JSON_NONE);
  if (chat->tool_choice && is_mode(chat->tool_choice)) {
    write_text(b, M_tool_choice, chat->tool_choice);
  } else if (chat->tool_choice) {
    begin(b, M_tool_choice);
    lti_openai_open(&b->w, '{');
    lti_openai_member(&b->w, "type", "function");
    lti_openai_name(&b->w, "function");
    lti_openai_open(&b->w, '{');
    lti_openai_member(&b->w, "name", chat->tool_choice);
    lti_openai_close(&b->w, '}');
    lti_openai_close(&b->w, '}');
  }
  write_bool(b, M_parallel_tool_calls, chat->has_parallel_tool_calls, chat->parallel_tool_calls);
}

static void write_rest(body *b) {
  const leat_chat_request *chat = b->chat;
  write_json(b, M_response_format, chat->response_format, LTI_JSON_OBJECT);
  write_text(b, M_reasoning_effort, chat->reasoning_effort);
  write_text(b, M_service_tier, chat->service_tier);
  write_text(b, M_user, chat->user);
  write_bool(b, M_store, chat->has_store, chat->store);
  write_json(b, M_metadata, chat->metadata, LTI_JSON_OBJECT);
  write_json(b, M_logit_bias, chat->logit_bias, LTI_JSON_OBJECT);
  write_int(b, M_best_of, chat->has_best_of, chat->best_of);
  write_bool(b, M_echo, chat->has_echo, chat->echo);
}

static const char *repeats(const void *ctx, lti_json_text key) {
  const body *b = ctx;
  for (int m = 0; m < MEMBER_COUNT; m++) {
    bool taken = (b->written >> m & 1) || m == M_stream;
    if (taken && lti_json_key_is(key, members[m].name)) return members[m].repeated;
  }
  return NULL;
}
