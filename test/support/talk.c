/* Sockets in the flow fixture: see talk.h. A talk's flow_call is counted as any other's, so that
 * the fixture's teardown checks its one done. */
#include "support/talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

#define LINKS_END_MS 5000

static ws_peer *played(flow *f, const char *const *scripts) {
  size_t count = 0;
  while (scripts[count]) count++;
  const char **kept = flow_keep(f, (count + 1) * sizeof *kept);
  memcpy(kept, scripts, count * sizeof *kept);
  ws_peer *p = flow_keep(f, sizeof *p);
  p->scripts = kept;
  return p;
}

peer *talk_peer_with(flow *f, const char *subprotocol, const char *const *scripts) {
  ws_peer *p = played(f, scripts);
  p->subprotocol = subprotocol;
  return flow_peer_script(f, ws_peer_serve, p);
}

peer *talk_peer_at(flow *f, const char *unix_path, const char *const *scripts) {
  return flow_peer_with(
      f,
      &(peer_options){.script = ws_peer_serve, .ctx = played(f, scripts), .unix_path = unix_path});
}

peer *talk_peer(flow *f, const char *const *scripts) {
  return talk_peer_with(f, NULL, scripts);
}

void talk_peer_over(flow *f, peer *p) {
  const ws_peer *ws = peer_ctx(p);
  for (int ms = 0; peer_open(p) && ms < LINKS_END_MS; ms++) {
    uv_run(&f->loop, UV_RUN_NOWAIT);
    uv_sleep(1);
  }
  if (peer_open(p)) fail_msg("the peer's connection did not end");
  flow_peer_stop(f, p);
  unsigned faults = ws->faults;
  if (faults) fail_msg("%u faults of the peer, as it says above", faults);
}

static void add(char **text, leat_slice more) {
  size_t size = *text ? strlen(*text) : 0;
  *text = realloc(*text, size + more.size + 1);
  if (!*text) abort();
  if (more.size) memcpy(*text + size, more.data, more.size);
  (*text)[size + more.size] = '\0';
}

static void copy(char *to, size_t room, leat_slice from) {
  size_t size = from.size < room ? from.size : room - 1;
  if (size) memcpy(to, from.data, size);
  to[size] = '\0';
}

talk *talk_new(flow *f) {
  talk *t = calloc(1, sizeof *t);
  if (!t) abort();
  t->flow = f;
  leat_ws_init(&t->ws);
  add(&t->text, lti_slice("", 0));
  add(&t->decoded, lti_slice("", 0));
  t->call = flow_call_new(f);
  return t;
}

static void note(talk *t, const leat_ws_event *event) {
  switch (event->kind) {
    case LEAT_WS_OPEN:
      copy(t->subprotocol, sizeof t->subprotocol, event->bytes);
      if (!event->head || event->head->status != 101) t->flow->faults++;
      break;
    case LEAT_WS_MESSAGE:
      add(&t->text, event->bytes);
      if (event->last) add(&t->text, lti_slice("|", 1));
      break;
    case LEAT_WS_DECODED:
      if (event->event->kind == LEAT_EVENT_TEXT) add(&t->decoded, event->event->text);
      break;
    case LEAT_WS_CLOSING:
      t->closing = event->code;
      copy(t->reason, sizeof t->reason, event->bytes);
      break;
    case LEAT_WS_PING:
    case LEAT_WS_PONG:
    case LEAT_WS_SENT: break;
  }
}

static int on_event(leat_engine *e, leat_id id, const leat_ws_event *event, void *user) {
  talk *t = user;
  flow *f = t->flow;
  if (t->call->dones || f->calling || id != t->call->id || e != f->engine) f->faults++;
  if (event->received_ns == 0 && event->kind != LEAT_WS_SENT) f->faults++;
  if (t->events < sizeof t->kinds - 1) t->kinds[t->events] = " OMDPpSC"[event->kind];
  t->events++;
  note(t, event);
  return t->on_event ? t->on_event(t, event) : LEAT_CONTINUE;
}

static void on_done(leat_engine *e, leat_id id, const leat_result *result, unsigned code,
                    void *user) {
  talk *t = user;
  flow_call *c = t->call;
  if (id != c->id || e != t->flow->engine || c->dones) t->flow->faults++;
  t->code = code;
  flow_finish(c, result);
}

int talk_try(talk *t) {
  flow *f = t->flow;
  leat_ws ws = t->ws;
  flow_open(f);
  ws.on_event = on_event;
  ws.on_done = on_done;
  ws.user = t;
  f->calling = true;
  int r = leat_ws_open(f->engine, &ws, &t->call->id);
  flow_accept(t->call, r);
  return r;
}

void talk_start(talk *t) {
  int r = talk_try(t);
  if (r != LEAT_OK) fail_msg("leat_ws_open: %s: %s", leat_error_name(r), t->call->message);
}

talk *talk_open(flow *f, peer *p, const char *protocol) {
  talk *t = talk_new(f);
  if (protocol)
    t->ws.base_url = peer_url(p);
  else
    t->ws.url = peer_url(p);
  t->ws.protocol = protocol;
  talk_start(t);
  return t;
}

int talk_send(talk *t, const char *text) {
  t->flow->calling = true;
  int r = leat_ws_send(t->flow->engine, t->call->id, LEAT_WS_TEXT, lti_slice_of(text), true);
  t->flow->calling = false;
  return r;
}

int talk_close(talk *t, unsigned code, const char *reason) {
  t->flow->calling = true;
  int r = leat_ws_close(t->flow->engine, t->call->id, code, lti_slice_of(reason));
  t->flow->calling = false;
  return r;
}

void talk_wait(talk *t) {
  flow_wait_for(t->flow, t->call);
}

void talk_wait_events(talk *t, unsigned n) {
  for (int turns = 0; turns < 10000 && !t->call->dones && t->events < n; turns++)
    uv_run(&t->flow->loop, UV_RUN_ONCE);
  if (t->events < n) fail_msg("%u events instead of %u: %s", t->events, n, t->kinds);
}

void talk_free(talk *t) {
  free(t->text);
  free(t->decoded);
  free(t);
}
