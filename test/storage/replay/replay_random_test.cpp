#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "storage/replay/fate_table.h"
#include "storage/replay/replay.h"
#include "test/storage/commands/command_fixture.h"
#include "test/support/random_run.h"

using namespace stampede::storage;
using namespace stampede::test;

namespace {

// What the definitions say, computed the slow way: every command with every other.
struct ModelCommand {
  Lsn lsn = 0;
  std::uint32_t position = 0;
  CommandKind kind{};
  std::uint64_t item = 0;
  bool executed = false;
  bool failed = false;
};

struct Model {
  std::vector<ModelCommand> commands;

  static bool same_key(const ModelCommand& a, const ModelCommand& b) {
    return a.kind == b.kind && a.kind != CommandKind::order_insert && a.item == b.item;
  }
  [[nodiscard]] Fate fate(std::size_t i) const {
    if (commands[i].executed) return Fate::executed;
    for (std::size_t j = i + 1; j < commands.size(); ++j) {
      if (same_key(commands[i], commands[j]) && commands[j].executed) return Fate::superseded;
    }
    return commands[i].failed ? Fate::failed : Fate::pending;
  }
  [[nodiscard]] bool applied(std::size_t i) const {
    if (commands[i].executed) return false;
    for (std::size_t j = i + 1; j < commands.size(); ++j) {
      if (same_key(commands[i], commands[j])) return false;
    }
    return true;
  }
};

class RandomHistory {
 public:
  explicit RandomHistory(std::uint64_t seed) : random_(seed) {}

  void grow(int steps) {
    for (int i = 0; i < steps; ++i) {
      const auto dice = below(10);
      if (dice < 5 || model.commands.empty()) {
        emit();
      } else if (dice < 8) {
        exec();
      } else if (dice < 9) {
        fail();
      } else {
        optm();
      }
    }
  }

  History history;
  Model model;

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void emit() {
    if (below(50) == 0) history.next = make_lsn(lsn_epoch(history.next) + 1, 1);
    std::vector<Command> set;
    const std::uint64_t item = 1 + below(4);
    switch (below(4)) {
      case 0:
        set = {put_of(item), amount_of(item, 5)};
        break;
      case 1:  // no backend writes such a set, but an import may
        for (std::uint64_t n = 1 + below(4); n > 0; --n) {
          set.push_back(command_of(static_cast<CommandKind>(1 + below(3)), 1 + below(4)));
        }
        break;
      default:
        set = {order_of(item), amount_of(item, 5)};
    }
    const Lsn lsn = history.emit(set);
    for (std::uint32_t i = 0; i < set.size(); ++i) {
      model.commands.push_back({lsn, i, set[i].kind, set[i].item()});
    }
  }

  ModelCommand& any() {
    // Mostly something recent, as in a real log.
    const std::size_t size = model.commands.size();
    const std::size_t back = below(3) == 0 ? below(size) : below(std::min<std::size_t>(size, 12));
    return model.commands[size - 1 - back];
  }

  void exec() {
    Outcome outcome{0, any().kind, any().position, {}};
    for (std::uint64_t n = below(3) + 1; n > 0; --n) {
      Lsn from = any().lsn;
      Lsn to = below(2) == 0 ? from : any().lsn;
      if (from > to) std::swap(from, to);
      outcome.numbers.insert(outcome.numbers.end(), {from, to});
      for (auto& command : model.commands) {
        if (command.kind == outcome.kind && command.position == outcome.position &&
            command.lsn >= from && command.lsn <= to) {
          command.executed = true;
        }
      }
    }
    history.outcome(RecordType::exec, outcome);
  }

  void fail() {
    const ModelCommand chosen = any();
    history.fail(chosen.kind, chosen.position, chosen.lsn);
    for (auto& command : model.commands) {
      if (command.lsn == chosen.lsn && command.position == chosen.position) command.failed = true;
    }
  }

  void optm() {
    const ModelCommand chosen = any();
    if (chosen.kind == CommandKind::order_insert) return;
    history.optm(chosen.kind, chosen.position, chosen.item, chosen.lsn, chosen.lsn + 1);
  }

