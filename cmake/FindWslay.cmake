# wslay from the system: Debian's package has a CMake configuration of its own but no pkg-config
# file, and found by name it works elsewhere too.
find_path(Wslay_INCLUDE_DIR wslay/wslay.h)
find_library(Wslay_LIBRARY wslay)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Wslay REQUIRED_VARS Wslay_LIBRARY Wslay_INCLUDE_DIR
                                  REASON_FAILURE_MESSAGE "install libwslay-dev")
if(Wslay_FOUND AND NOT TARGET Wslay::wslay)
  add_library(Wslay::wslay INTERFACE IMPORTED)
  target_include_directories(Wslay::wslay INTERFACE ${Wslay_INCLUDE_DIR})
  target_link_libraries(Wslay::wslay INTERFACE ${Wslay_LIBRARY})
endif()
mark_as_advanced(Wslay_INCLUDE_DIR Wslay_LIBRARY)
