#include "actors/backend/recovery/recovery.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/process/invariant.h"
#include "storage/log/log_begin.h"
#include "storage/log/log_place.h"
#include "storage/log/parked_records.h"
#include "storage/log/refused_rows.h"

namespace stampede::actors {

namespace {

using storage::Errc;
using storage::Error;
using storage::RecordType;
using storage::Status;

// What the operator must know beside the log's own error.
Error explain(const Error& error, const LoadedLog& log) {
  if (error.code != Errc::corrupt) return error;
  std::string message = error.message;
  if (!log.snapshot.empty()) message += "; reading from " + log.snapshot + " on";
  for (const auto& unusable : log.unusable) message += "; " + unusable;
  return {error.code, std::move(message)};
}

// The command that is owed; its texts point into the payload.
template <class Owed>
storage::Command command_of(storage::CommandDecoder& decoder, const Owed& owed) {
  std::vector<storage::Command> set;
  STAMPEDE_ASSERT(decoder.command_set(owed.payload, set), "the log's own records decode");
  return std::move(set[owed.position]);
}

storage::ItemSale sale_of(const storage::Command& command) {
  return command.sale ? command.sale->item : storage::ItemSale{};
}

ItemChange owed_put(storage::CommandDecoder& decoder, const OrderBook& book,
                    const storage::OwedPut& owed) {
  const auto command = command_of(decoder, owed);
  const auto& put = command.put;
  ItemChange change;
  change.item = put.item;
  change.position = book.position_of(put.item);
  change.put = item_details(put, sale_of(command), owed.lsn);
  return change;
}

// --- what need not be read -----------------------------------------------------------------------

bool of_a_log(std::string_view name) {
  constexpr std::array<std::string_view, 7> kNames{storage::kLockName,
                                                   storage::kSpareName,
                                                   storage::kSpareTmpName,
                                                   storage::kSegmentTmpName,
                                                   storage::kRestoredTmpName,
                                                   "replay.at",
                                                   kSnapshotLock};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         storage::looks_like_segment(name) || storage::looks_like_snapshot(name) ||
         storage::looks_like_begin(name) || storage::looks_like_place(name) ||
         storage::looks_like_parked(name) || storage::looks_like_refused_rows(name);
}

// Whoever made the file chose its name; it goes to terminals.
std::string printable(std::string text) {
  for (char& letter : text)
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) letter = '?';
  return text;
}

Status note_foreign_files(storage::Disk& disk, const std::string& dir, RecoveredLog& recovered) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  for (const auto& file : *files)
    if (!of_a_log(file.name))
      recovered.notes.push_back(printable(storage::path_in(dir, file.name)) +
                                " is no file of a log");
  return storage::Done{};
}

Status note_other_snapshots(storage::Disk& disk, const std::string& dir, const LoadedLog& log,
                            RecoveredLog& recovered) {
  const auto all = storage::list_snapshots(disk, dir);
  if (!all) return all.error();
  for (const auto& snapshot : *all) {
    if (snapshot.last_lsn >= log.position.last_lsn) continue;  // read, or passed over
    const auto opened = storage::SnapshotReader::open(disk, dir, snapshot.name);
    if (!opened && opened.error().code != Errc::corrupt) return opened.error();
    if (!opened)
      recovered.notes.push_back("an older snapshot is damaged: " + opened.error().message);
  }
  return storage::Done{};
}

Status judge_begin(storage::Disk& disk, const std::string& dir, const LoadedLog& log,
                   RecoveredLog& recovered) {
  if (log.position.seg_no > 1) {
    const auto oldest = storage::judge_unread(disk, dir, log.position);
    if (!oldest) return oldest.error();
    recovered.first_segment = oldest->seg_no;
  }
  const auto known = storage::known_begin(disk, dir);
  if (!known) return known.error();
  recovered.begin_known = known->has_value();
  const auto first = std::to_string(recovered.first_segment);
  if (*known && recovered.first_segment > **known)
    return Error{Errc::corrupt, "log damaged: segments " + std::to_string(**known) + " up to " +
                                    first + " are missing in " + dir +
                                    ", and it was not log.retain_s that removed them; nothing was "
                                    "changed: put them back from a backup"};
  if (!*known && recovered.first_segment > 1)
    recovered.notes.push_back("the log begins at segment " + first +
                              ": whether older ones were removed on purpose is not known");
  return storage::Done{};
}

