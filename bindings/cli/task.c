/* `leat task run | submit | wait`: one asynchronous job.
 *
 * run submits, polls and downloads; submit stops when the provider has accepted the job and prints
 * its id; wait takes up a job by its id. Behind the verb may stand the name of an endpoint. With
 * --input there are many jobs: see batch.h. A download goes to FILE.part, which becomes FILE in one
 * step when it is whole, and --resume goes on behind what FILE.part holds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch.h"
#include "endpoint_file.h"
#include "event_json.h"
#include "failure.h"
#include "input.h"
#include "program.h"
#include "say.h"
#include "session.h"
#include "settings.h"
#include "wire/json.h"

#define ID_SIZE         256
#define RETRIES_DEFAULT 2

enum verb { VERB_RUN, VERB_SUBMIT, VERB_WAIT };

typedef struct job {
  const cli_options *options;
  enum verb verb;
  cli_session session;
  cli_out out;
  cli_jsonw json;
  leat_task task;
  lti_buf text; /* prompt or body */
  bool whole;   /* a body */
  char **words; /* behind the verb, and the endpoint's name */
  size_t word_count;
  leat_id id;
  char task_id[ID_SIZE];
  char *part; /* FILE.part */
  int fd;
  enum leat_task_state state;
  bool stopped; /* submit has what it came for */
  int code;
} job;

static const char *state_name(enum leat_task_state state) {
  switch (state) {
    case LEAT_TASK_SUBMITTING: return "submitting";
    case LEAT_TASK_RUNNING: return "running";
    case LEAT_TASK_DOWNLOADING: return "downloading";
    case LEAT_TASK_SUCCEEDED: return "succeeded";
    case LEAT_TASK_FAILED: return "failed";
    case LEAT_TASK_NEEDS_INPUT: return "needs_input";
  }
  return "unknown";
}

static void put_update(cli_jsonw *w, const leat_task_update *u) {
  cli_jsonw_text(w, "state", lti_slice_of(state_name(u->state)));
  cli_jsonw_text_or_null(w, "task_id", u->task_id);
  cli_jsonw_text_or_null(w, "status", u->status);
  if (u->progress >= 0) cli_jsonw_int(w, "progress", u->progress);
  if (u->url.size) cli_jsonw_text(w, "url", u->url);
  if (u->error_code.size) cli_jsonw_text(w, "error_code", u->error_code);
  if (u->error_message.size) cli_jsonw_text(w, "error_message", u->error_message);
  cli_jsonw_uint(w, "polls", u->polls);
  if (u->bytes || u->bytes_total) cli_jsonw_uint(w, "bytes", u->bytes);
  if (u->bytes_total) cli_jsonw_uint(w, "bytes_total", u->bytes_total);
}

/* A live line on a terminal; elsewhere a line whenever the state changes. */
static void show_progress(job *j, const leat_task_update *u) {
  char line[600], status[64], size[64] = "", percent[16] = "";
  if (j->options->quiet || j->verb == VERB_SUBMIT) return;
  cli_say_clean(u->status, status, sizeof status);
  if (u->progress >= 0) snprintf(percent, sizeof percent, " %d %%", u->progress);
  if (u->state == LEAT_TASK_DOWNLOADING)
    snprintf(size, sizeof size, ", %.1f of %.1f MB", (double)u->bytes / 1e6,
             (double)u->bytes_total / 1e6);
  snprintf(line, sizeof line, "task %s: %s%s (%s), %llu polls%s", j->task_id, state_name(u->state),
           percent, status, (unsigned long long)u->polls, size);
  if (cli_say_terminal())
    cli_say_live(line);
  else if (u->state != j->state)
    cli_say_plain("%s", line);
}

