/* The engine's configuration: see config.h. Struct sizes are honoured, so that a caller built
 * against an older header leaves the newer fields at their defaults. */
#include "core/config.h"

#include "base/error.h"
#include "core/credential.h"
#include "wire/http.h"
#include "wire/proxy.h"

void leat_config_init(leat_config *config) {
  memset(config, 0, sizeof *config);
  config->struct_size = sizeof *config;
}

void leat_chat_request_init(leat_chat_request *chat) {
  memset(chat, 0, sizeof *chat);
  chat->struct_size = sizeof *chat;
}

void leat_request_init(leat_request *request) {
  memset(request, 0, sizeof *request);
  request->struct_size = sizeof *request;
}

void leat_task_init(leat_task *task) {
  memset(task, 0, sizeof *task);
  task->struct_size = sizeof *task;
}

static int64_t or64(int64_t value, int64_t otherwise) {
  return value ? value : otherwise;
}
static int or32(int value, int otherwise) {
  return value ? value : otherwise;
}

static void resolve_deadlines(leat_deadlines *d) {
  d->dns_ms = or64(d->dns_ms, 5000);
  d->connect_ms = or64(d->connect_ms, 10000);
  d->head_ms = or64(d->head_ms, 600000);
  d->first_ms = or64(d->first_ms, LEAT_NONE);
  d->gap_ms = or64(d->gap_ms, LEAT_NONE);
  d->idle_ms = or64(d->idle_ms, 600000);
  d->queue_ms = or64(d->queue_ms, LEAT_NONE);
}

static void resolve_numbers(leat_config *c) {
  resolve_deadlines(&c->deadlines);
  c->retries = or32(c->retries, 2);
  c->retry_after_max_ms = or64(c->retry_after_max_ms, 120000);
  c->redirects = or32(c->redirects, 5);
  c->conns_max = or32(c->conns_max, 64);
  c->h2_conns_max = or32(c->h2_conns_max, 8);
  c->h2_streams_max = or32(c->h2_streams_max, 1000);
  c->h2_stream_window = or64(c->h2_stream_window, 512ll << 10);
  c->h2_conn_window = or64(c->h2_conn_window, 16ll << 20);
  c->ping_ms = or64(c->ping_ms, 20000);
  c->ping_timeout_ms = or64(c->ping_timeout_ms, 10000);
  c->conn_age_ms = or64(c->conn_age_ms, 3600000);
  c->queue_max = or32(c->queue_max, 100000);
  c->handshakes_max = or32(c->handshakes_max, 32);
  c->keep_alive_ms = or64(c->keep_alive_ms, 50000);
  c->requests_max = or32(c->requests_max, 1000000);
  c->polls_per_second = or32(c->polls_per_second, 50);
  c->limiter_probe = or32(c->limiter_probe, 4);
  c->retry_budget = or32(c->retry_budget, c->learn_limits ? 10 : LEAT_NONE);
  c->circuit_ms = or64(c->circuit_ms, 10000);
  c->event_bytes_max = or64(c->event_bytes_max, 64ll << 20);
  c->body_bytes_max = or64(c->body_bytes_max, 256ll << 20);
  c->header_bytes_max = or64(c->header_bytes_max, 64ll << 10);
  c->held_bytes_max = or64(c->held_bytes_max, 256ll << 20);
}

/* A text that says "none" by being empty becomes one that is not there; a key without a file of its
 * own stands in the certificate's, as PEM files often have it. */
static void resolve_texts(leat_config *c) {
  if (c->proxy && !*c->proxy) c->proxy = NULL;
  if (c->no_proxy && !*c->no_proxy) c->no_proxy = NULL;
  if (c->journal && !*c->journal) c->journal = NULL;
  if (c->cert_file && !c->key_file && !c->key_pem.data) c->key_file = c->cert_file;
  if (c->cert_pem.data && !c->key_file && !c->key_pem.data) c->key_pem = c->cert_pem;
}

