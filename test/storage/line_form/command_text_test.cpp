#include "storage/line_form/command_text.h"

#include <doctest/doctest.h>

#include <fstream>
#include <random>

#include "storage/replay/fate_table.h"
#include "test/storage/commands/command_fixture.h"
#include "test/support/random_run.h"

using namespace stampede::storage;
using namespace stampede::test;

namespace {

const std::string kHeader = "2026-11-21T10:42:01.203118Z pid=2210 tid=1 lsn=1.187402 : ";

std::string printed(const Command& command, std::string_view id) {
  std::string out;
  append_command(out, command, id);
  return out;
}

TextLine parsed(const std::string& line) {
  auto result = parse_line(line);
  INFO("line: ", line);
  INFO("error: ", result ? std::string() : result.error().message);
  REQUIRE(result);
  return std::move(*result);
}

std::string error_of(const std::string& line) {
  const auto result = parse_line(line);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Errc::invalid);
  return result.error().message;
}

}  // namespace

TEST_CASE("text: the contract's own lines are printed and read back") {
  Command order = order_of(1, "r-1", "ann");
  std::string line;
  append_header(line, {1'795'257'721'203'118'000, 2210, 1, make_lsn(1, 187402)});
  line += "[EMIT]" + printed(order, "1.187402.0") + std::string(kDelimiter) +
          printed(amount_of(1, 112597), "1.187402.1") + std::string(kEndOfLine);
  CHECK(line == kHeader + R"([EMIT]OrderInsert={"id":"1.187402.0","request_id":"r-1","item":1,)"
                          R"("user":"ann","qty":1,"unit_price_cents":19900,)"
                          R"("decided_at_us":1790000000000000}/DELIMITER/)"
                          R"(ItemAmountUpdate={"id":"1.187402.1","item":1,"amount":112597}/EOL/)");
  const TextLine back = parsed(line);
  CHECK(back.type == RecordType::emit);
  CHECK(back.header.wall_ns == 1'795'257'721'203'118'000);
  CHECK(back.header.pid == 2210);
  CHECK(back.header.tid == 1);
  CHECK(back.header.lsn == make_lsn(1, 187402));
  REQUIRE(back.commands.size() == 2);
  CHECK(back.commands[0].command.order.user == "ann");
  CHECK(back.commands[0].command.missing == 0);
  CHECK(back.commands[1].command.amount.amount == 112597);
}

TEST_CASE("text: an item's command is printed and read back") {
  const std::string text =
      R"(ItemPut={"id":"1.1.0","request_id":"p","item":7,"name":"Phone","price_cents":19900,)"
      R"("total":100,"limit_per_user":0,"max_qty":5,"content_hash":"000000000000feed"})";
  CHECK(printed(put_of(7), "1.1.0") == text);
  const TextLine back = parsed(kHeader + "[EMIT]" + text + "/EOL/");
  CHECK(back.commands.at(0).command.missing == 0);
  CHECK(printed(back.commands.at(0).command, "1.1.0") == text);
  const auto lacking = parsed(kHeader + R"([EMIT]ItemPut={"id":"x","item":7,"max_qty":5}/EOL/)");
  CHECK(lacking.commands.at(0).command.missing == 0b1'0111'1010);
  CHECK(error_of(kHeader + R"([EMIT]ItemPut={"id":"x","item":7,"max_qty":-1}/EOL/)") ==
        R"(column 92: "max_qty" is an integer from 0 to 4294967295)");
  CHECK(error_of(kHeader + R"([EMIT]ItemPut={"id":"x","item":7,"price":1}/EOL/)") ==
        R"(column 92: "price" is no argument of this command)");
}

TEST_CASE("text: outcomes name their command, and what belongs to them") {
  const auto exec = parsed(kHeader + R"([EXEC]OrderInsert={"id":"1.187402.0"}/EOL/)");
  CHECK(exec.type == RecordType::exec);
  CHECK(exec.commands.at(0).id == "1.187402.0");
  const auto fail = parsed(kHeader + R"([FAIL]OrderInsert={"id":"x","errno":1406}/EOL/)");
  CHECK(fail.commands.at(0).errnum == 1406);
  const auto optm = parsed(
      kHeader + R"([OPTM]ItemAmountUpdate={"id":"1.187402.1","superseded_by":"1.187409.1"}/EOL/)");
  CHECK(optm.commands.at(0).superseded_by == "1.187409.1");
}

