/* The HTTP/2 server of tests: see h2_peer.h. Its thread blocks in reading a frame; whatever it has
 * to say was said before. */
#include "support/h2_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PREFACE        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define WINDOW_BYTES   65535 /* RFC 9113 6.9.2 */
#define MAX_STREAMS    0x3
#define INITIAL_WINDOW 0x4
#define FRAME_MAX      16384

peer *h2_peer_start(flow *f, h2_peer *p) {
  return flow_peer_with(f, &(peer_options){.script = h2_peer_serve, .ctx = p, .tls = f->tls});
}

flow_call *h2_peer_chat(flow *f, unsigned prompt) {
  char body[H2_ASK_BYTES];
  snprintf(
      body, sizeof body,
      "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"%u\"}]}",
      prompt);
  f->request.body = lti_slice_of(body);
  flow_call *c = flow_submit(f);
  f->request.body = lti_slice_of(FLOW_BODY);
  c->number = (int)prompt;
  return c;
}

static void fault(h2_talk *t, const char *what) {
  fprintf(stderr, "h2_peer: link %u: %s\n", t->number, what);
  atomic_fetch_add(&t->peer->faults, 1);
}

/* ---- links */

static bool greet(h2_talk *t) {
  char preface[sizeof PREFACE - 1];
  const h2_peer *p = t->peer;
  if (!peer_take(t->link, preface, sizeof preface)) return false;
  if (memcmp(preface, PREFACE, sizeof preface) != 0) fault(t, "no preface");
  h2_settings(&t->out, p->settings, p->setting_count);
  t->waiting = 1;
  for (size_t i = 0; i < p->setting_count; i++)
    if (p->settings[2 * i] == MAX_STREAMS) t->said_limit = p->settings[2 * i + 1];
  return h2_peer_flush(t);
}

void h2_peer_serve(peer_link *l, void *ctx) {
  h2_talk *t = calloc(1, sizeof *t);
  if (!t) abort();
  t->link = l;
  t->peer = ctx;
  t->number = peer_link_index(l);
  t->limit = t->said_limit = UINT32_MAX;
  t->window = t->client_initial = WINDOW_BYTES;
  h2_script_init(&t->out);
  if (greet(t)) t->peer->script(t);
  h2_peer_flush(t);
  h2_script_deinit(&t->out);
  free(t);
}

bool h2_peer_flush(h2_talk *t) {
  if (t->out.bytes.size > 0 && !peer_send(t->link, h2_script_bytes(&t->out))) t->over = true;
  h2_script_clear(&t->out);
  return !t->over;
}

/* ---- what the client says */

static h2_stream *stream_of(h2_talk *t, uint32_t id) {
  if (id % 2 == 0 || id / 2 >= H2_STREAMS_MAX) abort();
  return &t->streams[id / 2];
}

static void close_stream(h2_talk *t, h2_stream *s) {
  if (s->open) t->active--;
  s->open = false;
}

static void take_settings(h2_talk *t, const h2_seen *frame) {
  if (frame->flags & H2_ACK) {
    if (t->waiting-- == 0) fault(t, "acknowledges nothing");
    if (t->waiting == 0) t->limit = t->said_limit;
    return;
  }
  for (size_t at = 0; at + 6 <= frame->payload.size; at += 6) {
    const unsigned char *id = (const unsigned char *)frame->payload.data + at;
    if (id[0] == 0 && id[1] == INITIAL_WINDOW)
      t->client_initial = h2_number(frame->payload, at + 2);
  }
  h2_settings_ack(&t->out);
}

static void note_whole(h2_talk *t, uint32_t id, h2_stream *s) {
  s->whole = true;
  s->body[s->body_size < H2_ASK_BYTES ? s->body_size : H2_ASK_BYTES - 1] = '\0';
  const char *content = strstr(s->body, "\"content\":\"");
  h2_ask ask = {id, content ? (unsigned)strtoul(content + 11, NULL, 10) : 0};
  if (ask.prompt >= H2_PROMPTS_MAX) abort();
  atomic_fetch_add(&t->peer->seen[ask.prompt], 1);
  t->asks[t->ask_first + t->ask_count++] = ask;
}

static void take_headers(h2_talk *t, const h2_seen *frame) {
  h2_stream *s = stream_of(t, frame->id);
  if (!(frame->flags & H2_END_HEADERS)) fault(t, "a header block in two frames");
  if (frame->id <= t->last_id) fault(t, "a stream out of order");
  if (t->active >= t->limit) fault(t, "more streams than it was allowed");
  t->last_id = frame->id;
  t->heads++;
  t->active++;
  atomic_fetch_add(&t->peer->heads, 1);
  s->open = true;
  s->window = t->client_initial;
  if (frame->flags & H2_END_STREAM) note_whole(t, frame->id, s);
}

