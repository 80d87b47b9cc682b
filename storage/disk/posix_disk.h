#pragma once

#include "storage/disk/disk.h"

namespace stampede::storage {

// The real file system. Stateless: one object may serve any number of logs.
class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<AppendFile>> create_zeroed(const std::string& path,
                                                    std::uint64_t bytes) override;
  Result<std::unique_ptr<AppendFile>> open_zeroed(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_segment(const std::string& path) override;
  Status sync_dir(const std::string& dir) override;
  Status make_dir(const std::string& dir) override;
  Result<std::uint64_t> free_bytes(const std::string& dir) override;
  DirectoryPlace place(const std::string& dir) override;
  Result<std::vector<FileEntry>> list(const std::string& dir) override;
  Status read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
              std::string& out) override;
  Result<std::unique_ptr<HeldFile>> hold(const std::string& path) override;
  Result<std::unique_ptr<HeldLock>> lock(const std::string& path) override;
};

}  // namespace stampede::storage
