/* See cell.h. Callbacks allocate only when a store of the turn grows. */
#include "cell.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define CELL_MAX ((size_t)256 << 10) /* bytes of one cell in a turn, and */
#define TURN_MAX ((size_t)16 << 20)  /* of all, above which they are paused */

lno_cell *lno_cell_new(lno_engine *engine, uint32_t slot) {
  lno_cell *cell = calloc(1, sizeof *cell);
  if (!cell) return NULL;
  cell->engine = engine;
  cell->slot = slot;
  lno_upload_init(&cell->upload);
  engine->live++;
  return cell;
}

void lno_cell_free(lno_cell *cell) {
  cell->engine->live--;
  lno_upload_deinit(&cell->upload);
  lno_ending_deinit(&cell->ending);
  free(cell->message.bytes);
  free(cell);
}

/* ---- pauses */

void lno_cell_stop(lno_cell *cell) {
  cell->stopped = true;
}

static void end_pause(lno_cell *cell) {
  if (!cell->paused || cell->stopped || cell->overfull) return;
  cell->paused = false;
  leat_resume(cell->engine->engine, cell->id);
}

void lno_cell_go_on(lno_cell *cell) {
  cell->stopped = false;
  end_pause(cell);
}

void lno_cell_relieve(lno_cell *cell) {
  cell->overfull = false;
  end_pause(cell);
}

/* The answer of a callback that appended so many bytes. */
static int flow(lno_cell *cell, size_t bytes) {
  lno_engine *e = cell->engine;
  if (cell->turn != e->turns) {
    cell->turn = e->turns;
    cell->turn_bytes = 0;
  }
  cell->turn_bytes += bytes;
  lno_engine_mark(e);
  bool over = cell->turn_bytes > CELL_MAX || e->turn.held > TURN_MAX;
  if (over && !cell->overfull) {
    cell->overfull = true;
    cell->next_overfull = e->overfull;
    e->overfull = cell;
  }
  cell->paused = over || cell->stopped;
  return cell->paused ? LEAT_PAUSE : LEAT_CONTINUE;
}

static int starve(lno_cell *cell) {
  cell->starved = true;
  leat_cancel(cell->engine->engine, cell->id);
  return LEAT_CONTINUE;
}

/* ---- records */

/* The parts of an event while they are appended; `ok` is false once memory was missing. */
typedef struct writer {
  lno_turn *turn;
  int32_t *record;
  bool ok;
} writer;

static writer begin(lno_cell *cell, uint32_t kind, uint32_t choice) {
  lno_turn *turn = &cell->engine->turn;
  writer w = {turn, lno_turn_record(turn, cell, kind), false};
  if (!w.record) return w;
  w.record[LNO_WORD_CHOICE] = (int32_t)choice;
  w.ok = true;
  return w;
}

static void put(writer *w, enum lno_value_kind kind, leat_slice bytes) {
  w->ok = w->ok && lno_turn_put(w->turn, w->record, kind, bytes);
}

static void put_stamps(writer *w, uint64_t received_ns, uint64_t segment_ns) {
  if (!w->record) return;
  w->record[LNO_WORD_NS_LOW] = (int32_t)(uint32_t)received_ns;
  w->record[LNO_WORD_NS_HIGH] = (int32_t)(uint32_t)(received_ns >> 32);
  if (segment_ns && segment_ns <= received_ns && received_ns - segment_ns <= INT32_MAX)
    w->record[LNO_WORD_LAG] = (int32_t)(received_ns - segment_ns);
}

