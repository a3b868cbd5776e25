# The bundled model with the real engine.
unit_test(solubility SOURCES unit/test_solubility.c
  LIBS pipeline_only engine)
