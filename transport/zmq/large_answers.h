#pragma once

// Answers that are large count for the peer that asked for them, as long as libzmq keeps them: a
// peer that asks for much and reads nothing is cut before it costs more than some megabytes
// (peer_table.h). Small answers are bounded by what they were asked with.
//
// One thread; the requests and answers of one ROUTER.

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "transport/zmq/frame.h"
#include "transport/zmq/peer_guard.h"

namespace stampede::transport {

class LargeAnswers {
 public:
  static constexpr std::size_t kLargeBytes = 2048;

  // A part of a request whose answer may be large, and who sent it. A few hundred instructions.
  void expect(std::string_view identity, Frame& part);

  // The part that holds the answer.
  [[nodiscard]] Frame frame(std::string_view identity, std::string_view answer);

  [[nodiscard]] std::size_t expected() const { return peers_.size(); }

 private:
  void forget_gone();

  std::unordered_map<std::string, PeerId> peers_;
  std::size_t look_again_at_ = 1024;  // so many entries
};

}  // namespace stampede::transport
