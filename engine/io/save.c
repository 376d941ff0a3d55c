/* Files that appear when they are whole: see save.h. */
#include "io/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define FLUSH_BYTES ((uint64_t)8 * 1024 * 1024)

struct lti_save {
  lti_alloc *alloc;
  char *path, *part, *tag_path; /* the three names, in one block behind this */
  int fd;
  bool finished;
  uint64_t size, flushed;
  size_t tag_size;
  char tag[LTI_SAVE_TAG_MAX];
};

static int fail(int native, int *told) {
  *told = native;
  return native == EMFILE || native == ENFILE ? LEAT_EFDLIMIT : LEAT_EIO;
}

static lti_save *save_new(lti_alloc *alloc, const char *path) {
  static const char part[] = ".part", tag[] = ".part.tag";
  size_t size = strlen(path) + 1;
  lti_save *s = lti_alloc_zero(alloc, sizeof *s + 3 * size + sizeof part + sizeof tag);
  if (!s) return NULL;
  s->alloc = alloc;
  s->fd = -1;
  s->path = (char *)(s + 1);
  s->part = s->path + size;
  s->tag_path = s->part + size + sizeof part;
  memcpy(s->path, path, size);
  snprintf(s->part, size + sizeof part, "%s%s", path, part);
  snprintf(s->tag_path, size + sizeof tag, "%s%s", path, tag);
  return s;
}

/* One read is enough: what does not fit is no tag of ours. */
static void read_tag(lti_save *s) {
  int fd = open(s->tag_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return;
  ssize_t n = read(fd, s->tag, sizeof s->tag);
  close(fd);
  if (n > 0 && (size_t)n < sizeof s->tag) s->tag_size = (size_t)n;
}

static int write_all(int fd, leat_slice bytes, int *native) {
  while (bytes.size > 0) {
    ssize_t n = write(fd, bytes.data, bytes.size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(n < 0 ? errno : ENOSPC, native);
    bytes = lti_slice_from(bytes, (size_t)n);
  }
  return LTI_OK;
}

/* Before the first byte of the part, so that there never is a part with another's tag. */
static int write_tag(lti_save *s, int *native) {
  unlink(s->tag_path);
  if (s->tag_size == 0) return LTI_OK;
  int fd = open(s->tag_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) return fail(errno, native);
  int r = write_all(fd, lti_slice(s->tag, s->tag_size), native);
  if (close(fd) != 0 && r == LTI_OK) r = fail(errno, native);
  return r;
}

static int open_part(lti_save *s, int *native) {
  struct stat about;
  s->fd = open(s->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (s->fd < 0 || fstat(s->fd, &about) != 0) return fail(errno, native);
  if (!S_ISREG(about.st_mode)) return fail(EEXIST, native);
  if (flock(s->fd, LOCK_EX | LOCK_NB) != 0) return fail(errno, native);
  read_tag(s);
  s->size = s->tag_size ? (uint64_t)about.st_size : 0;
  if (s->size == 0 && ftruncate(s->fd, 0) != 0) return fail(errno, native);
  if (lseek(s->fd, (off_t)s->size, SEEK_SET) < 0) return fail(errno, native);
  return LTI_OK;
}

int lti_save_open(lti_alloc *alloc, const char *path, lti_save **save, int *native) {
  *native = 0;
  lti_save *s = save_new(alloc, path);
  if (!s) return LEAT_ENOMEM;
  int r = open_part(s, native);
  if (r == LTI_OK) {
    *save = s;
    return r;
  }
  /* Whoever holds it goes on; nothing of it is removed. */
  s->finished = true;
  lti_save_close(s);
  return r;
}

uint64_t lti_save_size(const lti_save *s) {
  return s->size;
}

leat_slice lti_save_tag(const lti_save *s) {
  return lti_slice(s->tag, s->tag_size);
}

int lti_save_begin(lti_save *s, leat_slice tag, int *native) {
  *native = 0;
  s->size = s->flushed = 0;
  s->tag_size = tag.size < sizeof s->tag ? tag.size : 0;
  if (s->tag_size) memcpy(s->tag, tag.data, s->tag_size);
  if (ftruncate(s->fd, 0) != 0 || lseek(s->fd, 0, SEEK_SET) < 0) return fail(errno, native);
  return write_tag(s, native);
}

int lti_save_write(lti_save *s, leat_slice bytes, int *native) {
  *native = 0;
  int r = write_all(s->fd, bytes, native);
  if (r != LTI_OK) return r;
  s->size += bytes.size;
  if (s->size - s->flushed >= FLUSH_BYTES) {
    /* Where a file system cannot, fsync has more to do. */
    sync_file_range(s->fd, (off_t)s->flushed, (off_t)(s->size - s->flushed), SYNC_FILE_RANGE_WRITE);
    s->flushed = s->size;
  }
  return LTI_OK;
}

/* A folder that cannot be opened or brought to the disk has the new name all the same. */
static void sync_folder(lti_save *s) {
  char *slash = strrchr(s->part, '/');
  if (slash) slash[slash == s->part] = '\0';
  int fd = open(slash ? s->part : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

int lti_save_finish(lti_save *s, int *native) {
  *native = 0;
  if (fsync(s->fd) != 0) return fail(errno, native);
  if (rename(s->part, s->path) != 0) return fail(errno, native);
  s->finished = true;
  unlink(s->tag_path);
  sync_folder(s);
  return LTI_OK;
}

void lti_save_close(lti_save *s) {
  if (!s) return;
  if (!s->finished && (s->tag_size == 0 || s->size == 0)) {
    unlink(s->part);
    unlink(s->tag_path);
  }
  if (s->fd >= 0) close(s->fd);
  lti_alloc_put(s->alloc, s);
}
