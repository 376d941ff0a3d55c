/* See origin.h. The functions are declared by name alone: only their addresses are asked for. */
#include "origin.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

void nghttp2_session_mem_recv(void);
void llhttp_execute(void);
void inflate(void);
void uv_run(void);
void napi_create_object(void);

static const struct {
  const char *name;
  void (*function)(void);
} rows[] = {{"nghttp2_session_mem_recv", nghttp2_session_mem_recv},
            {"llhttp_execute", llhttp_execute},
            {"inflate", inflate},
            {"uv_run", uv_run},
            {"napi_create_object", napi_create_object}};

const char *lno_origin_file(const char *symbol) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    void *address;
    Dl_info found;
    if (strcmp(rows[i].name, symbol) != 0) continue;
    memcpy(&address, &rows[i].function, sizeof address);
    if (dladdr(address, &found) && found.dli_fname) return found.dli_fname;
  }
  return "";
}
