#include "actors/webapp/core/stock_news.h"

#include <algorithm>
#include <charconv>

namespace stampede::actors {

namespace {

constexpr std::string_view kPrefix = "stock/";
constexpr std::string_view kSoldOutPrefix = "soldout/";
constexpr std::string_view kBackPrefix = "restock/";
constexpr double kBurst = 100;                      // messages at once after a quiet time
constexpr std::int64_t kRepeatUs = 1'000'000;       // a topic is not repeated more often
constexpr std::int64_t kValueAgeMaxUs = 5'000'000;  // news can be lost: then ask again
constexpr std::int64_t kWelcomeUs = 250'000;        // nor told for a newcomer's sake
constexpr std::int64_t kVisitsPerMs = 16;
constexpr std::int64_t kVisitsMax = 1024;
constexpr int kAsksAgainPerTick = 16;
constexpr int kNewcomersPerTick = 128;

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

std::string notice_topic(std::uint64_t item, bool back) {
  return std::string(back ? kBackPrefix : kSoldOutPrefix) + std::to_string(item) + '/';
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
  if (topic.starts_with(kSoldOutPrefix) || topic.starts_with(kBackPrefix)) return;
  std::uint64_t item = 0;
  const bool fits = parse_stock_topic(topic, item);
  if (fits && on) return subscribe(item);
  if (fits) return unsubscribe(item);
  if (on) ++counters_.topics_refused;
}

void StockNews::subscribe(std::uint64_t item) {
  auto found = topics_.find(item);
  if (found != topics_.end() && found->second.kept()) {
    found->second.subscribed = true;
    if (found->second.in == &ring_) move(found->second, welcomes_);
    return;
  }
  if (kept_ >= kNewsTopicsMax) {
    ++counters_.topics_refused;
    return;
  }
  if (found == topics_.end()) found = add(item, newcomers_);
  found->second.subscribed = true;
  ++kept_;
}

bool StockNews::watch(std::uint64_t item) {
  auto found = topics_.find(item);
  const bool kept = found != topics_.end() && found->second.kept();
  if (!kept && kept_ >= kNewsTopicsMax) return false;
  if (found == topics_.end()) found = add(item, newcomers_);
  found->second.watched = true;
  if (!kept) ++kept_;
  return true;
}

void StockNews::unwatch(std::uint64_t item) {
  const auto found = topics_.find(item);
  if (found == topics_.end() || !found->second.watched) return;
  found->second.watched = false;
  leave(found);
}

const ItemRow* StockNews::known(std::uint64_t item) const {
  const auto found = topics_.find(item);
  return found != topics_.end() && found->second.known ? &found->second.row : nullptr;
}

// A change that is not told yet is told to those who hear all.
void StockNews::unsubscribe(std::uint64_t item) {
  const auto found = topics_.find(item);
  if (found == topics_.end() || !found->second.subscribed) return;
  found->second.subscribed = false;
  leave(found);
}

void StockNews::leave(Topics::iterator topic) {
  if (topic->second.kept()) return;
  --kept_;
  const bool stays = topic->second.in == &changed_ && !broad_.empty() && room_for_all();
  if (!stays) drop(topic);
}

StockNews::Topics::iterator StockNews::add(std::uint64_t item, Items& list) {
  const auto added = topics_.try_emplace(item).first;
  added->second.in = &list;
  added->second.at = list.insert(list.end(), item);
  return added;
}

void StockNews::drop(Topics::iterator topic) {
  topic->second.in->erase(topic->second.at);
  topics_.erase(topic);
}

void StockNews::move(Topic& topic, Items& list) {
  list.splice(list.end(), *topic.in, topic.at);
  topic.in = &list;
}

StockNews::Topic* StockNews::topic_for(const ItemRow& row) {
  const auto found = topics_.find(row.item);
  if (found != topics_.end()) return &found->second;
  if (broad_.empty()) return nullptr;
  if (!room_for_all()) {
    ++counters_.changes_dropped;
    return nullptr;
  }
  return &add(row.item, changed_)->second;
}

void StockNews::on_row(const ItemRow& row) {
  Topic* topic = topic_for(row);
  if (topic == nullptr) return;
  topic->asked_us = refilled_us_;
  take(*topic, row, changed_);
}

void StockNews::on_answer(std::uint64_t item, const ItemRow* row) {
  --asks_open_;
  const auto found = topics_.find(item);
  if (found == topics_.end()) return;
  found->second.asked_us = refilled_us_;
  if (row != nullptr) take(found->second, *row, found->second.known ? changed_ : answered_);
}

void StockNews::take(Topic& topic, const ItemRow& row, Items& list) {
  if (topic.known && row.seq <= topic.row.seq) return;
  const bool waits = topic.in == &list;
  topic.row = row;
  // Texts are views into a message that will be gone.
  topic.row.terms = storage::with_texts<std::string_view>(
      row.terms, [](std::string_view) { return std::string_view{}; });
  topic.known = true;
  if (!waits) move(topic, list);
}

void StockNews::on_tick(std::int64_t now_us) {
  const std::int64_t visits = (now_us - refilled_us_) / 1000 * kVisitsPerMs;
  refill(now_us);
  tell_changes(now_us);
  tell_newcomers(now_us);
  tell_welcomes(now_us);
  ask_for_newcomers(now_us);
  ask_again(now_us);
  repeat(now_us, std::clamp(visits, kVisitsPerMs, kVisitsMax));
}

void StockNews::refill(std::int64_t now_us) {
  const auto passed = static_cast<double>(now_us - refilled_us_) / 1e6;
  tokens_ = std::min(kBurst, tokens_ + passed * kNewsPerSecondMax);
  refilled_us_ = now_us;
}

void StockNews::tell_changes(std::int64_t now_us) {
  while (!changed_.empty() && tokens_ >= 1) tell(changed_.front(), now_us);
}

void StockNews::tell_newcomers(std::int64_t now_us) {
  while (!answered_.empty() && tokens_ >= 1)
    tell(turn_++ % 2 == 0 ? answered_.back() : answered_.front(), now_us);
}

void StockNews::tell_welcomes(std::int64_t now_us) {
  while (!welcomes_.empty() && tokens_ >= 1) {
    const auto item = welcomes_.front();
    if (now_us - topics_.at(item).told_us < kWelcomeUs) return;
    tell(item, now_us);
  }
}

void StockNews::ask_for_newcomers(std::int64_t now_us) {
  for (int visit = 0; visit < kNewcomersPerTick && !newcomers_.empty(); ++visit) {
    if (asks_open_ >= kNewsAsksMax) return;
    const auto item = visit % 4 == 0 ? newcomers_.back() : newcomers_.front();
    auto& topic = topics_.at(item);
    move(topic, unknown_);
    ask_if_old(item, topic, now_us);
  }
}

// Items that are sold later, if the news of that are lost.
void StockNews::ask_again(std::int64_t now_us) {
  const auto visits = std::min<std::size_t>(kAsksAgainPerTick, unknown_.size());
  for (std::size_t i = 0; i < visits; ++i) {
    const auto item = unknown_.front();
    auto& topic = topics_.at(item);
    move(topic, unknown_);
    ask_if_old(item, topic, now_us);
  }
}

void StockNews::repeat(std::int64_t now_us, std::int64_t visits) {
  visits = std::min(visits, static_cast<std::int64_t>(ring_.size()));
  for (std::int64_t i = 0; i < visits && tokens_ >= 1; ++i) {
    const auto item = ring_.front();
    auto& topic = topics_.at(item);
    move(topic, ring_);
    if (now_us - topic.told_us >= kRepeatUs) tell(item, now_us);
    ask_if_old(item, topic, now_us);
  }
}

void StockNews::tell(std::uint64_t item, std::int64_t now_us) {
  const auto found = topics_.find(item);
  auto& topic = found->second;
  topic.told_us = now_us;
  tokens_ -= 1;
  ++counters_.published;
  output_.publish(topic.row);
  if (topic.kept())
    move(topic, ring_);
  else
    drop(found);
}

void StockNews::ask_if_old(std::uint64_t item, Topic& topic, std::int64_t now_us) {
  if (topic.asked_us != 0 && now_us - topic.asked_us < kValueAgeMaxUs) return;
  if (asks_open_ >= kNewsAsksMax) return;
  topic.asked_us = now_us;
  ++asks_open_;
  output_.ask_item(item);
}

}  // namespace stampede::actors
