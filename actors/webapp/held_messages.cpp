#include "actors/webapp/held_messages.h"

#include <algorithm>
#include <utility>

#include "config/process/invariant.h"

namespace stampede::actors {

void HeldMessages::hold(HeldMessage&& message, std::uint16_t slot, std::size_t bytes,
                        const std::vector<std::uint64_t>& tokens) {
  STAMPEDE_ASSERT(!tokens.empty(), "a message that waits for nothing would wait for ever");
  for (const auto token : tokens) by_token_[token].push_back(next_);
  held_.emplace(next_++, Entry{std::move(message), slot, bytes, tokens.size()});
  ++of_client_[slot].messages;
  of_client_[slot].bytes += static_cast<std::uint32_t>(bytes);
  bytes_ += bytes;
}

std::vector<HeldMessage> HeldMessages::release(const std::vector<std::uint64_t>& tokens) {
  std::vector<std::uint64_t> ready;
  for (const auto token : tokens) {
    const auto found = by_token_.find(token);
    if (found == by_token_.end()) continue;
    for (const auto number : found->second)
      if (--held_.at(number).open == 0) ready.push_back(number);
    by_token_.erase(found);
  }
  std::sort(ready.begin(), ready.end());
  std::vector<HeldMessage> messages;
  for (const auto number : ready) {
    const auto held = held_.find(number);
    bytes_ -= held->second.bytes;
    auto& own = of_client_[held->second.slot];
    --own.messages;
    own.bytes -= static_cast<std::uint32_t>(held->second.bytes);
    messages.push_back(std::move(held->second.message));
    held_.erase(held);
  }
  return messages;
}

}  // namespace stampede::actors
