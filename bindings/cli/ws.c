/* `leat ws`: a socket between the terminal, or a pipe, and a server.
 *
 * Each line of standard input is sent as a message, each message that comes is written as a line,
 * so that JSON lines pass both ways. Input is read once the handshake is done, and no faster than
 * the socket takes it. Behind its end the answers are waited for, and then the socket is closed.
 * Whatever ends it (the server's Close, an error, SIGINT, an output that fails) goes through one
 * `done`, where the exit code is decided. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "event_json.h"
#include "failure.h"
#include "lines.h"
#include "program.h"
#include "say.h"
#include "session.h"
#include "settings.h"
#include "wire/json.h"

#define LINE_BYTES_MAX  ((size_t)64 << 20)
#define MESSAGE_DEFAULT ((int64_t)64 << 20)
#define WAIT_MS         1000
#define TICK_MS         20
#define MS_NS           1000000u

typedef struct ws {
  const cli_options *options;
  cli_session session;
  cli_out out;
  cli_jsonw json;
  cli_lines lines;
  lti_buf message; /* one that comes in pieces */
  leat_id id;
  bool open, interactive;
  bool failed;          /* something was said of it already */
  bool unsent;          /* input is left over */
  uint64_t silent_ns;   /* since when nothing came, behind the end of the input */
  uint64_t sent, taken; /* messages */
  uint64_t not_shown;   /* binary ones */
  int code;
} ws;

/* ---- the end of the input */

static void close_socket(ws *w) {
  cli_lines_pause(&w->lines);
  if (w->id) leat_ws_close(w->session.engine, w->id, 1000, lti_slice("", 0));
}

static void on_clock(cli_session *session) {
  ws *w = session->user;
  int64_t wait_ms = w->options->wait.set ? w->options->wait.value : WAIT_MS;
  if (wait_ms >= 0 && uv_hrtime() - w->silent_ns >= (uint64_t)wait_ms * MS_NS) close_socket(w);
}

static void on_end(cli_lines *lines, int error) {
  ws *w = lines->user;
  if (error) {
    w->failed = true;
    if (error == EMSGSIZE)
      cli_say("line %llu of standard input is longer than %zu bytes: break it up",
              (unsigned long long)lines->count + 1, LINE_BYTES_MAX);
    else
      cli_say("cannot read standard input: %s", strerror(error));
    close_socket(w);
    return;
  }
  w->silent_ns = uv_hrtime();
  cli_session_clock(&w->session, TICK_MS, on_clock);
}

/* ---- what is sent */

static void on_line(cli_lines *lines, leat_slice line) {
  ws *w = lines->user;
  leat_engine *e = w->session.engine;
  if (line.size == 0 || !w->id) return;
  enum leat_ws_type type = w->options->binary ? LEAT_WS_BINARY : LEAT_WS_TEXT;
  int r = leat_ws_send(e, w->id, type, line, true);
  if (r >= 0) w->sent++;
  if (r == 1) cli_lines_pause(lines);
  if (r >= 0 || r == LEAT_ESTATE || r == LEAT_ENOTFOUND) return; /* done tells of the latter two */
  w->failed = true;
  if (r == LEAT_EINVAL)
    cli_say("line %llu of standard input is not valid UTF-8: use --binary for other bytes",
            (unsigned long long)lines->count);
  else
    cli_failure_refused(e, r);
  close_socket(w);
}

/* ---- what comes */

static void end_line(ws *w) {
  if (!cli_jsonw_line(&w->json, &w->out) && !w->out.error) w->out.error = ENOMEM;
}

static void print_json(ws *w, const char *kind, const leat_ws_event *event) {
  cli_jsonw_open(&w->json, NULL, '{');
  cli_jsonw_text(&w->json, "kind", lti_slice_of(kind));
  if (event->kind == LEAT_WS_CLOSING) cli_jsonw_uint(&w->json, "code", event->code);
  if (event->kind == LEAT_WS_MESSAGE && event->type == LEAT_WS_BINARY)
    cli_jsonw_base64(&w->json, "base64", event->bytes);
  else
    cli_jsonw_text(&w->json,
                   event->kind == LEAT_WS_OPEN      ? "subprotocol"
                   : event->kind == LEAT_WS_CLOSING ? "reason"
                                                    : "text",
                   event->bytes);
  cli_jsonw_uint(&w->json, "received_ns", event->received_ns);
  cli_jsonw_close(&w->json, '}');
  end_line(w);
}

