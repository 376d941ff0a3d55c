/* Reading what a request sends: see intake.h. */
#include "io/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

struct lti_intake {
  lti_alloc *alloc;
  lti_intake_owner owner;
  lti_sock_watch *watch; /* NULL: it can always be read */
  int fd;
  int flags; /* of the descriptor as it was, -1: they are not to be put back */
  bool file;
  uint64_t from, at; /* offsets: where it begins, and where the next read does */
  int64_t size;
};

static int fail(int native, int *told) {
  *told = native;
  return native == EMFILE || native == ENFILE ? LEAT_EFDLIMIT : LEAT_ESOURCE;
}

static void set_flags(lti_intake *in) {
  int flags = fcntl(in->fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK)) return;
  if (fcntl(in->fd, F_SETFL, flags | O_NONBLOCK) == 0) in->flags = flags;
}

/* What the kernel makes up as it is read, such as /proc has, calls itself empty. */
static int64_t size_of_file(const lti_intake *in, int64_t told) {
  char byte;
  if (told == 0 && pread(in->fd, &byte, 1, (off_t)in->from) > 0) return -1;
  return told > (int64_t)in->from ? told - (int64_t)in->from : 0;
}

/* What lies behind a descriptor that is ours now. */
static int look(lti_loop *loop, lti_intake *in, int *native) {
  struct stat about;
  if (fstat(in->fd, &about) != 0) return fail(errno, native);
  if (S_ISDIR(about.st_mode)) return fail(EISDIR, native);
  in->file = S_ISREG(about.st_mode);
  if (in->file) {
    off_t at = lseek(in->fd, 0, SEEK_CUR);
    in->from = in->at = at > 0 ? (uint64_t)at : 0;
    in->size = size_of_file(in, about.st_size);
    return LTI_OK;
  }
  in->size = -1;
  set_flags(in);
  int r = lti_sock_watch_open(loop, in->fd, in->owner.ready, in->owner.ctx, &in->watch);
  return r == LTI_STOPPED ? LTI_OK : r;
}

/* Takes the descriptor, whatever it answers. */
static int make(lti_loop *loop, int fd, lti_intake_owner owner, lti_intake **intake, int *native) {
  lti_alloc *alloc = lti_loop_alloc(loop);
  lti_intake *in = lti_alloc_zero(alloc, sizeof *in);
  if (!in) {
    close(fd);
    return LEAT_ENOMEM;
  }
  *in = (lti_intake){.alloc = alloc, .owner = owner, .fd = fd, .flags = -1};
  int r = look(loop, in, native);
  if (r == LTI_OK)
    *intake = in;
  else
    lti_intake_close(in);
  return r;
}

/* A name may be that of a FIFO, whose opening would wait for a writer. */
int lti_intake_open(lti_loop *loop, const char *path, lti_intake_owner owner, lti_intake **intake,
                    int *native) {
  *native = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return fail(errno, native);
  lti_intake *in;
  int r = make(loop, fd, owner, &in, native);
  if (r != LTI_OK) return r;
  if (!in->file) {
    lti_intake_close(in);
    return LEAT_ESOURCE;
  }
  *intake = in;
  return LTI_OK;
}

int lti_intake_join(lti_loop *loop, int fd, lti_intake_owner owner, lti_intake **intake,
                    int *native) {
  *native = 0;
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return fail(errno, native);
  return make(loop, own, owner, intake, native);
}

/* A terminal is shared with the shell, which does not expect it to have changed. */
void lti_intake_close(lti_intake *in) {
  if (!in) return;
  if (in->watch) lti_sock_watch_close(in->watch);
  if (in->flags >= 0) fcntl(in->fd, F_SETFL, in->flags);
  close(in->fd);
  lti_alloc_put(in->alloc, in);
}

int64_t lti_intake_size(const lti_intake *in) {
  return in->size;
}

int lti_intake_read(lti_intake *in, char *into, size_t room, size_t *size, int *native) {
  ssize_t n;
  *size = 0;
  *native = 0;
  do n = in->file ? pread(in->fd, into, room, (off_t)in->at) : read(in->fd, into, room);
  while (n < 0 && errno == EINTR);
  if (n < 0 && in->watch && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    lti_sock_watch_arm(in->watch);
    return LTI_AGAIN;
  }
  if (n < 0) return fail(errno, native);
  *size = (size_t)n;
  in->at += (uint64_t)n;
  return LTI_OK;
}

bool lti_intake_rewinds(const lti_intake *in) {
  return in->file;
}

void lti_intake_rewind(lti_intake *in) {
  in->at = in->from;
}
