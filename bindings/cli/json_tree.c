/* JSON from paths: see json_tree.h. A tree of what the command line named; everything below that
 * stays text. */
#include "json_tree.h"

#include <stdlib.h>

#include "program.h"
#include "wire/json.h"

#define STEPS_MAX 64
#define INDEX_MAX 9999
#define NAME_MAX  256

static const char no_memory[] = "memory is short";

/* One step of a path. */
typedef struct step {
  bool array, more; /* more: "[]" */
  size_t index;
  char name[NAME_MAX];
  size_t size;
} step;

static bool copy(leat_slice *to, leat_slice from) {
  char *bytes = malloc(from.size + 1);
  if (!bytes) return false;
  if (from.size) memcpy(bytes, from.data, from.size);
  *to = lti_slice(bytes, from.size);
  return true;
}

static void drop(leat_slice *text) {
  free((void *)(uintptr_t)text->data);
  *text = lti_slice(NULL, 0);
}

static void free_children(cli_tree *node) {
  while (node->first) {
    cli_tree *child = node->first;
    node->first = child->next;
    cli_tree_free(child);
    free(child);
  }
  node->last = NULL;
}

/* As deep as paths are, and no deeper. */
void cli_tree_free(cli_tree *node) {
  free_children(node);
  drop(&node->key);
  drop(&node->raw);
  node->kind = CLI_TREE_EMPTY;
}

const char *cli_tree_read(cli_tree *root, leat_slice json) {
  cli_tree_free(root);
  if (!copy(&root->raw, json)) return no_memory;
  root->kind = CLI_TREE_RAW;
  return NULL;
}

static cli_tree *add_child(cli_tree *node, leat_slice key) {
  cli_tree *child = calloc(1, sizeof *child);
  if (!child) return NULL;
  if (!copy(&child->key, key)) {
    free(child);
    return NULL;
  }
  if (node->last)
    node->last->next = child;
  else
    node->first = child;
  node->last = child;
  return child;
}

/* ---- opening what was text */

static bool open_member(cli_tree *node, lti_json *r, leat_slice key) {
  leat_slice value;
  cli_tree *child = lti_json_raw(r, &value) ? add_child(node, key) : NULL;
  if (!child || !copy(&child->raw, value)) return false;
  child->kind = CLI_TREE_RAW;
  return true;
}

static bool open_object(cli_tree *node, lti_json *r) {
  lti_json_text text;
  lti_buf scratch;
  bool fine = true;
  lti_buf_init(&scratch, cli_program_alloc(), (size_t)1 << 20, LEAT_EBODYMAX);
  while (fine && lti_json_next_key(r, &text)) {
    leat_slice key;
    fine = lti_json_decode(text, NULL, &scratch, &key) == LEAT_OK && open_member(node, r, key);
  }
  lti_buf_deinit(&scratch);
  return fine;
}

static bool open_array(cli_tree *node, lti_json *r) {
  while (lti_json_next_value(r))
    if (!open_member(node, r, lti_slice(NULL, 0))) return false;
  return true;
}

/* A RAW object or array becomes one with children; null is as good as empty. */
static const char *open_raw(cli_tree *node) {
  lti_json r;
  lti_json_init(&r, node->raw);
  enum lti_json_type type = lti_json_peek(&r);
  bool fine = true;
  if (type == LTI_JSON_OBJECT && lti_json_enter_object(&r)) {
    node->kind = CLI_TREE_OBJECT;
    fine = open_object(node, &r);
  } else if (type == LTI_JSON_ARRAY && lti_json_enter_array(&r)) {
    node->kind = CLI_TREE_ARRAY;
    fine = open_array(node, &r);
  } else if (type == LTI_JSON_NULL) {
    node->kind = CLI_TREE_EMPTY;
  } else {
    return "leads into what is neither an object nor an array";
  }
  drop(&node->raw);
  return fine ? NULL : no_memory;
}

/* ---- paths */

/* "[N]" or "[]", whose first byte is there. */
static const char *read_index(leat_slice *path, step *s) {
  size_t n = 1, digits = 0;
  *s = (step){.array = true};
  for (; n < path->size && path->data[n] >= '0' && path->data[n] <= '9'; n++, digits++)
    if (s->index <= INDEX_MAX) s->index = s->index * 10 + (size_t)(path->data[n] - '0');
  if (n >= path->size || path->data[n] != ']') return "has a [ without a number and its ]";
  if (s->index > INDEX_MAX) return "has a number above 9999";
  s->more = digits == 0;
  *path = lti_slice_from(*path, n + 1);
  return NULL;
}

