/* Cells, and the engine's callbacks: what an event becomes on its way to the interpreter.
 *
 * Everything that is kept of an event is copied here, once, into the mailbox's buffer. Callbacks
 * run on the engine's thread; they allocate only when that buffer grows. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "mailbox.h"

#define HEAD_FIELDS_MAX 256
#define PARTS_MAX       515 /* a head's: 256 fields and the three that may stand behind */
#define HELD_MAX        ((size_t)256 << 10)
#define GATHER_MAX      ((size_t)256 << 20)
#define RECORDS_INITIAL ((size_t)16 << 10)
#define HANDED_MAX      ((size_t)256 << 10)

lpy_cell *lpy_cell_new(lpy_mailbox *mailbox, lpy_engine *engine) {
  lpy_cell *cell = calloc(1, sizeof *cell);
  if (!cell) return NULL;
  atomic_init(&cell->refs, 2); /* the reader's and the engine's */
  cell->held_max = HELD_MAX;
  cell->gather_max = GATHER_MAX;
  cell->mailbox = mailbox;
  cell->engine = engine;
  lpy_mailbox_keep(mailbox);
  lpy_engine_keep(engine);
  return cell;
}

void lpy_cell_keep(lpy_cell *cell) {
  atomic_fetch_add(&cell->refs, 1);
}

void lpy_cell_drop(lpy_cell *cell) {
  if (atomic_fetch_sub(&cell->refs, 1) != 1) return;
  atomic_fetch_sub(&cell->mailbox->held, atomic_load(&cell->held));
  lpy_mailbox_drop(cell->mailbox);
  lpy_engine_drop(cell->engine);
  free(cell->message);
  free(cell->ending.texts);
  free(cell);
}

/* The last bytes end any pause: with all mailboxes' bytes above their maximum a reader gets its
 * events one at a time, and nobody waits for ever. */
static bool may_flow(const lpy_cell *cell, size_t held) {
  if (held == 0) return true;
  return held <= cell->held_max / 2 && atomic_load(&cell->mailbox->held) <= cell->mailbox->held_max;
}

bool lpy_cell_consume(lpy_cell *cell, size_t bytes) {
  size_t held = atomic_fetch_sub(&cell->held, bytes) - bytes;
  atomic_fetch_sub(&cell->mailbox->held, bytes);
  if (!atomic_load(&cell->paused) || !may_flow(cell, held)) return false;
  return atomic_exchange(&cell->paused, false);
}

/* Pauses when too much lies unread. The reader may consume all of it meanwhile: whichever of the
 * two sees the other's write first takes the pause back. */
static int flow(lpy_cell *cell, size_t bytes) {
  size_t held = atomic_fetch_add(&cell->held, bytes) + bytes;
  size_t all = atomic_fetch_add(&cell->mailbox->held, bytes) + bytes;
  if (held <= cell->held_max && all <= cell->mailbox->held_max) return LEAT_CONTINUE;
  atomic_store(&cell->paused, true);
  if (may_flow(cell, atomic_load(&cell->held)) && atomic_exchange(&cell->paused, false))
    return LEAT_CONTINUE;
  return LEAT_PAUSE;
}

/* ---- records */

typedef struct parts {
  leat_slice list[PARTS_MAX];
  uint32_t count;
} parts;

static void put(parts *p, leat_slice part) {
  if (p->count < PARTS_MAX) p->list[p->count++] = part;
}

static char *reserve(lpy_records *in, size_t size) {
  if (in->room - in->size < size) {
    size_t room = in->room ? in->room : RECORDS_INITIAL;
    while (room - in->size < size) {
      if (room > SIZE_MAX / 2) return NULL;
      room *= 2;
    }
    char *grown = realloc(in->bytes, room);
    if (!grown) return NULL;
    in->bytes = grown;
    in->room = room;
  }
  char *at = in->bytes + in->size;
  in->size += size;
  return at;
}

static void write_record(char *at, const lpy_record *record, const parts *p) {
  memcpy(at, record, sizeof *record);
  uint64_t *lengths = (uint64_t *)(void *)(at + sizeof *record);
  char *bytes = (char *)(lengths + p->count);
  for (uint32_t i = 0; i < p->count; i++) {
    lengths[i] = p->list[i].size;
    if (p->list[i].size) memcpy(bytes, p->list[i].data, p->list[i].size);
    bytes += p->list[i].size;
  }
}

