/* What an answer about an asynchronous job says: one reader for every gateway's envelope.
 *
 *     {"code":"success","data":"task_x"}                        a submit of new-api
 *     {"code":"success","data":{"task_id":..,"status":..,"data":{what the upstream said}}}
 *     {"id":..,"status":..,"error":{..},"metadata":{"url":..}}  OpenAI's videos, and Ark
 *     {"task_id":..,"state":..,"creations":[..]}                Vidu
 *     {"code":0,"data":{"task_id":..,"task_status":..,"task_result":{..}}}            Kling
 *     {"code":10000,"data":{"status":..,"video_url":..}}        Jimeng
 *     {"code":1,"result":"id"}, {"id":..,"status":..,"imageUrl":..}                   Midjourney
 *
 * Submit and poll of one family differ, and so do gateways, so each fact is looked for wherever it
 * was seen, in a fixed order; a form's own pointers come before. The job's object is the whole
 * answer, or its `data` where that is an envelope, or the first element of either. Status words are
 * matched without case and what is not known means that the job runs; progress decides nothing. A
 * `code` that is not one of the good ones is a refusal, whatever else is there. */
#include "task_reply.h"

#include <string.h>

#include "base/error.h"

#define MESSAGE_MAX 4096

enum slot {
  TASK_ID,
  ID,
  RESULT,
  STATUS,
  TASK_STATUS,
  STATE,
  PROGRESS,
  CODE,
  TYPE,
  ERROR,
  SUCCESS,
  FAIL_REASON,
  STATUS_MSG,
  ERR_CODE,
  MESSAGE,
  DESCRIPTION,
  MSG,
  DATA,
  SLOTS
};

static const lti_member_name names[] = {
    LTI_MEMBER("task_id", TASK_ID),
    LTI_MEMBER("taskId", TASK_ID),
    LTI_MEMBER("id", ID),
    LTI_MEMBER("result", RESULT),
    LTI_MEMBER("status", STATUS),
    LTI_MEMBER("task_status", TASK_STATUS),
    LTI_MEMBER("taskStatus", TASK_STATUS),
    LTI_MEMBER("state", STATE),
    LTI_MEMBER("progress", PROGRESS),
    LTI_MEMBER("code", CODE),
    LTI_MEMBER("type", TYPE),
    LTI_MEMBER("error", ERROR),
    LTI_MEMBER("success", SUCCESS),
    LTI_MEMBER("fail_reason", FAIL_REASON),
    LTI_MEMBER("failReason", FAIL_REASON),
    LTI_MEMBER("task_status_msg", STATUS_MSG),
    LTI_MEMBER("errorMessage", STATUS_MSG),
    LTI_MEMBER("error_message", STATUS_MSG),
    LTI_MEMBER("err_code", ERR_CODE),
    LTI_MEMBER("message", MESSAGE),
    LTI_MEMBER("description", DESCRIPTION),
    LTI_MEMBER("msg", MSG),
    LTI_MEMBER("data", DATA),
};

enum { NAMES = sizeof names / sizeof *names };

static const struct {
  const char *word;
  enum leat_task_state state;
} words[] = {
    {"success", LEAT_TASK_SUCCEEDED},   {"succeed", LEAT_TASK_SUCCEEDED},
    {"succeeded", LEAT_TASK_SUCCEEDED}, {"completed", LEAT_TASK_SUCCEEDED},
    {"complete", LEAT_TASK_SUCCEEDED},  {"done", LEAT_TASK_SUCCEEDED},
    {"finished", LEAT_TASK_SUCCEEDED},  {"failure", LEAT_TASK_FAILED},
    {"failed", LEAT_TASK_FAILED},       {"fail", LEAT_TASK_FAILED},
    {"error", LEAT_TASK_FAILED},        {"cancelled", LEAT_TASK_FAILED},
    {"canceled", LEAT_TASK_FAILED},     {"expired", LEAT_TASK_FAILED},
    {"timeout", LEAT_TASK_FAILED},      {"not_found", LEAT_TASK_FAILED},
    {"modal", LEAT_TASK_NEEDS_INPUT},
};

