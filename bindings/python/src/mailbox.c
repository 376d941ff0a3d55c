/* Buffers, descriptors and counts of the mailbox; what callbacks write into it is cell.c's. */
#include "mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#define SPARE_BYTES_MAX ((size_t)1 << 20) /* a larger buffer is not kept for the next batch */

static bool open_signal(lpy_mailbox *m) {
#ifdef __linux__
  m->read_fd = m->write_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return m->read_fd >= 0;
#else
  int ends[2];
  if (pipe(ends) != 0) return false;
  for (int i = 0; i < 2; i++) {
    fcntl(ends[i], F_SETFL, O_NONBLOCK);
    fcntl(ends[i], F_SETFD, FD_CLOEXEC);
  }
  m->read_fd = ends[0];
  m->write_fd = ends[1];
  return true;
#endif
}

lpy_mailbox *lpy_mailbox_new(size_t held_max) {
  lpy_mailbox *m = calloc(1, sizeof *m);
  if (!m) return NULL;
  if (!open_signal(m)) {
    free(m);
    return NULL;
  }
  atomic_init(&m->refs, 1);
  pthread_mutex_init(&m->lock, NULL);
  m->done_end = &m->done_first;
  m->held_max = held_max;
  return m;
}

void lpy_mailbox_keep(lpy_mailbox *m) {
  atomic_fetch_add(&m->refs, 1);
}

void lpy_mailbox_drop(lpy_mailbox *m) {
  if (atomic_fetch_sub(&m->refs, 1) != 1) return;
  if (m->write_fd != m->read_fd) close(m->write_fd);
  close(m->read_fd);
  pthread_mutex_destroy(&m->lock);
  free(m->in.bytes);
  free(m);
}

void lpy_mailbox_close(lpy_mailbox *m) {
  lpy_batch batch;
  pthread_mutex_lock(&m->lock);
  m->closed = true;
  pthread_mutex_unlock(&m->lock);
  lpy_mailbox_take(m, &batch);
  while (batch.done) {
    lpy_cell *cell = batch.done;
    batch.done = cell->next_done;
    lpy_cell_drop(cell);
  }
  free(batch.records.bytes);
}

void lpy_mailbox_take(lpy_mailbox *m, lpy_batch *batch) {
  uint64_t count;
  while (read(m->read_fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
  pthread_mutex_lock(&m->lock);
  m->signalled = false;
  batch->records = m->in;
  batch->done = m->done_first;
  m->in = (lpy_records){NULL, 0, 0};
  m->done_first = NULL;
  m->done_end = &m->done_first;
  pthread_mutex_unlock(&m->lock);
}

void lpy_mailbox_signal(lpy_mailbox *m) {
  uint64_t one = 1;
  pthread_mutex_lock(&m->lock);
  bool needed = !m->signalled && !m->closed;
  m->signalled = m->signalled || needed;
  pthread_mutex_unlock(&m->lock);
  /* At most one count is ever in the descriptor, so that it cannot be full. */
  while (needed && write(m->write_fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

const lpy_record *lpy_batch_next(const lpy_batch *batch, const lpy_record *record) {
  const char *at = record ? (const char *)record + record->size : batch->records.bytes;
  if (!at || at == batch->records.bytes + batch->records.size) return NULL;
  return (const lpy_record *)(const void *)at;
}

leat_slice lpy_record_part(const lpy_record *record, uint32_t i) {
  const uint64_t *lengths = (const uint64_t *)(record + 1);
  const char *at = (const char *)(lengths + record->part_count);
  for (uint32_t k = 0; k < i; k++) at += lengths[k];
  return (leat_slice){at, (size_t)lengths[i]};
}

void lpy_batch_free(lpy_batch *batch, lpy_mailbox *m) {
  lpy_records spare = batch->records;
  batch->records = (lpy_records){NULL, 0, 0};
  if (!spare.bytes) return;
  pthread_mutex_lock(&m->lock);
  if (!m->in.bytes && !m->closed && spare.room <= SPARE_BYTES_MAX) {
    m->in = (lpy_records){spare.bytes, 0, spare.room};
    spare.bytes = NULL;
  }
  pthread_mutex_unlock(&m->lock);
  free(spare.bytes);
}
