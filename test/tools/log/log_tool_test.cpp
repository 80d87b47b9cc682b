#include "tools/log/log_tool.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "storage/disk/posix_disk.h"
#include "storage/log/log_segment.h"
#include "test/support/random_run.h"
#include "test/tools/log/log_sample.h"

using namespace stampede;
using namespace stampede::test;
using namespace stampede::tools;
using nlohmann::json;

namespace {

struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
  [[nodiscard]] json report() const { return json::parse(out); }
  [[nodiscard]] bool says(const std::string& text) const {
    return out.find(text) != std::string::npos;
  }
};

template <class Tool, class... Arguments>
Ran run(Tool tool, const ToolOptions& options, const Arguments&... arguments) {
  std::ostringstream out;
  std::ostringstream err;
  Ran ran;
  ran.exit = tool(options, arguments..., out, err);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

Ran dump(const std::string& dir, bool as_json = false, const LogDumpOptions& options = {}) {
  return run(run_log_dump, options_for(dir, as_json), std::string(), options);
}
Ran verify(const std::string& dir, bool as_json = true) {
  return run(run_log_verify, options_for(dir, as_json), std::string());
}
Ran dry_run(const std::string& dir, bool as_json = true) {
  return run(run_log_replay_dry_run, options_for(dir, as_json), std::string());
}
Ran import(const std::string& file, const std::string& dir) {
  return run(run_log_import, ToolOptions{}, file, dir);
}

std::string write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string imported(const TemporaryDir& temporary, const std::string& text) {
  const std::string dir = temporary.path("imported");
  const Ran ran = import(write_file(temporary.path("in.txt"), text), dir);
  INFO(ran.err);
  REQUIRE(ran.exit == 0);
  return dir;
}

std::vector<json> json_lines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

std::string time_and(const std::string& rest) {
  return "2026-11-21T10:42:01.203118Z pid=2210 " + rest + "\n";
}

std::string last_segment(const std::string& dir) {
  std::string last;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() == ".seg") last = std::max(last, entry.path().string());
  }
  return last;
}

void overwrite(const std::string& file, std::uint64_t offset, const std::string& bytes) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(static_cast<std::streamoff>(offset));
  stream << bytes;
}

}  // namespace

TEST_CASE("log: the seed's example has nothing to apply, and says what superseded abcdef") {
  const TemporaryDir temporary;
  const std::string dir = temporary.path("log");
  REQUIRE(import(TEST_STORAGE_DATA "/seed_example.txt", dir).exit == 0);

  const Ran text = dry_run(dir, false);
  CHECK(text.exit == 0);
  CHECK(text.says("would apply 0, skip 1 done, skip 1 superseded"));
  CHECK(text.says("ItemAmountUpdate abcdef: superseded by xyzabc, executed"));
  CHECK(dry_run(dir).report() ==
        json::parse(R"({"would_apply":0,"skip_done":1,"skip_superseded":1,"commands":[
          {"id":"abcdef","fate":"superseded","by":"xyzabc"},{"id":"xyzabc","fate":"executed"}]})"));

  const json report = verify(dir).report();
  CHECK(report["ok"] == true);
  CHECK(report["executed"] == 1);
  CHECK(report["superseded"] == 1);
  CHECK(report["failed"] == 0);
  CHECK(report["pending"] == 0);
  CHECK(report["torn"].is_null());

  const std::string lines = dump(dir).out;
  CHECK(lines.find("lsn=1.1 : [EMIT]ItemAmountUpdate={\"id\":\"abcdef\",\"item\":1,\"amount\":100}"
                   "/EOL/\n") != std::string::npos);
  CHECK(
      lines.find("tid=3 lsn=1.1 : [FAIL]ItemAmountUpdate={\"id\":\"abcdef\",\"errno\":0}/EOL/\n") !=
      std::string::npos);
  CHECK(lines.find("[EXEC]ItemAmountUpdate={\"id\":\"xyzabc\"}/EOL/\n") != std::string::npos);
}

