/* The scripted server: see sim_server.h. A connection parses one request at a time (head, then as
 * many bytes as Content-Length says), asks the script, has the answer written (sim_answer.c) and
 * plays it in pieces. Connections live until sim_server_free. */
#include "sim/sim_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "sim/sim_answer.h"

typedef struct conn {
  lti_list node;
  sim_server *server;
  sim_link *link; /* NULL: closed */
  lti_buf in;
  size_t head_size, body_size; /* of the request being received; head_size 0: no head yet */
  sim_request request;
  sim_job *job;
  sim_reply reply;
  enum sim_form form;
  sim_answer answer;
  size_t sent, cut_at, stall_at;
  bool playing, closed_up;
  uint64_t generation; /* of requests, so that an old idle timer does nothing */
} conn;

typedef struct idle_timer {
  conn *c;
  uint64_t generation;
  lti_list node;
} idle_timer;

struct sim_server {
  sim *w;
  sim_server_config config;
  lti_alloc alloc;
  lti_list conns, timers;
  size_t open, open_peak;
};

static void *on_opened(void *ctx, sim_link *link);
static void on_bytes(void *peer, leat_slice bytes);
static void on_ended(void *peer);
static void play(void *ctx);
static void take_requests(conn *c);

sim_server *sim_server_new(sim *w, const sim_server_config *config) {
  sim_server *s = calloc(1, sizeof *s);
  assert(s);
  s->w = w;
  s->config = *config;
  lti_alloc_init(&s->alloc, NULL);
  lti_list_init(&s->conns);
  lti_list_init(&s->timers);
  w->host = (sim_host){on_opened, on_bytes, on_ended, s};
  return s;
}

void sim_server_free(sim_server *s) {
  lti_list *n;
  while ((n = lti_list_pop(&s->timers))) free(LTI_CONTAINER_OF(n, idle_timer, node));
  while ((n = lti_list_pop(&s->conns))) {
    conn *c = LTI_CONTAINER_OF(n, conn, node);
    lti_buf_deinit(&c->in);
    sim_answer_deinit(&c->answer);
    free(c);
  }
  free(s);
}

size_t sim_server_conns(const sim_server *s) {
  return s->open;
}

size_t sim_server_conns_peak(const sim_server *s) {
  return s->open_peak;
}

void sim_server_text(sim_job *job, unsigned number, size_t size) {
  static const char *const words[] = {"leat ", "caf\xc3\xa9 ", "\"mill\" ", "a\\b ",    "water\n",
                                      "{0} ",  "stream\t",     "[DONE] ",   "data: x ", "\xc3\xbc"};
  char tag[16];
  job->number = number;
  job->text_size = 0;
  assert(size < sizeof job->text - 32);
  for (unsigned i = 0; job->text_size < size; i++) {
    snprintf(tag, sizeof tag, "%u.%u ", number, i);
    const char *word = i % 3 ? words[(number * 7 + i) % 10] : tag;
    memcpy(job->text + job->text_size, word, strlen(word));
    job->text_size += strlen(word);
  }
}

/* ---- connections */

static void *on_opened(void *ctx, sim_link *link) {
  sim_server *s = ctx;
  conn *c = calloc(1, sizeof *c);
  assert(c);
  c->server = s;
  c->link = link;
  lti_buf_init(&c->in, &s->alloc, SIZE_MAX, LEAT_EBODYMAX);
  sim_answer_init(&c->answer, &s->alloc);
  lti_list_push(&s->conns, &c->node);
  if (++s->open > s->open_peak) s->open_peak = s->open;
  return c;
}

static void on_ended(void *peer) {
  conn *c = peer;
  c->link = NULL;
  c->server->open--;
}

static void close_up(conn *c, enum sim_cut how) {
  c->closed_up = true;
  if (!c->link) return;
  if (how == SIM_CUT_RESET) sim_link_reset(c->link);
  if (how == SIM_CUT_FIN) sim_link_fin(c->link, c->reply.half_close);
  if (how == SIM_CUT_SILENCE) sim_link_lose(c->link);
}

static void on_idle(void *ctx) {
  idle_timer *t = ctx;
  conn *c = t->c;
  bool idle = c->generation == t->generation && !c->playing && c->in.size == 0;
  if (idle && !c->closed_up) close_up(c, SIM_CUT_FIN);
}

static void start_idle(conn *c) {
  idle_timer *t = calloc(1, sizeof *t);
  assert(t);
  t->c = c;
  t->generation = c->generation;
  lti_list_push(&c->server->timers, &t->node);
  sim_after(c->server->w, c->reply.idle_ns, on_idle, t);
}

/* ---- playing an answer */

static size_t point(const conn *c, unsigned permille) {
  return c->answer.wire.size * permille / 1000;
}

