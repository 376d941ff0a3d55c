/* What a browser gets, and when.
 *
 * What it does not take waits in its socket's write queue, which is short: above QUEUE_HIGH the
 * model's answer is paused, so that the gateway, and not this process, holds the rest; below
 * QUEUE_LOW it goes on. When the browser goes away its request is cancelled, and when it stalls for
 * STALL_MS it is sent away. The timer is one: for the head, for a stall, for the last bytes. */
#include "browser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MS    10000
#define STALL_MS   30000
#define LINGER_MS  5000
#define QUEUE_HIGH ((size_t)64 << 10)
#define QUEUE_LOW  ((size_t)16 << 10)
#define REPLY_SIZE 4096

/* Bytes that the kernel did not take at once. */
typedef struct piece {
  uv_write_t write;
  char bytes[];
} piece;

static const char page[] =
    "<!doctype html><meta charset=utf-8><title>A model</title>\n"
    "<form><input name=q size=60 placeholder=Ask autofocus></form><pre id=out "
    "style=white-space:pre-wrap></pre>\n"
    "<script>\n"
    "const out = document.getElementById('out');\n"
    "let stream;\n"
    "document.forms[0].onsubmit = event => {\n"
    "  event.preventDefault();\n"
    "  if (stream) stream.close();\n"
    "  out.textContent = '';\n"
    "  stream = new EventSource('/chat?prompt=' + encodeURIComponent(event.target.q.value));\n"
    "  stream.onmessage = event => { out.textContent += event.data; };\n"
    "  stream.addEventListener('end', event => {\n"
    "    if (event.data !== 'LEAT_OK') out.textContent += ' [' + event.data + ']';\n"
    "    stream.close();\n"
    "  });\n"
    "};\n"
    "</script>\n";

static const char sse_head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    "Cache-Control: no-store\r\nConnection: close\r\n\r\n";

/* ---- the end */

static void browser_release(browser *b) {
  if (--b->owners > 0) return;
  b->server->browsers--;
  free(b);
}

static void on_closed(uv_handle_t *handle) {
  browser_release(handle->data);
}

static void set_paused(browser *b, bool paused) {
  if (b->paused == paused) return;
  b->paused = paused;
  if (paused)
    b->server->paused++, b->server->pauses++;
  else
    b->server->paused--;
}

/* Its request is cancelled, whose done comes later and finds this browser still there. */
static void browser_close(browser *b) {
  if (b->state == BROWSER_CLOSING) return;
  if (b->state == BROWSER_ASKING) leat_cancel(b->server->engine, b->id);
  b->state = BROWSER_CLOSING;
  set_paused(b, false);
  uv_close((uv_handle_t *)&b->tcp, on_closed);
  uv_close((uv_handle_t *)&b->timer, on_closed);
}

static void on_late(uv_timer_t *timer) {
  browser_close(timer->data);
}

/* Whatever it means: nothing is left to be said when the timer ends. */
static void on_shutdown(uv_shutdown_t *shutdown, int status) {
  browser *b = shutdown->data;
  if (status != 0) browser_close(b);
}

/* Lets what was written leave, and waits a little for the browser to close first. */
static void browser_linger(browser *b) {
  b->state = BROWSER_LINGERING;
  uv_timer_start(&b->timer, on_late, LINGER_MS, 0);
  b->shutdown.data = b;
  if (uv_shutdown(&b->shutdown, (uv_stream_t *)&b->tcp, on_shutdown) != 0) browser_close(b);
}

/* ---- writing */

static void on_written(uv_write_t *write, int status) {
  browser *b = write->handle->data;
  free(write->data);
  if (status != 0) browser_close(b);
  if (b->state != BROWSER_ASKING || !b->paused) return;
  if (uv_stream_get_write_queue_size((uv_stream_t *)&b->tcp) > QUEUE_LOW) return;
  uv_timer_stop(&b->timer);
  set_paused(b, false);
  leat_resume(b->server->engine, b->id);
}

