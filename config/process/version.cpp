#include "config/process/version.h"

namespace stampede {

constinit const std::string_view kVersion = "0.1.0";

}  // namespace stampede
