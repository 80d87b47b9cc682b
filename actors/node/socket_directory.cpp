#include "actors/node/socket_directory.h"

#include <filesystem>
#include <system_error>

namespace stampede::actors {

std::string make_socket_directory(const transport::NetOptions& net) {
  namespace fs = std::filesystem;
  const fs::path directory = transport::socket_directory(net);
  std::error_code error;
  fs::create_directories(directory, error);
  // The mode also holds for a directory that an earlier run left: whoever may enter it may order.
  if (!error) fs::permissions(directory, fs::perms::owner_all, fs::perm_options::replace, error);
  if (!error) return {};
  return "cannot make the socket directory " + directory.string() +
         " with mode 0700: " + error.message() +
         "; check the owner of the run directory or choose another (--run-dir)";
}

}  // namespace stampede::actors
