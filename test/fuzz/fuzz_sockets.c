/* Fuzzes sockets and turns of a whole engine in the simulated world: the input says what the peers
 * send behind a good handshake, and what the caller does meanwhile. No answer may crash it, leak,
 * end a turn or a socket twice or never, bring an event behind a done, a cancel or in a pause, or
 * leave anything alive.
 *
 *   byte 0      bits 0-1: chat-ws, responses-ws, realtime, or bytes only   bit 2: small reads
 *               bit 3: small limits   bit 4: no handshake is answered, the input must
 *   then        steps: one byte, and what it says follows
 *     00..7f    so many bytes and one are sent as they stand
 *     80 n      a text message of n bytes     81  a piece of an answer     82  its end
 *     83 n      Close with code 1000 + n * 16 84  FIN                      85  reset
 *     86 n      n * 100 ms pass               87  the next connection is spoken on
 *     88        a turn on the socket          89  a turn on one of its own
 *     8a n      turn n is cancelled           8b  the socket is cancelled
 *     8c        events pause from now on      8d  all that pause go on
 *     8e n      the caller sends n bytes      8f  it pings                 90 n  it closes with n
 *     91        an error object               92  [DONE]                   93  PING
 *     others    nothing
 *
 * What steps leave unanswered ends by deadlines, on the virtual clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"
#include "support/failing.h"
#include "wire/digest.h"

#define TURNS_MAX 8
#define LINKS_MAX 16
#define HEAD_MAX  4096
#define STEP_NS   (2 * SIM_MS)
#define RUN_NS    (7200 * SIM_S)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

typedef struct play play;

/* A turn, or the socket. */
typedef struct thing {
  play *play;
  leat_id id;
  bool accepted, done, cancelled, paused;
} thing;

typedef struct far_end {
  play *play;
  sim_link *link;
  char head[HEAD_MAX];
  size_t head_size;
  bool shaken;
} far_end;

struct play {
  sim *world;
  leat_engine *engine;
  failing memory;
  const uint8_t *at, *end;
  const char *protocol;
  thing socket, turns[TURNS_MAX];
  size_t count;
  far_end links[LINKS_MAX];
  size_t link_count, spoken;
  bool pausing, closed, silent;
};

static void breach(const char *what) {
  fprintf(stderr, "fuzz_sockets: %s\n", what);
  abort();
}

/* ---- the caller */

static int note_event(thing *t, leat_id id) {
  if (!t->accepted || t->id != id) breach("an event of something unknown");
  if (t->done || t->cancelled || t->paused) breach("an event behind done, cancel or pause");
  t->paused = t->play->pausing;
  return t->paused ? LEAT_PAUSE : LEAT_CONTINUE;
}

static int on_turn_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  (void)e;
  if (event->kind == LEAT_EVENT_TEXT && !lti_slice_is_utf8(event->text)) breach("text is no UTF-8");
  return note_event(user, id);
}

static int on_socket_event(leat_engine *e, leat_id id, const leat_ws_event *event, void *user) {
  (void)e, (void)event;
  return note_event(user, id);
}

static void note_done(thing *t, leat_id id, int error) {
  if (!t->accepted || t->id != id || t->done) breach("done twice, or of something unknown");
  if (t->cancelled && error != LEAT_ECANCELLED) breach("a cancel that is called otherwise");
  if (t->paused && error != LEAT_ETOTALTIMEOUT) breach("done in a pause");
  t->done = true;
}

static void on_turn_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  (void)e;
  note_done(user, id, result->error);
}

static void on_socket_done(leat_engine *e, leat_id id, const leat_result *result, unsigned code,
                           void *user) {
  (void)e, (void)code;
  note_done(user, id, result->error);
}

static void on_closed(void *user) {
  play *p = user;
  p->closed = true;
}

static const leat_deadlines deadlines = {
    .connect_ms = 3000, .head_ms = 3000, .idle_ms = 9000, .total_ms = 90000};

static void open_socket(play *p) {
  thing *t = &p->socket;
  leat_ws ws;
  leat_ws_init(&ws);
  t->play = p;
  ws.url = p->protocol ? NULL : "ws://127.0.0.1/";
  ws.base_url = "http://127.0.0.1";
  ws.protocol = p->protocol;
  ws.deadlines.head_ms = 3000;
  ws.on_event = on_socket_event;
  ws.on_done = on_socket_done;
  ws.user = t;
  t->accepted = leat_ws_open(p->engine, &ws, &t->id) == LEAT_OK;
  if (!t->accepted) breach("a good socket is refused");
}