static const char *read_name(leat_slice *path, step *s) {
  size_t n = 0;
  *s = (step){.array = false};
  for (; n < path->size && path->data[n] != '.' && path->data[n] != '['; n++) {
    bool literal = path->data[n] == '\\' && n + 1 < path->size && strchr(".[\\", path->data[n + 1]);
    if (s->size == NAME_MAX) return "has a name longer than 256 bytes";
    s->name[s->size++] = path->data[literal ? ++n : n];
  }
  if (s->size == 0) return "has a name that is empty";
  *path = lti_slice_from(*path, n);
  return NULL;
}

/* The next step; a dot in front of a name goes with it. */
static const char *read_step(leat_slice *path, bool first, step *s) {
  if (*path->data == '[') return read_index(path, s);
  if (first) return read_name(path, s);
  if (*path->data != '.' || path->size == 1) return "needs a '.' or '[' behind a ]";
  *path = lti_slice_from(*path, 1);
  return read_name(path, s);
}

static cli_tree *member(cli_tree *node, const step *s) {
  leat_slice key = lti_slice(s->name, s->size);
  for (cli_tree *child = node->first; child; child = child->next)
    if (lti_slice_equal(child->key, key)) return child;
  return add_child(node, key);
}

static cli_tree *element(cli_tree *node, const step *s) {
  cli_tree *child = node->first;
  size_t i = 0;
  for (; child && (s->more || i < s->index); i++) child = child->next;
  while (!child) {
    child = add_child(node, lti_slice(NULL, 0));
    if (!child || s->more || i++ >= s->index) break;
    child = NULL;
  }
  return child;
}

static const char *descend(cli_tree **node, const step *s) {
  enum cli_tree_kind wanted = s->array ? CLI_TREE_ARRAY : CLI_TREE_OBJECT;
  const char *why = (*node)->kind == CLI_TREE_RAW ? open_raw(*node) : NULL;
  if (why) return why;
  if ((*node)->kind == CLI_TREE_EMPTY) (*node)->kind = wanted;
  if ((*node)->kind != wanted)
    return s->array ? "takes an object for an array" : "takes an array for an object";
  *node = s->array ? element(*node, s) : member(*node, s);
  return *node ? NULL : no_memory;
}

const char *cli_tree_set(cli_tree *root, leat_slice path, leat_slice json) {
  cli_tree *node = root;
  leat_slice rest = path;
  const char *why = path.size ? NULL : "is empty";
  for (size_t i = 0; !why && rest.size; i++) {
    step s;
    why = i < STEPS_MAX ? read_step(&rest, i == 0, &s) : "has more than 64 steps";
    if (!why) why = descend(&node, &s);
  }
  if (why) return why;
  free_children(node);
  drop(&node->raw);
  if (!copy(&node->raw, json)) return no_memory;
  node->kind = CLI_TREE_RAW;
  return NULL;
}

/* ---- writing */

static int write_children(const cli_tree *node, lti_buf *out) {
  bool object = node->kind == CLI_TREE_OBJECT;
  int r = lti_buf_byte(out, object ? '{' : '[');
  for (const cli_tree *child = node->first; r == LEAT_OK && child; child = child->next) {
    if (child != node->first) r = lti_buf_byte(out, ',');
    if (r == LEAT_OK && object) r = lti_json_write_string(out, child->key);
    if (r == LEAT_OK && object) r = lti_buf_byte(out, ':');
    if (r == LEAT_OK) r = cli_tree_write(child, out);
  }
  return r == LEAT_OK ? lti_buf_byte(out, object ? '}' : ']') : r;
}

int cli_tree_write(const cli_tree *node, lti_buf *out) {
  switch (node->kind) {
    case CLI_TREE_EMPTY: return lti_buf_text(out, "null");
    case CLI_TREE_RAW: return lti_buf_append(out, node->raw);
    case CLI_TREE_OBJECT:
    case CLI_TREE_ARRAY: return write_children(node, out);
  }
  return LEAT_OK;
}