static void take_body(h2_talk *t, const h2_seen *frame) {
  h2_stream *s = stream_of(t, frame->id);
  size_t room = H2_ASK_BYTES - s->body_size, size = frame->payload.size;
  if (s->whole) fault(t, "DATA behind the end");
  if (size > room) size = room;
  if (size) memcpy(s->body + s->body_size, frame->payload.data, size);
  s->body_size += size;
  if (frame->payload.size && !t->peer->keeps_windows) {
    h2_window(&t->out, 0, (uint32_t)frame->payload.size);
    h2_window(&t->out, frame->id, (uint32_t)frame->payload.size);
  }
  if (frame->flags & H2_END_STREAM) note_whole(t, frame->id, s);
}

static void take_other(h2_talk *t, const h2_seen *frame) {
  switch (frame->type) {
    case H2_RST_STREAM:
      stream_of(t, frame->id)->reset = true;
      close_stream(t, stream_of(t, frame->id));
      atomic_fetch_add(&t->peer->resets, 1);
      break;
    case H2_PING:
      if (frame->flags & H2_ACK)
        t->acked_ping = true;
      else
        h2_frame(&t->out, H2_PING, H2_ACK, 0, frame->payload);
      break;
    case H2_GOAWAY:
      t->gone = true;
      t->why_gone = h2_number(frame->payload, 4);
      break;
    case H2_WINDOW_UPDATE:
      if (frame->id)
        stream_of(t, frame->id)->window += h2_number(frame->payload, 0);
      else
        t->window += h2_number(frame->payload, 0);
      break;
    default: fault(t, "a frame that clients do not send"); break;
  }
}

bool h2_peer_step(h2_talk *t) {
  unsigned char head[9];
  char payload[FRAME_MAX];
  if (!h2_peer_flush(t)) return false;
  t->over = !peer_take(t->link, head, sizeof head);
  if (t->over) return false;
  size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
  h2_seen frame = {.type = head[3], .flags = head[4], .payload = lti_slice(payload, size)};
  frame.id = h2_number(lti_slice((const char *)head, 9), 5) & 0x7fffffff;
  if (size > FRAME_MAX) abort();
  t->over = !peer_take(t->link, payload, size);
  if (t->over) return false;
  switch (frame.type) {
    case H2_SETTINGS: take_settings(t, &frame); break;
    case H2_HEADERS: take_headers(t, &frame); break;
    case H2_DATA: take_body(t, &frame); break;
    default: take_other(t, &frame); break;
  }
  return true;
}

bool h2_peer_next(h2_talk *t, h2_ask *ask) {
  while (t->ask_count == 0)
    if (!h2_peer_step(t)) return false;
  *ask = t->asks[t->ask_first++];
  t->ask_count--;
  return true;
}

/* Twice, for an answer to PING may leave before what else the client has to say. */
bool h2_peer_sync(h2_talk *t) {
  for (int i = 0; i < 2; i++) {
    t->acked_ping = false;
    h2_ping(&t->out, 0);
    while (!t->acked_ping)
      if (!h2_peer_step(t)) return false;
  }
  return true;
}

void h2_peer_silent(h2_talk *t) {
  char byte;
  h2_peer_flush(t);
  while (peer_take(t->link, &byte, 1)) continue;
}

/* ---- what it is told */

void h2_peer_limit(h2_talk *t, uint32_t streams_max) {
  h2_settings(&t->out, (const uint32_t[]){MAX_STREAMS, streams_max}, 1);
  t->said_limit = streams_max;
  t->waiting++;
}

void h2_peer_head(h2_talk *t, h2_ask ask) {
  atomic_fetch_add(&t->peer->runs[ask.prompt], 1);
  h2_headers(&t->out, ask.id, 0,
             (const char *const[]){":status", "200", "content-type", "text/event-stream", NULL});
}

static bool put_body(h2_talk *t, h2_ask ask, uint8_t flags, const char *text) {
  h2_stream *s = stream_of(t, ask.id);
  int64_t size = (int64_t)strlen(text);
  if (size > s->window || size > t->window) return false;
  s->window -= size;
  t->window -= size;
  h2_text(&t->out, ask.id, flags, text);
  return true;
}

bool h2_peer_text(h2_talk *t, h2_ask ask, const char *text) {
  char event[4096];
  int n = snprintf(event, sizeof event,
                   "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%u:%s \"}}]}\n\n",
                   ask.prompt, text);
  if (n < 0 || (size_t)n >= sizeof event) abort();
  return put_body(t, ask, 0, event);
}

void h2_peer_done(h2_talk *t, h2_ask ask) {
  static const char end[] =
      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
      "data: [DONE]\n\n";
  if (!put_body(t, ask, H2_END_STREAM, end)) fault(t, "no window for the end of an answer");
  close_stream(t, stream_of(t, ask.id));
}

void h2_peer_answer(h2_talk *t, h2_ask ask) {
  h2_peer_head(t, ask);
  h2_peer_text(t, ask, "ok");
  h2_peer_done(t, ask);
}

void h2_peer_reset(h2_talk *t, h2_ask ask, uint32_t code) {
  h2_rst(&t->out, ask.id, code);
  close_stream(t, stream_of(t, ask.id));
}
