/* The answer about a job, with all of its results: where it stands is read as the engine reads it
 * (task_reply.c), what it made is collected by one walk (task_result.c) and put in order, the best
 * first and equals as they came. An address that stands in several places is told once, as far as
 * the first few are concerned.
 *
 * Stems are named URLs: {"vocalsUrl":U} is "vocals", and {"name":"drums","url":U} is what it says.
 * Timed lyrics are lines or words, with a time in seconds: {"time","text"} or {"word","start_s",
 * "end_s"}. */
#include <string.h>

#include "base/error.h"
#include "reply_read.h"
#include "task_reply.h"

#define SAME_MAX 16u /* results that a further one is compared with */

enum slot { NAME, URL, START, END, TEXT, SLOTS };

static const lti_member_name names[] = {
    LTI_MEMBER("name", NAME),    LTI_MEMBER("title", NAME),      LTI_MEMBER("type", NAME),
    LTI_MEMBER("url", URL),      LTI_MEMBER("audio_url", URL),   LTI_MEMBER("audioUrl", URL),
    LTI_MEMBER("time", START),   LTI_MEMBER("start", START),     LTI_MEMBER("start_s", START),
    LTI_MEMBER("startS", START), LTI_MEMBER("startTime", START), LTI_MEMBER("start_time", START),
    LTI_MEMBER("end", END),      LTI_MEMBER("end_s", END),       LTI_MEMBER("endS", END),
    LTI_MEMBER("endTime", END),  LTI_MEMBER("end_time", END),    LTI_MEMBER("text", TEXT),
    LTI_MEMBER("word", TEXT),    LTI_MEMBER("line", TEXT),       LTI_MEMBER("lyric", TEXT),
};

enum { NAMES = sizeof names / sizeof *names };

/* ---- results --------------------------------------------------------------------------------- */

typedef struct found {
  lti_json_text text;
  unsigned rank;
} found;

typedef struct finder {
  lti_task_sink sink; /* first */
  lti_reply *reply;
  size_t ranks[LTI_TASK_RANKS]; /* how many of each */
} finder;

static int keep_url(lti_task_sink *sink, lti_json_text text, unsigned rank) {
  finder *f = LTI_CONTAINER_OF(sink, finder, sink);
  const lti_reply_list *l = &f->reply->lists[LTI_REPLY_ITEMS];
  const found *before = l->items;
  for (size_t i = 0; i < l->count && i < SAME_MAX; i++)
    if (before[i].rank <= rank && lti_slice_equal(before[i].text.raw, text.raw)) return LTI_OK;
  found *place = lti_reply_add(f->reply, LTI_REPLY_ITEMS, sizeof *place);
  if (!place) return LEAT_ENOMEM;
  *place = (found){.text = text, .rank = rank};
  f->ranks[rank]++;
  return LTI_OK;
}

/* By rank, in time linear in their number. */
static int sort(finder *f, leat_slice *urls, size_t count) {
  lti_reply *r = f->reply;
  const found *all = r->lists[LTI_REPLY_ITEMS].items;
  size_t at = 0;
  int rc = LTI_OK;
  for (size_t i = 0; i < LTI_TASK_RANKS; i++) {
    size_t size = f->ranks[i];
    f->ranks[i] = at;
    at += size;
  }
  for (size_t i = 0; i < count && rc == LTI_OK; i++) {
    lti_member m = {.type = LTI_JSON_STRING, .text = all[i].text};
    rc = lti_reply_text(r, &m, &urls[f->ranks[all[i].rank]++]);
  }
  return rc;
}

static int tell_urls(finder *f, leat_slice first) {
  lti_reply *r = f->reply;
  size_t count = r->lists[LTI_REPLY_ITEMS].count;
  leat_slice *urls = NULL;
  if (count == 0 && first.size == 0) return LTI_OK;
  /* What only the report knows: the reason of a failure that is none. */
  size_t all = count ? count : 1;
  for (size_t i = 0; i < all; i++) {
    urls = lti_reply_add(r, LTI_REPLY_THIRD, sizeof *urls);
    if (!urls) return LEAT_ENOMEM;
  }
  urls = r->lists[LTI_REPLY_THIRD].items;
  urls[0] = first;
  int rc = count ? sort(f, urls, count) : LTI_OK;
  r->task.urls = urls;
  r->task.url_count = all;
  return rc;
}

/* ---- stems and lyrics ------------------------------------------------------------------------ */

/* "vocalsUrl" and "vocals_url" are "vocals". */
static leat_slice bare_name(leat_slice name) {
  static const char *const ends[] = {"_url", "Url", "URL"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    size_t size = strlen(ends[i]);
    if (name.size > size && lti_slice_ends(name, ends[i]))
      return lti_slice(name.data, name.size - size);
  }
  return name;
}

/* The items' list was the finder's: it is free again. */
static int add_stem(lti_reply *r, const lti_member *name, const lti_member *url) {
  leat_header stem;
  if (url->type != LTI_JSON_STRING || url->text.raw.size == 0) return LTI_OK;
  int rc = lti_reply_text(r, name, &stem.name);
  if (rc == LTI_OK) rc = lti_reply_text(r, url, &stem.value);
  if (rc != LTI_OK) return rc;
  stem.name = bare_name(stem.name);
  leat_header *place = lti_reply_add(r, LTI_REPLY_MORE, sizeof stem);
  if (place) *place = stem;
  return place ? LTI_OK : LEAT_ENOMEM;
}

