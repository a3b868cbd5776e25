# The vocabulary of engine/base, and what stands behind the doors.
unit_test(num SOURCES unit/test_num.c LIBS base)
unit_test(base SOURCES unit/test_base.c LIBS base)
