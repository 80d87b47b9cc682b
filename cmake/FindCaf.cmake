# Debian's libcaf-dev 0.17.6 ships neither a CMake config nor a .pc file.
find_path(CAF_INCLUDE_DIR caf/all.hpp)
find_library(CAF_CORE_LIBRARY caf_core)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Caf REQUIRED_VARS CAF_CORE_LIBRARY CAF_INCLUDE_DIR)
if(Caf_FOUND AND NOT TARGET Caf::core)
  find_package(Threads REQUIRED)
  add_library(Caf::core UNKNOWN IMPORTED)
  set_target_properties(Caf::core PROPERTIES
    IMPORTED_LOCATION "${CAF_CORE_LIBRARY}"
    INTERFACE_LINK_LIBRARIES Threads::Threads)
  # /usr/include must stay a system directory of the compiler's own list, hence not repeated here.
  if(NOT CAF_INCLUDE_DIR STREQUAL "/usr/include")
    set_property(TARGET Caf::core PROPERTY INTERFACE_INCLUDE_DIRECTORIES "${CAF_INCLUDE_DIR}")
  endif()
endif()
