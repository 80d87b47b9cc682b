// Secrets in the run directory: made once, read by all, never by strangers.

#include "actors/node/shared_secret.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>

using namespace stampede::actors;
namespace fs = std::filesystem;

namespace {

struct SecretFile {
  SecretFile() {
    std::string name = (fs::temp_directory_path() / "stampede-secret-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    dir = name;
  }
  ~SecretFile() { fs::remove_all(dir); }

  SharedSecret secret() const {
    auto read = shared_secret(ticket_key_file(dir));
    if (const auto* wrong = std::get_if<std::string>(&read)) FAIL(*wrong);
    return std::get<SharedSecret>(read);
  }
  std::string wrong() const {
    auto read = shared_secret(ticket_key_file(dir));
    REQUIRE(std::holds_alternative<std::string>(read));
    return std::get<std::string>(read);
  }

  fs::path dir;
};

}  // namespace

TEST_CASE_FIXTURE(SecretFile, "a secret is made once, for its owner alone") {
  const auto first = secret();
  CHECK(first != SharedSecret{});
  CHECK(secret() == first);
  struct stat about {};
  REQUIRE(::stat(ticket_key_file(dir).c_str(), &about) == 0);
  CHECK((about.st_mode & 0777U) == 0600U);
  CHECK(std::distance(fs::directory_iterator(dir), fs::directory_iterator{}) == 1);
  fs::remove(ticket_key_file(dir));
  CHECK(secret() != first);
}

TEST_CASE_FIXTURE(SecretFile, "nobody waits for a pipe that lies in a secret's place") {
  REQUIRE(::mkfifo(ticket_key_file(dir).c_str(), 0600) == 0);
  CHECK(wrong().find("does not hold a secret") != std::string::npos);
}

TEST_CASE_FIXTURE(SecretFile, "what is open to others, or no secret, is refused and left alone") {
  const auto file = ticket_key_file(dir);
  secret();
  fs::permissions(file, fs::perms::group_read, fs::perm_options::add);
  CHECK(wrong().find("chmod 600") != std::string::npos);
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  for (const auto& text :
       {std::string(), std::string("abc\n"), std::string(64, 'g') + "\n", std::string(64, 'a'),
        std::string(64, 'a') + "\n\n", std::string(64, 'A') + "\n"}) {
    std::ofstream(file, std::ios::trunc) << text;
    CHECK(wrong().find(file.string()) != std::string::npos);
    CHECK(fs::file_size(file) == text.size());
  }
  fs::remove(file);
  fs::create_directory(file);
  CHECK_FALSE(wrong().empty());
}
