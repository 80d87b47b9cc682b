// The subcommands about promos.

#include <optional>
#include <string>

#include "storage/commands/promo_terms.h"
#include "tools/ask/moment.h"
#include "tools/command_line/command_line_arguments.h"
#include "tools/command_line/one_of.h"

namespace stampede::tools {
namespace {

std::string check_moment(const std::string& text) {
  if (parse_moment(text)) return {};
  return text + " is no time; give one like 2026-11-29T20:00:00+08:00, now or +5m";
}

// The flag for a term of a promo; one overload for each type it can have.
void add_promo_term(CLI::App& command, const storage::Term& term, bool required,
                    std::optional<std::string>& value) {
  command.add_option(flag_of(term), value, std::string(term.help))
      ->required(required && term.required)
      ->check([&term](const std::string& text) { return check_text(text, term); });
}
template <class Number>
void add_promo_term(CLI::App& command, const storage::Term& term, bool required,
                    std::optional<Number>& value) {
  command.add_option(flag_of(term), value, std::string(term.help))
      ->required(required && term.required)
      ->check(CLI::Range(static_cast<Number>(term.said_min), static_cast<Number>(term.flag_max)));
}
void add_promo_time(CLI::App& command, const storage::Term& term, bool required,
                    std::string& text) {
  command.add_option(flag_of(term), text, std::string(term.help))
      ->required(required && term.required)
      ->check(check_moment);
}

// "--ticket" alone says that one is required.
void add_promo_ticket(CLI::App& command, std::string& text) {
  const auto& term = storage::kPromoTicketTerm;
  command.add_flag(flag_of(term) + "{required}", text, std::string(term.help))
      ->check(one_of({"none", "required"}));
}

}  // namespace

CLI::App* CommandLine::add_promo_change(CLI::App& promo, const char* name, const char* about) {
  auto* command = promo.add_subcommand(name, about);
  PromoChange& args = arguments_->promo;
  command->add_option("ID", args.promo, "Number of the promo")->required()->check(item_range());
  command->add_option("--request-id", args.request_id, "The same id again does nothing twice")
      ->check(check_request_id);
  return command;
}

// add: all that is required; set: any.
void CommandLine::add_promo_terms(CLI::App& command, bool required) {
  PromoChange& args = arguments_->promo;
  if (required) add_promo_term(command, storage::kPromoItemTerm, true, args.item);
  add_promo_term(command, storage::kPromoNameTerm, required, args.name);
  add_promo_term(command, storage::kPromoPriceTerm, required, args.price_cents);
  add_promo_time(command, storage::kPromoStartsTerm, required, arguments_->promo_starts);
  add_promo_time(command, storage::kPromoEndsTerm, required, arguments_->promo_ends);
  add_promo_term(command, storage::kPromoLimitTerm, required, args.limit_per_user);
  add_promo_term(command, storage::kHoldTerm, required, args.hold_s);
  add_promo_term(command, storage::kHoldLowTerm, required, args.hold_low_s);
  add_promo_term(command, storage::kLowStockTerm, required, args.low_stock_percent);
  add_promo_term(command, storage::kUnpaidTerm, required, args.unpaid_per_user_max);
  add_promo_ticket(command, arguments_->promo_ticket);
  add_promo_term(command, storage::kPromoGateTerm, required, args.gate_factor);
}

// The arguments of a change, times and all.
PromoChange CommandLine::promo_change() const {
  PromoChange change = arguments_->promo;
  change.starts = parse_moment(arguments_->promo_starts);
  change.ends = parse_moment(arguments_->promo_ends);
  if (!arguments_->promo_ticket.empty())
    change.ticket = arguments_->promo_ticket == "required" ? 1 : 0;
  return change;
}

void CommandLine::add_promos(CLI::App& app, Command& chosen) {
  auto* promo = app.add_subcommand("promo", "Offers of an item for some time, at their own price");
  promo->require_subcommand(1);
  auto* add = add_promo_change(*promo, "add", "Add a promo (the same promo again changes nothing)");
  add_promo_terms(*add, true);
  on_chosen(add, chosen,
            [this](const ToolOptions& options) { return run_promo_add(options, promo_change()); });
  auto* set = add_promo_change(*promo, "set", "Change a promo, for later orders only");
  add_promo_terms(*set, false);
  on_chosen(set, chosen,
            [this](const ToolOptions& options) { return run_promo_set(options, promo_change()); });
  on_chosen(add_promo_change(*promo, "end", "End a promo now"), chosen,
            [this](const ToolOptions& options) { return run_promo_end(options, promo_change()); });
  auto& request_id = arguments_->promo.request_id;
  on_chosen(take_request_id(promo->add_subcommand("list", "List all promos"), request_id), chosen,
            run_promo_list);
  auto* show = take_request_id(promo->add_subcommand("show", "Show a promo"), request_id);
  show->add_option("ID", arguments_->promo.promo, "Number of the promo")
      ->required()
      ->check(item_range());
  on_chosen(show, chosen, [this](const ToolOptions& options) {
    return run_promo_show(options, arguments_->promo.promo);
  });
}

}  // namespace stampede::tools
