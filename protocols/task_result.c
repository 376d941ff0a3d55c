/* The results of a job, wherever they stand: one walk over its JSON, without recursion.
 *
 * Gateways wrap what their upstream said in an object of their own, upstreams wrap their results in
 * objects and arrays of their own, and each calls a URL differently:
 *
 *     {"result_url":U}  {"metadata":{"url":U}}  {"content":{"video_url":U}}
 *     {"data":{"data":{"task_result":{"videos":[{"url":U}]}}}}  {"data":[{"audio_url":U}, ...]}
 *
 * So a table says which members are URLs, which are to be entered, and how good what stands there
 * is. What a member is called decides, not where it is; each `data` that is entered puts its
 * contents one step behind. What is in no table, or too deep, is passed over: prompts and settings
 * that are sent back hold URLs too. */
#include <string.h>

#include "task_reply.h"

#define DEPTH_MAX 12
#define DATA_STEP 48u /* in ranks, for each `data` that was entered */

/* URL: a string is one; SOME: a string is one if it looks like it, others are entered; META: the
 * same, for an object in which only some members count; STEMS and LINES are noted as they are. */
enum kind { URL, SOME, DATA, META, TEXT, STEMS, LINES };

#define KNOWN(name, kind, rank) \
  { (name), sizeof(name) - 1, (rank), (kind) }

static const struct {
  const char *name;
  unsigned char size, rank;
  enum kind kind;
} known[] = {
    KNOWN("result_url", URL, 0),
    KNOWN("resultUrl", URL, 0),
    KNOWN("metadata", META, 1),
    KNOWN("url", URL, 2),
    KNOWN("audio_url", URL, 3),
    KNOWN("audioUrl", URL, 3),
    KNOWN("video_url", URL, 4),
    KNOWN("videoUrl", URL, 4),
    KNOWN("wav_url", URL, 5),
    KNOWN("wavUrl", URL, 5),
    KNOWN("midi_url", URL, 5),
    KNOWN("midiUrl", URL, 5),
    KNOWN("file_url", URL, 5),
    KNOWN("download_url", URL, 5),
    KNOWN("downloadUrl", URL, 5),
    KNOWN("imageUrl", URL, 6),
    KNOWN("image_large_url", URL, 7),
    KNOWN("image_url", URL, 8),
    KNOWN("cover_url", URL, 9),
    KNOWN("last_frame_url", URL, 9),
    KNOWN("content", SOME, 2),
    KNOWN("task_result", SOME, 2),
    KNOWN("creations", SOME, 2),
    KNOWN("video", SOME, 3),
    KNOWN("videos", SOME, 3),
    KNOWN("videoUrls", SOME, 5),
    KNOWN("video_urls", SOME, 5),
    KNOWN("audio", SOME, 3),
    KNOWN("audios", SOME, 3),
    KNOWN("audio_urls", SOME, 3),
    KNOWN("clips", SOME, 3),
    KNOWN("songs", SOME, 3),
    KNOWN("image_urls", SOME, 7),
    KNOWN("imageUrls", SOME, 7),
    KNOWN("images", SOME, 7),
    KNOWN("output", SOME, 3),
    KNOWN("outputs", SOME, 3),
    KNOWN("result", SOME, 3),
    KNOWN("results", SOME, 3),
    KNOWN("urls", SOME, 3),
    KNOWN("data", DATA, 3),
    KNOWN("lyrics", TEXT, 0),
    KNOWN("lyric", TEXT, 0),
    KNOWN("text", TEXT, 0),
    KNOWN("stems", STEMS, 0),
    KNOWN("alignedLyrics", LINES, 0),
    KNOWN("aligned_lyrics", LINES, 0),
    KNOWN("aligned_words", LINES, 0),
    KNOWN("alignedWords", LINES, 0),
    KNOWN("timed_lyrics", LINES, 0),
};

enum { COUNT = sizeof known / sizeof *known };

/* An open container. */
typedef struct frame {
  bool object, meta;
  unsigned base, rank; /* of what lies inside: added to its own, or its own without a name */
} frame;

typedef struct walk {
  lti_json r;
  lti_task_sink *sink;
  frame open[DEPTH_MAX];
  size_t depth;
} walk;

