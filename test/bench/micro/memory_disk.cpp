#include "test/bench/micro/memory_disk.h"

#include <algorithm>
#include <cstring>

namespace stampede::bench {

namespace {

using storage::Done;
using storage::Error;
using storage::Status;

class MemoryFile final : public storage::AppendFile {
 public:
  MemoryFile(std::shared_ptr<std::string> bytes, std::shared_ptr<std::uint64_t> written)
      : bytes_(std::move(bytes)), written_(std::move(written)) {}
  Status write_at(std::uint64_t offset, std::string_view bytes) override {
    if (bytes_->size() < offset + bytes.size()) bytes_->resize(offset + bytes.size());
    std::memcpy(bytes_->data() + offset, bytes.data(), bytes.size());
    *written_ += bytes.size();
    return Done{};
  }
  Status datasync() override { return Done{}; }
  Status sync() override { return Done{}; }
  Status still_at(const std::string&) const override { return Done{}; }

 private:
  std::shared_ptr<std::string> bytes_;
  std::shared_ptr<std::uint64_t> written_;
};

class MemoryLock final : public storage::HeldLock {};

Error missing(const std::string& path) {
  return {storage::Errc::io, path + " is not there"};
}

}  // namespace

storage::Result<std::unique_ptr<storage::AppendFile>> MemoryDisk::create_zeroed(
    const std::string& path, std::uint64_t bytes) {
  files_[path] = std::make_shared<std::string>(bytes, '\0');
  return open_zeroed(path);
}

storage::Result<std::unique_ptr<storage::AppendFile>> MemoryDisk::open_zeroed(
    const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) return missing(path);
  std::unique_ptr<storage::AppendFile> file = std::make_unique<MemoryFile>(found->second, written_);
  return file;
}

Status MemoryDisk::rename(const std::string& from, const std::string& to) {
  auto node = files_.extract(from);
  if (node.empty()) return missing(from);
  node.key() = to;
  files_.insert(std::move(node));
  return Done{};
}

Status MemoryDisk::remove(const std::string& path) {
  files_.erase(path);
  return Done{};
}

storage::Result<std::vector<storage::FileEntry>> MemoryDisk::list(const std::string& dir) {
  std::vector<storage::FileEntry> entries;
  for (const auto& [path, bytes] : files_)
    if (path.starts_with(dir + "/"))
      entries.push_back({path.substr(dir.size() + 1), bytes->size()});
  return entries;
}

Status MemoryDisk::read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                        std::string& out) {
  const auto found = files_.find(path);
  if (found == files_.end()) return missing(path);
  const auto& bytes = *found->second;
  out.assign(bytes, std::min<std::size_t>(offset, bytes.size()), bytes_max);
  return Done{};
}

storage::Result<std::unique_ptr<storage::HeldLock>> MemoryDisk::lock(const std::string&) {
  std::unique_ptr<storage::HeldLock> lock = std::make_unique<MemoryLock>();
  return lock;
}

void MemoryDisk::forget_old_files() {
  while (files_.size() > 1) files_.erase(files_.begin());
}

}  // namespace stampede::bench