static int read_stem_list(lti_reply *r, leat_slice rest) {
  leat_slice object;
  int rc = LTI_OK;
  while (rc == LTI_OK && lti_reply_next_object(&rest, &object)) {
    lti_member m[SLOTS];
    memset(m, 0, sizeof m);
    lti_member_read_text(object, names, NAMES, m);
    rc = add_stem(r, &m[NAME], &m[URL]);
  }
  return rc;
}

static int read_stems(lti_reply *r, leat_slice json) {
  lti_json one;
  lti_json_text key;
  int rc = LTI_OK;
  if (json.size == 0) return LTI_OK;
  if (*json.data == '[') {
    rc = read_stem_list(r, json);
  } else {
    lti_json_init(&one, json);
    lti_json_enter_object(&one);
    while (rc == LTI_OK && lti_json_next_key(&one, &key)) {
      lti_member url, name = {.type = LTI_JSON_STRING, .text = key};
      lti_member_take(&one, &url);
      rc = add_stem(r, &name, &url);
    }
  }
  r->task.stems = lti_reply_items(r, LTI_REPLY_MORE, &r->task.stem_count);
  return rc;
}

static int read_lines(lti_reply *r, leat_slice json) {
  leat_slice rest = json, object;
  int rc = LTI_OK;
  if (json.size == 0 || *json.data != '[') return LTI_OK;
  while (rc == LTI_OK && lti_reply_next_object(&rest, &object)) {
    lti_member m[SLOTS];
    leat_transcript_piece line = {.speaker = {"", 0}}, *place;
    memset(m, 0, sizeof m);
    lti_member_read_text(object, names, NAMES, m);
    if (m[TEXT].type != LTI_JSON_STRING) continue;
    line.start_s = lti_reply_number(&m[START], 0);
    line.end_s = lti_reply_number(&m[END], line.start_s);
    rc = lti_reply_text(r, &m[TEXT], &line.text);
    place = rc == LTI_OK ? lti_reply_add(r, LTI_REPLY_LINES, sizeof line) : NULL;
    if (!place) return LEAT_ENOMEM;
    *place = line;
  }
  r->task.lines = lti_reply_items(r, LTI_REPLY_LINES, &r->task.line_count);
  return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int copy_texts(lti_reply *r, const lti_task_report *report) {
  const leat_slice from[] = {report->id, report->status, report->error.type, report->error.code,
                             report->error.message};
  leat_slice *to[] = {&r->task.id, &r->task.status, &r->told.error.type, &r->told.error.code,
                      &r->told.error.message};
  for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
    char *kept = lti_reply_room(r, from[i].size + 1);
    if (!kept) return LEAT_ENOMEM;
    if (from[i].size) memcpy(kept, from[i].data, from[i].size);
    *to[i] = lti_slice(kept, from[i].size);
  }
  return LTI_OK;
}

static int read_results(lti_reply *r, const leat_task_form *form, leat_slice first) {
  finder f = {.sink.url = keep_url, .reply = r};
  lti_task_places places;
  lti_member m;
  int rc = LTI_OK;
  bool own = form && form->urls && lti_member_find(r->body, form->urls, &m);
  if (!lti_task_places_find(r->body, &places)) return LEAT_EDECODE;
  if (own && m.type == LTI_JSON_STRING)
    rc = keep_url(&f.sink, m.text, 0);
  else if (own)
    rc = lti_task_result_walk(m.text.raw, &f.sink);
  if (rc == LTI_OK) rc = lti_task_result_walk(places.job, &f.sink);
  if (rc == LTI_OK) rc = tell_urls(&f, first);
  bool texts = form && form->text && lti_member_find(r->body, form->text, &m);
  if (!texts && f.sink.has_text) m = (lti_member){.type = LTI_JSON_STRING, .text = f.sink.text};
  if (rc == LTI_OK && (texts || f.sink.has_text)) rc = lti_reply_text(r, &m, &r->task.text);
  if (rc == LTI_OK) rc = read_stems(r, f.sink.stems);
  return rc == LTI_OK ? read_lines(r, f.sink.lines) : rc;
}

int lti_reply_task_read(lti_reply *r, const leat_task_form *form) {
  lti_task_report report;
  lti_buf scratch;
  leat_slice first = {"", 0};
  lti_buf_init(&scratch, &r->alloc, SIZE_MAX, LEAT_ENOMEM);
  r->task.text = lti_slice("", 0);
  int rc = lti_protocol_report(form, r->body, false, &report, &scratch);
  if (rc == LEAT_EDECODE) rc = lti_protocol_report(form, r->body, true, &report, &scratch);
  if (rc == LTI_OK) rc = copy_texts(r, &report);
  if (rc == LTI_OK && report.url.size) {
    char *kept = lti_reply_room(r, report.url.size);
    if (kept) first = lti_slice(memcpy(kept, report.url.data, report.url.size), report.url.size);
    if (!kept) rc = LEAT_ENOMEM;
  }
  lti_buf_deinit(&scratch);
  if (rc != LTI_OK) return rc;
  r->task.state = report.state;
  r->task.progress = report.progress;
  r->task.not_found = report.not_found;
  r->task.busy = report.busy;
  r->told.has_error = report.error.set;
  r->told.error.code_is_number = report.error.code_is_number;
  return report.state == LEAT_TASK_FAILED ? LTI_OK : read_results(r, form, first);
}
