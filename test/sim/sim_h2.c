/* The scripted HTTP/2 server: see sim_h2.h. A request's head asks the script, its end starts the
 * answer, which is the body of what sim_answer.c writes, played in pieces. Nothing is sent from
 * inside nghttp2: whatever changes a connection pumps it afterwards. Connections and requests live
 * until sim_h2_free, so that a late timer finds them. */
#include "sim/sim_h2.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sim/sim_answer.h"
#include "support/h2_server.h"

#define HEAD_BYTES   4096
#define FLOOD_BYTES  3000
#define FIELDS_MAX   40
#define MAX_STREAMS  0x3 /* of SETTINGS */
#define REFUSED      0x7
#define HTTP1_WANTED 0xd

typedef struct call {
  lti_list node;
  sim_h2_conn *conn;
  h2_request *told;      /* NULL: its stream is closed */
  char head[HEAD_BYTES]; /* as HTTP/1.1 would have it */
  size_t head_size;
  sim_request request;
  sim_job *job;
  sim_reply reply;
  enum sim_form form;
  bool wants_length, begun;
  sim_answer answer;
  size_t whole_at, sent, cut_at, stall_at; /* of the body */
} call;

struct sim_h2_conn {
  lti_list node;
  sim_h2 *server;
  sim_link *link; /* NULL: the client has closed */
  h2_server *h2;  /* NULL: over */
  sim_h2_manner manner;
  lti_list calls;
  lti_buf out;
  size_t sent;
  int32_t last_begun;
  unsigned number;
  bool feeding, left, hushed;
};

struct sim_h2 {
  sim *w;
  sim_h2_config config;
  lti_alloc alloc;
  lti_list conns;
  size_t open, ever;
  unsigned blames;
};

static void *on_opened(void *ctx, sim_link *link);
static void on_bytes(void *peer, leat_slice bytes);
static void on_ended(void *peer);
static void on_field(void *ctx, h2_request *told, leat_slice name, leat_slice value, bool never);
static void on_head(void *ctx, h2_server *h2, h2_request *told);
static void on_request(void *ctx, h2_server *h2, h2_request *told);
static void on_closed(void *ctx, h2_server *h2, h2_request *told, uint32_t code);
static void pump(sim_h2_conn *c);
static void play(void *ctx);

/* ---- life */

sim_h2 *sim_h2_new(sim *w, const sim_h2_config *config) {
  sim_h2 *s = calloc(1, sizeof *s);
  assert(s);
  s->w = w;
  s->config = *config;
  lti_alloc_init(&s->alloc, NULL);
  lti_list_init(&s->conns);
  w->host = (sim_host){on_opened, on_bytes, on_ended, s};
  return s;
}

/* Nothing is told of its requests any more. */
static void drop_session(sim_h2_conn *c) {
  for (lti_list *n = c->calls.next; n != &c->calls; n = n->next)
    LTI_CONTAINER_OF(n, call, node)->told = NULL;
  h2_server_free(c->h2);
  c->h2 = NULL;
}

void sim_h2_free(sim_h2 *s) {
  lti_list *n, *m;
  while ((n = lti_list_pop(&s->conns))) {
    sim_h2_conn *c = LTI_CONTAINER_OF(n, sim_h2_conn, node);
    drop_session(c);
    while ((m = lti_list_pop(&c->calls))) {
      call *k = LTI_CONTAINER_OF(m, call, node);
      sim_answer_deinit(&k->answer);
      free(k);
    }
    lti_buf_deinit(&c->out);
    free(c);
  }
  free(s);
}

size_t sim_h2_conns(const sim_h2 *s) {
  return s->open;
}
size_t sim_h2_conns_ever(const sim_h2 *s) {
  return s->ever;
}
unsigned sim_h2_blames(const sim_h2 *s) {
  return s->blames;
}

/* ---- connections */

static void on_tick(void *ctx) {
  sim_h2_conn *c = ctx;
  sim_h2 *s = c->server;
  if (!c->h2 || !c->link) return;
  s->config.tick(s->config.base.ctx, c);
  sim_after(s->w, 1 + sim_below(s->w, c->manner.tick_ns), on_tick, c);
}

