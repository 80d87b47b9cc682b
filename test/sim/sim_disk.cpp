#include "test/sim/sim_disk.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "config/process/invariant.h"
#include "storage/log/crc32c.h"

namespace stampede::sim {

using storage::AppendFile;
using storage::Done;
using storage::Errc;
using storage::Error;
using storage::HeldLock;
using storage::Result;
using storage::Status;

namespace {

Error broken(const char* what, const std::string& path) {
  return {Errc::io, std::string("simulated disk: cannot ") + what + " " + path};
}

// A lock that outlives its process has nothing left to free.
class SimLock final : public HeldLock {
 public:
  SimLock(std::set<std::string>& held, std::string path) : held_(held), path_(std::move(path)) {}
  ~SimLock() override { held_.erase(path_); }

 private:
  std::set<std::string>& held_;
  std::string path_;
};

}  // namespace

class SimFile final : public AppendFile {
 public:
  SimFile(SimDisk& disk, SimDisk::InodePtr inode) : disk_(disk), inode_(std::move(inode)) {}
  Status write_at(std::uint64_t offset, std::string_view bytes) override {
    return disk_.write(*inode_, offset, bytes);
  }
  Status datasync() override { return disk_.sync(*inode_, sync_failed_); }
  Status sync() override { return disk_.sync(*inode_, sync_failed_); }
  Status still_at(const std::string& path) const override {
    const auto found = disk_.cached_.find(path);
    if (found != disk_.cached_.end() && found->second == inode_) return Done{};
    return broken("find", path);
  }

