/* Speech to text and back. A transcript's first segment states what came, so that a client that
 * compares it has proven that nothing of its file was lost:
 *
 *     mill.mp3: 2147483648 bytes, crc32 0a1b2c3d, sha256 none.
 *
 * and each other one is a piece of the gateway's text in words alone (text.h). Speech is the bytes
 * that follow from a hash of the input, 100 for each of its bytes unless it says "mock_bytes=N". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/mock/asked.h"
#include "bench/mock/script.h"
#include "bench/mock/text.h"
#include "bench/mock/upload.h"
#include "wire/json.h"

#define SEGMENT_MS     2500u
#define SEGMENTS_MAX   1000u
#define SEGMENT_SIZE   640
#define SPEECH_START   0x73706368u
#define BYTES_PER_BYTE 100
#define SPEECH_MAX     ((uint64_t)1 << 32)
#define DELTA_BYTES    (12 * 1024u)
#define SSE_MAX        (MOCK_SCRIPT_EVENTS_MAX * (uint64_t)DELTA_BYTES - DELTA_BYTES)

enum form { FORM_JSON, FORM_TEXT, FORM_SRT, FORM_VTT, FORM_VERBOSE, FORM_DIARIZED, FORM_COUNT };

static const char *const form_names[FORM_COUNT] = {"json", "text",         "srt",
                                                   "vtt",  "verbose_json", "diarized_json"};

typedef struct transcript {
  mock_exchange *x;
  const mock_upload_part *file;
  bool translation, words, logprobs;
  enum form form;
  uint64_t seed;
  uint32_t segments;
  char language[32];
} transcript;

/* ---- segments */

static size_t write_segment(const transcript *t, uint32_t index, char *out) {
  const mock_upload_part *f = t->file;
  if (index) return mock_text_piece(t->seed | MOCK_TEXT_WORDS, index - 1, out, MOCK_TEXT_PIECE_MAX);
  return (size_t)snprintf(out, SEGMENT_SIZE,
                          "%s: %" PRIu64 " bytes, crc32 %08" PRIx32 ", sha256 %s.", f->filename,
                          f->bytes, f->crc, *f->sha256 ? f->sha256 : "none");
}

