#include "test/actors/backend/recovery/random_backend.h"

#include "actors/backend/core/lane_batch.h"
#include "actors/protocol/node_messages.h"

namespace stampede::test {

using actors::Request;
using actors::RequestKind;
using storage::LogWriter;

bool RandomBackend::gone_with(const storage::Error& error) {
  error_ = error;
  end_process();
  return false;
}

void RandomBackend::end_process() {
  writer_.reset();
  effects_.clear();
  lanes_.clear();
  asked_.clear();
}

bool RandomBackend::start() {
  end_process();
  limits_.book = {1'000'000, options_.rejections_max};
  limits_.projection = {2, 7, 5, 3};
  actors::ReplayTrace trace;
  actors::ReplayGuard guard(parked, trace);
  auto log = actors::recover_log(
      disk_, options_.dir, limits_, [](const storage::BatchInfo&) {}, [] {}, &guard);
  if (!log) return gone_with(log.error());
  used_snapshot_ = log->snapshot;
  storage::LogOptions log_options;
  log_options.segment_bytes = log_options.start_segment_bytes = options_.segment_bytes;
  log_options.level = storage::kFeatureLevelFirst;
  const bool empty = log->end.tail == storage::LogTail::empty;
  auto writer = empty ? LogWriter::create(disk_, options_.dir, kLogUuid, log_options)
                      : LogWriter::resume(disk_, options_.dir, log->end, log_options);
  if (!writer) return gone_with(writer.error());
  writer_.emplace(std::move(*writer));
  core_ = empty ? std::make_unique<actors::BackendCore>(kLogUuid, limits_) : std::move(log->core);
  const auto epoch = actors::take_over_epoch(*writer_, *core_, log->end, now_us * 1000, 1);
  if (!epoch) return gone_with(epoch.error());
  epoch_ = *epoch;
  actors::hand_over_owed(*core_, log->fold, 7);
  core_->start_lanes(effects_);
  core_->set_phase(actors::Phase::serving);
  return write_all();
}

// An order by a new or a known id, mostly; else a change of an item. The id of an order, or "".
std::string RandomBackend::request() {
  const bool again = next_id_ > 20 && below(8) == 0;
  const std::uint64_t number = again ? next_id_ - 1 - below(20) : next_id_++;
  const std::string id = "id-" + std::to_string(number);
  const std::uint64_t item = 1 + number % 5;
  if (number <= 5 || (!again && below(60) == 0)) {
    const bool put = number <= 5 || below(3) == 0;
    const std::string name = "item " + std::to_string(item);
    const std::string change_id = "chg-" + std::to_string(number);
    Request change{
        RequestKind::item_put, change_id, item, {}, 0, {name, 100, 40, item == 3 ? 6u : 0u, 5}, 0};
    if (!put) {
      change.kind = RequestKind::stock_change;
      change.delta = static_cast<std::int64_t>(below(30)) - 5;
    }
    core_->on_control(number, change, effects_);
    return {};
  }
  return id;
}

// Puts the promo of one of the first items, or changes it or ends it; many of them are refused.
void RandomBackend::change_promo() {
  const std::string id = "promo-" + std::to_string(next_id_++);
  const std::uint64_t item = 1 + below(2);
  actors::PromoRequest request;
  request.action = static_cast<actors::PromoAction>(1 + below(3));
  request.given = static_cast<std::uint32_t>(below(64)) & ~1U;  // the item stays
  auto& put = request.put;
  put.request_id = id;
  put.promo = 100 * item + below(3);
  put.item = item;
  put.name = "promo";
  put.price_cents = static_cast<std::int64_t>(below(100));
  put.starts_at_ms = now_us / 1000 + static_cast<std::int64_t>(below(20'000)) - 5'000;
  put.ends_at_ms = put.starts_at_ms + static_cast<std::int64_t>(below(60'000));
  put.limit_per_user = static_cast<std::uint32_t>(below(2) * 6);
  while (!core_->on_promo(next_id_, request, now_us, effects_)) {
  }
}

void RandomBackend::change_session() {
  const auto user = "user-" + std::to_string(below(5));
  const auto hash = actors::session_hash(user, std::to_string(below(20)));
  Request change;
  change.kind = RequestKind::session;
  change.item = hash[0];
  change.promo = hash[1];
  change.user = user;
  change.valid_until_ms = now_us / 1000 + static_cast<std::int64_t>(below(120'000));
  const bool opened = below(2) == 0;
  change.qty = static_cast<std::uint32_t>(opened ? actors::SessionEvent::opened
                                                 : actors::SessionEvent::ended);
  std::string body;
  actors::append_request(body, change);
  core_->on_work({.kind = transport::EnvelopeKind::work,
                  .count = 1,
                  .origin = 1,
                  .sender = 1,
                  .number = next_batch_,
                  .broker = 1},
                 body, now_us, effects_);
  asked_[next_batch_++] = {""};
}

void RandomBackend::ask() {
  if (options_.promos && below(4) == 0) change_promo();
  if (options_.sessions && below(2) == 0) change_session();
  std::string body;
  std::vector<std::string> ids;
  for (std::uint64_t n = 1 + below(12); n > 0; --n) {
    const std::string id = request();
    if (id.empty()) continue;
    const auto number = std::stoull(id.substr(3));
    const std::string user = "user-" + std::to_string(number % 17);
    Request order{RequestKind::order,
                  id,
                  1 + number % 5,
                  user,
                  static_cast<std::uint32_t>(1 + number % 3),
                  {},
                  0};
    if (options_.promos && order.item <= 2 && number % 7 < 4)
      order.promo = 100 * order.item + number % 3;
    actors::append_request(body, order);
    ids.push_back(id);
  }
  if (ids.empty()) return;
  core_->on_work({.kind = transport::EnvelopeKind::work,
                  .count = static_cast<std::uint32_t>(ids.size()),
                  .origin = 1,
                  .sender = 1,
                  .number = next_batch_,
                  .broker = 1},
                 body, now_us, effects_);
  asked_[next_batch_++] = std::move(ids);
}

void RandomBackend::take_results() {
  actors::BodyReader reader;
  for (const auto& message : effects_.results) {
    const auto& ids = asked_[message.envelope.number];
    reader.open(message.body);
    std::size_t at = 0;
    for (actors::Result result; at < ids.size() && reader.next(result); ++at) {
      if (result.kind == actors::ResultKind::answer &&
          result.answer.state == actors::State::confirmed)
        confirmed[ids[at]] = result.answer.lsn;
    }
    asked_.erase(message.envelope.number);
  }
  effects_.results.clear();
  effects_.controls.clear();
  effects_.promos.clear();
}

bool RandomBackend::write_all() {
  core_->flush(effects_);
  auto appends = std::move(effects_.appends);
  effects_.appends.clear();
  for (const auto& append : appends) {
    const std::string_view parts[] = {append->records};
    auto written = writer_->append(
        parts, {epoch_, append->first_lsn, append->count, now_us * 1000, 1, append->level});
    if (written) written = writer_->sync();
    if (!written) return gone_with(written.error());
    core_->on_durable(1, effects_);
  }
  take_results();
  for (auto& work : effects_.work) lanes_.push_back(std::move(work));
  effects_.work.clear();
  return true;
}

void RandomBackend::finish_lane(std::size_t index) {
  const actors::LaneWork work = std::move(lanes_[index]);
  lanes_.erase(lanes_.begin() + static_cast<std::ptrdiff_t>(index));
  actors::LaneBatchBuilder builder;
  storage::LaneBatch batch;
  builder.fill(work, batch);
  std::vector<actors::FailedCommand> failed;
  for (std::size_t i = 0; i < batch.orders.size(); ++i) {
    const auto& row = batch.orders[i];
    if (below(100) < options_.fail_percent) {
      failed.push_back(
          actors::failed_command(batch, {storage::RowKind::order, i, 1406, "refused"}));
      continue;
    }
    tables.orders[row.order_id] = {std::string(row.request_id), row.item,
                                   std::string(row.user),       row.qty,
                                   row.unit_price_cents,        row.decided_at_us};
  }
  for (const auto& put : batch.puts) {
    auto& item = tables.items[put.item];
    item.put_lsn = std::max(item.put_lsn, put.put_lsn);
  }
  for (const auto& amount : batch.amounts) {
    auto& item = tables.items[amount.item];
    if (amount.lsn > item.lsn) item.amount = amount.amount, item.lsn = amount.lsn;
  }
  for (const auto& promo : batch.promos) {
    auto& row = tables.promos[promo.put.promo];
    if (promo.put_lsn > row.put_lsn) row = {storage::OwnedPromo(promo.put), promo.put_lsn};
  }
  core_->on_lane_done(work.lane, failed, effects_);
}

void RandomBackend::run_lanes(bool all) {
  while (!lanes_.empty() && (all || below(3) != 0)) finish_lane(below(lanes_.size()));
}

bool RandomBackend::round() {
  now_us += static_cast<std::int64_t>(below(5'000'000));
  ask();
  if (!write_all()) return false;
  run_lanes(false);
  return write_all();
}

bool RandomBackend::drain() {
  for (int i = 0; i < 10'000; ++i) {
    run_lanes(true);
    if (!write_all()) return false;
    if (lanes_.empty() && core_->projection().idle()) return true;
  }
  return false;
}

}  // namespace stampede::test
