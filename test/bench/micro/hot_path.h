#pragma once

// An order's way from the client's frame to the client's answer, without sockets, threads and disk:
// SF1 decoding, the webapp's table, the message to the backend, the decision, the log's frame (in
// memory), the result, SF1 encoding. The real classes of the product, called in the order in which
// the nodes call them, always the same work for the same orders. One thread.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "actors/backend/core/backend_core.h"
#include "actors/backend/core/log_plan.h"
#include "actors/protocol/ticket_text.h"
#include "actors/webapp/core/webapp_core.h"
#include "storage/log/log_writer.h"
#include "test/bench/micro/memory_disk.h"

namespace stampede::bench {

class HotPath : private actors::WebappOutput {
 public:
  // Items 1 … `items`, each with `stock` units.
  HotPath(std::uint32_t items, std::int64_t stock);
  // The first item gets a promo with a limit per user, a time to pay and tickets.
  void begin_promo();

  // What arrives in one round of the webapp's port: every frame is answered on return.
  void round(std::span<const std::string> frames);
  void rounds(std::span<const std::string> frames, std::size_t per_round) {
    for (std::size_t at = 0; at < frames.size(); at += per_round)
      round(frames.subspan(at, std::min(per_round, frames.size() - at)));
  }

  [[nodiscard]] std::uint64_t confirmed() const { return webapp_.counters().confirmed; }
  [[nodiscard]] std::uint64_t sold_out() const { return webapp_.counters().sold_out; }
  // Of those who came too late, though they have a ticket: nothing is decided.
  [[nodiscard]] std::uint64_t nothing_left() const {
    return webapp_.counters().refused[static_cast<std::size_t>(actors::Code::sold_out_for_now)];
  }
  [[nodiscard]] const std::vector<std::string>& tickets() const { return tickets_; }  // as given
  [[nodiscard]] std::uint64_t frames_answered() const { return frames_answered_; }
  [[nodiscard]] std::uint64_t answer_bytes() const { return answer_bytes_; }
  [[nodiscard]] std::uint64_t log_bytes() const { return disk_.bytes_written(); }

 private:
  bool send_work(std::uint64_t number, std::uint32_t count, std::string_view body) override;
  void reply(const actors::ClientToken& client, const actors::Reply& reply) override;
  void open_array(const actors::ClientToken& client, std::uint32_t entries) override;
  void close_array(const actors::ClientToken& client) override;
  void drop_array() override { in_array_ = false; }

  void take(std::string_view frame);
  void log_and_answer();
  void sent();

  MemoryDisk disk_;
  storage::LogWriter writer_;
  actors::BackendCore backend_;
  actors::LogPlan plan_;
  actors::Effects effects_;
  std::vector<std::string_view> parts_;
  actors::KnownTickets known_tickets_;
  actors::TicketSigner signer_;
  actors::Sf1Decoder decoder_;
  actors::WebappCore webapp_;
  storage::ByteBuffer answer_;
  std::vector<std::string> tickets_;
  bool in_array_ = false;
  std::int64_t now_us_ = 1'000'000;
  std::uint64_t frames_answered_ = 0;
  std::uint64_t answer_bytes_ = 0;
};

// `orders` orders of items 1 … `items`, `batch` in a frame (1: single maps), always the same.
std::vector<std::string> order_frames(std::uint64_t first, std::uint64_t orders, std::size_t batch,
                                      std::uint32_t items);
// The same in the promo of `path`, each with the ticket that it is given here.
std::vector<std::string> ticket_order_frames(HotPath& path, std::uint64_t orders,
                                             std::size_t batch);

}  // namespace stampede::bench
