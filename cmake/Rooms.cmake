# Makes CMake targets of the rooms that cmake/rooms.txt lists.
#
#   stampede_rooms(VAR)               the rooms, deeper ones first
#   stampede_room(SOURCES FILE…)      in the room's own folder: its static library
#   stampede_enter(TARGET ROOM…)      TARGET includes and links these rooms (tests, programs)

set(STAMPEDE_ROOMS_FILE ${CMAKE_SOURCE_DIR}/cmake/rooms.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${STAMPEDE_ROOMS_FILE})

# The library behind each name of the table.
set(STAMPEDE_LIBRARY_boost "")  # headers only
set(STAMPEDE_LIBRARY_caf Caf::core)
set(STAMPEDE_LIBRARY_cjose Cjose::cjose)
set(STAMPEDE_LIBRARY_cli11 CLI11::CLI11)
set(STAMPEDE_LIBRARY_isal PkgConfig::isal)
set(STAMPEDE_LIBRARY_json nlohmann_json::nlohmann_json)
set(STAMPEDE_LIBRARY_msgpack msgpackc-cxx)
set(STAMPEDE_LIBRARY_mysql MysqlCppConn::mysqlcppconn)
set(STAMPEDE_LIBRARY_prometheus PkgConfig::prometheus)
set(STAMPEDE_LIBRARY_sodium PkgConfig::sodium)
set(STAMPEDE_LIBRARY_spdlog spdlog::spdlog)
set(STAMPEDE_LIBRARY_toml tomlplusplus::tomlplusplus)
set(STAMPEDE_LIBRARY_zmq cppzmq)

# Reads the table: a global property STAMPEDE_DOORS_<room> and STAMPEDE_LIBRARIES_<room> for each.
function(stampede_read_rooms)
  file(STRINGS ${STAMPEDE_ROOMS_FILE} lines)
  set(rooms "")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "#.*" "" line "${line}")
    string(REGEX MATCHALL "[^ ]+" words "${line}")
    if(NOT words)
      continue()
    endif()
    list(POP_FRONT words word)
    if(word STREQUAL "room")
      list(POP_FRONT words room)
      list(APPEND rooms ${room})
      set_property(GLOBAL PROPERTY STAMPEDE_KIND_${room} "${words}")
    elseif(word STREQUAL "libraries" OR word STREQUAL "doors")
      string(TOUPPER ${word} word)
      set_property(GLOBAL APPEND PROPERTY STAMPEDE_${word}_${room} ${words})
    endif()
  endforeach()
  set_property(GLOBAL PROPERTY STAMPEDE_ROOMS ${rooms})
endfunction()

function(stampede_rooms variable)
  get_property(rooms GLOBAL PROPERTY STAMPEDE_ROOMS)
  set(${variable} ${rooms} PARENT_SCOPE)
endfunction()

# The target of a room, or of the room that a header lies in.
function(stampede_room_target variable place)
  if(place MATCHES "\\.h$")
    get_filename_component(place ${place} DIRECTORY)
  endif()
  string(REPLACE "/" "_" name ${place})
  set(${variable} stampede_${name} PARENT_SCOPE)
endfunction()

function(stampede_enter target)
  foreach(place IN LISTS ARGN)
    stampede_room_target(room ${place})
    target_link_libraries(${target} PUBLIC ${room})
  endforeach()
endfunction()

# Third parties stay private: what a room links is no business of who enters it.
function(stampede_link_room target room)
  get_property(doors GLOBAL PROPERTY STAMPEDE_DOORS_${room})
  get_property(libraries GLOBAL PROPERTY STAMPEDE_LIBRARIES_${room})
  target_link_libraries(${target} PUBLIC stampede_options)
  stampede_enter(${target} ${doors})
  foreach(library IN LISTS libraries)
    target_link_libraries(${target} PRIVATE ${STAMPEDE_LIBRARY_${library}})
  endforeach()
endfunction()

function(stampede_room)
  cmake_parse_arguments(ROOM "" "" "SOURCES" ${ARGN})
  file(RELATIVE_PATH room ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  stampede_room_target(target ${room})
  add_library(${target} STATIC ${ROOM_SOURCES})
  get_property(kind GLOBAL PROPERTY STAMPEDE_KIND_${room})
  if(kind)
    # An order's own path, and quickly compiled: as one unit GCC inlines otherwise, 3 % more
    # instructions an order.
    set_target_properties(${target} PROPERTIES UNITY_BUILD OFF)
  endif()
  stampede_link_room(${target} ${room})
endfunction()

stampede_read_rooms()