static void submit(play *p, bool own) {
  leat_chat_request chat;
  leat_request request;
  if (p->count == TURNS_MAX || !p->protocol) return;
  thing *t = &p->turns[p->count++];
  leat_chat_request_init(&chat);
  leat_request_init(&request);
  chat.model = "m";
  chat.prompt = lti_slice_of("p");
  chat.stream = true;
  request.base_url = "http://127.0.0.1";
  request.protocol = p->protocol;
  request.chat = &chat;
  request.socket = own ? 0 : p->socket.id;
  request.deadlines = deadlines;
  request.on_event = on_turn_event;
  request.on_done = on_turn_done;
  request.user = t;
  *t = (thing){.play = p};
  int r = leat_submit(p->engine, &request, &t->id);
  t->accepted = r == LEAT_OK;
  t->done = r != LEAT_OK;
  if (own && !t->accepted) breach("a good turn is refused");
  if (p->socket.done && !own && r != LEAT_ENOTFOUND) breach("a turn on a socket that is done");
}

static void cancel(play *p, thing *t) {
  if (!t->accepted) return;
  int error = leat_cancel(p->engine, t->id);
  if (t->done ? error != LEAT_ENOTFOUND : error != LEAT_OK) breach("cancel misjudges what lives");
  t->cancelled = !t->done;
  t->paused = false;
}

static void resume(play *p, thing *t) {
  if (!t->paused) return;
  t->paused = false;
  if (!t->done && leat_resume(p->engine, t->id) != LEAT_OK) breach("resume finds nothing");
}

static void resume_all(play *p) {
  p->pausing = false;
  resume(p, &p->socket);
  for (size_t i = 0; i < p->count; i++) resume(p, &p->turns[i]);
}

/* ---- the peers: they shake hands, and then the steps alone speak for them */

static void shake(far_end *f, const char *key) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char sum[LTI_DIGEST_SHA1_BYTES];
  char text[24 + sizeof guid];
  lti_alloc alloc;
  lti_buf answer;
  memcpy(text, key, 24);
  memcpy(text + 24, guid, sizeof guid);
  lti_digest_sha1(lti_slice(text, sizeof text - 1), sum);
  lti_alloc_init(&alloc, NULL);
  lti_buf_init(&answer, &alloc, 1024, LEAT_EBODYMAX);
  lti_buf_text(&answer,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
  lti_digest_base64(lti_slice((const char *)sum, sizeof sum), &answer);
  lti_buf_text(&answer, "\r\n\r\n");
  sim_link_send(f->link, lti_buf_slice(&answer));
  lti_buf_deinit(&answer);
}

static void *link_opened(void *ctx, sim_link *link) {
  play *p = ctx;
  far_end *f = &p->links[p->link_count < LINKS_MAX ? p->link_count++ : LINKS_MAX - 1];
  *f = (far_end){.play = p, .link = link};
  return f;
}

static void link_bytes(void *peer, leat_slice bytes) {
  static const char name[] = "Sec-WebSocket-Key: ";
  far_end *f = peer;
  if (f->shaken || f->play->silent || bytes.size > HEAD_MAX - f->head_size) return;
  memcpy(f->head + f->head_size, bytes.data, bytes.size);
  f->head_size += bytes.size;
  const char *key = memmem(f->head, f->head_size, name, sizeof name - 1);
  if (!memmem(f->head, f->head_size, "\r\n\r\n", 4)) return;
  if (!key) breach("a handshake without a key");
  f->shaken = true;
  shake(f, key + sizeof name - 1);
}

static void link_ended(void *peer) {
  (void)peer;
}

static sim_link *link_spoken(play *p) {
  return p->link_count ? p->links[p->spoken % p->link_count].link : NULL;
}

static void say(play *p, leat_slice bytes) {
  sim_link *link = link_spoken(p);
  if (link && bytes.size) sim_link_send(link, bytes);
}

static void say_frame(play *p, unsigned opcode, leat_slice payload) {
  char head[4] = {(char)(0x80 | opcode), (char)payload.size};
  size_t size = 2;
  if (payload.size > 125) {
    head[1] = 126;
    head[2] = (char)(payload.size >> 8);
    head[3] = (char)payload.size;
    size = 4;
  }
  say(p, lti_slice(head, size));
  say(p, payload);
}

static void say_close(play *p, size_t n) {
  unsigned code = 1000 + (unsigned)n * 16;
  char payload[4] = {(char)(code >> 8), (char)code, 'o', 'h'};
  say_frame(p, 8, lti_slice(payload, sizeof payload));
}

/* Of the dialect that is spoken: a piece of an answer, or what ends it. */
static void say_answer(play *p, bool end) {
  static const char *const texts[2][2] = {
      {"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ab\\u00e9\"}}]}",
       "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{},\"finish_reason\":\"stop\"}]}"},
      {"{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,"
       "\"delta\":\"ab\"}",
       "{\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\"}}"}};
  bool chat = !p->protocol || strcmp(p->protocol, "chat-ws") == 0;
  bool realtime = !chat && strcmp(p->protocol, "realtime") == 0;
  const char *text = texts[chat ? 0 : 1][end ? 1 : 0];
  if (realtime && end)
    text = "{\"type\":\"response.done\",\"response\":{\"id\":\"r\",\"status\":\"completed\"}}";
  say_frame(p, 1, lti_slice_of(text));
}

static size_t take_count(play *p) {
  return p->at < p->end ? *p->at++ : 0;
}

