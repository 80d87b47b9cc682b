// An operator's way in and out. First byte: which.
//
//   a line at admin.sock      what is refused names its member, what is taken is within its bounds
//   a command at the backend  the same, from the control map of a supervisor
//   what a tool prints        no control character gets through, wherever the pieces are cut
//
// Checked of a command that is taken: what is handed on, read again at the backend, is the same.

#include <string>

#include "actors/protocol/control_message.h"
#include "actors/protocol/operator_command.h"
#include "actors/supervisor/request_line.h"
#include "test/fuzz/fuzz.h"
#include "tools/output/safe_output.h"

namespace {

using namespace stampede;
using namespace stampede::actors;
using nlohmann::json;

void check_bounds(std::string_view what, const Request& request) {
  FUZZ_CHECK(request.item <= kItemIdMax);
  switch (request.kind) {
    case RequestKind::stock_change:
      FUZZ_CHECK(what == "stock_change" && valid_request_id(request.id));
      FUZZ_CHECK(request.delta >= -kStockMax && request.delta <= kStockMax);
      break;
    case RequestKind::items:
      FUZZ_CHECK(what == "items" && request.qty >= 1 && request.qty <= kItemsPageMax);
      break;
    default:
      FUZZ_CHECK(request.kind == RequestKind::invalid);
  }
}

void check_bounds(std::string_view what, const ItemRequest& request) {
  if (request.action == ItemAction::invalid) return;
  FUZZ_CHECK(what.starts_with("item_") && valid_request_id(request.put.request_id));
  FUZZ_CHECK(request.put.item <= kItemIdMax);
  FUZZ_CHECK(request.sale.description.size() <= 4000 && request.sale.hold_s <= 86'400);
  const bool named = request.action == ItemAction::add || (request.given & 1U) != 0;
  FUZZ_CHECK(!named || valid_text(request.put.terms.name, kItemNameBytesMax));
}

void check_command(const json& map) {
  if (!map.is_object()) return;
  CommandMembers members(map);
  const std::string what(members.text("do", kRequestIdBytesMax));
  FUZZ_CHECK(members.error().empty() == members.field().empty());
  if (!is_operator_command(what)) return;
  const auto read = read_operator_command(map);
  FUZZ_CHECK(read.error.empty() == read.field.empty());
  FUZZ_CHECK(read.error.empty() || valid_text(read.error, 1024));
  if (!read.error.empty()) return;
  check_bounds(what, read.request);
  check_bounds(what, read.item);
  const json handed_on = operator_command_map(what, read);
  const json arrived = unpack_control(pack_control(handed_on));
  FUZZ_CHECK(arrived == handed_on);
  const auto again = read_operator_command(arrived);
  FUZZ_CHECK(again.error.empty());
  FUZZ_CHECK(operator_command_map(what, again) == handed_on);
}

bool may_be_shown(std::string_view text) {
  bool c2 = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F) return false;
    if (c2 && byte >= 0x80 && byte < 0xA0) return false;
    c2 = byte == 0xC2;
  }
  return true;
}

void check_printed(std::string_view text, std::size_t cut) {
  tools::ControlEscaper whole;
  std::string shown = whole.escape(text);
  shown += whole.rest();
  tools::ControlEscaper pieces;
  std::string joined;
  for (std::size_t at = 0; at < text.size(); at += cut)
    joined += pieces.escape(text.substr(at, cut));
  joined += pieces.rest();
  FUZZ_CHECK(joined == shown);
  FUZZ_CHECK(may_be_shown(shown));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stampede::test::Input input(data, size);
  const unsigned which = input.byte() % 3;
  if (which == 0) {
    if (const auto map = read_request_line(input.rest())) check_command(*map);
  } else if (which == 1) {
    check_command(unpack_control(input.rest()));
  } else {
    const std::size_t cut = 1 + input.byte() % 7;
    check_printed(input.rest(), cut);
  }
  return 0;
}
