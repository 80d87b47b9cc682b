#pragma once

// CPU seconds that processes have used, user and system together.

#include <map>
#include <string>

#include "config/settings/config.h"

namespace stampede::tools {

double own_cpu_seconds();

// Of every node of the system that the supervisor knows, by name, itself included, and of the
// private database ("database"); what cannot be read is left out. Asks the supervisor (blocks up
// to 5 s).
std::map<std::string, double> system_cpu_seconds(const config::Config& config);

}  // namespace stampede::tools
