// The files that sessions rest on: made before they are needed, for this user alone, and kept.

#include "actors/auth/key_files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "actors/auth/core/token_verifier.h"
#include "test/support/temp_log_dir.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kNowMs = 1'800'000'000'000;
const std::string kShopSet = R"({"keys":[{"kty":"oct","kid":"shop",)"
                             R"("k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]})";

struct RunDir {
  test::TempDir directory;
  config::Config config;

  RunDir() {
    config.run_dir = directory.path();
    config.auth.mode = "required";
  }
  [[nodiscard]] fs::path at(const std::string& name) const { return config.run_dir / name; }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ostringstream all;
    all << std::ifstream(at(name)).rdbuf();
    return all.str();
  }
  fs::path write(const std::string& name, const std::string& text, fs::perms mode) const {
    std::ofstream(at(name)) << text;
    fs::permissions(at(name), mode);
    return at(name);
  }
  [[nodiscard]] std::string fault() const {
    auto keys = read_token_keys(config);
    return std::holds_alternative<std::string>(keys) ? std::get<std::string>(keys) : "";
  }
};

constexpr auto kOwn = fs::perms::owner_read | fs::perms::owner_write;
constexpr auto kShown = kOwn | fs::perms::group_read | fs::perms::others_read;

}  // namespace

TEST_CASE("the keys are made once, the service's token at each start, and both are secret") {
  const RunDir run;
  REQUIRE(prepare_key_files(run.config, kNowMs) == "");
  for (const char* name : {"session.keys", "service.token"})
    CHECK((fs::status(run.at(name)).permissions() & fs::perms::mask) == kOwn);
  const auto keys = run.text("session.keys"), token = run.text("service.token");
  REQUIRE(prepare_key_files(run.config, kNowMs + 1000) == "");
  CHECK(run.text("session.keys") == keys);
  CHECK(run.text("service.token") != token);
  auto read = read_token_keys(run.config);
  REQUIRE(std::holds_alternative<TokenKeys>(read));
  const TokenVerifier verifier(std::get<TokenKeys>(std::move(read)), {});
  for (auto shown : {token, run.text("service.token")}) {
    REQUIRE(shown.back() == '\n');
    shown.pop_back();
    const auto verdict = verifier.verify(shown, kNowMs);
    CHECK(verdict.code == Code::none);
    CHECK(verdict.session.service);
  }
  CHECK(std::get<std::string>(config::read_service_token(run.config)) + "\n" ==
        run.text("service.token"));
}

TEST_CASE("without sessions there is no service's token, and the keys stay for later") {
  RunDir run;
  REQUIRE(prepare_key_files(run.config, kNowMs) == "");
  run.config.auth.mode = "off";
  REQUIRE(prepare_key_files(run.config, kNowMs) == "");
  CHECK_FALSE(fs::exists(run.at("service.token")));
  CHECK(fs::exists(run.at("session.keys")));
  CHECK(std::get<std::string>(config::read_service_token(run.config)).empty());
  const RunDir fresh;
  auto off = fresh.config;
  off.auth.mode = "off";
  REQUIRE(prepare_key_files(off, kNowMs) == "");
  CHECK(fs::is_empty(fresh.config.run_dir));
}

TEST_CASE("files that cannot be believed are named") {
  RunDir run;
  CHECK(run.fault().find("auth.keys_file") != std::string::npos);  // nothing is there yet
  run.write("session.keys", "{}", kOwn);
  CHECK(prepare_key_files(run.config, kNowMs).find("session.keys") != std::string::npos);
  CHECK(run.fault().find("session.keys") != std::string::npos);
  fs::remove(run.at("session.keys"));
  REQUIRE(prepare_key_files(run.config, kNowMs) == "");
  fs::permissions(run.at("session.keys"), kShown);
  CHECK(prepare_key_files(run.config, kNowMs).find("chmod 600") != std::string::npos);
  CHECK(run.fault().find("chmod 600") != std::string::npos);
  fs::permissions(run.at("session.keys"), kOwn);

  run.config.auth.keys_file = run.at("none.jwks");
  CHECK(run.fault().find("none.jwks cannot be read") != std::string::npos);
  run.config.auth.keys_file = run.config.run_dir;
  CHECK(run.fault().find("no regular file") != std::string::npos);
  run.config.auth.keys_file = run.write("bad.jwks", R"({"keys":[]})", kShown);
  CHECK(run.fault().find("bad.jwks has no key") != std::string::npos);
  CHECK(prepare_key_files(run.config, kNowMs).find("bad.jwks has no key") != std::string::npos);
  run.config.auth.keys_file = run.write("shop.jwks", kShopSet, kShown);
  CHECK(run.fault().find("shop.jwks holds a secret") != std::string::npos);
  fs::permissions(run.at("shop.jwks"), kOwn);
  CHECK(run.fault() == "");
  run.write("large.jwks", std::string((1 << 20) + 1, ' '), kOwn);
  run.config.auth.keys_file = run.at("large.jwks");
  CHECK(run.fault().find("1 MiB") != std::string::npos);
}

TEST_CASE("what signs sessions is read from the file, and known by the keys that verify them") {
  const RunDir run;
  CHECK(std::get<std::string>(read_session_mint(run.config)).find("session.keys") !=
        std::string::npos);
  CHECK_FALSE(fs::exists(run.at("session.keys")));
  REQUIRE(prepare_key_files(run.config, kNowMs) == "");
  const auto mint = read_session_mint(run.config);
  REQUIRE(std::holds_alternative<TokenMint>(mint));
  Session session;
  session.user = "ann";
  session.expires_ms = kNowMs + 60'000;
  const auto token = std::get<TokenMint>(mint).mint(session, kNowMs);
  const TokenVerifier verifier(std::get<TokenKeys>(read_token_keys(run.config)), TokenRules{});
  CHECK(verifier.verify(token, kNowMs).session.user == "ann");
  fs::permissions(run.at("session.keys"), kShown);
  CHECK(std::holds_alternative<std::string>(read_session_mint(run.config)));
}
