/* The run of a file of jobs: see batch.h.
 *
 * Lines are read as far ahead as jobs can be taken: at most so many are open, and of these only a
 * few hundred not accepted yet, since those hold their bodies. So memory does not grow with the
 * file, but for one hash a name. A file is looked through before anything is sent; of what comes
 * through a pipe a broken line ends the reading, and what runs ends. Results are written line by
 * line as jobs end; the journal has a job as done once its line was written, and of what a run that
 * was killed had written itself the journal is told first. */
#include "batch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "endpoint_file.h"
#include "failure.h"
#include "input.h"
#include "lines.h"
#include "program.h"
#include "say.h"
#include "session.h"
#include "settings.h"
#include "wire/json.h"

#define CONCURRENCY_DEFAULT 10000
#define UNSENT_MAX          512
#define HOLD_MS             3600000
#define CLOCK_MS            500
#define TICKS_A_REMARK      20 /* of the clock, where there is no terminal */
#define BAR_WIDTH           24

typedef struct batch {
  const cli_options *options;
  cli_session session;
  cli_lines lines;
  cli_batch_line line;
  cli_batch_names names;
  cli_batch_names told; /* lines of results that an earlier run could only call uncertain */
  cli_out out;
  cli_jsonw json;
  uv_timer_t hold; /* the loop lives as long as lines may come */
  int in;
  enum leat_auth auth; /* what --auth says */
  bool journal, held;
  uint64_t total; /* lines, 0: not known */
  uint64_t started, done, failed, skipped;
  uint64_t open, unsent, open_max;
  unsigned ticks;
  struct batch_job *jobs;
  int code;
} batch;

typedef struct batch_job {
  struct batch_job *next, **link;
  batch *batch;
  leat_id id;
  bool accepted;
  char name[];
} batch_job;

/* ---- the input as a whole */

static bool say_line(batch *b, uint64_t number, const char *why) {
  cli_say("%s, line %" PRIu64 ": %s", b->options->input, number, why);
  return false;
}

static bool check_line(batch *b, uint64_t number, leat_slice text) {
  if (lti_slice_trim(text).size == 0) return true;
  if (!cli_batch_line_read(&b->line, b->session.engine, text))
    return say_line(b, number, b->line.why);
  int added = cli_batch_names_add(&b->names, lti_slice_of(b->line.custom_id));
  if (added < 0) return say_line(b, number, "no memory");
  if (added == 0) {
    char why[CLI_BATCH_NAME_MAX + 64];
    snprintf(why, sizeof why, "its custom_id was there before: %s", b->line.custom_id);
    return say_line(b, number, why);
  }
  b->total++;
  return true;
}

/* Each line of a file, as `take` wants it; false as soon as one is refused. */
static bool each_line(batch *b, int fd, bool (*take)(batch *b, uint64_t number, leat_slice text)) {
  FILE *file = fdopen(fd, "r");
  char *text = NULL;
  size_t room = 0;
  ssize_t size;
  bool fine = file != NULL;
  for (uint64_t number = 1; fine && (size = getline(&text, &room, file)) > 0; number++) {
    if (text[size - 1] == '\n') size--;
    if (size > 0 && text[size - 1] == '\r') size--;
    fine = take(b, number, lti_slice(text, (size_t)size));
  }
  free(text);
  if (file)
    fclose(file);
  else
    close(fd);
  return fine;
}

static bool open_input(batch *b) {
  const char *path = b->options->input;
  struct stat facts;
  b->in = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
  if (b->in < 0 || fstat(b->in, &facts) != 0 || S_ISDIR(facts.st_mode)) {
    cli_say("cannot read %s: %s", path, b->in < 0 ? strerror(errno) : "it is a folder");
    return false;
  }
  return true;
}

static bool check_input(batch *b) {
  struct stat facts;
  off_t at = lseek(b->in, 0, SEEK_CUR);
  if (at < 0 || fstat(b->in, &facts) != 0 || !S_ISREG(facts.st_mode)) return true;
  int again = dup(b->in);
  bool fine = again >= 0 && each_line(b, again, check_line) && lseek(b->in, at, SEEK_SET) == at;
  cli_batch_names_free(&b->names);
  return fine && cli_batch_names_init(&b->names);
}

/* ---- the results of an earlier run */

