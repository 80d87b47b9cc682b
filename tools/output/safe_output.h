#pragma once

// What the tools print reaches terminals: names, users and messages of others among it. Control
// characters of theirs could write on the operator's screen, so none gets there, whoever prints.

#include <string>
#include <string_view>

namespace stampede::tools {

// A stream of UTF-8 with its control characters (C0 but line feed and tab, DEL, C1) written as
// \u001b, which means the same inside a text of JSON. Pieces may be cut anywhere.
class ControlEscaper {
 public:
  // The piece as it may be shown; its last byte may be held back until the next one.
  std::string escape(std::string_view piece);
  std::string rest();  // what was held back

 private:
  bool c2_ = false;  // the first byte of a C1, or of what follows U+00A0, was held back
};

// From now on stdout, stderr, std::cout and std::cerr go through a ControlEscaper. Call it once,
// before anything was printed; one thread. Errors of the descriptors stay errors of the streams.
void escape_what_is_printed();

// Where the caller closed stdout or stderr, the next file that is opened would take the number and
// the text. Afterwards both are open; what goes to a closed stdout is an error of its stream.
// First thing of the process.
void hold_standard_streams();

// Flushes and closes what was printed to stdout and std::cout, before the process ends. Returns
// `code`, or kExitFailure with a word on stderr when it was 0 and not all reached its place.
int whole_output_or_failure(int code);

}  // namespace stampede::tools
