#pragma once

// A disk whose every call is seen: `waiting` while it lasts, one more `progress` when it returns,
// so that a start on a slow disk is shown as what it is and not taken for a hang. After quiet() it
// is the disk below and no more. Any thread as of that one; `status` outlives it and its files.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/backend/backend_status.h"
#include "storage/disk/disk.h"

namespace stampede::actors {

// One call; of the thread that starts.
class ShownCall {
 public:
  explicit ShownCall(BackendStatus* status) : status_(status) {
    if (status_ != nullptr) status_->disk_waiting.store(true);
  }
  ~ShownCall() {
    if (status_ == nullptr) return;
    status_->disk_waiting.store(false);
    status_->progress.fetch_add(1, std::memory_order_relaxed);
  }
  ShownCall(const ShownCall&) = delete;
  ShownCall& operator=(const ShownCall&) = delete;

 private:
  BackendStatus* status_;
};

class ShownDisk final : public storage::Disk {
 public:
  ShownDisk(std::shared_ptr<storage::Disk> disk, BackendStatus& status)
      : disk_(std::move(disk)), shown_(std::make_shared<Shown>(&status)) {}

  void quiet() { shown_->store(nullptr); }

  storage::Result<std::unique_ptr<storage::AppendFile>> create_zeroed(
      const std::string& path, std::uint64_t bytes) override {
    const ShownCall call(*shown_);
    return shown(disk_->create_zeroed(path, bytes));
  }
  storage::Result<std::unique_ptr<storage::AppendFile>> open_zeroed(
      const std::string& path) override {
    const ShownCall call(*shown_);
    return shown(disk_->open_zeroed(path));
  }
  storage::Status rename(const std::string& from, const std::string& to) override {
    const ShownCall call(*shown_);
    return disk_->rename(from, to);
  }
  storage::Status remove(const std::string& path) override {
    const ShownCall call(*shown_);
    return disk_->remove(path);
  }
  storage::Status remove_segment(const std::string& path) override {
    const ShownCall call(*shown_);
    return disk_->remove_segment(path);
  }
  storage::Status sync_dir(const std::string& dir) override {
    const ShownCall call(*shown_);
    return disk_->sync_dir(dir);
  }
  storage::Status make_dir(const std::string& dir) override {
    const ShownCall call(*shown_);
    return disk_->make_dir(dir);
  }
  storage::Result<std::uint64_t> free_bytes(const std::string& dir) override {
    const ShownCall call(*shown_);
    return disk_->free_bytes(dir);
  }
  storage::DirectoryPlace place(const std::string& dir) override {
    const ShownCall call(*shown_);
    return disk_->place(dir);
  }
  storage::Result<std::vector<storage::FileEntry>> list(const std::string& dir) override {
    const ShownCall call(*shown_);
    return disk_->list(dir);
  }
  storage::Status read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                       std::string& out) override {
    const ShownCall call(*shown_);
    return disk_->read(path, offset, bytes_max, out);
  }
  storage::Result<std::unique_ptr<storage::HeldFile>> hold(const std::string& path) override {
    const ShownCall call(*shown_);
    return disk_->hold(path);
  }
  storage::Result<std::unique_ptr<storage::HeldLock>> lock(const std::string& path) override {
    const ShownCall call(*shown_);
    return disk_->lock(path);
  }

 private:
  using Shown = std::atomic<BackendStatus*>;

  class File final : public storage::AppendFile {
   public:
    File(std::unique_ptr<storage::AppendFile> file, std::shared_ptr<Shown> shown)
        : file_(std::move(file)), shown_(std::move(shown)) {}
    storage::Status write_at(std::uint64_t offset, std::string_view bytes) override {
      const ShownCall call(*shown_);
      return file_->write_at(offset, bytes);
    }
    storage::Status datasync() override {
      const ShownCall call(*shown_);
      return file_->datasync();
    }
    storage::Status sync() override {
      const ShownCall call(*shown_);
      return file_->sync();
    }
    [[nodiscard]] storage::Status still_at(const std::string& path) const override {
      return file_->still_at(path);
    }

   private:
    std::unique_ptr<storage::AppendFile> file_;
    std::shared_ptr<Shown> shown_;
  };

  storage::Result<std::unique_ptr<storage::AppendFile>> shown(
      storage::Result<std::unique_ptr<storage::AppendFile>> file) {
    if (!file || shown_->load() == nullptr) return file;
    return std::unique_ptr<storage::AppendFile>(std::make_unique<File>(std::move(*file), shown_));
  }

  std::shared_ptr<storage::Disk> disk_;
  std::shared_ptr<Shown> shown_;  // null: quiet
};

}  // namespace stampede::actors
