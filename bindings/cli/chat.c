/* `leat chat`: one completion, printed as it comes.
 *
 * Whatever ends it (the answer's end, an error, SIGINT, an output that fails) goes through one
 * `done`, where what was gathered is printed and the exit code is decided. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chat_text.h"
#include "compose.h"
#include "event_json.h"
#include "failure.h"
#include "program.h"
#include "say.h"
#include "session.h"
#include "settings.h"

#define RETRIES_DEFAULT 2

typedef struct chat {
  const cli_options *options;
  cli_session session;
  cli_out out;
  cli_jsonw json;
  cli_chat_text text;
  leat_id id;
  int code;
} chat;

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  chat *c = user;
  if (c->options->json) {
    cli_event_json_event(&c->json, event);
    if (!cli_jsonw_line(&c->json, &c->out)) c->out.error = c->out.error ? c->out.error : ENOMEM;
    cli_out_flush(&c->out);
  } else {
    cli_chat_text_event(&c->text, event);
  }
  if (c->out.error) leat_cancel(engine, id);
  return LEAT_CONTINUE;
}

/* How it went, dimmed, for a person who watches. */
static void remark(const chat *c, const leat_result *r) {
  char tokens[64] = "";
  const leat_times *t = &r->times;
  const char *http = cli_event_json_http(r->http);
  if (c->options->quiet || !cli_say_terminal()) return;
  if (c->text.has_usage && c->text.usage.output >= 0)
    snprintf(tokens, sizeof tokens, "%lld tokens, ", (long long)c->text.usage.output);
  double first = t->first_content_ns ? (double)(t->first_content_ns - t->queued_ns) / 1e9 : 0;
  cli_say_plain("[%sfirst after %.2f s, done after %.2f s%s%s]", tokens, first,
                (double)(t->done_ns - t->queued_ns) / 1e9, http ? ", HTTP/" : "", http ? http : "");
}

/* Each provider has a word of its own for it. */
static bool is_one_of(const char *finish, const char *const *words) {
  while (*words && strcmp(finish, *words) != 0) words++;
  return *words;
}

static void tell_cut(const char *finish) {
  static const char *const limits[] = {"length", "max_tokens", "MAX_TOKENS", NULL};
  static const char *const filters[] = {"content_filter", "SAFETY", "PROHIBITED_CONTENT", NULL};
  if (is_one_of(finish, limits))
    cli_say("the answer was cut at its token limit: see --max-tokens");
  else if (is_one_of(finish, filters))
    cli_say("the provider's content filter cut the answer");
  else if (strcmp(finish, "incomplete") == 0)
    cli_say("the provider calls the answer incomplete: see --max-tokens, or --json for its reason");
}

static void tell_end(chat *c, const leat_result *r) {
  int retries = c->options->retries.set ? (int)c->options->retries.value : RETRIES_DEFAULT;
  if (c->session.interrupted) {
    cli_say("interrupted: what was received so far is printed, the rest was cancelled");
    c->code = CLI_INTERRUPTED;
  } else if (c->out.error) {
    c->code = CLI_FAILED;
  } else if (r->error) {
    cli_failure_say(r, retries);
    c->code = CLI_FAILED;
  } else {
    tell_cut(c->text.finish);
    if (!c->options->json) remark(c, r);
  }
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  chat *c = user;
  (void)engine;
  (void)id;
  c->id = 0;
  if (c->options->json) {
    cli_jsonw_open(&c->json, NULL, '{');
    cli_event_json_result(&c->json, "done", result);
    cli_jsonw_close(&c->json, '}');
    cli_jsonw_line(&c->json, &c->out);
  } else {
    cli_chat_text_end(&c->text);
  }
  tell_end(c, result);
}

static void on_interrupt(cli_session *session) {
  chat *c = session->user;
  if (c->id) leat_cancel(session->engine, c->id);
}

static int run(chat *c, leat_config *config, leat_request *request) {
  request->on_event = on_event;
  request->on_done = on_done;
  request->user = c;
  if (!cli_session_open(&c->session, config, c, on_interrupt)) return c->session.code;
  cli_session_metrics(&c->session, c->options->metrics);
  int error = leat_submit(c->session.engine, request, &c->id);
  if (error == LEAT_OK)
    cli_session_run(&c->session);
  else
    c->code = cli_failure_refused(c->session.engine, error);
  cli_session_close(&c->session, LEAT_CLOSE_NOW);
  if (!cli_out_close(&c->out) && c->code == CLI_DONE) c->code = CLI_FAILED;
  return c->code;
}

int cli_chat_run(const cli_options *options) {
  chat c = {.options = options};
  cli_settings settings;
  cli_compose compose;
  memset(&compose, 0, sizeof compose);
  cli_out_init(&c.out, STDOUT_FILENO, "standard output");
  cli_jsonw_init(&c.json, cli_program_alloc());
  cli_chat_text_init(&c.text, cli_program_alloc(), &c.out, options->show_reasoning);
  int code = CLI_WRONG;
  if (cli_settings_init(&settings, options) && cli_compose_chat(&compose, options, NULL))
    code = run(&c, &settings.config, &compose.request);
  cli_chat_text_deinit(&c.text);
  cli_jsonw_deinit(&c.json);
  cli_compose_free(&compose);
  cli_settings_free(&settings);
  return code;
}
