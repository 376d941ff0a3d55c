/* What the addon exports, in each environment anew: nothing here is shared between them. */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "engine.h"
#include "origin.h"

/* As an uncaughtException, from where nobody can catch it. */
static napi_value raise_error(napi_env env, napi_callback_info call) {
  napi_value error;
  size_t count = 1;
  if (napi_get_cb_info(env, call, &count, &error, NULL, NULL) == napi_ok)
    napi_fatal_exception(env, error);
  return NULL;
}

static napi_value where(napi_env env, napi_callback_info call) {
  napi_value argument, told = NULL;
  size_t count = 1;
  char symbol[64];
  if (napi_get_cb_info(env, call, &count, &argument, NULL, NULL) != napi_ok ||
      napi_get_value_string_utf8(env, argument, symbol, sizeof symbol, NULL) != napi_ok)
    return NULL;
  napi_create_string_utf8(env, lno_origin_file(symbol), NAPI_AUTO_LENGTH, &told);
  return told;
}

/* libuv promises one ABI for all of version 1; a function that the host is too old for has kept the
 * library from being loaded. */
static bool fits_host(napi_env env) {
  if (uv_version() >> 16 == UV_VERSION_MAJOR) return true;
  char text[160];
  snprintf(text, sizeof text,
           "leat was built for libuv %d and this Node has %s: build it again with this Node",
           UV_VERSION_MAJOR, uv_version_string());
  napi_throw_error(env, "ERR_DLOPEN_FAILED", text);
  return false;
}

__attribute__((visibility("default"))) napi_value lno_module_start(napi_env env,
                                                                   napi_value exports);

napi_value lno_module_start(napi_env env, napi_value exports) {
  napi_value version;
  const napi_property_descriptor functions[] = {
      {"raise", NULL, raise_error, NULL, NULL, NULL, napi_default, NULL},
      {"where", NULL, where, NULL, NULL, NULL, napi_default, NULL}};
  if (!fits_host(env) ||
      napi_define_properties(env, exports, sizeof functions / sizeof functions[0], functions) !=
          napi_ok ||
      napi_create_string_utf8(env, leat_version(), NAPI_AUTO_LENGTH, &version) != napi_ok ||
      napi_set_named_property(env, exports, "version", version) != napi_ok ||
      !lno_engine_define(env, exports))
    return NULL;
  return exports;
}
