# What cpack makes of an installation: three Debian packages, as the distribution would cut them
# (libleat0, libleat-dev, leat), and one .tar.gz with all of it. `cmake --workflow --preset package`
# configures for /usr, builds and packs; the files are build/package/*.deb and *.tar.gz.
#
# What a package depends on is read from its binaries by dpkg-shlibdeps; libleat-dev also needs the
# headers of what a static link names, which is what pkg-config asks for. Where dpkg-shlibdeps or
# file is missing there is only the archive.
set(LEAT_PACKAGE_CONTACT "leat authors <leat@localhost.localdomain>" CACHE STRING
    "Who answers for the packages: NAME <ADDRESS>")
set(LEAT_PACKAGE_VERSION ${PROJECT_VERSION}-1)
set(LEAT_TERMS_DIR ${PROJECT_BINARY_DIR}/packages)
set(LEAT_RUNTIME_PACKAGE libleat${PROJECT_VERSION_MAJOR})
find_program(LEAT_DPKG_SHLIBDEPS dpkg-shlibdeps)
find_program(LEAT_FILE file)
find_program(LEAT_GZIP gzip)
mark_as_advanced(LEAT_DPKG_SHLIBDEPS LEAT_FILE LEAT_GZIP)
set(CPACK_GENERATOR TGZ)
if(LEAT_DPKG_SHLIBDEPS AND LEAT_FILE AND LEAT_GZIP)
  list(APPEND CPACK_GENERATOR DEB)
endif()

set(CPACK_PACKAGE_NAME leat)
set(CPACK_PACKAGE_VENDOR "leat authors")
set(CPACK_PACKAGE_CONTACT "${LEAT_PACKAGE_CONTACT}")
# What cpack has for its own default; any other would stand before each package's own first line.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${CMAKE_PROJECT_NAME} built using CMake")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)

# ---- the archive: everything, below a folder of its own
string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" LEAT_SYSTEM)
set(CPACK_PACKAGE_FILE_NAME leat-${PROJECT_VERSION}-${LEAT_SYSTEM})
set(CPACK_ARCHIVE_COMPONENT_INSTALL OFF)

# ---- the Debian packages: one a group, each of a component and of its terms, which only they have
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY >=)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_MULTIARCH same)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_MULTIARCH same)
set(LEAT_ABOUT "Thousands of streamed answers over few connections, on one libuv loop, the
caller's or its own: HTTP/1.1, HTTP/2, WebSockets and TLS, with retries,
deadlines, limits, fair lanes and back-pressure.
")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${LEAT_RUNTIME_PACKAGE})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
file(WRITE ${LEAT_TERMS_DIR}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${LEAT_TERMS_DIR}/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "event-loop engine for streaming from language models
${LEAT_ABOUT}
This package has the shared library.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libleat-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
string(JOIN ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
       "${LEAT_RUNTIME_PACKAGE} (= ${LEAT_PACKAGE_VERSION})" libmbedtls-dev libnghttp2-dev
       libsqlite3-dev libuv1-dev libwslay-dev zlib1g-dev)
if(LEAT_LLHTTP_LINK)
  string(APPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS ", libllhttp-dev")
endif()
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "event-loop engine for language models (development files)
${LEAT_ABOUT}
This package has the headers, the static library, and what pkg-config and
CMake's find_package need.")

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME leat)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
    "streams from language models, and load-tests their gateways
A program for the shell: chats, endpoints by name, jobs, WebSockets; an open-
and closed-loop load harness that says how right its own figures are; and a
mock gateway with scripted cadence and faults.")

set(CPACK_COMPONENTS_ALL "")
foreach(component library development program)
  string(TOUPPER ${component} COMPONENT)
  list(APPEND CPACK_COMPONENTS_ALL ${component} ${component}_terms)
  set(CPACK_COMPONENT_${COMPONENT}_GROUP ${component})
  set(CPACK_COMPONENT_${COMPONENT}_TERMS_GROUP ${component})
  set(CPACK_COMPONENT_GROUP_${COMPONENT}_DESCRIPTION "${CPACK_COMPONENT_${COMPONENT}_DESCRIPTION}")
endforeach()

# ---- terms: what Debian's policy asks for besides, /usr/share/doc and a compressed manual

# In Debian's form; with llhttp's where that is compiled in.
function(leat_write_copyright)
  file(READ ${PROJECT_SOURCE_DIR}/LICENSE terms)
  string(REGEX MATCH "Copyright \\(c\\) ([^\n]*)" found "${terms}")
  set(owner "${CMAKE_MATCH_1}")
  string(REGEX REPLACE "^MIT License\n+[^\n]*\n+" "" terms "${terms}")
  string(REPLACE "\n\n" "\n.\n" terms "${terms}")
  string(REGEX REPLACE "\n([^\n])" "\n \\1" terms "${terms}")
  set(form "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/")
  set(text "Format: ${form}\nUpstream-Name: leat\n\n")
  string(APPEND text "Files: *\nCopyright: ${owner}\nLicense: Expat\n\n")
  if(NOT LEAT_LLHTTP_LINK)
    string(APPEND text "Files: llhttp/*\nCopyright: 2018 Fedor Indutny\nLicense: Expat\n"
           "Comment: compiled into the library and the program\n\n")
  endif()
  file(WRITE ${LEAT_TERMS_DIR}/copyright "${text}License: Expat\n ${terms}")
endfunction()

# The project's own changes, and those of the packages' making, whose date SOURCE_DATE_EPOCH may
# set, and the manual. Compressed without times, so that the same sources give the same file.
function(leat_write_compressed)
  string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
  configure_file(${PROJECT_SOURCE_DIR}/CHANGELOG.md ${LEAT_TERMS_DIR}/changelog COPYONLY)
  file(WRITE ${LEAT_TERMS_DIR}/changelog.Debian
       "leat (${LEAT_PACKAGE_VERSION}) unstable; urgency=medium\n\n"
       "  * Packaged by cpack; what changed is in changelog.gz.\n\n"
       " -- ${LEAT_PACKAGE_CONTACT}  ${now}\n")
  configure_file(${PROJECT_SOURCE_DIR}/bindings/cli/leat.1 ${LEAT_TERMS_DIR}/leat.1 COPYONLY)
  foreach(name changelog changelog.Debian leat.1)
    execute_process(COMMAND ${LEAT_GZIP} -9nf ${LEAT_TERMS_DIR}/${name} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endfunction()

if("DEB" IN_LIST CPACK_GENERATOR)
  leat_write_copyright()
  leat_write_compressed()
  foreach(component library development program)
    string(TOUPPER ${component} COMPONENT)
    install(FILES ${LEAT_TERMS_DIR}/copyright ${LEAT_TERMS_DIR}/changelog.gz
            ${LEAT_TERMS_DIR}/changelog.Debian.gz
            DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME}
            COMPONENT ${component}_terms EXCLUDE_FROM_ALL)
  endforeach()
  install(FILES ${LEAT_TERMS_DIR}/leat.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
          COMPONENT program_terms EXCLUDE_FROM_ALL)
endif()

include(CPack)
