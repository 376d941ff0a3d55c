/* Reading to the end with a bound. Blocks pass through the stack, which is overwritten, since one
 * of the files read here holds a key. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"
#include "wire/json.h"

#define BLOCK_SIZE 16384

static bool read_all(lti_buf *out, int fd, const char *name) {
  char block[BLOCK_SIZE];
  ssize_t n = 1;
  while (n > 0) {
    n = read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) {
      n = 1;
    } else if (n < 0) {
      cli_say("cannot read %s: %s", name, strerror(errno));
    } else if (lti_buf_append(out, lti_slice(block, (size_t)n)) != LEAT_OK) {
      cli_say("%s is larger than %zu bytes, or memory is short", name, out->max);
      n = -1;
    }
  }
  lti_wipe(block, sizeof block);
  return n == 0;
}

bool cli_input_read(lti_buf *out, const char *path) {
  if (strcmp(path, "-") == 0) return read_all(out, STDIN_FILENO, "standard input");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    cli_say("cannot read %s: %s", path, strerror(errno));
    return false;
  }
  bool fine = read_all(out, fd, path);
  close(fd);
  return fine;
}

void cli_input_warn_of_readers(const char *what, const char *path) {
  struct stat facts;
  if (stat(path, &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & 077) != 0)
    cli_say("warning: others can read the %s %s (mode %04o): chmod 600 it", what, path,
            (unsigned)facts.st_mode & 07777u);
}

bool cli_input_body(lti_buf *out, const char *text) {
  const char *name = text[0] == '@' ? text + 1 : text;
  if (text[0] == '{' || text[0] == '[') {
    name = "text";
    if (lti_buf_text(out, text) != LEAT_OK) return false;
  } else if (!cli_input_read(out, name)) {
    return false;
  }
  size_t offset = 0;
  const char *why = "";
  if (lti_json_valid(lti_buf_slice(out), &offset, &why)) return true;
  cli_say("--body %s: invalid JSON at byte %zu: %s", name, offset, why);
  return false;
}

bool cli_input_prompt(lti_buf *out, const char *option, char *const *args, size_t arg_count) {
  if (arg_count + (option ? 1 : 0) > 1) {
    cli_say("one prompt only: put it between quotes");
    return false;
  }
  const char *text = option ? option : arg_count ? args[0] : NULL;
  if (!text && isatty(STDIN_FILENO) == 1) {
    cli_say("no prompt: give one, or - to read standard input");
    return false;
  }
  bool fine = text && strcmp(text, "-") != 0 ? lti_buf_text(out, text) == LEAT_OK
                                             : cli_input_read(out, "-");
  if (fine && out->size == 0) {
    cli_say("the prompt is empty");
    return false;
  }
  return fine;
}
