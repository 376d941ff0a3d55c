/* Bodies from sources: see upload.h.
 *
 * Sizes are kept to: a part that says how large it is gives exactly so much, or the request ends
 * with LEAT_ESOURCE. So that too much is noticed before the last byte is sent, each read offers
 * room for more than is owed; too little shows at the end. What the other side has had then is no
 * whole request, and the connection is not used again. */
#include "core/upload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "core/request.h"
#include "io/intake.h"
#include "wire/multipart.h"

#define PIECE_BYTES     ((size_t)64 * 1024)
#define READS_MAX       256 /* of a source that gives little at a time, for one piece */
#define FORM_FIELDS_MAX 1000
#define TEXT_BYTES_MAX  ((size_t)2048 * 1024 * 1024)

enum upload_state { UPLOAD_IDLE, UPLOAD_GIVEN, UPLOAD_WANTED, UPLOAD_WAITING, UPLOAD_ENDED };

enum part_kind { PART_TEXT, PART_INTAKE, PART_CALLBACK };

/* A text of `texts`, or what a source gives. */
typedef struct part {
  enum part_kind kind;
  size_t from;     /* of a text */
  int64_t size;    /* -1: not known */
  uint64_t taken;  /* in this attempt */
  bool touched;    /* something was taken since it was at its start */
  lti_intake *in;  /* of a file or a pipe */
  leat_source cbs; /* the callbacks */
} part;

struct lti_upload {
  lti_list node; /* in engine->uploads while WANTED */
  leat_engine *engine;
  lti_request *request;
  enum upload_state state;
  lti_spec_load load;
  char type[LTI_MULTIPART_TYPE];
  lti_buf texts;
  part *parts;
  size_t count, at; /* the part that is read from */
  int64_t size;     /* -1: not known */
  uint64_t taken;
  char *piece;
  size_t piece_size, filled;
  uint64_t moved_ns;
  bool rewind;  /* before the next read */
  bool reading; /* a source's callback is on the stack */
  bool paused;  /* the source has nothing: it is not asked before it says that it is ready */
  bool closed;
};

static void on_ready(void *ctx);
static void pull(lti_upload *u);

/* ---- making */

static int refuse(leat_engine *e, int error, const char *format, const char *name) {
  lti_buf_clear(&e->message);
  lti_buf_format(&e->message, format, name);
  return lti_engine_fail(e, error, "");
}

static int refuse_native(leat_engine *e, int error, const char *name, int native) {
  lti_buf_clear(&e->message);
  if (error == LEAT_ESOURCE)
    lti_buf_format(&e->message, "%s cannot be read: %s", name,
                   native ? lti_sock_text(native) : "it is no file");
  else
    lti_buf_text(&e->message, leat_error_text(error));
  return lti_engine_fail(e, error, "");
}

static part *add_part(lti_upload *u, enum part_kind kind) {
  part *p = &u->parts[u->count++];
  *p = (part){.kind = kind, .size = -1};
  return p;
}

/* What was written to `texts` since the last part is one. */
static void add_text(lti_upload *u, size_t from) {
  if (u->texts.size == from) return;
  part *p = add_part(u, PART_TEXT);
  p->from = from;
  p->size = (int64_t)(u->texts.size - from);
}

static int add_intake(lti_upload *u, const leat_source *s) {
  leat_engine *e = u->engine;
  lti_intake_owner owner = {on_ready, u};
  part *p = add_part(u, PART_INTAKE);
  int native = 0;
  int r = s->path ? lti_intake_open(e->loop, s->path, owner, &p->in, &native)
                  : lti_intake_join(e->loop, s->fd_plus_one - 1, owner, &p->in, &native);
  if (r != LTI_OK) return refuse_native(e, r, s->path ? s->path : "the descriptor", native);
  p->size = lti_intake_size(p->in);
  if (p->size < 0 && s->size > 0) p->size = s->size;
  return LTI_OK;
}

