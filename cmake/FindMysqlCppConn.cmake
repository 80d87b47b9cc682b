# MySQL Connector/C++ 1.1 (JDBC-style API) ships no CMake config on Debian 12.
find_path(MYSQLCPPCONN_INCLUDE_DIR mysql_driver.h)
find_library(MYSQLCPPCONN_LIBRARY mysqlcppconn)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MysqlCppConn
  REQUIRED_VARS MYSQLCPPCONN_LIBRARY MYSQLCPPCONN_INCLUDE_DIR)
if(MysqlCppConn_FOUND AND NOT TARGET MysqlCppConn::mysqlcppconn)
  add_library(MysqlCppConn::mysqlcppconn UNKNOWN IMPORTED)
  set_target_properties(MysqlCppConn::mysqlcppconn PROPERTIES
    IMPORTED_LOCATION "${MYSQLCPPCONN_LIBRARY}")
endif()
