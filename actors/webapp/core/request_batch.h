#pragma once

// The body of one `work` message, from its first request until it was answered: requests one after
// the other, each named by its position. Owned by a WaitingBatch; one thread. It keeps its memory
// when it is cleared, so that a request costs none. Views (body, ids, entries) hold until the next
// append, cut_back() or clear().
//
// Limits: a body and the result to it must each fit one message. Ask fits() first; appending
// refuses nothing.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "actors/protocol/node_messages.h"
#include "actors/protocol/sf1.h"
#include "actors/sale/request.h"

namespace stampede::actors {

// The most that the answer to one request may take: an answer or an error, and a page of `rows`.
inline constexpr std::size_t kAnswerBytes = 64;
inline constexpr std::size_t kRowBytes = 2 * kItemNameBytesMax + 144;  // an item's and its promo's
constexpr std::size_t answer_bytes_max(std::size_t rows) {
  return kAnswerBytes + rows * kRowBytes;
}

class RequestBatch {
 public:
  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(begins_.size()); }
  [[nodiscard]] bool empty() const { return begins_.empty(); }
  [[nodiscard]] std::string_view body() const { return body_.view(); }
  [[nodiscard]] std::size_t capacity() const { return body_.capacity(); }  // bytes of memory held

  // Whether `entries` more, whose answers take up to `answer_bytes` together, still fit.
  [[nodiscard]] bool fits(std::size_t entries, std::size_t answer_bytes) const {
    return body_.size() + entries * kLargestEntry <= kBatchBytesMax &&
           answer_bytes_ + answer_bytes <= kAnswerBytesMax;
  }

  void append(const Request& request, std::size_t answer_bytes = kAnswerBytes) {
    begin_entry(answer_bytes);
    append_request(body_, request);
  }
  void append_copy(const RequestBatch& from, std::size_t position);  // of an order or a get

  // The id of an order or a get, where it stands in the request.
  [[nodiscard]] std::string_view id_at(std::size_t position) const {
    const char* text = body_.data() + begins_[position] + 2;  // behind array head and kind
    const auto lead = static_cast<unsigned char>(*text);
    if (lead == 0xD9) return {text + 2, static_cast<unsigned char>(text[1])};
    return {text + 1, lead & 0x1FU};
  }
  [[nodiscard]] std::string_view entry(std::size_t position) const;

  // Where the batch ended before something was added that may have to be taken out again.
  struct End {
    std::size_t body, answer_bytes, count;
  };
  [[nodiscard]] End end() const { return {body_.size(), answer_bytes_, begins_.size()}; }
  void cut_back(const End& end);
  void clear();

 private:
  static constexpr std::size_t kLargestEntry = kRequestIdBytesMax + kUserBytesMax + 48;
  static constexpr std::size_t kAnswerBytesMax = 1'400'000;  // a result must fit a 2 MiB message
  static_assert(kSf1BatchOrdersMax * kLargestEntry < kBatchBytesMax, "an array must fit a batch");
  static_assert(answer_bytes_max(kItemsPageMax) < kAnswerBytesMax, "a full page must fit a batch");
  static_assert(kRoundEntries * kAnswerBytes < kAnswerBytesMax, "a round of answers must fit");

  void begin_entry(std::size_t answer_bytes) {
    begins_.push_back(static_cast<std::uint32_t>(body_.size()));
    answer_bytes_ += answer_bytes;
  }

  storage::ByteBuffer body_;
  std::vector<std::uint32_t> begins_;  // by position: where the request begins in the body
  std::size_t answer_bytes_ = 0;       // a bound on the size of the result
};

}  // namespace stampede::actors
