#include "tools/upgrade/program_facts.h"

#include <sys/stat.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "actors/protocol/sf1.h"
#include "config/process/exit_codes.h"
#include "config/process/version.h"
#include "storage/feature_level.h"
#include "storage/mysql/migrations.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

std::string differs(const char* what, int now, int next) {
  return std::string(what) + ": the system runs with " + std::to_string(now) +
         ", the new program has " + std::to_string(next);
}

}  // namespace

ProgramFacts own_facts() {
  return {std::string(kVersion), actors::kSf1Version, static_cast<int>(storage::kFeatureLevelKept),
          storage::latest_schema_version(), file_id("/proc/self/exe")};
}

int tell_facts() {
  const auto own = own_facts();
  const json line = {{"version", own.version},
                     {"proto", own.proto},
                     {"log", own.log},
                     {"schema", own.schema},
                     {"file", own.file}};
  std::printf("%s\n", line.dump().c_str());
  return kExitDone;
}

bool read_facts(std::string_view line, ProgramFacts& facts) {
  const json told = json::parse(line, nullptr, false);
  if (!told.is_object()) return false;
  try {
    facts = {told.at("version"), told.at("proto"), told.at("log"), told.at("schema"),
             told.at("file")};
  } catch (const json::exception&) {
    return false;
  }
  return true;
}

std::string why_not(const ProgramFacts& now, const ProgramFacts& next) {
  if (next.proto != now.proto)
    return differs("proto", now.proto, next.proto) +
           "; clients of this host speak the one that runs. Stop the system, bring the clients, "
           "and start it";
  if (next.log < now.log)
    return differs("log", now.log, next.log) + "; it could not read what was written";
  if (next.schema != now.schema)
    return differs("schema", now.schema, next.schema) +
           "; stop the system, then `stampede migrate` and start it";
  return {};
}

std::string file_id(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino);
}

}  // namespace stampede::tools
