/* Who submitted what, when it ended, and when the client first looked after that: what tests of
 * task engines are verified against. GET /mock/ledger has a line of JSON for each task, from
 * ?since=N on; --ledger FILE gets a line for each submit before it is answered and one for each
 * end that was seen, each written at once, so that the file survives whoever is killed.
 *
 * Times ending in _ns are the monotonic clock's, which all processes of a machine share. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/mock/tasks.h"

#define LINE_MAX_BYTES 1024
#define LINES_A_PIECE  16
#define PIECES_A_STEP  16

struct reading {
  uint32_t at;
};

static const char *const family_names[MOCK_FAMILY_COUNT] = {
    [MOCK_VIDEO] = "video", [MOCK_SORA] = "sora",         [MOCK_SUNO] = "suno",
    [MOCK_KLING] = "kling", [MOCK_PRODUCER] = "producer", [MOCK_VIDU] = "vidu",
    [MOCK_ARK] = "ark",     [MOCK_JIMENG] = "jimeng",     [MOCK_MIDJOURNEY] = "midjourney",
};

static const char *const end_names[] = {"success", "failure", "expired", "cancelled",
                                        "modal",   "lost",    "stuck"};

static bool ends(const mock_task *t) {
  return t->end < MOCK_END_LOST;
}

static uint64_t final_ns(const mock_task *t) {
  return t->created_ns + t->queued_ns + t->run_ns;
}

/* The members that all lines have; returns their size. */
static size_t write_head(const mock *m, const mock_task *t, char *out) {
  char id[MOCK_TASK_ID_MAX], until[32] = "null";
  mock_task_name(m, t, id);
  if (ends(t)) snprintf(until, sizeof until, "%" PRIu64, final_ns(t));
  int n = snprintf(out, LINE_MAX_BYTES,
                   "\"id\":\"%s\",\"key\":%s%s%s,\"family\":\"%s\",\"action\":\"%s\",\"end\":"
                   "\"%s\",\"submitted_s\":%lld,\"submitted_ns\":%" PRIu64 ",\"final_ns\":%s",
                   id, t->key ? "\"" : "", t->key ? t->key : "null", t->key ? "\"" : "",
                   family_names[t->family], t->action, end_names[t->end], (long long)t->created,
                   t->created_ns, until);
  return (size_t)n;
}

static size_t write_looks(const mock_task *t, char *out, size_t cap) {
  char lag[32] = "null", seen[32] = "null";
  uint64_t late_ns = t->seen_ns > final_ns(t) ? t->seen_ns - final_ns(t) : 0;
  if (t->seen_ns) {
    snprintf(seen, sizeof seen, "%" PRIu64, t->seen_ns);
    snprintf(lag, sizeof lag, "%.3f", (double)late_ns / 1e6);
  }
  int n = snprintf(out, cap,
                   ",\"seen_ns\":%s,\"lag_ms\":%s,\"polls\":%" PRIu32 ",\"batch_polls\":%" PRIu32,
                   seen, lag, t->polls, t->batch_polls);
  return (size_t)n;
}

/* ---- the file */

int mock_ledger_open(mock *m) {
  m->ledger_fd = -1;
  if (!m->config.ledger) return 0;
  m->ledger_fd = open(m->config.ledger, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (m->ledger_fd >= 0) return 0;
  fprintf(stderr, "mock: cannot write %s: %s\n", m->config.ledger, strerror(errno));
  return UV_EINVAL;
}

void mock_ledger_close(mock *m) {
  if (m->ledger_fd >= 0) close(m->ledger_fd);
  m->ledger_fd = -1;
}

/* A line that cannot be written is said once, and the file is closed: a ledger with holes would
 * prove nothing. */
static void put_line(mock *m, const char *line, size_t size) {
  while (size && m->ledger_fd >= 0) {
    ssize_t n = write(m->ledger_fd, line, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      fprintf(stderr, "mock: the ledger ends here: %s\n", strerror(errno));
      mock_ledger_close(m);
      return;
    }
    line += n;
    size -= (size_t)n;
  }
}

void mock_ledger_submitted(mock *m, const mock_task *t) {
  char line[LINE_MAX_BYTES + 64];
  if (m->ledger_fd < 0) return;
  size_t n = (size_t)snprintf(line, sizeof line, "{\"event\":\"submitted\",");
  n += write_head(m, t, line + n);
  n += (size_t)snprintf(line + n, sizeof line - n, "}\n");
  put_line(m, line, n);
}

void mock_ledger_seen(mock *m, const mock_task *t) {
  char line[LINE_MAX_BYTES + 256];
  if (m->ledger_fd < 0) return;
  size_t n = (size_t)snprintf(line, sizeof line, "{\"event\":\"seen\",");
  n += write_head(m, t, line + n);
  n += write_looks(t, line + n, sizeof line - n);
  n += (size_t)snprintf(line + n, sizeof line - n, "}\n");
  put_line(m, line, n);
}

/* ---- for those who ask */

static size_t write_line(const mock *m, const mock_task *t, char *out) {
  size_t n = 0;
  out[n++] = '{';
  n += write_head(m, t, out + n);
  n += write_looks(t, out + n, LINE_MAX_BYTES / 2);
  out[n++] = '}';
  out[n++] = '\n';
  return n;
}

static void step(mock_exchange *x) {
  struct reading *j = x->job;
  mock *m = x->m;
  for (int i = 0; i < PIECES_A_STEP; i++) {
    char *piece = mock_reply_room(x, 2 * LINE_MAX_BYTES * LINES_A_PIECE);
    size_t n = 0;
    if (!piece) {
      mock_conn_drop(x->conn);
      return;
    }
    for (int k = 0; k < LINES_A_PIECE && j->at < m->task_count; k++)
      n += write_line(m, &m->tasks[j->at++], piece + n);
    if (!mock_reply_piece(x, piece, n, j->at >= m->task_count)) return;
    if (mock_reply_full(x)) {
      x->waiting = true;
      return;
    }
  }
  mock_reply_step_at(x, uv_hrtime());
}

void mock_ledger_serve(mock_exchange *x) {
  struct reading *j = calloc(1, sizeof *j);
  const char *since = mock_path_query(x, "since");
  uint64_t at = 0;
  if (!j) {
    mock_conn_drop(x->conn);
    return;
  }
  x->job = j;
  x->release = free;
  if (since) lti_slice_u64(lti_slice(since, strspn(since, "0123456789")), &at);
  j->at = at < x->m->task_count ? (uint32_t)at : x->m->task_count;
  if (!mock_reply_begin(x, 200, "application/x-ndjson", NULL, MOCK_NEVER)) return;
  x->step = step;
  mock_reply_step_at(x, uv_hrtime());
}
