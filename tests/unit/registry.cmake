# The registry library: one program per module.
unit_test(lease SOURCES unit/test_lease.c LIBS registry)
unit_test(ports SOURCES unit/test_ports.c LIBS registry)
unit_test(process SOURCES unit/test_process.c LIBS registry)
unit_test(store SOURCES unit/test_store.c LIBS registry PkgConfig::SQLITE)
unit_test(registry SOURCES unit/test_registry.c LIBS registry)
