# package: the engine as a C library of its own, `cmake --install BUILD
# --component engine [--prefix DIR]`.
#
# A static archive of one object: everything of ours is linked into it, and what
# engine.exports does not name becomes local, so that no name of ours can meet
# one of the program's. A shared library would need every object a second time.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(exports ${CMAKE_CURRENT_SOURCE_DIR}/package/engine.exports)
set(archive ${CMAKE_BINARY_DIR}/lib/libspecserve-engine.a)
set(object ${CMAKE_CURRENT_BINARY_DIR}/specserve-engine.o)

add_custom_command(OUTPUT ${archive}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/lib
  COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o ${object} -Wl,--whole-archive
          $<TARGET_FILE:engine> $<TARGET_FILE:base> $<TARGET_FILE:gen_onnx>
          -Wl,--no-whole-archive
  COMMAND ${CMAKE_OBJCOPY} --strip-debug --keep-global-symbols=${exports}
          ${object}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
  COMMAND ${CMAKE_AR} rcs ${archive} ${object}
  DEPENDS engine base gen_onnx ${exports}
  VERBATIM)
add_custom_target(engine_archive ALL DEPENDS ${archive})

# Where the headers of this configuration go, for both kinds of package.
file(RELATIVE_PATH up_from_cmake
  /p/${CMAKE_INSTALL_LIBDIR}/cmake/specserve-engine /p)
file(RELATIVE_PATH up_from_pkgconfig /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(package/specserve-engine.pc.in specserve-engine.pc @ONLY)
configure_file(package/specserve-engine-config.cmake.in
  specserve-engine-config.cmake @ONLY)
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/specserve-engine-config-version.cmake
  COMPATIBILITY SameMinorVersion)

install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT engine)
install(FILES engine.h base/arena.h base/clock.h base/error.h
  ${PROJECT_SOURCE_DIR}/gen/c/errors.def
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/specserve COMPONENT engine)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/specserve-engine.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT engine)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/specserve-engine-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/specserve-engine-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/specserve-engine COMPONENT engine)
