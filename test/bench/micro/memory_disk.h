#pragma once

// A disk of plain strings that never fails and whose syncs cost nothing: what is measured on it is
// the log's own work. One thread.

#include <map>
#include <memory>
#include <string>

#include "storage/disk/disk.h"

namespace stampede::bench {

class MemoryDisk final : public storage::Disk {
 public:
  storage::Result<std::unique_ptr<storage::AppendFile>> create_zeroed(const std::string& path,
                                                                      std::uint64_t bytes) override;
  storage::Result<std::unique_ptr<storage::AppendFile>> open_zeroed(
      const std::string& path) override;
  storage::Status rename(const std::string& from, const std::string& to) override;
  storage::Status remove(const std::string& path) override;
  storage::Status remove_segment(const std::string& path) override { return remove(path); }
  storage::Status sync_dir(const std::string&) override { return storage::Done{}; }
  storage::Status make_dir(const std::string&) override { return storage::Done{}; }
  storage::Result<std::uint64_t> free_bytes(const std::string&) override {
    return ~std::uint64_t{0};
  }
  storage::Result<std::vector<storage::FileEntry>> list(const std::string& dir) override;
  storage::Status read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                       std::string& out) override;
  storage::Result<std::unique_ptr<storage::HeldLock>> lock(const std::string& path) override;

  [[nodiscard]] std::uint64_t bytes_written() const { return *written_; }
  // Keeps the last file only: a log that nobody will read.
  void forget_old_files();

 private:
  std::map<std::string, std::shared_ptr<std::string>> files_;
  std::shared_ptr<std::uint64_t> written_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace stampede::bench
