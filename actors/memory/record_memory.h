#pragma once

// Memory for the log's records until the database has them: pieces that are filled one append after
// the other, and used again once every append in them is gone. So a sale whose database keeps up
// stays in memory that is warm, and one whose database does not can have it made ahead.

#include <cstddef>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace stampede::actors {

// Bytes that live as long as `owner`, which any thread may let go.
struct KeptBytes {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

// For one thread, but for the owners that it gives away; they may outlive it.
class RecordMemory {
 public:
  static constexpr std::size_t kPieceBytes = 512 * 1024;

  RecordMemory();
  [[nodiscard]] KeptBytes keep(std::string_view records);  // a copy
  // Makes one piece, unless those that are free hold `bytes` already; the kernel has given all its
  // pages then. So many are kept from now on when they become free. False: none was missing.
  bool make_room(std::size_t bytes);

 private:
  using Piece = std::unique_ptr<char[]>;
  struct Free {
    std::mutex mutex;
    std::size_t most = 8;  // pieces that are worth keeping
    std::vector<Piece> pieces;
    Piece take();  // null: none
    void put(Piece piece);
  };
  [[nodiscard]] std::shared_ptr<char[]> next_piece();

  std::shared_ptr<Free> free_;
  std::shared_ptr<char[]> piece_;  // being filled
  std::size_t used_ = kPieceBytes;
};

}  // namespace stampede::actors
