/* Files of requests: see dataset.h. A row of the index is sixteen bytes, and leads straight to what
 * is sent, so that a request costs no second look at its line. A small file is read instead of
 * mapped: whoever shortens it meanwhile can do no harm. */
#include "dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/cli/input.h"
#include "bindings/cli/program.h"
#include "bindings/cli/say.h"
#include "dataset_row.h"

#define READ_MAX   ((size_t)16 << 20) /* larger files are mapped */
#define GIVE_BACK  ((size_t)64 << 20) /* pages that were looked at are given back so often */
#define ROOM_FIRST 1024

typedef struct place {
  uint64_t at;
  uint32_t size;
  union {
    uint32_t output_tokens; /* and 1; 0: not said */
    struct {
      uint16_t endpoint; /* and 1 */
      uint16_t turns;
    };
  };
} place;

struct dataset {
  const char *name;
  bool routed;
  lti_buf text; /* of a file that was read */
  void *map;
  size_t map_size;
  leat_slice bytes;
  enum dataset_form form;
  uint64_t count, room, skipped;
  uint32_t turns_max;
  place *places;
};

/* The file being looked at. */
typedef struct looking {
  dataset *d;
  dataset_finder finder;
  uint64_t line; /* of `counted` */
  const char *counted, *given_back;
  char *why;
} looking;

/* ---- the index */

/* Lines are counted as far as they are asked for. */
static uint64_t line_at(looking *l, const char *at) {
  while (l->counted < at) {
    const char *end = memchr(l->counted, '\n', (size_t)(at - l->counted));
    if (!end) break;
    l->counted = end + 1;
    l->line++;
  }
  return l->line;
}

static bool refuse(looking *l, const char *at, const char *why) {
  snprintf(l->why, DATASET_WHY_MAX, "%s:%llu: %s", l->d->name, (unsigned long long)line_at(l, at),
           why);
  return false;
}

static bool make_room(dataset *d) {
  if (d->count < d->room) return true;
  uint64_t room = d->room ? d->room * 2 : ROOM_FIRST;
  place *places = realloc(d->places, (size_t)room * sizeof *places);
  if (!places) return false;
  d->places = places;
  d->room = room;
  return true;
}

static bool keep(looking *l, const dataset_found *found, const char *at) {
  dataset *d = l->d;
  if (d->form == DATASET_NONE) d->form = found->form;
  if (d->form != found->form)
    return refuse(l, at, "it has another form than the rows before: one file, one form");
  if (found->form == DATASET_TALKS && found->turns == 0) {
    d->skipped++;
    return true;
  }
  if (d->count == DATASET_ROWS_MAX) return refuse(l, at, "more than 100,000,000 rows");
  if (!make_room(d)) return refuse(l, at, "no memory for the index of so many rows");
  place *p = &d->places[d->count++];
  *p = (place){.at = (uint64_t)(found->content.data - d->bytes.data),
               .size = (uint32_t)found->content.size};
  if (found->form == DATASET_BODIES || found->form == DATASET_TALKS) {
    p->endpoint = found->endpoint;
    p->turns = (uint16_t)found->turns;
  } else {
    p->output_tokens = found->output_tokens < 0 ? 0 : (uint32_t)found->output_tokens + 1;
  }
  if (found->turns > d->turns_max) d->turns_max = found->turns;
  return true;
}

static void give_back(looking *l, const char *at) {
  if (!l->d->map || (size_t)(at - l->given_back) < GIVE_BACK) return;
  size_t from = (size_t)(l->given_back - l->d->bytes.data);
  line_at(l, at); /* while they are there */
  madvise((char *)l->d->map + from, GIVE_BACK, MADV_DONTNEED);
  l->given_back += GIVE_BACK;
}

static bool look_at_row(looking *l, leat_slice text) {
  dataset_found found;
  give_back(l, text.data);
  if (text.size > DATASET_ROW_MAX) return refuse(l, text.data, "a row larger than 64 MiB");
  const char *why = dataset_row_find(&l->finder, text, &found);
  return why ? refuse(l, text.data, why) : keep(l, &found, text.data);
}

static bool look_at_lines(looking *l) {
  leat_slice rest = l->d->bytes;
  while (rest.size > 0) {
    const char *end = memchr(rest.data, '\n', rest.size);
    size_t size = end ? (size_t)(end - rest.data) : rest.size;
    leat_slice line = lti_slice_trim(lti_slice(rest.data, size));
    if (line.size && line.data[line.size - 1] == '\r') line.size--;
    if (line.size && !look_at_row(l, line)) return false;
    rest = lti_slice_from(rest, end ? size + 1 : size);
  }
  return true;
}

