/* What a request, a task and a configuration have, as tables; and the commands made of them, which
 * carry all they need to the engine's thread and are freed there, or here when they never went. */
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "socket.h"
#include "upload.h"

#define PLAIN(type, field, kind) \
  { #field, kind, offsetof(type, field), LPY_NONE, NULL, 0 }
#define MAYBE(type, field, kind) \
  { #field, kind, offsetof(type, field), offsetof(type, has_##field), NULL, 0 }
#define COUNTED(type, field, count, kind) \
  { #field, kind, offsetof(type, field), offsetof(type, count), NULL, 0 }
#define LISTED(type, field, count, rows, element) \
  { #field, LPY_LIST, offsetof(type, field), offsetof(type, count), rows, sizeof(element) }
#define INSIDE(type, field, rows) \
  { #field, LPY_STRUCT, offsetof(type, field), LPY_NONE, rows, 0 }
#define POINTED(type, field, rows, element) \
  { #field, LPY_STRUCT, offsetof(type, field), LPY_NONE, rows, sizeof(element) }
#define END \
  { NULL, LPY_TEXT, 0, LPY_NONE, NULL, 0 }

static const lpy_field deadline_rows[] = {PLAIN(leat_deadlines, dns_ms, LPY_INT64),
                                          PLAIN(leat_deadlines, connect_ms, LPY_INT64),
                                          PLAIN(leat_deadlines, head_ms, LPY_INT64),
                                          PLAIN(leat_deadlines, first_ms, LPY_INT64),
                                          PLAIN(leat_deadlines, gap_ms, LPY_INT64),
                                          PLAIN(leat_deadlines, idle_ms, LPY_INT64),
                                          PLAIN(leat_deadlines, queue_ms, LPY_INT64),
                                          PLAIN(leat_deadlines, total_ms, LPY_INT64),
                                          END};

static const lpy_field part_rows[] = {PLAIN(leat_part, kind, LPY_INT),
                                      PLAIN(leat_part, text, LPY_SLICE),
                                      PLAIN(leat_part, data, LPY_SLICE),
                                      PLAIN(leat_part, url, LPY_TEXT),
                                      PLAIN(leat_part, detail, LPY_TEXT),
                                      PLAIN(leat_part, format, LPY_TEXT),
                                      PLAIN(leat_part, file_id, LPY_TEXT),
                                      PLAIN(leat_part, filename, LPY_TEXT),
                                      END};

static const lpy_field use_rows[] = {PLAIN(leat_tool_use, id, LPY_TEXT),
                                     PLAIN(leat_tool_use, name, LPY_TEXT),
                                     PLAIN(leat_tool_use, arguments, LPY_SLICE), END};

static const lpy_field message_rows[] = {
    PLAIN(leat_message, role, LPY_TEXT),
    PLAIN(leat_message, name, LPY_TEXT),
    PLAIN(leat_message, text, LPY_SLICE),
    LISTED(leat_message, parts, part_count, part_rows, leat_part),
    LISTED(leat_message, tool_uses, tool_use_count, use_rows, leat_tool_use),
    PLAIN(leat_message, tool_call_id, LPY_TEXT),
    PLAIN(leat_message, reasoning, LPY_SLICE),
    PLAIN(leat_message, signature, LPY_SLICE),
    PLAIN(leat_message, refusal, LPY_SLICE),
    END};

static const lpy_field tool_rows[] = {
    PLAIN(leat_tool, name, LPY_TEXT), PLAIN(leat_tool, description, LPY_TEXT),
    PLAIN(leat_tool, parameters, LPY_SLICE), PLAIN(leat_tool, strict, LPY_BOOL), END};

static const lpy_field chat_rows[] = {
    PLAIN(leat_chat_request, model, LPY_TEXT),
    LISTED(leat_chat_request, messages, message_count, message_rows, leat_message),
    PLAIN(leat_chat_request, prompt, LPY_SLICE),
    PLAIN(leat_chat_request, suffix, LPY_SLICE),
    PLAIN(leat_chat_request, stream, LPY_BOOL),
    PLAIN(leat_chat_request, no_usage, LPY_BOOL),
    MAYBE(leat_chat_request, max_tokens, LPY_INT64),
    MAYBE(leat_chat_request, max_completion_tokens, LPY_INT64),
    MAYBE(leat_chat_request, temperature, LPY_DOUBLE),
    MAYBE(leat_chat_request, top_p, LPY_DOUBLE),
    MAYBE(leat_chat_request, top_k, LPY_INT64),
    MAYBE(leat_chat_request, n, LPY_INT64),
    MAYBE(leat_chat_request, frequency_penalty, LPY_DOUBLE),
    MAYBE(leat_chat_request, presence_penalty, LPY_DOUBLE),
    MAYBE(leat_chat_request, seed, LPY_INT64),
    MAYBE(leat_chat_request, logprobs, LPY_BOOL),
    MAYBE(leat_chat_request, top_logprobs, LPY_INT64),
    MAYBE(leat_chat_request, parallel_tool_calls, LPY_BOOL),
    MAYBE(leat_chat_request, best_of, LPY_INT64),
    MAYBE(leat_chat_request, echo, LPY_BOOL),
    MAYBE(leat_chat_request, store, LPY_BOOL),
    MAYBE(leat_chat_request, reasoning_tokens, LPY_INT64),
    COUNTED(leat_chat_request, stop, stop_count, LPY_TEXTS),
    LISTED(leat_chat_request, tools, tool_count, tool_rows, leat_tool),
    PLAIN(leat_chat_request, tool_choice, LPY_TEXT),
    PLAIN(leat_chat_request, reasoning_effort, LPY_TEXT),
    PLAIN(leat_chat_request, user, LPY_TEXT),
    PLAIN(leat_chat_request, service_tier, LPY_TEXT),
    PLAIN(leat_chat_request, response_format, LPY_SLICE),
    PLAIN(leat_chat_request, tools_json, LPY_SLICE),
    PLAIN(leat_chat_request, tool_choice_json, LPY_SLICE),
    PLAIN(leat_chat_request, messages_json, LPY_SLICE),
    PLAIN(leat_chat_request, logit_bias, LPY_SLICE),
    PLAIN(leat_chat_request, metadata, LPY_SLICE),
    PLAIN(leat_chat_request, stream_options, LPY_SLICE),
    PLAIN(leat_chat_request, extra, LPY_SLICE),
    END};

static const lpy_field source_rows[] = {PLAIN(leat_source, path, LPY_TEXT),
                                        PLAIN(leat_source, size, LPY_INT64), END};

static const lpy_field form_rows[] = {PLAIN(leat_form_field, name, LPY_TEXT),
                                      PLAIN(leat_form_field, value, LPY_SLICE),
                                      POINTED(leat_form_field, source, source_rows, leat_source),
                                      PLAIN(leat_form_field, filename, LPY_TEXT),
                                      PLAIN(leat_form_field, content_type, LPY_TEXT),
                                      END};

static const lpy_field request_rows[] = {
    PLAIN(leat_request, protocol, LPY_TEXT),
    PLAIN(leat_request, base_url, LPY_TEXT),
    PLAIN(leat_request, path, LPY_TEXT),
    PLAIN(leat_request, api_key, LPY_TEXT),
    PLAIN(leat_request, http, LPY_INT),
    COUNTED(leat_request, headers, header_count, LPY_HEADERS),
    INSIDE(leat_request, deadlines, deadline_rows),
    PLAIN(leat_request, retries, LPY_INT),
    PLAIN(leat_request, once, LPY_BOOL),
    PLAIN(leat_request, want_raw, LPY_BOOL),
    POINTED(leat_request, chat, chat_rows, leat_chat_request),
    PLAIN(leat_request, body, LPY_SLICE),
    PLAIN(leat_request, model, LPY_TEXT),
    PLAIN(leat_request, stream, LPY_BOOL),
    PLAIN(leat_request, method, LPY_TEXT),
    PLAIN(leat_request, endpoint, LPY_TEXT),
    COUNTED(leat_request, params, param_count, LPY_PARAMS),
    PLAIN(leat_request, auth, LPY_INT),
    POINTED(leat_request, source, source_rows, leat_source),
    LISTED(leat_request, form, form_count, form_rows, leat_form_field),
    PLAIN(leat_request, lane, LPY_TEXT),
    PLAIN(leat_request, lane_weight, LPY_INT),
    PLAIN(leat_request, priority, LPY_INT),
    PLAIN(leat_request, supersede, LPY_BOOL),
    PLAIN(leat_request, tokens, LPY_INT64),
    END};

static const lpy_field task_rows[] = {PLAIN(leat_task, family, LPY_TEXT),
                                      PLAIN(leat_task, endpoint, LPY_TEXT),
                                      COUNTED(leat_task, params, param_count, LPY_PARAMS),
                                      PLAIN(leat_task, auth, LPY_INT),
                                      PLAIN(leat_task, base_url, LPY_TEXT),
                                      PLAIN(leat_task, api_key, LPY_TEXT),
                                      COUNTED(leat_task, headers, header_count, LPY_HEADERS),
                                      INSIDE(leat_task, deadlines, deadline_rows),
                                      PLAIN(leat_task, retries, LPY_INT),
                                      PLAIN(leat_task, body, LPY_SLICE),
                                      PLAIN(leat_task, model, LPY_TEXT),
                                      PLAIN(leat_task, prompt, LPY_TEXT),
                                      PLAIN(leat_task, task_id, LPY_TEXT),
                                      PLAIN(leat_task, custom_id, LPY_TEXT),
                                      PLAIN(leat_task, resubmit, LPY_BOOL),
                                      PLAIN(leat_task, poll_ms, LPY_INT64),
                                      PLAIN(leat_task, first_poll_ms, LPY_INT64),
                                      PLAIN(leat_task, jitter_percent, LPY_INT),
                                      PLAIN(leat_task, deadline_ms, LPY_INT64),
                                      PLAIN(leat_task, download, LPY_BOOL),
                                      PLAIN(leat_task, file, LPY_TEXT),
                                      END};

static const lpy_field ws_rows[] = {PLAIN(leat_ws, url, LPY_TEXT),
                                    PLAIN(leat_ws, base_url, LPY_TEXT),
                                    PLAIN(leat_ws, protocol, LPY_TEXT),
                                    PLAIN(leat_ws, model, LPY_TEXT),
                                    PLAIN(leat_ws, api_key, LPY_TEXT),
                                    PLAIN(leat_ws, key_in_subprotocol, LPY_BOOL),
                                    PLAIN(leat_ws, subprotocols, LPY_TEXT),
                                    COUNTED(leat_ws, headers, header_count, LPY_HEADERS),
                                    INSIDE(leat_ws, deadlines, deadline_rows),
                                    PLAIN(leat_ws, close_ms, LPY_INT64),
                                    PLAIN(leat_ws, ping_ms, LPY_INT64),
                                    PLAIN(leat_ws, message_bytes_max, LPY_INT64),
                                    END};

static const lpy_field limit_rows[] = {
    PLAIN(leat_limit, model, LPY_TEXT), PLAIN(leat_limit, requests_per_minute, LPY_INT64),
    PLAIN(leat_limit, tokens_per_minute, LPY_INT64), PLAIN(leat_limit, concurrency, LPY_INT), END};

static const lpy_field config_rows[] = {
    PLAIN(leat_config, base_url, LPY_TEXT),
    PLAIN(leat_config, api_key, LPY_TEXT),
    PLAIN(leat_config, protocol, LPY_TEXT),
    COUNTED(leat_config, headers, header_count, LPY_HEADERS),
    INSIDE(leat_config, deadlines, deadline_rows),
    PLAIN(leat_config, retries, LPY_INT),
    PLAIN(leat_config, retry_after_max_ms, LPY_INT64),
    PLAIN(leat_config, redirects, LPY_INT),
    PLAIN(leat_config, auth, LPY_INT),
    PLAIN(leat_config, allow_plain_key, LPY_BOOL),
    PLAIN(leat_config, http, LPY_INT),
    PLAIN(leat_config, proxy, LPY_TEXT),
    PLAIN(leat_config, no_proxy, LPY_TEXT),
    PLAIN(leat_config, coalesce, LPY_BOOL),
    PLAIN(leat_config, conns_max, LPY_INT),
    PLAIN(leat_config, h2_conns_max, LPY_INT),
    PLAIN(leat_config, h2_streams_max, LPY_INT),
    PLAIN(leat_config, h2_stream_window, LPY_INT64),
    PLAIN(leat_config, h2_conn_window, LPY_INT64),
    PLAIN(leat_config, ping_ms, LPY_INT64),
    PLAIN(leat_config, ping_timeout_ms, LPY_INT64),
    PLAIN(leat_config, conn_age_ms, LPY_INT64),
    PLAIN(leat_config, queue_max, LPY_INT),
    PLAIN(leat_config, handshakes_max, LPY_INT),
    PLAIN(leat_config, keep_alive_ms, LPY_INT64),
    PLAIN(leat_config, requests_max, LPY_INT),
    PLAIN(leat_config, event_bytes_max, LPY_INT64),
    PLAIN(leat_config, body_bytes_max, LPY_INT64),
    PLAIN(leat_config, header_bytes_max, LPY_INT64),
    PLAIN(leat_config, held_bytes_max, LPY_INT64),
    PLAIN(leat_config, ca_file, LPY_TEXT),
    PLAIN(leat_config, ca_pem, LPY_SLICE),
    PLAIN(leat_config, insecure, LPY_BOOL),
    PLAIN(leat_config, cert_file, LPY_TEXT),
    PLAIN(leat_config, key_file, LPY_TEXT),
    PLAIN(leat_config, cert_pem, LPY_SLICE),
    PLAIN(leat_config, key_pem, LPY_SLICE),
    PLAIN(leat_config, tls_max, LPY_INT),
    COUNTED(leat_config, resolve, resolve_count, LPY_TEXTS),
    PLAIN(leat_config, learn_limits, LPY_BOOL),
    PLAIN(leat_config, limiter_probe, LPY_INT),
    LISTED(leat_config, limits, limit_count, limit_rows, leat_limit),
    PLAIN(leat_config, retry_budget, LPY_INT),
    PLAIN(leat_config, circuit_failures, LPY_INT),
    PLAIN(leat_config, circuit_ms, LPY_INT64),
    PLAIN(leat_config, polls_per_second, LPY_INT),
    PLAIN(leat_config, journal, LPY_TEXT),
    PLAIN(leat_config, metrics, LPY_BOOL),
    PLAIN(leat_config, rx_timestamps, LPY_BOOL),
    END};

/* ---- commands */

typedef struct submit {
  lpy_command command;
  lpy_cell *cell, *socket; /* socket: a turn's, or NULL */
  lpy_arena arena;
  union {
    leat_request request;
    leat_task task;
    leat_ws ws;
  };
} submit;

void lpy_request_free(lpy_command *command) {
  submit *s = (submit *)command;
  if (s->socket) lpy_cell_drop(s->socket);
  lpy_arena_free(&s->arena);
  free(s);
}

static void settle(lpy_engine *e, submit *s, int r) {
  lpy_cell *cell = s->cell;
  lpy_request_free(&s->command);
  if (r != LEAT_OK) lpy_cell_refuse(cell, r, leat_last_message(e->engine));
}

static void run_request(lpy_engine *e, lpy_command *command) {
  submit *s = (submit *)command;
  if (s->socket && !s->socket->id) { /* 0 would give the turn a socket of its own */
    lpy_cell *cell = s->cell;
    lpy_request_free(command);
    lpy_cell_refuse(cell, LEAT_ENOTFOUND, "the socket of this turn has ended");
    return;
  }
  if (s->socket) s->request.socket = s->socket->id;
  settle(e, s, leat_submit(e->engine, &s->request, &s->cell->id));
}

static void run_task(lpy_engine *e, lpy_command *command) {
  submit *s = (submit *)command;
  settle(e, s, leat_task_start(e->engine, &s->task, &s->cell->id));
}

static void run_socket(lpy_engine *e, lpy_command *command) {
  submit *s = (submit *)command;
  settle(e, s, leat_ws_open(e->engine, &s->ws, &s->cell->id));
}

void lpy_request_on(lpy_command *command, lpy_cell *socket) {
  lpy_cell_keep(socket);
  ((submit *)command)->socket = socket;
}

static submit *new_submit(lpy_cell *cell) {
  submit *s = calloc(1, sizeof *s);
  if (s)
    s->cell = cell;
  else
    PyErr_NoMemory();
  return s;
}

lpy_command *lpy_request_command(PyObject *fields, lpy_cell *cell) {
  submit *s = new_submit(cell);
  if (!s) return NULL;
  s->command.run = run_request;
  leat_request *q = &s->request;
  leat_request_init(q);
  if (!lpy_fields_fill(q, fields, request_rows, &s->arena)) {
    lpy_request_free(&s->command);
    return NULL;
  }
  /* What a row points to was zeroed: an init sets the size, as the header has it. */
  if (q->chat) ((leat_chat_request *)(uintptr_t)q->chat)->struct_size = sizeof *q->chat;
  /* One without a path is fed by the stream, piece by piece. */
  if (q->source && !q->source->path) lpy_upload_source(cell, (leat_source *)(uintptr_t)q->source);
  q->on_event = lpy_cell_on_event;
  q->on_done = lpy_cell_on_done;
  q->user = cell;
  return &s->command;
}

lpy_command *lpy_request_task(PyObject *fields, lpy_cell *cell) {
  submit *s = new_submit(cell);
  if (!s) return NULL;
  s->command.run = run_task;
  leat_task *t = &s->task;
  leat_task_init(t);
  if (!lpy_fields_fill(t, fields, task_rows, &s->arena)) {
    lpy_request_free(&s->command);
    return NULL;
  }
  t->on_update = lpy_cell_on_update;
  t->on_done = lpy_cell_on_task_done;
  if (t->download && !t->file) t->on_content = lpy_cell_on_content;
  t->user = cell;
  return &s->command;
}

lpy_command *lpy_request_socket(PyObject *fields, lpy_cell *cell) {
  submit *s = new_submit(cell);
  if (!s) return NULL;
  s->command.run = run_socket;
  leat_ws_init(&s->ws);
  if (!lpy_fields_fill(&s->ws, fields, ws_rows, &s->arena)) {
    lpy_request_free(&s->command);
    return NULL;
  }
  s->ws.on_event = lpy_socket_on_event;
  s->ws.on_done = lpy_socket_on_done;
  s->ws.user = cell;
  return &s->command;
}

/* ---- the engine */

void lpy_raise(int error, const char *message) {
  lpy_ending ending = {.result = {.error = error, .layer = LEAT_LAYER_API, .retry_after_ms = -1}};
  ending.result.message = (leat_slice){message, strlen(message)};
  PyObject *told = lpy_ending_dict(&ending);
  if (!told) return;
  PyObject *failure = PyObject_CallFunctionObjArgs(lpy_state.makers[LPY_MAKE_ERROR], told, NULL);
  Py_DECREF(told);
  if (!failure) return;
  PyErr_SetObject((PyObject *)Py_TYPE(failure), failure);
  Py_DECREF(failure);
}

leat_engine *lpy_request_open(PyObject *fields) {
  lpy_arena arena = {NULL};
  leat_config config;
  leat_engine *engine = NULL;
  const char *why = NULL;
  leat_config_init(&config);
  if (lpy_fields_fill(&config, fields, config_rows, &arena)) {
    int r = leat_open(&engine, &config, &why);
    if (r != LEAT_OK) lpy_raise(r, why ? why : leat_error_text(r));
  }
  lpy_arena_free(&arena);
  return engine;
}
