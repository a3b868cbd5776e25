# The vocabulary of engine/base, and what stands behind the doors.
unit_test(num SOURCES unit/test_num.c LIBS base)
unit_test(base SOURCES unit/test_base.c LIBS base)
unit_test(codec_json SOURCES unit/test_codec_json.c unit/codec_messages.c
          LIBS door)
unit_test(validate SOURCES unit/test_validate.c unit/codec_messages.c LIBS door)
unit_test(route SOURCES unit/test_route.c LIBS door)