/* Longest deadline that fits the clock's arithmetic with room to spare: about 31 years. */
#define MS_MAX 1000000000000ll

/* What flow control may be asked for: below the protocol's own 64 KiB nothing could be taken back,
 * and RFC 9113 6.9.1 ends at 2^31-1. */
#define WINDOW_MIN (64ll << 10)
#define WINDOW_MAX (1ll << 30)

static bool deadlines_ok(const leat_deadlines *d) {
  const int64_t list[] = {d->dns_ms, d->connect_ms, d->head_ms,  d->first_ms,
                          d->gap_ms, d->idle_ms,    d->queue_ms, d->total_ms};
  for (size_t i = 0; i < sizeof list / sizeof *list; i++)
    if (list[i] < LEAT_NONE || list[i] > MS_MAX) return false;
  return true;
}

static bool window_ok(int64_t bytes) {
  return bytes == 0 || (bytes >= WINDOW_MIN && bytes <= WINDOW_MAX);
}

static const char *check_pool(const leat_config *c) {
  if (c->keep_alive_ms < LEAT_NONE || c->keep_alive_ms > MS_MAX)
    return "keep_alive_ms is LEAT_NONE or more";
  if (c->conns_max < 0 || c->queue_max < 0 || c->handshakes_max < 0 || c->requests_max < 0)
    return "conns_max, queue_max, handshakes_max and requests_max are positive";
  if (c->polls_per_second < LEAT_NONE || c->polls_per_second > 1000000)
    return "polls_per_second is LEAT_NONE, or up to a million";
  if (c->h2_conns_max < 0 || c->h2_streams_max < 0)
    return "h2_conns_max and h2_streams_max are positive";
  if (!window_ok(c->h2_stream_window) || !window_ok(c->h2_conn_window))
    return "h2_stream_window and h2_conn_window are 64 KiB to 1 GiB";
  if (c->ping_ms < LEAT_NONE || c->ping_ms > MS_MAX || c->conn_age_ms < LEAT_NONE ||
      c->conn_age_ms > MS_MAX)
    return "ping_ms and conn_age_ms are LEAT_NONE or more";
  if (c->ping_timeout_ms < 0 || c->ping_timeout_ms > MS_MAX)
    return "ping_timeout_ms is positive; to ask for no answers set ping_ms to LEAT_NONE";
  return NULL;
}

static const char *check_limits(const leat_config *c) {
  if (c->event_bytes_max < 0 || c->body_bytes_max < 0 || c->header_bytes_max < 0 ||
      c->held_bytes_max < 0)
    return "a byte limit is negative";
  if ((uint64_t)c->event_bytes_max > SIZE_MAX / 2 || (uint64_t)c->body_bytes_max > SIZE_MAX / 2 ||
      (uint64_t)c->header_bytes_max > SIZE_MAX / 2)
    return "a byte limit is more than memory can hold";
  return NULL;
}

static const char *check_tls(const leat_config *c) {
  bool cert = c->cert_file || c->cert_pem.data, key = c->key_file || c->key_pem.data;
  if (c->ca_file && c->ca_pem.data) return "ca_file and ca_pem are alternatives";
  if (c->cert_file && c->cert_pem.data) return "cert_file and cert_pem are alternatives";
  if (c->key_file && c->key_pem.data) return "key_file and key_pem are alternatives";
  if (key && !cert) return "key_file or key_pem without the certificate it belongs to";
  switch (c->tls_max) {
    case LEAT_TLS_DEFAULT:
    case LEAT_TLS_1_2:
    case LEAT_TLS_1_3: return NULL;
  }
  return "tls_max is none of LEAT_TLS_DEFAULT, LEAT_TLS_1_2 and LEAT_TLS_1_3";
}

/* The least that a minute's arithmetic bears, and the most. */
#define PER_MINUTE_MAX ((int64_t)1 << 36)
#define LIMITS_MAX     4096

