/* What the two dialects of OpenAI's completions share, private to protocols/: the decoder, since a
 * chat chunk, a text chunk and their whole answers differ in one member only, and the writer of
 * request bodies. openai_read.c reads records, openai_piece.c makes events of one choice in a
 * record, openai_tool.c of its tool calls and media; openai_memo.c reads records that are like the
 * one before; openai_keys.c and openai_usage.c are leaves. openai_write.c is the writer. */
#ifndef LTI_OPENAI_H
#define LTI_OPENAI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "protocol.h"
#include "wire/json.h"

#define LTI_OPENAI_CHOICES_MAX 128
#define LTI_OPENAI_TOOLS_MAX   512
#define LTI_OPENAI_META_MAX    256 /* bytes kept of id, model ... */
#define LTI_OPENAI_TEXT_MAX    ((size_t)256 << 20)

/* ---- decoding -------------------------------------------------------------------------------- */

enum lti_openai_channel { LTI_OPENAI_TEXT = 0, LTI_OPENAI_REASONING, LTI_OPENAI_REFUSAL };

typedef struct lti_openai_choice {
  uint32_t index;
  lti_json_half halves[3]; /* by channel */
  bool finished;
} lti_openai_choice;

/* A tool call is known by its choice and index; the id's hash serves those who send no index. */
typedef struct lti_openai_tool {
  uint32_t choice, index;
  uint64_t id_hash;
  lti_json_half half; /* of the arguments */
  bool has_id, has_name;
} lti_openai_tool;

/* What most streams never need. */
typedef struct lti_openai_rare {
  lti_openai_choice *choices; /* behind the first */
  lti_openai_tool *tools;
  uint32_t choice_count, choice_room, tool_count, tool_room;
  lti_buf names; /* decoded short texts beside one in scratch */
  lti_buf error_text;
  lti_provider_error error;
  bool stray; /* the error stood outside the framing: it counts when nothing better came */
} lti_openai_rare;

/* How the last record looked, see openai_memo.c. */
typedef struct lti_openai_memo {
  uint64_t print;          /* of the bytes before and behind its text */
  uint32_t index;          /* of the choice */
  uint16_t before, behind; /* how many they are; 0 behind: there is no memo */
  uint8_t channel;         /* enum lti_openai_channel */
  uint8_t vain;            /* memos in a row of which none served */
} lti_openai_memo;

/* The decoder's state for one stream. What a record that is read by the memo touches comes first,
 * on one line of the cache: streams are many, and each of them is cold when its next event comes.
 */
typedef struct lti_openai {
  lti_openai_memo memo;
  bool ended;
  bool had_choices; /* the last record had some */
  bool whole;       /* the last choice came as `message`, not as `delta` */
  bool news;        /* the record under way changed `response` */
  bool by_memo;     /* a record was read by the memo: for who counts them */
  bool varied;      /* no two records are alike: there will be no memo */
  uint16_t meta_size, meta_room;
  lti_openai_choice first;
  uint32_t choice_count, unfinished;
  lti_openai_rare *rare;
  lti_buf *scratch; /* the text of the event under way where it had escapes */
  lti_alloc *alloc;
  char *meta; /* what the slices of `response` view */
  leat_response response;
} lti_openai;

void lti_openai_init(void *decoder, lti_alloc *alloc, lti_buf *scratch);
void lti_openai_deinit(void *decoder);
int lti_openai_record(void *decoder, leat_slice type, leat_slice data, lti_emit *emit);
int lti_openai_stray(void *decoder, leat_slice text, lti_emit *emit);
int lti_openai_body(void *decoder, leat_slice json, lti_emit *emit);
int lti_openai_flush(void *decoder, lti_emit *emit);
void lti_openai_verdict(void *decoder, lti_verdict *verdict);
const leat_response *lti_openai_response(const void *decoder);

/* The rare part, made at the first call; NULL without memory. */
lti_openai_rare *lti_openai_rarely(lti_openai *d);
/* Behind a record: gives back what scratch memory a large one took. */
void lti_openai_settle(lti_openai *d);
/* Keeps a text of the response as a whole, if it says something new. */
int lti_openai_meta(lti_openai *d, leat_slice *field, lti_json_text text);
/* Keeps the error that `json` holds, if it holds one; with `plain`, text that is no object is. */
int lti_openai_error(lti_openai *d, leat_slice json, bool plain, bool *found);

