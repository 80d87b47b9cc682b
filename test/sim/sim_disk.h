#pragma once

// A fast disk in memory. Fault model:
//
// - Power cut: of each file's unsynced 512-byte sectors any subset survives; an unsynced length
//   survives or not; of the directory's unsynced creates, renames and removes any subset survives.
// - kill: nothing is lost but the lock. In the middle of a write: a prefix of it is there.
// - Failed sync: the unsynced sectors count as clean from then on, some of them written, some not;
//   those that were not are still read back from memory, or no longer.
// - Failed write: a prefix may be there. Failed open, rename, create, directory sync, read: nothing
//   happened.
// - Full disk: create_zeroed fails; other writes need no room.
// - Rot: flip() changes a durable bit behind everybody's back.
//
// It also keeps watch: a file that is synced again after a failed sync is counted.
// One directory. One thread. The same calls and the same Random give the same results.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/disk/disk.h"
#include "test/sim/process_end.h"
#include "test/sim/random.h"
#include "test/sim/sim_bytes.h"

namespace stampede::sim {

struct DiskFaults {  // chance per call
  double sync_error = 0;
  double write_error = 0;
  double name_error = 0;  // create, open, rename, remove, sync_dir
  double read_error = 0;  // read, list, lock
  std::uint64_t capacity = ~std::uint64_t{0};
};

struct DiskCounters {
  std::uint64_t operations = 0;
  std::uint64_t errors = 0;  // injected
  std::uint64_t full = 0;    // refused for want of room
  std::uint64_t synced_after_error = 0;
};

class SimDisk final : public storage::Disk {
 public:
  static constexpr std::uint64_t kSector = 512;

  explicit SimDisk(std::uint64_t seed) : random_(seed, "disk") {}

  DiskFaults faults;
  // The process that calls is ended in its n-th operation from now (from 1); 0: not.
  void end_in(std::uint64_t operations, End how) {
    end_at_ = operations == 0 ? 0 : counters_.operations + operations;
    end_how_ = how;
  }
  void forget_end() { end_at_ = 0; }
  [[nodiscard]] bool end_is_near() const { return end_at_ != 0; }

  void lose_power();
  void release_locks() { locked_.clear(); }

  // --- for the checker -------------------------------------------------------------------------
  [[nodiscard]] const DiskCounters& counters() const { return counters_; }
  // Everything that any process wrote to the newest segment survives a power cut, its name too.
  [[nodiscard]] bool newest_segment_durable() const;
  [[nodiscard]] std::uint64_t content_hash() const;  // of all names and bytes as processes see them
  void flip(const std::string& path, std::uint64_t offset, unsigned bit);
  [[nodiscard]] std::uint64_t used_bytes() const;
  // All files as they are now, synced or not; as a state in which everything is synced.
  struct State;
  [[nodiscard]] State backup() const;
  void exchange(State& state);

  // --- storage::Disk ---------------------------------------------------------------------------
  storage::Result<std::unique_ptr<storage::AppendFile>> create_zeroed(const std::string& path,
                                                                      std::uint64_t bytes) override;
  storage::Result<std::unique_ptr<storage::AppendFile>> open_zeroed(
      const std::string& path) override;
  storage::Status rename(const std::string& from, const std::string& to) override;
  storage::Status remove(const std::string& path) override;
  storage::Status remove_segment(const std::string& path) override { return remove(path); }
  storage::Status sync_dir(const std::string& dir) override;
  storage::Status make_dir(const std::string& dir) override;
  storage::Result<std::uint64_t> free_bytes(const std::string&) override {
    return faults.capacity - std::min(faults.capacity, used_bytes());
  }
  storage::Result<std::vector<storage::FileEntry>> list(const std::string& dir) override;
  storage::Status read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                       std::string& out) override;
  storage::Result<std::unique_ptr<storage::HeldLock>> lock(const std::string& path) override;

 private:
  friend class SimFile;
  struct Inode {
    SimBytes cached;                   // what processes see
    SimBytes durable;                  // what is on the platter
    std::vector<std::uint64_t> dirty;  // one bit a sector
    bool differs = false;              // from what is on the platter, perhaps
    bool sync_failed = false;          // once: then for ever
  };
  using InodePtr = std::shared_ptr<Inode>;
  using Names = std::map<std::string, InodePtr>;
  struct NameChange {
    std::string gone;  // empty: a create
    std::string made;  // empty: a remove
    InodePtr inode;
  };

  [[nodiscard]] static Names deep_copy(const Names& names);

  bool step();  // counts; true when the process ends in this operation
  [[noreturn]] void end() { throw ProcessEnd{end_how_}; }
  bool fails(double chance);
  storage::Status write(Inode& inode, std::uint64_t offset, std::string_view bytes);
  storage::Status sync(Inode& inode, bool& failed_before);
  static void store(Inode& inode, std::uint64_t offset, std::string_view bytes);
  static void store_zeros(Inode& inode, std::uint64_t bytes);
  static void mark_dirty(Inode& inode, std::uint64_t offset, std::uint64_t bytes);
  template <class Keep>
  static void persist(Inode& inode, Keep&& keep);
  static void persist_all(Inode& inode);
  void forget_file(Inode& inode);
  void forget_names();
  static void apply(Names& names, const NameChange& change);
  void change_name(NameChange change);

  Random random_;
  Names cached_;
  Names durable_;
  std::vector<NameChange> unsynced_names_;
  std::set<std::string> locked_;
  std::uint64_t end_at_ = 0;
  End end_how_ = End::kill;
  DiskCounters counters_;
};

struct SimDisk::State {
  Names cached;
  Names durable;
  std::vector<NameChange> unsynced_names;
};

}  // namespace stampede::sim
