#include "actors/webapp/http/event_desk.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "actors/protocol/sf1.h"
#include "actors/webapp/http/http_checks.h"
#include "actors/webapp/http/http_replies.h"
#include "config/process/descriptor_shares.h"

namespace stampede::actors {

namespace {

constexpr std::string_view kSilence = ":\n\n";
// Milliseconds until a browser comes again: not all of them at once.
constexpr std::size_t kRetryMin = 1000, kRetrySpread = 3000, kRetryStep = 797;

// Of those that hear, who gives his place to a newcomer: looked at.
constexpr int kSample = 16;

constexpr auto kItemsTaken = "too many different items are being heard of, or by this address";

HttpReply too_many(const std::string& what) {
  return code_problem(Code::overloaded, {}, {}, what);
}

std::string all_taken(std::size_t streams, bool for_descriptors) {
  return (for_descriptors ? "all that file descriptors allow (" : "webapp.events_max (") +
         std::to_string(streams) + ") connections hear events already";
}

}  // namespace

std::vector<std::uint64_t> read_event_items(const std::vector<QueryPair>& query,
                                            std::string& fault) {
  const auto said = sole_value(query, "items");
  if (!said.value) {
    fault = said.times == 0 ? "say which items to hear of: ?items=1,2" : "it is there twice";
    return {};
  }
  std::vector<std::uint64_t> items;
  for (std::string_view rest = *said.value;;) {
    const auto end = std::min(rest.find(','), rest.size());
    const auto item = parse_number(rest.substr(0, end));
    if (!item || *item > kItemIdMax) {
      fault = "numbers of items, divided by commas";
      return {};
    }
    if (std::find(items.begin(), items.end(), *item) == items.end()) items.push_back(*item);
    if (items.size() > kEventItemsMax) {
      fault = "at most " + std::to_string(kEventItemsMax) + " items";
      return {};
    }
    if (end == rest.size()) return items;
    rest.remove_prefix(end + 1);
  }
}

void EventDesk::open(const HttpRequest& request, std::uint64_t address, HttpRespond&& respond,
                     Time now) {
  std::string fault;
  const auto items = read_event_items(request.query, fault);
  if (items.empty()) return respond(bad_field("items", fault));
  if (!topics_->fits(items, address)) return respond(too_many(kItemsTaken));
  HttpRespond turned_away;
  const auto most = std::min(streams_max_, config::descriptors_for(config::Door::streams));
  if (streams_ + waiting_.size() >= most && !make_room(address, turned_away))
    return respond(too_many(all_taken(most, most < streams_max_)));
  waiting_.push_back({std::move(respond), std::make_shared<Subscription>(topics_, items, address),
                      now + kValuesMax});
  if (answer(waiting_.back(), now)) waiting_.pop_back();
  tell_watches();
  if (turned_away) turned_away(too_many(all_taken(most, most < streams_max_)));
}

// Ends one that hears, or gives back what is to be told to one that waits. False: of those looked
// at, none is of an address that has more than this one would have.
bool EventDesk::make_room(std::uint64_t address, HttpRespond& turned_away) {
  const auto all = streams_ + waiting_.size();
  auto most = topics_->streams_of(address) + 1;
  auto worst = all;
  for (int looked_at = 0; looked_at < kSample && all > 0; ++looked_at) {
    const auto at = random_() % all;
    const auto [streams, place] = stream_at(at);
    const auto& heard = streams ? (*streams)[place].subscription : waiting_[place].subscription;
    const auto has = topics_->streams_of(heard->address());
    if (has <= most) continue;
    most = has;
    worst = at;
  }
  if (worst == all) return false;
  const auto [streams, place] = stream_at(worst);
  if (streams) {
    (*streams)[place].stream->close();
    leave(*streams, place);
  } else {
    turned_away = std::move(waiting_[place].respond);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(place));
  }
  return true;
}

// Behind the streams come those that wait: null, and the place among them.
std::pair<std::vector<EventDesk::Stream>*, std::size_t> EventDesk::stream_at(std::size_t at) {
  for (auto& turn : turns_) {
    if (at < turn.size()) return {&turn, at};
    at -= turn.size();
  }
  return {nullptr, at};
}

void EventDesk::leave(std::vector<Stream>& streams, std::size_t at) {
  std::swap(streams[at], streams.back());
  streams.pop_back();
  --streams_;
}

void EventDesk::on_events(const std::vector<StockEvent>& events, Time now) {
  for (const auto& event : events) topics_->on_event(event);
  news_ = true;
  answer_waiting(now);
}

void EventDesk::answer_waiting(Time now) {
  // An answer may bring the next request, which waits behind these.
  auto waiting = std::exchange(waiting_, {});
  std::erase_if(waiting, [&](Waiting& one) { return answer(one, now); });
  waiting_.insert(waiting_.begin(), std::make_move_iterator(waiting.begin()),
                  std::make_move_iterator(waiting.end()));
  news_ = false;
}

// False: it waits on.
bool EventDesk::answer(Waiting& waiting, Time now) {
  const auto& subscription = *waiting.subscription;
  if (const auto* absent = subscription.absent()) {
    waiting.respond(code_problem(Code::unknown_item, {}, "items",
                                 "there is no item " + std::to_string(absent->item)));
  } else if (subscription.full()) {
    waiting.respond(too_many(kItemsTaken));
  } else if (subscription.known() || now >= waiting.until) {
    begin(waiting);
  } else {
    return false;
  }
  return true;
}

void EventDesk::begin(Waiting& waiting) {
  HttpReply reply;
  reply.content_type = "text/event-stream";
  reply.headers.emplace_back("X-Accel-Buffering", "no");
  reply.on_stream = [this, subscription = std::move(waiting.subscription)](HttpStreamPtr stream) {
    add(std::move(stream), subscription);
  };
  waiting.respond(std::move(reply));
}

void EventDesk::add(HttpStreamPtr stream, SubscriptionPtr subscription) {
  text_ = "retry: " + std::to_string(kRetryMin + next_ * kRetryStep % kRetrySpread) + "\n\n";
  counts_->events += subscription->take_changes(text_);
  stream->write(text_);
  auto& turn = turns_[next_++ % kTurns];
  turn.push_back({std::move(stream), std::move(subscription), std::chrono::steady_clock::now()});
  ++streams_;
}

bool EventDesk::tick(Time now) {
  const auto late = [now](const Waiting& waiting) { return now >= waiting.until; };
  if (news_ || std::any_of(waiting_.begin(), waiting_.end(), late)) answer_waiting(now);
  visit(turns_[turn_], now);
  turn_ = (turn_ + 1) % kTurns;
  tell_watches();
  return streams_ > 0 || !waiting_.empty();
}

void EventDesk::visit(std::vector<Stream>& streams, Time now) {
  for (std::size_t at = streams.size(); at-- > 0;) {
    auto& stream = streams[at];
    if (stream.stream->open()) {
      if (stream.stream->ready() && now - stream.wrote >= kEvery) write(stream, now);
      continue;
    }
    leave(streams, at);
  }
}

void EventDesk::write(Stream& stream, Time now) {
  text_.clear();
  const auto changed = stream.subscription->take_changes(text_);
  if (changed == 0 && now - stream.wrote < kSilenceMax) return;
  if (changed == 0) text_ = kSilence;
  counts_->events += changed;
  stream.wrote = now;
  stream.stream->write(text_);
}

void EventDesk::tell_watches() {
  auto watches = topics_->take_watches();
  if (!watches.empty()) watch_(std::move(watches));
}

}  // namespace stampede::actors
