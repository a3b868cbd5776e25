# The bundled model with the real engine.
unit_test(solubility SOURCES unit/test_solubility.c
  LIBS pipeline_only engine)
scarce_test(load_memory SOURCES unit/test_load_memory.c
  LIBS pipeline_only engine)
