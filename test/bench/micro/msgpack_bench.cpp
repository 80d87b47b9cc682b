// Why msgpack is read by an own cursor (docs/decisions/one-reader-one-writer.md): the orders of one
// work message, [kind, id, item, user, qty] each, read by it and by what msgpack-c has for that.
// All check types and bounds of depth and count; all texts stay where they are.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <msgpack.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "storage/msgpack/msgpack_cursor.h"
#include "storage/msgpack/msgpack_tokens.h"
#include "storage/msgpack/msgpack_writer.h"
#include "test/bench/micro/rates.h"

namespace stampede::bench {
namespace {

using storage::MsgpackCursor;

constexpr std::uint64_t kOrders = 256;
constexpr std::string_view kId = "b1-4f81a2c0-0000000001";
constexpr std::string_view kUser = "u000012345";

struct Order {
  std::uint64_t kind = 0;
  std::string_view id;
  std::uint64_t item = 0;
  std::string_view user;
  std::uint64_t qty = 0;
};

// Told apart at run time only, so that nothing of them is known to the compiler.
std::vector<Order> orders() {
  std::vector<Order> all(kOrders, {1, kId, 1, kUser, 1});
  benchmark::DoNotOptimize(all.data());
  return all;
}

void pack(msgpack::packer<msgpack::sbuffer>& packer, const Order& order) {
  packer.pack_array(5);
  packer.pack(order.kind);
  packer.pack(order.id);
  packer.pack(order.item);
  packer.pack(order.user);
  packer.pack(order.qty);
}

std::string packed_orders() {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  for (const auto& order : orders()) pack(packer, order);
  return {buffer.data(), buffer.size()};
}

// Fails when not every order of `body` was read.
template <class ReadAll>
void read_orders(benchmark::State& state, ReadAll&& read_all) {
  const auto body = packed_orders();
  for (auto _ : state)
    if (read_all(std::string_view(body)) != kOrders) state.SkipWithError("an order was not read");
  report(state, kOrders, body.size());
}

bool next_order(MsgpackCursor& cursor, Order& order) {
  MsgpackCursor::Value array;
  return cursor.next(array) && array.type == MsgpackCursor::Type::array && array.size == 5 &&
         cursor.next_unsigned(order.kind) && cursor.next_short_text(order.id) &&
         cursor.next_unsigned(order.item) && cursor.next_short_text(order.user) &&
         cursor.next_unsigned(order.qty);
}

void msgpack_read_cursor(benchmark::State& state) {
  read_orders(state, [](std::string_view body) {
    MsgpackCursor cursor(body);
    Order order;
    std::uint64_t read = 0;
    for (; cursor.left() > 0 && next_order(cursor, order); ++read) benchmark::DoNotOptimize(order);
    return read;
  });
}
BENCHMARK(msgpack_read_cursor);

// The least that a visitor can do: fills the fields by their place.
class OrderVisitor : public msgpack::null_visitor {
 public:
  explicit OrderVisitor(Order& order) : order_(order) {}
  [[nodiscard]] bool complete() const { return place_ == 5; }
  bool start_array(std::uint32_t elements) { return elements == 5; }
  bool visit_positive_integer(std::uint64_t value) {
    switch (place_++) {
      case 0:
        return order_.kind = value, true;
      case 2:
        return order_.item = value, true;
      case 4:
        return order_.qty = value, true;
      default:
        return false;
    }
  }
  bool visit_str(const char* text, std::uint32_t size) {
    switch (place_++) {
      case 1:
        return order_.id = {text, size}, true;
      case 3:
        return order_.user = {text, size}, true;
      default:
        return false;
    }
  }
  void parse_error(std::size_t, std::size_t) {}
  void insufficient_bytes(std::size_t, std::size_t) {}

 private:
  Order& order_;
  unsigned place_ = 0;
};

void msgpack_read_visitor(benchmark::State& state) {
  read_orders(state, [](std::string_view body) {
    Order order;
    std::uint64_t read = 0;
    for (std::size_t at = 0; at < body.size(); ++read) {
      OrderVisitor visitor(order);
      if (!msgpack::parse(body.data(), body.size(), at, visitor) || !visitor.complete()) break;
      benchmark::DoNotOptimize(order);
    }
    return read;
  });
}
BENCHMARK(msgpack_read_visitor);

// msgpack-c's visitor, flattened into tokens: how everything but orders and answers is read.
void msgpack_read_tokens(benchmark::State& state) {
  storage::TokenReader reader{storage::TokenLimits{4, 16384}};
  read_orders(state, [&](std::string_view body) {
    std::uint64_t read = 0;
    for (std::size_t at = 0; at < body.size(); ++read) {
      if (reader.parse(body, at) != storage::ParseOutcome::ok || reader.tokens().size() != 6) break;
      benchmark::DoNotOptimize(reader.tokens().data());
    }
    return read;
  });
}
BENCHMARK(msgpack_read_tokens);

bool in_place(msgpack::type::object_type, std::size_t, void*) {
  return true;
}

void msgpack_read_unpack(benchmark::State& state) {
  const msgpack::unpack_limit limit(5, 0, 64, 64, 0, 4);
  read_orders(state, [&](std::string_view body) {
    msgpack::zone zone;
    std::uint64_t read = 0;
    for (std::size_t at = 0; at < body.size(); ++read) {
      bool referenced = false;
      const auto object =
          msgpack::unpack(zone, body.data(), body.size(), at, referenced, in_place, nullptr, limit);
      msgpack::type::tuple<std::uint64_t, std::string_view, std::uint64_t, std::string_view,
                           std::uint64_t>
          order;
      object.convert(order);
      benchmark::DoNotOptimize(order);
      zone.clear();
    }
    return read;
  });
}
BENCHMARK(msgpack_read_unpack);

void msgpack_write_writer(benchmark::State& state) {
  const auto all = orders();
  storage::ByteBuffer buffer;
  for (auto _ : state) {
    buffer.clear();
    for (const auto& order : all) {
      storage::MsgpackWriter out(buffer, 5 * 9 + order.id.size() + order.user.size());
      out.array(5);
      out.number(order.kind);
      out.text(order.id);
      out.number(order.item);
      out.text(order.user);
      out.number(order.qty);
    }
    benchmark::DoNotOptimize(buffer.data());
    benchmark::ClobberMemory();
  }
  report(state, kOrders, buffer.size());
}
BENCHMARK(msgpack_write_writer);

void msgpack_write_packer(benchmark::State& state) {
  const auto all = orders();
  msgpack::sbuffer buffer;
  for (auto _ : state) {
    buffer.clear();
    msgpack::packer<msgpack::sbuffer> packer(buffer);
    for (const auto& order : all) pack(packer, order);
    benchmark::DoNotOptimize(buffer.data());
    benchmark::ClobberMemory();
  }
  report(state, kOrders, buffer.size());
}
BENCHMARK(msgpack_write_packer);

}  // namespace
}  // namespace stampede::bench
