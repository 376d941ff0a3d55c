/* The arguments of `leat call`: see call_words.h. They are sorted into items by how they are
 * written, and items into body, form and parameters by what the endpoint takes. */
#include "call_words.h"

#include <stdlib.h>

#include "input.h"
#include "json_tree.h"
#include "program.h"
#include "say.h"
#include "wire/json.h"

#define TEXTS_MAX ((size_t)16 << 20)

enum item_kind { ITEM_TEXT, ITEM_JSON, ITEM_PARAM, ITEM_FIELD };

typedef struct item {
  enum item_kind kind;
  leat_slice path;
  const char *value;
} item;

/* Everything that is given, in its order. */
typedef struct sorting {
  cli_call_words *to;
  const leat_endpoint *row;
  cli_tree tree;
  bool has_tree;
  item *items;
  size_t count;
} sorting;

const char *cli_call_name(const cli_options *o) {
  if (o->arg_count == 0) {
    cli_say("which endpoint? leat endpoints lists them");
    return NULL;
  }
  return o->args[0];
}

/* ---- how an item is written */

/* A text with an '=' that is neither JSON nor the name of a file that says so by its '@'. */
static bool split(const char *text, item *i) {
  size_t index = text[0] == '[' ? 1 + strspn(text + 1, "0123456789") : 0;
  if (strchr("{@-", text[0]) || (index && text[index] != ']')) return false;
  for (size_t n = 0; text[n]; n++) {
    if (text[n] == '\\' && text[n + 1]) {
      n++;
    } else if (text[n] == '=' && n > 0) {
      bool json = text[n - 1] == ':', param = text[n + 1] == '=';
      i->kind = json ? ITEM_JSON : param ? ITEM_PARAM : ITEM_TEXT;
      i->path = lti_slice(text, json ? n - 1 : n);
      i->value = text + n + (param && !json ? 2 : 1);
      return i->path.size > 0;
    }
  }
  return false;
}

/* What an option has: NAME=VALUE, the first '=' being the one. */
static bool take_option(sorting *s, const char *option, const char *text, enum item_kind kind) {
  const char *equals = strchr(text, '=');
  if (!equals || equals == text) {
    cli_say("%s %s: write it as NAME=VALUE", option, text);
    return false;
  }
  s->items[s->count++] = (item){kind, lti_slice(text, (size_t)(equals - text)), equals + 1};
  return true;
}

static bool take_options(sorting *s, const char *option, const cli_list *list,
                         enum item_kind kind) {
  for (size_t i = 0; i < list->count; i++)
    if (!take_option(s, option, list->items[i], kind)) return false;
  return true;
}

/* Items among the arguments; the one that is none is the body. */
static bool take_arguments(sorting *s, const cli_options *o, const char **body) {
  for (size_t i = 1; i < o->arg_count; i++) {
    if (split(o->args[i], &s->items[s->count])) {
      s->count++;
    } else if (*body) {
      cli_say("%s: one body only; what joins it is path=text or path:=JSON", o->args[i]);
      return false;
    } else {
      *body = o->args[i];
    }
  }
  return true;
}

static bool take_all(sorting *s, const cli_options *o, const char **body) {
  return take_options(s, "--set", &o->set, ITEM_TEXT) &&
         take_options(s, "--set-json", &o->set_json, ITEM_JSON) &&
         take_options(s, "--param", &o->params, ITEM_PARAM) &&
         take_options(s, "--form", &o->form, ITEM_FIELD) && take_arguments(s, o, body);
}

/* ---- what becomes of it */

/* NUL-terminated, in memory that does not move: there is room for all. */
static const char *keep(cli_call_words *w, leat_slice text) {
  size_t at = w->texts.size;
  if (lti_buf_append(&w->texts, text) != LEAT_OK || lti_buf_byte(&w->texts, '\0') != LEAT_OK)
    return "";
  return w->texts.data + at;
}