static int add_source(lti_upload *u, const leat_source *s) {
  int given = (s->path != NULL) + (s->fd_plus_one != 0) + (s->read != NULL);
  if (given != 1 || s->fd_plus_one < 0 || s->size < LEAT_NONE)
    return refuse(u->engine, LEAT_EINVAL, "a source needs one of path, fd_plus_one and read%s", "");
  if (!s->read) return add_intake(u, s);
  part *p = add_part(u, PART_CALLBACK);
  p->cbs = *s;
  p->size = s->size > 0 ? s->size : -1;
  return LTI_OK;
}

/* The name that goes with a field's content; `data` NULL: none. */
static leat_slice filename_of(const leat_form_field *f) {
  if (f->filename) return lti_slice_of(f->filename);
  if (!f->value.data && f->source && f->source->path)
    return lti_multipart_filename(lti_slice_of(f->source->path));
  return lti_slice(NULL, 0);
}

static int add_field(lti_upload *u, lti_multipart *m, const leat_form_field *f, size_t *from) {
  if (!f->name || (!f->value.data == !f->source))
    return refuse(u->engine, LEAT_EINVAL, "a form's field needs a name, and a value or a source%s",
                  "");
  lti_multipart_field field = {.name = lti_slice_of(f->name), .filename = filename_of(f)};
  if (f->content_type)
    field.type = lti_slice_of(f->content_type);
  else if (field.filename.data)
    field.type = lti_multipart_type_of(field.filename);
  int r = lti_multipart_field_head(m, &field, &u->texts);
  if (r == LTI_OK && f->value.data) r = lti_buf_append(&u->texts, f->value);
  if (r == LEAT_EHEADER)
    return refuse(u->engine, r, "the content_type of field \"%s\" has a forbidden byte", f->name);
  if (r != LTI_OK) return lti_engine_fail(u->engine, r, NULL);
  if (f->value.data) return LTI_OK;
  add_text(u, *from);
  *from = u->texts.size;
  return add_source(u, f->source);
}

static int add_form(lti_upload *u, const leat_request *q) {
  unsigned char random[LTI_MULTIPART_RANDOM];
  lti_multipart m;
  lti_random source;
  lti_random_init(&source);
  lti_random_fill(&source, random, sizeof random);
  lti_random_deinit(&source);
  lti_multipart_init(&m, random);
  u->load.type = lti_multipart_type(&m, u->type);
  size_t from = 0;
  int r = LTI_OK;
  for (size_t i = 0; r == LTI_OK && i < q->form_count; i++)
    r = add_field(u, &m, &q->form[i], &from);
  if (r != LTI_OK) return r;
  r = lti_multipart_end(&m, &u->texts);
  if (r != LTI_OK) return lti_engine_fail(u->engine, r, NULL);
  add_text(u, from);
  return LTI_OK;
}

/* The sum of the parts. */
static void measure(lti_upload *u) {
  bool sources = false;
  for (size_t i = 0; i < u->count; i++) {
    const part *p = &u->parts[i];
    sources |= p->kind != PART_TEXT;
    if (p->size < 0 || u->size < 0 || u->size > INT64_MAX - p->size)
      u->size = -1;
    else
      u->size += p->size;
  }
  u->load.streamed = sources;
  if (!sources) u->load.bytes = lti_buf_slice(&u->texts);
}

static int fill_parts(lti_upload *u, const leat_request *q) {
  if (q->form_count > FORM_FIELDS_MAX)
    return refuse(u->engine, LEAT_EINVAL, "a form has 1,000 fields at most%s", "");
  /* Each field: a text and a source; and the end. */
  u->parts = lti_alloc_get(&u->engine->alloc, (2 * q->form_count + 1) * sizeof *u->parts);
  if (!u->parts) return lti_engine_fail(u->engine, LEAT_ENOMEM, NULL);
  int r = q->form_count ? add_form(u, q) : add_source(u, q->source);
  if (r == LTI_OK) measure(u);
  return r;
}