/* A JSON text has line breaks between its tokens alone, where a blank is as good. */
static void put_on_one_line(lti_buf *message) {
  bool broken = message->size && (memchr(message->data, '\n', message->size) ||
                                  memchr(message->data, '\r', message->size));
  if (!broken || !lti_json_valid(lti_buf_slice(message), NULL, NULL)) return;
  for (size_t i = 0; i < message->size; i++)
    if (message->data[i] == '\n' || message->data[i] == '\r') message->data[i] = ' ';
}

static void print_text(ws *w) {
  put_on_one_line(&w->message);
  if (w->interactive) cli_out_text(&w->out, "< ");
  cli_out_foreign(&w->out, lti_buf_slice(&w->message));
  cli_out_text(&w->out, "\n");
}

static void print_binary(ws *w, const leat_ws_event *event) {
  if (w->options->binary) {
    cli_out_write(&w->out, event->bytes);
  } else if (event->last && w->not_shown++ == 0 && !w->options->quiet) {
    cli_say("a binary message came, which is not shown: see --binary and --json");
  }
}

static void take_message(ws *w, const leat_ws_event *event) {
  bool whole = w->options->json || event->type == LEAT_WS_TEXT;
  w->silent_ns = uv_hrtime();
  if (event->last) w->taken++;
  if (!whole) {
    print_binary(w, event);
    return;
  }
  if (event->first) lti_buf_clear(&w->message);
  if (lti_buf_append(&w->message, event->bytes) != LEAT_OK) {
    cli_say("no memory for a message of more than %zu bytes: see --message-max", w->message.size);
    w->failed = true;
    leat_cancel(w->session.engine, w->id);
    return;
  }
  if (!event->last) return;
  leat_ws_event all = *event;
  all.bytes = lti_buf_slice(&w->message);
  if (w->options->json)
    print_json(w, event->type == LEAT_WS_TEXT ? "text" : "binary", &all);
  else
    print_text(w);
  lti_buf_clear(&w->message);
  lti_buf_shrink(&w->message, CLI_OUT_SIZE);
}

static void begin(ws *w, const leat_ws_event *event) {
  w->open = true;
  if (w->interactive && !w->options->quiet)
    cli_say_plain("[open%s%.*s: a line is a message, ctrl-D closes]", event->bytes.size ? ", " : "",
                  (int)event->bytes.size, event->bytes.data);
  cli_lines_open(&w->lines, &w->session.loop, STDIN_FILENO, LINE_BYTES_MAX);
}

static int on_event(leat_engine *engine, leat_id id, const leat_ws_event *event, void *user) {
  ws *w = user;
  switch (event->kind) {
    case LEAT_WS_OPEN:
      if (w->options->json) print_json(w, "open", event);
      begin(w, event);
      break;
    case LEAT_WS_MESSAGE: take_message(w, event); break;
    case LEAT_WS_PING:
      if (w->options->json) print_json(w, "ping", event);
      break;
    case LEAT_WS_PONG:
      if (w->options->json) print_json(w, "pong", event);
      break;
    case LEAT_WS_SENT: cli_lines_resume(&w->lines); break;
    case LEAT_WS_CLOSING:
      if (w->options->json) print_json(w, "close", event);
      cli_lines_pause(&w->lines);
      break;
    case LEAT_WS_DECODED: break;
  }
  cli_out_flush(&w->out);
  if (w->out.error) leat_cancel(engine, id);
  return LEAT_CONTINUE;
}

/* ---- the end */

static void remark(const ws *w, const leat_result *r, unsigned code) {
  double seconds = (double)(r->times.done_ns - r->times.queued_ns) / 1e9;
  if (cli_say_terminal() && !w->options->quiet)
    cli_say_plain("[closed with %u, %llu sent, %llu received, %.1f s]", code,
                  (unsigned long long)w->sent, (unsigned long long)w->taken, seconds);
}

