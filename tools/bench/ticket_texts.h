#pragma once

// The texts of the tickets that a bench was given, one for each order of its run. All are of one
// length, for their users and ids are. Pure; one thread.

#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::tools {

class TicketTexts {
 public:
  // False: it is empty, or not as long as those before it, and was not kept.
  [[nodiscard]] bool keep(std::uint64_t order, std::string_view text) {
    if (bytes_ == 0) bytes_ = text.size();
    if (text.empty() || text.size() != bytes_) return false;
    const auto end = (order + 1) * bytes_;
    if (all_.size() < end) all_.resize(end, kNone);
    all_.replace(order * bytes_, bytes_, text);
    return true;
  }
  // Of an order that has one.
  [[nodiscard]] std::string_view of(std::uint64_t order) const {
    return std::string_view(all_).substr(order * bytes_, bytes_);
  }
  [[nodiscard]] bool has(std::uint64_t order) const {
    return (order + 1) * bytes_ <= all_.size() && bytes_ > 0 && all_[order * bytes_] != kNone;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }  // of each; 0: there is none

 private:
  static constexpr char kNone = '\0';
  std::string all_;
  std::size_t bytes_ = 0;
};

}  // namespace stampede::tools
