/* The JSON of completions. An event is the stream's constant prefix, a few literals and the piece's
 * wire form, copied one behind the other: nothing is formatted or escaped per event.
 *
 *     data: {"id":"chatcmpl-6c656174","object":"chat.completion.chunk","created":1700000000,
 *            "model":"gpt","choices":[{"index":0,"delta":{"content":"..."},"finish_reason":null}]}
 *
 * Event k belongs to lane k mod lanes and is piece k div lanes of that lane's text. A lane is a
 * choice, or one tool call of a choice; a tool's arguments are {"text":"..."} with the pieces' wire
 * forms inside, so escaped twice on the wire. */
#include "bench/mock/wording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/text.h"
#include "wire/json.h"

#define LITERAL(out, text) append((out), (text), sizeof(text) - 1)

static char *append(char *out, const char *text, size_t size) {
  memcpy(out, text, size);
  return out + size;
}

static char *append_text(char *out, const char *text) {
  return append(out, text, strlen(text));
}

static char *append_number(char *out, uint64_t value) {
  char digits[20];
  size_t n = sizeof digits;
  do {
    digits[--n] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  return append(out, digits + n, sizeof digits - n);
}

static void copy_raw(char *to, size_t cap, lti_json_text text) {
  if (text.raw.size >= cap) return;
  memcpy(to, text.raw.data, text.raw.size);
  to[text.raw.size] = '\0';
}

static uint32_t clamp_count(int64_t value, uint32_t most) {
  return value < 0 ? 0 : value > (int64_t)most ? most : (uint32_t)value;
}

static void read_options(mock_ask *ask, lti_json *r) {
  lti_json_text key;
  if (!lti_json_enter_object(r)) return;
  while (lti_json_next_key(r, &key)) {
    if (lti_json_key_is(key, "include_usage"))
      lti_json_bool(r, &ask->usage);
    else
      lti_json_skip(r);
  }
}

/* tools[].function.name of the first few. */
static void read_tools(mock_ask *ask, lti_json *r) {
  leat_slice tool, name;
  if (!lti_json_enter_array(r)) return;
  while (lti_json_next_value(r)) {
    if (!lti_json_raw(r, &tool)) return;
    if (ask->calls == MOCK_CALLS_MAX || !lti_json_find(tool, "/function/name", &name)) continue;
    if (name.size < 3 || name.data[0] != '"' || name.size - 2 >= sizeof ask->words->calls[0])
      continue;
    lti_json_text text = {lti_slice(name.data + 1, name.size - 2), false, false};
    copy_raw(ask->words->calls[ask->calls++], sizeof ask->words->calls[0], text);
  }
}

/* A prompt of token ids says itself how long it is. */
static void read_ids(mock_ask *ask, lti_json *r) {
  int64_t id;
  uint32_t count = 0;
  bool all = lti_json_peek(r) == LTI_JSON_ARRAY;
  if (!all || !lti_json_enter_array(r)) return;
  while (lti_json_next_value(r)) {
    all &= lti_json_int(r, &id);
    count++;
  }
  if (all) ask->prompt_tokens = count;
}

static void read_field(mock_ask *ask, lti_json *r, lti_json_text key, bool *parallel) {
  int64_t number;
  lti_json_text text;
  if (lti_json_key_is(key, "seed")) {
    if (lti_json_int(r, &number)) ask->seed = (uint64_t)number;
  } else if (lti_json_key_is(key, "max_tokens") || lti_json_key_is(key, "max_completion_tokens")) {
    if (lti_json_int(r, &number)) ask->events = clamp_count(number, 1000000000u);
  } else if (lti_json_key_is(key, "n")) {
    if (lti_json_int(r, &number)) ask->choices = clamp_count(number, MOCK_CHOICES_MAX);
  } else if (lti_json_key_is(key, "stream")) {
    ask->stream_named = lti_json_bool(r, &ask->stream);
  } else if (lti_json_key_is(key, "parallel_tool_calls")) {
    lti_json_bool(r, parallel);
  } else if (lti_json_key_is(key, "stream_options")) {
    read_options(ask, r);
  } else if (ask->legacy && lti_json_key_is(key, "prompt")) {
    read_ids(ask, r);
  } else if (lti_json_key_is(key, "tools")) {
    read_tools(ask, r);
  } else if (lti_json_key_is(key, "model")) {
    if (lti_json_string(r, &text)) copy_raw(ask->words->model, sizeof ask->words->model, text);
  } else {
    lti_json_skip(r);
  }
}

bool mock_ask_read(mock_ask *ask, leat_slice body, size_t *offset) {
  lti_json r;
  lti_json_text key;
  leat_slice choice;
  bool parallel = true;
  lti_json_init(&r, body);
  if (lti_json_enter_object(&r))
    while (lti_json_next_key(&r, &key)) read_field(ask, &r, key, &parallel);
  *offset = lti_json_offset(&r);
  if (lti_json_failed(&r) || !lti_json_at_end(&r)) return false;
  if (lti_json_find(body, "/tool_choice", &choice) && lti_slice_is(choice, "\"none\""))
    ask->calls = 0;
  if (!parallel && ask->calls > 1) ask->calls = 1;
  return true;
}

bool mock_ask_init(mock_ask *a) {
  a->words = calloc(1, sizeof *a->words);
  return a->words != NULL;
}

void mock_ask_deinit(mock_ask *a) {
  free(a->words);
  free(a->prefix);
}

void mock_ask_slim(mock_ask *a) {
  if (a->calls) return;
  free(a->words);
  a->words = NULL;
}

bool mock_ask_settle(mock_ask *a) {
  char text[MOCK_PREFIX_MAX];
  if (a->choices == 0) a->choices = 1;
  if (a->legacy) a->calls = 0;
  int n = snprintf(text, sizeof text,
                   "data: {\"id\":\"%s-%08llx\",\"object\":\"%s\",\"created\":1700000000,"
                   "\"model\":\"%s\",\"choices\":[",
                   a->legacy ? "cmpl" : "chatcmpl", (unsigned long long)a->serial,
                   a->legacy    ? "text_completion"
                   : a->message ? "chat.completion"
                                : "chat.completion.chunk",
                   a->words->model);
  a->prefix_size = (size_t)n;
  a->prefix = malloc(a->prefix_size);
  if (a->prefix) memcpy(a->prefix, text, a->prefix_size);
  return a->prefix != NULL;
}

size_t mock_ask_event_max(const mock_ask *a) {
  return MOCK_PREFIX_MAX + 640 + 2 * MOCK_TEXT_JSON_MAX(a->bytes ? a->bytes : MOCK_TEXT_PIECE_MAX);
}

/* Behind the choices: what every event ends with. */
static char *append_end(const mock_ask *a, uint64_t now_ns, char *at) {
  at = LITERAL(at, "]");
  if (a->usage) at = LITERAL(at, ",\"usage\":null");
  if (a->stamp && now_ns) {
    at = LITERAL(at, ",\"mock_ns\":");
    at = append_number(at, now_ns);
  }
  at = LITERAL(at, "}");
  at = append_text(at, a->eol);
  return append_text(at, a->eol);
}

/* The wire form once more inside a JSON string. Writes from the end of the room it was given. */
static char *escape_again(char *at, const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '"' || text[i] == '\\') *at++ = '\\';
    *at++ = text[i];
  }
  return at;
}

