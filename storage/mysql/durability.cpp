#include "storage/mysql/durability.h"

#include <algorithm>
#include <array>

namespace stampede::storage {
namespace {

struct Setting {
  std::string_view name;
  std::array<std::string_view, 4> safe;              // the first one is advised; empty: no more
  std::array<std::string_view, 2> only_unsafe = {};  // where all but these are safe
};

// 3 of the first one is MariaDB's: as durable as 1. DETECT_… and the numbers are MySQL's words.
constexpr Setting kSettings[] = {
    {"innodb_flush_log_at_trx_commit", {"1", "3"}},
    {"innodb_doublewrite", {"ON", "1", "DETECT_AND_RECOVER"}},
    {"innodb_flush_method", {"fsync or O_DIRECT"}, {"nosync", "littlesync"}},
    {"innodb_force_recovery", {"0"}},
    {"debug_no_sync", {"OFF", "0"}},
};
// Without a binary log it decides nothing.
constexpr Setting kSyncBinlog{"sync_binlog", {"1"}};

template <class Words>
bool contains(const Words& words, std::string_view value) {
  return std::find(words.begin(), words.end(), value) != words.end();
}

bool is_safe(const Setting& setting, std::string_view value) {
  if (value.empty()) return true;  // a server that does not know it
  if (!setting.only_unsafe.front().empty()) return !contains(setting.only_unsafe, value);
  return contains(setting.safe, value);
}

}  // namespace

std::vector<std::string> unsafe_settings(const SettingValue& of) {
  std::vector<std::string> found;
  const auto look = [&](const Setting& setting) {
    const auto value = of(setting.name);
    if (is_safe(setting, value)) return;
    found.push_back(std::string(setting.name) + " is " + value + ", safe is " +
                    std::string(setting.safe.front()));
  };
  for (const auto& setting : kSettings) look(setting);
  const auto binlog = of("log_bin");
  if (binlog == "ON" || binlog == "1") look(kSyncBinlog);
  return found;
}

std::string unsafe_engine(std::string_view table, std::string_view engine) {
  return "table " + std::string(table) + " is of engine " + std::string(engine) +
         ", safe is InnoDB";
}

}  // namespace stampede::storage
