#include "test/sim/database_watch.h"

#include <functional>

#include "storage/mysql/sql_text.h"
#include "test/sim/violation.h"

namespace stampede::sim {

using storage::CommandKind;
using storage::RecordType;

namespace {

Lsn lsn_of(const Cell& cell) {
  return static_cast<Lsn>(cell.number);
}

Cell promo_cell(std::uint64_t promo) {
  Cell cell;
  if (promo != storage::kNoNumber) cell.number = static_cast<std::int64_t>(promo);
  return cell;
}

std::string datetime_ms(std::int64_t ms) {
  std::string text;
  storage::append_datetime_ms(text, ms);
  return text;
}

bool says(const SqlCells& cells, const storage::PromoPut& put) {
  return static_cast<std::uint64_t>(cells[PromoColumn::item].number) == put.item &&
         cells[PromoColumn::price].number == put.price_cents &&
         cells[PromoColumn::starts].text == datetime_ms(put.starts_at_ms) &&
         cells[PromoColumn::ends].text == datetime_ms(put.ends_at_ms) &&
         cells[PromoColumn::limit].number == put.limit_per_user &&
         (cells[PromoColumn::ticket].text == "required") == (put.ticket != 0) &&
         cells[PromoColumn::gate].number == put.gate_factor &&
         cells[PromoColumn::hold].number == put.hold_s &&
         cells[PromoColumn::hold + 1].number == put.hold_low_s &&
         cells[PromoColumn::hold + 2].number == put.low_stock_percent &&
         cells[PromoColumn::hold + 3].number == put.unpaid_per_user_max;
}

bool says(const SqlCells& cells, const storage::OwnedItemSale& sale) {
  return cells[ItemColumn::hold].number == sale.hold_s &&
         cells[ItemColumn::hold + 1].number == sale.hold_low_s &&
         cells[ItemColumn::hold + 2].number == sale.low_stock_percent &&
         cells[ItemColumn::hold + 3].number == sale.unpaid_per_user_max &&
         (cells[ItemColumn::sale].text == "promo_only") == (sale.promo_only != 0) &&
         (cells[ItemColumn::open].number == 0) == (sale.closed != 0);
}

}  // namespace

void DatabaseWatch::on_commit(const std::vector<SqlChange>& changes) {
  const auto& tables = server_.tables();
  bool rows = false;
  for (const auto& change : changes) {
    if (change.table == &tables.orders) on_order(change), rows = true;
    if (change.table == &tables.item) on_item(change), rows = true;
    if (change.table == &tables.promo) on_promo(change), rows = true;
    if (change.table == &tables.stock_change) on_stock(change), rows = true;
    if (change.table == &tables.lane) on_lane(change);
  }
  const auto& writer = server_.writer;
  if (!rows || writer.epoch == 0) return;
  const auto owner = tables.lane.rows.find(writer.lane);
  require(owner != tables.lane.rows.end() &&
              static_cast<std::uint64_t>(owner->second[1].number) == writer.epoch,
          "S12", "a lane of an older epoch changed rows");
}

void DatabaseWatch::on_order(const SqlChange& change) {
  if (!change.before.empty()) return on_update(change);
  const auto& cells = change.table->rows.at(change.key);
  const auto lsn = lsn_of(cells[0]);
  const auto* decision = log_.find(lsn);
  require(decision != nullptr && decision->kind == Decision::Kind::confirmed, "S3",
          "an order's row that no decision made");
  require(log_.durable(lsn), "S7", "an order's row before its decision is durable");
  require(cells[OrderColumn::request_id].text == decision->id &&
              cells[OrderColumn::user].text == decision->user &&
              static_cast<std::uint64_t>(cells[OrderColumn::item].number) == decision->item &&
              cells[OrderColumn::qty].number == decision->qty &&
              cells[OrderColumn::price].number == decision->price &&
              cells[OrderColumn::promo] == promo_cell(decision->promo) &&
              (cells[OrderColumn::fulfilment].text == "unpaid") == (decision->pay_by_ms != 0) &&
              cells[OrderColumn::pay_by].text ==
                  (decision->pay_by_ms == 0 ? std::string() : datetime_ms(decision->pay_by_ms)),
          "S3", "an order's row says something else than its decision");
  if (!log_.held().empty()) return;  // units come back, and their rows later than others
  auto& sold = sold_[decision->item];
  sold += decision->qty;
  require(sold <= log_.highest_total(decision->item), "S2", "more rows than there was stock");
}

// What an order became; all else stays.
void DatabaseWatch::on_update(const SqlChange& change) const {
  const auto& cells = change.table->rows.at(change.key);
  for (std::size_t i = 0; i < OrderColumn::fulfilment; ++i)
    require(cells[i] == change.before[i], "S3", "an order's row was changed");
  require(cells[OrderColumn::pay_by] == change.before[OrderColumn::pay_by], "S3",
          "an order's time to pay was changed");
  const auto lsn = lsn_of(cells[OrderColumn::lsn]);
  require(lsn > lsn_of(change.before[OrderColumn::lsn]), "S6", "an order's guard went back");
  const auto* decision = log_.find(lsn);
  require(decision != nullptr && log_.durable(lsn), "S7", "an order's state before it is durable");
  const bool paid = decision->fulfilment == storage::Fulfilment::paid ||
                    decision->fulfilment == storage::Fulfilment::refund_due;
  require(decision->order == static_cast<Lsn>(change.key) &&
              cells[OrderColumn::fulfilment].text == to_text(decision->fulfilment) &&
              cells[OrderColumn::payment].text == (paid ? decision->id : std::string()),
          "S17", "an order's state that does not belong to its lsn");
}

void DatabaseWatch::on_stock(const SqlChange& change) const {
  require(change.before.empty(), "S17", "a row of the stock journal was changed");
  const auto& cells = change.table->rows.at(change.key);
  const auto lsn = static_cast<Lsn>(change.key);
  const auto* decision = log_.find(lsn);
  require(decision != nullptr && log_.durable(lsn), "S7", "a StockChange before it is durable");
  require(decision->moved == cells[StockColumn::delta].number &&
              decision->item == static_cast<std::uint64_t>(cells[StockColumn::item].number) &&
              decision->order == lsn_of(cells[StockColumn::order]),
          "S17", "a row of the stock journal that does not belong to its lsn");
}

void DatabaseWatch::on_item(const SqlChange& change) const {
  const auto& cells = change.table->rows.at(change.key);
  const auto item = static_cast<std::uint64_t>(change.key);
  const auto lsn = lsn_of(cells[ItemColumn::lsn]);
  const auto put_lsn = lsn_of(cells[ItemColumn::put_lsn]);
  require(cells[ItemColumn::amount].number >= 0, "S2", "an amount below zero in the database");
  // A first claim sets the guards of an unowned database to zero.
  const bool adopted = !server_.tables().meta.rows.empty() && lsn == 0 && put_lsn == 0;
  if (!change.before.empty() && !adopted) {
    require(lsn >= lsn_of(change.before[ItemColumn::lsn]), "S6", "an item's guard went back");
    require(put_lsn >= lsn_of(change.before[ItemColumn::put_lsn]), "S6",
            "an item's put guard went back");
  }
  if (lsn != 0) {
    const auto* decision = log_.find(lsn);
    require(decision != nullptr && log_.durable(lsn), "S7", "an amount before it is durable");
    require(decision->item == item && decision->amount == cells[ItemColumn::amount].number, "S6",
            "an amount that does not belong to its lsn");
  }
  if (put_lsn != 0) {
    const auto* decision = log_.find(put_lsn);
    require(decision != nullptr && log_.durable(put_lsn), "S7", "an ItemPut before it is durable");
    require(decision->item == item && decision->total == cells[ItemColumn::total].number, "S6",
            "a total that does not belong to its lsn");
    require(says(cells, decision->sale), "S6", "rules that do not belong to their lsn");
  }
}

void DatabaseWatch::on_promo(const SqlChange& change) const {
  const auto& cells = change.table->rows.at(change.key);
  on_grant(change);
  const auto lsn = lsn_of(cells[PromoColumn::put_lsn]);
  if (lsn == 0) return;  // a claim of an unowned database, or what was granted came first
  require(change.before.empty() || lsn >= lsn_of(change.before[PromoColumn::put_lsn]), "S6",
          "a promo's guard went back");
  const auto* decision = log_.find(lsn);
  require(decision != nullptr && log_.durable(lsn), "S7", "a promo's row before it is durable");
  require(decision->promo == static_cast<std::uint64_t>(change.key) && says(cells, decision->put),
          "S6", "a promo's row that does not belong to its lsn");
}

void DatabaseWatch::on_grant(const SqlChange& change) const {
  const auto& cells = change.table->rows.at(change.key);
  const auto lsn = lsn_of(cells[PromoColumn::lsn]);
  if (lsn == 0) return;
  require(change.before.empty() || lsn >= lsn_of(change.before[PromoColumn::lsn]), "S6",
          "the guard of what a promo granted went back");
  const auto* decision = log_.find(lsn);
  require(decision != nullptr && log_.durable(lsn), "S7", "a ticket's row before it is durable");
  require(decision->kind == Decision::Kind::grant &&
              decision->promo == static_cast<std::uint64_t>(change.key) &&
              decision->granted == static_cast<std::uint64_t>(cells[PromoColumn::granted].number),
          "S6", "a number of tickets that does not belong to its lsn");
}

void DatabaseWatch::on_lane(const SqlChange& change) const {
  const auto& cells = change.table->rows.at(change.key);
  if (change.before.empty()) return;
  require(cells[1].number >= change.before[1].number, "S12", "a lane's epoch went back");
  require(cells[2].number >= change.before[2].number, "S9", "a lane's witness went back");
  require(lsn_of(cells[2]) <= log_.durable_lsn(), "S7", "the witness is ahead of the log");
}

void DatabaseWatch::on_outcome(RecordType type, const storage::Outcome& outcome) {
  if (type == RecordType::exec) on_exec(outcome);
  if (type == RecordType::fail) on_fail(outcome);
}

// Each process tries once; the count goes on over all of them.
void DatabaseWatch::on_fail(const storage::Outcome& fail) {
  const bool updates =
      fail.kind == CommandKind::order_update;  // of a row that is refused, or not there
  require((fail.kind == CommandKind::order_insert || updates) &&
              fail.tries.size() * 2 == fail.numbers.size(),
          "S13", "FAIL of what the database did not refuse, or without its tries");
  for (std::size_t i = 0; i < fail.tries.size(); ++i) {
    const Lsn lsn = fail.numbers[2 * i];
    const auto* decision = log_.find(lsn);
    const auto kind = updates ? Decision::Kind::fulfilment : Decision::Kind::confirmed;
    require(decision != nullptr && decision->kind == kind && server_.refuses(decision->user) &&
                (updates || !server_.tables().orders.rows.contains(static_cast<std::int64_t>(lsn))),
            "S13", "FAIL though the database refused no row");
    auto& tries = tries_[lsn];
    require(fail.tries[i] == tries.before + 1, "S13", "FAIL does not count on");
    tries.said = fail.tries[i];
  }
}

void DatabaseWatch::synced() {
  for (auto& [lsn, tries] : tries_) tries.durable = tries.said;
}

void DatabaseWatch::recovered(const storage::Owed& owed) {
  const auto check = [&](Lsn lsn, std::uint32_t before) {
    auto& tries = tries_[lsn];
    require(before >= tries.durable && before <= tries.said, "S13",
            "a restart does not know how often the database has refused an order");
    tries = {before, before, before};
  };
  for (const auto& order : owed.orders) check(order.lsn, order.tries);
  for (const auto& update : owed.updates) check(update.lsn, update.tries);
}

// EXEC is a promise about the database: recovery will never look again.
void DatabaseWatch::on_exec(const storage::Outcome& outcome) const {
  const auto& tables = server_.tables();
  for (std::size_t i = 0; i + 1 < outcome.numbers.size(); i += 2) {
    for (auto lsn = outcome.numbers[i]; lsn <= outcome.numbers[i + 1]; ++lsn) {
      if (storage::lsn_epoch(lsn) != storage::lsn_epoch(outcome.numbers[i + 1]) &&
          log_.find(lsn) == nullptr) {
        lsn = storage::make_lsn(storage::lsn_epoch(lsn) + 1, 0);
        continue;
      }
      const auto* decision = log_.find(lsn);
      if (decision == nullptr || decision->kind == Decision::Kind::rejected ||
          decision->kind == Decision::Kind::session)
        continue;
      if (outcome.kind == CommandKind::order_insert) {
        if (decision->kind == Decision::Kind::confirmed)
          require(tables.orders.rows.contains(static_cast<std::int64_t>(lsn)), "S1",
                  "EXEC of an order that has no row");
        continue;
      }
      if (outcome.kind == CommandKind::order_update) {
        const auto order = tables.orders.rows.find(static_cast<std::int64_t>(decision->order));
        require(order != tables.orders.rows.end() && lsn_of(order->second[OrderColumn::lsn]) >= lsn,
                "S6", "EXEC of an order's update that the database lacks");
        continue;
      }
      if (outcome.kind == CommandKind::stock_change) {
        require(tables.stock_change.rows.contains(static_cast<std::int64_t>(lsn)), "S6",
                "EXEC of a StockChange that has no row");
        continue;
      }
      if (outcome.kind == CommandKind::ticket_grant) {
        const auto promo = tables.promo.rows.find(static_cast<std::int64_t>(decision->promo));
        require(promo != tables.promo.rows.end() && lsn_of(promo->second[PromoColumn::lsn]) >= lsn,
                "S6", "EXEC of a ticket that the database lacks");
        continue;
      }
      if (outcome.kind == CommandKind::promo_put) {
        const auto promo = tables.promo.rows.find(static_cast<std::int64_t>(decision->promo));
        require(
            promo != tables.promo.rows.end() && lsn_of(promo->second[PromoColumn::put_lsn]) >= lsn,
            "S6", "EXEC of a promo's command that the database lacks");
        continue;
      }
      const auto row = tables.item.rows.find(static_cast<std::int64_t>(decision->item));
      const auto guard =
          outcome.kind == CommandKind::item_put ? ItemColumn::put_lsn : ItemColumn::lsn;
      require(row != tables.item.rows.end() && lsn_of(row->second[guard]) >= lsn, "S6",
              "EXEC of an item command that the database lacks");
    }
  }
}

void DatabaseWatch::compare() const {
  const auto& tables = server_.tables();
  require(tables.orders.rows.size() == log_.confirmed(), "S1",
          "the database does not hold every confirmed order");
  require(tables.item.rows.size() == log_.items().size(), "S4", "items differ from the log");
  std::map<std::uint64_t, std::int64_t> sold;
  for (const auto& [key, cells] : tables.orders.rows)
    sold[static_cast<std::uint64_t>(cells[OrderColumn::item].number)] +=
        cells[OrderColumn::qty].number;
  for (const auto& [key, cells] : tables.stock_change.rows)  // the journal: nothing else moves
    if (cells[StockColumn::reason].text != "add")
      sold[static_cast<std::uint64_t>(cells[StockColumn::item].number)] -=
          cells[StockColumn::delta].number;
  for (const auto& [item, truth] : log_.items()) {
    const auto row = tables.item.rows.find(static_cast<std::int64_t>(item));
    require(row != tables.item.rows.end(), "S4", "an item is not in the database");
    require(row->second[ItemColumn::amount].number == truth.amount, "S4",
            "an amount in the database differs from the log");
    require(row->second[ItemColumn::total].number == truth.total, "S4",
            "a total in the database differs from the log");
    require(truth.total - sold[item] == truth.amount, "S4", "total - sold is not the amount");
  }
  compare_promos();
  compare_payments();
}

void DatabaseWatch::compare_payments() const {
  const auto& tables = server_.tables();
  std::size_t moved = 0;
  for (const auto& [lsn, truth] : log_.held()) {
    const auto& cells = tables.orders.rows.at(static_cast<std::int64_t>(lsn));
    require(cells[OrderColumn::fulfilment].text == to_text(truth.fulfilment), "S17",
            "the database does not know what became of an order");
    for (const auto at : truth.changes) moved += log_.decisions()[at].moved != 0 ? 1 : 0;
  }
  for (const auto& decision : log_.decisions())
    moved += decision.kind == Decision::Kind::item_change && decision.moved != 0 ? 1 : 0;
  require(tables.stock_change.rows.size() == moved, "S17", "the stock journal is not the log's");
}

void DatabaseWatch::compare_promos() const {
  const auto promos = log_.promos();
  const auto& rows = server_.tables().promo.rows;
  require(rows.size() == promos.size(), "S4", "promos differ from the log");
  for (const auto& [id, put] : promos) {
    const auto row = rows.find(static_cast<std::int64_t>(id));
    require(row != rows.end() && lsn_of(row->second[PromoColumn::put_lsn]) == put->lsn &&
                says(row->second, put->put),
            "S4", "a promo in the database differs from the log");
    const auto [granted, lsn] = log_.granted(id);
    require(lsn_of(row->second[PromoColumn::lsn]) == lsn &&
                static_cast<std::uint64_t>(row->second[PromoColumn::granted].number) == granted,
            "S20", "the database does not know how many tickets a promo gave");
  }
}

std::uint64_t DatabaseWatch::content_hash() const {
  std::uint64_t hash = 0;
  const auto add = [&](const SqlTable& table) {
    for (const auto& [key, cells] : table.rows)
      for (const auto& cell : cells) {
        hash = (hash ^ static_cast<std::uint64_t>(cell.number)) * 0x100000001b3ULL;
        hash = (hash ^ std::hash<std::string>{}(cell.text)) * 0x100000001b3ULL;
      }
  };
  add(server_.tables().orders);
  add(server_.tables().item);
  add(server_.tables().promo);
  add(server_.tables().stock_change);
  return hash;
}

void DatabaseWatch::recount() {
  sold_.clear();
  for (const auto& [key, cells] : server_.tables().orders.rows)
    sold_[static_cast<std::uint64_t>(cells[OrderColumn::item].number)] +=
        cells[OrderColumn::qty].number;
}

}  // namespace stampede::sim