/* Segments one behind the other as one JSON string. */
static int write_string(const transcript *t, uint32_t from, uint32_t to, lti_buf *out) {
  char text[SEGMENT_SIZE];
  lti_buf plain;
  int err = 0;
  lti_buf_init(&plain, out->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  for (uint32_t i = from; i < to && !err; i++)
    err = lti_buf_append(&plain, lti_slice(text, write_segment(t, i, text)));
  if (!err) err = lti_json_write_string(out, lti_buf_slice(&plain));
  lti_buf_deinit(&plain);
  return err;
}

static int write_text(const transcript *t, lti_buf *out) {
  char text[SEGMENT_SIZE];
  int err = 0;
  for (uint32_t i = 0; i < t->segments && !err; i++)
    err = lti_buf_append(out, lti_slice(text, write_segment(t, i, text)));
  return err | lti_buf_byte(out, '\n');
}

/* ---- forms */

/* 00:01:02,500, with the mark between seconds and their parts that the form has. */
static int write_clock(lti_buf *out, uint64_t ms, char mark) {
  return lti_buf_format(out, "%02u:%02u:%02u%c%03u", (unsigned)(ms / 3600000),
                        (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60), mark,
                        (unsigned)(ms % 1000));
}

static int write_subtitles(const transcript *t, lti_buf *out) {
  bool srt = t->form == FORM_SRT;
  char text[SEGMENT_SIZE], mark = srt ? ',' : '.';
  int err = srt ? 0 : lti_buf_text(out, "WEBVTT\n\n");
  for (uint32_t i = 0; i < t->segments && !err; i++) {
    if (srt) err = lti_buf_format(out, "%u\n", i + 1);
    err |= write_clock(out, (uint64_t)i * SEGMENT_MS, mark) | lti_buf_text(out, " --> ");
    err |= write_clock(out, (uint64_t)(i + 1) * SEGMENT_MS, mark) | lti_buf_byte(out, '\n');
    err |= lti_buf_append(out, lti_slice(text, write_segment(t, i, text)));
    err |= lti_buf_text(out, "\n\n");
  }
  return err;
}

static double seconds(uint32_t segments) {
  return (double)segments * SEGMENT_MS / 1000;
}

static int write_usage(const transcript *t, lti_buf *out) {
  return lti_buf_format(out, "\"usage\":{\"type\":\"duration\",\"seconds\":%.0f}",
                        seconds(t->segments) + 0.5);
}

static int write_logprobs(const transcript *t, lti_buf *out) {
  int err = lti_buf_text(out, ",\"logprobs\":[");
  for (uint32_t i = 0; i < t->segments && !err; i++) {
    err = lti_buf_text(out, i ? ",{\"token\":" : "{\"token\":") | write_string(t, i, i + 1, out);
    err |= lti_buf_text(out, ",\"logprob\":-0.25,\"bytes\":null}");
  }
  return err | lti_buf_byte(out, ']');
}

static int write_json(const transcript *t, lti_buf *out) {
  int err = lti_buf_text(out, "{\"text\":") | write_string(t, 0, t->segments, out);
  if (t->logprobs) err |= write_logprobs(t, out);
  err |= lti_buf_byte(out, ',') | write_usage(t, out) | lti_buf_text(out, ",\"mock\":");
  return err | mock_upload_write_report(t->x->upload, out) | lti_buf_byte(out, '}');
}

static int write_verbose_segment(const transcript *t, uint32_t i, lti_buf *out) {
  int err = lti_buf_format(out, "%s{\"id\":%u,\"seek\":0,\"start\":%.2f,\"end\":%.2f,\"text\":",
                           i ? "," : "", i, seconds(i), seconds(i + 1));
  err |= write_string(t, i, i + 1, out);
  return err | lti_buf_text(out,
                            ",\"tokens\":[50364,440],\"temperature\":0.0,\"avg_logprob\":-0.25,"
                            "\"compression_ratio\":1.5,\"no_speech_prob\":0.01}");
}

/* A word for each segment is enough to try a reader with. */
static int write_words(const transcript *t, lti_buf *out) {
  int err = lti_buf_text(out, ",\"words\":[");
  for (uint32_t i = 0; i < t->segments && !err; i++) {
    err = lti_buf_text(out, i ? ",{\"word\":" : "{\"word\":") | write_string(t, i, i + 1, out);
    err |= lti_buf_format(out, ",\"start\":%.2f,\"end\":%.2f}", seconds(i), seconds(i + 1));
  }
  return err | lti_buf_byte(out, ']');
}

static int write_verbose(const transcript *t, lti_buf *out) {
  int err = lti_buf_format(out, "{\"task\":\"%s\",\"language\":\"%s\",\"duration\":%.2f,\"text\":",
                           t->translation ? "translate" : "transcribe", t->language,
                           seconds(t->segments));
  err |= write_string(t, 0, t->segments, out) | lti_buf_text(out, ",\"segments\":[");
  for (uint32_t i = 0; i < t->segments && !err; i++) err = write_verbose_segment(t, i, out);
  err |= lti_buf_byte(out, ']');
  if (t->words) err |= write_words(t, out);
  err |= lti_buf_byte(out, ',') | write_usage(t, out) | lti_buf_text(out, ",\"mock\":");
  return err | mock_upload_write_report(t->x->upload, out) | lti_buf_byte(out, '}');
}

static int write_speaker_segment(const transcript *t, uint32_t i, lti_buf *out) {
  int err = lti_buf_format(out,
                           "{\"type\":\"transcript.text.segment\",\"id\":\"seg_%u\",\"start\":%.2f,"
                           "\"end\":%.2f,\"speaker\":\"%c\",\"text\":",
                           i, seconds(i), seconds(i + 1), 'A' + (int)(i % 2));
  return err | write_string(t, i, i + 1, out) | lti_buf_byte(out, '}');
}

static int write_diarized(const transcript *t, lti_buf *out) {
  int err = lti_buf_format(
      out, "{\"task\":\"transcribe\",\"duration\":%.2f,\"text\":", seconds(t->segments));
  err |= write_string(t, 0, t->segments, out) | lti_buf_text(out, ",\"segments\":[");
  for (uint32_t i = 0; i < t->segments && !err; i++) {
    if (i) err = lti_buf_byte(out, ',');
    err |= write_speaker_segment(t, i, out);
  }
  return err | lti_buf_text(out, "],") | write_usage(t, out) | lti_buf_byte(out, '}');
}

static void reply_whole(const transcript *t) {
  static int (*const writers[FORM_COUNT])(const transcript *, lti_buf *) = {
      [FORM_JSON] = write_json,       [FORM_TEXT] = write_text,
      [FORM_SRT] = write_subtitles,   [FORM_VTT] = write_subtitles,
      [FORM_VERBOSE] = write_verbose, [FORM_DIARIZED] = write_diarized,
  };
  bool json = t->form == FORM_JSON || t->form >= FORM_VERBOSE;
  lti_buf out;
  lti_buf_init(&out, &t->x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (writers[t->form](t, &out))
    mock_conn_drop(t->x->conn);
  else
    mock_reply_fixed(t->x, 200, json ? "application/json" : "text/plain; charset=utf-8", NULL,
                     lti_buf_slice(&out));
  lti_buf_deinit(&out);
}

/* ---- streamed */

static bool write_delta(const transcript *t, mock_script *s, uint32_t i) {
  int err = lti_buf_text(&s->bytes, "data: {\"type\":\"transcript.text.delta\",\"delta\":");
  err |= write_string(t, i, i + 1, &s->bytes) | lti_buf_text(&s->bytes, "}\n\n");
  if (err || !mock_script_mark(s)) return false;
  if (t->form != FORM_DIARIZED) return true;
  err = lti_buf_text(&s->bytes, "data: ") | write_speaker_segment(t, i, &s->bytes);
  return (err | lti_buf_text(&s->bytes, "\n\n")) == 0 && mock_script_mark(s);
}

static void reply_stream(const transcript *t) {
  mock_script *s = mock_script_new(t->x);
  bool fine = s != NULL;
  for (uint32_t i = 0; i < t->segments && fine; i++) fine = write_delta(t, s, i);
  if (fine) {
    int err = lti_buf_text(&s->bytes, "data: {\"type\":\"transcript.text.done\",\"text\":");
    err |= write_string(t, 0, t->segments, &s->bytes) | lti_buf_byte(&s->bytes, ',');
    err |= write_usage(t, &s->bytes) | lti_buf_text(&s->bytes, "}\n\n");
    fine = err == 0 && mock_script_mark(s);
  }
  if (fine)
    mock_script_play(t->x, "text/event-stream");
  else
    mock_conn_drop(t->x->conn);
}

/* ---- what was asked */

/* A member of an array, which a form says as NAME[] as often as there are members. */
static bool has_member(const mock_upload *u, const char *name, const char *value) {
  for (size_t i = 0; i < mock_upload_count(u); i++) {
    const mock_upload_part *p = mock_upload_at(u, i);
    if (!p->is_file && strcmp(p->name, name) == 0 && lti_slice_is(lti_buf_slice(&p->value), value))
      return true;
  }
  return false;
}

static bool read_form(const mock_exchange *x, enum form *form) {
  char name[32] = "json";
  mock_asked_word(x, "response_format", name, sizeof name);
  for (int i = 0; i < FORM_COUNT; i++) {
    if (strcmp(name, form_names[i]) != 0) continue;
    *form = (enum form)i;
    return true;
  }
  return false;
}

static void transcribe(mock_exchange *x, bool translation) {
  transcript t = {.x = x, .translation = translation, .seed = x->plan.seed, .language = "english"};
  char model[128];
  if (!x->upload) {
    mock_asked_refuse(x, "the body must be multipart/form-data");
    return;
  }
  t.file = mock_upload_file(x->upload, "file");
  t.segments = 1 + (x->plan.events < SEGMENTS_MAX ? x->plan.events : SEGMENTS_MAX);
  t.words = has_member(x->upload, "timestamp_granularities[]", "word");
  t.logprobs = has_member(x->upload, "include[]", "logprobs");
  if (!translation) mock_asked_word(x, "language", t.language, sizeof t.language);
  if (!t.file)
    mock_asked_refuse(x, "file is required");
  else if (!mock_asked_word(x, "model", model, sizeof model))
    mock_asked_refuse(x, "model is required");
  else if (!read_form(x, &t.form) || (translation && t.form == FORM_DIARIZED))
    mock_asked_refuse(x, "response_format is not one that is known");
  else if (!translation && mock_asked_flag(x, "stream"))
    reply_stream(&t);
  else
    reply_whole(&t);
}

void mock_audio_transcribe(mock_exchange *x, const leat_slice *parts) {
  (void)parts;
  transcribe(x, false);
}

void mock_audio_translate(mock_exchange *x, const leat_slice *parts) {
  (void)parts;
  transcribe(x, true);
}

/* ---- speech */

static const char *type_of(const char *form) {
  static const char *const types[][2] = {{"mp3", "audio/mpeg"}, {"opus", "audio/opus"},
                                         {"aac", "audio/aac"},  {"flac", "audio/flac"},
                                         {"wav", "audio/wav"},  {"pcm", "audio/pcm"}};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strcmp(types[i][0], form) == 0) return types[i][1];
  return NULL;
}

static bool write_audio(mock_script *s, uint64_t seed, uint64_t at, size_t size) {
  char bytes[DELTA_BYTES];
  mock_text_bytes(seed, at, bytes, size);
  int err = lti_buf_text(&s->bytes, "data: {\"type\":\"speech.audio.delta\",\"audio\":\"");
  err |= mock_base64_write(&s->bytes, lti_slice(bytes, size));
  return (err | lti_buf_text(&s->bytes, "\"}\n\n")) == 0 && mock_script_mark(s);
}

static void stream_speech(mock_exchange *x, uint64_t seed, uint64_t size, uint32_t tokens) {
  mock_script *s = mock_script_new(x);
  bool fine = s != NULL;
  for (uint64_t at = 0; at < size && fine; at += DELTA_BYTES)
    fine = write_audio(s, seed, at, size - at < DELTA_BYTES ? (size_t)(size - at) : DELTA_BYTES);
  if (fine)
    fine = lti_buf_format(&s->bytes,
                          "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":%u,"
                          "\"output_tokens\":%u,\"total_tokens\":%u}}\n\n",
                          tokens, 2 * tokens, 3 * tokens) == 0 &&
           mock_script_mark(s);
  if (fine)
    mock_script_play(x, "text/event-stream");
  else
    mock_conn_drop(x->conn);
}

static void speak(mock_exchange *x, leat_slice input, const char *type) {
  char stream[16] = "";
  uint64_t size = input.size * BYTES_PER_BYTE;
  uint64_t seed = mock_asked_hash(SPEECH_START, input);
  bool sse =
      mock_asked_word(x, "stream_format", stream, sizeof stream) && strcmp(stream, "sse") == 0;
  mock_asked_within(input, "bytes", &size);
  if (x->plan.seed_named) seed = x->plan.seed;
  if (size > (sse ? SSE_MAX : SPEECH_MAX))
    mock_asked_refuse(x, "mock_bytes is too much");
  else if (sse)
    stream_speech(x, seed, size, mock_asked_tokens(input.size));
  else
    mock_content_send(x,
                      &(mock_content){.seed = seed, .size = size, .type = type, .endless = true});
}

void mock_audio_speak(mock_exchange *x, const leat_slice *parts) {
  char form[16] = "mp3", voice[64];
  lti_buf input;
  (void)parts;
  if (!mock_asked_valid(x)) return;
  lti_buf_init(&input, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  mock_asked_word(x, "response_format", form, sizeof form);
  if (!mock_asked_text(x, "input", &input) || !input.size)
    mock_asked_refuse(x, "input is required");
  else if (!mock_asked_word(x, "voice", voice, sizeof voice))
    mock_asked_refuse(x, "voice is required");
  else if (!type_of(form))
    mock_asked_refuse(x, "response_format is not one that is known");
  else
    speak(x, lti_buf_slice(&input), type_of(form));
  lti_buf_deinit(&input);
}
