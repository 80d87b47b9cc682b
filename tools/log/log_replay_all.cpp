#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <vector>

#include "config/process/wall_clock.h"
#include "storage/commands/order_row.h"
#include "storage/commands/sale_terms.h"
#include "storage/disk/posix_disk.h"
#include "storage/log/log_place.h"
#include "storage/log/log_segment.h"
#include "storage/log/refused_rows.h"
#include "storage/mysql/command_sql.h"
#include "storage/mysql/database.h"
#include "storage/mysql/schema_repair.h"
#include "storage/mysql/sql_advice.h"
#include "storage/replay/newest_per_item.h"
#include "storage/replay/replay.h"
#include "tools/log/known_orders.h"
#include "tools/log/log_files.h"
#include "tools/log/log_tool.h"
#include "tools/log/remembered_orders.h"

namespace stampede::tools {
namespace {

using storage::BatchInfo;
using storage::Command;
using storage::CommandKind;
using storage::Errc;
using storage::Error;
using storage::LaneBatch;
using storage::Lsn;
using storage::RecordType;
using storage::RecordView;
using storage::Status;

constexpr std::size_t kRefusedNamedMax = 100;  // refused rows listed one by one
constexpr std::chrono::milliseconds kFirstPause{5};
constexpr std::chrono::milliseconds kLongestPause{500};
constexpr std::chrono::seconds kPatience{30};  // with a database that is away

storage::Result<storage::DbOptions> database_options(const config::Config& config) {
  auto password = config::read_password(config);
  if (const auto* error = std::get_if<config::ConfigError>(&password)) {
    return Error{Errc::invalid, config::describe(*error)};
  }
  storage::DbOptions options;
  options.url = config.db.url;
  options.password = std::get<std::string>(password);
  options.lanes = config.db.lanes;
  return options;
}

std::uint64_t rows_of(const LaneBatch& batch) {
  return batch.orders.size() + batch.puts.size() + batch.amounts.size() + batch.promos.size() +
         batch.grants.size() + batch.updates.size() + batch.stock.size();
}

Lsn lsn_of(const LaneBatch& batch, const storage::RowFailure& failure) {
  switch (failure.kind) {
    case storage::RowKind::order:
      return batch.orders[failure.index].order_id;
    case storage::RowKind::put:
      return batch.puts[failure.index].put_lsn;
    case storage::RowKind::promo:
      return batch.promos[failure.index].put_lsn;
    case storage::RowKind::amount:
      return batch.amounts[failure.index].lsn;
    case storage::RowKind::grant:
      return batch.grants[failure.index].lsn;
    case storage::RowKind::update:
      return batch.updates[failure.index].lsn;
    case storage::RowKind::stock:
      return batch.stock[failure.index].lsn;
  }
  return 0;  // there is no other kind
}

// Writes batches, patiently; collects what the database refuses.
class PatientWriter {
 public:
  PatientWriter(const storage::DbOptions& options, std::uint64_t epoch)
      : writer_(options, storage::kFirstLane, epoch) {}

  // What a dropped column took with it is written into the rows that are there.
  Status fill_lost(const storage::DbOptions& options) {
    auto unfilled = storage::unfilled_columns(options);
    if (!unfilled) return unfilled.error();
    writer_.fill(std::move(*unfilled));
    return storage::Done{};
  }

  Status apply(const LaneBatch& batch) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
      const auto outcome = writer_.apply(batch);
      if (outcome) {
        rows += rows_of(batch);
        for (const auto& failure : outcome->failures) {
          if (++refused_count <= kRefusedNamedMax) refused.push_back(failure.message);
          refused_lsns.insert(lsn_of(batch, failure));
        }
        return storage::Done{};
      }
      const bool again = outcome.error().code == Errc::unavailable;
      if (!again || std::chrono::steady_clock::now() > give_up) return outcome.error();
      std::this_thread::sleep_for(pause);
    }
  }

  std::uint64_t rows = 0;
  std::uint64_t refused_count = 0;
  std::vector<std::string> refused;
  std::set<Lsn> refused_lsns;

 private:
  storage::LaneWriter writer_;
};

// Orders, what became of them and StockChanges are written as they are read; of the others the
// newest of each item or promo at the end: they are absolute, so writing the older ones first would
// change nothing. No batch moves a witness: a database that was written in part must not look whole
// to a start. `before`: what a
// snapshot knows of items and promos whose commands may be gone from the log.
class Applier final : public storage::LogVisitor {
 public:
  Applier(PatientWriter& writer, std::uint64_t rows_max, const SnapshotContents& before)
      : writer_(writer), rows_max_(rows_max), before_(before) {}

