/* Typed options become a leat_chat_request, which the dialect encodes; --body becomes the body as
 * it is. The two never mix: a typed option beside --body would be lost silently. */
#include "compose.h"

#include "input.h"
#include "program.h"
#include "protocol.h"
#include "say.h"
#include "wire/json.h"

/* What says the model, and whether it streams, is the path: both may stand beside --body. */
static bool in_path(const cli_options *o) {
  const lti_protocol *protocol = o->protocol ? lti_protocol_find(o->protocol) : NULL;
  return protocol && protocol->stream_path;
}

/* --body is the whole request: what would have to be put into it is refused, not dropped. */
static const char *clash(const cli_options *o) {
  const struct {
    bool given;
    const char *name;
  } typed[] = {{o->prompt, "--prompt"},
               {o->arg_count > 0, "a prompt"},
               {o->model && !in_path(o), "--model"},
               {o->system, "--system"},
               {o->max_tokens.set, "--max-tokens"},
               {o->temperature.set, "--temperature"},
               {o->top_p.set, "--top-p"},
               {o->seed.set, "--seed"},
               {o->stop.count > 0, "--stop"},
               {o->reasoning_effort, "--reasoning-effort"},
               {o->extra_body, "--extra-body"},
               {o->no_stream && !in_path(o), "--no-stream"},
               {o->no_usage, "--no-usage"}};
  for (size_t i = 0; i < sizeof typed / sizeof typed[0]; i++)
    if (typed[i].given) return typed[i].name;
  return NULL;
}

static bool take_extra(leat_chat_request *chat, const char *text) {
  size_t offset = 0;
  const char *why = "";
  if (!text) return true;
  chat->extra = lti_slice_of(text);
  if (!lti_json_valid(chat->extra, &offset, &why)) {
    cli_say("--extra-body: invalid JSON at byte %zu: %s", offset, why);
    return false;
  }
  return true;
}

static void set_fields(leat_chat_request *chat, const cli_options *o) {
  chat->model = o->model;
  chat->stream = !o->no_stream;
  chat->no_usage = o->no_usage;
  chat->has_max_tokens = o->max_tokens.set;
  chat->max_tokens = o->max_tokens.value;
  chat->has_temperature = o->temperature.set;
  chat->temperature = o->temperature.value;
  chat->has_top_p = o->top_p.set;
  chat->top_p = o->top_p.value;
  chat->has_seed = o->seed.set;
  chat->seed = o->seed.value;
  chat->stop = o->stop.items;
  chat->stop_count = o->stop.count;
  chat->reasoning_effort = o->reasoning_effort;
}

static bool set_prompt(cli_compose *c, const cli_options *o, const char *default_prompt) {
  bool given = o->prompt || o->arg_count > 0 || !default_prompt;
  bool fine = given ? cli_input_prompt(&c->text, o->prompt, o->args, o->arg_count)
                    : lti_buf_text(&c->text, default_prompt) == LEAT_OK;
  if (!fine) return false;
  if (!o->system) {
    c->chat.prompt = lti_buf_slice(&c->text);
    return true;
  }
  if (o->protocol && strcmp(o->protocol, "openai-completions") == 0) {
    cli_say("--system: openai-completions knows no messages, only a prompt");
    return false;
  }
  c->messages[0].role = "system";
  c->messages[0].text = lti_slice_of(o->system);
  c->messages[1].role = "user";
  c->messages[1].text = lti_buf_slice(&c->text);
  c->chat.messages = c->messages;
  c->chat.message_count = 2;
  return true;
}

bool cli_compose_chat(cli_compose *c, const cli_options *o, const char *default_prompt) {
  memset(c, 0, sizeof *c);
  lti_buf_init(&c->text, cli_program_alloc(), CLI_INPUT_MAX, LEAT_EBODYMAX);
  leat_request_init(&c->request);
  leat_chat_request_init(&c->chat);
  c->request.path = o->chat_path;
  if (o->body) {
    const char *other = clash(o);
    if (other) cli_say("--body is the whole request: %s cannot join it", other);
    if (other || !cli_input_body(&c->text, o->body)) return false;
    c->request.body = lti_buf_slice(&c->text);
    c->request.model = o->model;
    c->request.stream = in_path(o) && !o->no_stream;
    return true;
  }
  set_fields(&c->chat, o);
  c->request.chat = &c->chat;
  return take_extra(&c->chat, o->extra_body) && set_prompt(c, o, default_prompt);
}

void cli_compose_free(cli_compose *c) {
  lti_buf_deinit(&c->text);
}