/* One element of `choices`, read to its end before anything of it is emitted, since `index` may
 * come last and a duplicate member replaces the one before. Missing and null ones are empty. */
typedef struct lti_openai_piece {
  int64_t index;
  lti_json_text text, content, reasoning, reasoning_content, refusal, role, finish;
  leat_slice logprobs, parts, tools, function, audio, images, usage; /* JSON */
  bool whole;                                                        /* it has a `message` */
} lti_openai_piece;

/* Where the events of one piece go, and what they share. */
typedef struct lti_openai_out {
  lti_openai *d;
  lti_emit *emit;
  lti_openai_choice *choice;
  leat_slice logprobs;  /* of the next text or refusal */
  lti_json_text detail; /* of the next finish; empty: none */
  bool sent;
} lti_openai_out;

/* Reads the coming value into `piece`. */
void lti_openai_piece_read(lti_json *r, lti_openai_piece *piece);
/* What it says becomes events. */
int lti_openai_piece_emit(lti_openai *d, const lti_openai_piece *piece, lti_emit *emit);
/* Finds or makes a choice. */
int lti_openai_piece_choice(lti_openai *d, uint32_t index, lti_openai_choice **choice,
                            bool *opened);
/* The choice is complete, and says why it ended. */
int lti_openai_piece_finish(lti_openai_out *o, lti_json_text reason);
/* Hands out the halves that one choice holds. */
int lti_openai_piece_flush(lti_openai *d, lti_openai_choice *choice, lti_emit *emit);
/* One text event; none for a text of no character. */
int lti_openai_piece_text(lti_openai_out *o, enum lti_openai_channel channel, lti_json_text text);
int lti_openai_out_event(lti_openai_out *o, leat_event *event);
/* The coming value as an index: false when it is a number that is none; missing ones stay. */
bool lti_openai_index(lti_json *r, int64_t *index);

/* What a record read member by member was made of, as far as a memo cares; a view of it. */
typedef struct lti_openai_note {
  leat_slice text; /* between the quotes */
  uint32_t pieces, index;
  enum lti_openai_channel channel;
  bool plain; /* the one piece is this text, and nothing else */
} lti_openai_note;

/* Reads a record by the memo: false when it is not like the one before. `*rc` as
 * lti_openai_record. */
bool lti_openai_memo_read(lti_openai *d, leat_slice record, lti_emit *emit, int *rc);
/* A record is being read member by member: before the first, behind each piece, and, when it held
 * nothing but choices and what all records repeat, behind its end. */
void lti_openai_memo_begin(lti_openai *d, lti_openai_note *note);
void lti_openai_memo_note(lti_openai_note *note, const lti_openai_piece *piece);
void lti_openai_memo_keep(lti_openai *d, leat_slice record, const lti_openai_note *note);

/* A fragment of a tool call as it was sent. */
typedef struct lti_openai_call {
  int64_t index; /* -1: missing */
  bool bad_index;
  lti_json_text id, name, arguments;
} lti_openai_call;

/* Of an id: to tell apart, not to hide. */
uint64_t lti_openai_hash(leat_slice bytes);
int lti_openai_call_emit(lti_openai_out *o, const lti_openai_call *c);
/* The JSON array `tool_calls`, or the older object `function_call`. */
int lti_openai_tools_emit(lti_openai_out *o, leat_slice calls);
int lti_openai_function_emit(lti_openai_out *o, leat_slice call);
int lti_openai_tools_flush(lti_openai_out *o);
/* The JSON object `audio`. */
int lti_openai_audio_emit(lti_openai_out *o, leat_slice audio);
/* Media with base64 data, an id and a transcript: each may be empty. With `half` it is a piece of a
 * transcript without data, and no event when no whole character is in it. */
typedef struct lti_openai_media {
  enum leat_event_kind kind;
  leat_slice mime_type;
  lti_json_text data, id, transcript;
  lti_json_half *half;
} lti_openai_media;

int lti_openai_media_emit(lti_openai_out *o, const lti_openai_media *m);
/* The JSON array `images`, or one of content parts: texts and images. */
int lti_openai_parts_emit(lti_openai_out *o, leat_slice parts);

/* Members that records are made of, by number: in the order of their sizes, and of one size the
 * frequent ones first. */
