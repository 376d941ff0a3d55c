/* The memo: records of one stream are alike but for their text, and most are read by that.
 *
 *     {"id":"c-1","model":"m","choices":[{"index":0,"delta":{"content":"  tok  "}}]}
 *     |------------------------ before ------------------------------||-text-||behind|
 *
 * When a record was read member by member and turned out to be one piece of text and nothing that
 * was new, its bytes before and behind that text are kept. If the next record begins and ends with
 * the same bytes, and what stands between is the inside of one JSON string, then a JSON reader
 * would find the same members with the same values and another text, and would leave the decoder as
 * it is: so the text is emitted at once. The string is read and decoded by the same functions as in
 * any other record, escapes, halves of surrogates and invalid UTF-8 included.
 *
 * Whatever has to be read member by member takes the memo out of use, until a record like the
 * first one has come again: nothing that happens between two records can make it wrong. It is made
 * when a stream has shown that it is a long one; a stream whose records are never alike (a time or
 * padding in each) loses its memo for good. */
#include <string.h>

#include "openai.h"

#define BYTES_MAX 512 /* before and behind the text together */
#define VAIN_MAX  16  /* memos made in a row of which none served */

struct lti_openai_memo {
  uint32_t index; /* of the choice */
  uint16_t before, behind, room;
  uint8_t channel; /* enum lti_openai_channel */
  uint8_t vain;
  bool valid;
  char bytes[]; /* before, behind */
};

void lti_openai_memo_begin(lti_openai *d, lti_openai_note *note) {
  memset(note, 0, sizeof *note);
  d->news = false;
  if (d->memo) d->memo->valid = false;
}

void lti_openai_memo_note(lti_openai_note *note, const lti_openai_piece *piece) {
  const lti_json_text *thought = &piece->reasoning_content, *text = &piece->content;
  if (thought->raw.size == 0) thought = &piece->reasoning;
  if (text->raw.size == 0) text = &piece->text;
  bool thinks = thought->raw.size > 0;
  size_t more = piece->finish.raw.size + piece->refusal.raw.size + piece->logprobs.size +
                piece->parts.size + piece->tools.size + piece->function.size + piece->audio.size +
                piece->images.size + (thinks ? text->raw.size : 0);
  note->plain = note->pieces++ == 0 && more == 0 && !piece->whole;
  note->index = (uint32_t)piece->index;
  note->channel = thinks ? LTI_OPENAI_REASONING : LTI_OPENAI_TEXT;
  note->text = thinks ? thought->raw : text->raw;
}

/* Room for `size` bytes; NULL: there will be no memo, which is only slower. */
static lti_openai_memo *reserve(lti_openai *d, size_t size) {
  lti_openai_memo *m = d->memo;
  if (m && m->room >= size) return m;
  m = lti_alloc_grow(d->alloc, m, m ? sizeof *m + m->room : 0, sizeof *m + size);
  if (!m) return NULL;
  if (!d->memo) m->vain = 0;
  m->room = (uint16_t)size;
  return d->memo = m;
}

void lti_openai_memo_keep(lti_openai *d, leat_slice record, const lti_openai_note *note) {
  if (!note->plain || note->text.size == 0 || d->news || d->varied) return;
  if (d->plain < LTI_OPENAI_MEMO_AFTER) {
    d->plain++;
    return;
  }
  size_t before = (size_t)(note->text.data - record.data);
  size_t behind = record.size - before - note->text.size;
  if (before + behind > BYTES_MAX) return;
  lti_openai_memo *m = reserve(d, before + behind);
  if (!m) return;
  if (++m->vain > VAIN_MAX) {
    d->varied = true;
    lti_openai_memo_free(d);
    return;
  }
  m->index = note->index;
  m->channel = (uint8_t)note->channel;
  m->before = (uint16_t)before;
  m->behind = (uint16_t)behind;
  memcpy(m->bytes, record.data, before);
  memcpy(m->bytes + before, note->text.data + note->text.size, behind);
  m->valid = true;
}

bool lti_openai_memo_read(lti_openai *d, leat_slice record, lti_emit *emit, int *rc) {
  lti_openai_memo *m = d->memo;
  if (!m || !m->valid || record.size <= (size_t)m->before + m->behind) return false;
  const char *behind = record.data + record.size - m->behind;
  if (memcmp(record.data, m->bytes, m->before) != 0 ||
      memcmp(behind, m->bytes + m->before, m->behind) != 0)
    return false;
  /* With the quotes, which are the last byte before and the first behind. */
  const char *quote = record.data + m->before - 1;
  lti_json r;
  lti_json_text text;
  lti_json_init(&r, lti_slice(quote, (size_t)(behind - quote) + 1));
  if (!lti_json_string(&r, &text) || text.raw.data + text.raw.size != behind) return false;
  lti_openai_out o = {.d = d, .emit = emit};
  bool opened;
  m->vain = 0;
  d->by_memo = true;
  d->had_choices = true;
  d->whole = false;
  *rc = lti_openai_piece_choice(d, m->index, &o.choice, &opened);
  if (*rc == LTI_OK) *rc = lti_openai_piece_text(&o, (enum lti_openai_channel)m->channel, text);
  return true;
}

void lti_openai_memo_free(lti_openai *d) {
  lti_alloc_put(d->alloc, d->memo);
  d->memo = NULL;
}
