/* The floor: what it costs to read and decrypt the streams, with no HTTP, SSE or JSON at all.
 *
 * One TLS connection a stream, over epoll and mbedTLS. What a client may do to be cheap is done:
 * one full handshake, whose session all others resume; AES-128-GCM; one recv a wake-up into one
 * buffer that all connections share, from which the TLS library is fed. What a client must do and a
 * floor need not is left out: certificates are not checked, bytes are dropped. Only the ends of
 * events ("\n\n") are counted, to show that all came.
 *
 * usage: floor PORT STREAMS [PATH]
 * Prints {"events":N,"streams":N,"resumed":N}. Exit status 1 when a connection failed. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>

#define RECV_SIZE   65536
#define PLAIN_SIZE  16384
#define EVENTS_MAX  512
#define REQUEST_MAX 1024

typedef struct stream {
  int fd;
  bool sent;
  char last; /* decrypted byte: an event may end across two reads */
  mbedtls_ssl_context ssl;
} stream;

typedef struct floor_run {
  mbedtls_ssl_config tls;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_ssl_session session; /* of the first handshake */
  struct sockaddr_in address;
  int epoll;
  char request[REQUEST_MAX];
  size_t request_size;
  unsigned long live, failed, resumed;
  unsigned long long events;
  struct {
    char bytes[RECV_SIZE];
    size_t at, size;
  } in; /* ciphertext of the one connection that is being read */
} floor_run;

static floor_run run;
static char plain[PLAIN_SIZE];

static int bio_send(void *user, const unsigned char *bytes, size_t size) {
  ssize_t n = send(((stream *)user)->fd, bytes, size, MSG_NOSIGNAL);
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

static bool tls_setup(void) {
  static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                MBEDTLS_ECP_DP_NONE};
  static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                               MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0};
  mbedtls_entropy_init(&run.entropy);
  mbedtls_ctr_drbg_init(&run.random);
  mbedtls_ssl_config_init(&run.tls);
  mbedtls_ssl_session_init(&run.session);
  if (mbedtls_ctr_drbg_seed(&run.random, mbedtls_entropy_func, &run.entropy, NULL, 0) != 0 ||
      mbedtls_ssl_config_defaults(&run.tls, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                  MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
    return false;
  }
  mbedtls_ssl_conf_authmode(&run.tls, MBEDTLS_SSL_VERIFY_NONE);
  mbedtls_ssl_conf_rng(&run.tls, mbedtls_ctr_drbg_random, &run.random);
  mbedtls_ssl_conf_curves(&run.tls, curves);
  mbedtls_ssl_conf_ciphersuites(&run.tls, suites);
  return true;
}

static void stream_end(stream *s, bool good) {
  if (!good) run.failed++;
  run.live--;
  mbedtls_ssl_free(&s->ssl);
  close(s->fd);
  s->fd = -1;
}

static void count_events(stream *s, const char *bytes, size_t size) {
  if (s->last == '\n' && bytes[0] == '\n') run.events++;
  s->last = bytes[size - 1];
  const char *end = bytes + size;
  const char *at = bytes;
  while ((at = memmem(at, (size_t)(end - at), "\n\n", 2)) != NULL) {
    run.events++;
    at += 2;
  }
}

/* Goes on with what is read: the handshake, then the request, then the answer. */
static void stream_step(stream *s) {
  if (!s->sent) {
    int state = mbedtls_ssl_handshake(&s->ssl);
    if (state == MBEDTLS_ERR_SSL_WANT_READ) return;
    if (state == 0) {
      state = mbedtls_ssl_write(&s->ssl, (const unsigned char *)run.request, run.request_size);
    }
    if (state != (int)run.request_size) {
      stream_end(s, false);
      return;
    }
    s->sent = true;
  }
  for (;;) {
    int n = mbedtls_ssl_read(&s->ssl, (unsigned char *)plain, sizeof plain);
    if (n == MBEDTLS_ERR_SSL_WANT_READ) return;
    if (n <= 0) {
      stream_end(s, n == 0 || n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
      return;
    }
    count_events(s, plain, (size_t)n);
  }
}

static void stream_read(stream *s) {
  if (s->fd < 0) return;
  ssize_t n = recv(s->fd, run.in.bytes, sizeof run.in.bytes, 0);
  if (n < 0 && errno == EAGAIN) return;
  run.in.at = 0;
  run.in.size = n > 0 ? (size_t)n : 0;
  if (n > 0) {
    stream_step(s);
  } else {
    stream_end(s, n == 0 && s->sent);
  }
}

static bool stream_open(stream *s) {
  int one = 1;
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s->fd < 0) return false;
  if (connect(s->fd, (struct sockaddr *)&run.address, sizeof run.address) != 0) return false;
  if (fcntl(s->fd, F_SETFL, O_NONBLOCK) != 0) return false;
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  mbedtls_ssl_init(&s->ssl);
  if (mbedtls_ssl_setup(&s->ssl, &run.tls) != 0) return false;
  mbedtls_ssl_set_bio(&s->ssl, s, bio_send, bio_recv, NULL);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
  if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, s->fd, &event) != 0) return false;
  run.live++;
  return true;
}

static bool turn(void) {
  struct epoll_event ready[EVENTS_MAX];
  int count = epoll_wait(run.epoll, ready, EVENTS_MAX, 30000);
  for (int i = 0; i < count; i++) stream_read(ready[i].data.ptr);
  return count > 0 || (count < 0 && errno == EINTR);
}

/* The first stream's handshake, whose session the others get; then all the others. */
static bool open_all(stream *streams, unsigned long count) {
  for (unsigned long i = 0; i < count; i++) {
    stream *s = &streams[i];
    if (!stream_open(s)) return false;
    if (i > 0 && mbedtls_ssl_set_session(&s->ssl, &run.session) == 0) run.resumed++;
    run.in.at = run.in.size = 0;
    stream_step(s);
    if (i > 0) continue;
    while (!s->sent && run.failed == 0) {
      if (!turn()) return false;
    }
    if (run.failed > 0 || mbedtls_ssl_get_session(&s->ssl, &run.session) != 0) return false;
  }
  return true;
}

int main(int argc, char **argv) {
  unsigned long port = argc >= 3 ? strtoul(argv[1], NULL, 10) : 0;
  unsigned long count = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0;
  if (port == 0 || port > 65535 || count == 0 || count > 1000000) {
    fprintf(stderr, "usage: floor PORT STREAMS [PATH]\n");
    return 2;
  }
  static const char body[] =
      "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
  int size = snprintf(run.request, sizeof run.request,
                      "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                      argc > 3 ? argv[3] : "/v1/chat/completions", sizeof body - 1, body);
  run.request_size = (size_t)size;
  run.address.sin_family = AF_INET;
  run.address.sin_port = htons((uint16_t)port);
  run.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  run.epoll = epoll_create1(EPOLL_CLOEXEC);
  stream *streams = calloc(count, sizeof *streams);
  if (size >= REQUEST_MAX || run.epoll < 0 || !streams || !tls_setup()) {
    fprintf(stderr, "floor: set-up failed\n");
    return 1;
  }
  bool good = open_all(streams, count);
  while (good && run.live > 0) good = turn();
  if (!good) perror("floor: gave up");
  printf("{\"events\":%llu,\"streams\":%lu,\"resumed\":%lu}\n", run.events, count, run.resumed);
  return good && run.failed == 0 ? 0 : 1;
}
