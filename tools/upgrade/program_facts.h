#pragma once

// What a program says of itself before a running system is given to it: what it is, and what it
// shares with the one before. Any thread.

#include <string>
#include <string_view>

namespace stampede::tools {

// As long as nobody says otherwise those of the first programs, which do not tell.
struct ProgramFacts {
  std::string version = "unknown";
  int proto = 1;     // that its clients speak
  int log = 2;       // the newest feature level that a backend of it acts on
  int schema = 3;    // of the database
  std::string file;  // "DEVICE:INODE" of the program that runs; empty: not told
};

ProgramFacts own_facts();
// Prints this program's as a line of JSON. 0.
int tell_facts();
// Those that a program has told; false: that is no such line.
bool read_facts(std::string_view line, ProgramFacts& facts);

// Why a system of `now` cannot go on as `next`, and what to do; empty: it can. Log, snapshots and
// schema are shared; what nodes say to each other is not, for the two never meet.
std::string why_not(const ProgramFacts& now, const ProgramFacts& next);

// "DEVICE:INODE" of a file; empty: there is none that can be looked at.
std::string file_id(const std::string& path);

}  // namespace stampede::tools