 private:
  SimDisk& disk_;
  SimDisk::InodePtr inode_;
  bool sync_failed_ = false;
};

bool SimDisk::step() {
  ++counters_.operations;
  if (counters_.operations != end_at_) return false;
  end_at_ = 0;
  return true;
}

bool SimDisk::fails(double chance) {
  if (!random_.chance(chance)) return false;
  ++counters_.errors;
  return true;
}

// --- file contents --------------------------------------------------------------------------

void SimDisk::store(Inode& inode, std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  inode.cached.write(offset, bytes);
  mark_dirty(inode, offset, bytes.size());
}

void SimDisk::store_zeros(Inode& inode, std::uint64_t bytes) {
  if (bytes == 0) return;
  inode.cached.resize(bytes);
  mark_dirty(inode, 0, bytes);
}

void SimDisk::mark_dirty(Inode& inode, std::uint64_t offset, std::uint64_t bytes) {
  inode.differs = true;
  const auto last = (offset + bytes - 1) / kSector;
  inode.dirty.resize(std::max<std::size_t>(inode.dirty.size(), last / 64 + 1));
  for (auto sector = offset / kSector; sector <= last; ++sector)
    inode.dirty[sector / 64] |= std::uint64_t{1} << (sector % 64);
}

// Writes the dirty sectors that keep() chooses; the others stay as they were on the platter.
template <class Keep>
void SimDisk::persist(Inode& inode, Keep&& keep) {
  for (std::size_t word = 0; word < inode.dirty.size(); ++word) {
    for (auto bits = inode.dirty[word]; bits != 0; bits &= bits - 1) {
      if (!keep()) continue;
      const auto sector = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      const auto begin = sector * kSector;
      const auto end = std::min<std::uint64_t>(begin + kSector, inode.cached.size());
      if (end <= inode.durable.size()) inode.durable.take(inode.cached, begin, end);
    }
    inode.dirty[word] = 0;
  }
}

void SimDisk::persist_all(Inode& inode) {
  if (inode.durable.size() == 0) {
    inode.durable = inode.cached;
    std::fill(inode.dirty.begin(), inode.dirty.end(), 0);
    return;
  }
  inode.durable.resize(inode.cached.size());
  persist(inode, [] { return true; });
}

Status SimDisk::write(Inode& inode, std::uint64_t offset, std::string_view bytes) {
  const bool ends = step();
  const bool error = fails(faults.write_error);
  if (ends || error) bytes = bytes.substr(0, random_.below(bytes.size() + 1));
  store(inode, offset, bytes);
  if (ends) end();
  if (error) return broken("write", "a file");
  return Done{};
}

Status SimDisk::sync(Inode& inode, bool& failed_before) {
  if (failed_before) ++counters_.synced_after_error;
  const bool ends = step();
  if (ends && random_.chance(0.5)) end();
  if (!fails(faults.sync_error)) {
    persist_all(inode);
    inode.differs = inode.sync_failed;
    if (ends) end();
    return Done{};
  }
  failed_before = inode.sync_failed = true;
  inode.durable.resize(inode.cached.size());
  persist(inode, [this] { return random_.chance(0.5); });
  if (random_.chance(0.3)) inode.cached = inode.durable;  // memory was needed for something else
  if (ends) end();
  return broken("sync", "a file");
}

// --- power ----------------------------------------------------------------------------------

void SimDisk::lose_power() {
  locked_.clear();
  end_at_ = 0;
  // A file met twice has nothing more to forget the second time.
  for (const auto& [name, inode] : cached_) forget_file(*inode);
  for (const auto& [name, inode] : durable_) forget_file(*inode);
  for (const auto& change : unsynced_names_) forget_file(*change.inode);
  forget_names();
}

// What survives: nothing, everything, or any subset; sectors are not written in any order.
void SimDisk::forget_file(Inode& inode) {
  if (!inode.differs) return;
  inode.differs = inode.sync_failed = false;
  const double kept = random_.pick({0.0, 0.2, 0.5, 0.8, 1.0});
  if (inode.durable.size() < inode.cached.size() && random_.chance(kept))
    inode.durable.resize(inode.cached.size());
  persist(inode, [&] { return random_.chance(kept); });
  inode.cached = inode.durable;
}

void SimDisk::forget_names() {
  const double kept = random_.pick({0.0, 0.5, 1.0});
  for (const auto& change : unsynced_names_)
    if (random_.chance(kept)) apply(durable_, change);
  if (unsynced_names_.empty()) return;
  unsynced_names_.clear();
  cached_ = durable_;
}

void SimDisk::apply(Names& names, const NameChange& change) {
  if (change.made.empty()) {
    const auto found = names.find(change.gone);
    if (found != names.end() && found->second == change.inode) names.erase(found);
    return;
  }
  // A rename survives whole or not at all: the file never keeps its old name beside the new one.
  std::erase_if(names, [&](const auto& entry) { return entry.second == change.inode; });
  names[change.made] = change.inode;
}

void SimDisk::change_name(NameChange change) {
  apply(cached_, change);
  unsynced_names_.push_back(std::move(change));
}

// --- storage::Disk --------------------------------------------------------------------------

std::uint64_t SimDisk::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [name, inode] : cached_) used += inode->cached.size();
  return used;
}

Result<std::unique_ptr<AppendFile>> SimDisk::create_zeroed(const std::string& path,
                                                           std::uint64_t bytes) {
  const bool ends = step();
  if (fails(faults.name_error)) return broken("create", path);
  if (used_bytes() + bytes > faults.capacity) {
    ++counters_.full;
    return Error{Errc::full, "simulated disk: no room for " + path};
  }
  if (cached_.contains(path)) return broken("create the existing", path);
  auto inode = std::make_shared<Inode>();
  change_name({"", path, inode});
  store_zeros(*inode, ends ? random_.below(bytes + 1) : bytes);
  if (ends) end();
  return std::unique_ptr<AppendFile>(std::make_unique<SimFile>(*this, std::move(inode)));
}

Result<std::unique_ptr<AppendFile>> SimDisk::open_zeroed(const std::string& path) {
  if (step()) end();
  if (fails(faults.name_error)) return broken("open", path);
  const auto found = cached_.find(path);
  if (found == cached_.end()) return broken("open the missing", path);
  return std::unique_ptr<AppendFile>(std::make_unique<SimFile>(*this, found->second));
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  const bool ends = step();
  if (ends && random_.chance(0.5)) end();
  if (fails(faults.name_error)) return broken("rename", from);
  const auto found = cached_.find(from);
  if (found == cached_.end()) return broken("rename the missing", from);
  if (cached_.contains(to)) return broken("rename over the existing", to);
  change_name({from, to, found->second});
  if (ends) end();
  return Done{};
}

