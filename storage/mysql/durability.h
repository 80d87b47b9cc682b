#pragma once

// Which of a database server's settings let a committed row be lost when the server, or its
// machine, crashes. Such a loss is found and repaired (`stampede log replay --all`), so nothing is
// refused for it: it is told. Pure; thread-safe.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::storage {

// Finds their values on any server, whether it knows them all or not.
inline constexpr std::string_view kDurabilityQuery =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit',"
    "'innodb_doublewrite','innodb_flush_method','innodb_force_recovery','debug_no_sync','log_bin',"
    "'sync_binlog')";
// Tables of an engine without crash recovery: name, engine.
inline constexpr std::string_view kEngineQuery =
    "SELECT TABLE_NAME,ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND "
    "TABLE_NAME IN ('meta','item','orders','lane') AND ENGINE NOT IN ('InnoDB','ROCKSDB') ORDER BY "
    "TABLE_NAME";

// What of one setting is not safe, for people: "innodb_flush_log_at_trx_commit is 2, safe is 1";
// empty: it is safe. `of` gives the values of the others.
using SettingValue = std::function<std::string(std::string_view name)>;
std::vector<std::string> unsafe_settings(const SettingValue& of);
std::string unsafe_engine(std::string_view table, std::string_view engine);

}  // namespace stampede::storage