TEST_CASE("log: a failed order is applied although a later order of the item was executed") {
  const TemporaryDir temporary;
  const std::string dir = imported(
      temporary,
      time_and(R"(tid=1 lsn=1.1 : [EMIT]OrderInsert={"id":"a","item":1,"user":"ann"}/EOL/)") +
          time_and(R"(tid=3 lsn=1.1 : [FAIL]OrderInsert={"id":"a","errno":1406}/EOL/)") +
          time_and(R"(tid=1 lsn=1.2 : [EMIT]OrderInsert={"id":"b","item":1,"user":"bob"}/EOL/)") +
          time_and(R"(tid=3 lsn=1.2 : [EXEC]OrderInsert={"id":"b"}/EOL/)"));
  CHECK(dry_run(dir, false).says("would apply 1 (1 OrderInsert), skip 1 done, skip 0 superseded"));
  CHECK(dry_run(dir, false).says("apply OrderInsert a (failed before)"));
  const Ran judged = verify(dir);
  CHECK(judged.exit == 4);
  CHECK(judged.report()["ok"] == false);
  CHECK(judged.report()["failed"] == 1);
  CHECK(judged.report()["violations"][0].get<std::string>().find("1406") != std::string::npos);
}

TEST_CASE("log: dump, import, dump gives the same lines") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  const TemporaryDir temporary;
  write_sample_log(temporary.path("log"), seed, 3000);
  const std::string first = dump(temporary.path("log")).out;
  CHECK(first.size() > 500'000);
  const std::string second = dump(imported(temporary, first)).out;
  CHECK(second.size() == first.size());
  CHECK((second == first));
}

TEST_CASE("log: the line form and the JSON form tell the same") {
  const TemporaryDir temporary;
  write_sample_log(temporary.path("log"), 7, 300);
  const std::string text = dump(temporary.path("log")).out;
  std::size_t lines = 0;
  std::map<std::string, std::size_t> types;
  for (const json& line : json_lines(dump(temporary.path("log"), true).out)) {
    const auto type = line.at("type").get<std::string>();
    ++types[type];
    if (type == "EPOCH" || type == "SEAL") continue;
    ++lines;
    CHECK(text.find(" lsn=" + line.at("lsn").get<std::string>() + " : [" + type + "]") !=
          std::string::npos);
  }
  CHECK(lines == static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')));
  CHECK(types["EPOCH"] == 2);
  CHECK(types["SEAL"] == 1);
  CHECK(types["REJECT"] > 0);
  CHECK(types["OPTM"] > 0);
}

TEST_CASE("log: a selection by lsn holds the decisions and their outcomes, both ends included") {
  const TemporaryDir temporary;
  write_sample_log(temporary.path("log"), 8, 300);
  const auto from = storage::make_lsn(1, 10);
  const auto to = storage::make_lsn(1, 20);
  const auto all = json_lines(dump(temporary.path("log"), true).out);
  std::vector<json> expected;
  for (const json& line : all) {
    if (!line.contains("lsn")) continue;
    const auto lsn = *storage::parse_lsn(line["lsn"].get<std::string>());
    if (lsn >= from && lsn <= to) expected.push_back(line);
  }
  CHECK(expected.size() > 11);
  CHECK((json_lines(dump(temporary.path("log"), true, {from, to, false}).out) == expected));
}

TEST_CASE("log: the tools count alike, and --pending shows what verify counts") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  const TemporaryDir temporary;
  const SampleLog sample = write_sample_log(temporary.path("log"), seed, 2000);
  const json fates = verify(temporary.path("log")).report();
  const json plan = dry_run(temporary.path("log")).report();
  const std::uint64_t pending = fates["pending"].get<std::uint64_t>();
  const std::uint64_t failed = fates["failed"].get<std::uint64_t>();
  CHECK(plan["skip_done"] == fates["executed"]);
  CHECK(plan["would_apply"].get<std::uint64_t>() <= pending + failed);
  CHECK(plan["commands"].size() == plan["would_apply"].get<std::size_t>() +
                                       plan["skip_done"].get<std::size_t>() +
                                       plan["skip_superseded"].get<std::size_t>());
  CHECK(fates["ok"] == (failed == 0));

  std::uint64_t shown = 0;
  for (const json& line : json_lines(dump(temporary.path("log"), true, {{}, {}, true}).out)) {
    CHECK(line["type"] == "EMIT");
    shown += line["commands"].size();
  }
  CHECK(shown == pending + failed);

  std::uint64_t orders = 0;
  for (const json& line : json_lines(dump(temporary.path("log"), true).out)) {
    if (line["type"] == "EMIT" && line["commands"][0]["command"] == "OrderInsert") ++orders;
  }
  CHECK(orders == sample.orders);
}