/* An answer taken apart, before its texts are decoded. */
typedef struct answer {
  const leat_task_form *form; /* NULL: the usual places */
  leat_slice json;
  lti_task_places places;
  lti_member root[SLOTS], job[SLOTS];
  lti_member error[SLOTS];              /* of the error object */
  lti_member id, status, progress, url; /* what was chosen */
  lti_member code, type, message;       /* of the error */
  lti_task_sink sink;                   /* collects the best URL */
  unsigned rank;
} answer;

static void choose_id(answer *a);
static void choose_status(answer *a);
static void choose_error(answer *a);
static void choose_url(answer *a, enum leat_task_state state);
static bool refuses(const answer *a, bool *busy);
static int decode(answer *a, lti_task_report *report, lti_buf *scratch);
static enum leat_task_state state_of(const leat_task_form *form, leat_slice word);
static int percent_of(const lti_member *m);
static int keep_best(lti_task_sink *sink, lti_json_text text, unsigned rank);
static bool is_missing(const lti_task_report *report);

/* ---- the objects ----------------------------------------------------------------------------- */

/* The first element where it is an array; false when no object is there. */
static bool object_of(leat_slice json, leat_slice *object) {
  lti_json r;
  lti_json_init(&r, json);
  if (lti_json_peek(&r) == LTI_JSON_ARRAY) {
    if (!lti_json_enter_array(&r) || !lti_json_next_value(&r)) return false;
  }
  return lti_json_peek(&r) == LTI_JSON_OBJECT && lti_json_raw(&r, object);
}

static bool has_name(const lti_member *m) {
  return lti_member_says(&m[TASK_ID]) || lti_member_says(&m[ID]);
}

/* An envelope has a code, or at least no id of its own. */
static bool find_places(leat_slice json, lti_task_places *p, lti_member *root) {
  leat_slice inner;
  memset(root, 0, SLOTS * sizeof *root);
  if (!object_of(json, &p->root) || !lti_member_read_text(p->root, names, NAMES, root))
    return false;
  p->job = p->root;
  const lti_member *data = &root[DATA];
  bool container = data->type == LTI_JSON_OBJECT || data->type == LTI_JSON_ARRAY;
  bool envelope = root[CODE].type != LTI_JSON_NONE || !has_name(root);
  if (container && envelope && object_of(data->text.raw, &inner)) p->job = inner;
  return true;
}

bool lti_task_places_find(leat_slice json, lti_task_places *places) {
  lti_member root[SLOTS];
  return find_places(json, places, root);
}

static bool read_answer(answer *a) {
  if (!find_places(a->json, &a->places, a->root)) return false;
  if (a->places.job.data == a->places.root.data) {
    memcpy(a->job, a->root, sizeof a->job);
  } else if (!lti_member_read_text(a->places.job, names, NAMES, a->job)) {
    return false;
  }
  const lti_member *error = lti_member_truthy(&a->job[ERROR]) ? &a->job[ERROR] : &a->root[ERROR];
  if (error->type == LTI_JSON_OBJECT)
    lti_member_read_text(error->text.raw, names, NAMES, a->error);
  else if (lti_member_truthy(error))
    a->error[MESSAGE] = *error;
  return true;
}

/* ---- the report ------------------------------------------------------------------------------ */

int lti_protocol_report(const leat_task_form *form, leat_slice json, bool submit,
                        lti_task_report *report, lti_buf *scratch) {
  answer a = {.form = form, .json = json, .sink.url = keep_best};
  bool busy = false;
  *report = (lti_task_report){.state = LEAT_TASK_RUNNING, .progress = -1};
  lti_buf_clear(scratch);
  if (!lti_json_valid(json, NULL, NULL) || !read_answer(&a)) return LEAT_EDECODE;
  choose_status(&a);
  choose_id(&a);
  bool refused = refuses(&a, &busy);
  bool named = lti_member_says(&a.id), told = a.status.type != LTI_JSON_NONE;
  /* {"code":"success","data":null} is how new-api says that it has no such job. */
  bool nothing = !submit && !refused && !named && !told && a.root[CODE].type != LTI_JSON_NONE;
  if (!refused && !nothing && !(submit ? named || told : told)) return LEAT_EDECODE;
  if (refused || nothing) choose_error(&a);
  int rc = decode(&a, report, scratch);
  if (rc != LTI_OK) return rc;
  report->busy = busy;
  report->progress = percent_of(&a.progress);
  report->state = refused || nothing ? LEAT_TASK_FAILED : state_of(form, report->status);
  report->error.set = refused || nothing;
  report->not_found = nothing || (refused && is_missing(report));
  if (refused || nothing) return LTI_OK;
  /* What else counts depends on the state, whose word may have had to be decoded. */
  choose_url(&a, report->state);
  if (report->state == LEAT_TASK_FAILED) choose_error(&a);
  report->error.set = report->state == LEAT_TASK_FAILED;
  return decode(&a, report, scratch);
}