static void on_update(leat_engine *engine, leat_id id, const leat_task_update *u, void *user) {
  job *j = user;
  if (u->task_id.size) cli_say_clean(u->task_id, j->task_id, sizeof j->task_id);
  if (j->options->json) {
    cli_jsonw_open(&j->json, NULL, '{');
    cli_jsonw_text(&j->json, "kind", lti_slice_of("update"));
    put_update(&j->json, u);
    cli_jsonw_uint(&j->json, "received_ns", u->received_ns);
    cli_jsonw_close(&j->json, '}');
    cli_jsonw_line(&j->json, &j->out);
    cli_out_flush(&j->out);
  } else {
    show_progress(j, u);
  }
  j->state = u->state;
  if (j->verb == VERB_SUBMIT && u->task_id.size && !j->stopped) {
    j->stopped = true;
    leat_cancel(engine, id);
  }
  if (j->out.error) leat_cancel(engine, id);
}

/* FILE.part becomes FILE. */
static bool keep_download(job *j) {
  if (!j->part) return true;
  bool fine = fsync(j->fd) == 0 || errno == EINVAL;
  fine = close(j->fd) == 0 && fine;
  j->fd = -1;
  fine = fine && rename(j->part, j->options->output) == 0;
  if (!fine) cli_say("cannot write %s: %s", j->options->output, strerror(errno));
  return fine;
}

static void tell_failure(job *j, const leat_task_update *last, const leat_result *r) {
  const cli_options *o = j->options;
  j->code = j->session.interrupted ? CLI_INTERRUPTED : CLI_FAILED;
  if (j->session.interrupted && j->task_id[0]) {
    cli_say("interrupted: the task goes on there: leat task wait %s", j->task_id);
  } else if (j->session.interrupted) {
    cli_say("interrupted before the task was accepted");
  } else if (r->error == LEAT_ETASKFAILED) {
    cli_say("task %s failed: %.*s %.*s", j->task_id, (int)last->error_code.size,
            last->error_code.data, (int)last->error_message.size, last->error_message.data);
  } else if (!j->out.error) {
    cli_failure_say(r, o->retries.set ? (int)o->retries.value : RETRIES_DEFAULT);
    if (o->output && j->state == LEAT_TASK_DOWNLOADING)
      cli_say("go on with: leat task wait %s -o %s --resume", j->task_id, o->output);
  }
}

static void tell_success(job *j, const leat_task_update *last) {
  if (j->options->json) return;
  if (j->verb == VERB_SUBMIT)
    cli_out_format(&j->out, "%s\n", j->task_id);
  else if (j->options->output)
    cli_out_format(&j->out, "%s\n", j->options->output);
  else if (last->url.size)
    cli_out_foreign(&j->out, last->url), cli_out_text(&j->out, "\n");
  else if (!j->task_id[0] && last->raw.size) /* a call that is no job: its answer is all */
    cli_out_foreign(&j->out, last->raw), cli_out_text(&j->out, "\n");
  else
    cli_say("task %s succeeded: leat task wait %s -o FILE downloads it", j->task_id, j->task_id);
}

static void on_done(leat_engine *engine, leat_id id, const leat_task_update *last,
                    const leat_result *result, void *user) {
  job *j = user;
  (void)engine;
  (void)id;
  j->id = 0;
  cli_say_live("");
  bool submitted = j->stopped && !j->session.interrupted;
  bool fine = submitted || (result->error == LEAT_OK && keep_download(j));
  if (j->options->json) {
    cli_jsonw_open(&j->json, NULL, '{');
    cli_jsonw_open(&j->json, "done", '{');
    put_update(&j->json, last);
    if (fine && j->part) cli_jsonw_text(&j->json, "output", lti_slice_of(j->options->output));
    if (!submitted) cli_event_json_result(&j->json, "result", result);
    cli_jsonw_close(&j->json, '}');
    cli_jsonw_close(&j->json, '}');
    cli_jsonw_line(&j->json, &j->out);
  }
  if (fine)
    tell_success(j, last);
  else if (result->error)
    tell_failure(j, last, result);
  if (!fine && j->code == CLI_DONE) j->code = CLI_FAILED;
}

