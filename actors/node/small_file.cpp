#include "actors/node/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

namespace stampede::actors {

bool replace_file(const std::filesystem::path& file, std::string_view text) {
  const auto draft = std::filesystem::path(file.string() + "." + std::to_string(::getpid()));
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  std::error_code error;
  if (whole) std::filesystem::rename(draft, file, error);
  const bool done = whole && !error;
  if (!done) std::filesystem::remove(draft, error);
  return done;
}

}  // namespace stampede::actors
