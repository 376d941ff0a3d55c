/* Fuzzes a whole engine in the simulated world: the input says what the peers send and when, and
 * what the caller does meanwhile. No answer may crash it, leak, make a request done twice or never,
 * bring an event behind a done or a cancel, or leave anything alive.
 *
 *   byte 0   bits 0-1: requests, less one    bit 2: reads of a few bytes    bits 3-4: conns, less
 *            one    bit 5: raw requests have a body from a source, which pauses, and with bit 6
 *            fails in the end; bit 7: it can be rewound, and is sent again
 *   byte 1   a request's kind, two bits each: chat stream, chat JSON, raw, task with download
 *   then steps: one byte, and what it says follows
 *     00..7f so many bytes and one are sent as they stand
 *     80 n   a chunked head comes, and n bytes as one SSE event in a chunk
 *     81 n   n bytes as one chunk       82   the last chunk
 *     83 n m a head of status n * 4, with m bytes of body
 *     84     FIN     85   reset     86 n   n * 20 ms pass     87   the next connection is spoken on
 *     88 n   request n is cancelled     89   all that pause go on     8a   a whole good chat answer
 *     8b     the task's answer to whatever it asks     8c   events pause from now on
 *     8d     sources that pause have more     others: nothing
 *
 * What steps leave unanswered ends by its deadlines, on the virtual clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"
#include "support/failing.h"

#define REQUESTS_MAX 4
#define LINKS_MAX    64
#define STEP_NS      (2 * SIM_MS)
#define RUN_NS       (3600 * SIM_S)
#define SOURCE_BYTES ((size_t)200000)
#define SOURCE_STEP  ((size_t)30000)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

typedef struct play play;

typedef struct call {
  play *play;
  leat_id id;
  bool accepted, done, cancelled, paused;
  size_t given; /* of its body */
  bool starved, shut;
  unsigned reads;
} call;

struct play {
  sim *world;
  leat_engine *engine;
  failing memory;
  const uint8_t *at, *end;
  call calls[REQUESTS_MAX];
  size_t count;
  sim_link *links[LINKS_MAX];
  size_t link_count, spoken;
  bool pausing, closed;
  bool uploads, failing_sources, rewinding;
};

static void breach(const char *what) {
  fprintf(stderr, "fuzz_engine: %s\n", what);
  abort();
}

/* ---- the caller */

static int on_event(leat_engine *e, leat_id id, const leat_event *event, void *user) {
  call *c = user;
  (void)e;
  if (!c->accepted || c->id != id) breach("an event of an unknown request");
  if (c->done || c->cancelled || c->paused) breach("an event behind done, cancel or pause");
  if (event->kind == LEAT_EVENT_TEXT && !lti_slice_is_utf8(event->text)) breach("text is no UTF-8");
  c->paused = c->play->pausing;
  return c->paused ? LEAT_PAUSE : LEAT_CONTINUE;
}

static void note_done(call *c, leat_id id, int error) {
  if (!c->accepted || c->id != id || c->done) breach("done twice, or of an unknown request");
  if (c->cancelled && error != LEAT_ECANCELLED) breach("a cancel that is called otherwise");
  if (c->paused && error != LEAT_ETOTALTIMEOUT) breach("done in a pause");
  if (c->reads && !c->shut) breach("done before its source was closed");
  c->done = true;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, void *user) {
  (void)e;
  note_done(user, id, result->error);
}

static void on_task_done(leat_engine *e, leat_id id, const leat_task_update *last,
                         const leat_result *result, void *user) {
  (void)e, (void)last;
  note_done(user, id, result->error);
}

static int on_content(leat_engine *e, leat_id id, uint64_t offset, leat_slice bytes, void *user) {
  const call *c = user;
  (void)e, (void)id, (void)offset, (void)bytes;
  if (c->done || c->cancelled) breach("content behind done or cancel");
  return 0;
}

static void on_closed(void *user) {
  play *p = user;
  p->closed = true;
}

/* Each third read finds nothing. */
static int give(void *user, char *into, size_t room, size_t *size) {
  call *c = user;
  if (c->done || c->shut) breach("a source is read behind its end");
  if (++c->reads % 3 == 0) {
    c->starved = true;
    return LEAT_PAUSE;
  }
  size_t n = SOURCE_BYTES - c->given;
  if (c->play->failing_sources && n < SOURCE_BYTES / 2) return LEAT_EIO;
  if (n > room) n = room;
  if (n > SOURCE_STEP) n = SOURCE_STEP;
  memset(into, 'x', n);
  c->given += n;
  *size = n;
  return LEAT_OK;
}

