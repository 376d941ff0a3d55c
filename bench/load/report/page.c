/* The frame of a page and its small parts. The policy names the style sheet by its SHA-256, so that
 * nothing which slipped through could style, script or fetch; the escaping sees to it that nothing
 * does. Text directions are neutralised, too: a message could otherwise turn the words around it.
 */
#include "page.h"

#include <math.h>
#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <time.h>

#include "page_style.h"

#define SHA256_BYTES 32
#define BASE64_ROOM  48
#define REPLACEMENT  "\xef\xbf\xbd"
#define UNKNOWN      "\xe2\x80\x93"
#define MICRO        "\xc2\xb5"
#define MS_US        1e3
#define S_US         1e6
#define MIN_US       60e6
#define UNIX_S_MAX   253402300799.0 /* the year 9999 */

/* ---- the frame */

static bool put_policy(cli_out *out) {
  unsigned char hash[SHA256_BYTES], text[BASE64_ROOM];
  size_t size = 0;
  const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
  const char *style = page_style();
  if (!sha256 || mbedtls_md(sha256, (const unsigned char *)style, strlen(style), hash) != 0 ||
      mbedtls_base64_encode(text, sizeof text, &size, hash, sizeof hash) != 0)
    return false;
  cli_out_format(out,
                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                 "style-src 'sha256-%.*s'; base-uri 'none'; form-action 'none'\">\n",
                 (int)size, (const char *)text);
  return true;
}

bool page_begin(cli_out *out, const char *title) {
  cli_out_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
  if (!put_policy(out)) return false;
  cli_out_text(out,
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
               "<meta name=\"color-scheme\" content=\"light dark\">\n"
               "<meta name=\"referrer\" content=\"no-referrer\">\n"
               "<meta name=\"generator\" content=\"leat\">\n<title>");
  page_word(out, title);
  cli_out_text(out, "</title>\n<style>");
  cli_out_text(out, page_style());
  cli_out_text(out,
               "</style>\n</head>\n<body>\n<form class=\"theme\" aria-label=\"Colours\">"
               "<label><input type=\"radio\" name=\"theme\" id=\"t-auto\" checked>"
               "<span>Auto</span></label>"
               "<label><input type=\"radio\" name=\"theme\" id=\"t-light\"><span>Light</span>"
               "</label><label><input type=\"radio\" name=\"theme\" id=\"t-dark\">"
               "<span>Dark</span></label></form>\n<main>\n");
  return true;
}

void page_end(cli_out *out) {
  cli_out_text(out, "</main>\n</body>\n</html>\n");
}

/* ---- foreign text */

/* The bytes of the character that `text` begins with; 0: they are no UTF-8. */
static size_t utf8_size(leat_slice text) {
  unsigned char c = (unsigned char)text.data[0];
  size_t size = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
  if (size == 0 || size > text.size || !lti_slice_is_utf8(lti_slice(text.data, size))) return 0;
  return size;
}

/* U+202A..202E, U+2066..2069, U+200E, U+200F, U+061C: they turn the direction of text. */
static bool turns(const unsigned char *c, size_t size) {
  if (size == 2) return c[0] == 0xd8 && c[1] == 0x9c;
  if (size != 3 || c[0] != 0xe2) return false;
  if (c[1] == 0x80) return c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xaa && c[2] <= 0xae);
  return c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9;
}

/* What stands for a character; NULL: itself. */
static const char *entity(const unsigned char *c, size_t size) {
  switch (c[0]) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    case '`': return "&#96;";
    case '\n':
    case '\t': return NULL;
    default: break;
  }
  bool control = c[0] < 0x20 || c[0] == 0x7f || (size == 2 && c[0] == 0xc2 && c[1] < 0xa0);
  return control || turns(c, size) ? REPLACEMENT : NULL;
}

void page_text(cli_out *out, leat_slice text) {
  size_t plain = 0, at = 0;
  while (at < text.size) {
    size_t size = utf8_size(lti_slice_from(text, at));
    const char *instead =
        size > 0 ? entity((const unsigned char *)text.data + at, size) : REPLACEMENT;
    if (instead) {
      cli_out_write(out, lti_slice(text.data + plain, at - plain));
      cli_out_text(out, instead);
      plain = at + (size > 0 ? size : 1);
    }
    at += size > 0 ? size : 1;
  }
  cli_out_write(out, lti_slice(text.data + plain, text.size - plain));
}

