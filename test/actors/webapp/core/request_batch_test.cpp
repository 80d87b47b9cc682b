// The body of a work message: positions, ids, bounds, and what is taken out again.

#include "actors/webapp/core/request_batch.h"

#include <doctest/doctest.h>

#include <string>

using namespace stampede::actors;

namespace {

Request order(std::string_view id, std::uint64_t item = 1) {
  Request request;
  request.kind = RequestKind::order;
  request.id = id;
  request.item = item;
  request.user = "ann";
  request.qty = 1;
  return request;
}

std::string ids(const RequestBatch& batch) {
  std::string all;
  BodyReader reader;
  reader.open(batch.body());
  for (Request request; reader.next(request);) all += std::string(request.id) + ' ';
  CHECK_FALSE(reader.bad());
  return all;
}

}  // namespace

TEST_CASE("a position names the request that was appended as the so-manieth") {
  RequestBatch batch;
  CHECK(batch.empty());
  for (const char* id : {"a", "b", "c"}) batch.append(order(id));
  CHECK(batch.count() == 3);
  CHECK(ids(batch) == "a b c ");
  CHECK(batch.id_at(0) == "a");
  CHECK(batch.id_at(2) == "c");
}

TEST_CASE("an id of every length is found where it stands") {
  RequestBatch batch;
  for (std::size_t size = 1; size <= kRequestIdBytesMax; ++size)
    batch.append(order(std::string(size, 'x')));
  for (std::size_t size = 1; size <= kRequestIdBytesMax; ++size)
    CHECK(batch.id_at(size - 1) == std::string(size, 'x'));
}

TEST_CASE("a copied entry reads like the original") {
  RequestBatch from;
  from.append(order("a", 7));
  from.append(order("last", 8));
  RequestBatch to;
  to.append_copy(from, 1);
  to.append_copy(from, 0);
  CHECK(ids(to) == "last a ");
  BodyReader reader;
  reader.open(to.entry(0));
  Request request;
  REQUIRE(reader.next(request));
  CHECK(request.item == 8);
  CHECK_FALSE(reader.next(request));
}

TEST_CASE("what is cut back leaves no trace, in bytes, positions or bounds") {
  RequestBatch batch;
  batch.append(order("kept"));
  const auto body = std::string(batch.body());
  const auto end = batch.end();
  for (int i = 0; i < 100; ++i) batch.append(order("gone"), answer_bytes_max(kItemsPageMax));
  CHECK_FALSE(batch.fits(1, kAnswerBytes));
  batch.cut_back(end);
  CHECK(batch.body() == body);
  CHECK(batch.count() == 1);
  CHECK(batch.fits(1, kAnswerBytes));
  batch.append(order("next"));
  CHECK(ids(batch) == "kept next ");
}

TEST_CASE("as long as the largest entries fit, the body stays within one message") {
  RequestBatch batch;
  auto largest = order(std::string(kRequestIdBytesMax, 'i'), kItemIdMax);
  const std::string user(kUserBytesMax, 'u');
  largest.user = user;
  largest.qty = kQtyMax;
  largest.promo = kItemIdMax;
  largest.valid_until_ms = kTimeMsMax;
  while (batch.fits(1, kAnswerBytes)) batch.append(largest);
  CHECK(batch.body().size() <= kBatchBytesMax);
  CHECK(batch.body().size() > kBatchBytesMax - 1000);
}

TEST_CASE("item pages fill a batch by what their answers may take") {
  RequestBatch batch;
  int pages = 0;
  for (; batch.fits(1, answer_bytes_max(kItemsPageMax)); ++pages) {
    Request page;
    page.kind = RequestKind::items;
    page.qty = kItemsPageMax;
    batch.append(page, answer_bytes_max(kItemsPageMax));
  }
  CHECK(pages == 2);
}

TEST_CASE(
    "a page of the largest items, each with the largest promo, takes what was counted for it") {
  const std::string name(kItemNameBytesMax, 'n');
  std::vector<ItemRow> rows(kItemsPageMax);
  for (auto& row : rows) {
    row = {kItemIdMax, {name, kStockMax, kStockMax, 1'000'000'000, kQtyMax}, kStockMax, kItemIdMax};
    row.promo = {kItemIdMax, name, kStockMax, kTimeMsMax, kTimeMsMax, PromoState::running};
  }
  std::string body;
  append_items(body, rows, kItemIdMax);
  CHECK(body.size() <= answer_bytes_max(kItemsPageMax));
}

TEST_CASE("the largest answer to an order takes what was counted for it") {
  Answer answer;
  answer.state = State::confirmed;
  answer.lsn = answer.item = answer.promo = kItemIdMax;
  answer.qty = kQtyMax;
  answer.left = answer.unit_price_cents = kStockMax;
  std::string body;
  append_answer(body, answer);
  CHECK(body.size() <= kAnswerBytes);
}

TEST_CASE("a cleared batch is empty and keeps its memory") {
  RequestBatch batch;
  for (int i = 0; i < 1000; ++i) batch.append(order("x"));
  const auto capacity = batch.capacity();
  batch.clear();
  CHECK(batch.empty());
  CHECK(batch.body().empty());
  CHECK(batch.capacity() == capacity);
}