static bool put_in_body(sorting *s, const item *i) {
  lti_buf json;
  size_t offset;
  const char *why = NULL;
  lti_buf_init(&json, cli_program_alloc(), TEXTS_MAX, LEAT_EBODYMAX);
  leat_slice value = lti_slice_of(i->value);
  if (i->kind == ITEM_JSON && !lti_json_valid(value, &offset, &why)) {
    cli_say("%.*s:=%s: invalid JSON at byte %zu: %s", (int)i->path.size, i->path.data, i->value,
            offset, why ? why : "syntax error");
    lti_buf_deinit(&json);
    return false;
  }
  if (i->kind == ITEM_TEXT && lti_json_write_string(&json, value) != LEAT_OK) why = "is too long";
  if (!why)
    why = cli_tree_set(&s->tree, i->path, i->kind == ITEM_JSON ? value : lti_buf_slice(&json));
  if (why) cli_say("%.*s: the path %s", (int)i->path.size, i->path.data, why);
  s->has_tree = true;
  lti_buf_deinit(&json);
  return why == NULL;
}

/* name=@FILE is a file, everything else a text. */
static void put_in_form(sorting *s, const item *i) {
  cli_call_words *w = s->to;
  leat_form_field *f = &w->fields[w->field_count];
  leat_source *source = &w->sources[w->field_count++];
  *f = (leat_form_field){.name = keep(w, i->path), .value = lti_slice_of(i->value)};
  if (i->value[0] != '@') return;
  source->path = i->value + 1;
  f->value = lti_slice(NULL, 0);
  f->source = source;
}

static void put_in_params(sorting *s, const item *i) {
  cli_call_words *w = s->to;
  w->params[w->param_count++] = (leat_param){keep(w, i->path), i->value};
}

static bool place(sorting *s, const item *i) {
  bool form = s->row->body == LEAT_BODY_MULTIPART, none = s->row->body == LEAT_BODY_NONE;
  if (i->kind == ITEM_PARAM || (none && i->kind != ITEM_FIELD))
    put_in_params(s, i);
  else if (i->kind == ITEM_FIELD || form)
    put_in_form(s, i);
  else
    return put_in_body(s, i);
  return true;
}

static bool read_body(sorting *s, const cli_options *o, const char *argument) {
  cli_call_words *w = s->to;
  if (argument && o->body) {
    cli_say("%s and --body: give one of them", argument);
    return false;
  }
  const char *text = argument ? argument : o->body;
  if (!text) return true;
  if (!cli_input_body(&w->body, text)) return false;
  s->has_tree = cli_tree_read(&s->tree, lti_buf_slice(&w->body)) == NULL;
  return s->has_tree;
}

static bool write_body(sorting *s) {
  cli_call_words *w = s->to;
  if (!s->has_tree) return true;
  lti_buf_clear(&w->body);
  if (cli_tree_write(&s->tree, &w->body) == LEAT_OK) return true;
  cli_say("the body is larger than %zu bytes, or memory is short", w->body.max);
  return false;
}

static bool sort(sorting *s, const cli_options *o) {
  const char *body = NULL;
  size_t names = 0;
  if (!take_all(s, o, &body) || !read_body(s, o, body)) return false;
  for (size_t i = 0; i < s->count; i++) names += s->items[i].path.size + 1;
  if (lti_buf_reserve(&s->to->texts, names + 1) != LEAT_OK) return false;
  for (size_t i = 0; i < s->count; i++)
    if (!place(s, &s->items[i])) return false;
  return write_body(s);
}

bool cli_call_words_init(cli_call_words *w, const cli_options *o, const leat_endpoint *row) {
  size_t most =
      o->arg_count + o->set.count + o->set_json.count + o->params.count + o->form.count + 1;
  sorting s = {.to = w, .row = row, .items = calloc(most, sizeof(item))};
  *w = (cli_call_words){.name = row->name};
  lti_buf_init(&w->body, cli_program_alloc(), CLI_INPUT_MAX, LEAT_EBODYMAX);
  lti_buf_init(&w->texts, cli_program_alloc(), TEXTS_MAX, LEAT_EBODYMAX);
  w->params = calloc(most, sizeof *w->params);
  w->fields = calloc(most, sizeof *w->fields);
  w->sources = calloc(most, sizeof *w->sources);
  bool fine = s.items && w->params && w->fields && w->sources && sort(&s, o);
  cli_tree_free(&s.tree);
  free(s.items);
  return fine;
}

void cli_call_words_free(cli_call_words *w) {
  lti_buf_deinit(&w->body);
  lti_buf_deinit(&w->texts);
  free(w->params);
  free(w->fields);
  free(w->sources);
}
