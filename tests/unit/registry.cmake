# The registry library: one program per module.
unit_test(lease SOURCES unit/test_lease.c LIBS registry)
unit_test(ports SOURCES unit/test_ports.c LIBS registry)
unit_test(process SOURCES unit/test_process.c LIBS registry)
unit_test(store SOURCES unit/test_store.c LIBS registry PkgConfig::SQLITE)
unit_test(registry SOURCES unit/test_registry.c unit/registry_bench.c
          LIBS registry)
unit_test(registry_life SOURCES unit/test_registry_life.c unit/registry_bench.c
          LIBS registry)
scarce_test(registry_memory SOURCES unit/test_registry_memory.c LIBS registry)

# How instances and clients talk to it.
unit_test(registry_client SOURCES unit/test_registry_client.c
          LIBS registry_handlers registry_client)
unit_test(presence
          SOURCES unit/test_presence.c ${PROJECT_SOURCE_DIR}/server/presence.c
          LIBS registry_client)
target_include_directories(test_presence PRIVATE ${PROJECT_SOURCE_DIR}/server)
unit_test(rest_answer SOURCES unit/test_rest_answer.c LIBS registry_client)
