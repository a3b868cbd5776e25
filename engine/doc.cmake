# doc: see base/doc.h
add_library(doc STATIC
  base/doc_build.c base/doc_check.c base/doc_json.c base/doc_report.c
  base/doc_scalar.c base/doc_suggest.c base/doc_tree.c base/doc_yaml.c)
target_link_libraries(doc PUBLIC base PRIVATE PkgConfig::YAML PkgConfig::PCRE2)
# changes: see base/changes.h
add_library(changes STATIC
  base/changes.c base/changes_report.c base/changes_waive.c)
target_link_libraries(changes PUBLIC doc base)