static char *append_call(const mock_ask *a, uint32_t call, uint32_t index, uint64_t seed,
                         char *at) {
  at = LITERAL(at, "\"tool_calls\":[{\"index\":");
  at = append_number(at, call);
  if (index == 0) {
    at = LITERAL(at, ",\"id\":\"call_");
    at = append_number(at, seed % 1000000007u);
    at = LITERAL(at, "\",\"type\":\"function\",\"function\":{\"name\":\"");
    at = append_text(at, a->words->calls[call]);
    at = LITERAL(at, "\",\"arguments\":\"{\\\"text\\\":\\\"");
  } else {
    at = LITERAL(at, ",\"function\":{\"arguments\":\"");
  }
  /* The plain wire form is put where it cannot be overtaken by its escaped copy. */
  size_t room = MOCK_TEXT_JSON_MAX(a->bytes ? a->bytes : MOCK_TEXT_PIECE_MAX);
  char *plain = at + room;
  size_t size = mock_text_json(seed, index, a->bytes, plain, room);
  at = escape_again(at, plain, size);
  if (index + 1 == a->events) at = LITERAL(at, "\\\"}");
  return LITERAL(at, "\"}}]");
}

static char *append_delta(const mock_ask *a, uint32_t lane, uint32_t index, char *at) {
  uint64_t seed = mock_text_lane(a->seed, lane);
  uint32_t per = a->calls ? a->calls : 1;
  at = LITERAL(at, "{\"index\":");
  at = append_number(at, lane / per);
  at = append_text(at, a->message ? ",\"message\":{" : ",\"delta\":{");
  if (index == 0 && lane % per == 0) at = LITERAL(at, "\"role\":\"assistant\",");
  if (a->calls) {
    at = append_call(a, lane % per, index, seed, at);
  } else {
    if (index < a->reasoning)
      at = LITERAL(at, "\"reasoning_content\":\"");
    else
      at = LITERAL(at, "\"content\":\"");
    at += mock_text_json(seed, index, a->bytes, at, SIZE_MAX);
    at = LITERAL(at, "\"");
  }
  return LITERAL(at, "},\"finish_reason\":null}");
}