enum lti_openai_key {
  LTI_KEY_OTHER = 0,
  LTI_KEY_ID,
  LTI_KEY_MSG,
  LTI_KEY_URL,
  LTI_KEY_ROLE,
  LTI_KEY_TEXT,
  LTI_KEY_NAME,
  LTI_KEY_TYPE,
  LTI_KEY_CODE,
  LTI_KEY_DATA,
  LTI_KEY_DELTA,
  LTI_KEY_INDEX,
  LTI_KEY_MODEL,
  LTI_KEY_USAGE,
  LTI_KEY_ERROR,
  LTI_KEY_AUDIO,
  LTI_KEY_INPUT,
  LTI_KEY_OBJECT,
  LTI_KEY_CUSTOM,
  LTI_KEY_DETAIL,
  LTI_KEY_IMAGES,
  LTI_KEY_X_GROQ,
  LTI_KEY_CHOICES,
  LTI_KEY_CONTENT,
  LTI_KEY_CREATED,
  LTI_KEY_MESSAGE,
  LTI_KEY_REFUSAL,
  LTI_KEY_SUCCESS,
  LTI_KEY_LOGPROBS,
  LTI_KEY_FUNCTION,
  LTI_KEY_ARGUMENTS,
  LTI_KEY_REASONING,
  LTI_KEY_IMAGE_URL,
  LTI_KEY_TOOL_CALLS,
  LTI_KEY_TRANSCRIPT,
  LTI_KEY_DESCRIPTION,
  LTI_KEY_SERVICE_TIER,
  LTI_KEY_FINISH_REASON,
  LTI_KEY_FUNCTION_CALL,
  LTI_KEY_REASONING_CONTENT,
  LTI_KEY_SYSTEM_FINGERPRINT
};

/* The next member's key. False as lti_json_next_key. openai_keys.c */
bool lti_openai_key(lti_json *r, enum lti_openai_key *key);
/* A string, or an empty text for any other type. */
lti_json_text lti_openai_string(lti_json *r);
/* The JSON of a value that is not null, or an empty slice. */
leat_slice lti_openai_raw(lti_json *r);

/* The counts of a usage object; false when it holds none. */
bool lti_openai_usage(leat_slice json, leat_usage *usage);

/* ---- encoding -------------------------------------------------------------------------------- */

/* A JSON text being written. The first failure stays, and what comes after it is not written. */
typedef struct lti_openai_writer {
  lti_buf *out;
  lti_encoded *encoded;
  int error;
  bool comma; /* a member or element of the open container was written */
} lti_openai_writer;

void lti_openai_fail(lti_openai_writer *w, int error, const char *message);
/* ",", where one is due, and a bracket, which opens or closes. */
void lti_openai_open(lti_openai_writer *w, char bracket);
void lti_openai_close(lti_openai_writer *w, char bracket);
/* A member's name; its value is written next. */
void lti_openai_name(lti_openai_writer *w, const char *name);
void lti_openai_literal(lti_openai_writer *w, const char *text);
void lti_openai_text(lti_openai_writer *w, leat_slice text);
/* A whole member; nothing when `text` is NULL. */
void lti_openai_member(lti_openai_writer *w, const char *name, const char *text);
void lti_openai_int(lti_openai_writer *w, int64_t value);
/* `infinite` is the message for what is no number. */
void lti_openai_double(lti_openai_writer *w, double value, const char *infinite);
/* The caller's JSON: checked, and written as it is. `type` LTI_JSON_NONE: any. The messages are
 * those for text that is no JSON, and for JSON of another type. */
void lti_openai_json(lti_openai_writer *w, leat_slice json, enum lti_json_type type,
                     const char *const messages[2]);

/* The members of the JSON object `extra`, as they were written. `refuse` gives the message for a
 * name that may not be among them, or NULL. */
void lti_openai_extra(lti_openai_writer *w, leat_slice extra,
                      const char *(*refuse)(const void *ctx, lti_json_text key), const void *ctx);

/* Values: the arrays of messages and of tools. openai_message.c */
void lti_openai_messages(lti_openai_writer *w, const leat_chat_request *chat);
void lti_openai_tools(lti_openai_writer *w, const leat_chat_request *chat);

/* Writes the body. `text_only`: the older completions, which take a prompt and no tools. */
int lti_openai_write(const leat_chat_request *chat, bool text_only, lti_buf *out,
                     lti_encoded *encoded);
int lti_openai_inspect(leat_slice body, lti_encoded *encoded);

#endif
