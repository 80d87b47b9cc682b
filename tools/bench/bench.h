#pragma once

// `stampede bench`: sends a load, waits until every confirmed order is stored, verifies the books.
// Blocks for the run and the draining. Results on stdout, a live line a second on stderr.
// Returns the exit code: 0; 4 verify found a violation, or an id was answered in two ways; 5 an
// order got no answer, or was not stored in time; 7 nobody listens, or no database; 3 no backend to
// verify with; 1 an order was answered by an error code.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

enum class BenchVia : std::uint8_t { zmq, ipc, http, miaosha };  // zmq: SF1 over tcp; ipc: SF1
std::string_view to_text(BenchVia via);                          // over the run directory's socket

struct Bench {
  BenchVia via = BenchVia::zmq;
  std::uint32_t batch = 1;  // orders of one message, SF1 only
  bool ramp = false;        // rising rates, `duration` each, from `rate` on
  double rate = 1000;       // orders a second, open loop
  bool closed = false;
  std::uint64_t window = 0;  // orders open at once, closed loop; 0: 256, over HTTP one a connection
  std::uint64_t requests = 0;  // 0: by duration
  std::int64_t duration_ms = 10'000;
  std::uint32_t items = 1;
  std::uint32_t users = 100'000;
  std::uint64_t seed = 1;
  std::string run;                   // name of the run, part of the ids; empty: a new one
  double duplicates = 0;             // percent
  bool first = false;                // who is turned away by a webapp does not ask again
  std::uint64_t promo = 0;           // that orders name; 0: none
  bool tickets = false;              // asked for first, one for each order
  int connections = 0;               // 0: 2, over HTTP 64
  std::int64_t timeout_ms = 30'000;  // of one order
  bool drain = true;
  std::string hdr_file;  // the distribution of latencies goes there; empty: nowhere
};

// What is senseless about these flags together, naming them; empty: nothing. `given` tells whether
// a flag (by its name, "--window") was typed.
std::string check_bench(const Bench& bench, const std::function<bool(const char*)>& given);

int run_bench(const ToolOptions& options, const Bench& bench);

}  // namespace stampede::tools