Status judge_files(storage::Disk& disk, const std::string& dir, const LoadedLog& log,
                   RecoveredLog& recovered) {
  if (auto judged = judge_begin(disk, dir, log, recovered); !judged) return judged;
  if (auto noted = note_other_snapshots(disk, dir, log, recovered); !noted) return noted;
  return note_foreign_files(disk, dir, recovered);
}

}  // namespace

storage::Result<RecoveredLog> recover_log(
    storage::Disk& disk, const std::string& dir, const BackendLimits& limits,
    const std::function<void(const storage::BatchInfo&)>& on_batch,
    const std::function<void()>& on_block, ReplayGuard* guard) {
  auto log = load_newest(disk, dir, limits.book, on_block);
  if (!log) return log.error();
  RecoveredLog recovered;
  if (auto judged = judge_files(disk, dir, *log, recovered); !judged)
    return explain(judged.error(), *log);
  if (log->fold) recovered.before = log->fold->replay().counts();
  FoldingReader reader(
      *log, limits.book,
      [&, epoch = log->position.chain.epoch](const storage::BatchInfo& batch) mutable {
        if (batch.epoch != epoch)
          recovered.owners[batch.epoch] = start_number(batch.wall_ns, batch.pid);
        epoch = batch.epoch;
        recovered.written_ns = std::max(recovered.written_ns, batch.wall_ns);
        on_batch(batch);
        return Status(storage::Done{});
      },
      guard);
  auto end = storage::read_log(disk, dir, reader, log->position);
  if (!end) return explain(end.error(), *log);
  if (guard != nullptr) guard->finish();
  recovered.end = *std::move(end);
  recovered.snapshot = std::move(log->snapshot);
  recovered.unusable = std::move(log->unusable);
  if (!log->fold) return recovered;
  recovered.core = std::make_unique<BackendCore>(recovered.end.hash_key, limits);
  recovered.core->book() = log->fold->take_book();
  recovered.fold = log->fold->take_replay();
  recovered.max_executed = log->fold->max_executed();
  recovered.executed_by_lane = log->fold->executed_by_lane();
  recovered.served = recovered.max_executed > 0 || recovered.core->book().confirmed() > 0;
  return recovered;
}

std::uint64_t start_number(std::int64_t wall_ns, std::uint32_t pid) {
  // Mixed (splitmix64), so that starts that are close in both are not close in this.
  auto mixed = static_cast<std::uint64_t>(wall_ns) + 0x9e3779b97f4a7c15ULL * (pid + 1ULL);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  mixed ^= mixed >> 31;
  return std::max<std::uint64_t>(mixed >> 1, 1);
}

storage::Result<std::uint64_t> take_over_epoch(storage::LogWriter& writer, BackendCore& core,
                                               const storage::LogEnd& end, std::int64_t wall_ns,
                                               std::uint32_t pid) {
  const auto epoch = std::max(end.chain.epoch, storage::lsn_epoch(end.last_lsn)) + 1;
  std::string payload;
  std::string records;
  storage::encode_epoch(payload, epoch, wall_ns, {}, format_of(writer.level()));
  storage::append_record(records, RecordType::epoch, payload);
  const std::string_view parts[] = {records};
  auto written =
      writer.append(parts, {epoch, storage::make_lsn(epoch, 1), 1, wall_ns, pid, writer.level()});
  if (written) written = writer.sync();
  if (!written) return written.error();
  core.set_phase(Phase::replaying);
  core.take_over(epoch, end.last_lsn, writer.level());
  return epoch;
}

namespace {

void hand_over_tries(BackendCore& core, const storage::Owed& owed) {
  using storage::CommandKind;
  const auto each = [&](CommandKind kind, const auto& commands) {
    for (const auto& command : commands)
      if (command.tries > 0) core.tried_before(kind, command.lsn, command.tries);
  };
  each(CommandKind::order_insert, owed.orders);
  each(CommandKind::item_put, owed.puts);
  each(CommandKind::item_amount_update, owed.amounts);
  each(CommandKind::promo_put, owed.promos);
  each(CommandKind::ticket_grant, owed.grants);
  each(CommandKind::order_update, owed.updates);
  each(CommandKind::stock_change, owed.stock);
}

}  // namespace

