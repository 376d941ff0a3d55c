/* The gateway itself: its socket, its limits, and the order in which everything goes away.
 *
 * `handles` counts what the loop must close before the memory may go: the listener, the clock, the
 * seconds timer and every connection. Reaching the descriptor limit stops accepting until a
 * connection has gone; nothing is refused at accept(2), callers wait in the backlog. */
#include "bench/mock/mock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/mock/files.h"
#include "bench/mock/gateway.h"
#include "bench/mock/tasks.h"

#define SLAB_SIZE    (64 * 1024)
#define RECORD_MAX   (16 * 1024)
#define ACCEPT_BATCH 64
#define FDS_SPARE    64

void mock_config_init(mock_config *config) {
  memset(config, 0, sizeof *config);
  config->host = "127.0.0.1";
  config->h2_streams = 250;
  config->h2_window = 1u << 20;
  config->ttft_us = 20000;
  config->gap_us = 5000;
  config->tick_us = 1000;
  config->events = 40;
  config->keepalive_ms = 75000;
  config->task_queued_ms = 100;
  config->task_ms = 1000;
  config->task_sigma = 0.8;
  config->limit_window_ms = 60000;
  config->task_bytes = 65536;
  config->tasks_max = 1000000;
}

static void stop_accepting(mock *m) {
  if (m->accepting) uv_poll_stop(&m->listener);
  m->accepting = false;
}

static void on_connection(uv_poll_t *handle, int status, int events) {
  mock *m = handle->data;
  (void)status;
  (void)events;
  mock_cadence_turn(m);
  for (int i = 0; i < ACCEPT_BATCH; i++) {
    if (m->stats.conns_live >= m->conns_max) {
      stop_accepting(m);
      return;
    }
    int fd = accept4(m->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        stop_accepting(m);
      return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    mock_conn_open(m, fd);
  }
}

void mock_accept_again(mock *m) {
  if (m->accepting || m->closing || m->stats.conns_live >= m->conns_max) return;
  if (uv_poll_start(&m->listener, UV_READABLE, on_connection) == 0) m->accepting = true;
}

static int parse_address(const mock_config *config, struct sockaddr_storage *ss, socklen_t *size) {
  memset(ss, 0, sizeof *ss);
  *size = 0;
  const char *host = strcmp(config->host, "localhost") == 0 ? "127.0.0.1" : config->host;
  if (uv_ip4_addr(host, config->port, (struct sockaddr_in *)ss) == 0)
    *size = sizeof(struct sockaddr_in);
  else if (uv_ip6_addr(host, config->port, (struct sockaddr_in6 *)ss) == 0)
    *size = sizeof(struct sockaddr_in6);
  else
    fprintf(stderr, "mock: not an IP address: %s\n", host);
  return *size ? 0 : UV_EINVAL;
}

static int listen_on(mock *m) {
  struct sockaddr_storage ss;
  socklen_t size;
  int err = parse_address(&m->config, &ss, &size);
  if (err) return err;
  m->listen_fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (m->listen_fd < 0) return -errno;
  int one = 1;
  setsockopt(m->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (!mock_flight_stamp(m, m->listen_fd)) return -errno;
  if (bind(m->listen_fd, (struct sockaddr *)&ss, size) || listen(m->listen_fd, 4096)) return -errno;
  if (getsockname(m->listen_fd, (struct sockaddr *)&ss, &size)) return -errno;
  m->port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
                                          : ((struct sockaddr_in6 *)&ss)->sin6_port);
  err = uv_poll_init(m->loop, &m->listener, m->listen_fd);
  if (err) return err;
  m->handles++;
  m->listener.data = m;
  mock_accept_again(m);
  return m->accepting ? 0 : UV_ENOMEM;
}

/* The soft limit becomes the hard one; what is left above FDS_SPARE is for connections. */
static void raise_limit(mock *m) {
  struct rlimit limit;
  rlim_t fds = 1024;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) fds = limit.rlim_cur;
  }
  if (fds > 16u * 1024 * 1024) fds = 16u * 1024 * 1024;
  uint32_t most = fds > 2 * FDS_SPARE ? (uint32_t)fds - FDS_SPARE : FDS_SPARE;
  m->conns_max = m->config.conns_max && m->config.conns_max < most ? m->config.conns_max : most;
}

