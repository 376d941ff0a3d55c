/* `leat demo`: the gateway in a child process, thousands of chats and hundreds of tasks over a
 * small pool, and every byte of every answer compared with what the gateway was to say. Once over
 * HTTP/1.1, where requests wait for a connection, and once over HTTP/2, where all of them share a
 * few at the same time; each in a process of its own, so that its memory and cycles are its own.
 *
 * What it says follows from a seed and an index (bench/mock/text.h), so nothing is kept: a chat is
 * compared piece by piece as it comes, a video at its offset. In the end the gateway's own counters
 * are fetched and must agree. Chats and tasks bring keys of their own, so that the pool's queue,
 * which is fair between keys, lets the tasks' short exchanges pass between the chats. */
#include "demo.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/mock/text.h"
#include "failure.h"
#include "say.h"
#include "settings.h"
#include "wire/json.h"

#define SEED_DEFAULT    20
#define LIVE_PERIOD_MS  100
#define PIECES_MIN      20
#define PIECES_SPREAD   41
#define TASK_QUEUED_MS  500
#define TASK_RUN_MS     4000
#define TASK_POLL_MS    1000
#define STATS_MAX       65536
#define COMPARE_SIZE    4096
#define TASK_SEEDS_FROM 2000 /* beyond the chats' */

/* The second is slow to begin, so that all chats are open before the first ends. */
static const demo_pass passes[] = {
    {LEAT_HTTP_1, 2000, 500, 64, 100000, 10000, 2000},
    {LEAT_HTTP_2, 5000, 0, 20, 1500000, 100000, 20000},
};

/* Compares text with the pieces that are to come. */
static void follow_chat(demo_part *part, leat_slice text) {
  char piece[MOCK_TEXT_PIECE_MAX];
  part->demo->chat_sums.bytes += text.size;
  while (text.size > 0 && !part->wrong) {
    size_t size = mock_text_piece(part->seed, part->piece, piece, sizeof piece);
    size_t n = size - (size_t)part->at < text.size ? size - (size_t)part->at : text.size;
    part->wrong = part->piece == part->pieces || memcmp(piece + part->at, text.data, n) != 0;
    part->at += n;
    text = lti_slice_from(text, n);
    if (part->at < size) continue;
    part->piece++;
    part->at = 0;
  }
}

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  demo_part *part = user;
  demo *d = part->demo;
  (void)engine;
  (void)id;
  if (event->kind == LEAT_EVENT_USAGE && event->usage.output > 0)
    d->tokens += (uint64_t)event->usage.output;
  if (event->kind != LEAT_EVENT_TEXT || event->text.size == 0) return LEAT_CONTINUE;
  d->tally.content_events++;
  follow_chat(part, event->text);
  return LEAT_CONTINUE;
}

static void on_chat_done(leat_engine *engine, leat_id id, const leat_result *r, void *user) {
  demo_part *part = user;
  demo *d = part->demo;
  (void)engine;
  (void)id;
  part->id = 0;
  demo_tally_done(&d->tally, r);
  if (r->error) {
    d->chat_sums.failed++;
    return;
  }
  d->chat_sums.done++;
  part->verified = !part->wrong && part->piece == part->pieces && part->at == 0;
  if (part->verified) d->chat_sums.verified++;
}

/* A video's bytes, at their place. */
static int on_content(leat_engine *engine, leat_id id, uint64_t offset, leat_slice bytes,
                      void *user) {
  demo_part *part = user;
  char expected[COMPARE_SIZE];
  (void)engine;
  (void)id;
  if (offset != part->at) part->wrong = true;
  part->at = offset + bytes.size;
  part->demo->task_sums.bytes += bytes.size;
  while (bytes.size > 0 && !part->wrong) {
    size_t n = bytes.size < sizeof expected ? bytes.size : sizeof expected;
    mock_text_bytes(part->seed, offset, expected, n);
    part->wrong = memcmp(expected, bytes.data, n) != 0;
    offset += n;
    bytes = lti_slice_from(bytes, n);
  }
  return 0;
}

static void on_task_done(leat_engine *engine, leat_id id, const leat_task_update *last,
                         const leat_result *r, void *user) {
  demo_part *part = user;
  demo *d = part->demo;
  (void)engine;
  (void)id;
  part->id = 0;
  d->task_sums.polls += last->polls;
  d->tally.end_ns = r->times.done_ns > d->tally.end_ns ? r->times.done_ns : d->tally.end_ns;
  if (r->error) {
    d->task_sums.failed++;
    demo_tally_note(&d->tally, r->error, r->message);
    return;
  }
  d->task_sums.done++;
  part->verified = !part->wrong && last->bytes == part->at && part->at > 0;
  if (part->verified) d->task_sums.verified++;
}