/* Names and values joined by line ends, which no field may have. */
static void put_head(writer *w, const leat_head *head) {
  lno_store joined = {NULL, 0, 0};
  if (!w->ok) return;
  w->record[LNO_WORD_CHOICE] = (int32_t)head->status;
  for (size_t i = 0; i < head->header_count; i++)
    joined.room += head->headers[i].name.size + head->headers[i].value.size + 2;
  w->ok = (joined.bytes = malloc(joined.room + 1)) != NULL;
  for (size_t i = 0; w->ok && i < 2 * head->header_count; i++) {
    const leat_header *field = &head->headers[i / 2];
    leat_slice part = i % 2 ? field->value : field->name;
    if (part.size) memcpy(joined.bytes + joined.size, part.data, part.size);
    joined.size += part.size;
    joined.bytes[joined.size++] = '\n';
  }
  put(w, LNO_VALUE_LATIN1, (leat_slice){joined.bytes, joined.size});
  free(joined.bytes);
}

static void put_media(writer *w, const leat_media *media) {
  if (!w->ok) return;
  w->record[LNO_WORD_AT] = media->partial;
  put(w, LNO_VALUE_UTF8, media->data);
  put(w, LNO_VALUE_UTF8, media->url);
  put(w, LNO_VALUE_UTF8, media->mime_type);
  put(w, LNO_VALUE_UTF8, media->transcript);
  put(w, LNO_VALUE_UTF8, media->id);
}

static void put_call(writer *w, const leat_tool_call *call) {
  if (!w->ok) return;
  w->record[LNO_WORD_AT] = (int32_t)call->index;
  put(w, LNO_VALUE_UTF8, call->id);
  put(w, LNO_VALUE_UTF8, call->name);
  put(w, LNO_VALUE_UTF8, call->arguments);
}

static void put_text(writer *w, leat_slice text) {
  w->ok = w->ok && lno_turn_put_text(w->turn, w->record, text);
}

static void put_bytes(writer *w, leat_slice bytes) {
  w->ok = w->ok && lno_turn_put_bytes(w->turn, w->record, bytes);
}

static void put_parts(writer *w, const leat_event *event) {
  switch (event->kind) {
    case LEAT_EVENT_HEAD: put_head(w, &event->head); return;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: put_media(w, &event->media); return;
    case LEAT_EVENT_TOOL_CALL: put_call(w, &event->tool_call); return;
    case LEAT_EVENT_USAGE:
      put(w, LNO_VALUE_NUMBERS, (leat_slice){(const char *)&event->usage, sizeof event->usage});
      return;
    case LEAT_EVENT_FINISH: put_text(w, event->finish_reason); return;
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL:
    case LEAT_EVENT_SIGNATURE: put_text(w, event->text); return;
    case LEAT_EVENT_RAW:
    case LEAT_EVENT_REPLY: put_bytes(w, event->text); return;
  }
}

/* Behind a text in the joined string the extras begin with these, behind another kind's values
 * they go on with these. */
static void put_rest(writer *w, const leat_event *event) {
  if (event->kind == LEAT_EVENT_RAW || event->kind == LEAT_EVENT_REPLY) return;
  if (event->logprobs.size) {
    put(w, LNO_VALUE_UTF8, event->logprobs);
    if (w->record) w->record[LNO_WORD_KIND] |= LNO_HAS_LOGPROBS;
  }
  if (event->finish_detail.size) {
    put(w, LNO_VALUE_UTF8, event->finish_detail);
    if (w->record) w->record[LNO_WORD_KIND] |= LNO_HAS_DETAIL;
  }
}

static size_t size_of(const leat_event *event) {
  size_t size = LNO_WORDS * sizeof(int32_t) + event->logprobs.size;
  switch (event->kind) {
    case LEAT_EVENT_TOOL_CALL: return size + event->tool_call.arguments.size;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO: return size + event->media.data.size;
    case LEAT_EVENT_HEAD:
    case LEAT_EVENT_USAGE:
    case LEAT_EVENT_FINISH: return size;
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL:
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_RAW:
    case LEAT_EVENT_REPLY: return size + event->text.size;
  }
  return size;
}

