#include "test/bench/micro/hot_path.h"

#include <numeric>

#include "config/process/invariant.h"
#include "tools/bench/bench_plan.h"

namespace stampede::bench {

namespace {

using namespace actors;

constexpr LogUuid kUuid{7, 7, 7};
constexpr std::uint64_t kEpoch = 1;
constexpr std::uint64_t kWebapp = 5;  // its instance
constexpr std::uint64_t kBroker = 11;
constexpr std::uint64_t kPromo = 1;
constexpr TicketKey kTicketKey{8, 8, 8};

// As it is after the first rejection: no step to format 2 is measured, nor one to the next segment.
storage::LogWriter new_log(MemoryDisk& disk) {
  storage::LogOptions options;
  options.start_segment_bytes = options.segment_bytes;
  auto made = storage::LogWriter::create(disk, "log", kUuid, options);
  STAMPEDE_ASSERT(made, "a log in memory can be made");
  return std::move(*made);
}

WebappSettings settings() {
  WebappSettings settings;
  settings.instance = kWebapp;
  return settings;
}

}  // namespace

HotPath::HotPath(std::uint32_t items, std::int64_t stock)
    : writer_(new_log(disk_)),
      backend_(kUuid, BackendLimits{}),
      known_tickets_({9, 9}),
      signer_(kTicketKey, &known_tickets_),
      decoder_(&signer_),
      webapp_(settings(), *this, [] { return std::array<std::uint64_t, 2>{}; }) {
  backend_.set_phase(Phase::replaying);
  backend_.take_over(kEpoch, 0, writer_.level());
  backend_.set_phase(Phase::serving);
  for (std::uint64_t item = 1; item <= items; ++item) {
    const auto id = "put-" + std::to_string(item);
    backend_.on_control(
        item, {RequestKind::item_put, id, item, {}, 0, {"Phone", 5, stock, 0, 5}, 0}, effects_);
    if (item % 1000 == 0 || item == items) log_and_answer();
  }
  webapp_.on_hello({kBroker, kEpoch, 0, Phase::serving}, now_us_);
}

void HotPath::begin_promo() {
  PromoRequest request;
  request.action = PromoAction::add;
  auto& put = request.put;
  put.request_id = "promo";
  put.promo = kPromo;
  put.item = 1;
  put.name = "Sale";
  put.price_cents = 3;
  put.ends_at_ms = 1'000'000'000;
  put.limit_per_user = 2;
  put.ticket = 1;
  put.gate_factor = 5;
  put.hold_s = 86'400;
  STAMPEDE_ASSERT(backend_.on_promo(0, request, now_us_, effects_), "it has no unpaid orders");
  log_and_answer();
}

void HotPath::round(std::span<const std::string> frames) {
  now_us_ += 1000;
  for (const auto& frame : frames) take(frame);
  webapp_.end_of_round(now_us_);
  log_and_answer();
  webapp_.on_tick(now_us_);
}

void HotPath::take(std::string_view frame) {
  const auto client = ClientToken::router(ClientToken::Kind::dealer, "12345");
  const bool batch = Sf1Decoder::is_batch(frame);
  const bool good = batch ? decoder_.open_batch(frame) : decoder_.decode(frame);
  STAMPEDE_ASSERT(good, "a benchmark sends good frames");
  if (batch)
    webapp_.on_orders(client, decoder_, now_us_);
  else
    webapp_.on_request(ClientAsk{client, decoder_.request()}, now_us_);
}

bool HotPath::send_work(std::uint64_t number, std::uint32_t count, std::string_view body) {
  backend_.on_work({.kind = transport::EnvelopeKind::work,
                    .count = count,
                    .origin = 1,
                    .sender = kWebapp,
                    .number = number,
                    .broker = kBroker},
                   body, now_us_, effects_);
  return true;
}

void HotPath::log_and_answer() {
  backend_.flush(effects_);
  for (auto& append : effects_.appends) plan_.add(std::move(append));
  effects_.appends.clear();
  while (!plan_.empty()) {
    storage::BatchHead head{.epoch = kEpoch, .wall_ns = now_us_ * 1000, .pid = 1};
    const auto appends = plan_.next_frame(parts_, head);
    STAMPEDE_ASSERT(writer_.append(parts_, head), "memory takes every byte");
    STAMPEDE_ASSERT(writer_.sync(), "memory is durable");
    plan_.written();
    backend_.on_durable(appends, effects_);
  }
  for (const auto& result : effects_.results)
    webapp_.on_result({result.envelope.sender, result.envelope.number, result.envelope.epoch},
                      result.body, now_us_);
  effects_.clear();
  disk_.forget_old_files();
}

void HotPath::reply(const ClientToken&, const Reply& reply) {
  if (!in_array_) answer_.clear();
  if (reply.kind == ReplyKind::answer)
    append_sf1_answer(answer_, reply.id, *reply.answer);
  else if (reply.kind == ReplyKind::granted)
    answer_.append(tickets_.emplace_back(signer_.text(*reply.granted)));
  else
    append_sf1_error(answer_, reply.id, reply.code, reply.field, reply.message);
  if (!in_array_) sent();
}

void HotPath::open_array(const ClientToken&, std::uint32_t entries) {
  answer_.clear();
  append_sf1_array(answer_, entries);
  in_array_ = true;
}

void HotPath::close_array(const ClientToken&) {
  in_array_ = false;
  sent();
}

void HotPath::sent() {
  ++frames_answered_;
  answer_bytes_ += answer_.size();
}

namespace {

std::vector<std::string> frames_of(tools::BenchPlan& plan, std::uint64_t first,
                                   std::uint64_t orders, std::size_t batch) {
  std::vector<std::string> frames;
  std::vector<std::uint32_t> numbers;
  for (auto at = first; at < first + orders; at += batch) {
    numbers.resize(std::min<std::uint64_t>(batch, first + orders - at));
    std::iota(numbers.begin(), numbers.end(), static_cast<std::uint32_t>(at));
    frames.emplace_back(batch == 1 ? plan.frame(at) : plan.frame(numbers));
  }
  return frames;
}

}  // namespace

std::vector<std::string> order_frames(std::uint64_t first, std::uint64_t orders, std::size_t batch,
                                      std::uint32_t items) {
  tools::BenchPlan plan({1, "cost", items, 100'000, 0});
  return frames_of(plan, first, orders, batch);
}

std::vector<std::string> ticket_order_frames(HotPath& path, std::uint64_t orders,
                                             std::size_t batch) {
  tools::BenchContent content;
  content.run = "cost";
  content.promo = kPromo;
  content.tickets = true;
  tools::BenchPlan plan(content);
  path.rounds(frames_of(plan, 0, orders, 1), 256);
  for (std::uint64_t n = 0; n < path.tickets().size(); ++n)
    STAMPEDE_ASSERT(plan.keep_ticket(n, path.tickets()[n]), "tickets are of one length");
  STAMPEDE_ASSERT(plan.order_with_tickets(orders), "who asks in time is given a ticket");
  return frames_of(plan, 0, orders, batch);
}

}  // namespace stampede::bench