static void *on_opened(void *ctx, sim_link *link) {
  sim_h2 *s = ctx;
  sim_h2_conn *c = calloc(1, sizeof *c);
  assert(c);
  c->server = s;
  c->link = link;
  c->number = (unsigned)s->ever++;
  s->open++;
  lti_list_init(&c->calls);
  lti_buf_init(&c->out, &s->alloc, SIZE_MAX / 4, LEAT_EBODYMAX);
  lti_list_push(&s->conns, &c->node);
  if (s->config.greet) s->config.greet(s->config.base.ctx, c, &c->manner);
  h2_server_config config = {.streams_max = c->manner.streams_max,
                             .stream_window = c->manner.stream_window,
                             .conn_window = c->manner.conn_window,
                             .give_back = !c->manner.keeps_windows,
                             .on = {on_request, on_head, on_closed, on_field, c, NULL}};
  c->h2 = h2_server_new(&config);
  if (c->manner.no_streams) h2_server_setting(c->h2, MAX_STREAMS, 0);
  if (c->manner.tick_ns && s->config.tick)
    sim_after(s->w, sim_below(s->w, c->manner.tick_ns), on_tick, c);
  pump(c);
  return c;
}

static void on_ended(void *peer) {
  sim_h2_conn *c = peer;
  c->link = NULL;
  c->server->open--;
  drop_session(c);
}

static void on_bytes(void *peer, leat_slice bytes) {
  sim_h2_conn *c = peer;
  if (!c->h2 || c->hushed) return;
  c->feeding = true;
  bool goes_on = h2_server_feed(c->h2, bytes);
  c->feeding = false;
  pump(c);
  if (!goes_on) sim_h2_end(c, SIM_CUT_FIN);
}

void sim_h2_end(sim_h2_conn *c, enum sim_cut how) {
  if (!c->h2 || !c->link) return;
  assert(!c->feeding);
  drop_session(c);
  if (how == SIM_CUT_RESET) sim_link_reset(c->link);
  if (how == SIM_CUT_FIN) sim_link_fin(c->link, false);
  if (how == SIM_CUT_SILENCE) sim_link_lose(c->link);
}

static void ship(sim_h2_conn *c) {
  leat_slice bytes = lti_buf_slice(&c->out);
  bool cut = c->manner.cut != SIM_WHOLE && c->sent + bytes.size >= c->manner.cut_at;
  if (cut) bytes.size = c->manner.cut_at > c->sent ? c->manner.cut_at - c->sent : 0;
  if (bytes.size) sim_link_send(c->link, bytes);
  c->sent += bytes.size;
  lti_buf_clear(&c->out);
  if (cut) sim_h2_end(c, c->manner.cut);
}

/* As servers do that mean it well: what the client still sends is read, or it would be answered
 * with a reset, which may destroy the GOAWAY before it is read. */
static void linger(sim_h2_conn *c) {
  drop_session(c);
  sim_link_fin(c->link, true);
}

static void pump(sim_h2_conn *c) {
  if (c->feeding || c->hushed) return;
  while (c->h2 && c->link && h2_server_drain(c->h2, &c->out, 65536)) {
    if (h2_server_blames(c->h2)) {
      fprintf(stderr, "seed %llu: the server finds a breach of HTTP/2 on connection %u\n",
              (unsigned long long)c->server->w->seed, c->number);
      c->server->blames++;
    }
    ship(c);
  }
  if (c->h2 && c->link && c->left && h2_server_active(c->h2) == 0) linger(c);
}

/* ---- what a test may do */

void sim_h2_leave(sim_h2_conn *c, bool notice, uint32_t code) {
  if (!c->h2 || c->left) return;
  h2_server_goaway(c->h2, notice ? INT32_MAX : c->last_begun, code);
  c->left = !notice;
  pump(c);
}

void sim_h2_setting(sim_h2_conn *c, uint16_t id, uint32_t value) {
  if (!c->h2) return;
  h2_server_setting(c->h2, id, value);
  pump(c);
}

void sim_h2_give(sim_h2_conn *c, size_t size_max) {
  if (!c->h2) return;
  for (lti_list *n = c->calls.next; n != &c->calls; n = n->next) {
    h2_request *told = LTI_CONTAINER_OF(n, call, node)->told;
    if (!told || !told->unread) continue;
    h2_server_give_back(c->h2, told, told->unread < size_max ? (size_t)told->unread : size_max);
  }
  pump(c);
}

void sim_h2_hush(sim_h2_conn *c) {
  c->hushed = true;
}

void sim_h2_read(sim_h2_conn *c, bool on) {
  if (c->link) sim_link_read(c->link, on);
}

