#include "tools/ask/order.h"

#include <chrono>
#include <cstdio>
#include <optional>

#include "storage/lsn.h"
#include "tools/ask/admin_client.h"
#include "tools/ask/failure_report.h"
#include "tools/ask/json_text.h"
#include "tools/ask/moment.h"
#include "tools/ask/sf1_client.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// "order 1.187402": an order id as people read positions of the log.
std::string order_of(const json& answer) {
  const std::string digits = text_of(answer, "order_id");
  const auto lsn = storage::parse_lsn(digits);
  return "order " + (lsn ? storage::to_text(*lsn) : digits);
}

std::string took(steady_clock::time_point since) {
  char text[32];
  const std::chrono::duration<double, std::milli> ms = steady_clock::now() - since;
  std::snprintf(text, sizeof text, "  (%.1f ms)", ms.count());
  return text;
}

using Asked = std::variant<json, Sf1Failure>;

Asked ask_webapp(const ToolOptions& options, const json& request, milliseconds timeout) {
  auto keys = client_keys(options.config);
  if (auto* failure = std::get_if<Sf1Failure>(&keys)) return std::move(*failure);
  auto token = service_token(options.config);
  if (auto* failure = std::get_if<Sf1Failure>(&token)) return std::move(*failure);
  Sf1Client client(client_endpoint(options.config),
                   std::get<transport::CurveOptions>(std::move(keys)),
                   std::get<std::string>(std::move(token)));
  return client.ask(request, timeout);
}

int report_failure(const ToolOptions& options, const Sf1Failure& failure, const std::string& id) {
  if (options.json) {
    auto report = failure_report(failure.exit, failure.message);
    report["id"] = id;
    std::printf("%s\n", report.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  }
  std::fprintf(stderr, "stampede order: %s\n", failure.message.c_str());
  return failure.exit;
}

void print(const ToolOptions& options, const json& answer, const std::string& line) {
  const std::string text =
      options.json ? answer.dump(-1, ' ', false, json::error_handler_t::replace) : line;
  std::printf("%s\n", text.c_str());
}

void advise_retry(const json& answer, const std::string& id) {
  if (!answer.value("retry", false) || answer.value("code", "") == "unknown_request") return;
  std::fprintf(stderr, "the order is not settled: ask again with --request-id %s\n", id.c_str());
}

// What it is part of, what it costs, and what has become of it.
std::string sale_of(const json& answer) {
  std::string text;
  for (const char* member : {"promo", "unit_price_cents", "fulfilment"})
    if (answer.contains(member)) text += std::string("  ") + member + " " + text_of(answer, member);
  const auto pay_by = answer.find("pay_by");
  if (pay_by != answer.end() && pay_by->is_number_integer())
    text += "  pay_by " + moment_text(pay_by->get<std::int64_t>());
  return text;
}

// What was bought must be found again, though nobody has read what was said of it.
void advise_show(const std::string& id) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  std::fprintf(stderr,
               "the answer to request %s could not be printed; ask for it: stampede order show "
               "%s\n",
               id.c_str(), id.c_str());
}

}  // namespace

std::string describe_answer(const json& answer) {
  if (answer.contains("code")) {
    std::string text = "error      " + text_of(answer, "code");
    if (answer.contains("field")) text += " (" + text_of(answer, "field") + ")";
    if (answer.contains("message")) text += ": " + text_of(answer, "message");
    return text;
  }
  const bool confirmed = answer.value("state", "") == "confirmed";
  std::string text = text_of(answer, "state");
  text.resize(std::max<std::size_t>(text.size(), 9), ' ');
  text += "  " + (confirmed ? order_of(answer) : text_of(answer, "reason"));
  text += "  item " + text_of(answer, "item");
  if (answer.value("qty", 1) != 1) text += "  qty " + text_of(answer, "qty");
  text += sale_of(answer);
  if (answer.contains("left")) text += "  left " + text_of(answer, "left");
  if (answer.value("stored", false)) text += "  stored";
  if (answer.value("replayed", false)) {
    text += "  (same answer as before; nothing bought twice)";
  }
  return text;
}

int exit_for(const json& answer) {
  // Nobody knows what became of it, as without any answer.
  if (answer.value("code", "") == "deadline_passed") return kExitTimedOut;
  if (answer.contains("code")) return kExitFailure;
  return answer.value("state", "") == "rejected" ? kExitRejected : kExitDone;
}

int run_order(const ToolOptions& options, const Order& order) {
  const std::string id = order.request_id.empty() ? mint_request_id() : order.request_id;
  json request{
      {"op", "order"}, {"id", id}, {"item", order.item}, {"user", order.user}, {"qty", order.qty}};
  if (order.promo) request["promo"] = *order.promo;
  const auto start = steady_clock::now();
  const auto outcome = ask_webapp(options, request, milliseconds(order.timeout_ms));
  if (const auto* failure = std::get_if<Sf1Failure>(&outcome)) {
    return report_failure(options, *failure, id);
  }
  const json& answer = std::get<json>(outcome);
  print(options, answer, describe_answer(answer) + took(start) + "   request " + id);
  advise_show(id);
  advise_retry(answer, id);
  return exit_for(answer);
}

int run_order_show(const ToolOptions& options, const std::string& request_id) {
  const auto outcome =
      ask_webapp(options, {{"op", "get"}, {"id", request_id}}, milliseconds(kOrderTimeoutMs));
  if (const auto* failure = std::get_if<Sf1Failure>(&outcome)) {
    return report_failure(options, *failure, request_id);
  }
  const json& answer = std::get<json>(outcome);
  std::string line = "request " + request_id;
  if (answer.contains("code")) {
    line += "  " + describe_answer(answer);
  } else {
    line += "  state " + text_of(answer, "state");
    if (answer.contains("order_id")) line += "  " + order_of(answer);
    if (answer.contains("reason")) line += "  reason " + text_of(answer, "reason");
    line += "  item " + text_of(answer, "item") + "  qty " + text_of(answer, "qty");
    line += sale_of(answer);
    // A rejection has no row.
    if (answer.value("state", "") != "rejected")
      line += answer.value("stored", false) ? "  stored yes" : "  stored not yet";
  }
  print(options, answer, line);
  return exit_for(answer);
}

}  // namespace stampede::tools