static void browser_write(browser *b, const char *bytes, size_t size) {
  uv_stream_t *stream = (uv_stream_t *)&b->tcp;
  uv_buf_t out = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)size);
  int taken = uv_try_write(stream, &out, 1);
  size_t left = size - (taken > 0 ? (size_t)taken : 0);
  if (left == 0) return;
  piece *p = taken >= 0 || taken == UV_EAGAIN ? malloc(sizeof *p + left) : NULL;
  if (!p) {
    browser_close(b);
    return;
  }
  memcpy(p->bytes, bytes + (size - left), left);
  p->write.data = p;
  out = uv_buf_init(p->bytes, (unsigned)left);
  if (uv_write(&p->write, stream, &out, 1, on_written) == 0) return;
  free(p);
  browser_close(b);
}

static void browser_write_text(browser *b, const char *text) {
  browser_write(b, text, strlen(text));
}

/* An answer that is not streamed. */
static void browser_reply(browser *b, const char *status, const char *type, const char *text) {
  char out[REPLY_SIZE];
  int size = snprintf(out, sizeof out,
                      "HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\n"
                      "Connection: close\r\n\r\n%s",
                      status, type, strlen(text), text);
  browser_write(b, out, (size_t)size < sizeof out ? (size_t)size : sizeof out - 1);
  if (b->state != BROWSER_CLOSING) browser_linger(b);
}

/* Small pieces that are written together: each write is a call of the kernel. */
typedef struct batch {
  browser *to;
  size_t size;
  char bytes[4096];
} batch;

static void batch_flush(batch *out) {
  if (out->to->state == BROWSER_ASKING && out->size) browser_write(out->to, out->bytes, out->size);
  out->size = 0;
}

static void batch_add(batch *out, const char *bytes, size_t size) {
  while (size > 0) {
    size_t room = sizeof out->bytes - out->size, part = size < room ? size : room;
    memcpy(out->bytes + out->size, bytes, part);
    out->size += part;
    bytes += part;
    size -= part;
    if (out->size == sizeof out->bytes) batch_flush(out);
  }
}

/* "one\ntwo" -> "data: one\ndata: two\n\n": a line end of any kind begins a line of its own, which
 * is how an event stream carries one. */
static void browser_write_event(browser *b, leat_slice text) {
  batch out = {.to = b};
  for (size_t at = 0;;) {
    size_t size = 0;
    while (at + size < text.size && text.data[at + size] != '\n' && text.data[at + size] != '\r')
      size++;
    batch_add(&out, "data: ", 6);
    batch_add(&out, text.data + at, size);
    batch_add(&out, "\n", 1);
    at += size;
    if (at == text.size) break;
    at += text.data[at] == '\r' && at + 1 < text.size && text.data[at + 1] == '\n' ? 2 : 1;
  }
  batch_add(&out, "\n", 1);
  batch_flush(&out);
}

/* ---- the model's side */

static void browser_start(browser *b) {
  if (b->started) return;
  b->started = true;
  browser_write(b, sse_head, sizeof sse_head - 1);
}

/* A comment keeps proxies patient while the model thinks. */
static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)engine, (void)id;
  browser *b = user;
  if (b->state != BROWSER_ASKING) return LEAT_CONTINUE;
  if (event->kind != LEAT_EVENT_TEXT && event->kind != LEAT_EVENT_REASONING) return LEAT_CONTINUE;
  browser_start(b);
  if (event->kind == LEAT_EVENT_REASONING)
    browser_write_text(b, ": thinking\n\n");
  else
    browser_write_event(b, event->text);
  if (b->state != BROWSER_ASKING) return LEAT_CONTINUE;
  if (uv_stream_get_write_queue_size((uv_stream_t *)&b->tcp) <= QUEUE_HIGH) return LEAT_CONTINUE;
  set_paused(b, true);
  uv_timer_start(&b->timer, on_late, STALL_MS, 0);
  return LEAT_PAUSE;
}

static const char *status_of(const leat_result *result) {
  if (result->status == 429) return "429 Too Many Requests";
  switch (leat_error_class(result->error)) {
    case LEAT_CLASS_TIMEOUT: return "504 Gateway Timeout";
    case LEAT_CLASS_LIMIT:
    case LEAT_CLASS_CANCELLED: return "503 Service Unavailable";
    default: return "502 Bad Gateway";
  }
}

