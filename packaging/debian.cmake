# The Debian package: `cmake --build --preset release --target package`. CPack writes the archive and
# finds the libraries' packages with dpkg-shlibdeps; the files here are those that Debian's policy asks
# for and others have no use for. Changelog and manual are compressed without a time stamp, so that the
# same sources give the same files.
set(debian_version ${PROJECT_VERSION}-0local1) # a package of Debian's own would have -1 and be newer
set(debian_doc ${CMAKE_INSTALL_DATADIR}/doc/outlookfs)
find_program(GZIP_PROGRAM gzip)
if(NOT GZIP_PROGRAM)
  message(STATUS "There is no gzip: no Debian package")
  return()
endif()

# debian_gzipped(FILE NAME): FILE as NAME in the build directory, compressed.
function(debian_gzipped file name)
  add_custom_command(OUTPUT ${name} COMMAND ${GZIP_PROGRAM} -9nc ${file} > ${name} DEPENDS ${file} VERBATIM)
endfunction()
configure_file(debian/changelog.in changelog @ONLY)
debian_gzipped(${CMAKE_CURRENT_BINARY_DIR}/changelog changelog.Debian.gz)
debian_gzipped(${PROJECT_SOURCE_DIR}/docs/outlookfs.1 outlookfs.1.gz)
add_custom_target(debian_files ALL DEPENDS changelog.Debian.gz outlookfs.1.gz)

# debian_install(DESTINATION FILE...)
function(debian_install destination)
  install(FILES ${ARGN} DESTINATION ${destination} COMPONENT debian EXCLUDE_FROM_ALL)
endfunction()
debian_install(${debian_doc} debian/copyright debian/README.Debian
  ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz)
debian_install(${CMAKE_INSTALL_MANDIR}/man1 ${CMAKE_CURRENT_BINARY_DIR}/outlookfs.1.gz)
debian_install(${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions completions/_outlookfs)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME outlookfs)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/debian_settle.cmake)
set(CPACK_OUTLOOKFS_STRIP ${CMAKE_STRIP})
# One package of these two; not manual and zsh, which debian has in Debian's way.
set(CPACK_COMPONENTS_ALL Unspecified debian)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_VERSION ${debian_version})
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "outlookfs authors <maintainers@outlookfs.example>")
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS fuse3)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "gnome-keyring, xdg-utils")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Outlook.com or other IMAP mailbox as a file system")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"outlookfs mounts a mailbox of Outlook.com, or of any other IMAP server,
as a directory tree (FUSE). A directory is a mailbox and a file is a
message, byte for byte what the server has: ls, grep, find, cp, tar, rsync
and mail readers work on it.
.
What has been read stays in a cache on disk and is read from there, also
without a network. Reading sets no flag on the server.
.
There are a unit for systemd's user manager, and completions for bash, zsh
and fish.")
include(CPack)
