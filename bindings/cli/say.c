/* The registered secrets live in one static table: the program is one thread, and a line may be
 * said from anywhere. Secrets are looked for at every byte, which is cheap for lines. */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

#define SECRETS_MAX    32
#define SECRET_SIZE    512
#define SECRET_MIN     4
#define SECRET_SURE    8
#define REPLACED_WIDTH 3

static struct {
  const char *command;
  bool live;
  void (*wipe)(void *ctx);
  void *wipe_ctx;
  size_t secret_count;
  struct {
    size_t size;
    char text[SECRET_SIZE];
  } secrets[SECRETS_MAX];
} say;

const char *cli_say_command(const char *name) {
  const char *before = say.command;
  say.command = name;
  return before;
}

void cli_say_secret(leat_slice secret) {
  if (secret.size < SECRET_MIN || say.secret_count == SECRETS_MAX) return;
  size_t size = secret.size < SECRET_SIZE ? secret.size : SECRET_SIZE;
  for (size_t i = 0; i < say.secret_count; i++)
    if (say.secrets[i].size == size && memcmp(say.secrets[i].text, secret.data, size) == 0) return;
  memcpy(say.secrets[say.secret_count].text, secret.data, size);
  say.secrets[say.secret_count++].size = size;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  int letter = c | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static void register_decoded(leat_slice text) {
  char plain[SECRET_SIZE];
  size_t n = 0;
  for (size_t i = 0; i < text.size && n < sizeof plain; i++) {
    int high = i + 2 < text.size && text.data[i] == '%' ? hex_digit(text.data[i + 1]) : -1;
    int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
    plain[n++] = low >= 0 ? (char)(high * 16 + low) : text.data[i];
    if (low >= 0) i += 2;
  }
  cli_say_secret(lti_slice(plain, n));
  lti_wipe(plain, sizeof plain);
}

leat_slice cli_say_url_secret(const char *url) {
  const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
  const char *from = scheme ? scheme + 3 : url;
  if (!at || at < from) return lti_slice(NULL, 0);
  leat_slice login = lti_slice(from, (size_t)(at - from));
  const char *colon = memchr(login.data, ':', login.size);
  if (!colon) return login;
  leat_slice password = lti_slice_from(login, (size_t)(colon + 1 - login.data));
  cli_say_secret(password);
  if (memchr(password.data, '%', password.size)) register_decoded(password);
  return login;
}

/* The length of a registered secret that `text` begins with, else 0. */
static size_t secret_here(leat_slice text) {
  size_t longest = 0;
  for (size_t i = 0; i < say.secret_count; i++) {
    size_t size = say.secrets[i].size;
    if (size <= text.size && size > longest && memcmp(text.data, say.secrets[i].text, size) == 0)
      longest = size;
  }
  return longest;
}

bool cli_say_is_secret(leat_slice text) {
  for (; text.size > 0; text = lti_slice_from(text, 1))
    if (secret_here(text) >= SECRET_SURE) return true;
  return false;
}

void cli_say_clean(leat_slice text, char *out, size_t size) {
  size_t used = 0;
  while (text.size > 0 && used + REPLACED_WIDTH < size) {
    size_t hidden = secret_here(text);
    if (hidden > 0) {
      memcpy(out + used, "***", REPLACED_WIDTH);
      used += REPLACED_WIDTH;
      text = lti_slice_from(text, hidden);
      continue;
    }
    unsigned char c = (unsigned char)text.data[0];
    bool c1 = c == 0xc2 && text.size > 1 && (unsigned char)text.data[1] < 0xa0;
    bool control = c < 0x20 || c == 0x7f || c1;
    out[used++] = (char)(c == '\n' || c == '\r' || c == '\t' ? ' ' : control ? '?' : c);
    text = lti_slice_from(text, c1 ? 2 : 1);
  }
  out[used] = '\0';
}

static void put(leat_slice text) {
  while (text.size > 0) {
    ssize_t n = write(STDERR_FILENO, text.data, text.size);
    if (n <= 0) return;
    text = lti_slice_from(text, (size_t)n);
  }
}

static void put_line(const char *prefix, const char *format, va_list args) {
  char raw[CLI_LINE_MAX], clean[CLI_LINE_MAX], line[CLI_LINE_MAX + 64];
  int n = vsnprintf(raw, sizeof raw, format, args);
  if (n < 0) return;
  cli_say_clean(lti_slice_of(raw), clean, sizeof clean);
  lti_wipe(raw, sizeof raw);
  if (say.live) cli_say_live("");
  if (say.wipe) say.wipe(say.wipe_ctx);
  n = snprintf(line, sizeof line, "%s%s\n", prefix, clean);
  if (n > 0) put(lti_slice(line, (size_t)n));
}

void cli_say(const char *format, ...) {
  char prefix[48];
  snprintf(prefix, sizeof prefix, say.command ? "leat: %.32s: " : "leat: ", say.command);
  va_list args;
  va_start(args, format);
  put_line(prefix, format, args);
  va_end(args);
}

void cli_say_plain(const char *format, ...) {
  va_list args;
  va_start(args, format);
  put_line("", format, args);
  va_end(args);
}

void cli_say_live(const char *text) {
  if (!cli_say_terminal() || (!say.live && !*text)) return;
  char line[CLI_LINE_MAX];
  int n = snprintf(line, sizeof line, "\r%.*s\x1b[K", (int)sizeof line - 8, text);
  if (n > 0) put(lti_slice(line, (size_t)n));
  say.live = *text != '\0';
}

void cli_say_wipe(void (*wipe)(void *ctx), void *ctx) {
  say.wipe = wipe;
  say.wipe_ctx = ctx;
}

bool cli_say_terminal(void) {
  return isatty(STDERR_FILENO) == 1;
}

bool cli_say_colour(int fd) {
  const char *off = getenv("NO_COLOR");
  const char *term = getenv("TERM");
  return isatty(fd) == 1 && !(off && *off) && !(term && strcmp(term, "dumb") == 0);
}
