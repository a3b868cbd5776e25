# Documents: engine/base/doc, the generated schemas, bundles, validate.
unit_test(doc SOURCES unit/test_doc.c unit/test_doc_cases.c LIBS doc)
unit_test(doc_check SOURCES unit/test_doc_check.c LIBS doc)
unit_test(doc_modelspec
  SOURCES unit/test_doc_modelspec.c unit/test_doc_cases.c LIBS server_core)
unit_test(bundle SOURCES unit/test_bundle.c unit/test_doc_cases.c
  LIBS server_core)
unit_test(bundle_validate
  SOURCES unit/test_bundle_validate.c unit/test_doc_cases.c
          ${PROJECT_SOURCE_DIR}/server/commands/validate.c
  LIBS server_core PkgConfig::JANSSON)
file(GLOB seeds data/documents/*/*.yaml)
fuzz_test(yaml SOURCES fuzz/fuzz_yaml.c LIBS doc gen SEEDS ${seeds})

scarce_test(identity SOURCES unit/test_identity.c LIBS identity)
