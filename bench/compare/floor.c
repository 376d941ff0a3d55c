/* Connections, records and counts; one run a process, so there is one of everything. */
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/version.h>

#if MBEDTLS_VERSION_MAJOR > 2
#include <psa/crypto.h>
#endif

#define RECV_SIZE   65536
#define RECORD_SIZE 16384
#define READY_MAX   512
#define QUIET_MS    30000
#define STREAMS_MAX 1000000

const char floor_body[] =
    "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";

static struct {
  const floor_way *way;
  mbedtls_ssl_config tls;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_ssl_session session; /* of the first handshake */
  struct sockaddr_in address;
  int epoll;
  size_t live, failed, resumed;
  unsigned long long events, records, crowded;
  struct {
    char bytes[RECV_SIZE];
    size_t at, size;
  } in; /* ciphertext of the one connection that is being read */
  char record[RECORD_SIZE];
} run;

static int bio_send(void *user, const unsigned char *bytes, size_t size) {
  ssize_t n = send(((floor_conn *)user)->fd, bytes, size, MSG_NOSIGNAL);
  if (n >= 0) return (int)n;
  return errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int bio_recv(void *user, unsigned char *bytes, size_t size) {
  (void)user;
  size_t left = run.in.size - run.in.at;
  if (left == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  if (size > left) size = left;
  memcpy(bytes, run.in.bytes + run.in.at, size);
  run.in.at += size;
  return (int)size;
}

/* TLS 1.2 and the fastest curve first, as each line of mbedTLS calls it. */
#if MBEDTLS_VERSION_MAJOR > 2
static bool start_line(void) {
  return psa_crypto_init() == PSA_SUCCESS;
}

static void narrow(mbedtls_ssl_config *tls) {
  static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                    MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
  mbedtls_ssl_conf_max_tls_version(tls, MBEDTLS_SSL_VERSION_TLS1_2);
  mbedtls_ssl_conf_groups(tls, groups);
}
#else
static bool start_line(void) {
  return true;
}

static void narrow(mbedtls_ssl_config *tls) {
  static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                MBEDTLS_ECP_DP_NONE};
  mbedtls_ssl_conf_max_version(tls, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_curves(tls, curves);
}
#endif

static bool start_library(void) {
  if (!start_line()) return false;
  mbedtls_entropy_init(&run.entropy);
  mbedtls_ctr_drbg_init(&run.random);
  mbedtls_ssl_config_init(&run.tls);
  mbedtls_ssl_session_init(&run.session);
  return mbedtls_ctr_drbg_seed(&run.random, mbedtls_entropy_func, &run.entropy, NULL, 0) == 0;
}

static bool set_up_tls(void) {
  static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                               MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0};
  static const char *protocols[2];
  if (!start_library() ||
      mbedtls_ssl_config_defaults(&run.tls, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                  MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
    return false;
  }
  narrow(&run.tls);
  mbedtls_ssl_conf_authmode(&run.tls, MBEDTLS_SSL_VERIFY_NONE);
  mbedtls_ssl_conf_rng(&run.tls, mbedtls_ctr_drbg_random, &run.random);
  mbedtls_ssl_conf_ciphersuites(&run.tls, suites);
  protocols[0] = run.way->protocols[0];
  return mbedtls_ssl_conf_alpn_protocols(&run.tls, protocols) == 0;
}

/* ---- connections */

static void close_conn(floor_conn *c, bool good) {
  if (!good) run.failed++;
  run.live--;
  mbedtls_ssl_free(&c->ssl);
  close(c->fd);
  c->fd = -1;
}

/* -> did the connection go on? */
static bool settle(floor_conn *c, enum floor_state state) {
  if (state != FLOOR_MORE) close_conn(c, state == FLOOR_DONE);
  return state == FLOOR_MORE;
}

static bool shake_hands(floor_conn *c) {
  int r = mbedtls_ssl_handshake(&c->ssl);
  if (r == MBEDTLS_ERR_SSL_WANT_READ) return false;
  c->secured = r == 0;
  return settle(c, c->secured ? run.way->begin(c) : FLOOR_BROKEN);
}

/* Goes on with what is read: the handshake, then records. */
static void step(floor_conn *c) {
  if (!c->secured && !shake_hands(c)) return;
  for (;;) {
    int n = mbedtls_ssl_read(&c->ssl, (unsigned char *)run.record, sizeof run.record);
    if (n == MBEDTLS_ERR_SSL_WANT_READ) return;
    if (n <= 0) {
      bool closed = n == 0 || n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
      close_conn(c, closed && run.way->ends_by_close);
      return;
    }
    unsigned long long before = run.events;
    enum floor_state state = run.way->take(c, run.record, (size_t)n);
    run.records++;
    if (run.events > before + 1) run.crowded++;
    if (!settle(c, state)) return;
  }
}

static void read_conn(floor_conn *c) {
  if (c->fd < 0) return;
  ssize_t n = recv(c->fd, run.in.bytes, sizeof run.in.bytes, 0);
  if (n < 0 && errno == EAGAIN) return;
  run.in.at = 0;
  run.in.size = n > 0 ? (size_t)n : 0;
  if (n > 0)
    step(c);
  else
    close_conn(c, n == 0 && c->secured && run.way->ends_by_close);
}

static bool open_conn(floor_conn *c) {
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0) return false;
  if (connect(c->fd, (struct sockaddr *)&run.address, sizeof run.address) != 0) return false;
  if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) return false;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  mbedtls_ssl_init(&c->ssl);
  if (mbedtls_ssl_setup(&c->ssl, &run.tls) != 0) return false;
  mbedtls_ssl_set_bio(&c->ssl, c, bio_send, bio_recv, NULL);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) return false;
  run.live++;
  return true;
}