int lti_upload_new(leat_engine *e, const leat_request *q, lti_upload **upload) {
  *upload = NULL;
  if (!q->source && !q->form_count) return LTI_OK;
  if ((q->source && q->form_count) || (q->form_count && !q->form))
    return refuse(e, LEAT_EINVAL, "a body is a source or a form%s", "");
  lti_upload *u = lti_alloc_zero(&e->alloc, sizeof *u);
  if (!u) return lti_engine_fail(e, LEAT_ENOMEM, NULL);
  u->engine = e;
  lti_list_init(&u->node);
  lti_buf_init(&u->texts, &e->alloc, TEXT_BYTES_MAX, LEAT_EBODYMAX);
  u->texts.secret = true;
  int r = fill_parts(u, q);
  if (r == LTI_OK)
    *upload = u;
  else
    lti_upload_free(u);
  return r;
}

const lti_spec_load *lti_upload_load(const lti_upload *u) {
  return u ? &u->load : NULL;
}

/* ---- ending */

static void piece_free(lti_upload *u) {
  if (u->piece) lti_alloc_wipe(&u->engine->alloc, u->piece, u->piece_size);
  u->piece = NULL;
  u->piece_size = u->filled = 0;
}

void lti_upload_close(lti_upload *u, bool accepted) {
  if (!u || u->closed) return;
  u->closed = true;
  lti_upload_stop(u);
  for (size_t i = 0; i < u->count; i++) {
    part *p = &u->parts[i];
    lti_intake_close(p->in);
    p->in = NULL;
    if (accepted && p->kind == PART_CALLBACK && p->cbs.close) p->cbs.close(p->cbs.user);
  }
}

void lti_upload_free(lti_upload *u) {
  if (!u) return;
  lti_upload_close(u, false);
  lti_alloc *alloc = &u->engine->alloc;
  piece_free(u);
  lti_buf_deinit(&u->texts);
  lti_alloc_put(alloc, u->parts);
  lti_alloc_put(alloc, u);
}

/* ---- attempts */

uint64_t lti_upload_size(const lti_upload *u) {
  return u->size < 0 ? LTI_HTTP_UNSIZED : (uint64_t)u->size;
}

static bool rewinds(const part *p) {
  switch (p->kind) {
    case PART_TEXT: return true;
    case PART_INTAKE: return lti_intake_rewinds(p->in);
    case PART_CALLBACK: return p->cbs.rewind != NULL;
  }
  return false;
}

bool lti_upload_repeats(const lti_upload *u) {
  for (size_t i = 0; i < u->count; i++)
    if (u->parts[i].touched && !rewinds(&u->parts[i])) return false;
  return true;
}

uint64_t lti_upload_moved_ns(const lti_upload *u) {
  return u->moved_ns;
}

static uint64_t behind(const lti_upload *u) {
  return u->size < 0 ? LTI_HTTP_UNSIZED : (uint64_t)u->size - u->taken;
}

void lti_upload_begin(lti_upload *u, lti_exchange *x, lti_http_request *http) {
  assert(u->state == UPLOAD_IDLE);
  u->at = 0;
  u->taken = u->moved_ns = 0;
  u->filled = 0;
  u->paused = false;
  for (size_t i = 0; i < u->count; i++) {
    u->parts[i].taken = 0;
    u->rewind |= u->parts[i].touched;
  }
  http->body_size = u->size < 0 ? 0 : (uint64_t)u->size;
  http->unsized = u->size < 0;
  x->stream.body = lti_slice(NULL, 0);
  x->stream.behind = behind(u);
  x->stream.more = u->size != 0;
}

void lti_upload_go(lti_upload *u, lti_request *r) {
  u->request = r;
  u->state = u->size == 0 ? UPLOAD_ENDED : UPLOAD_GIVEN;
  lti_upload_hungry(u);
}

