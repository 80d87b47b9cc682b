// SF1, the messages between the nodes, and CRC-32C.

#include <benchmark/benchmark.h>

#include "actors/protocol/node_messages.h"
#include "actors/protocol/sf1.h"
#include "storage/log/crc32c.h"
#include "test/bench/micro/hot_path.h"
#include "test/bench/micro/rates.h"

namespace stampede::bench {
namespace {

using namespace actors;

Answer confirmed() {
  Answer answer;
  answer.state = State::confirmed;
  answer.lsn = storage::make_lsn(1, 187'402);
  answer.item = 1;
  answer.qty = 1;
  answer.left = 112'597;
  return answer;
}

void sf1_decode_single(benchmark::State& state) {
  const auto frame = order_frames(1, 1, 1, 1).front();
  Sf1Decoder decoder;
  for (auto _ : state) benchmark::DoNotOptimize(decoder.decode(frame));
  report(state, 1, frame.size());
}
BENCHMARK(sf1_decode_single);

void sf1_decode_batch(benchmark::State& state) {
  const auto orders = static_cast<std::uint64_t>(state.range(0));
  const auto frame = order_frames(1, orders, orders, 1).front();
  Sf1Decoder decoder;
  for (auto _ : state) {
    if (!decoder.open_batch(frame)) state.SkipWithError("a good frame was refused");
    while (decoder.unread() > 0) benchmark::DoNotOptimize(decoder.next_entry());
  }
  report(state, orders, frame.size());
}
BENCHMARK(sf1_decode_batch)->Arg(64)->Arg(1000);

void sf1_encode_answer(benchmark::State& state) {
  const auto answer = confirmed();
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_sf1_answer(out, "b1-4f81a2c0-0000000001", answer);
    benchmark::DoNotOptimize(out.data());
  }
  report(state, 1, out.size());
}
BENCHMARK(sf1_encode_answer);

void message_write_order(benchmark::State& state) {
  Request order;
  order.kind = RequestKind::order;
  order.id = "b1-4f81a2c0-0000000001";
  order.item = 1;
  order.user = "u000012345";
  order.qty = 1;
  std::string body;
  for (auto _ : state) {
    body.clear();
    append_request(body, order);
    benchmark::DoNotOptimize(body.data());
  }
  report(state, 1, body.size());
}
BENCHMARK(message_write_order);

// 256 orders, as one message of a webapp under load brings.
void message_read_orders(benchmark::State& state) {
  std::string body;
  for (int i = 0; i < 256; ++i)
    append_request(body, {RequestKind::order, "b1-4f81a2c0-0000000001", 1, "u000012345", 1, {}, 0});
  BodyReader reader;
  Request request;
  for (auto _ : state) {
    reader.open(body);
    while (reader.next(request)) benchmark::DoNotOptimize(request);
  }
  report(state, 256, body.size());
}
BENCHMARK(message_read_orders);

void message_write_answer(benchmark::State& state) {
  const auto answer = confirmed();
  std::string body;
  for (auto _ : state) {
    body.clear();
    append_answer(body, answer);
    benchmark::DoNotOptimize(body.data());
  }
  report(state, 1, body.size());
}
BENCHMARK(message_write_answer);

void message_read_answers(benchmark::State& state) {
  std::string body;
  for (int i = 0; i < 256; ++i) append_answer(body, confirmed());
  BodyReader reader;
  Result result;
  for (auto _ : state) {
    reader.open(body);
    while (reader.next(result)) benchmark::DoNotOptimize(result);
  }
  report(state, 256, body.size());
}
BENCHMARK(message_read_answers);

void crc32c_of(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(storage::crc32c(bytes));
  report(state, 1, bytes.size());
}
BENCHMARK(crc32c_of)->Arg(64)->Arg(4096)->Arg(1 << 20);

}  // namespace
}  // namespace stampede::bench
