/* The journal over SQLite: see journal.h.
 *
 *   loop:    note -> queue -> ...                      ... -> answers -> lti_journal_next
 *   thread:                  take all, BEGIN, each, COMMIT
 *
 * The database is in WAL mode with full synchronization, and locked for as long as it is open.
 * application_id says that the file is ours, user_version which form it has. */
#include "io/journal.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

#define APPLICATION_ID 0x6c656174 /* "leat" */
#define SCHEMA         1
#define NOTES_MAX      200000
#define MESSAGE_MAX    256

enum note_kind { NOTE_BEGIN, NOTE_AGAIN, NOTE_ACCEPTED, NOTE_DONE, NOTE_KNOWN, NOTE_WITHDRAW };

/* What happened, and on its way back what was found. */
typedef struct note {
  struct note *next;
  enum note_kind kind;
  enum lti_journal_state found;
  uint64_t ticket;
  int error;
  size_t name_size, id_size;
  char *found_id; /* of an accepted one */
  char bytes[];   /* name, id */
} note;

typedef struct note_list {
  note *first, **end;
} note_list;

enum statement { FIND, ADD, TOUCH, ACCEPT, DONE, REMOVE, STATEMENTS };

static const char *const statements[STATEMENTS] = {
    [FIND] = "SELECT state, run, task_id, error FROM job WHERE name = ?1",
    [ADD] = "INSERT OR REPLACE INTO job(name, state, run) VALUES(?1, 1, ?2)",
    [TOUCH] = "UPDATE job SET run = ?2 WHERE name = ?1",
    [ACCEPT] = "UPDATE job SET state = 2, task_id = ?3, run = ?2 WHERE name = ?1",
    [DONE] = ("INSERT INTO job(name, state, run, error) VALUES(?1, 3, ?2, ?3) "
              "ON CONFLICT(name) DO UPDATE SET state = 3, run = ?2, error = ?3"),
    [REMOVE] = "DELETE FROM job WHERE name = ?1 AND state = 1 AND run = ?2",
};

static const char make_tables[] =
    "CREATE TABLE job(name TEXT PRIMARY KEY NOT NULL, state INTEGER NOT NULL, "
    "run INTEGER NOT NULL, task_id TEXT, error INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE run(number INTEGER PRIMARY KEY AUTOINCREMENT);"
    "PRAGMA application_id = 1818583412; PRAGMA user_version = 1";

struct lti_journal {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  /* under the lock */
  note_list queue, answers;
  size_t count; /* notes that are not written yet */
  bool closing;
  bool broken;
  char message[MESSAGE_MAX];
  /* the thread's, once it runs */
  sqlite3 *db;
  sqlite3_stmt *prepared[STATEMENTS];
  int64_t run;
  void (*wake)(void *ctx);
  void *ctx;
};

static void *work(void *ctx);

/* ---- lists of notes */

static void list_init(note_list *l) {
  l->first = NULL;
  l->end = &l->first;
}

static void list_push(note_list *l, note *n) {
  n->next = NULL;
  *l->end = n;
  l->end = &n->next;
}

static note *list_pop(note_list *l) {
  note *n = l->first;
  if (!n) return NULL;
  l->first = n->next;
  if (!l->first) l->end = &l->first;
  return n;
}

static void note_free(note *n) {
  free(n->found_id);
  free(n);
}

static void list_free(note_list *l) {
  note *n;
  while ((n = list_pop(l))) note_free(n);
}

/* ---- opening */

static int64_t pragma(sqlite3 *db, const char *text, int64_t otherwise) {
  sqlite3_stmt *s;
  int64_t value = otherwise;
  if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK) return otherwise;
  if (sqlite3_step(s) == SQLITE_ROW) value = sqlite3_column_int64(s, 0);
  sqlite3_finalize(s);
  return value;
}

static const char *why_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another process uses this journal";
    case SQLITE_NOTADB: return "the file is no journal: it is not even an SQLite database";
    case SQLITE_CANTOPEN: return "the journal's file cannot be opened or made";
    case SQLITE_READONLY:
    case SQLITE_PERM: return "the journal's file cannot be written";
    case SQLITE_FULL: return "no room is left for the journal";
    default: return NULL;
  }
}