static bool take_result(batch *b, uint64_t number, leat_slice text) {
  leat_slice name, code;
  lti_json r;
  lti_json_text raw;
  lti_buf scratch;
  (void)number;
  if (!lti_json_find(text, "/custom_id", &name)) return true;
  lti_json_init(&r, name);
  if (!lti_json_string(&r, &raw)) return true;
  lti_buf_init(&scratch, cli_program_alloc(), text.size + 64, LEAT_EBODYMAX);
  bool fine = lti_json_decode(raw, NULL, &scratch, &name) == LEAT_OK;
  bool uncertain =
      lti_json_find(text, "/error/code", &code) && lti_slice_is(code, "\"LEAT_EUNCERTAIN\"");
  char *copy = fine ? lti_alloc_text(cli_program_alloc(), name) : NULL;
  if (copy && uncertain)
    fine = cli_batch_names_add(&b->told, name) >= 0;
  else if (copy)
    fine = leat_journal_done(b->session.engine, copy) != LEAT_EJOURNAL;
  if (!fine) cli_say("the journal: %s", leat_last_message(b->session.engine));
  lti_alloc_put(cli_program_alloc(), copy);
  lti_buf_deinit(&scratch);
  return fine;
}

/* A line that was being written when the run was killed is taken back. */
static bool cut_half_line(int fd, off_t size) {
  char block[4096];
  while (size > 0) {
    off_t from = size > (off_t)sizeof block ? size - (off_t)sizeof block : 0;
    ssize_t n = pread(fd, block, (size_t)(size - from), from);
    if (n <= 0) return false;
    while (n > 0 && block[n - 1] != '\n') n--;
    size = from + n;
    if (n > 0) break;
  }
  return ftruncate(fd, size) == 0;
}

static bool read_results(batch *b, const char *path) {
  struct stat facts;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT;
  bool fine = fstat(fd, &facts) == 0;
  if (fine && !S_ISREG(facts.st_mode)) {
    close(fd);
    return true;
  }
  fine = fine && cut_half_line(fd, facts.st_size);
  if (fine) return each_line(b, fd, take_result);
  close(fd);
  cli_say("cannot read the results in %s: %s", path, strerror(errno));
  return false;
}

/* With a journal results are added to, without one they begin anew. */
static bool open_output(batch *b) {
  const char *path = b->options->output;
  if (!path || strcmp(path, "-") == 0) {
    cli_out_init(&b->out, STDOUT_FILENO, "standard output");
    return true;
  }
  if (b->journal && !read_results(b, path)) return false;
  int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (b->journal ? 0 : O_TRUNC);
  int fd = open(path, flags, 0666);
  if (fd < 0) {
    cli_say("cannot write %s: %s", path, strerror(errno));
    return false;
  }
  cli_out_init(&b->out, fd, path);
  return true;
}

/* ---- what is shown */

static void show(batch *b, bool live) {
  char line[200], bar[BAR_WIDTH + 1], of[32] = "";
  uint64_t ended = b->done + b->failed + b->skipped;
  memset(bar, '.', BAR_WIDTH);
  bar[BAR_WIDTH] = '\0';
  if (b->total) {
    memset(bar, '#', (size_t)(ended * BAR_WIDTH / b->total));
    snprintf(of, sizeof of, " of %" PRIu64, b->total);
  }
  snprintf(line, sizeof line,
           "%s%s%s%" PRIu64 "%s jobs ended, %" PRIu64 " failed, %" PRIu64 " open%s",
           b->total && live ? "[" : "", b->total && live ? bar : "", b->total && live ? "] " : "",
           ended, of, b->failed, b->open, b->skipped ? ", some by an earlier run" : "");
  if (live)
    cli_say_live(line);
  else
    cli_say_plain("%s", line);
}

static void on_clock(cli_session *session) {
  batch *b = session->user;
  b->ticks++;
  if (cli_say_terminal())
    show(b, true);
  else if (b->ticks % TICKS_A_REMARK == 0)
    show(b, false);
}

/* ---- jobs */

static void let_go(batch *b) {
  if (!b->held || !b->lines.ended || b->open > 0) return;
  b->held = false;
  uv_timer_stop(&b->hold);
}

static bool has_room(const batch *b) {
  return b->open < b->open_max && b->unsent < UNSENT_MAX;
}