size_t sim_h2_active(const sim_h2_conn *c) {
  return c->h2 ? h2_server_active(c->h2) : 0;
}

unsigned sim_h2_number(const sim_h2_conn *c) {
  return c->number;
}

static const call *call_of(const sim_h2_conn *c, const sim_job *job) {
  for (lti_list *n = c->calls.prev; n != &c->calls; n = n->prev) {
    const call *k = LTI_CONTAINER_OF(n, call, node);
    if (k->job == job) return k;
  }
  return NULL;
}

sim_h2_conn *sim_h2_conn_of(sim_h2 *s, const sim_job *job) {
  for (lti_list *n = s->conns.prev; n != &s->conns; n = n->prev) {
    sim_h2_conn *c = LTI_CONTAINER_OF(n, sim_h2_conn, node);
    if (call_of(c, job)) return c;
  }
  return NULL;
}

/* ---- requests */

static void put_field(call *k, const char *name, leat_slice value) {
  size_t room = sizeof k->head - k->head_size;
  int n = snprintf(k->head + k->head_size, room, "%s: %.*s\r\n", name, (int)value.size, value.data);
  assert(n > 0 && (size_t)n < room);
  k->head_size += (size_t)n;
}

static void on_field(void *ctx, h2_request *told, leat_slice name, leat_slice value, bool never) {
  static const char *const names[] = {"X-Sim", "Authorization", "Content-Length", "Range"};
  sim_h2_conn *c = ctx;
  (void)never;
  call *k = told->user;
  if (!k) {
    k = told->user = calloc(1, sizeof *k);
    assert(k);
    k->conn = c;
    k->told = told;
    sim_answer_init(&k->answer, &c->server->alloc);
    lti_list_push(&c->calls, &k->node);
  }
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (lti_slice_is_nocase(name, names[i])) put_field(k, names[i], value);
}

static size_t point(const call *k, unsigned permille) {
  return k->answer.body.size * permille / 1000;
}

/* The answer begins: from here on the request counts as run. */
static void begin(void *ctx) {
  call *k = ctx;
  sim_h2_conn *c = k->conn;
  if (!k->told) return;
  sim_reply *reply = &k->reply;
  bool post = strcmp(k->request.method, "POST") == 0;
  bool success = !reply->mute && reply->status == 200 && k->form != SIM_REDIRECT;
  bool stream = reply->cut == SIM_CUT_STREAM;
  bool refused = reply->mute && stream && (reply->code == REFUSED || reply->code == HTTP1_WANTED);
  if (post && !refused && (reply->ran || success)) k->job->runs++;
  if (k->told->id > c->last_begun) c->last_begun = k->told->id;
  k->begun = true;
  if (reply->mute) {
    if (stream)
      h2_server_reset(c->h2, k->told, reply->code);
    else if (reply->cut != SIM_WHOLE)
      sim_h2_end(c, reply->cut);
    pump(c);
    return;
  }
  k->wants_length = reply->framing == SIM_LENGTH;
  reply->framing = SIM_LENGTH;
  sim_answer_write(&k->answer, &k->request, k->job, k->form, reply);
  size_t head = k->answer.wire.size - k->answer.body.size;
  k->whole_at = k->answer.whole_at == SIZE_MAX ? SIZE_MAX : k->answer.whole_at - head;
  k->cut_at = reply->cut == SIM_WHOLE ? SIZE_MAX : point(k, reply->cut_permille);
  k->stall_at = point(k, reply->stall_permille);
  play(k);
}

static void start(call *k) {
  sim_after(k->conn->server->w, k->reply.think_ns, begin, k);
}

static void on_head(void *ctx, h2_server *h2, h2_request *told) {
  sim_h2_conn *c = ctx;
  sim_h2 *s = c->server;
  call *k = told->user;
  char text[2 * HEAD_BYTES];
  (void)h2;
  assert(k);
  put_field(k, "Host", lti_slice_of(told->authority));
  int n = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\n%.*s\r\n", told->method, told->path,
                   (int)k->head_size, k->head);
  bool well = sim_request_read(&k->request, lti_slice(text, (size_t)n));
  assert(well && k->request.job < s->config.base.job_count);
  k->job = &s->config.base.jobs[k->request.job];
  k->job->heads++;
  k->form = k->request.form;
  s->config.base.script(s->config.base.ctx, k->job, &k->form, &k->reply);
  if (k->reply.status == 0) k->reply.status = 200;
  if (!k->reply.early) return;
  k->reply.ran = false; /* it answers, or hangs up, before the body is there */
  start(k);
}

