# llhttp from the system: a library where there is one (Debian 13, libllhttp-dev), else the C
# sources that Debian 12's and Ubuntu 24.04's node-llhttp installs, which are compiled here.
# Gives Llhttp::llhttp; LEAT_LLHTTP_OBJECTS, which join our libraries where it was compiled; and
# LEAT_LLHTTP_LINK and LEAT_LLHTTP_PC, what a static link of leat names besides where it is a
# library (a CMake list and a line of leat.pc).
find_path(Llhttp_INCLUDE_DIR llhttp.h PATH_SUFFIXES llhttp
          PATHS /usr/include /usr/share/include /usr/share/nodejs/llhttp/include)
find_library(Llhttp_LIBRARY llhttp)
find_path(Llhttp_SOURCE_DIR llhttp.c
          PATHS /usr/share/llhttp /usr/share/nodejs/llhttp/src NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
if(Llhttp_LIBRARY)
  find_package_handle_standard_args(Llhttp REQUIRED_VARS Llhttp_LIBRARY Llhttp_INCLUDE_DIR)
else()
  find_package_handle_standard_args(Llhttp REQUIRED_VARS Llhttp_SOURCE_DIR Llhttp_INCLUDE_DIR
                                    REASON_FAILURE_MESSAGE "install libllhttp-dev or node-llhttp")
endif()
if(Llhttp_FOUND AND NOT TARGET Llhttp::llhttp)
  add_library(Llhttp::llhttp INTERFACE IMPORTED)
  target_include_directories(Llhttp::llhttp INTERFACE ${Llhttp_INCLUDE_DIR})
  if(Llhttp_LIBRARY)
    target_link_libraries(Llhttp::llhttp INTERFACE ${Llhttp_LIBRARY})
    set(LEAT_LLHTTP_LINK ";llhttp")
    set(LEAT_LLHTTP_PC "-lllhttp ")
  else()
    set(sources api http llhttp)
    list(TRANSFORM sources REPLACE "(.+)" "${Llhttp_SOURCE_DIR}/\\1.c")
    add_library(leat_llhttp OBJECT ${sources})
    target_include_directories(leat_llhttp SYSTEM PUBLIC ${Llhttp_INCLUDE_DIR})
    target_compile_options(leat_llhttp PRIVATE -w -O3 -DNDEBUG)
    set_target_properties(leat_llhttp PROPERTIES
                          POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    set(LEAT_LLHTTP_OBJECTS $<TARGET_OBJECTS:leat_llhttp>)
  endif()
endif()
mark_as_advanced(Llhttp_INCLUDE_DIR Llhttp_LIBRARY Llhttp_SOURCE_DIR)
