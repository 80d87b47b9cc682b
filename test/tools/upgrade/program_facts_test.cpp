// Which program may take a system over.

#include "tools/upgrade/program_facts.h"

#include <doctest/doctest.h>

using namespace stampede::tools;

namespace {

ProgramFacts with(int proto, int log, int schema) {
  return {"9.9", proto, log, schema, "1:2"};
}

}  // namespace

TEST_CASE("another program with the same formats may go on") {
  CHECK(why_not(own_facts(), own_facts()).empty());
  CHECK(why_not(with(1, 2, 3), with(1, 2, 3)).empty());
  CHECK(why_not(with(1, 2, 3), with(1, 4, 3)).empty());  // it reads what was written, and more
}

TEST_CASE("what differs is named, with both values") {
  CHECK(why_not(with(1, 2, 3), with(2, 2, 3))
            .starts_with("proto: the system runs with 1, the new program has 2"));
  CHECK(why_not(with(2, 2, 3), with(1, 2, 3)).starts_with("proto: "));
  CHECK(why_not(with(1, 2, 3), with(1, 1, 3))
            .starts_with("log: the system runs with 2, the new program has 1"));
  for (const int schema : {2, 4})
    CHECK(why_not(with(1, 2, 3), with(1, 2, schema)).starts_with("schema: "));
}

TEST_CASE("the first programs did not tell, and are known") {
  CHECK(why_not(ProgramFacts{}, own_facts()).empty());
}

TEST_CASE("a line that tells less is none") {
  ProgramFacts facts;
  CHECK(read_facts(R"({"version":"1","proto":2,"log":3,"schema":4,"file":"5:6"})", facts));
  CHECK((facts.version == "1" && facts.proto == 2 && facts.log == 3 && facts.schema == 4));
  CHECK(facts.file == "5:6");
  for (const char* bad : {"", "[]", "{}", R"({"version":"1","proto":2,"log":3,"schema":4})",
                          R"({"version":1,"proto":2,"log":3,"schema":4,"file":"5:6"})"})
    CHECK_FALSE(read_facts(bad, facts));
}

TEST_CASE("a file that is not there is no program") {
  CHECK(file_id("/nowhere/at/all").empty());
  CHECK(file_id("/proc/self/exe") == own_facts().file);
}