static void on_interrupt(cli_session *session) {
  demo *d = session->user;
  for (uint64_t i = 0; i < d->chat_count; i++)
    if (d->chats[i].id) leat_cancel(session->engine, d->chats[i].id);
  for (uint64_t i = 0; i < d->task_count; i++)
    if (d->tasks[i].id) leat_cancel(session->engine, d->tasks[i].id);
}

static void on_clock(cli_session *session) {
  demo *d = session->user;
  leat_stats stats;
  char line[200];
  double seconds = (double)(uv_hrtime() - d->tally.start_ns) / 1e9;
  if (leat_stats_get(session->engine, &stats, sizeof stats) != LEAT_OK) return;
  snprintf(line, sizeof line,
           "%5.1f s  chats %llu/%llu  videos %llu/%llu  events %llu  polls %llu  connections %llu",
           seconds, (unsigned long long)d->chat_sums.done, (unsigned long long)d->chat_count,
           (unsigned long long)d->task_sums.done, (unsigned long long)d->task_count,
           (unsigned long long)stats.records, (unsigned long long)stats.task_polls,
           (unsigned long long)stats.conns_open);
  cli_say_live(line);
}

static leat_header header_of(const char *name, const char *value) {
  leat_header h = {lti_slice_of(name), lti_slice_of(value)};
  return h;
}

/* How long this chat's answer is: 20 to 60 pieces. */
static uint32_t pieces_of(uint64_t seed) {
  return PIECES_MIN + (uint32_t)(mock_text_mix(seed) % PIECES_SPREAD);
}

static int begin_chat(demo *d, demo_part *part) {
  char seed[32], events[16], body[160];
  leat_request request;
  leat_request_init(&request);
  part->demo = d;
  part->pieces = pieces_of(part->seed);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)part->seed);
  snprintf(events, sizeof events, "%u", part->pieces);
  snprintf(body, sizeof body,
           "{\"model\":\"demo\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
           "\"messages\":[{\"role\":\"user\",\"content\":\"seed %s\"}]}",
           seed);
  leat_header headers[] = {header_of("x-mock-seed", seed), header_of("x-mock-events", events)};
  request.headers = headers;
  request.header_count = 2;
  request.body = lti_slice_of(body);
  request.api_key = "demo-chats";
  request.on_event = on_event;
  request.on_done = on_chat_done;
  request.user = part;
  d->tally.started++;
  return leat_submit(d->session.engine, &request, &part->id);
}

static int begin_task(demo *d, demo_part *part) {
  char seed[32];
  leat_task task;
  leat_task_init(&task);
  part->demo = d;
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)part->seed);
  leat_header headers[] = {header_of("x-mock-seed", seed)};
  task.headers = headers;
  task.header_count = 1;
  task.api_key = "demo-tasks";
  task.model = "demo-video";
  task.prompt = "a channel that leads one stream to many mills";
  task.poll_ms = TASK_POLL_MS;
  task.download = true;
  task.on_content = on_content;
  task.on_done = on_task_done;
  task.user = part;
  return leat_task_start(d->session.engine, &task, &part->id);
}

static int begin_all(demo *d) {
  int error = LEAT_OK;
  d->tally.start_ns = uv_hrtime();
  for (uint64_t i = 0; i < d->task_count && !error; i++) {
    d->tasks[i].seed = mock_text_mix(d->seed + TASK_SEEDS_FROM + d->chat_count + i) >> 12;
    error = begin_task(d, &d->tasks[i]);
  }
  for (uint64_t i = 0; i < d->chat_count && !error; i++) {
    d->chats[i].seed = mock_text_mix(d->seed + i) >> 12;
    error = begin_chat(d, &d->chats[i]);
  }
  return error;
}

static int on_stats(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  demo *d = user;
  (void)engine;
  (void)id;
  if (event->kind == LEAT_EVENT_RAW && lti_buf_append(&d->gateway_stats, event->text) != LEAT_OK)
    lti_buf_clear(&d->gateway_stats);
  return LEAT_CONTINUE;
}

static void on_stats_done(leat_engine *engine, leat_id id, const leat_result *r, void *user) {
  demo *d = user;
  (void)engine;
  (void)id;
  if (r->error) {
    cli_failure_say(r, 0);
    lti_buf_clear(&d->gateway_stats);
  }
}

static uint64_t count_at(leat_slice json, const char *pointer) {
  leat_slice value;
  uint64_t count = 0;
  return lti_json_find(json, pointer, &value) && lti_slice_u64(value, &count) ? count : 0;
}

/* What the gateway says it sent. */
static void fetch_stats(demo *d) {
  leat_request request;
  leat_id id;
  leat_request_init(&request);
  request.protocol = "raw";
  request.path = "/stats";
  request.on_event = on_stats;
  request.on_done = on_stats_done;
  request.user = d;
  int error = leat_submit(d->session.engine, &request, &id);
  if (error) {
    cli_failure_refused(d->session.engine, error);
    return;
  }
  cli_session_run(&d->session);
  leat_slice json = lti_buf_slice(&d->gateway_stats);
  d->gateway_events = count_at(json, "/events");
  d->gateway_streams = count_at(json, "/streams_done");
  d->gateway_peak = count_at(json, "/peak");
}