Status SimDisk::remove(const std::string& path) {
  const bool ends = step();
  if (ends && random_.chance(0.5)) end();
  if (fails(faults.name_error)) return broken("remove", path);
  const auto found = cached_.find(path);
  if (found != cached_.end()) change_name({path, "", found->second});
  if (ends) end();
  return Done{};
}

Status SimDisk::sync_dir(const std::string& dir) {
  const bool ends = step();
  if (ends && random_.chance(0.5)) end();
  if (fails(faults.name_error)) return broken("sync directory", dir);
  for (const auto& change : std::exchange(unsynced_names_, {})) apply(durable_, change);
  if (ends) end();
  return Done{};
}

Status SimDisk::make_dir(const std::string&) {
  if (step()) end();
  return Done{};
}

Result<std::vector<storage::FileEntry>> SimDisk::list(const std::string& dir) {
  if (step()) end();
  if (fails(faults.read_error)) return broken("list", dir);
  std::vector<storage::FileEntry> files;
  files.reserve(cached_.size());
  for (const auto& [path, inode] : cached_) {
    if (path.size() <= dir.size() || path[dir.size()] != '/' || !path.starts_with(dir)) continue;
    auto& file = files.emplace_back();
    file.name.assign(path, dir.size() + 1);
    file.bytes = inode->cached.size();
  }
  return files;
}

Status SimDisk::read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                     std::string& out) {
  if (step()) end();
  if (fails(faults.read_error)) return broken("read", path);
  const auto found = cached_.find(path);
  if (found == cached_.end()) return broken("read the missing", path);
  found->second->cached.read(offset, bytes_max, out);
  return Done{};
}

Result<std::unique_ptr<HeldLock>> SimDisk::lock(const std::string& path) {
  if (step()) end();
  if (fails(faults.read_error)) return broken("lock", path);
  if (!locked_.insert(path).second) return Error{Errc::locked, path + " is held by another"};
  return std::unique_ptr<HeldLock>(std::make_unique<SimLock>(locked_, path));
}

// --- for the checker ------------------------------------------------------------------------

bool SimDisk::newest_segment_durable() const {
  for (auto seen = cached_.rbegin(); seen != cached_.rend(); ++seen) {
    if (!seen->first.ends_with(".seg")) continue;
    const auto kept = durable_.find(seen->first);
    return kept != durable_.end() && seen->second == kept->second &&
           (!seen->second->differs || seen->second->cached == seen->second->durable);
  }
  return false;
}

std::uint64_t SimDisk::content_hash() const {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto add = [&](std::string_view bytes) {
    hash = (hash ^ bytes.size()) * 0x100000001b3ULL;
    hash = (hash ^ storage::crc32c(bytes)) * 0x100000001b3ULL;
  };
  for (const auto& [name, inode] : cached_) {
    if (name.ends_with("LOCK")) continue;
    add(name);
    add(inode->cached.all());
  }
  return hash;
}

void SimDisk::flip(const std::string& path, std::uint64_t offset, unsigned bit) {
  const auto found = cached_.find(path);
  STAMPEDE_ASSERT(found != cached_.end(), "rot strikes files that are there");
  found->second->cached.flip(offset, bit);
  found->second->durable.flip(offset, bit);
}

SimDisk::Names SimDisk::deep_copy(const Names& names) {
  Names copy;
  for (const auto& [name, inode] : names) {
    auto twin = std::make_shared<Inode>();
    twin->cached = twin->durable = inode->cached;
    copy[name] = std::move(twin);
  }
  return copy;
}

SimDisk::State SimDisk::backup() const {
  State state;
  state.cached = state.durable = deep_copy(cached_);
  return state;
}

void SimDisk::exchange(State& state) {
  std::swap(cached_, state.cached);
  std::swap(durable_, state.durable);
  std::swap(unsynced_names_, state.unsynced_names);
}

}  // namespace stampede::sim
