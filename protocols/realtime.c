/* OpenAI's Realtime over WebSocket: "realtime" as it is today, "realtime-beta" as it began.
 *
 * A turn is a conversation.item.create for each message, then a response.create that holds what
 * else was asked for. It asks for text alone unless `extra`, which joins the response, says
 * output_modalities (in the beta: modalities). The model stands in the URL.
 *
 * Answers of both kinds are read by one decoder, whichever was asked for, since gateways speak
 * today's handshake and yesterday's event names. Events of the session, of the conversation and of
 * the caller's own sound are passed over (they are there as raw), and so are events of another
 * response than the turn's. An error event ends the turn. */
#include <string.h>

#include "dialects.h"
#include "openai_responses.h"

static void begin_item(lti_openai_writer *w) {
  if (w->out->size) lti_openai_literal(w, "\n");
  w->comma = false;
  lti_openai_open(w, '{');
  lti_openai_member(w, "type", "conversation.item.create");
  lti_openai_name(w, "item");
}

static void end_item(lti_openai_writer *w) {
  lti_openai_close(w, '}');
  w->comma = false;
}

/* What `messages_json` holds are items already. */
static void write_json_items(lti_openai_writer *w, leat_slice items) {
  static const char *const messages[] = {"messages_json is not valid JSON",
                                         "messages_json must be an array of JSON objects"};
  lti_json r;
  leat_slice item;
  if (!lti_json_valid(items, &w->encoded->offset, NULL)) {
    lti_openai_fail(w, LEAT_EJSON, messages[0]);
    return;
  }
  lti_json_init(&r, items);
  if (!lti_json_enter_array(&r)) {
    lti_openai_fail(w, LEAT_EINVAL, messages[1]);
    return;
  }
  while (!w->error && lti_json_next_value(&r) && lti_json_raw(&r, &item)) {
    begin_item(w);
    lti_openai_json(w, item, LTI_JSON_OBJECT, messages);
    end_item(w);
  }
}

static const char *contradiction(const leat_chat_request *c, bool beta) {
  const char *why = lti_openai_input_contradiction(c);
  if (why) return why;
  if (c->has_top_p) return "realtime has no top_p";
  if (c->has_temperature && !beta) return "realtime has no temperature";
  if (c->has_logprobs || c->has_top_logprobs) return "realtime has no logprobs";
  if (c->response_format.size) return "realtime has no response_format";
  if (c->reasoning_effort) return "realtime has no reasoning_effort";
  if (c->service_tier || c->user || c->has_store)
    return "realtime has no service_tier, user, store";
  if (c->has_parallel_tool_calls) return "realtime has no parallel_tool_calls";
  if (c->stream_options.size) return "realtime has no stream_options";
  return NULL;
}

static void write_response(lti_responses_object *o, const leat_chat_request *c, bool beta) {
  const char *modalities = beta ? "modalities" : "output_modalities";
  char pointer[32] = "/";
  leat_slice given;
  memcpy(pointer + 1, modalities, strlen(modalities) + 1);
  lti_openai_open(&o->w, '{');
  if (!c->extra.size || !lti_json_find(c->extra, pointer, &given)) {
    lti_openai_input_name(o, modalities);
    lti_openai_literal(&o->w, "[\"text\"]");
  }
  bool limited = c->has_max_completion_tokens || c->has_max_tokens;
  lti_openai_input_int(o, "max_output_tokens", limited,
                       c->has_max_completion_tokens ? c->max_completion_tokens : c->max_tokens);
  if (c->has_temperature) {
    lti_openai_input_name(o, "temperature");
    lti_openai_double(&o->w, c->temperature, "temperature is not a finite number");
  }
  lti_openai_input_tools(o, c);
  lti_openai_input_json(o, "metadata", c->metadata, LTI_JSON_OBJECT);
  lti_openai_extra(&o->w, c->extra, lti_openai_input_repeats, o);
  lti_openai_close(&o->w, '}');
}

