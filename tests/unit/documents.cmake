# Documents: engine/base/doc, the generated schemas, bundles.
unit_test(doc SOURCES unit/test_doc.c unit/test_doc_cases.c LIBS doc)
unit_test(doc_check SOURCES unit/test_doc_check.c LIBS doc)