size_t mock_ask_event(const mock_ask *a, uint64_t k, uint64_t now_ns, char *out) {
  uint32_t lanes = mock_ask_lanes(a);
  uint32_t lane = (uint32_t)(k % lanes), index = (uint32_t)(k / lanes);
  char *at = append(out, a->prefix, a->prefix_size);
  if (a->legacy) {
    at = LITERAL(at, "{\"text\":\"");
    at += mock_text_json(mock_text_lane(a->seed, lane), index, a->bytes, at, SIZE_MAX);
    at = LITERAL(at, "\",\"index\":");
    at = append_number(at, lane);
    at = LITERAL(at, ",\"logprobs\":null,\"finish_reason\":null}");
  } else {
    at = append_delta(a, lane, index, at);
  }
  return (size_t)(append_end(a, now_ns, at) - out);
}

size_t mock_ask_open(const mock_ask *a, char *out) {
  char *at = append(out, a->prefix, a->prefix_size);
  if (a->legacy)
    at = LITERAL(at, "{\"index\":0,\"text\":\"");
  else
    at = LITERAL(at, "{\"index\":0,\"delta\":{\"content\":\"");
  return (size_t)(at - out);
}

size_t mock_ask_shut(const mock_ask *a, char *out) {
  char *at = a->legacy ? LITERAL(out, "\",\"finish_reason\":null}")
                       : LITERAL(out, "\"},\"finish_reason\":null}");
  return (size_t)(append_end(a, 0, at) - out);
}

static const char *finish_of(const mock_ask *a) {
  return a->calls && strcmp(a->finish, "stop") == 0 ? "tool_calls" : a->finish;
}

size_t mock_ask_finish(const mock_ask *a, uint32_t choice, char *out) {
  char *at = append(out, a->prefix, a->prefix_size);
  at = LITERAL(at, "{\"index\":");
  at = append_number(at, choice);
  if (a->legacy)
    at = LITERAL(at, ",\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"");
  else
    at = append_text(at, a->message ? ",\"message\":{},\"finish_reason\":\""
                                    : ",\"delta\":{},\"finish_reason\":\"");
  at = append_text(at, finish_of(a));
  at = LITERAL(at, "\"}");
  return (size_t)(append_end(a, 0, at) - out);
}

static int write_usage(const mock_ask *a, char *out, size_t cap) {
  unsigned long long said = mock_ask_total(a);
  unsigned long long thought =
      a->calls || a->legacy ? 0 : (unsigned long long)a->reasoning * a->choices;
  if (thought > said) thought = said;
  return snprintf(out, cap,
                  "{\"prompt_tokens\":%u,\"completion_tokens\":%llu,\"total_tokens\":%llu,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":0},"
                  "\"completion_tokens_details\":{\"reasoning_tokens\":%llu}}",
                  a->prompt_tokens, said, said + a->prompt_tokens, thought);
}

