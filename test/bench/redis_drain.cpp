#include "test/bench/redis_drain.h"

#include <charconv>
#include <stdexcept>
#include <vector>

#include "test/bench/peer_tables.h"
#include "test/bench/redis_link.h"

namespace stampede::bench {

namespace {

constexpr std::size_t kValuesOfEntry = 13;  // array, id, array, five names and values

std::uint64_t to_number(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

std::uint64_t drain(const DrainTask& task) {
  RedisLink redis(task.redis_socket);
  const auto session = open_session(task.db_url, storage::MysqlSession::Commit::explicitly);
  const auto until = std::chrono::steady_clock::now() + task.give_up;
  std::uint64_t rows = 0;
  while (rows < task.expected && std::chrono::steady_clock::now() < until) {
    const auto& values = redis.ask({"XREADGROUP", "GROUP", "drain", "worker", "COUNT", "5000",
                                    "BLOCK", "200", "STREAMS", "orders", ">"});
    if (values.size() < 5) continue;  // nothing new
    const auto entries = static_cast<std::size_t>(values[3].number);
    if (values.size() != 4 + entries * kValuesOfEntry) throw std::runtime_error("odd stream");
    OrderBatch batch(*session);
    std::vector<std::string_view> done{"XACK", "orders", "drain"};
    for (std::size_t i = 0; i < entries; ++i) {
      const auto* entry = &values[4 + i * kValuesOfEntry];
      const auto field = [&](std::size_t n) { return to_number(redis.text(entry[4 + 2 * n])); };
      batch.add({field(0), field(1), field(2), field(3)});
      done.push_back(redis.text(entry[1]));
    }
    std::string acknowledge;
    append_command(acknowledge, done);
    batch.store();
    rows += entries;
    redis.send(acknowledge);
    static_cast<void>(redis.receive());
  }
  return rows;
}

}  // namespace stampede::bench
