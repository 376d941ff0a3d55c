/* What main.c is to the program: the allocator that its parts share. */
#include "bindings/cli/program.h"

lti_alloc *cli_program_alloc(void) {
  static lti_alloc alloc;
  static bool ready;
  if (!ready) lti_alloc_init(&alloc, NULL);
  ready = true;
  return &alloc;
}