  Status on_record(const BatchInfo& batch, const RecordView& record) override {
    if (record.type != RecordType::emit) return storage::Done{};
    payloads_.emplace_back(record.payload);  // the batch's views outlive the record
    if (!decoder_.command_set(payloads_.back(), set_)) {
      return in_file(batch, Status(storage::unreadable_record("a command set", record.lsn)));
    }
    if (auto kept = in_file(batch, storage::is_kept(record, set_)); !kept) return kept;
    for (std::uint32_t position = 0; position < set_.size(); ++position) {
      take(record.lsn, position, payloads_.back());
    }
    return payloads_.size() < rows_max_ ? Status(storage::Done{}) : flush();
  }

  // What was owed when the snapshot was made may be gone from the log, too. Call first.
  Status write_owed_before() {
    const auto owed = before_.owed.owed();
    for (const auto* list : {&owed.orders, &owed.stock})
      for (const auto& one : *list) {
        if (auto taken = take_owed(one.lsn, one.position, one.payload); !taken) return taken;
      }
    for (const auto& one : owed.updates) {
      if (auto taken = take_owed(one.lsn, one.position, one.payload); !taken) return taken;
    }
    return flush();
  }

  Status finish() {
    if (auto flushed = flush(); !flushed) return flushed;
    Status status = apply_items_before();
    if (status) status = apply_promos_before();
    puts_.each_owed([&](std::uint64_t, const auto& newest) {
      if (!status) return;
      std::vector<Command> set;
      payloads_.push_back(newest.value);
      if (!decoder_.command_set(payloads_.back(), set)) return;  // was read once: cannot be
      add_put(set[newest.position], newest.lsn);
      status = flush_if_full();
    });
    amounts_.each_owed([&](std::uint64_t item, const auto& newest) {
      if (!status) return;
      batch_.amounts.push_back({item, newest.value, newest.lsn});
      ++amounts;
      status = flush_if_full();
    });
    promos_.each_owed([&](std::uint64_t, const auto& newest) {
      if (!status) return;
      payloads_.push_back(newest.value);
      if (!decoder_.command_set(payloads_.back(), set_)) return;  // was read once: cannot be
      add_promo(set_[newest.position].sale->promo, newest.lsn);
      status = flush_if_full();
    });
    for (const auto& [promo, row] : grants_) {
      if (!status) break;
      batch_.grants.push_back(row);
      status = flush_if_full();
    }
    return status ? flush() : status;
  }

  std::uint64_t orders = 0;
  std::uint64_t puts = 0;
  std::uint64_t amounts = 0;
  std::uint64_t promos = 0;
  std::uint64_t updates = 0;
  std::uint64_t incomplete = 0;  // imported commands that lack arguments

 private:
  Status take_owed(Lsn lsn, std::uint32_t position, std::string_view payload) {
    payloads_.emplace_back(payload);
    if (!decoder_.command_set(payloads_.back(), set_) || position >= set_.size())
      return storage::unreadable_record("a command set in a snapshot", lsn);
    take(lsn, position, payloads_.back());
    return flush_if_full();
  }

  void take(Lsn lsn, std::uint32_t position, const std::string& payload) {
    const Command& command = set_[position];
    if (command.missing != 0) {
      ++incomplete;
    } else if (command.kind == CommandKind::item_put) {
      puts_.emitted(command.put.item, lsn, position, payload);
    } else if (command.kind == CommandKind::item_amount_update) {
      amounts_.emitted(command.amount.item, lsn, position, command.amount.amount);
    } else if (command.kind == CommandKind::promo_put) {
      promos_.emitted(command.sale->promo.promo, lsn, position, payload);
    } else if (command.kind == CommandKind::ticket_grant) {
      const auto& grant = command.sale->ticket;
      note_granted(grant.promo, grant.item, grant.granted, lsn);
    } else if (command.kind == CommandKind::order_update) {
      batch_.updates.push_back({command.sale->update, lsn});
      ++updates;
    } else if (command.kind == CommandKind::stock_change) {
      batch_.stock.push_back({command.sale->stock, lsn});
    } else {
      batch_.orders.push_back(storage::order_row(lsn, command));
      ++orders;
    }
  }

  // Where the log has a newer command it follows; so each guard sees its lsns ascend.
  Status apply_items_before() {
    for (const auto& row : before_.items) {
      if (puts_.newest_lsn(row.id) < row.put_lsn) {
        batch_.puts.push_back({row.id, view_of(row.terms), row.put_lsn, view_of(row.sale)});
        ++puts;
      }
      if (amounts_.newest_lsn(row.id) < row.lsn) {
        batch_.amounts.push_back({row.id, row.amount, row.lsn});
        ++amounts;
      }
      if (auto flushed = flush_if_full(); !flushed) return flushed;
    }
    return flush();
  }

