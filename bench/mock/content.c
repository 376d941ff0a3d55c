/* Files on their way to a client, whole or a range of them: what a task has made, which is a pure
 * function of its seed, and what a client has stored. A task's results are at signed addresses,
 * which want no key and expire, or behind the proxy of the gateway, which wants the key.
 *
 *     /files/{task}/{index}.{ending}?expires=SECONDS&sig=HEX        /v1/videos/{task}/content */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/tasks.h"
#include "bench/mock/text.h"

#define CONTENT_PIECE (16 * 1024)
#define PIECES_A_STEP 16
#define FILES_MAX     100 /* of one task */

struct content {
  uint64_t seed, at, end;
  mock_blob *blob; /* NULL: it follows from the seed */
};

mock_blob *mock_blob_new(leat_slice bytes) {
  mock_blob *b = malloc(sizeof *b + bytes.size);
  if (!b) return NULL;
  b->refs = 1;
  b->size = bytes.size;
  if (bytes.size) memcpy(b->bytes, bytes.data, bytes.size);
  return b;
}

void mock_blob_drop(mock_blob *b) {
  if (b && --b->refs == 0) free(b);
}

static void release(void *job) {
  struct content *j = job;
  mock_blob_drop(j->blob);
  free(j);
}

/* One range: a-b, a- or -n (RFC 9110, 14.1.2). 0: none, or not understood: the whole; 1: this
 * range; -1: none of it exists. */
static int read_range(const char *text, uint64_t size, uint64_t *from, uint64_t *to) {
  *from = 0;
  *to = size;
  if (!text || strncmp(text, "bytes=", 6) != 0 || strchr(text, ',')) return 0;
  const char *dash = strchr(text += 6, '-');
  if (!dash) return 0;
  uint64_t a = 0, b = 0;
  bool has_a = dash > text, has_b = dash[1] != '\0';
  if (has_a && !lti_slice_u64(lti_slice(text, (size_t)(dash - text)), &a)) return 0;
  if (has_b && !lti_slice_u64(lti_slice_of(dash + 1), &b)) return 0;
  if (!has_a && !has_b) return 0;
  if (!has_a) {
    if (b == 0 || size == 0) return -1;
    *from = b < size ? size - b : 0;
    return 1;
  }
  if (has_b && b < a) return 0;
  if (a >= size) return -1;
  *from = a;
  if (has_b && b < size - 1) *to = b + 1;
  return 1;
}

static void fill(const struct content *j, char *out, size_t n) {
  if (j->blob)
    memcpy(out, j->blob->bytes + j->at, n);
  else
    mock_text_bytes(j->seed, j->at, out, n);
}

static void content_step(mock_exchange *x) {
  struct content *j = x->job;
  for (int i = 0; i < PIECES_A_STEP; i++) {
    size_t n = j->end - j->at < CONTENT_PIECE ? (size_t)(j->end - j->at) : CONTENT_PIECE;
    char *piece = mock_reply_room(x, n);
    if (!piece) {
      mock_conn_drop(x->conn);
      return;
    }
    fill(j, piece, n);
    j->at += n;
    if (!mock_reply_piece(x, piece, n, j->at == j->end)) return;
    if (mock_reply_full(x)) {
      x->waiting = true;
      return;
    }
  }
  mock_reply_step_at(x, uv_hrtime());
}

/* The range that is wanted of this version; false: it has been answered. */
static bool choose(mock_exchange *x, const mock_content *c, struct content *j, bool *ranged) {
  char range[96];
  const char *condition = mock_exchange_header(x, "if-range");
  bool stale = condition && strcmp(condition, c->etag) != 0;
  const char *wish = stale || c->endless ? NULL : mock_exchange_header(x, "range");
  int found = read_range(wish, c->size, &j->at, &j->end);
  *ranged = found > 0;
  if (found >= 0) return true;
  snprintf(range, sizeof range, "Content-Range: bytes */%" PRIu64 "\r\n", c->size);
  mock_reply_fixed(x, 416, "text/plain", range, lti_slice("", 0));
  return false;
}

void mock_content_send(mock_exchange *x, const mock_content *c) {
  struct content *j = calloc(1, sizeof *j);
  char extra[400], range[96] = "", seed[48] = "";
  bool ranged;
  if (!j) {
    mock_conn_drop(x->conn);
    return;
  }
  x->job = j;
  x->release = release;
  j->seed = c->seed;
  if ((j->blob = c->blob)) j->blob->refs++;
  if (!choose(x, c, j, &ranged)) return;
  if (ranged)
    snprintf(range, sizeof range, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
             j->at, j->end - 1, c->size);
  if (!c->blob) snprintf(seed, sizeof seed, "x-mock-seed: %" PRIu64 "\r\n", c->seed);
  int n = c->endless ? 0
                     : snprintf(extra, sizeof extra,
                                "%sAccept-Ranges: bytes\r\nETag: %s\r\nCache-Control: public, "
                                "max-age=86400\r\n",
                                range, c->etag);
  snprintf(extra + n, sizeof extra - (size_t)n, "%s", seed);
  uint64_t length = c->endless ? MOCK_NEVER : j->end - j->at;
  if (!mock_reply_begin(x, ranged ? 206 : 200, c->type, extra, length)) return;
  x->step = content_step;
  mock_reply_step_at(x, uv_hrtime());
}

/* ---- what tasks have made */

static uint64_t seed_of(const mock_task *t, unsigned index) {
  return mock_text_lane(t->seed, index);
}

uint64_t mock_content_sign(const mock_task *t, unsigned index, long long until) {
  return mock_text_mix(t->seed ^ mock_text_mix((uint64_t)until ^ index) ^ t->created_ns);
}

