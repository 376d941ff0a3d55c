/* What our pages are made of: the frame with its style and policy, sections, cards, tables, and how
 * figures read. A page stands for itself: one file, no script, nothing fetched; a content security
 * policy of its own allows its one style sheet (by hash) and nothing else. Light and dark follow
 * the reader's system, or three buttons that work by CSS alone.
 *
 * Foreign text (messages, names, configurations) reaches a page through page_text alone, which is
 * safe in text and in quoted attributes. Texts called `html` are our own constants. */
#ifndef LOAD_PAGE_H
#define LOAD_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load/result/result.h"
#include "bindings/cli/out.h"

#define PAGE_FIGURE_MAX 40

/* How a figure is to be seen; the words beside it say the same. */
enum page_tone { PAGE_PLAIN, PAGE_GOOD, PAGE_WARN, PAGE_BAD };

typedef struct page_card {
  const char *label;
  const char *value; /* as it is shown */
  const char *note;  /* below it; may be empty */
  enum page_tone tone;
} page_card;

/* Up to the first section; `title` is foreign. False: its style could not be hashed (no memory). */
bool page_begin(cli_out *out, const char *title);
void page_end(cli_out *out);
/* Foreign text, escaped: no markup, no control characters, none that turn the direction of text. */
void page_text(cli_out *out, leat_slice text);
/* The same for a NUL-terminated text. */
void page_word(cli_out *out, const char *text);

/* `id` is an anchor, `title` a constant. */
void page_section(cli_out *out, const char *id, const char *title);
void page_section_end(cli_out *out);
void page_cards(cli_out *out, const page_card *cards, size_t count);
/* "good", "warn", "bad", "plain": a class of the style sheet. */
const char *page_tone_name(enum page_tone tone);
/* A mark that tells the tone by its shape as well. */
void page_mark(cli_out *out, enum page_tone tone);
enum page_tone page_tone_of(enum result_verdict verdict);

/* A table that scrolls by itself where the page is narrow. `caption` is read aloud, `heads` are
 * constants between '|'; the first column names its row, the others are figures unless their head
 * begins with '<' (then text, from the left). */
void page_table(cli_out *out, const char *caption, const char *heads);
void page_table_end(cli_out *out);
/* Cells of one row: page_row, then page_cell for each, then page_row_end. */
void page_row(cli_out *out, const char *name);
void page_cell(cli_out *out, const char *value);
void page_cell_words(cli_out *out, const char *value);
void page_row_end(cli_out *out);
/* A term and what it is, in a list of such. */
void page_terms(cli_out *out);
void page_term(cli_out *out, const char *name, const char *value);
void page_terms_end(cli_out *out);

/* Figures: "412 µs", "12.3 ms", "1.23 s", "2:05 min"; "–" where it is not known (negative, NAN).
 * At least PAGE_FIGURE_MAX bytes. */
const char *page_time(double us, char *out);
/* In ms, without the unit, for tables. */
const char *page_ms(double us, char *out);
const char *page_count(double n, char *out);
/* Short, for axes: "12k", "1.5M". */
const char *page_short(double n, char *out);
const char *page_share(double share, char *out);
const char *page_rate(double per_s, char *out);
const char *page_bytes(double bytes, char *out);
/* "2026-11-21 23:16:57 UTC". */
const char *page_date(double unix_s, char *out);

#endif