static uint64_t hash_of(leat_slice body) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < body.size; i++)
    hash = (hash ^ (unsigned char)body.data[i]) * 1099511628211u;
  return hash;
}

static void on_request(void *ctx, h2_server *h2, h2_request *told) {
  call *k = told->user;
  (void)ctx, (void)h2;
  k->job->requests++;
  if (strcmp(k->request.method, "POST") == 0) {
    k->job->submits++;
    leat_slice body = k->job->body;
    assert(!body.data || (told->body_bytes == body.size && told->body_hash == hash_of(body)));
  }
  if (!k->reply.early) start(k);
}

static void on_closed(void *ctx, h2_server *h2, h2_request *told, uint32_t code) {
  call *k = told->user;
  (void)ctx, (void)h2, (void)code;
  k->told = NULL;
  sim_answer_deinit(&k->answer);
}

/* ---- answers */

/* "Name: value\r\n" of sim_reply.more becomes a field; names in lower case, as HTTP/2 has them. */
static size_t more_fields(const char *more, char *text, size_t size, const char **fields) {
  size_t n = 0;
  snprintf(text, size, "%s", more);
  for (char *line = text; *line;) {
    char *colon = strstr(line, ": "), *end = strstr(line, "\r\n");
    assert(colon && end && colon < end);
    *colon = *end = '\0';
    for (char *p = line; *p; p++)
      if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    fields[n++] = line;
    fields[n++] = colon + 2;
    line = end + 2;
  }
  return n;
}

static void send_head(call *k) {
  static char flood[FLOOD_BYTES + 1];
  const char *fields[2 * FIELDS_MAX + 1] = {NULL};
  char text[512], length[24], type[] = "content-type";
  size_t n = 0;
  bool stream = k->form == SIM_STREAM;
  fields[n++] = type;
  fields[n++] = stream ? "text/event-stream" : "application/json";
  if (k->wants_length) {
    snprintf(length, sizeof length, "%zu", k->answer.body.size);
    fields[n++] = "content-length";
    fields[n++] = length;
  }
  if (k->reply.more) n += more_fields(k->reply.more, text, sizeof text, fields + n);
  memset(flood, 'f', FLOOD_BYTES);
  for (unsigned i = 0; i < k->reply.flood && n < 2 * FIELDS_MAX; i++) {
    fields[n++] = "x-flood";
    fields[n++] = flood;
  }
  h2_server_head(k->conn->h2, k->told, k->reply.status, fields, false);
}

/* Behind its answer it may want no more of a request that is still coming (RFC 9113 8.1). */
static void finish(call *k) {
  sim_h2_conn *c = k->conn;
  h2_server_finish(c->h2, k->told, NULL);
  pump(c);
  if (k->told && !k->told->whole && c->h2) h2_server_reset(c->h2, k->told, 0);
  pump(c);
}

static void cut_off(call *k) {
  sim_h2_conn *c = k->conn;
  pump(c);
  if (!k->told) return;
  if (k->reply.cut != SIM_CUT_STREAM) {
    sim_h2_end(c, k->reply.cut);
    return;
  }
  h2_server_reset(c->h2, k->told, k->reply.code);
  pump(c);
}

static void play(void *ctx) {
  call *k = ctx;
  sim_h2_conn *c = k->conn;
  sim *w = c->server->w;
  if (!k->told) return;
  if (k->sent == 0) send_head(k);
  size_t size = k->answer.body.size, end = k->cut_at < size ? k->cut_at : size;
  size_t piece = k->reply.piece_max ? 1 + sim_below(w, k->reply.piece_max) : size;
  if (piece > end - k->sent) piece = end - k->sent;
  bool stalls = k->reply.stall_ns && k->sent < k->stall_at && k->sent + piece >= k->stall_at;
  h2_server_body(c->h2, k->told, lti_slice(k->answer.body.data + k->sent, piece));
  k->sent += piece;
  if (k->sent >= k->whole_at) k->job->whole = true;
  if (k->sent < end) {
    pump(c);
    uint64_t pause = sim_below(w, k->reply.pause_ns + 1) + (stalls ? k->reply.stall_ns : 0);
    sim_after(w, pause, play, k);
  } else if (k->reply.cut != SIM_WHOLE) {
    cut_off(k);
  } else {
    finish(k);
  }
}
