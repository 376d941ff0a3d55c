/* Large uploads and short chats at the same moment, through one engine: how long each waits for its
 * headers, and what it takes in connections. bench/uploads/run.sh runs it in several ways, and
 * test/e2e/test_h2_bursts.py while the gateway leaves and refuses.
 *
 * usage: uploads URL CA_FILE [NAME=VALUE]...
 *   http=0|1|2        which HTTP [0: as the server offers]
 *   conns=N           HTTP/1.1 connections at most [0: the engine's usual number]
 *   h2_conns=N        HTTP/2 connections at most [0: the same]
 *   h2_streams=N      requests at once on one of them [0: the same]
 *   uploads=N bytes=N chats=N    how many, and how large an upload is [60, 1048576, 100]
 *   waves=N           so often, each when the one before is done [1]
 *   retries=N         of each request, besides those that cost none [0]
 *   timeout_ms=N      for each request [120000]
 *
 * A wave is submitted at once, uploads and chats by turns, so that neither has the first places.
 * Each request carries a name (x-mock-request) by which the gateway counts how often it was asked,
 * and each body differs from all others in its first bytes. Prints one JSON object: milliseconds
 * from submit to headers of each, what was lost, connections. Exit status 1 when anything was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leat.h"

#define COUNT_MAX 10000
#define BYTES_MAX (64L << 20)

typedef struct setting {
  const char *name;
  long most, value;
} setting;

enum {
  HTTP,
  CONNS,
  H2_CONNS,
  H2_STREAMS,
  UPLOADS,
  BYTES,
  CHATS,
  WAVES,
  RETRIES,
  TIMEOUT_MS,
  SETTINGS
};

static setting settings[SETTINGS] = {
    [HTTP] = {"http", 2, 0},
    [CONNS] = {"conns", COUNT_MAX, 0},
    [H2_CONNS] = {"h2_conns", COUNT_MAX, 0},
    [H2_STREAMS] = {"h2_streams", COUNT_MAX, 0},
    [UPLOADS] = {"uploads", COUNT_MAX, 60},
    [BYTES] = {"bytes", BYTES_MAX, 1 << 20},
    [CHATS] = {"chats", COUNT_MAX, 100},
    [WAVES] = {"waves", COUNT_MAX, 1},
    [RETRIES] = {"retries", 100, 0},
    [TIMEOUT_MS] = {"timeout_ms", 3600000, 120000},
};

typedef struct run run;

typedef struct job {
  run *run;
  double head_ms; /* from submit to headers, < 0: none came */
  int error;
  bool uploads, twice; /* twice: it may have run so often */
} job;

struct run {
  leat_engine *engine;
  char *large, *small; /* bodies; their first bytes are written for each request */
  job *jobs;
  long count, size; /* of all jobs, and of a wave */
  long begun, live;
};

/* ---- requests */

#define NAME_BYTES 24
#define BACK       "\"}]}"

#define FRONT "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\""

/* A chat's body with a prompt of so many bytes, and room for a name in front of it. */
static char *make_body(long bytes) {
  size_t front = sizeof FRONT - 1, prompt = NAME_BYTES + (size_t)bytes;
  char *text = malloc(front + prompt + sizeof BACK);
  if (!text) return NULL;
  memcpy(text, FRONT, front);
  for (size_t i = 0; i < prompt; i++) text[front + i] = (char)('a' + i % 26);
  memcpy(text + front + prompt, BACK, sizeof BACK);
  return text;
}

static void submit_wave(run *r);

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  job *j = user;
  const leat_times *t = &result->times;
  j->error = result->error;
  j->twice = result->maybe_ran_twice;
  if (t->head_ns) j->head_ms = (double)(t->head_ns - t->queued_ns) / 1e6;
  if (result->error != LEAT_OK)
    fprintf(stderr, "uploads: %s: %.*s\n", leat_error_name(result->error),
            (int)result->message.size, result->message.data);
  if (--j->run->live == 0) submit_wave(j->run);
}

static void submit(run *r, long number) {
  job *j = &r->jobs[number];
  char *body = j->uploads ? r->large : r->small, name[NAME_BYTES + 1];
  int size = snprintf(name, sizeof name, "%s-%ld", j->uploads ? "upload" : "chat", number);
  leat_header header = {{"x-mock-request", 14}, {name, (size_t)size}};
  leat_request request;
  leat_request_init(&request);
  memcpy(body + sizeof FRONT - 1, name, (size_t)size);
  request.body = (leat_slice){body, strlen(body)};
  request.headers = &header;
  request.header_count = 1;
  request.on_done = on_done;
  request.user = j;
  leat_id id;
  if (leat_submit(r->engine, &request, &id) == LEAT_OK)
    r->live++;
  else
    fprintf(stderr, "uploads: %s\n", leat_last_message(r->engine));
}

