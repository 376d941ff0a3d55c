/* Logarithm and exponential from additions, multiplications and divisions alone, in one fixed
 * order. IEEE 754 settles each of those to the last bit, while the functions of the C library
 * differ from one library to the next: so a schedule that is drawn with these is the same on every
 * machine that shares a load. They are right to about two units in the last place. */
#ifndef LOAD_ELEMENTARY_H
#define LOAD_ELEMENTARY_H

/* No product may be fused with a sum, in whoever includes this: that would round once instead of
 * twice, on some processors. GCC does not do it in the standard's own mode, which we build in. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/* x > 0. */
double elementary_ln(double x);
/* ln(1 + y), exact for small y; y > -1. */
double elementary_ln1p(double y);
/* x from -700 to 700; below that it is 0. */
double elementary_exp(double x);

#endif
