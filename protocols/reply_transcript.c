/* Transcripts and translations in JSON: {"text"}, and with times {"language","duration","segments":
 * [{"start","end","text","speaker"}],"words":[{"word","start","end"}]}. A duration may stand in the
 * usage instead: {"type":"duration","seconds":5}. Text that is no JSON is read in
 * reply_captions.c. */
#include <string.h>

#include "base/error.h"
#include "reply_read.h"

enum slot { START, END, TEXT, SPEAKER, SECONDS, SLOTS };

static const lti_member_name names[] = {
    LTI_MEMBER("start", START),     LTI_MEMBER("start_time", START),
    LTI_MEMBER("end", END),         LTI_MEMBER("end_time", END),
    LTI_MEMBER("text", TEXT),       LTI_MEMBER("word", TEXT),
    LTI_MEMBER("speaker", SPEAKER), LTI_MEMBER("speaker_id", SPEAKER),
    LTI_MEMBER("seconds", SECONDS),
};

enum { NAMES = sizeof names / sizeof *names };

static int read_piece(lti_reply *r, leat_slice object, enum lti_reply_lists list) {
  lti_member m[SLOTS];
  leat_transcript_piece piece;
  memset(m, 0, sizeof m);
  lti_member_read_text(object, names, NAMES, m);
  if (m[TEXT].type != LTI_JSON_STRING) return LTI_OK;
  piece.start_s = lti_reply_number(&m[START], 0);
  piece.end_s = lti_reply_number(&m[END], piece.start_s);
  int rc = lti_reply_text(r, &m[TEXT], &piece.text);
  if (rc == LTI_OK) rc = lti_reply_text(r, &m[SPEAKER], &piece.speaker);
  leat_transcript_piece *place = rc == LTI_OK ? lti_reply_add(r, list, sizeof piece) : NULL;
  if (place) *place = piece;
  return place ? LTI_OK : LEAT_ENOMEM;
}

static int read_pieces(lti_reply *r, const lti_member *m, enum lti_reply_lists list) {
  leat_slice rest = m->text.raw, object;
  int rc = LTI_OK;
  if (!lti_reply_is_list(m)) return LTI_OK;
  while (rc == LTI_OK && lti_reply_next_object(&rest, &object)) rc = read_piece(r, object, list);
  return rc;
}

int lti_reply_transcript_read(lti_reply *r, const lti_member *root) {
  leat_transcript *t = &r->transcript;
  lti_member usage[SLOTS];
  const lti_member *segments = &root[LTI_ROOT_SEGMENTS], *words = &root[LTI_ROOT_WORDS];
  bool known = root[LTI_ROOT_TEXT].type == LTI_JSON_STRING || lti_reply_is_list(segments) ||
               lti_reply_is_list(words);
  t->text = t->language = t->plain = lti_slice("", 0);
  if (r->array || !known) return LEAT_EDECODE;
  memset(usage, 0, sizeof usage);
  if (root[LTI_ROOT_USAGE].type == LTI_JSON_OBJECT)
    lti_member_read_text(root[LTI_ROOT_USAGE].text.raw, names, NAMES, usage);
  t->duration_s = lti_reply_number(&root[LTI_ROOT_DURATION], lti_reply_number(&usage[SECONDS], -1));
  int rc = lti_reply_text(r, &root[LTI_ROOT_TEXT], &t->text);
  if (rc == LTI_OK) rc = lti_reply_text(r, &root[LTI_ROOT_LANGUAGE], &t->language);
  if (rc == LTI_OK) rc = read_pieces(r, segments, LTI_REPLY_MORE);
  if (rc == LTI_OK) rc = read_pieces(r, words, LTI_REPLY_THIRD);
  t->segments = lti_reply_items(r, LTI_REPLY_MORE, &t->segment_count);
  t->words = lti_reply_items(r, LTI_REPLY_THIRD, &t->word_count);
  return rc;
}
