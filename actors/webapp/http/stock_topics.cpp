#include "actors/webapp/http/stock_topics.h"

#include <algorithm>
#include <utility>

#include "actors/webapp/core/shares.h"
#include "actors/webapp/http/http_json.h"

namespace stampede::actors {

bool StockTopics::fits(const std::vector<std::uint64_t>& items, std::uint64_t address) const {
  const auto more = static_cast<std::size_t>(std::count_if(
      items.begin(), items.end(), [this](std::uint64_t item) { return !topics_.contains(item); }));
  if (more == 0) return true;
  const auto found = of_address_.find(address);
  const auto own = found == of_address_.end() ? 0 : found->second.topics;
  return in_share(own + more - 1, topics_.size() + more - 1, kTopicsMax);
}

void StockTopics::leave(std::uint64_t address) {
  const auto share = of_address_.find(address);
  --share->second.streams;
  drop_unused(share);
}

void StockTopics::drop_unused(Shares::iterator share) {
  if (share->second.streams == 0 && share->second.topics == 0) of_address_.erase(share);
}

std::size_t StockTopics::streams_of(std::uint64_t address) const {
  const auto found = of_address_.find(address);
  return found == of_address_.end() ? 0 : found->second.streams;
}

StockTopic* StockTopics::hold(std::uint64_t item, std::uint64_t address) {
  const auto [found, is_new] = topics_.try_emplace(item);
  auto& topic = found->second;
  topic.item = item;
  ++topic.holders;
  if (is_new) {
    watches_.push_back({item, true});
    topic.address = address;
    ++of_address_[address].topics;
  }
  return &topic;
}

void StockTopics::release(StockTopic* topic) {
  if (--topic->holders > 0) return;
  watches_.push_back({topic->item, false});
  const auto share = of_address_.find(topic->address);
  --share->second.topics;
  drop_unused(share);
  topics_.erase(topic->item);
}

void StockTopics::on_event(const StockEvent& event) {
  const auto found = topics_.find(event.item);
  if (found == topics_.end()) return;
  auto& topic = found->second;
  if (event.kind != StockEvent::Kind::value) {
    topic.absent = event.kind == StockEvent::Kind::absent;
    topic.full = event.kind == StockEvent::Kind::full;
    return;
  }
  if (topic.version > 0 && event.seq <= topic.seq) return;  // told again
  topic.version = ++changes_;
  topic.seq = event.seq;
  topic.absent = topic.full = false;
  const Json json = {{"item", event.item},
                     {"seq", std::to_string(event.seq)},
                     {"left", event.left},
                     {"state", event.state},
                     {"ts", event.ts_ms}};
  topic.text = "id: " + std::to_string(event.seq) + "\ndata: " + to_text(json) + "\n\n";
}

std::vector<StockWatch> StockTopics::take_watches() {
  return std::exchange(watches_, {});
}

Subscription::Subscription(std::shared_ptr<StockTopics> topics,
                           const std::vector<std::uint64_t>& items, std::uint64_t address)
    : topics_(std::move(topics)), address_(address) {
  topics_->join(address);
  heard_.reserve(items.size());
  for (const auto item : items) heard_.push_back({topics_->hold(item, address)});
}

Subscription::~Subscription() {
  for (const auto& heard : heard_) topics_->release(heard.topic);
  topics_->leave(address_);
}

const StockTopic* Subscription::absent() const {
  for (const auto& heard : heard_)
    if (heard.topic->absent) return heard.topic;
  return nullptr;
}

bool Subscription::full() const {
  return std::any_of(heard_.begin(), heard_.end(),
                     [](const Heard& heard) { return heard.topic->full; });
}

bool Subscription::known() const {
  return std::all_of(heard_.begin(), heard_.end(),
                     [](const Heard& heard) { return heard.topic->version > 0; });
}

std::size_t Subscription::take_changes(std::string& text) {
  if (changes_ == topics_->changes()) return 0;
  changes_ = topics_->changes();
  std::size_t count = 0;
  for (auto& heard : heard_) {
    if (heard.version == heard.topic->version) continue;
    heard.version = heard.topic->version;
    text += heard.topic->text;
    ++count;
  }
  return count;
}

}  // namespace stampede::actors
