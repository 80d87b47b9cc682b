#include "storage/mysql/server_facts.h"

#include <algorithm>

#include "storage/mysql/sql_session.h"

namespace stampede::storage {
namespace {

// "GRANT SELECT, INSERT ON `stampede`.* TO …" speaks of this database, whatever else is in quotes.
bool speaks_of(std::string_view grant, std::string_view database) {
  const auto on = grant.find(" ON ");
  const auto to = grant.find(" TO ", on == std::string_view::npos ? 0 : on);
  if (on == std::string_view::npos || to == std::string_view::npos) return false;
  std::string place(grant.substr(on + 4, to - on - 4));
  std::erase(place, '`');
  std::erase(place, '\\');  // before _ and %
  return place == "*.*" || place == std::string(database) + ".*";
}

bool gives(std::string_view grant, std::string_view right) {
  const auto rights = grant.substr(0, grant.find(" ON "));
  if (rights.find("ALL PRIVILEGES") != std::string_view::npos) return true;
  for (const char* before : {" ", ","}) {
    const auto at = rights.find(before + std::string(right));
    if (at == std::string_view::npos) continue;
    const auto end = at + 1 + right.size();
    if (end >= rights.size() || rights[end] == ',' || rights[end] == ' ') return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> missing_rights(const std::vector<std::string>& grants,
                                        std::string_view database) {
  std::vector<std::string> missing;
  for (const char* right : {"SELECT", "INSERT", "UPDATE"}) {
    const bool given = std::any_of(grants.begin(), grants.end(), [&](const auto& grant) {
      return speaks_of(grant, database) && gives(grant, right);
    });
    if (!given) missing.emplace_back(right);
  }
  return missing;
}

Result<ServerFacts> read_server_facts(const DbOptions& options) {
  ServerFacts facts;
  DbOptions asked = options;
  asked.on_durability = [&](const std::vector<std::string>& unsafe) { facts.unsafe = unsafe; };
  auto session = connect_sql(asked, SqlSession::Commit::each_statement);
  if (!session) return session.error();
  facts.place = (*session)->place();
  auto read = (*session)->query("SELECT VERSION()",
                                [&](const SqlRow& row) { facts.version = row.text(0); });
  if (read.failed) return failed(**session, "asking for the version", read);
  std::vector<std::string> grants;
  read =
      (*session)->query("SHOW GRANTS", [&](const SqlRow& row) { grants.push_back(row.text(0)); });
  if (read.failed) return failed(**session, "asking for the rights", read);
  const auto address = parse_db_url(options.url);
  if (!address) return address.error();
  facts.missing = missing_rights(grants, address->database);
  return facts;
}

}  // namespace stampede::storage
