/* Requests through llhttp: the target and all headers are kept as one block of NUL-terminated
 * texts, the body in one buffer, both bounded. The parser pauses behind each request, so that what
 * follows waits until the answer is complete. A request that cannot be parsed is answered 400 and
 * closes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/mock/gateway.h"

static const llhttp_settings_t settings;

static mock_exchange *exchange_of(llhttp_t *parser) {
  return ((mock_conn *)parser->data)->exchange;
}

static int on_message_begin(llhttp_t *parser) {
  mock_conn *c = parser->data;
  mock_exchange *x = calloc(1, sizeof *x);
  if (!x) return HPE_USER;
  x->m = c->m;
  x->conn = c;
  x->cut_at = MOCK_NEVER;
  lti_buf_init(&x->head, &c->m->alloc, MOCK_HEAD_MAX, LEAT_EHEADERSMAX);
  lti_buf_init(&x->body, &c->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (c->exchange) mock_exchange_free(c->exchange);
  c->exchange = x;
  return 0;
}

static int keep_text(llhttp_t *parser, const char *at, size_t size) {
  mock_exchange *x = exchange_of(parser);
  return lti_buf_append(&x->head, lti_slice(at, size)) ? HPE_USER : 0;
}

static int end_text(llhttp_t *parser) {
  return lti_buf_byte(&exchange_of(parser)->head, '\0') ? HPE_USER : 0;
}

static int on_headers_complete(llhttp_t *parser) {
  static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
  mock_exchange *x = exchange_of(parser);
  const char *expect = mock_exchange_header(x, "expect");
  if (expect && strcasecmp(expect, "100-continue") == 0)
    mock_conn_send(x->conn, go_on, sizeof go_on - 1);
  return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size) {
  mock_exchange *x = exchange_of(parser);
  if (!x->too_big && lti_buf_append(&x->body, lti_slice(at, size))) x->too_big = true;
  return 0;
}

static int on_message_complete(llhttp_t *parser) {
  mock_conn *c = parser->data;
  mock_exchange *x = c->exchange;
  uint32_t most = c->m->config.requests_max;
  x->method = parser->method;
  x->keep =
      llhttp_should_keep_alive(parser) && !parser->upgrade && (!most || c->requests + 1 < most);
  return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = keep_text,
    .on_header_field = keep_text,
    .on_header_value = keep_text,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
    .on_url_complete = end_text,
    .on_header_field_complete = end_text,
    .on_header_value_complete = end_text,
};

void mock_http_init(mock_conn *c) {
  llhttp_init(&c->parser, HTTP_REQUEST, &settings);
  c->parser.data = c;
}

static void refuse(mock_conn *c) {
  static const char answer[] =
      "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  mock_conn_send(c, answer, sizeof answer - 1);
  mock_conn_end(c, MOCK_ENDING_CLEAN);
}

bool mock_http_feed(mock_conn *c, const char *bytes, size_t size, size_t *taken) {
  llhttp_resume(&c->parser);
  llhttp_errno_t err = llhttp_execute(&c->parser, bytes, size);
  *taken = size;
  if (err == HPE_OK) return false;
  if (err == HPE_PAUSED) {
    *taken = (size_t)(llhttp_get_error_pos(&c->parser) - bytes);
    return true;
  }
  refuse(c);
  return false;
}

void mock_exchange_free(mock_exchange *x) {
  if (x->job) x->release(x->job);
  if (x->stream) x->m->stats.streams_live--;
  lti_buf_deinit(&x->head);
  lti_buf_deinit(&x->body);
  free(x);
}

const char *mock_exchange_url(const mock_exchange *x) {
  return x->head.size ? x->head.data : "";
}

const char *mock_exchange_header(const mock_exchange *x, const char *name) {
  const char *at = mock_exchange_url(x), *end = x->head.data + x->head.size;
  if (!x->head.size) return NULL;
  at += strlen(at) + 1;
  while (at < end) {
    const char *value = at + strlen(at) + 1;
    if (value >= end) return NULL;
    if (strcasecmp(at, name) == 0) return value;
    at = value + strlen(value) + 1;
  }
  return NULL;
}
