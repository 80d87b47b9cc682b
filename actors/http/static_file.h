#pragma once

// One file of a program's pages, as the program holds it. Pure; views of memory that lasts as long
// as the program.

#include <string_view>

namespace stampede::actors {

struct StaticFile {
  std::string_view path;  // "/", "/assets/shop.1f3a….js"
  std::string_view type;  // of its content
  std::string_view etag;  // with its quotes
  bool hashed = false;    // its name says what it holds: it never changes
  std::string_view plain;
  std::string_view gzip;  // the same, compressed
};

}  // namespace stampede::actors
