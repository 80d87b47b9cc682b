#pragma once

// Messages that wait in a webapp's port until the tokens that they show were looked at. Owned by
// it; one thread. Bounded by count and bytes, and of both a client has a share (shares.h): ask
// has_room() first.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <unordered_map>
#include <variant>
#include <vector>

#include "actors/webapp/core/client_ask.h"
#include "actors/webapp/core/shares.h"
#include "actors/webapp/http/http_mail.h"
#include "transport/zmq/frame.h"

namespace stampede::actors {

using HeldMessage = std::variant<transport::Message, HttpAsk, HttpArrayAsk>;  // as it came

class HeldMessages {
 public:
  static constexpr std::size_t kMessagesMax = 4096;
  static constexpr std::size_t kBytesMax = 16U << 20U;

  // `slot`: client_slot() of who sent it.
  [[nodiscard]] bool has_room(std::uint16_t slot, std::size_t bytes) const {
    const auto& own = of_client_[slot];
    return bytes_ + bytes <= kBytesMax && in_share(own.messages, held_.size(), kMessagesMax) &&
           in_share(own.bytes, bytes_, kBytesMax);
  }
  [[nodiscard]] bool empty() const { return held_.empty(); }

  // Until there is a verdict on all of these tokens, each named once.
  void hold(HeldMessage&& message, std::uint16_t slot, std::size_t bytes,
            const std::vector<std::uint64_t>& tokens);
  // There is one on these. Gives what waits for no other, in the order in which it came.
  [[nodiscard]] std::vector<HeldMessage> release(const std::vector<std::uint64_t>& tokens);

 private:
  struct Entry {
    HeldMessage message;
    std::uint16_t slot = 0;
    std::size_t bytes = 0;
    std::size_t open = 0;  // tokens
  };

  struct Share {
    std::uint32_t messages = 0;
    std::uint32_t bytes = 0;
  };
  static_assert(kBytesMax <= std::numeric_limits<std::uint32_t>::max());

  std::array<Share, kClientSlots> of_client_{};
  std::map<std::uint64_t, Entry> held_;  // by the number of its coming
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> by_token_;
  std::size_t bytes_ = 0;
  std::uint64_t next_ = 0;
};

}  // namespace stampede::actors