/* The end is told as an event of its own: an answer that broke off must not look whole. */
static void browser_end(browser *b, const leat_result *result) {
  char text[64];
  if (!b->started && result->error != LEAT_OK) {
    browser_reply(b, status_of(result), "text/plain", leat_error_name(result->error));
    return;
  }
  browser_start(b);
  snprintf(text, sizeof text, "event: end\ndata: %s\n\n", leat_error_name(result->error));
  if (b->state == BROWSER_ASKING) browser_write_text(b, text);
  if (b->state == BROWSER_ASKING) browser_linger(b);
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  browser *b = user;
  if (result->error == LEAT_OK)
    b->server->answered++;
  else if (b->state == BROWSER_CLOSING)
    b->server->gone++;
  else
    b->server->failed++;
  if (b->state == BROWSER_ASKING) {
    set_paused(b, false);
    browser_end(b, result);
  }
  browser_release(b);
}

static void browser_ask(browser *b, const head *h) {
  server *s = b->server;
  leat_chat_request chat;
  leat_chat_request_init(&chat);
  chat.model = s->model;
  chat.prompt = (leat_slice){h->prompt, h->prompt_size};
  chat.stream = true;
  leat_request request;
  leat_request_init(&request);
  request.chat = &chat;
  request.on_event = on_event;
  request.on_done = on_done;
  request.user = b;
  if (!s->engine || leat_submit(s->engine, &request, &b->id) != LEAT_OK) {
    browser_reply(b, "503 Service Unavailable", "text/plain",
                  s->engine ? leat_last_message(s->engine) : "the server is stopping");
    return;
  }
  b->owners++;
  b->state = BROWSER_ASKING;
  uv_timer_stop(&b->timer);
}

/* ---- the browser's side */

static void browser_count(browser *b) {
  const server *s = b->server;
  char text[256];
  snprintf(text, sizeof text,
           "browsers %u\npaused %u\npauses %lu\nanswered %lu\ngone %lu\n"
           "failed %lu\n",
           s->browsers, s->paused, s->pauses, s->answered, s->gone, s->failed);
  browser_reply(b, "200 OK", "text/plain", text);
}

static void browser_serve(browser *b, const head *h) {
  if (strcmp(h->path, "/") == 0)
    browser_reply(b, "200 OK", "text/html", page);
  else if (strcmp(h->path, "/stats") == 0)
    browser_count(b);
  else if (strcmp(h->path, "/chat") != 0)
    browser_reply(b, "404 Not Found", "text/plain", "no");
  else if (h->prompt_size == 0)
    browser_reply(b, "400 Bad Request", "text/plain", "no ?prompt=");
  else
    browser_ask(b, h);
}

/* Bytes behind the head are not ours to understand: they are read and dropped. */
static void browser_hear(browser *b, size_t size) {
  head h;
  if (b->state != BROWSER_HEAD) return;
  b->size += size;
  switch (head_read(b->bytes, b->size, &h)) {
    case HEAD_MORE:
      if (b->size == sizeof b->bytes)
        browser_reply(b, "431 Request Header Fields Too Large", "text/plain", "a long head");
      return;
    case HEAD_WHOLE: browser_serve(b, &h); return;
    case HEAD_BAD: browser_reply(b, "400 Bad Request", "text/plain", "no request"); return;
    case HEAD_TOO_LONG: browser_reply(b, "414 URI Too Long", "text/plain", "too long"); return;
    case HEAD_METHOD: browser_reply(b, "405 Method Not Allowed", "text/plain", "GET"); return;
  }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out) {
  browser *b = handle->data;
  static char dropped[1024];
  (void)size;
  *out = b->state == BROWSER_HEAD
             ? uv_buf_init(b->bytes + b->size, (unsigned)(sizeof b->bytes - b->size))
             : uv_buf_init(dropped, sizeof dropped);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
  (void)buf;
  if (count < 0)
    browser_close(stream->data);
  else
    browser_hear(stream->data, (size_t)count);
}

void browser_accept(server *s) {
  browser *b = calloc(1, sizeof *b);
  if (!b) return;
  b->server = s;
  b->owners = 2;
  s->browsers++;
  uv_tcp_init(&s->loop, &b->tcp);
  uv_timer_init(&s->loop, &b->timer);
  b->tcp.data = b->timer.data = b;
  uv_timer_start(&b->timer, on_late, HEAD_MS, 0);
  if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&b->tcp) != 0 ||
      uv_read_start((uv_stream_t *)&b->tcp, on_alloc, on_read) != 0) {
    browser_close(b);
  } else if (s->browsers > BROWSERS_MAX) {
    browser_reply(b, "503 Service Unavailable", "text/plain", "too many browsers");
  }
}
