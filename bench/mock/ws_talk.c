/* What is said over a socket, path by path: an echo; completions, where each message is a request;
 * responses, where response.create is; and realtime, which has a session and a conversation too.
 * Events of a response are answer.c's, chunks of a completion chat.c's. */
#include <stdio.h>
#include <string.h>

#include "bench/mock/ws.h"
#include "wire/json.h"

#define CLOSE_BINARY 1003
#define PINGS_MAX    1000000u

static leat_slice type_of(leat_slice message) {
  leat_slice type;
  if (!lti_json_find(message, "/type", &type) || type.size < 2) return lti_slice("", 0);
  return lti_slice(type.data + 1, type.size - 2);
}

static void say_session(ws *w, const char *type) {
  const char *url = mock_exchange_url(w->shake), *model = strstr(url, "model=");
  int n = model ? (int)strcspn(model += 6, "&\"\\") : 0;
  ws_send_text(w,
               "{\"type\":\"%s\",\"event_id\":\"event_%u\",\"session\":{\"id\":\"sess_%llu\","
               "\"object\":\"realtime.session\",%s\"model\":\"%.*s\",\"%s\":[\"text\"]}}",
               type, w->serial++, (unsigned long long)w->shake->ordinal,
               w->beta ? "" : "\"type\":\"realtime\",", n > 100 ? 100 : n, n ? model : "",
               w->beta ? "modalities" : "output_modalities");
}

static void say_error(ws *w, const char *code, const char *text) {
  ws_send_text(w,
               "{\"type\":\"error\",\"event_id\":\"event_%u\",\"error\":{\"type\":"
               "\"invalid_request_error\",\"code\":\"%s\",\"message\":\"%s\",\"param\":null}}",
               w->serial++, code, text);
}

/* The item as it came, if it brings an id; else with one of ours. */
static void say_item(ws *w, const char *type, leat_slice item) {
  leat_slice id;
  char own[32];
  lti_buf out;
  snprintf(own, sizeof own, "item_%u", w->taken);
  bool named = lti_json_find(item, "/id", &id);
  lti_buf_init(&out, &w->conn->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = lti_buf_format(&out, "{\"type\":\"%s\",\"event_id\":\"event_%u\",%s\"item\":{", type,
                           w->serial++, w->beta ? "\"previous_item_id\":null," : "");
  if (!named) err |= lti_buf_format(&out, "\"id\":\"%s\",\"status\":\"completed\",", own);
  err |= lti_buf_append(&out, lti_slice_from(item, 1));
  err |= lti_buf_byte(&out, '}');
  if (err)
    mock_conn_drop(w->conn);
  else
    ws_send(w, WS_TEXT, out.data, out.size);
  lti_buf_deinit(&out);
}

static void take_item(ws *w, leat_slice message) {
  leat_slice item;
  if (!lti_json_find(message, "/item", &item) || item.size < 3 || item.data[0] != '{') {
    say_error(w, "missing_required_parameter", "there is no item");
    return;
  }
  say_item(w, w->beta ? "conversation.item.created" : "conversation.item.added", item);
  if (!w->beta) say_item(w, "conversation.item.done", item);
}

static void cancel(ws *w) {
  if (lti_list_empty(&w->turns)) {
    say_error(w, "response_cancel_not_active", "there is no response to cancel");
    return;
  }
  mock_exchange *x = LTI_CONTAINER_OF(w->turns.next, mock_exchange, all);
  if (LTI_CONTAINER_OF(x, ws_turn, x)->begun) mock_answer_cancel(x);
}

static void take_realtime(ws *w, leat_slice message) {
  leat_slice type = type_of(message);
  if (lti_slice_is(type, "response.create"))
    ws_ask(w, message);
  else if (lti_slice_is(type, "conversation.item.create"))
    take_item(w, message);
  else if (lti_slice_is(type, "session.update"))
    say_session(w, "session.updated");
  else if (lti_slice_is(type, "response.cancel"))
    cancel(w);
  else if (!lti_slice_starts(type, "input_audio_buffer.") &&
           !lti_slice_starts(type, "output_audio_buffer."))
    say_error(w, "unknown_event", "this event is not known here");
}

static void take_responses(ws *w, leat_slice message) {
  if (lti_slice_is(type_of(message), "response.create"))
    ws_ask(w, message);
  else
    say_error(w, "unknown_event", "only response.create is known here");
}

void ws_talk_open(ws *w) {
  for (uint32_t i = 0; i < w->script.pings && i < PINGS_MAX; i++) ws_send(w, WS_PING, "mock", 4);
  if (w->path == WS_REALTIME) {
    say_session(w, "session.created");
    if (w->beta)
      ws_send_text(w,
                   "{\"type\":\"conversation.created\",\"event_id\":\"event_%u\",\"conversation\":"
                   "{\"id\":\"conv_1\",\"object\":\"realtime.conversation\"}}",
                   w->serial++);
  }
  if (w->script.close && !w->script.close_after)
    ws_send_close(w, w->script.close, "as the script says");
}

void ws_talk_message(ws *w, enum ws_opcode opcode, leat_slice message) {
  if (w->path == WS_ECHO) {
    ws_send(w, opcode, message.data, message.size);
    return;
  }
  if (opcode != WS_TEXT) {
    ws_send_close(w, CLOSE_BINARY, "only text is understood here");
    return;
  }
  switch (w->path) {
    case WS_CHAT: ws_ask(w, message); return;
    case WS_RESPONSES: take_responses(w, message); return;
    case WS_REALTIME: take_realtime(w, message); return;
    case WS_ECHO: return;
  }
}

void ws_talk_begin(ws *w, ws_turn *turn) {
  mock_exchange *x = &turn->x;
  const mock_faults *f = x->plan.faults;
  mock_ids_begin(x);
  if (x->plan_failed) {
    mock_reply_error(x, 400, "invalid_request_error", "mock", "an x-mock header cannot be read");
    return;
  }
  if (mock_fault_on(f, FAULT_WS_CLOSE) && x->cut_at == MOCK_NEVER) {
    ws_send_close(w, (unsigned)(f->arg[FAULT_WS_CLOSE] % 65536), "gateway_error");
    return;
  }
  if (mock_routes_fault(x)) return;
  if (w->path == WS_CHAT)
    mock_chat_serve(x, false);
  else if (w->path == WS_RESPONSES)
    mock_answer_serve(x, MOCK_RESPONSES);
  else
    mock_answer_serve(x, w->beta ? MOCK_REALTIME_BETA : MOCK_REALTIME);
}

void ws_talk_error(ws *w, leat_slice body) {
  lti_buf out;
  if (w->path == WS_CHAT || !lti_slice_starts(body, "{\"error\":")) {
    ws_send(w, WS_TEXT, body.data, body.size);
    return;
  }
  lti_buf_init(&out, &w->conn->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (lti_buf_format(&out, "{\"type\":\"error\",\"event_id\":\"event_%u\",", w->serial++) ||
      lti_buf_append(&out, lti_slice_from(body, 1)))
    mock_conn_drop(w->conn);
  else
    ws_send(w, WS_TEXT, out.data, out.size);
  lti_buf_deinit(&out);
}