static bool own(const answer *a, const char *pointers, lti_member *m) {
  return pointers && lti_member_find(a->json, pointers, m) && lti_member_says(m);
}

static bool first_of(const lti_member *members, const enum slot *order, lti_member *m) {
  for (; *order != SLOTS; order++) {
    if (!lti_member_says(&members[*order])) continue;
    *m = members[*order];
    return true;
  }
  return false;
}

static void choose_id(answer *a) {
  static const enum slot order[] = {TASK_ID, ID, SLOTS};
  if (a->form && own(a, a->form->id, &a->id)) return;
  if (first_of(a->job, order, &a->id) || first_of(a->root, order, &a->id)) return;
  if (lti_member_says(&a->root[DATA])) {
    a->id = a->root[DATA];
  } else if (lti_member_says(&a->root[RESULT])) {
    a->id = a->root[RESULT];
  }
}

/* A word that is empty is one: the job was only just taken. */
static bool is_word(const lti_member *m) {
  return m->type == LTI_JSON_STRING || m->type == LTI_JSON_NUMBER;
}

static void choose_status(answer *a) {
  static const enum slot order[] = {STATUS, TASK_STATUS, STATE};
  const leat_task_form *form = a->form;
  if (!form || !form->progress || !lti_member_find(a->json, form->progress, &a->progress))
    a->progress = a->job[PROGRESS].type ? a->job[PROGRESS] : a->root[PROGRESS];
  if (form && form->status && lti_member_find(a->json, form->status, &a->status) &&
      is_word(&a->status))
    return;
  a->status.type = LTI_JSON_NONE;
  for (size_t i = 0; i < 3 && !a->status.type; i++)
    if (is_word(&a->job[order[i]])) a->status = a->job[order[i]];
  for (size_t i = 0; i < 3 && !a->status.type; i++)
    if (is_word(&a->root[order[i]])) a->status = a->root[order[i]];
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* Is the word in a list with blanks between, without case? */
static bool listed(const char *list, leat_slice word) {
  while (list && *list) {
    leat_slice one = lti_slice(list, strcspn(list, " "));
    if (one.size && lti_slice_equal_nocase(one, word)) return true;
    list += one.size;
    list += *list == ' ';
  }
  return false;
}

/* "success", 0 and 200 of gateways and Kling, 1, 21 and 22 of Midjourney, 10000 of Jimeng. */
static bool code_is_good(const leat_task_form *form, leat_slice code) {
  static const char usual[] = "success succeed ok 0 1 21 22 200 10000";
  if (lti_slice_is_nocase(code, "success")) return true;
  return listed(form && form->good_codes ? form->good_codes : usual, code);
}

static bool refuses(const answer *a, bool *busy) {
  const lti_member *code = &a->root[CODE];
  if (lti_member_says(code) && !code_is_good(a->form, code->text.raw)) {
    *busy = code->type == LTI_JSON_NUMBER && lti_slice_is(code->text.raw, "23");
    return true;
  }
  if (lti_member_says(&a->status)) return false;
  if (lti_member_truthy(&a->root[ERROR]) || lti_member_truthy(&a->job[ERROR])) return true;
  if (a->root[SUCCESS].type == LTI_JSON_FALSE) return true;
  /* A flat error: {"message","type","param","code":null}. */
  bool flat = lti_member_says(&a->root[MESSAGE]) || lti_member_says(&a->root[MSG]);
  bool bare = !lti_member_says(&a->id) && a->root[DATA].type == LTI_JSON_NONE;
  return flat && bare && !lti_member_says(code);
}

/* Does what it says mean that it knows no such job? */
static bool is_missing(const lti_task_report *report) {
  static const char known[] = "task_not_exist task_not_found task_no_found not_found";
  const lti_provider_error *e = &report->error;
  return listed(known, e->code) || listed(known, e->type) || listed(known, e->message);
}

static void choose_error(answer *a) {
  static const enum slot code[] = {CODE, ERR_CODE, SLOTS}, err_code[] = {ERR_CODE, SLOTS};
  static const enum slot type[] = {TYPE, SLOTS}, in_error[] = {MESSAGE, DESCRIPTION, MSG, SLOTS};
  static const enum slot reason[] = {FAIL_REASON, SLOTS}, status[] = {STATUS_MSG, SLOTS};
  const leat_task_form *form = a->form;
  if (!(form && own(a, form->error_message, &a->message)) &&
      !first_of(a->job, reason, &a->message) && !first_of(a->error, in_error, &a->message) &&
      !first_of(a->job, status, &a->message) && !first_of(a->job, err_code, &a->message))
    first_of(a->root, in_error, &a->message);
  if (!(form && own(a, form->error_code, &a->code)) && !first_of(a->error, code, &a->code) &&
      !first_of(a->job, err_code, &a->code) && lti_member_says(&a->root[CODE]) &&
      !code_is_good(form, a->root[CODE].text.raw))
    a->code = a->root[CODE];
  if (!first_of(a->error, type, &a->type) && a->status.type == LTI_JSON_NONE)
    first_of(a->root, type, &a->type);
}

/* ---- the result ------------------------------------------------------------------------------ */

static int keep_best(lti_task_sink *sink, lti_json_text text, unsigned rank) {
  answer *a = LTI_CONTAINER_OF(sink, answer, sink);
  if (a->url.type != LTI_JSON_NONE && rank >= a->rank) return LTI_OK;
  a->url = (lti_member){.type = LTI_JSON_STRING, .text = text};
  a->rank = rank;
  return LTI_OK;
}

static void choose_url(answer *a, enum leat_task_state state) {
  if (a->form && a->form->urls && lti_member_find(a->json, a->form->urls, &a->url)) {
    leat_slice found = a->url.text.raw;
    bool one = a->url.type == LTI_JSON_STRING;
    if (one && found.size) return;
    a->url.type = LTI_JSON_NONE;
    if (!one) lti_task_result_walk(found, &a->sink);
    if (a->url.type != LTI_JSON_NONE) return;
  }
  lti_task_result_walk(a->places.job, &a->sink);
  /* Older gateways put the result where the reason of a failure belongs. */
  const lti_member *reason = &a->job[FAIL_REASON];
  if (a->url.type == LTI_JSON_NONE && state == LEAT_TASK_SUCCEEDED &&
      reason->type == LTI_JSON_STRING && lti_task_result_is_url(reason->text.raw))
    a->url = *reason;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* "65%", "65", 65 or 65.5; -1 when it is none of them. */
static int percent_of(const lti_member *m) {
  leat_slice text = m->text.raw;
  uint64_t value;
  if (!lti_member_says(m)) return -1;
  if (text.data[text.size - 1] == '%') text.size--;
  const char *dot = text.size ? memchr(text.data, '.', text.size) : NULL;
  if (dot) text.size = (size_t)(dot - text.data);
  if (!lti_slice_u64(text, &value)) return -1;
  return value > 100 ? 100 : (int)value;
}

static enum leat_task_state state_of(const leat_task_form *form, leat_slice word) {
  if (form && listed(form->done_words, word)) return LEAT_TASK_SUCCEEDED;
  if (form && listed(form->failed_words, word)) return LEAT_TASK_FAILED;
  if (form && listed(form->input_words, word)) return LEAT_TASK_NEEDS_INPUT;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (lti_slice_is_nocase(word, words[i].word)) return words[i].state;
  return LEAT_TASK_RUNNING;
}

/* At most MESSAGE_MAX bytes, and no part of a character. */
static leat_slice cut(leat_slice text) {
  size_t max = MESSAGE_MAX;
  if (text.size <= max) return text;
  while (max && ((unsigned char)text.data[max] & 0xc0) == 0x80) max--;
  return lti_slice(text.data, max);
}

/* Texts without escapes are views of the JSON; others are joined in `scratch`, which may move as it
 * grows, so that they are pointed at when all are there. */
static int decode(answer *a, lti_task_report *report, lti_buf *scratch) {
  const lti_member *from[] = {&a->id, &a->status, &a->url, &a->code, &a->type, &a->message};
  leat_slice *to[] = {&report->id,         &report->status,     &report->url,
                      &report->error.code, &report->error.type, &report->error.message};
  enum { TEXTS = sizeof from / sizeof *from };
  size_t at[TEXTS];
  lti_buf one;
  int rc = LTI_OK;
  lti_buf_clear(scratch);
  lti_buf_init(&one, scratch->alloc, scratch->max, scratch->full_error);
  for (size_t i = 0; i < TEXTS && rc == LTI_OK; i++) {
    at[i] = SIZE_MAX;
    *to[i] = lti_slice(NULL, 0);
    if (from[i]->type == LTI_JSON_NUMBER) *to[i] = from[i]->text.raw;
    if (from[i]->type != LTI_JSON_STRING) continue;
    lti_json_text text = from[i]->text;
    bool message = to[i] == &report->error.message;
    /* No character is written in more than six times its bytes. */
    if (message && text.raw.size > 6 * MESSAGE_MAX) text.raw.size = 6 * MESSAGE_MAX;
    rc = lti_json_decode(text, NULL, &one, to[i]);
    if (rc == LTI_OK && message) *to[i] = cut(*to[i]);
    if (rc != LTI_OK || to[i]->size == 0 || to[i]->data != one.data) continue;
    at[i] = scratch->size;
    rc = lti_buf_append(scratch, *to[i]);
  }
  for (size_t i = 0; i < TEXTS && rc == LTI_OK; i++)
    if (at[i] != SIZE_MAX) to[i]->data = scratch->data + at[i];
  lti_buf_deinit(&one);
  if (rc != LTI_OK) *report = (lti_task_report){.state = LEAT_TASK_RUNNING, .progress = -1};
  report->error.code_is_number = a->code.type == LTI_JSON_NUMBER;
  return rc;
}

/* ---- the items of a batch -------------------------------------------------------------------- */

static bool is_array(const lti_member *m) {
  return m->type == LTI_JSON_ARRAY;
}

bool lti_protocol_items(const leat_task_form *form, leat_slice json, leat_slice *rest) {
  static const char usual[] = "/data /data/items /data/list /data/tasks /items /tasks /list";
  const char *pointers = form && form->batch_items ? form->batch_items : usual;
  lti_member m;
  lti_json r;
  lti_json_init(&r, json);
  *rest = json;
  if (lti_json_peek(&r) == LTI_JSON_ARRAY && (pointers == usual || !*pointers)) return true;
  if (lti_member_find(json, pointers, &m) && is_array(&m)) return *rest = m.text.raw, true;
  /* {"code":"success","data":null}: none of them is known. */
  lti_member root[SLOTS];
  memset(root, 0, sizeof root);
  *rest = lti_slice(NULL, 0);
  return lti_member_read_text(json, names, NAMES, root) && root[DATA].type == LTI_JSON_NONE &&
         lti_member_says(&root[CODE]) && code_is_good(form, root[CODE].text.raw);
}

static void skip_blank(leat_slice *rest) {
  while (rest->size && memchr(" \t\r\n", *rest->data, 4)) *rest = lti_slice_from(*rest, 1);
}

/* `*rest` begins with the bracket, later with the comma behind an item. */
bool lti_protocol_item(leat_slice *rest, leat_slice *item) {
  lti_json r;
  skip_blank(rest);
  bool more = rest->size && (*rest->data == '[' || *rest->data == ',');
  if (more) *rest = lti_slice_from(*rest, 1);
  skip_blank(rest);
  lti_json_init(&r, *rest);
  if (!more || lti_json_peek(&r) == LTI_JSON_NONE || !lti_json_raw(&r, item)) {
    *rest = lti_slice(NULL, 0);
    return false;
  }
  *rest = lti_slice_from(*rest, lti_json_offset(&r));
  return true;
}