/* Appends a record; the callback's answer. */
static int append(lpy_cell *cell, lpy_record *record, const parts *p) {
  lpy_mailbox *m = cell->mailbox;
  size_t size = sizeof *record + p->count * sizeof(uint64_t);
  for (uint32_t i = 0; i < p->count; i++) size += p->list[i].size;
  size = (size + 7) & ~(size_t)7;
  record->size = size;
  record->cell = cell;
  record->part_count = p->count;

  pthread_mutex_lock(&m->lock);
  bool closed = m->closed;
  char *at = closed ? NULL : reserve(&m->in, size);
  if (at) write_record(at, record, p);
  pthread_mutex_unlock(&m->lock);
  if (closed) return LEAT_CONTINUE;
  if (!at) {
    cell->starved = true;
    leat_cancel(cell->engine->engine, cell->id);
    return LEAT_CONTINUE;
  }
  lpy_engine_mark(cell->engine, m);
  if (!cell->gathers) return flow(cell, size);
  cell->gathered += size;
  cell->overflowed = cell->gathered > cell->gather_max;
  if (cell->overflowed) leat_cancel(cell->engine->engine, cell->id);
  return LEAT_CONTINUE;
}

/* ---- events */

static void put_head(parts *p, lpy_record *record, const leat_head *head) {
  record->numbers[0] = head->status;
  record->numbers[1] = (int64_t)head->http;
  for (size_t i = 0; i < head->header_count && i < HEAD_FIELDS_MAX; i++) {
    put(p, head->headers[i].name);
    put(p, head->headers[i].value);
  }
}

static void put_media(parts *p, lpy_record *record, const leat_media *media) {
  record->numbers[0] = media->partial;
  put(p, media->data);
  put(p, media->url);
  put(p, media->mime_type);
  put(p, media->transcript);
  put(p, media->id);
}

static void put_call(parts *p, lpy_record *record, const leat_tool_call *call) {
  record->numbers[0] = call->index;
  put(p, call->id);
  put(p, call->name);
  put(p, call->arguments);
}

static void put_parts(parts *p, lpy_record *record, const leat_event *event) {
  switch (event->kind) {
    case LEAT_EVENT_HEAD: put_head(p, record, &event->head); return;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: put_media(p, record, &event->media); return;
    case LEAT_EVENT_TOOL_CALL: put_call(p, record, &event->tool_call); return;
    case LEAT_EVENT_USAGE:
      put(p, (leat_slice){(const char *)&event->usage, sizeof event->usage});
      return;
    case LEAT_EVENT_FINISH: put(p, event->finish_reason); return;
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL:
    case LEAT_EVENT_RAW:
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_REPLY: put(p, event->text); return;
  }
}

int lpy_cell_on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)engine, (void)id;
  lpy_cell *cell = user;
  parts p;
  p.count = 0;
  lpy_record record = {.kind = (uint8_t)event->kind,
                       .choice = event->choice,
                       .attempt = event->attempt,
                       .received_ns = event->received_ns,
                       .segment_ns = event->segment_ns};
  put_parts(&p, &record, event);
  if (event->logprobs.size) {
    record.flags |= LPY_HAS_LOGPROBS;
    put(&p, event->logprobs);
  }
  if (event->finish_detail.size) {
    record.flags |= LPY_HAS_DETAIL;
    put(&p, event->finish_detail);
  }
  if (cell->wants_raw && event->kind != LEAT_EVENT_HEAD) {
    record.flags |= LPY_HAS_RAW;
    put(&p, event->raw);
  }
  return append(cell, &record, &p);
}

int lpy_cell_on_content(leat_engine *engine, leat_id id, uint64_t offset, leat_slice bytes,
                        void *user) {
  (void)engine, (void)id;
  lpy_cell *cell = user;
  parts p;
  p.count = 0;
  lpy_record record = {.kind = LPY_RECORD_CONTENT, .numbers = {(int64_t)offset}};
  put(&p, bytes);
  append(cell, &record, &p); /* a task's content cannot pause: it is bounded by gather_max */
  return 0;
}

int lpy_cell_put(lpy_cell *cell, int kind, uint32_t choice, leat_slice part) {
  parts p;
  p.count = 0;
  lpy_record record = {.kind = (uint8_t)kind, .choice = choice};
  put(&p, part);
  return append(cell, &record, &p);
}

