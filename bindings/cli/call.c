/* `leat call`: any endpoint by its name, from the command line's words to what comes back.
 *
 * JSON is printed as it came, laid out on a terminal, in one line with --json; streams print text
 * as chat does; bytes go to --output or a pipe. With --output everything goes to FILE, by way of
 * FILE.part, so that FILE is whole or not there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "call_words.h"
#include "chat_text.h"
#include "endpoint_file.h"
#include "event_json.h"
#include "failure.h"
#include "json_layout.h"
#include "program.h"
#include "say.h"
#include "session.h"
#include "settings.h"
#include "wire/json.h"

#define RETRIES_DEFAULT 2
#define REPLY_MAX       ((size_t)512 << 20)

typedef struct call {
  const cli_options *options;
  const leat_endpoint *row;
  cli_session session;
  cli_call_words words;
  cli_out out;
  cli_jsonw json;
  cli_chat_text text;
  char *part; /* FILE.part, NULL: standard output */
  leat_id id;
  bool told;   /* an event of a stream was printed */
  bool binary; /* what was printed is no text */
  int code;
} call;

/* ---- what comes back */

static void print_json_event(call *c, const leat_event *event) {
  cli_event_json_event(&c->json, event);
  if (!cli_jsonw_line(&c->json, &c->out)) c->out.error = c->out.error ? c->out.error : ENOMEM;
  cli_out_flush(&c->out);
  c->told = true;
}

/* A whole document; text that is none, such as a transcript's, is printed as it is. */
static void print_reply(call *c, leat_slice reply) {
  lti_buf laid;
  size_t offset;
  const char *why;
  bool lay = (c->options->json || c->out.terminal) && lti_json_valid(reply, &offset, &why);
  lti_buf_init(&laid, cli_program_alloc(), REPLY_MAX, LEAT_EBODYMAX);
  if (lay && cli_json_layout(reply, c->options->json, &laid) == LEAT_OK)
    reply = lti_buf_slice(&laid);
  cli_out_foreign(&c->out, reply);
  if (!c->out.line_start) cli_out_text(&c->out, "\n");
  cli_out_flush(&c->out);
  lti_buf_deinit(&laid);
}

/* Pieces of sound, one behind the other, or an image that is whole. */
static void print_media(call *c, const leat_event *event) {
  lti_buf bytes;
  const leat_media *m = &event->media;
  bool image = event->kind == LEAT_EVENT_IMAGE;
  if (image && m->partial) return;
  if (m->url.size || (c->out.terminal && !c->part)) {
    cli_chat_text_event(&c->text, event);
    return;
  }
  c->binary = true;
  lti_buf_init(&bytes, cli_program_alloc(), REPLY_MAX, LEAT_EBODYMAX);
  if (cli_base64_decode(m->data, &bytes))
    cli_out_write(&c->out, lti_buf_slice(&bytes));
  else
    cli_say("what came as base64 is none");
  lti_buf_deinit(&bytes);
}

static bool is_aside(enum leat_event_kind kind) {
  return kind == LEAT_EVENT_HEAD || kind == LEAT_EVENT_USAGE || kind == LEAT_EVENT_FINISH;
}

static void print(call *c, const leat_event *event) {
  bool document = !c->row->protocol || c->row->group != LEAT_REPLY_NONE;
  if (event->kind == LEAT_EVENT_RAW)
    cli_out_write(&c->out, event->text); /* bytes of a row that has no dialect */
  else if (event->kind == LEAT_EVENT_REPLY)
    print_reply(c, event->text);
  else if (document && is_aside(event->kind) && !c->told)
    return;
  else if (c->options->json)
    print_json_event(c, event);
  else if (event->kind == LEAT_EVENT_IMAGE || event->kind == LEAT_EVENT_AUDIO)
    print_media(c, event);
  else
    cli_chat_text_event(&c->text, event);
}

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  call *c = user;
  print(c, event);
  if (c->out.error) leat_cancel(engine, id);
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  call *c = user;
  int retries = c->options->retries.set ? (int)c->options->retries.value : RETRIES_DEFAULT;
  (void)engine, (void)id;
  c->id = 0;
  if (c->options->json && (c->told || (c->row->protocol && c->row->group == LEAT_REPLY_NONE))) {
    cli_jsonw_open(&c->json, NULL, '{');
    cli_event_json_result(&c->json, "done", result);
    cli_jsonw_close(&c->json, '}');
    cli_jsonw_line(&c->json, &c->out);
  } else if (c->row->reply != LEAT_REPLY_KIND_BYTES && !c->binary) {
    cli_chat_text_end(&c->text);
  }
  if (c->session.interrupted) {
    cli_say("interrupted: the rest was cancelled");
    c->code = CLI_INTERRUPTED;
  } else if (c->out.error) {
    c->code = CLI_FAILED;
  } else if (result->error) {
    cli_failure_say(result, retries);
    c->code = CLI_FAILED;
  }
}

static void on_interrupt(cli_session *session) {
  call *c = session->user;
  if (c->id) leat_cancel(session->engine, c->id);
}

/* ---- where it goes */

