#include "storage/mysql/schema_use.h"

#include <chrono>
#include <map>
#include <string>
#include <thread>

namespace stampede::storage {
namespace {

constexpr int kLooks = 20;
constexpr std::chrono::milliseconds kBetweenLooks{100};

using Sessions = std::map<std::uint64_t, std::string>;  // id -> "session 17 of 'user' from host"

SqlOutcome lanes_have_owner(SqlSession& session, bool& owned) {
  owned = false;
  auto read = session.query("SELECT COUNT(*) FROM lane WHERE epoch>0",
                            [&](const SqlRow& row) { owned = row.u64(0) != 0; });
  if (read.errnum == kErrnumNoSuchTable) read = {};
  if (read.errnum == kErrnumNoSuchColumn) {  // nobody can tell
    owned = true;
    read = {};
  }
  return read;
}

SqlOutcome other_sessions(SqlSession& session, Sessions& others) {
  others.clear();
  return session.query(
      "SELECT id,user,host FROM information_schema.processlist WHERE db=DATABASE() "
      "AND id<>CONNECTION_ID() AND COALESCE(info,'') NOT LIKE '%GET_LOCK(''" +
          std::string(kMigrationLock) + "''%'",
      [&](const SqlRow& row) {
        others[row.u64(0)] =
            "session " + row.text(0) + " of user '" + row.text(1) + "' from " + row.text(2);
      });
}

}  // namespace

Status nobody_else_uses_schema(SqlSession& session) {
  bool owned = false;
  if (const auto read = lanes_have_owner(session, owned); read.failed)
    return failed(session, "reading lane", read);
  if (!owned) return Done{};
  Sessions staying;
  for (int look = 0; look < kLooks; ++look) {
    Sessions others;
    if (const auto read = other_sessions(session, others); read.failed)
      return failed(session, "reading the server's sessions", read);
    if (look == 0) staying = others;
    std::erase_if(staying, [&](const auto& one) { return !others.contains(one.first); });
    if (staying.empty()) return Done{};
    std::this_thread::sleep_for(kBetweenLooks);
  }
  std::string names;
  for (const auto& [id, name] : staying) names += (names.empty() ? "" : ", ") + name;
  return Error{Errc::locked,
               session.place() + ": in use by " + names +
                   ". A backend that runs holds the lanes: stop the nodes (scripts/stop_all.sh "
                   "--keep-db), end other clients of this database, and try again"};
}

}  // namespace stampede::storage
