#include "test/support/forgetful_disk.h"

#include <algorithm>
#include <utility>

#include "config/process/invariant.h"

namespace stampede::test {

using storage::AppendFile;
using storage::Done;
using storage::Errc;
using storage::Error;
using storage::HeldLock;
using storage::Result;
using storage::Status;

namespace {

Error broken(const std::string& what, const std::string& path) {
  return {Errc::io, "simulated disk: cannot " + what + " " + path};
}

}  // namespace

class ForgetfulFile final : public AppendFile {
 public:
  ForgetfulFile(ForgetfulDisk& disk, ForgetfulDisk::InodePtr inode)
      : disk_(disk), inode_(std::move(inode)) {}
  Status write_at(std::uint64_t offset, std::string_view bytes) override {
    return disk_.write(*inode_, offset, bytes);
  }
  Status datasync() override { return disk_.sync(*inode_); }
  Status sync() override { return disk_.sync(*inode_); }
  Status still_at(const std::string& path) const override {
    return disk_.leads_to(path, inode_) ? Status(Done{}) : broken("find", path);
  }

 private:
  ForgetfulDisk& disk_;
  ForgetfulDisk::InodePtr inode_;
};

namespace {

class ForgetfulLock final : public HeldLock {
 public:
  ForgetfulLock(std::set<std::string>& held, std::string path, const std::uint64_t& now)
      : held_(held), path_(std::move(path)), now_(now), taken_(now) {}
  ~ForgetfulLock() override {
    if (now_ == taken_) held_.erase(path_);
  }

 private:
  std::set<std::string>& held_;
  std::string path_;
  const std::uint64_t& now_;
  std::uint64_t taken_;
};

}  // namespace

// --- faults --------------------------------------------------------------------------------------

ForgetfulDisk::Outcome ForgetfulDisk::step(bool changes) {
  ++operations_;
  if (changes) ++changes_;
  return operations_ == fail_at_ ? Outcome::fails : Outcome::done;
}

void ForgetfulDisk::kill_processes() {
  ++generation_;
  locked_.clear();
  fail_at_ = kNever;
  cut_at_ = kNever;
}

void ForgetfulDisk::lose_power(unsigned keep_percent) {
  kill_processes();
  // A file met twice has nothing more to forget the second time.
  for (const auto& [name, inode] : cached_) forget_file(*inode, keep_percent);
  for (const auto& [name, inode] : durable_) forget_file(*inode, keep_percent);
  for (const auto& change : unsynced_names_) forget_file(*change.inode, keep_percent);
  forget_names(keep_percent);
}

void ForgetfulDisk::forget_file(Inode& inode, unsigned keep_percent) {
  const bool keeps_length = chance(keep_percent);
  if (keeps_length && inode.durable.size() < inode.cached.size()) {
    inode.durable.resize(inode.cached.size(), '\0');
  }
  for (const auto sector : inode.dirty) {
    if (chance(keep_percent) && sector * kSector < inode.durable.size()) {
      persist_sector(inode, sector);
    }
  }
  inode.dirty.clear();
  inode.cached = inode.durable;
}

void ForgetfulDisk::forget_names(unsigned keep_percent) {
  for (const auto& change : unsynced_names_) {
    if (chance(keep_percent)) apply(durable_, change);
  }
  unsynced_names_.clear();
  cached_ = durable_;
}

void ForgetfulDisk::apply(Names& names, const NameChange& change) {
  if (change.made.empty()) {
    const auto found = names.find(change.gone);
    if (found != names.end() && found->second == change.inode) names.erase(found);
    return;
  }
  // A rename survives whole or not at all: the file never keeps its old name beside the new one.
  std::erase_if(names, [&](const auto& entry) { return entry.second == change.inode; });
  names[change.made] = change.inode;
}

void ForgetfulDisk::change_name(NameChange change) {
  apply(cached_, change);
  unsynced_names_.push_back(std::move(change));
}

// --- file contents --------------------------------------------------------------------------

void ForgetfulDisk::persist_sector(Inode& inode, std::uint64_t sector) {
  const std::uint64_t begin = sector * kSector;
  const std::uint64_t end = std::min<std::uint64_t>(begin + kSector, inode.cached.size());
  if (inode.durable.size() < end) inode.durable.resize(end, '\0');
  std::copy(inode.cached.begin() + static_cast<std::ptrdiff_t>(begin),
            inode.cached.begin() + static_cast<std::ptrdiff_t>(end),
            inode.durable.begin() + static_cast<std::ptrdiff_t>(begin));
}

void ForgetfulDisk::persist_all(Inode& inode) {
  inode.durable.resize(inode.cached.size(), '\0');
  for (const auto sector : inode.dirty) persist_sector(inode, sector);
  inode.dirty.clear();
}

void ForgetfulDisk::store(Inode& inode, std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  if (inode.cached.size() < offset + bytes.size()) inode.cached.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), inode.cached.begin() + static_cast<std::ptrdiff_t>(offset));
  const std::uint64_t last = (offset + bytes.size() - 1) / kSector;
  for (std::uint64_t sector = offset / kSector; sector <= last; ++sector) {
    inode.dirty.insert(sector);
  }
}

