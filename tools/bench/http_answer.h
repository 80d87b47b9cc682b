#pragma once

// Reads HTTP/1.1 answers of a webapp as a bench needs it. Pure; views point into the bytes.

#include <cstddef>
#include <string_view>

#include "tools/bench/bench_scan.h"

namespace stampede::tools {

struct HttpAnswerText {
  std::size_t size = 0;  // of head and body; 0: not whole yet
  bool broken = false;   // not HTTP, or without a length: the connection is of no more use
  bool keep = true;      // the connection stays
  int status = 0;
  std::string_view body;
};

HttpAnswerText read_http_answer(std::string_view bytes);

// What the body of an order's answer says: the answer map, a problem, or the two forms of the
// miaosha interface (`accepted`, then confirmed or rejected without an order id; an empty body is
// `queued`). Strings with escapes are cut at the first one.
ScannedAnswer scan_http_answer(const HttpAnswerText& answer);

}  // namespace stampede::tools