static void job_free(batch_job *j) {
  batch *b = j->batch;
  *j->link = j->next;
  if (j->next) j->next->link = j->link;
  b->open--;
  if (!j->accepted) b->unsent--;
  free(j);
}

static void on_update(leat_engine *engine, leat_id id, const leat_task_update *u, void *user) {
  batch_job *j = user;
  (void)engine, (void)id;
  if (j->accepted || u->state != LEAT_TASK_RUNNING) return;
  j->accepted = true;
  j->batch->unsent--;
  if (j->batch->lines.paused && has_room(j->batch)) cli_lines_resume(&j->batch->lines);
}

static void tell(batch *b, const batch_job *j, const leat_task_update *last,
                 const leat_result *result) {
  cli_batch_end end = {.custom_id = j->name, .result = result, .raw = last->raw};
  if (result->error == LEAT_EUNCERTAIN && cli_batch_names_have(&b->told, lti_slice_of(j->name)))
    return;
  cli_batch_result_write(&b->json, &end);
  if (!cli_jsonw_line(&b->json, &b->out)) b->code = CLI_FAILED;
  cli_out_flush(&b->out);
}

static void on_done(leat_engine *engine, leat_id id, const leat_task_update *last,
                    const leat_result *result, void *user) {
  batch_job *j = user;
  batch *b = j->batch;
  (void)id;
  bool interrupted = result->error == LEAT_ECANCELLED;
  if (last->earlier_run)
    b->skipped++;
  else if (result->error == LEAT_OK)
    b->done++;
  else if (!interrupted)
    b->failed++;
  if (!last->earlier_run && !interrupted) tell(b, j, last, result);
  if (result->error != LEAT_OK && b->code == CLI_DONE) b->code = CLI_FAILED;
  job_free(j);
  if (result->error == LEAT_EJOURNAL) {
    cli_say("the journal: %.*s", (int)result->message.size, result->message.data);
    leat_close(engine, LEAT_CLOSE_NOW, NULL, NULL);
    b->session.engine = NULL;
    b->lines.ended = true;
  } else if (b->lines.paused && has_room(b) && !b->session.interrupted) {
    cli_lines_resume(&b->lines);
  }
  let_go(b);
}

static batch_job *job_new(batch *b, const char *name) {
  size_t size = strlen(name) + 1;
  batch_job *j = malloc(sizeof *j + size);
  if (!j) return NULL;
  *j = (batch_job){.batch = b, .next = b->jobs, .link = &b->jobs};
  memcpy(j->name, name, size);
  if (j->next) j->next->link = &j->next;
  b->jobs = j;
  b->open++;
  b->unsent++;
  return j;
}

static int start_job(batch *b) {
  const cli_options *o = b->options;
  leat_task t;
  batch_job *j = job_new(b, b->line.custom_id);
  if (!j) return LEAT_ENOMEM;
  leat_task_init(&t);
  t.endpoint = b->line.row->name;
  t.params = b->line.params;
  t.param_count = b->line.param_count;
  t.body = b->line.body;
  t.auth = b->auth;
  t.poll_ms = o->poll.value > 0 ? o->poll.value : 0;
  t.deadline_ms = o->deadline.value;
  t.custom_id = b->journal ? j->name : NULL;
  t.resubmit = o->resubmit;
  t.on_update = on_update;
  t.on_done = on_done;
  t.user = j;
  int r = leat_task_start(b->session.engine, &t, &j->id);
  if (r != LEAT_OK) job_free(j);
  return r;
}

/* ---- lines */

static void stop_reading(batch *b, int code) {
  b->lines.ended = true;
  cli_lines_pause(&b->lines);
  b->code = code;
  let_go(b);
}

static void on_line(cli_lines *lines, leat_slice text) {
  batch *b = lines->user;
  if (!b->session.engine) return;
  uint64_t total = b->total; /* what check_line counts again of a file */
  if (!check_line(b, lines->count, text)) {
    stop_reading(b, CLI_WRONG);
    return;
  }
  bool blank = b->total == total;
  b->total = total;
  if (blank) return;
  int r = start_job(b);
  if (r != LEAT_OK) {
    say_line(b, lines->count, leat_last_message(b->session.engine));
    stop_reading(b, leat_error_class(r) == LEAT_CLASS_USAGE ? CLI_WRONG : CLI_FAILED);
    return;
  }
  b->started++;
  if (!has_room(b)) cli_lines_pause(lines);
}