Status ForgetfulDisk::write(Inode& inode, std::uint64_t offset, std::string_view bytes) {
  const bool fails = step(true) == Outcome::fails;
  if (fails || power_goes_now()) bytes = bytes.substr(0, random_() % (bytes.size() + 1));
  store(inode, offset, bytes);
  if (power_goes_now()) throw PowerCut{};
  if (fails) return broken("write", "a file");
  return Done{};
}

Status ForgetfulDisk::sync(Inode& inode) {
  const bool fails = step(true) == Outcome::fails;
  if (power_goes_now()) {
    if (chance(50)) persist_all(inode);
    throw PowerCut{};
  }
  if (!fails) {
    persist_all(inode);
    return Done{};
  }
  const bool memory_forgets = chance(50);
  inode.durable.resize(inode.cached.size(), '\0');
  for (const auto sector : inode.dirty) {
    if (chance(50)) persist_sector(inode, sector);
  }
  inode.dirty.clear();
  if (memory_forgets) inode.cached = inode.durable;
  return broken("sync", "a file");
}

bool ForgetfulDisk::leads_to(const std::string& path, const InodePtr& inode) const {
  const auto found = cached_.find(path);
  return found != cached_.end() && found->second == inode;
}

// --- storage::Disk --------------------------------------------------------------------------

Result<std::unique_ptr<AppendFile>> ForgetfulDisk::create_zeroed(const std::string& path,
                                                                 std::uint64_t bytes) {
  if (step(true) == Outcome::fails) return broken("create", path);
  if (used_bytes() + bytes > capacity_) return Error{Errc::full, "no room for " + path};
  if (cached_.contains(path)) return broken("create the existing", path);
  auto inode = std::make_shared<Inode>();
  change_name({"", path, inode});
  store(*inode, 0, std::string(bytes, '\0'));
  if (power_goes_now()) throw PowerCut{};
  return std::unique_ptr<AppendFile>(std::make_unique<ForgetfulFile>(*this, std::move(inode)));
}

Result<std::unique_ptr<AppendFile>> ForgetfulDisk::open_zeroed(const std::string& path) {
  if (step(false) == Outcome::fails) return broken("open", path);
  const auto found = cached_.find(path);
  if (found == cached_.end()) return broken("open the missing", path);
  return std::unique_ptr<AppendFile>(std::make_unique<ForgetfulFile>(*this, found->second));
}