void page_word(cli_out *out, const char *text) {
  page_text(out, lti_slice_of(text));
}

/* ---- parts */

void page_section(cli_out *out, const char *id, const char *title) {
  cli_out_format(out, "<section id=\"%s\" aria-labelledby=\"%s-h\">\n<h2 id=\"%s-h\">%s</h2>\n", id,
                 id, id, title);
}

void page_section_end(cli_out *out) {
  cli_out_text(out, "</section>\n");
}

const char *page_tone_name(enum page_tone tone) {
  static const char *const names[] = {"plain", "good", "warn", "bad"};
  return names[tone];
}

enum page_tone page_tone_of(enum result_verdict verdict) {
  switch (verdict) {
    case RESULT_VALID: return PAGE_GOOD;
    case RESULT_DEGRADED: return PAGE_WARN;
    case RESULT_INVALID: break;
  }
  return PAGE_BAD;
}

/* A disc with a tick, a triangle with a stroke, an octagon with a cross: told apart in grey. */
void page_mark(cli_out *out, enum page_tone tone) {
  static const char *const shapes[] = {
      "<circle cx=\"12\" cy=\"12\" r=\"5\"/>",
      "<circle cx=\"12\" cy=\"12\" r=\"11\"/><path d=\"M6.5 12.5l4 4 7-8.5\"/>",
      "<path class=\"f\" d=\"M12 1.5L23.5 22H.5z\"/><path d=\"M12 9v6M12 18v.6\"/>",
      ("<path class=\"f\" d=\"M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z\"/>"
       "<path d=\"M8 8l8 8M16 8l-8 8\"/>")};
  cli_out_format(out, "<svg class=\"mark %s\" viewBox=\"0 0 24 24\" aria-hidden=\"true\">%s</svg>",
                 page_tone_name(tone), shapes[tone]);
}

void page_cards(cli_out *out, const page_card *cards, size_t count) {
  cli_out_text(out, "<dl class=\"cards\">\n");
  for (size_t i = 0; i < count; i++) {
    cli_out_format(out, "<div class=\"card %s\"><dt>", page_tone_name(cards[i].tone));
    page_word(out, cards[i].label);
    cli_out_text(out, "</dt><dd class=\"v\">");
    page_word(out, cards[i].value);
    cli_out_text(out, "</dd>");
    if (cards[i].note && *cards[i].note) {
      cli_out_text(out, "<dd class=\"n\">");
      page_word(out, cards[i].note);
      cli_out_text(out, "</dd>");
    }
    cli_out_text(out, "</div>\n");
  }
  cli_out_text(out, "</dl>\n");
}