int lno_cell_on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)engine, (void)id;
  lno_cell *cell = user;
  if (event->kind == LEAT_EVENT_RAW && cell->raw &&
      lno_turn_extend(&cell->engine->turn, cell, LEAT_EVENT_RAW, event->text))
    return flow(cell, event->text.size);
  writer w = begin(cell, (uint32_t)event->kind, event->choice);
  put_stamps(&w, event->received_ns, event->segment_ns);
  if (w.record) w.record[LNO_WORD_ATTEMPT] = (int32_t)event->attempt;
  put_parts(&w, event);
  put_rest(&w, event);
  return w.ok ? flow(cell, size_of(event)) : starve(cell);
}

int lno_cell_on_content(leat_engine *engine, leat_id id, uint64_t offset, leat_slice bytes,
                        void *user) {
  (void)engine, (void)id, (void)offset;
  lno_cell *cell = user;
  /* A task's content cannot pause: whoever reads it into memory bounds it there. */
  if (lno_turn_extend(&cell->engine->turn, cell, LNO_RECORD_CONTENT, bytes)) return 0;
  writer w = begin(cell, LNO_RECORD_CONTENT, 0);
  put_bytes(&w, bytes);
  lno_engine_mark(cell->engine);
  return w.ok ? 0 : LEAT_ENOMEM;
}

int lno_cell_put_text(lno_cell *cell, uint32_t kind, uint32_t choice, leat_slice text) {
  writer w = begin(cell, kind, choice);
  put_text(&w, text);
  return w.ok ? flow(cell, text.size) : starve(cell);
}

int lno_cell_put_bytes(lno_cell *cell, uint32_t kind, uint32_t choice, leat_slice bytes) {
  writer w = begin(cell, kind, choice);
  put_bytes(&w, bytes);
  return w.ok ? flow(cell, bytes.size) : starve(cell);
}

void lno_cell_tell_room(lno_cell *cell) {
  writer w = begin(cell, LNO_RECORD_ROOM, 0);
  lno_engine_mark(cell->engine);
  if (!w.ok) starve(cell);
}

void lno_cell_on_update(leat_engine *engine, leat_id id, const leat_task_update *update,
                        void *user) {
  (void)engine, (void)id;
  lno_cell *cell = user;
  int64_t numbers[] = {(int64_t)update->state, update->progress, (int64_t)update->polls,
                       (int64_t)update->bytes};
  writer w = begin(cell, LNO_RECORD_UPDATE, 0);
  put_stamps(&w, update->received_ns, 0);
  put(&w, LNO_VALUE_NUMBERS, (leat_slice){(const char *)numbers, sizeof numbers});
  put(&w, LNO_VALUE_UTF8, update->task_id);
  put(&w, LNO_VALUE_UTF8, update->status);
  put(&w, LNO_VALUE_UTF8, update->url);
  put(&w, LNO_VALUE_UTF8, update->error_code);
  put(&w, LNO_VALUE_UTF8, update->error_message);
  put(&w, LNO_VALUE_BYTES, update->raw);
  lno_engine_mark(cell->engine);
  if (!w.ok) starve(cell);
}

/* ---- endings */

static void tell_done(lno_cell *cell) {
  lno_engine *e = cell->engine;
  if (cell->starved) cell->ending.result.error = LEAT_ENOMEM;
  lno_ending_own(&cell->ending);
  e->cells[cell->slot] = NULL;
  *e->turn.done_end = cell;
  e->turn.done_end = &cell->next_done;
  lno_engine_mark(e);
}

void lno_cell_on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  lno_cell *cell = user;
  cell->ending.result = *result;
  if (result->response) cell->ending.response = *result->response;
  tell_done(cell);
}

void lno_cell_on_task_done(leat_engine *engine, leat_id id, const leat_task_update *last,
                           const leat_result *result, void *user) {
  lno_cell *cell = user;
  cell->ending.is_task = true;
  cell->ending.update = *last;
  lno_cell_on_done(engine, id, result, user);
}
