#include "actors/webapp/core/stock_news.h"

#include <algorithm>
#include <charconv>

namespace stampede::actors {

namespace {

constexpr std::string_view kPrefix = "stock/";
constexpr double kBurst = 100;                      // messages at once after a quiet time
constexpr std::int64_t kRepeatUs = 1'000'000;       // a topic is not repeated more often
constexpr std::int64_t kValueAgeMaxUs = 5'000'000;  // news can be lost: then ask again
constexpr int kVisitsPerTick = 64;

}  // namespace

bool parse_stock_topic(std::string_view topic, std::uint64_t& item) {
  if (!topic.starts_with(kPrefix) || !topic.ends_with('/')) return false;
  topic.remove_prefix(kPrefix.size());
  if (topic.size() < 2 || (topic[0] == '0' && topic.size() > 2)) return false;
  const char* end = topic.data() + topic.size() - 1;
  const auto [stop, error] = std::from_chars(topic.data(), end, item);
  return error == std::errc{} && stop == end && item <= kItemIdMax;
}

std::string stock_topic(std::uint64_t item) {
  return std::string(kPrefix) + std::to_string(item) + '/';
}

void StockNews::on_subscription(std::string_view frame) {
  if (frame.empty() || (frame[0] != 0 && frame[0] != 1)) return;
  const bool on = frame[0] == 1;
  const auto topic = frame.substr(1);
  if (kPrefix.starts_with(topic)) {
    if (on)
      broad_.emplace(topic);
    else
      broad_.erase(std::string(topic));
    return;
  }
  std::uint64_t item = 0;
  const bool fits = parse_stock_topic(topic, item);
  if (!on) {
    if (fits && topics_.erase(item) > 0) std::erase(ring_, item);
    return;
  }
  if (!fits || (topics_.size() >= kNewsTopicsMax && !topics_.contains(item))) {
    ++counters_.topics_refused;
    return;
  }
  auto& entry = topics_[item];
  if (!entry.subscribed) ring_.push_front(item);
  entry.subscribed = true;
}

StockNews::Topic* StockNews::topic_for(const ItemRow& row) {
  const auto found = topics_.find(row.item);
  if (found != topics_.end()) return &found->second;
  if (broad_.empty()) return nullptr;
  if (topics_.size() >= kNewsTopicsMax) {
    ++counters_.changes_dropped;
    return nullptr;
  }
  return &topics_[row.item];
}

void StockNews::on_row(const ItemRow& row) {
  Topic* topic = topic_for(row);
  if (topic == nullptr) return;
  topic->asked_us = refilled_us_;
  if (topic->known && row.seq <= topic->row.seq) return;
  topic->row = row;
  // Texts are views into a message that will be gone.
  topic->row.terms = storage::with_texts<std::string_view>(
      row.terms, [](std::string_view) { return std::string_view{}; });
  topic->known = true;
  if (!topic->changed) changed_.push_back(row.item);
  topic->changed = true;
}

void StockNews::on_unknown(std::uint64_t item) {
  const auto found = topics_.find(item);
  if (found != topics_.end()) found->second.asked_us = refilled_us_;
}

void StockNews::on_tick(std::int64_t now_us) {
  refill(now_us);
  tell_changes(now_us);
  repeat(now_us);
}

void StockNews::refill(std::int64_t now_us) {
  const auto passed = static_cast<double>(now_us - refilled_us_) / 1e6;
  tokens_ = std::min(kBurst, tokens_ + passed * kNewsPerSecondMax);
  refilled_us_ = now_us;
}

void StockNews::tell_changes(std::int64_t now_us) {
  while (!changed_.empty() && tokens_ >= 1) {
    const auto item = changed_.front();
    changed_.pop_front();
    const auto found = topics_.find(item);
    if (found == topics_.end()) continue;
    tell(found->second, now_us);
    if (!found->second.subscribed) topics_.erase(found);
  }
}

void StockNews::repeat(std::int64_t now_us) {
  const auto visits = std::min<std::size_t>(kVisitsPerTick, ring_.size());
  for (std::size_t i = 0; i < visits && tokens_ >= 1; ++i) {
    const auto item = ring_.front();
    ring_.pop_front();
    ring_.push_back(item);
    auto& topic = topics_.at(item);
    ask_if_old(item, topic, now_us);
    if (topic.known && now_us - topic.told_us >= kRepeatUs) tell(topic, now_us);
  }
}

void StockNews::tell(Topic& topic, std::int64_t now_us) {
  topic.changed = false;
  topic.told_us = now_us;
  tokens_ -= 1;
  ++counters_.published;
  output_.publish(topic.row);
}

void StockNews::ask_if_old(std::uint64_t item, Topic& topic, std::int64_t now_us) {
  if (topic.asked_us != 0 && now_us - topic.asked_us < kValueAgeMaxUs) return;
  topic.asked_us = now_us;
  output_.ask_item(item);
}

}  // namespace stampede::actors
