#pragma once

// failure_report() as text, for who does not know JSON. Pure.

#include <string>

namespace stampede::tools {

// One line for stdout, without its end.
std::string failure_line(int exit, const std::string& message, const std::string& code = {});

}  // namespace stampede::tools
