#include "actors/node/small_file.h"

#include "config/process/whole_file.h"

namespace stampede::actors {

bool replace_file(const std::filesystem::path& file, std::string_view text) {
  return config::write_whole(file, text, config::Outlives::process).empty();
}

}  // namespace stampede::actors