static void on_interrupt(cli_session *session) {
  job *j = session->user;
  if (j->id) leat_cancel(session->engine, j->id);
}

static bool open_part(job *j) {
  const cli_options *o = j->options;
  if (!o->output || j->verb == VERB_SUBMIT) return true;
  size_t size = strlen(o->output) + sizeof ".part";
  j->part = malloc(size);
  if (!j->part) return false;
  snprintf(j->part, size, "%s.part", o->output);
  j->fd = open(j->part, O_WRONLY | O_CREAT | O_CLOEXEC | (o->resume ? 0 : O_TRUNC), 0666);
  struct stat facts;
  if (j->fd < 0 || fstat(j->fd, &facts) != 0 || lseek(j->fd, 0, SEEK_END) < 0) {
    cli_say("cannot write %s: %s", j->part, strerror(errno));
    return false;
  }
  j->task.download = true;
  j->task.fd_plus_one = j->fd + 1;
  j->task.resume_from = (uint64_t)facts.st_size;
  return true;
}

static bool read_verb(job *j) {
  static const char *const verbs[] = {"run", "submit", "wait"};
  const cli_options *o = j->options;
  const char *word = o->arg_count ? o->args[0] : "";
  size_t verb = 0;
  while (verb < 3 && strcmp(verbs[verb], word) != 0) verb++;
  if (verb == 3) {
    const char *nearest = *word ? cli_spelling_nearest(word, verbs, 3) : NULL;
    cli_say("%s%s%s%s", *word ? word : "say what to do", ": run, submit or wait",
            nearest ? ": did you mean " : "", nearest ? nearest : "");
    return false;
  }
  j->verb = (enum verb)verb;
  j->words = o->args + 1;
  j->word_count = o->arg_count - 1;
  return true;
}

/* "group.action", as endpoints are called. */
static bool is_endpoint(const char *word) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  size_t group = strspn(word, letters);
  if (group == 0 || word[group] != '.') return false;
  size_t action = strspn(word + group + 1, letters);
  return action > 0 && word[group + 1 + action] == '\0';
}

static void read_endpoint(job *j) {
  if (j->word_count == 0 || !is_endpoint(j->words[0])) return;
  j->task.endpoint = j->words[0];
  j->words++;
  j->word_count--;
}

static bool read_id(job *j) {
  if (j->word_count != 1 || j->options->prompt || j->options->body) {
    cli_say("wait takes the id of one task, and nothing to submit");
    return false;
  }
  j->task.task_id = j->words[0];
  snprintf(j->task_id, sizeof j->task_id, "%s", j->words[0]);
  return true;
}

/* What an endpoint of its own name takes when nothing more is said: {"prompt", "model"}. */
static bool write_body(job *j) {
  lti_buf body;
  lti_buf_init(&body, cli_program_alloc(), CLI_INPUT_MAX, LEAT_EBODYMAX);
  int r = lti_buf_text(&body, "{\"prompt\":");
  if (r == LEAT_OK) r = lti_json_write_string(&body, lti_buf_slice(&j->text));
  if (r == LEAT_OK && j->options->model) r = lti_buf_text(&body, ",\"model\":");
  if (r == LEAT_OK && j->options->model)
    r = lti_json_write_string(&body, lti_slice_of(j->options->model));
  if (r == LEAT_OK) r = lti_buf_byte(&body, '}');
  lti_buf_deinit(&j->text);
  j->text = body;
  j->whole = true;
  if (r != LEAT_OK) cli_say("the prompt is too long");
  return r == LEAT_OK;
}

static bool read_prompt(job *j) {
  const cli_options *o = j->options;
  if (!o->model && !j->task.endpoint) {
    cli_say("a prompt needs a model: give --model NAME, or a whole request with --body");
    return false;
  }
  if (!cli_input_prompt(&j->text, o->prompt, j->words, j->word_count)) return false;
  if (j->task.endpoint) return write_body(j);
  if (!memchr(j->text.data, 0, j->text.size)) return lti_buf_byte(&j->text, '\0') == LEAT_OK;
  cli_say("the prompt holds a NUL byte");
  return false;
}