static bool look_at_array(looking *l) {
  lti_json r;
  leat_slice row;
  lti_json_init(&r, l->d->bytes);
  if (!lti_json_enter_array(&r)) return false;
  while (lti_json_next_value(&r))
    if (lti_json_raw(&r, &row) && !look_at_row(l, row)) return false;
  if (lti_json_at_end(&r)) return true;
  return refuse(l, r.at, "not valid JSON, or more behind the array's end");
}

static bool look(dataset *d, char why[DATASET_WHY_MAX]) {
  static const char mark[] = "\xef\xbb\xbf";
  if (lti_slice_starts(d->bytes, mark)) d->bytes = lti_slice_from(d->bytes, sizeof mark - 1);
  const char *first = d->bytes.data;
  size_t n = 0;
  while (n < d->bytes.size && strchr(" \t\r\n", first[n]) && first[n]) n++;
  looking l = {
      .d = d, .line = 1, .counted = first, .given_back = d->map ? d->map : first, .why = why};
  dataset_finder_init(&l.finder, d->routed);
  bool fine = n < d->bytes.size && first[n] == '[' ? look_at_array(&l) : look_at_lines(&l);
  dataset_finder_deinit(&l.finder);
  if (fine && d->count == 0) snprintf(why, DATASET_WHY_MAX, "%s holds no request", d->name);
  return fine && d->count > 0;
}

/* ---- the file */

static dataset *new_dataset(const char *name, bool routed) {
  dataset *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  *d = (dataset){.name = name, .routed = routed, .turns_max = 1};
  lti_buf_init(&d->text, cli_program_alloc(), CLI_INPUT_MAX, LEAT_EBODYMAX);
  return d;
}

/* Maps what is a file and large; else reads it. */
static bool take_file(dataset *d, const char *path) {
  struct stat facts;
  int fd = strcmp(path, "-") == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  bool large = fd >= 0 && fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) &&
               (uint64_t)facts.st_size > READ_MAX;
  if (large) {
    d->map_size = (size_t)facts.st_size;
    d->map = mmap(NULL, d->map_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (d->map == MAP_FAILED) {
      cli_say("cannot map %s: %s", path, strerror(errno));
      d->map = NULL;
    }
  }
  if (fd >= 0) close(fd);
  d->bytes = lti_slice(d->map, d->map_size);
  if (large) return d->map != NULL;
  bool fine = cli_input_read(&d->text, path);
  d->bytes = lti_buf_slice(&d->text);
  return fine;
}

dataset *dataset_open(const char *path, bool routed) {
  char why[DATASET_WHY_MAX] = "no memory";
  dataset *d = new_dataset(path, routed);
  if (d && take_file(d, path)) {
    if (look(d, why)) return d;
    cli_say("%s", why);
  }
  dataset_close(d);
  return NULL;
}

dataset *dataset_of(leat_slice text, const char *name, bool routed, char why[DATASET_WHY_MAX]) {
  dataset *d = new_dataset(name, routed);
  snprintf(why, DATASET_WHY_MAX, "%s: no memory", name);
  if (!d) return NULL;
  d->bytes = text;
  if (look(d, why)) return d;
  dataset_close(d);
  return NULL;
}

void dataset_close(dataset *d) {
  if (!d) return;
  if (d->map) munmap(d->map, d->map_size);
  lti_buf_deinit(&d->text);
  free(d->places);
  free(d);
}

enum dataset_form dataset_kind(const dataset *d) {
  return d->form;
}

uint64_t dataset_count(const dataset *d) {
  return d->count;
}

uint64_t dataset_skipped(const dataset *d) {
  return d->skipped;
}

uint32_t dataset_turns_max(const dataset *d) {
  return d->turns_max;
}

/* ---- a row */

void dataset_read(const dataset *d, uint64_t i, dataset_row *row) {
  const place *p = &d->places[i];
  *row = (dataset_row){
      .content = lti_slice(d->bytes.data + p->at, p->size), .output_tokens = -1, .turns = 1};
  if (d->form == DATASET_TALKS) {
    row->turns = p->turns;
  } else if (d->form == DATASET_BODIES) {
    if (p->endpoint) row->endpoint = leat_endpoint_at(NULL, p->endpoint - 1u);
  } else if (p->output_tokens) {
    row->output_tokens = (int64_t)p->output_tokens - 1;
  }
}

int dataset_question(const dataset *d, const dataset_row *row, uint32_t turn, lti_buf *scratch,
                     lti_buf *out) {
  if (d->form == DATASET_TALKS)
    return dataset_row_said(row->content, DATASET_QUESTION, turn, scratch, out);
  return dataset_row_text(row->content, scratch, out);
}

int dataset_system(const dataset *d, const dataset_row *row, lti_buf *scratch, lti_buf *out) {
  if (d->form != DATASET_TALKS) return LEAT_OK;
  return dataset_row_said(row->content, DATASET_SYSTEM, 0, scratch, out);
}