TEST_CASE("text: a rejection keeps every digit") {
  const Rejection rejection{
      {0x00ffULL, 0xfedcba9876543210ULL}, 0xabcULL, 7, 2, RejectReason::limit_reached};
  std::string text;
  append_rejection(text, rejection);
  CHECK(text == R"({"request_id_hash":"00000000000000fffedcba9876543210",)"
                R"("content_hash":"0000000000000abc","item":7,"qty":2,"reason":"limit_reached"})");
  const auto line = parsed(kHeader + "[REJECT]" + text + "/EOL/");
  CHECK(line.rejection.request_hash == rejection.request_hash);
  CHECK(line.rejection.content_hash == rejection.content_hash);
  CHECK(line.rejection.item == 7);
  CHECK(line.rejection.qty == 2);
  CHECK(line.rejection.reason == RejectReason::limit_reached);
}

TEST_CASE("text: what format 2 added to rejections and outcomes") {
  Rejection rejection{{1, 2}, 3, 7, 2, RejectReason::sold_out, 0xabcULL, 77, 5, FeatureLevel::sale};
  std::string text;
  append_rejection(text, rejection);
  CHECK(text.ends_with(R"("user_hash":"0000000000000abc","promo":77,"decided_at_us":5})"));
  const auto line = parsed(kHeader + "[REJECT]" + text + "/EOL/");
  CHECK(line.rejection.user_hash == 0xabc);
  CHECK(line.rejection.promo == 77);
  CHECK(line.rejection.decided_at_us == 5);
  CHECK(line.rejection.level == FeatureLevel::sale);
  const auto fail =
      parsed(kHeader + R"([FAIL]OrderInsert={"id":"1.187402.0","errno":1406,"tries":3}/EOL/)");
  CHECK(fail.commands.at(0).tries == 3);
}

TEST_CASE("text: commands of the sale are printed and read back") {
  SaleArguments sale;
  sale.order = {77, 1'790'000'000'000, 3};
  sale.item.description = "a/EOL/b";
  sale.item.closed = 1;
  sale.promo = {"p-1", 77, 1, "Half \"price\"", 999, 1, 2, 2, 1, 5, 300, 30, 5, 3, 0xfeed, 6};
  sale.ticket = {77, 1, 1234, "ann", "t-1", 5, 6};
  sale.update = {make_lsn(1, 9), 1, 3, {}, 0, 6};
  sale.stock = {1, -2, 4, make_lsn(1, 9), 6};
  for (auto number = 1U; number <= static_cast<unsigned>(kCommandKindLast); ++number) {
    const auto kind = static_cast<CommandKind>(number);
    if (kind == CommandKind::item_amount_update) continue;
    CAPTURE(to_text(kind));
    Command command = kind == CommandKind::order_insert ? order_of(1)
                      : kind == CommandKind::item_put   ? put_of(1)
                                                        : Command{};
    command.kind = kind;
    command.sale = std::make_shared<SaleArguments>(sale);
    const std::string text = printed(command, "x");
    const auto line = parsed(kHeader + "[EMIT]" + text + "/EOL/");
    CHECK(printed(line.commands.at(0).command, "x") == text);
    CHECK(line.commands.at(0).command.level == FeatureLevel::sale);
    std::string payload;
    std::string again;
    encode_command_set(payload, {command});
    encode_command_set(again, {line.commands.at(0).command});
    CHECK(payload == again);
  }
}

TEST_CASE("text: control records are printed and read back") {
  const std::string bytes = "0123456789abcdef\xff\x01 and 14 more bytes";
  const auto half = std::string_view(bytes).substr(0, 16);
  std::string config;
  std::string claim;
  std::string revoke;
  encode_control(config, ConfigRecord{"limits", 4, std::string_view(bytes).substr(0, 32), "{}", 1});
  encode_control(claim, ClaimRecord{half, 9, 3, 1});
  encode_control(revoke, RevokeRecord{half, 8, 1, 2, 1});
  for (const auto& [type, payload] : {std::pair{RecordType::config, config},
                                      {RecordType::claim, claim},
                                      {RecordType::revoke, revoke}}) {
    Json members;
    REQUIRE(append_control_members(members, type, payload));
    std::string text = kHeader + "[" + std::string(record_word(type)) + "]";
    append_json(text, members);
    CHECK(parsed(text + "/EOL/").payload == payload);
    CHECK_FALSE(append_control_members(members, RecordType::ha, payload));
  }
}