/* The verb, then what it works on. */
static bool read_words(job *j) {
  const cli_options *o = j->options;
  if (!read_verb(j)) return false;
  read_endpoint(j);
  if (j->task.endpoint && o->family) {
    cli_say("--family and the name of an endpoint say the same twice");
    return false;
  }
  if (j->verb == VERB_WAIT) return read_id(j);
  bool is_body = j->task.endpoint && j->word_count == 1 && j->words[0][0] == '{';
  if ((o->body || is_body) && (o->prompt || o->model || j->word_count > (is_body && !o->body))) {
    cli_say("--body is the whole request: a prompt or --model cannot join it");
    return false;
  }
  j->whole = o->body || is_body;
  return j->whole ? cli_input_body(&j->text, o->body ? o->body : j->words[0]) : read_prompt(j);
}

static void fill_task(job *j) {
  const cli_options *o = j->options;
  leat_task *t = &j->task;
  t->family = o->family;
  if (j->whole) {
    t->body = lti_buf_slice(&j->text);
  } else if (j->verb != VERB_WAIT) {
    t->prompt = j->text.data;
    t->model = o->model;
  }
  t->poll_ms = o->poll.value > 0 ? o->poll.value : 0;
  t->deadline_ms = o->deadline.value;
  t->on_update = on_update;
  t->on_done = on_done;
  t->user = j;
}

static int run(job *j, leat_config *config) {
  if (!cli_session_open(&j->session, config, j, on_interrupt)) return j->session.code;
  cli_session_metrics(&j->session, j->options->metrics);
  j->task.auth = config->auth;
  bool known = cli_endpoint_file(j->session.engine, j->options->endpoints);
  int error = known ? leat_task_start(j->session.engine, &j->task, &j->id) : LEAT_EINVAL;
  if (error == LEAT_OK)
    cli_session_run(&j->session);
  else if (!known)
    j->code = CLI_WRONG;
  else
    j->code = cli_failure_refused(j->session.engine, error);
  cli_session_close(&j->session, LEAT_CLOSE_NOW);
  if (!cli_out_close(&j->out) && j->code == CLI_DONE) j->code = CLI_FAILED;
  return j->code;
}

/* --input is for run alone, and what belongs to it for it alone. */
static bool check_many(const cli_options *o) {
  bool run = o->arg_count > 0 && strcmp(o->args[0], "run") == 0;
  const char *what = o->journal ? "--journal" : o->concurrency.set ? "--concurrency" : NULL;
  if (!what && o->resubmit) what = "--resubmit";
  if (o->input && run) return true;
  if (o->input)
    cli_say("--input is for task run");
  else if (what)
    cli_say("%s is for many jobs: give them with --input FILE", what);
  return !o->input && !what;
}

int cli_task_run(const cli_options *options) {
  if (!check_many(options)) return CLI_WRONG;
  if (options->input) return cli_batch_run(options);
  job j = {.options = options, .fd = -1};
  cli_settings settings;
  cli_out_init(&j.out, STDOUT_FILENO, "standard output");
  cli_jsonw_init(&j.json, cli_program_alloc());
  lti_buf_init(&j.text, cli_program_alloc(), CLI_INPUT_MAX, LEAT_EBODYMAX);
  leat_task_init(&j.task);
  int code = CLI_WRONG;
  if (cli_settings_init(&settings, options) && read_words(&j)) {
    fill_task(&j);
    code = open_part(&j) ? run(&j, &settings.config) : CLI_FAILED;
  }
  if (j.fd >= 0) close(j.fd);
  free(j.part);
  lti_buf_deinit(&j.text);
  cli_jsonw_deinit(&j.json);
  cli_settings_free(&settings);
  return code;
}