TEST_CASE("log: a reader in another language finds the same commands") {
  const TemporaryDir temporary;
  write_sample_log(temporary.path("log"), seed_of_run(), 800);
  std::string output;
  const std::string command = "/usr/bin/python3 " READ_LOG_SCRIPT " " + temporary.path("log");
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 65536> piece{};
  for (std::size_t n = 0; (n = fread(piece.data(), 1, piece.size(), pipe)) > 0;) {
    output.append(piece.data(), n);
  }
  REQUIRE(pclose(pipe) == 0);

  std::vector<json> theirs;
  for (const json& line : json_lines(output)) {
    if (line["type"] == "EMIT" || line["type"] == "REJECT") theirs.push_back(line);
  }
  std::vector<json> ours;
  for (json line : json_lines(dump(temporary.path("log"), true).out)) {
    for (const char* name : {"time", "pid", "tid"}) line.erase(name);
    if (line["type"] == "REJECT") ours.push_back(line);
    if (line["type"] != "EMIT") continue;
    for (json one : line["commands"]) {
      one["type"] = "EMIT";
      one["lsn"] = line["lsn"];
      ours.push_back(one);
    }
  }
  CHECK(ours.size() > 1000);
  CHECK(theirs.size() == ours.size());
  CHECK((theirs == ours));
}

TEST_CASE("log: a torn tail is named and is no violation") {
  const TemporaryDir temporary;
  REQUIRE(import(TEST_STORAGE_DATA "/seed_example.txt", temporary.path("log")).exit == 0);
  const std::string file = last_segment(temporary.path("log"));
  const std::string bytes = read_file(file);
  const std::size_t end = (bytes.find_last_not_of('\0') + 8) / 8 * 8;
  overwrite(file, end, "BATC torn");
  const Ran ran = verify(temporary.path("log"));
  CHECK(ran.exit == 0);
  CHECK(ran.report()["ok"] == true);
  CHECK(ran.report()["torn"]["offset"] == end);
  CHECK(ran.report()["torn"]["file"] == std::filesystem::path(file).filename().string());
  CHECK(verify(temporary.path("log"), false).says("torn write"));
}

TEST_CASE("log: damage is named with file and offset, by every tool") {
  const TemporaryDir temporary;
  write_sample_log(temporary.path("log"), 4, 500);
  const std::string file = last_segment(temporary.path("log"));
  overwrite(file, 4096 + 100, "\xff\xff\xff\xff");
  const Ran ran = verify(temporary.path("log"));
  CHECK(ran.exit == 4);
  CHECK(ran.report()["ok"] == false);
  const auto violation = ran.report()["violations"][0].get<std::string>();
  CHECK(violation.find(std::filesystem::path(file).filename().string()) != std::string::npos);
  CHECK(violation.find("offset 4096") != std::string::npos);
  CHECK(dump(temporary.path("log")).exit == 4);
  CHECK(dry_run(temporary.path("log")).exit == 4);
}

TEST_CASE("log: verify speaks to people as well") {
  const TemporaryDir temporary;
  write_sample_log(temporary.path("log"), 5, 1500);
  const Ran ran = verify(temporary.path("log"), false);
  CHECK(ran.says(" segments, "));
  CHECK(ran.says("lsn 1.1 … 2."));
  CHECK(ran.says("without gap"));
  CHECK(ran.says("checksums ok; last record complete"));
  CHECK(ran.says(" emitted = "));
  CHECK((ran.says("\nOK\n") || ran.says("\nVIOLATION failed: ")));
}

