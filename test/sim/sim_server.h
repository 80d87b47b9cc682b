#pragma once

// A simulated MySQL server: the contract's tables and the transactions on them. The product's own
// storage/mysql/command_sql and storage/mysql/database talk to it: it is the SqlConnector of the
// options that they are given, and everything above its sessions is the real code, SQL text
// included.
//
// Fault model: connecting fails; a statement fails before or after it ran (2006, 2013), a COMMIT's
// answer is lost either way; deadlock (1213: the transaction is gone), lock wait (1205: the
// statement is gone); away for a while; restarted (open transactions are gone, committed ones
// stay). A client that dies inside a COMMIT may leave it undecided: its rows stay locked until the
// server decides. Isolation: a transaction is made of one event, so none ever sees another's half.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "storage/mysql/sql_session.h"
#include "test/sim/process_end.h"
#include "test/sim/random.h"
#include "test/sim/sql_table.h"

namespace stampede::sim {

struct ServerFaults {  // chance per statement, connect_error per connect, refused per user
  double connect_error = 0;
  double lost_before = 0;
  double lost_after = 0;
  double deadlock = 0;
  double lock_wait = 0;
  double refused = 0;  // rows of such a user's orders, each time
};

struct ServerTables {
  SqlTable meta{"meta", {{"log_uuid", true}, {"created_at", true}}, -1, -1, {}, {}};
  SqlTable schema{
      "schema_version", {{"version"}, {"name", true}, {"applied_at", true}}, -1, -1, {}, {}};
  SqlTable item{"item",
                {{"id"},
                 {"name", true},
                 {"price_cents"},
                 {"total"},
                 {"amount"},
                 {"limit_per_user"},
                 {"max_qty", false, 5},
                 {"put_lsn"},
                 {"lsn"},
                 {"description", true},
                 {"image_url", true},
                 {"hold_s"},
                 {"hold_low_s"},
                 {"low_stock_percent"},
                 {"unpaid_per_user_max"},
                 {"sale", true},
                 {"open", false, 1}},
                -1,
                4,
                {},
                {}};
  SqlTable orders{"orders",
                  {{"order_id"},
                   {"request_id", true},
                   {"item_id"},
                   {"user_id", true},
                   {"qty"},
                   {"unit_price_cents"},
                   {"decided_at", true},
                   {"promo_id"},
                   {"fulfilment", true},
                   {"pay_by", true},
                   {"payment_id", true},
                   {"fulfilled_at", true},
                   {"lsn"}},
                  1,
                  -1,
                  {},
                  {}};
  SqlTable promo{"promo",
                 {{"id"},
                  {"item_id"},
                  {"name", true},
                  {"price_cents"},
                  {"starts_at", true},
                  {"ends_at", true},
                  {"limit_per_user"},
                  {"ticket", true},
                  {"gate_factor"},
                  {"granted"},
                  {"hold_s"},
                  {"hold_low_s"},
                  {"low_stock_percent"},
                  {"unpaid_per_user_max"},
                  {"put_lsn"},
                  {"lsn"}},
                 -1,
                 -1,
                 {},
                 {}};
  SqlTable stock_change{
      "stock_change",
      {{"lsn"}, {"item_id"}, {"delta"}, {"reason", true}, {"order_id"}, {"at", true}},
      -1,
      -1,
      {},
      {}};
  SqlTable lane{"lane", {{"lane"}, {"epoch"}, {"applied_lsn"}, {"batches"}, {"owner"}, {"place"}},
                -1,     -1,
                {},     {}};
};
// Columns by position, for the checker.
struct ItemColumn {
  static constexpr std::size_t total = 3, amount = 4, put_lsn = 7, lsn = 8, hold = 11, sale = 15,
                               open = 16;
};
struct OrderColumn {
  static constexpr std::size_t request_id = 1, item = 2, user = 3, qty = 4, price = 5, decided = 6,
                               promo = 7, fulfilment = 8, pay_by = 9, payment = 10, at = 11,
                               lsn = 12;
};
struct StockColumn {
  static constexpr std::size_t item = 1, delta = 2, reason = 3, order = 4;
};
struct PromoColumn {
  static constexpr std::size_t item = 1, price = 3, starts = 4, ends = 5, limit = 6, ticket = 7,
                               gate = 8, granted = 9, hold = 10, put_lsn = 14, lsn = 15;
};

class SimServer final : public storage::SqlConnector {
 public:
  // The lane that writes, for the checker; epoch 0: somebody who is not a lane.
  struct Writer {
    std::uint64_t epoch = 0;
    int lane = 0;
  };

