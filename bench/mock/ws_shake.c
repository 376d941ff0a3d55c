/* The opening handshake (RFC 6455, 4.2). The answer goes out as bytes of HTTP/1.1; the connection
 * becomes a socket when the turn ends, because HTTP's reader is still at work when the request is
 * served. */
#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/mock/ws.h"

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

static const struct {
  const char *path;
  enum ws_path which;
} paths[] = {{"/ws/echo", WS_ECHO},
             {"/v1/chat/ws", WS_CHAT},
             {"/v1/responses", WS_RESPONSES},
             {"/v1/realtime", WS_REALTIME}};

static const char *query_value(const char *url, const char *name) {
  size_t n = strlen(name);
  const char *at = strchr(url, '?');
  for (; at; at = strchr(at, '&')) {
    at++;
    if (strncmp(at, name, n) == 0 && at[n] == '=') return at + n + 1;
  }
  return NULL;
}

uint32_t ws_query_number(const char *url, const char *name) {
  const char *text = query_value(url, name);
  uint64_t value = 0;
  if (!text || !lti_slice_u64(lti_slice(text, strspn(text, "0123456789")), &value)) return 0;
  return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static void read_script(const char *url, ws_script *s) {
  const char *form = query_value(url, "form"), *accept = query_value(url, "accept");
  s->wrong_accept = accept && strncmp(accept, "wrong", 5) == 0;
  s->no_accept = accept && strncmp(accept, "none", 4) == 0;
  s->alien_protocol = ws_query_number(url, "alien") != 0;
  s->no_close = ws_query_number(url, "noclose") != 0;
  s->hold = ws_query_number(url, "hold") != 0;
  s->done = ws_query_number(url, "done") != 0;
  s->message = form && strncmp(form, "message", 7) == 0;
  s->pings = ws_query_number(url, "pings");
  s->fragment = ws_query_number(url, "fragment");
  s->close = ws_query_number(url, "close");
  s->close_after = ws_query_number(url, "after");
}

/* base64(SHA-1(key + GUID)) */
static int make_accept(const char *key, char *out, size_t cap) {
  unsigned char digest[20];
  char text[128];
  size_t size;
  int n = snprintf(text, sizeof text, "%s%s", key, guid);
  if (n < 0 || (size_t)n >= sizeof text) return -1;
  if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA1), (unsigned char *)text, (size_t)n,
                 digest))
    return -1;
  return mbedtls_base64_encode((unsigned char *)out, cap, &size, digest, sizeof digest);
}

/* The first subprotocol that was offered and is no key in disguise; realtime knows only its own. */
static leat_slice choose_protocol(const mock_exchange *x, enum ws_path path) {
  const char *at = mock_exchange_header(x, "sec-websocket-protocol");
  while (at && *at) {
    size_t n = strcspn(at, ",");
    leat_slice one = lti_slice_trim(lti_slice(at, n));
    bool own = path == WS_REALTIME ? lti_slice_is(one, "realtime")
                                   : one.size && !lti_slice_starts(one, "openai-");
    if (own) return one;
    at += n + (at[n] == ',');
  }
  return lti_slice("", 0);
}

static bool asks_for_websocket(const mock_exchange *x) {
  const char *upgrade = mock_exchange_header(x, "upgrade");
  return x->conn->version == &mock_h1 && upgrade && strcasecmp(upgrade, "websocket") == 0;
}

static void send_switch(mock_exchange *x, const ws_script *s, enum ws_path path, const char *key) {
  char accept[64] = "", head[512], line[96] = "", protocol[160] = "";
  leat_slice chosen = s->alien_protocol ? lti_slice_of("alien") : choose_protocol(x, path);
  if (make_accept(s->wrong_accept ? "wrong" : key, accept, sizeof accept)) {
    mock_reply_error(x, 400, "invalid_request_error", NULL, "Sec-WebSocket-Key is too long");
    return;
  }
  if (!s->no_accept) snprintf(line, sizeof line, "Sec-WebSocket-Accept: %s\r\n", accept);
  if (chosen.size && chosen.size < 100)
    snprintf(protocol, sizeof protocol, "Sec-WebSocket-Protocol: %.*s\r\n", (int)chosen.size,
             chosen.data);
  int n = snprintf(head, sizeof head,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\n%s%sX-Oneapi-Request-Id: mock-%llu\r\n\r\n",
                   line, protocol, (unsigned long long)x->ordinal);
  mock_conn_send(x->conn, head, (size_t)n);
  mock_h1_upgrade(x->conn);
}

bool mock_ws_serve(mock_exchange *x, leat_slice path) {
  const char *key = mock_exchange_header(x, "sec-websocket-key");
  const char *version = mock_exchange_header(x, "sec-websocket-version");
  ws_script script = {0};
  if (!asks_for_websocket(x)) return false;
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    if (!lti_slice_is(path, paths[i].path)) continue;
    read_script(mock_exchange_url(x), &script);
    if (!key || !version || strcmp(version, "13") != 0)
      mock_reply_fixed(x, 426, "text/plain", "Sec-WebSocket-Version: 13\r\n", lti_slice("", 0));
    else
      send_switch(x, &script, paths[i].which, key);
    return true;
  }
  return false;
}

/* The request's target once more: it says what was switched to. */
static enum ws_path path_of(const mock_exchange *x) {
  const char *url = mock_exchange_url(x);
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    size_t n = strlen(paths[i].path);
    if (strncmp(url, paths[i].path, n) == 0 && (url[n] == '\0' || url[n] == '?'))
      return paths[i].which;
  }
  return WS_ECHO;
}

int mock_ws_open(mock_conn *c, mock_exchange *shake) {
  ws *w = calloc(1, sizeof *w);
  if (!w) return UV_ENOMEM;
  w->conn = c;
  w->shake = shake;
  w->path = path_of(shake);
  w->beta = mock_exchange_header(shake, "openai-beta") != NULL;
  const char *offered = mock_exchange_header(shake, "sec-websocket-protocol");
  if (offered && strstr(offered, "openai-beta.realtime-v1")) w->beta = true;
  read_script(mock_exchange_url(shake), &w->script);
  lti_list_init(&w->turns);
  lti_buf_init(&w->in, &c->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  lti_buf_init(&w->message, &c->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  c->version = &mock_ws;
  c->session = w;
  mock_share *share = &c->m->stats.ws;
  share->conns++;
  share->conns_live++;
  ws_talk_open(w);
  return 0;
}
