/* The words of which synthetic prompts are made: see words.c. */
#ifndef LOAD_WORDS_H
#define LOAD_WORDS_H

#define WORDS_COUNT  256
#define WORDS_STRIDE 5 /* a word and the blank behind it */

extern const char words_text[WORDS_COUNT * WORDS_STRIDE + 1];

#endif
