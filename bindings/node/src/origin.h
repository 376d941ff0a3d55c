/* Whose functions leat calls in this process, for those who must be sure of it. */
#ifndef LEAT_NODE_ORIGIN_H
#define LEAT_NODE_ORIGIN_H

/* The file that a function which leat calls was found in; "" where it is none of the known. */
const char *lno_origin_file(const char *symbol);

#endif