void page_table(cli_out *out, const char *caption, const char *heads) {
  cli_out_text(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
  page_word(out, caption);
  cli_out_text(out, "\"><table><caption>");
  page_word(out, caption);
  cli_out_text(out, "</caption><thead><tr>");
  for (bool first = true;; first = false) {
    size_t size = strcspn(heads, "|");
    bool words = *heads == '<';
    cli_out_text(out, first || words ? "<th scope=\"col\" class=\"w\">" : "<th scope=\"col\">");
    page_text(out, lti_slice(heads + words, size - words));
    cli_out_text(out, "</th>");
    if (!heads[size]) break;
    heads += size + 1;
  }
  cli_out_text(out, "</tr></thead><tbody>\n");
}

void page_table_end(cli_out *out) {
  cli_out_text(out, "</tbody></table></div>\n");
}

void page_row(cli_out *out, const char *name) {
  cli_out_text(out, "<tr><th scope=\"row\">");
  page_word(out, name);
  cli_out_text(out, "</th>");
}

void page_cell(cli_out *out, const char *value) {
  cli_out_text(out, "<td>");
  page_word(out, value);
  cli_out_text(out, "</td>");
}

void page_cell_words(cli_out *out, const char *value) {
  cli_out_text(out, "<td class=\"w\">");
  page_word(out, value);
  cli_out_text(out, "</td>");
}

void page_row_end(cli_out *out) {
  cli_out_text(out, "</tr>\n");
}

void page_terms(cli_out *out) {
  cli_out_text(out, "<dl class=\"terms\">\n");
}

void page_term(cli_out *out, const char *name, const char *value) {
  cli_out_text(out, "<div><dt>");
  page_word(out, name);
  cli_out_text(out, "</dt><dd>");
  page_word(out, value && *value ? value : UNKNOWN);
  cli_out_text(out, "</dd></div>\n");
}

void page_terms_end(cli_out *out) {
  cli_out_text(out, "</dl>\n");
}

/* ---- figures */

static const char *unknown(char *out) {
  snprintf(out, PAGE_FIGURE_MAX, "%s", UNKNOWN);
  return out;
}

/* Three digits that count, and no more zeros than are known: 1.23, 12.3, 123, 1234. */
static int decimals(double value) {
  double size = fabs(value);
  return size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : 2;
}

const char *page_time(double us, char *out) {
  if (!(us >= 0) || isinf(us)) return unknown(out);
  double value = us;
  const char *unit = MICRO "s";
  if (us >= MIN_US * 10) {
    snprintf(out, PAGE_FIGURE_MAX, "%.0f:%02.0f min", floor(us / MIN_US),
             floor(fmod(us, MIN_US) / S_US));
    return out;
  }
  if (us >= S_US) {
    value = us / S_US;
    unit = "s";
  } else if (us >= MS_US) {
    value = us / MS_US;
    unit = "ms";
  }
  int digits = us < MS_US ? 0 : decimals(value);
  snprintf(out, PAGE_FIGURE_MAX, "%.*f %s", digits, value, unit);
  return out;
}

const char *page_ms(double us, char *out) {
  if (!(us >= 0) || isinf(us)) return unknown(out);
  double ms = us / MS_US;
  snprintf(out, PAGE_FIGURE_MAX, "%.*f", ms < 10 ? 3 : ms < 100 ? 2 : 1, ms);
  return out;
}

const char *page_count(double n, char *out) {
  if (!(n >= 0) || n >= 1e18) return unknown(out);
  char digits[24];
  int count = snprintf(digits, sizeof digits, "%.0f", n);
  size_t used = 0;
  for (int i = 0; i < count && used + 2 < PAGE_FIGURE_MAX; i++) {
    if (i > 0 && (count - i) % 3 == 0) out[used++] = ',';
    out[used++] = digits[i];
  }
  out[used] = '\0';
  return out;
}

const char *page_short(double n, char *out) {
  static const char units[] = " kMGT";
  size_t unit = 0;
  for (; fabs(n) >= 999.5 && unit < 4; unit++) n /= 1000;
  int size = snprintf(out, PAGE_FIGURE_MAX - 2, "%.*f", n == floor(n) ? 0 : decimals(n), n);
  while (size > 1 && strchr(out, '.') && (out[size - 1] == '0' || out[size - 1] == '.')) {
    bool point = out[size - 1] == '.';
    out[--size] = '\0';
    if (point) break;
  }
  if (unit > 0) {
    out[size] = units[unit];
    out[size + 1] = '\0';
  }
  return out;
}

const char *page_share(double share, char *out) {
  if (!(share >= 0) || isinf(share)) return unknown(out);
  double percent = share * 100;
  bool whole = percent == 0 || percent >= 99.995;
  snprintf(out, PAGE_FIGURE_MAX, "%.*f %%", whole ? 0 : decimals(percent), percent);
  return out;
}

const char *page_rate(double per_s, char *out) {
  if (!(per_s >= 0) || isinf(per_s)) return unknown(out);
  char text[PAGE_FIGURE_MAX];
  if (per_s >= 999.5)
    page_count(per_s, text);
  else
    snprintf(text, sizeof text, "%.*f", decimals(per_s), per_s);
  snprintf(out, PAGE_FIGURE_MAX, "%.32s/s", text);
  return out;
}

const char *page_bytes(double bytes, char *out) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  if (!(bytes >= 0) || isinf(bytes)) return unknown(out);
  size_t unit = 0;
  for (; bytes >= 1024 && unit < 4; unit++) bytes /= 1024;
  snprintf(out, PAGE_FIGURE_MAX, "%.*f %s", unit == 0 ? 0 : decimals(bytes), bytes, units[unit]);
  return out;
}

const char *page_date(double unix_s, char *out) {
  if (!(unix_s > 0) || unix_s > UNIX_S_MAX) return unknown(out);
  time_t when = (time_t)unix_s;
  struct tm parts;
  if (!gmtime_r(&when, &parts)) return unknown(out);
  if (strftime(out, PAGE_FIGURE_MAX, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) return unknown(out);
  return out;
}
