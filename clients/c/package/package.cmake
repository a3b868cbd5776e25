# package: the typed client as a C library of its own, `cmake --install BUILD
# --component client [--prefix DIR]`.
#
# A static archive of one object, as the engine's: names that client.exports
# does not list become local. What the engine's package exports, too, is weak, so
# that a program may link both.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(client_package ${CMAKE_CURRENT_SOURCE_DIR}/c/package)
set(client_archive ${CMAKE_BINARY_DIR}/lib/libspecserve-client.a)
set(client_object ${CMAKE_CURRENT_BINARY_DIR}/specserve-client.o)

add_custom_command(OUTPUT ${client_archive}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/lib
  COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o ${client_object}
          -Wl,--whole-archive $<TARGET_FILE:client> -Wl,--no-whole-archive
          -Wl,--start-group $<TARGET_FILE:client_transport>
          $<TARGET_FILE:wire> $<TARGET_FILE:gen> $<TARGET_FILE:gen_pb>
          $<TARGET_FILE:base> -Wl,--end-group
  COMMAND ${CMAKE_OBJCOPY} --strip-debug --wildcard
          --keep-global-symbols=${client_package}/client.exports
          --weaken-symbols=${client_package}/shared.exports ${client_object}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${client_archive}
  COMMAND ${CMAKE_AR} rcs ${client_archive} ${client_object}
  DEPENDS client client_transport wire gen gen_pb base
          ${client_package}/client.exports ${client_package}/shared.exports
  VERBATIM)
add_custom_target(client_archive ALL DEPENDS ${client_archive})

# Where the headers of this configuration go, for both kinds of package.
file(RELATIVE_PATH up_from_cmake
  /p/${CMAKE_INSTALL_LIBDIR}/cmake/specserve-client /p)
file(RELATIVE_PATH up_from_pkgconfig /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(c/package/specserve-client.pc.in specserve-client.pc @ONLY)
configure_file(c/package/specserve-client-config.cmake.in
  specserve-client-config.cmake @ONLY)
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/specserve-client-config-version.cmake
  COMPATIBILITY SameMinorVersion)

set(gen_c ${PROJECT_SOURCE_DIR}/gen/c)
file(GLOB client_api_headers CONFIGURE_DEPENDS c/api/*_api.h)
install(FILES ${client_archive} DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT client)
install(FILES c/specserve.h c/typed.h c/values.h ${client_api_headers}
  ${gen_c}/runtime_msg.h ${gen_c}/runtime.pb-c.h
  ${gen_c}/registry_msg.h ${gen_c}/registry.pb-c.h
  ${gen_c}/text_msg.h ${gen_c}/text.pb-c.h
  ${gen_c}/oip_msg.h ${gen_c}/open_inference.pb-c.h
  ${gen_c}/health_msg.h ${gen_c}/grpc_health.pb-c.h ${gen_c}/errors.def
  ${PROJECT_SOURCE_DIR}/engine/base/arena.h
  ${PROJECT_SOURCE_DIR}/engine/base/contract.h
  ${PROJECT_SOURCE_DIR}/engine/base/error.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/specserve COMPONENT client)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/specserve-client.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT client)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/specserve-client-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/specserve-client-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/specserve-client COMPONENT client)
