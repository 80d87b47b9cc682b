#include "actors/memory/record_memory.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace stampede::actors {

RecordMemory::RecordMemory() : free_(std::make_shared<Free>()) {}

RecordMemory::Piece RecordMemory::Free::take() {
  const std::lock_guard lock(mutex);
  if (pieces.empty()) return nullptr;
  auto piece = std::move(pieces.back());
  pieces.pop_back();
  return piece;
}

void RecordMemory::Free::put(Piece piece) {
  const std::lock_guard lock(mutex);
  if (pieces.size() < most) pieces.push_back(std::move(piece));
}

std::shared_ptr<char[]> RecordMemory::next_piece() {
  auto piece = free_->take();
  if (!piece) piece = std::make_unique_for_overwrite<char[]>(kPieceBytes);
  return {piece.release(), [free = free_](char* bytes) { free->put(Piece(bytes)); }};
}

KeptBytes RecordMemory::keep(std::string_view records) {
  if (records.empty()) return {};
  if (records.size() > kPieceBytes) {
    auto own = std::make_shared<const std::string>(records);
    return {own, *own};
  }
  if (records.size() > kPieceBytes - used_) {
    piece_ = next_piece();
    used_ = 0;
  }
  auto* const at = piece_.get() + used_;
  std::memcpy(at, records.data(), records.size());
  used_ += records.size();
  return {piece_, {at, records.size()}};
}

bool RecordMemory::make_room(std::size_t bytes) {
  const auto wanted = bytes / kPieceBytes;
  {
    const std::lock_guard lock(free_->mutex);
    free_->most = std::max(free_->most, wanted);
    if (free_->pieces.size() >= wanted) return false;
  }
  free_->put(std::make_unique<char[]>(kPieceBytes));  // zeroed, so touched
  return true;
}

}  // namespace stampede::actors