static leat_slice take(play *p, size_t size) {
  size_t left = (size_t)(p->end - p->at);
  leat_slice bytes = lti_slice((const char *)p->at, size < left ? size : left);
  p->at += bytes.size;
  return bytes;
}

/* ---- the steps */

static void nothing(void *ctx) {
  (void)ctx;
}

/* Lets time pass, and no more: without an event of ours the clock would leap to a deadline. */
static void pass(play *p, uint64_t ns) {
  sim_ours_after(p->world, ns, nothing, NULL);
  sim_run(p->world, ns - 1); /* ends as the clock reaches it */
}

/* What the caller does to the socket; each may be refused, and must say so. */
static void call(play *p, uint8_t op) {
  leat_engine *e = p->engine;
  int r = LEAT_OK;
  if (op == 0x8e) r = leat_ws_send(e, p->socket.id, LEAT_WS_TEXT, take(p, take_count(p)), true);
  if (op == 0x8f) r = leat_ws_ping(e, p->socket.id, lti_slice_of("p"));
  if (op == 0x90)
    r = leat_ws_close(e, p->socket.id, 1000 + (unsigned)take_count(p), lti_slice_of("bye"));
  if (p->socket.done != (r == LEAT_ENOTFOUND)) breach("a call misjudges what lives");
}

static void speak(play *p, uint8_t op) {
  sim_link *link = link_spoken(p);
  switch (op) {
    case 0x80: say_frame(p, 1, take(p, take_count(p))); break;
    case 0x81: say_answer(p, false); break;
    case 0x82: say_answer(p, true); break;
    case 0x83: say_close(p, take_count(p)); break;
    case 0x84:
      if (link) sim_link_fin(link, false);
      break;
    case 0x85:
      if (link) sim_link_reset(link);
      break;
    case 0x87: p->spoken++; break;
    case 0x91: say_frame(p, 1, lti_slice_of("{\"error\":{\"message\":\"no\"}}")); break;
    case 0x92: say_frame(p, 1, lti_slice_of("[DONE]")); break;
    case 0x93: say_frame(p, 9, lti_slice_of("ping")); break;
    default: break;
  }
}

static void act(play *p, uint8_t op) {
  switch (op) {
    case 0x86: pass(p, take_count(p) * 100 * SIM_MS + 1); break;
    case 0x88: submit(p, false); break;
    case 0x89: submit(p, true); break;
    case 0x8a: cancel(p, &p->turns[take_count(p) % TURNS_MAX]); break;
    case 0x8b: cancel(p, &p->socket); break;
    case 0x8c: p->pausing = true; break;
    case 0x8d: resume_all(p); break;
    case 0x8e:
    case 0x8f:
    case 0x90: call(p, op); break;
    default: speak(p, op); break;
  }
}

static void play_steps(play *p) {
  while (p->at < p->end) {
    uint8_t op = *p->at++;
    if (op < 0x80)
      say(p, take(p, (size_t)op + 1));
    else
      act(p, op);
    pass(p, STEP_NS);
  }
  resume_all(p);
}

static void open_engine(play *p, uint8_t flags) {
  leat_config config;
  leat_config_init(&config);
  config.loop = sim_uv(p->world);
  config.allocator = failing_allocator(&p->memory);
  config.retries = LEAT_NONE;
  config.event_bytes_max = flags & 8 ? 64 : 4096;
  config.body_bytes_max = 65536;
  config.header_bytes_max = 4096;
  if (leat_open(&p->engine, &config, NULL) != LEAT_OK) breach("the engine does not open");
}

static void check_ended(const play *p) {
  if (!p->socket.done) breach("a socket without done");
  for (size_t i = 0; i < p->count; i++)
    if (!p->turns[i].done) breach("a turn without done");
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static const char *const protocols[] = {"chat-ws", "responses-ws", "realtime", NULL};
  static play p;
  if (size < 1) return 0;
  memset(&p, 0, sizeof p);
  p.at = input + 1;
  p.end = input + size;
  p.protocol = protocols[input[0] & 3];
  p.silent = input[0] & 16;
  failing_init(&p.memory, 0);
  p.world = sim_new(1);
  p.world->owned = false;
  p.world->host = (sim_host){link_opened, link_bytes, link_ended, &p};
  p.world->weather.latency_ns = 100 * SIM_US;
  if (input[0] & 4) p.world->weather.read_max = 3;
  open_engine(&p, input[0]);
  open_socket(&p);
  pass(&p, STEP_NS);
  play_steps(&p);
  pass(&p, 100 * SIM_S);
  if (!p.socket.done) cancel(&p, &p.socket);
  if (!sim_run(p.world, RUN_NS) && p.world->stuck) breach("alive, and nothing can ever happen");
  check_ended(&p);
  leat_close(p.engine, LEAT_CLOSE_NOW, on_closed, &p);
  sim_run(p.world, RUN_NS);
  if (!p.closed) breach("the engine does not close");
  if (!failing_clean(&p.memory)) breach("memory is lost or misused");
  failing_deinit(&p.memory);
  sim_free(p.world);
  return 0;
}
