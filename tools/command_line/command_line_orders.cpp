// The subcommands about single orders and commands: order list, trace, pending; and doctor.

#include <set>
#include <string>
#include <vector>

#include "tools/command_line/command_line_arguments.h"
#include "tools/command_line/one_of.h"
#include "tools/doctor/doctor.h"

namespace stampede::tools {
namespace {

const std::vector<std::string> kStates{"confirmed", "rejected",  "unpaid",    "paid",
                                       "expired",   "cancelled", "refund_due"};

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (auto kind = static_cast<std::uint8_t>(storage::CommandKind::order_insert);
       kind <= static_cast<std::uint8_t>(storage::kCommandKindLast); ++kind)
    names.emplace_back(to_text(static_cast<storage::CommandKind>(kind)));
  return names;
}

std::string either_of(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : "|") + word;
  return text;
}

}  // namespace

void CommandLine::add_order_list(CLI::App& order, Command& chosen) {
  OrderListWish& wish = arguments_->order_list;
  auto* list = order.add_subcommand(
      "list", "Orders, newest first; rejections too, as far back as the log reaches");
  list->add_option("--user", wish.user, "Of this user")->check(check_user);
  list->add_option("--item", wish.item, "Of this item")->check(item_range());
  list->add_option("--state", wish.state, "In this state")
      ->check(one_of(kStates))
      ->type_name(either_of(kStates));
  list->add_option("--since", arguments_->list_since, "Decided from then on: 1h (ago), or a time")
      ->check(check_past);
  list->add_option("--until", arguments_->list_until, "Decided up to then")->check(check_past);
  list->add_option("--limit", wish.limit, "So many")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}));
  list->add_option("--timeout", arguments_->list_timeout, "Look no longer than this")
      ->capture_default_str()
      ->check(check_duration);
  on_chosen(list, chosen, [this](const ToolOptions& options) {
    OrderListWish typed = arguments_->order_list;
    typed.since_ms = past_ms(arguments_->list_since);
    typed.until_ms = past_ms(arguments_->list_until);
    typed.timeout_ms = parse_duration_ms(arguments_->list_timeout).value_or(typed.timeout_ms);
    return with_database(options, [&](const storage::DbOptions& database, bool) {
      return run_order_list(options, database, typed);
    });
  });
}

void CommandLine::add_trace(CLI::App& app, Command& chosen) {
  auto* trace = app.add_subcommand("trace", "What became of a request, step by step");
  trace->add_option("REQUEST_ID", arguments_->shown_id, "The id it was sent with")
      ->required()
      ->check(check_request_id);
  on_chosen(trace, chosen, [this](const ToolOptions& options) {
    return with_database(options, [&](const storage::DbOptions& database, bool) {
      return run_trace(options, database, arguments_->shown_id);
    });
  });
}

void CommandLine::add_pending(CLI::App& app, Command& chosen) {
  PendingWish& wish = arguments_->pending_wish;
  auto* pending = app.add_subcommand("pending", "Commands that the database still owes or refused");
  pending->add_option("--older", arguments_->pending_older, "Only those that are so old")
      ->check(check_duration);
  pending->add_option("--item", wish.item, "Only of this item")->check(item_range());
  pending->add_option("--exclude", arguments_->pending_exclude, "But for this kind; repeatable")
      ->check(one_of(command_names()))
      ->type_name(either_of(command_names()));
  pending->add_option("--limit", wish.limit, "Show so many, the oldest first")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
  on_chosen(pending, chosen, [this](const ToolOptions& options) {
    PendingWish typed = arguments_->pending_wish;
    typed.older_ms = parse_duration_ms(arguments_->pending_older).value_or(0);
    for (const auto& name : arguments_->pending_exclude)
      if (const auto kind = storage::parse_command_kind(name)) typed.exclude.insert(*kind);
    return run_pending(options, typed);
  });
}

void CommandLine::add_doctor(CLI::App& app, Command& chosen) {
  auto* doctor = app.add_subcommand(
      "doctor", "Look at all that a system needs: ok, warn or fail, and what to do");
  doctor->callback([&chosen] {
    chosen = {{},
              [](const ToolOptions& options) { return run_doctor(options, options.config_fault); }};
    chosen.judges_config = true;
  });
}

}  // namespace stampede::tools
