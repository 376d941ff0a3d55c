/* --endpoints FILE: read whole, then the engine's business. */
#include "endpoint_file.h"

#include "input.h"
#include "program.h"
#include "say.h"

#define FILE_MAX ((size_t)5 << 20) /* above what the engine takes, so that it can say so */

bool cli_endpoint_file(leat_engine *engine, const char *path) {
  lti_buf text;
  if (!path) return true;
  lti_buf_init(&text, cli_program_alloc(), FILE_MAX, LEAT_EBODYMAX);
  bool fine = cli_input_read(&text, path);
  if (fine && leat_endpoint_load(engine, lti_buf_slice(&text)) != LEAT_OK) {
    cli_say("--endpoints %s: %s", path, leat_last_message(engine));
    fine = false;
  }
  lti_buf_deinit(&text);
  return fine;
}
