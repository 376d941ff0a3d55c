/* Transcripts that are no JSON: plain text, SubRip and WebVTT.
 *
 *     1                                      WEBVTT
 *     00:00:01,500 --> 00:00:03,000
 *     First line                             00:01.500 --> 00:03.000 align:start
 *     and second                             <v Ann>First line
 *
 * A line with an arrow between two times begins a cue, whose text goes to the next empty line.
 * Lines end with LF, CRLF or CR. What is no cue (numbers, headers, NOTE and STYLE blocks) is passed
 * over. Cues become segments; a voice tag at the front names the speaker. Text without any cue is
 * the transcript itself. A page of HTML is neither. */
#include <string.h>

#include "base/error.h"
#include "reply_read.h"

#define HOURS_MAX 100000u

/* Takes a line off the text, without its end. */
static bool next_line(leat_slice *rest, leat_slice *line) {
  size_t size = 0;
  if (rest->size == 0) return false;
  while (size < rest->size && rest->data[size] != '\n' && rest->data[size] != '\r') size++;
  *line = lti_slice(rest->data, size);
  if (size + 1 < rest->size && rest->data[size] == '\r' && rest->data[size + 1] == '\n') size++;
  *rest = lti_slice_from(*rest, size < rest->size ? size + 1 : size);
  return true;
}

/* [HH:]MM:SS[.,]mmm; LEAT_EDECODE is a negative time. */
static double read_time(leat_slice text) {
  double seconds = 0, fraction = 1;
  uint64_t number = 0;
  bool digits = false;
  size_t i = 0;
  for (; i < text.size; i++) {
    char c = text.data[i];
    if (c >= '0' && c <= '9' && number < HOURS_MAX) {
      number = number * 10 + (uint64_t)(c - '0');
      digits = true;
    } else if (c == ':' && digits && seconds < HOURS_MAX * 60.0) {
      seconds = (seconds + (double)number) * 60;
      number = 0;
      digits = false;
    } else {
      break;
    }
  }
  if (!digits) return -1;
  seconds += (double)number;
  if (i < text.size && (text.data[i] == '.' || text.data[i] == ',')) {
    for (i++; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
      fraction /= 10;
      seconds += fraction * (text.data[i] - '0');
    }
  }
  return i == text.size ? seconds : -1;
}

/* "00:01.500 --> 00:03.000 align:start" */
static bool read_timing(leat_slice line, leat_transcript_piece *cue) {
  static const char arrow[] = "-->";
  const char *at = lti_slice_find(line, lti_slice_of(arrow));
  if (!at) return false;
  leat_slice from = lti_slice_trim(lti_slice(line.data, (size_t)(at - line.data)));
  leat_slice to = lti_slice_trim(lti_slice_from(line, (size_t)(at - line.data) + 3));
  const char *blank = to.size ? memchr(to.data, ' ', to.size) : NULL;
  if (blank) to.size = (size_t)(blank - to.data);
  cue->start_s = read_time(from);
  cue->end_s = read_time(to);
  return cue->start_s >= 0 && cue->end_s >= 0;
}

/* "<v.loud Ann>Hello</v>" */
static void read_voice(leat_transcript_piece *cue) {
  leat_slice text = cue->text;
  if (!lti_slice_starts(text, "<v ") && !lti_slice_starts(text, "<v.")) return;
  const char *end = memchr(text.data, '>', text.size);
  if (!end) return;
  const char *blank = memchr(text.data, ' ', (size_t)(end - text.data));
  if (blank) cue->speaker = lti_slice(blank + 1, (size_t)(end - blank) - 1);
  cue->text = lti_slice_from(text, (size_t)(end - text.data) + 1);
  if (lti_slice_ends(cue->text, "</v>")) cue->text.size -= 4;
}

static int read_cues(lti_reply *r, size_t *bytes) {
  leat_slice rest = r->body, line;
  while (next_line(&rest, &line)) {
    leat_transcript_piece cue = {.text = {"", 0}, .speaker = {"", 0}}, *place;
    if (!read_timing(line, &cue)) continue;
    const char *from = rest.data, *to = from;
    while (next_line(&rest, &line) && lti_slice_trim(line).size) to = line.data + line.size;
    cue.text = lti_slice(from, (size_t)(to - from));
    read_voice(&cue);
    place = lti_reply_add(r, LTI_REPLY_MORE, sizeof cue);
    if (!place) return LEAT_ENOMEM;
    *place = cue;
    *bytes += cue.text.size + 1;
  }
  return LTI_OK;
}

/* The texts of all cues, a line each. */
static int join(lti_reply *r, size_t bytes) {
  leat_transcript *t = &r->transcript;
  char *text = lti_reply_room(r, bytes), *at = text;
  if (!text) return LEAT_ENOMEM;
  for (size_t i = 0; i < t->segment_count; i++) {
    leat_slice piece = t->segments[i].text;
    if (i) *at++ = '\n';
    if (piece.size) memcpy(at, piece.data, piece.size);
    at += piece.size;
  }
  t->text = lti_slice(text, (size_t)(at - text));
  return LTI_OK;
}

static bool is_page(leat_slice body) {
  static const char *const starts[] = {"<!doctype", "<html", "<head", "<body", "<?xml"};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    size_t size = strlen(starts[i]);
    if (body.size >= size && lti_slice_is_nocase(lti_slice(body.data, size), starts[i]))
      return true;
  }
  return false;
}

int lti_reply_captions_read(lti_reply *r) {
  leat_transcript *t = &r->transcript;
  size_t bytes = 0;
  t->text = t->language = lti_slice("", 0);
  t->plain = r->body;
  if (r->body.size == 0 || is_page(r->body) || !lti_slice_is_utf8(r->body)) return LEAT_EDECODE;
  int rc = read_cues(r, &bytes);
  if (rc != LTI_OK) return rc;
  t->segments = lti_reply_items(r, LTI_REPLY_MORE, &t->segment_count);
  bool webvtt = lti_slice_starts(r->body, "WEBVTT");
  if (t->segment_count) return join(r, bytes);
  if (!webvtt) t->text = r->body;
  return LTI_OK;
}
