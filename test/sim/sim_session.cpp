// SQL sessions of the simulated server, so that the product's own SQL runs in the simulation.

#include "storage/mysql/sql_session.h"
#include "test/sim/sim_server.h"

namespace stampede::sim {

using storage::SqlOutcome;
using storage::SqlRow;
using storage::SqlSession;

namespace {

class CellRow final : public SqlRow {
 public:
  explicit CellRow(const SqlCells& cells) : cells_(cells) {}
  [[nodiscard]] std::string text(unsigned column) const override {
    const auto& cell = cells_[column];
    return cell.text.empty() && cell.number != 0 ? std::to_string(cell.number) : cell.text;
  }
  [[nodiscard]] std::uint64_t u64(unsigned column) const override {
    return static_cast<std::uint64_t>(cells_[column].number);
  }
  [[nodiscard]] std::int64_t i64(unsigned column) const override { return cells_[column].number; }

 private:
  const SqlCells& cells_;
};

SqlOutcome outcome_of(const SqlAnswer& answer) {
  return {answer.errnum != 0, answer.errnum, answer.message, answer.affected};
}

class SimSession final : public SqlSession {
 public:
  SimSession(SimServer& server, Commit commit) : server_(server) {
    session_.autocommit = commit == Commit::each_statement;
  }
  ~SimSession() override { server_.close(session_); }
  SimSession(const SimSession&) = delete;
  SimSession& operator=(const SimSession&) = delete;

  bool connect() { return server_.connect(session_); }

  std::string& statement() override { return text_; }
  SqlOutcome execute() override { return outcome_of(server_.run(session_, text_)); }
  SqlOutcome query(const std::function<void(const SqlRow&)>& on_row) override {
    const auto answer = server_.run(session_, text_);
    if (answer.errnum == 0)
      for (const auto& cells : answer.rows) on_row(CellRow(cells));
    return outcome_of(answer);
  }
  [[nodiscard]] const std::string& place() const override { return place_; }

 private:
  SimServer& server_;
  SimServer::Session session_;
  std::string place_ = "simulated database";
  std::string text_;
};

}  // namespace

storage::Result<std::unique_ptr<SqlSession>> SimServer::connect(const storage::DbOptions&,
                                                                SqlSession::Commit commit,
                                                                SqlSession::Schema) {
  auto session = std::make_unique<SimSession>(*this, commit);
  if (!session->connect())
    return storage::Error{storage::Errc::unavailable, "cannot connect to the simulated database"};
  return std::unique_ptr<SqlSession>(std::move(session));
}

storage::DbOptions SimServer::options() {
  storage::DbOptions options;
  options.url = "mysql://sim@localhost/stampede?socket=/sim";
  options.connector = this;
  return options;
}

}  // namespace stampede::sim
