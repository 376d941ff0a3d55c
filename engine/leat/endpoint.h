/* leat's endpoints: every call of the gateways that leat knows, by name, as data. A part of leat.h,
 * which includes it; its rules hold here.
 *
 * A row says how one call travels: its method and path, where the key stands, what the body is, how
 * the answer is read, and, for an asynchronous job, the task form that says how it is polled. Rows
 * are named group.action ("suno.stems_full"). An engine starts with the built-in ones and may be
 * given others, or other ones of the same name: gateways differ, and what is not `confirmed` is a
 * best guess. leat_request.endpoint and leat_task.endpoint name a row. */
#ifndef LEAT_ENDPOINT_H
#define LEAT_ENDPOINT_H

#ifndef LEAT_H
#error "include leat.h, which includes this"
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum leat_body_kind { LEAT_BODY_NONE = 0, LEAT_BODY_JSON, LEAT_BODY_MULTIPART };

enum leat_reply_kind {
  LEAT_REPLY_KIND_JSON = 0, /* one JSON document (or the plain text that was asked for) */
  LEAT_REPLY_KIND_SSE,      /* an event stream where the body asks for one, else JSON */
  LEAT_REPLY_KIND_ARRAY,    /* a JSON array that comes element by element */
  LEAT_REPLY_KIND_WS,       /* a WebSocket: for leat_ws_open, not for leat_submit */
  LEAT_REPLY_KIND_BYTES,    /* bytes, such as sound or a file's content */
  LEAT_REPLY_KIND_TASK      /* a job's id: `task` says how it goes on */
};

/* A row. Texts are NUL-terminated; NULL where there is none. */
typedef struct leat_endpoint {
  size_t struct_size;
  const char *name;    /* "images.generate": lower-case letters, digits, _ and - on both sides of
                          one dot */
  const char *summary; /* one line for a list */
  const char *method;  /* "POST" */
  const char *path;    /* from the origin's root, version included: "/v1/models/{model}"; may have a
                          query. {name} is replaced by the parameter of that name, or else by the
                          member of that name at the top of the JSON body, percent-encoded */
  const char *stream_path; /* of a request that streams; NULL: `path`. The same as `path`: it always
                              streams, as does LEAT_REPLY_KIND_SSE without a body */
  enum leat_body_kind body;
  enum leat_auth auth; /* LEAT_AUTH_DEFAULT: the protocol's, else bearer */
  enum leat_reply_kind reply;
  enum leat_reply_group group; /* what leat_reply_read makes of it */
  const char *protocol;        /* the dialect that reads it: "openai-chat"; NULL: plain JSON */
  const char *task;            /* the task form's name, with LEAT_REPLY_KIND_TASK, and of the calls
                                  that ask about such jobs */
  const char *header, *value;  /* one more field, such as anthropic-version */
  const char *base_url;        /* where it is when neither the request nor the engine says */
  bool once;      /* it costs money each time: never sent twice unasked, as leat_request.once */
  bool confirmed; /* seen in a gateway's source or documents; otherwise the likeliest guess */
} leat_endpoint;

/* How the jobs of a family are asked about, and where their answers say what. Lists of words and of
 * JSON pointers (RFC 6901) are texts with a blank between two; pointers are tried in their order,
 * and the first that finds something wins. NULL: the usual ones, which know all envelopes that were
 * seen. Status words are matched without case, and one that is in no list means "running". */
typedef struct leat_task_form {
  size_t struct_size;
  const char *name;        /* "suno" */
  const char *poll_method; /* "GET" */
  const char *poll_path;   /* "/suno/fetch/{id}" */
  const char *poll_body;   /* NULL: none. JSON in which {id} stands for the id as a JSON string, and
                              {name} for that member of the submitted body */
  const char *batch_path;  /* asks about many at once, by POST; NULL: it cannot be done */
  const char *batch_body;  /* JSON in which {ids} stands for an array of ids: {"ids":{ids}} */
  const char *batch_items; /* pointers to the array of answers, "" being the whole; each is read as
                              a poll's would be. One that is missing says nothing of its job */
  int batch_max;           /* ids in one batch [100] */
  const char *content_path; /* "/v1/videos/{id}/content"; NULL: the result's URL is all there is */
  const char *id, *status, *progress, *urls, *text, *error_code, *error_message; /* pointers */
  const char *good_codes;                              /* an envelope's `code` that is no refusal */
  const char *done_words, *failed_words, *input_words; /* besides the usual ones */
  int64_t poll_ms; /* asking oftener only re-reads what the gateway knows [15,000] */
} leat_task_form;

/* Adds a row or a form, or replaces the one of its name. LEAT_EINVAL (leat_last_message says which
 * field), LEAT_ENOMEM. Requests that run already keep the old one. */
LEAT_API int leat_endpoint_add(leat_engine *engine, const leat_endpoint *endpoint);
LEAT_API int leat_task_form_add(leat_engine *engine, const leat_task_form *form);

/* Adds what a JSON text describes: {"endpoints":[{"name":...}], "tasks":[{"name":...}]}, or the
 * array of endpoints alone; members named as the fields above, enums as their last words in lower
 * case ("json", "x-api-key", "images"). A row of a known name changes only the members it has. All
 * or nothing: LEAT_EJSON or LEAT_EINVAL, and leat_last_message says where and what. */
LEAT_API int leat_endpoint_load(leat_engine *engine, leat_slice json);

/* The i-th row or form, in a fixed order (built-in ones first), NULL behind the last; and the one
 * of a name. `engine` may be NULL: the built-in ones, from any thread. Valid until the engine is
 * given another. */
LEAT_API const leat_endpoint *leat_endpoint_at(const leat_engine *engine, size_t i);
LEAT_API const leat_endpoint *leat_endpoint_find(const leat_engine *engine, const char *name);
LEAT_API const leat_task_form *leat_task_form_at(const leat_engine *engine, size_t i);
LEAT_API const leat_task_form *leat_task_form_find(const leat_engine *engine, const char *name);

/* The words of the enums, as in JSON: "multipart", "x-api-key", "bytes". "unknown" for others. */
LEAT_API const char *leat_body_kind_name(enum leat_body_kind kind);
LEAT_API const char *leat_auth_name(enum leat_auth auth);
LEAT_API const char *leat_reply_kind_name(enum leat_reply_kind kind);

#ifdef __cplusplus
}
#endif
#endif
