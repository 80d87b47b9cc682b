// What an order costs on the hot path, in countable things: hot_path_cost BATCH ORDERS [promo]
// promo: each is part of one with a limit per user and a time to pay, and has a ticket for it.
// Prints JSON. Allocations are counted here; instructions by callgrind, which is told to collect in
// measured_rounds() alone (test/bench/cost_test.py). Always the same work: no clock, fixed seed.

#include <sodium.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string_view>

#include "test/bench/micro/hot_path.h"

namespace {

bool counting = false;
std::uint64_t allocations = 0;
std::uint64_t allocated_bytes = 0;

}  // namespace

void* operator new(std::size_t size) {
  if (counting) ++allocations, allocated_bytes += size;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace stampede::bench {

constexpr std::size_t kRoundOrders = 256;  // that a webapp under load finds in one round
constexpr std::uint64_t kWarmUpOrders = 10 * kRoundOrders;

// Its name is what callgrind looks for.
[[gnu::noinline]] void measured_rounds(HotPath& path, std::span<const std::string> frames,
                                       std::size_t per_round) {
  path.rounds(frames, per_round);
}

}  // namespace stampede::bench

int main(int argc, char** argv) {
  using namespace stampede::bench;
  const bool promo = argc == 4 && std::string_view(argv[3]) == "promo";
  const bool asked = argc == 3 || promo;
  const auto batch = asked ? std::strtoul(argv[1], nullptr, 10) : 0;
  const auto orders = asked ? std::strtoul(argv[2], nullptr, 10) : 0;
  if (batch == 0 || batch > kRoundOrders || kRoundOrders % batch != 0 || orders == 0) {
    std::fprintf(stderr, "usage: hot_path_cost BATCH ORDERS [promo]   (BATCH: divides %zu)\n",
                 kRoundOrders);
    return 2;
  }
  if (sodium_init() < 0) return 1;  // a node's libsodium uses what the processor can
  HotPath path(1, static_cast<std::int64_t>((kWarmUpOrders + orders) / 2));
  if (promo) path.begin_promo();
  const auto all = kWarmUpOrders + orders;
  const auto frames =
      promo ? ticket_order_frames(path, all, batch) : order_frames(0, all, batch, 1);
  const std::span<const std::string> sent(frames);
  const auto measured = sent.subspan(kWarmUpOrders / batch);
  for (const auto& frame : sent.first(kWarmUpOrders / batch)) path.round({&frame, 1});
  const auto log_before = path.log_bytes();
  const auto answers_before = path.answer_bytes();
  counting = true;
  measured_rounds(path, measured, kRoundOrders / batch);
  counting = false;
  const auto others = promo ? path.nothing_left() : path.sold_out();
  const auto per_order = [&](std::uint64_t total) {
    return static_cast<double>(total) / static_cast<double>(orders);
  };
  std::printf(
      "{\"batch\":%lu,\"orders\":%lu,\"confirmed\":%llu,\"not_confirmed\":%llu,"
      "\"allocations\":%.4f,\"allocated_bytes\":%.1f,\"log_bytes\":%.1f,"
      "\"answer_bytes\":%.1f}\n",
      batch, orders, static_cast<unsigned long long>(path.confirmed()),
      static_cast<unsigned long long>(others), per_order(allocations), per_order(allocated_bytes),
      per_order(path.log_bytes() - log_before), per_order(path.answer_bytes() - answers_before));
  return path.confirmed() + others == all ? 0 : 1;
}
