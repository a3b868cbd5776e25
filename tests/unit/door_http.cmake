# The port, the HTTP guard and the queue.
unit_test(http_guard SOURCES unit/test_http_guard.c LIBS door)
unit_test(queue SOURCES unit/test_queue.c LIBS door)