TEST_CASE("log: a gap inside an epoch and stray outcomes are violations") {
  const TemporaryDir temporary;
  const std::string dir =
      imported(temporary, time_and(R"(tid=1 lsn=1.1 : [EMIT]OrderInsert={"id":"a"}/EOL/)") +
                              time_and(R"(tid=1 lsn=1.5 : [EMIT]OrderInsert={"id":"b"}/EOL/)") +
                              time_and(R"(tid=1 lsn=3.1 : [EMIT]OrderInsert={"id":"c"}/EOL/)"));
  const Ran ran = verify(dir);
  CHECK(ran.exit == 4);
  CHECK(ran.report()["violations"] == json::parse(R"(["gap between lsn 1.1 and 1.5"])"));
}

TEST_CASE("log: what cannot be imported is named with line and column, and nothing is written") {
  const std::string good = time_and(R"(tid=1 lsn=1.1 : [EMIT]ItemPut={"id":"a","item":1}/EOL/)");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"nonsense\n", "line 2, column 1: "},
      {time_and(R"(tid=1 lsn=1.1 : [EMIT]ItemPut={"id":"b","item":1}/EOL/)"), "line 2, lsn 1.1"},
      {time_and(R"(tid=1 lsn=1.2 : [EMIT]ItemPut={"id":"a","item":1}/EOL/)"), "comes twice"},
      {time_and(R"(tid=3 lsn=1.1 : [EXEC]ItemPut={"id":"z"}/EOL/)"), "line 2, no EMIT"},
      {time_and(R"(tid=3 lsn=1.2 : [EXEC]ItemPut={"id":"a"}/EOL/)"), "of lsn 1.1"},
      {time_and(R"(tid=3 lsn=1.1 : [EXEC]OrderInsert={"id":"a"}/EOL/)"), "is ItemPut of lsn 1.1"},
      {time_and(R"(tid=3 lsn=1.1 : [OPTM]ItemPut={"id":"a","superseded_by":"a"}/EOL/)"),
       "cannot stand in"},
      {time_and(R"(tid=1 lsn=1.2 : [EMIT]ItemPut={"id":"b","item":1,"colour":2}/EOL/)"),
       "line 2, column 87: "},
      {time_and(R"(tid=1 lsn=1.2 : [EMIT]ItemPut={"id":"b","item":1,"name":"a\u001b[2J"}/EOL/)"),
       "\"name\" has a control character"},
      {time_and(R"(tid=1 lsn=1.2 : [EMIT]ItemPut={"id":"b","item":1,"name":"a\u009b"}/EOL/)"),
       "\"name\" has a control character"},
      {time_and(R"(tid=1 lsn=1.2 : [EMIT]OrderInsert={"id":"b","item":1,"user":"a\nOK"}/EOL/)"),
       "\"user\" has a control character"}};
  for (const auto& [line, message] : cases) {
    const TemporaryDir temporary;
    const Ran ran =
        import(write_file(temporary.path("in.txt"), good + line), temporary.path("log"));
    CAPTURE(line);
    CAPTURE(ran.err);
    CHECK(ran.exit == 2);
    CHECK(ran.err.find(message) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(temporary.path("log")));
  }
}

TEST_CASE("log: a directory in use is not written to") {
  const TemporaryDir temporary;
  write_sample_log(temporary.path("log"), 6, 20);
  CHECK(import(TEST_STORAGE_DATA "/seed_example.txt", temporary.path("log")).exit == 6);
  CHECK(import(temporary.path("none.txt"), temporary.path("other")).exit == 2);
  CHECK(verify(temporary.path("absent")).exit == 2);

  storage::PosixDisk disk;
  const auto lock = storage::LogLock::take(disk, temporary.path("log"));
  REQUIRE(lock);
  ToolOptions options = options_for(temporary.path("log"), true);
  options.config.db.url = "mysql://nobody@127.0.0.1:1/none";
  CHECK(run(run_log_replay_all, options).exit == 6);
}

TEST_CASE("log: an empty directory is an empty log") {
  const TemporaryDir temporary;
  std::filesystem::create_directory(temporary.path("log"));
  CHECK(verify(temporary.path("log")).exit == 0);
  CHECK(verify(temporary.path("log")).report()["segments"] == 0);
  CHECK(dump(temporary.path("log")).out.empty());
  CHECK(dry_run(temporary.path("log"), false).says("would apply 0, skip 0 done"));
}
