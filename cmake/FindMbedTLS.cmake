# mbedTLS from the system: Debian 12 has no pkg-config file for it, so it is found by name.
find_path(MbedTLS_INCLUDE_DIR mbedtls/ssl.h)
find_library(MbedTLS_LIBRARY mbedtls)
find_library(MbedTLS_X509_LIBRARY mbedx509)
find_library(MbedTLS_CRYPTO_LIBRARY mbedcrypto)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MbedTLS
                                  REQUIRED_VARS MbedTLS_LIBRARY MbedTLS_X509_LIBRARY
                                  MbedTLS_CRYPTO_LIBRARY MbedTLS_INCLUDE_DIR
                                  REASON_FAILURE_MESSAGE "install libmbedtls-dev")
if(MbedTLS_FOUND AND NOT TARGET MbedTLS::tls)
  add_library(MbedTLS::tls INTERFACE IMPORTED)
  target_include_directories(MbedTLS::tls INTERFACE ${MbedTLS_INCLUDE_DIR})
  target_link_libraries(MbedTLS::tls INTERFACE ${MbedTLS_LIBRARY} ${MbedTLS_X509_LIBRARY}
                        ${MbedTLS_CRYPTO_LIBRARY})
endif()
mark_as_advanced(MbedTLS_INCLUDE_DIR MbedTLS_LIBRARY MbedTLS_X509_LIBRARY MbedTLS_CRYPTO_LIBRARY)