static const char *type_of(const char *ending) {
  static const char *const types[][2] = {
      {"mp4", "video/mp4"},  {"mp3", "audio/mpeg"}, {"wav", "audio/wav"},
      {"mid", "audio/midi"}, {"jpg", "image/jpeg"}, {"png", "image/png"},
  };
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strcmp(types[i][0], ending) == 0) return types[i][1];
  return "application/octet-stream";
}

static void send_made(mock_exchange *x, const mock_task *t, unsigned index, const char *type) {
  mock_content c = {.seed = seed_of(t, index), .size = t->bytes, .type = type};
  char id[MOCK_TASK_ID_MAX];
  mock_task_name(x->m, t, id);
  snprintf(c.etag, sizeof c.etag, index ? "\"%s-%u\"" : "\"%s\"", id, index);
  mock_content_send(x, &c);
}

/* As object stores refuse, in XML. */
static void refuse(mock_exchange *x, int status, const char *code, const char *message) {
  char text[300];
  int n = snprintf(text, sizeof text,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s"
                   "</Message></Error>",
                   code, message);
  mock_reply_fixed(x, status, "application/xml", NULL, lti_slice(text, (size_t)n));
}

uint64_t mock_content_sign_bytes(uint64_t seed, uint64_t size, long long until) {
  return mock_text_mix(mock_text_mix(seed ^ size) ^ (uint64_t)until);
}

/* img_SEED_SIZE: bytes that belong to no task. False: the name is another. */
static bool read_bytes_name(leat_slice name, mock_content *c) {
  char text[48], *end;
  if (!lti_slice_starts(name, "img_") || name.size >= sizeof text) return false;
  snprintf(text, sizeof text, "%.*s", (int)name.size, name.data);
  c->seed = strtoull(text + 4, &end, 16);
  if (*end != '_') return false;
  c->size = strtoull(end + 1, &end, 16);
  return *end == '\0';
}

/* parts: the task, the index, the ending. */
void mock_content_file(mock_exchange *x, const leat_slice *parts) {
  char ending[8] = "";
  mock_content c = {.etag = "\"image\""};
  mock_task *t = mock_task_find(x->m, parts[0]);
  const char *until = mock_path_query(x, "expires"), *sign = mock_path_query(x, "sig");
  uint64_t index = 0, wanted = 0;
  x->m->stats.contents++;
  if (mock_exchange_header(x, "authorization")) x->m->stats.signed_with_key++;
  if (until) lti_slice_u64(lti_slice(until, strspn(until, "0123456789")), &wanted);
  bool bytes = read_bytes_name(parts[0], &c);
  bool known = lti_slice_u64(parts[1], &index) && (bytes ? index == 0 : t && index < FILES_MAX);
  uint64_t right = !known  ? 0
                   : bytes ? mock_content_sign_bytes(c.seed, c.size, (long long)wanted)
                           : mock_content_sign(t, (unsigned)index, (long long)wanted);
  if (!known) {
    refuse(x, 404, "NoSuchKey", "The specified key does not exist.");
  } else if (!until || !sign || strtoull(sign, NULL, 16) != right) {
    refuse(x, 403, "SignatureDoesNotMatch", "The signature does not match.");
  } else if ((long long)wanted <= (long long)time(NULL)) {
    refuse(x, 403, "AccessDenied", "Request has expired");
  } else {
    snprintf(ending, sizeof ending, "%.*s", (int)(parts[2].size < 8 ? parts[2].size : 0),
             parts[2].data);
    c.type = type_of(ending);
    if (bytes)
      mock_content_send(x, &c);
    else
      send_made(x, t, (unsigned)index, c.type);
  }
}

static void redirect(mock_exchange *x, mock_task *t) {
  mock_task_view view;
  lti_buf out;
  mock_task_look(&view, x, t, MOCK_E3);
  lti_buf_init(&out, &x->m->alloc, MOCK_HEAD_MAX, LEAT_EBODYMAX);
  int err = lti_buf_text(&out, "Location: ") | mock_task_write_url(&view, &out, 0, "mp4");
  err |= lti_buf_text(&out, "\r\n") | lti_buf_byte(&out, '\0');
  if (err)
    mock_conn_drop(x->conn);
  else
    mock_reply_fixed(x, 302, "text/plain", out.data, lti_slice("", 0));
  lti_buf_deinit(&out);
}

/* The proxy: parts[0] is the task. */
void mock_content_proxy(mock_exchange *x, const leat_slice *parts) {
  mock_task *t = mock_task_find(x->m, parts[0]);
  x->m->stats.contents++;
  if (!t)
    mock_reply_error(x, 404, "invalid_request_error", NULL, "Task not found");
  else if (mock_task_phase(t, uv_hrtime()) != MOCK_PHASE_SUCCESS)
    mock_reply_error(x, 400, "invalid_request_error", NULL, "Task is not completed yet");
  else if (t->redirects)
    redirect(x, t);
  else
    send_made(x, t, 0, "video/mp4");
}

/* Midjourney's image, for which nobody asks a key. A preview is there before the end. */
void mock_content_image(mock_exchange *x, const leat_slice *parts) {
  mock_task *t = mock_task_find(x->m, parts[0]);
  x->m->stats.contents++;
  if (!t || mock_task_phase(t, uv_hrtime()) < MOCK_PHASE_RUNNING)
    mock_reply_error(x, 404, "invalid_request_error", NULL, "midjourney_task_not_found");
  else
    send_made(x, t, 0, "image/png");
}
