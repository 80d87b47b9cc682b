#include "tools/ask/terminal.h"

#include <unistd.h>

#include <cstdio>
#include <string_view>

namespace stampede::tools {

void clear_terminal() {
  constexpr std::string_view kClear = "\x1b[H\x1b[2J\x1b[3J";
  std::fflush(stdout);
  if (::isatty(STDOUT_FILENO) != 1) return;
  // A terminal that takes it not is one that is gone; the next line that is printed finds that.
  [[maybe_unused]] const auto sent = ::write(STDOUT_FILENO, kClear.data(), kClear.size());
}

}  // namespace stampede::tools
