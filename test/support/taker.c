/* Bodies taken: see taker.h. */
#include "support/taker.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/h2_server.h"

#define RECORD ((size_t)16 * 1024)

struct taker {
  taker_plan plan;
  peer *peer;
  pthread_mutex_t lock;
  taker_took took;
};

/* One link over HTTP/2. */
typedef struct h2_link {
  taker *taker;
  peer_link *link;
  lti_alloc alloc;
  lti_buf out;
  bool due; /* what the plan says for the middle of a body */
} h2_link;

static void serve(peer_link *l, void *ctx);

taker *taker_start(flow *f, const taker_plan *plan) {
  taker *t = flow_keep(f, sizeof *t);
  t->plan = *plan;
  if (!t->plan.body) t->plan.body = "ok";
  if (t->plan.early_times == 0) t->plan.early_times = 1;
  pthread_mutex_init(&t->lock, NULL);
  t->peer = flow_peer_with(f, &(peer_options){.script = serve, .ctx = t, .tls = plan->tls});
  return t;
}

peer *taker_peer(const taker *t) {
  return t->peer;
}

void taker_look(taker *t, taker_took *took) {
  pthread_mutex_lock(&t->lock);
  *took = t->took;
  pthread_mutex_unlock(&t->lock);
}

uint64_t taker_hash(uint64_t hash, leat_slice bytes) {
  for (size_t i = 0; i < bytes.size; i++)
    hash = (hash ^ (unsigned char)bytes.data[i]) * 1099511628211u;
  return hash;
}

/* ---- the books */

/* Returns the request's number. */
static unsigned note_head(taker *t) {
  pthread_mutex_lock(&t->lock);
  unsigned number = t->took.heads++;
  t->took.head[0] = '\0';
  memset(t->took.body, 0, sizeof t->took.body);
  t->took.body_size = 0;
  t->took.hash = TAKER_HASH;
  pthread_mutex_unlock(&t->lock);
  return number;
}

static void note_text(taker *t, leat_slice text) {
  pthread_mutex_lock(&t->lock);
  size_t at = strlen(t->took.head), room = sizeof t->took.head - 1 - at;
  size_t n = text.size < room ? text.size : room;
  memcpy(t->took.head + at, text.data, n);
  t->took.head[at + n] = '\0';
  pthread_mutex_unlock(&t->lock);
}

/* Of a request that is not the last one any more only the size counts. */
static void note_body(taker *t, unsigned number, leat_slice bytes) {
  pthread_mutex_lock(&t->lock);
  taker_took *k = &t->took;
  k->bytes += bytes.size;
  if (number + 1 != k->heads) {
    pthread_mutex_unlock(&t->lock);
    return;
  }
  size_t room = k->body_size < TAKER_KEPT ? TAKER_KEPT - (size_t)k->body_size : 0;
  size_t n = bytes.size < room ? bytes.size : room;
  if (n > 0) memcpy(k->body + k->body_size, bytes.data, n);
  k->body_size += bytes.size;
  k->hash = taker_hash(k->hash, bytes);
  pthread_mutex_unlock(&t->lock);
}

static void note_end(taker *t, unsigned chunks, bool whole) {
  pthread_mutex_lock(&t->lock);
  t->took.chunks += chunks;
  if (whole)
    t->took.wholes++;
  else
    t->took.faults++;
  pthread_mutex_unlock(&t->lock);
}

static const char *answer_of(const taker *t, unsigned number) {
  unsigned i = 0;
  while (i < number && t->plan.answers[i + 1]) i++;
  return t->plan.answers[i];
}

static bool is_early(const taker *t, unsigned number, uint64_t before, uint64_t after) {
  return t->plan.early && number < t->plan.early_times && before < t->plan.early_at &&
         after >= t->plan.early_at;
}

/* ---- HTTP/1.1 */

static bool say(const taker *t, peer_link *l, const char *answer) {
  char text[256];
  if (strlen(answer) != 3) return peer_say(l, answer);
  snprintf(text, sizeof text, "HTTP/1.1 %s X\r\n<<body>>%s<<cut>>", answer, t->plan.body);
  return peer_say(l, text);
}

/* One body, as it comes. */
typedef struct intake {
  taker *taker;
  peer_link *link;
  unsigned number;
  uint64_t taken;
} intake;

/* False: the link ended, or is not read any more. */
static bool take_body(intake *in, uint64_t size) {
  char bytes[RECORD];
  const taker_plan *plan = &in->taker->plan;
  while (size > 0) {
    if (plan->slow_ms && !peer_sleep(in->link, plan->slow_ms)) return false;
    size_t n = peer_take_some(in->link, bytes, size < RECORD ? (size_t)size : RECORD);
    if (n == 0) return false;
    note_body(in->taker, in->number, lti_slice(bytes, n));
    uint64_t before = in->taken;
    size -= n;
    in->taken += n;
    if (!is_early(in->taker, in->number, before, in->taken)) continue;
    if (!say(in->taker, in->link, plan->early)) return false;
    if (!plan->deaf) continue;
    peer_sleep(in->link, 8000);
    return false;
  }
  return true;
}

/* A line without its end; false when it has none, or the link ended. */
static bool take_line(peer_link *l, char *line, size_t room) {
  size_t at = 0;
  while (at + 1 < room && peer_take(l, line + at, 1)) {
    if (line[at++] != '\n') continue;
    if (at < 2 || line[at - 2] != '\r') return false;
    line[at - 2] = '\0';
    return true;
  }
  return false;
}

/* RFC 9112 7.1, as we write it: no extensions, no trailers. -1: the link ended; 0: no such thing.
 */