static bool turn(void) {
  struct epoll_event ready[READY_MAX];
  int count = epoll_wait(run.epoll, ready, READY_MAX, QUIET_MS);
  for (int i = 0; i < count; i++) read_conn(ready[i].data.ptr);
  return count > 0 || (count < 0 && errno == EINTR);
}

/* The first connection's handshake, whose session the others get; then all the others. */
static bool open_all(floor_conn *conns, size_t count) {
  for (size_t i = 0; i < count; i++) {
    floor_conn *c = (floor_conn *)((char *)conns + i * run.way->conn_size);
    if (!open_conn(c)) return false;
    if (i > 0 && mbedtls_ssl_set_session(&c->ssl, &run.session) == 0) run.resumed++;
    run.in.at = run.in.size = 0;
    step(c);
    if (i > 0) continue;
    while (!c->secured && run.failed == 0) {
      if (!turn()) return false;
    }
    if (run.failed > 0 || mbedtls_ssl_get_session(&c->ssl, &run.session) != 0) return false;
  }
  return true;
}

/* ---- what a floor calls */

bool floor_send(floor_conn *c, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  while (size > 0) {
    int n = mbedtls_ssl_write(&c->ssl, at, size);
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

void floor_count(char *last, const char *bytes, size_t size) {
  if (size == 0) return;
  if (*last == '\n' && bytes[0] == '\n') run.events++;
  *last = bytes[size - 1];
  const char *end = bytes + size;
  const char *at = bytes;
  while ((at = memmem(at, (size_t)(end - at), "\n\n", 2)) != NULL) {
    run.events++;
    at += 2;
  }
}

bool floor_read_task(floor_task *task, int argc, char **argv) {
  unsigned long port = argc >= 3 ? strtoul(argv[1], NULL, 10) : 0;
  unsigned long streams = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0;
  unsigned long conns = argc >= 5 ? strtoul(argv[4], NULL, 10) : 0;
  if (port == 0 || port > 65535 || streams == 0 || streams > STREAMS_MAX || conns > streams) {
    fprintf(stderr, "usage: %s PORT STREAMS [PATH [CONNECTIONS]]\n", argv[0]);
    return false;
  }
  *task = (floor_task){.port = (unsigned)port, .streams = streams, .conns = conns};
  task->path = argc >= 4 ? argv[3] : "/v1/chat/completions";
  return true;
}

int floor_main(const floor_way *way, const floor_task *task, floor_conn *conns) {
  run.way = way;
  run.address.sin_family = AF_INET;
  run.address.sin_port = htons((uint16_t)task->port);
  run.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  run.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (run.epoll < 0 || !set_up_tls()) {
    fprintf(stderr, "floor: set-up failed\n");
    return 1;
  }
  bool good = open_all(conns, task->conns);
  while (good && run.live > 0) good = turn();
  if (!good) perror("floor: gave up");
  printf("{\"events\":%llu,\"records\":%llu,\"crowded\":%llu,", run.events, run.records,
         run.crowded);
  printf("\"streams\":%zu,\"connections\":%zu,\"resumed\":%zu,\"failed\":%zu}\n", task->streams,
         task->conns, run.resumed, run.failed);
  return good && run.failed == 0 ? 0 : 1;
}
