// Accounts as the nodes' own user stores and finds them, through restarts of the server.

#include <doctest/doctest.h>

#include "storage/mysql/account_store.h"
#include "test/storage/mysql/mysql_fixture.h"

using namespace stampede::test;
using stampede::storage::AccountAdded;
using stampede::storage::AccountRow;
using stampede::storage::AccountStore;
using stampede::storage::DbOptions;
using stampede::storage::Errc;

namespace {

constexpr std::int64_t kNowUs = 1'800'000'000'123'456;

DbOptions impatient() {
  auto options = server().node();
  options.connect_timeout = options.read_timeout = options.write_timeout = std::chrono::seconds(1);
  return options;
}

AccountAdded added(AccountStore& store, const AccountRow& row) {
  auto result = store.add(row, kNowUs);
  REQUIRE_MESSAGE(bool(result), (result ? "" : result.error().message));
  return *result;
}

AccountRow found(stampede::storage::Result<std::optional<AccountRow>> result) {
  REQUIRE(bool(result));
  REQUIRE(result->has_value());
  return **result;
}

bool same(const AccountRow& left, const AccountRow& right) {
  return left.user == right.user && left.phone == right.phone && left.password == right.password &&
         left.name == right.name && left.locked == right.locked;
}

}  // namespace

TEST_CASE("an account is found as it was stored, byte by byte") {
  const MysqlFixture fixture;
  AccountStore store(server().node());
  std::string odd;
  for (int byte = 1; byte < 65; ++byte) odd += static_cast<char>(byte * 3 % 127 + 1);
  for (const auto& row :
       {AccountRow{"ann", "+4912345", "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA", "Ann Lee"},
        AccountRow{"bob'; DROP TABLE account; --", "", "x\\'\"", "O'Neil \\"},
        AccountRow{"\xE5\xBC\xA0\xE4\xB8\x89", "110", "p", "\xF0\x9F\x90\x8E"},
        AccountRow{odd, "", "p", ""}, AccountRow{"locked", "", "p", "", true}}) {
    CHECK(added(store, row) == AccountAdded::done);
    CHECK(same(found(store.find(row.user)), row));
    if (!row.phone.empty()) CHECK(same(found(store.find_by_phone(row.phone)), row));
  }
  CHECK(fixture.number("SELECT COUNT(*) FROM account WHERE phone IS NULL") == 3);
  CHECK(fixture.sql("SELECT created_at FROM account WHERE user_id='ann'") ==
        "2027-01-15 08:00:00.123456");
}

TEST_CASE("names are taken as they are written, and nobody is found by a part of one") {
  const MysqlFixture fixture;
  AccountStore store(server().node());
  CHECK(added(store, {"ann", "110", "p"}) == AccountAdded::done);
  for (const auto* other : {"Ann", "ann ", "an", "%"}) {
    const auto result = store.find(other);
    REQUIRE(bool(result));
    CHECK_FALSE(result->has_value());
  }
  const auto none = store.find_by_phone("");
  REQUIRE(bool(none));
  CHECK_FALSE(none->has_value());
  CHECK(added(store, {"Ann", "", "p"}) == AccountAdded::done);
}

TEST_CASE("what is taken is told, and stays as it was") {
  const MysqlFixture fixture;
  AccountStore store(server().node());
  const AccountRow ann{"ann", "110", "first"};
  CHECK(added(store, ann) == AccountAdded::done);
  CHECK(added(store, {"ann", "120", "second"}) == AccountAdded::user_taken);
  CHECK(added(store, {"ann", "110", "second"}) == AccountAdded::user_taken);
  CHECK(added(store, {"bob", "110", "second"}) == AccountAdded::phone_taken);
  CHECK(same(found(store.find("ann")), ann));
  CHECK(fixture.number("SELECT COUNT(*) FROM account") == 1);
}

TEST_CASE("passwords and locks are changed, also to what they are, of known users only") {
  const MysqlFixture fixture;
  AccountStore store(server().node());
  CHECK(added(store, {"ann", "", "first"}) == AccountAdded::done);
  for (int n = 0; n < 2; ++n) {
    CHECK(*store.set_password("ann", "second"));
    CHECK(*store.set_locked("ann", true));
  }
  const auto ann = found(store.find("ann"));
  CHECK(ann.password == "second");
  CHECK(ann.locked);
  CHECK(*store.set_locked("ann", false));
  CHECK_FALSE(found(store.find("ann")).locked);
  CHECK_FALSE(*store.set_password("bob", "x"));
  CHECK_FALSE(*store.set_locked("bob", true));
}

TEST_CASE("a row that the operator made without a password is found without one") {
  const MysqlFixture fixture;
  fixture.run("INSERT INTO account(user_id,created_at) VALUES('ann',NOW(6))");
  AccountStore store(server().node());
  CHECK(found(store.find("ann")).password.empty());
}

TEST_CASE("a server that is gone is told, and the next question finds it again") {
  const MysqlFixture fixture;
  AccountStore store(impatient());
  CHECK(added(store, {"ann", "", "p"}) == AccountAdded::done);
  server().kill9();
  auto away = store.find("ann");
  const bool told = !away && away.error().code == Errc::unavailable;
  const auto not_added = store.add({"bob", "", "p"}, kNowUs);
  server().start();
  CHECK(told);
  CHECK_FALSE(bool(not_added));
  CHECK(found(store.find("ann")).user == "ann");
}

TEST_CASE("a server that was started anew since is not noticed") {
  const MysqlFixture fixture;
  AccountStore store(impatient());
  CHECK(added(store, {"ann", "", "p"}) == AccountAdded::done);
  server().stop();
  server().start();
  CHECK(found(store.find("ann")).user == "ann");
}

TEST_CASE("a server that stands still costs no more than the time-outs") {
  const MysqlFixture fixture;
  AccountStore store(impatient());
  CHECK(added(store, {"ann", "", "p"}) == AccountAdded::done);
  server().pause();
  const auto began = std::chrono::steady_clock::now();
  const auto found_none = store.find("ann");
  const auto took = std::chrono::steady_clock::now() - began;
  server().resume();
  CHECK_FALSE(bool(found_none));
  CHECK(took < std::chrono::seconds(10));
  CHECK(found(store.find("ann")).user == "ann");
}
