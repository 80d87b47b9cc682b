#pragma once

// `stampede item …`: items are changed by logged commands that the backend carries out; an answer
// means the change is durable. Block; one thread. Return the process's exit code: 0 done or
// unchanged, 1 refused (another item has the id, unknown item), 2 wrong use, 5 no answer in time
// (ask again with the same request id), 7 not running, 8 the stock would be below 0.

#include <cstdint>
#include <string>

#include "storage/commands/item_terms.h"
#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct ItemAdd {
  std::uint64_t item = 0;
  storage::OwnedItemTerms terms;
  std::string request_id;  // empty: minted
};

int run_item_add(const ToolOptions& options, const ItemAdd& add);
int run_item_stock(const ToolOptions& options, std::uint64_t item, std::int64_t delta,
                   const std::string& request_id);
int run_item_list(const ToolOptions& options);

}  // namespace stampede::tools
