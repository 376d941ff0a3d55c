/* The addon, which is nothing but a loader: leat for Node is a shared object of its own beside it.
 *
 * Node exports the libraries that it has inside, and what an addon links to is found there first.
 * So leat is loaded with RTLD_DEEPBIND, which has it find its own nghttp2 and zlib before Node's,
 * and RTLD_LOCAL, so that nobody else finds them; libuv it has none of, and finds Node's. The
 * sanitizers' runtime does not bear RTLD_DEEPBIND: there Node's libraries are used. */
#include <dlfcn.h>
#include <node_api.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define OPEN_FLAGS (RTLD_NOW | RTLD_LOCAL)
#else
#define OPEN_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#endif
#define LIBRARY        "libleat-node.so"
#define PATH_MAX_BYTES 4096

typedef napi_value (*module_start)(napi_env env, napi_value exports);

/* The library's path, beside this file's own. */
static int find_library(char *path, size_t size) {
  static const char anchor;
  Dl_info own;
  if (!dladdr(&anchor, &own) || !own.dli_fname) return -1;
  const char *slash = strrchr(own.dli_fname, '/');
  int folder = slash ? (int)(slash - own.dli_fname) + 1 : 0;
  int length = snprintf(path, size, "%.*s%s", folder, own.dli_fname, LIBRARY);
  return length > 0 && (size_t)length < size ? 0 : -1;
}

static napi_value fail(napi_env env, const char *what, const char *why) {
  char text[PATH_MAX_BYTES + 256];
  snprintf(text, sizeof text, "leat cannot be loaded: %s: %s", what, why ? why : "not there");
  napi_throw_error(env, "ERR_DLOPEN_FAILED", text);
  return NULL;
}

/* What the macro defines without having declared it. */
NAPI_MODULE_EXPORT int32_t NODE_API_MODULE_GET_API_VERSION(void);

NAPI_MODULE_INIT() {
  char path[PATH_MAX_BYTES];
  if (find_library(path, sizeof path) != 0) return fail(env, LIBRARY, "its folder is not known");
  void *library = dlopen(path, OPEN_FLAGS); /* for as long as the process lives */
  if (!library) return fail(env, "dlopen", dlerror());
  module_start start;
  void *symbol = dlsym(library, "lno_module_start");
  if (!symbol) return fail(env, path, dlerror());
  memcpy(&start, &symbol, sizeof start); /* ISO C has no cast from an object to a function */
  return start(env, exports);
}
