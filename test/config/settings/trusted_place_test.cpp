// Places of this user, of others, and of this user where others may write. What another user owns
// can be made by root alone: those cases are left out for others.

#include "config/settings/trusted_place.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "config/settings/config.h"

namespace stampede::config {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kStranger = 65534;

// A directory with `own` in it, for one test.
class Places {
 public:
  Places() {
    std::string pattern = (fs::temp_directory_path() / "trusted.XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    root = fs::canonical(pattern);
    make("own");
  }
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;
  ~Places() { fs::remove_all(root); }

  fs::path make(const fs::path& name, mode_t mode = 0755) const {
    REQUIRE(::mkdir((root / name).c_str(), 0755) == 0);
    REQUIRE(::chmod((root / name).c_str(), mode) == 0);
    return root / name;
  }
  fs::path write(const fs::path& name, mode_t mode = 0644) const {
    std::ofstream(root / name) << "x";
    REQUIRE(::chmod((root / name).c_str(), mode) == 0);
    return root / name;
  }
  fs::path link(const fs::path& name, const fs::path& target) const {
    REQUIRE(::symlink(target.c_str(), (root / name).c_str()) == 0);
    return root / name;
  }

  fs::path root;
};

bool trusted(const fs::path& path, PlaceKind kind = PlaceKind::directory) {
  const auto wrong = distrust(path, kind);
  CAPTURE(path.string());
  if (!wrong.empty()) INFO(wrong);
  return wrong.empty();
}

void give_away(const fs::path& path) {
  REQUIRE(::lchown(path.c_str(), kStranger, kStranger) == 0);
}

}  // namespace

TEST_CASE("a place of our own is trusted, there or not yet, straight, by a link or by dots") {
  const Places places;
  places.link("absolute", places.root / "own");
  places.link("relative", "own");
  places.link("through", "relative/../absolute");
  for (const char* name : {"own", "not/yet", "absolute", "relative", "through", "own/../own"})
    CHECK(trusted(places.root / name));
  CHECK(trusted(places.write("file"), PlaceKind::file));
  CHECK(trusted("/dev/null", PlaceKind::file));
}

TEST_CASE("a place where others may write is not, whatever part of the way it is") {
  const Places places;
  for (const mode_t mode : {0777, 0775, 0757, 01777})
    CHECK_FALSE([&] {
      const auto made = places.make("open", mode);
      const bool result = trusted(made);
      fs::remove(made);
      return result;
    }());
  places.make("wide", 0777);
  places.make("wide/run", 0700);
  CHECK_FALSE(trusted(places.root / "wide/run"));
  CHECK_FALSE(trusted(places.root / "wide/not/yet"));
  places.link("by", "wide/run");
  CHECK_FALSE(trusted(places.root / "by"));
  places.make("sticky", 01777);
  places.make("sticky/run", 0700);
  CHECK(trusted(places.root / "sticky/run"));
  CHECK_FALSE(trusted(places.write("file", 0666), PlaceKind::file));
  CHECK_FALSE(trusted(places.write("group", 0664), PlaceKind::file));
  CHECK(distrust(places.root / "wide/run", PlaceKind::directory).find("wide") != std::string::npos);
}

TEST_CASE("links that lead in a circle are not followed for ever") {
  const Places places;
  places.link("a", "b");
  places.link("b", "a");
  CHECK_FALSE(trusted(places.root / "a"));
}

TEST_CASE("what another user owns is not trusted: a directory, a file, a link, the way to them") {
  if (::geteuid() != 0) return;
  const Places places;
  give_away(places.make("theirs"));
  CHECK_FALSE(trusted(places.root / "theirs"));
  const auto advice = distrust(places.root / "theirs", PlaceKind::directory);
  CHECK(advice.find("as its user: runuser -u nobody -- stampede") != std::string::npos);
  CHECK_FALSE(trusted(places.root / "theirs/run"));
  places.make("theirs/ours", 0700);
  CHECK_FALSE(trusted(places.root / "theirs/ours"));
  const auto file = places.write("file");
  give_away(file);
  CHECK_FALSE(trusted(file, PlaceKind::file));
  const auto link = places.link("link", "own");
  give_away(link);
  CHECK_FALSE(trusted(link));
}

TEST_CASE("a configuration is taken from no such place, and nothing is written there") {
  const Places places;
  const auto run = places.make("run", 0777);
  places.write("run/stampede.toml");
  auto result = load({.file = {}, .run_dir = run, .env = {}, .flags = {}});
  REQUIRE(std::holds_alternative<ConfigError>(result));
  CHECK(std::get<ConfigError>(result).distrusted);
  CHECK(describe(std::get<ConfigError>(result)).find("other users") != std::string::npos);

  const auto own = places.root / "own";
  for (const char* key :
       {"log.dir", "curve.allow_file", "curve.key_file", "db.password_file", "auth.keys_file"}) {
    const bool directory = std::string(key) == "log.dir";
    const auto place = directory ? places.make("log", 0777) : places.write("named", 0666);
    result = load({.file = {}, .run_dir = own, .env = {}, .flags = {{key, place.string()}}});
    REQUIRE(std::holds_alternative<ConfigError>(result));
    CHECK_FALSE(std::get<ConfigError>(result).distrusted);
    fs::remove(place);
  }
  const auto file = places.write("settings.toml", 0666);
  result = load({.file = file, .run_dir = own, .env = {}, .flags = {}});
  CHECK(std::holds_alternative<ConfigError>(result));
}

}  // namespace stampede::config