  std::mt19937_64 random_;
};

using Place = std::tuple<CommandKind, Lsn, std::uint32_t, bool>;  // …, failed

std::set<Place> owed_places(const ReplayFold& fold) {
  std::set<Place> out;
  const Owed owed = fold.owed();
  for (const auto& o : owed.orders) {
    out.emplace(CommandKind::order_insert, o.lsn, o.position, o.tries > 0);
  }
  for (const auto& o : owed.puts)
    out.emplace(CommandKind::item_put, o.lsn, o.position, o.tries > 0);
  for (const auto& o : owed.amounts) {
    out.emplace(CommandKind::item_amount_update, o.lsn, o.position, o.tries > 0);
  }
  CHECK(out.size() == owed.orders.size() + owed.puts.size() + owed.amounts.size());
  return out;
}

std::set<Place> owed_places(const Model& model) {
  std::set<Place> out;
  for (std::size_t i = 0; i < model.commands.size(); ++i) {
    const auto& command = model.commands[i];
    if (model.applied(i)) {
      out.emplace(command.kind, command.lsn, command.position, command.failed);
    }
  }
  return out;
}

void feed(ReplayFold& fold, const History& history) {
  for (const auto& record : history.records) REQUIRE(fold.record(record.view()));
}

}  // namespace

TEST_CASE("replay: random histories are folded as the definitions say") {
  const std::uint64_t seed = seed_of_run();
  for (std::uint64_t round = 0; round < 300; ++round) {
    INFO("STAMPEDE_TEST_SEED=", seed, " round ", round);
    RandomHistory random(seed + round);
    random.grow(static_cast<int>(20 + round));
    ReplayFold fold;
    feed(fold, random.history);
    const auto expected = owed_places(random.model);
    REQUIRE(owed_places(fold) == expected);
    REQUIRE(fold.counts().owed == expected.size());
    REQUIRE(fold.counts().commands == random.model.commands.size());
    REQUIRE(fold.counts().failed ==
            static_cast<std::uint64_t>(std::count_if(
                expected.begin(), expected.end(), [](const Place& p) { return std::get<3>(p); })));

    FateTable table;
    for (const auto& record : random.history.records) REQUIRE(table.record(record.view()));
    REQUIRE(table.size() == random.model.commands.size());
    for (std::uint32_t i = 0; i < table.size(); ++i) {
      CAPTURE(table.id(i));
      REQUIRE(table.fate(i) == random.model.fate(i));
      REQUIRE(table.would_apply(i) == random.model.applied(i));
      REQUIRE(table.skipped_for(i).has_value() ==
              (!random.model.applied(i) && !random.model.commands[i].executed));
    }
  }
}

TEST_CASE("replay: once EXEC is logged for everything owed, nothing is owed any more") {
  const std::uint64_t seed = seed_of_run();
  for (std::uint64_t round = 0; round < 50; ++round) {
    INFO("STAMPEDE_TEST_SEED=", seed, " round ", round);
    RandomHistory random(seed + round);
    random.grow(200);
    ReplayFold first;
    feed(first, random.history);
    for (const auto& [kind, lsn, position, failed] : owed_places(first)) {
      random.history.exec(kind, position, lsn, lsn);
    }
    ReplayFold second;
    feed(second, random.history);
    REQUIRE(second.counts().owed == 0);
    REQUIRE(second.owed().orders.empty());
    FateTable table;
    for (const auto& record : random.history.records) REQUIRE(table.record(record.view()));
    for (std::uint32_t i = 0; i < table.size(); ++i) REQUIRE_FALSE(table.would_apply(i));
  }
}

TEST_CASE("replay: many chunks of orders keep exactly those that are owed, payloads and all") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  ReplayFold fold;
  std::map<Lsn, std::string> owed;
  for (Lsn lsn = make_lsn(1, 1); lsn < make_lsn(1, 30'001); ++lsn) {
    std::string payload;
    const std::string id = "request-" + std::to_string(lsn);
    encode_order_set(payload, order_of(1 + lsn % 7, id).order, {1 + lsn % 7, 5});
    REQUIRE(fold.record({RecordType::emit, 0, lsn, payload}));
    owed.emplace(lsn, payload);
    if (random() % 100 != 0) continue;
    const Lsn from = lsn - random() % std::min<Lsn>(lsn_counter(lsn), 20'000);
    const Lsn to = std::min(lsn, from + random() % 400);
    std::string exec;
    encode_outcome(exec, {1, CommandKind::order_insert, 0, {from, to}});
    REQUIRE(fold.record({RecordType::exec, 0, 0, exec}));
    owed.erase(owed.lower_bound(from), owed.upper_bound(to));
  }
  const ReplayFold moved = std::move(fold);
  const auto orders = moved.owed().orders;
  REQUIRE(orders.size() == owed.size());
  auto expected = owed.begin();
  for (const auto& order : orders) {
    REQUIRE(order.lsn == expected->first);
    REQUIRE(order.payload == expected->second);
    ++expected;
  }
}
