#include "config/settings/trusted_place.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <system_error>

namespace stampede::config {
namespace {

namespace fs = std::filesystem;

constexpr int kLinksMax = 40;  // as the system allows
constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

bool is_ours(uid_t owner) {
  return owner == ::geteuid() || owner == 0;
}

std::string owned_by_another(const fs::path& place, uid_t owner) {
  return place.string() + " belongs to another user (" + std::to_string(owner) +
         "), who could put anything there; choose another place";
}

// A service's directory is its user's; root works there as that user, so nothing that lies there
// leads root anywhere.
std::string as_its_user(uid_t owner) {
  const auto* user = ::geteuid() == 0 ? ::getpwuid(owner) : nullptr;  // NOLINT: a tool's one thread
  if (user == nullptr) return {};
  return std::string("; if it is a service's, call this as its user: runuser -u ") + user->pw_name +
         " -- stampede ...";
}

std::string writable_by_others(const fs::path& place) {
  return place.string() + " may be written by other users; look at what lies there, then " +
         "chmod go-w, or choose another place";
}

bool is_above_this_program(const fs::path& directory) {
  std::error_code error;
  const auto program = fs::read_symlink("/proc/self/exe", error);
  if (error) return false;
  const auto [end, rest] =
      std::mismatch(directory.begin(), directory.end(), program.begin(), program.end());
  return end == directory.end() && rest != program.end();
}

std::string distrust_way(const fs::path& directory, const struct stat& about) {
  if (is_above_this_program(directory)) return {};
  if (!is_ours(about.st_uid)) return owned_by_another(directory, about.st_uid);
  const bool sticky = (about.st_mode & S_ISVTX) != 0;
  return (about.st_mode & kOthersWrite) != 0 && !sticky ? writable_by_others(directory)
                                                        : std::string{};
}

std::string distrust_end(const fs::path& place, const struct stat& about, PlaceKind kind) {
  const bool own =
      kind == PlaceKind::directory ? about.st_uid == ::geteuid() : is_ours(about.st_uid);
  if (!own)
    return owned_by_another(place, about.st_uid) +
           (kind == PlaceKind::directory ? as_its_user(about.st_uid) : std::string());
  // Devices and pipes hold nothing that somebody left there.
  const bool holds = S_ISDIR(about.st_mode) || S_ISREG(about.st_mode);
  return holds && (about.st_mode & kOthersWrite) != 0 ? writable_by_others(place) : std::string{};
}

// The names of a path that are still to be walked, the next one first.
class Way {
 public:
  explicit Way(const fs::path& path) { put_first(path); }

  [[nodiscard]] bool at_end() const { return names_.empty(); }
  fs::path next() {
    auto name = names_.front();
    names_.pop_front();
    return name;
  }
  void put_first(const fs::path& path) {
    std::deque<fs::path> names;
    for (const auto& name : path.relative_path())
      if (!name.empty() && name != ".") names.push_back(name);
    names_.insert(names_.begin(), names.begin(), names.end());
  }

 private:
  std::deque<fs::path> names_;
};

}  // namespace

std::string distrust(const fs::path& path, PlaceKind kind) {
  fs::path directory = "/";
  int links = 0;
  for (Way way(path); !way.at_end();) {
    const auto name = way.next();
    if (name == "..") {
      directory = directory.parent_path();
      continue;
    }
    const auto place = directory / name;
    struct stat about {};
    if (::lstat(place.c_str(), &about) != 0) return {};  // what is made here is ours
    if (S_ISLNK(about.st_mode)) {
      if (!is_ours(about.st_uid)) return owned_by_another(place, about.st_uid);
      std::error_code error;
      const auto target = fs::read_symlink(place, error);
      if (error || ++links > kLinksMax) return place.string() + " is a link that leads nowhere";
      if (target.is_absolute()) directory = "/";
      way.put_first(target);
      continue;
    }
    auto wrong = way.at_end() ? distrust_end(place, about, kind) : distrust_way(place, about);
    if (!wrong.empty()) return wrong;
    directory = place;
  }
  return {};
}

}  // namespace stampede::config
