#pragma once

// `stampede item …`: items are changed by logged commands that the backend carries out; an answer
// means the change is durable. Block; one thread. Return the process's exit code: 0 done or
// unchanged, 1 refused (another item has the id, unknown item), 2 wrong use, 5 no answer in time
// (ask again with the same request id), 7 not running, 8 the stock would be below 0.

#include <cstdint>
#include <string>

#include "storage/commands/item_terms.h"
#include "storage/commands/sale_terms.h"
#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct ItemChange {
  struct {
    storage::OwnedItemTerms terms;
  } put;
  storage::OwnedItemSale sale;
  std::uint64_t item = 0;
  std::uint32_t given = 0;  // of a set: bit n: term n of storage::each_settable_term()
  std::string request_id;   // empty: minted
};

int run_item_add(const ToolOptions& options, const ItemChange& change);
int run_item_set(const ToolOptions& options, const ItemChange& change);
int run_item_open(const ToolOptions& options, const ItemChange& change);
int run_item_close(const ToolOptions& options, const ItemChange& change);
int run_item_stock(const ToolOptions& options, std::uint64_t item, std::int64_t delta,
                   const std::string& request_id);
int run_item_list(const ToolOptions& options);
int run_item_show(const ToolOptions& options, std::uint64_t item);

}  // namespace stampede::tools