static void on_lines_end(cli_lines *lines, int error) {
  batch *b = lines->user;
  if (error) {
    cli_say("reading %s: %s", b->options->input,
            error == EMSGSIZE ? "a line is longer than 64 MB" : strerror(error));
    b->code = CLI_FAILED;
  }
  let_go(b);
}

static void on_interrupt(cli_session *session) {
  batch *b = session->user;
  b->lines.ended = true;
  cli_lines_pause(&b->lines);
  b->code = CLI_INTERRUPTED;
  for (batch_job *j = b->jobs; j; j = j->next) leat_cancel(session->engine, j->id);
  let_go(b);
}

/* ---- the run */

static void on_hold(uv_timer_t *timer) {
  (void)timer;
}

static void report(batch *b) {
  cli_say_live("");
  if (b->options->quiet) return;
  show(b, false);
  if (b->session.interrupted && b->journal)
    cli_say("interrupted: the same command goes on with what is open");
}

static int run_lines(batch *b) {
  uv_timer_init(&b->session.loop, &b->hold);
  uv_timer_start(&b->hold, on_hold, HOLD_MS, HOLD_MS);
  b->held = true;
  b->lines.user = b;
  b->lines.on_line = on_line;
  b->lines.on_end = on_lines_end;
  if (!b->options->quiet) cli_session_clock(&b->session, CLOCK_MS, on_clock);
  if (!cli_lines_open(&b->lines, &b->session.loop, b->in, CLI_INPUT_MAX)) return CLI_FAILED;
  cli_session_run(&b->session);
  report(b);
  cli_lines_close(&b->lines);
  uv_close((uv_handle_t *)&b->hold, NULL);
  return b->code;
}

static int run_session(batch *b, leat_config *config) {
  if (!cli_session_open(&b->session, config, b, on_interrupt)) return b->session.code;
  cli_session_metrics(&b->session, b->options->metrics);
  b->auth = config->auth;
  bool known = cli_endpoint_file(b->session.engine, b->options->endpoints);
  int code = known && check_input(b) ? CLI_DONE : CLI_WRONG;
  if (code == CLI_DONE && !open_output(b)) code = CLI_FAILED;
  if (code == CLI_DONE) code = run_lines(b);
  cli_session_close(&b->session, LEAT_CLOSE_NOW);
  cli_lines_free(&b->lines);
  if (b->out.fd >= 0 && !cli_out_close(&b->out) && code == CLI_DONE) code = CLI_FAILED;
  return code;
}

static bool check_options(const cli_options *o) {
  if (o->arg_count > 1 || o->body || o->prompt || o->model || o->family) {
    cli_say("--input has all that is to be run: no endpoint, prompt, model or body beside it");
    return false;
  }
  if (o->resume) {
    cli_say("--resume is for one download; a run of many jobs goes on with --journal");
    return false;
  }
  return true;
}

int cli_batch_run(const cli_options *o) {
  batch b = {.options = o, .in = -1, .journal = o->journal != NULL};
  cli_settings settings;
  b.out.fd = -1;
  b.open_max = o->concurrency.set ? (uint64_t)o->concurrency.value : CONCURRENCY_DEFAULT;
  cli_jsonw_init(&b.json, cli_program_alloc());
  cli_batch_line_init(&b.line);
  lti_buf_init(&b.lines.rest, cli_program_alloc(), 0, LEAT_EBODYMAX);
  int code = CLI_WRONG;
  if (cli_settings_init(&settings, o) && check_options(o) && cli_batch_names_init(&b.names) &&
      cli_batch_names_init(&b.told) && open_input(&b)) {
    settings.config.journal = o->journal;
    if (o->polls.set) settings.config.polls_per_second = (int)o->polls.value;
    code = run_session(&b, &settings.config);
  }
  if (b.in >= 0) close(b.in);
  cli_batch_names_free(&b.names);
  cli_batch_names_free(&b.told);
  cli_batch_line_deinit(&b.line);
  cli_jsonw_deinit(&b.json);
  cli_settings_free(&settings);
  return code;
}
