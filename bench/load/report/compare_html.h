/* The page of a comparison. */
#ifndef LOAD_COMPARE_HTML_H
#define LOAD_COMPARE_HTML_H

#include "bench/load/report/compare.h"

/* One self-contained page, as report_html's. `title` may be NULL. False: no memory. */
bool compare_html(const comparison *c, const char *title, cli_out *out);

#endif