bool lti_task_result_is_url(leat_slice text) {
  static const char *const starts[] = {"https:", "http:", "data:", "/"};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
    if (lti_slice_starts(text, starts[i])) return true;
  return false;
}

static int take_url(walk *w, unsigned rank, bool surely) {
  lti_json_text text;
  if (!lti_json_string(&w->r, &text) || text.raw.size == 0) return LTI_OK;
  if (!surely && !lti_task_result_is_url(text.raw)) return LTI_OK;
  return w->sink->url(w->sink, text, rank < LTI_TASK_RANKS ? rank : LTI_TASK_RANKS - 1);
}

static void enter(walk *w, enum lti_json_type type, frame inside) {
  bool in = w->depth < DEPTH_MAX &&
            (type == LTI_JSON_OBJECT ? lti_json_enter_object(&w->r) : lti_json_enter_array(&w->r));
  inside.object = type == LTI_JSON_OBJECT;
  if (in) w->open[w->depth++] = inside;
}

static void take_text(walk *w) {
  lti_json_text text;
  lti_task_sink *sink = w->sink;
  if (sink->has_text || !lti_json_string(&w->r, &text) || text.raw.size == 0) return;
  sink->text = text;
  sink->has_text = true;
}

static void note(walk *w, enum lti_json_type type, leat_slice *where) {
  leat_slice value;
  bool container = type == LTI_JSON_OBJECT || type == LTI_JSON_ARRAY;
  if (lti_json_raw(&w->r, &value) && container && where->size == 0) *where = value;
}

/* One member whose name is known. */
static int take_member(walk *w, size_t i, const frame *in) {
  enum lti_json_type type = lti_json_peek(&w->r);
  frame inside = {.base = in->base, .rank = in->base + known[i].rank};
  switch (known[i].kind) {
    case URL: return take_url(w, inside.rank, true);
    case TEXT: return take_text(w), LTI_OK;
    case STEMS: return note(w, type, &w->sink->stems), LTI_OK;
    case LINES: return note(w, type, &w->sink->lines), LTI_OK;
    case META: inside.meta = true; break;
    case DATA: inside.base += DATA_STEP; break;
    case SOME: break;
  }
  if (type == LTI_JSON_STRING) return take_url(w, inside.rank, false);
  if (type == LTI_JSON_OBJECT || type == LTI_JSON_ARRAY) enter(w, type, inside);
  return LTI_OK;
}

static size_t find(lti_json_text key) {
  size_t i = 0;
  if (key.escaped) {
    while (i < COUNT && !lti_json_escaped_is(key, lti_slice(known[i].name, known[i].size))) i++;
    return i;
  }
  while (i < COUNT &&
         (key.raw.size != known[i].size || memcmp(key.raw.data, known[i].name, known[i].size) != 0))
    i++;
  return i;
}

/* The next member or element of the innermost container. */
static int step(walk *w) {
  frame *in = &w->open[w->depth - 1];
  lti_json_text key;
  if (in->object) {
    if (!lti_json_next_key(&w->r, &key)) return w->depth--, LTI_OK;
    size_t i = find(key);
    bool counts = i < COUNT && (!in->meta || known[i].rank <= 2);
    if (counts && in->meta && known[i].kind != URL) counts = false;
    return counts ? take_member(w, i, in) : LTI_OK;
  }
  if (!lti_json_next_value(&w->r)) return w->depth--, LTI_OK;
  enum lti_json_type type = lti_json_peek(&w->r);
  if (type == LTI_JSON_STRING) return take_url(w, in->rank, false);
  if (type == LTI_JSON_OBJECT || type == LTI_JSON_ARRAY) enter(w, type, *in);
  return LTI_OK;
}

int lti_task_result_walk(leat_slice job, lti_task_sink *sink) {
  walk w = {.sink = sink};
  int rc = LTI_OK;
  lti_json_init(&w.r, job);
  enum lti_json_type type = lti_json_peek(&w.r);
  if (type == LTI_JSON_OBJECT || type == LTI_JSON_ARRAY) enter(&w, type, (frame){.rank = 3});
  while (rc == LTI_OK && w.depth && !lti_json_failed(&w.r)) rc = step(&w);
  return rc;
}
