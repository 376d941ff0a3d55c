/* Lists of things that a gateway keeps, or one of them: models, uploaded files and batch jobs.
 *
 *     {"data":[{"id","owned_by","created"}]}                    OpenAI, new-api
 *     {"data":[{"id","display_name","created_at":"2025-.."}]}   Anthropic
 *     {"models":[{"name":"models/x","displayName"}]}            Gemini
 *     {"files":[{"name":"files/x","sizeBytes":"5","state"}]}    Gemini
 *     {"id",..}, {"file":{..}}                                  one alone
 *
 * What has neither an id nor a name is nothing. A model's id is what a request would call it:
 * Google's prefix "models/" is left out. */
#include <string.h>

#include "base/error.h"
#include "reply_read.h"

enum slot {
  ID,
  NAME,
  DISPLAY,
  OWNER,
  CREATED,
  PURPOSE,
  STATUS,
  INPUT,
  OUTPUT,
  FAILED,
  BYTES,
  DELETED,
  SLOTS
};

static const lti_member_name names[] = {
    LTI_MEMBER("id", ID),
    LTI_MEMBER("name", NAME),
    LTI_MEMBER("display_name", DISPLAY),
    LTI_MEMBER("displayName", DISPLAY),
    LTI_MEMBER("filename", DISPLAY),
    LTI_MEMBER("owned_by", OWNER),
    LTI_MEMBER("created", CREATED),
    LTI_MEMBER("created_at", CREATED),
    LTI_MEMBER("createTime", CREATED),
    LTI_MEMBER("purpose", PURPOSE),
    LTI_MEMBER("status", STATUS),
    LTI_MEMBER("state", STATUS),
    LTI_MEMBER("processing_status", STATUS),
    LTI_MEMBER("input_file_id", INPUT),
    LTI_MEMBER("output_file_id", OUTPUT),
    LTI_MEMBER("results_url", OUTPUT),
    LTI_MEMBER("error_file_id", FAILED),
    LTI_MEMBER("bytes", BYTES),
    LTI_MEMBER("size_bytes", BYTES),
    LTI_MEMBER("sizeBytes", BYTES),
    LTI_MEMBER("deleted", DELETED),
};

enum { NAMES = sizeof names / sizeof *names };

/* One object, read into a place of the list. */
typedef int (*read_cb)(lti_reply *r, const lti_member *m);

static int read_model(lti_reply *r, const lti_member *m) {
  static const char prefix[] = "models/";
  leat_model model;
  const lti_member *id = lti_member_says(&m[ID]) ? &m[ID] : &m[NAME];
  const lti_member *name = m[DISPLAY].type ? &m[DISPLAY] : id == &m[ID] ? &m[NAME] : &m[DISPLAY];
  int rc = lti_reply_text(r, id, &model.id);
  if (rc == LTI_OK) rc = lti_reply_text(r, &m[OWNER], &model.owned_by);
  if (rc == LTI_OK) rc = lti_reply_text(r, name, &model.name);
  if (rc != LTI_OK) return rc;
  if (id == &m[NAME] && lti_slice_starts(model.id, prefix))
    model.id = lti_slice_from(model.id, sizeof prefix - 1);
  model.created = lti_reply_time(&m[CREATED]);
  leat_model *place = lti_reply_add(r, LTI_REPLY_ITEMS, sizeof model);
  if (place) *place = model;
  return place ? LTI_OK : LEAT_ENOMEM;
}

static int read_stored(lti_reply *r, const lti_member *m) {
  leat_stored s;
  const lti_member *from[] = {lti_member_says(&m[ID]) ? &m[ID] : &m[NAME],
                              &m[DISPLAY],
                              &m[PURPOSE],
                              &m[STATUS],
                              &m[INPUT],
                              &m[OUTPUT],
                              &m[FAILED]};
  leat_slice *to[] = {&s.id,         &s.name,        &s.purpose,   &s.status,
                      &s.input_file, &s.output_file, &s.error_file};
  int rc = LTI_OK;
  for (size_t i = 0; i < sizeof to / sizeof *to && rc == LTI_OK; i++)
    rc = lti_reply_text(r, from[i], to[i]);
  if (rc != LTI_OK) return rc;
  if (m[DELETED].type == LTI_JSON_TRUE && s.status.size == 0) s.status = lti_slice_of("deleted");
  s.bytes = lti_reply_int(&m[BYTES], -1);
  s.created = lti_reply_time(&m[CREATED]);
  leat_stored *place = lti_reply_add(r, LTI_REPLY_ITEMS, sizeof s);
  if (place) *place = s;
  return place ? LTI_OK : LEAT_ENOMEM;
}

/* LEAT_EDECODE: it is no such thing. */
static int read_one(lti_reply *r, leat_slice object, read_cb read) {
  lti_member m[SLOTS];
  memset(m, 0, sizeof m);
  if (!lti_member_read_text(object, names, NAMES, m)) return LEAT_EDECODE;
  bool named = lti_member_says(&m[ID]) || lti_member_says(&m[NAME]);
  return named ? read(r, m) : LEAT_EDECODE;
}

/* Names alone are a list too. */
static int read_item(lti_reply *r, leat_slice item, read_cb read) {
  lti_json json;
  lti_member m[SLOTS];
  memset(m, 0, sizeof m);
  lti_json_init(&json, item);
  lti_member_take(&json, &m[ID]);
  if (m[ID].type == LTI_JSON_OBJECT) return read_one(r, item, read);
  return m[ID].type == LTI_JSON_STRING && lti_member_says(&m[ID]) ? read(r, m) : LTI_OK;
}

static int read_list(lti_reply *r, const lti_member *list, read_cb read) {
  leat_slice rest = list->text.raw, item;
  int rc = LTI_OK;
  while (rc == LTI_OK && lti_protocol_item(&rest, &item)) {
    rc = read_item(r, item, read);
    if (rc == LEAT_EDECODE) rc = LTI_OK;
  }
  return rc;
}

int lti_reply_models_read(lti_reply *r, const lti_member *root) {
  static const enum lti_reply_root lists[] = {LTI_ROOT_DATA, LTI_ROOT_MODELS, LTI_ROOT_SLOTS};
  const lti_member *list = lti_reply_list_in(root, lists);
  if (list) return read_list(r, list, read_model);
  /* An error has no id; one alone inside an envelope is fine too. */
  bool inside = root[LTI_ROOT_DATA].type == LTI_JSON_OBJECT;
  return read_one(r, inside ? root[LTI_ROOT_DATA].text.raw : r->body, read_model);
}

int lti_reply_stored_read(lti_reply *r, const lti_member *root) {
  static const enum lti_reply_root lists[] = {LTI_ROOT_DATA, LTI_ROOT_FILES, LTI_ROOT_BATCHES,
                                              LTI_ROOT_SLOTS};
  const lti_member *list = lti_reply_list_in(root, lists);
  if (list) return read_list(r, list, read_stored);
  const lti_member *one = &root[LTI_ROOT_FILE];
  if (one->type != LTI_JSON_OBJECT) one = &root[LTI_ROOT_DATA];
  return read_one(r, one->type == LTI_JSON_OBJECT ? one->text.raw : r->body, read_stored);
}