static int show(demo *d) {
  static cli_out out;
  cli_out_init(&out, STDOUT_FILENO, "standard output");
  if (d->options->json)
    demo_json(d, &out);
  else
    demo_table(d, &out);
  bool fine = cli_out_close(&out);
  if (d->session.interrupted) return CLI_INTERRUPTED;
  return fine && demo_is_verified(d) ? CLI_DONE : CLI_FAILED;
}

static int run(demo *d, leat_config *config) {
  char base[64];
  snprintf(base, sizeof base, "https://localhost:%d", d->gateway.port);
  config->base_url = base;
  config->ca_pem = lti_buf_slice(&d->gateway.ca_pem);
  config->ca_file = NULL;
  config->api_key = NULL;
  config->http = d->pass->http;
  config->conns_max = config->h2_conns_max = d->connections;
  config->polls_per_second = LEAT_NONE; /* its own gateway minds no number of them */
  if (!cli_session_open(&d->session, config, d, on_interrupt)) return d->session.code;
  if (!d->options->quiet) cli_session_clock(&d->session, LIVE_PERIOD_MS, on_clock);
  int error = begin_all(d);
  if (error) {
    int code = cli_failure_refused(d->session.engine, error);
    cli_session_close(&d->session, LEAT_CLOSE_NOW);
    return code;
  }
  cli_session_run(&d->session);
  cli_say_live("");
  leat_stats_get(d->session.engine, &d->tally.stats, sizeof d->tally.stats);
  demo_tally_process_now(&d->process);
  if (!d->session.interrupted) fetch_stats(d);
  int code = show(d);
  cli_session_close(&d->session, LEAT_CLOSE_NOW);
  return code;
}

static bool size_demo(demo *d) {
  const cli_options *o = d->options;
  d->chat_count = o->chats.set ? (uint64_t)o->chats.value : d->pass->chats;
  d->task_count = o->tasks.set ? (uint64_t)o->tasks.value : d->pass->tasks;
  d->connections = o->connections.set ? (int)o->connections.value : d->pass->connections;
  d->seed = o->seed.set ? (uint64_t)o->seed.value : SEED_DEFAULT;
  d->chats = calloc(d->chat_count + 1, sizeof *d->chats);
  d->tasks = calloc(d->task_count + 1, sizeof *d->tasks);
  lti_buf_init(&d->gateway_stats, cli_program_alloc(), STATS_MAX, LEAT_EBODYMAX);
  return d->chats && d->tasks && demo_tally_init(&d->tally);
}

static int run_pass(const cli_options *options, const demo_pass *pass) {
  demo d = {.options = options, .pass = pass};
  cli_settings settings;
  mock_config gateway;
  int code = CLI_FAILED;
  cli_session_descriptors();
  mock_config_init(&gateway);
  gateway.ttft_us = pass->ttft_us;
  gateway.gap_us = pass->gap_us;
  gateway.jitter_us = pass->jitter_us;
  gateway.task_queued_ms = TASK_QUEUED_MS;
  gateway.task_ms = TASK_RUN_MS;
  if (size_demo(&d) && cli_gateway_child_start(&d.gateway, &gateway)) {
    cli_options direct = *options;
    direct.proxy = ""; /* the gateway is this machine's own, whatever the environment says */
    code = cli_settings_init(&settings, &direct) ? run(&d, &settings.config) : CLI_WRONG;
    cli_settings_free(&settings);
    cli_gateway_child_stop(&d.gateway);
  }
  lti_buf_deinit(&d.gateway_stats);
  demo_tally_deinit(&d.tally);
  free(d.chats);
  free(d.tasks);
  return code;
}

/* In a process of its own. An interrupt reaches it as it reaches this one, which only waits. */
static int run_apart(const cli_options *options, const demo_pass *pass) {
  fflush(NULL);
  pid_t child = fork();
  if (child < 0) {
    cli_say("demo: no process for it: %s", strerror(errno));
    return CLI_FAILED;
  }
  if (child == 0) {
    int code = run_pass(options, pass);
    fflush(NULL);
    _exit(code);
  }
  int status = 0;
  signal(SIGINT, SIG_IGN);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  signal(SIGINT, SIG_DFL);
  return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
}

int cli_demo_run(const cli_options *options) {
  if (options->arg_count > 0) {
    cli_say("%s: demo takes options only", options->args[0]);
    return CLI_WRONG;
  }
  bool both = !options->http || strcmp(options->http, "auto") == 0;
  if (!both) return run_pass(options, &passes[strcmp(options->http, "2") == 0]);
  int code = run_apart(options, &passes[0]);
  return code == CLI_DONE ? run_apart(options, &passes[1]) : code;
}