  // What a promo has given so far stands for what it had given before.
  void note_granted(std::uint64_t promo, std::uint64_t item, std::uint64_t granted, Lsn lsn) {
    auto& row = grants_[promo];
    if (row.lsn >= lsn) return;
    row.grant.promo = promo;
    row.grant.item = item;
    row.grant.granted = granted;
    row.lsn = lsn;
  }

  Status apply_promos_before() {
    for (const auto& row : before_.promos) {
      const auto& put = row.promo.put;
      if (row.granted > 0) note_granted(put.promo, put.item, row.granted, row.lsn);
      if (promos_.newest_lsn(row.promo.put.promo) >= row.put_lsn) continue;
      add_promo(row.promo.view(), row.put_lsn);
      if (auto flushed = flush_if_full(); !flushed) return flushed;
    }
    return flush();
  }

  void add_promo(const storage::PromoPut& put, Lsn lsn) {
    batch_.promos.push_back({put, lsn});
    ++promos;
  }

  void add_put(const Command& command, Lsn lsn) {
    const auto& put = command.put;
    batch_.puts.push_back(
        {put.item, put.terms, lsn, command.sale ? command.sale->item : storage::ItemSale{}});
    ++puts;
  }

  Status flush_if_full() {
    return rows_of(batch_) >= rows_max_ ? flush() : Status(storage::Done{});
  }

  Status flush() {
    Status status = rows_of(batch_) == 0 ? Status(storage::Done{}) : writer_.apply(batch_);
    batch_ = {};
    payloads_.clear();
    return status;
  }

  PatientWriter& writer_;
  std::uint64_t rows_max_;
  const SnapshotContents& before_;
  std::deque<std::string> payloads_;  // of the commands in batch_; a deque never moves them
  LaneBatch batch_;
  storage::NewestPerItem<std::string> puts_;
  storage::NewestPerItem<std::int64_t> amounts_;
  storage::NewestPerItem<std::string> promos_;
  std::map<std::uint64_t, storage::TicketGrantRow> grants_;  // by promo
  storage::CommandDecoder decoder_;
  std::vector<Command> set_;
};

Status adopt(storage::Disk& disk, const std::string& dir, storage::Database& database,
             const storage::LogEnd& log, RememberedOrders& before) {
  const auto known = knows_orders(disk, dir, before, database);
  if (!known) return known.error();
  if (*known) return database.adopt(log.uuid, config::wall_us());
  return Error{Errc::corrupt,
               "the database names no log and holds orders, none of which this log knows; nothing "
               "was written: check db.url and log.dir. If they are not needed, empty `orders`, "
               "`item` and `lane`, or use an empty database"};
}

// Makes sure that the database is this log's, or nobody's yet, and is not ahead of it.
Status adopt_or_refuse(storage::Disk& disk, const std::string& dir, storage::Database& database,
                       const storage::LogEnd& log, RememberedOrders& before) {
  const auto owner = database.log_uuid();
  if (!owner) return owner.error();
  if (!*owner) return adopt(disk, dir, database, log, before);
  if (**owner != log.uuid) {
    return Error{Errc::corrupt, "the database belongs to log " + storage::to_text(**owner) +
                                    ", this is log " + storage::to_text(log.uuid) +
                                    "; nothing was written: check db.url and log.dir"};
  }
  const auto witness = database.witness();
  if (!witness) return witness.error();
  if (*witness <= log.last_lsn) return storage::Done{};
  return Error{Errc::corrupt, "the database has seen lsn " + storage::to_text(*witness) +
                                  ", the log ends at " + storage::to_text(log.last_lsn) +
                                  ": it has lost its end; nothing was written"};
}

Status apply_log(storage::Disk& disk, const ToolOptions& options, const std::string& dir,
                 const storage::LogEnd& log, RememberedOrders& before, Applier& applier,
                 PatientWriter& writer, const storage::DbOptions& database_options) {
  auto database = storage::Database::open(database_options);
  if (!database) return database.error();
  if (auto filling = writer.fill_lost(database_options); !filling) return filling;
  if (auto fits = adopt_or_refuse(disk, dir, *database, log, before); !fits) return fits;
  // The epoch that the next backend would take, and will: the log's lock keeps it away until we are
  // done, and whoever wrote before us is fenced.
  // By doing so the operator says that this log is the one to go on with: its place is the owner.
  const storage::LaneOwner owner{0, disk.place(dir).made_ns};
  if (auto claimed = database->claim(log.chain.epoch + 1, options.config.db.lanes, owner); !claimed)
    return claimed;
  if (auto known = storage::remember_place(disk, dir); !known) return known;
  if (auto owed = applier.write_owed_before(); !owed) return owed;
  const auto read = storage::read_log(disk, dir, applier, before.beginning.position);
  if (!read) return read.error();
  if (auto finished = applier.finish(); !finished) return finished;
  if (auto noted = storage::remember_refused_rows(disk, dir, writer.refused_lsns); !noted)
    return noted;
  // Reading the log may have taken longer than a session may idle.
  database = storage::Database::open(database_options);
  if (!database) return database.error();
  // One lane wrote for all of them: a start compares each lane's row with what the log says of it.
  if (auto lifted = database->witness_all(log.last_lsn); !lifted) return lifted;
  return look_for_remembered(*database, before);
}

