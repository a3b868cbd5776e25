# The vocabulary of engine/base, and what stands behind the doors.
unit_test(num SOURCES unit/test_num.c LIBS base)
unit_test(base SOURCES unit/test_base.c LIBS base)
unit_test(codec_json SOURCES unit/test_codec_json.c unit/codec_messages.c
          LIBS door)
unit_test(codec_random SOURCES unit/test_codec_random.c unit/codec_messages.c
          LIBS door)
unit_test(complete SOURCES unit/test_complete.c unit/codec_messages.c
          LIBS wire)
unit_test(base64 SOURCES unit/test_base64.c LIBS door)
unit_test(rfc3339 SOURCES unit/test_rfc3339.c LIBS door)
unit_test(validator SOURCES unit/test_validator.c unit/codec_messages.c LIBS door)
unit_test(route SOURCES unit/test_route.c LIBS door)
unit_test(call SOURCES unit/test_call.c unit/call_fixture.c LIBS door)

fuzz_test(json SOURCES fuzz/fuzz_json.c unit/codec_messages.c
          LIBS door PkgConfig::JANSSON)
if(TARGET fuzz_json)
  target_include_directories(fuzz_json PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit)
endif()

# Not a test: prints a table.
add_executable(bench_json EXCLUDE_FROM_ALL bench/bench_json.c)
target_link_libraries(bench_json PRIVATE door PkgConfig::JANSSON)