static bool open_output(call *c) {
  const char *path = c->options->output;
  bool file = path && strcmp(path, "-") != 0;
  bool bytes = c->row->reply == LEAT_REPLY_KIND_BYTES;
  if (bytes && !file && isatty(STDOUT_FILENO) == 1) {
    cli_say("%s answers with bytes: --output FILE keeps them, or a pipe takes them", c->row->name);
    return false;
  }
  if (!file) return true;
  size_t size = strlen(path) + sizeof ".part";
  c->part = malloc(size);
  if (!c->part) return false;
  snprintf(c->part, size, "%s.part", path);
  if (cli_out_open(&c->out, c->part)) return true;
  free(c->part);
  c->part = NULL;
  return false;
}

/* FILE.part becomes FILE when all of it is there, and goes when it is not. */
static void close_output(call *c) {
  if (!cli_out_close(&c->out) && c->code == CLI_DONE) c->code = CLI_FAILED;
  if (!c->part) return;
  if (c->code != CLI_DONE) {
    unlink(c->part);
  } else if (rename(c->part, c->options->output) != 0) {
    cli_say("cannot rename %s to %s: %s", c->part, c->options->output, strerror(errno));
    c->code = CLI_FAILED;
  }
  free(c->part);
  c->part = NULL;
}

/* ---- the call */

static const leat_endpoint *find_row(call *c, const char *name) {
  const leat_endpoint *row = leat_endpoint_find(c->session.engine, name);
  const char *names[2048];
  size_t count = 0;
  if (row && row->reply == LEAT_REPLY_KIND_WS) {
    cli_say("%s is a WebSocket: leat ws --protocol %s", name, row->protocol);
    return NULL;
  }
  if (row) return row;
  while (count < 2048 && (row = leat_endpoint_at(c->session.engine, count)))
    names[count++] = row->name;
  const char *nearest = cli_spelling_nearest(name, names, count);
  cli_say("no endpoint is called %s%s%s: see leat endpoints", name,
          nearest ? ": did you mean " : "", nearest ? nearest : "");
  return NULL;
}

static void fill(const call *c, const cli_settings *settings, leat_request *q) {
  leat_request_init(q);
  q->endpoint = c->row->name;
  q->auth = settings->config.auth;
  q->model = c->options->model;
  q->stream = c->options->stream;
  q->params = c->words.params;
  q->param_count = c->words.param_count;
  q->form = c->words.field_count ? c->words.fields : NULL;
  q->form_count = c->words.field_count;
  /* An endpoint that takes JSON gets some, though there is nothing to say. */
  q->body = lti_buf_slice(&c->words.body);
  if (!q->body.size && c->row->body == LEAT_BODY_JSON) q->body = lti_slice_of("{}");
  if (!q->body.size) q->body = lti_slice(NULL, 0);
}

/* A key that is a provider's stays away from a place that only a file names. */
static void guard_key(const call *c, const cli_settings *settings, leat_request *q) {
  bool own = leat_endpoint_find(NULL, c->row->name) != NULL;
  if (own || !c->row->base_url || settings->config.base_url || !settings->provider_key) return;
  cli_say("%s is at %s: the key of %s is not sent there; LEAT_API_KEY would be", c->row->name,
          c->row->base_url, settings->provider_key);
  q->api_key = "";
}

static int call_row(call *c, const cli_settings *settings) {
  leat_request q;
  fill(c, settings, &q);
  guard_key(c, settings, &q);
  q.on_event = on_event;
  q.on_done = on_done;
  q.user = c;
  if (!open_output(c)) return CLI_WRONG;
  int error = leat_submit(c->session.engine, &q, &c->id);
  if (error == LEAT_OK)
    cli_session_run(&c->session);
  else
    c->code = cli_failure_refused(c->session.engine, error);
  close_output(c);
  return c->code;
}

static int run(call *c, cli_settings *settings, const char *name) {
  if (!cli_session_open(&c->session, &settings->config, c, on_interrupt)) return c->session.code;
  cli_session_metrics(&c->session, c->options->metrics);
  int code = CLI_WRONG;
  if (cli_endpoint_file(c->session.engine, c->options->endpoints)) c->row = find_row(c, name);
  if (c->row) {
    if (cli_call_words_init(&c->words, c->options, c->row)) code = call_row(c, settings);
    cli_call_words_free(&c->words);
  }
  cli_session_close(&c->session, LEAT_CLOSE_NOW);
  return code;
}

/* Whose key and base URL the environment is asked for. */
static const char *provider_of(const char *name) {
  const leat_endpoint *row = leat_endpoint_find(NULL, name);
  if (!row) return NULL;
  if (row->protocol) return row->protocol;
  if (row->auth == LEAT_AUTH_X_GOOG_API_KEY) return "gemini";
  return row->auth == LEAT_AUTH_X_API_KEY ? "anthropic" : NULL;
}

int cli_call_run(const cli_options *options) {
  call c = {.options = options};
  cli_settings settings;
  const char *name = cli_call_name(options);
  if (!name) return CLI_WRONG;
  cli_options own = *options;
  own.protocol = provider_of(name);
  own.any_base = true;
  cli_out_init(&c.out, STDOUT_FILENO, "standard output");
  cli_jsonw_init(&c.json, cli_program_alloc());
  cli_chat_text_init(&c.text, cli_program_alloc(), &c.out, options->show_reasoning);
  int code = CLI_WRONG;
  if (cli_settings_init(&settings, &own)) code = run(&c, &settings, name);
  cli_chat_text_deinit(&c.text);
  cli_jsonw_deinit(&c.json);
  cli_settings_free(&settings);
  return code;
}