void hand_over_owed(BackendCore& core, const storage::ReplayFold& fold, std::uint64_t rows_max,
                    const std::function<void()>& on_piece) {
  const auto owed = fold.owed();
  hand_over_tries(core, owed);
  RecordMemory memory;
  std::string records;
  auto append = std::make_shared<Append>();
  const auto close = [&] {
    on_piece();
    append->keep(memory.keep(records));
    records.clear();
    if (append->inserts > 0) core.add_owed(append, {});
    append = std::make_shared<Append>();
  };
  for (const auto& order : owed.orders) {
    storage::append_record(records, RecordType::emit, order.payload);
    if (append->lsns.empty()) append->first_lsn = order.lsn;
    append->lsns.push_back(order.lsn);
    append->last_lsn = order.lsn;
    ++append->count, ++append->decisions, ++append->inserts;
    if (append->inserts >= rows_max) close();
  }
  close();
  storage::CommandDecoder decoder;
  std::vector<ItemChange> changes;
  for (const auto& put : owed.puts) changes.push_back(owed_put(decoder, core.book(), put));
  for (const auto& amount : owed.amounts) {
    auto& change = changes.emplace_back();
    change.item = amount.item;
    change.position = core.book().position_of(amount.item);
    change.first = change.last = amount.lsn;
    change.amount = amount.amount;
  }
  const auto sale = [&](const auto& one) { return command_of(decoder, one).sale; };
  for (const auto& one : owed.promos)
    append->promos.push_back(promo_change(sale(one)->promo, one.lsn));
  for (const auto& one : owed.grants)
    append->grants.push_back(grant_change(sale(one)->ticket, one.lsn));
  for (const auto& one : owed.updates)
    append->updates.push_back(order_change(sale(one)->update, one.lsn));
  for (const auto& one : owed.stock) append->stock.push_back({one.lsn, sale(one)->stock});
  core.add_owed(append, changes);
}

namespace {

// As decisions of `core`, not yet durable.
Status decide_items(BackendCore& core, const std::vector<storage::ItemRow>& items,
                    const std::function<void()>& on_item, Effects& effects) {
  const auto refused = [](const storage::ItemRow& item, const std::string& why) {
    return Error{Errc::corrupt, "item " + std::to_string(item.id) +
                                    " of the database cannot be taken over: " + why};
  };
  for (const auto& item : items) {
    if (on_item) on_item();
    const auto id = "import-" + std::to_string(item.id);
    ItemRequest request;
    request.action = ItemAction::add;
    request.put.request_id = id;
    request.put.item = item.id;
    request.put.terms = view_of(item.terms);
    request.sale = view_of(item.sale);
    if (item.amount != item.terms.total)
      return refused(item, "of its total " + std::to_string(item.terms.total) + " there are " +
                               std::to_string(item.amount) +
                               " left, and no order says who has the rest; set total and amount"
                               " to what is for sale");
    if (const auto wrong = core.import_item(request, effects); !wrong.empty())
      return refused(item, wrong);
  }
  return storage::Done{};
}

}  // namespace

Status check_items(const BackendLimits& limits, const std::vector<storage::ItemRow>& items,
                   const std::function<void()>& on_item) {
  BackendCore scratch(LogUuid{}, limits);
  Effects effects;
  return decide_items(scratch, items, on_item, effects);
}

Status import_items(storage::LogWriter& writer, BackendCore& core,
                    const std::vector<storage::ItemRow>& items, const storage::BatchHead& stamp,
                    const std::function<void()>& on_item) {
  Effects effects;
  if (auto decided = decide_items(core, items, on_item, effects); !decided) return decided;
  core.flush(effects);
  for (const auto& append : effects.appends) {
    if (on_item) on_item();
    const std::string_view parts[] = {append->records};
    auto head = stamp;
    head.first_lsn = append->first_lsn;
    head.count = append->count;
    head.level = append->level;
    auto written = writer.append(parts, head);
    if (written) written = writer.sync();
    if (!written) return written;
  }
  Effects released;
  core.on_durable(effects.appends.size(), released);
  return storage::Done{};
}

storage::Result<bool> has_history(storage::Disk& disk, const std::string& dir) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  return std::any_of(files->begin(), files->end(), [](const auto& file) {
    return storage::looks_like_segment(file.name) || storage::looks_like_snapshot(file.name);
  });
}

}  // namespace stampede::actors
