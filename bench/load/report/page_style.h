/* The style sheet of our pages: one text, the same for every page. */
#ifndef LOAD_PAGE_STYLE_H
#define LOAD_PAGE_STYLE_H

const char *page_style(void);

#endif
