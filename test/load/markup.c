/* A small parser of our own pages: tags balance, attributes are quoted, ids are there once, and
 * nothing is fetched or run. */
#include "markup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

#define PAGE_MAX  (4u << 20)
#define DEPTH_MAX 64

markup markup_read(FILE *file) {
  markup got = {malloc(PAGE_MAX), 0};
  assert_non_null(got.text);
  rewind(file);
  got.size = fread(got.text, 1, PAGE_MAX - 1, file);
  got.text[got.size] = '\0';
  fclose(file);
  return got;
}

static bool is_void(leat_slice name) {
  static const char *const names[] = {"meta", "input", "br", "!DOCTYPE"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (lti_slice_is(name, names[i])) return true;
  return false;
}

/* The end of a tag that begins at `at`, with quotes seen; attributes must be quoted. */
static const char *tag_end(const char *at) {
  bool quoted = false;
  for (; *at && (quoted || *at != '>'); at++) {
    if (*at == '"') quoted = !quoted;
    if (!quoted) assert_int_not_equal(*at, '<');
    if (!quoted && *at == '=') assert_int_equal(at[1], '"');
  }
  assert_int_equal(*at, '>');
  return at;
}

static void assert_balanced(const markup *p) {
  leat_slice open[DEPTH_MAX];
  size_t depth = 0;
  for (const char *at = strchr(p->text, '<'); at; at = strchr(at, '<')) {
    const char *end = tag_end(at + 1);
    bool closes = at[1] == '/';
    const char *name = at + 1 + closes;
    leat_slice tag = lti_slice(name, strcspn(name, " >/\n"));
    if (closes) {
      assert_true(depth > 0);
      depth--;
      if (!lti_slice_equal(open[depth], tag))
        fail_msg("</%.*s> closes <%.*s>", (int)tag.size, tag.data, (int)open[depth].size,
                 open[depth].data);
    } else if (end[-1] != '/' && !is_void(tag)) {
      assert_true(depth < DEPTH_MAX);
      open[depth++] = tag;
    }
    at = end;
  }
  assert_int_equal(depth, 0);
}

/* Ids are there once, and what refers to one finds it. */
static void assert_ids(const markup *p) {
  char wanted[80];
  for (const char *at = strstr(p->text, " id=\""); at; at = strstr(at + 1, " id=\"")) {
    int size = (int)strcspn(at + 5, "\"");
    snprintf(wanted, sizeof wanted, " id=\"%.*s\"", size, at + 5);
    assert_null(strstr(at + 1, wanted));
  }
  const char *label = " aria-labelledby=\"";
  for (const char *at = strstr(p->text, label); at; at = strstr(at + 1, label)) {
    int size = (int)strcspn(at + strlen(label), "\"");
    snprintf(wanted, sizeof wanted, " id=\"%.*s\"", size, at + strlen(label));
    assert_non_null(strstr(p->text, wanted));
  }
}

/* Whether an outside address stands anywhere but in the text of the page. */
static void assert_no_loads(const markup *p) {
  bool text = false;
  for (const char *at = p->text; *at; at++) {
    if (*at == '>') text = true;
    if (*at == '<') text = false;
    if (!text && (strncmp(at, "http://", 7) == 0 || strncmp(at, "https://", 8) == 0))
      fail_msg("an address in markup: %.60s", at);
  }
}

void markup_check(const markup *p) {
  static const char *const never[] = {"<script", "javascript:", " style=", " onload", " onclick",
                                      "url(",    "@import",     " src=",   " href=",  "<iframe",
                                      "nan%",    "inf%",        "nan ",    "(null)"};
  assert_true(lti_slice_is_utf8(lti_slice(p->text, p->size)));
  for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
    if (strstr(p->text, never[i])) fail_msg("the page has %s", never[i]);
  assert_non_null(strstr(p->text, "default-src 'none'; style-src 'sha256-"));
  assert_balanced(p);
  assert_ids(p);
  assert_no_loads(p);
}
