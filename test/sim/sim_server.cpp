#include "test/sim/sim_server.h"

#include <algorithm>
#include <utility>

#include "storage/mysql/migrations.h"

namespace stampede::sim {

SimServer::SimServer(std::uint64_t seed)
    : seed_(seed),
      random_(seed, "database"),
      engine_({&tables_.lane, &tables_.orders, &tables_.item, &tables_.promo, &tables_.stock_change,
               &tables_.meta, &tables_.schema}) {
  for (int version = 1; version <= storage::latest_schema_version(); ++version) {
    tables_.schema.set(version, {{version, {}}, {}, {}});
  }
}

void SimServer::put_row(const SqlTable& table, std::int64_t key, const SqlCells& cells) {
  SqlCells row = cells;
  for (auto i = row.size(); i < table.columns.size(); ++i)
    row.push_back({table.columns[i].fallback, {}});
  for (auto* one : {&tables_.item, &tables_.orders, &tables_.lane})
    if (one == &table) one->set(key, row);
}

void SimServer::replace_rows(const ServerTables& backup) {
  for (auto [to, from] : {std::pair{&tables_.meta, &backup.meta},
                          {&tables_.item, &backup.item},
                          {&tables_.orders, &backup.orders},
                          {&tables_.promo, &backup.promo},
                          {&tables_.stock_change, &backup.stock_change},
                          {&tables_.lane, &backup.lane}}) {
    to->rows = from->rows;
    to->by_unique = from->by_unique;
  }
}

void SimServer::restart() {
  ++generation_;
  undecided_.clear();
}

bool SimServer::connect(Session& session) {
  if (away || random_.chance(faults.connect_error)) return false;
  session.generation = generation_;
  return true;
}

void SimServer::close(Session& session) {
  rollback(session);
}

void SimServer::rollback(Session& session) {
  SqlEngine::undo(session.changes, 0);
  session.statements.clear();
  session.in_transaction = false;
}

void SimServer::commit(Session& session) {
  ++commits_;
  if (on_commit && !session.changes.empty()) on_commit(session.changes);
  session.changes.clear();
  session.statements.clear();
  session.in_transaction = false;
}

SqlAnswer SimServer::lost(Session& session, unsigned errnum) {
  ++errors_;
  rollback(session);
  session.dead = true;
  return {errnum, "the connection to the simulated database is lost", 0, {}};
}

SqlAnswer SimServer::run(Session& session, const std::string& sql) {
  ++statements_;
  if (session.dead) return {2006, "the simulated database has gone away", 0, {}};
  // A ROLLBACK may stand in a destructor: nothing is thrown out of it.
  if (end_at_ != 0 && statements_ >= end_at_ && sql != "ROLLBACK") end_client(session, sql);
  if (away || session.generation != generation_) return lost(session, 2006);
  if (random_.chance(faults.lost_before)) return lost(session, 2013);
  if (random_.chance(faults.deadlock)) {
    ++errors_;
    rollback(session);
    return {1213, "Deadlock found when trying to get lock", 0, {}};
  }
  if (random_.chance(faults.lock_wait)) {
    ++errors_;
    return {1205, "Lock wait timeout exceeded", 0, {}};
  }
  auto answer = execute(session, sql);
  if (random_.chance(faults.lost_after)) return lost(session, 2013);
  return answer;
}

SqlAnswer SimServer::execute(Session& session, const std::string& sql) {
  if (sql == "COMMIT") return commit(session), SqlAnswer{};
  if (sql == "ROLLBACK") return rollback(session), SqlAnswer{};
  if (sql == "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") return SqlAnswer{};
  if (sql == "START TRANSACTION" || sql == "START TRANSACTION WITH CONSISTENT SNAPSHOT") {
    session.in_transaction = true;
    return {};
  }
  auto answer = apply(session, sql);
  if (session.autocommit && !session.in_transaction) {
    if (answer.errnum == 0)
      commit(session);
    else
      rollback(session);
  }
  return answer;
}

SqlAnswer SimServer::apply(Session& session, const std::string& sql) {
  const auto before = session.changes.size();
  auto answer = engine_.run(sql, session.changes);
  if (locked(session.changes, before)) {
    ++errors_;
    SqlEngine::undo(session.changes, before);
    return {1205, "Lock wait timeout exceeded", 0, {}};
  }
  if (refused(session.changes, before)) {
    ++errors_;
    SqlEngine::undo(session.changes, before);
    return {1406, "Data too long for column 'user_id' at row 1", 0, {}};
  }
  if (session.changes.size() > before) session.statements.push_back(sql);
  return answer;
}

bool SimServer::locked(const std::vector<SqlChange>& changes, std::size_t from) const {
  for (const auto& one : undecided_)
    for (std::size_t i = from; i < changes.size(); ++i)
      for (const auto& [table, key] : one.locked)
        if (changes[i].table == table && changes[i].key == key) return true;
  return false;
}

// The same users all the time.
bool SimServer::refuses(std::string_view user) const {
  return faults.refused > 0 && Random(seed_, user).chance(faults.refused);
}

bool SimServer::refused(const std::vector<SqlChange>& changes, std::size_t from) const {
  if (faults.refused == 0) return false;
  return std::any_of(changes.begin() + static_cast<std::ptrdiff_t>(from), changes.end(),
                     [&](const SqlChange& change) {
                       return change.table == &tables_.orders &&
                              refuses(tables_.orders.rows.at(change.key)[OrderColumn::user].text);
                     });
}

// The client dies with this statement on its way.
void SimServer::end_client(Session& session, const std::string& sql) {
  end_at_ = 0;
  session.dead = true;
  const bool reaches = !away && session.generation == generation_ && random_.chance(0.7);
  if (sql == "COMMIT" && reaches) {
    if (random_.chance(0.5)) {
      commit(session);
    } else {
      Undecided undecided{writer, session.statements, {}};
      for (const auto& change : session.changes)
        undecided.locked.emplace_back(change.table, change.key);
      rollback(session);
      undecided_.push_back(std::move(undecided));
    }
  } else if (reaches && session.autocommit && !session.in_transaction) {
    (void)execute(session, sql);
  }
  rollback(session);
  throw ProcessEnd{end_how_};
}

void SimServer::settle() {
  for (auto& undecided : std::exchange(undecided_, {})) {
    if (random_.chance(0.5)) continue;
    Session session;
    session.autocommit = false;
    for (const auto& sql : undecided.statements) (void)engine_.run(sql, session.changes);
    const WritesAs as(*this, undecided.writer);
    commit(session);
  }
}

}  // namespace stampede::sim
