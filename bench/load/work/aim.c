/* Where requests go: see aim.h. What an endpoint cannot be used for is said here, with what can be
 * done instead. */
#include "aim.h"

#include <stdlib.h>

#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "protocol.h"

#define NAMES_MAX ((size_t)1 << 20)
#define ROWS_MAX  2048

static const struct {
  const char *name;
  bool socket, remembers;
  aim_words words;
} dialects[] = {
    {"openai-chat", false, false, {true, true, "max_tokens"}},
    {"openai-completions", false, false, {true, true, "max_tokens"}},
    {"openai-responses", false, false, {true, false, "max_output_tokens"}},
    {"anthropic", false, false, {true, false, "max_tokens"}},
    {"gemini", false, false, {false, false, NULL}},
    {"chat-ws", true, false, {false, false, "max_tokens"}},
    {"responses-ws", true, false, {false, false, "max_output_tokens"}},
    {"realtime", true, true, {false, false, NULL}},
    {"realtime-beta", true, true, {false, false, NULL}},
};

static size_t find(const char *dialect) {
  size_t i = 0;
  while (i < sizeof dialects / sizeof dialects[0] &&
         (!dialect || strcmp(dialects[i].name, dialect) != 0))
    i++;
  return i;
}

bool aim_is_chat(const char *dialect) {
  return find(dialect) < sizeof dialects / sizeof dialects[0];
}

bool aim_is_socket(const char *dialect) {
  return aim_is_chat(dialect) && dialects[find(dialect)].socket;
}

bool aim_remembers(const char *dialect) {
  return aim_is_chat(dialect) && dialects[find(dialect)].remembers;
}

aim_words aim_words_of(const char *dialect) {
  return aim_is_chat(dialect) ? dialects[find(dialect)].words : (aim_words){false, false, NULL};
}

bool aim_is_task(const leat_endpoint *row) {
  return row && row->reply == LEAT_REPLY_KIND_TASK;
}

const char *aim_provider(const cli_options *o) {
  const leat_endpoint *row = o->load.endpoint ? leat_endpoint_find(NULL, o->load.endpoint) : NULL;
  if (!row) return o->protocol;
  if (row->protocol) return row->protocol;
  if (row->auth == LEAT_AUTH_X_GOOG_API_KEY) return "gemini";
  return row->auth == LEAT_AUTH_X_API_KEY ? "anthropic" : NULL;
}

/* --- the endpoint --- */

static void say_unknown(const char *name) {
  const char *names[ROWS_MAX];
  size_t count = 0;
  const leat_endpoint *row;
  while (count < ROWS_MAX && (row = leat_endpoint_at(NULL, count))) names[count++] = row->name;
  const char *nearest = cli_spelling_nearest(name, names, count);
  cli_say("--endpoint: no endpoint is called %.100s%s%s; leat endpoints lists them", name,
          nearest ? ": did you mean " : "", nearest ? nearest : "");
}

static bool refuse(const leat_endpoint *row, const char *why) {
  cli_say("--endpoint %s: %s", row->name, why);
  return false;
}

static bool names_model(const cli_list *params) {
  for (size_t i = 0; i < params->count; i++)
    if (strncmp(params->items[i], "model=", 6) == 0) return true;
  return false;
}

static bool take_row(aim *a, const cli_options *o) {
  const leat_endpoint *row = leat_endpoint_find(NULL, o->load.endpoint);
  if (!row) {
    say_unknown(o->load.endpoint);
    return false;
  }
  if (row->reply == LEAT_REPLY_KIND_WS) {
    cli_say("--endpoint %s: it is a WebSocket: use --protocol chat-ws or responses-ws", row->name);
    return false;
  }
  if (o->protocol) return refuse(row, "it has its own protocol: leave out --protocol");
  if (o->chat_path) return refuse(row, "it has its own path: leave out --chat-path");
  if (row->body == LEAT_BODY_MULTIPART)
    return refuse(row, "it takes a form, which load cannot send");
  a->row = row;
  a->task = aim_is_task(row);
  a->dialect = aim_is_chat(row->protocol) ? row->protocol : NULL;
  a->model_in_path = strstr(row->path, "{model}") != NULL;
  /* A body may name it, too. */
  if (a->model_in_path && !o->model && !names_model(&o->load.params) && !o->body &&
      !o->load.dataset)
    return refuse(row, "it has the model in its path: give --model NAME");
  return true;
}

static bool take_params(aim *a, const cli_options *o) {
  const cli_list *list = &o->load.params;
  size_t size = 1;
  if (list->count == 0) return true;
  for (size_t i = 0; i < list->count; i++) size += strlen(list->items[i]) + 1;
  a->params = calloc(list->count, sizeof *a->params);
  if (!a->params || lti_buf_reserve(&a->names, size) != LEAT_OK) {
    cli_say("--param: no memory, or more than %zu bytes of them", NAMES_MAX);
    return false;
  }
  for (size_t i = 0; i < list->count; i++) {
    const char *text = list->items[i], *equals = strchr(text, '=');
    if (!equals || equals == text) {
      cli_say("--param %s: write it as NAME=TEXT", text);
      return false;
    }
    const char *name = a->names.data + a->names.size;
    lti_buf_append(&a->names, lti_slice(text, (size_t)(equals - text)));
    lti_buf_byte(&a->names, '\0');
    a->params[a->param_count++] = (leat_param){name, equals + 1};
  }
  return true;
}

bool aim_init(aim *a, const cli_options *o) {
  *a = (aim){.auth = LEAT_AUTH_DEFAULT};
  lti_buf_init(&a->names, cli_program_alloc(), NAMES_MAX, LEAT_EBODYMAX);
  for (int i = LEAT_AUTH_BEARER; o->auth && i <= LEAT_AUTH_NONE; i++)
    if (strcmp(o->auth, leat_auth_name((enum leat_auth)i)) == 0) a->auth = (enum leat_auth)i;
  if (o->load.endpoint) return take_row(a, o) && take_params(a, o);
  if (o->load.params.count) {
    cli_say("--param stands in the path of an --endpoint, and there is none");
    return false;
  }
  const char *protocol = o->protocol ? o->protocol : "openai-chat";
  a->model_in_path = strcmp(protocol, "gemini") == 0;
  /* One that nobody knows is refused by the engine, which lists those that there are. */
  bool unknown = !lti_protocol_find(protocol) && strcmp(protocol, "raw") != 0;
  if (aim_is_chat(protocol) || unknown) a->dialect = protocol;
  return true;
}

void aim_deinit(aim *a) {
  free(a->params);
  lti_buf_deinit(&a->names);
}