static bool limit_ok(const leat_limit *l) {
  return l->requests_per_minute >= 0 && l->requests_per_minute <= PER_MINUTE_MAX &&
         l->tokens_per_minute >= 0 && l->tokens_per_minute <= PER_MINUTE_MAX && l->concurrency >= 0;
}

static const char *check_pacing(const leat_config *c) {
  if (c->limit_count && !c->limits) return "a count without its list";
  if (c->limit_count > LIMITS_MAX) return "more than 4,096 limits";
  for (size_t i = 0; i < c->limit_count; i++)
    if (!limit_ok(&c->limits[i])) return "a limit is negative, or above 2^36 a minute";
  if (c->limiter_probe < 0) return "limiter_probe is positive";
  if (c->retry_budget < LEAT_NONE || c->retry_budget > 100)
    return "retry_budget is LEAT_NONE, or up to 100 percent";
  if (c->circuit_failures < LEAT_NONE) return "circuit_failures is positive";
  if (c->circuit_ms < 0 || c->circuit_ms > MS_MAX) return "circuit_ms is positive";
  return NULL;
}

static const char *find_contradiction(const leat_config *c) {
  const leat_allocator *a = &c->allocator;
  int given = (a->malloc != NULL) + (a->realloc != NULL) + (a->free != NULL);
  const char *why = NULL;
  if (given != 0 && given != 3) return "the allocator needs all three functions";
  if (!deadlines_ok(&c->deadlines)) return "a deadline is negative or absurd";
  if (c->retries < LEAT_NONE || c->redirects < LEAT_NONE || c->retry_after_max_ms < LEAT_NONE ||
      c->retry_after_max_ms > MS_MAX)
    return "retries, redirects and retry_after_max_ms are LEAT_NONE or more";
  if (!lti_config_http_ok(c->http))
    return "http is none of LEAT_HTTP_AUTO, LEAT_HTTP_1 and LEAT_HTTP_2";
  if (!lti_credential_style_ok(c->auth)) return "auth is none of enum leat_auth";
  if ((c->header_count && !c->headers) || (c->resolve_count && !c->resolve))
    return "a count without its list";
  why = check_pool(c);
  if (!why) why = check_limits(c);
  if (!why) why = check_pacing(c);
  return why ? why : check_tls(c);
}

/* Whether the proxy's text is one; what it means is read again by whoever connects. */
static int check_proxy(leat_engine *e, const char *text, const char **message) {
  lti_proxy proxy;
  const char *why = NULL;
  if (!text) return LTI_OK;
  int r = lti_proxy_init(&proxy, &e->alloc, lti_slice_of(text), &why);
  if (r == LTI_OK) lti_proxy_deinit(&proxy);
  if (r == LEAT_EURL)
    *message = why && strstr(why, "proxy") ? why : "the proxy's host or port cannot be used";
  return r;
}

/* Copies texts one behind the other into the block that lti_config_free wipes, secrets among them;
 * with `to` NULL only measures. */
typedef struct copier {
  char *to;
  size_t size;
} copier;

static const char *copy_bytes(copier *k, const char *from, size_t n) {
  const char *at = k->to ? k->to + k->size : NULL;
  if (k->to && n) memcpy(k->to + k->size, from, n);
  k->size += n;
  return at;
}

static const char *copy_text(copier *k, const char *from) {
  return from ? copy_bytes(k, from, strlen(from) + 1) : NULL;
}

static leat_slice copy_slice(copier *k, leat_slice from) {
  if (!from.data) return from;
  return lti_slice(copy_bytes(k, from.data, from.size), from.size);
}

