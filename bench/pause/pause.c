/* Streams that share one HTTP/2 connection, one of which may sleep: how regularly the others have
 * their events, and what the sleeper costs in memory. bench/pause/run.sh runs it both ways.
 *
 * usage: pause URL CA_FILE [NAME=VALUE]...
 *   streams=N   at once, on one connection [200]
 *   events=N    of each answer [250]
 *   sleeps=0|1  the first stream's reader pauses at its tenth event, until all others are done [0]
 *   window=N    of a stream, in bytes: what a sleeper may hold [65536]
 *
 * A gap is the time between two events of text of one stream, by this program's clock as its
 * callback is called; the sleeper's are not counted. When it wakes it must get all of its answer.
 * Prints one JSON object: gaps in ms, peak memory in KB up to then, bytes held for the sleeper,
 * what was lost. Exit status 1 when anything was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "leat.h"

#define STREAMS_MAX 1000
#define EVENTS_MAX  100000
#define WINDOW_MAX  (1L << 30)
#define SLEEPS_AT   10

enum { STREAMS, EVENTS, SLEEPS, WINDOW, SETTINGS };

static struct setting {
  const char *name;
  long most, value;
} settings[SETTINGS] = {[STREAMS] = {"streams", STREAMS_MAX, 200},
                        [EVENTS] = {"events", EVENTS_MAX, 250},
                        [SLEEPS] = {"sleeps", 1, 0},
                        [WINDOW] = {"window", WINDOW_MAX, 65536}};

typedef struct run run;

typedef struct stream {
  run *run;
  leat_id id;
  double last_ms; /* the event before, 0: there was none */
  long texts;
  int error;
} stream;

struct run {
  leat_engine *engine;
  stream *streams;
  double *gaps;
  size_t gap_count;
  long live;
  uint64_t held; /* for the sleeper, when the last of the others was done */
  long peak_kb;  /* of this process, then */
};

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static long peak_memory_kb(void) {
  char line[256];
  long kb = 0;
  FILE *file = fopen("/proc/self/status", "r");
  if (!file) return 0;
  while (fgets(line, sizeof line, file))
    if (strncmp(line, "VmHWM:", 6) == 0) kb = strtol(line + 6, NULL, 10);
  fclose(file);
  return kb;
}

/* ---- streams */

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  stream *s = user;
  run *r = s->run;
  (void)engine, (void)id;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  double now = now_ms();
  s->texts++;
  if (s == r->streams) return settings[SLEEPS].value && s->texts == SLEEPS_AT;
  if (s->last_ms > 0) r->gaps[r->gap_count++] = now - s->last_ms;
  s->last_ms = now;
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  stream *s = user;
  run *r = s->run;
  leat_stats stats;
  (void)id;
  s->error = result->error;
  if (result->error != LEAT_OK)
    fprintf(stderr, "pause: %s: %.*s\n", leat_error_name(result->error), (int)result->message.size,
            result->message.data);
  if (--r->live != 1) return;
  leat_stats_get(engine, &stats, sizeof stats);
  r->held = stats.held_bytes;
  r->peak_kb = peak_memory_kb();
  if (settings[SLEEPS].value) leat_resume(engine, r->streams[0].id);
}

static int submit(run *r, stream *s) {
  char body[256];
  leat_request request;
  leat_request_init(&request);
  int size = snprintf(body, sizeof body,
                      "{\"model\":\"m\",\"stream\":true,\"max_tokens\":%ld,\"messages\":"
                      "[{\"role\":\"user\",\"content\":\"go\"}]}",
                      settings[EVENTS].value);
  *s = (stream){.run = r, .error = LEAT_ECANCELLED};
  request.body = (leat_slice){body, (size_t)size};
  request.on_event = on_event;
  request.on_done = on_done;
  request.user = s;
  return leat_submit(r->engine, &request, &s->id);
}

/* ---- the report */

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double share(const run *r, double part) {
  if (r->gap_count == 0) return 0;
  size_t at = (size_t)((double)r->gap_count * part);
  return r->gaps[at < r->gap_count ? at : r->gap_count - 1];
}

static long put_report(run *r) {
  leat_stats stats;
  long lost = 0;
  leat_stats_get(r->engine, &stats, sizeof stats);
  for (long i = 0; i < settings[STREAMS].value; i++)
    lost += r->streams[i].error != LEAT_OK || r->streams[i].texts != settings[EVENTS].value;
  qsort(r->gaps, r->gap_count, sizeof *r->gaps, by_size);
  printf("{\"gaps\":%zu,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f,", r->gap_count,
         share(r, 0.5), share(r, 0.99), share(r, 0.999), share(r, 1));
  printf("\"peak_kb\":%ld,\"held\":%llu,\"lost\":%ld,\"connections\":%llu}\n", r->peak_kb,
         (unsigned long long)r->held, lost, (unsigned long long)stats.conns_opened);
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
  config.http = LEAT_HTTP_2;
  config.h2_conns_max = 1;
  config.h2_stream_window = settings[WINDOW].value;
  config.retries = LEAT_NONE;
  if (leat_open(&engine, &config, &message) != LEAT_OK) fprintf(stderr, "pause: %s\n", message);
  return engine;
}

static int carry(run *r) {
  for (long i = 0; i < settings[STREAMS].value; i++) {
    if (submit(r, &r->streams[i]) == LEAT_OK)
      r->live++;
    else
      fprintf(stderr, "pause: %s\n", leat_last_message(r->engine));
  }
  leat_run(r->engine);
  int code = put_report(r) > 0;
  leat_close(r->engine, LEAT_CLOSE_NOW, NULL, NULL);
  leat_run(r->engine);
  return code;
}

int main(int argc, char **argv) {
  bool known = argc >= 3;
  for (int i = 3; i < argc && known; i++) known = take_setting(argv[i]);
  if (!known || settings[STREAMS].value < 2) {
    fprintf(stderr, "usage: pause URL CA_FILE [NAME=VALUE]...\n");
    return 2;
  }
  run r = {0};
  size_t streams = (size_t)settings[STREAMS].value, events = (size_t)settings[EVENTS].value;
  r.streams = calloc(streams, sizeof *r.streams);
  r.gaps = calloc(streams * events + 1, sizeof *r.gaps);
  /* Touched now, so that the report's own memory is the same however far a run gets. */
  if (r.gaps) memset(r.gaps, 1, (streams * events + 1) * sizeof *r.gaps);
  r.engine = r.streams && r.gaps ? open_engine(argv[1], argv[2]) : NULL;
  int code = r.engine ? carry(&r) : 2;
  free(r.streams);
  free(r.gaps);
  return code;
}
