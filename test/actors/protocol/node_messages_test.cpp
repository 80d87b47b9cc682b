#include "actors/protocol/node_messages.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>

#include "test/support/hex_text.h"
#include "test/support/random_run.h"

using namespace stampede::actors;
using stampede::test::bytes_of;
using stampede::test::hex_of;

TEST_CASE("a request is the same in a string and in a buffer") {
  std::string text;
  stampede::storage::ByteBuffer buffer;
  for (const auto kind : {RequestKind::order, RequestKind::get, RequestKind::items,
                          RequestKind::item_put, RequestKind::stock_change}) {
    const Request request{kind, "r-1", 70'000, "ann", 3, {"Phone", 1, 2, 3, 4}, 5};
    append_request(text, request), append_request(buffer, request);
    CHECK(buffer.view() == text);
  }
}

TEST_CASE("requests come back as they were sent") {
  std::string body;
  append_request(body, {RequestKind::order, "r-1", 7, "ann", 3, {}, 0});
  append_request(body, {RequestKind::get, "r-2", 0, {}, 0, {}, 0});
  append_request(body, {RequestKind::items, {}, 5, {}, 10, {}, 0});
  append_request(body, {RequestKind::item_put, "p", kItemIdMax, {}, 0, {"名", 1, 2, 3, 4}, 0});
  append_request(body, {RequestKind::stock_change, "s", 1, {}, 0, {}, -5});
  BodyReader reader;
  reader.open(body);
  Request request;
  REQUIRE(reader.next(request));
  CHECK(request.id == "r-1");
  CHECK(request.user == "ann");
  CHECK(request.qty == 3);
  REQUIRE(reader.next(request));
  CHECK(request.kind == RequestKind::get);
  REQUIRE(reader.next(request));
  CHECK(request.item == 5);
  REQUIRE(reader.next(request));
  CHECK(request.item == kItemIdMax);
  CHECK(request.terms.name == "名");
  REQUIRE(reader.next(request));
  CHECK(request.delta == -5);
  CHECK_FALSE(reader.next(request));
  CHECK_FALSE(reader.bad());
}

TEST_CASE("a get that names a user says so, and one that does not is as it was") {
  std::string body;
  append_request(body, {RequestKind::get, "r-1", 0, {}, 0, {}, 0});
  CHECK(hex_of(body) == "9202a3722d31");
  append_request(body, {RequestKind::get, "r-2", 0, "ann", 0, {}, 0});
  BodyReader reader;
  reader.open(body);
  Request request;
  REQUIRE(reader.next(request));
  CHECK((request.kind == RequestKind::get && request.id == "r-1" && request.user.empty()));
  REQUIRE(reader.next(request));
  CHECK((request.kind == RequestKind::get && request.id == "r-2" && request.user == "ann"));
  CHECK_FALSE(reader.next(request));
  CHECK_FALSE(reader.bad());
  // One that is for nobody would be everybody's.
  const std::string nobodys("\x93\x14\xa3r-1\xa0");
  reader.open(nobodys);
  CHECK_FALSE(reader.next(request));
  CHECK(reader.bad());
}

TEST_CASE("results come back as they were sent") {
  std::string body;
  Answer answer{State::confirmed, RejectReason::invalid, 1ULL << 41, 7, 2, -0, true, false};
  append_answer(body, answer);
  append_error(body, Code::bad_request, "qty");
  append_items(body, {{1, {"Phone", 2, 3, 6, 7}, 4, 5}}, 9);
  append_item_changed(body, true, {1, {"Phone", 2, 3, 6, 7}, 4, 5});
  BodyReader reader;
  reader.open(body);
  Result result;
  REQUIRE(reader.next(result));
  CHECK(result.answer.lsn == 1ULL << 41);
  CHECK(result.answer.left == 0);
  CHECK(result.answer.stored);
  CHECK_FALSE(result.answer.replayed);
  REQUIRE(reader.next(result));
  CHECK(result.code == Code::bad_request);
  CHECK(result.field == "qty");
  REQUIRE(reader.next(result));
  CHECK(result.next == 9);
  REQUIRE(result.items.size() == 1);
  CHECK(result.items[0].terms.max_qty == 7);
  REQUIRE(reader.next(result));
  CHECK(result.changed);
}

TEST_CASE("the bytes of what speaks of an item") {
  const ItemRow row{7, {"Phone 名", 1999, 300'000, 2, 5}, 299'998, (Lsn{1} << 40) + 7};
  const std::string row_bytes =
      "98"
      "07a950686f6e6520e5908d"
      "cd07cf"
      "ce000493e0"
      "ce000493de"
      "cf0000010000000007"
      "0205";
  std::string body;
  SUBCASE("a request to put it for sale") {
    append_request(
        body, {RequestKind::item_put, "put-1", 7, {}, 0, {"Phone 名", 1999, 300'000, 2, 5}, 0});
    CHECK(hex_of(body) == "9804a57075742d3107a950686f6e6520e5908dcd07cfce000493e00205");
  }
  SUBCASE("a request for less stock") {
    append_request(body, {RequestKind::stock_change, "s-1", 7, {}, 0, {}, -300});
    CHECK(hex_of(body) == "9405a3732d3107d1fed4");
  }
  SUBCASE("its row") {
    append_item_row(body, row);
    CHECK(hex_of(body) == row_bytes);
  }
  SUBCASE("a page") {
    append_items(body, {row}, 9);
    CHECK(hex_of(body) == "93030991" + row_bytes);
  }
  SUBCASE("the answer to a change") {
    append_item_changed(body, true, row);
    CHECK(hex_of(body) == "930401" + row_bytes);
  }
}

TEST_CASE("a page carries the promos of its items, and is as it was without them") {
  std::vector<ItemRow> rows(3);
  for (std::uint64_t i = 0; i < rows.size(); ++i) rows[i].item = i + 1;
  std::string plain;
  append_items(plain, rows, {});
  CHECK(hex_of(plain.substr(0, 4)) == "9303c093");
  rows[1].promo = {7, "half price", 999, 1000, 2000, PromoState::coming};
  std::string body;
  append_items(body, rows, {});
  BodyReader reader;
  reader.open(body);
  Result result;
  REQUIRE(reader.next(result));
  REQUIRE(result.items.size() == 3);
  CHECK_FALSE(result.items[0].promo);
  CHECK_FALSE(result.items[2].promo);
  REQUIRE(result.items[1].promo);
  const auto& promo = *result.items[1].promo;
  CHECK((promo.promo == 7 && promo.name == "half price" && promo.price_cents == 999));
  CHECK((promo.starts_at_ms == 1000 && promo.ends_at_ms == 2000));
  CHECK(promo.state == PromoState::coming);
  rows.resize(1);  // of a row that is not there
  std::string odd = body;
  odd[3] = '\x91';
  reader.open(odd);
  CHECK_FALSE(reader.next(result));
}

TEST_CASE("a row carries the rules of its item, as far as they say something") {
  ItemRow row{7, {"Phone", 1, 2, 0, 5}, 1, 9};
  std::string plain;
  append_item_row(plain, row);
  CHECK(static_cast<unsigned char>(plain[0]) == 0x98);
  row.sale = {.decided_at_us = 0,
              .description = "a phone",
              .image_url = "u",
              .hold_s = 60,
              .hold_low_s = 20,
              .low_stock_percent = 50,
              .unpaid_per_user_max = 3,
              .promo_only = 1,
              .closed = 1};
  auto held = row;
  held.sale = {.description = {}, .hold_s = 60};
  std::string body;
  append_items(body, {row, held, {8, {"Watch", 1, 2, 0, 5}, 1, 9}}, {});
  append_item_changed(body, true, row);
  BodyReader reader;
  reader.open(body);
  Result result;
  REQUIRE(reader.next(result));
  REQUIRE(result.items.size() == 3);
  CHECK(same_terms(result.items[0].sale, row.sale));
  CHECK(same_terms(result.items[1].sale, held.sale));
  CHECK(same_terms(result.items[2].sale, ItemSale{}));
  REQUIRE(reader.next(result));
  CHECK(same_terms(result.items[0].sale, row.sale));
  std::string news;
  make_brief(row);
  append_item_row(news, row);
  reader.open(news);
  ItemRow read;
  REQUIRE(reader.next(read));
  CHECK(read.sale.description.empty());
  CHECK(read.sale.closed == 1);
  news[0] = static_cast<char>(news[0] + 1);  // one term too many
  reader.open(news);
  CHECK_FALSE(reader.next(read));
}

TEST_CASE("orders and answers of the sale come back as they were, plain ones in the bytes of old") {
  std::string body;
  Request order{RequestKind::order, "r-1", 7, "ann", 2, {}, 0};
  append_request(body, order);
  const auto plain = body.size();
  CHECK(hex_of(body) == "9501a3722d3107a3616e6e02");
  order.promo = 0;
  append_request(body, order);
  order.promo = kNoNumber;
  order.valid_until_ms = kTimeMsMax;
  append_request(body, order);
  BodyReader reader;
  reader.open(body);
  Request read;
  REQUIRE(reader.next(read));
  CHECK((read.promo == kNoNumber && read.valid_until_ms == 0));
  REQUIRE(reader.next(read));
  CHECK((read.kind == RequestKind::order && read.promo == 0 && read.valid_until_ms == 0));
  REQUIRE(reader.next(read));
  CHECK((read.promo == kNoNumber && read.valid_until_ms == kTimeMsMax));
  CHECK(plain == 12);

  Answer answer{State::confirmed, RejectReason::invalid, 1ULL << 41, 7, 2, 600, false, false};
  answer.unit_price_cents = 999;
  answer.promo = 7;
  std::string results;
  ResultWriter writer(results);
  for (int i = 0; i < 3; ++i, make_next(answer)) writer.answer(answer);
  writer.error(Code::not_started, {}, 1500);
  writer.error(Code::ended);
  writer.finish();
  reader.open(results);
  Result result;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(reader.next(result));
    CHECK((result.answer.promo == 7 && result.answer.unit_price_cents == 999));
    CHECK(result.answer.left == 600 - 2 * i);
  }
  REQUIRE(reader.next(result));
  CHECK((result.code == Code::not_started && result.retry_after_ms == 1500));
  REQUIRE(reader.next(result));
  CHECK((result.code == Code::ended && result.retry_after_ms == 0));
}

TEST_CASE("tickets, and orders that have one, come back as they were") {
  std::string body;
  Request order;
  order.kind = RequestKind::order;
  order.id = "r-1";
  order.item = 7;
  order.user = "ann";
  order.qty = 1;
  order.promo = 3;
  append_request(body, order);
  CHECK(hex_of(body) == "9706a3722d3107a3616e6e0103c0");
  for (const auto ticket_ms : {kForeignTicket, std::int64_t{1}, kTimeMsMax}) {
    order.ticket_ms = ticket_ms;
    append_request(body, order);
  }
  order.promo = kNoNumber;  // it is looked at where a promo wants it
  append_request(body, order);
  Request ticket;
  ticket.kind = RequestKind::ticket;
  ticket.id = "t-1";
  ticket.user = "ann";
  ticket.promo = kItemIdMax;
  append_request(body, ticket);
  BodyReader reader;
  reader.open(body);
  for (const auto ticket_ms : {kNoTicket, kForeignTicket, std::int64_t{1}, kTimeMsMax}) {
    Request read;
    REQUIRE(reader.next(read));
    CHECK((read.id == "r-1" && read.promo == 3 && read.ticket_ms == ticket_ms));
  }
  Request read;
  REQUIRE(reader.next(read));
  CHECK((read.promo == kNoNumber && read.ticket_ms == kNoTicket));
  REQUIRE(reader.next(read));
  CHECK((read.kind == RequestKind::ticket && read.id == "t-1" && read.user == "ann"));
  CHECK(read.promo == kItemIdMax);
  CHECK_FALSE(reader.next(read));
  CHECK_FALSE(reader.bad());
  reader.open(std::string_view("\x98\x06\xa1r\x01\xa1u\x01\x03\xc0\xfe", 12));  // -2
  CHECK_FALSE(reader.next(read));
  CHECK(reader.bad());

  std::string results;
  ResultWriter writer(results);
  writer.granted({"t-1", 3, 7, "ann", kTimeMsMax});
  writer.finish();
  reader.open(results);
  Result result;
  REQUIRE(reader.next(result));
  CHECK(result.kind == ResultKind::granted);
  CHECK((result.granted.id == "t-1" && result.granted.user == "ann"));
  CHECK((result.granted.promo == 3 && result.granted.item == 7));
  CHECK(result.granted.expires_at_ms == kTimeMsMax);
  CHECK_FALSE(reader.next(result));
  CHECK_FALSE(reader.bad());
}

// Whether the first entry of a body can be read; else the reader is bad.
template <class Entry>
bool opens_with(BodyReader& reader, const std::string& body, Entry& entry) {
  reader.open(body);
  const bool good = reader.next(entry);
  CHECK(reader.bad() == !good);
  return good;
}

TEST_CASE("an order of the sale may be written in any form, and must say what it has to") {
  const auto read = [](std::string_view hex, Request& request) {
    const auto body = bytes_of(hex);
    BodyReader reader;
    return opens_with(reader, body, request) && !reader.next(request) && !reader.bad();
  };
  Request order;
  // The id as a str 16, numbers of 64 bits, signed ones of 16 and 32.
  REQUIRE(read("98cf0000000000000006da0003722d31cf0000000000000007a3616e6ed10002d200000003c0d0ff",
               order));
  CHECK((order.kind == RequestKind::order && order.item == 7 && order.qty == 2));
  CHECK((order.promo == 3 && order.valid_until_ms == 0 && order.ticket_ms == kForeignTicket));
  REQUIRE(read("9706a17207a17501cffffffffffffffffec0", order));  // beyond all promos
  CHECK(order.promo == kNoNumber - 1);
  for (const auto* bad : {
           "9806a17207a1750103c0c0",                // a ticket that is nil
           "9806a17207a1750103c0a131",              // … a text
           "9806a17207a1750103ffff",                // a time below 0
           "9706a17207a17501ffc0",                  // a promo below 0
           "9706a17207a17501c2c0",                  // … a truth
           "9606a17207a1750103",                    // too few
           "9906a17207a1750103c00101",              // too many
           "9706a17207a17501cf",                    // cut off
           "9706c007a1750103c0",                    // no id
           "9706a17207a175cf000000010000000003c0",  // too many units
       }) {
    INFO(bad);
    CHECK_FALSE(read(bad, order));
  }
}

TEST_CASE("an error may be written in any form, and is no part of a run") {
  const auto read = [](std::string_view hex, Result& result) {
    const auto body = bytes_of(hex);
    BodyReader reader;
    return opens_with(reader, body, result);
  };
  Result result;
  REQUIRE(read("93cc02cd002dc0", result));
  CHECK((result.kind == ResultKind::error && result.code == Code::sold_out_for_now));
  CHECK((result.field.empty() && result.retry_after_ms == 0));
  REQUIRE(read("940214a0d3000000000000000a", result));
  CHECK((result.code == Code::overloaded && result.field.empty() && result.retry_after_ms == 10));
  REQUIRE(read("94020cda0003717479ff", result));
  CHECK((result.code == Code::bad_request && result.retry_after_ms == -1));
  for (const auto* bad : {"9202c0", "930214", "93021401", "940214c0c0", "940214c0a131",
                          "9302ce00010000c0", "950214c00101"}) {
    INFO(bad);
    CHECK_FALSE(read(bad, result));
  }
  // However long a field is, it fits.
  std::string body;
  append_error(body, Code::bad_request, std::string(70'000, 'f'), INT64_MAX);
  BodyReader reader;
  reader.open(body);
  REQUIRE(reader.next(result));
  CHECK((result.field.size() == 70'000 && result.retry_after_ms == INT64_MAX));
  // Behind an error there is nothing that a run could go on with.
  body.clear();
  ResultWriter writer(body);
  writer.answer({State::rejected, RejectReason::sold_out, 1ULL << 41, 7, 2, 0, false, false});
  writer.error(Code::ended);
  writer.finish();
  body += bytes_of("920501");
  reader.open(body);
  REQUIRE((reader.next(result) && reader.next(result)));
  CHECK_FALSE(reader.next(result));
  CHECK(reader.bad());
}

TEST_CASE("payments, cancels and what becomes of orders come back as they were") {
  std::string body;
  Request pay;
  pay.kind = RequestKind::pay;
  pay.id = "p-1";
  pay.order = "r-1";
  pay.amount_cents = kAmountCentsMax;
  append_request(body, pay);
  CHECK(hex_of(body) == "9408a3702d31a3722d31cf7fffffffffffffff");
  Request cancel;
  cancel.kind = RequestKind::cancel;
  cancel.id = "c-1";
  cancel.order = "r-1";
  cancel.user = "ann";
  append_request(body, cancel);
  BodyReader reader;
  reader.open(body);
  Request read;
  REQUIRE(reader.next(read));
  CHECK((read.kind == RequestKind::pay && read.id == "p-1" && read.order == "r-1"));
  CHECK(read.amount_cents == kAmountCentsMax);
  REQUIRE(reader.next(read));
  CHECK((read.kind == RequestKind::cancel && read.id == "c-1" && read.user == "ann"));

  std::string results;
  ResultWriter writer(results);
  Answer answer{State::confirmed, RejectReason::invalid, 1ULL << 41, 7, 2, 600, false, false};
  answer.fulfilment = stampede::storage::Fulfilment::unpaid;
  answer.at_ms = kTimeMsMax;
  for (int i = 0; i < 2; ++i, make_next(answer)) writer.answer(answer);
  writer.fulfilled({"r-1", 1ULL << 41, stampede::storage::Fulfilment::refund_due, 5});
  answer.fulfilment = stampede::storage::Fulfilment::none;
  answer.at_ms = 0;
  writer.answer(answer);
  writer.finish();
  reader.open(results);
  Result result;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(reader.next(result));
    CHECK(result.kind == ResultKind::answer);
    CHECK(result.answer.fulfilment == stampede::storage::Fulfilment::unpaid);
    CHECK(result.answer.at_ms == kTimeMsMax);
    CHECK(result.answer.left == 600 - 2 * i);
  }
  REQUIRE(reader.next(result));
  CHECK(result.kind == ResultKind::fulfilled);
  CHECK((result.fulfilled.order == "r-1" && result.fulfilled.order_id == 1ULL << 41));
  CHECK((result.fulfilled.fulfilment == stampede::storage::Fulfilment::refund_due));
  CHECK(result.fulfilled.at_ms == 5);
  REQUIRE(reader.next(result));
  CHECK(result.answer.fulfilment == stampede::storage::Fulfilment::none);
  CHECK_FALSE(reader.next(result));
  CHECK_FALSE(reader.bad());
}

TEST_CASE("what changed is asked for by an lsn, and told with rows and promos") {
  std::string body;
  Request asked;
  asked.kind = RequestKind::changes;
  asked.item = ~Lsn{0};
  asked.qty = 500;
  append_request(body, asked);
  BodyReader reader;
  reader.open(body);
  Request read;
  REQUIRE(reader.next(read));
  CHECK((read.kind == RequestKind::changes && read.item == ~Lsn{0} && read.qty == 500));
  CHECK(read.id.empty());

  ItemRow row;
  row.item = 7;
  row.terms = {"Phone", 1999, 300'000, 2, 5};
  row.seq = 1ULL << 41;
  for (const bool more : {false, true}) {
    for (const bool anew : {false, true}) {
      for (std::size_t rows = 0; rows <= 2; ++rows) {
        std::vector<ItemRow> all(rows, row);
        if (rows == 2) all[1].promo = ShownPromo{9, "half", 500, 10, 20, PromoState::coming};
        std::string results;
        ResultWriter writer(results);
        writer.changes({(1ULL << 41) + 5, more, anew}, all);
        writer.error(Code::internal);
        writer.finish();
        reader.open(results);
        Result result;
        REQUIRE(reader.next(result));
        CHECK(result.kind == ResultKind::changes);
        CHECK(result.changes.upto == (1ULL << 41) + 5);
        CHECK((result.changes.more == more && result.changes.anew == anew));
        REQUIRE(result.items.size() == rows);
        if (rows == 2) CHECK((!result.items[0].promo && result.items[1].promo->promo == 9));
        REQUIRE(reader.next(result));
        CHECK(result.kind == ResultKind::error);
      }
    }
  }
}

TEST_CASE("sessions that were opened or have ended come back as they were") {
  Request kept;
  kept.kind = RequestKind::session;
  kept.item = ~std::uint64_t{0};
  kept.promo = 7;
  kept.user = "ann";
  kept.valid_until_ms = kTimeMsMax;
  kept.qty = 4;
  std::string body;
  append_request(body, kept);
  append_request(body, {RequestKind::ended_sessions, {}, 70, {}, 1000, {}, 0});
  BodyReader reader;
  reader.open(body);
  Request request;
  REQUIRE(reader.next(request));
  CHECK((request.kind == RequestKind::session && request.item == kept.item && request.promo == 7 &&
         request.user == "ann" && request.valid_until_ms == kTimeMsMax && request.qty == 4));
  REQUIRE(reader.next(request));
  CHECK((request.kind == RequestKind::ended_sessions && request.item == 70 && request.qty == 1000));
  CHECK_FALSE(reader.next(request));
  CHECK_FALSE(reader.bad());

  const EndedSession one{{~std::uint64_t{0}, 2}, SessionEvent::ended, 5};
  const EndedSession other{{3, 4}, SessionEvent::replaced, kTimeMsMax};
  EndedSessionsPage page{9, true, std::vector<EndedSession>(kEndedSessionsPageMax, one)};
  page.rows.back() = other;
  page.rows[1] = {{5, 6}, SessionEvent::barred, kTimeMsMax, kTimeMsMax - 1};
  std::string answers;
  ResultWriter writer(answers);
  writer.session_kept(one);
  writer.ended_sessions(page);
  writer.finish();
  reader.open(answers);
  Result result;
  REQUIRE(reader.next(result));
  CHECK((result.kind == ResultKind::session_kept && result.session == one));
  REQUIRE(reader.next(result));
  CHECK((result.kind == ResultKind::ended_sessions && result.sessions.upto == 9 &&
         result.sessions.more && result.sessions.rows == page.rows));
  CHECK_FALSE(reader.next(result));
  CHECK_FALSE(reader.bad());

  std::string news;
  append_ended_session(news, one);
  append_ended_session(news, other);
  append_ended_session(news, page.rows[1]);
  reader.open(news);
  EndedSession told;
  REQUIRE(reader.next(told));
  CHECK(told == one);
  REQUIRE(reader.next(told));
  CHECK(told == other);
  REQUIRE(reader.next(told));
  CHECK(told == page.rows[1]);
  CHECK_FALSE(reader.next(told));
  for (const auto what : {SessionEvent::invalid, static_cast<SessionEvent>(5)}) {
    std::string wrong;
    append_ended_session(wrong, {{1, 2}, what, 5});
    reader.open(wrong);
    CHECK_FALSE(reader.next(told));
    CHECK(reader.bad());
  }
}

TEST_CASE("answers to a run of orders take the bytes of one, and come back one by one") {
  std::string body;
  ResultWriter results(body);
  Answer answer{State::confirmed, RejectReason::invalid, 1ULL << 41, 7, 2, 600, false, false};
  for (int i = 0; i < 300; ++i, make_next(answer)) results.answer(answer);
  CHECK((answer.left == 0 && answer.lsn == (1ULL << 41) + 300));
  answer.state = State::rejected;
  answer.reason = RejectReason::sold_out;
  for (int i = 0; i < 300; ++i, make_next(answer)) results.answer(answer);
  CHECK((answer.left == 0 && answer.lsn == (1ULL << 41) + 600));
  results.finish();
  CHECK(body.size() < 100);
  BodyReader reader;
  reader.open(body);
  Result result;
  for (int i = 0; i < 600; ++i) {
    REQUIRE(reader.next(result));
    CHECK(result.answer.state == (i < 300 ? State::confirmed : State::rejected));
    CHECK(result.answer.lsn == (1ULL << 41) + static_cast<std::uint64_t>(i));
    CHECK(result.answer.left == (i < 300 ? 598 + 2 - 2 * i : 0));
  }
  CHECK_FALSE(reader.next(result));
  CHECK_FALSE(reader.bad());
}

TEST_CASE("any results come back in their order, however many are the next of one another") {
  const auto seed = stampede::test::seed_of_run();
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::string body;
    ResultWriter results(body);
    std::vector<std::optional<Answer>> written;  // none: an error
    Answer answer{State::rejected, RejectReason::sold_out, 1, 7, 1, 0, false, false};
    for (auto count = random() % 60; count > 0; --count) {
      make_next(answer);
      if (random() % 4 == 0) answer.state = random() % 2 ? State::confirmed : State::rejected;
      if (random() % 8 == 0) answer.left = static_cast<std::int64_t>(random() % 5) - 2;
      if (random() % 8 == 0) answer.left = std::nullopt;
      if (random() % 8 == 0) answer.lsn = random() % 3 == 0 ? ~Lsn{0} : random();
      if (random() % 8 == 0) answer.item = random() % 3;
      if (random() % 8 == 0) answer.replayed = random() % 2 == 0;
      if (random() % 9 == 0) {
        results.error(Code::overloaded);
        written.push_back(std::nullopt);
      } else {
        results.answer(answer);
        written.push_back(answer);
      }
    }
    results.finish();
    BodyReader reader;
    reader.open(body);
    Result result;
    for (const auto& expected : written) {
      REQUIRE(reader.next(result));
      REQUIRE((result.kind == ResultKind::answer) == expected.has_value());
      if (expected) CHECK(result.answer == *expected);
    }
    CHECK_FALSE(reader.next(result));
    CHECK_FALSE(reader.bad());
  }
}

TEST_CASE("further answers without a first one, none, or more than there can be are refused") {
  std::string first;
  append_answer(first, {State::rejected, RejectReason::sold_out, 9, 7, 1, 0, false, false});
  std::string error;
  append_error(error, Code::overloaded);
  const std::string one("\x92\x05\x01", 3);
  Result result;
  const auto reads = [&](const std::string& body, int entries) {
    BodyReader reader;
    reader.open(first);  // what another body ended with does not count
    while (reader.next(result)) continue;
    reader.open(body);
    for (; entries > 0; --entries)
      if (!reader.next(result)) return false;
    return !reader.next(result) && !reader.bad();
  };
  CHECK(reads(first + one, 2));
  CHECK(reads(first + "\x92\x05\xcd\x10" + std::string(1, '\0'), 1 + kBatchOrdersMax));
  CHECK_FALSE(reads(one, 1));
  CHECK_FALSE(reads(first + error + one, 3));
  CHECK_FALSE(reads(first + std::string("\x92\x05\x00", 3), 1));
  CHECK_FALSE(reads(first + "\x92\x05\xcd\x10\x01", 1 + kBatchOrdersMax));
  CHECK_FALSE(reads(first + "\x91\x05", 1));
  CHECK_FALSE(reads(first + "\x93\x05\x01\x01", 2));
}

TEST_CASE("orders and answers with the largest and the smallest values come back") {
  std::string body;
  const std::string longest(64, 'x');
  append_request(body, {RequestKind::order, longest, kItemIdMax, longest, kQtyMax, {}, 0});
  append_request(body, {RequestKind::order, "a", 0, "b", 1, {}, 0});
  BodyReader reader;
  reader.open(body);
  Request request;
  REQUIRE(reader.next(request));
  CHECK((request.id == longest && request.user == longest));
  CHECK((request.item == kItemIdMax && request.qty == kQtyMax));
  REQUIRE(reader.next(request));
  CHECK((request.id == "a" && request.item == 0));
  CHECK_FALSE(reader.next(request));

  body.clear();
  Answer answer{State::rejected, RejectReason::sold_out, ~Lsn{0}, kItemIdMax, ~0U, {}, false, true};
  append_answer(body, answer);
  answer.left = -1;
  append_answer(body, answer);
  answer.left = INT64_MAX;
  append_answer(body, answer);
  reader.open(body);
  Result result;
  REQUIRE(reader.next(result));
  CHECK_FALSE(result.answer.left);
  CHECK((result.answer.lsn == ~Lsn{0} && result.answer.qty == ~0U && result.answer.replayed));
  REQUIRE(reader.next(result));
  CHECK(result.answer.left == -1);
  REQUIRE(reader.next(result));
  CHECK(result.answer.left == INT64_MAX);
  CHECK_FALSE(reader.next(result));
  CHECK_FALSE(reader.bad());
}

TEST_CASE("every truncation of a body is noticed and mutations do no harm") {
  const auto seed = stampede::test::seed_of_run();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  std::string body;
  SUBCASE("of an item") {
    append_request(body, {RequestKind::item_put, "put-1", 7, {}, 0, {"Phone", 99, 100, 2, 5}, 0});
  }
  SUBCASE("of an order") {
    append_request(body, {RequestKind::order, "r-1", 70'000, "ann", 300, {}, 0});
  }
  BodyReader reader;
  Request request;
  for (std::size_t size = 1; size < body.size(); ++size) {
    reader.open(std::string_view(body).substr(0, size));
    CHECK_FALSE(reader.next(request));
    CHECK(reader.bad());
  }
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    auto bad = body;
    for (auto flips = 1 + random() % 4; flips > 0; --flips)
      bad[random() % bad.size()] = static_cast<char>(random());
    reader.open(bad);
    while (reader.next(request)) CHECK(request.id.size() <= bad.size());
  }
}

TEST_CASE("every truncation of an answer is noticed and mutations stay within the bounds") {
  const auto seed = stampede::test::seed_of_run();
  MESSAGE("seed " << seed);
  std::string body;
  append_answer(body, {State::confirmed, RejectReason::invalid, 1ULL << 41, 7, 300, -5, true, {}});
  BodyReader reader;
  Result result;
  for (std::size_t size = 1; size < body.size(); ++size) {
    reader.open(std::string_view(body).substr(0, size));
    CHECK_FALSE(reader.next(result));
    CHECK(reader.bad());
  }
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    auto bad = body;
    for (auto flips = 1 + random() % 4; flips > 0; --flips)
      bad[random() % bad.size()] = static_cast<char>(random());
    reader.open(bad);
    while (reader.next(result))
      if (result.kind == ResultKind::answer) CHECK(result.answer.state <= State::rejected);
  }
}

TEST_CASE("users are UTF-8 without control characters, ids plain") {
  CHECK(valid_user("安娜 O'Hara \\ 😀"));
  for (const std::string bad : {"", "a\nb", "\x7f", "\xc2\x85", "\xc0\xaf", "\xed\xa0\x80",
                                "\xf5\x80\x80\x80", "\xe4\xbd", "\x80"})
    CHECK_FALSE(valid_user(bad));
  CHECK_FALSE(valid_user(std::string(65, 'a')));
  CHECK(valid_request_id("aZ09_-"));
  for (const std::string bad : {"", "a b", "a/b", "ä"}) CHECK_FALSE(valid_request_id(bad));
  CHECK_FALSE(valid_request_id(std::string(65, 'a')));
}

TEST_CASE("a character that is not allowed is found wherever it stands") {
  const auto plain = [](unsigned char c) {
    return std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
               .find(static_cast<char>(c)) != std::string_view::npos;
  };
  for (std::size_t size = 1; size <= 64; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (unsigned c = 0; c < 256; ++c) {
        std::string text(size, 'a');
        text[at] = static_cast<char>(c);
        REQUIRE(valid_request_id(text) == plain(static_cast<unsigned char>(c)));
        REQUIRE(valid_user(text) == (c >= 0x20 && c < 0x7F));
      }
    }
  }
}
