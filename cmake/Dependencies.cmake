# What Apprentice is built on: one interface target, ap_dependencies, with everything as system headers.

find_package(PkgConfig REQUIRED)
if(AP_FUZZ) # one thread; clang's own OpenMP would be a second one beside OpenBLAS's
  add_library(OpenMP::OpenMP_C INTERFACE IMPORTED)
  target_compile_options(OpenMP::OpenMP_C INTERFACE -fopenmp-simd)
  target_link_libraries(OpenMP::OpenMP_C INTERFACE gomp)
else()
  find_package(OpenMP REQUIRED COMPONENTS C)
endif()
pkg_check_modules(AP_DEPS REQUIRED IMPORTED_TARGET gmp sqlite3 jansson yaml-0.1 libpcre2-8 libutf8proc)
pkg_check_modules(AP_Z3 REQUIRED z3)
pkg_check_modules(AP_CURL REQUIRED libcurl)

# The OpenMP build of OpenBLAS, by its own folder: the reference BLAS is 50 times slower, and the
# pthread build has a second pool of threads beside OpenMP's.
set(AP_BLAS_NAME "openblas-openmp")
find_library(AP_OPENBLAS openblas NO_DEFAULT_PATH PATHS
  /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/${AP_BLAS_NAME} /usr/lib64/${AP_BLAS_NAME} /usr/lib/${AP_BLAS_NAME})
find_path(AP_OPENBLAS_INCLUDE cblas.h NO_DEFAULT_PATH PATHS
  /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/${AP_BLAS_NAME} /usr/include/${AP_BLAS_NAME})
if(NOT AP_OPENBLAS OR NOT AP_OPENBLAS_INCLUDE)
  message(FATAL_ERROR "The OpenMP build of OpenBLAS was not found.\n"
    "Install it with scripts/install-deps.sh (Debian package libopenblas-openmp-dev), or name it with\n"
    "  -DAP_OPENBLAS=/path/libopenblas.so -DAP_OPENBLAS_INCLUDE=/path/of/cblas.h's/folder")
endif()

# Large libraries are loaded when first needed (src/base/library.h), by the name that linking would have noted.
function(ap_soname out library)
  execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${library} OUTPUT_VARIABLE text ERROR_QUIET)
  if(NOT text MATCHES "SONAME +([^ \n]+)")
    message(FATAL_ERROR "No SONAME in ${library}: is it a shared library?")
  endif()
  set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()
ap_soname(AP_LIBOPENBLAS_FILE ${AP_OPENBLAS})
get_filename_component(AP_OPENBLAS_DIR ${AP_OPENBLAS} DIRECTORY)
set(AP_LIBOPENBLAS_FILE ${AP_OPENBLAS_DIR}/${AP_LIBOPENBLAS_FILE}) # whatever `update-alternatives` points to
ap_soname(AP_LIBZ3_FILE ${AP_Z3_LINK_LIBRARIES})
ap_soname(AP_LIBCURL_FILE ${AP_CURL_LINK_LIBRARIES})

find_path(AP_UTHASH_INCLUDE uthash.h)
if(NOT AP_UTHASH_INCLUDE)
  message(FATAL_ERROR "uthash.h was not found. Install it with scripts/install-deps.sh (Debian package uthash-dev).")
endif()

add_library(ap_dependencies INTERFACE)
target_include_directories(ap_dependencies SYSTEM INTERFACE
  ${AP_OPENBLAS_INCLUDE} ${AP_UTHASH_INCLUDE} ${AP_Z3_INCLUDE_DIRS} ${AP_CURL_INCLUDE_DIRS})
target_link_libraries(ap_dependencies INTERFACE PkgConfig::AP_DEPS OpenMP::OpenMP_C ${CMAKE_DL_LIBS} m)