/* The texts of the config, in one block. */
static int copy_texts(mock *m) {
  const char **from[6 + MOCK_FAULT_RULES_MAX] = {&m->config.host,        &m->config.ca_out,
                                                 &m->config.cert,        &m->config.key,
                                                 &m->config.require_key, &m->config.ledger};
  size_t count = 6, total = 1;
  for (size_t i = 0; i < m->config.fault_rule_count; i++) from[count++] = &m->config.fault_rules[i];
  for (size_t i = 0; i < count; i++) total += *from[i] ? strlen(*from[i]) + 1 : 0;
  m->texts = malloc(total);
  if (!m->texts) return UV_ENOMEM;
  char *at = m->texts;
  for (size_t i = 0; i < count; i++) {
    if (!*from[i]) continue;
    size_t size = strlen(*from[i]) + 1;
    memcpy(at, *from[i], size);
    *from[i] = at;
    at += size;
  }
  return 0;
}

static void on_second(uv_timer_t *timer) {
  mock_stats_second(timer->data);
  mock_accept_again(timer->data); /* descriptors that others held may be free again */
}

static int start_parts(mock *m) {
  int err = copy_texts(m);
  if (!err) err = mock_fault_rules(m);
  if (!err) err = mock_stats_init(m);
  if (!err) err = mock_ledger_open(m);
  if (!err) err = mock_limits_open(m);
  if (!err && (!(m->slab = malloc(SLAB_SIZE)) || !(m->plain = malloc(RECORD_MAX)) ||
               !(m->wire = malloc(MOCK_WIRE_SIZE))))
    err = UV_ENOMEM;
  if (!err && !m->config.plain) err = mock_tls_new(m);
  if (!err) err = mock_cadence_init(m);
  if (!err) err = listen_on(m);
  if (err) return err;
  uv_timer_init(m->loop, &m->second);
  m->second.data = m;
  m->handles++;
  uv_timer_start(&m->second, on_second, 1000, 1000);
  uv_unref((uv_handle_t *)&m->second);
  return 0;
}

int mock_start(const mock_config *config, uv_loop_t *loop, mock **out) {
  *out = NULL;
  mock *m = calloc(1, sizeof *m);
  if (!m) return UV_ENOMEM;
  m->loop = loop;
  m->config = *config;
  m->listen_fd = m->clock_fd = m->ledger_fd = -1;
  lti_alloc_init(&m->alloc, NULL);
  lti_list_init(&m->conns);
  lti_list_init(&m->marked);
  mock_due_init(&m->freeze.due);
  lti_prng_seed(&m->dice, config->seed ^ 0x6d6f636bu);
  lti_buf_init(&m->piece, &m->alloc, 8u << 20, LEAT_EBODYMAX);
  raise_limit(m);
  m->handles = 1; /* this function's own, given back when it fails */
  int err = start_parts(m);
  if (err) {
    if (err != UV_EINVAL) /* which has been explained where it was found */
      fprintf(stderr, "mock: cannot start on %s port %u: %s\n", config->host, config->port,
              uv_strerror(err));
    m->handles--;
    mock_close(m, NULL, NULL);
    return err;
  }
  m->handles--;
  *out = m;
  return 0;
}

uint16_t mock_port(const mock *m) {
  return m->port;
}

uint32_t mock_conns_max(const mock *m) {
  return m->conns_max;
}

static void release(mock *m) {
  void (*closed)(void *) = m->closed;
  void *user = m->closed_user;
  mock_tasks_free(m);
  mock_ledger_close(m);
  mock_limits_close(m);
  mock_batches_free(m);
  mock_stored_free(m);
  mock_files_free(m);
  mock_stats_deinit(m);
  mock_flight_free(m);
  mock_tls_free(m);
  lti_heap_deinit(&m->due);
  lti_buf_deinit(&m->piece);
  free(m->slab);
  free(m->plain);
  free(m->wire);
  free(m->ids);
  free(m->texts);
  free(m);
  if (closed) closed(user);
}

void mock_unref(mock *m) {
  if (--m->handles == 0 && m->closing) release(m);
}

static void part_closed(uv_handle_t *handle) {
  mock_unref(handle->data);
}

void mock_close(mock *m, void (*closed)(void *user), void *user) {
  if (m->closing) return;
  m->closing = true;
  m->closed = closed;
  m->closed_user = user;
  m->handles++;
  while (!lti_list_empty(&m->conns))
    mock_conn_drop(LTI_CONTAINER_OF(m->conns.next, mock_conn, all));
  if (m->listener.data) uv_close((uv_handle_t *)&m->listener, part_closed);
  if (m->listen_fd >= 0) close(m->listen_fd);
  m->listen_fd = -1;
  if (m->second.data) uv_close((uv_handle_t *)&m->second, part_closed);
  mock_cadence_close(m);
  mock_unref(m);
}