/* NULL: the file is a journal, or empty. */
static const char *why_foreign(sqlite3 *db) {
  int64_t tables = pragma(db, "SELECT count(*) FROM sqlite_master", 0);
  int64_t id = pragma(db, "PRAGMA application_id", 0);
  if (tables == 0 && id == 0) return NULL;
  if (id != APPLICATION_ID) return "the file is an SQLite database, but no journal of leat's";
  int64_t version = pragma(db, "PRAGMA user_version", 0);
  if (version > SCHEMA) return "the journal was written by a newer leat";
  return version < 1 ? "the journal's version is not known" : NULL;
}

static int execute(sqlite3 *db, const char *text) {
  return sqlite3_exec(db, text, NULL, NULL, NULL);
}

static int prepare_all(lti_journal *j) {
  int r = SQLITE_OK;
  for (int i = 0; i < STATEMENTS && r == SQLITE_OK; i++)
    r = sqlite3_prepare_v3(j->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &j->prepared[i],
                           NULL);
  return r;
}

/* The lock comes first, so that whoever made the file has also made its tables. */
static int open_database(lti_journal *j, const char *path, const char **why) {
  int r = sqlite3_open_v2(path, &j->db,
                          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  if (r == SQLITE_OK) r = execute(j->db, "PRAGMA locking_mode = EXCLUSIVE");
  if (r == SQLITE_OK) r = execute(j->db, "BEGIN EXCLUSIVE; COMMIT");
  if (r == SQLITE_OK && (*why = why_foreign(j->db))) return LEAT_EJOURNAL;
  if (r == SQLITE_OK) r = execute(j->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  if (r == SQLITE_OK) r = execute(j->db, "BEGIN IMMEDIATE");
  bool fresh = r == SQLITE_OK && pragma(j->db, "PRAGMA application_id", 0) == 0;
  if (fresh) r = execute(j->db, make_tables);
  if (r == SQLITE_OK) r = execute(j->db, "INSERT INTO run DEFAULT VALUES");
  j->run = sqlite3_last_insert_rowid(j->db);
  if (r == SQLITE_OK) r = execute(j->db, "COMMIT");
  if (r == SQLITE_OK) r = prepare_all(j);
  if (r == SQLITE_NOMEM) return LEAT_ENOMEM;
  *why = why_of(r);
  if (r != SQLITE_OK && !*why) *why = sqlite3_errstr(r);
  return r == SQLITE_OK ? LTI_OK : LEAT_EJOURNAL;
}

static void close_database(lti_journal *j) {
  for (int i = 0; i < STATEMENTS; i++) sqlite3_finalize(j->prepared[i]);
  sqlite3_close(j->db);
}

int lti_journal_open(const char *path, void (*wake)(void *ctx), void *ctx, lti_journal **journal,
                     const char **why) {
  lti_journal *j = calloc(1, sizeof *j);
  if (!j) return LEAT_ENOMEM;
  pthread_mutex_init(&j->lock, NULL);
  pthread_cond_init(&j->changed, NULL);
  list_init(&j->queue);
  list_init(&j->answers);
  j->wake = wake;
  j->ctx = ctx;
  int r = open_database(j, path, why);
  if (r == LTI_OK && pthread_create(&j->thread, NULL, work, j) != 0) r = LEAT_ENOMEM;
  if (r == LTI_OK) {
    *journal = j;
    return r;
  }
  close_database(j);
  pthread_cond_destroy(&j->changed);
  pthread_mutex_destroy(&j->lock);
  free(j);
  return r;
}

void lti_journal_close(lti_journal *j) {
  if (!j) return;
  pthread_mutex_lock(&j->lock);
  j->closing = true;
  pthread_cond_signal(&j->changed);
  pthread_mutex_unlock(&j->lock);
  pthread_join(j->thread, NULL);
  close_database(j);
  list_free(&j->queue);
  list_free(&j->answers);
  pthread_cond_destroy(&j->changed);
  pthread_mutex_destroy(&j->lock);
  free(j);
}

/* ---- notes */

static note *note_new(enum note_kind kind, leat_slice name, leat_slice id) {
  note *n = malloc(sizeof *n + name.size + id.size);
  if (!n) return NULL;
  *n = (note){.kind = kind, .name_size = name.size, .id_size = id.size};
  memcpy(n->bytes, name.data, name.size);
  if (id.size) memcpy(n->bytes + name.size, id.data, id.size);
  return n;
}

/* Takes the note over. */
static int push(lti_journal *j, note *n) {
  if (!n) return LEAT_ENOMEM;
  pthread_mutex_lock(&j->lock);
  bool taken = !j->broken && j->count < NOTES_MAX;
  if (taken) {
    list_push(&j->queue, n);
    j->count++;
    pthread_cond_signal(&j->changed);
  }
  pthread_mutex_unlock(&j->lock);
  if (taken) return LTI_OK;
  note_free(n);
  return LEAT_EJOURNAL;
}

int lti_journal_begin(lti_journal *j, leat_slice name, uint64_t ticket, bool again) {
  note *n = note_new(again ? NOTE_AGAIN : NOTE_BEGIN, name, lti_slice(NULL, 0));
  if (n) n->ticket = ticket;
  return push(j, n);
}

int lti_journal_accepted(lti_journal *j, leat_slice name, leat_slice task_id) {
  return push(j, note_new(NOTE_ACCEPTED, name, task_id));
}

int lti_journal_done(lti_journal *j, leat_slice name, int error) {
  note *n = note_new(NOTE_DONE, name, lti_slice(NULL, 0));
  if (n) n->error = error;
  return push(j, n);
}

int lti_journal_known(lti_journal *j, leat_slice name) {
  return push(j, note_new(NOTE_KNOWN, name, lti_slice(NULL, 0)));
}

int lti_journal_withdraw(lti_journal *j, leat_slice name) {
  return push(j, note_new(NOTE_WITHDRAW, name, lti_slice(NULL, 0)));
}

bool lti_journal_next(lti_journal *j, lti_journal_answer *answer) {
  pthread_mutex_lock(&j->lock);
  note *n = list_pop(&j->answers);
  pthread_mutex_unlock(&j->lock);
  if (!n) return false;
  answer->ticket = n->ticket;
  answer->state = n->found;
  answer->error = n->error;
  snprintf(answer->task_id, sizeof answer->task_id, "%s", n->found_id ? n->found_id : "");
  note_free(n);
  return true;
}

bool lti_journal_busy(lti_journal *j) {
  pthread_mutex_lock(&j->lock);
  bool busy = j->count > 0 || j->answers.first != NULL;
  pthread_mutex_unlock(&j->lock);
  return busy;
}

const char *lti_journal_message(lti_journal *j) {
  pthread_mutex_lock(&j->lock);
  const char *message = j->message; /* written once */
  pthread_mutex_unlock(&j->lock);
  return message;
}

/* ---- the thread */

static sqlite3_stmt *bind_note(lti_journal *j, enum statement which, const note *n) {
  sqlite3_stmt *s = j->prepared[which];
  sqlite3_reset(s);
  sqlite3_clear_bindings(s);
  sqlite3_bind_text(s, 1, n->bytes, (int)n->name_size, SQLITE_STATIC);
  if (sqlite3_bind_parameter_count(s) > 1) sqlite3_bind_int64(s, 2, j->run);
  return s;
}

static int step(sqlite3_stmt *s) {
  int r = sqlite3_step(s);
  sqlite3_reset(s);
  return r == SQLITE_DONE || r == SQLITE_ROW ? SQLITE_OK : r;
}

/* What the row says of a job that is to begin. */
static int read_row(lti_journal *j, sqlite3_stmt *s, note *n) {
  int64_t state = sqlite3_column_int64(s, 0);
  if (sqlite3_column_int64(s, 1) == j->run) {
    n->found = JOURNAL_TWICE;
    return SQLITE_OK;
  }
  const char *id = (const char *)sqlite3_column_text(s, 2);
  n->error = sqlite3_column_int(s, 3);
  n->found = state == 3 ? JOURNAL_DONE : state == 2 && id ? JOURNAL_ACCEPTED : JOURNAL_INTENT;
  if (n->found == JOURNAL_INTENT && n->kind == NOTE_AGAIN) n->found = JOURNAL_FRESH;
  if (!id) return SQLITE_OK;
  n->found_id = strdup(id);
  return n->found_id ? SQLITE_OK : SQLITE_NOMEM;
}

static int begin(lti_journal *j, note *n) {
  sqlite3_stmt *s = bind_note(j, FIND, n);
  int r = sqlite3_step(s);
  n->found = JOURNAL_FRESH;
  if (r == SQLITE_ROW) r = read_row(j, s, n);
  sqlite3_reset(s);
  if (r != SQLITE_OK && r != SQLITE_DONE) return r;
  if (n->found == JOURNAL_TWICE) return SQLITE_OK;
  if (n->found == JOURNAL_INTENT) return SQLITE_OK; /* it stays the earlier run's */
  return step(bind_note(j, n->found == JOURNAL_FRESH ? ADD : TOUCH, n));
}

static int write_note(lti_journal *j, note *n) {
  sqlite3_stmt *s;
  switch (n->kind) {
    case NOTE_BEGIN:
    case NOTE_AGAIN: return begin(j, n);
    case NOTE_ACCEPTED:
      s = bind_note(j, ACCEPT, n);
      sqlite3_bind_text(s, 3, n->bytes + n->name_size, (int)n->id_size, SQLITE_STATIC);
      return step(s);
    case NOTE_DONE:
    case NOTE_KNOWN:
      s = bind_note(j, DONE, n);
      if (n->kind == NOTE_KNOWN) sqlite3_bind_int64(s, 2, 0); /* of no run, and so not of this */
      sqlite3_bind_int(s, 3, n->error);
      return step(s);
    case NOTE_WITHDRAW: return step(bind_note(j, REMOVE, n));
  }
  return SQLITE_MISUSE;
}

static int write_notes(lti_journal *j, note_list *notes) {
  int r = execute(j->db, "BEGIN IMMEDIATE");
  for (note *n = notes->first; n && r == SQLITE_OK; n = n->next) r = write_note(j, n);
  if (r == SQLITE_OK) return execute(j->db, "COMMIT");
  execute(j->db, "ROLLBACK");
  return r;
}

static void break_down(lti_journal *j, int code) {
  const char *why = why_of(code);
  j->broken = true;
  if (!j->message[0])
    snprintf(j->message, sizeof j->message, "%s", why ? why : sqlite3_errstr(code));
}

/* Under the lock: what asked is answered, the rest is gone. */
static void answer_notes(lti_journal *j, note_list *notes, bool fine) {
  note *n;
  while ((n = list_pop(notes))) {
    j->count--;
    if (n->kind != NOTE_BEGIN && n->kind != NOTE_AGAIN) {
      note_free(n);
      continue;
    }
    if (!fine) n->found = JOURNAL_BROKEN;
    list_push(&j->answers, n);
  }
}

static void *work(void *ctx) {
  lti_journal *j = ctx;
  pthread_mutex_lock(&j->lock);
  while (!j->closing || j->queue.first) {
    if (!j->queue.first) {
      pthread_cond_wait(&j->changed, &j->lock);
      continue;
    }
    note_list notes = j->queue;
    if (notes.end == &j->queue.first) notes.end = &notes.first;
    list_init(&j->queue);
    bool broken = j->broken;
    pthread_mutex_unlock(&j->lock);
    int r = broken ? SQLITE_ERROR : write_notes(j, &notes);
    pthread_mutex_lock(&j->lock);
    if (r != SQLITE_OK) break_down(j, r);
    answer_notes(j, &notes, r == SQLITE_OK);
    j->wake(j->ctx);
  }
  pthread_mutex_unlock(&j->lock);
  return NULL;
}