Status ForgetfulDisk::rename(const std::string& from, const std::string& to) {
  if (step(true) == Outcome::fails) return broken("rename", from);
  const auto found = cached_.find(from);
  if (found == cached_.end()) return broken("rename the missing", from);
  if (cached_.contains(to)) return broken("rename over the existing", to);
  change_name({from, to, found->second});
  if (power_goes_now()) throw PowerCut{};
  return Done{};
}

Status ForgetfulDisk::remove(const std::string& path) {
  STAMPEDE_ASSERT(!path.ends_with(".seg"), "a segment is not just any file");
  return unlink(path);
}

Status ForgetfulDisk::remove_segment(const std::string& path) {
  STAMPEDE_ASSERT(path.ends_with(".seg"), "only segments are removed as segments");
  STAMPEDE_ASSERT(cached_.contains(path), "a segment that is removed is there");
  return unlink(path);
}

Status ForgetfulDisk::unlink(const std::string& path) {
  if (step(true) == Outcome::fails) return broken("remove", path);
  const auto found = cached_.find(path);
  if (found != cached_.end()) change_name({path, "", found->second});
  if (power_goes_now()) throw PowerCut{};
  return Done{};
}

Status ForgetfulDisk::sync_dir(const std::string& dir) {
  if (step(true) == Outcome::fails) return broken("sync directory", dir);
  if (!power_goes_now() || chance(50)) {
    durable_ = cached_;
    unsynced_names_.clear();
  }
  if (power_goes_now()) throw PowerCut{};
  return Done{};
}

Status ForgetfulDisk::make_dir(const std::string& dir) {
  if (step(false) == Outcome::fails) return broken("create directory", dir);
  return Done{};
}

std::uint64_t ForgetfulDisk::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [name, inode] : cached_) used += inode->cached.size();
  return used;
}

Result<std::uint64_t> ForgetfulDisk::free_bytes(const std::string&) {
  return capacity_ - std::min(capacity_, used_bytes());
}

Result<std::vector<storage::FileEntry>> ForgetfulDisk::list(const std::string& dir) {
  if (step(false) == Outcome::fails) return broken("list", dir);
  std::vector<storage::FileEntry> files;
  for (const auto& [path, inode] : cached_) {
    if (path.starts_with(dir + "/")) {
      files.push_back({path.substr(dir.size() + 1), inode->cached.size()});
    }
  }
  return files;
}

Status ForgetfulDisk::read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                           std::string& out) {
  if (step(false) == Outcome::fails) return broken("read", path);
  const auto found = cached_.find(path);
  if (found == cached_.end()) return broken("read the missing", path);
  const std::string& bytes = found->second->cached;
  out = offset < bytes.size() ? bytes.substr(offset, bytes_max) : "";
  return Done{};
}

Result<std::unique_ptr<HeldLock>> ForgetfulDisk::lock(const std::string& path) {
  if (step(false) == Outcome::fails) return broken("lock", path);
  if (!locked_.insert(path).second) return Error{Errc::locked, path + " is held by another"};
  return std::unique_ptr<HeldLock>(std::make_unique<ForgetfulLock>(locked_, path, generation_));
}

// --- looking and meddling -------------------------------------------------------------------

std::map<std::string, std::string> ForgetfulDisk::contents() const {
  std::map<std::string, std::string> files;
  for (const auto& [path, inode] : cached_) files[path] = inode->cached;
  return files;
}

const std::string& ForgetfulDisk::bytes_of(const std::string& path) const {
  const auto found = cached_.find(path);
  STAMPEDE_ASSERT(found != cached_.end(), "the test looks at a file that is there");
  return found->second->cached;
}

void ForgetfulDisk::overwrite(const std::string& path, const std::string& bytes) {
  auto inode = std::make_shared<Inode>();
  inode->cached = bytes;
  inode->durable = bytes;
  cached_[path] = inode;
  durable_[path] = inode;
}

void ForgetfulDisk::erase(const std::string& path) {
  cached_.erase(path);
  durable_.erase(path);
}

}  // namespace stampede::test