static int give_again(void *user) {
  call *c = user;
  c->given = 0;
  return 0;
}

static void shut(void *user) {
  call *c = user;
  if (c->done || c->shut) breach("a source is closed twice, or too late");
  c->shut = true;
}

static const leat_deadlines deadlines = {
    .connect_ms = 3000, .head_ms = 3000, .idle_ms = 3000, .total_ms = 60000};

static int submit_task(call *c) {
  leat_task task;
  leat_task_init(&task);
  task.base_url = "http://127.0.0.1";
  task.model = "m";
  task.prompt = "p";
  task.download = true;
  task.poll_ms = 500;
  task.deadline_ms = 50000;
  task.deadlines = deadlines;
  task.on_content = on_content;
  task.on_done = on_task_done;
  task.user = c;
  return leat_task_start(c->play->engine, &task, &c->id);
}

static int submit_request(call *c, unsigned kind) {
  leat_chat_request chat;
  leat_request request;
  leat_chat_request_init(&chat);
  leat_request_init(&request);
  chat.model = "m";
  chat.prompt = lti_slice_of("p");
  chat.stream = kind == 0;
  request.base_url = "http://127.0.0.1";
  request.protocol = kind == 2 ? "raw" : "openai-chat";
  if (kind != 2) request.chat = &chat;
  leat_source source = {
      .read = give, .rewind = c->play->rewinding ? give_again : NULL, .close = shut, .user = c};
  if (kind == 2 && c->play->uploads) {
    request.source = &source;
    request.retries = 2;
  }
  request.deadlines = deadlines;
  request.on_event = on_event;
  request.on_done = on_done;
  request.user = c;
  return leat_submit(c->play->engine, &request, &c->id);
}

static void submit_all(play *p, uint8_t kinds) {
  for (size_t i = 0; i < p->count; i++) {
    call *c = &p->calls[i];
    unsigned kind = kinds >> (2 * i) & 3;
    c->play = p;
    c->accepted = (kind == 3 ? submit_task(c) : submit_request(c, kind)) == LEAT_OK;
    if (!c->accepted) breach("a good submit is refused");
  }
}

/* ---- the peers: every connection's far end is spoken for by the steps alone */

static void *link_opened(void *ctx, sim_link *link) {
  play *p = ctx;
  if (p->link_count < LINKS_MAX) p->links[p->link_count++] = link;
  return p;
}

static void link_bytes(void *peer, leat_slice bytes) {
  (void)peer, (void)bytes;
}
static void link_ended(void *peer) {
  (void)peer;
}

static sim_link *link_spoken(play *p) {
  return p->link_count ? p->links[p->spoken % p->link_count] : NULL;
}

static void say(play *p, const void *bytes, size_t size) {
  sim_link *link = link_spoken(p);
  if (link && size) sim_link_send(link, lti_slice(bytes, size));
}

static void say_text(play *p, const char *text) {
  say(p, text, strlen(text));
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

#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void say_chunk(play *p, const char *before, leat_slice bytes, const char *behind) {
  char head[32];
  snprintf(head, sizeof head, "%zx\r\n", strlen(before) + bytes.size + strlen(behind));
  say_text(p, head);
  say_text(p, before);
  say(p, bytes.data, bytes.size);
  say_text(p, behind);
  say_text(p, "\r\n");
}

static void say_error(play *p) {
  char head[128];
  size_t status = take_count(p) * 4;
  leat_slice body = take(p, take_count(p));
  snprintf(head, sizeof head, "HTTP/1.1 %zu X\r\nContent-Length: %zu\r\nLocation: /x\r\n\r\n",
           status, body.size);
  say_text(p, head);
  say(p, body.data, body.size);
}

static void say_answer(play *p) {
  static const char good[] =
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ab\\u00e9\"},"
      "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
  say_text(p, CHUNKED_HEAD);
  say_chunk(p, "", lti_slice_of(good), "");
  say_text(p, "0\r\n\r\n");
}