/* The callback that is being made may have had this done: its room is freed behind it. */
void lti_upload_stop(lti_upload *u) {
  u->state = UPLOAD_IDLE;
  lti_list_remove(&u->node);
  if (!u->reading) piece_free(u);
}

void lti_upload_cease(lti_upload *u) {
  if (u->state == UPLOAD_IDLE) return;
  u->state = UPLOAD_ENDED;
  lti_list_remove(&u->node);
}

static void want(lti_upload *u) {
  u->state = UPLOAD_WANTED;
  lti_list_push(&u->engine->uploads, &u->node);
  lti_engine_kick(u->engine);
}

/* Whoever has nothing to send holds no memory. */
static void want_or_wait(lti_upload *u) {
  if (!u->paused) {
    want(u);
    return;
  }
  u->state = UPLOAD_WAITING;
  piece_free(u);
}

void lti_upload_hungry(lti_upload *u) {
  if (u->state != UPLOAD_GIVEN) return;
  if (u->taken > 0) u->moved_ns = lti_loop_clock(u->engine->loop);
  want_or_wait(u);
}

void lti_upload_ready(lti_upload *u) {
  u->paused = false;
  if (u->state == UPLOAD_WAITING) want(u);
}

static void on_ready(void *ctx) {
  lti_upload_ready(ctx);
}

int leat_source_ready(leat_engine *e, leat_id id) {
  if (!e) return LEAT_EINVAL;
  lti_item *item = lti_slots_get(&e->items, id);
  if (!item || item->kind != LTI_ITEM_REQUEST) return LEAT_ENOTFOUND;
  lti_upload *u = ((lti_request *)item)->upload;
  if (u) lti_upload_ready(u);
  return LTI_OK;
}

void lti_upload_turn(leat_engine *e) {
  lti_list batch;
  lti_list *n;
  lti_list_init(&batch);
  lti_list_take(&batch, &e->uploads);
  while ((n = lti_list_pop(&batch))) pull(LTI_CONTAINER_OF(n, lti_upload, node));
}

/* ---- reading */

/* Why a read came to nothing: `native` is an errno, `text` static. */
typedef struct trouble {
  int native;
  const char *text;
} trouble;

static int rewind_parts(lti_upload *u, trouble *why) {
  u->rewind = false;
  for (size_t i = 0; i < u->count; i++) {
    part *p = &u->parts[i];
    if (!p->touched) continue;
    if (p->kind == PART_INTAKE) lti_intake_rewind(p->in);
    if (!rewinds(p) || (p->kind == PART_CALLBACK && p->cbs.rewind(p->cbs.user) != 0)) {
      why->text = "the body's source could not be rewound";
      return LEAT_ESOURCE;
    }
    p->touched = false;
  }
  return LTI_OK;
}

static int ask_callback(lti_upload *u, part *p, leat_slice room, size_t *size) {
  u->reading = u->paused = true; /* what is said meanwhile counts */
  int answer = p->cbs.read(p->cbs.user, u->piece + u->filled, room.size, size);
  u->reading = false;
  if (answer != LEAT_PAUSE) u->paused = false;
  if (answer == LEAT_PAUSE) return LTI_AGAIN;
  return answer == LEAT_OK && *size <= room.size ? LTI_OK : LEAT_ESOURCE;
}

/* More room than the part owes, or less, but never just as much: see above. */
static size_t room_for(const part *p, size_t room) {
  return p->size >= 0 && (uint64_t)p->size - p->taken == room ? room - 1 : room;
}

static int read_part(lti_upload *u, part *p, size_t *size, trouble *why) {
  size_t room = room_for(p, u->piece_size - u->filled);
  char *to = u->piece + u->filled;
  int r = LTI_OK;
  *size = 0;
  switch (p->kind) {
    case PART_TEXT:
      *size = (size_t)p->size - (size_t)p->taken;
      if (*size > room) *size = room;
      memcpy(to, u->texts.data + p->from + p->taken, *size);
      break;
    case PART_INTAKE:
      r = lti_intake_read(p->in, to, room, size, &why->native);
      u->paused = r == LTI_AGAIN;
      break;
    case PART_CALLBACK: r = ask_callback(u, p, lti_slice(to, room), size); break;
  }
  if (r == LTI_OK) p->touched = true;
  return r;
}