static void finish_answer(conn *c) {
  c->playing = false;
  c->generation++;
  bool until_close = c->reply.framing == SIM_UNTIL_CLOSE && c->form != SIM_REDIRECT;
  if (c->reply.close_told || c->reply.close_untold || until_close || c->reply.early) {
    close_up(c, SIM_CUT_FIN);
    return;
  }
  if (c->reply.idle_ns) start_idle(c);
  take_requests(c);
}

/* The evidence has left the server when the bytes up to its mark have; with UNTIL_CLOSE a clean end
 * is part of it. */
static void keep_books(conn *c, size_t sent, enum sim_cut end) {
  if (end == SIM_CUT_FIN && sent >= c->answer.evidence_at) c->job->whole = true;
  if (sent < c->answer.whole_at) return;
  if (c->answer.needs_fin && end != SIM_CUT_FIN) return;
  c->job->whole = true;
}

static void play(void *ctx) {
  conn *c = ctx;
  sim *w = c->server->w;
  if (!c->link || c->closed_up) return;
  size_t size = c->answer.wire.size, end = c->cut_at < size ? c->cut_at : size;
  size_t piece = c->reply.piece_max ? 1 + sim_below(w, c->reply.piece_max) : size;
  if (piece > end - c->sent) piece = end - c->sent;
  bool stalls = c->reply.stall_ns && c->sent < c->stall_at && c->sent + piece >= c->stall_at;
  if (piece) sim_link_send(c->link, lti_slice(c->answer.wire.data + c->sent, piece));
  c->sent += piece;
  if (c->sent < end) {
    keep_books(c, c->sent, SIM_WHOLE);
    uint64_t pause = sim_below(w, c->reply.pause_ns + 1) + (stalls ? c->reply.stall_ns : 0);
    sim_after(w, pause, play, c);
    return;
  }
  bool cut = c->reply.cut != SIM_WHOLE;
  keep_books(c, c->sent, cut ? c->reply.cut : SIM_CUT_FIN);
  if (cut && c->reply.framing == SIM_UNTIL_CLOSE && c->form != SIM_STREAM && !c->answer.total_told)
    c->job->blurred = true;
  if (cut)
    close_up(c, c->reply.cut);
  else
    finish_answer(c);
}

/* ---- requests */

static void decide(conn *c) {
  sim_server *s = c->server;
  memset(&c->reply, 0, sizeof c->reply);
  s->config.script(s->config.ctx, c->job, &c->form, &c->reply);
  if (c->reply.status == 0) c->reply.status = 200;
}

static void reply_to(conn *c) {
  sim *w = c->server->w;
  bool post = strcmp(c->request.method, "POST") == 0;
  bool success = !c->reply.mute && c->reply.status == 200 && c->form != SIM_REDIRECT;
  if (post && (c->reply.ran || success)) c->job->runs++;
  if (c->reply.mute) {
    close_up(c, c->reply.cut);
    return;
  }
  sim_answer_write(&c->answer, &c->request, c->job, c->form, &c->reply);
  c->cut_at = c->reply.cut == SIM_WHOLE ? SIZE_MAX : point(c, c->reply.cut_permille);
  c->stall_at = point(c, c->reply.stall_permille);
  c->sent = 0;
  c->playing = true;
  sim_after(w, c->reply.think_ns, play, c);
}

static void count_request(conn *c) {
  sim_job *job = c->job;
  leat_slice body = lti_slice(c->in.data + c->head_size, c->body_size);
  job->requests++;
  if (strcmp(c->request.method, "POST") == 0) {
    job->submits++;
    if (job->body.data) assert(lti_slice_equal(body, job->body));
  } else if (c->request.form == SIM_POLL) {
    job->polls++;
  } else {
    job->fetches++;
  }
}

static void read_head(conn *c) {
  sim_server *s = c->server;
  const char *end = lti_slice_find(lti_buf_slice(&c->in), lti_slice("\r\n\r\n", 4));
  if (!end) return;
  c->head_size = (size_t)(end + 4 - c->in.data);
  bool well = sim_request_read(&c->request, lti_slice(c->in.data, c->head_size));
  assert(well && c->request.job < s->config.job_count);
  c->body_size = c->request.body_size;
  c->job = &s->config.jobs[c->request.job];
  c->job->heads++;
  c->form = c->request.form;
  c->generation++;
  decide(c);
  if (!c->reply.early) return;
  /* It answers, or hangs up, before the body is there: such a request has not run. */
  c->reply.ran = false;
  reply_to(c);
}

static void take_requests(conn *c) {
  if (c->playing || c->closed_up || !c->link) return;
  if (c->head_size == 0) read_head(c);
  if (c->head_size == 0 || c->reply.early) return;
  if (c->in.size < c->head_size + c->body_size) return;
  count_request(c);
  lti_buf_consume(&c->in, c->head_size + c->body_size);
  c->head_size = 0;
  reply_to(c);
}

static void on_bytes(void *peer, leat_slice bytes) {
  conn *c = peer;
  assert(lti_buf_append(&c->in, bytes) == LTI_OK);
  take_requests(c);
}
