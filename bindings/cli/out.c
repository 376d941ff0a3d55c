/* Buffered writes with a sticky error. On a terminal a model's text could otherwise move the
 * cursor, rename the window or answer for the user, so control characters are replaced there. */
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "say.h"

void cli_out_init(cli_out *out, int fd, const char *name) {
  out->fd = fd;
  out->error = 0;
  out->terminal = isatty(fd) == 1;
  out->line_start = true;
  out->name = name;
  out->used = 0;
}

bool cli_out_open(cli_out *out, const char *path) {
  if (strcmp(path, "-") == 0) {
    cli_out_init(out, STDOUT_FILENO, "standard output");
    return true;
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    cli_say("cannot write %s: %s", path, strerror(errno));
    return false;
  }
  cli_out_init(out, fd, path);
  return true;
}

/* Writes all of it, or sets the sticky error. */
static void write_all(cli_out *out, leat_slice bytes) {
  while (bytes.size > 0 && !out->error) {
    ssize_t n = write(out->fd, bytes.data, bytes.size);
    if (n >= 0) {
      bytes = lti_slice_from(bytes, (size_t)n);
    } else if (errno == EAGAIN) {
      struct pollfd ready = {.fd = out->fd, .events = POLLOUT};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      out->error = errno;
    }
  }
}

void cli_out_flush(cli_out *out) {
  write_all(out, lti_slice(out->bytes, out->used));
  out->used = 0;
}

void cli_out_write(cli_out *out, leat_slice bytes) {
  if (bytes.size == 0) return;
  out->line_start = bytes.data[bytes.size - 1] == '\n';
  if (bytes.size > CLI_OUT_SIZE - out->used) cli_out_flush(out);
  if (bytes.size > CLI_OUT_SIZE) {
    write_all(out, bytes);
    return;
  }
  memcpy(out->bytes + out->used, bytes.data, bytes.size);
  out->used += bytes.size;
}

void cli_out_text(cli_out *out, const char *text) {
  cli_out_write(out, lti_slice_of(text));
}

void cli_out_format(cli_out *out, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n < 0) return;
  cli_out_write(out, lti_slice(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

/* How many bytes from the start are harmless. C1 controls are two bytes in UTF-8: c2 80..9f. */
static size_t harmless(leat_slice text) {
  size_t i = 0;
  for (; i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) break;
    if (c == 0xc2 && i + 1 < text.size && (unsigned char)text.data[i + 1] < 0xa0) break;
  }
  return i;
}

void cli_out_foreign(cli_out *out, leat_slice text) {
  while (out->terminal && text.size > 0) {
    size_t n = harmless(text);
    cli_out_write(out, lti_slice(text.data, n));
    text = lti_slice_from(text, n);
    if (text.size == 0) return;
    cli_out_text(out, "?");
    text = lti_slice_from(text, (unsigned char)text.data[0] == 0xc2 ? 2 : 1);
  }
  cli_out_write(out, text);
}

bool cli_out_close(cli_out *out) {
  cli_out_flush(out);
  if (out->fd != STDOUT_FILENO && close(out->fd) != 0 && !out->error) out->error = errno;
  if (out->error) cli_say("cannot write %s: %s", out->name, strerror(out->error));
  return out->error == 0;
}
