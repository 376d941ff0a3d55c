/* Polling sets a descriptor non-blocking, and with it the terminal that a shell shares: what it was
 * before is put back. */
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "program.h"

#define BLOCK_SIZE 16384

static void on_readable(uv_poll_t *handle, int status, int events);
static void on_idle(uv_idle_t *handle);
static void hand_on_all(cli_lines *l);

bool cli_lines_open(cli_lines *l, uv_loop_t *loop, int fd, size_t line_max) {
  l->loop = loop;
  l->fd = fd;
  l->paused = l->ended = l->busy = false;
  l->looked = 0;
  l->count = 0;
  lti_buf_init(&l->rest, cli_program_alloc(), line_max + BLOCK_SIZE, LEAT_EMESSAGEMAX);
  l->flags = fcntl(fd, F_GETFL);
  l->poll.data = l->idle.data = l;
  if (uv_poll_init(loop, &l->poll, fd) != 0) {
    l->flags = -1;
    uv_idle_init(loop, &l->idle);
    uv_unref((uv_handle_t *)&l->idle);
  } else {
    uv_unref((uv_handle_t *)&l->poll);
  }
  l->open = true;
  cli_lines_resume(l);
  return true;
}

static bool is_polled(const cli_lines *l) {
  return l->flags >= 0;
}

static void stop(cli_lines *l) {
  if (is_polled(l))
    uv_poll_stop(&l->poll);
  else
    uv_idle_stop(&l->idle);
}

void cli_lines_pause(cli_lines *l) {
  l->paused = true;
  if (l->open) stop(l);
}

void cli_lines_resume(cli_lines *l) {
  l->paused = false;
  if (!l->open || l->ended) return;
  if (is_polled(l))
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
  else
    uv_idle_start(&l->idle, on_idle);
  if (!l->busy) hand_on_all(l); /* what is here already makes nothing readable */
}

bool cli_lines_left(const cli_lines *l) {
  int unread = 0;
  return !l->ended && (l->rest.size > 0 || (ioctl(l->fd, FIONREAD, &unread) == 0 && unread > 0));
}

void cli_lines_close(cli_lines *l) {
  if (!l->open) return;
  l->open = false;
  stop(l);
  uv_close(is_polled(l) ? (uv_handle_t *)&l->poll : (uv_handle_t *)&l->idle, NULL);
  if (is_polled(l)) fcntl(l->fd, F_SETFL, l->flags);
}

void cli_lines_free(cli_lines *l) {
  lti_buf_deinit(&l->rest);
}

static void hand_on(cli_lines *l, leat_slice line) {
  if (line.size && line.data[line.size - 1] == '\r') line.size--;
  l->count++;
  l->on_line(l, line);
}

/* The whole lines at hand, as long as they are wanted. */
static void hand_on_all(cli_lines *l) {
  size_t from = 0;
  l->busy = true;
  while (l->open && !l->paused && !l->ended) {
    leat_slice rest = lti_slice_from(lti_buf_slice(&l->rest), from);
    const char *end =
        l->looked < rest.size ? memchr(rest.data + l->looked, '\n', rest.size - l->looked) : NULL;
    if (!end) {
      l->looked = rest.size;
      break;
    }
    size_t size = (size_t)(end - rest.data);
    from += size + 1;
    l->looked = 0;
    hand_on(l, lti_slice(rest.data, size));
  }
  l->busy = false;
  lti_buf_consume(&l->rest, from);
  lti_buf_shrink(&l->rest, BLOCK_SIZE);
}

static void finish(cli_lines *l, int error) {
  leat_slice last = lti_buf_slice(&l->rest);
  l->ended = true;
  stop(l);
  if (!error && last.size) hand_on(l, last);
  if (l->open) l->on_end(l, error);
}

static void read_block(cli_lines *l) {
  char block[BLOCK_SIZE];
  ssize_t n = read(l->fd, block, sizeof block);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) {
    finish(l, n < 0 ? errno : 0);
    return;
  }
  int r = lti_buf_append(&l->rest, lti_slice(block, (size_t)n));
  if (r == LEAT_OK) hand_on_all(l);
  if (r != LEAT_OK && l->open && !l->ended) finish(l, r == LEAT_ENOMEM ? ENOMEM : EMSGSIZE);
}

static void on_readable(uv_poll_t *handle, int status, int events) {
  cli_lines *l = handle->data;
  (void)events;
  if (status < 0)
    finish(l, -status);
  else
    read_block(l);
}

static void on_idle(uv_idle_t *handle) {
  read_block(handle->data);
}
