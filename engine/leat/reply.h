/* leat's typed replies: what the JSON answer of an endpoint says, as structs. A part of leat.h,
 * which includes it. These functions need no engine, make no call and may be used from any thread;
 * the body may also come from elsewhere.
 *
 * A reply is read from a body that the caller keeps as long as the reply: texts are views of it,
 * base64 above all, but for those with escapes, which are decoded into memory of the reply's own.
 * Every text is valid UTF-8 and empty where nothing was said; a value of another type than it
 * should have was not said. What a provider adds is passed over. The body itself is always `raw`.
 *
 * Bodies are hostile: what is read is bounded by the body's size, in memory as in time, and nothing
 * recurses. */
#ifndef LEAT_REPLY_H
#define LEAT_REPLY_H

#ifndef LEAT_H
#error "include leat.h, which includes this"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct leat_task_form;

/* What a body is read as. */
enum leat_reply_group {
  LEAT_REPLY_NONE = 0, /* JSON as it is */
  LEAT_REPLY_IMAGES,
  LEAT_REPLY_EMBEDDINGS,
  LEAT_REPLY_TRANSCRIPT, /* JSON, or plain text, SRT or WebVTT */
  LEAT_REPLY_MODELS,     /* a list, or one */
  LEAT_REPLY_MODERATION,
  LEAT_REPLY_RERANK,
  LEAT_REPLY_TOKENS, /* how many tokens a request would be */
  LEAT_REPLY_FILES,  /* a list, or one */
  LEAT_REPLY_BATCHES,
  LEAT_REPLY_TASK, /* the answer to a submit, a poll, or one item of a batch */
  LEAT_REPLY_ERROR
};

/* One of OpenAI's, Gemini's (generateContent and Imagen), a chat's or another's images. A data: URI
 * comes as base64. */
typedef struct leat_image {
  leat_slice url;       /* or */
  leat_slice base64;    /* as it was sent */
  leat_slice mime_type; /* "image/png", as far as it was told */
  leat_slice revised_prompt;
} leat_image;

/* One row of float32, in this machine's byte order, aligned to 16 bytes, whether it was sent as
 * numbers or as base64. A row with anything else in it makes the whole body LEAT_EDECODE. */
typedef struct leat_embedding {
  uint32_t index; /* of the input; where it was not told, the row's place */
  const float *values;
  size_t size;
} leat_embedding;

typedef struct leat_transcript_piece { /* a segment or a word */
  double start_s, end_s;
  leat_slice text, speaker;
} leat_transcript_piece;

/* Captions (SRT, WebVTT) become segments, and their texts a line each of `text`. */
typedef struct leat_transcript {
  leat_slice text, language;
  leat_slice plain;  /* SRT, WebVTT or text, where that was answered: a view of the body */
  double duration_s; /* < 0: not told */
  const leat_transcript_piece *segments, *words;
  size_t segment_count, word_count;
} leat_transcript;

/* `id` is what a request would say: without Google's "models/". */
typedef struct leat_model {
  leat_slice id, owned_by, name; /* name: for people */
  int64_t created;               /* Unix seconds, 0: not told */
} leat_model;

/* A category of moderation. */
typedef struct leat_score {
  leat_slice name; /* "violence" */
  double score;    /* < 0: not told */
  bool flagged;
} leat_score;

typedef struct leat_moderation {
  bool flagged;
  const leat_score *categories;
  size_t category_count;
} leat_moderation;

typedef struct leat_rank {
  uint32_t index; /* of the document */
  double score;
  leat_slice document; /* its text, where it was sent back */
} leat_rank;

/* An uploaded file, or a batch job. */
typedef struct leat_stored {
  leat_slice id, name, purpose, status, input_file, output_file, error_file;
  int64_t bytes, created; /* -1, 0: not told */
} leat_stored;

/* Where a job stands. A submit that was refused FAILED, and the reply's `error` says why. */
typedef struct leat_task_reply {
  enum leat_task_state state; /* RUNNING, SUCCEEDED, FAILED or NEEDS_INPUT */
  leat_slice id, status;      /* the provider's own word */
  int progress;               /* percent, -1: not told */
  bool not_found;             /* the gateway does not know the job */
  bool busy;                  /* it takes none just now: the submit may come again */
  const leat_slice *urls;     /* of the results, the best first */
  size_t url_count;
  leat_slice text;          /* lyrics or another result that is text */
  const leat_header *stems; /* named URLs: "vocals", "drums" ... */
  size_t stem_count;
  const leat_transcript_piece *lines; /* timed lyrics */
  size_t line_count;
} leat_task_reply;

/* Of any origin: OpenAI, new-api, Anthropic, Gemini, task and Midjourney forms, FastAPI, and plain
 * text of proxies as the message. */
typedef struct leat_error_reply {
  leat_slice type, code, message, param, request_id;
  bool code_is_number;
} leat_error_reply;

typedef struct leat_reply {
  enum leat_reply_group group;
  leat_slice raw;
  leat_slice id, model;
  leat_usage usage; /* -1 where not told */
  int64_t created;
  bool has_error; /* an error object, whatever was expected: `error` says which */
  leat_error_reply error;
  size_t count; /* of what the arrays below hold */
  union {
    const leat_image *images;
    const leat_embedding *embeddings;
    const leat_model *models;
    const leat_moderation *moderations;
    const leat_rank *ranks;
    const leat_stored *stored; /* files, batches */
    const leat_transcript *transcript;
    const leat_task_reply *task;
    int64_t tokens;
  };
} leat_reply;

/* Reads `body` as `group`; blanks and a BOM around it do not count. `form` (may be NULL) is the
 * task form of a task's row. `allocator` may be NULL: malloc. LEAT_EDECODE when the body is not
 * JSON or not of this group; LEAT_ENOMEM.
 * `*reply` is NULL then. */
LEAT_API int leat_reply_read(enum leat_reply_group group, leat_slice body,
                             const struct leat_task_form *form, const leat_allocator *allocator,
                             leat_reply **reply);
/* NULL is fine. */
LEAT_API void leat_reply_free(leat_reply *reply);
LEAT_API const char *leat_reply_group_name(enum leat_reply_group group);

/* ---- log probabilities */

typedef struct leat_logprob {
  leat_slice token; /* at most 512 bytes where it had escapes */
  double logprob;   /* 0 where there is none, as for the first token of a prompt */
  leat_slice bytes; /* JSON array of the token's bytes, or empty */
  leat_slice top;   /* the alternatives: give it to leat_logprobs_init to walk them */
} leat_logprob;

/* Walks what leat_event.logprobs holds, in the forms of chat completions, responses and legacy
 * completions alike; a chat's refusal comes behind its content. It holds views of the JSON and
 * allocates nothing. */
typedef struct leat_logprobs {
  leat_slice rest[4]; /* private */
  size_t index;
  int form;
  char text[512]; /* the token's text when it had escapes; valid until the next call */
} leat_logprobs;

LEAT_API void leat_logprobs_init(leat_logprobs *walk, leat_slice json);
/* 1 and `*one`; 0 behind the last; LEAT_EDECODE for what is none, and from then on. */
LEAT_API int leat_logprobs_next(leat_logprobs *walk, leat_logprob *one);

#ifdef __cplusplus
}
#endif
#endif
