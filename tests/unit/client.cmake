# The C client, steered by e2e/test_client_c.py.
add_executable(client_driver e2e/client_driver.c)
target_link_libraries(client_driver PRIVATE client wire PkgConfig::JANSSON)
