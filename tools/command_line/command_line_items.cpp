// The subcommands about items.

#include <string>

#include "tools/command_line/command_line_arguments.h"
#include "tools/command_line/one_of.h"

namespace stampede::tools {
namespace {

// "+5", "-5" or "5".
std::string check_delta(const std::string& text) {
  const auto digits = digits_of(text);
  const bool number = !digits.empty() && digits.size() <= 13;
  return number ? std::string{} : text + " is no amount; give one like +100 or -5";
}

// The flag for a term of an item; one overload for each type it can have. `add`: of `item add`,
// with the values of what is not said.
CLI::Option* add_item_term(CLI::App& command, const storage::Term& term, bool add,
                           std::string& value) {
  return command.add_option(flag_of(term), value, std::string(term.help))
      ->required(add && term.required)
      ->check([&term](const std::string& text) { return check_text(text, term); });
}
template <class Number>
CLI::Option* add_item_term(CLI::App& command, const storage::Term& term, bool add, Number& value) {
  value = static_cast<Number>(term.otherwise);
  auto* option = command.add_option(flag_of(term), value, std::string(term.help))
                     ->required(add && term.required);
  if (&term == &storage::kPromoOnlyTerm) {
    return option->transform(CLI::Validator(number_of_one_of({"always", "promo_only"}), ""))
        ->type_name("always|promo_only");
  }
  option->check(CLI::Range(static_cast<Number>(term.min), static_cast<Number>(term.flag_max)));
  if (add && !term.required) option->capture_default_str();
  return option;
}

}  // namespace

CLI::App* CommandLine::add_item_change(CLI::App& item, const char* name, const char* about) {
  auto* command = item.add_subcommand(name, about);
  ItemChange& args = arguments_->item;
  command->add_option("ID", args.item, "Number of the item")->required()->check(item_range());
  command->add_option("--request-id", args.request_id, "The same id again does nothing twice")
      ->check(check_request_id);
  return command;
}

void CommandLine::add_item_add(CLI::App& item, Command& chosen) {
  auto* add = add_item_change(item, "add", "Add an item (the same item again changes nothing)");
  ItemChange& args = arguments_->item;
  for (const bool required : {true, false}) {
    each_term(
        [&](const storage::Term& term, auto& value) {
          if (term.required == required) add_item_term(*add, term, true, value);
        },
        args.put.terms);
  }
  each_sale_term(
      [&](const storage::Term& term, auto& value) {
        if (&term != &storage::kClosedTerm) add_item_term(*add, term, true, value);
      },
      args.sale);
  on_chosen(add, chosen,
            [&args](const ToolOptions& options) { return run_item_add(options, args); });
}

void CommandLine::add_item_set(CLI::App& item, Command& chosen) {
  auto* set = add_item_change(item, "set", "Change an item, for later orders only");
  ItemChange& args = arguments_->item_set;
  std::vector<CLI::Option*> flags;
  storage::each_settable_term(
      [&](const storage::Term& term, auto& value) {
        flags.push_back(add_item_term(*set, term, false, value));
      },
      args);
  on_chosen(set, chosen, [this, flags](const ToolOptions& options) {
    ItemChange change = arguments_->item_set;
    change.item = arguments_->item.item;
    change.request_id = arguments_->item.request_id;
    for (std::size_t i = 0; i < flags.size(); ++i)
      if (flags[i]->count() > 0) change.given |= 1U << i;
    return run_item_set(options, change);
  });
}

void CommandLine::add_items(CLI::App& app, Command& chosen) {
  auto* item = app.add_subcommand("item", "Add items, list them, change their stock and rules");
  item->require_subcommand(1);
  ItemChange& args = arguments_->item;
  add_item_add(*item, chosen);
  add_item_set(*item, chosen);
  on_chosen(add_item_change(*item, "open", "Sell an item again that was closed"), chosen,
            [&args](const ToolOptions& options) { return run_item_open(options, args); });
  on_chosen(add_item_change(*item, "close", "Sell an item no more"), chosen,
            [&args](const ToolOptions& options) { return run_item_close(options, args); });
  on_chosen(take_request_id(item->add_subcommand("list", "List all items"), args.request_id),
            chosen, run_item_list);
  auto* show = take_request_id(item->add_subcommand("show", "Show an item"), args.request_id);
  show->add_option("ID", args.item, "Number of the item")->required()->check(item_range());
  on_chosen(show, chosen,
            [&args](const ToolOptions& options) { return run_item_show(options, args.item); });

  auto* stock = add_item_change(*item, "stock", "Change an item's stock: item stock 1 +100");
  stock->add_option("DELTA", arguments_->delta, "+N or -N units")->required()->check(check_delta);
  on_chosen(stock, chosen, [this](const ToolOptions& options) {
    return run_item_stock(options, arguments_->item.item, std::stoll(arguments_->delta),
                          arguments_->item.request_id);
  });
}

}  // namespace stampede::tools
