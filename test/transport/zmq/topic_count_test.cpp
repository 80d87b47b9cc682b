// When a publisher has too many topics, and what each subscriber that ends costs because of them.

#include "transport/zmq/topic_count.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>

namespace stampede::transport {

namespace {

struct Topics {
  void join(const std::string& topic) { count.take("\x01" + topic); }
  void leave(const std::string& topic) { count.take(std::string(1, '\0') + topic); }
  void join(int first, int end) {
    for (int i = first; i < end; ++i) join(std::to_string(i));
  }
  TopicCount count{100};
};

// As libzmq keeps topics: a node for each letter, and a place for whatever lies between two.
struct Node {
  std::map<unsigned char, std::unique_ptr<Node>> next;

  void add(std::string_view topic) {
    if (topic.empty()) return;
    auto& node = next[static_cast<unsigned char>(topic[0])];
    if (!node) node = std::make_unique<Node>();
    node->add(topic.substr(1));
  }
  [[nodiscard]] std::size_t looks() const {
    if (next.empty()) return 0;
    auto all = static_cast<std::size_t>(next.rbegin()->first - next.begin()->first + 1);
    for (const auto& [letter, node] : next) all += node->looks();
    return all;
  }
};

}  // namespace

TEST_CASE("different topics count, and who leaves makes room") {
  Topics topics;
  for (int i = 0; i < 3; ++i) topics.join(0, 100);
  CHECK_FALSE(topics.count.full(0));
  topics.join("5a");
  CHECK(topics.count.full(0));
  CHECK(topics.count.too_many(0, 0));
  CHECK_FALSE(topics.count.too_many(0, 1));  // one is about to leave
  topics.leave("5a");
  topics.leave("never joined");
  CHECK_FALSE(topics.count.full(0));
  CHECK_FALSE(topics.count.flooded());
}

TEST_CASE("what an end costs is known, whatever topics come and go") {
  std::mt19937 dice(20'261'129);
  TopicCount count(1000);
  std::set<std::string> held;
  for (int step = 0; step < 3000; ++step) {
    std::string topic(dice() % 6, '\0');
    for (char& letter : topic)
      letter = static_cast<char>(dice() % 2 == 0 ? dice() : '0' + dice() % 3);
    const bool leaves = dice() % 3 == 0 && !held.empty();
    if (leaves) topic = *std::next(held.begin(), static_cast<long>(dice() % held.size()));
    count.take(std::string(1, leaves ? '\0' : '\1') + topic);
    leaves ? static_cast<void>(held.erase(topic)) : static_cast<void>(held.insert(topic));
    if (step % 50 != 0) continue;
    Node root;
    for (const auto& one : held) root.add(one);
    CAPTURE(step);
    REQUIRE(count.looks() == root.looks());
  }
}

TEST_CASE("long topics and rare letters count by what they cost") {
  TopicCount count(1000);
  const auto fits = [&](const std::string& topic) {
    count.take("\x01" + topic);
    return !count.full(0);
  };
  for (char letter = 'a'; letter < 'a' + 4; ++letter)
    CHECK(fits(std::string(TopicCount::kMadeUpLooks / 4 - 1, letter)));
  CHECK(fits(""));
  CHECK_FALSE(fits("\xff"));
}

TEST_CASE("topics that are known cost nobody anything, until they are left") {
  TopicCount count(1000);
  const auto topic = [](int item) {
    return "stock/" + std::to_string(1'000'000 + 997 * item) + "/";
  };
  for (int i = 0; i < 3000; ++i) count.take("\x01" + topic(i));
  CHECK(count.flooded());
  CHECK(TopicCount(4000).looks() == 0);
  TopicCount large(4000);
  for (int i = 0; i < 3000; ++i) large.take("\x01" + topic(i));
  CHECK(large.full(0));
  for (int i = 0; i < 3000; ++i) large.know(topic(i));
  large.know("nobody holds it");
  CHECK_FALSE(large.full(0));
  CHECK_FALSE(large.full(1000));
  for (int i = 0; i < 3000; ++i) large.take(std::string(1, '\0') + topic(i));
  CHECK(large.looks() == 0);
  for (int i = 0; i < 3000; ++i) large.take("\x01" + topic(i));
  CHECK(large.full(0));  // nothing was published since
}

TEST_CASE("the more subscribers wait for their end, the fewer topics are allowed") {
  TopicCount count(12'000);
  for (int i = 0; i < 3000; ++i) count.take("\1stock/" + std::to_string(i) + "/");
  CHECK_FALSE(count.full(200));
  CHECK(count.full(500));
  CHECK(count.too_many(500, 0));
  CHECK_FALSE(count.too_many(500, 2500));
  CHECK_FALSE(count.flooded());
}

TEST_CASE("twice as many are a flood; what is released is all, and forgotten") {
  Topics topics;
  topics.join(0, 200);
  CHECK_FALSE(topics.count.flooded());
  topics.join("one more");
  CHECK(topics.count.flooded());
  CHECK(topics.count.release().size() == 201);
  CHECK(topics.count.looks() == 0);
  topics.join(0, 100);
  CHECK_FALSE(topics.count.full(0));
  topics.join("one more");
  CHECK(topics.count.full(0));
}

}  // namespace stampede::transport