static void put_update(parts *p, lpy_record *record, const leat_task_update *update) {
  record->received_ns = update->received_ns;
  record->numbers[0] = update->state;
  record->numbers[1] = update->progress;
  record->numbers[2] = (int64_t)update->polls;
  record->numbers[3] = (int64_t)update->bytes;
  put(p, update->task_id);
  put(p, update->status);
  put(p, update->url);
  put(p, update->error_code);
  put(p, update->error_message);
  put(p, update->raw);
}

void lpy_cell_on_update(leat_engine *engine, leat_id id, const leat_task_update *update,
                        void *user) {
  (void)engine, (void)id;
  lpy_cell *cell = user;
  parts p;
  p.count = 0;
  lpy_record record = {.kind = LPY_RECORD_UPDATE};
  put_update(&p, &record, update);
  append(cell, &record, &p);
}

/* ---- the other direction: room for what is handed over */

static bool has_room(lpy_cell *cell) {
  return !atomic_load(&cell->choked) && atomic_load(&cell->handed) <= HANDED_MAX;
}

/* Whichever of the two sides sees the other's write: a wish that is not needed is taken back. */
bool lpy_cell_room(lpy_cell *cell) {
  if (has_room(cell)) return true;
  atomic_store(&cell->room_wanted, true);
  return has_room(cell) && atomic_exchange(&cell->room_wanted, false);
}

void lpy_cell_tell_room(lpy_cell *cell) {
  if (atomic_load(&cell->choked) || atomic_load(&cell->handed) > HANDED_MAX / 2) return;
  if (atomic_exchange(&cell->room_wanted, false))
    lpy_cell_put(cell, LPY_RECORD_ROOM, 0, (leat_slice){NULL, 0});
}

/* ---- endings */

static void copy_text(leat_slice *text, char **at) {
  if (text->size) memcpy(*at, text->data, text->size);
  text->data = text->size ? *at : NULL;
  *at += text->size;
}

/* Gives the ending texts of its own; without memory they are empty, and the error stands. */
static void own_texts(lpy_ending *e) {
  leat_result *r = &e->result;
  leat_response *a = &e->response;
  leat_task_update *u = &e->update;
  leat_slice *texts[] = {&r->message,
                         &r->provider_type,
                         &r->provider_code,
                         &r->provider_message,
                         &r->request_id,
                         &r->body,
                         &a->id,
                         &a->model,
                         &a->system_fingerprint,
                         &a->service_tier,
                         &a->role,
                         &u->task_id,
                         &u->status,
                         &u->url,
                         &u->error_code,
                         &u->error_message,
                         &u->raw};
  size_t count = sizeof texts / sizeof texts[0], size = 1;
  for (size_t i = 0; i < count; i++) size += texts[i]->size;
  char *at = e->texts = malloc(size);
  for (size_t i = 0; i < count; i++) {
    if (!at)
      *texts[i] = (leat_slice){NULL, 0};
    else
      copy_text(texts[i], &at);
  }
}

/* Once it is in the list, the cell and its mailbox are the reader's: nothing of them is touched
 * behind that. The mark has a reference of its own. */
static void tell_done(lpy_cell *cell) {
  lpy_mailbox *m = cell->mailbox;
  lpy_ending *e = &cell->ending;
  if (cell->starved) e->result.error = LEAT_ENOMEM;
  if (cell->overflowed) e->result.error = LEAT_EHELDMAX;
  e->result.response = NULL;
  own_texts(e);
  lpy_engine_mark(cell->engine, m);
  pthread_mutex_lock(&m->lock);
  bool closed = m->closed;
  if (!closed) {
    *m->done_end = cell;
    m->done_end = &cell->next_done;
  }
  pthread_mutex_unlock(&m->lock);
  if (closed) lpy_cell_drop(cell);
}

void lpy_cell_on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  lpy_cell *cell = user;
  cell->id = 0;
  cell->ending.result = *result;
  if (result->response) cell->ending.response = *result->response;
  tell_done(cell);
}

void lpy_cell_on_task_done(leat_engine *engine, leat_id id, const leat_task_update *last,
                           const leat_result *result, void *user) {
  lpy_cell *cell = user;
  cell->ending.is_task = true;
  cell->ending.update = *last;
  lpy_cell_on_done(engine, id, result, user);
}

void lpy_cell_refuse(lpy_cell *cell, int error, const char *message) {
  leat_result *r = &cell->ending.result;
  r->error = error;
  r->layer = LEAT_LAYER_API;
  r->retry_after_ms = -1;
  r->message = (leat_slice){message, strlen(message)};
  tell_done(cell);
}
