# mbedTLS from the system: Debian 12 has no pkg-config file for it, so it is found by name. Leat
# knows two of its lines, each in a file of its own (engine/wire/tls_28.c and tls_36.c, one of which
# compiles to nothing); any other version is not found. Gives MbedTLS::tls, MbedTLS_VERSION, and
# LEAT_TLS_SOURCE, the one of the two files that is at work, and LEAT_TLS_VERSION, its best.
find_path(MbedTLS_INCLUDE_DIR mbedtls/ssl.h)
find_library(MbedTLS_LIBRARY mbedtls)
find_library(MbedTLS_X509_LIBRARY mbedx509)
find_library(MbedTLS_CRYPTO_LIBRARY mbedcrypto)

# 3 keeps its version in build_info.h, 2 in version.h.
set(MbedTLS_VERSION "")
foreach(header build_info.h version.h)
  if(NOT MbedTLS_VERSION AND EXISTS "${MbedTLS_INCLUDE_DIR}/mbedtls/${header}")
    file(STRINGS "${MbedTLS_INCLUDE_DIR}/mbedtls/${header}" line
         REGEX "^#define MBEDTLS_VERSION_STRING +\"[0-9.]+\"")
    string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" MbedTLS_VERSION "${line}")
  endif()
endforeach()
set(LEAT_TLS_SOURCE "")
if(MbedTLS_VERSION VERSION_GREATER_EQUAL 2.28 AND MbedTLS_VERSION VERSION_LESS 2.29)
  set(LEAT_TLS_SOURCE engine/wire/tls_28.c)
  set(LEAT_TLS_VERSION 1.2)
elseif(MbedTLS_VERSION VERSION_GREATER_EQUAL 3.6.3 AND MbedTLS_VERSION VERSION_LESS 3.7)
  set(LEAT_TLS_SOURCE engine/wire/tls_36.c)
  set(LEAT_TLS_VERSION 1.3)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MbedTLS
                                  REQUIRED_VARS MbedTLS_LIBRARY MbedTLS_X509_LIBRARY
                                  MbedTLS_CRYPTO_LIBRARY MbedTLS_INCLUDE_DIR LEAT_TLS_SOURCE
                                  VERSION_VAR MbedTLS_VERSION
                                  REASON_FAILURE_MESSAGE
                                  "install libmbedtls-dev, 2.28 or 3.6.3 and better of 3.6")
if(MbedTLS_FOUND)
  message(STATUS "TLS ${LEAT_TLS_VERSION}: mbedTLS ${MbedTLS_VERSION}, ${LEAT_TLS_SOURCE}")
endif()
if(MbedTLS_FOUND AND NOT TARGET MbedTLS::tls)
  add_library(MbedTLS::tls INTERFACE IMPORTED)
  target_include_directories(MbedTLS::tls INTERFACE ${MbedTLS_INCLUDE_DIR})
  target_link_libraries(MbedTLS::tls INTERFACE ${MbedTLS_LIBRARY} ${MbedTLS_X509_LIBRARY}
                        ${MbedTLS_CRYPTO_LIBRARY})
endif()
mark_as_advanced(MbedTLS_INCLUDE_DIR MbedTLS_LIBRARY MbedTLS_X509_LIBRARY MbedTLS_CRYPTO_LIBRARY)