static int take_chunks(intake *in, unsigned *chunks) {
  char line[32], *end;
  for (;;) {
    if (!take_line(in->link, line, sizeof line)) return -1;
    unsigned long size = strtoul(line, &end, 16);
    if (end == line || *end || strlen(line) > 5) return 0;
    if (size > 0 && !take_body(in, size)) return -1;
    if (!take_line(in->link, line, sizeof line)) return -1;
    if (line[0]) return 0;
    if (size == 0) return 1;
    ++*chunks;
  }
}

static bool serve_one(taker *t, peer_link *l) {
  char line[2048];
  uint64_t size = 0;
  bool chunked = false;
  intake in = {.taker = t, .link = l};
  if (!take_line(l, line, sizeof line)) return false;
  in.number = note_head(t);
  do {
    note_text(t, lti_slice(line, strlen(line)));
    note_text(t, lti_slice("\r\n", 2));
    if (!strncmp(line, "Content-Length: ", 16)) size = strtoull(line + 16, NULL, 10);
    if (!strcmp(line, "Transfer-Encoding: chunked")) chunked = true;
  } while (take_line(l, line, sizeof line) && line[0]);
  unsigned chunks = 0;
  int r = chunked ? take_chunks(&in, &chunks) : take_body(&in, size) ? 1 : -1;
  if (r >= 0) note_end(t, chunks, r > 0);
  return r > 0 && say(t, l, answer_of(t, in.number));
}

/* ---- HTTP/2 */

static void on_field(void *ctx, h2_request *request, leat_slice name, leat_slice value,
                     bool never) {
  h2_link *x = ctx;
  (void)never;
  if (!request->user) request->user = (void *)(uintptr_t)(note_head(x->taker) + 1);
  note_text(x->taker, name);
  note_text(x->taker, lti_slice(": ", 2));
  note_text(x->taker, value);
  note_text(x->taker, lti_slice("\r\n", 2));
}

static unsigned number_of(const h2_request *request) {
  return (unsigned)(uintptr_t)request->user - 1;
}

static void answer(const taker *t, h2_server *h2, h2_request *request, const char *text) {
  static const char *const fields[] = {"content-type", "text/plain", NULL};
  if (!strncmp(text, "reset ", 6)) {
    h2_server_reset(h2, request, (uint32_t)strtoul(text + 6, NULL, 10));
    return;
  }
  h2_server_head(h2, request, (int)strtol(text, NULL, 10), fields, false);
  h2_server_body(h2, request, lti_slice_of(t->plan.body));
  h2_server_finish(h2, request, NULL);
}

static void on_request(void *ctx, h2_server *h2, h2_request *request) {
  h2_link *x = ctx;
  note_end(x->taker, 0, true);
  answer(x->taker, h2, request, answer_of(x->taker, number_of(request)));
}

static void on_closed(void *ctx, h2_server *h2, h2_request *request, uint32_t code) {
  (void)ctx, (void)h2, (void)request, (void)code;
}

static void on_body(void *ctx, h2_request *request, leat_slice bytes) {
  h2_link *x = ctx;
  note_body(x->taker, number_of(request), bytes);
  if (x->taker->plan.slow_ms) peer_sleep(x->link, x->taker->plan.slow_ms);
  uint64_t before = request->body_bytes - bytes.size;
  if (is_early(x->taker, number_of(request), before, request->body_bytes)) x->due = true;
}

static bool pump(h2_link *x, h2_server *h2) {
  bool more;
  do {
    more = h2_server_drain(h2, &x->out, RECORD);
    if (x->out.size && !peer_send(x->link, lti_buf_slice(&x->out))) return false;
    lti_buf_clear(&x->out);
  } while (more);
  return true;
}

/* What the plan says for the middle of a body, of the request that is there: a server that has
 * answered resets with NO_ERROR (RFC 9113 8.1). */
static void act_early(h2_link *x, h2_server *h2) {
  int32_t id = 1;
  while (!h2_server_find(h2, id) && id < 1000) id += 2;
  h2_request *request = h2_server_find(h2, id);
  x->due = false;
  if (!request) return;
  answer(x->taker, h2, request, x->taker->plan.early);
  if (strncmp(x->taker->plan.early, "reset ", 6) != 0 && pump(x, h2) && h2_server_find(h2, id))
    h2_server_reset(h2, request, 0);
}

static void serve_http2(taker *t, peer_link *l) {
  h2_link x = {.taker = t, .link = l};
  lti_alloc_init(&x.alloc, NULL);
  lti_buf_init(&x.out, &x.alloc, SIZE_MAX / 4, LEAT_EBODYMAX);
  h2_server_config config = {.stream_window = (uint32_t)t->plan.window,
                             .conn_window = (uint32_t)t->plan.window,
                             .give_back = true,
                             .on = {on_request, NULL, on_closed, on_field, &x, on_body}};
  h2_server *h2 = h2_server_new(&config);
  char bytes[RECORD];
  size_t n;
  bool alive = pump(&x, h2);
  while (alive && (n = peer_take_some(l, bytes, sizeof bytes)) > 0) {
    alive = h2_server_feed(h2, lti_slice(bytes, n));
    if (alive && x.due && t->plan.deaf) {
      peer_sleep(l, 8000);
      break;
    }
    if (alive && x.due) act_early(&x, h2);
    if (alive) alive = pump(&x, h2);
  }
  if (h2_server_blames(h2)) note_end(t, 0, false);
  h2_server_free(h2);
  lti_buf_deinit(&x.out);
}

static void serve(peer_link *l, void *ctx) {
  taker *t = ctx;
  if (t->plan.http2)
    serve_http2(t, l);
  else
    while (serve_one(t, l)) continue;
}