/* What a read has brought, against what the part had said. LTI_STOPPED: the part is over. */
static int account(lti_upload *u, part *p, size_t size, trouble *why) {
  uint64_t owed = (uint64_t)p->size - p->taken;
  if (p->size >= 0 && size > owed) {
    why->text = "the body's source gave more bytes than it had said";
    return LEAT_ESOURCE;
  }
  if (p->size >= 0 && size == 0 && owed > 0) {
    why->text = "the body's source gave fewer bytes than it had said";
    return LEAT_ESOURCE;
  }
  p->taken += size;
  u->taken += size;
  u->filled += size;
  return p->size >= 0 ? (p->taken == (uint64_t)p->size ? LTI_STOPPED : LTI_OK)
                      : (size == 0 ? LTI_STOPPED : LTI_OK);
}

/* Fills the piece from one part after the other. LTI_OK: it is full, or as full as it gets for now;
 * LTI_STOPPED: nothing follows; LTI_AGAIN: the source has nothing yet. */
static int fill(lti_upload *u, trouble *why) {
  int r = LTI_OK;
  for (int reads = 0; reads < READS_MAX && u->piece_size - u->filled > 1; reads++) {
    size_t size;
    while (u->at < u->count && u->parts[u->at].size == 0) u->at++;
    if (u->at == u->count) return LTI_STOPPED;
    part *p = &u->parts[u->at];
    r = read_part(u, p, &size, why);
    if (u->state != UPLOAD_WANTED || r == LTI_AGAIN || r < 0) return r;
    r = account(u, p, size, why);
    if (r < 0) return r;
    if (r == LTI_STOPPED) u->at++;
  }
  return u->at == u->count ? LTI_STOPPED : LTI_OK;
}

static int piece_make(lti_upload *u) {
  size_t size = PIECE_BYTES;
  if (u->size >= 0 && (uint64_t)u->size < PIECE_BYTES - 2) size = (size_t)u->size + 2;
  u->filled = 0;
  if (u->piece) return LTI_OK;
  u->piece = lti_alloc_get(&u->engine->alloc, size);
  if (!u->piece) return LEAT_ENOMEM;
  u->piece_size = size;
  return LTI_OK;
}

static void break_off(lti_upload *u, int error, const trouble *why) {
  char words[160];
  const char *text = why->text;
  if (error == LEAT_ESOURCE && !text) {
    snprintf(words, sizeof words, "the body's source failed%s%s", why->native ? ": " : "",
             why->native ? lti_sock_text(why->native) : "");
    text = words;
  }
  lti_failure failure = {
      .error = error, .layer = LEAT_LAYER_API, .native = why->native, .message = text};
  lti_request_finish(u->request, &failure);
}

static void pull(lti_upload *u) {
  trouble why = {0, NULL};
  int r = u->rewind ? rewind_parts(u, &why) : LTI_OK;
  if (r == LTI_OK && u->state == UPLOAD_WANTED) r = piece_make(u);
  if (r == LTI_OK && u->state == UPLOAD_WANTED) r = fill(u, &why);
  if (u->state != UPLOAD_WANTED) { /* the source's callback has cancelled its request */
    piece_free(u);
    return;
  }
  if (r == LTI_AGAIN && u->filled == 0) {
    want_or_wait(u);
    return;
  }
  if (r >= 0) {
    lti_http_piece piece = {lti_slice(u->piece, u->filled), behind(u), r != LTI_STOPPED};
    u->state = piece.more ? UPLOAD_GIVEN : UPLOAD_ENDED;
    r = lti_exchange_supply(&u->request->exchange, &piece);
  }
  if (r < 0) break_off(u, r, &why);
}