static void tell_end(ws *w, const leat_result *r, unsigned code) {
  if (w->session.interrupted) {
    cli_say("interrupted: the socket was closed");
    w->code = CLI_INTERRUPTED;
  } else if (w->out.error || w->failed) {
    w->code = CLI_FAILED;
  } else if (r->error) {
    cli_failure_say(r, 0);
    w->code = CLI_FAILED;
  } else if (w->unsent) {
    cli_say("the server closed with %u before the end of the input: %llu messages were sent", code,
            (unsigned long long)w->sent);
    w->code = CLI_FAILED;
  } else {
    remark(w, r, code);
  }
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, unsigned code,
                    void *user) {
  ws *w = user;
  (void)engine;
  (void)id;
  w->id = 0;
  if (w->options->json) {
    cli_jsonw_open(&w->json, NULL, '{');
    cli_event_json_result(&w->json, "done", result);
    cli_jsonw_uint(&w->json, "close_code", code);
    cli_jsonw_close(&w->json, '}');
    end_line(w);
  }
  w->unsent = w->open && !w->interactive && cli_lines_left(&w->lines);
  if (w->open) cli_lines_close(&w->lines);
  tell_end(w, result, code);
}

/* A socket that is open says goodbye; one that is not, or that is closing, is cut. */
static void on_interrupt(cli_session *session) {
  ws *w = session->user;
  if (!w->id) return;
  bool polite = w->open && leat_ws_close(session->engine, w->id, 1000, lti_slice("", 0)) == LEAT_OK;
  if (polite)
    cli_lines_pause(&w->lines);
  else
    leat_cancel(session->engine, w->id);
}

static void fill(ws *w, leat_ws *q, const cli_settings *settings, const char *url) {
  const cli_options *o = w->options;
  leat_ws_init(q);
  q->url = url;
  q->base_url = settings->config.base_url;
  q->protocol = o->protocol;
  q->model = o->model;
  q->api_key = settings->config.api_key;
  q->key_in_subprotocol = o->key_in && strcmp(o->key_in, "subprotocol") == 0;
  q->subprotocols = o->subprotocols;
  q->deadlines.total_ms = o->timeout.value;
  q->ping_ms = o->ping.value;
  q->message_bytes_max = o->message_max.value;
  q->on_event = on_event;
  q->on_done = on_done;
  q->user = w;
}

static int refused(ws *w, const char *url, int error) {
  if (error != LEAT_EURL || !url) return cli_failure_refused(w->session.engine, error);
  cli_say("%s: check the URL", leat_last_message(w->session.engine));
  return CLI_WRONG;
}

static int run(ws *w, cli_settings *settings, const char *url) {
  leat_ws q;
  leat_config config = settings->config;
  config.protocol = NULL; /* the socket's alone */
  config.base_url = url ? NULL : config.base_url;
  if (!cli_session_open(&w->session, &config, w, on_interrupt)) return w->session.code;
  fill(w, &q, settings, url);
  int error = leat_ws_open(w->session.engine, &q, &w->id);
  if (error == LEAT_OK)
    cli_session_run(&w->session);
  else
    w->code = refused(w, url, error);
  cli_session_close(&w->session, LEAT_CLOSE_NOW);
  if (!cli_out_close(&w->out) && w->code == CLI_DONE) w->code = CLI_FAILED;
  return w->code;
}

static bool check(const cli_options *o) {
  if (o->arg_count > 1)
    cli_say("one URL only");
  else if (o->arg_count == 0 && !o->protocol)
    cli_say("no URL: give one, such as wss://HOST/PATH, or --protocol with --base-url");
  else if (o->arg_count == 1 && o->base_url)
    cli_say("--base-url and a URL: give one of them");
  else
    return true;
  return false;
}

int cli_ws_run(const cli_options *options) {
  cli_options o = *options;
  const char *url = o.arg_count ? o.args[0] : NULL;
  if (!check(options)) return CLI_WRONG;
  o.any_server = true;
  if (url) o.base_url = url; /* which proxy serves it follows from there */
  ws w = {.options = &o, .interactive = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1};
  cli_settings settings;
  int64_t message_max = o.message_max.set ? o.message_max.value : MESSAGE_DEFAULT;
  w.lines.user = &w;
  w.lines.on_line = on_line;
  w.lines.on_end = on_end;
  cli_out_init(&w.out, STDOUT_FILENO, "standard output");
  cli_jsonw_init(&w.json, cli_program_alloc());
  lti_buf_init(&w.message, cli_program_alloc(), (size_t)message_max, LEAT_EMESSAGEMAX);
  int code = CLI_WRONG;
  if (cli_settings_init(&settings, &o)) code = run(&w, &settings, url);
  if (w.open) cli_lines_free(&w.lines);
  lti_buf_deinit(&w.message);
  cli_jsonw_deinit(&w.json);
  cli_settings_free(&settings);
  return code;
}
