// The database: reached, of a version and with settings that keep what is committed, with the
// schema and the rights that the nodes need.

#include "storage/mysql/database.h"
#include "storage/mysql/migrations.h"
#include "storage/mysql/server_facts.h"
#include "tools/doctor/doctor.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

Finding schema_finding(const storage::DbOptions& options) {
  const auto opened = storage::Database::open(options);
  if (opened)
    return {
        "schema",
        Verdict::ok,
        "version " + std::to_string(storage::latest_schema_version()) + ", as this program has it",
        {}};
  const bool version = opened.error().code == storage::Errc::version;
  return {"schema", Verdict::fail, opened.error().message,
          version ? "stampede migrate up (or the program that made it)" : "mend what it says"};
}

void add_facts(const storage::ServerFacts& facts, Findings& findings) {
  findings.push_back({"database", Verdict::ok, facts.version + " at " + facts.place, {}});
  for (const auto& unsafe : facts.unsafe)
    findings.push_back({"durability", Verdict::warn, unsafe,
                        "rows may be lost when its machine crashes; stampede log replay --all "
                        "writes them again"});
  if (facts.unsafe.empty())
    findings.push_back({"durability", Verdict::ok, "what is committed stays", {}});
  if (facts.missing.empty())
    findings.push_back({"rights", Verdict::ok, "SELECT, INSERT, UPDATE", {}});
  else
    findings.push_back({"rights", Verdict::fail, "lacks " + joined(facts.missing, ", "),
                        "GRANT SELECT, INSERT, UPDATE ON its database to the user of db.url"});
}

// What a running system says of it.
void add_state(const json& status, Findings& findings) {
  if (!status.is_object()) return;
  const auto database = status.value("database", json::object());
  const auto failed = database.value("failed", json());
  if (failed.is_number() && failed > 0)
    findings.push_back({"refused", Verdict::fail, failed.dump() + " commands were refused by it",
                        "stampede log verify names them; mend why, then: stampede log retry"});
  if (database.contains("why"))
    findings.push_back({"database", Verdict::fail,
                        "the system finds it " + database.value("state", std::string{}) + ": " +
                            database.value("why", std::string{}),
                        "bring it back; orders go on meanwhile"});
}

}  // namespace

Findings check_database(const config::Config& config, const json& status) {
  if (config.db.url.empty())
    return {{"database", Verdict::fail, "db.url is empty",
             "scripts/start_all.sh makes a private one, or set db.url"}};
  const auto password = config::read_password(config);
  if (const auto* error = std::get_if<config::ConfigError>(&password))
    return {{"database", Verdict::fail, config::describe(*error), "mend the password file"}};
  storage::DbOptions options;
  options.url = config.db.url;
  options.password = std::get<std::string>(password);
  Findings findings;
  const auto facts = storage::read_server_facts(options);
  if (!facts) {
    findings.push_back({"database", Verdict::fail, facts.error().message,
                        "start it, or set db.url and db.password_file"});
  } else {
    add_facts(*facts, findings);
    findings.push_back(schema_finding(options));
  }
  add_state(status, findings);
  return findings;
}

}  // namespace stampede::tools