static int encode(const leat_chat_request *chat, bool beta, lti_buf *out, lti_encoded *encoded) {
  lti_responses_object o = {.w = {.out = out, .encoded = encoded}};
  lti_responses_items items = {.w = &o.w,
                               .form = beta ? LTI_ITEMS_REALTIME_BETA : LTI_ITEMS_REALTIME,
                               .before = begin_item,
                               .behind = end_item};
  size_t before = out->size;
  memset(encoded, 0, sizeof *encoded);
  encoded->message = contradiction(chat, beta);
  if (encoded->message) return LEAT_EINVAL;
  if (chat->messages_json.size) {
    write_json_items(&o.w, chat->messages_json);
  } else {
    lti_openai_input_messages(&items, chat);
  }
  lti_openai_literal(&o.w, "\n");
  o.w.comma = false;
  lti_openai_open(&o.w, '{');
  lti_openai_member(&o.w, "type", "response.create");
  lti_openai_name(&o.w, "response");
  write_response(&o, chat, beta);
  lti_openai_close(&o.w, '}');
  if (o.w.error) out->size = before;
  encoded->stream = true;
  return o.w.error;
}

static int encode_now(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  return encode(chat, false, out, encoded);
}

static int encode_beta(const leat_chat_request *chat, lti_buf *out, lti_encoded *encoded) {
  return encode(chat, true, out, encoded);
}

/* Events that make the model speak: the last two where the server listens for pauses. */
static bool is_question(leat_slice type) {
  return lti_slice_is(type, "\"response.create\"") ||
         lti_slice_is(type, "\"input_audio_buffer.append\"") ||
         lti_slice_is(type, "\"input_audio_buffer.commit\"");
}

/* Events, one behind the other, of which one asks. */
static int inspect(leat_slice body, lti_encoded *encoded) {
  leat_slice rest = body, frame, type;
  bool asks = false;
  *encoded = (lti_encoded){.stream = true};
  while (lti_protocol_frame(&rest, &frame)) {
    if (!lti_json_valid(frame, &encoded->offset, &encoded->message)) {
      encoded->offset += (size_t)(frame.data - body.data);
      return LEAT_EJSON;
    }
    if (!lti_json_find(frame, "/type", &type) || *type.data != '"') {
      encoded->message = "each event needs a \"type\"";
      return LEAT_EINVAL;
    }
    asks |= is_question(type);
  }
  if (asks) return LTI_OK;
  encoded->message = "no event asks for a response";
  return LEAT_EINVAL;
}

static void begin(void *decoder, const lti_protocol_turn *turn) {
  lti_responses *d = decoder;
  lti_openai_responses_begin(d, turn);
  d->strict = true;
}

static int body(void *decoder, leat_slice frames, lti_emit *emit) {
  return lti_frames_body(lti_openai_responses_record, decoder, frames, emit);
}

#define REALTIME(called, how, writer)                                                         \
  {                                                                                           \
    .name = called, .path = "/realtime", .end_marker = "response.done", .socket = how,        \
    .encode = writer, .inspect = inspect, .decoder_size = sizeof(lti_responses),              \
    .decoder_init = lti_openai_responses_init, .decoder_deinit = lti_openai_responses_deinit, \
    .record = lti_openai_responses_record, .stray = lti_openai_stray, .body = body,           \
    .flush = lti_openai_responses_flush, .verdict = lti_openai_verdict,                       \
    .response = lti_openai_response, .begin = begin,                                          \
  }

static const lti_protocol_socket now = {
    .key_subprotocol = "openai-insecure-api-key.",
    .subprotocols = "realtime",
    .model_query = "model",
};
static const lti_protocol_socket then = {
    .key_subprotocol = "openai-insecure-api-key.",
    .subprotocols = "realtime, openai-beta.realtime-v1",
    .model_query = "model",
    .header = "OpenAI-Beta",
    .value = "realtime=v1",
};

const lti_protocol lti_realtime = REALTIME("realtime", &now, encode_now);
const lti_protocol lti_realtime_beta = REALTIME("realtime-beta", &then, encode_beta);