/* Pointers first, for their alignment, then texts. */
static void copy_all(copier *k, leat_config *c) {
  const leat_header *headers = c->headers;
  const leat_limit *limits = c->limits;
  leat_header *new_headers = (leat_header *)(uintptr_t)copy_bytes(
      k, (const char *)headers, c->header_count * sizeof *headers);
  leat_limit *new_limits =
      (leat_limit *)(uintptr_t)copy_bytes(k, (const char *)limits, c->limit_count * sizeof *limits);
  for (size_t i = 0; i < c->header_count; i++) {
    leat_header copy = {copy_slice(k, headers[i].name), copy_slice(k, headers[i].value)};
    if (new_headers) new_headers[i] = copy;
  }
  for (size_t i = 0; i < c->limit_count; i++) {
    const char *model = copy_text(k, limits[i].model);
    if (new_limits) new_limits[i].model = model;
  }
  c->headers = new_headers;
  c->limits = new_limits;
  c->base_url = copy_text(k, c->base_url);
  c->api_key = copy_text(k, c->api_key);
  c->protocol = copy_text(k, c->protocol);
  c->proxy = copy_text(k, c->proxy);
  c->no_proxy = copy_text(k, c->no_proxy);
  c->cert_file = copy_text(k, c->cert_file);
  c->key_file = copy_text(k, c->key_file);
  c->cert_pem = copy_slice(k, c->cert_pem);
  c->key_pem = copy_slice(k, c->key_pem);
  c->ca_file = copy_text(k, c->ca_file);
  c->journal = copy_text(k, c->journal);
  c->ca_pem = copy_slice(k, c->ca_pem);
}

bool lti_config_sized(const leat_config *config) {
  /* The allocator is looked at first, so it must be there. */
  return !config || (config->struct_size >= offsetof(leat_config, base_url) &&
                     config->struct_size <= sizeof *config);
}

int lti_config_read(leat_engine *e, const leat_config *config, const char **message) {
  leat_config c;
  leat_config_init(&c);
  if (config) memcpy(&c, config, config->struct_size);
  *message = find_contradiction(&c);
  if (*message) return LEAT_EINVAL;
  lti_alloc_init(&e->alloc, &c.allocator);
  resolve_numbers(&c);
  resolve_texts(&c);
  int r = check_proxy(e, c.proxy, message);
  if (r != LTI_OK) return r;
  leat_config sized = c;
  copier k = {0};
  copy_all(&k, &sized);
  e->texts_size = k.size;
  e->texts = lti_alloc_get(&e->alloc, k.size);
  if (!e->texts) return LEAT_ENOMEM;
  k = (copier){.to = e->texts};
  copy_all(&k, &c);
  e->config = c;
  e->defaults = (lti_spec_defaults){.base_url = c.base_url,
                                    .api_key = c.api_key,
                                    .protocol = c.protocol,
                                    .headers = c.headers,
                                    .header_count = c.header_count,
                                    .proxy = c.proxy,
                                    .no_proxy = c.no_proxy,
                                    .auth = c.auth,
                                    .allow_plain_key = c.allow_plain_key,
                                    .asks_key = c.key != NULL};
  if (c.observer) e->observer = *c.observer;
  e->config.observer = c.observer ? &e->observer : NULL;
  return LTI_OK;
}

void lti_config_free(leat_engine *e) {
  lti_alloc_wipe(&e->alloc, e->texts, e->texts_size);
  e->texts = NULL;
}

bool lti_config_http_ok(enum leat_http http) {
  return http == LEAT_HTTP_AUTO || http == LEAT_HTTP_1 || http == LEAT_HTTP_2;
}

int lti_config_deadlines(const leat_engine *e, const leat_deadlines *own, bool stream,
                         leat_deadlines *out) {
  const leat_deadlines *d = &e->config.deadlines;
  if (!deadlines_ok(own)) return LEAT_EINVAL;
  out->dns_ms = or64(own->dns_ms, d->dns_ms);
  out->connect_ms = or64(own->connect_ms, d->connect_ms);
  out->head_ms = or64(own->head_ms, d->head_ms);
  out->first_ms = or64(own->first_ms, d->first_ms);
  out->gap_ms = or64(own->gap_ms, d->gap_ms);
  out->idle_ms = or64(own->idle_ms, d->idle_ms);
  out->queue_ms = or64(own->queue_ms, d->queue_ms);
  out->total_ms = or64(own->total_ms, or64(d->total_ms, stream ? LEAT_NONE : 600000));
  return LTI_OK;
}