size_t mock_ask_usage(const mock_ask *a, char *out) {
  char *at = append(out, a->prefix, a->prefix_size);
  at = LITERAL(at, "],\"usage\":");
  at += write_usage(a, at, 400);
  at = LITERAL(at, "}");
  at = append_text(at, a->eol);
  return (size_t)(append_text(at, a->eol) - out);
}

/* Pieces [from, to) of a lane in their wire form, `twice` escaped for a tool's arguments. */
static int append_pieces(const mock_ask *a, lti_buf *out, uint32_t lane, uint32_t from,
                         bool reasoning) {
  size_t room = MOCK_TEXT_JSON_MAX(a->bytes ? a->bytes : MOCK_TEXT_PIECE_MAX);
  uint32_t to = reasoning && a->reasoning < a->events ? a->reasoning : a->events;
  uint64_t seed = mock_text_lane(a->seed, lane);
  for (uint32_t i = from; i < to; i++) {
    int err = lti_buf_reserve(out, 3 * room);
    if (err) return err;
    char *at = out->data + out->size;
    if (!a->calls) {
      out->size += mock_text_json(seed, i, a->bytes, at, room);
      continue;
    }
    size_t size = mock_text_json(seed, i, a->bytes, at + 2 * room, room);
    out->size += (size_t)(escape_again(at, at + 2 * room, size) - at);
  }
  return 0;
}

static int append_calls(const mock_ask *a, lti_buf *out, uint32_t choice) {
  int err = lti_buf_text(out, "\"content\":null,\"tool_calls\":[");
  for (uint32_t t = 0; t < a->calls && !err; t++) {
    uint32_t lane = choice * a->calls + t;
    err = lti_buf_format(out,
                         "%s{\"id\":\"call_%llu\",\"type\":\"function\",\"function\":{\"name\":"
                         "\"%s\",\"arguments\":\"{\\\"text\\\":\\\"",
                         t ? "," : "",
                         (unsigned long long)(mock_text_lane(a->seed, lane) % 1000000007u),
                         a->words->calls[t]);
    if (!err) err = append_pieces(a, out, lane, 0, false);
    if (!err) err = lti_buf_text(out, "\\\"}\"}}");
  }
  return err ? err : lti_buf_text(out, "]");
}

static int append_choice(const mock_ask *a, lti_buf *out, uint32_t choice) {
  int err = lti_buf_format(out, "%s{\"index\":%u,", choice ? "," : "", choice);
  if (a->legacy) {
    err |= lti_buf_text(out, "\"text\":\"");
    err |= append_pieces(a, out, choice, 0, false);
    err |= lti_buf_text(out, "\",\"logprobs\":null");
  } else {
    err |= lti_buf_text(out, "\"message\":{\"role\":\"assistant\",");
    if (a->calls) {
      err |= append_calls(a, out, choice);
    } else {
      if (a->reasoning) {
        err |= lti_buf_text(out, "\"reasoning_content\":\"");
        err |= append_pieces(a, out, choice, 0, true);
        err |= lti_buf_text(out, "\",");
      }
      err |= lti_buf_text(out, "\"content\":\"");
      err |= append_pieces(a, out, choice, a->reasoning, false);
      err |= lti_buf_text(out, "\"");
    }
    err |= lti_buf_text(out, "}");
  }
  return err | lti_buf_format(out, ",\"finish_reason\":\"%s\"}", finish_of(a));
}

int mock_ask_whole(const mock_ask *a, lti_buf *out) {
  char usage[400];
  int err = lti_buf_format(out,
                           "{\"id\":\"%s-%08llx\",\"object\":\"%s\",\"created\":1700000000,"
                           "\"model\":\"%s\",\"choices\":[",
                           a->legacy ? "cmpl" : "chatcmpl", (unsigned long long)a->serial,
                           a->legacy ? "text_completion" : "chat.completion", a->words->model);
  for (uint32_t c = 0; c < a->choices && !err; c++) err = append_choice(a, out, c);
  write_usage(a, usage, sizeof usage);
  if (!err) err = lti_buf_format(out, "],\"usage\":%s}", usage);
  return err;
}
