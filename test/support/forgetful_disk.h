#pragma once

// A disk in memory that forgets what was not synced. Fault model:
//
// - Power cut: of each file's unsynced 512-byte sectors any subset survives; an unsynced length
//   survives or not; of the directory's unsynced creates, renames and removes any subset survives.
// - Failed sync (the kernel's way): the unsynced sectors count as clean from then on, some of them
//   written, some not; those that were not are still read back from memory, or no longer.
// - Failed write: a prefix of the bytes may be in the file. Failed directory sync: nothing lost.
// - Full disk: create_zeroed fails, other writes do not need room.
// - kill -9: nothing is lost but the lock.
//
// Knows one flat directory tree by full path. One thread. Deterministic for one seed.

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/disk/disk.h"

namespace stampede::test {

// Thrown out of the operation during which the power goes.
struct PowerCut {};

class ForgetfulDisk : public storage::Disk {
 public:
  static constexpr std::uint64_t kSector = 512;
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  explicit ForgetfulDisk(std::uint64_t seed) : random_(seed) {}

  // --- faults in the n-th operation from now (every call that touches the disk is one), or in
  // the n-th change (only those that write, sync, create, rename or remove) ---------------------
  void fail_operation(std::uint64_t n) { fail_at_ = operations_ + n; }
  void cut_power_in_change(std::uint64_t n) { cut_at_ = changes_ + n; }
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  // After PowerCut, or at any time: forgets, and frees the lock. All open files are dead.
  // keep_percent: chance of each unsynced thing to survive.
  void lose_power(unsigned keep_percent);
  void kill_processes();

  // --- looking and meddling ----------------------------------------------------------------------
  [[nodiscard]] std::uint64_t operations() const { return operations_; }
  [[nodiscard]] std::uint64_t changes() const { return changes_; }  // operations that change
  [[nodiscard]] bool fault_hit() const { return operations_ >= fail_at_; }
  [[nodiscard]] std::map<std::string, std::string> contents() const;
  // The file's bytes for editing, as rot would: durable at once. Changes none of the counters.
  void overwrite(const std::string& path, const std::string& bytes);
  void erase(const std::string& path);
  [[nodiscard]] const std::string& bytes_of(const std::string& path) const;

  // --- storage::Disk -----------------------------------------------------------------------------
  storage::Result<std::unique_ptr<storage::AppendFile>> create_zeroed(const std::string& path,
                                                                      std::uint64_t bytes) override;
  storage::Result<std::unique_ptr<storage::AppendFile>> open_zeroed(
      const std::string& path) override;
  storage::Status rename(const std::string& from, const std::string& to) override;
  storage::Status remove(const std::string& path) override;
  storage::Status remove_segment(const std::string& path) override;
  storage::Status sync_dir(const std::string& dir) override;
  storage::Status make_dir(const std::string& dir) override;
  storage::Result<std::uint64_t> free_bytes(const std::string& dir) override;
  storage::Result<std::vector<storage::FileEntry>> list(const std::string& dir) override;
  storage::Status read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                       std::string& out) override;
  storage::Result<std::unique_ptr<storage::HeldLock>> lock(const std::string& path) override;

 private:
  friend class ForgetfulFile;
  struct Inode {
    std::string cached;   // what processes see
    std::string durable;  // what is on the platter
    std::set<std::uint64_t> dirty;
  };
  using InodePtr = std::shared_ptr<Inode>;
  using Names = std::map<std::string, InodePtr>;
  struct NameChange {
    std::string gone;  // empty: a create
    std::string made;  // empty: a remove
    InodePtr inode;
  };

  enum class Outcome : std::uint8_t { done, fails };
  Outcome step(bool changes);  // counts; throws PowerCut when its turn has come
  // Of a changing operation, which then decides itself how far it came.
  bool power_goes_now() const { return changes_ == cut_at_; }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  storage::Status write(Inode& inode, std::uint64_t offset, std::string_view bytes);
  storage::Status sync(Inode& inode);
  [[nodiscard]] std::uint64_t used_bytes() const;
  [[nodiscard]] bool leads_to(const std::string& path, const InodePtr& inode) const;
  storage::Status unlink(const std::string& path);
  void store(Inode& inode, std::uint64_t offset, std::string_view bytes);
  static void persist_sector(Inode& inode, std::uint64_t sector);
  static void persist_all(Inode& inode);
  void forget_file(Inode& inode, unsigned keep_percent);
  void forget_names(unsigned keep_percent);
  static void apply(Names& names, const NameChange& change);
  void change_name(NameChange change);

  std::mt19937_64 random_;
  Names cached_;
  Names durable_;
  std::vector<NameChange> unsynced_names_;
  std::set<std::string> locked_;
  std::uint64_t generation_ = 0;  // locks of dead processes do not free those of later ones
  std::uint64_t operations_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t fail_at_ = kNever;
  std::uint64_t cut_at_ = kNever;
  std::uint64_t capacity_ = kNever;
};

}  // namespace stampede::test