static void say_task(play *p) {
  static const char good[] =
      "{\"id\":\"t\",\"status\":\"completed\",\"metadata\":{\"url\":\"http://x/\"}}";
  char head[64];
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(good));
  say_text(p, head);
  say_text(p, good);
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

static void cancel(play *p, size_t which) {
  call *c = &p->calls[which % p->count];
  int error = leat_cancel(p->engine, c->id);
  if (c->done ? error != LEAT_ENOTFOUND : error != LEAT_OK) breach("cancel misjudges what lives");
  c->cancelled = !c->done;
  c->paused = false;
}

static void resume_all(play *p) {
  p->pausing = false;
  for (size_t i = 0; i < p->count; i++) {
    call *c = &p->calls[i];
    if (!c->paused) continue;
    c->paused = false;
    if (!c->done && leat_resume(p->engine, c->id) != LEAT_OK) breach("resume finds nothing");
  }
}

static void feed_all(play *p) {
  for (size_t i = 0; i < p->count; i++) {
    call *c = &p->calls[i];
    if (!c->starved || c->done) continue;
    c->starved = false;
    if (leat_source_ready(p->engine, c->id) != LEAT_OK) breach("a source of nobody");
  }
}

static void act(play *p, uint8_t op) {
  sim_link *link = link_spoken(p);
  switch (op) {
    case 0x80:
      say_text(p, CHUNKED_HEAD);
      say_chunk(p, "data: ", take(p, take_count(p)), "\n\n");
      break;
    case 0x81: say_chunk(p, "", take(p, take_count(p)), ""); break;
    case 0x82: say_text(p, "0\r\n\r\n"); break;
    case 0x83: say_error(p); break;
    case 0x84:
      if (link) sim_link_fin(link, false);
      break;
    case 0x85:
      if (link) sim_link_reset(link);
      break;
    case 0x86: pass(p, take_count(p) * 20 * SIM_MS + 1); break;
    case 0x87: p->spoken++; break;
    case 0x88: cancel(p, take_count(p)); break;
    case 0x89: resume_all(p); break;
    case 0x8a: say_answer(p); break;
    case 0x8b: say_task(p); break;
    case 0x8c: p->pausing = true; break;
    case 0x8d: feed_all(p); break;
    default: break;
  }
}

static void play_steps(play *p) {
  while (p->at < p->end) {
    uint8_t op = *p->at++;
    if (op < 0x80) {
      leat_slice bytes = take(p, (size_t)op + 1);
      say(p, bytes.data, bytes.size);
    } else {
      act(p, op);
    }
    pass(p, STEP_NS);
  }
  resume_all(p);
}

static void open_engine(play *p, uint8_t flags) {
  leat_config config;
  leat_config_init(&config);
  config.loop = sim_uv(p->world);
  config.allocator = failing_allocator(&p->memory);
  config.conns_max = 1 + (flags >> 3 & 3);
  config.event_bytes_max = 4096;
  config.body_bytes_max = 65536;
  config.header_bytes_max = 4096;
  if (leat_open(&p->engine, &config, NULL) != LEAT_OK) breach("the engine does not open");
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  if (size < 2) return 0;
  static play p;
  memset(&p, 0, sizeof p);
  p.at = input + 2;
  p.end = input + size;
  p.count = 1 + (input[0] & 3);
  failing_init(&p.memory, 0);
  p.world = sim_new(1);
  p.world->owned = false;
  p.world->host = (sim_host){link_opened, link_bytes, link_ended, &p};
  p.world->weather.latency_ns = 100 * SIM_US;
  if (input[0] & 4) p.world->weather.read_max = 3;
  p.uploads = input[0] & 32;
  p.failing_sources = input[0] & 64;
  p.rewinding = input[0] & 128;
  open_engine(&p, input[0]);
  submit_all(&p, input[1]);
  pass(&p, STEP_NS);
  play_steps(&p);
  if (!sim_run(p.world, RUN_NS) && p.world->stuck) breach("alive, and nothing can ever happen");
  for (size_t i = 0; i < p.count; i++)
    if (!p.calls[i].done) breach("a request without done");
  leat_close(p.engine, LEAT_CLOSE_NOW, on_closed, &p);
  sim_run(p.world, RUN_NS);
  if (!p.closed) breach("the engine does not close");
  if (!failing_clean(&p.memory)) breach("memory is lost or misused");
  failing_deinit(&p.memory);
  sim_free(p.world);
  return 0;
}
