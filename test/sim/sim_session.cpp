// storage::MysqlSession over the simulated server. Linked instead of
// storage/mysql/mysql_session.cpp, so that the product's own SQL runs in the simulation.

#include <cstdlib>

#include "storage/mysql/mysql_session.h"
#include "test/sim/sim_server.h"

namespace stampede::storage {

struct MysqlSession::Handles {
  sim::SimServer* server = nullptr;
  sim::SimServer::Session session;
  std::string place = "simulated database";
  std::string text;
};

namespace {

class CellRow final : public SqlRow {
 public:
  explicit CellRow(const sim::SqlCells& cells) : cells_(cells) {}
  [[nodiscard]] std::string text(unsigned column) const override { return cells_[column].text; }
  [[nodiscard]] std::uint64_t u64(unsigned column) const override {
    return static_cast<std::uint64_t>(cells_[column].number);
  }
  [[nodiscard]] std::int64_t i64(unsigned column) const override { return cells_[column].number; }

 private:
  const sim::SqlCells& cells_;
};

SqlOutcome outcome_of(const sim::SqlAnswer& answer) {
  return {answer.errnum != 0, answer.errnum, answer.message, answer.affected};
}

}  // namespace

MysqlSession::MysqlSession(std::unique_ptr<Handles> handles) : handles_(std::move(handles)) {}

MysqlSession::~MysqlSession() {
  handles_->server->close(handles_->session);
}

Result<std::unique_ptr<MysqlSession>> MysqlSession::connect(const DbOptions&, Commit commit,
                                                            Schema) {
  auto handles = std::make_unique<Handles>();
  handles->server = sim::SimServer::current;
  handles->session.autocommit = commit == Commit::each_statement;
  if (!handles->server->connect(handles->session))
    return Error{Errc::unavailable, "cannot connect to the simulated database"};
  return std::unique_ptr<MysqlSession>(new MysqlSession(std::move(handles)));
}

std::string& MysqlSession::statement() {
  return handles_->text;
}

SqlOutcome MysqlSession::execute() {
  return outcome_of(handles_->server->run(handles_->session, handles_->text));
}

SqlOutcome MysqlSession::execute(const std::string& sql) {
  return outcome_of(handles_->server->run(handles_->session, sql));
}

SqlOutcome MysqlSession::query(const std::function<void(const SqlRow&)>& on_row) {
  const auto answer = handles_->server->run(handles_->session, handles_->text);
  if (answer.errnum == 0)
    for (const auto& cells : answer.rows) on_row(CellRow(cells));
  return outcome_of(answer);
}

SqlOutcome MysqlSession::query(const std::string& sql,
                               const std::function<void(const SqlRow&)>& on_row) {
  handles_->text = sql;
  return query(on_row);
}

const std::string& MysqlSession::place() const {
  return handles_->place;
}

}  // namespace stampede::storage
