# The port, the HTTP guard and the queue.
unit_test(http_guard SOURCES unit/test_http_guard.c LIBS door)
unit_test(rest_rules SOURCES unit/test_rest_rules.c LIBS door)
unit_test(conn SOURCES unit/test_conn.c LIBS door)
unit_test(queue SOURCES unit/test_queue.c LIBS door)
unit_test(queue_batch SOURCES unit/test_queue_batch.c LIBS door gen)
unit_test(door SOURCES unit/test_door.c unit/door_fixture.c LIBS door)

# Raw sockets against a door without a model.
add_executable(door_demo e2e/door_demo.c)
target_link_libraries(door_demo PRIVATE door)
script_test(e2e.bad_http ${PYTHON} tests/e2e/bad_http.py
            --start $<TARGET_FILE:door_demo>)

# What the door's speed is compared with; see bench/doors.py.
find_library(MHD_LIBRARY microhttpd REQUIRED)
add_executable(bare_mhd bench/bare_mhd.c)
target_link_libraries(bare_mhd PRIVATE flags Threads::Threads ${MHD_LIBRARY})

fuzz_test(http SOURCES fuzz/fuzz_http.c LIBS door)
