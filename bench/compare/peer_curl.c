/* The peer: the same streams through libcurl's multi interface on a libuv loop.
 *
 * One easy handle a stream, all of them in one multi handle driven by its socket and timer
 * callbacks, which is how libcurl is meant to be used for many transfers. What comes in is split at
 * blank lines and searched for the content, about as much as a careful user would do by hand. Over
 * HTTP/2 transfers wait for a connection that they can share (CURLOPT_PIPEWAIT), as libcurl's
 * documentation advises. TLS is 1.2, as in every line of the comparison.
 *
 * usage: peer_curl URL STREAMS CA_FILE 1.1|2 CONNECTIONS
 * Prints {"events":N,"streams":N,"failed":N}. Exit status 1 when a transfer failed. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <uv.h>

#define COUNT_MAX     1000000
#define STREAMS_USUAL 250L /* on one connection; the gateway's own limit */

typedef struct socket_watch {
  uv_poll_t poll;
  curl_socket_t fd;
} socket_watch;

/* What of a stream's current event has come so far. */
typedef struct transfer {
  char *bytes;
  size_t size, capacity;
} transfer;

static struct {
  uv_loop_t loop;
  uv_timer_t timer;
  CURLM *multi;
  unsigned long left, failed;
  unsigned long long events, content_bytes;
} run;

static void on_event(const char *bytes, size_t size) {
  static const char key[] = "\"content\":\"";
  if (size < 6 || memcmp(bytes, "data: ", 6) != 0) return;
  run.events++;
  const char *found = memmem(bytes, size, key, sizeof key - 1);
  if (!found) return;
  found += sizeof key - 1;
  const char *end = memchr(found, '"', size - (size_t)(found - bytes));
  if (end) run.content_bytes += (size_t)(end - found);
}

static size_t on_body(char *bytes, size_t one, size_t count, void *user) {
  transfer *t = user;
  size_t size = one * count;
  if (t->size + size > t->capacity) {
    size_t capacity = (t->size + size) * 2;
    char *grown = realloc(t->bytes, capacity);
    if (!grown) return 0;
    t->bytes = grown;
    t->capacity = capacity;
  }
  memcpy(t->bytes + t->size, bytes, size);
  t->size += size;
  size_t at = 0;
  const char *end;
  while ((end = memmem(t->bytes + at, t->size - at, "\n\n", 2)) != NULL) {
    on_event(t->bytes + at, (size_t)(end - t->bytes) - at);
    at = (size_t)(end - t->bytes) + 2;
  }
  memmove(t->bytes, t->bytes + at, t->size - at);
  t->size -= at;
  return size;
}

static void reap(void) {
  CURLMsg *message;
  int queued;
  while ((message = curl_multi_info_read(run.multi, &queued)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL *easy = message->easy_handle;
    if (message->data.result != CURLE_OK && run.failed++ == 0) {
      fprintf(stderr, "peer_curl: %s\n", curl_easy_strerror(message->data.result));
    }
    transfer *t = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    curl_multi_remove_handle(run.multi, easy);
    curl_easy_cleanup(easy);
    free(t->bytes);
    free(t);
    run.left--;
  }
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  socket_watch *watch = poll->data;
  int running, flags = status < 0 ? CURL_CSELECT_ERR : 0;
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  curl_multi_socket_action(run.multi, watch->fd, flags, &running);
  reap();
}

static void on_timer(uv_timer_t *timer) {
  int running;
  (void)timer;
  curl_multi_socket_action(run.multi, CURL_SOCKET_TIMEOUT, 0, &running);
  reap();
}

static int set_timer(CURLM *multi, long wait_ms, void *user) {
  (void)multi, (void)user;
  if (wait_ms < 0) return uv_timer_stop(&run.timer);
  return uv_timer_start(&run.timer, on_timer, (uint64_t)wait_ms, 0);
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static int set_socket(CURL *easy, curl_socket_t fd, int action, void *user, void *own) {
  socket_watch *watch = own;
  (void)easy, (void)user;
  if (action == CURL_POLL_REMOVE) {
    if (!watch) return 0;
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    curl_multi_assign(run.multi, fd, NULL);
    return 0;
  }
  if (!watch) {
    watch = calloc(1, sizeof *watch);
    if (!watch) return -1;
    watch->fd = fd;
    uv_poll_init_socket(&run.loop, &watch->poll, fd);
    watch->poll.data = watch;
    curl_multi_assign(run.multi, fd, watch);
  }
  int events = 0;
  if (action != CURL_POLL_IN) events |= UV_WRITABLE;
  if (action != CURL_POLL_OUT) events |= UV_READABLE;
  return uv_poll_start(&watch->poll, events, on_ready);
}

static bool add(char **argv, long version, struct curl_slist *headers) {
  static const char body[] =
      "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
  CURL *easy = curl_easy_init();
  transfer *t = calloc(1, sizeof *t);
  if (!easy || !t) {
    curl_easy_cleanup(easy);
    free(t);
    return false;
  }
  curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
  curl_easy_setopt(easy, CURLOPT_CAINFO, argv[3]);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)(version != CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                   (long)CURL_SSLVERSION_TLSv1_2 | (long)CURL_SSLVERSION_MAX_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  curl_multi_add_handle(run.multi, easy);
  run.left++;
  return true;
}

static void set_up_multi(long version, long conns) {
  uv_loop_init(&run.loop);
  uv_timer_init(&run.loop, &run.timer);
  run.multi = curl_multi_init();
  curl_multi_setopt(run.multi, CURLMOPT_SOCKETFUNCTION, set_socket);
  curl_multi_setopt(run.multi, CURLMOPT_TIMERFUNCTION, set_timer);
  curl_multi_setopt(run.multi, CURLMOPT_MAXCONNECTS, conns);
  if (version == CURL_HTTP_VERSION_1_1) return;
  curl_multi_setopt(run.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
  curl_multi_setopt(run.multi, CURLMOPT_MAX_HOST_CONNECTIONS, conns);
  curl_multi_setopt(run.multi, CURLMOPT_MAX_CONCURRENT_STREAMS, STREAMS_USUAL);
}

int main(int argc, char **argv) {
  unsigned long count = argc == 6 ? strtoul(argv[2], NULL, 10) : 0;
  unsigned long conns = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
  if (count == 0 || count > COUNT_MAX || conns == 0 || conns > count) {
    fprintf(stderr, "usage: peer_curl URL STREAMS CA_FILE 1.1|2 CONNECTIONS\n");
    return 2;
  }
  long version = strcmp(argv[4], "2") == 0 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
  curl_global_init(CURL_GLOBAL_ALL);
  set_up_multi(version, (long)conns);
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
  headers = curl_slist_append(headers, "Authorization: Bearer sk-test");

  bool good = true;
  for (unsigned long i = 0; good && i < count; i++) good = add(argv, version, headers);
  while (good && run.left > 0) uv_run(&run.loop, UV_RUN_ONCE);
  printf("{\"events\":%llu,\"streams\":%lu,\"failed\":%lu}\n", run.events, count, run.failed);
  curl_multi_cleanup(run.multi);
  curl_slist_free_all(headers);
  uv_timer_stop(&run.timer);
  uv_run(&run.loop, UV_RUN_DEFAULT); /* sockets' watches are freed */
  curl_global_cleanup();
  return good && run.failed == 0 ? 0 : 1;
}
