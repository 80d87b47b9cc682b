# Debian's libcjose-dev 0.6.2 has a .pc file that also asks for jansson's headers, which none of its
# own include.
find_path(CJOSE_INCLUDE_DIR cjose/cjose.h)
find_path(CJOSE_OPENSSL_INCLUDE_DIR openssl/obj_mac.h)  # cjose/jwk.h includes it
find_library(CJOSE_LIBRARY cjose)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Cjose
  REQUIRED_VARS CJOSE_LIBRARY CJOSE_INCLUDE_DIR CJOSE_OPENSSL_INCLUDE_DIR)
if(Cjose_FOUND AND NOT TARGET Cjose::cjose)
  add_library(Cjose::cjose UNKNOWN IMPORTED)
  set_target_properties(Cjose::cjose PROPERTIES IMPORTED_LOCATION "${CJOSE_LIBRARY}")
  # /usr/include must stay a system directory of the compiler's own list, hence not repeated here.
  if(NOT CJOSE_INCLUDE_DIR STREQUAL "/usr/include")
    set_property(TARGET Cjose::cjose PROPERTY INTERFACE_INCLUDE_DIRECTORIES "${CJOSE_INCLUDE_DIR}")
  endif()
endif()
