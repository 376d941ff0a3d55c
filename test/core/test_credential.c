/* Which headers are credentials: by what their names say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/credential.h"

static bool is(const char *name) {
  return lti_credential_is(lti_slice_of(name));
}

static void test_names_that_hold_a_secret(void **state) {
  static const char *const names[] = {"Authorization",
                                      "PROXY-AUTHORIZATION",
                                      "x-api-key",
                                      "Ocp-Apim-Subscription-Key",
                                      "mj-api-secret",
                                      "Helicone-Auth",
                                      "cookie",
                                      "X-Amz-Security-Token",
                                      "x-signature",
                                      "x-password",
                                      "credentials",
                                      "apikey",
                                      "OpenAI-Organization",
                                      "auth",
                                      "xauth",
                                      "aauth",
                                      "sesecret"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_string_equal(is(names[i]) ? "" : names[i], "");
}

static void test_names_that_anybody_may_see(void **state) {
  static const char *const names[] = {"",
                                      "a",
                                      "Accept",
                                      "content-type",
                                      "aut",
                                      "api",
                                      "User-Agent",
                                      "x-request-id",
                                      "cooki",
                                      "toke",
                                      "idempotency-key",
                                      "openai-beta",
                                      "api_kez",
                                      "secre",
                                      "host",
                                      "anthropic-version",
                                      "x-stainless-os",
                                      "passwor"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_string_equal(is(names[i]) ? names[i] : "", "");
}

/* Nothing behind the slice's end is looked at. */
static void test_a_name_ends_where_its_slice_does(void **state) {
  static const char text[] = "x-authx-api-key";
  (void)state;
  for (size_t n = 0; n < 6; n++) assert_false(lti_credential_is(lti_slice(text, n)));
  assert_true(lti_credential_is(lti_slice(text, 6)));
  assert_false(lti_credential_is(lti_slice(text + 3, 6)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names_that_hold_a_secret),
      cmocka_unit_test(test_names_that_anybody_may_see),
      cmocka_unit_test(test_a_name_ends_where_its_slice_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
