# The three kinds of target that the tree is made of: rooms, unit tests, fuzz targets.
# Warnings, sanitizers and hardening are in one INTERFACE target, so that no file lists them twice.

add_library(outlookfs_flags INTERFACE)
target_compile_options(outlookfs_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wformat=2 -Wcast-qual -Wundef -Wwrite-strings
  -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wnull-dereference
  -Wimplicit-fallthrough -Wno-gnu-statement-expression -Wno-unused-parameter
  -fno-common -fstack-protector-strong)
target_compile_definitions(outlookfs_flags INTERFACE
  _GNU_SOURCE _FILE_OFFSET_BITS=64 OUTLOOKFS_VERSION="${PROJECT_VERSION}")
target_include_directories(outlookfs_flags INTERFACE ${PROJECT_SOURCE_DIR})
if(OUTLOOKFS_WERROR)
  target_compile_options(outlookfs_flags INTERFACE -Werror)
endif()
if(OUTLOOKFS_SANITIZE)
  target_compile_options(outlookfs_flags INTERFACE
    -fsanitize=${OUTLOOKFS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(outlookfs_flags INTERFACE -fsanitize=${OUTLOOKFS_SANITIZE})
endif()
if(OUTLOOKFS_FUZZ)
  target_compile_options(outlookfs_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(outlookfs_flags INTERFACE _FORTIFY_SOURCE=2)
  target_link_options(outlookfs_flags INTERFACE LINKER:-z,relro LINKER:-z,now)
endif()

# outlookfs_room(NAME SOURCES a.c b.c LINKS lib...): the library outlookfs_NAME in this folder.
function(outlookfs_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINKS" ${ARGN})
  add_library(outlookfs_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(outlookfs_${name} PUBLIC outlookfs_flags Threads::Threads ${ROOM_LINKS})
endfunction()

# outlookfs_unit_test(NAME SOURCES test_x.c ROOMS imap base): a cmocka program, run by ctest as unit_NAME.
function(outlookfs_unit_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;ROOMS" ${ARGN})
  add_executable(unit_${name} ${TEST_SOURCES})
  list(TRANSFORM TEST_ROOMS PREPEND outlookfs_)
  target_link_libraries(unit_${name} PRIVATE ${TEST_ROOMS} outlookfs_flags PkgConfig::CMOCKA)
  add_test(NAME unit_${name} COMMAND unit_${name})
  set_tests_properties(unit_${name} PROPERTIES TIMEOUT 120)
endfunction()

# outlookfs_fuzz_target(NAME SOURCES fuzz_x.c ROOMS imap base): with OUTLOOKFS_FUZZ a libFuzzer
# program; without it a program that replays tests/fuzz/corpus/NAME once, run by ctest.
function(outlookfs_fuzz_target name)
  cmake_parse_arguments(FUZZ "" "" "SOURCES;ROOMS" ${ARGN})
  list(TRANSFORM FUZZ_ROOMS PREPEND outlookfs_)
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
  if(OUTLOOKFS_FUZZ)
    add_executable(fuzz_${name} ${FUZZ_SOURCES})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(fuzz_${name} ${FUZZ_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${corpus})
    set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 120)
  endif()
  target_link_libraries(fuzz_${name} PRIVATE ${FUZZ_ROOMS} outlookfs_flags)
endfunction()