std::vector<std::string> violations_of(const PatientWriter& writer, const Applier& applier,
                                       const RememberedOrders& before) {
  std::vector<std::string> out = writer.refused;
  if (applier.incomplete > 0) {
    out.push_back(std::to_string(applier.incomplete) +
                  " imported commands lack arguments and were not applied");
  }
  for (auto& text : before.violations()) out.push_back(std::move(text));
  return out;
}

int report(const ToolOptions& options, const PatientWriter& writer, const Applier& applier,
           const RememberedOrders& before, std::ostream& out) {
  const auto violations = violations_of(writer, applier, before);
  const bool ok = violations.empty() && writer.refused_count == 0;
  if (options.json) {
    using nlohmann::ordered_json;
    const ordered_json result = {{"ok", ok},
                                 {"orders", applier.orders},
                                 {"item_puts", applier.puts},
                                 {"item_amounts", applier.amounts},
                                 {"promos", applier.promos},
                                 {"order_updates", applier.updates},
                                 {"incomplete", applier.incomplete},
                                 {"refused", writer.refused_count},
                                 {"remembered", before.count},
                                 {"missing", before.missing},
                                 {"other_payments", before.other_payments},
                                 {"other_stock", before.other_stock},
                                 {"violations", violations}};
    out << result.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
    return ok ? kExitDone : kExitViolation;
  }
  out << "applied " << applier.orders << " orders, " << applier.puts << " items, "
      << applier.amounts << " amounts, " << applier.promos << " promos, " << applier.updates
      << " updates of orders; " << writer.refused_count << " rows refused\n";
  if (!before.beginning.is_start()) {
    out << "before lsn " << storage::to_text(before.beginning.speaks_from()) << ": " << before.count
        << " orders, looked for in the database; " << before.missing << " missing\n";
  }
  for (const auto& message : violations) out << "VIOLATION " << message << '\n';
  return ok ? kExitDone : kExitViolation;
}

// The private database ends with the nodes, unless it was asked to stay.
void say_how_to_have_database(const config::Config& config, const Error& error, std::ostream& err) {
  const bool is_private = config.db.url.ends_with("/db/mysql.sock");
  if (error.code != Errc::unavailable || !is_private) return;
  if (storage::database_answered(error.sql_number)) return;
  err << "stampede: scripts/start_all.sh --db-only starts the private database without the nodes\n";
}

}  // namespace

int run_log_replay_all(const ToolOptions& options, std::ostream& out, std::ostream& err) {
  const auto dir = existing_log_dir(options, {});
  if (!dir) return report_error(err, dir.error());
  const auto database = database_options(options.config);
  if (!database) return report_error(err, database.error());
  storage::PosixDisk disk;
  auto lock = storage::LogLock::take(disk, *dir);
  if (!lock && lock.error().code == Errc::locked) {
    err << "stampede: stop the nodes first: " << lock.error().message << '\n';
    return kExitRefused;
  }
  if (!lock) return report_error(err, lock.error());

  auto before = read_remembered(disk, *dir);
  if (!before) return report_error(err, before.error());
  say_beginning(err, before->beginning);
  storage::LogVisitor nothing;  // the whole log is verified before a row is written
  auto log = storage::read_log(disk, *dir, nothing, before->beginning.position);
  if (!log) return report_error(err, log.error());
  if (log->tail == storage::LogTail::empty) {
    out << (options.json ? "{\"ok\":true,\"orders\":0}\n" : "the log is empty: nothing to apply\n");
    return kExitDone;
  }
  log->last_lsn = std::max(log->last_lsn, before->contents.header.position.last_lsn);
  PatientWriter writer(*database, log->chain.epoch + 1);
  Applier applier(writer, options.config.db.batch_rows_max, before->contents);
  if (auto applied = apply_log(disk, options, *dir, *log, *before, applier, writer, *database);
      !applied) {
    say_how_to_have_database(options.config, applied.error(), err);
    return report_error(err, applied.error());
  }
  return report(options, writer, applier, *before, out);
}

}  // namespace stampede::tools