  explicit SimServer(std::uint64_t seed);
  SimServer(const SimServer&) = delete;
  SimServer& operator=(const SimServer&) = delete;

  storage::Result<std::unique_ptr<storage::SqlSession>> connect(
      const storage::DbOptions& options, storage::SqlSession::Commit commit,
      storage::SqlSession::Schema schema) override;
  storage::DbOptions options();  // of a client of this server

  ServerFaults faults;
  bool away = false;
  void restart();  // open transactions and sessions are gone
  // The client that calls is ended in its n-th statement from now (from 1); 0: not.
  void end_in(std::uint64_t statements, End how) {
    end_at_ = statements == 0 ? 0 : statements_ + statements;
    end_how_ = how;
  }
  void forget_end() { end_at_ = 0; }
  [[nodiscard]] bool refuses(std::string_view user) const;  // a row of an order of this user
  // Lets the undecided COMMITs of dead clients be decided.
  void settle();
  [[nodiscard]] bool unsettled() const { return !undecided_.empty(); }

  Writer writer;  // of the statements that come now
  // Called at every commit with what it changed, and with the tables as they are then; `writer` is
  // the one whose statements those were, also when a COMMIT is decided later.
  std::function<void(const std::vector<SqlChange>&)> on_commit;

  [[nodiscard]] const ServerTables& tables() const { return tables_; }
  // By hand; columns behind those of `cells` get their defaults.
  void put_row(const SqlTable& table, std::int64_t key, const SqlCells& cells);
  void replace_rows(const ServerTables& backup);  // a backup comes back
  [[nodiscard]] std::uint64_t statements() const { return statements_; }
  [[nodiscard]] std::uint64_t commits() const { return commits_; }
  [[nodiscard]] std::uint64_t errors() const { return errors_; }

  // --- for sim_session.cpp ---------------------------------------------------------------------
  struct Session {
    bool autocommit = true;
    bool in_transaction = false;
    bool dead = false;  // its client is gone, or the connection is
    std::uint64_t generation = 0;
    std::vector<SqlChange> changes;
    std::vector<std::string> statements;  // of the open transaction
  };
  bool connect(Session& session);
  SqlAnswer run(Session& session, const std::string& sql);
  void close(Session& session);

 private:
  struct Undecided {
    Writer writer;
    std::vector<std::string> statements;
    std::vector<std::pair<const SqlTable*, std::int64_t>> locked;
  };
  SqlAnswer execute(Session& session, const std::string& sql);
  SqlAnswer apply(Session& session, const std::string& sql);
  SqlAnswer lost(Session& session, unsigned errnum);
  void commit(Session& session);
  void rollback(Session& session);
  [[noreturn]] void end_client(Session& session, const std::string& sql);
  [[nodiscard]] bool locked(const std::vector<SqlChange>& changes, std::size_t from) const;
  [[nodiscard]] bool refused(const std::vector<SqlChange>& changes, std::size_t from) const;

  std::uint64_t seed_;
  Random random_;
  ServerTables tables_;
  SqlEngine engine_;
  std::uint64_t generation_ = 1;
  std::uint64_t statements_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t errors_ = 0;
  std::uint64_t end_at_ = 0;
  End end_how_ = End::kill;
  std::vector<Undecided> undecided_;
};

// Until it goes out of scope a lane writes.
class WritesAs {
 public:
  WritesAs(SimServer& server, SimServer::Writer writer) : server_(server) {
    server_.writer = writer;
  }
  ~WritesAs() { server_.writer = {}; }
  WritesAs(const WritesAs&) = delete;
  WritesAs& operator=(const WritesAs&) = delete;

 private:
  SimServer& server_;
};

}  // namespace stampede::sim
