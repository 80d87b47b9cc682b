#include "transport/zmq/large_answers.h"

#include <algorithm>

namespace stampede::transport {

void LargeAnswers::expect(std::string_view identity, Frame& part) {
  const PeerId peer = peer_of(part);
  if (peer.life == 0) return;
  peers_.insert_or_assign(std::string(identity), peer);
  if (peers_.size() > look_again_at_) forget_gone();
}

Frame LargeAnswers::frame(std::string_view identity, std::string_view answer) {
  if (answer.size() < kLargeBytes) return Frame(answer);
  const auto found = peers_.find(std::string(identity));
  return found == peers_.end() ? Frame(answer) : charged_frame(answer, found->second);
}

void LargeAnswers::forget_gone() {
  std::erase_if(peers_, [](const auto& entry) { return !is_connected(entry.second); });
  look_again_at_ = std::max<std::size_t>(1024, 2 * peers_.size());
}

}  // namespace stampede::transport
