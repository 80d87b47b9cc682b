#pragma once

// What the tools print reaches terminals: names, users and messages of others among it. Control
// characters of theirs could write on the operator's screen, so none gets there, whoever prints.

#include <string>

#include "config/process/control_escaper.h"

namespace stampede::tools {

using config::ControlEscaper;

// From now on stdout, stderr, std::cout and std::cerr go through a ControlEscaper. Call it once,
// before anything was printed; one thread. Errors of the descriptors stay errors of the streams.
void escape_what_is_printed();

// Where the caller closed stdout or stderr, the next file that is opened would take the number and
// the text. Afterwards both are open; what goes to a closed stdout is an error of its stream.
// First thing of the process.
void hold_standard_streams();

// Since escape_what_is_printed(): whether anything went to stdout, and what went to stderr (its
// first 16 KiB).
bool printed_nothing();
std::string said_on_stderr();

// Flushes and closes what was printed to stdout and std::cout, before the process ends. Returns
// `code`, or kExitIo when it was 0 and not all reached its place; then a word on stderr says why.
int whole_output_or_failure(int code);

}  // namespace stampede::tools