/* Uploads and chats by turns, in the proportion of their numbers. */
static void submit_wave(run *r) {
  long uploads = 0, all = settings[UPLOADS].value;
  for (long i = 0; i < r->size && r->begun < r->count; i++) {
    job *j = &r->jobs[r->begun];
    *j = (job){.run = r, .head_ms = -1, .error = LEAT_ECANCELLED};
    j->uploads = uploads < all && uploads * r->size < all * (i + 1);
    uploads += j->uploads;
    submit(r, r->begun++);
  }
}

/* ---- the report */

static void put_times(const run *r, bool uploads) {
  const char *comma = "";
  printf("\"%s\":[", uploads ? "uploads" : "chats");
  for (long i = 0; i < r->count; i++) {
    if (r->jobs[i].uploads != uploads || r->jobs[i].head_ms < 0) continue;
    printf("%s%.3f", comma, r->jobs[i].head_ms);
    comma = ",";
  }
  printf("],");
}

static long put_report(const run *r) {
  leat_stats stats;
  long lost = 0, twice = 0;
  leat_stats_get(r->engine, &stats, sizeof stats);
  for (long i = 0; i < r->count; i++) {
    lost += r->jobs[i].error != LEAT_OK;
    twice += r->jobs[i].twice;
  }
  printf("{");
  put_times(r, true);
  put_times(r, false);
  printf("\"lost\":%ld,\"maybe_twice\":%ld,\"retried\":%llu,\"replayed\":%llu,", lost, twice,
         (unsigned long long)stats.requests_retried, (unsigned long long)stats.requests_replayed);
  printf("\"connections\":%llu,\"http2\":%llu}\n", (unsigned long long)stats.conns_opened,
         (unsigned long long)stats.conns_h2);
  return lost;
}

/* ---- the program */

static bool take_setting(const char *text) {
  const char *sign = strchr(text, '=');
  for (int i = 0; sign && i < SETTINGS; i++) {
    size_t size = strlen(settings[i].name);
    if (size != (size_t)(sign - text) || memcmp(text, settings[i].name, size) != 0) continue;
    char *end;
    settings[i].value = strtol(sign + 1, &end, 10);
    return sign[1] && !*end && settings[i].value >= 0 && settings[i].value <= settings[i].most;
  }
  return false;
}

static leat_engine *open_engine(const char *url, const char *ca_file) {
  leat_config config;
  leat_engine *engine = NULL;
  const char *message;
  leat_config_init(&config);
  config.base_url = url;
  config.ca_file = ca_file;
  config.http = (enum leat_http)settings[HTTP].value;
  config.conns_max = (int)settings[CONNS].value;
  config.h2_conns_max = (int)settings[H2_CONNS].value;
  config.h2_streams_max = (int)settings[H2_STREAMS].value;
  config.retries = settings[RETRIES].value ? (int)settings[RETRIES].value : LEAT_NONE;
  config.deadlines.total_ms = settings[TIMEOUT_MS].value;
  if (leat_open(&engine, &config, &message) != LEAT_OK) fprintf(stderr, "uploads: %s\n", message);
  return engine;
}

int main(int argc, char **argv) {
  bool known = argc >= 3;
  for (int i = 3; i < argc && known; i++) known = take_setting(argv[i]);
  if (!known) {
    fprintf(stderr, "usage: uploads URL CA_FILE [NAME=VALUE]...\n");
    return 2;
  }
  run r = {.size = settings[UPLOADS].value + settings[CHATS].value};
  r.count = r.size * settings[WAVES].value;
  r.large = make_body(settings[BYTES].value);
  r.small = make_body(200);
  r.jobs = calloc((size_t)r.count + 1, sizeof *r.jobs);
  r.engine = r.jobs && r.large && r.small ? open_engine(argv[1], argv[2]) : NULL;
  int code = 2;
  if (r.engine) {
    submit_wave(&r);
    leat_run(r.engine);
    code = put_report(&r) > 0;
    leat_close(r.engine, LEAT_CLOSE_NOW, NULL, NULL);
    leat_run(r.engine);
  }
  free(r.jobs);
  free(r.large);
  free(r.small);
  return code;
}