TEST_CASE("text: what is wrong with a command of the sale is named") {
  const auto wrong = [](const std::string& rest) {
    const auto line = parse_line(kHeader + rest);
    REQUIRE_FALSE(line);
    return line.error().message;
  };
  const auto change = [](const std::string& members) {
    return "[EMIT]StockChange={\"id\":\"x\"," + members + "}/EOL/";
  };
  CHECK(wrong(change(R"("item":1,"delta":2,"reason":5,"decided_at_us":1)")).find("1 to 4") !=
        std::string::npos);
  CHECK(wrong(change(R"("item":1,"reason":1,"decided_at_us":1)")).find("\"delta\" is missing") !=
        std::string::npos);
  CHECK(wrong(change(R"("item":1,"delta":2,"reason":1,"decided_at_us":1,"more":1)"))
            .find("\"more\" is no argument") != std::string::npos);
  CHECK(wrong(change(R"("item":-1,"delta":2,"reason":1,"decided_at_us":1)")).find("\"item\"") !=
        std::string::npos);
  const std::string hash = R"("request_id_hash":"00112233445566778899aabbccddeeff",)";
  CHECK(wrong("[CLAIM]{" + hash + R"("shard":1,"decided_at_us":1}/EOL/)").find("content_hash") !=
        std::string::npos);
  CHECK(wrong(R"([CLAIM]{"request_id_hash":"00F0"}/EOL/)").find("hex digits") != std::string::npos);
}

TEST_CASE("text: arguments may be missing or null, and stay so") {
  const auto line =
      parsed(kHeader + R"([EMIT]OrderInsert={"id":"x","user":"bob","qty":null}/EOL/)");
  const Command& command = line.commands.at(0).command;
  CHECK(command.missing == (1U << 1 | 1U << 2 | 1U << 4 | 1U << 5 | 1U << 6));
  CHECK(printed(command, "x") == R"(OrderInsert={"id":"x","user":"bob"})");
}

TEST_CASE("text: every text survives, and none looks like the end of a command") {
  const std::vector<std::string> texts = {"",
                                          "a\"b\\c",
                                          "line\nfeed\ttab",
                                          std::string("\x01\x1f\x7f"),
                                          "/EOL/",
                                          "a/DELIMITER/b",
                                          "/",
                                          "//EOL//",
                                          "zo\xc3\xab \xe4\xb8\xad \xf0\x9f\x98\x80"};
  for (const auto& text : texts) {
    CAPTURE(text);
    Command order = order_of(1, text, text);
    const std::string printed_form = printed(order, "i");
    CHECK(printed_form.find("/EOL/") == std::string::npos);
    CHECK(printed_form.find("/DELIMITER/") == std::string::npos);
    CHECK(printed_form.find('\n') == std::string::npos);
    const auto line = parsed(kHeader + "[EMIT]" + printed_form + "/EOL/");
    CHECK(line.commands.at(0).command.order.request_id == text);
    CHECK(line.commands.at(0).command.order.user == text);
  }
}

TEST_CASE("text: bytes that are no UTF-8 are replaced, the line stays JSON") {
  for (const std::string bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"}) {
    const std::string form = printed(order_of(1, "r", bad + "x"), "i");
    CHECK(form.find("\xef\xbf\xbd") != std::string::npos);
    CHECK(form.find("x\"") != std::string::npos);
    parsed(kHeader + "[EMIT]" + form + "/EOL/");
  }
}

TEST_CASE("text: odd texts are printed as they always will be") {
  const auto user = [](std::string_view text) {
    const std::string form = printed(order_of(1, "r", text), "i");
    const std::size_t from = form.find("\"user\":") + 7;
    return form.substr(from, form.find(",\"qty\"") - from);
  };
  CHECK(user("a\"b\\c") == R"("a\"b\\c")");
  CHECK(user("\b\f\n\r\t") == R"("\b\f\n\r\t")");
  CHECK(user("\x01\x1f") == R"("\u0001\u001f")");
  CHECK(user("\x7f") == "\"\x7f\"");  // the tool escapes it where it prints
  CHECK(user("a/EOL/EOL/b") == R"("a/EOL\/EOL\/b")");
  CHECK(user("/DELIMITER//") == R"("/DELIMITER\//")");
  CHECK(user("zo\xc3\xab \xe4\xb8\xad") == "\"zo\xc3\xab \xe4\xb8\xad\"");
  CHECK(user("\xff\xc3x") == "\"\xef\xbf\xbd\xef\xbf\xbdx\"");
}

TEST_CASE("text: lines that earlier versions printed are read") {
  const auto line =
      parsed(kHeader + R"([EMIT]OrderInsert={"id":"i","request_id":"\u0008\u000c\u000d",)"
                       R"("user":"\u007f\ufffd/EOL\/"}/EOL/)");
  CHECK(line.commands.at(0).command.order.request_id == "\b\f\r");
  CHECK(line.commands.at(0).command.order.user == "\x7f\xef\xbf\xbd/EOL/");
}

TEST_CASE("text: JSON escapes are understood, surrogate pairs too") {
  const auto line = parsed(
      kHeader + R"([EMIT]OrderInsert={"id":"\u0041\/\ud83d\ude00\b\f\r" , "item" : 3 }/EOL/)");
  CHECK(line.commands.at(0).id == "A/\xf0\x9f\x98\x80\b\f\r");
  CHECK(line.commands.at(0).command.order.item == 3);
}

TEST_CASE("text: what is wrong is named with its column") {
  const auto at = [](const std::string& message) {
    return std::stoul(message.substr(std::string("column ").size()));
  };
  CHECK(at(error_of("")) == 1);
  CHECK(at(error_of("yesterday")) == 1);
  CHECK(at(error_of("2026-13-21T10:42:01Z pid=1 tid=1 lsn=1.1 : ")) == 1);
  CHECK(at(error_of("2026-11-21T10:42:01Z tid=1")) == 21);
  CHECK(at(error_of("2026-11-21T10:42:01Z pid=x")) == 26);
  CHECK(at(error_of("2026-11-21T10:42:01Z pid=1 tid=1 lsn=0.1 : [")) == 38);
  const std::size_t word = kHeader.size() + 1;
  CHECK(at(error_of(kHeader + "[DONE]X={}/EOL/")) == word);
  CHECK(at(error_of(kHeader + "[EMIT]Order={}/EOL/")) == word + 6);
  CHECK(at(error_of(kHeader + R"([EMIT]ItemPut={"id":"x"}/EOL/)")) == word + 14);      // no item
  CHECK(at(error_of(kHeader + R"([EMIT]OrderInsert={"item":1}/EOL/)")) == word + 18);  // no id
  CHECK(at(error_of(kHeader + R"([EMIT]OrderInsert={"id":"x","color":1}/EOL/)")) == word + 28);
  CHECK(at(error_of(kHeader + R"([EMIT]OrderInsert={"id":"x","qty":-1}/EOL/)")) == word + 28);
  CHECK(at(error_of(kHeader + R"([EMIT]OrderInsert={"id":"x","qty":1.5}/EOL/)")) == word + 34);
  CHECK(at(error_of(kHeader + R"([EMIT]OrderInsert={"id":"x","id":"y"}/EOL/)")) == word + 28);
  CHECK(at(error_of(kHeader + R"([EXEC]OrderInsert={"id":"x"})")) == word + 28);
  CHECK(at(error_of(kHeader + R"([EXEC]OrderInsert={"id":"x"}/EOL/ )")) == word + 33);
  CHECK(at(error_of(kHeader + R"([OPTM]ItemPut={"id":"x"}/EOL/)")) == word + 14);
  CHECK(at(error_of(kHeader + R"([REJECT]{"reason":"why"}/EOL/)")) == word + 9);
  CHECK(at(error_of(kHeader + R"([EMIT]OrderInsert={"id":"x)")) == word + 26);
}

TEST_CASE("text: what is no JSON, or more of it than a line has, is refused where it stands") {
  const auto refused = [](const std::string& members) {
    const std::string start = kHeader + "[EMIT]OrderInsert=";
    const std::string message = error_of(start + members + "/EOL/");
    const auto column = std::stoul(message.substr(std::string("column ").size()));
    return std::to_string(column - start.size()) + message.substr(message.find(':'));
  };
  const std::string value = ": expected a text in quotes, an integer, true, false or null";
  CHECK(refused(R"(["id"])") == "1: expected { to begin the command's arguments");
  CHECK(refused(R"({"id":["x"]})") == "7" + value);
  CHECK(refused(R"({"id" : {"x":1}})") == "9" + value);
  CHECK(refused(R"({"id":"x","qty":[[[[)") == "17" + value);
  const std::string integer = ": expected an integer of at most 64 bits";
  CHECK(refused(R"({"id":"x","qty": 1e2})") == "18" + integer);
  CHECK(refused(R"({"id":"x","qty":18446744073709551616})") == "17" + integer);
  CHECK(refused(R"({"id":"x","qty":-9223372036854775809})") == "17" + integer);
  CHECK(refused(R"({"id":"x","qty":1 ,"qty":2})") == R"(20: the member "qty" comes twice)");
  CHECK(refused(R"({"id":"x",})").starts_with("11: syntax error while parsing object key"));
  CHECK(refused(R"({"id":"x")").starts_with("10: syntax error while parsing object"));
  CHECK(refused(R"({"id":"x","qty":01})").starts_with("18: syntax error"));
  CHECK(refused(R"({"id":"x","qty":1e999})").starts_with("21: number overflow"));
  CHECK(refused("{\"id\":\"a\xff\"}") ==
        "9: syntax error while parsing value - invalid string: ill-formed UTF-8 byte");
  CHECK(refused("{\"id\":\"a\tb\"}").starts_with("9: syntax error"));
  CHECK(refused(R"({"id":"\ud800"})").starts_with("14: syntax error"));
  CHECK(refused(R"({"id":"\x"})").starts_with("9: syntax error"));
  CHECK(refused(std::string("{\"id\":\0", 7)).starts_with("7: syntax error"));
  CHECK(refused("\xef\xbb\xbf{}") == "1: expected { to begin the command's arguments");
}

TEST_CASE("text: times are exact to the microsecond, before 1970 too") {
  for (const std::int64_t micros : {0LL, 1LL, -1LL, 1'795'257'721'203'118LL, -86'400'000'001LL}) {
    std::string text;
    append_time(text, micros * 1000);
    CAPTURE(text);
    const auto line = parsed(text + R"( pid=0 tid=0 lsn=1.1 : [EXEC]ItemPut={"id":"x"}/EOL/)");
    CHECK(line.header.wall_ns == micros * 1000);
  }
}

TEST_CASE("text: any text and number comes back as it was, or its bad bytes as U+FFFD") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> pieces = {"/EOL/",
                                           "/DELIMITER/",
                                           "/",
                                           "\\",
                                           "\"",
                                           "EOL",
                                           "\\/",
                                           "\n",
                                           "\x7f",
                                           "\xc2\x85",
                                           "\xe2\x80\xa8",
                                           "\xf0\x9f\x98\x80",
                                           "\xef\xbf\xbd",
                                           "{",
                                           "}",
                                           ",",
                                           ":",
                                           std::string(1, '\0')};
  const auto text = [&](bool any_byte) {
    std::string out;
    for (std::uint64_t left = random() % 12; left > 0; --left) {
      const auto byte = static_cast<char>(random() % (any_byte ? 256 : 128));
      out += random() % 2 == 0 ? pieces[random() % pieces.size()] : std::string(1, byte);
    }
    return out;
  };
  for (std::uint64_t round = rounds_of_run(20'000); round > 0; --round) {
    const std::string request = text(false), user = text(true);
    Command order = order_of(random() >> 1, request, user);
    order.order.qty = static_cast<std::uint32_t>(random());
    order.order.decided_at_us = static_cast<std::int64_t>(random() >> random() % 64);
    const std::string id = "i" + text(false);
    const std::string form = printed(order, id);
    REQUIRE(form.find("/EOL/") == std::string::npos);
    REQUIRE(form.find("/DELIMITER/") == std::string::npos);
    REQUIRE(form.find('\n') == std::string::npos);
    const TextLine line = parsed(kHeader + "[EMIT]" + form + "/EOL/");
    const TextCommand& back = line.commands.at(0);
    REQUIRE(back.id == id);
    REQUIRE(back.command.order.request_id == request);
    REQUIRE(back.command.order.item == order.order.item);
    REQUIRE(back.command.order.qty == order.order.qty);
    REQUIRE(back.command.order.decided_at_us == order.order.decided_at_us);
    REQUIRE(printed(back.command, id) == form);
    const bool replaced = form.find("\xef\xbf\xbd") != std::string::npos;
    REQUIRE((back.command.order.user == user || replaced));
  }
}

TEST_CASE("text: mutated lines are read or refused with a column, never worse") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  const std::string original = kHeader + "[EMIT]" + printed(order_of(1, "r/1", "a\nb"), "i") +
                               "/DELIMITER/" + printed(put_of(2), "j") + "/EOL/";
  for (int round = 0; round < 50'000; ++round) {
    std::string line = original;
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      line[random() % line.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) line.resize(random() % line.size());
    const auto result = parse_line(line);
    if (!result) REQUIRE(result.error().message.starts_with("column "));
  }
}

TEST_CASE("text: the shipped example is the seed's: abcdef is superseded by xyzabc") {
  std::ifstream in(STAMPEDE_TEST_DATA "/seed_example.txt");
  std::vector<TextLine> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(parsed(line));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].type == RecordType::emit);
  CHECK(lines[0].commands.at(0).id == "abcdef");
  CHECK(lines[0].commands.at(0).command.amount.amount == 100);
  CHECK(lines[1].type == RecordType::fail);
  CHECK(lines[2].commands.at(0).id == "xyzabc");
  CHECK(lines[3].type == RecordType::exec);
}
